//! A proxy that has handed its standard streams to the server: it is out of the way of the bytes,
//! and its end is still the end of its link.

use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use reattach::io::clock::Clock;
use reattach::proto::PREAMBLE;
use reattach::proto::verdict::{EXIT_CLOSED, EXIT_LOST};
use rustix::fs::{OFlags, fcntl_getfl};
use rustix::process::Signal;

use crate::client::{COUNTER, Client, RESTLESS};
use crate::link::{Link, died_by};
use crate::place::{Place, kill, lives, signal, wait, wait_until};
use crate::processes::{children, descriptors, next_child, processor_time};
use crate::sshd::Sshd;

/// Heartbeats so quick that a link without answers does not last a second.
const WATCHFUL: [&str; 2] = ["--heartbeat-interval", "100ms"];

const RECONNECTS: usize = 50;

#[test]
fn a_stopped_proxy_holds_nothing_up() {
    let place = Place::new();
    let mut client = Client::local(&place, &[&RESTLESS[..], &WATCHFUL].concat(), &COUNTER);
    client.until("Connected");
    let proxy = next_child(client.pid(), None);
    signal(proxy, "STOP");
    client.say("one\n");
    client.hears("1 one\n");
    // Ten intervals.
    wait(Duration::from_secs(1));
    client.say("two\n");
    client.hears("1 one\n2 two\n");
    assert!(client.events().iter().all(|event| event.attempt == 1), "{:?}", client.events());
    client.end_input();
    assert_eq!(client.wait().code(), Some(0));
    wait_until("the stopped proxy ends", || !lives(proxy));
    place.is_left_clean();
}

#[test]
fn a_proxy_sleeps_through_everything_that_passes() {
    let place = Place::new();
    let mut client = Client::local(&place, &[], &["wc", "-c"]);
    client.until("Connected");
    let proxy = next_child(client.pid(), None);
    let before = processor_time(proxy);
    client.say(vec![b'x'; 64 << 20]);
    assert_eq!(processor_time(proxy), before);
    client.end_input();
    assert_eq!(client.wait().text().trim(), (64 << 20).to_string());
}

#[test]
fn a_killed_proxy_is_a_lost_link_for_the_server_too() {
    let place = Place::new();
    let link = Link::new();
    let words = [&["--id", "w"], &RESTLESS[..]].concat();
    let mut client = link.client(&place, &words, &COUNTER);
    client.until("Connected");
    // The client cannot come back, so that only the server can say what it knows.
    link.down();
    wait_until("the server lets go", || place.status("w")["state"] == "running" && is_detached(&place));
    client.say("one\n");
    link.up();
    client.signal("USR1");
    client.hears("1 one\n");
}

/// Whether the server's log says that its last client was lost.
fn is_detached(place: &Place) -> bool {
    let log = std::fs::read_to_string(place.directory("w").join("server.log")).unwrap();
    log.lines().rfind(|line| line.contains("tached")).is_some_and(|line| line.contains("Detached"))
}

#[test]
fn no_descriptor_is_left_in_the_server_after_fifty_reconnects() {
    let place = Place::new();
    let mut client = Client::local(&place, &[&["--id", "w"], &RESTLESS[..]].concat(), &COUNTER);
    client.until("Connected");
    client.say("line 1\n");
    client.hears_last("1 line 1\n");
    let server = place.server_pid("w").unwrap();
    let before = descriptors(server);
    let mut proxy = None;
    for number in 2..RECONNECTS + 2 {
        let current = next_child(client.pid(), proxy);
        kill(current);
        proxy = Some(current);
        client.until("Connected");
        client.say(format!("line {number}\n"));
        client.hears_last(&format!("{number} line {number}\n"));
    }
    wait_until("as many are open as before", || descriptors(server) == before);
    assert!(children(server).len() <= 1);
    assert_eq!(place.server_pid("w"), Some(server));
    client.end_input();
    assert_eq!(client.wait().code(), Some(0));
}

#[test]
fn a_client_that_ends_behind_a_stopped_server_leaves_no_proxy() {
    let place = Place::new();
    let mut streams = Streams::proxy(&place, &["--identifier", "w", "--", "cat"]);
    streams.is_attached();
    let server = place.server_pid("w").unwrap();
    signal(server, "STOP");
    drop(streams.input.take());
    let clock = Clock::new();
    assert_eq!(streams.child.wait().unwrap().code(), Some(EXIT_CLOSED));
    assert!(clock.now().since(reattach::session::Time(0)) > Duration::from_secs(4), "it did not wait");
    signal(server, "CONT");
    wait_until("the server lets go", || place.status("w")["state"] == "running");
}

