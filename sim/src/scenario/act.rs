//! What users do.

use std::time::Duration;

use reattach::session::First;

/// A user's act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    /// Whose: 0 is `a`.
    pub client: u8,
    /// What.
    pub act: Act,
}

/// What a user does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Opens an editor on the host. Once for each client.
    Open(First),
    /// Works: so many requests, one each while.
    Send {
        /// How many.
        count: u32,
        /// The while.
        every: Duration,
        /// Bytes of each.
        bytes: u32,
    },
    /// Ends the program's input.
    Finish,
    /// Sends a signal to the program.
    Signal(u8),
    /// Leaves.
    Close,
    /// Types at a terminal that is read once the session is attached.
    Type,
    /// Presses "reconnect".
    Retry,
    /// Presses "start over".
    Restart,
    /// Joins a network.
    NetworkUp,
}
