//! The launch machine, watched: what it is at, as its orders to the host show, and what it is told.

use reattach::session::launch::{Effect, Input, Launch, Lock, Mode, Side};
use reattach::session::{LaunchConfig, Time};

use super::grid::labels;
use super::record::record;
use crate::machine::LaunchMachine;

labels! {
    /// What a proxy is at.
    LaunchState {
        WaitStarter "WaitStarter",
        Survey "Survey",
        Stop "Stop",
        Spawn "Spawn",
        Meet "Meet",
        Seek "Seek",
        Attach "Attach",
        Relay "Relay",
        Judge "Judge",
        Done "Done",
    }
}

labels! {
    /// What a proxy is told.
    LaunchInput {
        StarterTaken "starter taken",
        SawFree "saw nobody",
        SawStarting "saw a starter",
        SawHeld "saw a server",
        Ready "ready",
        NotReady "not ready",
        Attached "attached",
        NotAttached "not attached",
        ClientEnded "client ended",
        ServerEnded "server ended",
        Failed "failed",
        Timeout "timeout",
    }
}

/// The real launch machine, and what its orders show.
#[derive(Clone, Debug, Hash)]
pub struct WatchedLaunch {
    machine: Launch,
    state: LaunchState,
}

impl WatchedLaunch {
    pub(super) fn state(&self) -> LaunchState {
        self.state
    }

    fn told(&mut self, input: LaunchInput) {
        let state = self.state;
        record(|record| record.launch.hit(input, state));
    }

    fn enter(&mut self, state: LaunchState) {
        let before = std::mem::replace(&mut self.state, state);
        if before != state {
            record(|record| record.launch_moves.hit(before, state));
        }
    }

    /// Where an order shows it to be.
    fn after(&self, order: &Effect) -> LaunchState {
        match (order, self.state) {
            (Effect::TakeStarter, _) => LaunchState::WaitStarter,
            (Effect::Look, LaunchState::WaitStarter) => LaunchState::Survey,
            (Effect::Look, LaunchState::Spawn) => LaunchState::Meet,
            (Effect::Look, LaunchState::Relay) => LaunchState::Judge,
            (Effect::Signal(..), _) => LaunchState::Stop,
            (Effect::Spawn, _) => LaunchState::Spawn,
            (Effect::Attach, _) => LaunchState::Attach,
            (Effect::Relay, _) => LaunchState::Relay,
            (Effect::Exit(_), _) => LaunchState::Done,
            // Another look at the same, or a step on the way to the next order.
            (
                Effect::Look
                | Effect::DropStarter
                | Effect::Intend(..)
                | Effect::Clean
                | Effect::AbandonSpawned,
                same,
            ) => same,
        }
    }
}

fn of_input(input: &Input) -> LaunchInput {
    match input {
        Input::StarterTaken => LaunchInput::StarterTaken,
        Input::Saw(view) => match view.lock {
            Lock::Held(_) => LaunchInput::SawHeld,
            Lock::Free if view.starter_busy => LaunchInput::SawStarting,
            Lock::Free => LaunchInput::SawFree,
        },
        Input::Ready => LaunchInput::Ready,
        Input::NotReady(_) => LaunchInput::NotReady,
        Input::Attached(_) => LaunchInput::Attached,
        Input::NotAttached(_) => LaunchInput::NotAttached,
        Input::Ended(Side::Client) => LaunchInput::ClientEnded,
        Input::Ended(Side::Server) => LaunchInput::ServerEnded,
        Input::Failed(_) => LaunchInput::Failed,
    }
}

impl LaunchMachine for WatchedLaunch {
    fn new(config: LaunchConfig, mode: Mode, now: Time) -> Self {
        let state = match mode {
            Mode::Start(_) => LaunchState::WaitStarter,
            Mode::Reconnect(_) => LaunchState::Seek,
        };
        WatchedLaunch { machine: Launch::new(config, mode, now), state }
    }

    fn handle_input(&mut self, now: Time, input: Input) {
        let label = of_input(&input);
        self.told(label);
        self.machine.handle_input(now, input);
        if label == LaunchInput::NotAttached && self.state == LaunchState::Attach {
            // It looks again a little later; if it gives up, its next order says so.
            self.enter(LaunchState::Seek);
        }
    }

    fn handle_timeout(&mut self, now: Time) {
        self.told(LaunchInput::Timeout);
        self.machine.handle_timeout(now);
    }

    fn poll_effect(&mut self) -> Option<Effect> {
        let order = self.machine.poll_effect();
        if let Some(order) = &order {
            let state = self.after(order);
            self.enter(state);
        }
        order
    }

    fn poll_timeout(&self) -> Option<Time> {
        self.machine.poll_timeout()
    }
}
