//! The same seed gives the same run: here, again, and in another process.

use std::process::Command;

use reattach_sim::check::Goals;
use reattach_sim::run::run;
use reattach_sim::scenario::{draw, parse, print};
use reattach_sim::trace::Detail;

#[test]
fn a_seed_gives_the_same_run_in_two_processes() {
    let output = Command::new(env!("CARGO_BIN_EXE_reattach-sim"))
        .args(["check-determinism", "--seeds", "0..50"])
        .output()
        .unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(told, "50 seeds gave the same run three times, in two processes\n");
}

#[test]
fn a_saved_scenario_gives_the_run_of_its_seed() {
    for seed in 0..50 {
        let drawn = draw(seed);
        let read = parse(&print(&drawn)).unwrap();
        let hash = |scenario| run(scenario, Detail::Hash).trace.hash();
        assert_eq!(hash(&drawn), hash(&read), "seed {seed}");
    }
}

#[test]
fn watching_a_run_does_not_change_it() {
    for seed in 0..50 {
        let scenario = draw(seed);
        let hash = |detail| run(&scenario, detail).trace.hash();
        assert_eq!(hash(Detail::Hash), hash(Detail::Lines), "seed {seed}");
        assert_eq!(hash(Detail::Hash), hash(Detail::Picture), "seed {seed}");
    }
}

#[test]
fn two_thousand_seeds_break_no_promise() {
    let mut goals = Goals::default();
    for seed in 0..2000 {
        let outcome = run(&draw(seed), Detail::Hash);
        assert_eq!(outcome.checks.violation(), None, "again: cargo sim run {seed}");
        goals.add(outcome.goals);
    }
    assert!(goals.count() >= 40, "only {} goals were reached", goals.count());
}
