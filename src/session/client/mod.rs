//! The client machine: keeps one session attached to the instance that it first met, and says so
//! when that cannot be.
//!
//! Three rules come before all others. A reconnect never starts a server: only the first attempt
//! of a session carries [`Launch::Start`] or [`Launch::Replace`]. News of an attempt that is not
//! the current one changes nothing. After exactly `attempts_max` failed attempts the client
//! pauses, and says so.
//!
//! ```text
//! state     where the client is
//! attempts  when it tries, when it pauses, what ends a pause
//! news      what news of the current transport mean
//! seen      how long its way to the host takes
//! status    what it is seen to be from outside
//! io        what it is told and asks for
//! ```
//!
//! Processes, bytes and clocks are left to the driver, the server's side to the server.

mod attempts;
mod io;
mod news;
mod seen;
mod state;
mod status;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::collections::VecDeque;

use bytes::Bytes;

pub use io::{Attempt, Cause, Effect, Input, Launch, News, ProxyExit, Rejected, Way};
pub use status::{Closed, Outside, Refused, Status};

use self::seen::Seen;
use self::state::{Opening, Phase, State};
use super::allowance::Allowance;
use super::backoff::Backoff;
use super::config::{ClientConfig, First};
use super::heartbeat::Beat;
use super::inbox::Inbox;
use super::outbox::{Item, Outbox};
use super::time::{Time, earliest};
use crate::proto::limits::{PAYLOAD_BYTES_MAX, PROTOCOL_VERSION, PROTOCOL_VERSION_MIN};
use crate::proto::{Bye, ByeReason, Channel, Frame, GoneReason, Hello, HostId, InstanceId, SessionId};

/// One client's session.
///
/// It wants to connect from the start. In a loop: [`Client::poll_effect`] until `None`, then
/// [`Client::poll_transmit`] as long as the transport takes more, then sleep until
/// [`Client::poll_timeout`] or the next input, then [`Client::handle_timeout`] or
/// [`Client::handle_input`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Client {
    config: ClientConfig,
    session: SessionId,
    /// The instance that the session first met.
    instance: Option<InstanceId>,
    /// The attempt that is current, or was the last.
    attempt: Attempt,
    /// The host that the session first came to: what others say of our server is nothing.
    host: Option<HostId>,
    state: State,
    /// Failed attempts of this budget, or of the first attach.
    failures: u32,
    /// Transports that ended with a violation, without a stable time or a fresh start between them.
    violations: u32,
    backoff: Backoff,
    allowance: Allowance,
    /// When the current attempt was made, or the last.
    tried_at: Time,
    /// How long the way to the host takes.
    seen: Seen,
    /// When the link was lost that is missed since.
    lost_at: Time,
    /// Attempts of this outage that a hint replaced.
    replaced: u32,
    /// The link was lost because nothing was heard: what it shared with others may be dead.
    fell_silent: bool,
    /// The next attempt shares nothing.
    own_way: bool,
    outbox: Outbox,
    inbox: Inbox,
    input_finished: bool,
    effects: VecDeque<Effect>,
}

impl Client {
    /// A session that is about to connect at `now`. `session` is its credential, from a good
    /// source of randomness; `seed` feeds the jitter of its delays.
    pub fn new(config: ClientConfig, session: SessionId, seed: u64, now: Time) -> Self {
        let mut client = Client {
            seen: Seen::nothing(&config),
            outbox: Outbox::new(&config.window),
            inbox: Inbox::new(&config.window),
            config,
            session,
            instance: None,
            host: None,
            attempt: 0,
            state: State::Connecting(Opening::new(None)),
            failures: 0,
            violations: 0,
            backoff: Backoff::new(seed),
            allowance: Allowance::new(now),
            tried_at: now,
            lost_at: now,
            replaced: 0,
            fell_silent: false,
            own_way: false,
            input_finished: false,
            effects: VecDeque::new(),
        };
        client.connect(now, Cause::User);
        client
    }

