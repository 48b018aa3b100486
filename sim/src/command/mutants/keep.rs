//! What is kept of a mutant: the shortest scenario that shows it, and the trace of that.
//!
//! ```text
//! fixtures/mutants/NAME.scenario    its first comment says what to look for
//! snapshots/mutants/NAME.snap       what a replay prints in the mutant's simulator
//! ```
//!
//! What is on record is held against what the mutant does today. That the scenario breaks nothing
//! where the bug is not is left to the tests.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use serde::Deserialize;

use super::hunt::{Outcome, Stop, Suspect, Update};
use super::patch::{Fate, Mutant};
use crate::scenario::parse;

/// Lines of a trace that a newcomer still reads, its sentence and its verdict counted.
const LINES_MAX: usize = 25;

/// The shortest scenario that was found, and its trace.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) scenario: String,
    pub(super) entries: usize,
    pub(super) trace: String,
    /// It is on record.
    pub(super) kept: bool,
}

/// The two files of a mutant.
struct Record {
    scenario: PathBuf,
    trace: PathBuf,
}

impl Record {
    fn of(root: &Path, mutant: &Mutant) -> Self {
        let name = &mutant.name;
        Record {
            scenario: root.join(format!("fixtures/mutants/{name}.scenario")),
            trace: root.join(format!("snapshots/mutants/{name}.snap")),
        }
    }
}

/// Finds the shortest scenario of a mutant that this seed has shown, or replays what is on record.
pub(super) fn look_closer(suspect: &Suspect<'_>, mutant: &Mutant, seed: u64) -> Result<Found, Stop> {
    let hunt = suspect.hunt;
    let record = Record::of(&hunt.root, mutant);
    let on_record = record.scenario.exists();
    let found = if on_record && hunt.update == Update::No {
        compare(suspect, mutant, &record)?
    } else {
        let scenario = minimal(suspect, mutant, seed)?;
        let file = hunt.scratch.join(format!("{}.scenario", mutant.name));
        write(&file, &scenario)?;
        let found = replay(suspect, &file, scenario)?;
        match hunt.update {
            Update::All => keep(&record, found)?,
            Update::Kept if on_record => keep(&record, found)?,
            Update::Kept | Update::No => found,
        }
    };
    if let Some(folder) = &hunt.save {
        write(&folder.join(format!("{}.scenario", mutant.name)), &found.scenario)?;
        write(&folder.join(format!("{}.trace", mutant.name)), &found.trace)?;
    }
    Ok(found)
}

/// The part of a shrinker's report that is read here.
#[derive(Deserialize)]
struct Shrunk {
    /// None where nothing was broken.
    scenario: Option<String>,
    verdict: String,
}

/// The seed's scenario, made as short as it gets, under a sentence that says what to look for.
fn minimal(suspect: &Suspect<'_>, mutant: &Mutant, seed: u64) -> Result<String, Stop> {
    let Shrunk { scenario, verdict } =
        suspect.ask_json("its shrinking", &["shrink", &seed.to_string(), "--json"])?;
    let scenario =
        scenario.ok_or_else(|| Stop::settled(Outcome::Odd(format!("its shrinking said \"{verdict}\""))))?;
    let (version, rest) = scenario.split_once('\n').unwrap_or((&scenario, ""));
    Ok(format!("{version}\n# With the bug: {}\n{rest}", mutant.breaks))
}

/// Replays what is on record: it must give the trace on record, which ends with the promise.
fn compare(suspect: &Suspect<'_>, mutant: &Mutant, record: &Record) -> Result<Found, Stop> {
    let found = replay(suspect, &record.scenario, read(&record.scenario)?)?;
    let off = |what: &str| {
        let again = format!("if that is right: cargo sim mutants {} --update", mutant.name);
        Err(Stop::settled(Outcome::OffRecord(format!("{what}; {again}"))))
    };
    let last = found.trace.lines().last().unwrap_or_default();
    if let Fate::Caught(promise) = mutant.fate
        && !last.starts_with(&format!("{promise} broken at"))
    {
        return off(&format!("its scenario on record ends with \"{last}\""));
    }
    if read(&record.trace)? != found.trace {
        return off("its scenario on record gives another trace than the one on record");
    }
    Ok(Found { kept: true, ..found })
}

fn replay(suspect: &Suspect<'_>, file: &Path, scenario: String) -> Result<Found, Stop> {
    let path = file.to_str().ok_or_else(|| anyhow!("{} is no readable path", file.display()))?;
    let trace = suspect.ask("its replay", &["replay", path, "--brief"])?;
    let entries = parse(&scenario).with_context(|| path.to_owned())?.entries.len();
    Ok(Found { scenario, entries, trace, kept: false })
}

fn keep(record: &Record, found: Found) -> anyhow::Result<Found> {
    let lines = found.trace.lines().count();
    if lines > LINES_MAX {
        eprintln!("{} is not kept: its trace has {lines} lines, over {LINES_MAX}", record.scenario.display());
        return Ok(found);
    }
    write(&record.scenario, &found.scenario)?;
    write(&record.trace, &found.trace)?;
    Ok(Found { kept: true, ..found })
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let folder = path.parent().unwrap_or(path);
    let written = fs::create_dir_all(folder).and_then(|()| fs::write(path, text));
    written.with_context(|| format!("{} cannot be written", path.display()))
}
