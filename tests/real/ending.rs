//! How sessions end: the client ends as the program did, and nothing stays behind.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reattach::proto::GoneReason;
use rustix::process::Signal;

use crate::bounds::settled;
use crate::client::{COUNTER, Client, RESTLESS};
use crate::dice::Dice;
use crate::link::{Link, died_by};
use crate::place::{Place, lives, wait, wait_until};
use crate::processes::children;

/// Says how to end it, and that it heard a signal.
const TRAPS: &str = "trap 'echo heard; exit 5' INT; echo ready; while :; do sleep 0.02; done";

/// Hears signals and goes on.
const STUBBORN: &str = "trap 'echo heard' INT TERM; echo ready; while :; do sleep 0.02; done";

#[test]
fn the_programs_exit_code_is_the_clients() {
    for code in [0, 7, 90, 255] {
        let place = Place::new();
        let exit = format!("echo out; echo err >&2; exit {code}");
        let end = Client::start(place.connect(&["--local", "--", "sh", "-c", &exit])).wait();
        assert_eq!((end.code(), end.text()), (Some(code), "out\n".to_owned()));
        assert_eq!(end.said, ["err"]);
        place.is_left_clean();
    }
}

#[test]
fn the_signal_that_ended_the_program_ends_the_client() {
    for signal in [Signal::TERM, Signal::KILL, Signal::SEGV, Signal::USR1] {
        let place = Place::new();
        let kill = format!("ulimit -c 0; kill -{} $$", signal.as_raw());
        let end = Client::start(place.connect(&["--local", "--", "sh", "-c", &kill])).wait();
        assert!(died_by(end.status, signal), "{signal:?} {:?}", end.status);
        assert!(end.said.is_empty(), "{:?}", end.said);
        place.is_left_clean();
    }
}

#[test]
fn an_end_that_came_during_an_outage_is_told_afterwards() {
    let place = Place::new();
    let link = Link::new();
    let program = r#"until [ -e "$HOME/go" ]; do sleep 0.01; done; echo done; exit 7"#;
    let mut client = link.client(&place, &RESTLESS, &["sh", "-c", program]);
    client.until("Connected");
    link.down();
    client.until("ReconnectFailed");
    std::fs::write(place.home().join("go"), "").unwrap();
    let server = place.servers()[0];
    wait_until("the program has ended", || children(server).is_empty());
    std::fs::remove_file(place.home().join("go")).unwrap();
    link.up();
    let end = client.wait();
    assert_eq!((end.code(), end.text()), (Some(7), "done\n".to_owned()));
    place.is_left_clean();
}

#[test]
fn an_end_that_races_with_a_cut_is_told_all_the_same() {
    let mut dice = Dice::roll();
    for _ in 0..20 {
        let place = Place::new();
        let link = Link::new();
        let mut client = link.client(&place, &RESTLESS, &["sh", "-c", "read line; echo done; exit 7"]);
        client.until("Connected");
        client.say("go\n");
        wait(dice.delay(Duration::from_millis(12)));
        link.cut_if_there();
        let end = client.wait();
        assert_eq!((end.code(), end.text()), (Some(7), "done\n".to_owned()), "{:?}", end.events);
    }
}

#[test]
fn what_a_program_leaves_behind_keeps_nobody_waiting_and_goes_with_it() {
    let place = Place::new();
    let end =
        Client::start(place.connect(&["--local", "--", "sh", "-c", "sleep 600 & echo done; exit 4"])).wait();
    assert_eq!((end.code(), end.text()), (Some(4), "done\n".to_owned()));
    place.is_left_clean();
}

#[test]
fn what_a_program_leaves_behind_may_write_for_ever() {
    for helper in ["yes & exit 4", "while :; do echo x; sleep 0.1; done & exit 4"] {
        let place = Place::new();
        let end = Client::start(place.connect(&["--local", "--", "sh", "-c", helper])).wait();
        assert_eq!(end.code(), Some(4), "{helper}");
        place.is_left_clean();
    }
}

