//! Servers with a bug.

use reattach::proto::{Bye, ByeReason, Frame};
use reattach::session::Time;
use reattach::session::server::{Effect, Input, News, Server};
use reattach_sim::check::Promise;

use super::{caught_by, caught_in, server};
use crate::kits::ServerBug;

/// Whoever is attached keeps the seat, dead or alive.
#[derive(Clone, Debug, Default, PartialEq, Hash)]
pub(crate) struct KeepsZombies;

impl ServerBug for KeepsZombies {
    fn handle_input(&mut self, machine: &mut Server, now: Time, input: Input) {
        let taken = machine.attached().is_some();
        let input = match input {
            Input::Transport(transport, News::Frame(Frame::Hello(_))) if taken => {
                Input::Transport(transport, News::Lost)
            }
            other => other,
        };
        machine.handle_input(now, input);
    }
}

#[test]
fn a_server_whose_seat_is_held_by_the_dead_is_caught() {
    assert_eq!(caught_by(server::<KeepsZombies>()), Some(Promise::OwnerGetsIn));
}

/// A client that leaves for good is taken for one that was lost.
#[derive(Clone, Debug, Default, PartialEq, Hash)]
struct StaysAfterBye;

impl ServerBug for StaysAfterBye {
    fn handle_input(&mut self, machine: &mut Server, now: Time, input: Input) {
        let input = match input {
            Input::Transport(transport, News::Frame(Frame::Bye(Bye { reason: ByeReason::Closed, .. }))) => {
                Input::Transport(transport, News::Lost)
            }
            other => other,
        };
        machine.handle_input(now, input);
    }
}

#[test]
fn a_server_that_outlives_its_session_is_caught_although_it_would_end_when_idle() {
    let situation = ["at 0s a open start", "set idle-lifetime 5m"];
    assert_eq!(caught_in(server::<StaysAfterBye>(), &situation), Some(Promise::NothingLeft));
}

/// What a client asked is done twice.
#[derive(Clone, Debug, Default, PartialEq, Hash)]
struct RunsTwice(Option<Effect>);

impl ServerBug for RunsTwice {
    fn poll_effect(&mut self, machine: &mut Server) -> Option<Effect> {
        if let Some(again) = self.0.take() {
            return Some(again);
        }
        let effect = machine.poll_effect();
        self.0 = effect.clone().filter(|effect| matches!(effect, Effect::Deliver(_)));
        effect
    }
}

#[test]
fn a_server_that_runs_requests_twice_is_caught_after_a_byte_was_changed_on_another_ones_way() {
    let situation = [
        "mode hostile",
        "seed 2",
        "at 0s a open start",
        "at 2s fault corrupt a",
        "at 3s a network-up",
        "at 5s fault server-crash",
        "at 10s a restart",
        "at 12s a send 3 every 100ms of 20",
    ];
    assert_eq!(caught_in(server::<RunsTwice>(), &situation), Some(Promise::DeliveredOnce));
}
