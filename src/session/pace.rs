//! How much may be on its way at once: all of the window, unless the link has shown to be slow.
//!
//! What is given away cannot be overtaken any more, in whatever buffer it waits: so it is what a signal,
//! a keystroke's answer or a small message waits for. A *round* is the time in which what was on its way at
//! its beginning is consumed. On a link that is not full it lasts a round trip, whatever its bytes; on a full one
//! what is longer is a standing queue. A link is slow once that has stood for [`WindowConfig::ahead_time`]: then
//! no more may be on its way than what was carried in a round trip and that time. A link of which nothing is known
//! begins with little, and is given what its rounds have shown it to carry, up to [`Pace::GROWTH`] times as much
//! after each: the whole window after three round trips where nothing queues. So a burst that some buffer
//! swallows says little.
//!
//! A consumer that has stalled looks like a slow link, and is treated like one until it goes on: then what it
//! takes at once gives it all of the window again, before the rest of what was given to it is used up. What may
//! be kept for later is left to the [`outbox`](super::outbox).

use std::time::Duration;

use super::config::WindowConfig;
use super::time::Time;

/// An estimate for one direction of one transport.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pace {
    bytes_min: usize,
    bytes_first: usize,
    bytes_max: usize,
    burst_bytes_max: usize,
    ahead_time: Duration,
    round_trip_max: Duration,
    /// Bytes that may be on their way.
    bytes: usize,
    /// The shortest round of this transport, or the longest that is taken for one.
    round_trip: Duration,
    round: Option<Round>,
    /// The last round, if it took too long: its bytes, and what it lasted.
    slow: Option<(usize, Duration)>,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Round {
    since: Time,
    /// Bytes that were on their way at its beginning, and those of them that were consumed.
    bytes: usize,
    consumed: usize,
    /// How it goes now; one that takes too long has more than one part.
    part: Part,
    has_parts: bool,
}

/// What is looked at as one, from one acknowledgement to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Part {
    since: Time,
    consumed: usize,
}

impl Pace {
    /// The share of what may be on its way below which bytes say nothing about how much that should be.
    const TELLING_SHARE: usize = 4;

    /// How many times as much may be on its way after a round as before it.
    ///
    /// A round trip of 100 ms allows six times as much anyway; and TCP, which every remote link has below it,
    /// begins with less than we do and goes up twofold.
    const GROWTH: usize = 8;

    /// That of a transport of which nothing is known.
    pub fn new(config: &WindowConfig) -> Self {
        let bytes_max = config.unacked_bytes_max.max(1);
        let bytes_min = config.ahead_bytes_min.clamp(1, bytes_max);
        let bytes_first = config.ahead_bytes_first.clamp(bytes_min, bytes_max);
        Pace {
            bytes_min,
            bytes_first,
            bytes_max,
            burst_bytes_max: config.burst_bytes_max,
            ahead_time: config.ahead_time,
            round_trip_max: config.round_trip_max,
            bytes: bytes_first,
            round_trip: config.round_trip_max,
            round: None,
            slow: None,
        }
    }

    /// Bytes that may be on their way: given away and not consumed.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether it is at its least.
    pub fn is_least(&self) -> bool {
        self.bytes == self.bytes_min
    }

    /// Whether nothing but the window bounds what is on its way.
    pub fn is_most(&self) -> bool {
        self.bytes == self.bytes_max
    }

    /// A transport begins, with so many bytes to send again: the last one's pace says nothing about it.
    pub fn start(&mut self, now: Time, left: usize) {
        self.bytes = self.bytes_first;
        self.round_trip = self.round_trip_max;
        (self.round, self.slow) = (None, None);
        // The first round is a short one: it tells the round trip.
        self.begin(now, left.min(self.bytes / Self::TELLING_SHARE));
    }

    /// A greeting was answered after that time: a round trip is no longer.
    pub fn greeted(&mut self, after: Duration) {
        self.round_trip = self.round_trip.min(after);
    }

