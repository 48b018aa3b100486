//! Exit code 90 counts only as the word of a proxy on the session's own host: a name that leads elsewhere and a
//! shell that ends with any code prove nothing, and the server that lives is found again.

use std::fs;

use crate::client::{COUNTER, Client, RESTLESS};
use crate::place::{Place, kill, wait_until};
use crate::processes::next_child;
use crate::sshd::Sshd;

/// Cuts the client's link, and waits until an attempt to come back has failed for that reason.
fn comes_back_in_vain(client: &mut Client, why: &str) {
    kill(next_child(client.pid(), None));
    let failed = client.until("ReconnectFailed");
    // The first attempt comes at once, and is the one that is meant.
    let failed = if failed.count == Some(0) { client.until("ReconnectFailed") } else { failed };
    assert!(failed.cause.contains(why), "{failed:?}");
}

#[test]
fn another_machine_under_the_same_name_is_no_verdict() {
    let (home, other) = (Place::new(), Place::new());
    let (Some(sshd), Some(elsewhere)) = (Sshd::start(&home), Sshd::start(&other)) else { return };
    let (well, astray) = (fs::read(sshd.config()).unwrap(), fs::read(elsewhere.config()).unwrap());
    for is_taken in [false, true] {
        let stranger = is_taken.then(|| {
            let mut stranger = elsewhere.client(&other, &["--id", "w"], &COUNTER);
            stranger.until("Connected");
            stranger
        });
        let mut client = sshd.client(&home, &[&["--id", "w"], &RESTLESS[..]].concat(), &COUNTER);
        client.until("Connected");
        let server = home.server_pid("w");
        fs::write(sshd.config(), &astray).unwrap();
        comes_back_in_vain(&mut client, "another machine answered");
        fs::write(sshd.config(), &well).unwrap();
        client.until("Connected");
        client.say("still here\n");
        client.hears("1 still here\n");
        assert_eq!(home.server_pid("w"), server);
        kill(server.unwrap());
        let end = client.wait();
        assert_eq!(end.status.code(), Some(90), "{end:?}");
        assert_eq!(end.events.last().unwrap().reason, Some("crashed".into()));
        if let Some(mut stranger) = stranger {
            stranger.say("undisturbed\n");
            stranger.hears("1 undisturbed\n");
            stranger.end_input();
            assert_eq!(stranger.wait().status.code(), Some(0));
        }
    }
}

#[test]
fn a_login_script_that_ends_with_90_is_no_verdict() {
    let place = Place::new();
    let Some(mut sshd) = Sshd::start(&place) else { return };
    let code = place.home().join("code");
    let script = place.home().join("login");
    fs::write(
        &script,
        format!("[ ! -e {0} ] || exit \"$(cat {0})\"\neval \"$SSH_ORIGINAL_COMMAND\"\n", code.display()),
    )
    .unwrap();
    let config = sshd.config().with_file_name("sshd_config");
    let forced = format!("{}ForceCommand sh {}\n", fs::read_to_string(&config).unwrap(), script.display());
    fs::write(config, forced).unwrap();
    sshd.leave();
    sshd.come_back();
    let mut client = sshd.client(&place, &[&["--id", "w"], &RESTLESS[..]].concat(), &COUNTER);
    client.until("Connected");
    let server = place.server_pid("w");
    for (number, (ends_with, why)) in
        [(90, "exit code 90 came without a proxy's word"), (91, "exited with 91"), (127, "exited with 127")]
            .into_iter()
            .enumerate()
    {
        fs::write(&code, ends_with.to_string()).unwrap();
        comes_back_in_vain(&mut client, why);
        fs::remove_file(&code).unwrap();
        client.until("Connected");
        client.say("still here\n");
        client.hears_last(&format!("{} still here\n", number + 1));
        assert_eq!(place.server_pid("w"), server);
    }
    client.end_input();
    assert_eq!(client.wait().status.code(), Some(0));
    // At a first attach nothing was started that could be said to run already.
    fs::write(&code, "91").unwrap();
    let mut client = sshd.client(&place, &["--id", "w"], &COUNTER);
    assert!(client.until("Refused").message.unwrap().contains("exited with 91"));
    assert_eq!(client.wait().status.code(), Some(255));
}

#[test]
fn a_host_whose_name_was_removed_has_it_again_and_its_word_counts() {
    let place = Place::new();
    let mut client = Client::local(&place, &[&["--id", "w"], &RESTLESS[..]].concat(), &COUNTER);
    client.until("Connected");
    let file = place.directory("w").with_file_name(".host");
    let name = fs::read(&file).unwrap();
    for garbled in [None, Some(""), Some("moon")] {
        match garbled {
            None => fs::remove_file(&file).unwrap(),
            Some(content) => fs::write(&file, content).unwrap(),
        }
        wait_until("the host's name is there again", || fs::read(&file).is_ok_and(|found| found == name));
    }
    kill(place.server_pid("w").unwrap());
    assert_eq!(client.wait().status.code(), Some(90));
}