    /// Takes news, of the user, of the host or of a transport. Any input may come at any time.
    pub fn handle_input(&mut self, now: Time, input: Input) {
        self.notice_suspension(now);
        match input {
            Input::Send(payload) => self.on_send(now, payload),
            Input::Signal(signal) => self.on_signal(now, signal),
            Input::Finish => self.on_finish(now),
            Input::Activity => self.on_activity(now),
            Input::Consumed(deliveries) => {
                self.consume(now, deliveries);
            }
            Input::Wake => self.on_hint(now, Cause::Wake),
            Input::NetworkUp => self.on_hint(now, Cause::NetworkUp),
            Input::Retry => self.on_hint(now, Cause::User),
            Input::Restart(session) => self.on_restart(now, session),
            Input::Close => self.on_close(),
            // The one place where old news ends: what it says is not even looked at.
            Input::Transport(attempt, _) if attempt != self.attempt || !self.state.has_transport() => {
                self.effects.push_back(Effect::Ignored(attempt));
            }
            Input::Transport(_, news) => self.on_news(now, news),
        }
    }

    /// [`Input::Consumed`], for a driver that wants to know whether there is anything to do: true
    /// if an acknowledgement is due, or was planned, because of it.
    pub fn consume(&mut self, now: Time, deliveries: usize) -> bool {
        self.inbox.consume(now, deliveries.min(self.inbox.unconsumed()))
    }

    /// Does what is due. Safe at any time; early calls do nothing.
    pub fn handle_timeout(&mut self, now: Time) {
        self.notice_suspension(now);
        match &mut self.state {
            State::Connecting(opening) | State::Reconnecting(opening) => {
                if opening.until().is_some_and(|until| now >= until) {
                    let cause = match opening.phase {
                        Phase::Open { .. } | Phase::Greet { .. } | Phase::Answer { .. }
                            if opening.ended_until.is_some_and(|until| now >= until) =>
                        {
                            Cause::Ended
                        }
                        Phase::Open { .. } => Cause::OpenTimeout,
                        Phase::Greet { .. } | Phase::Answer { .. } => Cause::AttachTimeout,
                    };
                    self.lose(now, cause, None);
                }
            }
            State::Attached(attached) => {
                self.inbox.handle_timeout(now);
                if attached.ended_until.is_some_and(|until| now >= until) {
                    return self.lose(now, Cause::Ended, None);
                }
                let missed = attached.heartbeat.missed();
                match attached.heartbeat.beat(now) {
                    Beat::Quiet => {}
                    Beat::Probe(nonce) => attached.ping = Some(nonce),
                    Beat::Lost => return self.lose(now, Cause::Silence, None),
                }
                match attached.heartbeat.missed().cmp(&missed) {
                    Ordering::Greater => self.announce(Cause::ProbeMissed),
                    Ordering::Less => self.announce(Cause::Heard),
                    Ordering::Equal => {}
                }
            }
            State::ConnectFailed { .. }
            | State::ReconnectFailed { .. }
            | State::ReconnectExhausted { .. } => {
                self.on_retry_due(now);
            }
            State::ServerNotRunning(_) | State::Refused(_) | State::Closed(_) => {}
        }
    }

    /// The next thing to do, in order.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Whether [`Client::poll_effect`] has something.
    pub fn has_effects(&self) -> bool {
        !self.effects.is_empty()
    }

    /// The next frame for the transport of that attempt. Ask when the transport can take it: what
    /// is urgent comes first, and what is numbered comes in order.
    pub fn poll_transmit(&mut self) -> Option<(Attempt, Frame)> {
        let frame = match &mut self.state {
            State::Connecting(opening) | State::Reconnecting(opening) => match opening.phase {
                Phase::Greet { since, until } => {
                    opening.phase = Phase::Answer { since, until };
                    Some(Frame::Hello(self.hello()))
                }
                Phase::Open { .. } | Phase::Answer { .. } => None,
            },
            State::Attached(attached) => attached
                .ping
                .take()
                .map(Frame::Ping)
                .or_else(|| self.inbox.take_ack(self.outbox.has_next_frame()).map(Frame::Ack))
                .or_else(|| self.outbox.next_frame()),
            State::ConnectFailed { .. }
            | State::ReconnectFailed { .. }
            | State::ReconnectExhausted { .. }
            | State::ServerNotRunning(_)
            | State::Refused(_)
            | State::Closed(_) => None,
        };
        frame.map(|frame| (self.attempt, frame))
    }

