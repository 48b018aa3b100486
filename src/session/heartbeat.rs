//! Whether the other end of an attached transport is still there.
//!
//! Any byte is a sign of life. After an interval without one the client probes; after
//! `misses_max` probes in a row without a sign of life the transport is lost. A wake-up probes at
//! once, with a short timeout, because bytes that were buffered before the sleep prove nothing.
//! While bytes keep coming it still asks now and then, so that the other end hears from us too.

use std::time::Duration;

use super::time::Time;

/// What the passing of time means for an attached transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Beat {
    /// Nothing is due.
    Quiet,
    /// Ask whether the other end is there, with this nonce.
    Probe(u64),
    /// The other end has not answered in time.
    Lost,
}

/// The heartbeat of one transport.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Heartbeat {
    interval: Duration,
    misses_max: u32,
    heard_at: Time,
    /// Probes in a row without a sign of life, the one under way not counted.
    missed: u32,
    /// The nonce of the last probe; nonces only grow.
    nonce: u64,
    /// When to probe next or to give up.
    due_at: Time,
    /// When it asked last, or began; the next time, although bytes keep coming, is some intervals later.
    asked_at: Time,
    /// The last probe was not answered yet.
    is_asked: bool,
    urgent: Option<Urgent>,
    probing: bool,
}

/// A probe that only its own answer, or bytes of the second half of its time, can satisfy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Urgent {
    nonce: u64,
    /// Bytes heard before this may have been buffered before the sleep.
    credible_from: Time,
}

impl Heartbeat {
    /// The heartbeat of a transport that was just attached.
    pub fn new(now: Time, interval: Duration, misses_max: u32) -> Self {
        Heartbeat {
            interval,
            misses_max,
            heard_at: now,
            missed: 0,
            nonce: 0,
            due_at: now + interval,
            asked_at: now,
            is_asked: false,
            urgent: None,
            probing: false,
        }
    }

    /// Takes note of a sign of life.
    pub fn heard(&mut self, now: Time) {
        self.heard_at = now;
        if self.urgent.is_none() {
            self.rest(now);
        }
    }

    /// Takes note of the answer to a probe; gives the time that it took, if it is the last one's.
    pub fn answered(&mut self, now: Time, nonce: u64) -> Option<Duration> {
        if self.urgent.is_some_and(|urgent| urgent.nonce <= nonce && nonce <= self.nonce) {
            self.urgent = None;
        }
        self.heard(now);
        let is_first = nonce == self.nonce && std::mem::take(&mut self.is_asked);
        is_first.then(|| now.since(self.asked_at))
    }

    /// Probes now, to be answered within `timeout`. A probe of that kind that is under way stays, with the
    /// shorter of the two times, if nothing has come that would satisfy it: that was before what we are
    /// woken by now.
    pub fn probe_now(&mut self, now: Time, timeout: Duration) -> Option<u64> {
        let waits = self.urgent.is_some_and(|urgent| self.heard_at < urgent.credible_from);
        if waits && now < self.due_at {
            self.due_at = self.due_at.min(now + timeout);
            return None;
        }
        let nonce = self.ask(now);
        self.probing = true;
        self.urgent = Some(Urgent { nonce, credible_from: now + timeout / 2 });
        self.due_at = now + timeout;
        Some(nonce)
    }

    /// Whether a probe of a wake-up or another network went unanswered for all its time.
    pub fn is_unanswered(&self, now: Time) -> bool {
        now >= self.due_at && self.urgent.is_some_and(|urgent| self.heard_at < urgent.credible_from)
    }

    /// What is due now.
    pub fn beat(&mut self, now: Time) -> Beat {
        if now >= self.due_at
            && let Some(urgent) = self.urgent.take()
        {
            if self.heard_at < urgent.credible_from {
                return Beat::Lost;
            }
            self.rest(self.heard_at);
        }
        if now >= self.due_at {
            if self.probing {
                self.missed += 1;
            }
            if self.missed >= self.misses_max {
                return Beat::Lost;
            }
            self.probing = true;
            self.due_at = now + self.interval;
            return Beat::Probe(self.ask(now));
        }
        if now >= self.ask_at() {
            return Beat::Probe(self.ask(now));
        }
        Beat::Quiet
    }

    /// When [`Heartbeat::beat`] has something to say.
    pub fn due_at(&self) -> Time {
        self.due_at.min(self.ask_at())
    }

    /// Probes in a row that were not answered in time.
    pub fn missed(&self) -> u32 {
        self.missed
    }

    fn ask(&mut self, now: Time) -> u64 {
        self.asked_at = now;
        self.is_asked = true;
        self.nonce += 1;
        self.nonce
    }

    fn ask_at(&self) -> Time {
        self.asked_at + self.interval.saturating_mul(self.misses_max.saturating_add(1))
    }

