//! How long to wait before the next attempt.
//!
//! The first retry is immediate but for a spread that nobody feels; each later one waits three times
//! as long, up to a cap, with jitter so that many clients of one host do not come back in step. Three
//! times, because the few attempts of one outage should span what a network needs to come up after a
//! wake. The pauses after them double, because the user may be waiting.

use std::time::Duration;

use super::config::{BackoffConfig, PatienceConfig};

/// Pauses after which they are as long as they get, whatever is configured: a hundred days in
/// milliseconds have fewer doublings.
const PAUSES_MAX: u32 = 33;

/// Delays and pauses of one outage.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Backoff {
    level: u32,
    /// Pauses so far that doubled the next.
    pauses: u32,
    /// State of a splitmix64 generator: small enough to be part of a machine that is hashed.
    random: u64,
}

impl Backoff {
    /// Starts with an immediate retry; `seed` feeds the jitter.
    pub fn new(seed: u64) -> Self {
        Backoff { level: 0, pauses: 0, random: seed }
    }

    /// The next delay: the spread first, then between three quarters and five quarters of the nominal one.
    pub fn next_delay(&mut self, config: &BackoffConfig) -> Duration {
        let level = self.level;
        self.level = self.level.saturating_add(1);
        if level == 0 {
            return if config.jitter { self.within(config.spread) } else { Duration::ZERO };
        }
        let nominal = config.min.saturating_mul(3u32.saturating_pow(level - 1)).min(config.max);
        self.varied(nominal, config.jitter)
    }

    /// The next pause, also with a quarter of jitter.
    pub fn next_pause(&mut self, config: &PatienceConfig, jitter: bool) -> Duration {
        let doubled = config.min.saturating_mul(2u32.saturating_pow(self.pauses));
        // A pause that is as long as it gets is followed by others of its kind: a state that lasts.
        if doubled < config.max && self.pauses < PAUSES_MAX {
            self.pauses += 1;
        }
        self.varied(doubled.min(config.max), jitter)
    }

    /// Starts over with an immediate retry.
    pub fn reset(&mut self) {
        self.level = 0;
        self.pauses = 0;
    }

    fn varied(&mut self, nominal: Duration, jitter: bool) -> Duration {
        if !jitter {
            return nominal;
        }
        (nominal - nominal / 4).saturating_add(self.within(nominal / 2))
    }

    /// Any time up to the longest, that included.
    fn within(&mut self, longest: Duration) -> Duration {
        let thousandths = u32::try_from(self.next_random() % 1001).expect("below 1001");
        longest / 1000 * thousandths
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
        let config = BackoffConfig { jitter: false, ..BackoffConfig::default() };
        let mut backoff = Backoff::new(1);
        let delays: Vec<_> = (0..6).map(|_| backoff.next_delay(&config).as_secs()).collect();
        assert_eq!(delays, [0, 2, 6, 18, 30, 30]);
        backoff.reset();
        assert_eq!(backoff.next_delay(&config), Duration::ZERO);
    }

    #[test]
    fn jitter_fills_a_quarter_each_way_and_no_more() {
        let four = Duration::from_secs(4);
        let config = BackoffConfig { min: four, max: four, ..BackoffConfig::default() };
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
    fn the_first_retry_is_spread_over_what_nobody_feels() {
        let config = BackoffConfig::default();
        let delays: Vec<_> = (0..200).map(|seed| Backoff::new(seed).next_delay(&config)).collect();
        assert!(delays.iter().all(|delay| *delay <= config.spread));
        for quarter in 0..4 {
            let (from, until) = (config.spread * quarter / 4, config.spread * (quarter + 1) / 4);
            assert!(delays.iter().any(|delay| (from..until).contains(delay)), "none in {from:?}..{until:?}");
        }
        let plain = BackoffConfig { jitter: false, ..config };
        assert_eq!(Backoff::new(3).next_delay(&plain), Duration::ZERO);
    }

    #[test]
    fn pauses_double_up_to_the_cap_and_start_over() {
        let config = PatienceConfig::default();
        let mut backoff = Backoff::new(1);
        let pauses: Vec<_> = (0..6).map(|_| backoff.next_pause(&config, false).as_secs()).collect();
        assert_eq!(pauses, [5, 10, 20, 30, 30, 30]);
        let before = backoff.clone();
        backoff.next_pause(&config, false);
        assert_eq!(backoff, before, "pauses of the same length are the same state");
        backoff.reset();
        assert_eq!(backoff.next_pause(&config, false).as_secs(), 5);
        let varied: Vec<_> = (0..100).map(|_| backoff.next_pause(&config, true).as_millis()).collect();
        assert!(varied[3..].iter().all(|pause| (22_500..=37_500).contains(pause)), "{varied:?}");
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
            let (min, max, spread) = (Duration::MAX, Duration::MAX, Duration::MAX);
            let config = BackoffConfig { min, max, spread, jitter, ..BackoffConfig::default() };
            let mut backoff = Backoff::new(3);
            assert!((0..200).all(|n| backoff.next_delay(&config) >= Duration::MAX / 2 || n == 0));
            let config = PatienceConfig { lasts: max, min: Duration::from_nanos(1), max };
            assert!((0..200).all(|_| backoff.next_pause(&config, jitter) < Duration::MAX));
        }
    }
}
