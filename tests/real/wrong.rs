//! Wrong words and wrong places for `reattach connect`: one clear sentence each, the right exit
//! code, and nothing that runs is disturbed.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use crate::client::{COUNTER, Client};
use crate::place::Place;

const EXIT_USAGE: i32 = 64;
const EXIT_NOT_CONNECTED: i32 = 255;

/// Runs it to its end, and gives its only line after checking that it is one, and of ours.
fn sentence(mut command: Command, code: i32) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{command:?}: {said}");
    assert_eq!((said.lines().count(), output.stdout.len()), (1, 0), "{command:?}: {said}");
    assert!(said.starts_with("reattach"), "{command:?}: {said}");
    said
}

#[test]
fn wrong_words_are_named_with_what_is_accepted() {
    let place = Place::new();
    let long = "x".repeat(65);
    for identifier in ["", "..", ".", ".hidden", "a/b", "a b", "ü", &long] {
        let said = sentence(place.connect(&["--local", "--id", identifier, "--", "cat"]), EXIT_USAGE);
        assert!(said.contains("--id") && said.contains("an identifier is 1 to 64 of"), "{said}");
    }
    let cases: [(&[&str], &str); 37] = [
        (&[], "give a host, --local or --via COMMAND"),
        (&["--", "cat"], "give a host, --local or --via COMMAND"),
        (&["--local"], "no program to run was given"),
        (&["devbox"], "no program to run was given"),
        (&["devbox", "--server-path", "/opt/reattach-server"], "no program to run was given"),
        (&["devbox", "--cwd", "", "--", "cat"], "--cwd"),
        (&["devbox", "--env", "", "--", "cat"], "a variable is NAME=VALUE, or NAME"),
        (&["devbox", "--env", "=x", "--", "cat"], "a variable is NAME=VALUE, or NAME"),
        (&["devbox", "--env", "NO_SUCH_VARIABLE", "--", "cat"], "NO_SUCH_VARIABLE is not set here"),
        (&["devbox", "--login=yes", "--", "cat"], "on, off"),
        (&["devbox", "--"], "no program to run was given"),
        (&["--local", "devbox", "--", "cat"], "cannot be used with"),
        (&["--local", "--via", "ssh x", "--", "cat"], "cannot be used with"),
        (&["--local", "--ssh-arg=-v", "--", "cat"], "--ssh-arg"),
        (&["--via", "ssh 'x", "--", "cat"], "a quote is not closed"),
        (&["--via", "", "--", "cat"], "it is empty"),
        (&["--local", "--takeover"], "--id"),
        (&["--local", "--id", "w", "--takeover", "--replace"], "cannot be used with"),
        (&["--local", "--max-attempts", "0", "--", "cat"], "a whole number from 1 to 1000"),
        (&["--local", "--max-attempts", "x", "--", "cat"], "a whole number from 1 to 1000"),
        (&["--local", "--heartbeat-interval", "5", "--", "cat"], "such as 500ms, 5s"),
        (&["--local", "--idle-lifetime", "0s", "--", "cat"], "between 1ms and 1 year"),
        (&["--local", "--log-format", "xml", "--", "cat"], "human, json"),
        (&["--locla", "--", "cat"], "--locla"),
        (&["", "--", "cat"], "the host is an empty word"),
        (&["--local", "--", ""], "the program after -- is an empty word"),
        (&["--via", "'' x", "--", "cat"], "it is empty"),
        (&["--local", "cat"], "put the program, with its arguments, after --"),
        (&["--via", "x", "cat"], "put the program, with its arguments, after --"),
        (&["dev", "cat"], "put the program, with its arguments, after --"),
        (&["dev", "cat", "x", "--", "cat"], "put the program, with its arguments, after --"),
        (&["--local", "--heartbeat-interval", "11s", "--", "cat"], "it may be 10s at most"),
        (&["--local", "--heartbeat-interval", "1h", "--", "cat"], "it may be 10s at most"),
        (&["--local", "--backoff-min", "1h", "--backoff-max", "1s", "--", "cat"], "--backoff-min is 1h"),
        (&["--local", "--backoff-max", "1s", "--", "cat"], "--backoff-min is 2s"),
        (&["--local", "--max-attempts", "1001", "--", "cat"], "a whole number from 1 to 1000"),
        (&["--local", "--max-attempts", "-1", "--", "cat"], "a whole number from 1 to 1000"),
    ];
    for (words, part) in cases {
        let said = sentence(place.connect(words), EXIT_USAGE);
        assert!(said.contains(part), "{words:?}: {said}");
    }
    assert!(fs::read_dir(place.home()).unwrap().next().is_none());
}

