//! One run in full: the scenario first, then the trace, then the verdict.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use reattach::session::Time;
use serde::Serialize;

use super::exit_code;
use crate::run::Outcome;
use crate::scenario::{Scenario, draw, load, print};
use crate::trace::Detail;

#[derive(Debug, clap::Args)]
pub(super) struct RunArgs {
    /// The seed: a whole number
    seed: u64,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
    /// Write the seed's scenario to this file, too
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(super) struct ReplayArgs {
    /// The scenario file
    file: PathBuf,
    /// Print the trace from this time on, as in 12.5s
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    from: Option<Duration>,
    /// Print the trace up to this time, as in 1m
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    until: Option<Duration>,
    /// Draw that part into this file, too: an SVG if it ends in .svg, else a page
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
    /// Print what snapshots keep: the scenario's sentence, the trace, the verdict
    #[arg(long, conflicts_with_all = ["from", "until", "json"])]
    brief: bool,
}

#[derive(Serialize)]
struct Report {
    seed: u64,
    hash: String,
    events: u64,
    seconds: f64,
    broken: Option<&'static str>,
    verdict: String,
    goals: Vec<&'static str>,
}

pub(super) fn run(args: &RunArgs) -> anyhow::Result<u8> {
    let scenario = draw(args.seed);
    if let Some(path) = &args.save {
        std::fs::write(path, print(&scenario))
            .with_context(|| format!("{} cannot be written", path.display()))?;
    }
    let repeat = format!("cargo sim run {}", args.seed);
    show(&scenario, args.json, None, None, &repeat)
}

pub(super) fn replay(args: &ReplayArgs) -> anyhow::Result<u8> {
    let name = args.file.display();
    if let (Some(from), Some(until)) = (args.from, args.until)
        && from > until
    {
        bail!(
            "--from {} is after --until {}: the trace between them is empty",
            humantime::format_duration(from),
            humantime::format_duration(until)
        );
    }
    let (scenario, text) = load(&args.file)?;
    if args.brief {
        return show_briefly(&text, &scenario);
    }
    if let Some(picture) = &args.picture {
        super::show::beside(&args.file, picture, args.from, args.until)?;
    }
    show(&scenario, args.json, args.from, args.until, &format!("cargo sim replay {name}"))
}

fn show_briefly(text: &str, scenario: &Scenario) -> anyhow::Result<u8> {
    let outcome = crate::run::run(scenario, Detail::Lines);
    let told = text.lines().find_map(|line| line.strip_prefix("# ")).unwrap_or_default();
    let mut out = std::io::stdout().lock();
    write!(out, "{told}\n\n{}\n{}\n", outcome.trace.text(), outcome.verdict())?;
    Ok(exit_code(outcome.checks.violation()))
}

fn show(
    scenario: &Scenario,
    json: bool,
    from: Option<Duration>,
    until: Option<Duration>,
    repeat: &str,
) -> anyhow::Result<u8> {
    let outcome = crate::run::run(scenario, if json { Detail::Hash } else { Detail::Lines });
    let violation = outcome.checks.violation();
    let mut out = std::io::stdout().lock();
    if json {
        serde_json::to_writer(&mut out, &report(scenario, &outcome))?;
        writeln!(out)?;
    } else {
        let from = Time::ZERO + from.unwrap_or_default();
        let until = until.map_or(Time(u64::MAX), |until| Time::ZERO + until);
        writeln!(out, "{}", print(scenario))?;
        for line in outcome.trace.lines().iter().filter(|line| (from..=until).contains(&line.at)) {
            writeln!(out, "{}", line.text())?;
        }
        writeln!(out, "\nhash {:016x}, {} events", outcome.trace.hash(), outcome.trace.events())?;
        writeln!(out, "{}", outcome.verdict())?;
        if violation.is_some() {
            writeln!(out, "again: {repeat}")?;
        }
    }
    Ok(exit_code(violation))
}

fn report(scenario: &Scenario, outcome: &Outcome) -> Report {
    let reached = crate::check::Goal::ALL.iter().filter(|goal| outcome.goals.has(**goal));
    Report {
        seed: scenario.seed,
        hash: format!("{:016x}", outcome.trace.hash()),
        events: outcome.trace.events(),
        seconds: outcome.ended_at.since(Time::ZERO).as_secs_f64(),
        broken: outcome.checks.violation().map(|violation| violation.promise.name()),
        verdict: outcome.verdict(),
        goals: reached.map(|goal| goal.name()).collect(),
    }
}
