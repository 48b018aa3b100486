//! `--on-state`: a user's command about every change, which disturbs nobody.

use std::fs;
use std::time::Duration;

use reattach::io::clock::Clock;
use reattach::session::Time;

use crate::client::{COUNTER, Client, RESTLESS};
use crate::link::Link;
use crate::place::{Place, lives, wait_until};

fn lines(place: &Place, name: &str) -> Vec<String> {
    let text = fs::read_to_string(place.home().join(name)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn the_command_is_told_what_happened_to_which_session() {
    let place = Place::new();
    let link = Link::new();
    let command = r#"echo "$REATTACH_STATE $REATTACH_COUNT $REATTACH_ATTEMPT $REATTACH_ID $REATTACH_CAUSE" >> $HOME/told; echo "$REATTACH_HOST" > $HOME/host; echo $REATTACH_TIME > $HOME/time"#;
    let words = [&["--id", "w", "--on-state", command], &RESTLESS[..]].concat();
    let mut client = link.client(&place, &words, &COUNTER);
    client.until("Connected");
    wait_until("it is told", || lines(&place, "told").iter().any(|line| line.starts_with("Connected ")));
    link.down();
    wait_until("it is told", || lines(&place, "told").iter().any(|line| line.starts_with("Reconnect")));
    link.up();
    let is_back = |line: &String| line.starts_with("Connected ") && !line.starts_with("Connected 0 1 ");
    wait_until("it is told", || lines(&place, "told").iter().any(is_back));
    client.end_input();
    assert_eq!(client.wait().code(), Some(0));
    let told = lines(&place, "told");
    assert!(told[0].starts_with("Connecting 0 1 w "), "{told:?}");
    assert!(told.last().unwrap().starts_with("Closed 0 "), "{told:?}");
    assert!(lines(&place, "host")[0].starts_with("sh "), "{:?}", lines(&place, "host"));
    assert!(lines(&place, "time")[0].ends_with('Z'));
}

#[test]
fn a_slow_command_runs_once_at_a_time_and_the_last_state_is_told() {
    let place = Place::new();
    let link = Link::new();
    let command = "echo begin >> $HOME/told; sleep 0.2; echo $REATTACH_STATE >> $HOME/told";
    let words = [&["--id", "w", "--on-state", command], &RESTLESS[..]].concat();
    let mut client = link.client(&place, &words, &COUNTER);
    for number in 1..=6 {
        client.until("Connected");
        client.say("line\n");
        client.hears_last(&format!("{number} line\n"));
        link.cut();
    }
    client.until("Connected");
    client.end_input();
    let end = client.wait();
    assert_eq!(end.code(), Some(0));
    let told = lines(&place, "told");
    assert!(
        told.chunks(2).all(|pair| pair.len() == 2 && pair[0] == "begin" && pair[1] != "begin"),
        "{told:?}"
    );
    assert_eq!(told.last().unwrap(), "Closed");
    assert!(told.len() / 2 < end.events.len(), "some changes went by");
}

#[test]
fn a_command_that_hangs_ends_with_the_client() {
    let place = Place::new();
    let command = "echo $$ >> $HOME/pids; sleep 600 & echo $! >> $HOME/pids; wait";
    let mut client = Client::local(&place, &["--on-state", command], &["cat"]);
    client.until("Connected");
    client.say("typed");
    client.hears("typed");
    wait_until("the command runs", || lines(&place, "pids").len() == 2);
    let clock = Clock::new();
    client.end_input();
    assert_eq!(client.wait().code(), Some(0));
    assert!(clock.now().since(Time::ZERO) < Duration::from_secs(10));
    let pids: Vec<u32> = lines(&place, "pids").iter().map(|line| line.parse().unwrap()).collect();
    assert_eq!(pids.len(), 4, "the first state, and the last");
    wait_until("nothing is left", || !pids.iter().any(|pid| lives(*pid)));
    fs::remove_file(place.home().join("pids")).unwrap();
    place.is_left_clean();
}

#[test]
fn what_it_prints_is_not_the_programs_and_its_errors_are_seen() {
    let place = Place::new();
    let command = "echo printed; read line; echo wrong >&2; exit 7";
    let mut client = Client::local(&place, &["--on-state", command], &["cat"]);
    client.until("Connected");
    client.until_said(1, "wrong");
    client.say("typed");
    client.end_input();
    let end = client.wait();
    assert_eq!((end.code(), end.text()), (Some(0), "typed".to_owned()));
    assert!(end.said.iter().all(|line| line == "wrong"), "{:?}", end.said);
}

#[test]
fn every_event_has_two_times() {
    let place = Place::new();
    let mut client = Client::local(&place, &[], &["cat"]);
    client.until("Connected");
    client.end_input();
    let end = client.wait();
    assert!(end.events.is_sorted_by_key(|event| event.uptime_ms));
    assert!(end.events.iter().all(|event| event.time.len() == "2023-11-14T22:13:20.042Z".len()));
}
