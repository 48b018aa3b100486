//! Random numbers that are the same on every machine: one stream a purpose, drawn from a seed.
//!
//! Whole numbers only: the mathematical functions of floating point differ between systems. What
//! is drawn from them is left to the scenario and the world.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub struct Dice(ChaCha8Rng);

impl Dice {
    /// The stream of that seed; `purpose` tells streams of one seed apart.
    pub fn new(seed: u64, purpose: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(purpose);
        Dice(rng)
    }

    /// Any 32 bits.
    pub fn bits32(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// Any 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `end`, which must not be zero. The bias of one in four billion is accepted.
    pub fn below(&mut self, end: u32) -> u32 {
        ((u64::from(self.bits32()) * u64::from(end)) >> 32) as u32
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: u32) -> bool {
        self.below(n) == 0
    }

    /// A duration below `end`, in microseconds, evenly; zero if `end` is.
    pub fn within(&mut self, end: Duration) -> Duration {
        let end = u64::try_from(end.as_micros()).unwrap_or(u64::MAX);
        if end == 0 {
            return Duration::ZERO;
        }
        match u32::try_from(end) {
            Ok(end) => Duration::from_micros(u64::from(self.below(end))),
            Err(_) => Duration::from_micros(self.bits() % end),
        }
    }

    /// A number from `low` to `high`, each magnitude as likely as the next: short ones as often as
    /// long ones.
    pub fn log_between(&mut self, low: u64, high: u64) -> u64 {
        let (low_bits, high_bits) = (low.max(1).ilog2(), high.max(1).ilog2());
        let magnitude = low_bits + self.below(high_bits - low_bits + 1);
        let bottom = 1u64 << magnitude;
        (bottom + self.bits() % bottom).clamp(low, high)
    }

    /// A duration from `low` to `high`, each magnitude as likely as the next.
    pub fn log_duration(&mut self, low: Duration, high: Duration) -> Duration {
        let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.log_between(micros(low), micros(high)))
    }

    /// One of them.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        let end = u32::try_from(from.len()).expect("lists are short");
        from[self.below(end) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_stream_and_purposes_differ() {
        let draw = |seed, purpose| {
            let mut dice = Dice::new(seed, purpose);
            [dice.bits(), dice.bits()]
        };
        assert_eq!(draw(7, 1), draw(7, 1));
        assert_ne!(draw(7, 1), draw(7, 2));
        assert_ne!(draw(7, 1), draw(8, 1));
    }

    #[test]
    fn magnitudes_are_equally_likely() {
        let mut dice = Dice::new(1, 1);
        let draws: Vec<u64> = (0..4000).map(|_| dice.log_between(1, 1_000_000)).collect();
        assert!(draws.iter().all(|draw| (1..=1_000_000).contains(draw)));
        let short = draws.iter().filter(|draw| **draw < 1000).count();
        assert!((1500..2500).contains(&short), "{short}");
    }
}
