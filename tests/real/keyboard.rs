//! A user types a passphrase on the terminal that is also the hosted program's input: it goes to ssh,
//! all of it, and nothing of it to the program.

use std::process::Child;
use std::time::Duration;

use crate::dice::Dice;
use crate::place::{Place, kill, wait};
use crate::processes::{next_child, signal_if_there};
use crate::sshd::Sshd;
use crate::terminal::{Kept, Terminal};

const PASSPHRASE: &str = "correct horse battery staple";

/// Sessions that take turns here; each has a first attach and a reconnect.
const SESSIONS: usize = 3;
const MANY_SESSIONS: usize = 25;

/// A client that ends with its test.
struct Leash(Child);

impl Drop for Leash {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// As somebody who hesitates at any letter.
fn type_passphrase(terminal: &mut Terminal, dice: &mut Dice, hinted: Option<u32>) {
    terminal.until("passphrase");
    for letter in PASSPHRASE.chars() {
        terminal.type_in(&letter.to_string());
        wait(dice.delay(Duration::from_millis(10)));
        if let Some(client) = hinted {
            wait(Duration::from_millis(30));
            signal_if_there(client, "USR1");
        }
    }
    terminal.type_in("\n");
}

fn log_in_and_come_back(sshd: &Sshd, place: &Place, dice: &mut Dice, hinted: bool) {
    let mut terminal = Terminal::open();
    let mut words = sshd.words_with_passphrase(PASSPHRASE);
    words.extend(["--log-format", "json", "--", "cat"].map(str::to_owned));
    let mut command = place.connect(&words);
    for asks_elsewhere in ["SSH_ASKPASS", "SSH_ASKPASS_REQUIRE", "DISPLAY", "SSH_AUTH_SOCK"] {
        command.env_remove(asks_elsewhere);
    }
    let mut client = Leash(terminal.run(&command));
    let output = Kept::of(client.0.stdout.take().unwrap());
    let mut last = None;
    let mut expected = String::new();
    for line in ["after the first attach\n", "after the reconnect\n"] {
        type_passphrase(&mut terminal, dice, hinted.then(|| client.0.id()));
        terminal.until("Connected");
        // And not a letter before it.
        terminal.type_in(line);
        expected.push_str(line);
        assert_eq!(output.at_least(expected.len()), expected, "{}", terminal.shown());
        let ssh = next_child(client.0.id(), last);
        last = Some(ssh);
        kill(ssh);
    }
    assert!(!terminal.shown().contains("battery"), "it was shown: {}", terminal.shown());
}

fn log_in(sessions: usize, hinted: bool) {
    let place = Place::new();
    let Some(sshd) = Sshd::start(&place) else { return };
    let mut dice = Dice::roll();
    for _ in 0..sessions {
        log_in_and_come_back(&sshd, &place, &mut dice, hinted);
    }
}

#[test]
fn a_passphrase_is_typed_for_ssh_alone() {
    log_in(SESSIONS, false);
}

/// The network changes, and the user is still typing: the ssh that asks has come through.
#[test]
fn a_hint_ends_no_ssh_that_asks_for_a_passphrase() {
    log_in(1, true);
}

#[test]
#[ignore = "fifty logins, a minute"]
fn fifty_logins_lose_no_letter_and_leak_none() {
    log_in(MANY_SESSIONS, false);
}

#[test]
fn what_is_typed_without_a_link_reaches_the_program_when_nobody_asks() {
    let place = Place::new();
    let mut terminal = Terminal::open();
    let command = place.connect(&["--local", "--log-format", "json", "--", "cat"]);
    // Before there is anybody to read it.
    terminal.type_in("early\n");
    let mut client = Leash(terminal.run(&command));
    let output = Kept::of(client.0.stdout.take().unwrap());
    assert_eq!(output.at_least(6), "early\n");
    kill(next_child(client.0.id(), None));
    terminal.type_in("late\n");
    assert_eq!(output.at_least(11), "early\nlate\n");
}
