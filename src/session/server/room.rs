//! How much the application may say now.

use super::Server;
use super::state::State;
use crate::proto::limits::FAST_BYTES_MIN;

impl Server {
    /// Whether [`Input::Output`](super::Input::Output) is taken now: if not, stop reading from the application.
    pub fn has_room(&self) -> bool {
        match self.state {
            State::Ended(_) => false,
            State::Unmet { .. } | State::Attached(_) | State::Detached { .. } => self.room_bytes() > 0,
        }
    }

    /// Payload bytes of [`Input::Output`](super::Input::Output) that are taken now. A client that is attached, or about to be, is given
    /// no more ahead than its link carries in a bounded time; for one that is away, as much is kept as may be.
    pub fn room_bytes(&self) -> usize {
        match self.state {
            State::Unmet { .. } | State::Attached(_) => self.outbox.room_ahead(),
            State::Detached { .. } => self.outbox.room(),
            State::Ended(_) => 0,
        }
    }

    /// Whether a client is attached over a link that has shown to carry bulk.
    pub fn is_fast(&self) -> bool {
        match self.state {
            State::Attached(_) => self.outbox.pace().bytes() >= FAST_BYTES_MIN,
            State::Unmet { .. } | State::Detached { .. } | State::Ended(_) => false,
        }
    }
}
