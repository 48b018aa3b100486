//! What this side has numbered and the other may not have consumed yet: kept for replay.
//!
//! The outbox numbers, bounds and repeats. Which transport its frames go to, and when, is left to
//! the machines.

use std::collections::VecDeque;

use bytes::Bytes;

use super::config::WindowConfig;
use crate::proto::{Channel, Frame, ProgramExit, Seq};

/// Something that gets a number and survives a lost transport.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Item {
    /// Payload for a channel.
    Data(Channel, Bytes),
    /// The end of a channel.
    Fin(Channel),
    /// The end of the hosted program.
    Exit(ProgramExit),
}

impl Item {
    fn bytes(&self) -> usize {
        match self {
            Item::Data(_, payload) => payload.len(),
            Item::Fin(_) | Item::Exit(_) => 0,
        }
    }

    fn numbered(&self, seq: Seq) -> Frame {
        match self {
            Item::Data(channel, payload) => Frame::Data { channel: *channel, seq, payload: payload.clone() },
            Item::Fin(channel) => Frame::Fin { channel: *channel, seq },
            Item::Exit(exit) => Frame::Exit { seq, exit: *exit },
        }
    }
}

/// The other side claims to have what was never sent, or lacks what was forgotten on its word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("the other side speaks of message {claimed}, this side has {first} to {last}")]
pub struct OutboxGap {
    /// The number that the other side named.
    pub claimed: Seq,
    /// The oldest number that can be sent again.
    pub first: Seq,
    /// The newest number that was given out.
    pub last: Seq,
}

/// Numbered items from the first that was not consumed to the last that was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Outbox {
    items: VecDeque<Item>,
    /// Number of the front item, or of the next one to come if there is none.
    first: Seq,
    /// How many from the front were sent on the current transport.
    sent: usize,
    /// Payload bytes of all items, and of those that were sent.
    unacked_bytes: usize,
    sent_bytes: usize,
    unacked_bytes_max: usize,
    unacked_frames_max: usize,
    /// What the other side is prepared to hold.
    window: u64,
}

impl Outbox {
    /// An empty outbox, bounded as `config` says.
    pub fn new(config: &WindowConfig) -> Self {
        Outbox {
            items: VecDeque::new(),
            first: 1,
            sent: 0,
            unacked_bytes: 0,
            sent_bytes: 0,
            unacked_bytes_max: config.unacked_bytes_max,
            unacked_frames_max: config.unacked_frames_max,
            window: config.unacked_bytes_max as u64,
        }
    }

    /// Whether the producer may go on. One item over the byte bound is accepted, so that a large
    /// message never waits for ever; no more is.
    pub fn has_room(&self) -> bool {
        self.unacked_bytes < self.unacked_bytes_max && self.items.len() < self.unacked_frames_max
    }

    /// Takes an item and gives it the next number. Bounds are the caller's to check, with
    /// [`Outbox::has_room`]: the end of a program is taken in any case.
    pub fn push(&mut self, item: Item) -> Seq {
        self.unacked_bytes += item.bytes();
        self.items.push_back(item);
        self.last()
    }

    /// The next frame for the current transport, if there is one and the other side's window is open.
    pub fn next_frame(&mut self) -> Option<Frame> {
        let item = self.items.get(self.sent)?;
        if item.bytes() > 0 && self.sent_bytes as u64 >= self.window {
            return None;
        }
        let frame = item.numbered(self.first + self.sent as u64);
        self.sent_bytes += item.bytes();
        self.sent += 1;
        Some(frame)
    }

    /// Whether [`Outbox::next_frame`] would give one.
    pub fn has_next_frame(&self) -> bool {
        self.items
            .get(self.sent)
            .is_some_and(|item| item.bytes() == 0 || (self.sent_bytes as u64) < self.window)
    }

    /// Forgets what the other side has consumed.
    ///
    /// # Errors
    ///
    /// [`OutboxGap`] if it was not sent on this transport yet.
    pub fn acknowledge(&mut self, seq: Seq) -> Result<(), OutboxGap> {
        if seq >= self.first + self.sent as u64 {
            return Err(self.gap(seq));
        }
        while self.first <= seq {
            let item = self.items.pop_front().expect("what was sent is kept until it is consumed");
            self.unacked_bytes -= item.bytes();
            self.sent_bytes -= item.bytes();
            self.sent -= 1;
            self.first += 1;
        }
        Ok(())
    }

    /// Starts a transport: the next frame is the one after `received`, which the other side has.
    /// `window` is how many payload bytes it is prepared to hold unconsumed.
    ///
    /// # Errors
    ///
    /// [`OutboxGap`] if `received` is not among the numbers that are kept or just before them.
    pub fn resume_after(&mut self, received: Seq, window: u64) -> Result<(), OutboxGap> {
        if received < self.first - 1 || received > self.last() {
            return Err(self.gap(received));
        }
        self.sent = usize::try_from(received + 1 - self.first).expect("a count of what is in memory");
        self.sent_bytes = self.items.iter().take(self.sent).map(Item::bytes).sum();
        self.window = window;
        Ok(())
    }

