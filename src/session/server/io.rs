//! What a server machine is told and what it asks for: plain values.

use std::fmt;

use bytes::Bytes;

use crate::proto::{Channel, Frame, GoneReason, ProgramExit};

/// A transport as the server's driver numbers them. Never used twice in the life of a server.
pub type TransportId = u64;

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// A proxy has attached both halves; the preamble was sent.
    Opened(TransportId),
    /// News of a transport.
    Transport(TransportId, News),
    /// The application: send this. Taken while [`Server::has_room`](super::Server::has_room);
    /// at most [`PAYLOAD_BYTES_MAX`](crate::proto::limits::PAYLOAD_BYTES_MAX) bytes.
    Output(Channel, Bytes),
    /// The application: nothing more will come on this channel.
    OutputFinished(Channel),
    /// The application has ended, and all its output was handed in.
    Exited(ProgramExit),
    /// The application took that many more deliveries.
    Consumed(usize),
    /// The server is told to end, and why.
    Stop(GoneReason),
}

/// News of one transport.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum News {
    /// Bytes came, maybe not a whole frame.
    Heard,
    /// A frame came.
    Frame(Frame),
    /// What came is no frame; one sentence.
    Garbled(String),
    /// Nothing more will come, and nothing half is left of what came; the output is open still.
    InputEnded,
    /// And nobody takes the output any more, either.
    OutputEnded,
    /// The transport has ended.
    Lost,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// End this transport; first write what was given for it, and then this frame, if it takes them.
    Close(TransportId, Option<Frame>),
    /// Hand this to the application. One delivery.
    Deliver(Bytes),
    /// Send this signal to the application. One delivery.
    Signal(u8),
    /// Tell the application that its input has ended. One delivery.
    FinishInput,
    /// The state has changed.
    Status(Status, Cause),
    /// News of a transport that is not attaching or attached changed nothing.
    Ignored(TransportId),
    /// End the application, leave word why, and end.
    End(GoneReason),
}

/// The server's state as seen from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// No client was ever attached.
    Unmet,
    /// A client is attached; its attempt's number.
    Attached(u64),
    /// No client is attached.
    Detached,
    /// The server is about to end.
    Ended(GoneReason),
}

/// Why the state changed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The server started.
    Started,
    /// The owner's first or next attempt was accepted.
    Hello,
    /// Another session was let in, in the owner's place.
    Takeover,
    /// The transport ended.
    Lost,
    /// The client has ended, and its link is well.
    Death,
    /// Nothing came for too long.
    Silence,
    /// The client said goodbye to the transport.
    Bye,
    /// The client broke the protocol; one sentence.
    Violation(String),
    /// The end has come.
    End,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Status::Unmet => f.write_str("Unmet"),
            Status::Attached(attempt) => write!(f, "Attached({attempt})"),
            Status::Detached => f.write_str("Detached"),
            Status::Ended(reason) => write!(f, "Ended({reason})"),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Started => f.write_str("started"),
            Cause::Hello => f.write_str("hello"),
            Cause::Takeover => f.write_str("takeover"),
            Cause::Lost => f.write_str("transport lost"),
            Cause::Death => f.write_str("the client has died, its link is well"),
            Cause::Silence => f.write_str("no sign of life"),
            Cause::Bye => f.write_str("bye"),
            Cause::Violation(what) => write!(f, "protocol violated: {what}"),
            Cause::End => f.write_str("its end has come"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_reads_like_a_line_of_a_log() {
        let told = |status: Status, cause: Cause| format!("{status}: {cause}");
        let violation = Cause::Violation("a gap".to_owned());
        for (line, expected) in [
            (told(Status::Unmet, Cause::Started), "Unmet: started"),
            (told(Status::Attached(7), Cause::Hello), "Attached(7): hello"),
            (told(Status::Attached(7), Cause::Takeover), "Attached(7): takeover"),
            (told(Status::Detached, Cause::Lost), "Detached: transport lost"),
            (told(Status::Detached, Cause::Death), "Detached: the client has died, its link is well"),
            (told(Status::Detached, Cause::Silence), "Detached: no sign of life"),
            (told(Status::Detached, Cause::Bye), "Detached: bye"),
            (told(Status::Detached, violation), "Detached: protocol violated: a gap"),
            (told(Status::Ended(GoneReason::Idle), Cause::End), "Ended(idle): its end has come"),
        ] {
            assert_eq!(line, expected);
        }
    }
}
