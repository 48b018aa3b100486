//! Settings by host: what a file says holds where the command line does not, and is shown with its line.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::client::{Client, RESTLESS};
use crate::place::Place;
use crate::sshd::Sshd;

/// Writes the file in its usual place.
fn write(place: &Place, text: &str) -> PathBuf {
    let path = place.home().join(".config/reattach/config.toml");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    path
}

/// What makes `box` reachable without a word on the command line.
fn for_box(sshd: &Sshd) -> String {
    let (config, server) = (sshd.config().display().to_string(), env!("CARGO_BIN_EXE_reattach-server"));
    format!("[host.box]\nserver-path = {server:?}\nssh-arg = [\"-F\", {config:?}]\n")
}

fn output(mut command: Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// `reattach config` with these words, run to its end.
fn config(place: &Place, words: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reattach"));
    command.arg("config").args(words);
    output(place.welcome(command))
}

#[test]
fn a_host_needs_no_words_once_they_are_written_down() {
    let place = Place::new();
    let Some(sshd) = Sshd::start(&place) else { return };
    fs::create_dir(place.home().join("work")).unwrap();
    fs::create_dir(place.home().join("other")).unwrap();
    write(
        &place,
        &format!(
            "{}cwd = \"~/work\"\nenv = [\"A=1\", \"B=1\", \"C\", \"NO_SUCH_VARIABLE\"]\n[host.\"*\"]\nenv = [\"A=0\", \"D=it's\"]\n",
            for_box(&sshd)
        ),
    );
    let tell = ["sh", "-c", r#"pwd; echo "$A $B $C $D""#];
    let there = |name: &str| place.home().join(name).display().to_string();
    let mut command = place.connect(&[&["box", "--"], &tell[..]].concat());
    command.env("C", "mine");
    assert_eq!(output(command), format!("{}\n1 1 mine it's\n", there("work")));
    // Words on the command line win.
    let mut command =
        place.connect(&[&["box", "--cwd", "~/other", "--env", "B=2", "--"], &tell[..]].concat());
    command.env("C", "mine");
    assert_eq!(output(command), format!("{}\n1 2 mine it's\n", there("other")));
    // Nobody else has them, and this machine is no host.
    let local = place.connect(&[&["--local", "--"], &tell[..]].concat());
    assert!(!output(local).contains("it's"));
}

#[test]
fn what_holds_is_shown_with_its_origin() {
    let place = Place::new();
    let path = write(
        &place,
        "[host.devbox]\npatience = \"2h\"\nssh-arg = [\"-C\"]\n\n[host.\"dev*\"]\nlogin = true\nmax-attempts = 7\n",
    );
    let path = path.display();
    let shown = config(&place, &["me@devbox", "--max-attempts", "9"]);
    let line = |name: &str| -> String {
        let line = shown.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap();
        line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(line("patience"), format!("2h {path}:2"));
    assert_eq!(line("ssh-arg"), format!("-C {path}:3"));
    assert_eq!(line("login"), format!("on {path}:6"));
    assert_eq!(line("max-attempts"), "9 command line");
    assert_eq!(line("heartbeat-interval"), "5s default");
    assert_eq!(line("cwd"), "- default");
    let json: serde_json::Value = serde_json::from_str(&config(&place, &["devbox", "--json"])).unwrap();
    let patience = json.as_array().unwrap().iter().find(|value| value["name"] == "patience").unwrap();
    let expected = serde_json::json!({ "name": "patience", "value": "2h", "from": "file", "file": path.to_string(), "line": 2 });
    assert_eq!(*patience, expected);
    assert!(config(&place, &["--help"]).contains(&path.to_string()));
    // Where the user keeps such files.
    let elsewhere = place.home().join("elsewhere");
    fs::create_dir_all(elsewhere.join("reattach")).unwrap();
    fs::write(elsewhere.join("reattach/config.toml"), "[host.devbox]\npatience = \"3h\"\n").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_reattach"));
    command.args(["config", "devbox"]);
    let mut command = place.welcome(command);
    command.env("XDG_CONFIG_HOME", &elsewhere);
    assert!(output(command).contains("3h"));
}

#[test]
fn what_is_wrong_is_one_sentence_with_its_line() {
    let place = Place::new();
    for (text, line, part) in [
        ("[host.devbox]\npatince = \"2h\"\n", 2, "did you mean patience?"),
        ("[host.other]\n\npatience = \"soon\"\n", 3, "a time is a number with a unit"),
        ("[host.devbox]\nmax-attempts = 0\n", 2, "a whole number from 1 to 1000"),
        ("[host.devbox]\nenv = [\"A=1\",\n\"=2\"]\n", 3, "a variable is NAME=VALUE"),
        ("[host.devbox]\nlogin = \"maybe\"\n", 2, "--login"),
        ("[host.devbox\n", 1, ""),
        ("[host.devbox]\ncwd = \"\u{1b}[2J\n", 2, ""),
    ] {
        let path = write(&place, text);
        for words in [&["connect", "devbox", "--", "cat"][..], &["config", "devbox"]] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_reattach"));
            command.args(words);
            let output = place.welcome(command).stdin(Stdio::null()).output().unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!((output.status.code(), said.lines().count()), (Some(64), 1), "{said}");
            let begin = format!("reattach {}: {}:{line}: ", words[0], path.display());
            assert!(said.starts_with(&begin) && said.contains(part), "{said}");
        }
    }
    // What is wrong together names the command that shows who says it.
    write(&place, "[host.devbox]\nbackoff-max = \"1s\"\n");
    let output = place.connect(&["devbox", "--", "cat"]).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("--backoff-min is 2s") && said.contains("reattach config devbox"), "{said}");
    for words in [&[][..], &["--local"], &["devbox", "--local"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reattach"));
        command.arg("config").args(words);
        assert_eq!(place.welcome(command).output().unwrap().status.code(), Some(64), "{words:?}");
    }
}

#[test]
fn a_file_that_becomes_wrong_disturbs_nothing_that_runs() {
    let place = Place::new();
    let Some(sshd) = Sshd::start(&place) else { return };
    write(&place, &for_box(&sshd));
    let words = [&["box", "--id", "w", "--log-format", "json"], &RESTLESS[..], &["--", "cat"]].concat();
    let mut client = Client::start(place.connect(&words));
    client.until("Connected");
    write(&place, "[host.box]\nmoon = 1\n");
    sshd.signal_sessions("KILL");
    client.until("Reconnecting");
    client.until("Connected");
    client.say("here\n");
    client.hears("here\n");
    client.end_input();
    assert_eq!(client.wait().code(), Some(0));
    // Nor what is started on this machine.
    assert_eq!(output(place.connect(&["--local", "--", "echo", "hi"])), "hi\n");
}
