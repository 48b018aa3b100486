//! Everything that can happen in a small world.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use super::part::span;
use super::progress::Progress;
use super::save::{self, Form};
use super::{EXIT_FINE, EXIT_UNREACHED, exit_code};
use crate::check::Promise;
use crate::explore::{Allowance, Bounds, Counterexample, End, Reach, Report, explore};
use crate::machine::Real;
use crate::scenario::print;

/// How often a thing may happen.
type Count = clap::builder::RangedI64ValueParser<u8>;

const DEFAULT: Bounds = Bounds::SMALL;

#[derive(Debug, clap::Args)]
pub(super) struct ExploreArgs {
    /// Clients; the second and third open at any time, in any way
    #[arg(long, value_name = "N", default_value_t = DEFAULT.clients, value_parser = between(1, 3))]
    clients: u8,
    /// Failed attempts after which a client stops trying
    #[arg(long, value_name = "N", default_value_t = DEFAULT.attempts, value_parser = between(1, 9))]
    attempts: u8,
    /// Requests that users send
    #[arg(long, value_name = "N", default_value_t = DEFAULT.left.messages, value_parser = between(0, 4))]
    messages: u8,
    /// Servers that are killed
    #[arg(long, value_name = "N", default_value_t = DEFAULT.left.crashes, value_parser = between(0, 4))]
    crashes: u8,
    /// Links that break, or cannot be opened
    #[arg(long, value_name = "N", default_value_t = DEFAULT.left.cuts, value_parser = between(0, 4))]
    cuts: u8,
    /// Proxies that are killed
    #[arg(long, value_name = "N", default_value_t = DEFAULT.left.kills, value_parser = between(0, 4))]
    kills: u8,
    /// Deadlines that pass although what they wait for is on its way
    #[arg(long, value_name = "N", default_value_t = DEFAULT.left.delays, value_parser = between(0, 4))]
    delays: u8,
    /// Servers that are stopped by the kernel and may go on later
    #[arg(long, value_name = "N", default_value_t = DEFAULT.left.hangs, value_parser = between(0, 4))]
    hangs: u8,
    /// Servers that are told to end by their owner
    #[arg(long, value_name = "N", default_value_t = DEFAULT.left.stops, value_parser = between(0, 4))]
    stops: u8,
    /// Lifetimes of servers without a client that pass
    #[arg(long, value_name = "N", default_value_t = DEFAULT.left.idles, value_parser = between(0, 4))]
    idles: u8,
    /// Hosted programs that end by themselves
    #[arg(long, value_name = "N", default_value_t = DEFAULT.left.exits, value_parser = between(0, 4))]
    exits: u8,
    /// Users that leave
    #[arg(long, value_name = "N", default_value_t = DEFAULT.left.closes, value_parser = between(0, 4))]
    closes: u8,
    /// Wishes to try now, beside those of users whose client has stopped trying
    #[arg(long, value_name = "N", default_value_t = DEFAULT.left.retries, value_parser = between(0, 4))]
    retries: u8,
    /// Wishes to start over
    #[arg(long, value_name = "N", default_value_t = DEFAULT.left.restarts, value_parser = between(0, 4))]
    restarts: u8,
    /// Probes on a link on which nothing is wrong
    #[arg(long, value_name = "N", default_value_t = DEFAULT.beats, value_parser = between(0, 4))]
    beats: u8,
    /// States that are kept, at some 60 bytes each
    #[arg(long, value_name = "N", default_value_t = DEFAULT.states_max,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000_000))]
    states_max: u32,
    /// Steps from the start; as many as there are if not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    depth_max: Option<u32>,
    /// Stop after this much time, as in 10m
    #[arg(long, value_name = "TIME", value_parser = span, allow_hyphen_values = true)]
    time: Option<Duration>,
    /// Write the scenario of a counterexample to this file
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

fn between(least: i64, most: i64) -> Count {
    Count::new().range(least..=most)
}

impl ExploreArgs {
    fn bounds(&self) -> Bounds {
        Bounds {
            clients: self.clients,
            attempts: self.attempts,
            left: Allowance {
                messages: self.messages,
                crashes: self.crashes,
                cuts: self.cuts,
                kills: self.kills,
                delays: self.delays,
                hangs: self.hangs,
                stops: self.stops,
                idles: self.idles,
                exits: self.exits,
                closes: self.closes,
                retries: self.retries,
                restarts: self.restarts,
            },
            beats: self.beats,
            states_max: self.states_max,
            depth_max: self.depth_max.unwrap_or(u32::MAX),
        }
    }
}

pub(super) fn run(args: &ExploreArgs) -> anyhow::Result<u8> {
    if let Some(path) = &args.save {
        save::look(path, Form::Scenario)?;
    }
    let bounds = args.bounds();
    let mut progress = Progress::start(None, args.json);
    let mut searched = Duration::ZERO;
    let report = explore::<Real>(bounds, |reach| {
        searched = progress.elapsed();
        progress.tell(reach.unique, "states", |elapsed| message(reach, elapsed));
        args.time.is_none_or(|time| searched < time)
    });
    let took = progress.end();
    // A counterexample's scenario is looked for after the search.
    let took = if report.counterexample.is_some() { searched } else { took };
    let scenario = report.counterexample.as_ref().and_then(|example| example.scenario.as_ref());
    let written = match (&args.save, scenario) {
        (Some(path), Some(scenario)) => save::write(path, &print(scenario)),
        _ => Ok(()),
    };
    let mut out = std::io::stdout().lock();
    if args.json {
        serde_json::to_writer(&mut out, &Told::of(&bounds, &report, took))?;
        writeln!(out)?;
    } else {
        write!(out, "{}", text(&bounds, &report, took))?;
    }
    let verdict = match (&report.counterexample, report.end) {
        (Some(example), _) => exit_code(Some(&example.violation)),
        (None, End::Complete) => EXIT_FINE,
        (None, End::Broken | End::States | End::Depth | End::Room | End::Stopped) => EXIT_UNREACHED,
    };
    Ok(save::exit_code_of(verdict, written))
}

fn message(reach: &Reach, elapsed: Duration) -> String {
    format!(
        "{} generated, depth {}, {} waiting, {:.0} states/s",
        reach.generated,
        reach.depth,
        reach.waiting,
        rate(reach.unique, elapsed),
    )
}

fn rate(count: u64, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64().max(0.001)
}

/// Whether everything was looked at, in one sentence.
fn end(report: &Report) -> &'static str {
    match report.end {
        End::Complete => "complete: nothing else can happen within these bounds",
        End::Broken => "stopped at the first broken promise",
        End::States => "not complete: as many states were kept as --states-max allows",
        End::Depth => "not complete: as many steps were taken as --depth-max allows",
        End::Room => {
            "not complete: some states would have held more transports, frames or servers than there is room for"
        }
        End::Stopped => "not complete: the time was over",
    }
}

