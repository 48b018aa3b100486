//! What many runs add up to.

use std::collections::BTreeMap;
use std::time::Duration;

use reattach::session::Time;
use serde::Serialize;

use super::availability::{Availability, Felt};
use super::keep::Kept;
use super::source::quoted;
use super::{EXIT_FINE, EXIT_UNREACHED, counted, exit_code};
use crate::check::{Checks, Goal, Goals, Kind, Promise, Violation};
use crate::run::Outcome;
use crate::scenario::Scenario;

/// Violations that are kept: the first of many tell as much as all.
const VIOLATIONS_MAX: usize = 20;

/// The sum of some runs.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) runs: u64,
    pub(super) events: u64,
    /// Virtual time.
    pub(super) lived: Duration,
    pub(super) checks: Checks,
    pub(super) goals: Goals,
    pub(super) availability: Availability,
    pub(super) violated: u64,
    /// Those of the lowest seeds.
    pub(super) violations: Vec<(u64, Violation)>,
    /// How often each promise was broken, and the first time.
    pub(super) broken: BTreeMap<Promise, Broken>,
}

impl Tally {
    pub(super) fn take(&mut self, seed: u64, scenario: &Scenario, outcome: &Outcome) {
        self.runs += 1;
        self.events += outcome.trace.events();
        self.lived += outcome.ended_at.since(Time::ZERO);
        self.checks.add(&outcome.checks);
        self.goals.add(outcome.goals);
        self.availability.take(scenario, &outcome.shares);
        if let Some(violation) = outcome.checks.violation() {
            self.violated += 1;
            self.violations.push((seed, violation.clone()));
            let what = violation.what.clone();
            self.broken
                .entry(violation.promise)
                .or_insert(Broken { times: 0, first_seed: seed, what })
                .times += 1;
        }
    }

    pub(super) fn add(&mut self, other: Tally) {
        self.runs += other.runs;
        self.events += other.events;
        self.lived += other.lived;
        self.checks.add(&other.checks);
        self.goals.add(other.goals);
        self.availability.add(&other.availability);
        self.violated += other.violated;
        self.violations.extend(other.violations);
        // Harm first, so that much missing progress on lower seeds never crowds it out.
        self.violations.sort_by_key(|(seed, violation)| (violation.promise.kind() != Kind::Safety, *seed));
        self.violations.truncate(VIOLATIONS_MAX);
        for (promise, more) in other.broken {
            let times = more.times;
            let broken = self.broken.entry(promise).or_insert(Broken { times: 0, ..more });
            broken.times += times;
        }
    }

    /// Harm counts before missing progress, and both before what was not reached.
    pub(super) fn exit_code(&self) -> u8 {
        let harm = self.violations.iter().find(|(_, violation)| violation.promise.kind() == Kind::Safety);
        let broken = harm.or(self.violations.first()).map(|(_, violation)| violation);
        match exit_code(broken) {
            EXIT_FINE if self.goals.missing().next().is_some() => EXIT_UNREACHED,
            EXIT_FINE if self.checks.never_judged().next().is_some() => EXIT_UNREACHED,
            code => code,
        }
    }

    /// The whole as text; `took` is real time, `kept` what was made of the violations.
    pub(super) fn text(&self, took: Duration, kept: &Kept) -> String {
        let seconds = took.as_secs_f64().max(0.001);
        let mut text = format!(
            "{}, {} events, {:.1} simulated hours in {seconds:.1} s\n{:.0} seeds/s, {:.2} M events/s, \
             {:.1} simulated hours/s\n",
            counted(self.runs, "run"),
            self.events,
            self.lived.as_secs_f64() / 3600.0,
            self.runs as f64 / seconds,
            self.events as f64 / seconds / 1e6,
            self.lived.as_secs_f64() / 3600.0 / seconds,
        );
        text += &format!("goals reached: {} of {}\n", self.goals.count(), Goal::ALL.len());
        for goal in self.goals.missing() {
            text += &format!("  never reached: {goal}\n");
        }
        text += &format!("promises judged: {} times\n", self.judged());
        for promise in self.checks.never_judged() {
            text += &format!("  never judged: {promise}\n");
        }
        text += &self.availability.text();
        text += &format!("violations: {}\n", self.violated);
        for (seed, violation) in &self.violations {
            text += &format!("  {violation}\n    again: cargo sim run {seed}\n");
            match kept.get(seed) {
                Some(Ok(path)) => {
                    let path = quoted(&path.display().to_string());
                    text += &format!("    minimal: cargo sim replay {path}\n");
                }
                Some(Err(why)) => text += &format!("    not kept: {why}\n"),
                // Another seed stands for this promise, or what is left over is not worth the time.
                None => {}
            }
        }
        text
    }

