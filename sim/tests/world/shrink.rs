//! The shrinker: bugs that are put back come down to traces that anybody can read, and stay the
//! same bugs.

use std::fmt::Write as _;

use reattach_sim::check::{Promise, Violation};
use reattach_sim::explore::{Allowance, Bounds, explore};
use reattach_sim::machine::{Kit, Real};
use reattach_sim::run::run_with;
use reattach_sim::scenario::{Scenario, draw, parse};
use reattach_sim::shrink::{Effort, Minimality, Shrunk, shrink, text};
use reattach_sim::trace::Detail;

use crate::kits::{
    WithCredulousClient, WithSpawningProxy, WithStubbornClient, WithStutteringClient, WithZombieKeepingServer,
};

/// Lines of a minimal trace that somebody who never saw the project reads to its end.
const LINES_MAX: usize = 25;

/// Runs that a minimal scenario may take.
const RUNS_MAX: u64 = 25_000;

/// Scenarios of each bug that are shrunk.
const SCENARIOS: usize = 4;

fn broken<K: Kit>(scenario: &Scenario) -> Option<Violation> {
    run_with::<K>(scenario, Detail::Hash).checks.violation().cloned()
}

/// The first seeds that break something.
fn failing<K: Kit>() -> impl Iterator<Item = (u64, Scenario, Promise)> {
    (0..).filter_map(|seed| {
        let scenario = draw(seed);
        broken::<K>(&scenario).map(|violation| (seed, scenario, violation.promise))
    })
}

/// The first seeds that break this promise.
fn breaking<K: Kit>(promise: Promise) -> impl Iterator<Item = (u64, Scenario, Promise)> {
    failing::<K>().filter(move |(_, _, broken)| *broken == promise)
}

/// What must be true of everything that was shrunk.
fn shrunk<K: Kit>((seed, scenario, promise): &(u64, Scenario, Promise)) -> Shrunk {
    let shrunk = shrink::<K>(scenario, &Effort::default()).unwrap();
    let after = broken::<K>(&shrunk.scenario).expect("a minimal scenario breaks something");
    assert_eq!(after.promise, *promise, "seed {seed} came to break something else");
    assert_eq!(after, shrunk.violation, "seed {seed}");
    assert!(shrunk.after <= shrunk.before, "seed {seed}: {:?} and {:?}", shrunk.before, shrunk.after);
    assert!(matches!(shrunk.minimality, Minimality::Verified(_)), "seed {seed}: {shrunk:?}");
    assert!(shrunk.runs <= RUNS_MAX, "seed {seed} took {} runs", shrunk.runs);
    // It is the bug that breaks it, and not something that no simulator should try.
    assert_eq!(broken::<Real>(&shrunk.scenario), None, "seed {seed}: {shrunk:?}");
    shrunk
}

fn comes_down<K: Kit>(name: &str, promise: Promise) {
    let failing = breaking::<K>(promise).next().unwrap();
    let shrunk = shrunk::<K>(&failing);
    for place in 0..shrunk.scenario.entries.len() {
        let mut fewer = shrunk.scenario.clone();
        let gone = fewer.entries.remove(place);
        let still = broken::<K>(&fewer).filter(|violation| violation.promise == promise);
        assert_eq!(still, None, "{name} does not need {gone:?}");
    }
    let outcome = run_with::<K>(&shrunk.scenario, Detail::Lines);
    assert!(outcome.trace.lines().len() <= LINES_MAX, "{name}: {}", outcome.trace.text());
    let file = text(&shrunk, &format!("seed {}", failing.0));
    assert_eq!(parse(&file).unwrap(), shrunk.scenario, "{name}");
    let mut told = file;
    let _ = write!(told, "\n{}\n{}\n", outcome.trace.text(), outcome.verdict());
    insta::with_settings!({
        snapshot_path => "../../../snapshots/shrunk",
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        insta::assert_snapshot!(name, told);
    });
}

#[test]
fn bugs_come_down_to_traces_that_anybody_reads() {
    comes_down::<WithSpawningProxy>("spawns_on_reconnect", Promise::NeverSpawn);
    comes_down::<WithCredulousClient>("applies_stale_news", Promise::StaleIgnored);
    comes_down::<WithStubbornClient>("tries_once_more", Promise::AttemptsMax);
    comes_down::<WithStutteringClient>("delivers_twice", Promise::DeliveredOnce);
    comes_down::<WithZombieKeepingServer>("keeps_zombies", Promise::OwnerGetsIn);
}

