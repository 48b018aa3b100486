//! Floor 1: the pure machines that decide everything.
//!
//! ```text
//! client      one session's way from Connecting to Closed
//! server      one instance: who owns it, who is attached, when it ends
//! launch      what a proxy does before it relays: attach, spawn, replace or refuse
//! outbox      what was sent and may have to be sent again
//! pace        how much of it may be on its way at once
//! inbox       what was received, once and in order
//! heartbeat   whether the other end is still there
//! backoff     how long to wait before the next attempt
//! allowance   how often a host is logged in to
//! config      what a user may tune
//! time        points in time
//! ```
//!
//! All of them take time, randomness and ids as arguments; none reads a clock, a file or a
//! socket. `client`, `server` and `launch` never import each other: they meet on the wire.

pub mod allowance;
pub mod backoff;
pub mod client;
pub mod config;
pub mod heartbeat;
pub mod inbox;
pub mod launch;
pub mod outbox;
pub mod pace;
pub mod server;
#[cfg(test)]
mod tests;
pub mod time;

pub use config::{
    AllowanceConfig, BackoffConfig, ClientConfig, First, LaunchConfig, PatienceConfig, ServerConfig,
    WindowConfig,
};
pub use time::Time;
