//! Whose death it was: a client that is killed over a link that is well leaves nothing behind, and a
//! link that dies never ends a session.
//!
//! What real OpenSSH shows is seen in the server's own words, which say what it took an end for. It
//! only ever takes one for the client's death if the output stayed open for two seconds after the
//! input had ended, and ended after a word was written to it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use reattach::io::clock::Clock;
use reattach::proto::limits::{HALF_END_ANSWER, HALF_END_WAIT};
use reattach::session::Time;

use crate::client::{COUNTER, Client, RESTLESS};
use crate::place::{Place, kill, lives, signal, wait, wait_until};
use crate::processes::{next_child, signal_if_there};
use crate::sshd::Sshd;

const SOON: [&str; 2] = ["--orphan-lifetime", "300ms"];
const DEATH: &str = "the client has died, its link is well";
const LOSS: &str = "Detached: transport lost";

/// How the client's proxy carries the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carrier {
    /// The server reads and writes its streams.
    Handover,
    /// It does so itself.
    Relay,
}

const CARRIERS: [Carrier; 2] = [Carrier::Handover, Carrier::Relay];

impl Carrier {
    /// A server program whose proxies carry in that way, wherever they are started.
    fn program(self, place: &Place) -> PathBuf {
        let path = place.home().join(format!("server-{self:?}"));
        let word = if self == Carrier::Relay { "REATTACH_RELAY=1 " } else { "" };
        let text = format!("#!/bin/sh\n{word}exec {} \"$@\"\n", env!("CARGO_BIN_EXE_reattach-server"));
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }
}

/// The server's log.
fn log(place: &Place) -> String {
    let log = place.directory(&place.only_identifier()).join("server.log");
    fs::read_to_string(log).unwrap_or_default()
}

/// Waits until the server of the only session has told why it has no client.
fn until_told(place: &Place, what: &str) {
    wait_until(what, || log(place).contains(what));
}

/// The session ends as an orphan, and nobody and nothing is left but the word of it.
fn ends_as_an_orphan(place: &Place) {
    let identifier = place.only_identifier();
    until_told(place, DEATH);
    wait_until("the end of the server", || place.status(&identifier)["state"] == "ended");
    assert_eq!(place.status(&identifier)["reason"], "orphaned");
    wait_until("nobody is left", || place.processes().is_empty());
}

/// The session goes on without a client, and whoever carried it is gone.
fn is_kept(place: &Place, server: &[u32]) {
    until_told(place, LOSS);
    wait(HALF_END_WAIT + HALF_END_ANSWER + Duration::from_millis(500));
    assert!(!log(place).contains(DEATH), "{}", log(place));
    assert_eq!(place.servers(), server);
}

fn over_ssh(sshd: &Sshd, place: &Place, carrier: Carrier, words: &[&str]) -> Client {
    let program = carrier.program(place).display().to_string();
    let mut all = sshd.words();
    let at = all.iter().position(|word| word == "--server-path").unwrap();
    all[at + 1] = program;
    all.extend([words, &["--log-format", "json", "--"], &COUNTER].concat().into_iter().map(str::to_owned));
    let mut client = Client::start(place.connect(&all));
    client.say("one\n");
    client.hears("1 one\n");
    client
}

/// Words for a connection that is shared, whose master stays.
fn shared(place: &Place) -> (String, Vec<String>) {
    let path = format!("-oControlPath={}/master", place.home().display());
    let words = ["-oControlMaster=auto", &path, "-oControlPersist=60"];
    let words = words.iter().flat_map(|word| ["--ssh-arg", word]).map(str::to_owned).collect();
    (path, words)
}

#[test]
fn over_ssh_a_client_that_was_killed_is_told_from_a_link_that_died() {
    for carrier in CARRIERS {
        let place = Place::new();
        let Some(sshd) = Sshd::start(&place) else { return };
        let client = over_ssh(&sshd, &place, carrier, &SOON);
        let ssh = next_child(client.pid(), None);
        kill(client.pid());
        // ssh itself waits for its session to end.
        assert!(lives(ssh));
        ends_as_an_orphan(&place);
        wait_until("ssh ends with its session", || !lives(ssh) && sshd.sessions().is_empty());
    }
}

#[test]
fn over_ssh_the_death_of_ssh_or_of_its_host_is_the_links() {
    for carrier in CARRIERS {
        for on_host in [false, true] {
            let place = Place::new();
            let Some(sshd) = Sshd::start(&place) else { return };
            let client = over_ssh(&sshd, &place, carrier, &SOON);
            let server = place.servers();
            let ssh = next_child(client.pid(), None);
            // So that it cannot come back, and is told of the death by nobody but the link.
            client.signal("STOP");
            match on_host {
                true => sshd.signal_sessions("KILL"),
                false => signal(ssh, "KILL"),
            }
            is_kept(&place, &server);
            kill(client.pid());
            signal_if_there(ssh, "KILL");
        }
    }
}

#[test]
fn a_client_that_dies_with_its_ssh_is_kept_for() {
    let place = Place::new();
    let Some(sshd) = Sshd::start(&place) else { return };
    let client = over_ssh(&sshd, &place, Carrier::Handover, &SOON);
    let server = place.servers();
    let ssh = next_child(client.pid(), None);
    client.signal("STOP");
    kill(ssh);
    kill(client.pid());
    is_kept(&place, &server);
}

