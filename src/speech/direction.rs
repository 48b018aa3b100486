//! One way of a conversation: messages are passed on when they are whole.
//!
//! Who has got half a message cannot be told anything else any more: whatever follows is read as its
//! other half. So the half is kept back until the rest is there, which nobody could have used before,
//! and is dropped if the rest never comes. A message that is larger than may be kept is passed on as it
//! comes; if the session is lost within it, its reader is told nothing.

use bytes::{Bytes, BytesMut};

use super::Framing;
use super::framing::{Cut, Cutter};
use super::scanner::{Message, Scanner};
use crate::proto::limits::HELD_BYTES_MAX;

/// What becomes of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It goes on as it came.
    Pass,
    /// It goes no further.
    Drop,
    /// These bytes of its body are replaced.
    Replace(std::ops::Range<usize>, &'static str),
}

/// It is something else from here on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Oddity {
    /// A line is no message.
    Line,
    /// Nobody knows where a message would begin.
    Foreign,
}

#[derive(Debug)]
pub(super) struct Direction {
    cutter: Cutter,
    scanner: Scanner,
    /// What has come of a message that is not whole.
    held: BytesMut,
    /// Some of the message was passed on.
    is_torn: bool,
    is_foreign: bool,
}

impl Direction {
    pub(super) fn new(framing: Framing) -> Self {
        Direction {
            cutter: Cutter::new(framing),
            scanner: Scanner::default(),
            held: BytesMut::new(),
            is_torn: false,
            is_foreign: false,
        }
    }

    /// Whether its reader is in the midst of something.
    pub(super) fn is_torn(&self) -> bool {
        self.is_torn
    }

    /// Takes what has come, and passes on what is whole, as `judge` says of each message.
    pub(super) fn push(
        &mut self,
        bytes: Bytes,
        passed: &mut Vec<Bytes>,
        mut judge: impl FnMut(Message) -> Fate,
    ) -> Option<Oddity> {
        if self.is_foreign {
            passed.push(bytes);
            return None;
        }
        let mut oddity = None;
        // What goes on as it is goes on in one piece: from `from`; the message under way began at `begin`.
        let (mut from, mut begin, mut at) = (0, 0, 0);
        while at < bytes.len() {
            let (used, cut) = self.cutter.cut(&bytes[at..], &mut self.scanner);
            at += used;
            match cut {
                Cut::More => continue,
                Cut::Whole => {}
                Cut::Line => oddity = Some(Oddity::Line),
                Cut::Foreign => {
                    self.give_up(passed);
                    passed.push(bytes.slice(from..));
                    return Some(Oddity::Foreign);
                }
            }
            let fate = judge(self.scanner.finish());
            if fate == Fate::Pass || self.is_torn {
                self.pass_held(passed);
            } else {
                self.pass(bytes.slice(from..begin), passed);
                self.held.extend_from_slice(&bytes[begin..at]);
                let message = self.held.split().freeze();
                if let Fate::Replace(range, text) = fate {
                    self.replace(message, range, text, passed);
                }
                from = at;
            }
            self.is_torn = false;
            begin = at;
        }
        self.pass(bytes.slice(from..begin), passed);
        self.hold(bytes.slice(begin..), passed);
        oddity
    }

    /// What was kept back of a stream that has ended by itself: its reader sees what it would have seen.
    pub(super) fn give_up(&mut self, passed: &mut Vec<Bytes>) {
        self.is_foreign = true;
        self.pass_held(passed);
    }

    fn hold(&mut self, half: Bytes, passed: &mut Vec<Bytes>) {
        if half.is_empty() {
            return;
        }
        let fits = self.held.len() + half.len() <= HELD_BYTES_MAX;
        if fits && !self.is_torn && self.cutter.is_message() {
            self.held.extend_from_slice(&half);
        } else {
            self.is_torn = true;
            self.pass_held(passed);
            passed.push(half);
        }
    }

    fn pass_held(&mut self, passed: &mut Vec<Bytes>) {
        let held = self.held.split().freeze();
        self.pass(held, passed);
    }

    fn pass(&self, bytes: Bytes, passed: &mut Vec<Bytes>) {
        if !bytes.is_empty() {
            passed.push(bytes);
        }
    }

    fn replace(
        &self,
        message: Bytes,
        range: std::ops::Range<usize>,
        text: &'static str,
        passed: &mut Vec<Bytes>,
    ) {
        let body = message.slice(self.cutter.header_bytes()..);
        let header = self.cutter.header_for(body.len() - range.len() + text.len());
        let header = header.map_or_else(|| message.slice(..self.cutter.header_bytes()), Bytes::from);
        let parts =
            [header, body.slice(..range.start), Bytes::from_static(text.as_bytes()), body.slice(range.end..)];
        passed.push(parts.concat().into());
    }
}
