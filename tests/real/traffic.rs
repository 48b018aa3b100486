//! Messages both ways while proxies die: each arrives once and in order, from the same server.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::client::{COUNTER, Client, RESTLESS};
use crate::dice::Dice;
use crate::link::Link;
use crate::place::{Place, kill, wait};
use crate::processes::{children, descriptors, next_child};

const KILLS: usize = 50;

/// Lines on their way at any time: enough that every kill hits some.
const LINES_AHEAD: usize = 400;

#[test]
fn lines_arrive_once_and_in_order_though_the_proxy_is_killed_fifty_times() {
    let place = Place::new();
    let mut dice = Dice::roll();
    let mut client = Client::local(&place, &RESTLESS, &COUNTER);
    client.until("Connected");
    let identifier = place.only_identifier();
    let server = place.server_pid(&identifier).unwrap();
    let mut input = client.take_input();
    let killed_enough = AtomicBool::new(false);
    let sent = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut sent = 0;
            while !killed_enough.load(Ordering::Relaxed) {
                let lines: String =
                    (sent + 1..=sent + LINES_AHEAD / 4).map(|n| format!("line {n}\n")).collect();
                sent += LINES_AHEAD / 4;
                input.write_all(lines.as_bytes()).unwrap();
                // The shortest answer to a line is ten bytes, so this keeps some on their way.
                client.heard(sent.saturating_sub(LINES_AHEAD) * 10, |_| ());
            }
            drop(input);
            sent
        });
        let mut last = None;
        for _ in 0..KILLS {
            let proxy = next_child(client.pid(), last);
            // At random moments: at once, and then it never attached; a little later, in its replay.
            wait(dice.delay(Duration::from_millis(60)));
            kill(proxy);
            last = Some(proxy);
            assert_eq!(place.server_pid(&identifier), Some(server));
        }
        // Nothing piles up from one link to the next.
        for (pid, children_max) in [(client.pid(), 2), (server, 1)] {
            assert!(children(pid).len() <= children_max, "{:?}", children(pid));
            assert!(descriptors(pid) < 40, "{}", descriptors(pid));
        }
        killed_enough.store(true, Ordering::Relaxed);
        writer.join().unwrap()
    });
    let end = client.wait();
    assert_eq!(end.code(), Some(0));
    let mut numbers = 0;
    for (answer, expected) in end.text().lines().zip(1..) {
        assert_eq!(answer, format!("{expected} line {expected}"));
        numbers = expected;
    }
    assert_eq!(numbers, sent);
    assert!(end.attached() > KILLS / 5);
    place.is_left_clean();
}

#[test]
fn bytes_of_any_kind_arrive_though_the_link_is_cut_in_the_middle_of_them() {
    let place = Place::new();
    let link = Link::new();
    let mut dice = Dice::roll();
    let bytes = dice.bytes(48 << 20);
    let mut client = link.client(&place, &RESTLESS, &["cat"]);
    let server = server_of(&place, &mut client);
    let mut input = client.take_input();
    std::thread::scope(|scope| {
        scope.spawn(|| input.write_all(&bytes).unwrap());
        let mut heard = 0;
        while heard + (4 << 20) < bytes.len() {
            heard += dice.below(4 << 20);
            client.heard(heard, |_| ());
            link.cut();
        }
        client.heard(bytes.len(), |heard| assert!(heard == bytes));
    });
    assert_eq!(place.server_pid(&place.only_identifier()), Some(server));
    drop(input);
    let end = client.wait();
    assert_eq!((end.code(), end.output.len()), (Some(0), bytes.len()));
    assert!(end.attached() > 5);
    place.is_left_clean();
}

