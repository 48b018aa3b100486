//! Clients with a bug.

use std::collections::VecDeque;
use std::time::Duration;

use reattach::proto::{Bye, ByeReason, Frame};
use reattach::session::client::{Attempt, Client, Effect, Input, News};
use reattach::session::{ClientConfig, PatienceConfig, Time};
use reattach_sim::check::Promise;

use super::{caught_by, caught_in, client};
use crate::kits::ClientBug;

/// News of any attempt is taken for news of the current one.
#[derive(Clone, Debug, Default, PartialEq, Hash)]
pub(crate) struct AppliesStaleNews;

impl ClientBug for AppliesStaleNews {
    fn handle_input(&mut self, machine: &mut Client, now: Time, input: Input) {
        let input = match input {
            Input::Transport(_, news) => Input::Transport(machine.attempt(), news),
            other => other,
        };
        machine.handle_input(now, input);
    }
}

#[test]
fn a_client_that_applies_stale_news_is_caught() {
    assert_eq!(caught_by(client::<AppliesStaleNews>()), Some(Promise::StaleIgnored));
}

/// One attempt more than it is allowed.
#[derive(Clone, Debug, Default, PartialEq, Hash)]
pub(crate) struct TriesOnceMore;

impl ClientBug for TriesOnceMore {
    fn config(&self, config: ClientConfig) -> ClientConfig {
        ClientConfig { attempts_max: config.attempts_max + 1, ..config }
    }
}

#[test]
fn a_client_that_tries_once_more_is_caught() {
    assert_eq!(caught_by(client::<TriesOnceMore>()), Some(Promise::AttemptsMax));
}

/// What was delivered is delivered again.
#[derive(Clone, Debug, Default, PartialEq, Hash)]
pub(crate) struct DeliversTwice(Option<Effect>);

impl ClientBug for DeliversTwice {
    fn poll_effect(&mut self, machine: &mut Client) -> Option<Effect> {
        if let Some(again) = self.0.take() {
            return Some(again);
        }
        let effect = machine.poll_effect();
        self.0 = effect.clone().filter(|effect| matches!(effect, Effect::Deliver(..)));
        effect
    }
}

#[test]
fn a_client_that_delivers_twice_is_caught() {
    assert_eq!(caught_by(client::<DeliversTwice>()), Some(Promise::DeliveredOnce));
}

/// The last thing that came before the end is lost.
#[derive(Clone, Debug, Default, PartialEq, Hash)]
struct LosesTheLast(VecDeque<Effect>);

impl ClientBug for LosesTheLast {
    fn poll_effect(&mut self, machine: &mut Client) -> Option<Effect> {
        self.0.extend(std::iter::from_fn(|| machine.poll_effect()));
        match (self.0.front(), self.0.get(1)) {
            // It is held back until it is known whether it is the last.
            (Some(Effect::Deliver(..)), None) => None,
            (Some(Effect::Deliver(..)), Some(Effect::Finished(_))) => {
                self.0.pop_front();
                self.0.pop_front()
            }
            _ => self.0.pop_front(),
        }
    }
}

#[test]
fn a_client_that_loses_the_last_output_of_a_program_is_caught() {
    let situation = ["at 0s a open start", "at 1s a send 1 every 1ms of 20", "at 1.1s a finish"];
    assert_eq!(caught_in(client::<LosesTheLast>(), &situation), Some(Promise::DeliveredOnce));
}

/// What came is handed out when the session is over.
#[derive(Clone, Debug, Default, PartialEq, Hash)]
struct DeliversLate(VecDeque<Effect>);

impl ClientBug for DeliversLate {
    fn poll_effect(&mut self, machine: &mut Client) -> Option<Effect> {
        while let Some(effect) = machine.poll_effect() {
            if matches!(effect, Effect::Deliver(..)) {
                self.0.push_back(effect);
            } else {
                return Some(effect);
            }
        }
        if machine.status().is_final() { self.0.pop_front() } else { None }
    }
}

#[test]
fn a_client_that_delivers_after_its_end_is_caught() {
    let situation = ["at 0s a open start", "at 1s a send 2 every 1ms of 20", "at 2s a close"];
    assert_eq!(caught_in(client::<DeliversLate>(), &situation), Some(Promise::EndAbsorbing));
}

/// A link that was lost is taken for a place that was lost.
#[derive(Clone, Debug, Default, PartialEq, Hash)]
struct TakesLossForTakeover;

impl ClientBug for TakesLossForTakeover {
    fn handle_input(&mut self, machine: &mut Client, now: Time, input: Input) {
        let input = match input {
            Input::Transport(attempt, News::Exited(_)) if machine.status().is_attached() => {
                let bye = Bye { reason: ByeReason::TakenOver, message: String::new(), received: 0 };
                Input::Transport(attempt, News::Frame(Frame::Bye(bye)))
            }
            other => other,
        };
        machine.handle_input(now, input);
    }
}

