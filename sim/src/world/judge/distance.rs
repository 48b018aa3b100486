//! How long a client's way to the host takes, and what its client owes to that: the world's own books, kept
//! from what was opened, written and handed in, and never asked of the machine.

use std::time::Duration;

use reattach::proto::limits::{
    HEARTBEAT_INTERVAL, HEARTBEAT_MISSES_MAX, NETWORK_PROBE_TIMEOUT, OPEN_TIMEOUT, OPEN_TIMEOUT_MIN,
};
use reattach::session::Time;

use crate::world::LinkId;

/// Attempts of an outage that had less than the longest time to open.
pub(super) const SHORT_OPENS: u32 = 3;

/// Who is told of a network waits no longer for an answer than who is told of nothing.
const SILENCE_MAX: Duration = HEARTBEAT_INTERVAL.saturating_mul(1 + HEARTBEAT_MISSES_MAX);

/// One client's way, by the laptop's clock.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::world) struct Distance {
    /// The last round trip took this long at least, and at most: when a question was asked that had to wait
    /// for room is not known.
    least: Duration,
    most: Duration,
    /// What the last transport took that opened, and which it was.
    open: Duration,
    opened: Option<LinkId>,
    /// When the preamble of the current one came.
    greeted_at: Time,
    ping: Option<Ping>,
    /// Since when the link takes nothing more.
    full_since: Option<Time>,
}

/// The last that was written, until it was answered.
#[derive(Clone, Copy, Debug)]
struct Ping {
    nonce: u64,
    written_at: Time,
    /// It was not asked before.
    asked_from: Time,
}

impl Distance {
    /// The first word of a link's proxy was handed in after that time, or after a sleep.
    pub(in crate::world) fn opened(&mut self, link: LinkId, took: Option<Duration>) {
        if self.opened.replace(link) != Some(link) {
            self.open = took.unwrap_or(self.open);
        }
    }

    /// The preamble was handed in, which is answered with a Hello at once.
    pub(in crate::world) fn greeted(&mut self, now: Time) {
        self.greeted_at = now;
    }

    /// And that with a Welcome.
    pub(in crate::world) fn welcomed(&mut self, now: Time) {
        (self.ping, self.full_since) = (None, None);
        let took = now.since(self.greeted_at);
        (self.least, self.most) = (took, took);
    }

    /// A ping is written.
    pub(in crate::world) fn asked(&mut self, now: Time, nonce: u64) {
        let asked_from = self.full_since.unwrap_or(now);
        self.ping = Some(Ping { nonce, written_at: now, asked_from });
    }

    /// All is written that the link takes; `is_full` says whether that was all.
    pub(in crate::world) fn written(&mut self, now: Time, is_full: bool) {
        self.full_since = is_full.then(|| self.full_since.unwrap_or(now));
    }

    /// A pong is handed in. Who has just noticed a sleep, or waits to ask again, may not take it for an
    /// answer.
    pub(in crate::world) fn answered(&mut self, now: Time, nonce: u64, sleeps: bool) {
        let Some(ping) = self.ping.take_if(|ping| ping.nonce == nonce) else {
            return;
        };
        let (least, most) = (now.since(ping.written_at), now.since(ping.asked_from));
        (self.least, self.most) = match sleeps || self.full_since.is_some() {
            true => (self.least.min(least), self.most.max(most)),
            false => (least, most),
        };
    }

    /// The least that an answer is waited for in another network.
    pub(in crate::world) fn network_probe_least(&self) -> Duration {
        network_probe(self.least)
    }

    /// And the most.
    pub(in crate::world) fn network_probe_most(&self) -> Duration {
        network_probe(self.most)
    }

    /// The time to open that is due after so many attempts of an outage.
    pub(in crate::world) fn time_to_open(&self, attempts: u32) -> Duration {
        if attempts >= SHORT_OPENS {
            return OPEN_TIMEOUT;
        }
        let first = OPEN_TIMEOUT_MIN.max(self.open.saturating_mul(2));
        first.saturating_mul(2u32.saturating_pow(attempts)).min(OPEN_TIMEOUT)
    }
}

fn network_probe(round_trip: Duration) -> Duration {
    NETWORK_PROBE_TIMEOUT.max(round_trip.saturating_mul(2)).min(SILENCE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn an_open_has_more_and_more_time_and_twice_what_the_last_one_took() {
        let mut distance = Distance::default();
        let opens = |distance: &Distance| [0, 1, 2, 3, 99].map(|n| distance.time_to_open(n).as_secs());
        assert_eq!(opens(&distance), [6, 12, 24, 60, 60]);
        distance.opened(7, Some(Duration::from_secs(12)));
        distance.opened(7, Some(Duration::from_secs(13)));
        distance.opened(8, None);
        assert_eq!(opens(&distance), [24, 48, 60, 60, 60]);
    }

    #[test]
    fn a_ping_that_waited_for_room_tells_its_time_from_and_to() {
        let probes = |distance: &Distance| {
            [distance.network_probe_least(), distance.network_probe_most()].map(|time| time.as_secs())
        };
        let mut distance = Distance::default();
        assert_eq!(probes(&distance), [1, 1]);
        distance.greeted(at(1));
        distance.welcomed(at(3));
        assert_eq!(probes(&distance), [4, 4]);
        distance.written(at(4), true);
        distance.written(at(5), true);
        distance.asked(at(7), 1);
        distance.written(at(7), false);
        distance.answered(at(8), 1, false);
        assert_eq!(probes(&distance), [2, 8]);
        distance.answered(at(20), 1, false);
        distance.asked(at(20), 2);
        distance.answered(at(23), 2, true);
        assert_eq!(probes(&distance), [2, 8]);
    }
}