#[test]
fn a_long_answer_is_whole_though_the_link_is_cut() {
    let place = Place::new();
    let link = Link::new();
    let mut dice = Dice::roll();
    // It stays until its input ends, so that there is always a link to cut.
    let mut client = link.client(&place, &RESTLESS, &["sh", "-c", "seq 1 2000000; cat"]);
    client.until("Connected");
    let whole: String = (1..=2_000_000).map(|n| format!("{n}\n")).collect();
    let mut heard = 0;
    while heard + (2 << 20) < whole.len() {
        heard += dice.below(2 << 20);
        client.heard(heard, |_| ());
        link.cut();
    }
    client.end_input();
    let end = client.wait();
    assert_eq!(end.code(), Some(0));
    assert!(end.output == whole.as_bytes(), "{} of {} bytes", end.output.len(), whole.len());
    place.is_left_clean();
}

#[test]
fn a_long_question_is_whole_though_the_link_is_cut() {
    let place = Place::new();
    let link = Link::new();
    let mut dice = Dice::roll();
    let bytes = dice.bytes(32 << 20);
    let mut client = link.client(&place, &RESTLESS, &["cksum"]);
    client.until("Connected");
    let mut input = client.take_input();
    for piece in bytes.chunks(3 << 20) {
        input.write_all(piece).unwrap();
        link.cut();
    }
    drop(input);
    let end = client.wait();
    assert_eq!((end.code(), end.text()), (Some(0), cksum(&bytes)));
    place.is_left_clean();
}

/// Bytes that a narrow link carries before it breaks. `dd` takes them one by one, because it holds
/// none of them back.
const NARROW_BYTES: usize = 100_000;

#[test]
fn a_question_that_is_cut_in_every_replay_goes_on_where_it_stopped() {
    let place = Place::new();
    let link = Link::with_script(&narrow(&format!(r#"dd bs=1 count={NARROW_BYTES} 2>/dev/null | "$@""#)));
    let bytes = Dice::roll().bytes(4 * NARROW_BYTES);
    let mut client = link.client(&place, &RESTLESS, &["cksum"]);
    client.until("Connected");
    link.down();
    // Some of it would get through the wide link still, before anybody notices that it is cut.
    client.until("Reconnecting");
    std::fs::write(link.path("narrow"), "").unwrap();
    client.say(&bytes);
    client.end_input();
    link.up();
    let end = client.wait();
    assert_eq!((end.code(), end.text()), (Some(0), cksum(&bytes)));
    assert!(end.attached() > bytes.len() / NARROW_BYTES, "{:?}", end.events);
    place.is_left_clean();
}

#[test]
fn an_answer_that_is_cut_in_every_replay_goes_on_where_it_stopped() {
    let place = Place::new();
    let link = Link::with_script(&narrow(&format!(r#""$@" | dd bs=1 count={NARROW_BYTES} 2>/dev/null"#)));
    let whole: String = (1..=100_000).map(|n| format!("{n}\n")).collect();
    let mut client = link.client(&place, &RESTLESS, &["sh", "-c", "read go; seq 1 100000; cat"]);
    client.until("Connected");
    link.down();
    std::fs::write(link.path("narrow"), "").unwrap();
    client.say("go\n");
    link.up();
    client.heard(whole.len(), |_| ());
    client.end_input();
    let end = client.wait();
    assert_eq!(end.code(), Some(0));
    assert!(end.output == whole.as_bytes(), "{} of {} bytes", end.output.len(), whole.len());
    assert!(end.attached() > whole.len() / NARROW_BYTES, "{:?}", end.events);
    place.is_left_clean();
}

/// A link that carries all there is, until it is told to be narrow.
fn narrow(narrowed: &str) -> String {
    format!(
        r#"if [ -e "$here/narrow" ]; then {narrowed}; exit 255; fi
echo $$ >> "$here/carriers"; exec "$@""#
    )
}

fn cksum(bytes: &[u8]) -> String {
    let mut child = Command::new("cksum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

fn server_of(place: &Place, client: &mut Client) -> u32 {
    client.until("Connected");
    place.server_pid(&place.only_identifier()).unwrap()
}
