//! What the other side has numbered: taken in order, once, and acknowledged as it is consumed.
//!
//! *Received* is what has arrived in order; replay resumes after it. *Consumed* is what the
//! application took; acknowledging it opens the other side's window. Payloads pass through to
//! the driver; only their sizes stay here.

use std::collections::VecDeque;
use std::time::Duration;

use super::config::WindowConfig;
use super::time::Time;
use crate::proto::Seq;
use crate::proto::limits::UNCONSUMED_FRAMES_MAX;

/// What to do with a numbered frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arrival {
    /// The next one: deliver it.
    New,
    /// Received before: drop it.
    Duplicate,
}

/// A numbered frame that cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum InboxError {
    /// Frames are missing before it.
    #[error("message {got} came where {expected} was due")]
    Gap {
        /// The number that was due.
        expected: Seq,
        /// The number that came.
        got: Seq,
    },
    /// More unconsumed payload than was granted.
    #[error("more than {max} unconsumed bytes came")]
    Overrun {
        /// What was granted.
        max: usize,
    },
    /// More unconsumed frames than any sender keeps.
    #[error("more than {max} unconsumed messages came")]
    Flood {
        /// What is taken.
        max: usize,
    },
}

/// Consumed bytes after which an acknowledgement is due at once: few when bulk begins, because a sender who knows
/// nothing of the link gives little ahead, and more with each, because then they cost something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct AckBytes {
    now: usize,
    min: usize,
    max: usize,
}

impl AckBytes {
    fn new(config: &WindowConfig) -> Self {
        let min = config.ack_bytes_min.min(config.ack_bytes);
        AckBytes { now: min, min, max: config.ack_bytes }
    }

    fn grow(&mut self) {
        self.now = (self.now + self.now.div_ceil(4)).min(self.max);
    }

    /// So few came in the time that one waits at most.
    fn fall_to(&mut self, bytes: usize) {
        self.now = bytes.clamp(self.min, self.now);
    }
}

/// How far the other side's stream has come here.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Inbox {
    received: Seq,
    /// Payload sizes of what was received and not consumed, in order.
    unconsumed: VecDeque<u32>,
    unconsumed_bytes: usize,
    unconsumed_bytes_max: usize,
    /// Unconsumed bytes of a sender that another took over from: none of its window.
    inherited_bytes: usize,
    acked: Seq,
    /// Bytes consumed since the last acknowledgement.
    owed_bytes: usize,
    /// When an acknowledgement that is owed becomes due.
    ack_at: Option<Time>,
    ack_due: bool,
    ack_bytes: AckBytes,
    ack_frames: u64,
    ack_delay: Duration,
    ack_delay_bulk: Duration,
}

impl Inbox {
    /// An empty inbox that grants and acknowledges as `config` says.
    pub fn new(config: &WindowConfig) -> Self {
        Inbox {
            received: 0,
            unconsumed: VecDeque::new(),
            unconsumed_bytes: 0,
            unconsumed_bytes_max: config.unacked_bytes_max,
            inherited_bytes: 0,
            acked: 0,
            owed_bytes: 0,
            ack_at: None,
            ack_due: false,
            ack_bytes: AckBytes::new(config),
            ack_frames: config.ack_frames,
            ack_delay: config.ack_delay,
            ack_delay_bulk: config.ack_delay_bulk,
        }
    }

    /// Takes note of a numbered frame with that many payload bytes.
    ///
    /// # Errors
    ///
    /// [`InboxError`] if frames are missing before it or it is more than was granted; nothing changes.
    pub fn accept(&mut self, seq: Seq, bytes: usize) -> Result<Arrival, InboxError> {
        if seq <= self.received {
            return Ok(Arrival::Duplicate);
        }
        if seq != self.received + 1 {
            return Err(InboxError::Gap { expected: self.received + 1, got: seq });
        }
        // The sender stops at the window, one payload late at most.
        let own_bytes = self.unconsumed_bytes - self.inherited_bytes;
        if bytes > 0 && own_bytes as u64 >= self.window() {
            return Err(InboxError::Overrun { max: self.unconsumed_bytes_max });
        }
        if self.unconsumed.len() >= UNCONSUMED_FRAMES_MAX {
            return Err(InboxError::Flood { max: UNCONSUMED_FRAMES_MAX });
        }
        self.received = seq;
        self.unconsumed.push_back(u32::try_from(bytes).expect("payloads are bounded below 4 GiB"));
        self.unconsumed_bytes += bytes;
        Ok(Arrival::New)
    }

