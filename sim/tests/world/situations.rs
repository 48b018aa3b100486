//! Every scenario file is replayed: no promise may be broken, and its trace is the one on record.

use std::path::{Path, PathBuf};

use reattach_sim::run::run;
use reattach_sim::scenario::parse;
use reattach_sim::trace::Detail;

/// Lines that somebody can still read.
const LINES_MAX: usize = 60;

/// Lines of a mutant's trace, its sentence and its verdict counted.
const MUTANT_LINES_MAX: usize = 25;

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(folder);
    let mut files: Vec<PathBuf> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "scenario"));
    files.sort();
    files
}

fn replay(file: &Path) -> (String, usize) {
    let text = std::fs::read_to_string(file).unwrap();
    let name = file.file_stem().unwrap().to_str().unwrap();
    let scenario = parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    let outcome = run(&scenario, Detail::Lines);
    assert_eq!(outcome.checks.violation(), None, "again: cargo sim replay {}", file.display());
    let told = text.lines().find_map(|line| line.strip_prefix("# ")).unwrap_or_default();
    let trace = format!("{told}\n\n{}\n{}\n", outcome.trace.text(), outcome.verdict());
    (trace, outcome.trace.lines().len())
}

#[test]
fn situations_end_well_and_as_they_always_did() {
    let files = files("scenario/world");
    assert!(files.len() > 30);
    for file in files {
        let (trace, lines) = replay(&file);
        let name = file.file_stem().unwrap().to_str().unwrap();
        assert!(lines <= LINES_MAX, "{name} has {lines} lines");
        insta::with_settings!({
            snapshot_path => "../../../snapshots/world",
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, {
            insta::assert_snapshot!(name, trace);
        });
    }
}

/// Other dice could make that a run in which the news is not late at all.
#[test]
fn a_verdict_that_comes_after_the_way_back_is_not_believed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let file = root.join("fixtures/scenario/world/late_not_running_of_an_old_attempt.scenario");
    let (trace, _) = replay(&file);
    let line = |part: &str| trace.lines().position(|line| line.contains(part)).unwrap();
    assert!(
        line("client b  Reconnecting(1) -> Connected #2") < line("client b  ignores the end of attempt 1")
    );
}

#[test]
fn what_campaigns_found_stays_fixed() {
    let files = files("regressions");
    assert!(!files.is_empty());
    for file in files {
        replay(&file);
    }
}

#[test]
fn what_shows_a_mutant_breaks_nothing_without_it() {
    let files = files("mutants");
    assert!(files.len() >= 10, "only {} mutants have a scenario", files.len());
    for file in files {
        replay(&file);
        let name = file.file_stem().unwrap().to_str().unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        assert!(root.join(format!("fixtures/mutants/{name}.patch")).exists(), "{name} is no mutant");
        let trace = root.join(format!("snapshots/mutants/{name}.snap"));
        let lines = std::fs::read_to_string(trace).unwrap().lines().count();
        assert!(lines <= MUTANT_LINES_MAX, "the trace of {name} has {lines} lines");
    }
}

/// What the table of failures names is there: a fixture, or a test on real processes.
#[test]
fn every_failure_of_the_field_is_held_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = std::fs::read_to_string(root.join("fixtures/README.md")).unwrap();
    let tests = root.join("tests/real").read_dir().unwrap();
    let tests: String = tests.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect();
    let rows =
        page.lines().skip_while(|line| !line.starts_with("### ")).filter(|line| line.starts_with("| "));
    let mut held = 0;
    for row in rows.filter(|row| !row.contains("where it is held")) {
        let names: Vec<&str> = row.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "nothing holds this: {row}");
        for name in names {
            let is_there = match name.split_once('/') {
                Some(_) => root.join(format!("fixtures/scenario/{name}.scenario")).is_file(),
                None => tests.contains(&format!("fn {name}(")),
            };
            assert!(is_there, "there is no {name}: {row}");
        }
        held += 1;
    }
    assert!(held > 45, "only {held} failures");
}
