//! Floor 1, beside the machines: what a client carries, if that is JSON-RPC.
//!
//! ```text
//! framing        where a message ends and the next begins
//! scanner        which members a message has, however long it is
//! direction      one way: whole messages, and what is held back meanwhile
//! requests       those that are open
//! conversation   both ways, and the answers when the session is lost
//! ```
//!
//! Nothing here knows a session, a clock or a descriptor. A stream is what it was, byte for byte, but
//! for what [`Conversation`] says.

mod conversation;
mod direction;
mod framing;
mod requests;
mod scanner;

pub use conversation::{Conversation, Warning};

/// How the messages of a stream are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// `Content-Length` headers: language servers, build servers.
    Lsp,
    /// One JSON value a line: servers of the Model Context Protocol.
    Lines,
}

/// A framing, and whether the editor's process is left in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speech {
    /// How messages are told apart.
    pub framing: Framing,
    /// A language server ends itself when it does not find its editor's process, and on another machine
    /// it never does: so it is told of none, unless this is set.
    pub keeps_process_id: bool,
}
