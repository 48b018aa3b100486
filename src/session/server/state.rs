//! The server's states: each owns what dies with it.

use super::io::TransportId;
use super::parting::Parting;
use crate::proto::{GoneReason, Welcome};
use crate::session::time::Time;

/// Where the server is.
///
/// ```text
///   Unmet ── Hello ──► Attached ◄── Hello ── Detached
///     │                 │  ▲ │                  ▲ │
///     │                 │  └─┘ next attempt,    │ │
///     │                 │      takeover         │ │
///     │                 └── lost, silent ───────┘ │
///     │ nobody came     │ closed, program ended   │ idle
///     └──────────────► Ended ◄────────────────────┘      (told to stop: from anywhere)
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum State {
    /// No client was ever attached.
    Unmet { until: Time },
    /// A client is attached.
    Attached(Link),
    /// The owner is away; what the application says is kept up to the bound.
    Detached { until: Time, absence: Absence },
    /// About to end.
    Ended(GoneReason),
}

/// The attached transport.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Link {
    pub(super) transport: TransportId,
    /// When it has been silent for too long.
    pub(super) silent_at: Time,
    /// The answer to its Hello, until it was sent.
    pub(super) welcome: Option<Welcome>,
    /// The answer to its last Ping, until it was sent.
    pub(super) pong: Option<u64>,
    /// Its input has ended without a goodbye.
    pub(super) parting: Option<Parting>,
}

/// What is known of the client that is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Absence {
    /// It may come back.
    Away,
    /// It has died.
    Dead,
}

/// A transport that has not said Hello.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Attaching {
    pub(super) transport: TransportId,
    /// When it was sent the preamble.
    pub(super) since: Time,
    pub(super) until: Time,
}
