//! The bodies of the frames that open and end a transport: JSON, readable and extensible.
//!
//! Unknown fields are ignored and absent optional ones have defaults, so either side may be newer.
//! What the fields mean for a session is left to the machines.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use super::id::{HostId, InstanceId, Seq, SessionId};
use super::words::harmless;

/// The client's first frame on every transport.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Hello {
    /// Oldest and newest protocol version that the client speaks.
    pub protocol: (u16, u16),
    /// The session, drawn by the client: the credential to resume it.
    pub session: SessionId,
    /// Number of this transport among all that the session ever opened; only ever grows.
    pub attempt: u64,
    /// The instance that the client first met; absent until it has met one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<InstanceId>,
    /// Highest number that the client has received in order: the server resumes after it.
    #[serde(default)]
    pub received: Seq,
    /// Bytes of payload that the client is prepared to hold unconsumed.
    pub window: u64,
    /// Attach in the place of the session that owns the instance.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub takeover: bool,
    /// Who attaches, for the people on the server's side: a user and a machine, say.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "optional_sentence")]
    pub client: Option<String>,
}

/// The server's answer to a `Hello` that it accepts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Welcome {
    /// Protocol version that both will speak.
    pub protocol: u16,
    /// The instance that answers.
    pub instance: InstanceId,
    /// The session that it answers, as in the `Hello`.
    pub session: SessionId,
    /// Highest number that the server has received in order: the client resumes after it.
    pub received: Seq,
    /// Number of the first frame that the server will send. A client that resumes checks it
    /// against its own count; one that takes over starts there.
    pub start: Seq,
    /// Bytes of payload that the server is prepared to hold unconsumed.
    pub window: u64,
    /// The host that it runs on, so that the client can tell it from others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostId>,
}

/// The server's answer to a `Hello` that it does not accept.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Refusal {
    /// Why, for the client.
    pub reason: RefusalReason,
    /// Why, for people: one sentence.
    #[serde(deserialize_with = "sentence")]
    pub message: String,
    /// The host that answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostId>,
}

/// Why a `Hello` is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalReason {
    /// The client expects another instance; the one that it met is gone.
    OtherInstance,
    /// Another session owns the instance.
    Busy,
    /// A transport with the same or a higher attempt number was already accepted.
    StaleAttempt,
    /// No protocol version is spoken by both.
    Protocol,
    /// One side no longer has what the other would need to go on.
    Gap,
    /// The server is about to end.
    Ending,
    /// A reason of a later version.
    #[serde(other)]
    Unknown,
}

impl fmt::Display for RefusalReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RefusalReason::OtherInstance => "another instance",
            RefusalReason::Busy => "busy",
            RefusalReason::StaleAttempt => "stale attempt",
            RefusalReason::Protocol => "no common protocol",
            RefusalReason::Gap => "gap",
            RefusalReason::Ending => "about to end",
            RefusalReason::Unknown => "unknown reason",
        })
    }
}

/// The last frame on a transport that is ended on purpose.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Bye {
    /// Why, for the other side.
    pub reason: ByeReason,
    /// Why, for people; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty", deserialize_with = "sentence")]
    pub message: String,
    /// Highest number that the sender has consumed: a last acknowledgement.
    #[serde(default)]
    pub received: Seq,
}

/// Why a transport is ended on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ByeReason {
    /// Client: the session is over; the server ends the hosted program and itself.
    Closed,
    /// Server: another session took the client's place.
    TakenOver,
    /// Either: the other side broke the protocol; the transport ends, the session may go on.
    ProtocolError,
    /// Client: it gives this transport up, and means to come back over another.
    Lost,
    /// A reason of a later version; the transport ends.
    #[serde(other)]
    Unknown,
}

impl fmt::Display for ByeReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ByeReason::Closed => "closed",
            ByeReason::TakenOver => "taken over",
            ByeReason::ProtocolError => "protocol violated",
            ByeReason::Lost => "transport given up",
            ByeReason::Unknown => "unknown reason",
        })
    }
}

/// How a hosted program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProgramExit {
    /// It exited with this status.
    Code(i32),
    /// It was ended by this signal.
    Signal(i32),
}

/// A sentence of the other side, as [`harmless`].
pub(super) fn sentence<'de, D: Deserializer<'de>>(source: D) -> Result<String, D::Error> {
    String::deserialize(source).map(|text| harmless(&text))
}

/// Such a sentence, if there is one.
fn optional_sentence<'de, D: Deserializer<'de>>(source: D) -> Result<Option<String>, D::Error> {
    Option::<String>::deserialize(source).map(|text| text.map(|text| harmless(&text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_is_one_line_whatever_was_sent() {
        let text = r#"{"reason":"busy","message":"one\ntwo\u001b[2J"}"#;
        let refusal: Refusal = serde_json::from_str(text).unwrap();
        assert_eq!(refusal.message, "one two [2J");
        let bye: Bye = serde_json::from_str(&text.replace("busy", "closed")).unwrap();
        assert_eq!(bye.message, "one two [2J");
    }

    #[test]
    fn later_versions_are_readable() {
        let text = r#"{"reason":"moon-phase","message":"wait","since":5}"#;
        let refusal: Refusal = serde_json::from_str(text).unwrap();
        assert_eq!(refusal.reason, RefusalReason::Unknown);
    }

    #[test]
    fn exit_reads_like_a_sentence() {
        assert_eq!(serde_json::to_string(&ProgramExit::Code(7)).unwrap(), r#"{"code":7}"#);
        assert_eq!(serde_json::to_string(&ProgramExit::Signal(9)).unwrap(), r#"{"signal":9}"#);
    }

    #[test]
    fn a_first_hello_is_short() {
        let hello = Hello {
            protocol: (1, 1),
            session: SessionId(7),
            attempt: 1,
            instance: None,
            received: 0,
            window: 64,
            takeover: false,
            client: None,
        };
        let text = serde_json::to_string(&hello).unwrap();
        assert_eq!(
            text,
            r#"{"protocol":[1,1],"session":"00000000000000000000000000000007","attempt":1,"received":0,"window":64}"#
        );
    }
}
