//! The programs' words for people and for programs: help, versions, and wrong ones.

use assert_cmd::Command;

fn program(name: &str) -> Command {
    Command::new(match name {
        "reattach" => env!("CARGO_BIN_EXE_reattach"),
        _ => env!("CARGO_BIN_EXE_reattach-server"),
    })
}

fn said(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn both_programs_tell_their_version_and_help() {
    for name in ["reattach", "reattach-server"] {
        let version = program(name).arg("--version").assert().success();
        assert!(said(&version.get_output().stdout).ends_with(concat!(env!("CARGO_PKG_VERSION"), "\n")));
        let help = program(name).arg("--help").assert().success();
        assert!(said(&help.get_output().stdout).contains("Usage:"));
    }
}

#[test]
fn help_that_cannot_be_said_is_a_failure() {
    for name in ["reattach", "reattach-server"] {
        // Where there is no such device, nobody can be out of room.
        let Ok(full) = std::fs::File::options().write(true).open("/dev/full") else { return };
        let mut command = std::process::Command::new(program(name).get_program());
        let output = command.arg("--help").stdout(full).output().unwrap();
        let sentence = said(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{sentence}");
        assert!(sentence.starts_with(&format!("{name}: standard output cannot be written: ")), "{sentence}");
    }
}

#[test]
fn a_program_reads_which_protocol_is_spoken() {
    let output = program("reattach-server").args(["version", "--json"]).assert().success();
    let version: serde_json::Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
    assert!(version.to_string().contains("protocol"), "{version}");
}

#[test]
fn wrong_words_are_one_sentence_and_code_64() {
    let wrong: [&[&str]; 6] = [
        &["connect"],
        &["connect", "--local"],
        &["connect", "--local", "--max-attempts", "0", "--", "cat"],
        &["connect", "--local", "--heartbeat-interval", "soon", "--", "cat"],
        &["connect", "host", "--local", "--", "cat"],
        &["connect", "--local", "--takeover", "--", "cat"],
    ];
    for words in wrong {
        let output = program("reattach").args(words).assert().code(64);
        let sentence = said(&output.get_output().stderr);
        assert_eq!(sentence.lines().count(), 1, "{words:?}: {sentence}");
        assert!(sentence.starts_with("reattach"), "{sentence}");
    }
}

#[test]
fn misspelt_words_are_answered_with_what_was_meant() {
    let cases: [(&str, &[&str], &str); 9] = [
        ("reattach", &["conect", "devbox", "--", "cat"], "there is no command conect; did you mean connect?"),
        (
            "reattach",
            &["devbox"],
            "did you mean a host? To run a program there: reattach connect devbox -- CMD",
        ),
        ("reattach", &["me@dev box", "--", "cat"], "reattach connect 'me@dev box' -- CMD"),
        (
            "reattach",
            &["demo1"],
            "did you mean demo? To run a program on a host of that name: reattach connect demo1",
        ),
        ("reattach", &["list"], "list is a command of reattach-server, on the host"),
        ("reattach", &["connect", "--locla", "--", "cat"], "did you mean --local?"),
        ("reattach", &["connect", "--local", "--log-format", "jsno", "--", "cat"], "did you mean json?"),
        ("reattach-server", &["lst"], "did you mean list?"),
        ("reattach-server", &["list", "--jsno"], "did you mean --json?"),
    ];
    for (name, words, part) in cases {
        let output = program(name).args(words).assert().code(64);
        let sentence = said(&output.get_output().stderr);
        assert_eq!(sentence.lines().count(), 1, "{words:?}: {sentence}");
        assert!(sentence.contains(part), "{words:?}: {sentence}");
    }
}

#[test]
fn an_identifier_may_begin_like_an_option() {
    let home = tempfile::tempdir().unwrap();
    let words = ["connect", "--local", "--id=-w", "--", "echo", "hi"];
    program("reattach")
        .args(words)
        .env("HOME", home.path())
        .env("XDG_RUNTIME_DIR", home.path())
        .assert()
        .success()
        .stdout("hi\n");
    // The server may be about to end still; stopping it waits for that.
    let stop = program("reattach-server").args(["stop", "-w"]).env("HOME", home.path()).assert();
    assert!(matches!(stop.get_output().status.code(), Some(0 | 90)));
    program("reattach-server").args(["status", "-w"]).env("HOME", home.path()).assert().code(90);
}
