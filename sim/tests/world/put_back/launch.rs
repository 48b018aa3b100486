//! Proxies with a bug.

use reattach::proto::GoneReason;
use reattach::proto::verdict::EXIT_NOT_RUNNING;
use reattach::session::launch::{
    Effect, Evidence, Holder, IfRunning, Input, Launch, Lock, Mode, StopSignal, View,
};
use reattach::session::{LaunchConfig, Time};
use reattach_sim::check::Promise;

use super::{caught_by, caught_in, launch};
use crate::kits::LaunchBug;

/// The founding bug: a reconnect that finds nobody starts a server.
#[derive(Clone, Default, Hash)]
pub(crate) struct SpawnsOnReconnect {
    spawns: bool,
}

impl LaunchBug for SpawnsOnReconnect {
    fn handle_input(&mut self, machine: &mut Launch, mode: Mode, now: Time, input: Input) {
        match (mode, input) {
            (Mode::Reconnect(_), Input::Saw(view)) if view.lock == Lock::Free && !self.spawns => {
                self.spawns = true;
                *machine = Launch::new(LaunchConfig::default(), Mode::Start(IfRunning::Refuse), now);
            }
            (_, input) => machine.handle_input(now, input),
        }
    }
}

#[test]
fn a_proxy_that_spawns_on_reconnect_is_caught() {
    assert_eq!(caught_by(launch::<SpawnsOnReconnect>()), Some(Promise::NeverSpawn));
}

/// What a proxy sees is something else than what is there.
fn sees(machine: &mut Launch, now: Time, input: Input, change: impl FnOnce(View) -> View) {
    let input = match input {
        Input::Saw(view) => Input::Saw(change(view)),
        other => other,
    };
    machine.handle_input(now, input);
}

/// A free lock looks held.
#[derive(Clone, Default, Hash)]
struct SeesAServer;

impl LaunchBug for SeesAServer {
    fn handle_input(&mut self, machine: &mut Launch, _: Mode, now: Time, input: Input) {
        sees(machine, now, input, |view| View { lock: Lock::Held(Holder::Pid(1)), ..view });
    }
}

#[test]
fn a_proxy_that_says_already_running_of_nobody_is_caught() {
    let situation = ["at 0s a open start"];
    assert_eq!(caught_in(launch::<SeesAServer>(), &situation), Some(Promise::RefusalJustified));
}

/// A server that is ready is taken for one that is not.
#[derive(Clone, Default, Hash)]
struct TakesReadyForFailed;

impl LaunchBug for TakesReadyForFailed {
    fn handle_input(&mut self, machine: &mut Launch, _: Mode, now: Time, input: Input) {
        let input = if input == Input::Ready { Input::NotReady("not ready".to_owned()) } else { input };
        machine.handle_input(now, input);
    }
}

#[test]
fn a_proxy_that_says_not_started_of_a_server_that_lives_is_caught() {
    let situation = ["at 0s a open start"];
    assert_eq!(caught_in(launch::<TakesReadyForFailed>(), &situation), Some(Promise::RefusalJustified));
}

/// Who knows nothing says that it crashed.
#[derive(Clone, Default, Hash)]
struct GuessesACrash;

impl LaunchBug for GuessesACrash {
    fn poll_effect(&mut self, machine: &mut Launch) -> Option<Effect> {
        let mut effect = machine.poll_effect();
        if let Some(Effect::Exit(verdict)) = &mut effect
            && verdict.code == EXIT_NOT_RUNNING
        {
            verdict.reason = Some(GoneReason::Crashed);
        }
        effect
    }
}

#[test]
fn a_proxy_that_says_crashed_where_nothing_ever_ran_is_caught() {
    let situation = ["at 0s a open takeover"];
    assert_eq!(caught_in(launch::<GuessesACrash>(), &situation), Some(Promise::NotRunningTrue));
}

