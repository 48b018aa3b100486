//! What the commands of transports start, and do not end themselves: nothing of it is left, and nothing that
//! is not theirs is touched.

use std::fs;
use std::process::{Command, Stdio};

use crate::client::{COUNTER, Client, RESTLESS};
use crate::place::{Place, kill, wait_until};
use crate::processes::next_child;
use crate::sshd::Sshd;
use crate::wire::entered;

const RECONNECTS: usize = 200;

/// Processes whose program and arguments are these.
fn running(words: &str) -> Vec<u32> {
    let output = Command::new("ps").args(["-axww", "-o", "pid=,stat=,args="]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let fields = said.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    fields
        .filter(|fields| !fields[1].starts_with('Z') && fields[2..].join(" ") == words)
        .map(|fields| fields[0].parse().unwrap())
        .collect()
}

/// A sleeper that is nobody else's.
fn sleeper(seconds: u32) -> String {
    format!("sleep {}", 100_000 * seconds + std::process::id() % 100_000)
}

#[test]
fn nothing_that_wrappers_start_is_left_after_two_hundred_reconnects() {
    let place = Place::new();
    let sleeper = sleeper(1);
    let via = format!("sh -c '{sleeper} & exec \"$@\"' sh");
    let words = [&["--log-format", "json", "--via", &via, "--id", "w"], &RESTLESS[..]].concat();
    let server = ["--server-path", env!("CARGO_BIN_EXE_reattach-server"), "--"];
    let mut client = Client::start(place.connect(&[&words[..], &server, &COUNTER].concat()));
    client.until("Connected");
    let mut proxy = None;
    for number in 0..RECONNECTS {
        let current = next_child(client.pid(), proxy);
        kill(current);
        proxy = Some(current);
        client.until("Connected");
        client.say(format!("line {number}\n"));
        client.hears_last(&format!("{} line {number}\n", number + 1));
    }
    wait_until("no more than the last one's is there", || running(&sleeper).len() <= 1);
    client.end_input();
    assert_eq!(client.wait().code(), Some(0));
    wait_until("none is left", || running(&sleeper).is_empty());
}

#[test]
fn a_command_of_ssh_that_never_answers_goes_with_each_attempt() {
    let place = Place::new();
    let Some(sshd) = Sshd::start(&place) else { return };
    let sleeper = sleeper(2);
    let patience = ["--backoff-min", "1ms", "--backoff-max", "2ms", "--open-timeout", "300ms"];
    let mut client = sshd.client(&place, &patience, &COUNTER);
    client.until("Connected");
    let well = fs::read_to_string(sshd.config()).unwrap();
    fs::write(sshd.config(), format!("{well} ProxyCommand {sleeper}\n")).unwrap();
    kill(next_child(client.pid(), None));
    client.until("ReconnectExhausted");
    wait_until("none is left", || running(&sleeper).is_empty());
    client.signal("TERM");
    client.wait();
}

#[test]
fn a_client_that_is_killed_leaves_what_ssh_started_no_longer_than_ssh() {
    let place = Place::new();
    let sleeper = sleeper(3);
    let via = format!("sh -c '{sleeper} & exec \"$@\"' sh");
    let server = ["--server-path", env!("CARGO_BIN_EXE_reattach-server"), "--"];
    let words = ["--log-format", "json", "--via", &via];
    let mut client = Client::start(place.connect(&[&words[..], &server, &COUNTER].concat()));
    client.until("Connected");
    client.signal("TERM");
    client.wait();
    wait_until("none is left", || running(&sleeper).is_empty());
}

#[test]
fn an_ssh_master_of_the_users_stays_with_the_way_that_it_goes() {
    let place = Place::new();
    let Some(sshd) = Sshd::start(&place) else { return };
    let config = sshd.config();
    let own = fs::read_to_string(&config).unwrap();
    let port = own.lines().find_map(|line| line.trim().strip_prefix("Port ")).unwrap();
    let hop = format!("ssh -F {} -W 127.0.0.1:{port} box", config.display());
    let socket = place.home().join("master");
    let far = own.replacen("Host box\n", "Host far\n", 1);
    let far = format!(
        "{far} ProxyCommand {hop}\n ControlMaster auto\n ControlPath {}\n ControlPersist 60\n",
        socket.display()
    );
    fs::write(&config, format!("{own}{far}")).unwrap();
    let master = |what: &str| {
        let mut command = Command::new("ssh");
        let command = command.arg("-F").arg(&config).args(["-O", what, "far"]).stdin(Stdio::null());
        String::from_utf8(command.output().unwrap().stderr).unwrap()
    };
    let mut words = sshd.words();
    words[0] = "far".to_owned();
    words.extend(["--log-format", "json", "--"].map(str::to_owned));
    words.extend(COUNTER.map(str::to_owned));
    let mut client = Client::start(place.connect(&words));
    client.until("Connected");
    client.say("one\n");
    client.hears("1 one\n");
    let before = master("check");
    assert!(before.starts_with("Master running"), "{before}");
    client.end_input();
    assert_eq!(client.wait().code(), Some(0));
    assert_eq!(running(&hop).len(), 1, "the master has lost its way");
    assert_eq!(master("check"), before);
    master("exit");
    wait_until("the master and its way are gone", || running(&hop).is_empty());
}

/// In a container that is entered from outside (`docker exec`), the leader of the session is nobody's that
/// can be seen: its number is 0.
#[test]
fn inside_a_container_that_was_entered_nothing_is_left_either() {
    let enter = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--"].map(str::to_owned);
    let tried = entered(Command::new("true"), &enter).output();
    if !tried.as_ref().is_ok_and(|tried| tried.status.success()) {
        eprintln!("SKIPPED: no namespace for processes can be made here: {tried:?}");
        return;
    }
    let place = Place::new();
    let sleeper = sleeper(4);
    let via = format!("sh -c '{sleeper} & exec \"$@\"' sh");
    let server = ["--server-path", env!("CARGO_BIN_EXE_reattach-server"), "--"];
    let words = ["--log-format", "json", "--via", &via];
    let counted = "until [ \"$(ps -axww -o args= | grep -c '^sleep')\" = 0 ]; do sleep 0.05; done";
    let connect = place.connect(&[&words[..], &server, &COUNTER].concat());
    // Within it `true` follows, so that its end is not what ends the sleeper.
    let mut all =
        vec!["sh".to_owned(), "-c".to_owned(), format!("\"$@\" && {counted} && exit 3"), "sh".to_owned()];
    all.splice(0..0, enter);
    let mut client = Client::start(entered(connect, &all));
    client.until("Connected");
    client.say("one\n");
    client.hears("1 one\n");
    client.end_input();
    assert_eq!(client.wait().code(), Some(3));
}
