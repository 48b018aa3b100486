//! Both machines beside another side that may say anything, in any state.
//!
//! What it says is left to the tests and to the fuzzer, what it may cost in memory to the tests.

use std::time::Duration;

use bytes::Bytes;
use reattach::proto::limits::PAYLOAD_BYTES_MAX;
use reattach::proto::{Channel, Frame, Hello, InstanceId, ProgramExit, SessionId, Welcome};
use reattach::session::client::{self, Client};
use reattach::session::server::{self, Server};
use reattach::session::{ClientConfig, First, ServerConfig, Time, WindowConfig};

use super::reading::read;

/// What happens to a machine.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A stream comes, and ends if it makes no sense.
    Stream(Vec<u8>),
    /// A frame comes that is right as far as the machine's own numbers go.
    Fitting(Frame),
    /// The transport is lost, and another comes.
    Reopen,
    /// The handshake of the current transport, as a right peer would lead it.
    Attach,
    /// Its own side sends so many bytes, and takes so many deliveries and frames.
    Own(usize, usize, usize),
    /// Time passes.
    Pass(u64),
}

fn window() -> WindowConfig {
    WindowConfig {
        unacked_bytes_max: 64,
        unacked_frames_max: 8,
        ack_bytes: 16,
        ack_frames: 3,
        ..WindowConfig::default()
    }
}

/// The frame with the number that is due, if it has one.
fn renumbered(frame: &Frame, due: u64) -> Frame {
    match frame.clone() {
        Frame::Data { channel, payload, .. } => Frame::Data { channel, seq: due, payload },
        Frame::Fin { channel, .. } => Frame::Fin { channel, seq: due },
        Frame::Exit { exit, .. } => Frame::Exit { seq: due, exit },
        other => other,
    }
}

/// A machine with a transport and nobody right on the other end of it.
pub(crate) trait Machine {
    /// Tells it of a frame, or of bytes that make none, on its current transport.
    fn hear(&mut self, heard: Result<Frame, String>);
    /// The number that the next frame should have.
    fn due(&self) -> u64;
    fn reopen(&mut self);
    fn attach(&mut self);
    fn own(&mut self, sent: usize, taken: usize, written: usize);
    fn pass(&mut self, time: Duration);
    /// Its windows hold.
    fn check(&self);
}

/// Does one step.
pub(crate) fn take(machine: &mut impl Machine, step: &Step) {
    match step {
        Step::Stream(stream) => {
            if let Err(error) = read(stream, &[17], |frame| machine.hear(Ok(frame))) {
                machine.hear(Err(error.to_string()));
            }
        }
        Step::Fitting(frame) => {
            let due = machine.due();
            machine.hear(Ok(renumbered(frame, due)));
        }
        Step::Reopen => machine.reopen(),
        Step::Attach => machine.attach(),
        Step::Own(sent, taken, written) => machine.own(*sent, *taken, *written),
        Step::Pass(millis) => machine.pass(Duration::from_millis(*millis)),
    }
    machine.check();
}

pub(crate) struct ClientSide {
    client: Client,
    now: Time,
}

impl ClientSide {
    pub(crate) fn new(first: First) -> Self {
        let config = ClientConfig { window: window(), first, ..ClientConfig::default() };
        ClientSide { client: Client::new(config, SessionId(1), 0, Time::ZERO), now: Time::ZERO }
    }

    fn input(&mut self, input: client::Input) {
        self.client.handle_input(self.now, input);
        while self.client.poll_effect().is_some() {}
    }

    fn news(&mut self, news: client::News) {
        self.input(client::Input::Transport(self.client.attempt(), news));
    }
}

impl Machine for ClientSide {
    fn hear(&mut self, heard: Result<Frame, String>) {
        self.news(heard.map_or_else(client::News::Garbled, client::News::Frame));
    }

    fn due(&self) -> u64 {
        self.client.inbox().received() + 1
    }

