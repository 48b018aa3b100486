//! Where the server's program is looked for on its host, and how a session is found again whatever becomes of it.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use crate::client::{COUNTER, Client, RESTLESS};
use crate::kit::{Host, put_script, sentence};
use crate::link::Link;
use crate::place::{Place, wait_until};

const NOT_CONNECTED: i32 = 255;

/// The places in the order in which they are looked at, in a host's home, but for the path.
fn places(host: &Host) -> [PathBuf; 5] {
    [
        host.installed(),
        host.tools().join("reattach-server"),
        host.path(".local/bin/reattach-server"),
        host.path(".cargo/bin/reattach-server"),
        host.path(".local/share/reattach/9.8.7/reattach-server"),
    ]
}

fn says(host: &Host, words: &[&str]) -> String {
    sentence(&host.connect(words, &["cat"]).output().unwrap(), NOT_CONNECTED)
}

#[test]
fn the_first_place_with_a_server_has_it() {
    let host = Host::new();
    for (number, path) in places(&host).iter().enumerate().rev() {
        host.put_fake(path, &format!("number {number}"), "1,1");
        assert_eq!(says(&host, &[]), format!("reattach: this is number {number}\n"));
    }
    let asked_for = host.path("bin with spaces/it's $HOME");
    host.put_fake(&asked_for, "what was asked for", "1,1");
    for path in ["~/bin with spaces/it's $HOME", asked_for.to_str().unwrap()] {
        assert_eq!(says(&host, &["--server-path", path]), "reattach: this is what was asked for\n");
    }
    // Who asks for one gets no other.
    for path in ["~/no/such", "/no/such"] {
        assert!(says(&host, &["--server-path", path]).contains("/no/such"));
    }
}

#[test]
fn a_server_that_does_not_fit_is_passed_by_for_one_that_does() {
    let host = Host::new();
    let [installed, path, local, cargo, _] = places(&host);
    host.put_fake(&path, "one from the future", "7,9");
    host.put_fake(&local, "one from the past", "0,0");
    fs::create_dir_all(installed.parent().unwrap()).unwrap();
    put_script(&installed, "\u{7f}no program");
    host.put_fake(&cargo, "one that fits", "0,3");
    assert_eq!(says(&host, &[]), "reattach: this is one that fits\n");
}

#[test]
fn where_none_fits_the_sentence_says_which_to_renew() {
    let version = env!("CARGO_PKG_VERSION");
    for (protocol, speaks, renew) in
        [("7,9", "7 to 9", "renew this client"), ("0,0", "0 to 0", "renew the server there")]
    {
        let host = Host::new();
        let path = host.path(".local/bin/reattach-server");
        host.put_fake(&path, "of no use", protocol);
        let said = says(&host, &[]);
        let part = format!(
            "{} there is version 9.8.7 and speaks protocol {speaks}, this client is version {version} and speaks 1 to 1: {renew}; `reattach install --via",
            path.display()
        );
        assert!(said.contains(&part), "{said}");
    }
}

#[test]
fn a_program_that_does_not_run_is_the_reason() {
    let host = Host::new();
    let path = host.path(".cargo/bin/reattach-server");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    put_script(&path, "#!/no/such/interpreter\n");
    let said = says(&host, &[]);
    assert!(said.contains(&format!("{} cannot be used there: ", path.display())), "{said}");
}

#[test]
fn whatever_a_hosts_shell_is_it_finds_and_it_installs() {
    for shell in ["dash", "bash", "zsh", "busybox", "mksh", "ksh93"] {
        let host = Host::new();
        if !host.has_shell(shell) {
            continue;
        }
        let path = host.path(".local/bin/reattach-server");
        host.put_fake(&path, "of no use", "7,9");
        let said = says(&host, &[]);
        assert!(said.contains("is version 9.8.7 and speaks protocol 7 to 9, this client"), "{shell}: {said}");
        put_script(&path, "a \"quote\" and a \\");
        let said = says(&host, &[]);
        assert!(said.contains("reattach-server cannot be used there: "), "{shell}: {said}");
        assert!(sentence(&host.installs(&[]), 0).contains("checked with sha256sum"), "{shell}");
        let output =
            host.connect(&[], &["printf", "%s|", "it's", "", "a\nb"]).stdin(Stdio::null()).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "it's||a\nb|", "{shell}: {output:?}");
    }
}