#[test]
fn what_cannot_be_reached_or_started_is_named() {
    let place = Place::new();
    let server = ["--server-path", "/no/such/server"];
    let cases: [(&[&str], &str); 9] = [
        (&["--local", "--", "no-such-program"], "the command no-such-program was not found"),
        (&["--local", "--", "/etc/passwd"], "the command /etc/passwd cannot be started: Permission denied"),
        (&["--local", server[0], server[1], "--", "cat"], "the command /no/such/server was not found"),
        (&["--via", "no-such-wrapper x", "--", "cat"], "the command no-such-wrapper was not found"),
        (&["--via", "false", "--", "cat"], "could not connect to false"),
        (&["--via", "true", "--", "cat"], "could not connect to true"),
        (
            &["--via", "sh -c 'echo no way >&2; exit 3'", "--", "cat"],
            "to sh -c echo no way >&2; exit 3: no way",
        ),
        (&["--via", "sh -c 'printf \"bad\\nusage\\nx [y]\\n\" >&2; exit 3'", "--", "cat"], ": bad … x [y]"),
        (&["no-such-host.invalid", "--", "cat"], "could not connect to no-such-host.invalid: ssh: "),
    ];
    for (words, part) in cases {
        let said = sentence(place.connect(words), EXIT_NOT_CONNECTED);
        assert!(said.contains(part), "{words:?}: {said}");
    }
    // ssh may leave its own directory; nothing of ours is left.
    assert!(place.processes().is_empty() && place.files().is_empty());
}

#[test]
fn a_place_that_cannot_hold_the_state_is_named() {
    let place = Place::new();
    fs::create_dir_all(place.home().join(".local")).unwrap();
    fs::write(place.home().join(".local/state"), "in the way").unwrap();
    let said = sentence(place.connect(&["--local", "--", "cat"]), EXIT_NOT_CONNECTED);
    assert!(said.contains(".local/state"), "{said}");
    for (home, part) in [
        ("here", "absolute path"),
        ("/no/such", "does not exist"),
        ("/etc/passwd", "which is not a directory"),
    ] {
        let mut command = place.connect(&["--local", "--", "cat"]);
        command.env("HOME", home);
        let said = sentence(command, EXIT_NOT_CONNECTED);
        assert!(said.contains(part), "{home}: {said}");
    }
}

#[test]
fn a_home_that_cannot_be_written_is_named_to_the_user() {
    let place = Place::for_anybody();
    let program = place.copy_of(env!("CARGO_BIN_EXE_reattach"));
    fs::set_permissions(place.home(), Permissions::from_mode(0o555)).unwrap();
    let mut command = Command::new(program);
    command
        .args(["connect", "--local", "--", "cat"])
        .env("HOME", place.home())
        .env("XDG_RUNTIME_DIR", place.runtime())
        .current_dir("/");
    if rustix::process::geteuid().is_root() {
        command.uid(65534).gid(65534);
    }
    let said = sentence(command, EXIT_NOT_CONNECTED);
    fs::set_permissions(place.home(), Permissions::from_mode(0o755)).unwrap();
    assert!(said.contains("cannot be made: Permission denied"), "{said}");
}

#[test]
fn a_home_whose_path_is_too_long_for_sockets_is_good_enough() {
    let place = Place::with_long_path(200);
    let mut client = Client::local(&place, &[], &COUNTER);
    client.say("one\n");
    client.hears("1 one\n");
    client.end_input();
    assert_eq!(client.wait().code(), Some(0));
    place.is_left_clean();
}

#[test]
fn mistakes_beside_a_running_session_do_not_disturb_it() {
    let place = Place::new();
    let mut client = Client::local(&place, &["--id", "w"], &COUNTER);
    client.until("Connected");
    let server = place.server_pid("w");
    for words in [
        &["--local", "--id", "w/", "--replace", "--", "cat"][..],
        &["--local", "--id", "w", "--replace", "--max-attempts", "0", "--", "cat"],
        &["--local", "--id", "w", "--replace"],
        &["--local", "--id", "w", "--takeover", "--replace", "--", "cat"],
    ] {
        sentence(place.connect(words), EXIT_USAGE);
    }
    client.say("one\n");
    client.hears("1 one\n");
    assert_eq!(place.server_pid("w"), server);
    assert_eq!(client.events().len(), 2);
}
