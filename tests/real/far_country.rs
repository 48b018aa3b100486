//! A link to a far country: 300 ms there and back, 256 kbit/s, five packets of a hundred lost. By the
//! kernel where it can (`netem`), else by a forwarder that delays bytes as a transport would that
//! repeats what was lost.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use reattach::io::clock::Clock;
use reattach::session::Time;

use crate::client::Client;
use crate::dice::Dice;
use crate::place::{PATIENCE, Place, wait};
use crate::sshd::{Spot, Sshd};
use crate::typist::Typist;
use crate::wire::Wire;

/// One way.
const DELAY: Duration = Duration::from_millis(150);
const BYTES_PER_SECOND: u32 = 32_000;
const PACKET_BYTES: usize = 1400;
/// Until a lost packet is sent again.
const REPEATED_AFTER: Duration = Duration::from_millis(500);

/// What typing there and back takes at most: some repetitions in a row.
const TYPED_MAX: Duration = Duration::from_secs(5);

/// Carries connections to that port from one of its own, badly; ends with the process.
fn forwarder(to: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for near in listener.incoming().map_while(Result::ok) {
            let Ok(far) = TcpStream::connect(("127.0.0.1", to)) else { continue };
            carry(near.try_clone().unwrap(), far.try_clone().unwrap());
            carry(far, near);
        }
    });
    port
}

/// Carries one direction.
fn carry(mut from: TcpStream, mut to: TcpStream) {
    let clock = Clock::new();
    let (packets, arriving) = mpsc::sync_channel::<(Time, Vec<u8>)>(64);
    std::thread::spawn(move || {
        let mut packet = [0; PACKET_BYTES];
        while let Ok(count @ 1..) = from.read(&mut packet) {
            let slow = Duration::from_secs(1) * u32::try_from(count).unwrap() / BYTES_PER_SECOND;
            wait(slow);
            if packets.send((clock.now() + DELAY, packet[..count].to_vec())).is_err() {
                break;
            }
        }
    });
    std::thread::spawn(move || {
        let mut dice = Dice::roll();
        for (due, packet) in arriving {
            let lost = dice.below(100) < 5;
            wait(due.since(clock.now()) + if lost { REPEATED_AFTER } else { Duration::ZERO });
            if to.write_all(&packet).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
}

/// A client over such a link, and all that must outlive it.
fn client(place: &Place) -> Option<(Client, Sshd, Option<Wire>)> {
    if let Some(wire) = Wire::lay()
        && wire.worsen()
    {
        let sshd = Sshd::start_at(place, Spot::behind(&wire))?;
        return Some((sshd.client(place, &[], &["cat"]), sshd, Some(wire)));
    }
    let sshd = Sshd::start(place)?;
    let port = format!("-p{}", forwarder(sshd.port()));
    let alias = format!("-oHostKeyAlias=[127.0.0.1]:{}", sshd.port());
    let words = ["--ssh-arg", &port, "--ssh-arg", &alias];
    Some((sshd.client(place, &words, &["cat"]), sshd, None))
}

#[test]
#[ignore = "takes half a minute"]
fn a_bad_link_is_slow_and_nothing_worse() {
    let place = Place::new();
    let Some((client, _sshd, _wire)) = client(&place) else { return };
    let mut typist = Typist::at(client);
    let mut waited = Vec::new();
    for _ in 0..30 {
        let from = typist.client().clock().now();
        let line = typist.line();
        waited.push(typist.answered(line, PATIENCE).expect("an answer").since(from));
    }
    // Somebody pastes, at once more than the link takes in a moment.
    typist.steadily();
    wait(Duration::from_secs(10));
    assert!(typist.lost_nothing(PATIENCE));
    waited.sort();
    println!("a bad link: a line is answered in {:?}, at worst {:?}", waited[15], waited[29]);
    assert!(waited[29] < TYPED_MAX, "{waited:?}");
    assert_eq!(typist.attempts().len(), 1, "no new login was needed");
}
