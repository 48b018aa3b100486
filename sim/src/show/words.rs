//! What happened, in words for people who never read the code.

use reattach::proto::{GoneReason, ProgramExit};
use reattach::session::First;
use reattach::session::client::{Closed, Launch, Status};
use reattach::session::launch::{self, StopSignal};
use reattach::session::server;

use crate::scenario::{Act, Fault, FaultKind, User, What};

/// How a state or an event looks: what it means for the user, and never by colour alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    /// As it should be.
    Good,
    /// Under way for the first time.
    Busy,
    /// Something is wrong and being dealt with.
    Warn,
    /// The session has lost what it was for.
    Bad,
    /// Over, in order.
    Done,
    /// There, and nothing more.
    Calm,
}

impl Tone {
    /// The name, as style sheets have it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Tone::Good => "good",
            Tone::Busy => "busy",
            Tone::Warn => "warn",
            Tone::Bad => "bad",
            Tone::Done => "done",
            Tone::Calm => "calm",
        }
    }
}

pub(super) fn tone_of_client(status: &Status) -> Tone {
    match status {
        Status::Connecting => Tone::Busy,
        Status::Connected => Tone::Good,
        Status::HeartbeatMissed(_) | Status::Reconnecting(_) | Status::ReconnectFailed(_) => Tone::Warn,
        Status::ReconnectExhausted | Status::ServerNotRunning(_) | Status::Refused(_) => Tone::Bad,
        Status::Closed(_) => Tone::Done,
    }
}

/// A client's state: its name, and what is said of it.
pub(super) fn client_state(status: &Status) -> (&'static str, String) {
    match status {
        Status::Connecting => ("Connecting", String::new()),
        Status::Connected => ("Connected", String::new()),
        Status::HeartbeatMissed(count) => ("HeartbeatMissed", format!("{count} in a row")),
        Status::Reconnecting(attempt) => ("Reconnecting", format!("attempt {attempt}")),
        Status::ReconnectFailed(0) => ("ReconnectFailed", "next one is due".to_owned()),
        Status::ReconnectFailed(count) => ("ReconnectFailed", format!("{count} failed")),
        Status::ReconnectExhausted => ("ReconnectExhausted", "has given up".to_owned()),
        Status::ServerNotRunning(reason) => ("ServerNotRunning", reason.to_string()),
        Status::Refused(refused) => ("Refused", refused.to_string()),
        Status::Closed(Closed::ByUser) => ("Closed", "by the user".to_owned()),
        Status::Closed(Closed::ProgramEnded(exit)) => ("Closed", format!("program {}", ending(*exit))),
    }
}

pub(super) fn server_state(status: server::Status) -> (&'static str, String, Tone) {
    match status {
        server::Status::Unmet => ("Unmet", "waits for a client".to_owned(), Tone::Busy),
        server::Status::Attached(attempt) => ("Attached", format!("attempt {attempt}"), Tone::Good),
        server::Status::Detached => ("Detached", "its client is away".to_owned(), Tone::Warn),
        server::Status::Ended(reason) => ("Ended", reason.to_string(), Tone::Done),
    }
}

/// How a process ended.
pub(super) fn ending(exit: ProgramExit) -> String {
    match exit {
        ProgramExit::Code(code) => format!("exit {code}"),
        ProgramExit::Signal(signal) => format!("signal {signal}"),
    }
}

/// What a client asks a proxy for.
pub(super) fn wish(launch: Launch) -> &'static str {
    match launch {
        Launch::Start => "start",
        Launch::Replace => "replace",
        Launch::Reattach => "reattach",
    }
}

/// What a proxy does, where it is worth telling; its exit is told when it is gone.
pub(super) fn proxy_does(effect: &launch::Effect) -> Option<String> {
    let told = match effect {
        launch::Effect::Intend(_, reason) => format!("leaves word that the server will be {reason}"),
        launch::Effect::Signal(_, StopSignal::Terminate) => "tells the server to end".to_owned(),
        launch::Effect::Signal(_, StopSignal::Kill) => "kills the server".to_owned(),
        launch::Effect::Clean => "clears what an earlier server left".to_owned(),
        launch::Effect::Spawn => "starts a server".to_owned(),
        launch::Effect::AbandonSpawned => "gives up the server that it started".to_owned(),
        launch::Effect::TakeStarter
        | launch::Effect::DropStarter
        | launch::Effect::Look
        | launch::Effect::Attach
        | launch::Effect::Relay
        | launch::Effect::Exit(_) => return None,
    };
    Some(told)
}

/// The end of a server, as one verb.
pub(super) fn server_end(reason: Option<GoneReason>, killed: bool) -> String {
    match (reason, killed) {
        (Some(GoneReason::Crashed), true) => "is killed".to_owned(),
        (Some(GoneReason::Rebooted), _) => "is gone with its host".to_owned(),
        (Some(reason), _) => format!("is gone: {reason}"),
        (None, _) => "is gone".to_owned(),
    }
}

/// An entry of the scenario: what, and as the scenario has it.
pub(super) fn entry(what: &What) -> (String, String) {
    match what {
        What::User(user) => (act(user), String::new()),
        What::Fault(fault) => (fault_text(fault), fault.to_string()),
    }
}

