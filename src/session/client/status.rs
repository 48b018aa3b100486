//! What a client is seen to be from outside: a value that can be shown, compared and logged.

use std::fmt;

use crate::proto::{GoneReason, ProgramExit};

/// The client's state as the editor and its user see it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// First attach; a fresh server may be started.
    Connecting,
    /// Attached, heard from recently.
    Connected,
    /// Attached, so many probes unanswered in a row.
    HeartbeatMissed(u32),
    /// Attempt number so many of this outage is under way.
    Reconnecting(u32),
    /// So many attempts of this outage have failed; the next is due.
    ReconnectFailed(u32),
    /// All attempts of this outage have failed; waiting for a wake-up, a network or the user.
    ReconnectExhausted,
    /// The instance that held the state is gone. Final, but for a restart by the user.
    ServerNotRunning(GoneReason),
    /// The far side will not have us. Final, but for a restart by the user.
    Refused(Refused),
    /// The session is over.
    Closed(Closed),
}

/// The coarse view for a status bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outside {
    /// [`Status::Connecting`].
    Connecting,
    /// [`Status::Connected`].
    Connected,
    /// [`Status::HeartbeatMissed`].
    HeartbeatMissed,
    /// [`Status::Reconnecting`] and [`Status::ReconnectFailed`].
    Reconnecting,
    /// All others.
    Disconnected,
}

/// Why the far side will not have us.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Refused {
    /// Another session took our place; we do not fight back.
    TakenOver,
    /// Another session owns the server.
    Busy,
    /// A server runs under this identifier, and we asked to leave it alone.
    AlreadyRunning,
    /// The server could not be started; one sentence why.
    NotStarted(String),
    /// The proxy was never reached: one sentence why.
    Unreachable(String),
    /// One side no longer has what the other would need: messages would be lost.
    Gap(String),
    /// The two do not speak the same protocol; one sentence why.
    Protocol(String),
}

/// How a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Closed {
    /// The user left.
    ByUser,
    /// The hosted program ended.
    ProgramEnded(ProgramExit),
}

impl Status {
    /// The coarse view.
    pub fn outside(&self) -> Outside {
        match self {
            Status::Connecting => Outside::Connecting,
            Status::Connected => Outside::Connected,
            Status::HeartbeatMissed(_) => Outside::HeartbeatMissed,
            Status::Reconnecting(_) | Status::ReconnectFailed(_) => Outside::Reconnecting,
            Status::ReconnectExhausted
            | Status::ServerNotRunning(_)
            | Status::Refused(_)
            | Status::Closed(_) => Outside::Disconnected,
        }
    }

    /// Whether the session will do nothing more by itself, whatever the network does.
    pub fn is_final(&self) -> bool {
        match self {
            Status::ServerNotRunning(_) | Status::Refused(_) | Status::Closed(_) => true,
            Status::Connecting
            | Status::Connected
            | Status::HeartbeatMissed(_)
            | Status::Reconnecting(_)
            | Status::ReconnectFailed(_)
            | Status::ReconnectExhausted => false,
        }
    }

    /// Whether a transport is attached.
    pub fn is_attached(&self) -> bool {
        matches!(self, Status::Connected | Status::HeartbeatMissed(_))
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Status::Connecting => f.write_str("Connecting"),
            Status::Connected => f.write_str("Connected"),
            Status::HeartbeatMissed(n) => write!(f, "HeartbeatMissed({n})"),
            Status::Reconnecting(k) => write!(f, "Reconnecting({k})"),
            Status::ReconnectFailed(k) => write!(f, "ReconnectFailed({k})"),
            Status::ReconnectExhausted => f.write_str("ReconnectExhausted"),
            Status::ServerNotRunning(reason) => write!(f, "ServerNotRunning({reason})"),
            Status::Refused(refused) => write!(f, "Refused({refused})"),
            Status::Closed(Closed::ByUser) => f.write_str("Closed(by user)"),
            Status::Closed(Closed::ProgramEnded(ProgramExit::Code(code))) => write!(f, "Closed(exit {code})"),
            Status::Closed(Closed::ProgramEnded(ProgramExit::Signal(signal))) => {
                write!(f, "Closed(signal {signal})")
            }
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::TakenOver => f.write_str("taken over"),
            Refused::Busy => f.write_str("busy"),
            Refused::AlreadyRunning => f.write_str("already running"),
            Refused::NotStarted(why) => write!(f, "not started: {why}"),
            Refused::Unreachable(why) => write!(f, "unreachable: {why}"),
            Refused::Gap(why) => write!(f, "gap: {why}"),
            Refused::Protocol(why) => write!(f, "protocol: {why}"),
        }
    }
}
