//! A client and a server over one link of bytes that is cut, stalled and opened again: every
//! message arrives once and in order, both ways.
//!
//! What each machine does on its own is left to its own tests, hosts and processes to the simulator.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

use super::client::{self, Client};
use super::server::{self, Server};
use super::time::earliest;
use super::{BackoffConfig, ClientConfig, ServerConfig, Time, WindowConfig};
use crate::proto::{Channel, Decoder, InstanceId, ProgramExit, SessionId, encode};

#[derive(Clone, Debug)]
enum Step {
    /// The user sends, or the application says, a message of so many bytes.
    Send(usize),
    Say(usize),
    /// So many frames are written, so many bytes arrive, so many deliveries are taken.
    Write(Side, usize),
    Carry(Side, usize),
    Take(Side, usize),
    /// The proxy of the current attempt attaches.
    Accept,
    /// The link is cut; the server hears of it now, or only when the next attempt displaces it.
    Cut(bool),
    /// The next thing that either waits for becomes due.
    Tick,
    Wake,
}

/// Whose doing it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Client,
    Server,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let side = || prop_oneof![Just(Side::Client), Just(Side::Server)];
    // Often all at once, so that most transports live to carry something; else cut anywhere.
    let bytes = || prop_oneof![2 => Just(9999usize), 1 => 0..200usize];
    let step = prop_oneof![
        4 => (0..30usize).prop_map(Step::Send),
        4 => (0..30usize).prop_map(Step::Say),
        10 => (side(), 0..6usize).prop_map(|(side, frames)| Step::Write(side, frames)),
        12 => (side(), bytes()).prop_map(|(side, bytes)| Step::Carry(side, bytes)),
        4 => (side(), 0..6usize).prop_map(|(side, deliveries)| Step::Take(side, deliveries)),
        4 => Just(Step::Accept),
        1 => any::<bool>().prop_map(Step::Cut),
        1 => Just(Step::Tick),
        1 => Just(Step::Wake),
    ];
    prop::collection::vec(step, 1..150)
}

/// Bytes on their way in one direction of one transport.
#[derive(Default)]
struct Pipe {
    bytes: VecDeque<u8>,
    decoder: Decoder,
}

struct World {
    now: Time,
    client: Client,
    server: Server,
    /// The attempt that the client wants opened, and the one that is.
    wanted: Option<u64>,
    open: Option<u64>,
    up: Pipe,
    down: Pipe,
    /// What was accepted, and what arrived.
    sent: Vec<Bytes>,
    got: Vec<Bytes>,
    said: Vec<Bytes>,
    heard: Vec<Bytes>,
    finished: bool,
}

