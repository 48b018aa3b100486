//! The frames: everything that client and server can say to each other.
//!
//! How they look as bytes is left to [`codec`](super::codec).

use bytes::Bytes;

use super::handshake::{Bye, Hello, ProgramExit, Refusal, Welcome};
use super::id::Seq;

/// Where a payload comes from or goes to at the hosted application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Channel {
    /// Client to server: the hosted program's standard input, or a message to the application.
    Input = 0,
    /// Server to client: the hosted program's standard output, or a message of the application.
    Output = 1,
    /// Server to client: the hosted program's standard error.
    Errors = 2,
    /// Client to server: one byte, the number of a signal that the user sent to the program.
    Signal = 3,
}

impl Channel {
    /// The channel with that number on the wire.
    pub fn from_byte(byte: u8) -> Option<Self> {
        [Channel::Input, Channel::Output, Channel::Errors, Channel::Signal]
            .into_iter()
            .find(|channel| *channel as u8 == byte)
    }
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Frame {
    /// Client, first: who I am and what I have.
    Hello(Hello),
    /// Server, to a `Hello` that it accepts.
    Welcome(Welcome),
    /// Server, to a `Hello` that it does not; the transport ends after it.
    Refused(Refusal),
    /// Payload for a channel. Numbered.
    Data {
        /// Where it goes.
        channel: Channel,
        /// Its number in this direction.
        seq: Seq,
        /// At most [`PAYLOAD_BYTES_MAX`](super::limits::PAYLOAD_BYTES_MAX) bytes.
        payload: Bytes,
    },
    /// Nothing more will come on that channel. Numbered.
    Fin {
        /// The channel that has ended.
        channel: Channel,
        /// Its number in this direction.
        seq: Seq,
    },
    /// Server: the hosted program has ended; the last numbered frame of its direction.
    Exit {
        /// Its number in this direction.
        seq: Seq,
        /// How it ended.
        exit: ProgramExit,
    },
    /// Everything up to this number was consumed: the sender may forget it.
    Ack(Seq),
    /// Client: are you there? Answered by a `Pong` with the same nonce.
    Ping(u64),
    /// Server: the answer to the last `Ping`.
    Pong(u64),
    /// Either side, last: why this transport, or the session, ends.
    Bye(Bye),
}

impl Frame {
    /// The frame's number, if it is one that replay protects.
    pub fn seq(&self) -> Option<Seq> {
        match self {
            Frame::Data { seq, .. } | Frame::Fin { seq, .. } | Frame::Exit { seq, .. } => Some(*seq),
            Frame::Hello(_)
            | Frame::Welcome(_)
            | Frame::Refused(_)
            | Frame::Ack(_)
            | Frame::Ping(_)
            | Frame::Pong(_)
            | Frame::Bye(_) => None,
        }
    }

    /// The frame's name as the protocol's description writes it.
    pub fn name(&self) -> &'static str {
        match self {
            Frame::Hello(_) => "Hello",
            Frame::Welcome(_) => "Welcome",
            Frame::Refused(_) => "Refused",
            Frame::Data { .. } => "Data",
            Frame::Fin { .. } => "Fin",
            Frame::Exit { .. } => "Exit",
            Frame::Ack(_) => "Ack",
            Frame::Ping(_) => "Ping",
            Frame::Pong(_) => "Pong",
            Frame::Bye(_) => "Bye",
        }
    }
}
