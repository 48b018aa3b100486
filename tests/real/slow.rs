//! Links that carry little: what the user wants now comes before what was said before, because little of that
//! is on its way.
//!
//! What is waited for is measured in bytes that the link has carried meanwhile: a busy machine makes it
//! carry fewer in a time, never more.

use std::time::Duration;

use reattach::proto::limits::SMALL_READ_BYTES;

use crate::link::Link;
use crate::place::{Place, wait_until};
use crate::rate::Wire;

/// What our own pipe may hold that we have not looked at, and the bytes of a second in which we did not.
const HELD_BYTES: usize = 96 << 10;

/// This program is the wire, too, if it is started as one; what its harness says first is a banner.
#[test]
fn a_wire_is_this_program() {
    let words: Vec<String> = std::env::args().skip_while(|word| word != "--").skip(1).collect();
    if !words.is_empty() {
        std::process::exit(Wire::serve(&words));
    }
}

/// A link over such a wire.
fn link(wire: Wire) -> Link {
    let own = std::env::current_exe().unwrap();
    let [rate, delay] = wire.words();
    let test = "slow::a_wire_is_this_program";
    Link::with_script(&format!(
        r#"echo $$ >> "$here/carriers"; exec {} --exact {test} --nocapture -- {rate} {delay} "$@""#,
        own.display()
    ))
}

#[test]
fn a_signal_ends_a_flood_soon_however_slow_the_link_is() {
    for (rate, within) in [(20_000, 3), (100_000, 3), (1_000_000, 3)] {
        let wire = Wire { rate, delay: Duration::from_millis(20) };
        let (place, link) = (Place::new(), link(wire));
        let caught = place.home().join("caught");
        let trap = format!("trap 'touch {}; exit 3' INT; yes flood", caught.display());
        let client = link.client(&place, &[], &["sh", "-c", &trap]);
        let rate = usize::try_from(rate).unwrap();
        client.heard(4 * rate, |_| ());
        let before = client.heard_bytes();
        client.signal("INT");
        wait_until("the program has the signal", || caught.exists());
        let meanwhile = client.heard_bytes() - before;
        assert!(meanwhile < rate, "{meanwhile} bytes came first at {rate} B/s");
        let end = client.wait();
        let after = end.output.len() - before;
        println!("at {rate} B/s: {meanwhile} bytes until the signal was caught, {after} until the end");
        assert_eq!(end.code(), Some(3));
        std::fs::remove_file(&caught).unwrap();
        assert!(after < within * rate + HELD_BYTES, "{after} bytes came after the signal at {rate} B/s");
        place.is_left_clean();
    }
}

#[test]
fn a_signal_behind_the_users_own_bulk_reaches_the_program_soon() {
    let rate = 100_000;
    let wire = Wire { rate, delay: Duration::from_millis(20) };
    let (place, link) = (Place::new(), link(wire));
    // What it has read when it is told.
    let program = "trap 'exit 3' INT; while head -c 1000; do :; done";
    // The goodbye is behind the bulk, too, and a busy machine's wire may carry it too late.
    let mut client = link.client(&place, &["--idle-lifetime", "3s"], &["sh", "-c", program]);
    client.until("Connected");
    let mut input = client.take_input();
    let bulk = std::thread::spawn(move || {
        let _ = std::io::Write::write_all(&mut input, &vec![b'x'; 100 << 20]);
    });
    let rate = usize::try_from(rate).unwrap();
    client.heard(3 * rate, |_| ());
    let before = client.heard_bytes();
    client.signal("INT");
    let end = client.wait();
    bulk.join().unwrap();
    assert_eq!(end.code(), Some(3));
    let after = end.output.len() - before;
    println!("{after} bytes came back after the signal");
    assert!(after < 2 * rate, "{after} bytes came back after the signal");
    place.is_left_clean();
}

#[test]
fn a_detached_server_keeps_as_much_as_before_and_all_of_it_comes() {
    let wire = Wire { rate: 3_000_000, delay: Duration::from_millis(20) };
    let (place, link) = (Place::new(), link(wire));
    let script = "read go; head -c 6000000 /dev/zero; touch said; read end";
    let program = format!("cd {}; {script}", place.home().display());
    let mut client = link.client(&place, &["--backoff-min", "1ms"], &["sh", "-c", &program]);
    client.until("Connected");
    client.say("go\n");
    client.heard(SMALL_READ_BYTES, |_| ());
    link.down();
    wait_until("the program has said it all", || place.home().join("said").exists());
    link.up();
    client.signal("USR1");
    client.heard(6_000_000, |_| ());
    client.say("end\n");
    let end = client.wait();
    assert_eq!((end.code(), end.output.len()), (Some(0), 6_000_000));
    std::fs::remove_file(place.home().join("said")).unwrap();
    place.is_left_clean();
}
