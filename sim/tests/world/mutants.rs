//! `cargo sim mutants` where no mutant can be built: each is told, and none is taken for caught.
//! With a build, it is run by `.ci/run`.

use std::path::Path;
use std::process::{Command, Output};

/// A program that is no cargo, and fails.
const NO_CARGO: &str = "false";

fn mutants(folder: &Path, target: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_reattach-sim"))
        .arg("mutants")
        .args(args)
        .current_dir(folder)
        .env("CARGO", NO_CARGO)
        .env("CARGO_TARGET_DIR", target)
        .output()
        .unwrap()
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_mutant_that_does_not_build_is_not_caught() {
    let target = tempfile::tempdir().unwrap();
    let output = mutants(root(), target.path(), &["spawn_on_reconnect", "probes_count_in_twos"]);
    assert_eq!(output.status.code(), Some(14));
    let told = text(output.stdout);
    assert!(told.contains("it does not build: cargo does not say why"), "{told}");
    assert!(
        told.ends_with("2 mutants: 0 caught by the promise that they name, 2 not as they must be\n"),
        "{told}"
    );
}

#[test]
fn a_mutant_that_no_longer_applies_is_not_caught() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("tree");
    for name in ["benches", "examples", "sim", "src/session", "tests", "xtask", "fixtures/mutants"] {
        std::fs::create_dir_all(folder.join(name)).unwrap();
    }
    for name in ["Cargo.toml", "Cargo.lock"] {
        std::fs::write(folder.join(name), "").unwrap();
    }
    std::fs::write(folder.join("src/session/tea.rs"), "one\nthree\n").unwrap();
    let patch = "Breaks: tea.\nSeen: kitchen\nCaught-by: no-panic\n\n--- a/src/session/tea.rs\n\
                 +++ b/src/session/tea.rs\n@@ -1,2 +1,2 @@\n one\n-two\n+2\n";
    std::fs::write(folder.join("fixtures/mutants/tea.patch"), patch).unwrap();
    let output = mutants(&folder, &place.path().join("target"), &["--json"]);
    assert_eq!(output.status.code(), Some(14));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["unexpected"], 1, "{report}");
    assert_eq!(report["mutants"][0]["outcome"], "unfit", "{report}");
    assert_eq!(report["mutants"][0]["why"], "the diff no longer applies to src/session/tea.rs", "{report}");
}

#[test]
fn wrong_calls_are_named_and_build_nothing() {
    let target = tempfile::tempdir().unwrap();
    for (args, sentence) in [
        (&["luck"] as &[&str], "\"luck\" is no mutant; known are "),
        (&["--limit", "soon"], "invalid value 'soon' for '--limit <TIME>'"),
        (&["--jobs", "0"], "0 is not in 1..=64"),
        (&["--json", "--markdown"], "cannot be used with"),
    ] {
        let output = mutants(root(), target.path(), args);
        let told = text(output.stderr);
        assert_eq!(output.status.code(), Some(64), "{args:?}: {told}");
        assert!(told.contains(sentence), "{args:?}: {told}");
    }
    let output = mutants(target.path(), target.path(), &[]);
    assert_eq!(output.status.code(), Some(64));
    assert!(text(output.stderr).contains("nor a folder above it has fixtures/mutants"));
    assert_eq!(target.path().read_dir().unwrap().count(), 0, "something was written");
}

#[test]
fn a_mutant_that_is_not_understood_is_named_with_its_file() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("fixtures/mutants");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("tea.patch"), "Breaks: tea.\n\n--- a/src/tea.rs\n").unwrap();
    let output = mutants(place.path(), &place.path().join("target"), &[]);
    assert_eq!(output.status.code(), Some(64));
    let told = text(output.stderr);
    assert!(told.contains("tea.patch: the header needs either \"Seen: where\" or"), "{told}");
}
