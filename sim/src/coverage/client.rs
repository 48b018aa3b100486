//! The client machine, watched: what it is in, what it is told.

use reattach::proto::verdict::{EXIT_ALREADY_RUNNING, EXIT_NOT_RUNNING, EXIT_NOT_STARTED};
use reattach::proto::{ByeReason, Frame, ProgramExit, RefusalReason, SessionId};
use reattach::session::client::{Attempt, Client, Effect, Input, News, Status};
use reattach::session::{ClientConfig, Time};

use super::grid::labels;
use super::record::record;
use crate::machine::ClientMachine;

labels! {
    /// Where a client is: its status, and whether the Hello of its attempt was written.
    ClientState {
        Connecting "Connecting",
        ConnectingAsked "Connecting +Hello" as "+Hello",
        Connected "Connected",
        HeartbeatMissed "HeartbeatMissed" as "Missed",
        Reconnecting "Reconnecting",
        ReconnectingAsked "Reconnecting +Hello" as "+Hello",
        ReconnectFailed "ReconnectFailed" as "Failed",
        ReconnectExhausted "ReconnectExhausted" as "Exhausted",
        ServerNotRunning "ServerNotRunning" as "NotRunning",
        Refused "Refused",
        Closed "Closed",
    }
}

labels! {
    /// What a client is told.
    ClientInput {
        Send "send",
        Signal "signal",
        Finish "finish",
        Activity "activity",
        Consumed "consumed",
        Wake "wake",
        NetworkUp "network up",
        Retry "retry",
        Restart "restart",
        Close "close",
        Timeout "timeout",
        OldNews "old news",
        Started "Started",
        Preamble "Preamble",
        Heard "Heard",
        Garbled "Garbled",
        Ended "Ended",
        NotOpened "NotOpened",
        NotRunning "Exited 90",
        Unproven "Exited 90 unsaid",
        NotStarted "Exited 91, 92",
        Exited "Exited otherwise",
        Welcome "Welcome",
        Busy "Refused Busy",
        StaleAttempt "Refused StaleAttempt",
        Ending "Refused Ending",
        OtherInstance "Refused OtherInstance",
        Incompatible "Refused Gap, Protocol",
        Data "Data",
        Fin "Fin",
        Exit "Exit",
        Ack "Ack",
        Pong "Pong",
        TakenOver "Bye TakenOver",
        Bye "Bye otherwise",
        Nonsense "a client's frame",
    }
}

impl ClientState {
    /// Whether there is a transport that there could be news of.
    pub(super) fn has_transport(self) -> bool {
        match self {
            ClientState::Connecting
            | ClientState::ConnectingAsked
            | ClientState::Connected
            | ClientState::HeartbeatMissed
            | ClientState::Reconnecting
            | ClientState::ReconnectingAsked => true,
            ClientState::ReconnectFailed
            | ClientState::ReconnectExhausted
            | ClientState::ServerNotRunning
            | ClientState::Refused
            | ClientState::Closed => false,
        }
    }
}

/// The real client, and whether it has written the Hello of its attempt.
#[derive(Clone, Debug, PartialEq, Hash)]
pub struct WatchedClient {
    machine: Client,
    asked: bool,
}

impl WatchedClient {
    pub(super) fn state(&self) -> ClientState {
        match self.machine.status() {
            Status::Connecting if self.asked => ClientState::ConnectingAsked,
            Status::Connecting => ClientState::Connecting,
            Status::Connected => ClientState::Connected,
            Status::HeartbeatMissed(_) => ClientState::HeartbeatMissed,
            Status::Reconnecting(_) if self.asked => ClientState::ReconnectingAsked,
            Status::Reconnecting(_) => ClientState::Reconnecting,
            Status::ReconnectFailed(_) => ClientState::ReconnectFailed,
            Status::ReconnectExhausted => ClientState::ReconnectExhausted,
            Status::ServerNotRunning(_) => ClientState::ServerNotRunning,
            Status::Refused(_) => ClientState::Refused,
            Status::Closed(_) => ClientState::Closed,
        }
    }

