//! Floor 4: arguments as types, exit codes, output.
//!
//! ```text
//! usage       arguments that were not understood
//! server      reattach-server
//! ```

pub mod server;
pub mod usage;
