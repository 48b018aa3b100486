//! Sessions over a connection that ssh shares among them (`ControlMaster`), when that is dead but not
//! closed: theirs is the way back, and the connection is its owner's.

use std::cell::Cell;
use std::process::Command;
use std::time::Duration;

use crate::client::{COUNTER, Client, RESTLESS};
use crate::place::{Place, kill, lives, signal, wait_until};
use crate::processes::{children, command_name, signal_if_there};
use crate::sshd::Sshd;

/// From the loss that was noticed to the session on a way of its own.
const PROMPT: Duration = Duration::from_secs(10);

/// A shared connection, and the process that holds it.
struct Shared {
    place: Place,
    sshd: Sshd,
    stopped: Cell<Option<u32>>,
}

impl Shared {
    fn new() -> Option<Self> {
        let place = Place::new();
        let sshd = Sshd::start(&place)?;
        Some(Shared { place, sshd, stopped: Cell::new(None) })
    }

    fn path(&self) -> String {
        format!("-oControlPath={}/master", self.place.home().display())
    }

    fn client(&self, words: &[&str]) -> Client {
        let path = self.path();
        let shared = ["-oControlMaster=auto", &path, "-oControlPersist=60"];
        let shared: Vec<_> = shared.iter().flat_map(|word| ["--ssh-arg", word]).collect();
        self.sshd.client(&self.place, &[&shared[..], words].concat(), &COUNTER)
    }

    fn ask(&self, what: &str) -> Command {
        let mut command = self.sshd.ssh(&[]);
        command.args([&self.path(), "-O", what]);
        command
    }

    /// The process that holds the connection.
    fn master(&self) -> u32 {
        let output = self.ask("check").output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let digits: String = said.chars().filter(char::is_ascii_digit).collect();
        digits.parse().unwrap_or_else(|_| panic!("no master: {said}"))
    }
}

impl Shared {
    /// The connection is dead and not closed.
    fn stop(&self, master: u32) {
        self.stopped.set(Some(master));
        signal(master, "STOP");
    }

    fn go_on(&self) {
        if let Some(master) = self.stopped.take() {
            signal_if_there(master, "CONT");
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.go_on();
        let _ = self.ask("exit").output();
        self.sshd.signal_sessions("KILL");
    }
}

#[test]
fn a_shared_connection_that_is_dead_is_passed_by_and_left_alone() {
    let Some(shared) = Shared::new() else { return };
    let mut client = shared.client(&["--heartbeat-interval", "400ms"]);
    client.until("Connected");
    client.say("one\n");
    client.hears("1 one\n");
    let master = shared.master();
    shared.stop(master);
    client.say("two\n");
    let lost = client.until("Reconnecting").heard_at;
    let back = client.until("Connected").heard_at;
    shared.go_on();
    client.hears("1 one\n2 two\n");
    println!("a dead shared connection: back {:?} after the loss", back.since(lost));
    assert!(back.since(lost) <= PROMPT, "{:?}", back.since(lost));
    assert!(lives(master) && shared.master() == master);
    client.end_input();
    assert_eq!(client.wait().code(), Some(0));
    assert!(lives(master) && shared.master() == master);
}

#[test]
#[ignore = "takes two minutes"]
fn however_often_a_session_comes_back_it_has_one_ssh() {
    const TIMES: usize = 200;
    let Some(shared) = Shared::new() else { return };
    let mut client = shared.client(&RESTLESS);
    client.until("Connected");
    let master = shared.master();
    for _ in 0..TIMES {
        let ssh: Vec<u32> =
            children(client.pid()).into_iter().filter(|child| command_name(*child) == "ssh").collect();
        assert_eq!(ssh.len(), 1);
        kill(ssh[0]);
        client.until("Connected");
    }
    client.end_input();
    assert_eq!(client.wait().code(), Some(0));
    wait_until("only the shared connection is left", || {
        shared.place.processes().into_iter().all(|pid| pid == master)
    });
    assert_eq!(shared.master(), master);
}
