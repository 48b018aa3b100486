//! Floor 0: the words that client and server exchange, and the codec.
//!
//! ```text
//! limits      every bound, with its why
//! id          who is meant: instances and sessions
//! frame       the frames: what is said
//! handshake   the bodies of the frames that people may want to read (JSON)
//! codec       frames to bytes and back
//! verdict     what a proxy says by its exit code and on its standard error
//! words       what comes from elsewhere, as it may be shown
//! preamble    where the server's bytes begin, after whatever a login shell printed
//! ```
//!
//! Nothing here knows a session, a clock or a socket. PROTOCOL.md says the same in prose.

pub mod codec;
#[cfg(test)]
mod corpus;
pub mod frame;
pub mod handshake;
pub mod id;
pub mod limits;
pub mod preamble;
pub mod verdict;
pub mod words;

pub use codec::{DecodeError, Decoder, encode, encode_head};
pub use frame::{Channel, Frame};
pub use handshake::{Bye, ByeReason, Hello, ProgramExit, Refusal, RefusalReason, Welcome};
pub use id::{HostId, InstanceId, Seq, SessionId};
pub use preamble::{PREAMBLE, PreambleError, PreambleScanner};
pub use verdict::{GoneReason, Notice, Verdict};
