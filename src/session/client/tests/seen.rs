//! What was slow before gets the time that it took: the rules of that, one test each.

use super::*;
use crate::proto::limits::{
    HEARTBEAT_INTERVAL, HEARTBEAT_MISSES_MAX, NETWORK_PROBE_TIMEOUT, OPEN_TIMEOUT_MIN,
};

/// A client whose first transport opened after one time and was answered after another; and when it was.
fn attached_after(open: Duration, answer: Duration) -> (Client, Time) {
    let mut client = connecting(config());
    let opened_at = at(0) + open;
    news(&mut client, opened_at, News::Started(None));
    news(&mut client, opened_at, News::Preamble);
    transmit(&mut client);
    let (now, welcome) = (opened_at + answer, welcome(&client));
    news(&mut client, now, News::Frame(Frame::Welcome(welcome)));
    assert_eq!(client.status(), Status::Connected);
    (client, now)
}

/// How long a link that answers nothing any more has after a network has changed.
fn network_probe(client: &Client, now: Time) -> Duration {
    let mut client = client.clone();
    input(&mut client, now, Input::NetworkUp);
    let due = client.poll_timeout().expect("it probes");
    timeout(&mut client, due);
    assert!(!client.status().is_attached(), "it was given up");
    due.since(now)
}

/// How long the opens of an outage have, the first of them first.
fn opens(client: &Client, mut now: Time) -> Vec<Duration> {
    let mut client = client.clone();
    news(&mut client, now, exited(ProgramExit::Code(255)));
    let mut opens = Vec::new();
    while client.status() != Status::ReconnectExhausted {
        let due = client.poll_timeout().expect("it goes on");
        if let Status::Reconnecting(_) = client.status() {
            opens.push(due.since(now));
        }
        timeout(&mut client, due);
        now = due;
    }
    opens
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_quick_way_has_the_usual_times() {
    let (client, now) = attached_after(OPEN_TIMEOUT_MIN / 2, NETWORK_PROBE_TIMEOUT / 2);
    assert_eq!(network_probe(&client, now), NETWORK_PROBE_TIMEOUT);
    assert_eq!(opens(&client, now), [6, 12, 24].map(seconds));
}

#[test]
fn a_far_host_has_twice_the_round_trip_to_answer_in_another_network() {
    let (mut client, now) = attached_after(seconds(1), seconds(2));
    assert_eq!(network_probe(&client, now), seconds(4));
    let asked_at = client.poll_timeout().expect("it will probe");
    timeout(&mut client, asked_at);
    let [Frame::Ping(nonce)] = transmit(&mut client)[..] else { panic!("no ping") };
    let now = asked_at + seconds(3);
    news(&mut client, now, News::Frame(Frame::Pong(nonce + 1)));
    assert_eq!(network_probe(&client, now), seconds(4), "that was no answer");
    news(&mut client, now, News::Frame(Frame::Pong(nonce)));
    assert_eq!(network_probe(&client, now), seconds(6));
    let asked_at = client.poll_timeout().expect("it will probe");
    timeout(&mut client, asked_at);
    let [Frame::Ping(nonce)] = transmit(&mut client)[..] else { panic!("no ping") };
    news(&mut client, asked_at, News::Frame(Frame::Pong(nonce)));
    assert_eq!(network_probe(&client, asked_at), NETWORK_PROBE_TIMEOUT, "it is near again");
}

#[test]
fn who_hears_of_a_network_waits_no_longer_than_who_hears_of_nothing() {
    let (client, now) = attached_after(seconds(1), seconds(9));
    assert_eq!(network_probe(&client, now), HEARTBEAT_INTERVAL * (HEARTBEAT_MISSES_MAX + 1));
}

#[test]
fn a_slow_login_has_twice_its_time_and_never_more_than_the_longest() {
    for (took, expected) in [(12, [24, 48, 60]), (29, [58, 60, 60]), (45, [60, 60, 60])] {
        let (client, now) = attached_after(seconds(took), seconds(0));
        assert_eq!(opens(&client, now), expected.map(seconds), "{took} s");
    }
}

#[test]
fn of_all_opens_the_last_one_counts() {
    let (mut client, now) = attached_after(seconds(12), seconds(0));
    news(&mut client, now, exited(ProgramExit::Code(255)));
    let now = client.poll_timeout().map_or(now, |due| due.min(now + seconds(1)));
    timeout(&mut client, now);
    assert_eq!(client.status(), Status::Reconnecting(1));
    attach(&mut client, now + seconds(2));
    assert_eq!(opens(&client, now + seconds(2)), [6, 12, 24].map(seconds));
}

#[test]
fn what_a_sleep_made_long_is_not_remembered() {
    let mut client = connecting(config());
    input(&mut client, at(600_000), Input::Wake);
    attach(&mut client, at(600_000));
    assert_eq!(opens(&client, at(600_000)), [6, 12, 24].map(seconds));
}
