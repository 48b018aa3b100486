//! Floor 3, the client's side: what editors link.
//!
//! ```text
//! route       the way to a server
//! ssh         what ssh is told besides
//! script      a shell script for the host, as any login shell passes it on
//! find        where the server's program is there
//! transport   one attempt's process
//! driver      carries out what the client machine asks for
//! ```
//!
//! [`Client::connect`] gives a handle and a driver. The driver is a future for any executor; the
//! handle sends, receives, and watches the state.

mod driver;
mod find;
mod leash;
mod route;
mod script;
mod ssh;
mod transport;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

pub use driver::Driver;
pub use route::{OrphanLifetime, Route, Surroundings, Target};
pub use script::Script;

pub use crate::io::network::NetworkChanges;

use crate::io::clock::Clock;
pub use crate::io::clock::Moment;
use crate::io::port::{Machine, Port};
use crate::io::random;
use crate::proto::limits::{CHANGES_MAX, CHUNK_BYTES, PAYLOAD_BYTES_MAX};
use crate::proto::{Channel, InstanceId, SessionId};
use crate::session::client as machine;
pub use crate::session::client::{Cause, Closed, Outside, Refused, Rejected, Status, Way};
use crate::session::{ClientConfig, Time};

/// What comes from the hosted application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// The next of a channel: [`Channel::Output`] or [`Channel::Errors`].
    Data(Channel, Bytes),
    /// Nothing more will come on that channel.
    Finished(Channel),
}

/// An editor's end of a session. Clones are handles of the same session; dropping the last one
/// closes it, as [`Client::close`] does.
#[derive(Debug)]
pub struct Client {
    shared: Arc<Shared>,
}

/// A state, and why it was entered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// How many changes there were before.
    pub number: u64,
    /// The attempt that was current.
    pub attempt: u64,
    /// The state.
    pub status: Status,
    /// Why.
    pub cause: Cause,
    /// When.
    pub at: Moment,
}

#[derive(Debug)]
pub(crate) struct Shared {
    port: Port<Noted, Received>,
}

/// A client machine, and the last changes of its state, so that a slow watcher misses none.
#[derive(Debug)]
struct Noted {
    machine: machine::Client,
    /// The newest last; never empty.
    changes: VecDeque<Change>,
    /// What the other side had to say that is no change.
    remark: Option<String>,
}

impl Client {
    /// Starts a session with the server of `target`. Nothing happens until the driver is polled.
    pub fn connect(target: Target, config: ClientConfig) -> (Client, Driver) {
        let clock = Clock::new();
        let seed = u64::from_le_bytes(random::bytes());
        let machine = machine::Client::new(config, SessionId(random::id()), seed, clock.now());
        let (attempt, status) = (machine.attempt(), machine.status());
        let change = Change { number: 0, attempt, status, cause: Cause::User, at: Moment::now() };
        let port = Port::new(Noted { machine, changes: VecDeque::from([change]), remark: None }, clock);
        let shared = Arc::new(Shared { port });
        (Client { shared: Arc::clone(&shared) }, Driver::new(shared, target))
    }

    /// Sends a message; waits while as many bytes as may be are on their way, which is how a
    /// session without a link holds its producer back. What was taken is delivered once and in
    /// order for as long as the server's instance lives.
    ///
    /// # Errors
    ///
    /// [`Rejected::Final`] if the session is over, [`Rejected::Finished`] after [`Client::finish`],
    /// [`Rejected::TooLarge`] for a message over [`PAYLOAD_BYTES_MAX`].
    pub async fn send(&self, message: impl Into<Bytes>) -> Result<(), Rejected> {
        let message = message.into();
        if message.len() > PAYLOAD_BYTES_MAX {
            return Err(Rejected::TooLarge);
        }
        let send = |client: &mut Noted, now| client.machine.handle_input(now, machine::Input::Send(message));
        self.shared.port.send(send).await
    }

    /// Sends bytes of a stream, in as many messages as it takes; otherwise as [`Client::send`].
    ///
    /// # Errors
    ///
    /// As [`Client::send`].
    pub async fn send_stream(&self, mut bytes: Bytes) -> Result<(), Rejected> {
        while !bytes.is_empty() {
            self.send(bytes.split_to(bytes.len().min(CHUNK_BYTES))).await?;
        }
        Ok(())
    }

    /// Sends a signal to the hosted program, by its number, in order with the messages.
    ///
    /// # Errors
    ///
    /// [`Rejected::Final`] if the session is over, [`Rejected::Full`] if too much is on its way.
    pub fn try_signal(&self, number: u8) -> Result<(), Rejected> {
        self.shared.port.apply(|client, now| {
            if client.machine.status().is_final() {
                return Err(Rejected::Final);
            }
            if !client.machine.outbox().has_room() {
                return Err(Rejected::Full);
            }
            client.machine.handle_input(now, machine::Input::Signal(number));
            Ok(())
        })
    }

    /// Says that no more messages will come: the hosted program sees the end of its input.
    pub fn finish(&self) {
        self.input(machine::Input::Finish);
    }

    /// The next delivery, in order; `None` once the session is over and everything was taken.
    pub async fn receive(&self) -> Option<Received> {
        self.shared.port.receive().await
    }

