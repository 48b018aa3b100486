//! The only place of the benchmarks that reads a clock.

use std::time::{Duration, Instant};

/// Runs since it was started.
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures the real time that passes")]
    pub(crate) fn start() -> Self {
        Stopwatch(Instant::now())
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    /// How many a second, if that many were done since the start.
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    pub(crate) fn rate(&self, done: usize) -> f64 {
        done as f64 / self.elapsed().as_secs_f64()
    }
}

/// Lets the time pass in which something is counted.
#[expect(clippy::disallowed_methods, reason = "what happens in a time of idleness is the figure")]
pub(crate) fn let_pass(time: Duration) {
    std::thread::sleep(time);
}
