//! What people see of their servers, and how they end those that they no longer need.

use std::process::Output;

use reattach::proto::GoneReason;

use crate::client::Client;
use crate::place::{Place, kill, lives, signal, wait_until};
use crate::processes::children;
use crate::sshd::Sshd;

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A session of that name, attached.
fn session(place: &Place, name: &str) -> Client {
    let mut client = Client::local(place, &["--id", name], &["cat"]);
    client.until("Connected");
    client
}

/// Its client goes, and it stays.
fn detach(place: &Place, name: &str, client: Client) {
    kill(client.pid());
    wait_until("it is detached", || place.status(name)["attached"] == false);
    drop(client);
}

fn now() -> u64 {
    std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()
}

#[test]
fn a_server_tells_who_is_attached_since_when_and_what_it_holds() {
    let place = Place::new();
    let Some(sshd) = Sshd::start(&place) else { return };
    let before = now();
    let mut command = sshd.connect(
        &place,
        &["--id", "w", "--cwd", "~", "--env", "SECRET=1234567", "--log-format", "json"],
        &["cat"],
    );
    command.env("USER", "me\u{1b}[2J");
    let mut client = Client::start(command);
    client.until("Connected");
    let name = rustix::system::uname().nodename().to_str().unwrap().split('.').next().unwrap().to_owned();
    let status = place.status("w");
    assert_eq!((&status["state"], &status["attached"]), (&"running".into(), &true.into()), "{status}");
    assert_eq!(status["client"], format!("me [2J@{name}"));
    assert!(status["attached_since"].as_u64().unwrap() >= before && status["detached_since"].is_null());
    for part in ["server", "program"] {
        assert!(status["memory"][part].as_u64().unwrap() > 100_000, "{status}");
    }
    assert_eq!(status["cwd"], place.home().to_str().unwrap());
    // By name alone: what it is is not for a screen, nor for a file.
    assert_eq!(status["env"], serde_json::json!(["SECRET"]));
    let record = std::fs::read_to_string(place.directory("w").join("server.json")).unwrap();
    assert!(!record.contains("1234567"), "{record}");
    let listed: serde_json::Value = serde_json::from_slice(&place.run(&["list", "--json"]).stdout).unwrap();
    for field in ["attached", "attached_since", "client", "cwd", "pid", "instance"] {
        assert_eq!(listed[0][field], status[field], "{field}");
    }
    let table = said(&place.run(&["list"]));
    assert!(table.contains("attached") && table.contains(&format!("me [2J@{name}")), "{table}");
    let page = said(&place.run(&["status", "w"]));
    assert!(
        page.contains("attached since ") && page.contains(" ago)") && page.contains("MB the server"),
        "{page}"
    );
    kill(client.pid());
    wait_until("it is detached", || place.status("w")["attached"] == false);
    let status = place.status("w");
    assert_eq!(status["client"], format!("me [2J@{name}"), "the last one is remembered");
    assert!(status["detached_since"].as_u64().unwrap() >= before && status["attached_since"].is_null());
    let table = said(&place.run(&["list"]));
    assert!(table.contains("detached"), "{table}");
    // Put back like any other file of a server.
    std::fs::remove_file(place.directory("w").join("server.seat.json")).unwrap();
    wait_until("it is told again", || place.status("w")["client"].is_string());
    assert!(place.run(&["stop", "w"]).status.success());
    let status = place.status("w");
    assert_eq!(status["state"], "ended");
    assert!(status["attached"].is_null() && status["memory"].is_null() && status["client"].is_null());
}

#[test]
fn the_detached_are_stopped_and_the_attached_are_not() {
    let place = Place::new();
    assert_eq!(said(&place.run(&["stop", "--detached"])), "no server is detached\n");
    let clients = ["a", "b", "c"].map(|name| session(&place, name));
    let [stays, left, other] = clients;
    detach(&place, "b", left);
    detach(&place, "c", other);
    // One that nobody has come to yet is awaited by whoever started it.
    let mut unmet = place.proxy(&["--identifier", "d", "--", "cat"]);
    assert!(unmet.is_attached());
    let output = place.run(&["stop", "--detached"]);
    assert_eq!((output.status.code(), said(&output)), (Some(0), "b has ended\nc has ended\n".to_owned()));
    assert_eq!(place.status("a")["state"], "running");
    assert_eq!(place.status("b")["reason"], "stopped");
    let output = place.run(&["stop", "--all", "--json"]);
    let all: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        all,
        serde_json::json!([{"identifier": "a", "stopped": true}, {"identifier": "d", "stopped": true}])
    );
    assert!(place.servers().is_empty());
    assert_eq!(stays.wait().code(), Some(90));
    assert_eq!(unmet.wait().reason, Some(GoneReason::Stopped));
    assert_eq!(said(&place.run(&["stop", "--all"])), "no server is running\n");
}

#[test]
fn whom_to_stop_is_said_once() {
    let place = Place::new();
    for words in [&["stop"][..], &["stop", "a", "--all"], &["stop", "--all", "--detached"]] {
        assert_eq!(place.run(words).status.code(), Some(64), "{words:?}");
    }
}

#[test]
fn who_came_back_while_it_was_being_stopped_keeps_the_session() {
    let place = Place::new();
    let client = session(&place, "w");
    detach(&place, "w", client);
    let server = place.server_pid("w").unwrap();
    // It does not hear yet that it should end, and a client comes.
    signal(server, "STOP");
    let stop = place.command(&["stop", "--detached"]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    wait_until("it is told to end", || place.directory("w").join("server.stop.json").exists());
    let word = place.directory("w").join("server.seat.json");
    let text = std::fs::read_to_string(&word).unwrap();
    assert!(text.contains("\"attached\": false"), "{text}");
    let output = stop.wait_with_output().unwrap();
    // It was not killed: nobody knew what it would have said.
    assert_eq!(output.status.code(), Some(1));
    assert!(lives(server) && children(server).len() == 1);
    signal(server, "CONT");
    wait_until("it ends after all, for nobody is attached", || !lives(server));
    assert_eq!(place.status("w")["reason"], "stopped");
}

#[test]
fn an_attached_server_that_is_told_to_end_if_nobody_is_goes_on() {
    let place = Place::new();
    let mut client = session(&place, "w");
    let server = place.server_pid("w").unwrap();
    let instance = place.status("w")["instance"].clone();
    for _ in 0..3 {
        let word = serde_json::json!({ "instance": instance, "reason": "stopped", "time": 0, "at": "", "message": "", "unless_attached": true });
        std::fs::write(place.directory("w").join("server.stop.json"), word.to_string()).unwrap();
        signal(server, "TERM");
        wait_until("it has heard", || !place.directory("w").join("server.stop.json").exists());
    }
    client.say("here\n");
    client.hears("here\n");
    // Without the condition the same signal ends it.
    signal(server, "TERM");
    assert_eq!(client.wait().code(), Some(90));
}