    fn reopen(&mut self) {
        self.news(client::News::Exited(client::ProxyExit {
            status: ProgramExit::Code(255),
            verdict: None,
            last_words: String::new(),
        }));
        self.input(client::Input::Retry);
        self.input(client::Input::Restart(SessionId(1)));
        if let client::Status::Closed(_) = self.client.status() {
            *self = ClientSide { now: self.now, ..ClientSide::new(First::Start) };
        }
    }

    fn attach(&mut self) {
        self.news(client::News::Started(None));
        self.news(client::News::Preamble);
        self.client.poll_transmit();
        let welcome = Welcome {
            protocol: 1,
            instance: self.client.instance().unwrap_or(InstanceId(1)),
            session: self.client.session(),
            received: self.client.outbox().first() - 1,
            start: self.due(),
            window: 64,
            host: None,
        };
        self.news(client::News::Frame(Frame::Welcome(welcome)));
    }

    fn own(&mut self, sent: usize, taken: usize, written: usize) {
        self.input(client::Input::Send(Bytes::from(vec![b'i'; sent])));
        self.input(client::Input::Consumed(taken));
        for _ in 0..written {
            self.client.poll_transmit();
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.client.handle_timeout(self.now);
        while self.client.poll_effect().is_some() {}
    }

    fn check(&self) {
        assert!(self.client.inbox().unconsumed_bytes() < 64 + PAYLOAD_BYTES_MAX);
        assert!(self.client.outbox().unacked_bytes() < 64 + 6);
        assert!(self.client.outbox().last() + 1 - self.client.outbox().first() <= 8 + 1);
    }
}

pub(crate) struct ServerSide {
    server: Server,
    now: Time,
    transport: server::TransportId,
    attempt: u64,
}

impl ServerSide {
    pub(crate) fn new() -> Self {
        let config = ServerConfig { window: window(), attaching_max: 3, ..ServerConfig::default() };
        let server = Server::new(config, InstanceId(1), Time::ZERO);
        let mut side = ServerSide { server, now: Time::ZERO, transport: 0, attempt: 0 };
        side.reopen();
        side
    }

    fn input(&mut self, input: server::Input) {
        self.server.handle_input(self.now, input);
        while self.server.poll_effect().is_some() {}
    }
}

impl Machine for ServerSide {
    fn hear(&mut self, heard: Result<Frame, String>) {
        let news = heard.map_or_else(server::News::Garbled, server::News::Frame);
        self.input(server::Input::Transport(self.transport, news));
    }

    fn due(&self) -> u64 {
        self.server.inbox().received() + 1
    }

    fn reopen(&mut self) {
        if let server::Status::Ended(_) = self.server.status() {
            let (now, transport) = (self.now, self.transport);
            *self = ServerSide { now, transport, ..ServerSide::new() };
        }
        self.transport += 1;
        self.input(server::Input::Opened(self.transport));
    }

    fn attach(&mut self) {
        self.reopen();
        self.attempt += 1;
        let hello = Hello {
            protocol: (1, 1),
            session: self.server.owner().unwrap_or(SessionId(1)),
            attempt: self.attempt,
            instance: Some(self.server.instance()).filter(|_| self.server.owner().is_some()),
            received: self.server.outbox().first() - 1,
            window: 64,
            takeover: false,
            client: None,
        };
        self.hear(Ok(Frame::Hello(hello)));
    }

    fn own(&mut self, sent: usize, taken: usize, written: usize) {
        if self.server.has_room() {
            self.input(server::Input::Output(Channel::Output, Bytes::from(vec![b'o'; sent])));
        }
        self.input(server::Input::Consumed(taken));
        for _ in 0..written {
            self.server.poll_transmit();
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.server.handle_timeout(self.now);
        while self.server.poll_effect().is_some() {}
    }

    fn check(&self) {
        assert!(self.server.inbox().unconsumed_bytes() < 2 * (64 + PAYLOAD_BYTES_MAX));
        assert!(self.server.outbox().unacked_bytes() < 64 + 6);
        assert!(self.server.outbox().last() + 1 - self.server.outbox().first() <= 8 + 1);
    }
}