    /// When [`Client::handle_timeout`] has something to do.
    pub fn poll_timeout(&self) -> Option<Time> {
        match &self.state {
            State::Connecting(opening) | State::Reconnecting(opening) => opening.until(),
            State::Attached(attached) => {
                earliest([Some(attached.heartbeat.due_at()), attached.ended_until, self.inbox.ack_at()])
            }
            State::ConnectFailed { retry_at } | State::ReconnectFailed { retry_at } => Some(*retry_at),
            State::ReconnectExhausted { look_at, retry_at, .. } => earliest([Some(*look_at), *retry_at]),
            State::ServerNotRunning(_) | State::Refused(_) | State::Closed(_) => None,
        }
    }

    /// When the next attempt is due, if one is planned.
    pub fn next_try_at(&self) -> Option<Time> {
        match &self.state {
            State::ConnectFailed { retry_at } | State::ReconnectFailed { retry_at } => Some(*retry_at),
            State::ReconnectExhausted { retry_at, .. } => *retry_at,
            State::Connecting(_)
            | State::Attached(_)
            | State::Reconnecting(_)
            | State::ServerNotRunning(_)
            | State::Refused(_)
            | State::Closed(_) => None,
        }
    }

    /// The state as seen from outside.
    pub fn status(&self) -> Status {
        self.state.status(self.failures)
    }

    /// Whether [`Input::Send`] is taken now.
    pub fn has_room(&self) -> bool {
        !self.state.is_final() && !self.input_finished && self.outbox_takes()
    }

    /// While attached, no more is taken than the link carries in a bounded time; in an outage, as much as is kept.
    fn outbox_takes(&self) -> bool {
        match &self.state {
            State::Attached(_) => self.outbox.room_ahead() > 0,
            State::Connecting(_)
            | State::Reconnecting(_)
            | State::ConnectFailed { .. }
            | State::ReconnectFailed { .. }
            | State::ReconnectExhausted { .. }
            | State::ServerNotRunning(_)
            | State::Refused(_)
            | State::Closed(_) => self.outbox.has_room(),
        }
    }

    /// Whether [`Input::Finish`] was given.
    pub fn input_finished(&self) -> bool {
        self.input_finished
    }

    /// Whether everything that was sent was consumed by the hosted application.
    pub fn all_confirmed(&self) -> bool {
        self.outbox.is_empty()
    }

    /// The attempt that is current, or was the last.
    pub fn attempt(&self) -> Attempt {
        self.attempt
    }

    /// The instance that the session first met, if it has met one.
    pub fn instance(&self) -> Option<InstanceId> {
        self.instance
    }

    /// The host that the session first came to, if it said who it is.
    pub fn host(&self) -> Option<HostId> {
        self.host
    }

    /// The session.
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// What was sent and may not have been consumed.
    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// What was received.
    pub fn inbox(&self) -> &Inbox {
        &self.inbox
    }

    fn on_send(&mut self, now: Time, payload: Bytes) {
        if self.state.is_final() {
            self.reject(Rejected::Final);
        } else if payload.len() > PAYLOAD_BYTES_MAX {
            self.reject(Rejected::TooLarge);
        } else if self.input_finished {
            self.reject(Rejected::Finished);
        } else {
            if self.outbox_takes() {
                self.outbox.push(now, Item::Data(Channel::Input, payload));
            } else {
                self.reject(Rejected::Full);
            }
            self.on_activity(now);
        }
    }

    fn on_finish(&mut self, now: Time) {
        if self.state.is_final() {
            self.reject(Rejected::Final);
        } else {
            // A second end is as good as the first, and an end needs no room.
            if !std::mem::replace(&mut self.input_finished, true) {
                self.outbox.push(now, Item::Fin(Channel::Input));
            }
            self.on_activity(now);
        }
    }

