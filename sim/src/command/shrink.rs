//! A seed or a file that breaks a promise, made as small as it gets: the minimal scenario first,
//! then its trace, then what it took.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::bail;
use serde::Serialize;

use super::progress::Stopwatch;
use super::save::{self, Form};
use super::source::{Source, quoted};
use super::{EXIT_NOTHING, exit_code};
use crate::machine::Real;
use crate::run::Outcome;
use crate::shrink::{Effort, Minimality, Shrunk, Size, shrink, text};
use crate::trace::Detail;

#[derive(Debug, clap::Args)]
pub(super) struct ShrinkArgs {
    /// A seed, which is a whole number, or else a scenario file
    #[arg(value_name = "SEED|FILE", allow_negative_numbers = true)]
    source: Source,
    /// Write the minimal scenario to this file
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Stop after so many runs, minimal or not
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    runs: Option<u64>,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report<'s> {
    broken: &'static str,
    verdict: String,
    minimal: bool,
    runs: u64,
    events: u64,
    seconds: f64,
    before: Size,
    after: Size,
    scenario: &'s str,
    trace: Vec<String>,
    saved: Option<String>,
}

pub(super) fn run(args: &ShrinkArgs) -> anyhow::Result<u8> {
    let scenario = args.source.scenario()?;
    if let Some(path) = &args.save {
        save::look(path, Form::Scenario)?;
    }
    let effort = Effort::default();
    let effort = Effort { runs_max: args.runs.unwrap_or(effort.runs_max), ..effort };
    let watch = Stopwatch::start();
    let Some(shrunk) = shrink::<Real>(&scenario, &effort) else {
        // Not an error of the call, and not "fine": whoever asked has expected a broken promise.
        let why = format!("{} breaks no promise: there is nothing to shrink", args.source.name());
        if args.json {
            let nothing = serde_json::json!({ "broken": null, "verdict": why });
            writeln!(std::io::stdout().lock(), "{nothing}")?;
        } else {
            // The exit code says it, too.
            let _ = writeln!(std::io::stderr(), "{why}");
        }
        return Ok(EXIT_NOTHING);
    };
    let took = watch.elapsed();
    let outcome = crate::run::run(&shrunk.scenario, Detail::Lines);
    if outcome.checks.violation() != Some(&shrunk.violation) {
        bail!("the minimal scenario gave two different runs: try cargo sim check-determinism");
    }
    let file = text(&shrunk, &args.source.name());
    let written = args.save.as_ref().map_or(Ok(()), |path| save::write(path, &file));
    let saved = args.save.as_deref().filter(|_| written.is_ok());
    let mut out = std::io::stdout().lock();
    if args.json {
        serde_json::to_writer(&mut out, &report(saved, &shrunk, &outcome, &file, took))?;
        writeln!(out)?;
    } else {
        let repeat = match saved {
            Some(path) => format!("cargo sim replay {}", quoted(&path.display().to_string())),
            None => format!("cargo sim shrink {}", args.source.argument()),
        };
        writeln!(out, "{file}\n{}\n{}\n", outcome.trace.text(), outcome.verdict())?;
        write!(out, "{}", summary(&shrunk, took))?;
        writeln!(out, "again: {repeat}")?;
    }
    Ok(save::exit_code_of(exit_code(Some(&shrunk.violation)), written))
}

fn report<'s>(
    saved: Option<&Path>,
    shrunk: &Shrunk,
    outcome: &Outcome,
    file: &'s str,
    took: Duration,
) -> Report<'s> {
    Report {
        broken: shrunk.violation.promise.name(),
        verdict: outcome.verdict(),
        minimal: matches!(shrunk.minimality, Minimality::Verified(_)),
        runs: shrunk.runs,
        events: shrunk.events,
        seconds: took.as_secs_f64(),
        before: shrunk.before,
        after: shrunk.after,
        scenario: file,
        trace: outcome.trace.lines().iter().map(|line| line.text()).collect(),
        saved: saved.map(|path| path.display().to_string()),
    }
}

fn summary(shrunk: &Shrunk, took: Duration) -> String {
    let (before, after) = (&shrunk.before, &shrunk.after);
    let minimality = match shrunk.minimality {
        Minimality::Verified(runs) => format!(
            "1-minimal: verified; without any one entry, or with any one setting at its default, the \
             promise holds ({runs} runs)"
        ),
        Minimality::OutOfEffort => {
            "not known to be minimal: the bound on runs, or on their events, was reached first".to_owned()
        }
    };
    format!(
        "entries {} -> {}, clients {} -> {}, settings {} -> {}, requests {} -> {}\n{} runs, {} events in \
         {:.1} s\n{minimality}\n",
        before.entries,
        after.entries,
        before.clients,
        after.clients,
        before.settings,
        after.settings,
        before.requests,
        after.requests,
        shrunk.runs,
        shrunk.events,
        took.as_secs_f64(),
    )
}
