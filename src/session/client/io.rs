//! What a client machine is told and what it asks for: plain values, so that a run can be
//! recorded, replayed and read.

use std::fmt;

use bytes::Bytes;

use super::status::Status;
use crate::proto::limits::PAYLOAD_BYTES_MAX;
use crate::proto::verdict::EXIT_NOT_RUNNING;
use crate::proto::{
    Bye, ByeReason, Channel, Frame, HostId, ProgramExit, RefusalReason, Seq, SessionId, Verdict,
};

/// Number of a transport among all that a session ever opened. Only ever grows.
pub type Attempt = u64;

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// The user: send this. Taken while [`Client::has_room`](super::Client::has_room).
    Send(Bytes),
    /// The user: send this signal to the hosted program.
    Signal(u8),
    /// The user: no more input will come.
    Finish,
    /// The user does something for the hosted program that cannot be sent yet.
    Activity,
    /// The application took that many more deliveries ([`Effect::Deliver`], [`Effect::Finished`]).
    Consumed(usize),
    /// The machine woke up from sleep.
    Wake,
    /// A network came up or changed.
    NetworkUp,
    /// The user: try now.
    Retry,
    /// The user: give the old state up and start over, as this session. Obeyed once the server is
    /// not running or will not have us; nothing reopens a session that is closed.
    Restart(SessionId),
    /// The user: end the session.
    Close,
    /// News of a transport.
    Transport(Attempt, News),
}

/// News of one transport. Only those of the current attempt change anything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum News {
    /// The proxy said that it runs, and on which host: from here on it may have started a server.
    Started(Option<HostId>),
    /// The server's preamble was read: from here on, frames.
    Preamble,
    /// Bytes came, maybe not a whole frame.
    Heard,
    /// A frame came.
    Frame(Frame),
    /// What came is not reattach's; one sentence.
    Garbled(String),
    /// The proxy's output has ended.
    Ended,
    /// The process that carries the transport has ended, and everything it said was handed in.
    Exited(ProxyExit),
    /// The process could not be started; one sentence.
    NotOpened(String),
}

/// How the process that carries a transport ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ProxyExit {
    /// Its status.
    pub status: ProgramExit,
    /// The proxy's own word, if it gave one.
    pub verdict: Option<Verdict>,
    /// The last line it, or ssh, printed for people; may be empty.
    pub last_words: String,
}

/// What ssh exits with for its own errors.
const EXIT_SSH: i32 = 255;

/// What ssh says when the other side ends the connection before the key exchange, as an sshd with too
/// many logins under way does (`MaxStartups`): its names of that step, new and old.
const TURNED_AWAY: [&str; 2] = ["kex_exchange_identification:", "ssh_exchange_identification:"];

/// What ssh says first when no connection came about, with what the system or the resolver said behind it.
const NEVER_ARRIVED: [&str; 2] = ["ssh: connect to host ", "ssh: Could not resolve hostname "];

impl ProxyExit {
    /// The proxy's word, if it belongs to the status: a status alone may be any shell's on the way.
    pub(super) fn word(&self) -> Option<&Verdict> {
        self.verdict.as_ref().filter(|verdict| self.status == ProgramExit::Code(verdict.code))
    }

    /// Whether ssh ended before anything of it can have come to the other side's sshd.
    pub(super) fn never_arrived(&self) -> bool {
        let is_ssh = self.status == ProgramExit::Code(EXIT_SSH) && self.verdict.is_none();
        is_ssh && NEVER_ARRIVED.iter().any(|words| self.last_words.contains(words))
    }

    /// Whether ssh was turned away before anything can have been run on the other side.
    pub(super) fn was_turned_away(&self) -> bool {
        let is_ssh = self.status == ProgramExit::Code(EXIT_SSH) && self.verdict.is_none();
        is_ssh && TURNED_AWAY.iter().any(|words| self.last_words.contains(words))
    }

    /// Why it ended, for people: the proxy knows better than ssh, whose words may be its usual goodbye.
    pub(super) fn words(&self) -> String {
        let verdict = self.verdict.as_ref().map(|verdict| &verdict.message);
        verdict.filter(|message| !message.is_empty()).unwrap_or(&self.last_words).clone()
    }
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Open the transport of this attempt, that way.
    Open(Attempt, Launch, Way),
    /// End the transport of this attempt, whatever shape it is in; if it can still carry
    /// something, write what [`Client::poll_transmit`](super::Client::poll_transmit) gave and then this.
    Close(Attempt, Option<Bye>),
    /// Hand this to the application.
    Deliver(Channel, Bytes),
    /// Tell the application that nothing more will come on this channel.
    Finished(Channel),
    /// The state has changed.
    Status(Status, Cause),
    /// News of an attempt that is not the current one changed nothing.
    Ignored(Attempt),
    /// An [`Input::Send`], [`Input::Signal`] or [`Input::Finish`] was not taken.
    Rejected(Rejected),
}

