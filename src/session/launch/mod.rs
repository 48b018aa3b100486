//! The launch machine: what a proxy does before, and after, it relays.
//!
//! The table that it carries out:
//!
//! ```text
//!              no server lives                server lives
//! start        clean, spawn, attach           refuse: exit 91
//!                                             replace: stop it, then as on the left
//! reconnect    exit 90 with the reason        attach
//! ```
//!
//! *Lives* means that the kernel says the lock is held; a file's word is never taken for it. A
//! reconnect looks and attaches; it has no way to stop, clean or spawn.
//!
//! Locks, signals, files and processes are left to the host.

mod evidence;
mod io;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

pub use evidence::{Boot, Evidence, Mark, Record};
pub use io::{Effect, Holder, IfRunning, Input, Lock, Mode, Side, StopSignal, View};

use super::config::LaunchConfig;
use super::time::{Time, earliest};
use crate::proto::verdict::{
    EXIT_ALREADY_RUNNING, EXIT_CLOSED, EXIT_LOST, EXIT_NOT_RUNNING, EXIT_NOT_STARTED,
};
use crate::proto::{GoneReason, InstanceId, Verdict};

/// One proxy's way from its start to its exit.
///
/// [`Launch::handle_input`] or [`Launch::handle_timeout`], then [`Launch::poll_effect`] until
/// `None`, then sleep until [`Launch::poll_timeout`] or the next input.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Launch {
    config: LaunchConfig,
    mode: Mode,
    /// The instance that was spawned or found, for the reason of its end only.
    met: Option<InstanceId>,
    /// The instance whose record the last look found beside a free lock.
    left: Option<InstanceId>,
    state: State,
    effects: VecDeque<Effect>,
}

/// Where the proxy is.
///
/// ```text
///   start:      WaitStarter ─► Survey ─► [Stop ─►] Spawn ─► Meet ─► Attach ─► Relay ─► Judge ─► Done
///   reconnect:                 Seek ◄─────────────────────────────► Attach ─► Relay ─► Judge ─► Done
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum State {
    /// Waiting for the other starters of this identifier.
    WaitStarter { until: Time },
    /// Start: looking at what is there, some times if that was to be left alone: it may be ending.
    Survey { until: Time, look: Look },
    /// Start: waiting for the running server to end.
    Stop { holder: Holder, killed: bool, until: Time, look: Look },
    /// Start: waiting for the spawned server to be ready.
    Spawn { until: Time },
    /// Start: reading who was spawned, while nobody else can have replaced it.
    Meet,
    /// Reconnect: looking for the server that lives. The time to attach starts when there is
    /// something to attach to.
    Seek { attach_until: Option<Time>, starter_until: Time, look: Look },
    /// Connecting to the server's sockets; a reconnect may go back and look again.
    Attach { attach_until: Time, starter_until: Time },
    /// Carrying bytes.
    Relay,
    /// The server's side has ended: is the server gone, or has it only dropped us?
    Judge { until: Time, look: Look },
    /// The exit was ordered.
    Done,
}

/// A look at the host: under way, or planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Look {
    UnderWay,
    At(Time),
}

impl Look {
    fn at(self) -> Option<Time> {
        match self {
            Look::UnderWay => None,
            Look::At(at) => Some(at),
        }
    }
}

impl Launch {
    /// A proxy that starts at `now`.
    pub fn new(config: LaunchConfig, mode: Mode, now: Time) -> Self {
        let (state, effect) = match mode {
            Mode::Start(_) => (State::WaitStarter { until: now + config.starter_wait }, Effect::TakeStarter),
            Mode::Reconnect(_) => {
                let starter_until = now + config.starter_wait;
                (State::Seek { attach_until: None, starter_until, look: Look::UnderWay }, Effect::Look)
            }
        };
        Launch { config, mode, met: None, left: None, state, effects: VecDeque::from([effect]) }
    }

