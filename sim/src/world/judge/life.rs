//! When an attached client must have heard of the other end, or have given its transport up.

use std::time::Duration;

use reattach::proto::limits::{HEARTBEAT_INTERVAL, HEARTBEAT_MISSES_MAX};
use reattach::session::Time;

/// Silence that means that a link is dead.
const SILENCE_MAX: Duration = HEARTBEAT_INTERVAL.saturating_mul(1 + HEARTBEAT_MISSES_MAX);

/// The signs of life that a client had, by the laptop's clock.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::world) struct SignsOfLife {
    heard_at: Time,
    /// A wake-up or another network since: until then one probe decides.
    probed_until: Option<Time>,
    /// It was held back since, for too short a time to call it a sleep, or the clock has jumped.
    delayed_at: Option<Time>,
}

impl SignsOfLife {
    /// Bytes came.
    pub(in crate::world) fn heard(&mut self, now: Time) {
        *self = SignsOfLife { heard_at: now, probed_until: None, delayed_at: None };
    }

    /// It was told of another network. A probe that is under way has no more time for it, and one whose time
    /// is up gets none.
    pub(in crate::world) fn told(&mut self, now: Time, timeout: Duration) {
        self.probed_until = Some(self.probed_until.map_or(now + timeout, |until| until.min(now + timeout)));
    }

    /// It was woken. A probe that is under way has no more time for it.
    pub(in crate::world) fn woken(&mut self, now: Time, timeout: Duration) {
        let until = self.probed_until.filter(|until| now < *until);
        self.probed_until = Some(until.map_or(now + timeout, |until| until.min(now + timeout)));
        self.delayed_at = None;
    }

    /// Its deadlines may have passed while it could do nothing.
    pub(in crate::world) fn delayed(&mut self, now: Time) {
        self.delayed_at = Some(now);
    }

    /// Time since the last sign of life.
    pub(in crate::world) fn silent_for(&self, now: Time) -> Duration {
        now.since(self.heard_at)
    }

    /// When it must give up.
    pub(in crate::world) fn until(&self) -> Time {
        let silent = self.probed_until.unwrap_or(self.heard_at + SILENCE_MAX);
        self.delayed_at.map_or(silent, |delayed| silent.max(delayed + SILENCE_MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn silence_may_last_three_intervals_and_one_probe_after_a_wake_up() {
        let mut signs = SignsOfLife::default();
        signs.heard(Time::ZERO + 10 * SECOND);
        assert_eq!(signs.until(), Time::ZERO + 25 * SECOND);
        signs.woken(Time::ZERO + 20 * SECOND, 2 * SECOND);
        signs.woken(Time::ZERO + 21 * SECOND, 2 * SECOND);
        assert_eq!(signs.until(), Time::ZERO + 22 * SECOND);
        signs.heard(Time::ZERO + 22 * SECOND);
        assert_eq!(signs.until(), Time::ZERO + 37 * SECOND);
    }

    #[test]
    fn however_often_it_is_told_of_a_network_a_probe_has_its_time_and_no_more() {
        let mut signs = SignsOfLife::default();
        signs.heard(Time::ZERO + 10 * SECOND);
        for half in 40..60 {
            signs.told(Time::ZERO + SECOND * half / 2, SECOND);
        }
        assert_eq!(signs.until(), Time::ZERO + 21 * SECOND);
    }

    #[test]
    fn who_was_held_back_starts_over() {
        let mut signs = SignsOfLife::default();
        signs.heard(Time::ZERO + 10 * SECOND);
        signs.delayed(Time::ZERO + 24 * SECOND);
        assert_eq!(signs.until(), Time::ZERO + 39 * SECOND);
    }
}
