//! Bytes on their way in one direction: in order, with the time at which each part arrives.
//!
//! How long the way is, who reads and who is told are left to links and connections.

use std::collections::VecDeque;
use std::time::Duration;

use reattach::session::Time;

/// Something among the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// A line on standard error, by its number.
    Line(u32),
    /// No more bytes will come; the other direction is open still.
    HalfEnd,
    /// No more bytes will come, and nobody takes any.
    End,
    /// The exit status of the process at the other end.
    Exit,
}

/// What has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrived {
    Bytes(usize),
    Mark(Mark),
}

/// How bytes travel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wire {
    pub(super) latency: Duration,
    /// Bytes a millisecond; zero for as many as there are.
    pub(super) bandwidth: u32,
    /// Bytes that may be on their way before the writer waits.
    pub(super) room: usize,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Pipe {
    bytes: Vec<u8>,
    head: usize,
    parts: VecDeque<(Time, Arrived)>,
    free_at: Time,
    last_at: Time,
    /// An event for the front part is in the queue.
    pub(super) scheduled: bool,
    /// The writer was told to wait.
    pub(super) writer_waits: bool,
    ended: bool,
    /// Nothing that is written any more gets anywhere.
    severed: bool,
}

impl Pipe {
    /// Bytes that have not been read.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.head
    }

    /// Whether the writer may go on; if not, it is to be told when it may.
    pub(super) fn has_room(&mut self, wire: &Wire) -> bool {
        let room = self.len() < wire.room;
        self.writer_waits = !room;
        room
    }

    /// Whether [`Mark::End`] was written.
    pub(super) fn is_ended(&self) -> bool {
        self.ended
    }

    /// Adds bytes; after the end they are lost.
    pub(super) fn push(&mut self, now: Time, wire: &Wire, bytes: &[u8]) {
        if self.ended || self.severed || bytes.is_empty() {
            return;
        }
        if self.head == self.bytes.len() {
            self.bytes.clear();
            self.head = 0;
        } else if self.head > 8192 {
            self.bytes.drain(..self.head);
            self.head = 0;
        }
        self.bytes.extend_from_slice(bytes);
        let start = self.free_at.max(now);
        let carried = (bytes.len() as u64 * 1000).checked_div(u64::from(wire.bandwidth)).unwrap_or(0);
        self.free_at = start + Duration::from_micros(carried);
        let at = (self.free_at + wire.latency).max(self.last_at);
        self.last_at = at;
        match self.parts.back_mut() {
            Some((back_at, Arrived::Bytes(count))) if *back_at == at => *count += bytes.len(),
            Some(_) | None => self.parts.push_back((at, Arrived::Bytes(bytes.len()))),
        }
    }

    /// Adds a mark after all bytes.
    pub(super) fn mark(&mut self, now: Time, wire: &Wire, mark: Mark) {
        if mark == Mark::End {
            if self.ended {
                return;
            }
            self.ended = true;
        }
        let at = (self.free_at.max(now) + wire.latency).max(self.last_at);
        self.last_at = at;
        self.parts.push_back((at, Arrived::Mark(mark)));
    }

    /// When the next part arrives, or has arrived.
    pub(super) fn next_at(&self) -> Option<Time> {
        self.parts.front().map(|(at, _)| *at)
    }

    /// The next part, if it has arrived.
    pub(super) fn arrived(&self, now: Time) -> Option<Arrived> {
        self.parts.front().filter(|(at, _)| *at <= now).map(|(_, part)| *part)
    }

    /// Takes up to `max` bytes of the front part.
    pub(super) fn take_bytes(&mut self, max: usize) -> &mut [u8] {
        let Some((_, Arrived::Bytes(count))) = self.parts.front_mut() else {
            return &mut [];
        };
        let taken = max.min(*count);
        *count -= taken;
        if *count == 0 {
            self.parts.pop_front();
        }
        let from = self.head;
        self.head += taken;
        &mut self.bytes[from..from + taken]
    }

    /// Takes the mark at the front.
    pub(super) fn take_mark(&mut self) {
        self.parts.pop_front();
    }

    /// Loses everything but the first bytes, which are as good as arrived with the lines between them, and
    /// whatever is written later.
    pub(super) fn cut(&mut self, now: Time, keep: usize) {
        let mut left = keep.min(self.len());
        self.bytes.truncate(self.head + left);
        for (_, part) in std::mem::take(&mut self.parts) {
            match part {
                _ if left == 0 => break,
                Arrived::Bytes(count) => {
                    let kept = count.min(left);
                    left -= kept;
                    self.parts.push_back((now, Arrived::Bytes(kept)));
                }
                // It was written before bytes that arrive, and goes the same way.
                Arrived::Mark(Mark::Line(_)) => self.parts.push_back((now, part)),
                Arrived::Mark(Mark::HalfEnd | Mark::End | Mark::Exit) => {}
            }
        }
        self.ended = false;
        self.severed = true;
        self.last_at = now;
        self.free_at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIRE: Wire = Wire { latency: Duration::from_micros(10), bandwidth: 1000, room: 8 };

    #[test]
    fn keeps_order_and_takes_its_time() {
        let mut pipe = Pipe::default();
        pipe.push(Time(0), &WIRE, b"abc");
        pipe.mark(Time(0), &WIRE, Mark::End);
        assert_eq!(pipe.arrived(Time(12)), None);
        assert_eq!(pipe.arrived(Time(13)), Some(Arrived::Bytes(3)));
        assert_eq!(pipe.take_bytes(2), b"ab");
        assert_eq!(pipe.take_bytes(9), b"c");
        assert_eq!(pipe.arrived(Time(13)), Some(Arrived::Mark(Mark::End)));
    }

    #[test]
    fn the_writer_waits_when_it_is_full() {
        let mut pipe = Pipe::default();
        assert!(pipe.has_room(&WIRE));
        pipe.push(Time(0), &WIRE, &[0; 8]);
        assert!(!pipe.has_room(&WIRE) && pipe.writer_waits);
    }

    #[test]
    fn a_cut_keeps_a_beginning_and_nothing_that_is_written_later() {
        let mut pipe = Pipe::default();
        pipe.push(Time(0), &WIRE, b"abcdef");
        pipe.mark(Time(0), &WIRE, Mark::Exit);
        pipe.cut(Time(1), 4);
        pipe.push(Time(1), &WIRE, b"glued");
        assert_eq!(pipe.take_bytes(9), b"abcd");
        assert_eq!(pipe.next_at(), None);
    }

    #[test]
    fn a_line_arrives_before_bytes_that_were_written_after_it() {
        let mut pipe = Pipe::default();
        for line in [1, 2] {
            pipe.mark(Time(0), &WIRE, Mark::Line(line));
            pipe.push(Time(0), &WIRE, b"abc");
        }
        let mut later = pipe.clone();
        pipe.cut(Time(1), 3);
        later.cut(Time(1), 4);
        for (mut pipe, lines) in [(pipe, 1), (later, 2)] {
            for line in 1..=lines {
                assert_eq!(pipe.arrived(Time(1)), Some(Arrived::Mark(Mark::Line(line))));
                pipe.take_mark();
                pipe.take_bytes(3);
            }
            assert_eq!(pipe.next_at(), None);
        }
    }
}