/// Why the state changed: for logs and traces, and for the user when it is the end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The server accepted us; it had received that much.
    Welcome(Seq),
    /// The server refused us.
    Refusal(RefusalReason),
    /// The server said goodbye.
    Bye(ByeReason),
    /// A sign of life came after missed probes.
    Heard,
    /// A probe was not answered in time.
    ProbeMissed,
    /// The last probe was not answered in time.
    Silence,
    /// The transport did not open in time.
    OpenTimeout,
    /// The server did not answer in time.
    AttachTimeout,
    /// The proxy's output ended.
    Ended,
    /// The proxy's process ended; what it, or ssh, said last.
    Exited(ProgramExit, String),
    /// The proxy could not be started; one sentence.
    NotOpened(String),
    /// The way led to another machine, or to another user's place on it: what it says of our server is
    /// nothing.
    OtherMachine,
    /// The process ended with the code of a proxy that finds no server, and no proxy said so of ours: any
    /// shell on the way may end with it. What was said last.
    Unproven(String),
    /// What came is not the protocol; one sentence.
    Violation(String),
    /// The time for the next attempt has come.
    RetryDue,
    /// A wake-up, told or noticed by a timeout that came too late.
    Wake,
    /// A network came up or changed.
    NetworkUp,
    /// The user wished it.
    User,
    /// The user sent something during a pause.
    Activity,
    /// A pause has lasted long enough.
    Patience,
    /// The hosted program ended.
    ProgramEnded,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Welcome(received) => write!(f, "welcome received={received}"),
            Cause::Refusal(reason) => write!(f, "refused: {reason}"),
            Cause::Bye(reason) => write!(f, "bye: {reason}"),
            Cause::Heard => f.write_str("heard again"),
            Cause::ProbeMissed => f.write_str("probe not answered"),
            Cause::Silence => f.write_str("no sign of life"),
            Cause::OpenTimeout => f.write_str("transport did not open in time"),
            Cause::AttachTimeout => f.write_str("server did not answer in time"),
            Cause::Ended => f.write_str("proxy's output ended"),
            Cause::Exited(status, last_words) => {
                match status {
                    ProgramExit::Code(code) => write!(f, "proxy exited with {code}")?,
                    ProgramExit::Signal(signal) => write!(f, "proxy ended by signal {signal}")?,
                }
                if !last_words.is_empty() {
                    write!(f, ": {last_words}")?;
                }
                Ok(())
            }
            Cause::NotOpened(why) => write!(f, "proxy not started: {why}"),
            Cause::OtherMachine => f.write_str("another machine answered"),
            Cause::Unproven(last_words) => {
                write!(f, "exit code {EXIT_NOT_RUNNING} came without a proxy's word about this server")?;
                if !last_words.is_empty() {
                    write!(f, ": {last_words}")?;
                }
                Ok(())
            }
            Cause::Violation(what) => write!(f, "protocol violated: {what}"),
            Cause::RetryDue => f.write_str("retry due"),
            Cause::Wake => f.write_str("woke up"),
            Cause::NetworkUp => f.write_str("network up"),
            Cause::User => f.write_str("user"),
            Cause::Activity => f.write_str("user's activity"),
            Cause::Patience => f.write_str("patience"),
            Cause::ProgramEnded => f.write_str("program ended"),
        }
    }
}

/// What the proxy of an attempt is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Launch {
    /// Start a server; leave a running one alone and exit with 91.
    Start,
    /// Start a server; stop a running one first.
    Replace,
    /// Attach to the running server; never start one.
    Reattach,
}

/// Whether a transport may use what others have opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// Over a connection that is shared with others, if the user has it so.
    Shared,
    /// Over one of its own: a shared one may be dead without anybody's having noticed.
    Own,
}

/// Why something was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Rejected {
    /// The bound on unconfirmed bytes is reached: wait.
    #[error("as many messages as may be are on their way")]
    Full,
    /// The session is over.
    #[error("the session is over")]
    Final,
    /// The input was finished before.
    #[error("the input was finished before")]
    Finished,
    /// The payload is over [`PAYLOAD_BYTES_MAX`].
    #[error("a message may have {} bytes at most", PAYLOAD_BYTES_MAX)]
    TooLarge,
}
