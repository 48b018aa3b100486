//! Users whose login shells differ, over real ssh; and an ssh that is configured for terminals.

use std::fs;
use std::net::TcpListener;
use std::process::{Command, Stdio};

use crate::client::{COUNTER, Client, RESTLESS};
use crate::guest::Guest;
use crate::kit::{Host, put_script};
use crate::place::{Place, kill};
use crate::processes::next_child;
use crate::sshd::Sshd;

/// The last one tells 30 lines before it does anything.
const SHELLS: [&str; 7] = ["sh", "bash", "dash", "zsh", "fish", "tcsh", "chatty"];

#[test]
fn every_login_shell_finds_the_server_and_passes_any_words_on() {
    let place = Place::new();
    let Some(sshd) = Guest::sshd(&place) else { return };
    let words = [
        "it's",
        "a  b",
        "$HOME",
        "`id`",
        "\"",
        "\\",
        "*",
        "",
        "new\nline\n",
        "ünïcödé €",
        "-x",
        "#",
        "!!",
        "~",
        "%s",
    ];
    let expected: String = words.iter().map(|word| format!("[{word}]")).collect();
    let mut tried = 0;
    for shell in SHELLS {
        if !["sh", "chatty"].contains(&shell) && !std::path::Path::new("/bin").join(shell).exists() {
            assert!(std::env::var_os("CI").is_none(), "{shell} is missing");
            eprintln!("SKIPPED: users of {shell}, which is missing");
            continue;
        }
        let Some(guest) = Guest::with_shell(shell) else { return };
        guest.put_server(".local/bin/reattach-server");
        let program = [&["--", "printf", "[%s]"], &words[..]].concat();
        let end = Client::start(guest.reattach(&sshd, &place, "connect", &program)).wait();
        assert_eq!((end.code(), end.text()), (Some(0), expected.clone()), "{shell}: {end:?}");
        // And the way back.
        let all = [&["--log-format", "json"], &RESTLESS[..], &["--"], &["cat"]].concat();
        let mut client = Client::start(guest.reattach(&sshd, &place, "connect", &all));
        client.until("Connected");
        client.say("one\n");
        kill(next_child(client.pid(), None));
        client.until("Reconnecting");
        client.until("Connected");
        client.say("two\n");
        client.hears("one\ntwo\n");
        client.end_input();
        assert_eq!(client.wait().code(), Some(0), "{shell}");
        tried += 1;
    }
    assert!(tried > 1);
}

#[test]
fn without_a_home_in_its_environment_a_host_asks_the_account_database() {
    let Some(guest) = Guest::with_shell("sh") else { return };
    guest.put_server(".local/bin/reattach-server");
    let place = Place::new();
    let via = format!("{} env -u HOME", guest.via());
    let output = place.connect(&["--via", &via, "--", "echo", "hello"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "hello\n", "{output:?}");
    assert!(guest.home().join(".local/state/reattach").exists());
}

/// A session over the ssh of somebody whose configuration has this for the host.
fn is_well_with(sshd: &Sshd, place: &Place, config: &str) {
    let plain = fs::read_to_string(sshd.config()).unwrap();
    let path = place.home().join("ssh_config");
    fs::write(&path, format!("{config}\n{plain}")).unwrap();
    let mut words = sshd.words();
    let ours = sshd.config().display().to_string();
    words.iter_mut().filter(|word| **word == ours).for_each(|word| *word = path.display().to_string());
    words.extend(
        [&["--log-format", "json"], &RESTLESS[..], &["--"], &COUNTER].concat().into_iter().map(str::to_owned),
    );
    let mut client = Client::start(place.connect(&words));
    client.until("Connected");
    client.say("one\n");
    client.hears("1 one\n");
    kill(next_child(client.pid(), None));
    client.until("Reconnecting");
    client.until("Connected");
    client.say("two\n");
    client.hears("1 one\n2 two\n");
    client.end_input();
    assert_eq!(client.wait().code(), Some(0));
    fs::remove_file(path).unwrap();
}

#[test]
fn what_is_configured_for_terminals_does_not_hold_for_sessions() {
    let place = Place::new();
    let Some(sshd) = Sshd::start(&place) else { return };
    // Somebody else's, so that a forwarding of it would fail.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    is_well_with(
        &sshd,
        &place,
        &format!(
            "Host box\n RemoteCommand echo this is tmux\n RequestTTY force\n ExitOnForwardFailure yes\n \
             LocalForward {port} localhost:1\n EscapeChar ~\n"
        ),
    );
    if knows_session_types() {
        is_well_with(
            &sshd,
            &place,
            "Host box\n SessionType none\n StdinNull yes\n ForkAfterAuthentication yes\n",
        );
    }
}

#[test]
fn words_that_the_user_has_ssh_ignore_are_still_ignored() {
    let place = Place::new();
    let Some(sshd) = Sshd::start(&place) else { return };
    is_well_with(&sshd, &place, "IgnoreUnknown UseKeychain\nUseKeychain yes\n");
}

/// As OpenSSH does since its version 8.7.
fn knows_session_types() -> bool {
    let mut ssh = Command::new("ssh");
    ssh.args(["-G", "-o", "SessionType=default", "box"]).stdout(Stdio::null()).stderr(Stdio::null());
    ssh.status().unwrap().success()
}

#[test]
fn an_old_ssh_is_told_nothing_that_it_does_not_know() {
    let place = Place::new();
    let Some(sshd) = Sshd::start(&place) else { return };
    let host = Host::new();
    let script = "#!/bin/sh\n[ \"$1\" = -V ] && { echo OpenSSH_7.4p1, OpenSSL 1.0.2k-fips >&2; exit; }\n\
                  case \"$*\" in *SessionType*|*StdinNull*|*ForkAfter*|*RemoteCommand*)\n\
                  echo 'command-line: line 0: Bad configuration option' >&2; exit 255;; esac\n\
                  exec /usr/bin/ssh \"$@\"\n";
    put_script(&host.tools().join("ssh"), script);
    let mut command = sshd.connect(&place, &[], &["echo", "hello"]);
    command.env("PATH", format!("{}:/usr/bin:/bin", host.tools().display()));
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "hello\n", "{output:?}");
}
