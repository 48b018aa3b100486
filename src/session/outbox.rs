//! What this side has numbered and the other may not have consumed yet: kept for replay.
//!
//! The outbox numbers, bounds and repeats. Which transport its frames go to, and when, is left to
//! the machines.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use super::config::WindowConfig;
use super::pace::Pace;
use super::time::Time;
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
    /// What the link carries.
    pace: Pace,
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
            pace: Pace::new(config),
        }
    }

    /// Whether more may be kept. One item over the byte bound is accepted, so that a large
    /// message never waits for ever; no more is.
    pub fn has_room(&self) -> bool {
        self.unacked_bytes < self.unacked_bytes_max && self.items.len() < self.unacked_frames_max
    }

    /// Payload bytes that may be kept more.
    pub fn room(&self) -> usize {
        match self.has_room() {
            true => self.unacked_bytes_max - self.unacked_bytes,
            false => 0,
        }
    }

    /// Payload bytes that the producer may give for the current transport; 0 if it must wait. One item
    /// over that is accepted. What is taken beyond could not be overtaken, and would not come sooner.
    pub fn room_ahead(&self) -> usize {
        match self.has_room() {
            true => self.pace.bytes().saturating_sub(self.unacked_bytes),
            false => 0,
        }
    }

    /// Takes an item and gives it the next number. Bounds are the caller's to check, with
    /// [`Outbox::has_room`] and [`Outbox::room_ahead`]: the end of a program is taken in any case.
    pub fn push(&mut self, now: Time, item: Item) -> Seq {
        let goes_now = self.room_ahead() > 0;
        self.unacked_bytes += item.bytes();
        if goes_now {
            self.pace.given(now, self.unacked_bytes);
        }
        self.items.push_back(item);
        self.last()
    }

    /// The next frame for the current transport, if there is one and the other side's window is open.
    pub fn next_frame(&mut self) -> Option<Frame> {
        let item = self.items.get(self.sent).filter(|item| self.may_go(item))?;
        let frame = item.numbered(self.first + self.sent as u64);
        self.sent_bytes += item.bytes();
        self.sent += 1;
        Some(frame)
    }

    /// Whether [`Outbox::next_frame`] would give one.
    pub fn has_next_frame(&self) -> bool {
        self.items.get(self.sent).is_some_and(|item| self.may_go(item))
    }

    fn may_go(&self, item: &Item) -> bool {
        let ahead_bytes = match item {
            Item::Data(Channel::Input | Channel::Output | Channel::Errors, _) => self.pace.bytes() as u64,
            // A program that reads nothing is the likeliest to be sent a signal.
            Item::Data(Channel::Signal, _) | Item::Fin(_) | Item::Exit(_) => u64::MAX,
        };
        item.bytes() == 0 || (self.sent_bytes as u64) < self.window.min(ahead_bytes)
    }

    /// Forgets what the other side has consumed.
    ///
    /// # Errors
    ///
    /// [`OutboxGap`] if it was not sent on this transport yet.
    pub fn acknowledge(&mut self, now: Time, seq: Seq) -> Result<(), OutboxGap> {
        if seq >= self.first + self.sent as u64 {
            return Err(self.gap(seq));
        }
        let before = self.unacked_bytes;
        while self.first <= seq {
            let item = self.items.pop_front().expect("what was sent is kept until it is consumed");
            self.unacked_bytes -= item.bytes();
            self.sent_bytes -= item.bytes();
            self.sent -= 1;
            self.first += 1;
        }
        if self.unacked_bytes < before {
            self.pace.consumed(now, before - self.unacked_bytes, self.sent_bytes);
            // What waited for that goes now.
            let on_their_way = self.unacked_bytes.min(self.pace.bytes());
            if on_their_way > self.sent_bytes {
                self.pace.given(now, on_their_way);
            }
        }
        Ok(())
    }

    /// Starts a transport: the next frame is the one after `received`, which the other side has.
    /// `window` is how many payload bytes it is prepared to hold unconsumed.
    ///
    /// # Errors
    ///
    /// [`OutboxGap`] if `received` is not among the numbers that are kept or just before them.
    pub fn resume_after(&mut self, now: Time, received: Seq, window: u64) -> Result<(), OutboxGap> {
        if received < self.first - 1 || received > self.last() {
            return Err(self.gap(received));
        }
        self.sent = usize::try_from(received + 1 - self.first).expect("a count of what is in memory");
        self.sent_bytes = self.items.iter().take(self.sent).map(Item::bytes).sum();
        self.window = window;
        self.pace.start(now, self.unacked_bytes);
        Ok(())
    }

    /// The other side's greeting was answered after that time: the link's round trip is no longer.
    pub fn greeted(&mut self, after: Duration) {
        self.pace.greeted(after);
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

    /// What the link has shown to carry.
    pub fn pace(&self) -> &Pace {
        &self.pace
    }

    fn gap(&self, claimed: Seq) -> OutboxGap {
        OutboxGap { claimed, first: self.first, last: self.last() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time(1);

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
            outbox.push(NOW, data(byte));
        }
        assert_eq!(drain(&mut outbox), [1, 2, 3, 4]);
        outbox.acknowledge(NOW, 1).unwrap();
        outbox.push(NOW, data(5));
        outbox.resume_after(NOW, 2, 1000).unwrap();
        assert_eq!(drain(&mut outbox), [3, 4, 5]);
        assert_eq!(outbox.first(), 2);
    }

    #[test]
    fn has_room_up_to_its_bytes_and_frames() {
        let mut outbox = bounded(20, 100);
        outbox.push(NOW, data(1));
        assert!(outbox.has_room());
        outbox.push(NOW, data(2));
        assert!(!outbox.has_room());
        assert_eq!(drain(&mut outbox), [1, 2]);
        assert_eq!(outbox.unacked_bytes(), 20);
        outbox.acknowledge(NOW, 1).unwrap();
        assert!(outbox.has_room());
        assert_eq!(outbox.unacked_bytes(), 10);

        let mut outbox = bounded(20, 2);
        outbox.push(NOW, Item::Fin(Channel::Input));
        assert!(outbox.has_room());
        outbox.push(NOW, Item::Fin(Channel::Input));
        assert!(!outbox.has_room());
    }

    #[test]
    fn sends_no_payload_into_a_closed_window() {
        let mut outbox = bounded(1000, 100);
        for byte in 1..=4 {
            outbox.push(NOW, data(byte));
        }
        outbox.resume_after(NOW, 0, 15).unwrap();
        assert!(outbox.has_next_frame());
        assert_eq!(drain(&mut outbox), [1, 2]);
        outbox.acknowledge(NOW, 1).unwrap();
        assert_eq!(drain(&mut outbox), [3]);
    }

    #[test]
    fn an_end_and_an_empty_message_need_no_window() {
        let mut outbox = bounded(1000, 100);
        outbox.resume_after(NOW, 0, 0).unwrap();
        for item in [Item::Data(Channel::Input, Bytes::new()), Item::Fin(Channel::Input), data(1)] {
            outbox.push(NOW, item);
        }
        assert!(outbox.has_next_frame());
        assert_eq!(drain(&mut outbox), [1, 2]);
        assert!(!outbox.has_next_frame(), "what has bytes waits");
    }

    #[test]
    fn calls_a_gap_a_gap() {
        let mut outbox = bounded(1000, 100);
        outbox.push(NOW, data(1));
        assert!(outbox.acknowledge(NOW, 1).is_err(), "never sent");
        drain(&mut outbox);
        outbox.acknowledge(NOW, 1).unwrap();
        outbox.acknowledge(NOW, 1).unwrap();
        assert!(outbox.resume_after(NOW, 0, 10).is_err(), "forgotten on its word");
        assert!(outbox.resume_after(NOW, 2, 10).is_err(), "never sent");
        outbox.resume_after(NOW, 1, 10).unwrap();
    }

    #[test]
    fn a_newcomer_starts_in_the_middle() {
        let mut outbox = bounded(1000, 100);
        outbox.push(NOW, data(1));
        outbox.start_at(8);
        outbox.resume_after(NOW, 7, 1000).unwrap();
        assert_eq!(drain(&mut outbox), [8]);
    }

    #[test]
    fn no_more_is_given_ahead_than_the_link_has_shown_to_carry() {
        let mut outbox = Outbox::new(&WindowConfig {
            ahead_bytes_min: 20,
            ahead_bytes_first: 40,
            ..WindowConfig::default()
        });
        for (room, byte) in [(40, 1), (30, 2), (20, 3), (10, 4), (0, 5), (0, 6)] {
            assert_eq!((outbox.room_ahead(), outbox.has_room()), (room, true), "it is kept in any case");
            outbox.push(NOW, data(byte));
        }
        outbox.push(NOW, Item::Data(Channel::Signal, Bytes::from_static(&[2])));
        assert_eq!(drain(&mut outbox), [1, 2, 3, 4], "six could not be overtaken");
        outbox.acknowledge(NOW + Duration::from_millis(500), 4).unwrap();
        assert_eq!(outbox.pace().bytes(), 80, "40 bytes take half of a round that is not too long");
        assert_eq!(drain(&mut outbox), [5, 6, 7]);
    }

    #[test]
    fn a_signal_goes_though_what_is_before_it_is_not_consumed() {
        let mut outbox = Outbox::new(&WindowConfig {
            ahead_bytes_min: 1,
            ahead_bytes_first: 10,
            ..WindowConfig::default()
        });
        outbox.push(NOW, data(1));
        outbox.push(NOW, Item::Data(Channel::Signal, Bytes::from_static(&[2])));
        outbox.push(NOW, data(2));
        assert_eq!(drain(&mut outbox), [1, 2]);
        assert!(!outbox.has_next_frame());
    }
}
