//! `reattach retry`: a user's own clients, told to try now.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::client::{COUNTER, Client};
use crate::link::Link;
use crate::place::{Place, kill, signal, wait_until};

/// One that is out of attempts in no time, and then waits for somebody.
const HASTY: [&str; 8] =
    ["--backoff-min", "1ms", "--backoff-max", "5ms", "--network-notices", "off", "--patience", "off"];

impl Place {
    fn retry(&self, words: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reattach"));
        command.arg("retry").args(words);
        self.welcome(command).output().unwrap()
    }

    fn bells(&self) -> Vec<PathBuf> {
        bells_in(&self.runtime().join("reattach/clients"))
    }

    /// A client that has given up, and its link, which is down.
    fn exhausted(&self, name: &str) -> (Client, Link) {
        let link = Link::new();
        let mut client = link.client(self, &[&["--id", name], &HASTY[..]].concat(), &COUNTER);
        client.until("Connected");
        link.down();
        client.until("ReconnectExhausted");
        (client, link)
    }
}

// Where a runtime directory is not used, all tests of a user meet in the same place: those that count whom
// they reach take turns with the one that goes there.

fn bells_in(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn said(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr].concat();
    String::from_utf8(both).unwrap()
}

#[test]
fn a_client_that_has_given_up_tries_when_told() {
    let place = Place::new();
    let (mut client, link) = place.exhausted("w");
    link.up();
    let output = place.retry(&["w"]);
    client.until("Connected");
    client.say("one\n");
    client.hears("1 one\n");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).starts_with("1 client tries now\nw on sh "), "{}", said(&output));
    assert!(said(&output).ends_with(", which was ReconnectExhausted\n"), "{}", said(&output));
}

#[test]
#[serial_test::serial(bells)]
fn all_clients_are_reached_or_the_one_that_is_named() {
    let place = Place::new();
    // Whoever runs the tests may have clients of his own, and run them twice.
    let named = |name: &str| format!("{name}-{}", std::process::id());
    let (mut one, first) = place.exhausted(&named("one"));
    let (mut two, second) = place.exhausted(&named("two"));
    first.up();
    second.up();
    let output = place.retry(&[&named("two"), "--json"]);
    two.until("Connected");
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["reached"].as_array().unwrap().len(), 1, "{told}");
    assert_eq!(told["reached"][0]["identifier"], named("two"));
    assert_eq!(one.events().last().unwrap().state, "ReconnectExhausted");
    // One that is well takes no harm.
    let output = place.retry(&[]);
    one.until("Connected");
    for name in ["one", "two"] {
        assert!(said(&output).contains(&format!("\n{} on sh ", named(name))), "{}", said(&output));
    }
    two.say("still here\n");
    two.hears("1 still here\n");
}

#[test]
#[serial_test::serial(bells)]
fn nobody_to_tell_is_a_sentence_and_a_failure() {
    let place = Place::new();
    let mut client = Client::local(&place, &["--id", "w"], &["cat"]);
    client.until("Connected");
    let nobody = format!("nobody-{}", std::process::id());
    let output = place.retry(&[&nobody]);
    assert_eq!(output.status.code(), Some(1));
    let sentence =
        format!("reattach: no client of yours with the name {nobody} was reached on this machine\n");
    assert!(said(&output).contains(&sentence), "{}", said(&output));
    assert_eq!(place.retry(&["no/name"]).status.code(), Some(64));
}

#[test]
#[serial_test::serial(bells)]
fn what_a_killed_client_left_is_taken_away_by_whoever_finds_it() {
    let place = Place::new();
    let hang = || {
        let mut client = Client::local(&place, &[], &["cat"]);
        client.until("Connected");
        wait_until("it has a bell", || !place.bells().is_empty());
        client
    };
    kill(hang().pid());
    assert_eq!(place.bells().len(), 1);
    place.retry(&[]);
    assert_eq!(place.bells(), Vec::<PathBuf>::new());
    let killed = hang();
    let before = place.bells();
    kill(killed.pid());
    let mut next = hang();
    wait_until("only the next one's is left", || place.bells().len() == 1 && place.bells() != before);
    next.end_input();
    assert_eq!(next.wait().code(), Some(0));
    assert_eq!(std::fs::read_dir(place.runtime()).unwrap().count(), 0);
}

#[test]
#[serial_test::serial(bells)]
fn a_client_that_is_stopped_keeps_nobody_from_the_others() {
    let place = Place::new();
    let mut stopped = Client::local(&place, &["--id", "one"], &["cat"]);
    stopped.until("Connected");
    let (mut client, link) = place.exhausted("two");
    wait_until("both have bells", || place.bells().len() == 2);
    link.up();
    signal(stopped.pid(), "STOP");
    let output = place.retry(&[]);
    client.until("Connected");
    assert_eq!(output.status.code(), Some(0));
    assert!(said(&output).ends_with("\nreattach: 1 client does not answer\n"), "{}", said(&output));
    signal(stopped.pid(), "CONT");
}

#[test]
#[serial_test::serial(bells)]
fn a_directory_that_others_may_write_is_not_used() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    std::fs::set_permissions(place.runtime(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let name = format!("w{}", std::process::id());
    let mut client = Client::local(&place, &["--id", &name], &["cat"]);
    client.until("Connected");
    let short = format!("/tmp/reattach-{}/clients", rustix::process::geteuid().as_raw());
    wait_until("it has a bell elsewhere", || !bells_in(Path::new(&short)).is_empty());
    assert_eq!(std::fs::read_dir(place.runtime()).unwrap().count(), 0);
    wait_until("it is reached", || place.retry(&[&name]).status.code() == Some(0));
}