#[test]
fn exit_statuses_arrive_though_the_caller_ignores_sigchld() {
    let place = Place::new();
    let mut command = Command::new("sh");
    command
        .args(["-c", "trap '' CHLD; exec \"$@\"", "sh"])
        .env("HOME", place.home())
        .env("XDG_RUNTIME_DIR", place.runtime());
    command.args([env!("CARGO_BIN_EXE_reattach"), "connect", "--local", "--", "sh", "-c", "exit 7"]);
    assert_eq!(command.status().unwrap().code(), Some(7));
}

#[test]
fn a_caller_that_ignores_hangups_is_heeded() {
    let place = Place::new();
    let script = "trap '' HUP; \"$0\" connect --local -- sh -c 'sleep 1; exit 5' & p=$!; sleep 0.5; kill -HUP $p; wait $p";
    let mut command = Command::new("sh");
    command
        .args(["-c", script, env!("CARGO_BIN_EXE_reattach")])
        .env("HOME", place.home())
        .env("XDG_RUNTIME_DIR", place.runtime());
    assert_eq!(command.status().unwrap().code(), Some(5));
}

#[test]
fn many_sessions_start_at_the_same_moment() {
    let place = Place::new();
    let starts: Vec<_> = (0..24)
        .map(|_| {
            place.connect(&["--local", "--", "sh", "-c", "exit 7"]).stdin(Stdio::null()).spawn().unwrap()
        })
        .collect();
    for mut start in starts {
        assert_eq!(start.wait().unwrap().code(), Some(7));
    }
    place.is_left_clean();
}

#[test]
fn an_interrupt_reaches_a_program_that_does_not_read() {
    let place = Place::new();
    let mut client = Client::local(&place, &[], &["sleep", "600"]);
    client.until("Connected");
    let mut input = client.take_input();
    // As much as is taken.
    let written = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&written);
    let writer = std::thread::spawn(move || {
        while input.write_all(&[b'x'; 1000]).is_ok() {
            count.fetch_add(1000, Ordering::Relaxed);
        }
    });
    settled("nothing more is taken", || written.load(Ordering::Relaxed));
    client.signal("INT");
    assert!(died_by(client.wait().status, Signal::INT));
    writer.join().unwrap();
    place.is_left_clean();
}

#[test]
fn the_end_of_input_reaches_the_program() {
    let place = Place::new();
    let mut client = Client::local(&place, &[], &["sh", "-c", "cat; echo the end"]);
    client.say("one\n");
    client.end_input();
    let end = client.wait();
    assert_eq!((end.code(), end.text()), (Some(0), "one\nthe end\n".to_owned()));
    place.is_left_clean();
}

#[test]
fn an_interrupt_is_the_programs() {
    let place = Place::new();
    let client = Client::local(&place, &[], &["sh", "-c", TRAPS]);
    client.hears("ready\n");
    client.signal("INT");
    let end = client.wait();
    assert_eq!((end.code(), end.text()), (Some(5), "ready\nheard\n".to_owned()));
    place.is_left_clean();
}

#[test]
fn a_second_interrupt_is_the_clients_own() {
    for (name, signal) in [("INT", Signal::INT), ("TERM", Signal::TERM)] {
        let place = Place::new();
        let client = Client::local(&place, &[], &["sh", "-c", STUBBORN]);
        client.hears("ready\n");
        client.signal(name);
        client.hears("ready\nheard\n");
        client.signal(name);
        let end = client.wait();
        assert!(died_by(end.status, signal), "{:?}", end.status);
        place.is_left_clean();
    }
}

