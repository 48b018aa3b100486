//! Chance that can be repeated: a test that fails prints the seed that it drew.

use std::time::Duration;

use reattach::io::random;

/// Where a seed can be given.
const SEED: &str = "REATTACH_TEST_SEED";

/// A generator (splitmix64).
pub(crate) struct Dice {
    state: u64,
    seed: u64,
}

impl Dice {
    /// Draws a seed, or takes the one that is to be repeated.
    pub(crate) fn roll() -> Self {
        let given = std::env::var(SEED).ok().map(|seed| seed.parse().unwrap());
        let seed = given.unwrap_or_else(|| u64::from_le_bytes(random::bytes()));
        Dice { state: seed, seed }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    /// Nothing at all one time in three, else a time up to `max`.
    pub(crate) fn delay(&mut self, max: Duration) -> Duration {
        match self.below(3) {
            0 => Duration::ZERO,
            _ => max.mul_f64(f64::from(u32::try_from(self.below(1000)).unwrap()) / 1000.0),
        }
    }

    /// That many bytes, with every value among them.
    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(count + 8);
        while bytes.len() < count {
            bytes.extend_from_slice(&self.next().to_le_bytes());
        }
        bytes.truncate(count);
        bytes
    }
}

impl Drop for Dice {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("to repeat the failed test: {SEED}={}", self.seed);
        }
    }
}
