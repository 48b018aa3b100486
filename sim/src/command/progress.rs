//! How a campaign shows itself while it lasts: a bar on a terminal, a line now and then elsewhere.
//!
//! The only place of the simulator that reads a clock: rates are for people.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::tally::Tally;
use crate::check::Goal;

/// Time between two plain lines.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// Real time since its start.
pub(super) struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "how long a command takes is told in real time")]
    pub(super) fn start() -> Self {
        Stopwatch(Instant::now())
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

pub(super) struct Progress {
    started: Stopwatch,
    line_at: Duration,
    bar: Option<ProgressBar>,
    quiet: bool,
}

impl Progress {
    /// Shows nothing if `quiet`. `runs` is how many there will be, where that is known.
    pub(super) fn start(runs: Option<u64>, quiet: bool) -> Self {
        let bar = (std::io::stderr().is_terminal() && !quiet).then(|| {
            let template = "{elapsed_precise} [{bar:30}] {pos}/{len} {msg}";
            let style = ProgressStyle::with_template(template).expect("the template is ours");
            runs.map_or_else(ProgressBar::no_length, ProgressBar::new).with_style(style)
        });
        Progress { started: Stopwatch::start(), line_at: LINE_INTERVAL, bar, quiet }
    }

    /// Real time since the start.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    pub(super) fn show(&mut self, tally: &Tally) {
        self.tell(tally.runs, "runs", |elapsed| message(tally, elapsed));
    }

    /// Shows how many of something there are, and more.
    pub(super) fn tell(&mut self, count: u64, unit: &str, message: impl FnOnce(Duration) -> String) {
        let elapsed = self.elapsed();
        if let Some(bar) = &self.bar {
            bar.set_position(count);
            bar.set_message(message(elapsed));
        } else if !self.quiet && elapsed >= self.line_at {
            self.line_at += LINE_INTERVAL;
            // Nobody listening is no reason to stop.
            let _ = writeln!(std::io::stderr(), "{count} {unit}, {}", message(elapsed));
        }
    }

    pub(super) fn end(self) -> Duration {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        self.elapsed()
    }
}

fn message(tally: &Tally, elapsed: Duration) -> String {
    format!(
        "{:.0} seeds/s, {:.0} simulated h, goals {}/{}, violations {}",
        tally.runs as f64 / elapsed.as_secs_f64().max(0.001),
        tally.lived.as_secs_f64() / 3600.0,
        tally.goals.count(),
        Goal::ALL.len(),
        tally.violated,
    )
}
