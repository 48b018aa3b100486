//! What people read about servers, whatever a command line has in it, and starts that came to nothing.

use std::fs;
use std::process::Command;

use reattach::proto::verdict::EXIT_NOT_STARTED;

use crate::place::Place;

fn said(place: &Place, words: &[&str]) -> String {
    String::from_utf8(place.run(words).stdout).unwrap()
}

#[test]
fn no_command_line_breaks_a_table() {
    let place = Place::new();
    let long = "x".repeat(100);
    let script = format!("printf '\\033[2J'\nexec cat; : {long}");
    let mut proxy = place.proxy(&["--identifier", "w", "--", "sh", "-c", &script]);
    assert!(proxy.is_attached());
    let table = said(&place, &["list"]);
    assert_eq!(table.lines().count(), 2, "{table}");
    assert!(table.lines().all(|line| line.chars().count() < 140), "{table}");
    assert!(table.contains("sh -c ") && table.trim_end().ends_with('…'), "{table}");
    let status = said(&place, &["status", "w"]);
    assert!(status.contains(&long), "{status}");
    assert!(!(table + &status).chars().any(|letter| letter.is_control() && letter != '\n'));
}

#[test]
fn an_end_is_explained_once() {
    let place = Place::new();
    let mut command = place.connect(&["--local", "--id", "w", "--", "sh", "-c", "exit 3"]);
    assert_eq!(command.output().unwrap().status.code(), Some(3));
    // The server may be about to end still.
    place.run(&["stop", "w"]);
    let status = said(&place, &["status", "w"]);
    assert_eq!(status.matches("program exited with 3").count(), 1, "{status}");
}

#[test]
fn a_start_by_hand_that_failed_leaves_nothing() {
    let place = Place::new();
    let output = place.run(&["run", "--identifier", "q", "--", "no-such-program"]);
    assert_eq!(output.status.code(), Some(EXIT_NOT_STARTED));
    assert!(place.files().is_empty() && said(&place, &["list"]).is_empty());
    assert!(!place.directory("q").exists());
}

#[test]
fn a_start_that_failed_and_left_its_log_never_was_a_server() {
    let place = Place::new();
    let verdict = place.verdict(&["--identifier", "nope", "--", "no-such-program"]);
    assert_eq!(verdict.code, EXIT_NOT_STARTED);
    assert!(said(&place, &["list"]).contains("never started"));
    assert!(said(&place, &["status", "nope"]).contains("never started"));
}

#[test]
fn a_socket_that_cannot_be_made_leaves_no_other() {
    let place = Place::new();
    let path = |name: &str| place.home().join(name).to_str().unwrap().to_owned();
    let (pid, one, other) = (path("p.pid"), path("one"), path("no/such/other"));
    let words = ["run", "--pid-file", &pid, "--stdin-socket", &one, "--stdout-socket", &other, "--", "cat"];
    assert_eq!(place.run(&words).status.code(), Some(EXIT_NOT_STARTED));
    assert!(fs::read_dir(place.home()).unwrap().next().is_none());
}

#[test]
fn too_few_open_files_are_named() {
    let place = Place::new();
    let cases = [
        (env!("CARGO_BIN_EXE_reattach"), "connect --local -- true", 255),
        (env!("CARGO_BIN_EXE_reattach-server"), "run --identifier w -- true", EXIT_NOT_STARTED),
        (env!("CARGO_BIN_EXE_reattach-server"), "stop w", 1),
        (env!("CARGO_BIN_EXE_reattach-server"), "proxy --identifier w -- true", EXIT_NOT_STARTED),
    ];
    for limit in [7, 8, 20, 39] {
        for (program, words, code) in cases {
            let line = format!("ulimit -n {limit}; exec {program} {words}");
            let output = Command::new("sh")
                .args(["-c", &line])
                .env("HOME", place.home())
                .env("XDG_RUNTIME_DIR", place.runtime())
                .output()
                .unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(code), "{line}: {said}");
            assert!(said.contains(&format!("(ulimit -n) is {limit}; at least 40 are needed")), "{said}");
        }
    }
    let line = format!("ulimit -n 40; exec {} connect --local -- true", env!("CARGO_BIN_EXE_reattach"));
    let output = Command::new("sh")
        .args(["-c", &line])
        .env("HOME", place.home())
        .env("XDG_RUNTIME_DIR", place.runtime())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}
