//! The same seed gives the same run: here, again, and in another process.

use std::process::{Command, Output};

use reattach_sim::check::Goals;
use reattach_sim::run::run;
use reattach_sim::scenario::{draw, parse, print};
use reattach_sim::trace::Detail;

fn sim(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_reattach-sim")).args(args).output().unwrap()
}

#[test]
fn a_seed_gives_the_same_run_in_two_processes() {
    let output = sim(&["check-determinism", "--seeds", "0..50"]);
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(told, "50 seeds gave the same run three times, in two processes\n");
}

#[test]
fn this_build_gives_the_runs_on_record() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/regressions/hashes");
    let output = sim(&["check-determinism", "--recorded", file]);
    let told = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{told}");
}

#[test]
fn a_record_of_other_runs_is_noticed_and_can_be_renewed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hashes");
    let path = file.to_str().unwrap();
    assert_eq!(sim(&["check-determinism", "--renew", path]).status.code(), Some(0));
    assert_eq!(sim(&["check-determinism", "--recorded", path]).status.code(), Some(0));
    let record = std::fs::read_to_string(&file).unwrap();
    let third = record.lines().find(|line| line.starts_with("2 ")).unwrap();
    std::fs::write(&file, record.replace(third, "2 0123456789abcdef")).unwrap();
    let output = sim(&["check-determinism", "--recorded", path]);
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(13), "{told}");
    assert!(
        told.starts_with(&format!("seed 2 gives another run than the one on record: \"{third}\"")),
        "{told}"
    );
}

/// Another process that runs seed 5 whenever it is asked for seed 4.
#[cfg(unix)]
#[test]
fn the_first_event_that_differs_in_another_process_is_named() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("liar");
    let script = format!(
        "#!/bin/sh\nif [ \"$3\" = 4..5 ]; then shift 3; set -- check-determinism --seeds 5..6 \"$@\"; fi\n\
         {} \"$@\" | sed 's/^5 /4 /'\n",
        env!("CARGO_BIN_EXE_reattach-sim")
    );
    std::fs::write(&file, script).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o700)).unwrap();
    let output = sim(&["check-determinism", "--seeds", "4..5", "--against", file.to_str().unwrap()]);
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(13), "{told}");
    let trace = |seed| run(&draw(seed), Detail::Events).trace;
    let difference = trace(4).first_difference(&trace(5)).unwrap();
    assert_eq!(told, format!("seed 4 gave two runs, here and in another process: {difference}\n"));
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
