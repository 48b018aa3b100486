//! How often a host is logged in to: a bucket of tokens, of which every attempt takes one.
//!
//! A loss after a success may be retried at once, so nothing else keeps a link that flaps from
//! hammering its host. Whoever asked for an attempt, in any `t` the host sees at most `burst + t / every`;
//! one that never reached it gives its token back.

use std::time::Duration;

use super::config::AllowanceConfig;
use super::time::Time;

/// The bucket, as one point in time: the more tokens are out, the later it is full again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Allowance {
    full_at: Time,
}

impl Allowance {
    /// A full bucket.
    pub fn new(now: Time) -> Self {
        Allowance { full_at: now }
    }

    /// When the next attempt may be made: `now`, or when the next token comes.
    pub fn next_at(&self, now: Time, config: Option<&AllowanceConfig>) -> Time {
        match config {
            Some(config) => now.max(self.full_at - config.every.saturating_mul(config.burst.max(1) - 1)),
            None => now,
        }
    }

    /// An attempt is made; ask [`Allowance::next_at`] before.
    pub fn take(&mut self, now: Time, config: Option<&AllowanceConfig>) {
        let every = config.map_or(Duration::ZERO, |config| config.every);
        self.full_at = self.full_at.max(now) + every;
    }

    /// The attempt that was made last never reached the host.
    pub fn give_back(&mut self, config: Option<&AllowanceConfig>) {
        self.full_at = self.full_at - config.map_or(Duration::ZERO, |config| config.every);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: AllowanceConfig = AllowanceConfig { burst: 5, every: Duration::from_secs(3) };

    fn at(seconds: u64) -> Time {
        Time::ZERO + Duration::from_secs(seconds)
    }

    /// When attempts are made by who tries as often as it may.
    fn eager(allowance: &mut Allowance, from: u64, until: u64) -> Vec<u64> {
        let mut made = Vec::new();
        let mut now = at(from);
        loop {
            now = allowance.next_at(now, Some(&CONFIG));
            if now > at(until) {
                return made;
            }
            allowance.take(now, Some(&CONFIG));
            made.push(now.0 / 1_000_000);
        }
    }

    #[test]
    fn gives_five_at_once_and_then_one_every_three_seconds() {
        let mut allowance = Allowance::new(at(100));
        assert_eq!(eager(&mut allowance, 100, 110), [100, 100, 100, 100, 100, 103, 106, 109]);
    }

    #[test]
    fn fills_up_while_nobody_tries_and_not_beyond() {
        let mut allowance = Allowance::new(at(0));
        eager(&mut allowance, 0, 0);
        assert_eq!(eager(&mut allowance, 6, 7), [6, 6]);
        assert_eq!(eager(&mut allowance, 1000, 1003), [1000, 1000, 1000, 1000, 1000, 1003]);
    }

    #[test]
    fn never_gives_more_than_its_burst_and_the_time_allow() {
        let mut allowance = Allowance::new(at(0));
        let made: Vec<u64> = (0..50).flat_map(|step| eager(&mut allowance, 7 * step, 7 * step + 2)).collect();
        for (index, from) in made.iter().enumerate() {
            for (count, until) in made[index..].iter().enumerate() {
                assert!(count as u64 <= 4 + (until - from).div_ceil(3), "{count} from {from} to {until}");
            }
        }
    }

    #[test]
    fn what_never_reached_the_host_costs_nothing() {
        let mut allowance = Allowance::new(at(100));
        for _ in 0..50 {
            allowance.take(at(100), Some(&CONFIG));
            allowance.give_back(Some(&CONFIG));
        }
        assert_eq!(eager(&mut allowance, 100, 104), [100, 100, 100, 100, 100, 103]);
    }

    #[test]
    fn who_is_not_bounded_never_waits() {
        let mut allowance = Allowance::new(at(5));
        for _ in 0..100 {
            assert_eq!(allowance.next_at(at(5), None), at(5));
            allowance.take(at(5), None);
        }
        assert_eq!(allowance, Allowance::new(at(5)));
    }
}