    /// Something is given away, now; so many bytes are on their way with it, the last of all.
    pub fn given(&mut self, now: Time, on_their_way: usize) {
        match &mut self.round {
            None => self.begin(now, on_their_way),
            // It belongs to what the round began with: nothing of that is known to have come yet.
            Some(round) if round.consumed == 0 => round.bytes = on_their_way,
            Some(_) => {}
        }
    }

    /// So many bytes were consumed, and so many are still on their way.
    pub fn consumed(&mut self, now: Time, bytes: usize, left: usize) {
        let Some(mut round) = self.round.take() else {
            return;
        };
        round.consumed += bytes;
        round.part.consumed += bytes;
        let Part { since, consumed } = round.part;
        let lasted = now.since(since);
        let is_whole = round.consumed >= round.bytes;
        if lasted > self.round_trip + self.ahead_time {
            self.on_queue(&round, lasted);
            (round.part, round.has_parts) = (Part { since: now, consumed: 0 }, true);
        } else if is_whole && !round.has_parts {
            self.round_trip = self.round_trip.min(lasted);
            self.grow(consumed, lasted);
        } else if round.has_parts && consumed > self.burst_bytes_max {
            self.grow(consumed, lasted);
            round.part = Part { since: now, consumed: 0 };
        }
        if !is_whole {
            self.round = Some(round);
            return;
        }
        self.on_whole(now, &round);
        if left > self.bytes {
            // Nothing is given before that is less, and it tells what the link is like meanwhile.
            self.begin(now, left);
            self.round.iter_mut().for_each(|round| round.has_parts = true);
        }
    }

    /// A part of a round has waited for too long.
    fn on_queue(&mut self, round: &Round, lasted: Duration) {
        let carried = self.carried(round.part.consumed, lasted);
        if round.has_parts || round.bytes >= self.bytes / Self::TELLING_SHARE {
            self.bytes = carried.clamp(self.bytes_min, self.grown());
        } else if round.bytes >= self.bytes_first {
            // What was known of the link is true no more, and this says little about what is.
            self.bytes = self.bytes.min(carried.max(self.bytes_first));
        }
    }

    /// All of a round was consumed. If no more than in the one before took much too long again, although less is
    /// given since, it does not wait for itself: the way has become longer, or others fill it.
    fn on_whole(&mut self, now: Time, round: &Round) {
        if !round.has_parts {
            self.slow = None;
            return;
        }
        let lasted = now.since(round.since);
        let is_no_shorter = self.slow.is_some_and(|(bytes, before)| {
            let much_too_long = (self.round_trip + self.ahead_time) * 3 / 2;
            round.bytes <= bytes + bytes / 4 && lasted >= (before * 3 / 4).max(much_too_long)
        });
        let is_little = round.bytes <= self.bytes_min * 2;
        if is_no_shorter || is_little {
            self.round_trip = lasted;
        }
        self.slow = Some((round.bytes, lasted));
    }

    fn grow(&mut self, consumed: usize, lasted: Duration) {
        self.bytes = self.bytes.max(self.carried(consumed, lasted).min(self.grown()));
    }

    /// As much as may be on its way after this round.
    fn grown(&self) -> usize {
        self.bytes.saturating_mul(Self::GROWTH).min(self.bytes_max)
    }

    /// What may be on its way where so many bytes lasted so long.
    fn carried(&self, bytes: usize, lasted: Duration) -> usize {
        let within = self.round_trip + self.ahead_time;
        let carried = bytes as u128 * within.as_micros() / lasted.as_micros().max(1);
        usize::try_from(carried).unwrap_or(usize::MAX)
    }

    fn begin(&mut self, now: Time, bytes: usize) {
        // A keystroke now and then is not measured.
        if bytes > 0 && bytes >= self.bytes_min / Self::TELLING_SHARE {
            let part = Part { since: now, consumed: 0 };
            self.round = Some(Round { since: now, bytes, consumed: 0, part, has_parts: false });
        }
    }
}

#[cfg(test)]
mod tests;