fn act(user: &User) -> String {
    match user.act {
        Act::Open(First::Start) => "opens an editor".to_owned(),
        Act::Open(First::Replace) => "opens an editor, in place of any old server".to_owned(),
        Act::Open(First::Takeover) => "opens an editor, to take a session over".to_owned(),
        Act::Send { count: 1, bytes, .. } => format!("sends a request of {bytes} bytes"),
        Act::Send { count, every, bytes } => {
            let every = humantime::format_duration(every);
            format!("sends {count} requests of {bytes} bytes, one every {every}")
        }
        Act::Finish => "ends the program's input".to_owned(),
        Act::Signal(signal) => format!("sends signal {signal} to the program"),
        Act::Close => "closes the session".to_owned(),
        Act::Type => "types at the terminal".to_owned(),
        Act::Retry => "presses \u{201c}reconnect\u{201d}".to_owned(),
        Act::Restart => "presses \u{201c}start over\u{201d}".to_owned(),
        Act::NetworkUp => "joins a network".to_owned(),
    }
}

/// The end of a fault that lasts.
pub(super) fn fault_over(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::Sleep => "the laptop wakes up",
        FaultKind::Reboot => "the host is up again",
        FaultKind::ServerHang => "the server goes on",
        FaultKind::ProxyHang => "the proxy goes on",
        FaultKind::ClientHang => "the client goes on",
        FaultKind::Partition | FaultKind::NetworkDown => "the network is back",
        FaultKind::SshAsk => "the user has answered ssh",
        other => {
            if other.is_lasting() {
                "it is over"
            } else {
                ""
            }
        }
    }
}

fn fault_text(fault: &Fault) -> String {
    let number = fault.number;
    let text = match fault.kind {
        FaultKind::ServerCrash => "the server is killed",
        FaultKind::ServerHang => "the server hangs",
        FaultKind::ServerStop => "the server is told to stop",
        FaultKind::SpawnSlow => "servers start slowly",
        FaultKind::SpawnFail => "servers fail to start",
        FaultKind::ProgramExit => return format!("the program exits with {number}"),
        FaultKind::ProgramStall => "the program takes nothing",
        FaultKind::ProxyExit => return format!("the proxy exits with {number}"),
        FaultKind::ProxyKill => return format!("the proxy gets signal {number}"),
        FaultKind::ProxyDiesLaunching => {
            return format!("the next proxy will be killed at step {number} of its launch");
        }
        FaultKind::ProxyHang => "the proxy hangs",
        FaultKind::LossUp => "nothing gets from the client to the host",
        FaultKind::LossDown => "nothing gets from the host to the client",
        FaultKind::LinkCut => "the link is cut; both ends notice",
        FaultKind::HalfOpen => "the link is cut; only the laptop notices",
        FaultKind::Blackhole => "the link is cut; nobody notices",
        FaultKind::Slow => return format!("links are {number} times slower"),
        FaultKind::Partition => "nothing gets anywhere",
        FaultKind::NetworkDown => "the network is down",
        FaultKind::AddressChange => "the laptop's address changes",
        FaultKind::NewsLate => "news of links comes late",
        FaultKind::NewsTwice => "news of ends comes twice",
        FaultKind::ExitLate => "exit statuses come late",
        FaultKind::PidReuse => "a stranger gets the dead server's pid",
        FaultKind::PidFileStale => "the pid file names a stranger",
        FaultKind::PidFileTorn => "the pid file is half written",
        FaultKind::PidFileMissing => "the pid file is removed, and the lock with it",
        FaultKind::RecordTorn => "the server's record is half written",
        FaultKind::RecordMissing => "the server's record is removed",
        FaultKind::RecordGarbled => "the server's record names another",
        FaultKind::TombstoneTorn => "the server's last word is half written",
        FaultKind::TombstoneGarbled => "the server's last word names another",
        FaultKind::SocketRemoved => "the sockets are removed",
        FaultKind::DiskFull => "the host's disk is full",
        FaultKind::Reboot => "the host goes down",
        FaultKind::Sleep => "the laptop sleeps",
        FaultKind::ClockJump => "the laptop's clock jumps ahead",
        FaultKind::HostClockJump => "the host's clock jumps ahead",
        FaultKind::ClientKill => "the client is killed",
        FaultKind::ClientHang => "the client hangs",
        FaultKind::EditorStall => "the editor takes nothing",
        FaultKind::Noise => return format!("ssh will print {number} bytes of noise"),
        FaultKind::Corrupt => "one byte is changed on its way",
        FaultKind::SshFail => "ssh fails",
        FaultKind::SshAsk => "ssh waits for the user",
        FaultKind::SshTurnedAway => "the host turns logins away",
        FaultKind::SharedDead => "the connection that logins share is dead",
        FaultKind::Elsewhere => "the host's name leads to another machine",
        FaultKind::HelloLate => "the next Hello is held up, and its ssh dies",
        FaultKind::ShellEnds => return format!("a login script will end with {number}"),
    };
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_fault_that_lasts_ends_in_words() {
        for kind in FaultKind::ALL {
            assert_eq!(fault_over(*kind).is_empty(), !kind.is_lasting(), "{kind}");
        }
    }

    #[test]
    fn a_user_can_be_read_aloud() {
        let act = Act::Send { count: 4, every: Duration::from_millis(200), bytes: 40 };
        let (what, _) = entry(&What::User(User { client: 1, act }));
        assert_eq!(what, "sends 4 requests of 40 bytes, one every 200ms");
    }
}