    /// Takes the host's answer to an effect, or news of the relay. Answers that come too late, or
    /// were not asked for, change nothing.
    pub fn handle_input(&mut self, now: Time, input: Input) {
        self.notice_suspension(now);
        match (self.state, input) {
            (State::Done, _) => {}
            (State::WaitStarter { .. }, Input::StarterTaken) => {
                let until = now + self.config.release_wait;
                self.state = State::Survey { until, look: Look::UnderWay };
                self.effects.push_back(Effect::Look);
            }
            (State::Survey { until, look: Look::UnderWay }, Input::Saw(view)) => {
                self.on_survey(now, view, until);
            }
            (State::Stop { holder, killed, until, look: Look::UnderWay }, Input::Saw(view)) => {
                self.on_stopping(now, view, holder, killed, until);
            }
            (State::Spawn { .. }, Input::Ready) => {
                self.state = State::Meet;
                self.effects.push_back(Effect::Look);
            }
            (State::Meet, Input::Saw(view)) => {
                self.met = view.evidence.record.map(|record| record.instance);
                self.attach(now + self.config.attach_timeout, now);
            }
            (State::Spawn { .. }, Input::NotReady(why)) => {
                self.exit(EXIT_NOT_STARTED, None, format!("the server could not be started: {why}"));
            }
            (State::Seek { attach_until, starter_until, look: Look::UnderWay }, Input::Saw(view)) => {
                self.on_seek(now, view, attach_until, starter_until);
            }
            (State::Attach { .. }, Input::Attached(instance)) => {
                // Who was seen before may have been replaced meanwhile.
                self.met = instance.or(self.met);
                if matches!(self.mode, Mode::Start(_)) {
                    // Only now can nobody else's server be taken for the one that was spawned.
                    self.effects.push_back(Effect::DropStarter);
                }
                self.state = State::Relay;
                self.effects.push_back(Effect::Relay);
            }
            (State::Attach { attach_until, starter_until }, Input::NotAttached(why)) => {
                if now >= attach_until {
                    self.exit(EXIT_LOST, None, format!("the server lives but cannot be attached to: {why}"));
                } else {
                    // It is on its way up or down; the lock will tell which.
                    let look = Look::At(now + self.config.look_interval);
                    self.state = State::Seek { attach_until: Some(attach_until), starter_until, look };
                }
            }
            (State::Relay, Input::Ended(Side::Client)) => {
                self.exit(EXIT_CLOSED, None, "the client has ended its side".to_owned());
            }
            (State::Relay, Input::Ended(Side::Server)) => {
                self.state = State::Judge { until: now + self.config.release_wait, look: Look::UnderWay };
                self.effects.push_back(Effect::Look);
            }
            (State::Judge { until, look: Look::UnderWay }, Input::Saw(view)) => {
                self.on_judge(now, view, until)
            }
            (
                State::WaitStarter { .. }
                | State::Survey { .. }
                | State::Stop { .. }
                | State::Spawn { .. }
                | State::Meet
                | State::Seek { .. }
                | State::Attach { .. }
                | State::Relay
                | State::Judge { .. },
                Input::Failed(why),
            ) => self.on_failed(why),
            // Answers to questions that were given up, or not asked yet.
            (
                State::Survey { look: Look::At(_), .. }
                | State::Stop { look: Look::At(_), .. }
                | State::Seek { look: Look::At(_), .. }
                | State::Judge { look: Look::At(_), .. },
                Input::Saw(_),
            )
            | (
                State::WaitStarter { .. },
                Input::Saw(_)
                | Input::Ready
                | Input::NotReady(_)
                | Input::Attached(_)
                | Input::NotAttached(_)
                | Input::Ended(_),
            )
            | (
                State::Survey { .. }
                | State::Stop { .. }
                | State::Meet
                | State::Seek { .. }
                | State::Judge { .. },
                Input::StarterTaken
                | Input::Ready
                | Input::NotReady(_)
                | Input::Attached(_)
                | Input::NotAttached(_)
                | Input::Ended(_),
            )
            | (
                State::Spawn { .. },
                Input::StarterTaken
                | Input::Saw(_)
                | Input::Attached(_)
                | Input::NotAttached(_)
                | Input::Ended(_),
            )
            | (
                State::Attach { .. },
                Input::StarterTaken | Input::Saw(_) | Input::Ready | Input::NotReady(_) | Input::Ended(_),
            )
            | (
                State::Relay,
                Input::StarterTaken
                | Input::Saw(_)
                | Input::Ready
                | Input::NotReady(_)
                | Input::Attached(_)
                | Input::NotAttached(_),
            ) => {}
        }
    }