impl World {
    fn new() -> Self {
        let window = WindowConfig {
            unacked_bytes_max: 64,
            unacked_frames_max: 8,
            ack_bytes: 16,
            ack_frames: 3,
            ..WindowConfig::default()
        };
        let backoff = BackoffConfig { jitter: false, ..BackoffConfig::default() };
        let config = ClientConfig { window: window.clone(), backoff, ..ClientConfig::default() };
        // The two grant different windows. Nobody ends here: a long life is a matter of the server's own tests.
        let life = Duration::from_secs(1 << 40);
        let window = WindowConfig { unacked_bytes_max: 40, ..window };
        let server =
            ServerConfig { window, unmet_lifetime: life, idle_lifetime: life, ..ServerConfig::default() };
        let mut world = World {
            now: Time::ZERO,
            client: Client::new(config, SessionId(1), 0, Time::ZERO),
            server: Server::new(server, InstanceId(1), Time::ZERO),
            wanted: None,
            open: None,
            up: Pipe::default(),
            down: Pipe::default(),
            sent: Vec::new(),
            got: Vec::new(),
            said: Vec::new(),
            heard: Vec::new(),
            finished: false,
        };
        world.settle();
        world
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Send(bytes) => {
                if self.client.has_room() {
                    let payload = message(self.sent.len(), *bytes);
                    self.sent.push(payload.clone());
                    self.client.handle_input(self.now, client::Input::Send(payload));
                }
            }
            Step::Say(bytes) => {
                if self.server.has_room() {
                    let payload = message(self.said.len(), *bytes);
                    self.said.push(payload.clone());
                    self.server.handle_input(self.now, server::Input::Output(Channel::Output, payload));
                }
            }
            Step::Write(Side::Client, frames) => self.write_up(*frames),
            Step::Write(Side::Server, frames) => self.write_down(*frames),
            Step::Carry(Side::Client, bytes) => self.carry_up(*bytes),
            Step::Carry(Side::Server, bytes) => self.carry_down(*bytes),
            Step::Take(Side::Client, deliveries) => {
                self.client.handle_input(self.now, client::Input::Consumed(*deliveries));
            }
            Step::Take(Side::Server, deliveries) => {
                self.server.handle_input(self.now, server::Input::Consumed(*deliveries));
            }
            Step::Accept => self.accept(),
            Step::Cut(told) => self.cut(*told),
            Step::Tick => self.tick(),
            Step::Wake => self.client.handle_input(self.now, client::Input::Wake),
        }
        self.settle();
    }

    fn accept(&mut self) {
        let Some(attempt) = self.wanted.take() else {
            return;
        };
        self.open = Some(attempt);
        (self.up, self.down) = (Pipe::default(), Pipe::default());
        self.server.handle_input(self.now, server::Input::Opened(attempt));
        self.tell(attempt, client::News::Started(None));
        self.tell(attempt, client::News::Preamble);
    }

    fn cut(&mut self, told: bool) {
        let Some(attempt) = self.open.take().or(self.wanted.take()) else {
            return;
        };
        if told {
            self.server.handle_input(self.now, server::Input::Transport(attempt, server::News::Lost));
        }
        let status = ProgramExit::Code(255);
        let exit = client::ProxyExit { status, verdict: None, last_words: String::new() };
        self.tell(attempt, client::News::Started(None));
        self.tell(attempt, client::News::Exited(exit));
    }

    fn tell(&mut self, attempt: u64, news: client::News) {
        self.client.handle_input(self.now, client::Input::Transport(attempt, news));
    }

    fn write_up(&mut self, frames: usize) {
        for _ in 0..frames {
            let Some((attempt, frame)) = self.client.poll_transmit() else {
                return;
            };
            assert_eq!(Some(attempt), self.open);
            let mut bytes = BytesMut::new();
            encode(&frame, &mut bytes);
            self.up.bytes.extend(bytes);
        }
    }

    fn write_down(&mut self, frames: usize) {
        for _ in 0..frames {
            let Some((transport, frame)) = self.server.poll_transmit() else {
                return;
            };
            let mut bytes = BytesMut::new();
            encode(&frame, &mut bytes);
            // What is written to a link that was cut goes nowhere.
            if Some(transport) == self.open {
                self.down.bytes.extend(bytes);
            }
        }
    }

    fn carry_up(&mut self, bytes: usize) {
        let Some(transport) = self.open else {
            return;
        };
        let bytes: Vec<u8> = self.up.bytes.drain(..bytes.min(self.up.bytes.len())).collect();
        self.up.decoder.push(&bytes);
        while let Some(frame) = self.up.decoder.next_frame().expect("a client sends frames") {
            let news = server::News::Frame(frame);
            self.server.handle_input(self.now, server::Input::Transport(transport, news));
        }
    }

    fn carry_down(&mut self, bytes: usize) {
        let Some(attempt) = self.open else {
            return;
        };
        let bytes: Vec<u8> = self.down.bytes.drain(..bytes.min(self.down.bytes.len())).collect();
        self.down.decoder.push(&bytes);
        while let Some(frame) = self.down.decoder.next_frame().expect("a server sends frames") {
            self.tell(attempt, client::News::Frame(frame));
        }
    }

    fn tick(&mut self) {
        let due = earliest([self.client.poll_timeout(), self.server.poll_timeout()]);
        let minute = self.now + Duration::from_secs(60);
        self.now = self.now.max(due.map_or(minute, |due| due.min(minute)));
        self.client.handle_timeout(self.now);
        self.server.handle_timeout(self.now);
    }

    /// Does what both ask for.
    fn settle(&mut self) {
        while let Some(effect) = self.client.poll_effect() {
            match effect {
                client::Effect::Open(attempt, ..) => self.wanted = Some(attempt),
                client::Effect::Close(attempt, _) => {
                    self.wanted = self.wanted.filter(|wanted| *wanted != attempt);
                    self.open = self.open.filter(|open| *open != attempt);
                }
                client::Effect::Deliver(_, payload) => self.heard.push(payload),
                client::Effect::Status(status, cause) => {
                    let right = !matches!(cause, client::Cause::Violation(_) | client::Cause::Bye(_));
                    assert!(right && !status.is_final(), "{status} because of: {cause}");
                }
                client::Effect::Finished(_) | client::Effect::Ignored(_) => {}
                client::Effect::Rejected(why) => panic!("there was room: {why}"),
            }
        }
        while let Some(effect) = self.server.poll_effect() {
            match effect {
                server::Effect::Deliver(payload) => {
                    assert!(!self.finished, "input after its end");
                    self.got.push(payload);
                }
                server::Effect::FinishInput => self.finished = true,
                server::Effect::Close(transport, _) => {
                    if self.open == Some(transport) {
                        self.cut(false);
                    }
                }
                server::Effect::Status(status, cause) => {
                    assert!(!matches!(cause, server::Cause::Violation(_)), "{status:?}: {cause:?}");
                }
                server::Effect::Ignored(_) => {}
                server::Effect::Signal(signal) => panic!("nobody sent signal {signal}"),
                server::Effect::End(reason) => panic!("the server ended: {reason}"),
            }
        }
    }

    /// The network is good from here on: everything must arrive.
    fn recover(&mut self) {
        self.client.handle_input(self.now, client::Input::Finish);
        let until = self.now + Duration::from_secs(120);
        while !(self.finished && self.client.all_confirmed() && self.server.outbox().is_empty()) {
            assert!(self.now < until, "still {} after two good minutes", self.client.status());
            let before = (self.client.clone(), self.server.clone());
            for step in [Step::Accept, Step::Write(Side::Client, 99), Step::Carry(Side::Client, 9999)] {
                self.step(&step);
            }
            self.step(&Step::Take(Side::Server, 99));
            for step in [Step::Write(Side::Server, 99), Step::Carry(Side::Server, 9999)] {
                self.step(&step);
            }
            self.step(&Step::Take(Side::Client, 99));
            if self.client.status() == client::Status::ReconnectExhausted {
                self.client.handle_input(self.now, client::Input::Retry);
                self.settle();
            }
            if before == (self.client.clone(), self.server.clone()) {
                self.step(&Step::Tick);
            }
        }
        assert_eq!(self.got, self.sent);
        assert_eq!(self.heard, self.said);
    }

    fn check_order(&self) {
        assert_eq!(self.got, self.sent[..self.got.len()], "once and in order");
        assert_eq!(self.heard, self.said[..self.heard.len()], "once and in order");
    }
}

/// A message that differs from every other of its direction.
fn message(number: usize, bytes: usize) -> Bytes {
    let mut payload = number.to_string().into_bytes();
    payload.resize(payload.len() + bytes, b'.');
    payload.into()
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("fixtures/regressions/link.txt"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_message_arrives_once_and_in_order_over_any_link(steps in steps()) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
            world.check_order();
        }
        world.recover();
    }
}
