//! An editor that goes away, reads only one output, or has streams that cannot be used: its client
//! neither stays behind nor keeps silent.

use std::fs::{self, File};
use std::io::Read;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use crate::link::{Link, died_by};
use crate::place::{Place, wait, wait_until};

const EXIT_NOT_CONNECTED: i32 = 255;

/// An editor that has its client's streams, but for the states, which are in a file.
struct Editor {
    client: Child,
    states: std::path::PathBuf,
}

impl Editor {
    fn start(place: &Place, link: &Link) -> Self {
        let words = ["--log-format", "json", "--backoff-min", "1ms", "--backoff-max", "1ms"];
        let states = place.home().join("states");
        let mut command = link.connect(place, &words, &["cat"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(File::create(&states).unwrap());
        Editor { client: command.spawn().unwrap(), states }
    }

    fn until(&self, state: &str) {
        let said = || fs::read_to_string(&self.states).unwrap().contains(state);
        wait_until(state, said);
    }

    fn lives(&mut self) -> bool {
        self.client.try_wait().unwrap().is_none()
    }
}

impl Drop for Editor {
    fn drop(&mut self) {
        let _ = self.client.kill();
        let _ = self.client.wait();
    }
}

#[test]
fn a_client_that_gave_up_does_not_outlive_its_editor() {
    let (place, link) = (Place::new(), Link::new());
    let mut editor = Editor::start(&place, &link);
    editor.until("Connected");
    link.down();
    editor.until("ReconnectExhausted");
    // It waits for its user, and whoever reads may still be one; so may whoever writes no more.
    editor.client.stdin = None;
    wait(Duration::from_millis(100));
    assert!(editor.lives());
    editor.client.stdout = None;
    wait_until("the client ends", || !editor.lives());
    assert!(died_by(editor.client.wait().unwrap(), Signal::PIPE));
}

#[test]
fn a_file_and_nothing_are_not_taken_for_readers_that_went_away() {
    for output in ["/dev/null", "file"] {
        let (place, link) = (Place::new(), Link::new());
        let words = ["--log-format", "json", "--backoff-min", "1ms", "--backoff-max", "1ms"];
        let states = place.home().join("states");
        let mut command = link.connect(&place, &words, &["cat"]);
        let output = File::options().write(true).create(true).truncate(false).open(place.home().join(output));
        command.stdin(Stdio::piped()).stdout(output.unwrap()).stderr(File::create(&states).unwrap());
        let mut editor = Editor { client: command.spawn().unwrap(), states };
        editor.until("Connected");
        link.down();
        editor.until("ReconnectExhausted");
        wait(Duration::from_millis(100));
        assert!(editor.lives());
    }
}

#[test]
fn errors_that_nobody_reads_do_not_stop_the_output() {
    let place = Place::new();
    let program = "head -c 2000000 /dev/zero >&2 & for i in 1 2 3; do echo $i; sleep 0.1; done; wait; echo 4";
    let mut command = place.connect(&["--local", "--", "sh", "-c", program]);
    let output = place.home().join("output");
    command.stdin(Stdio::null()).stdout(File::create(&output).unwrap()).stderr(Stdio::piped());
    let mut client = command.spawn().unwrap();
    wait_until("all lines have come", || fs::read_to_string(&output).unwrap() == "1\n2\n3\n4\n");
    fs::remove_file(output).unwrap();
    let mut errors = Vec::new();
    client.stderr.take().unwrap().read_to_end(&mut errors).unwrap();
    assert_eq!((client.wait().unwrap().code(), errors.len()), (Some(0), 2_000_000));
    place.is_left_clean();
}

/// Runs a shell's line that ends in `reattach` with its streams as they are.
fn shell(place: &Place, line: &str) -> Output {
    let line = line.replace("reattach", env!("CARGO_BIN_EXE_reattach"));
    Command::new("sh")
        .args(["-c", &line])
        .env("HOME", place.home())
        .env("XDG_RUNTIME_DIR", place.runtime())
        .output()
        .unwrap()
}

#[test]
fn streams_that_cannot_be_used_are_named() {
    let place = Place::new();
    let cases = [
        ("reattach connect --local -- seq 100000 >/dev/full", "standard output cannot be written: No space"),
        ("reattach connect --local -- cat </tmp", "standard input cannot be read: Is a directory"),
    ];
    for (line, part) in cases {
        // Where there is no such device, nobody can be out of room.
        if line.ends_with("/dev/full") && !std::path::Path::new("/dev/full").exists() {
            continue;
        }
        let output = shell(&place, line);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(EXIT_NOT_CONNECTED), "{line}: {said}");
        assert!(said.starts_with("reattach: ") && said.contains(part), "{line}: {said}");
        assert_eq!(said.lines().count(), 1, "{line}: {said}");
    }
    place.is_left_clean();
}

#[test]
fn a_reader_that_went_away_is_no_error() {
    let place = Place::new();
    let output = shell(&place, "{ reattach connect --local -- seq 1000000; echo $? >&2; } | true");
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "141\n");
}

#[test]
fn an_input_that_was_not_meant_to_be_read_is_empty() {
    let place = Place::new();
    let output = shell(&place, "reattach connect --local -- cat 0>/dev/null");
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn each_state_is_told_once_to_whoever_wants_to_know_everything() {
    let place = Place::new();
    let output = shell(&place, "reattach connect -v --local -- true");
    let said = String::from_utf8(output.stderr).unwrap();
    for state in ["Connecting", "Connected", "Closed"] {
        assert_eq!(said.matches(state).count(), 1, "{said}");
    }
}