    /// Takes note that the application took that many more deliveries; true if an acknowledgement
    /// is due, or was planned, because of it.
    pub fn consume(&mut self, now: Time, deliveries: usize) -> bool {
        for _ in 0..deliveries {
            let bytes =
                self.unconsumed.pop_front().expect("only what was delivered can be consumed") as usize;
            self.unconsumed_bytes -= bytes;
            self.inherited_bytes = self.inherited_bytes.saturating_sub(bytes);
            self.owed_bytes += bytes;
        }
        let owed_frames = self.consumed() - self.acked;
        let is_bulk = self.owed_bytes >= self.ack_bytes.now;
        if is_bulk || owed_frames >= self.ack_frames {
            self.ack_at = None;
            let is_new = !std::mem::replace(&mut self.ack_due, true);
            if is_new && is_bulk {
                self.ack_bytes.grow();
            }
            is_new
        } else if owed_frames > 0 && !self.ack_due {
            let is_much = self.owed_bytes >= self.ack_bytes.min / 2;
            let at = now + if is_much { self.ack_delay_bulk } else { self.ack_delay };
            let is_sooner = self.ack_at.is_none_or(|before| at < before);
            if is_sooner {
                self.ack_at = Some(at);
            }
            is_sooner
        } else {
            false
        }
    }

    /// When [`Inbox::handle_timeout`] has something to do.
    pub fn ack_at(&self) -> Option<Time> {
        self.ack_at
    }

    /// Makes an acknowledgement due whose time has come.
    pub fn handle_timeout(&mut self, now: Time) {
        if self.ack_at.is_some_and(|at| now >= at) {
            self.ack_at = None;
            self.ack_due = true;
            self.ack_bytes.fall_to(self.owed_bytes);
        }
    }

    /// The acknowledgement to send now: one that is due, or any that is owed if it can `ride` along.
    pub fn take_ack(&mut self, ride: bool) -> Option<Seq> {
        (self.ack_due || (ride && self.ack_at.is_some())).then(|| {
            self.ack_due = false;
            self.ack_at = None;
            self.owed_bytes = 0;
            self.acked = self.consumed();
            self.acked
        })
    }

    /// Starts a transport: an acknowledgement that the last one took down with it is due again.
    pub fn resume(&mut self) {
        self.ack_at = None;
        self.ack_due = self.consumed() > 0;
    }

    /// Joins a running stream: the next number is the one after `received`.
    pub fn start_after(&mut self, received: Seq) {
        assert!(self.received == 0, "only a newcomer may join in the middle");
        self.received = received;
        self.acked = received;
    }

    /// Lets another sender go on in this stream, behind what the last one left.
    pub fn hand_over(&mut self) {
        self.inherited_bytes = self.unconsumed_bytes;
    }

    /// The highest number received in order.
    pub fn received(&self) -> Seq {
        self.received
    }

    /// The highest number consumed.
    pub fn consumed(&self) -> Seq {
        self.received - self.unconsumed.len() as u64
    }

    /// Deliveries that the application has not taken yet.
    pub fn unconsumed(&self) -> usize {
        self.unconsumed.len()
    }

    /// Payload bytes that the application has not taken yet.
    pub fn unconsumed_bytes(&self) -> usize {
        self.unconsumed_bytes
    }

