//! What a client makes of a server that dies or stops, and of a link that goes silent.

use std::io::Write;
use std::time::Duration;

use reattach::io::clock::Clock;
use reattach::proto::GoneReason;
use reattach::proto::verdict::EXIT_NOT_RUNNING;

use crate::client::{COUNTER, Client, RESTLESS};
use crate::link::Link;
use crate::place::{Place, kill, lives, signal, wait_until};
use crate::processes::next_child;

/// A client that looks after its link ten times as often as it would by itself.
const WATCHFUL: [&str; 2] = ["--heartbeat-interval", "300ms"];

/// A client whose attempts are counted is not told what happens to this machine's network meanwhile.
const UNTOLD: [&str; 2] = ["--network-notices", "off"];

const PROXY_GONE: &[&str] = &["--identifier", "w", "--reconnect"];

#[test]
fn a_killed_server_is_told_with_its_reason_within_a_second() {
    let mut fastest = Duration::MAX;
    // A busy machine may be late once.
    for _ in 0..3 {
        let place = Place::new();
        let mut client = Client::local(&place, &["--id", "w"], &["cat"]);
        client.until("Connected");
        let clock = Clock::new();
        let killed_at = clock.now();
        kill(place.server_pid("w").unwrap());
        let (end, took) = client.wait_since(clock, killed_at);
        fastest = fastest.min(took);
        assert_eq!(end.code(), Some(EXIT_NOT_RUNNING));
        let last = end.events.last().unwrap();
        assert_eq!((last.state.as_str(), last.reason.clone()), ("ServerNotRunning", Some("crashed".into())));
        assert!(last.message.as_ref().unwrap().contains("it crashed or was killed"), "{last:?}");
        let files = place.files();
        let verdict = place.verdict(PROXY_GONE);
        assert_eq!((verdict.code, verdict.reason), (EXIT_NOT_RUNNING, Some(GoneReason::Crashed)));
        assert_eq!(place.files(), files);
        assert_eq!(place.status("w")["state"], "ended");
        wait_until("no process is left", || place.processes().is_empty());
    }
    assert!(fastest < Duration::from_secs(1), "{fastest:?}");
}

#[test]
fn a_killed_server_is_one_sentence_for_people() {
    let place = Place::new();
    let mut client = Client::start(place.connect(&["--local", "--id", "w", "--", "cat"]));
    client.say("hello\n");
    client.hears("hello\n");
    kill(place.server_pid("w").unwrap());
    let end = client.wait();
    assert_eq!(end.code(), Some(EXIT_NOT_RUNNING));
    assert_eq!(
        end.said,
        ["reattach: the server that held the session is not running any more: it crashed or was killed"]
    );
}

#[test]
fn a_server_that_died_during_an_outage_is_told_by_the_first_proxy_that_gets_through() {
    let place = Place::new();
    let link = Link::new();
    let mut client = link.client(&place, &[&["--id", "w"], &RESTLESS[..]].concat(), &["cat"]);
    client.until("Connected");
    link.down();
    client.until("Reconnecting");
    kill(place.server_pid("w").unwrap());
    link.up();
    let end = client.wait();
    assert_eq!(end.code(), Some(EXIT_NOT_RUNNING));
    assert_eq!(end.events.last().unwrap().reason, Some("crashed".into()));
}

#[test]
fn a_link_that_goes_silent_is_noticed_and_replaced() {
    let place = Place::new();
    // The proxy is out of the client's reach, as it is on another host, and stands for whatever
    // goes silent on the way: the bytes pass through it.
    let link = Link::with_script(
        r#"exec 3<&0; REATTACH_RELAY=1 "$@" <&3 3<&- & echo $! >> "$here/carriers"; exec 3<&-; wait $!"#,
    );
    let mut client = link.client(&place, &[&["--id", "w"], &RESTLESS[..], &WATCHFUL].concat(), &COUNTER);
    client.until("Connected");
    let server = place.server_pid("w");
    client.say("one\n");
    client.hears("1 one\n");
    let zombie = link.carrier(1);
    signal(zombie, "STOP");
    client.say("two\n");
    client.until("HeartbeatMissed");
    client.until("Connected");
    client.say("three\n");
    client.hears("1 one\n2 two\n3 three\n");
    assert_eq!(place.server_pid("w"), server);
    // Its seat is taken: all that is left for it is to end.
    signal(zombie, "CONT");
    wait_until("the displaced proxy ends", || !lives(zombie));
    client.say("four\n");
    client.hears("1 one\n2 two\n3 three\n4 four\n");
    client.end_input();
    assert_eq!(client.wait().code(), Some(0));
}

#[test]
fn a_stopped_relay_does_not_stay_behind() {
    let place = Place::new();
    let mut client = Client::relayed(&place, &[&RESTLESS[..], &WATCHFUL].concat(), &["cat"]);
    client.until("Connected");
    let zombie = next_child(client.pid(), None);
    signal(zombie, "STOP");
    client.until("Reconnecting");
    client.until("Connected");
    // The client that started it ends it, too.
    wait_until("the stopped proxy ends", || !lives(zombie));
    client.say("still here");
    client.hears("still here");
    client.end_input();
    assert_eq!(client.wait().code(), Some(0));
    place.is_left_clean();
}

