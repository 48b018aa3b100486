//! The client's states: each owns what dies with it.

use super::status::{Closed, Refused, Status};
use crate::proto::GoneReason;
use crate::session::heartbeat::Heartbeat;
use crate::session::time::{Time, earliest};

/// Where the client is.
///
/// ```text
///  ConnectFailed ◄──┐ turned away
///          │ due    │ before the key exchange
///          └──► Connecting ────────────────────────────┐
///                 │ welcome          lost, proxy ran   │ lost, proxy never ran
///                 ▼                        │           ▼
///      ┌──► Attached ───── lost ───┐       │        Refused ◄── refused for good, taken over,
///      │   (Connected,             ▼       ▼           │        gap, protocol (from anywhere)
///      │    HeartbeatMissed)    Reconnecting ◄───┐     │
///      └──────── welcome ──────────┘   │ failed  │ due │
///                                      ▼         │     │
///      ServerNotRunning ◄── 90      ReconnectFailed    │ restart by the user:
///      (from any transport)            │ MAX failed    │ Connecting, as a new session
///                 │                    ▼               │
///                 │            ReconnectExhausted ── wake, network, user: a full budget ──► Reconnecting
///                 │                    │  ▲  └───── activity, patience: one attempt ───────► Reconnecting
///                 │                    ▼  └──────────────────────── which failed
///                 └── restart                          │
///      Closed ◄── user, or the hosted program ended (from anywhere)
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum State {
    /// First attach; a fresh server may be started.
    Connecting(Opening),
    /// The first attach was turned away before anything can have been started, or has to wait.
    ConnectFailed { retry_at: Time },
    /// A transport is attached: Connected, or HeartbeatMissed while probes go unanswered.
    Attached(Attached),
    /// An attempt to reattach is under way.
    Reconnecting(Opening),
    /// An attempt failed, or a transport was lost before it was stable.
    ReconnectFailed { retry_at: Time },
    /// The budget is used up. The clock is still looked at, to notice a suspension; patience tries now
    /// and then, as long as it lasts, or the user's activity does.
    ReconnectExhausted { look_at: Time, retry_at: Option<Time>, by_activity: bool },
    /// The instance is gone.
    ServerNotRunning(GoneReason),
    /// The far side will not have us.
    Refused(Refused),
    /// The session is over.
    Closed(Closed),
}

/// A transport on its way to being attached.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Opening {
    pub(super) phase: Phase,
    /// The proxy said that it runs: it may have started a server.
    pub(super) started: bool,
    /// The output has ended; until then its exit status is waited for.
    pub(super) ended_until: Option<Time>,
    /// When the preamble came.
    pub(super) greeted_at: Option<Time>,
    /// A hint came since: its failure says nothing about the network as it is now.
    pub(super) woken: bool,
    /// It was begun because the user sent something.
    pub(super) by_activity: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Phase {
    /// Waiting for the preamble; maybe for as long as it takes.
    Open { until: Option<Time> },
    /// Preamble seen, and since when; the Hello is to be sent.
    Greet { since: Time, until: Time },
    /// Hello sent, waiting for the answer.
    Answer { since: Time, until: Time },
}

impl Opening {
    pub(super) fn new(until: Option<Time>) -> Self {
        let phase = Phase::Open { until };
        Opening {
            phase,
            started: false,
            ended_until: None,
            greeted_at: None,
            woken: false,
            by_activity: false,
        }
    }

    /// Whether it may be replaced because the user sends something: it has not opened, nobody is asked for
    /// a password, and it was not begun so itself.
    pub(super) fn yields_to_activity(&self) -> bool {
        match self.phase {
            Phase::Open { until: Some(_) } => !self.by_activity,
            Phase::Open { until: None } | Phase::Greet { .. } | Phase::Answer { .. } => false,
        }
    }

    /// When the attempt has failed, unless it moves on.
    pub(super) fn until(&self) -> Option<Time> {
        let phase = match self.phase {
            Phase::Open { until } => until,
            Phase::Greet { until, .. } | Phase::Answer { until, .. } => Some(until),
        };
        earliest([phase, self.ended_until])
    }

    /// Gives an attempt that has a deadline at most until `soon`.
    pub(super) fn hasten(&mut self, soon: Time) {
        match &mut self.phase {
            Phase::Open { until: Some(until) } | Phase::Greet { until, .. } | Phase::Answer { until, .. } => {
                *until = (*until).min(soon);
            }
            // A password may be typed: that takes as long as it takes.
            Phase::Open { until: None } => {}
        }
    }

    /// Gives deadlines that passed during our own sleep a little more time.
    pub(super) fn extend(&mut self, now: Time, later: Time) {
        let phase = match &mut self.phase {
            Phase::Open { until } => until.as_mut(),
            Phase::Greet { until, .. } | Phase::Answer { until, .. } => Some(until),
        };
        for until in phase.into_iter().chain(&mut self.ended_until).filter(|until| **until <= now) {
            *until = later;
        }
    }
}

/// A transport that carries the session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Attached {
    pub(super) since: Time,
    pub(super) heartbeat: Heartbeat,
    /// A probe to send.
    pub(super) ping: Option<u64>,
    /// The output has ended; until then its exit status is waited for.
    pub(super) ended_until: Option<Time>,
}

impl State {
    /// What is seen from outside; `failures` is the count of failed attempts of this outage.
    pub(super) fn status(&self, failures: u32) -> Status {
        match self {
            State::Connecting(_) | State::ConnectFailed { .. } => Status::Connecting,
            State::Attached(attached) => match attached.heartbeat.missed() {
                0 => Status::Connected,
                missed => Status::HeartbeatMissed(missed),
            },
            State::Reconnecting(_) => Status::Reconnecting(failures + 1),
            State::ReconnectFailed { .. } => Status::ReconnectFailed(failures),
            State::ReconnectExhausted { .. } => Status::ReconnectExhausted,
            State::ServerNotRunning(reason) => Status::ServerNotRunning(*reason),
            State::Refused(refused) => Status::Refused(refused.clone()),
            State::Closed(closed) => Status::Closed(*closed),
        }
    }

    /// Whether a transport is open, attached or on its way.
    pub(super) fn has_transport(&self) -> bool {
        match self {
            State::Connecting(_) | State::Attached(_) | State::Reconnecting(_) => true,
            State::ConnectFailed { .. }
            | State::ReconnectFailed { .. }
            | State::ReconnectExhausted { .. }
            | State::ServerNotRunning(_)
            | State::Refused(_)
            | State::Closed(_) => false,
        }
    }

    /// Whether the session will do nothing more by itself.
    pub(super) fn is_final(&self) -> bool {
        match self {
            State::ServerNotRunning(_) | State::Refused(_) | State::Closed(_) => true,
            State::Connecting(_)
            | State::Attached(_)
            | State::Reconnecting(_)
            | State::ConnectFailed { .. }
            | State::ReconnectFailed { .. }
            | State::ReconnectExhausted { .. } => false,
        }
    }
}
