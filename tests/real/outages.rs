//! Real networks that fail: a cable that is pulled, packets that vanish, addresses that change; with
//! default settings, and nobody who helps.

use std::time::Duration;

use reattach::session::Time;

use crate::client::Client;
use crate::place::{PATIENCE, Place, wait};
use crate::sshd::{Spot, Sshd};
use crate::typist::Typist;
use crate::wire::Wire;

/// A typist behind a wire, and all that must outlive it.
pub(crate) struct Desk {
    pub(crate) typist: Typist,
    pub(crate) sshd: Sshd,
    pub(crate) wire: Wire,
    _place: Place,
}

impl Desk {
    /// Sets one up; `None`, said loudly, where this is not allowed.
    pub(crate) fn behind_a_wire(words: &[&str]) -> Option<Self> {
        Self::over(Wire::lay()?, words)
    }

    /// The same over a wire that is there.
    pub(crate) fn over(wire: Wire, words: &[&str]) -> Option<Self> {
        let place = Place::new();
        let sshd = Sshd::start_at(&place, Spot::behind(&wire))?;
        let client: Client = sshd.client(&place, words, &["cat"]);
        let mut typist = Typist::at(client);
        let first = typist.line();
        typist.answered(first, PATIENCE).expect("a network that works");
        Some(Desk { typist, sshd, wire, _place: place })
    }
}

const OUTAGE: Duration = Duration::from_secs(3);

#[test]
fn a_cable_that_is_out_for_a_moment_loses_nothing() {
    let Some(mut desk) = Desk::behind_a_wire(&[]) else { return };
    desk.typist.steadily();
    desk.wire.down();
    wait(OUTAGE);
    desk.wire.up();
    assert!(desk.typist.lost_nothing(PATIENCE), "{}", desk.typist.state());
}

#[test]
fn packets_that_vanish_for_a_moment_are_missed_by_nobody() {
    let Some(mut desk) = Desk::behind_a_wire(&[]) else { return };
    desk.typist.steadily();
    desk.wire.silence();
    wait(OUTAGE);
    desk.wire.heal();
    assert!(desk.typist.lost_nothing(PATIENCE), "{}", desk.typist.state());
}

#[test]
fn another_address_is_another_way_to_the_same_session() {
    let Some(mut desk) = Desk::behind_a_wire(&[]) else { return };
    desk.typist.steadily();
    desk.wire.renumber("10.77.0.1", "10.77.0.7");
    // Told by the kernel: silence alone would take a quarter of a minute.
    desk.typist.said("Reconnecting", Time::ZERO, Duration::from_secs(12)).expect("the old address is gone");
    assert!(desk.typist.lost_nothing(PATIENCE), "{}", desk.typist.state());
}

#[test]
fn a_network_that_comes_and_goes_loses_nothing() {
    let Some(mut desk) = Desk::behind_a_wire(&[]) else { return };
    desk.typist.steadily();
    for _ in 0..3 {
        desk.wire.refuse();
        wait(Duration::from_millis(500));
        desk.wire.heal();
        wait(Duration::from_secs(2));
    }
    assert!(desk.typist.lost_nothing(PATIENCE), "{}", desk.typist.state());
}