fn judged(report: &Report) -> u64 {
    Promise::ALL.iter().map(|promise| report.checks.count(*promise)).sum()
}

fn text(bounds: &Bounds, report: &Report, took: Duration) -> String {
    let Reach { unique, generated, depth, .. } = report.reach;
    let mut text = String::new();
    if let Some(example) = &report.counterexample {
        text += &counterexample(example, bounds);
    }
    let [clients, proxies, servers] = report.processes;
    text += &format!("{}\n", bounds.words());
    text += &format!("{unique} unique states of {generated} generated, depth {depth}\n{}\n", end(report));
    text += &format!(
        "{:.1} s, {:.0} unique and {:.0} generated states/s\n",
        took.as_secs_f64(),
        rate(unique, took),
        rate(generated, took)
    );
    text += &format!("states of a client {clients}, of a proxy {proxies}, of a server {servers}\n");
    text += &format!("odds that two states were taken for one: {:.1e}\n", report.collision_odds());
    text += &format!("promises judged: {} times\n", judged(report));
    for promise in report.checks.never_judged() {
        text += &format!("  never judged: {promise}\n");
    }
    text + &verdict(report) + "\n"
}

/// What the search has shown, in one sentence. Whether sessions settle is only judged when every way on
/// is known.
fn verdict(report: &Report) -> String {
    match (&report.counterexample, report.end) {
        (Some(example), _) => example.violation.to_string(),
        (None, End::Complete) => "every promise held".to_owned(),
        (None, End::Broken | End::States | End::Depth | End::Room | End::Stopped) => {
            "no promise was broken so far; whether everything can still settle was not judged".to_owned()
        }
    }
}

fn counterexample(example: &Counterexample, bounds: &Bounds) -> String {
    let mut text = String::new();
    for line in &example.lines {
        text += &format!("{}\n", line.text());
    }
    text += &format!(
        "\n{}\n{} steps; again: cargo sim explore {}\n\n",
        example.violation,
        example.depth,
        bounds.words()
    );
    match &example.scenario {
        Some(scenario) => {
            text += "breaks the same promise in the simulator's world:\n\n";
            text += &print(scenario);
        }
        None => text += "no scenario was found that breaks the same promise in the simulator's world\n",
    }
    text + "\n"
}

/// The whole for programs.
#[derive(Serialize)]
struct Told<'r> {
    bounds: String,
    complete: bool,
    end: &'static str,
    verdict: String,
    unique: u64,
    generated: u64,
    depth: u32,
    seconds: f64,
    collision_odds: f64,
    judged: BTreeMap<&'static str, u64>,
    broken: Option<Broken<'r>>,
}

#[derive(Serialize)]
struct Broken<'r> {
    promise: &'static str,
    what: &'r str,
    depth: usize,
    trace: Vec<String>,
    /// In the simulator's world; none if no scenario was found that breaks the same promise there.
    scenario: Option<String>,
}

impl<'r> Told<'r> {
    fn of(bounds: &Bounds, report: &'r Report, took: Duration) -> Self {
        let broken = report.counterexample.as_ref().map(|example| Broken {
            promise: example.violation.promise.name(),
            what: &example.violation.what,
            depth: example.depth,
            trace: example.lines.iter().map(|line| line.text()).collect(),
            scenario: example.scenario.as_ref().map(print),
        });
        Told {
            bounds: bounds.words(),
            complete: report.end == End::Complete,
            end: end(report),
            verdict: verdict(report),
            unique: report.reach.unique,
            generated: report.reach.generated,
            depth: report.reach.depth,
            seconds: took.as_secs_f64(),
            collision_odds: report.collision_odds(),
            judged: Promise::ALL.iter().map(|p| (p.name(), report.checks.count(*p))).collect(),
            broken,
        }
    }
}