    /// Does what is due. Safe at any time; early calls do nothing.
    pub fn handle_timeout(&mut self, now: Time) {
        self.notice_suspension(now);
        match &mut self.state {
            State::WaitStarter { until } if now >= *until => {
                let waited = self.config.starter_wait.as_secs();
                let why = format!("another proxy has been starting a server for {waited} seconds");
                self.exit(EXIT_NOT_STARTED, None, why);
            }
            State::Spawn { until } if now >= *until => {
                self.effects.push_back(Effect::AbandonSpawned);
                let waited = self.config.ready_timeout.as_secs();
                let why =
                    format!("the server could not be started: it was not ready within {waited} seconds");
                self.exit(EXIT_NOT_STARTED, None, why);
            }
            State::Survey { look, .. }
            | State::Stop { look, .. }
            | State::Seek { look, .. }
            | State::Judge { look, .. } => {
                if look.at().is_some_and(|at| now >= at) {
                    *look = Look::UnderWay;
                    self.effects.push_back(Effect::Look);
                }
            }
            State::Attach { attach_until, .. } if now >= *attach_until => {
                let waited = self.config.attach_timeout.as_secs();
                let why = format!("the server lives but did not take the connection within {waited} seconds");
                self.exit(EXIT_LOST, None, why);
            }
            State::WaitStarter { .. }
            | State::Spawn { .. }
            | State::Meet
            | State::Attach { .. }
            | State::Relay
            | State::Done => {}
        }
    }

    /// The next thing to do, in order.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When [`Launch::handle_timeout`] has something to do.
    pub fn poll_timeout(&self) -> Option<Time> {
        match self.state {
            State::WaitStarter { until } | State::Spawn { until } => Some(until),
            State::Attach { attach_until, .. } => Some(attach_until),
            State::Survey { look, .. }
            | State::Stop { look, .. }
            | State::Seek { look, .. }
            | State::Judge { look, .. } => earliest([look.at()]),
            State::Meet | State::Relay | State::Done => None,
        }
    }

    fn on_survey(&mut self, now: Time, view: View, until: Time) {
        match (view.lock, self.mode) {
            (Lock::Free, _) => self.spawn(now),
            // The client of a server that has just ended knows that before its lock falls free.
            (Lock::Held(_), Mode::Start(IfRunning::Refuse)) if now < until => {
                let look = Look::At(now + self.config.look_interval);
                self.state = State::Survey { until, look };
            }
            (Lock::Held(_), Mode::Start(IfRunning::Refuse) | Mode::Reconnect(_)) => {
                let why = "a server already runs under this identifier".to_owned();
                self.exit(EXIT_ALREADY_RUNNING, None, why);
            }
            (Lock::Held(holder @ Holder::Pid(_)), Mode::Start(IfRunning::Replace)) => {
                if let Some(record) = view.evidence.record {
                    self.effects.push_back(Effect::Intend(record.instance, GoneReason::Replaced));
                }
                self.effects.push_back(Effect::Signal(holder, StopSignal::Terminate));
                let until = now + self.config.stop_grace;
                let look = Look::At(now + self.config.look_interval);
                self.state = State::Stop { holder, killed: false, until, look };
            }
            (Lock::Held(Holder::Elsewhere), Mode::Start(IfRunning::Replace)) => {
                let why = "the running server cannot be stopped from here: it lives on another machine, or in another container, that shares this directory";
                self.exit(EXIT_NOT_STARTED, None, why.to_owned());
            }
        }
    }

    fn on_stopping(&mut self, now: Time, view: View, holder: Holder, killed: bool, until: Time) {
        let look = Look::At(now + self.config.look_interval);
        match view.lock {
            Lock::Free => self.spawn(now),
            // Started by hand, past the lock of the starters: it was never asked to end.
            Lock::Held(another) if another != holder => {
                let why = "another server took the place of the one that was stopped".to_owned();
                self.exit(EXIT_NOT_STARTED, None, why);
            }
            Lock::Held(_) if now < until => self.state = State::Stop { holder, killed, until, look },
            Lock::Held(_) if !killed => {
                self.effects.push_back(Effect::Signal(holder, StopSignal::Kill));
                let until = now + self.config.kill_wait;
                self.state = State::Stop { holder, killed: true, until, look };
            }
            Lock::Held(_) => {
                let why = "the running server does not end, not even when killed".to_owned();
                self.exit(EXIT_NOT_STARTED, None, why);
            }
        }
    }

    fn on_seek(&mut self, now: Time, view: View, attach_until: Option<Time>, starter_until: Time) {
        let look = Look::At(now + self.config.look_interval);
        match view.lock {
            Lock::Held(_) => {
                self.met = view.evidence.record.map(|record| record.instance);
                self.attach(attach_until.unwrap_or(now + self.config.attach_timeout), starter_until);
            }
            Lock::Free if view.starter_busy && now < starter_until => {
                // A first attach may have been cut in the middle: its server is about to take the lock.
                self.state = State::Seek { attach_until: None, starter_until, look };
            }
            Lock::Free if view.starter_busy => {
                let why = "another proxy is starting a server and does not come to an end".to_owned();
                self.exit(EXIT_LOST, None, why);
            }
            Lock::Free if self.may_have_started(view) => {
                self.state = State::Seek { attach_until, starter_until, look: Look::UnderWay };
                self.effects.push_back(Effect::Look);
            }
            Lock::Free => self.exit_not_running(view),
        }
    }