#[test]
fn a_program_that_does_not_catch_a_signal_dies_of_it_and_so_does_the_client() {
    for (name, signal) in [("INT", Signal::INT), ("TERM", Signal::TERM), ("HUP", Signal::HUP)] {
        let place = Place::new();
        let mut client = Client::local(&place, &[], &["cat"]);
        client.until("Connected");
        client.signal(name);
        let end = client.wait();
        assert!(died_by(end.status, signal), "{:?}", end.status);
        place.is_left_clean();
    }
}

#[test]
fn an_interrupt_without_a_link_ends_the_client_and_leaves_the_session() {
    let place = Place::new();
    let link = Link::new();
    let mut client = link.client(&place, &["--id", "w"], &COUNTER);
    client.until("Connected");
    let server = place.server_pid("w");
    link.down();
    client.until("ReconnectFailed");
    client.signal("INT");
    let end = client.wait();
    assert!(died_by(end.status, Signal::INT), "{:?}", end.status);
    assert_eq!(place.server_pid("w"), server);
}

#[test]
fn a_client_that_is_stopped_and_continued_goes_on_over_the_same_link() {
    let place = Place::new();
    let mut client = Client::local(&place, &["--heartbeat-interval", "200ms"], &COUNTER);
    client.until("Connected");
    client.say("one\n");
    client.hears("1 one\n");
    client.signal("STOP");
    client.say("two\n");
    // Longer than a silent link would be trusted.
    wait(Duration::from_secs(1));
    client.signal("CONT");
    client.hears("1 one\n2 two\n");
    client.say("three\n");
    client.hears("1 one\n2 two\n3 three\n");
    assert!(client.events().iter().all(|event| event.attempt == 1), "{:?}", client.events());
    client.end_input();
    assert_eq!(client.wait().code(), Some(0));
    place.is_left_clean();
}

#[test]
fn a_network_that_is_back_is_used_at_once() {
    let place = Place::new();
    let link = Link::new();
    // By itself it would try again in an hour.
    let words = ["--backoff-min", "1h", "--backoff-max", "1h"];
    let mut client = link.client(&place, &words, &COUNTER);
    client.until("Connected");
    link.down();
    client.until("ReconnectFailed");
    link.up();
    client.signal("USR1");
    client.until("Connected");
    client.say("one\n");
    client.hears("1 one\n");
}

#[test]
fn a_server_that_is_told_to_stop_says_so() {
    let place = Place::new();
    let mut client = Client::local(&place, &["--id", "w"], &COUNTER);
    client.until("Connected");
    let program = children(place.server_pid("w").unwrap());
    assert!(place.run(&["stop", "w"]).status.success());
    let end = client.wait();
    assert_eq!(end.code(), Some(90));
    assert_eq!(end.events.last().unwrap().reason, Some("stopped".into()));
    assert!(!lives(program[0]));
    assert_eq!(place.verdict(&["--identifier", "w", "--reconnect"]).reason, Some(GoneReason::Stopped));
}

#[test]
fn a_killed_client_leaves_its_session_and_no_proxy() {
    let place = Place::new();
    let mut client = Client::local(&place, &["--id", "w"], &COUNTER);
    client.until("Connected");
    let proxy = children(client.pid())[0];
    let server = place.server_pid("w");
    client.signal("KILL");
    client.wait();
    wait_until("the proxy ends", || !lives(proxy));
    assert_eq!(place.server_pid("w"), server);
}

#[test]
fn a_reader_that_goes_away_ends_the_session_as_it_would_locally() {
    for _ in 0..20 {
        let place = Place::new();
        let connect = format!("{} connect --local -- yes | head -n 1", env!("CARGO_BIN_EXE_reattach"));
        let mut command = std::process::Command::new("sh");
        let output = command
            .args(["-c", &connect])
            .env("HOME", place.home())
            .env("XDG_RUNTIME_DIR", place.runtime())
            .output()
            .unwrap();
        assert_eq!((output.stdout.as_slice(), output.stderr.as_slice()), (&b"y\n"[..], &b""[..]));
        place.is_left_clean();
    }
}