    fn judged(&self) -> u64 {
        Promise::ALL.iter().map(|promise| self.checks.count(*promise)).sum()
    }

    /// The whole for programs.
    pub(super) fn report<'t>(&'t self, took: Duration, kept: &'t Kept) -> Report<'t> {
        Report {
            runs: self.runs,
            events: self.events,
            simulated_seconds: self.lived.as_secs_f64(),
            seconds: took.as_secs_f64(),
            judged: Promise::ALL.iter().map(|p| (p.name(), self.checks.count(*p))).collect(),
            reached: Goal::ALL.iter().filter(|goal| self.goals.has(**goal)).map(|g| g.name()).collect(),
            missing: self.goals.missing().map(Goal::name).collect(),
            availability: self.availability.report(),
            violated: self.violated,
            broken: self.broken.iter().map(|(promise, broken)| (promise.name(), broken)).collect(),
            violations: self
                .violations
                .iter()
                .map(|(seed, violation)| Told {
                    seed: *seed,
                    promise: violation.promise.name(),
                    at: violation.at.0 as f64 / 1e6,
                    what: &violation.what,
                    minimal: (kept.get(seed).and_then(|kept| kept.as_ref().ok()))
                        .map(|path| path.display().to_string()),
                    not_kept: kept.get(seed).and_then(|kept| kept.as_ref().err()).map(String::as_str),
                })
                .collect(),
        }
    }
}

#[derive(Serialize)]
pub(super) struct Report<'t> {
    runs: u64,
    events: u64,
    simulated_seconds: f64,
    seconds: f64,
    judged: BTreeMap<&'static str, u64>,
    reached: Vec<&'static str>,
    missing: Vec<&'static str>,
    availability: BTreeMap<&'static str, Felt>,
    violated: u64,
    broken: BTreeMap<&'static str, &'t Broken>,
    violations: Vec<Told<'t>>,
}

/// A promise that some runs broke.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Broken {
    times: u64,
    first_seed: u64,
    /// What was seen there.
    what: String,
}

#[derive(Serialize)]
struct Told<'t> {
    seed: u64,
    promise: &'static str,
    at: f64,
    what: &'t str,
    /// The file of its minimal scenario.
    minimal: Option<String>,
    /// Why there is no such file, where there should be one.
    not_kept: Option<&'t str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(seed: u64, promise: Promise) -> Tally {
        let violation = Violation { promise, at: Time(0), what: String::new() };
        Tally { violated: 1, violations: vec![(seed, violation)], ..Tally::default() }
    }

    #[test]
    fn harm_is_never_crowded_out_by_missing_progress() {
        let mut sum = Tally::default();
        for seed in 0..100 {
            sum.add(tally(seed, Promise::SettledInTime));
        }
        sum.add(tally(100, Promise::NeverSpawn));
        for seed in 101..200 {
            sum.add(tally(seed, Promise::NothingLeft));
        }
        assert_eq!((sum.violated, sum.violations.len()), (200, VIOLATIONS_MAX));
        assert_eq!(sum.violations[0].0, 100, "it comes first");
        assert_eq!(sum.exit_code(), super::super::EXIT_SAFETY);
    }

    #[test]
    fn what_was_kept_is_told_whatever_its_path_and_what_was_not_with_its_why() {
        use std::os::unix::ffi::OsStringExt as _;

        let mut sum = tally(1, Promise::NeverSpawn);
        sum.add(tally(2, Promise::NothingLeft));
        let path = std::path::PathBuf::from(std::ffi::OsString::from_vec(b"my \xff/1.scenario".to_vec()));
        let kept = Kept::from([(1, Ok(path)), (2, Err("it cannot be written".to_owned()))]);
        let report = serde_json::to_value(sum.report(Duration::ZERO, &kept)).unwrap();
        let told = |place: usize, name: &str| report["violations"][place][name].clone();
        assert_eq!((told(0, "minimal"), told(0, "not_kept")), ("my \u{fffd}/1.scenario".into(), ().into()));
        assert_eq!((told(1, "minimal"), told(1, "not_kept")), (().into(), "it cannot be written".into()));
        let text = sum.text(Duration::ZERO, &kept);
        assert!(text.contains("minimal: cargo sim replay 'my \u{fffd}/1.scenario'\n"), "{text}");
    }
}