/// A server's last word is not read.
#[derive(Clone, Default, Hash)]
struct ReadsNoTombstone;

impl LaunchBug for ReadsNoTombstone {
    fn handle_input(&mut self, machine: &mut Launch, _: Mode, now: Time, input: Input) {
        let forget = |evidence| Evidence { tombstone: None, ..evidence };
        sees(machine, now, input, |view| View { evidence: forget(view.evidence), ..view });
    }
}

#[test]
fn a_proxy_that_does_not_read_the_word_of_a_server_without_a_record_is_caught() {
    let situation = ["at 0s a open start", "at 2s fault record-torn", "at 4s fault server-stop"];
    assert_eq!(caught_in(launch::<ReadsNoTombstone>(), &situation), Some(Promise::NotRunningTrue));
}

/// Whoever lives is taken for gone by a reconnect.
#[derive(Clone, Default, Hash)]
struct SeesNobody;

impl LaunchBug for SeesNobody {
    fn handle_input(&mut self, machine: &mut Launch, mode: Mode, now: Time, input: Input) {
        let lock = |lock| if matches!(mode, Mode::Reconnect(_)) { Lock::Free } else { lock };
        sees(machine, now, input, |view| View { lock: lock(view.lock), ..view });
    }
}

#[test]
fn a_proxy_that_says_gone_of_a_server_that_lives_is_caught_after_another_lost_its_lock() {
    let situation = [
        "mode hostile",
        "at 0s a open start",
        "at 2s fault pid-file-missing",
        "at 3s fault server-crash",
        "at 8s a restart",
        "at 12s fault link-cut a",
    ];
    assert_eq!(caught_in(launch::<SeesNobody>(), &situation), Some(Promise::NotRunningTrue));
}

/// The signal goes to the process with the next number.
#[derive(Clone, Default, Hash)]
struct SignalsANeighbour;

impl LaunchBug for SignalsANeighbour {
    fn poll_effect(&mut self, machine: &mut Launch) -> Option<Effect> {
        match machine.poll_effect() {
            Some(Effect::Signal(Holder::Pid(pid), signal)) => {
                Some(Effect::Signal(Holder::Pid(pid + 1), signal))
            }
            other => other,
        }
    }
}

const REPLACEMENT: [&str; 2] = ["at 0s a open start", "at 5s b open replace"];

#[test]
fn a_proxy_that_signals_who_does_not_hold_the_lock_is_caught() {
    assert_eq!(caught_in(launch::<SignalsANeighbour>(), &REPLACEMENT), Some(Promise::ProvenSignal));
}

/// The signal that cannot be caught comes first.
#[derive(Clone, Default, Hash)]
struct KillsAtOnce;

impl LaunchBug for KillsAtOnce {
    fn poll_effect(&mut self, machine: &mut Launch) -> Option<Effect> {
        match machine.poll_effect() {
            Some(Effect::Signal(holder, _)) => Some(Effect::Signal(holder, StopSignal::Kill)),
            other => other,
        }
    }
}

#[test]
fn a_proxy_that_kills_without_grace_is_caught() {
    assert_eq!(caught_in(launch::<KillsAtOnce>(), &REPLACEMENT), Some(Promise::ProvenSignal));
}

/// A start takes whoever lives for gone.
#[derive(Clone, Default, Hash)]
struct StartsOverTheLiving;

impl LaunchBug for StartsOverTheLiving {
    fn handle_input(&mut self, machine: &mut Launch, mode: Mode, now: Time, input: Input) {
        let lock = |lock| if matches!(mode, Mode::Start(_)) { Lock::Free } else { lock };
        sees(machine, now, input, |view| View { lock: lock(view.lock), ..view });
    }
}

#[test]
fn a_proxy_that_removes_what_a_living_server_left_word_of_is_caught() {
    assert_eq!(caught_in(launch::<StartsOverTheLiving>(), &REPLACEMENT), Some(Promise::LivingKept));
}