    /// Whether the record that was found is of a server that took the lock after we had looked at
    /// it. One that was there before, or that somebody has met, can only be gone.
    fn may_have_started(&mut self, view: View) -> bool {
        let found = view.evidence.record.map(|record| record.instance);
        let before = std::mem::replace(&mut self.left, found);
        found.is_some() && found != before && self.expected().is_none()
    }

    fn on_judge(&mut self, now: Time, view: View, until: Time) {
        match view.lock {
            // What is left here may be somebody else's by now, and a server without a name has left nothing.
            Lock::Free if self.expected().is_none() => {
                let nothing = Evidence { lock_file: true, ..Evidence::none(view.evidence.boot) };
                self.exit_not_running(View { evidence: nothing, ..view });
            }
            Lock::Free => self.exit_not_running(view),
            Lock::Held(_) if now < until => {
                let look = Look::At(now + self.config.look_interval);
                self.state = State::Judge { until, look };
            }
            Lock::Held(_) => self.exit(EXIT_LOST, None, "the server has ended this attachment".to_owned()),
        }
    }

    /// What was asked for and not begun would come too late; what was begun is ended.
    fn on_failed(&mut self, why: String) {
        self.effects.clear();
        if let State::Spawn { .. } = self.state {
            self.effects.push_back(Effect::AbandonSpawned);
        }
        self.exit(self.failure_code(), None, why);
    }

    fn spawn(&mut self, now: Time) {
        self.effects.push_back(Effect::Clean);
        self.effects.push_back(Effect::Spawn);
        self.state = State::Spawn { until: now + self.config.ready_timeout };
    }

    fn attach(&mut self, attach_until: Time, starter_until: Time) {
        self.effects.push_back(Effect::Attach);
        self.state = State::Attach { attach_until, starter_until };
    }

    fn exit_not_running(&mut self, view: View) {
        let mut evidence = view.evidence;
        if !view.starter_busy {
            // Whoever replaces a server keeps the starter lock until its word is cleaned away: one
            // that outlived the lock was given up, and explains nothing.
            evidence.intent = evidence.intent.filter(|intent| intent.reason != GoneReason::Replaced);
        }
        let reason = evidence.reason(self.expected());
        self.exit(EXIT_NOT_RUNNING, Some(reason), format!("the server is not running ({reason})"));
    }

    /// The instance whose end is to be explained, where it is known.
    fn expected(&self) -> Option<InstanceId> {
        match self.mode {
            Mode::Reconnect(expected) => expected.or(self.met),
            Mode::Start(_) => self.met,
        }
    }

    /// A deadline that is this much overdue was slept through, by the whole host: whoever is waited
    /// for slept as well. What was being waited for starts over.
    fn notice_suspension(&mut self, now: Time) {
        let Launch { config, state, .. } = self;
        let renew = |until: &mut Time, time| {
            if now >= *until + config.suspension_min {
                *until = now + time;
            }
        };
        match state {
            State::WaitStarter { until } => renew(until, config.starter_wait),
            State::Stop { killed: false, until, .. } => renew(until, config.stop_grace),
            State::Stop { killed: true, until, .. } => renew(until, config.kill_wait),
            State::Spawn { until } => renew(until, config.ready_timeout),
            State::Seek { attach_until, starter_until, .. } => {
                renew(starter_until, config.starter_wait);
                if let Some(attach_until) = attach_until {
                    renew(attach_until, config.attach_timeout);
                }
            }
            State::Attach { attach_until, starter_until } => {
                renew(starter_until, config.starter_wait);
                renew(attach_until, config.attach_timeout);
            }
            State::Survey { until, .. } | State::Judge { until, .. } => renew(until, config.release_wait),
            State::Meet | State::Relay | State::Done => {}
        }
    }

    fn failure_code(&self) -> i32 {
        match (self.state, self.mode) {
            // A start that has met, or seeks, its server has one that became ready: it is not judged.
            (
                State::Meet | State::Seek { .. } | State::Attach { .. } | State::Relay | State::Judge { .. },
                _,
            )
            | (_, Mode::Reconnect(_)) => EXIT_LOST,
            (_, Mode::Start(_)) => EXIT_NOT_STARTED,
        }
    }

    fn exit(&mut self, code: i32, reason: Option<GoneReason>, message: String) {
        self.effects.push_back(Effect::Exit(Verdict {
            code,
            reason,
            host: self.config.host,
            instance: self.expected(),
            message,
        }));
        self.state = State::Done;
    }
}