#[test]
fn over_a_shared_connection_the_two_deaths_differ_as_well() {
    for carrier in CARRIERS {
        for kills_client in [true, false] {
            let place = Place::new();
            let Some(sshd) = Sshd::start(&place) else { return };
            let (path, words) = shared(&place);
            let words: Vec<&str> = words.iter().map(String::as_str).chain(SOON).collect();
            let client = over_ssh(&sshd, &place, carrier, &words);
            let server = place.servers();
            let ssh = next_child(client.pid(), None);
            if kills_client {
                kill(client.pid());
                until_told(&place, DEATH);
                wait_until("the server ends", || place.servers().is_empty());
                wait_until("ssh ends, its master does not", || !lives(ssh));
            } else {
                client.signal("STOP");
                kill(ssh);
                is_kept(&place, &server);
                kill(client.pid());
            }
            let closed = sshd.ssh(&[]).args([&path, "-O", "exit"]).output();
            assert!(closed.is_ok());
            sshd.signal_sessions("KILL");
        }
    }
}

#[test]
fn on_this_machine_a_client_that_was_killed_is_told_from_a_proxy_that_was() {
    for start in [Client::local, Client::relayed] {
        let place = Place::new();
        let mut client = start(&place, &SOON, &COUNTER);
        client.say("one\n");
        client.hears("1 one\n");
        let server = place.servers();
        let proxy = next_child(client.pid(), None);
        client.signal("STOP");
        kill(proxy);
        is_kept(&place, &server);
        client.signal("CONT");
        client.say("two\n");
        client.hears("1 one\n2 two\n");
        kill(client.pid());
        ends_as_an_orphan(&place);
    }
}

#[test]
fn through_other_commands_a_death_shows_where_they_were_said_to_show_it() {
    let pipes = r#"sh -c 'cat | "$@" | cat' sh"#;
    for carrier in CARRIERS {
        for (words, is_told) in [(&SOON[..], true), (&[], false)] {
            let place = Place::new();
            let program = carrier.program(&place).display().to_string();
            let via = ["--via", pipes, "--server-path", &program, "--log-format", "json"];
            let all = [&via, words, &["--"], &COUNTER].concat();
            let mut client = Client::start(place.connect(&all));
            client.say("one\n");
            client.hears("1 one\n");
            let server = place.servers();
            kill(client.pid());
            match is_told {
                true => ends_as_an_orphan(&place),
                false => is_kept(&place, &server),
            }
        }
    }
}

#[test]
fn an_editor_that_kills_its_client_leaves_nothing_with_the_defaults_but_for_the_time() {
    // Six of six, three over each way.
    for _ in 0..3 {
        let place = Place::new();
        let Some(sshd) = Sshd::start(&place) else { return };
        let client = over_ssh(&sshd, &place, Carrier::Handover, &["--orphan-lifetime", "1ms"]);
        kill(client.pid());
        ends_as_an_orphan(&place);
        wait_until("no session is left", || sshd.sessions().is_empty());

        let place = Place::new();
        let mut client = Client::local(&place, &["--orphan-lifetime", "1ms"], &COUNTER);
        client.say("one\n");
        client.hears("1 one\n");
        kill(client.pid());
        ends_as_an_orphan(&place);
    }
}

#[test]
fn a_session_with_a_name_waits_for_whoever_knows_it() {
    let place = Place::new();
    let mut client = Client::local(&place, &["--id", "w"], &COUNTER);
    client.say("one\n");
    client.hears("1 one\n");
    let server = place.servers();
    kill(client.pid());
    is_kept(&place, &server);
    let mut next = Client::local(&place, &["--id", "w", "--takeover"], &COUNTER);
    next.say("two\n");
    next.hears("1 one\n2 two\n");
}

#[test]
fn a_client_that_gives_a_link_up_and_lives_is_not_taken_for_dead() {
    let place = Place::new();
    let Some(sshd) = Sshd::start(&place) else { return };
    let words = [&["--heartbeat-interval", "400ms"], &SOON[..], &RESTLESS].concat();
    let mut client = over_ssh(&sshd, &place, Carrier::Handover, &words);
    client.until("Connected");
    let server = place.servers();
    // It is the server that is silent: the link is well when it is given up.
    signal(server[0], "STOP");
    client.until("Reconnecting");
    signal(server[0], "CONT");
    client.until("Connected");
    client.say("two\n");
    client.hears("1 one\n2 two\n");
    wait(HALF_END_WAIT + HALF_END_ANSWER + Duration::from_millis(500));
    assert!(!log(&place).contains(DEATH), "{}", log(&place));
    assert_eq!(place.servers(), server);
}

#[test]
fn the_words_for_it_are_checked() {
    let place = Place::new();
    let wrong = |words: &[&str]| -> String {
        let output = place.connect(&[words, &["--local", "--", "cat"]].concat()).output().unwrap();
        assert_eq!(output.status.code(), Some(64));
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(wrong(&["--orphan-lifetime", "soon"]).contains("a time is a number with a unit"));
    assert!(wrong(&["--orphan-lifetime", "5s", "--id", "w"]).contains("--id"));
}

#[test]
fn a_killed_client_is_noticed_within_the_bound() {
    let place = Place::new();
    let mut client = Client::local(&place, &SOON, &COUNTER);
    client.say("one\n");
    client.hears("1 one\n");
    let clock = Clock::new();
    kill(client.pid());
    wait_until("the server ends", || place.servers().is_empty());
    let took = clock.now().since(Time(0));
    assert!(took >= HALF_END_WAIT, "{took:?}: a link's other half had no time to end");
}
