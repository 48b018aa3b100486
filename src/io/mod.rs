//! Floor 2: the only place with smol, clocks and sockets.
//!
//! ```text
//! clock       what time it is
//! ```
//!
//! What is said and when is left to the machines; which processes and files there are, to the host.

pub mod clock;
