//! What a server hosts: an application in its own process, or a program beside it.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use smol::channel::Receiver;

use crate::io::port::{Machine, Port};
use crate::proto::limits::PAYLOAD_BYTES_MAX;
use crate::proto::{Channel, ProgramExit};
use crate::session::Time;
use crate::session::server::{Input, Server, Status};

/// What a server hosts. It lives as long as the server does, whoever is attached.
pub trait Application: Send + 'static {
    /// Whether it runs on the server's own I/O thread. Only for applications that never compute:
    /// on that thread the client's heartbeat is answered.
    const ON_IO_THREAD: bool = false;

    /// Whether there must be a program, with its arguments, that a server is started for.
    const NEEDS_COMMAND: bool = false;

    /// Runs until the application has ended, and says how. Once [`Session::receive`] gives
    /// `None` the server is about to end, and the application has two seconds to do so.
    fn run(self, session: Session) -> impl Future<Output = ProgramExit> + Send;
}

/// An application's end of the session.
#[derive(Clone, Debug)]
pub struct Session {
    port: Arc<Port<Server, Delivery>>,
    signals: Receiver<u8>,
}

/// What comes from the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// A message; for a hosted program, the next of its input.
    Message(Bytes),
    /// A signal that the user sent, by its number.
    Signal(u8),
    /// No more messages will come.
    InputEnded,
}

impl Session {
    pub(super) fn new(port: Arc<Port<Server, Delivery>>, signals: Receiver<u8>) -> Self {
        Session { port, signals }
    }

    pub(super) fn port(&self) -> Arc<Port<Server, Delivery>> {
        Arc::clone(&self.port)
    }

    /// The next signal that the user sent, at once: ahead of messages that were not taken yet, as
    /// a signal reaches a local program that does not read. It also comes in order, as
    /// [`Delivery::Signal`]; heed one of the two. Waits for ever once the server is about to end.
    pub async fn signal(&self) -> u8 {
        match self.signals.recv().await {
            Ok(number) => number,
            Err(_) => std::future::pending().await,
        }
    }

    /// The next delivery, in order; `None` once the server is about to end.
    pub async fn receive(&self) -> Option<Delivery> {
        self.port.receive().await
    }

    /// The next delivery if one is there.
    pub fn try_receive(&self) -> Option<Delivery> {
        self.port.try_receive()
    }

    /// Sends a message to the client, attached or not; waits while as many bytes as may be are
    /// on their way. False if the server is about to end, and the message lost with it.
    ///
    /// # Panics
    ///
    /// If the message is over [`PAYLOAD_BYTES_MAX`].
    pub async fn send(&self, message: impl Into<Bytes>) -> bool {
        self.send_on(Channel::Output, message.into()).await
    }

    pub(super) async fn send_on(&self, channel: Channel, payload: Bytes) -> bool {
        assert!(payload.len() <= PAYLOAD_BYTES_MAX, "a message may have {PAYLOAD_BYTES_MAX} bytes at most");
        self.port.send(|server, now| server.handle_input(now, Input::Output(channel, payload))).await.is_ok()
    }

    /// Waits until [`Session::send`] would take a message; false if it never will again.
    pub async fn has_room(&self) -> bool {
        self.port.wait(|inner| inner.machine.room()).await.is_ok()
    }

    /// Waits for room, and says how much there is; `None` if there never will be again.
    pub(super) async fn room(&self) -> Option<Room> {
        self.port
            .wait(|inner| {
                let server = &inner.machine;
                let room = || Room { bytes_max: (!server.is_fast()).then(|| server.room_bytes()) };
                server.room().map(|answer| answer.ok().map(|()| room()))
            })
            .await
    }

    pub(super) fn finish(&self, channel: Channel) {
        self.port.apply(|server, now| server.handle_input(now, Input::OutputFinished(channel)));
    }

    /// Waits until the server is about to end.
    pub async fn over(&self) {
        self.port.wait(|inner| inner.machine.is_over().then_some(())).await;
    }
}

/// What a hosted program may say now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// Bytes that go on their way at once, or are kept for a client that is not there; `None` for as many as
    /// come at once, because the client is there and its link is fast.
    pub(super) bytes_max: Option<usize>,
}

/// The server is about to end.
#[derive(Debug)]
pub struct Over;

impl Machine for Server {
    type Refusal = Over;

    fn room(&self) -> Option<Result<(), Over>> {
        if Machine::is_over(self) {
            return Some(Err(Over));
        }
        self.has_room().then_some(Ok(()))
    }

    fn is_over(&self) -> bool {
        // What was not handed out yet may still be delivered.
        matches!(self.status(), Status::Ended(_)) && !self.has_effects()
    }

    fn consumed(&mut self, now: Time) -> bool {
        self.consume(now, 1)
    }
}
