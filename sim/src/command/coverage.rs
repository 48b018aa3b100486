//! What many seeds have reached, as tables, and what they never did.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use super::progress::Progress;
use super::{EXIT_FINE, EXIT_UNREACHED, Seeds, counted};
use crate::check::Goal;
use crate::coverage::{Expect, Expected, Grid, Label, Record, watch};

/// Seeds that a thread takes at once.
const BATCH: u64 = 64;

/// Goals that stand side by side.
const GOALS_A_LINE: usize = 3;

#[derive(Debug, clap::Args)]
pub(super) struct CoverageArgs {
    /// The seeds, as in 0..10000
    #[arg(long, value_name = "A..B", default_value = "0..10000", allow_hyphen_values = true)]
    seeds: Seeds,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &CoverageArgs) -> anyhow::Result<u8> {
    let mut progress = Progress::start(Some(args.seeds.end - args.seeds.first), args.json);
    let record = watch_all(args.seeds, &mut progress);
    let took = progress.end().as_secs_f64();
    let findings = Findings::of(&record);
    let mut out = std::io::stdout().lock();
    if args.json {
        serde_json::to_writer(&mut out, &report(&record, &findings, took))?;
        writeln!(out)?;
    } else {
        writeln!(out, "{} in {:.1} s", counted(record.runs, "run"), took)?;
        write!(out, "{}{}{}", tables(&record), goals(&record), findings.text())?;
    }
    Ok(if findings.missing.is_empty() && findings.wrong.is_empty() { EXIT_FINE } else { EXIT_UNREACHED })
}

/// All seeds, on all cores that a thread can be started for; sums do not depend on who ran what.
fn watch_all(seeds: Seeds, progress: &mut Progress) -> Record {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let next = AtomicU64::new(seeds.first);
    // Never past the end, where counting on would start over with the first seeds.
    let after = |next: u64| (next < seeds.end).then(|| next.saturating_add(BATCH));
    let take = || next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, after).ok();
    let batch = |first: u64| first..first.saturating_add(BATCH).min(seeds.end);
    let work = || watch(std::iter::from_fn(take).flat_map(batch));
    std::thread::scope(|scope| {
        let start = |_| std::thread::Builder::new().spawn_scoped(scope, work).ok();
        let workers: Vec<_> = (1..threads).map_while(start).collect();
        let mut sum = watch(
            std::iter::from_fn(|| {
                progress.tell_rate(next.load(Ordering::Relaxed).min(seeds.end) - seeds.first, "runs");
                take()
            })
            .flat_map(batch),
        );
        for worker in workers {
            sum.add(&worker.join().expect("a worker only counts"));
        }
        sum
    })
}

/// What is not as expected, and what was not demanded.
#[derive(Debug, Default, Serialize)]
struct Findings {
    /// Due, and never reached.
    missing: Vec<String>,
    /// Reached, and said to be impossible.
    wrong: Vec<String>,
    /// Possible, seldom, and not reached, by reason.
    seldom: BTreeMap<&'static str, Vec<String>>,
    /// Pairs that cannot be, and that were not, by reason.
    never: BTreeMap<&'static str, u64>,
    /// Pairs that were reached, of those that can be.
    reached: u64,
    possible: u64,
}

impl Findings {
    fn of(record: &Record) -> Self {
        let mut findings = Findings::default();
        let missing = Goal::ALL.iter().filter(|goal| record.goals.of(**goal).is_none());
        findings.missing.extend(missing.map(|goal| format!("goal: {goal}")));
        findings.look("client: ", " in ", &record.client);
        findings.look("client: ", " -> ", &record.client_moves);
        findings.look("server: ", " in ", &record.server);
        findings.look("server: ", " -> ", &record.server_moves);
        findings.look("proxy: ", " in ", &record.launch);
        findings.look("proxy: ", " -> ", &record.launch_moves);
        findings.look("fault: ", " while the client is ", &record.client_faults);
        findings.look("fault: ", " with ", &record.host_faults);
        findings
    }

    fn look<R: Expect<C>, C: Label>(&mut self, who: &str, joint: &str, grid: &Grid<R, C>) {
        for (row, column, count) in grid.pairs() {
            let pair = || format!("{who}{}{joint}{}", row.name(), column.name());
            let expected = row.expected(column);
            let can_be = !matches!(expected, Expected::Never(_));
            self.possible += u64::from(can_be);
            self.reached += u64::from(can_be && count > 0);
            match (expected, count) {
                (Expected::Always, 0) => self.missing.push(pair()),
                (Expected::Seldom(why), 0) => self.seldom.entry(why).or_default().push(pair()),
                (Expected::Never(why), 0) => *self.never.entry(why).or_default() += 1,
                (Expected::Never(why), _) => self.wrong.push(format!("{}, although {why}", pair())),
                (Expected::Always | Expected::Seldom(_), _) => {}
            }
        }
    }

    fn text(&self) -> String {
        let lines = |pairs: &[String]| pairs.iter().map(|pair| format!("    {pair}\n")).collect::<String>();
        let mut text = String::from("what cannot be, and was not\n");
        for (why, pairs) in &self.never {
            text += &format!("  {why}: {pairs}\n");
        }
        text += "\nwhat is rare, and was not reached\n";
        for (why, pairs) in &self.seldom {
            text += &format!("  {why}: {}\n{}", pairs.len(), lines(pairs));
        }
        text += &format!("\n{} of {} pairs that can be were reached\n", self.reached, self.possible);
        if !self.wrong.is_empty() {
            text += &format!("reached, and said to be impossible: {}\n", self.wrong.len());
            text += &lines(&self.wrong);
        }
        text += &format!("never reached: {}\n{}", self.missing.len(), lines(&self.missing));
        text
    }
}

