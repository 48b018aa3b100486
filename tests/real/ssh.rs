//! Over real ssh: the connection dies on either side, or freezes, and the session does not.

use std::io::{Read, Write};
use std::process::Stdio;
use std::time::Duration;

use reattach::io::clock::Clock;
use reattach::session::Time;

use crate::client::{COUNTER, Client, RESTLESS};
use crate::dice::Dice;
use crate::link::died_by;
use crate::place::{Place, kill, lives, signal, wait, wait_until};
use crate::processes::next_child;
use crate::sshd::Sshd;

const KILLS: usize = 8;

#[test]
fn lines_arrive_once_and_in_order_though_ssh_is_killed() {
    let place = Place::new();
    let Some(sshd) = Sshd::start(&place) else { return };
    let mut dice = Dice::roll();
    let mut client = sshd.client(&place, &RESTLESS, &COUNTER);
    client.until("Connected");
    let server = place.servers();
    let mut sent = 0;
    let mut last = None;
    for _ in 0..KILLS {
        let lines: String = (sent + 1..=sent + 500).map(|n| format!("line {n}\n")).collect();
        sent += 500;
        client.say(lines);
        let ssh = next_child(client.pid(), last);
        wait(dice.delay(Duration::from_millis(400)));
        kill(ssh);
        last = Some(ssh);
    }
    client.hears((1..=sent).map(|n| format!("{n} line {n}\n")).collect::<String>());
    assert_eq!(place.servers(), server);
    client.end_input();
    assert_eq!(client.wait().code(), Some(0));
    wait_until("no session is left", || sshd.sessions().is_empty());
    place.is_left_clean();
}

#[test]
fn bytes_of_any_kind_pass_through_ssh() {
    let place = Place::new();
    let Some(sshd) = Sshd::start(&place) else { return };
    let bytes = Dice::roll().bytes(16 << 20);
    let mut client = sshd.client(&place, &RESTLESS, &["cat"]);
    let mut input = client.take_input();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            input.write_all(&bytes).unwrap();
            drop(input);
        });
        client.heard(bytes.len() / 2, |_| ());
        kill(next_child(client.pid(), None));
        client.heard(bytes.len(), |heard| assert!(heard == bytes));
    });
    assert_eq!(client.wait().code(), Some(0));
    place.is_left_clean();
}

#[test]
fn a_logout_does_not_take_the_server_along() {
    let place = Place::new();
    let Some(sshd) = Sshd::start(&place) else { return };
    let mut client = sshd.client(&place, &[&["--id", "w"], &RESTLESS[..]].concat(), &COUNTER);
    client.until("Connected");
    client.say("one\n");
    client.hears("1 one\n");
    let server = place.server_pid("w");
    // The side that nobody can see from here: the session's process on the host.
    sshd.signal_sessions("KILL");
    client.until("Reconnecting");
    client.until("Connected");
    client.say("two\n");
    client.hears("1 one\n2 two\n");
    // And a hangup, as a logout sends it.
    sshd.signal_sessions("HUP");
    client.until("Reconnecting");
    client.until("Connected");
    client.say("three\n");
    client.hears("1 one\n2 two\n3 three\n");
    assert_eq!(place.server_pid("w"), server);
}