/// Whatever the scenario was in which it showed, a bug's minimal one has about the same size.
fn same_size<K: Kit>(promise: Promise) {
    let entries: Vec<usize> =
        breaking::<K>(promise).take(SCENARIOS).map(|failing| shrunk::<K>(&failing).after.entries).collect();
    let (least, most) = (entries.iter().min().unwrap(), entries.iter().max().unwrap());
    assert!(most * 4 <= least * 5, "{promise}: {entries:?}");
}

#[test]
fn a_bug_has_one_minimal_size_wherever_it_showed() {
    same_size::<WithSpawningProxy>(Promise::NeverSpawn);
    same_size::<WithCredulousClient>(Promise::StaleIgnored);
    same_size::<WithStubbornClient>(Promise::AttemptsMax);
    same_size::<WithStutteringClient>(Promise::DeliveredOnce);
    same_size::<WithZombieKeepingServer>(Promise::OwnerGetsIn);
}

/// What users do and what goes wrong on a shortest way that the explorer finds.
fn shortest<K: Kit>(promise: Promise) -> usize {
    let left = Allowance { messages: 1, crashes: 1, cuts: 2, ..Allowance::default() };
    let report = explore::<K>(Bounds { clients: 1, left, ..Bounds::default() }, |_| true);
    let example = report.counterexample.expect("the bug is put back");
    assert_eq!(example.violation.promise, promise);
    example.lines.iter().filter(|line| line.who.starts_with("user") || line.who == "fault").count()
}

#[test]
fn minimal_scenarios_are_about_as_short_as_the_explorers_shortest_way() {
    fn compare<K: Kit>(promise: Promise) {
        let shortest = shortest::<K>(promise);
        let shrunk = shrunk::<K>(&breaking::<K>(promise).next().unwrap()).after.entries;
        println!("{promise}: {shrunk} entries, {shortest} on the explorer's shortest way");
        assert!(shrunk * 4 <= shortest * 5, "{promise}: {shrunk} entries, {shortest} are enough");
    }
    compare::<WithSpawningProxy>(Promise::NeverSpawn);
    compare::<WithCredulousClient>(Promise::StaleIgnored);
    compare::<WithStubbornClient>(Promise::AttemptsMax);
    compare::<WithStutteringClient>(Promise::DeliveredOnce);
    compare::<WithZombieKeepingServer>(Promise::OwnerGetsIn);
}

#[test]
fn what_is_shrunk_breaks_the_same_promise_and_is_never_larger() {
    fn any<K: Kit>() {
        for failing in failing::<K>().step_by(3).take(SCENARIOS) {
            let shrunk = shrunk::<K>(&failing);
            let seed = failing.0;
            let (before, after) = (shrunk.before, shrunk.after);
            assert!(after.entries <= before.entries && after.clients <= before.clients, "seed {seed}");
            assert!(after.settings <= before.settings && after.requests <= before.requests, "seed {seed}");
        }
    }
    any::<WithSpawningProxy>();
    any::<WithCredulousClient>();
    any::<WithStubbornClient>();
    any::<WithStutteringClient>();
    any::<WithZombieKeepingServer>();
}

#[test]
fn threads_change_nothing_but_the_time_it_takes() {
    let (_, scenario, _) = failing::<WithStubbornClient>().next().unwrap();
    let one = |threads| {
        let effort = Effort { threads, ..Effort::default() };
        let shrunk = shrink::<WithStubbornClient>(&scenario, &effort).unwrap();
        (shrunk.scenario, shrunk.violation, shrunk.minimality, shrunk.runs, shrunk.events)
    };
    let alone = one(1);
    assert_eq!(alone, one(2));
    assert_eq!(alone, one(5));
}

#[test]
fn what_is_not_known_to_be_minimal_is_not_called_so() {
    let (_, scenario, promise) = failing::<WithZombieKeepingServer>().next().unwrap();
    for runs_max in [1, 20, 200] {
        let effort = Effort { runs_max, ..Effort::default() };
        let shrunk = shrink::<WithZombieKeepingServer>(&scenario, &effort).unwrap();
        assert_eq!(shrunk.minimality, Minimality::OutOfEffort, "{runs_max} runs");
        assert!(shrunk.runs < runs_max + 64, "{} runs of {runs_max}", shrunk.runs);
        assert_eq!(broken::<WithZombieKeepingServer>(&shrunk.scenario).unwrap().promise, promise);
        assert!(text(&shrunk, "seed 0").contains("# Smaller, from seed 0."));
    }
}

#[test]
fn there_is_nothing_to_shrink_where_nothing_breaks() {
    assert!(shrink::<Real>(&draw(0), &Effort::default()).is_none());
}