    fn label(&self, input: &Input) -> ClientInput {
        match input {
            Input::Send(_) => ClientInput::Send,
            Input::Signal(_) => ClientInput::Signal,
            Input::Finish => ClientInput::Finish,
            Input::Activity => ClientInput::Activity,
            Input::Consumed(_) => ClientInput::Consumed,
            Input::Wake => ClientInput::Wake,
            Input::NetworkUp => ClientInput::NetworkUp,
            Input::Retry => ClientInput::Retry,
            Input::Restart(_) => ClientInput::Restart,
            Input::Close => ClientInput::Close,
            Input::Transport(attempt, news) => {
                let current = *attempt == self.machine.attempt() && self.state().has_transport();
                if current { of_news(news) } else { ClientInput::OldNews }
            }
        }
    }

    /// Lets the machine do something, and takes note of where that led.
    fn watch(&mut self, label: ClientInput, act: impl FnOnce(&mut Client)) {
        let (before, attempt) = (self.state(), self.machine.attempt());
        act(&mut self.machine);
        self.asked &= self.machine.attempt() == attempt;
        let after = self.state();
        record(|record| {
            record.client.hit(label, before);
            if before != after {
                record.client_moves.hit(before, after);
            }
        });
    }
}

fn of_news(news: &News) -> ClientInput {
    match news {
        News::Started(_) => ClientInput::Started,
        News::Preamble => ClientInput::Preamble,
        News::Heard => ClientInput::Heard,
        News::Garbled(_) => ClientInput::Garbled,
        News::Ended => ClientInput::Ended,
        News::NotOpened(_) => ClientInput::NotOpened,
        News::Exited(exit) => match (exit.status, &exit.verdict) {
            (ProgramExit::Code(EXIT_NOT_RUNNING), Some(_)) => ClientInput::NotRunning,
            (ProgramExit::Code(EXIT_NOT_RUNNING), None) => ClientInput::Unproven,
            (ProgramExit::Code(EXIT_ALREADY_RUNNING | EXIT_NOT_STARTED), Some(_)) => ClientInput::NotStarted,
            (ProgramExit::Code(_) | ProgramExit::Signal(_), _) => ClientInput::Exited,
        },
        News::Frame(frame) => of_frame(frame),
    }
}

fn of_frame(frame: &Frame) -> ClientInput {
    match frame {
        Frame::Welcome(_) => ClientInput::Welcome,
        Frame::Refused(refusal) => match refusal.reason {
            RefusalReason::Busy => ClientInput::Busy,
            RefusalReason::StaleAttempt => ClientInput::StaleAttempt,
            RefusalReason::Ending => ClientInput::Ending,
            RefusalReason::OtherInstance => ClientInput::OtherInstance,
            RefusalReason::Gap | RefusalReason::Protocol | RefusalReason::Unknown => {
                ClientInput::Incompatible
            }
        },
        Frame::Data { .. } => ClientInput::Data,
        Frame::Fin { .. } => ClientInput::Fin,
        Frame::Exit { .. } => ClientInput::Exit,
        Frame::Ack(_) => ClientInput::Ack,
        Frame::Pong(_) => ClientInput::Pong,
        Frame::Bye(bye) => match bye.reason {
            ByeReason::TakenOver => ClientInput::TakenOver,
            ByeReason::Closed | ByeReason::ProtocolError | ByeReason::Lost | ByeReason::Unknown => {
                ClientInput::Bye
            }
        },
        Frame::Hello(_) | Frame::Ping(_) => ClientInput::Nonsense,
    }
}

impl ClientMachine for WatchedClient {
    fn new(config: ClientConfig, session: SessionId, seed: u64, now: Time) -> Self {
        WatchedClient { machine: Client::new(config, session, seed, now), asked: false }
    }

    fn handle_input(&mut self, now: Time, input: Input) {
        let label = self.label(&input);
        self.watch(label, |machine| machine.handle_input(now, input));
    }

    fn handle_timeout(&mut self, now: Time) {
        self.watch(ClientInput::Timeout, |machine| machine.handle_timeout(now));
    }

    fn poll_effect(&mut self) -> Option<Effect> {
        self.machine.poll_effect()
    }

    fn poll_transmit(&mut self) -> Option<(Attempt, Frame)> {
        let before = self.state();
        let transmit = self.machine.poll_transmit();
        if matches!(transmit, Some((_, Frame::Hello(_)))) {
            self.asked = true;
            let after = self.state();
            record(|record| record.client_moves.hit(before, after));
        }
        transmit
    }

    fn inner(&self) -> &Client {
        &self.machine
    }
}
