//! Who may attach: one client at a time, and nobody is thrown out unasked.

use std::time::Duration;

use reattach::proto::verdict::EXIT_NOT_RUNNING;

use crate::client::{COUNTER, Client, RESTLESS};
use crate::link::Link;
use crate::place::{Place, wait, wait_until};

const EXIT_NOT_CONNECTED: i32 = 255;

fn first(place: &Place) -> Client {
    let mut client = Client::local(place, &["--id", "w"], &COUNTER);
    client.until("Connected");
    client.say("one\n");
    client.hears("1 one\n");
    client
}

#[test]
fn a_second_client_of_a_name_is_refused_and_disturbs_nothing() {
    let place = Place::new();
    let mut client = first(&place);
    let server = place.server_pid("w");
    let files = place.files();
    let second = Client::start(place.connect(&["--local", "--id", "w", "--", "cat"])).wait();
    assert_eq!(second.code(), Some(EXIT_NOT_CONNECTED));
    assert_eq!(second.said.len(), 1, "{:?}", second.said);
    for part in ["already runs under w", "--takeover", "--replace"] {
        assert!(second.said[0].contains(part), "{:?}", second.said);
    }
    assert_eq!((place.files(), place.server_pid("w")), (files, server));
    client.say("two\n");
    client.hears("1 one\n2 two\n");
    assert_eq!(client.events().last().unwrap().state, "Connected");
    client.end_input();
    assert_eq!(client.wait().code(), Some(0));
}

#[test]
fn who_is_taken_over_is_told_and_does_not_fight_back() {
    let place = Place::new();
    let old = first(&place);
    let server = place.server_pid("w");
    let mut new = Client::local(&place, &["--id", "w", "--takeover"], &[]);
    new.until("Connected");
    new.say("two\n");
    // The same program goes on counting. What it said before may come again: the old client
    // confirms it within a moment, not at once.
    new.hears_last("2 two\n");
    let old = old.wait();
    assert_eq!((old.code(), old.text()), (Some(EXIT_NOT_CONNECTED), "1 one\n".to_owned()));
    let last = old.events.last().unwrap();
    assert_eq!(last.state, "Refused");
    assert_eq!(last.message.as_deref(), Some("another client has taken this session over"));
    new.say("three\n");
    new.hears_last("2 two\n3 three\n");
    assert_eq!(place.server_pid("w"), server);
    new.end_input();
    assert_eq!(new.wait().code(), Some(0));
}

#[test]
fn who_is_taken_over_during_an_outage_is_told_when_it_comes_back() {
    let place = Place::new();
    let link = Link::new();
    let mut old = link.client(&place, &[&["--id", "w"], &RESTLESS[..]].concat(), &COUNTER);
    old.until("Connected");
    link.down();
    old.until("ReconnectFailed");
    let mut new = Client::local(&place, &["--id", "w", "--takeover"], &[]);
    new.until("Connected");
    link.up();
    let old = old.wait();
    assert_eq!(old.code(), Some(EXIT_NOT_CONNECTED));
    let last = old.events.last().unwrap();
    assert_eq!(last.message.as_deref(), Some("another client has taken this session over"));
    new.say("one\n");
    new.hears("1 one\n");
}

#[test]
fn what_the_old_client_never_heard_is_heard_by_the_new_one() {
    let place = Place::new();
    let link = Link::new();
    let program = r#"until [ -e "$HOME/go" ]; do sleep 0.01; done; seq 1 1000; exec cat"#;
    let words = [&["--id", "w"], &RESTLESS[..]].concat();
    let mut old = link.client(&place, &words, &["sh", "-c", program]);
    old.until("Connected");
    link.down();
    old.until("ReconnectFailed");
    std::fs::write(place.home().join("go"), "").unwrap();
    let mut new = Client::local(&place, &["--id", "w", "--takeover"], &[]);
    new.until("Connected");
    new.hears((1..=1000).map(|n| format!("{n}\n")).collect::<String>());
    assert_eq!(old.heard_bytes(), 0);
}

#[test]
fn of_many_who_take_over_at_once_one_stays_and_the_others_are_told() {
    let place = Place::new();
    let mut clients = vec![first(&place)];
    let server = place.server_pid("w");
    for _ in 0..5 {
        clients.extend((0..3).map(|_| Client::local(&place, &["--id", "w", "--takeover"], &[])));
        let mut alive = Vec::new();
        wait_until("one is left", || {
            alive.clear();
            alive
                .extend(clients.iter().enumerate().filter(|(_, client)| !client.has_ended()).map(|(n, _)| n));
            alive.len() == 1
        });
        let winner = clients.swap_remove(alive[0]);
        for loser in clients.drain(..) {
            let end = loser.wait();
            assert_eq!(end.code(), Some(EXIT_NOT_CONNECTED));
            let message = end.events.last().unwrap().message.clone().unwrap();
            assert_eq!(message, "another client has taken this session over");
        }
        clients.push(winner);
    }
    clients[0].say("last\n");
    clients[0].hears_last("2 last\n");
    assert_eq!(place.server_pid("w"), server);
}