#[test]
fn a_link_that_goes_silent_under_a_bulk_upload_is_noticed() {
    let place = Place::new();
    let mut client = Client::relayed(&place, &[&RESTLESS[..], &WATCHFUL].concat(), &["wc", "-c"]);
    client.until("Connected");
    let zombie = next_child(client.pid(), None);
    let mut input = client.take_input();
    let upload = std::thread::spawn(move || {
        // Far more than all buffers on the way, so that the link is full when it goes silent.
        for _ in 0..1024 {
            input.write_all(&[b'x'; 65536]).unwrap();
        }
    });
    signal(zombie, "STOP");
    client.until("Reconnecting");
    client.until("Connected");
    upload.join().unwrap();
    let end = client.wait();
    assert_eq!((end.code(), end.text().trim().to_owned()), (Some(0), (1024 * 65536).to_string()));
    place.is_left_clean();
}

#[test]
fn a_program_does_not_outlive_a_killed_server() {
    let place = Place::new();
    let stubborn = "trap '' TERM HUP INT; echo $$; while :; do sleep 0.1; done";
    let mut client = Client::local(&place, &["--id", "w"], &["sh", "-c", stubborn]);
    client.until("Connected");
    wait_until("the program says its number", || client.heard_bytes() > 1);
    let program: u32 = client.heard(2, |text| String::from_utf8_lossy(text).trim().parse().unwrap());
    assert!(lives(program));
    kill(place.server_pid("w").unwrap());
    assert_eq!(client.wait().code(), Some(90));
    wait_until("the program ends", || !lives(program));
}

#[test]
fn a_server_that_stops_for_a_while_is_waited_for() {
    let place = Place::new();
    let words = [&RESTLESS[..], &WATCHFUL, &["--open-timeout", "300ms", "--id", "w"]].concat();
    let mut client = Client::local(&place, &words, &COUNTER);
    client.until("Connected");
    let server = place.server_pid("w").unwrap();
    signal(server, "STOP");
    client.say("one\n");
    client.until("HeartbeatMissed");
    client.until("Reconnecting");
    client.until("ReconnectFailed");
    signal(server, "CONT");
    client.until("Connected");
    client.hears("1 one\n");
    assert_eq!((place.servers(), place.server_pid("w")), (vec![server], Some(server)));
}

#[test]
fn exactly_so_many_attempts_are_made_and_then_it_is_the_users_turn() {
    let place = Place::new();
    let link = Link::new();
    let words = ["--id", "w", "--backoff-min", "1ms", "--backoff-max", "5ms", "--open-timeout", "300ms"];
    let mut client = link.client(&place, &[&words[..], &WATCHFUL, &UNTOLD].concat(), &COUNTER);
    client.until("Connected");
    let server = place.server_pid("w").unwrap();
    signal(server, "STOP");
    client.say("one\n");
    let exhausted = client.until("ReconnectExhausted");
    let message = exhausted.message.unwrap();
    assert!(message.contains("tried again in ") && message.contains("`reattach retry w` tries at once"));
    assert!(exhausted.next_try_in_ms.unwrap() > 0);
    // One that was attached, and three that failed.
    assert_eq!(link.carriers().len(), 4);
    let attempts = |client: &Client| {
        let events = client.events().into_iter().filter(|event| event.state == "Reconnecting");
        events.map(|event| (event.attempt, event.count.unwrap())).collect::<Vec<_>>()
    };
    assert_eq!(attempts(&client), [(2, 1), (3, 2), (4, 3)]);
    signal(server, "CONT");
    client.signal("USR1");
    client.until("Connected");
    client.hears("1 one\n");
    assert_eq!(attempts(&client).last(), Some(&(5, 1)));
    assert_eq!((place.servers(), place.server_pid("w")), (vec![server], Some(server)));
}

#[test]
fn a_link_that_is_down_is_tried_as_often_and_comes_back_when_told() {
    let place = Place::new();
    let link = Link::new();
    let words = ["--id", "w", "--backoff-min", "1ms", "--backoff-max", "5ms", "--max-attempts", "5"];
    let mut client = link.client(&place, &[&words[..], &UNTOLD].concat(), &COUNTER);
    client.until("Connected");
    let server = place.server_pid("w");
    link.down();
    let exhausted = client.until("ReconnectExhausted");
    assert_eq!(link.tries(), 5);
    assert!(exhausted.message.unwrap().contains("the network is down"));
    client.say("one\n");
    // Too early: the whole budget once more, and no more than that.
    client.signal("USR1");
    client.until("ReconnectExhausted");
    assert_eq!(link.tries(), 10);
    link.up();
    client.signal("USR1");
    client.until("Connected");
    client.hears("1 one\n");
    assert_eq!(place.server_pid("w"), server);
}
