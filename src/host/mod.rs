//! Floor 3, the server's side: processes and files.
//!
//! ```text
//! application   what a server hosts
//! program       a hosted program
//! daemon        the server's driver
//! pairing       two sockets become one attachment
//! ```

pub mod application;
pub mod daemon;
pub mod identifier;
pub mod pairing;
pub mod program;