#[test]
fn ssh_ends_with_its_proxy_though_the_server_lives_on() {
    let place = Place::new();
    let Some(sshd) = Sshd::start(&place) else { return };
    let server = env!("CARGO_BIN_EXE_reattach-server");
    // Its input is at its end at once; if the server held anything of ssh's, this would hang.
    let output = sshd.ssh(&[server, "proxy", "--identifier", "w", "--", "cat"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(place.status("w")["state"], "running");
    wait_until("the session is over", || sshd.sessions().is_empty());
}

#[test]
fn a_frozen_host_is_noticed_long_before_ssh_does() {
    let place = Place::new();
    let Some(sshd) = Sshd::start(&place) else { return };
    let words = [&["--id", "w", "--heartbeat-interval", "400ms"], &RESTLESS[..]].concat();
    let mut client = sshd.client(&place, &words, &COUNTER);
    client.until("Connected");
    client.say("one\n");
    client.hears("1 one\n");
    let server = place.server_pid("w");
    let frozen = sshd.sessions();
    for session in &frozen {
        signal(*session, "STOP");
    }
    client.say("two\n");
    client.until("HeartbeatMissed");
    client.until("Connected");
    client.hears("1 one\n2 two\n");
    assert_eq!(place.server_pid("w"), server);
    for session in &frozen {
        signal(*session, "CONT");
    }
    wait_until("the frozen session ends", || !frozen.iter().any(|session| lives(*session)));
    client.say("three\n");
    client.hears("1 one\n2 two\n3 three\n");
}

#[test]
fn a_shared_connection_that_stays_open_keeps_nobody_waiting() {
    let place = Place::new();
    let Some(sshd) = Sshd::start(&place) else { return };
    let path = format!("-oControlPath={}/master", place.home().display());
    let shared = ["-oControlMaster=auto", &path, "-oControlPersist=60"];
    let words: Vec<_> = shared.iter().flat_map(|word| ["--ssh-arg", word]).chain(RESTLESS).collect();
    let mut client = sshd.client(&place, &words, &COUNTER);
    client.say("one\n");
    client.hears("1 one\n");
    kill(next_child(client.pid(), None));
    client.say("two\n");
    client.hears("1 one\n2 two\n");
    client.end_input();
    // The master has our standard error, and lives on.
    let clock = Clock::new();
    assert_eq!(client.wait().code(), Some(0));
    assert!(clock.now().since(Time(0)) < Duration::from_secs(10));
    let closed = sshd.ssh(&[]).args([&path, "-O", "exit"]).output();
    assert!(closed.is_ok());
    sshd.signal_sessions("KILL");
    place.is_left_clean();
}

#[test]
fn outputs_and_the_exit_status_stay_apart() {
    let place = Place::new();
    let Some(sshd) = Sshd::start(&place) else { return };
    let program = ["sh", "-c", "echo out; echo err >&2; exit 7"];
    let end = Client::start(sshd.connect(&place, &[], &program)).wait();
    assert_eq!((end.code(), end.text(), end.said), (Some(7), "out\n".to_owned(), vec!["err".to_owned()]));
    place.is_left_clean();
}

#[test]
fn a_client_that_leaves_in_the_middle_of_a_flood_leaves_nothing() {
    let place = Place::new();
    let Some(sshd) = Sshd::start(&place) else { return };
    for _ in 0..5 {
        let mut command = sshd.connect(&place, &[], &["yes"]);
        let mut client = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut output = client.stdout.take().unwrap();
        output.read_exact(&mut [0; 1 << 20]).unwrap();
        drop(output);
        assert!(died_by(client.wait().unwrap(), rustix::process::Signal::PIPE));
        wait_until("no session is left", || sshd.sessions().is_empty());
        place.is_left_clean();
    }
}

#[test]
fn words_arrive_as_they_were_given() {
    let place = Place::new();
    let Some(sshd) = Sshd::start(&place) else { return };
    let words = ["it's", "a  b", "$HOME", "`id`", "\"", "\\", "*", "", "new\nline", "ü", "-x", "#", "!"];
    let end = Client::start(sshd.connect(&place, &[], &[&["printf", "[%s]"], &words[..]].concat())).wait();
    let expected: String = words.iter().map(|word| format!("[{word}]")).collect();
    assert_eq!((end.code(), end.text()), (Some(0), expected));
}

#[test]
fn what_ssh_says_is_in_our_sentence() {
    let place = Place::new();
    let Some(sshd) = Sshd::start(&place) else { return };
    let cases: [(&[&str], &str); 3] = [
        // The privileged ports of this machine are nobody's here.
        (&["--ssh-arg", "-p1"], "port 1: Connection refused"),
        (&["--ssh-arg", "-lnobody-of-that-name"], "Permission denied"),
        (&["--server-path", "/no/such/server"], "/no/such/server"),
    ];
    for (words, part) in cases {
        let mut all = sshd.words();
        if words[0] == "--server-path" {
            all.truncate(all.len() - 2);
        }
        all.extend(words.iter().map(|word| (*word).to_owned()));
        all.extend(["--".to_owned(), "cat".to_owned()]);
        let output = place.connect(&all).stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(255), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.starts_with("reattach: could not connect to box: ") && said.contains(part), "{said}");
    }
    assert!(place.files().is_empty() && place.servers().is_empty());
}
