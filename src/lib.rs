//! Keeps an editor's remote session alive across dropped links, and never lies about it.
//!
//! ```text
//! proto     floor 0   the words on the wire and their codec
//! session   floor 1   the pure machines: client, server, launch
//! speech    floor 1   JSON-RPC, as far as who carries it must know
//! io        floor 2   clocks, framed streams, sockets, children
//! host      floor 3   the server's side: processes and files
//! client    floor 3   the client's side: what editors link
//! cli       floor 4   arguments, exit codes, output
//! ```

//!
//! An editor connects with [`Client::connect`]; a server that hosts an application of its own
//! calls [`serve_main`]. Both are shown in `examples/`.

pub mod cli;
pub mod client;
pub mod host;
pub mod io;
pub mod proto;
pub mod session;
#[cfg(test)]
mod snapshot;
pub mod speech;

pub use cli::serve_main;
pub use client::{Change, Client, Driver, NetworkChanges, OrphanLifetime, Received, Route, Target};
pub use host::application::{Application, Delivery, Session};
pub use proto::{Channel, GoneReason, ProgramExit};
pub use session::ClientConfig;
pub use session::client::{Closed, Refused, Rejected, Status};
