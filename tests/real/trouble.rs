//! Bad words and bad places: one clear sentence each, the right exit code, and nothing disturbed.

use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use reattach::proto::verdict::{EXIT_LOST, EXIT_NOT_STARTED};

use crate::place::{Place, verdict};

const EXIT_USAGE: i32 = 64;
const CAT: &[&str] = &["--identifier", "w", "--", "cat"];
const RECONNECT: &[&str] = &["--identifier", "w", "--reconnect"];

#[test]
fn wrong_words_are_one_sentence() {
    let place = Place::new();
    let long = "x".repeat(65);
    for identifier in ["", "..", ".", "a/b", "a b", &long] {
        for words in
            [&["proxy", "--identifier", identifier][..], &["status", identifier], &["stop", identifier]]
        {
            refused(&place, words, "an identifier is 1 to 64 of");
        }
    }
    refused(&place, &["proxy"], "--identifier");
    refused(&place, &["run", "--", "cat"], "give --identifier or --pid-file");
    refused(&place, &["run", "--identifier", "w", "--"], "a program to host must be named");
    let twice = ["run", "--pid-file", "w.pid", "--stdin-socket", "s", "--stdout-socket", "./s", "--", "cat"];
    refused(&place, &twice, "they must be two");
    refused(&place, &["run", "--pid-file", "server", "--", "cat"], "must end with .pid");
    refused(&place, &["run", "--identifier", "w", "--pid-file", "/tmp/x.pid"], "/tmp/x.pid");
    refused(&place, &["run", "--identifier", "w", "--stdin-socket", "/tmp/x"], "--stdout-socket");
    refused(
        &place,
        &["proxy", "--identifier", "w", "--instance", "12", "--reconnect"],
        "32 hexadecimal digits",
    );
    refused(&place, &["proxy", "--identifier", "w", "--idle-lifetime", "soon"], "such as 500ms");
    refused(&place, &["proxy", "--identifier", "w", "--if-running", "maybe"], "replace, refuse");
    refused(&place, &["fly"], "fly");
    assert!(std::fs::read_dir(place.home()).unwrap().next().is_none());
}

fn refused(place: &Place, words: &[&str], part: &str) {
    let output = place.run(words);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(EXIT_USAGE), "{words:?}: {said}");
    assert!(said.starts_with("reattach-server: ") && said.contains(part), "{words:?}: {said}");
    assert_eq!(said.lines().count(), 1, "{words:?}: {said}");
}

#[test]
fn a_home_that_is_no_home_is_named() {
    let place = Place::new();
    let missing = place.home().join("missing").into_os_string().into_string().unwrap();
    let cases = [("here", "absolute path"), (missing.as_str(), "does not exist")];
    for (home, part) in cases {
        for (words, code) in [(CAT, EXIT_NOT_STARTED), (RECONNECT, EXIT_LOST)] {
            let mut command = place.command(&["proxy"]);
            command.args(words).env("HOME", home);
            let verdict = verdict(&command.output().unwrap());
            assert_eq!(verdict.code, code, "{home:?} {verdict:?}");
            assert!(verdict.message.contains(part), "{home:?} {verdict:?}");
        }
    }
}

#[test]
fn a_link_or_a_file_in_the_way_is_named() {
    let place = Place::new();
    let state = place.directory("w");
    let parent = state.parent().unwrap().to_owned();
    std::fs::create_dir_all(&parent).unwrap();
    symlink("/tmp", &state).unwrap();
    complains(&place, "/w\\\" is not a directory", EXIT_LOST);
    std::fs::remove_file(&state).unwrap();
    std::fs::write(&state, "").unwrap();
    complains(&place, "/w\\\" is not a directory", EXIT_LOST);
    std::fs::remove_file(&state).unwrap();
    std::fs::remove_dir_all(&parent).unwrap();
    symlink("/tmp", &parent).unwrap();
    complains(&place, "/reattach\\\" is not a directory", EXIT_LOST);
}

/// Both kinds of proxy say the same; neither takes it for "no server".
fn complains(place: &Place, part: &str, reconnect_code: i32) {
    let part = part.replace('\\', "");
    for (words, code) in [(CAT, EXIT_NOT_STARTED), (RECONNECT, reconnect_code)] {
        let verdict = place.verdict(words);
        assert_eq!(verdict.code, code, "{verdict:?}");
        assert!(verdict.message.contains(&part), "{verdict:?}");
    }
}

#[test]
fn a_directory_that_others_may_write_is_not_trusted_by_a_reconnect() {
    let place = Place::new();
    let directory = place.directory("w");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o777)).unwrap();
    let verdict = place.verdict(RECONNECT);
    assert_eq!(verdict.code, EXIT_LOST);
    assert!(verdict.message.contains("can be written by other users"), "{verdict:?}");
    // A start may change things, and takes that right away.
    assert!(place.proxy(CAT).is_attached());
}

#[test]
fn a_foreign_directory_is_named_with_its_owner() {
    let place = Place::new();
    let directory = place.directory("w");
    std::fs::create_dir_all(&directory).unwrap();
    if chown(&directory, Some(12345), None).is_err() {
        // Only root can make one.
        return;
    }
    complains(&place, "belongs to user 12345", EXIT_LOST);
}

#[test]
fn a_home_that_cannot_be_written_is_named() {
    let place = Place::for_anybody();
    let program = place.copy_of(env!("CARGO_BIN_EXE_reattach-server"));
    std::fs::set_permissions(place.home(), std::fs::Permissions::from_mode(0o555)).unwrap();
    let mut command = Command::new(program);
    command
        .arg("proxy")
        .args(CAT)
        .env("HOME", place.home())
        .env("XDG_RUNTIME_DIR", place.runtime())
        .current_dir("/")
        .stdin(Stdio::null());
    if rustix::process::geteuid().is_root() {
        // Root may write anywhere.
        command.uid(65534).gid(65534);
    }
    let output = command.output().unwrap();
    std::fs::set_permissions(place.home(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let verdict = verdict(&output);
    assert_eq!(verdict.code, EXIT_NOT_STARTED);
    assert!(verdict.message.contains(".local\" cannot be made: Permission denied"), "{verdict:?}");
}
