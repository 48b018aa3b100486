//! What campaigns must reach, what they seldom do, and what cannot be, with the reason: the one
//! place where an absence is explained. A test holds it to its word.

use super::client::{ClientInput, ClientState};
use super::fault::{Bystander, FaultLabel};
use super::grid::Label;
use super::launch::{LaunchInput, LaunchState};
use super::server::{ServerInput, ServerState};
use crate::scenario::FaultKind;

/// What is expected of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// A campaign that never gets there has a hole.
    Always,
    /// Possible, and too rare to demand it.
    Seldom(&'static str),
    /// It cannot be.
    Never(&'static str),
}

/// A row that knows what is expected of it in each column.
pub trait Expect<C>: Label {
    /// What is expected of the pair.
    fn expected(self, column: C) -> Expected;
}

use Expected::{Always, Never, Seldom};

const DAMAGE: Expected = Seldom("it takes a changed byte at the right place");
const SHORT: Expected = Seldom("the state lasts a moment, and this is not often done in it");
const OLD: Expected = Never("without a transport all news is old");
const EARLY: Expected = Never("the Hello follows the preamble at once, and before it nothing is a frame");
const AT_ONCE: Expected = Seldom("of a thousand immediate retries one has no spread at all");
const NO_ARROW: Expected = Never("the machine has no such arrow");

impl Expect<ClientState> for ClientInput {
    fn expected(self, state: ClientState) -> Expected {
        use ClientInput as I;
        use ClientState as S;
        match (self, state) {
            (I::Send, S::ServerNotRunning | S::Refused | S::Closed) => {
                Never("a user whose session is over sends nothing")
            }
            (
                I::Signal
                | I::Finish
                | I::Activity
                | I::Wake
                | I::NetworkUp
                | I::Retry
                | I::Restart
                | I::Close,
                S::ConnectingAsked | S::ReconnectingAsked | S::HeartbeatMissed | S::ReconnectExhausted,
            ) => SHORT,
            (
                I::Send
                | I::Signal
                | I::Finish
                | I::Activity
                | I::Wake
                | I::NetworkUp
                | I::Retry
                | I::Restart
                | I::Close
                | I::Timeout,
                _,
            ) => Always,
            (I::Consumed, S::Connecting | S::ConnectingAsked) => Never("nothing was delivered yet"),
            (I::Consumed, S::Connected | S::HeartbeatMissed | S::Closed) => Always,
            (I::Consumed, _) => Seldom("an editor takes what is delivered within milliseconds"),
            (I::OldNews, S::Connecting | S::ConnectingAsked | S::HeartbeatMissed) => {
                Seldom("old links have mostly gone by then")
            }
            (I::OldNews, _) => Always,
            (I::NotOpened, _) => Never("an ssh of this world can always be started"),
            (news, state) => of_news(news, state),
        }
    }
}

fn of_news(news: ClientInput, state: ClientState) -> Expected {
    use ClientInput as I;
    use ClientState as S;
    match (news, state) {
        (_, state) if !state.has_transport() => OLD,
        (I::Started | I::Preamble, S::Connecting | S::Reconnecting) => Always,
        (I::Started | I::Preamble, _) => Never("a proxy says so once, and first"),
        (I::Heard, S::Connecting | S::Reconnecting) => EARLY,
        (I::Heard | I::Ended | I::Exited, _) => Always,
        (I::Garbled, _) => DAMAGE,
        (I::NotRunning | I::Unproven, S::HeartbeatMissed) => SHORT,
        (I::NotRunning | I::Unproven, _) => Always,
        (I::NotStarted, S::Connecting) => Always,
        (I::NotStarted, _) => Never("only a first proxy starts servers, and says so before it relays"),
        (_, S::Connecting | S::Reconnecting) => EARLY,
        (I::Welcome | I::Busy | I::Ending, S::ConnectingAsked | S::ReconnectingAsked) => Always,
        (I::OtherInstance, S::ReconnectingAsked) => Always,
        (I::OtherInstance, S::ConnectingAsked) => Never("a first Hello names no instance"),
        (I::StaleAttempt, S::ConnectingAsked | S::ReconnectingAsked) => {
            Seldom("a client's newest attempt is its highest, unless a byte of an older one was changed")
        }
        (I::Data | I::Ack | I::Pong, S::Connected | S::HeartbeatMissed) => Always,
        (I::Fin | I::Exit | I::TakenOver | I::Bye, S::Connected) => Always,
        (I::Fin | I::Exit | I::TakenOver | I::Bye, S::HeartbeatMissed) => SHORT,
        (I::TakenOver | I::Bye, S::ConnectingAsked | S::ReconnectingAsked) => {
            Seldom("a server that changes its mind between two steps")
        }
        // Frames that have no business there: on a healthy link nobody sends them.
        _ => DAMAGE,
    }
}

impl Expect<ClientState> for ClientState {
    fn expected(self, to: ClientState) -> Expected {
        use ClientState as S;
        match (self, to) {
            (S::Connecting, S::ConnectingAsked | S::ServerNotRunning | S::Refused | S::Closed) => Always,
            (S::Connecting | S::ConnectingAsked | S::ReconnectingAsked, S::ReconnectFailed) => Always,
            (S::Connecting | S::ConnectingAsked | S::ReconnectingAsked, S::Reconnecting) => AT_ONCE,
            (S::ConnectingAsked, S::Connected | S::ServerNotRunning | S::Refused) => Always,
            (S::Connected, S::HeartbeatMissed | S::ReconnectFailed) => Always,
            (S::Connected | S::HeartbeatMissed, S::Reconnecting) => AT_ONCE,
            (S::Connected, S::ServerNotRunning | S::Refused | S::Closed) => Always,
            (S::HeartbeatMissed, S::Connected | S::ReconnectFailed) => Always,
            (S::HeartbeatMissed, S::ServerNotRunning | S::Refused | S::Closed) => SHORT,
            (S::ConnectingAsked | S::ReconnectingAsked, S::Closed) => SHORT,
            (S::Reconnecting, S::ReconnectingAsked | S::ReconnectFailed | S::ReconnectExhausted) => Always,
            (S::Reconnecting, S::ServerNotRunning | S::Closed) => Always,
            (S::Reconnecting, S::Refused) => DAMAGE,
            (S::ReconnectingAsked, S::Connected | S::ReconnectExhausted) => Always,
            (S::ReconnectingAsked, S::ServerNotRunning | S::Refused) => Always,
            (S::ReconnectFailed | S::ReconnectExhausted, S::Reconnecting) => Always,
            (S::ReconnectFailed | S::ReconnectExhausted, S::Closed) => SHORT,
            (S::ServerNotRunning | S::Refused, S::Connecting | S::Closed) => Always,
            _ => NO_ARROW,
        }
    }
}

impl Expect<ServerState> for ServerInput {
    fn expected(self, state: ServerState) -> Expected {
        use ServerInput as I;
        use ServerState as S;
        match (self, state) {
            (I::Opened | I::Stop | I::Timeout | I::Old, _) => Always,
            (I::Output, S::Unmet) => Never("the program of this world only answers"),
            (I::Output | I::OutputFinished | I::Exited, S::Ended) => {
                Never("nothing is taken from the program after the end")
            }
            (I::Output | I::OutputFinished | I::Exited, _) => Always,
            (I::Consumed, S::Unmet) => Never("nothing was delivered yet"),
            (I::Consumed, _) => Always,
            (I::WaitingNonsense, _) => Seldom("an impatient client's Bye, or a changed byte"),
            (I::FirstHello, S::Attached | S::Detached) => Never("the first Hello has given it its owner"),
            (I::OwnersHello | I::StrangersHello | I::TakeoverHello, S::Unmet) => Never("nobody owns it yet"),
            (
                I::WaitingHeard
                | I::FirstHello
                | I::OwnersHello
                | I::StrangersHello
                | I::TakeoverHello
                | I::WaitingLost,
                S::Ended,
            ) => SHORT,
            (I::StrangersHello, S::Detached) => Seldom("strangers mostly come while the owner is there"),
            (
                I::WaitingHeard
                | I::FirstHello
                | I::OwnersHello
                | I::StrangersHello
                | I::TakeoverHello
                | I::WaitingLost,
                _,
            ) => Always,
            (I::Nonsense, S::Attached) => DAMAGE,
            (
                I::Heard
                | I::Data
                | I::Signal
                | I::Fin
                | I::Ack
                | I::Ping
                | I::ByeClosed
                | I::Bye
                | I::InputEnded
                | I::OutputEnded
                | I::Lost,
                S::Attached,
            ) => Always,
            (
                I::Heard
                | I::Data
                | I::Signal
                | I::Fin
                | I::Ack
                | I::Ping
                | I::ByeClosed
                | I::Bye
                | I::Nonsense
                | I::InputEnded
                | I::OutputEnded
                | I::Lost,
                S::Unmet | S::Detached | S::Ended,
            ) => Never("nobody is attached"),
        }
    }
}

impl Expect<ServerState> for ServerState {
    fn expected(self, to: ServerState) -> Expected {
        use ServerState as S;
        match (self, to) {
            (S::Unmet | S::Detached, S::Attached | S::Ended) => Always,
            (S::Attached, S::Detached | S::Ended) => Always,
            _ => NO_ARROW,
        }
    }
}

impl Expect<LaunchState> for LaunchInput {
    fn expected(self, state: LaunchState) -> Expected {
        use LaunchInput as I;
        use LaunchState as S;
        match (self, state) {
            (I::StarterTaken, S::WaitStarter) => Always,
            (I::SawFree | I::SawHeld, S::Survey | S::Stop | S::Seek | S::Judge) => Always,
            (I::SawFree, S::Meet) => Seldom("a server that dies the moment it is ready"),
            (I::SawHeld, S::Meet) => Always,
            (I::SawStarting, S::Seek | S::Judge) => Always,
            (I::SawStarting, S::Survey | S::Stop | S::Meet) => {
                Never("whoever starts a server has the starters' lock itself")
            }
            (I::Ready | I::NotReady, S::Spawn) => Always,
            (I::Ready | I::NotReady, S::Done) => Seldom("a server that was abandoned at that moment"),
            (I::Attached | I::NotAttached, S::Attach) => Always,
            (I::ClientEnded, S::Relay | S::Judge) => Always,
            (I::ClientEnded, S::Done) => SHORT,
            (I::ServerEnded, S::Relay | S::Done) => Always,
            (I::ServerEnded, S::Judge) => Never("a side ends once"),
            (I::Failed, S::Spawn) => Seldom("all numbers of processes must be in use"),
            (I::Failed, _) => Never("the only thing that fails on this host is a fork"),
            (I::Timeout, S::Survey | S::Stop | S::Spawn | S::Seek | S::Attach | S::Relay | S::Judge) => {
                Always
            }
            (I::Timeout, S::WaitStarter) => Seldom("starters seldom take more than half a minute"),
            (I::Timeout, S::Meet | S::Done) => Seldom("an alarm that was set before rings there"),
            _ => Never("nobody has asked for that there"),
        }
    }
}

impl Expect<LaunchState> for LaunchState {
    fn expected(self, to: LaunchState) -> Expected {
        use LaunchState as S;
        match (self, to) {
            (S::WaitStarter, S::Survey) => Always,
            (S::WaitStarter, S::Done) => Seldom("starters seldom take more than half a minute"),
            (S::Survey, S::Stop | S::Spawn | S::Done) => Always,
            (S::Stop, S::Spawn) => Always,
            (S::Stop, S::Done) => Seldom("whoever is killed in this world is dead"),
            (S::Spawn, S::Meet | S::Done) => Always,
            (S::Meet, S::Attach) => Always,
            (S::Seek, S::Attach | S::Done) => Always,
            (S::Attach, S::Seek | S::Relay | S::Done) => Always,
            (S::Relay, S::Judge | S::Done) => Always,
            (S::Judge, S::Done) => Always,
            _ => NO_ARROW,
        }
    }
}

impl Expect<ClientState> for FaultLabel {
    fn expected(self, state: ClientState) -> Expected {
        match state {
            _ if self.0 == FaultKind::ClientKill => Seldom("a client is killed once, if at all"),
            ClientState::ConnectingAsked | ClientState::ReconnectingAsked => {
                Seldom("the answer to a Hello takes one round trip")
            }
            ClientState::HeartbeatMissed | ClientState::ReconnectFailed | ClientState::ReconnectExhausted
                if self.0.is_hostile() =>
            {
                Seldom("a quarter of the seeds is hostile")
            }
            _ => Always,
        }
    }
}

impl Expect<Bystander> for FaultLabel {
    fn expected(self, there: Bystander) -> Expected {
        match there {
            _ if self.0 == FaultKind::ClientKill => Seldom("a client is killed once, if at all"),
            Bystander::Starting | Bystander::Ended | Bystander::Attaching | Bystander::Judging => {
                Seldom("it lasts milliseconds")
            }
            Bystander::Launching if self.0.is_hostile() => Seldom("a quarter of the seeds is hostile"),
            Bystander::NoServer
            | Bystander::Unmet
            | Bystander::Attached
            | Bystander::Detached
            | Bystander::Launching
            | Bystander::Relaying => Always,
        }
    }
}
