//! What a session has seen of its way to the host: how long it takes, and so how long it gets.
//!
//! A link over two satellites is well, and a host whose login takes twelve seconds is, too. What once took so
//! long may do so again, and gets twice the time; what is quick keeps the usual one. So whatever is seen of a
//! usual way changes nothing here.

use std::time::Duration;

use crate::proto::limits::TIMES_SEEN;
use crate::session::config::ClientConfig;

/// The times that are due because of what was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Seen {
    network_probe: Duration,
    first_open: Duration,
}

impl Seen {
    /// Nothing yet.
    pub(super) fn nothing(config: &ClientConfig) -> Self {
        Seen { network_probe: config.network_probe_timeout, first_open: config.open_timeout_min }
    }

    /// The last question, a Hello or a ping, was answered after that time.
    pub(super) fn answered_after(&mut self, took: Duration, config: &ClientConfig) {
        // Who hears of a network does not wait longer than one who hears of nothing.
        let silence = config.heartbeat_interval.saturating_mul(config.heartbeat_misses_max.saturating_add(1));
        let due = config.network_probe_timeout.max(took.saturating_mul(TIMES_SEEN));
        self.network_probe = due.min(silence.max(config.network_probe_timeout));
    }

    /// The last transport that opened did so after that time.
    pub(super) fn opened_after(&mut self, took: Duration, config: &ClientConfig) {
        let due = config.open_timeout_min.max(took.saturating_mul(TIMES_SEEN));
        self.first_open = due.min(config.open_timeout.unwrap_or(due));
    }

    /// Time for a probe after a network has changed.
    pub(super) fn network_probe(&self) -> Duration {
        self.network_probe
    }

    /// Time to open the first transport of an outage.
    pub(super) fn first_open(&self) -> Duration {
        self.first_open
    }
}
