//! What a proxy says besides the bytes that it relays: exit codes, and one JSON line each on
//! standard error.
//!
//! ```text
//! {"reattach-proxy":{"event":"started","host":"…","found":"/usr/local/bin/reattach-server"}}
//! {"reattach-proxy":{"event":"note","message":"…"}}
//! {"reattach-proxy":{"event":"exit","code":90,"reason":"idle","host":"…","instance":"…","message":"…"}}
//! ```
//!
//! A code alone proves nothing: any shell on the way may end with it, and the way may lead to another
//! machine. What counts is the line, which says whose word it is, and about whom.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::handshake::{ProgramExit, sentence};
use super::id::{HostId, InstanceId};
use super::words::escaped;

/// The client closed the session.
pub const EXIT_CLOSED: i32 = 0;
/// The server that holds the state is not running.
pub const EXIT_NOT_RUNNING: i32 = 90;
/// A server runs and was asked to be left alone.
pub const EXIT_ALREADY_RUNNING: i32 = 91;
/// The server could not be started.
pub const EXIT_NOT_STARTED: i32 = 92;
/// No server program that speaks the client's protocol was found: said by who looked for one, in a proxy's place.
pub const EXIT_NOT_FOUND: i32 = 93;
/// Anything else that went wrong: the transport is lost, the server is not judged.
pub const EXIT_LOST: i32 = 75;

/// Why an instance is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GoneReason {
    /// It ended without leaving word: killed, out of memory, a bug.
    Crashed,
    /// It was told to end.
    Stopped,
    /// No client was attached for its idle lifetime.
    Idle,
    /// No client ever attached to it.
    Unmet,
    /// A fresh server took its place.
    Replaced,
    /// The host was started anew since.
    Rebooted,
    /// Its client closed the session.
    Closed,
    /// Its client ended without a word, and none of the session came back.
    Orphaned,
    /// The hosted program ended.
    Exited(ProgramExit),
    /// No server has ever left anything here.
    Never,
    /// Nothing is left that says why it ended.
    #[serde(other)]
    Unknown,
}

impl fmt::Display for GoneReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GoneReason::Crashed => f.write_str("crashed"),
            GoneReason::Stopped => f.write_str("stopped"),
            GoneReason::Idle => f.write_str("idle"),
            GoneReason::Unmet => f.write_str("unmet"),
            GoneReason::Replaced => f.write_str("replaced"),
            GoneReason::Rebooted => f.write_str("host rebooted"),
            GoneReason::Closed => f.write_str("closed"),
            GoneReason::Orphaned => f.write_str("orphaned"),
            GoneReason::Exited(ProgramExit::Code(code)) => write!(f, "program exited with {code}"),
            GoneReason::Exited(ProgramExit::Signal(signal)) => write!(f, "program ended by signal {signal}"),
            GoneReason::Never => f.write_str("never started"),
            GoneReason::Unknown => f.write_str("unknown"),
        }
    }
}

/// One line of a proxy on its standard error.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum Notice {
    /// The proxy runs: from here on it may have started a server.
    Started {
        /// The host that it runs on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        host: Option<HostId>,
        /// Where its program was found, by who looked for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        found: Option<String>,
    },
    /// Something that the user should know, and that changes nothing.
    Note {
        /// One sentence for people.
        #[serde(deserialize_with = "sentence")]
        message: String,
    },
    /// The proxy is about to exit.
    Exit(Verdict),
}

/// Why a proxy exits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Verdict {
    /// Its exit code.
    pub code: i32,
    /// Why the instance is gone, with code 90.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<GoneReason>,
    /// The host that it speaks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostId>,
    /// The instance that it was asked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<InstanceId>,
    /// One sentence for people.
    #[serde(deserialize_with = "sentence")]
    pub message: String,
}

#[derive(Serialize, Deserialize)]
struct Line {
    #[serde(rename = "reattach-proxy")]
    notice: Notice,
}

impl Notice {
    /// The line, without its end.
    pub fn to_line(&self) -> String {
        escaped(&serde_json::to_string(&Line { notice: self.clone() }).expect("a notice is plain data"))
    }

    /// Reads a line of standard error; `None` if it is somebody else's.
    pub fn from_line(line: &str) -> Option<Notice> {
        // Cheap and strict: everything else that programs print there is for people.
        let line = line.trim();
        if !line.starts_with(r#"{"reattach-proxy":"#) {
            return None;
        }
        serde_json::from_str::<Line>(line).ok().map(|line| line.notice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for reason in [None, Some(GoneReason::Idle), Some(GoneReason::Exited(ProgramExit::Signal(9)))] {
            let (host, instance) = (Some(HostId(7)), reason.map(|_| InstanceId(8)));
            let message = "gone".to_owned();
            let notice = Notice::Exit(Verdict { code: EXIT_NOT_RUNNING, reason, host, instance, message });
            assert_eq!(Notice::from_line(&notice.to_line()), Some(notice));
        }
        let note = Notice::Note { message: "it is another one".to_owned() };
        assert_eq!(Notice::from_line(&note.to_line()), Some(note));
        let found = Some("/bin/a \"b\"".to_owned());
        for (host, found) in [(None, None), (Some(HostId(7)), found)] {
            let started = Notice::Started { host, found };
            assert_eq!(Notice::from_line(&format!("{}\r\n", started.to_line())), Some(started));
        }
        let started = Notice::Started { host: None, found: None };
        assert_eq!(started.to_line(), r#"{"reattach-proxy":{"event":"started"}}"#);
    }

    #[test]
    fn a_reason_that_is_not_known_here_is_unknown() {
        for (word, reason) in [("never", GoneReason::Never), ("eaten-by-wolves", GoneReason::Unknown)] {
            assert_eq!(serde_json::from_str::<GoneReason>(&format!("\"{word}\"")).unwrap(), reason);
        }
    }

    #[test]
    fn leaves_other_lines_to_people() {
        for line in
            ["", "Permission denied", r#"{"reattach-proxy":{"event":"moon"}}"#, r#"{"reattach-proxy":"#]
        {
            assert_eq!(Notice::from_line(line), None);
        }
    }
}
