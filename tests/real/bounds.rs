//! Nobody reads: the producer waits, memory stays bounded, and nothing is lost.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reattach::proto::limits::BULK_REST;

use crate::client::{Client, RESTLESS};
use crate::link::Link;
use crate::place::{Place, wait, wait_until};
use crate::processes::{next_child, resident_bytes};

/// What one side may hold of unread messages, and as much for pipes, sockets and the program itself.
const HELD_BYTES_MAX: usize = 16 << 20;
const RESIDENT_BYTES_MAX: u64 = 48 << 20;

/// Several times what may be held.
const WHOLE_BYTES: usize = 64 << 20;

/// Waits until a count no longer grows, and gives it.
pub(crate) fn settled(what: &str, mut count: impl FnMut() -> usize) -> usize {
    let mut last = usize::MAX;
    let mut same = 0;
    wait_until(what, || {
        wait(Duration::from_millis(25));
        let now = count();
        same = if now == last { same + 1 } else { 0 };
        last = now;
        now > 0 && same >= 20
    });
    last
}

#[test]
fn a_program_that_nobody_listens_to_waits_and_loses_nothing() {
    let place = Place::new();
    let link = Link::new();
    let program = r#"until [ -e "$HOME/go" ]; do sleep 0.01; done
        head -c 67108864 /dev/zero | tr '\0' x | tee "$HOME/said"; echo; echo whole"#;
    let words = [&["--id", "w"], &RESTLESS[..]].concat();
    let mut client = link.client(&place, &words, &["sh", "-c", program]);
    client.until("Connected");
    link.down();
    client.until("ReconnectFailed");
    std::fs::write(place.home().join("go"), "").unwrap();
    let said = place.home().join("said");
    let held =
        settled("the program waits", || std::fs::metadata(&said).map_or(0, |said| said.len() as usize));
    assert!(held < HELD_BYTES_MAX, "{held} bytes were taken while nobody listened");
    let resident = resident_bytes(place.server_pid("w").unwrap());
    assert!(resident < RESIDENT_BYTES_MAX, "the server holds {resident} bytes");
    link.up();
    client.heard(WHOLE_BYTES + 7, |output| {
        assert!(output[..WHOLE_BYTES].iter().all(|byte| *byte == b'x'));
        assert_eq!(&output[WHOLE_BYTES..], b"\nwhole\n");
    });
    assert_eq!(client.wait().code(), Some(0));
}

#[test]
fn input_that_finds_no_link_waits_and_is_not_lost() {
    let place = Place::new();
    let link = Link::new();
    let mut client = link.client(&place, &RESTLESS, &["cksum"]);
    client.until("Connected");
    link.down();
    client.until("ReconnectFailed");
    let bytes: Vec<u8> = (0..WHOLE_BYTES).map(|n| (n % 251) as u8).collect();
    let mut input = client.take_input();
    let written = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for piece in bytes.chunks(1 << 16) {
                input.write_all(piece).unwrap();
                written.fetch_add(piece.len(), Ordering::Relaxed);
            }
            drop(input);
        });
        let held = settled("the editor waits", || written.load(Ordering::Relaxed));
        assert!(held < HELD_BYTES_MAX, "{held} bytes were taken without a link");
        let resident = resident_bytes(client.pid());
        assert!(resident < RESIDENT_BYTES_MAX, "the client holds {resident} bytes");
        link.up();
    });
    let end = client.wait();
    let mut expected = Command::new("cksum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    expected.stdin.take().unwrap().write_all(&bytes).unwrap();
    let expected = expected.wait_with_output().unwrap();
    assert_eq!((end.code(), end.output), (Some(0), expected.stdout));
    place.is_left_clean();
}

#[test]
fn an_editor_that_does_not_read_holds_its_program_back_and_no_link_is_blamed() {
    let place = Place::new();
    let words = ["--id", "w", "--heartbeat-interval", "200ms"];
    let mut command =
        place.connect(&[&["--local", "--log-format", "json"], &words[..], &["--", "yes"]].concat());
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("there is a server", || place.directory("w").join("server.json").exists());
    let server = place.server_pid("w").unwrap();
    // Ten intervals in which nobody reads.
    wait(Duration::from_secs(2));
    for pid in [server, child.id()] {
        let resident = resident_bytes(pid);
        assert!(resident < RESIDENT_BYTES_MAX, "process {pid} holds {resident} bytes");
    }
    child.kill().unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("Connected") && !said.contains("Reconnecting"), "{said}");
    assert!(output.stdout.chunks_exact(2).all(|pair| pair == b"y\n"));
}

#[test]
#[cfg(target_env = "gnu")]
fn what_a_late_reader_made_both_ends_hold_is_given_back() {
    const LATE_BYTES: usize = 6 << 20;
    let place = Place::new();
    // No more is given to a reader than it has shown to take, so it begins as a fast one.
    let program = format!(
        r#"head -c {WHOLE_BYTES} >/dev/null
        until [ -e "$HOME/go" ]; do sleep 0.01; done; head -c {LATE_BYTES} >/dev/null; echo read; exec cat"#
    );
    let mut client = Client::local(&place, &[], &["sh", "-c", &program]);
    client.until("Connected");
    let ends = [client.pid(), place.servers()[0]];
    let before = ends.map(resident_bytes);
    let mut input = client.take_input();
    let input = std::thread::spawn(move || {
        input.write_all(&vec![7; WHOLE_BYTES + LATE_BYTES]).unwrap();
        input
    });
    // The bulk of the reads is over, and what they read is held.
    let held = |pid, before| resident_bytes(pid) > before + LATE_BYTES as u64 / 2;
    wait_until("it is held", || held(ends[1], before[1]));
    wait(BULK_REST + Duration::from_millis(500));
    assert!(held(ends[1], before[1]), "the program has read nothing");
    std::fs::write(place.home().join("go"), "").unwrap();
    client.heard(5, |output| assert_eq!(output, b"read\n"));
    wait_until("it is given back", || {
        ends.iter().zip(before).all(|(pid, before)| resident_bytes(*pid) < before + (1 << 20))
    });
    drop(input.join().unwrap());
    assert_eq!(client.wait().code(), Some(0));
}

#[test]
fn a_program_that_does_not_read_is_waited_for_and_no_link_is_blamed() {
    let place = Place::new();
    let program = r#"until [ -e "$HOME/go" ]; do sleep 0.01; done; exec cksum"#;
    let mut client = Client::local(&place, &["--heartbeat-interval", "200ms"], &["sh", "-c", program]);
    client.until("Connected");
    let bytes = vec![7; WHOLE_BYTES];
    let mut input = client.take_input();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            input.write_all(&bytes).unwrap();
            drop(input);
        });
        // Ten intervals in which every ping must find its answer behind a full window.
        wait(Duration::from_secs(2));
        let proxy = next_child(client.pid(), None);
        for pid in [client.pid(), proxy, place.servers()[0]] {
            let resident = resident_bytes(pid);
            assert!(resident < RESIDENT_BYTES_MAX, "process {pid} holds {resident} bytes");
        }
        std::fs::write(place.home().join("go"), "").unwrap();
    });
    let end = client.wait();
    assert_eq!(end.code(), Some(0));
    assert!(end.text().ends_with(&format!(" {WHOLE_BYTES}\n")), "{}", end.text());
    assert!(end.events.iter().all(|event| event.attempt == 1), "{:?}", end.events);
}