#[test]
fn a_goodbye_to_a_stopped_server_counts_though_its_proxy_is_gone() {
    let place = Place::new();
    let mut client = Client::local(&place, &[], &COUNTER);
    client.until("Connected");
    let proxy = next_child(client.pid(), None);
    let server = place.server_pid(&place.only_identifier()).unwrap();
    signal(server, "STOP");
    // One for the program, one for the client, which says goodbye and ends the proxy in the end.
    client.signal("INT");
    wait(Duration::from_millis(200));
    client.signal("INT");
    assert!(died_by(client.wait().status, Signal::INT));
    assert!(!lives(proxy));
    signal(server, "CONT");
    place.is_left_clean();
}

#[test]
fn the_streams_are_given_back_as_they_were() {
    let place = Place::new();
    let mut streams = Streams::proxy(&place, &["--identifier", "w", "--", "cat"]);
    streams.is_attached();
    assert!(!streams.block(), "the server does not wait for them");
    // Whoever ends first: the proxy without a word, the client, or the server.
    streams.child.kill().unwrap();
    wait_until("the server gives them back", || streams.block());
    streams.child.wait().unwrap();

    let mut streams = Streams::proxy(&place, &["--identifier", "w", "--reconnect"]);
    streams.is_attached();
    drop(streams.input.take());
    assert_eq!(streams.child.wait().unwrap().code(), Some(EXIT_CLOSED));
    assert!(streams.block());

    let mut streams = Streams::proxy(&place, &["--identifier", "w", "--reconnect"]);
    streams.is_attached();
    kill(place.server_pid("w").unwrap());
    assert_eq!(streams.child.wait().unwrap().code(), Some(90));
    assert!(streams.block());
}

#[test]
fn streams_that_cannot_be_waited_for_are_relayed() {
    let place = Place::new();
    let said = place.home().join("said");
    let mut command = place.command(&["proxy", "--identifier", "w", "--", "cat"]);
    let output = std::fs::File::create(&said).unwrap();
    let mut proxy = command.stdin(Stdio::piped()).stdout(output).stderr(Stdio::null()).spawn().unwrap();
    wait_until("it speaks", || std::fs::read(&said).unwrap().starts_with(PREAMBLE));
    drop(proxy.stdin.take());
    assert_eq!(proxy.wait().unwrap().code(), Some(EXIT_CLOSED));
}

#[test]
fn a_stranger_who_is_dropped_is_told_by_its_proxy() {
    let place = Place::new();
    let mut streams = Streams::proxy(&place, &["--identifier", "w", "--", "cat"]);
    streams.is_attached();
    // No Hello: the server closes, and lives on.
    streams.input.as_mut().unwrap().write_all(&[0xff; 64]).unwrap();
    assert_eq!(streams.child.wait().unwrap().code(), Some(EXIT_LOST));
    assert_eq!(place.status("w")["state"], "running");
}

#[test]
fn ssh_ends_at_once_when_its_proxy_is_killed() {
    let place = Place::new();
    let Some(sshd) = Sshd::start(&place) else { return };
    let mut client = sshd.client(&place, &[&["--id", "w"], &RESTLESS[..]].concat(), &COUNTER);
    client.until("Connected");
    client.say("one\n");
    client.hears("1 one\n");
    let ssh = next_child(client.pid(), None);
    for proxy in proxies(&place) {
        kill(proxy);
    }
    // Though the server had the streams, too.
    wait_until("ssh ends", || !lives(ssh));
    client.until("Reconnecting");
    client.until("Connected");
    client.say("two\n");
    client.hears("1 one\n2 two\n");
    client.end_input();
    assert_eq!(client.wait().code(), Some(0));
    wait_until("no session is left", || sshd.sessions().is_empty());
}

/// The proxies that run at home here.
fn proxies(place: &Place) -> Vec<u32> {
    let is_proxy = |pid: &u32| {
        let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        words.split(|byte| *byte == 0).nth(1) == Some(b"proxy")
    };
    place.processes().into_iter().filter(is_proxy).collect()
}

/// A proxy whose standard streams we have, too.
struct Streams {
    child: Child,
    input: Option<std::fs::File>,
    output: std::fs::File,
    /// The proxy's own ends.
    theirs: [OwnedFd; 2],
}

impl Streams {
    fn proxy(place: &Place, words: &[&str]) -> Self {
        let (stdin, input) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
        let (output, stdout) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
        let theirs = [stdin.try_clone().unwrap(), stdout.try_clone().unwrap()];
        let mut command: Command = place.command(&[&["proxy"], words].concat());
        let child = command.stdin(stdin).stdout(stdout).stderr(Stdio::null()).spawn().unwrap();
        Streams { child, input: Some(input.into()), output: output.into(), theirs }
    }

    fn is_attached(&mut self) {
        let mut preamble = [0; PREAMBLE.len()];
        self.output.read_exact(&mut preamble).unwrap();
        assert_eq!(preamble, PREAMBLE);
    }

    fn block(&self) -> bool {
        self.theirs.iter().all(|fd| !fcntl_getfl(fd.as_fd()).unwrap().contains(OFlags::NONBLOCK))
    }
}

impl Drop for Streams {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
