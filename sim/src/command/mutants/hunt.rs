//! What the checkers make of a mutant: its own simulator is asked, in a process of its own.
//!
//! A mutant is caught by the promise that its header names, or it is not caught: that another
//! promise is broken is told, and is not enough. What is kept of a mutant is left to `keep`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use serde::Deserialize;

use super::child::{self, Ended};
use super::keep::{self, Found};
use super::patch::{Fate, Mutant};
use super::search::{self, Way};
use crate::command::Seeds;

/// What mutants are looked for with.
#[derive(Clone, Debug)]
pub(super) struct Hunt {
    pub(super) root: PathBuf,
    /// Where files may be left that nobody needs.
    pub(super) scratch: PathBuf,
    pub(super) seeds: Seeds,
    /// Whether the explorer is asked, too.
    pub(super) explore: bool,
    /// The longest that any step may take.
    pub(super) limit: Duration,
    /// Whether what is on record is written anew, and for whom.
    pub(super) update: Update,
    /// Where to write what was found; nowhere if not given.
    pub(super) save: Option<PathBuf>,
}

/// Whose scenarios and traces are written anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Update {
    /// Nobody's: they are compared.
    No,
    /// Of those mutants that have them.
    Kept,
    /// Of all that are hunted.
    All,
}

/// What became of a mutant.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The promise was broken.
    Caught(Catch),
    /// Other promises were, first at these seeds.
    CaughtByOthers(Others),
    /// Every promise held, for that many seeds.
    Survived(u64),
    /// It no longer applies or does not build; one sentence.
    Unfit(String),
    /// This took longer than it may.
    TooLong(&'static str),
    /// Its simulator did not do what was asked; one sentence.
    Odd(String),
    /// Its scenario no longer gives the trace on record; one sentence.
    OffRecord(String),
}

/// How a mutant was caught.
#[derive(Debug)]
pub(super) struct Catch {
    /// Seeds up to the first that breaks the promise.
    pub(super) seeds: u64,
    /// Promises that were broken at lower seeds.
    pub(super) others: Others,
    pub(super) found: Found,
    /// How the explorer gets to a broken promise, if it was asked and finds one.
    pub(super) way: Option<Way>,
}

/// Promises that a mutant breaks beside its own, and the first seed of each.
#[derive(Debug)]
pub(super) struct Others(pub(super) BTreeMap<String, u64>);

impl fmt::Display for Others {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (promise, seed)) in self.0.iter().enumerate() {
            let comma = if place > 0 { ", " } else { "" };
            write!(f, "{comma}{promise} (seed {seed})")?;
        }
        Ok(())
    }
}

/// Why a hunt ends before its end.
pub(super) enum Stop {
    /// The mutant's fate is clear.
    Settled(Box<Outcome>),
    /// Nothing can be said of it.
    Trouble(anyhow::Error),
}

impl Stop {
    pub(super) fn settled(outcome: Outcome) -> Self {
        Stop::Settled(Box::new(outcome))
    }
}

impl From<anyhow::Error> for Stop {
    fn from(error: anyhow::Error) -> Self {
        Stop::Trouble(error)
    }
}

/// The part of a campaign's report that is read here.
#[derive(Deserialize)]
struct Campaign {
    runs: u64,
    broken: BTreeMap<String, Broken>,
}

#[derive(Deserialize)]
struct Broken {
    first_seed: u64,
}

impl Outcome {
    /// Whether it is what the mutant's header says.
    pub(super) fn is_expected(&self, fate: Fate) -> bool {
        match (self, fate) {
            (Outcome::Caught(_), Fate::Caught(_)) | (Outcome::Survived(_), Fate::Survives) => true,
            (Outcome::Caught(_), Fate::Survives) | (Outcome::Survived(_), Fate::Caught(_)) => false,
            (
                Outcome::CaughtByOthers(_)
                | Outcome::Unfit(_)
                | Outcome::TooLong(_)
                | Outcome::Odd(_)
                | Outcome::OffRecord(_),
                Fate::Caught(_) | Fate::Survives,
            ) => false,
        }
    }
}

impl Hunt {
    /// Looks for a mutant in the simulator that was built with it.
    pub(super) fn run(&self, mutant: &Mutant, program: &Path) -> anyhow::Result<Outcome> {
        match self.catch(mutant, &Suspect { program, hunt: self }) {
            Ok(catch) => Ok(Outcome::Caught(catch)),
            Err(Stop::Settled(outcome)) => Ok(*outcome),
            Err(Stop::Trouble(error)) => Err(error),
        }
    }

    fn catch(&self, mutant: &Mutant, suspect: &Suspect<'_>) -> Result<Catch, Stop> {
        let seeds = format!("{}..{}", self.seeds.first, self.seeds.end);
        let until = match mutant.fate {
            Fate::Caught(promise) => promise.name(),
            Fate::Survives => "any",
        };
        let args = ["campaign", "--json", "--no-shrink", "--seeds", &seeds, "--until-broken", until];
        let Campaign { runs, broken } = suspect.ask_json("its campaign", &args)?;
        let mut others = Others(broken.into_iter().map(|(promise, by)| (promise, by.first_seed)).collect());
        match others.0.remove(until) {
            Some(seed) => {
                let found = keep::look_closer(suspect, mutant, seed)?;
                let way = if self.explore { search::search(suspect, until)? } else { None };
                Ok(Catch { seeds: seed + 1 - self.seeds.first, others, found, way })
            }
            None if others.0.is_empty() => Err(Stop::settled(Outcome::Survived(runs))),
            None => Err(Stop::settled(Outcome::CaughtByOthers(others))),
        }
    }
}

/// A simulator with a bug.
pub(super) struct Suspect<'h> {
    program: &'h Path,
    pub(super) hunt: &'h Hunt,
}

impl Suspect<'_> {
    /// What it prints.
    pub(super) fn ask(&self, what: &'static str, args: &[&str]) -> Result<String, Stop> {
        let mut command = Command::new(self.program);
        command.current_dir(&self.hunt.root).args(args);
        match child::run(&mut command, self.hunt.limit)? {
            Ended::TooLong => Err(Stop::settled(Outcome::TooLong(what))),
            Ended::Status(status) if status.output.is_empty() => {
                let word = status.errors.trim().lines().last().unwrap_or_default().to_owned();
                let why = format!("{what} ended with {} and said \"{word}\"", status.code);
                Err(Stop::settled(Outcome::Odd(why)))
            }
            Ended::Status(status) => Ok(status.output),
        }
    }

    pub(super) fn ask_json<T: for<'de> Deserialize<'de>>(
        &self,
        what: &'static str,
        args: &[&str],
    ) -> Result<T, Stop> {
        let output = self.ask(what, args)?;
        Ok(serde_json::from_str(&output).with_context(|| format!("{what} printed \"{}\"", output.trim()))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Promise;

    #[test]
    fn only_the_fate_that_the_header_names_will_do() {
        let caught = Fate::Caught(Promise::NeverSpawn);
        let others = || Others(BTreeMap::from([("same-instance".to_owned(), 4), ("no-panic".to_owned(), 9)]));
        assert!(Outcome::Survived(9).is_expected(Fate::Survives));
        assert!(!Outcome::Survived(9).is_expected(caught));
        assert!(!Outcome::CaughtByOthers(others()).is_expected(caught));
        assert!(!Outcome::CaughtByOthers(others()).is_expected(Fate::Survives));
        assert!(!Outcome::Unfit("it does not build".to_owned()).is_expected(Fate::Survives));
        assert_eq!(others().to_string(), "no-panic (seed 9), same-instance (seed 4)");
    }
}
