//! The server machine, watched: what it is in, what it is told.

use reattach::proto::{ByeReason, Channel, Frame, InstanceId};
use reattach::session::server::{Effect, Input, News, Server, Status, TransportId};
use reattach::session::{ServerConfig, Time};

use super::grid::labels;
use super::record::record;
use crate::machine::ServerMachine;

labels! {
    /// Where a server is.
    ServerState {
        Unmet "Unmet",
        Attached "Attached",
        Detached "Detached",
        Ended "Ended",
    }
}

labels! {
    /// What a server is told: of the transport that is attached, of one that waits, of an old one.
    ServerInput {
        Opened "opened",
        Output "output",
        OutputFinished "output finished",
        Exited "program exited",
        Consumed "consumed",
        Stop "stop",
        Timeout "timeout",
        WaitingHeard "waiting: Heard",
        FirstHello "waiting: first Hello",
        OwnersHello "waiting: owner's Hello",
        StrangersHello "waiting: stranger's Hello",
        TakeoverHello "waiting: takeover's Hello",
        WaitingNonsense "waiting: Garbled, early frame",
        WaitingLost "waiting: Lost",
        Heard "attached: Heard",
        Data "attached: Data",
        Signal "attached: Signal",
        Fin "attached: Fin",
        Ack "attached: Ack",
        Ping "attached: Ping",
        ByeClosed "attached: Bye Closed",
        Bye "attached: Bye otherwise",
        Nonsense "attached: Garbled, wrong frame",
        InputEnded "attached: InputEnded",
        OutputEnded "attached: OutputEnded",
        Lost "attached: Lost",
        Old "old: anything",
    }
}

/// The real server, and the transports that have not said Hello.
#[derive(Clone, Debug, PartialEq, Hash)]
pub struct WatchedServer {
    machine: Server,
    waiting: Vec<TransportId>,
}

impl WatchedServer {
    pub(super) fn state(&self) -> ServerState {
        match self.machine.status() {
            Status::Unmet => ServerState::Unmet,
            Status::Attached(_) => ServerState::Attached,
            Status::Detached => ServerState::Detached,
            Status::Ended(_) => ServerState::Ended,
        }
    }

    fn label(&self, input: &Input) -> ServerInput {
        match input {
            Input::Opened(_) => ServerInput::Opened,
            Input::Output(..) => ServerInput::Output,
            Input::OutputFinished(_) => ServerInput::OutputFinished,
            Input::Exited(_) => ServerInput::Exited,
            Input::Consumed(_) => ServerInput::Consumed,
            Input::Stop(_) => ServerInput::Stop,
            Input::Transport(transport, news) if self.waiting.contains(transport) => self.of_waiting(news),
            Input::Transport(transport, news) if self.machine.attached() == Some(*transport) => {
                of_attached(news)
            }
            Input::Transport(..) => ServerInput::Old,
        }
    }

    fn of_waiting(&self, news: &News) -> ServerInput {
        match news {
            News::Heard => ServerInput::WaitingHeard,
            News::Frame(Frame::Hello(hello)) => match self.machine.owner() {
                None => ServerInput::FirstHello,
                Some(owner) if owner == hello.session => ServerInput::OwnersHello,
                Some(_) if hello.takeover => ServerInput::TakeoverHello,
                Some(_) => ServerInput::StrangersHello,
            },
            News::Frame(_) | News::Garbled(_) => ServerInput::WaitingNonsense,
            News::InputEnded | News::OutputEnded | News::Lost => ServerInput::WaitingLost,
        }
    }

    /// Lets the machine do something, and takes note of where that led.
    fn watch(&mut self, label: ServerInput, act: impl FnOnce(&mut Server)) {
        let before = self.state();
        act(&mut self.machine);
        let after = self.state();
        let attached = self.machine.attached();
        self.waiting.retain(|transport| Some(*transport) != attached);
        record(|record| {
            record.server.hit(label, before);
            if before != after {
                record.server_moves.hit(before, after);
            }
        });
    }
}

fn of_attached(news: &News) -> ServerInput {
    match news {
        News::Heard => ServerInput::Heard,
        News::Garbled(_) => ServerInput::Nonsense,
        News::InputEnded => ServerInput::InputEnded,
        News::OutputEnded => ServerInput::OutputEnded,
        News::Lost => ServerInput::Lost,
        News::Frame(frame) => match frame {
            Frame::Data { channel: Channel::Input, .. } => ServerInput::Data,
            Frame::Data { channel: Channel::Signal, .. } => ServerInput::Signal,
            Frame::Fin { channel: Channel::Input, .. } => ServerInput::Fin,
            Frame::Ack(_) => ServerInput::Ack,
            Frame::Ping(_) => ServerInput::Ping,
            Frame::Bye(bye) => match bye.reason {
                ByeReason::Closed => ServerInput::ByeClosed,
                ByeReason::TakenOver | ByeReason::ProtocolError | ByeReason::Lost | ByeReason::Unknown => {
                    ServerInput::Bye
                }
            },
            Frame::Data { channel: Channel::Output | Channel::Errors, .. }
            | Frame::Fin { channel: Channel::Output | Channel::Errors | Channel::Signal, .. }
            | Frame::Hello(_)
            | Frame::Welcome(_)
            | Frame::Refused(_)
            | Frame::Pong(_)
            | Frame::Exit { .. } => ServerInput::Nonsense,
        },
    }
}

impl ServerMachine for WatchedServer {
    fn new(config: ServerConfig, instance: InstanceId, now: Time) -> Self {
        WatchedServer { machine: Server::new(config, instance, now), waiting: Vec::new() }
    }

    fn handle_input(&mut self, now: Time, input: Input) {
        let label = self.label(&input);
        if let Input::Opened(transport) = input {
            self.waiting.push(transport);
        }
        self.watch(label, |machine| machine.handle_input(now, input));
    }

    fn handle_timeout(&mut self, now: Time) {
        self.watch(ServerInput::Timeout, |machine| machine.handle_timeout(now));
    }

    fn poll_effect(&mut self) -> Option<Effect> {
        let effect = self.machine.poll_effect();
        if let Some(Effect::Close(closed, _)) = &effect {
            self.waiting.retain(|transport| transport != closed);
        }
        effect
    }

    fn poll_transmit(&mut self) -> Option<(TransportId, Frame)> {
        self.machine.poll_transmit()
    }

    fn inner(&self) -> &Server {
        &self.machine
    }
}