    /// The next delivery if one is there.
    pub fn try_receive(&self) -> Option<Received> {
        self.shared.port.try_receive()
    }

    /// Waits until everything that was sent was taken by the hosted application.
    ///
    /// # Errors
    ///
    /// The state in which the session ended before that: what was not confirmed may be lost.
    pub async fn flush(&self) -> Result<(), Status> {
        let done = |client: &Noted| {
            let status = client.machine.status();
            match client.machine.all_confirmed() {
                true => Some(Ok(())),
                false => status.is_final().then_some(Err(status)),
            }
        };
        self.shared.port.wait(|inner| done(&inner.machine)).await
    }

    /// The state.
    pub fn status(&self) -> Status {
        self.shared.port.lock().machine.machine.status()
    }

    /// The last change of the state.
    pub fn last_change(&self) -> Change {
        self.shared.port.lock().machine.changes.back().cloned().expect("there is always a last one")
    }

    /// Waits for the change after the one that is known. A watcher that is slow gets them one by
    /// one; one that is [`CHANGES_MAX`] behind misses the oldest, which the numbers show.
    pub async fn changed(&self, known: &Change) -> Change {
        let next = |client: &Noted| {
            let newer = |change: &&Change| change.number > known.number;
            // The newest first: mostly there is nothing new.
            client.changes.back().filter(newer).and_then(|_| client.changes.iter().find(newer)).cloned()
        };
        self.shared.port.wait(|inner| next(&inner.machine)).await
    }

    /// Waits for something that the user should know and that is no change of the state: that a session which
    /// was taken over runs another program than the target's, say. One sentence, each told once.
    pub async fn remark(&self) -> String {
        self.shared.port.wait(|inner| inner.machine.remark.take()).await
    }

    /// Time until the next attempt to connect or to come back, if one is planned.
    pub fn next_try_in(&self) -> Option<Duration> {
        let now = self.shared.port.now();
        self.shared.port.lock().machine.machine.next_try_at().map(|at| at.since(now))
    }

    /// Number of the attempt that is current, or was the last.
    pub fn attempt(&self) -> u64 {
        self.shared.port.lock().machine.machine.attempt()
    }

    /// The server instance that the session met first, if it has met one.
    pub fn instance(&self) -> Option<InstanceId> {
        self.shared.port.lock().machine.machine.instance()
    }

    /// The user wants it tried now.
    pub fn retry(&self) {
        self.input(machine::Input::Retry);
    }

    /// The user does something that waits for the session: what is sent says so by itself.
    pub fn activity(&self) {
        self.input(machine::Input::Activity);
    }

    /// The machine woke up. A suspension is noticed without being told, a little later.
    pub fn wake(&self) {
        self.input(machine::Input::Wake);
    }

    /// A network came up or changed. What the kernel knows of that, [`NetworkChanges`] tells; a
    /// client without anybody who tells it comes back a little later.
    pub fn network_up(&self) {
        self.input(machine::Input::NetworkUp);
    }

    /// Gives the old state up and starts over with a fresh server: only the user may wish this,
    /// and only once the session is over.
    pub fn restart(&self) {
        self.input(machine::Input::Restart(SessionId(random::id())));
    }

    /// Ends the session: the server ends the hosted program and itself, if it can be told. What
    /// was not confirmed by [`Client::flush`] may be lost.
    pub fn close(&self) {
        self.input(machine::Input::Close);
    }

    fn input(&self, input: machine::Input) {
        self.shared.port.apply(|client, now| client.machine.handle_input(now, input));
    }
}

impl Clone for Client {
    fn clone(&self) -> Self {
        self.shared.port.add_handle();
        Client { shared: Arc::clone(&self.shared) }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.shared.port.drop_handle();
    }
}

impl Noted {
    fn note(&mut self, status: Status, cause: Cause) {
        let last = self.changes.back().expect("there is always a last one");
        // The machine tells its first state, too, which was known when it was made.
        if last.status == status && last.cause == cause {
            return;
        }
        let number = last.number + 1;
        if self.changes.len() >= CHANGES_MAX {
            self.changes.pop_front();
        }
        let attempt = self.machine.attempt();
        self.changes.push_back(Change { number, attempt, status, cause, at: Moment::now() });
    }
}

impl std::ops::Deref for Noted {
    type Target = machine::Client;

    fn deref(&self) -> &machine::Client {
        &self.machine
    }
}

impl std::ops::DerefMut for Noted {
    fn deref_mut(&mut self) -> &mut machine::Client {
        &mut self.machine
    }
}

impl Machine for Noted {
    type Refusal = Rejected;

    fn room(&self) -> Option<Result<(), Rejected>> {
        if self.machine.status().is_final() {
            return Some(Err(Rejected::Final));
        }
        if self.machine.input_finished() {
            return Some(Err(Rejected::Finished));
        }
        self.machine.has_room().then_some(Ok(()))
    }

    fn is_over(&self) -> bool {
        // What was not handed out yet may still be delivered.
        self.machine.status().is_final() && !self.machine.has_effects()
    }

    fn consumed(&mut self, now: Time) -> bool {
        self.machine.consume(now, 1)
    }
}