fn tables(record: &Record) -> String {
    [
        table("what clients were told", &record.client),
        table("where clients went", &record.client_moves),
        table("what servers were told", &record.server),
        table("where servers went", &record.server_moves),
        table("what proxies were told", &record.launch),
        table("where proxies went", &record.launch_moves),
        table("faults, by where the client was", &record.client_faults),
        table("faults, by what was on the host", &record.host_faults),
    ]
    .concat()
}

/// A grid with its names: `.` for what could be and was not, `-` for what cannot be.
fn table<R: Expect<C>, C: Label>(title: &str, grid: &Grid<R, C>) -> String {
    let first = R::ALL.iter().map(|row| row.name().len()).max().unwrap_or_default();
    let width = |column: &C| column.heading().len().max(5) + 1;
    let mut text = format!("\n{title}\n{:first$}", "");
    for column in C::ALL {
        text += &format!("{:>width$}", column.heading(), width = width(column));
    }
    text += "\n";
    for row in R::ALL {
        text += &format!("{:first$}", row.name());
        for column in C::ALL {
            let cell = match (grid.count(*row, *column), row.expected(*column)) {
                (0, Expected::Never(_)) => "-".to_owned(),
                (0, Expected::Always | Expected::Seldom(_)) => ".".to_owned(),
                (count, _) => short(count),
            };
            text += &format!("{cell:>width$}", width = width(column));
        }
        text += "\n";
    }
    text
}

/// A count in four letters.
fn short(count: u64) -> String {
    match count {
        0..10_000 => count.to_string(),
        10_000..1_000_000 => format!("{}k", count / 1000),
        1_000_000..10_000_000 => format!("{}.{}M", count / 1_000_000, count / 100_000 % 10),
        10_000_000..1_000_000_000 => format!("{}M", count / 1_000_000),
        _ => format!("{}G", count / 1_000_000_000),
    }
}

fn goals(record: &Record) -> String {
    let mut text = String::from("\ngoals, with the first seed that reached them\n");
    for line in Goal::ALL.chunks(GOALS_A_LINE) {
        for goal in line {
            let seed = record.goals.of(*goal).map_or_else(|| "never".to_owned(), |seed| seed.to_string());
            text += &format!("{goal:<30}{seed:>6}    ");
        }
        text.truncate(text.trim_end().len());
        text += "\n";
    }
    text += "\n";
    text
}

#[derive(Serialize)]
struct Report<'f> {
    runs: u64,
    seconds: f64,
    goals: BTreeMap<&'static str, Option<u64>>,
    client: Vec<Cell>,
    client_moves: Vec<Cell>,
    server: Vec<Cell>,
    server_moves: Vec<Cell>,
    launch: Vec<Cell>,
    launch_moves: Vec<Cell>,
    client_faults: Vec<Cell>,
    host_faults: Vec<Cell>,
    #[serde(flatten)]
    findings: &'f Findings,
}

#[derive(Serialize)]
struct Cell {
    row: &'static str,
    column: &'static str,
    count: u64,
}

fn report<'f>(record: &Record, findings: &'f Findings, seconds: f64) -> Report<'f> {
    Report {
        runs: record.runs,
        seconds,
        goals: Goal::ALL.iter().map(|goal| (goal.name(), record.goals.of(*goal))).collect(),
        client: cells(&record.client),
        client_moves: cells(&record.client_moves),
        server: cells(&record.server),
        server_moves: cells(&record.server_moves),
        launch: cells(&record.launch),
        launch_moves: cells(&record.launch_moves),
        client_faults: cells(&record.client_faults),
        host_faults: cells(&record.host_faults),
        findings,
    }
}

/// The pairs that were reached.
fn cells<R: Label, C: Label>(grid: &Grid<R, C>) -> Vec<Cell> {
    let reached = grid.pairs().filter(|(_, _, count)| *count > 0);
    reached.map(|(row, column, count)| Cell { row: row.name(), column: column.name(), count }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_fit_their_columns() {
        for (count, text) in [
            (0, "0"),
            (9999, "9999"),
            (10_000, "10k"),
            (999_999, "999k"),
            (2_570_728, "2.5M"),
            (12_000_000, "12M"),
            (3_000_000_000, "3G"),
        ] {
            assert_eq!(short(count), text);
        }
    }

    #[test]
    fn tables_fit_a_terminal() {
        let record = watch(0..10);
        for line in tables(&record).lines().chain(goals(&record).lines()) {
            assert!(line.len() <= 120, "{} letters: {line}", line.len());
        }
    }

    #[test]
    fn threads_and_batches_change_no_sum() {
        let mut progress = Progress::start(None, true);
        assert_eq!(watch_all(Seeds { first: 3, end: 203 }, &mut progress), watch(3..203));
    }

    #[test]
    fn what_was_never_reached_is_named() {
        let findings = Findings::of(&Record::default());
        assert!(findings.missing.contains(&"goal: takeover".to_owned()));
        assert!(findings.missing.contains(&"client: send in Connected".to_owned()));
        assert!(findings.missing.contains(&"server: Unmet -> Attached".to_owned()));
        assert!(findings.missing.contains(&"fault: reboot while the client is Connected".to_owned()));
        let seldom = &findings.seldom["all numbers of processes must be in use"];
        assert_eq!(*seldom, ["proxy: failed in Spawn"]);
        assert_eq!((findings.reached, findings.wrong.len()), (0, 0));
    }
}
