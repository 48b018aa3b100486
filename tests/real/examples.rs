//! The examples and the demo, as a newcomer runs them.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::client::Client;
use crate::place::{Place, kill, signal, wait_until};
use crate::processes::next_child;

/// An example's program. A run of all tests has built it; a run of these alone may have not.
pub(crate) fn example(name: &str) -> PathBuf {
    let mut directory = std::env::current_exe().unwrap();
    // From target/PROFILE/deps/real-….
    directory.pop();
    directory.pop();
    let path = directory.join("examples").join(name);
    if !path.exists() {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--examples", "--target-dir"]).arg(directory.parent().unwrap());
        if directory.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status().unwrap().success());
    }
    path
}

#[test]
fn an_editors_buffers_outlive_its_links() {
    let place = Place::new();
    example("buffer_server");
    let mut command = Command::new(example("editor"));
    command.env("HOME", place.home()).env("XDG_RUNTIME_DIR", place.runtime());
    let mut editor = Client::start(command);
    editor.until_said(1, "[Connected");
    editor.say("open notes\n");
    editor.hears_last("{\"buffer\":1,\"id\":1}\n> ");
    let server = place.servers();
    let proxy = next_child(editor.pid(), None);
    kill(proxy);
    editor.say("append 1 one\n");
    editor.hears_last("{\"id\":2,\"length\":3}\n> ");
    // It may have got through before anybody noticed that the proxy is gone.
    editor.until_said(2, "[Connected");
    kill(next_child(editor.pid(), Some(proxy)));
    // The second loss in a row is not retried at once, unless the user says so.
    editor.until_said(1, "[ReconnectFailed");
    editor.say("retry\n");
    editor.until_said(3, "[Connected");
    editor.say("read 1\n");
    editor.hears_last("\"text\":\"one\"}\n> ");
    assert_eq!(place.servers(), server);
    assert!(!editor.heard(1, |heard| String::from_utf8_lossy(heard).contains("unknown buffer id")));
    editor.say("read 9\n");
    editor.hears_last("\"error\":\"unknown buffer id 9\",\"id\":5}\n> ");
    editor.say("quit\n");
    assert_eq!(editor.wait().code(), Some(0));
    place.is_left_clean();
}

#[test]
fn an_editor_whose_server_dies_is_told_and_never_gets_an_empty_one() {
    let place = Place::new();
    example("buffer_server");
    let mut command = Command::new(example("editor"));
    command.env("HOME", place.home()).env("XDG_RUNTIME_DIR", place.runtime());
    let mut editor = Client::start(command);
    editor.until_said(1, "[Connected");
    editor.say("open notes\n");
    editor.hears_last("{\"buffer\":1,\"id\":1}\n> ");
    kill(place.servers()[0]);
    let end = editor.wait();
    assert_eq!(end.code(), Some(1));
    assert!(
        end.said.iter().any(|line| line.contains("the session is over: ServerNotRunning(crashed)")),
        "{end:?}"
    );
    assert!(!end.text().contains("unknown buffer id"));
    wait_until("no process is left", || place.processes().is_empty());
}

/// A demo that has begun to tell, and its reader.
fn demo_under_way(place: &Place) -> (Child, BufReader<ChildStdout>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reattach"));
    command.args(["demo", "--cuts", "50"]).env("TMPDIR", place.home());
    let mut demo = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut reader = BufReader::new(demo.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("cuts the link") {
        line.clear();
        assert!(reader.read_line(&mut line).unwrap() > 0, "the demo ended early");
    }
    (demo, reader)
}

#[test]
fn a_demo_that_is_told_to_stop_leaves_nothing() {
    for (name, number) in [("INT", 2), ("TERM", 15)] {
        let place = Place::new();
        let (demo, _reader) = demo_under_way(&place);
        signal(demo.id(), name);
        let output = demo.wait_with_output().unwrap();
        assert_eq!(output.status.signal(), Some(number));
        place.is_left_clean();
        assert!(place.home().read_dir().unwrap().next().is_none(), "a file is left");
    }
}

#[test]
fn a_demo_that_nobody_reads_leaves_nothing() {
    let place = Place::new();
    let (demo, reader) = demo_under_way(&place);
    drop(reader);
    let output = demo.wait_with_output().unwrap();
    assert_eq!((output.status.signal(), String::from_utf8(output.stderr).unwrap().as_str()), (Some(13), ""));
    place.is_left_clean();
    assert!(place.home().read_dir().unwrap().next().is_none(), "a file is left");
}

#[test]
fn the_demo_shows_what_it_promises_and_leaves_nothing() {
    let place = Place::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_reattach"));
    command.args(["demo", "--cuts", "2"]).env("TMPDIR", place.home());
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("Links cut") && said.contains("told at once as: crashed, exit code 90"), "{said}");
    place.is_left_clean();
}