#[test]
fn a_replaced_server_is_told_as_replaced() {
    let place = Place::new();
    let old = first(&place);
    let server = place.server_pid("w");
    let mut new = Client::local(&place, &["--id", "w", "--replace"], &COUNTER);
    new.until("Connected");
    new.say("one again\n");
    // A fresh program begins to count at one.
    new.hears("1 one again\n");
    let old = old.wait();
    assert_eq!(old.code(), Some(EXIT_NOT_RUNNING));
    let last = old.events.last().unwrap();
    assert_eq!((last.state.as_str(), last.reason.clone()), ("ServerNotRunning", Some("replaced".into())));
    assert_ne!(place.server_pid("w"), server);
    assert_eq!(place.servers().len(), 1);
}

#[test]
fn a_takeover_of_nothing_says_so_and_starts_nothing() {
    let place = Place::new();
    let end = Client::start(place.connect(&["--local", "--id", "w", "--takeover"])).wait();
    assert_eq!(end.code(), Some(EXIT_NOT_RUNNING));
    assert_eq!(end.said, ["reattach: no server to attach to is running under w: no server was ever there"]);
    assert!(place.processes().is_empty() && place.files().is_empty());
}

#[test]
fn clients_without_a_name_do_not_know_of_each_other() {
    let place = Place::new();
    let mut clients: Vec<_> = (0..3).map(|_| Client::local(&place, &[], &COUNTER)).collect();
    for client in &mut clients {
        client.until("Connected");
        client.say("one\n");
        client.hears("1 one\n");
    }
    assert_eq!(place.servers().len(), 3);
    for mut client in clients {
        client.end_input();
        assert_eq!(client.wait().code(), Some(0));
    }
    place.is_left_clean();
}

/// Where a first attach is cut: after its server was spawned, before the client hears from that.
const CUT: &str = r#"
if mkdir "$here/first" 2>/dev/null; then
    "$@" >/dev/null & proxy=$!
    until [ -e "$HOME/.local/state/reattach/w/server.json" ]; do sleep 0.01; done
    kill -KILL $proxy
    END
fi
exec "$@""#;

#[test]
fn a_first_attach_that_is_cut_comes_back_to_the_server_that_it_started() {
    // ssh loses its connection; ssh is killed; somebody stops it.
    for end in ["exit 255", "kill -KILL $$", "kill -TERM $$"] {
        let place = Place::new();
        let link = Link::with_script(&CUT.replace("END", end));
        let mut client = link.client(&place, &[&["--id", "w"], &RESTLESS[..]].concat(), &COUNTER);
        client.until("Connected");
        let server = place.server_pid("w").unwrap();
        client.say("one\n");
        client.hears("1 one\n");
        assert_eq!(place.servers(), [server]);
        let log = std::fs::read_to_string(place.directory("w").join("server.log")).unwrap();
        assert_eq!(log.matches("serves in").count(), 1, "{log}");
        client.end_input();
        assert_eq!(client.wait().code(), Some(0));
    }
}

#[test]
fn a_first_attach_that_never_starts_a_proxy_is_given_up() {
    let place = Place::new();
    let link = Link::with_script("echo 'Permission denied (publickey).' >&2; exit 255");
    let end = Client::start(link.connect(&place, &[], &["cat"])).wait();
    assert_eq!(end.code(), Some(EXIT_NOT_CONNECTED));
    assert_eq!(end.said.len(), 1, "{:?}", end.said);
    assert!(end.said[0].starts_with("reattach: could not connect to sh "), "{:?}", end.said);
    assert!(end.said[0].contains("Permission denied (publickey)."), "{:?}", end.said);
    assert!(place.processes().is_empty() && place.files().is_empty());
}

#[test]
fn a_session_that_is_left_alone_ends_after_its_idle_lifetime_and_its_client_is_told() {
    let place = Place::new();
    let link = Link::new();
    let words = [&["--id", "w", "--idle-lifetime", "400ms"], &RESTLESS[..]].concat();
    let mut client = link.client(&place, &words, &["cat"]);
    client.until("Connected");
    // As long as a client is there, the session is not idle, however silent it is.
    wait(Duration::from_millis(800));
    assert_eq!(client.events().last().unwrap().state, "Connected");
    link.down();
    wait_until("the idle server ends", || place.servers().is_empty());
    link.up();
    let end = client.wait();
    assert_eq!(end.code(), Some(EXIT_NOT_RUNNING));
    assert_eq!(end.events.last().unwrap().reason, Some("idle".into()));
    let verdict = place.verdict(&["--identifier", "w", "--reconnect"]);
    assert_eq!((verdict.code, verdict.reason), (EXIT_NOT_RUNNING, Some(reattach::proto::GoneReason::Idle)));
}