    /// What this side is prepared to hold of its sender, in payload bytes: one full window, and less,
    /// so that memory stays bounded, where those that it took over from have left more than one.
    pub fn window(&self) -> u64 {
        let left = (2 * self.unconsumed_bytes_max).saturating_sub(self.inherited_bytes);
        left.clamp(1, self.unconsumed_bytes_max.max(1)) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY: Duration = Duration::from_millis(100);

    fn inbox() -> Inbox {
        Inbox::new(&WindowConfig {
            unacked_bytes_max: 100,
            unacked_frames_max: 100,
            ack_bytes: 50,
            ack_frames: 10,
            ack_delay: DELAY,
            ack_delay_bulk: DELAY,
            ..WindowConfig::default()
        })
    }

    #[test]
    fn takes_each_number_once_and_in_order() {
        let mut inbox = inbox();
        assert_eq!(inbox.accept(1, 10), Ok(Arrival::New));
        assert_eq!(inbox.accept(1, 10), Ok(Arrival::Duplicate));
        assert_eq!(inbox.accept(3, 10), Err(InboxError::Gap { expected: 2, got: 3 }));
        assert_eq!(inbox.accept(2, 10), Ok(Arrival::New));
        assert_eq!((inbox.received(), inbox.consumed()), (2, 0));
    }

    #[test]
    fn acknowledges_what_was_consumed_after_bytes_or_delay() {
        let mut inbox = inbox();
        for seq in 1..=4 {
            inbox.accept(seq, 20).unwrap();
        }
        let now = Time(5);
        inbox.consume(now, 1);
        assert_eq!(inbox.ack_at(), Some(now + DELAY));
        assert_eq!(inbox.take_ack(false), None);
        inbox.consume(now, 2);
        assert_eq!(inbox.take_ack(false), Some(3), "60 of 50 bytes");
        inbox.handle_timeout(now + DELAY);
        assert_eq!(inbox.take_ack(true), None, "nothing is owed");
        inbox.consume(now, 1);
        assert_eq!(inbox.take_ack(true), Some(4), "it rides along");
    }

    #[test]
    fn acknowledges_more_and_more_at_once_while_bulk_goes_on() {
        let mut inbox = Inbox::new(&WindowConfig { ack_delay: DELAY, ..WindowConfig::default() });
        let mut acknowledged = Vec::new();
        let mut seq = 0;
        let mut bulk = |inbox: &mut Inbox, bytes: usize| {
            let last = seq + bytes as u64 / 1024;
            while seq < last {
                seq += 1;
                inbox.accept(seq, 1024).unwrap();
                inbox.consume(Time(0), 1);
                acknowledged.extend(inbox.take_ack(false));
            }
            std::mem::take(&mut acknowledged)
        };
        let few = bulk(&mut inbox, 64 << 10);
        assert_eq!(few[..3], [8, 18, 31], "8 KiB first, and a quarter more each time");
        bulk(&mut inbox, 2 << 20);
        let many = bulk(&mut inbox, 2 << 20);
        assert!(many.windows(2).all(|two| two[1] - two[0] == 256) && many.len() == 8, "{many:?}");
        while bulk(&mut inbox, 1024).is_empty() {}
        bulk(&mut inbox, 40 << 10);
        inbox.handle_timeout(Time(0) + DELAY);
        assert!(inbox.take_ack(false).is_some());
        assert_eq!(bulk(&mut inbox, 40 << 10).len(), 1, "no more than come in that time");
        bulk(&mut inbox, 1024);
        inbox.handle_timeout(Time(0) + DELAY);
        assert!(inbox.take_ack(false).is_some());
        assert_eq!(bulk(&mut inbox, 9 << 10).len(), 1, "a pause ends it");
    }

    #[test]
    fn what_bulk_ends_with_is_acknowledged_sooner_than_a_word() {
        let config = WindowConfig::default();
        let mut inbox = Inbox::new(&config);
        for seq in 1..=4 {
            inbox.accept(seq, 2048).unwrap();
        }
        assert!(inbox.consume(Time(1), 1));
        assert_eq!(inbox.ack_at(), Some(Time(1) + config.ack_delay));
        assert!(inbox.consume(Time(2), 1), "it is planned anew");
        assert_eq!(inbox.ack_at(), Some(Time(2) + config.ack_delay_bulk));
        assert!(!inbox.consume(Time(3), 1), "and is not put off");
    }

    #[test]
    fn acknowledges_many_small_ones_at_once() {
        let mut inbox = inbox();
        for seq in 1..=10 {
            inbox.accept(seq, 1).unwrap();
        }
        inbox.consume(Time(0), 9);
        assert_eq!(inbox.take_ack(false), None);
        inbox.consume(Time(0), 1);
        assert_eq!(inbox.take_ack(false), Some(10));

        for seq in 11..=20 {
            inbox.accept(seq, 1).unwrap();
        }
        inbox.consume(Time(0), 9);
        assert_eq!(inbox.take_ack(false), None, "those that were acknowledged count no more");
    }

    #[test]
    fn says_once_that_an_acknowledgement_is_planned_and_once_that_it_is_due() {
        let mut inbox = inbox();
        for seq in 1..=5 {
            inbox.accept(seq, 20).unwrap();
        }
        assert!(!inbox.consume(Time(0), 0), "nothing is owed");
        assert_eq!(inbox.ack_at(), None);
        assert!(inbox.consume(Time(1), 1), "it is planned");
        assert!(!inbox.consume(Time(2), 1), "it was planned before");
        assert_eq!(inbox.ack_at(), Some(Time(1) + DELAY), "and is not put off");
        assert!(inbox.consume(Time(3), 1), "it is due");
        assert!(!inbox.consume(Time(4), 1), "it was due before");
        assert_eq!(inbox.take_ack(false), Some(4));

        assert!(inbox.consume(Time(5), 1), "the next one is planned");
        inbox.handle_timeout(Time(5) + DELAY);
        inbox.accept(6, 20).unwrap();
        assert!(!inbox.consume(Time(6) + DELAY, 1), "it is due already");
        assert_eq!(inbox.ack_at(), None);
        assert_eq!(inbox.take_ack(false), Some(6));
    }

    #[test]
    fn hands_over_one_full_window_and_less_to_one_of_many() {
        for (unconsumed, window) in [(0, 100), (60, 100), (100, 100), (150, 50), (199, 1), (300, 1)] {
            let mut inbox = inbox();
            inbox.accept(1, unconsumed).unwrap();
            assert_eq!(inbox.unconsumed_bytes(), unconsumed);
            inbox.hand_over();
            assert_eq!(inbox.window(), window, "{unconsumed} bytes are not consumed");
        }
    }

    #[test]
    fn refuses_more_than_it_granted() {
        let mut inbox = inbox();
        inbox.accept(1, 99).unwrap();
        inbox.accept(2, 99).unwrap();
        assert_eq!(inbox.accept(3, 1), Err(InboxError::Overrun { max: 100 }));
        assert_eq!(inbox.accept(3, 0), Ok(Arrival::New), "an end needs no room");
        inbox.consume(Time(0), 2);
        assert_eq!(inbox.accept(4, 99), Ok(Arrival::New));
    }

    #[test]
    fn who_takes_over_from_many_is_granted_what_is_left_of_two_windows_however_often_it_comes() {
        let mut inbox = inbox();
        inbox.accept(1, 100).unwrap();
        inbox.hand_over();
        assert_eq!(inbox.window(), 100);
        inbox.accept(2, 70).unwrap();
        inbox.hand_over();
        assert_eq!(inbox.window(), 30);
        inbox.accept(3, 30).unwrap();
        inbox.resume();
        assert_eq!(inbox.window(), 30, "its own does not count, and coming back is no takeover");
        assert_eq!(inbox.accept(4, 1), Err(InboxError::Overrun { max: 100 }));
        inbox.consume(Time(0), 1);
        assert_eq!(inbox.window(), 100);
        assert_eq!(inbox.accept(4, 1), Ok(Arrival::New));
    }

    #[test]
    fn refuses_a_flood_of_frames_that_need_no_window() {
        let mut inbox = inbox();
        let max = UNCONSUMED_FRAMES_MAX as u64;
        for seq in 1..=max {
            assert_eq!(inbox.accept(seq, 0), Ok(Arrival::New));
        }
        assert_eq!(inbox.accept(max + 1, 0), Err(InboxError::Flood { max: UNCONSUMED_FRAMES_MAX }));
        inbox.consume(Time(0), 1);
        assert_eq!(inbox.accept(max + 1, 0), Ok(Arrival::New));
    }
}
