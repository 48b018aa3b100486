//! What became of the mutants, as a table for people, for a page, and for programs.

use std::fmt::Write as _;

use serde::Serialize;

use super::hunt::Outcome;
use super::patch::{Fate, Mutant, Origin};

/// A mutant, and what became of it.
pub(super) struct Row {
    pub(super) mutant: Mutant,
    pub(super) outcome: Outcome,
}

impl Row {
    pub(super) fn is_expected(&self) -> bool {
        self.outcome.is_expected(self.mutant.fate)
    }

    /// One line, for when it has just become clear.
    pub(super) fn line(&self) -> String {
        let name = &self.mutant.name;
        match &self.outcome {
            Outcome::Caught(catch) => {
                format!("{name}: caught by {} with seed number {}", self.expected(), catch.seeds)
            }
            Outcome::CaughtByOthers(others) => {
                format!("{name}: CAUGHT BY OTHERS than {}: {others}", self.expected())
            }
            Outcome::Survived(seeds) if self.is_expected() => {
                format!("{name}: survives {seeds} seeds, as it must")
            }
            Outcome::Survived(seeds) => {
                format!("{name}: SURVIVES {seeds} seeds; {} does not see it", self.expected())
            }
            Outcome::Unfit(why) => format!("{name}: UNFIT: {why}"),
            Outcome::TooLong(what) => format!("{name}: TOOK TOO LONG: {what}"),
            Outcome::Odd(why) => format!("{name}: ODD: {why}"),
            Outcome::OffRecord(why) => format!("{name}: OFF THE RECORD: {why}"),
        }
    }

    /// Who must notice.
    fn expected(&self) -> &'static str {
        match self.mutant.fate {
            Fate::Caught(promise) => promise.name(),
            Fate::Survives => "nobody",
        }
    }

    fn cells(&self) -> [String; 6] {
        let [seeds, steps, entries, lines] = match &self.outcome {
            Outcome::Caught(catch) => {
                let kept = if catch.found.kept { ", kept" } else { "" };
                [
                    catch.seeds.to_string(),
                    catch.way.as_ref().map_or_else(String::new, |way| way.to(self.expected())),
                    catch.found.entries.to_string(),
                    format!("{}{kept}", catch.found.trace.lines().count()),
                ]
            }
            Outcome::Survived(seeds) => {
                [format!("none in {seeds}"), String::new(), String::new(), String::new()]
            }
            Outcome::CaughtByOthers(_)
            | Outcome::Unfit(_)
            | Outcome::TooLong(_)
            | Outcome::Odd(_)
            | Outcome::OffRecord(_) => [const { String::new() }; 4],
        };
        let by = match &self.outcome {
            Outcome::Caught(_) => self.expected().to_owned(),
            Outcome::Survived(_) if self.is_expected() => "nobody, as it must be".to_owned(),
            Outcome::Survived(_) => "nobody".to_owned(),
            Outcome::CaughtByOthers(others) => format!("others: {others}"),
            Outcome::Unfit(why) | Outcome::Odd(why) | Outcome::OffRecord(why) => why.clone(),
            Outcome::TooLong(what) => format!("{what} took too long"),
        };
        [self.mutant.name.clone(), by, seeds, steps, entries, lines]
    }
}

const HEAD: [&str; 6] = ["mutant", "caught by", "seeds", "explorer's steps", "entries", "trace lines"];

/// The table in columns, and what it adds up to.
pub(super) fn text(rows: &[Row]) -> String {
    let cells: Vec<[String; 6]> = rows.iter().map(Row::cells).collect();
    let width = |column: usize| {
        let widths = cells.iter().map(|row| row[column].chars().count());
        widths.chain([HEAD[column].len()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..HEAD.len()).map(width).collect();
    let mut text = String::new();
    for row in std::iter::once(HEAD.map(str::to_owned)).chain(cells) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            write!(line, "{cell:<width$}  ").expect("a string takes everything");
        }
        writeln!(text, "{}", line.trim_end()).expect("a string takes everything");
    }
    text + &sum(rows)
}

/// The table for a page, with what each mutant breaks and where that was seen.
pub(super) fn markdown(rows: &[Row]) -> String {
    let mut text = "| mutant | what it breaks | seen, or plausible because | caught by | seeds | explorer's steps | entries | trace lines |\n\
                    |---|---|---|---|---|---|---|---|\n"
        .to_owned();
    for row in rows {
        let [name, by, seeds, steps, entries, lines] = row.cells();
        let (Origin::Seen(origin) | Origin::Plausible(origin)) = &row.mutant.origin;
        let breaks = &row.mutant.breaks;
        writeln!(text, "| `{name}` | {breaks} | {origin} | {by} | {seeds} | {steps} | {entries} | {lines} |")
            .expect("a string takes everything");
    }
    text + "\n" + &sum(rows)
}

/// What the rows add up to, in one line.
fn sum(rows: &[Row]) -> String {
    let unexpected = rows.iter().filter(|row| !row.is_expected()).count();
    let caught = rows.iter().filter(|row| matches!(row.outcome, Outcome::Caught(_))).count();
    format!(
        "{} mutants: {caught} caught by the promise that they name, {unexpected} not as they must be\n",
        rows.len()
    )
}

/// The table for programs.
#[derive(Serialize)]
pub(super) struct Report<'r> {
    mutants: Vec<Told<'r>>,
    unexpected: usize,
}

#[derive(Serialize)]
struct Told<'r> {
    name: &'r str,
    breaks: &'r str,
    must: &'static str,
    as_it_must: bool,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seeds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    explorer_steps: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entries: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scenario: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<&'r str>,
}

pub(super) fn report(rows: &[Row]) -> Report<'_> {
    let mutants = rows.iter().map(|row| {
        let catch = match &row.outcome {
            Outcome::Caught(catch) => Some(catch),
            _ => None,
        };
        let (outcome, why) = match &row.outcome {
            Outcome::Caught(catch) => {
                ("caught", (!catch.others.0.is_empty()).then(|| format!("before it: {}", catch.others)))
            }
            Outcome::CaughtByOthers(others) => ("caught-by-others", Some(others.to_string())),
            Outcome::Survived(_) => ("survived", None),
            Outcome::Unfit(why) => ("unfit", Some(why.clone())),
            Outcome::TooLong(what) => ("too-long", Some((*what).to_owned())),
            Outcome::Odd(why) => ("odd", Some(why.clone())),
            Outcome::OffRecord(why) => ("off-record", Some(why.clone())),
        };
        Told {
            name: &row.mutant.name,
            breaks: &row.mutant.breaks,
            must: row.expected(),
            as_it_must: row.is_expected(),
            outcome,
            why,
            seeds: catch.map(|catch| catch.seeds),
            explorer_steps: catch.and_then(|catch| catch.way.as_ref()).map(|way| way.depth),
            entries: catch.map(|catch| catch.found.entries),
            scenario: catch.map(|catch| catch.found.scenario.as_str()),
            trace: catch.map(|catch| catch.found.trace.as_str()),
        }
    });
    let mutants: Vec<_> = mutants.collect();
    Report { unexpected: mutants.iter().filter(|told| !told.as_it_must).count(), mutants }
}