    /// What is on its way does not keep a signal waiting here, only what is kept for later.
    fn on_signal(&mut self, now: Time, signal: u8) {
        if self.state.is_final() {
            self.reject(Rejected::Final);
        } else {
            if self.outbox.has_room() {
                self.outbox.push(now, Item::Data(Channel::Signal, Bytes::from(vec![signal])));
            } else {
                self.reject(Rejected::Full);
            }
            self.on_activity(now);
        }
    }

    fn reject(&mut self, why: Rejected) {
        self.effects.push_back(Effect::Rejected(why));
    }

    fn on_close(&mut self) {
        match &self.state {
            State::Connecting(opening) | State::Reconnecting(opening) => {
                // Behind a Hello that is accepted, the Bye ends the server, which nobody needs now.
                let greeted = matches!(opening.phase, Phase::Answer { .. });
                self.close_transport(greeted.then_some(ByeReason::Closed), String::new());
                self.enter(State::Closed(Closed::ByUser), Cause::User);
            }
            State::Attached(_) => {
                self.close_transport(Some(ByeReason::Closed), String::new());
                self.enter(State::Closed(Closed::ByUser), Cause::User);
            }
            State::ConnectFailed { .. }
            | State::ReconnectFailed { .. }
            | State::ReconnectExhausted { .. }
            | State::ServerNotRunning(_)
            | State::Refused(_) => self.enter(State::Closed(Closed::ByUser), Cause::User),
            State::Closed(_) => {}
        }
    }

    /// A deadline that is this much overdue was slept through: by us, not by the other side.
    fn notice_suspension(&mut self, now: Time) {
        if self.poll_timeout().is_some_and(|due| now >= due + self.config.suspension_min) {
            self.on_hint(now, Cause::Wake);
        }
    }

    fn on_restart(&mut self, now: Time, session: SessionId) {
        match self.state {
            State::ServerNotRunning(_) | State::Refused(_) => {}
            // There is something to lose, and nothing that a restart would repair.
            State::Connecting(_)
            | State::Attached(_)
            | State::Reconnecting(_)
            | State::ConnectFailed { .. }
            | State::ReconnectFailed { .. }
            | State::ReconnectExhausted { .. } => return,
            // Whoever left has left, and a program that ended has said its last word.
            State::Closed(_) => return,
        }
        self.session = session;
        self.instance = None;
        self.host = None;
        self.outbox = Outbox::new(&self.config.window);
        self.inbox = Inbox::new(&self.config.window);
        self.input_finished = false;
        self.violations = 0;
        self.replaced = 0;
        self.fell_silent = false;
        self.start_over();
        self.config.first = First::Start;
        self.connect(now, Cause::User);
    }

    fn close_transport(&mut self, reason: Option<ByeReason>, message: String) {
        let bye = reason.map(|reason| Bye { reason, message, received: self.inbox.consumed() });
        self.effects.push_back(Effect::Close(self.attempt, bye));
    }

    fn end_not_running(&mut self, reason: GoneReason, cause: Cause) {
        self.close_transport(None, String::new());
        self.enter(State::ServerNotRunning(reason), cause);
    }

    fn end_refused(&mut self, refused: Refused, cause: Cause) {
        let reason = match refused {
            Refused::Gap(_) | Refused::Protocol(_) => Some(ByeReason::ProtocolError),
            Refused::TakenOver
            | Refused::Busy
            | Refused::AlreadyRunning
            | Refused::NotStarted(_)
            | Refused::Unreachable(_) => None,
        };
        self.close_transport(reason, refused.to_string());
        self.enter(State::Refused(refused), cause);
    }

    /// The one place that assigns the state.
    fn enter(&mut self, state: State, cause: Cause) {
        self.state = state;
        self.announce(cause);
    }

    fn announce(&mut self, cause: Cause) {
        self.effects.push_back(Effect::Status(self.status(), cause));
    }

    fn hello(&self) -> Hello {
        Hello {
            // Whoever carries it knows.
            client: None,
            protocol: (PROTOCOL_VERSION_MIN, PROTOCOL_VERSION),
            session: self.session,
            attempt: self.attempt,
            instance: self.instance,
            received: self.inbox.received(),
            window: self.inbox.window(),
            takeover: self.config.first == First::Takeover && self.instance.is_none(),
        }
    }
}