#[test]
fn a_session_is_found_again_whatever_becomes_of_its_program() {
    let host = Host::new();
    let [installed, _, local, cargo, _] = places(&host);
    host.put_server(&local);
    let link = Link::new();
    let [via, words, ..] = &link.words()[..] else { panic!("a link has words") };
    let wrapped = format!("{words} {}", host.via());
    let all =
        [&[via, wrapped.as_str(), "--log-format", "json", "--id", "w"], &RESTLESS[..], &["--"], &COUNTER];
    let mut client = Client::start(host.place.connect(&all.concat()));
    client.until("Connected");
    client.say("one\n");
    client.hears("1 one\n");
    let server = host.place.server_pid("w");
    let mut heard = "1 one\n".to_owned();
    let mut goes_on = |client: &mut Client, number: usize| {
        client.until("Connected");
        client.say("more\n");
        heard.push_str(&format!("{number} more\n"));
        client.hears(&heard);
        assert_eq!((host.place.server_pid("w"), host.place.servers().len()), (server, 1));
    };
    // Renewed: the next proxy is the new one.
    host.put_server(&local);
    link.cut();
    goes_on(&mut client, 2);
    // Removed: nobody can come back, and nobody says that the session is over.
    fs::remove_file(&local).unwrap();
    link.cut();
    // The loss itself is the first.
    while !client.until("ReconnectFailed").cause.contains("was not found there") {}
    assert_eq!(host.place.server_pid("w"), server);
    // Another proxy that fits will do, wherever it is.
    host.put_server(&cargo);
    goes_on(&mut client, 3);
    // Replaced by something else, by one of another protocol, and by one that is cut off.
    for (number, what) in ["#!/bin/sh\nexit 1\n", "", "\u{7f}ELF"].into_iter().enumerate() {
        put_script(&cargo, what);
        host.put_server(&installed);
        link.cut();
        goes_on(&mut client, 4 + number);
        fs::remove_file(&installed).unwrap();
        host.put_server(&cargo);
    }
    host.put_fake(&cargo, "one from the future", "7,9");
    host.put_server(&local);
    link.cut();
    goes_on(&mut client, 7);
    client.end_input();
    assert_eq!(client.wait().code(), Some(0));
    wait_until("the server ends", || host.place.servers().is_empty());
}

#[test]
fn a_session_of_a_program_that_was_named_is_found_again_by_another_one_that_fits() {
    let host = Host::new();
    let [_, _, local, cargo, _] = places(&host);
    let named = host.path("my bin/reattach-server");
    host.put_server(&named);
    let link = Link::new();
    let via = format!("{} {}", link.words()[1], host.via());
    let words =
        ["--via", &via, "--server-path", "~/my bin/reattach-server", "--log-format", "json", "--id", "w"];
    let mut client = Client::start(host.place.connect(&[&words, &RESTLESS[..], &["--"], &COUNTER].concat()));
    client.until("Connected");
    let server = host.place.server_pid("w");
    fs::remove_file(&named).unwrap();
    host.put_fake(&local, "one from the future", "7,9");
    host.put_server(&cargo);
    link.cut();
    client.until("Connected");
    client.say("one\n");
    client.hears("1 one\n");
    assert_eq!(host.place.server_pid("w"), server);
    client.end_input();
    assert_eq!(client.wait().code(), Some(0));
}

#[test]
fn a_local_server_path_may_be_in_the_home_directory() {
    let place = Place::new();
    let host = Host::new();
    fs::create_dir_all(place.home().join("bin")).unwrap();
    host.put_server(&place.home().join("bin/server"));
    let words = ["--local", "--server-path", "~/bin/server", "--", "echo", "hello"];
    let output = place.connect(&words).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "hello\n", "{output:?}");
}
