//! One run in full: the scenario first, then the trace, then the verdict.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::bail;
use reattach::session::Time;
use serde::Serialize;

use super::exit_code;
use super::part::{Part, seed};
use super::save::{self, Form};
use super::source::{Source, quoted};
use crate::run::Outcome;
use crate::scenario::{Letter, Scenario, draw, load, print};
use crate::trace::Detail;

#[derive(Debug, clap::Args)]
pub(super) struct RunArgs {
    /// The seed: a whole number
    #[arg(value_parser = seed, allow_negative_numbers = true)]
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
    #[command(flatten)]
    part: Part,
    /// Draw that part into this file, too: an SVG if it ends in .svg, else a page; - draws a page to
    /// standard output, instead of all that is printed
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
    /// Print what snapshots keep: the scenario's sentence, the trace, the verdict
    #[arg(long, conflicts_with_all = ["from", "until", "json", "picture"])]
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
    if let Some(path) = &args.save {
        save::look(path, Form::Scenario)?;
    }
    let scenario = draw(args.seed);
    let written = args.save.as_ref().map_or(Ok(()), |path| save::write(path, &print(&scenario)));
    let repeat = format!("cargo sim run {}", args.seed);
    let verdict = show(&scenario, args.json, &Part::default(), &repeat)?;
    Ok(save::exit_code_of(verdict, written))
}

pub(super) fn replay(args: &ReplayArgs) -> anyhow::Result<u8> {
    args.part.times()?;
    let (scenario, text) = load(&args.file)?;
    warn_of_unopened(&args.file, &scenario);
    if args.brief {
        return show_briefly(&text, &scenario);
    }
    let source = Source::File(args.file.clone());
    let written = match &args.picture {
        Some(picture) if picture == Path::new("-") => {
            if args.json {
                bail!("--picture - and --json both take the standard output: name a file for the picture");
            }
            return super::show::to_standard_output(&source, &args.part);
        }
        Some(picture) => super::show::beside(&source, picture, &args.part)?,
        None if args.json && !args.part.is_whole() => {
            bail!(
                "--from and --until choose what is printed or drawn, which is nothing with --json and \
                 without --picture"
            );
        }
        None => Ok(()),
    };
    let repeat = format!("cargo sim replay {}", quoted(&args.file.display().to_string()));
    let verdict = show(&scenario, args.json, &args.part, &repeat)?;
    Ok(save::exit_code_of(verdict, written))
}

/// Says which clients a file names and never opens: nothing of what it says of them happens, which
/// nobody meant who wrote it.
fn warn_of_unopened(file: &Path, scenario: &Scenario) {
    let unopened = scenario.unopened();
    if let Some(line) = unopened.values().next() {
        let names: Vec<String> = unopened.keys().map(Letter::to_string).collect();
        let (names, client) = (names.join(" and "), if unopened.len() == 1 { "client" } else { "clients" });
        // A warning that nobody hears is no reason to stop.
        let _ = writeln!(
            std::io::stderr(),
            "warning: {} never opens {client} {names}, to whom nothing can happen: \"{line}\" changes nothing",
            file.display()
        );
    }
}

fn show_briefly(text: &str, scenario: &Scenario) -> anyhow::Result<u8> {
    let outcome = crate::run::run(scenario, Detail::Lines);
    let told = text.lines().find_map(|line| line.strip_prefix("# ")).unwrap_or_default();
    let mut out = std::io::stdout().lock();
    write!(out, "{told}\n\n{}\n{}\n", outcome.trace.text(), outcome.verdict())?;
    Ok(exit_code(outcome.checks.violation()))
}

fn show(scenario: &Scenario, json: bool, part: &Part, repeat: &str) -> anyhow::Result<u8> {
    let times = part.times()?;
    let outcome = crate::run::run(scenario, if json { Detail::Hash } else { Detail::Lines });
    part.begins_before(outcome.ended_at)?;
    let violation = outcome.checks.violation();
    let mut out = std::io::stdout().lock();
    if json {
        serde_json::to_writer(&mut out, &report(scenario, &outcome))?;
        writeln!(out)?;
    } else {
        writeln!(out, "{}", print(scenario))?;
        for line in outcome.trace.lines().iter().filter(|line| times.contains(&line.at)) {
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