    /// Numbers everything from `first` on: for a newcomer that takes over a running stream.
    ///
    /// # Panics
    ///
    /// If anything was sent before, or `first` is 0: an own bug.
    pub fn start_at(&mut self, first: Seq) {
        assert!(self.first == 1 && self.sent == 0 && first > 0, "only a newcomer may be renumbered");
        self.first = first;
    }

    /// The number of the next frame for the current transport.
    pub fn next_seq(&self) -> Seq {
        self.first + self.sent as u64
    }

    /// The oldest number that is kept, or the next one to come.
    pub fn first(&self) -> Seq {
        self.first
    }

    /// The newest number that was given out; one less than [`Outbox::first`] if none is kept.
    pub fn last(&self) -> Seq {
        self.first + self.items.len() as u64 - 1
    }

    /// Whether everything was consumed by the other side.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Payload bytes that are kept.
    pub fn unacked_bytes(&self) -> usize {
        self.unacked_bytes
    }

    fn gap(&self, claimed: Seq) -> OutboxGap {
        OutboxGap { claimed, first: self.first, last: self.last() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(byte: u8) -> Item {
        Item::Data(Channel::Input, Bytes::from(vec![byte; 10]))
    }

    fn bounded(unacked_bytes_max: usize, unacked_frames_max: usize) -> Outbox {
        Outbox::new(&WindowConfig { unacked_bytes_max, unacked_frames_max, ..WindowConfig::default() })
    }

    fn drain(outbox: &mut Outbox) -> Vec<Seq> {
        std::iter::from_fn(|| outbox.next_frame()).filter_map(|frame| frame.seq()).collect()
    }

    #[test]
    fn replays_unacked_after_loss_in_order_before_anything_new() {
        let mut outbox = bounded(1000, 100);
        for byte in 1..=4 {
            outbox.push(data(byte));
        }
        assert_eq!(drain(&mut outbox), [1, 2, 3, 4]);
        outbox.acknowledge(1).unwrap();
        outbox.push(data(5));
        outbox.resume_after(2, 1000).unwrap();
        assert_eq!(drain(&mut outbox), [3, 4, 5]);
        assert_eq!(outbox.first(), 2);
    }

    #[test]
    fn has_room_up_to_its_bytes_and_frames() {
        let mut outbox = bounded(20, 100);
        outbox.push(data(1));
        assert!(outbox.has_room());
        outbox.push(data(2));
        assert!(!outbox.has_room());
        assert_eq!(drain(&mut outbox), [1, 2]);
        assert_eq!(outbox.unacked_bytes(), 20);
        outbox.acknowledge(1).unwrap();
        assert!(outbox.has_room());
        assert_eq!(outbox.unacked_bytes(), 10);

        let mut outbox = bounded(20, 2);
        outbox.push(Item::Fin(Channel::Input));
        assert!(outbox.has_room());
        outbox.push(Item::Fin(Channel::Input));
        assert!(!outbox.has_room());
    }

    #[test]
    fn sends_no_payload_into_a_closed_window() {
        let mut outbox = bounded(1000, 100);
        for byte in 1..=4 {
            outbox.push(data(byte));
        }
        outbox.resume_after(0, 15).unwrap();
        assert!(outbox.has_next_frame());
        assert_eq!(drain(&mut outbox), [1, 2]);
        outbox.acknowledge(1).unwrap();
        assert_eq!(drain(&mut outbox), [3]);
    }

    #[test]
    fn an_end_and_an_empty_message_need_no_window() {
        let mut outbox = bounded(1000, 100);
        outbox.resume_after(0, 0).unwrap();
        for item in [Item::Data(Channel::Input, Bytes::new()), Item::Fin(Channel::Input), data(1)] {
            outbox.push(item);
        }
        assert!(outbox.has_next_frame());
        assert_eq!(drain(&mut outbox), [1, 2]);
        assert!(!outbox.has_next_frame(), "what has bytes waits");
    }

    #[test]
    fn calls_a_gap_a_gap() {
        let mut outbox = bounded(1000, 100);
        outbox.push(data(1));
        assert!(outbox.acknowledge(1).is_err(), "never sent");
        drain(&mut outbox);
        outbox.acknowledge(1).unwrap();
        outbox.acknowledge(1).unwrap();
        assert!(outbox.resume_after(0, 10).is_err(), "forgotten on its word");
        assert!(outbox.resume_after(2, 10).is_err(), "never sent");
        outbox.resume_after(1, 10).unwrap();
    }

    #[test]
    fn a_newcomer_starts_in_the_middle() {
        let mut outbox = bounded(1000, 100);
        outbox.push(data(1));
        outbox.start_at(8);
        outbox.resume_after(7, 1000).unwrap();
        assert_eq!(drain(&mut outbox), [8]);
    }
}