#[test]
fn a_client_that_says_taken_over_although_nobody_did_is_caught() {
    let situation = ["at 0s a open start", "at 3s fault link-cut a"];
    assert_eq!(caught_in(client::<TakesLossForTakeover>(), &situation), Some(Promise::RefusalJustified));
}

/// Its own timer counts as a sign of life.
#[derive(Clone, Debug, Default, PartialEq, Hash)]
struct HearsItself;

impl ClientBug for HearsItself {
    fn handle_timeout(&mut self, machine: &mut Client, now: Time) {
        machine.handle_input(now, Input::Transport(machine.attempt(), News::Heard));
        machine.handle_timeout(now);
    }
}

#[test]
fn a_client_that_takes_its_timer_for_a_sign_of_life_is_caught() {
    let situation = ["at 0s a open start", "at 3s fault blackhole a", "duration 1m"];
    assert_eq!(caught_in(client::<HearsItself>(), &situation), Some(Promise::WaitsItsTime));
}

/// It keeps twice as much as it may.
#[derive(Clone, Debug, Default, PartialEq, Hash)]
struct KeepsTwice;

impl ClientBug for KeepsTwice {
    fn config(&self, mut config: ClientConfig) -> ClientConfig {
        config.window.unacked_bytes_max *= 2;
        config
    }
}

#[test]
fn a_client_that_keeps_more_than_it_may_is_caught() {
    let situation = [
        "set window 100",
        "at 0s a open start",
        "at 1s fault program-stall for 10s",
        "at 2s a send 50 every 1ms of 20",
        "duration 20s",
    ];
    assert_eq!(caught_in(client::<KeepsTwice>(), &situation), Some(Promise::BoundedMemory));
}

/// Only the first Welcome is understood.
#[derive(Clone, Debug, Default, PartialEq, Hash)]
struct NeverComesBack;

impl ClientBug for NeverComesBack {
    fn handle_input(&mut self, machine: &mut Client, now: Time, input: Input) {
        let input = match input {
            Input::Transport(attempt, News::Frame(Frame::Welcome(_))) if machine.instance().is_some() => {
                Input::Transport(attempt, News::Heard)
            }
            other => other,
        };
        machine.handle_input(now, input);
    }
}

#[test]
fn a_client_that_gives_up_on_a_good_network_is_caught() {
    let situation = ["at 0s a open start", "at 3s fault link-cut a", "duration 4s", "set wake-told no"];
    assert_eq!(caught_in(client::<NeverComesBack>(), &situation), Some(Promise::ComesBack));
}

/// It pauses for longer than anybody would wait.
#[derive(Clone, Debug, Default, PartialEq, Hash)]
struct PausesForTooLong;

impl ClientBug for PausesForTooLong {
    fn config(&self, config: ClientConfig) -> ClientConfig {
        let hour = Duration::from_secs(3600);
        let patience = config.patience.map(|patience| PatienceConfig { min: hour, max: hour, ..patience });
        ClientConfig { patience, ..config }
    }
}

#[test]
fn a_client_that_pauses_for_too_long_is_caught() {
    assert_eq!(caught_by(client::<PausesForTooLong>()), Some(Promise::RetriedInTime));
}

/// It logs in as often as it likes.
#[derive(Clone, Debug, Default, PartialEq, Hash)]
struct KnowsNoAllowance;

impl ClientBug for KnowsNoAllowance {
    fn config(&self, config: ClientConfig) -> ClientConfig {
        ClientConfig { allowance: None, ..config }
    }
}

#[test]
fn a_client_that_hammers_its_host_is_caught() {
    let cuts: Vec<String> = (6..16).map(|half| format!("at {}ms fault link-cut a", half * 500)).collect();
    let mut situation = vec!["set ssh-time 20ms", "at 0s a open start"];
    situation.extend(cuts.iter().map(String::as_str));
    assert_eq!(caught_in(client::<KnowsNoAllowance>(), &situation), Some(Promise::AttemptsPaced));
}

/// It asks and asks whether the other end is there.
#[derive(Clone, Debug, Default, PartialEq, Hash)]
struct AsksForEver;

impl ClientBug for AsksForEver {
    fn poll_transmit(&mut self, machine: &mut Client) -> Option<(Attempt, Frame)> {
        let asks = machine.status().is_attached().then(|| (machine.attempt(), Frame::Ping(0)));
        machine.poll_transmit().or(asks)
    }
}

#[test]
fn a_client_that_never_comes_to_rest_is_caught() {
    let situation = ["at 0s a open start", "duration 10m"];
    assert_eq!(caught_in(client::<AsksForEver>(), &situation), Some(Promise::ComesToRest));
}
