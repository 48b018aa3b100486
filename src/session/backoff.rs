//! How long to wait before the next attempt.
//!
//! The first retry is immediate; each later one waits three times as long, up to a cap, with
//! jitter so that many clients of one host do not come back in step. Three times, because the
//! few attempts of one outage should span what a network needs to come up after a wake.

use std::time::Duration;

use super::config::BackoffConfig;

/// Delays of one outage, or of several in a row without a stable session between them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Backoff {
    level: u32,
    /// State of a splitmix64 generator: small enough to be part of a machine that is hashed.
    random: u64,
}

impl Backoff {
    /// Starts with an immediate retry; `seed` feeds the jitter.
    pub fn new(seed: u64) -> Self {
        Backoff { level: 0, random: seed }
    }

    /// The next delay: zero first, then between three quarters and five quarters of the nominal one.
    pub fn next_delay(&mut self, config: &BackoffConfig) -> Duration {
        let level = self.level;
        self.level = self.level.saturating_add(1);
        if level == 0 {
            return Duration::ZERO;
        }
        let nominal = config.min.saturating_mul(3u32.saturating_pow(level - 1)).min(config.max);
        if !config.jitter {
            return nominal;
        }
        let thousandths = u32::try_from(self.next_random() % 1001).expect("below 1001");
        let least = nominal - nominal / 4;
        least.saturating_add(nominal / 2000 * thousandths)
    }

    /// Starts over with an immediate retry.
    pub fn reset(&mut self) {
        self.level = 0;
    }

    fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_at_once_then_triples_up_to_the_cap() {
        let config =
            BackoffConfig { min: Duration::from_secs(2), max: Duration::from_secs(30), jitter: false };
        let mut backoff = Backoff::new(1);
        let delays: Vec<_> = (0..6).map(|_| backoff.next_delay(&config).as_secs()).collect();
        assert_eq!(delays, [0, 2, 6, 18, 30, 30]);
        backoff.reset();
        assert_eq!(backoff.next_delay(&config), Duration::ZERO);
    }

    #[test]
    fn jitter_fills_a_quarter_each_way_and_no_more() {
        let config = BackoffConfig { min: Duration::from_secs(4), max: Duration::from_secs(4), jitter: true };
        let mut backoff = Backoff::new(7);
        backoff.next_delay(&config);
        let delays: Vec<_> = (0..100).map(|_| backoff.next_delay(&config)).collect();
        assert!(delays.iter().all(|d| (3000..=5000).contains(&d.as_millis())));
        // They fill it: many clients are spread over all of the two seconds.
        for quarter in [3000..3500, 3500..4000, 4000..4500, 4500..5001] {
            let within = delays.iter().filter(|delay| quarter.contains(&delay.as_millis())).count();
            assert!(within > 10, "{within} of 100 delays within {quarter:?} ms");
        }
    }

    #[test]
    fn draws_the_numbers_of_splitmix64() {
        // The reference's own first numbers for this seed.
        let mut backoff = Backoff::new(1_234_567);
        let numbers = [6457827717110365317, 3203168211198807973, 9817491932198370423];
        assert_eq!([(); 3].map(|()| backoff.next_random()), numbers);
    }

    #[test]
    fn the_longest_delay_of_all_is_no_overflow() {
        for jitter in [true, false] {
            let config = BackoffConfig { min: Duration::MAX, max: Duration::MAX, jitter };
            let mut backoff = Backoff::new(3);
            assert!((0..200).all(|n| backoff.next_delay(&config) >= Duration::MAX / 2 || n == 0));
        }
    }
}
