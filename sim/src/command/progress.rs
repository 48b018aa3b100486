//! How what takes long shows itself while it lasts: a bar on a terminal, a line now and then elsewhere.
//!
//! The only place of the simulator that reads a clock: rates are for people.

use std::io::Write as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

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
        let target = ProgressDrawTarget::stderr();
        // Whatever can draw nothing, a dumb terminal too, gets lines.
        let bar = (!target.is_hidden() && !quiet).then(|| {
            let style = ProgressStyle::with_template(template(runs)).expect("the template is ours");
            ProgressBar::with_draw_target(runs, target).with_style(style)
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
            bar.set_message(format!("{unit}, {}", message(elapsed)));
        } else if !self.quiet && elapsed >= self.line_at {
            self.line_at += LINE_INTERVAL;
            // Nobody listening is no reason to stop.
            let _ = writeln!(std::io::stderr(), "{count} {unit}, {}", message(elapsed));
        }
    }

    /// Shows how many there are, and how fast more come.
    pub(super) fn tell_rate(&mut self, count: u64, unit: &str) {
        let rate = |elapsed: Duration| count as f64 / elapsed.as_secs_f64().max(0.001);
        self.tell(count, unit, |elapsed| format!("{:.0} a second", rate(elapsed)));
    }

    pub(super) fn end(self) -> Duration {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        self.elapsed()
    }
}

/// What a terminal shows: one line, cut off where it ends. Without an end in sight there is no bar to
/// fill.
fn template(runs: Option<u64>) -> &'static str {
    match runs {
        Some(_) => "{elapsed_precise} [{bar:16}] {pos}/{len} {wide_msg}",
        None => "{elapsed_precise} {pos} {wide_msg}",
    }
}

/// What matters most comes first, as a narrow terminal shows only that.
fn message(tally: &Tally, elapsed: Duration) -> String {
    format!(
        "violations {}, goals {}/{}, {:.0} seeds/s, {:.0} simulated h",
        tally.violated,
        tally.goals.count(),
        Goal::ALL.len(),
        tally.runs as f64 / elapsed.as_secs_f64().max(0.001),
        tally.lived.as_secs_f64() / 3600.0,
    )
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use indicatif::TermLike;

    use super::*;

    /// A terminal of eighty columns that keeps what it is told.
    #[derive(Clone, Debug, Default)]
    struct Narrow(Arc<Mutex<String>>);

    impl TermLike for Narrow {
        fn width(&self) -> u16 {
            80
        }

        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn write_line(&self, line: &str) -> io::Result<()> {
            self.write_str(line)
        }

        fn write_str(&self, text: &str) -> io::Result<()> {
            self.0.lock().unwrap().push_str(text);
            Ok(())
        }

        fn clear_line(&self) -> io::Result<()> {
            self.0.lock().unwrap().clear();
            Ok(())
        }

        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_narrow_terminal_shows_what_matters_most_on_one_line() {
        for (runs, told) in [(None, "1234567 runs, "), (Some(9_999_999), "1234567/9999999 runs, ")] {
            let term = Narrow::default();
            let target = ProgressDrawTarget::term_like(Box::new(term.clone()));
            let bar = ProgressBar::with_draw_target(runs, target);
            bar.set_style(ProgressStyle::with_template(template(runs)).unwrap());
            bar.set_position(1_234_567);
            bar.set_message(format!("runs, {}", message(&Tally::default(), Duration::from_secs(1))));
            bar.force_draw();
            let shown = term.0.lock().unwrap().trim_end().to_owned();
            assert!(shown.chars().count() <= 80 && shown.contains(told), "{shown}");
            assert!(shown.contains("violations 0, goals 0/"), "{shown}");
        }
    }
}