    fn rest(&mut self, heard_at: Time) {
        self.missed = 0;
        self.probing = false;
        self.due_at = heard_at + self.interval;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(seconds: u64) -> Time {
        Time::ZERO + SECOND * u32::try_from(seconds).unwrap()
    }

    #[test]
    fn notices_a_dead_link_after_three_intervals() {
        let mut heartbeat = Heartbeat::new(at(0), 5 * SECOND, 2);
        assert_eq!(heartbeat.beat(at(4)), Beat::Quiet);
        assert_eq!(heartbeat.beat(at(5)), Beat::Probe(1));
        assert_eq!(heartbeat.beat(at(10)), Beat::Probe(2));
        assert_eq!(heartbeat.missed(), 1);
        assert_eq!(heartbeat.beat(at(15)), Beat::Lost);
    }

    #[test]
    fn any_byte_resets_the_count_and_arms_the_timer_again() {
        let mut heartbeat = Heartbeat::new(at(0), 5 * SECOND, 2);
        heartbeat.beat(at(5));
        heartbeat.beat(at(10));
        heartbeat.heard(at(12));
        assert_eq!((heartbeat.missed(), heartbeat.due_at()), (0, at(17)));
    }

    #[test]
    fn bytes_buffered_before_a_sleep_do_not_answer_its_probe() {
        let mut heartbeat = Heartbeat::new(at(0), 5 * SECOND, 2);
        assert_eq!(heartbeat.probe_now(at(100), 2 * SECOND), Some(1));
        heartbeat.heard(at(100));
        assert_eq!(heartbeat.beat(at(102)), Beat::Lost);
    }

    #[test]
    fn of_two_probes_the_one_with_less_time_decides() {
        let mut heartbeat = Heartbeat::new(at(0), 5 * SECOND, 2);
        assert_eq!(heartbeat.probe_now(at(100), 4 * SECOND), Some(1));
        assert_eq!(heartbeat.probe_now(at(101), SECOND), None, "one is under way");
        assert_eq!((heartbeat.due_at(), heartbeat.beat(at(102))), (at(102), Beat::Lost));
    }

    #[test]
    fn what_came_before_a_second_wake_up_proves_nothing_after_it() {
        let mut heartbeat = Heartbeat::new(at(0), 5 * SECOND, 2);
        assert_eq!(heartbeat.probe_now(at(100), 4 * SECOND), Some(1));
        heartbeat.heard(at(102));
        assert_eq!(heartbeat.probe_now(at(103), 4 * SECOND), Some(2));
        assert_eq!(heartbeat.probe_now(at(104), 4 * SECOND), None, "nothing has come since");
        assert_eq!(heartbeat.beat(at(107)), Beat::Lost);
    }

    #[test]
    fn a_slow_answer_behind_much_data_is_believed() {
        // The second half of its time begins after two of its four seconds.
        for (heard_at, due_at) in [(102, 107), (103, 108)] {
            let mut heartbeat = Heartbeat::new(at(0), 5 * SECOND, 2);
            heartbeat.probe_now(at(100), 4 * SECOND);
            heartbeat.heard(at(heard_at));
            assert_eq!(heartbeat.beat(at(104)), Beat::Quiet);
            assert_eq!(heartbeat.due_at(), at(due_at));
        }
    }

    #[test]
    fn the_first_answer_to_the_last_probe_tells_how_far_it_is() {
        let mut heartbeat = Heartbeat::new(at(0), 5 * SECOND, 2);
        assert_eq!(heartbeat.answered(at(1), 0), None, "nobody has asked");
        assert_eq!([heartbeat.beat(at(6)), heartbeat.beat(at(11))], [Beat::Probe(1), Beat::Probe(2)]);
        assert_eq!(heartbeat.answered(at(12), 1), None, "it took six seconds, or the other one was faster");
        assert_eq!(heartbeat.answered(at(13), 2), Some(2 * SECOND));
        assert_eq!(heartbeat.answered(at(14), 2), None);
    }

    #[test]
    fn a_wake_up_is_answered_by_its_own_pong() {
        let mut heartbeat = Heartbeat::new(at(0), 5 * SECOND, 2);
        heartbeat.beat(at(5));
        heartbeat.probe_now(at(6), 2 * SECOND);
        heartbeat.answered(at(6), 1);
        assert_eq!(heartbeat.due_at(), at(8), "that was the answer to the old one");
        assert_eq!(heartbeat.probe_now(at(7), 2 * SECOND), None, "one is under way");
        heartbeat.answered(at(7), 2);
        assert_eq!(heartbeat.due_at(), at(12));
    }

    #[test]
    fn a_wake_up_when_the_time_of_the_last_ones_probe_is_up_asks_again() {
        let mut heartbeat = Heartbeat::new(at(0), 5 * SECOND, 2);
        assert_eq!(heartbeat.probe_now(at(6), 2 * SECOND), Some(1));
        assert_eq!(heartbeat.probe_now(at(8), 2 * SECOND), Some(2));
        assert_eq!(heartbeat.due_at(), at(10));
    }
}
