//! The server machine: one instance, which hosts one application for one session at a time.
//!
//! The first session that says Hello owns the instance. Its next attempt displaces the last one,
//! whatever shape that is in; a stranger is refused unless it asks to take over. Whoever has not
//! said a proper Hello displaces nobody.
//!
//! Sockets, processes and files are left to the host, the client's side to the client.

mod io;
mod parting;
mod room;
mod state;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

pub use io::{Cause, Effect, Input, News, Status, TransportId};

use self::parting::Parting;
use self::state::{Attaching, Link, State};
use super::config::ServerConfig;
use super::inbox::{Arrival, Inbox};
use super::outbox::{Item, Outbox};
use super::time::{Time, earliest};
use crate::proto::limits::{PROTOCOL_VERSION, PROTOCOL_VERSION_MIN};
use crate::proto::{
    Bye, ByeReason, Channel, Frame, GoneReason, Hello, InstanceId, ProgramExit, Refusal, RefusalReason, Seq,
    SessionId, Welcome,
};

/// One server's life.
///
/// In a loop: [`Server::handle_input`] or [`Server::handle_timeout`], then
/// [`Server::poll_effect`] until `None`, then [`Server::poll_transmit`] as long as the transport
/// takes more, then sleep until [`Server::poll_timeout`] or the next input.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Server {
    config: ServerConfig,
    instance: InstanceId,
    state: State,
    /// Transports that have not said Hello, oldest first.
    attaching: VecDeque<Attaching>,
    owner: Option<Owner>,
    outbox: Outbox,
    inbox: Inbox,
    exit: Option<ProgramExit>,
    effects: VecDeque<Effect>,
}

/// The session that the instance belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Owner {
    session: SessionId,
    /// The highest attempt that was accepted.
    attempt: u64,
}

impl Server {
    /// A server that starts at `now`. `instance` is its name for life, from a good source of randomness.
    pub fn new(config: ServerConfig, instance: InstanceId, now: Time) -> Self {
        let until = now + config.unmet_lifetime;
        let mut server = Server {
            outbox: Outbox::new(&config.window),
            inbox: Inbox::new(&config.window),
            config,
            instance,
            state: State::Unmet { until },
            attaching: VecDeque::new(),
            owner: None,
            exit: None,
            effects: VecDeque::new(),
        };
        server.enter(State::Unmet { until }, Cause::Started);
        server
    }

    /// Takes news, of a transport, of the application or of the host. Any input may come at any time.
    pub fn handle_input(&mut self, now: Time, input: Input) {
        self.notice_suspension(now);
        match input {
            Input::Opened(transport) => self.on_opened(now, transport),
            Input::Transport(transport, news) => self.on_news(now, transport, news),
            Input::Output(channel, payload) => self.on_output(now, Item::Data(channel, payload)),
            Input::OutputFinished(channel) => self.on_output(now, Item::Fin(channel)),
            Input::Exited(exit) => {
                if self.exit.is_none() {
                    self.on_output(now, Item::Exit(exit));
                    self.exit = Some(exit);
                }
            }
            Input::Consumed(deliveries) => {
                self.consume(now, deliveries);
            }
            Input::Stop(reason) => self.end(reason),
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
        while self.attaching.front().is_some_and(|attaching| now >= attaching.until) {
            let late = self.attaching.pop_front().expect("it was there");
            self.effects.push_back(Effect::Close(late.transport, None));
        }
        match &self.state {
            State::Unmet { until } if now >= *until => self.end_unless_exited(GoneReason::Unmet),
            State::Detached { until, absence } if now >= *until => self.end_unless_exited(absence.end()),
            State::Attached(link) if now >= link.silent_at => self.drop_link(now, None, Cause::Silence),
            State::Attached(link) if link.parting.is_some_and(|parting| now >= parting.until()) => {
                self.on_parting_due(now);
            }
            State::Attached(_) => self.inbox.handle_timeout(now),
            State::Unmet { .. } | State::Detached { .. } | State::Ended(_) => {}
        }
    }

    /// The next thing to do, in order.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Whether [`Server::poll_effect`] has something.
    pub fn has_effects(&self) -> bool {
        !self.effects.is_empty()
    }

    /// The next frame for the attached transport. Ask when it can take one.
    pub fn poll_transmit(&mut self) -> Option<(TransportId, Frame)> {
        let State::Attached(link) = &mut self.state else {
            return None;
        };
        if let Some(parting) = &mut link.parting {
            // What was acknowledged before may be again, whatever the client knows.
            let word = parting.ask().then(|| Frame::Ack(self.inbox.consumed()));
            return word.map(|frame| (link.transport, frame));
        }
        let frame = (link.welcome.take().map(Frame::Welcome))
            .or_else(|| link.pong.take().map(Frame::Pong))
            .or_else(|| self.inbox.take_ack(self.outbox.has_next_frame()).map(Frame::Ack))
            .or_else(|| self.outbox.next_frame());
        frame.map(|frame| (link.transport, frame))
    }

    /// When [`Server::handle_timeout`] has something to do.
    pub fn poll_timeout(&self) -> Option<Time> {
        let state = match &self.state {
            State::Unmet { until } | State::Detached { until, .. } => Some(*until),
            State::Attached(link) => {
                let parting = link.parting.map(|parting| parting.until());
                earliest([Some(link.silent_at), self.inbox.ack_at(), parting])
            }
            State::Ended(_) => None,
        };
        earliest([state, self.attaching.front().map(|attaching| attaching.until)])
    }

    /// The state as seen from outside.
    pub fn status(&self) -> Status {
        match &self.state {
            State::Unmet { .. } => Status::Unmet,
            State::Attached(_) => Status::Attached(self.owner.map_or(0, |owner| owner.attempt)),
            State::Detached { .. } => Status::Detached,
            State::Ended(reason) => Status::Ended(*reason),
        }
    }

    /// The instance.
    pub fn instance(&self) -> InstanceId {
        self.instance
    }

    /// The session that the instance belongs to.
    pub fn owner(&self) -> Option<SessionId> {
        self.owner.map(|owner| owner.session)
    }

    /// The transport that is attached.
    pub fn attached(&self) -> Option<TransportId> {
        match &self.state {
            State::Attached(link) => Some(link.transport),
            State::Unmet { .. } | State::Detached { .. } | State::Ended(_) => None,
        }
    }

    /// What was sent and may not have been consumed.
    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// What was received.
    pub fn inbox(&self) -> &Inbox {
        &self.inbox
    }

    fn on_opened(&mut self, now: Time, transport: TransportId) {
        if self.attaching.len() >= self.config.attaching_max {
            // The newest is the likeliest to be somebody who still waits.
            let oldest = self.attaching.pop_front().expect("the bound is at least one");
            self.effects.push_back(Effect::Close(oldest.transport, None));
        }
        let until = now + self.config.hello_timeout;
        self.attaching.push_back(Attaching { transport, since: now, until });
    }

    fn on_news(&mut self, now: Time, transport: TransportId, news: News) {
        if let Some(place) = self.attaching.iter().position(|attaching| attaching.transport == transport) {
            return self.on_attaching(now, transport, place, news);
        }
        match (&mut self.state, news) {
            (State::Attached(link), News::Heard) if link.transport == transport => {
                link.silent_at = now + self.config.silence_max;
            }
            (State::Attached(link), News::Frame(frame)) if link.transport == transport => {
                link.silent_at = now + self.config.silence_max;
                self.on_frame(now, frame);
            }
            (State::Attached(link), News::Garbled(what)) if link.transport == transport => {
                self.on_violation(now, what);
            }
            (State::Attached(link), News::InputEnded) if link.transport == transport => {
                self.on_input_ended(now);
            }
            (State::Attached(link), News::OutputEnded) if link.transport == transport => {
                let answered = link.parting.is_some_and(|parting| parting.is_answered(now));
                self.drop_link(now, None, if answered { Cause::Death } else { Cause::Lost });
            }
            (State::Attached(link), News::Lost) if link.transport == transport => {
                self.drop_link(now, None, Cause::Lost);
            }
            // The one place where news of a displaced or refused transport ends.
            (State::Attached(_) | State::Unmet { .. } | State::Detached { .. } | State::Ended(_), _) => {
                self.effects.push_back(Effect::Ignored(transport));
            }
        }
    }

    /// News of a transport that has not said Hello: only a proper one changes anything.
    fn on_attaching(&mut self, now: Time, transport: TransportId, place: usize, news: News) {
        match news {
            News::Heard => {}
            News::Frame(Frame::Hello(hello)) => {
                let since = self.attaching.remove(place).map_or(now, |attaching| attaching.since);
                match self.judge(now, &hello) {
                    Ok(()) => {
                        self.outbox.greeted(now.since(since));
                        self.attach(now, transport, hello);
                    }
                    Err(refusal) => {
                        self.effects.push_back(Effect::Close(transport, Some(Frame::Refused(refusal))));
                    }
                }
            }
            News::Frame(early) => {
                self.attaching.remove(place);
                let what = format!("{} came before Hello", early.name());
                self.effects.push_back(Effect::Close(transport, Some(self.protocol_error(what))));
            }
            News::Garbled(what) => {
                self.attaching.remove(place);
                self.effects.push_back(Effect::Close(transport, Some(self.protocol_error(what))));
            }
            News::InputEnded | News::OutputEnded | News::Lost => {
                self.attaching.remove(place);
                self.effects.push_back(Effect::Close(transport, None));
            }
        }
    }

    /// Whether a Hello may attach; where it may, the outbox stands where the client wants it.
    fn judge(&mut self, now: Time, hello: &Hello) -> Result<(), Refusal> {
        let host = self.config.host;
        let refuse = |reason, message: String| Err(Refusal { reason, message, host });
        if let State::Ended(reason) = self.state {
            return refuse(RefusalReason::Ending, format!("the server is about to end ({reason})"));
        }
        let (oldest, newest) = hello.protocol;
        if newest < PROTOCOL_VERSION_MIN || oldest > PROTOCOL_VERSION || oldest > newest {
            let older = if newest < PROTOCOL_VERSION_MIN { "client" } else { "server" };
            let ours = format!("{PROTOCOL_VERSION_MIN} to {PROTOCOL_VERSION}: renew the {older}");
            let theirs = format!("the client speaks protocol versions {oldest} to {newest}");
            return refuse(RefusalReason::Protocol, format!("{theirs}, this server {ours}"));
        }
        if hello.instance.is_some_and(|instance| instance != self.instance) {
            let message = "the server that the session belongs to is gone; another runs in its place";
            return refuse(RefusalReason::OtherInstance, message.to_owned());
        }
        // A newcomer never had a Welcome, maybe because the first one was cut on its way.
        let is_newcomer = hello.instance.is_none() && hello.received == 0;
        match self.owner {
            Some(owner) if owner.session == hello.session => {
                if hello.attempt <= owner.attempt {
                    let message = format!("attempt {} was accepted before", owner.attempt);
                    return refuse(RefusalReason::StaleAttempt, message);
                }
            }
            Some(_) if !hello.takeover => {
                let message = "the server belongs to another session; a takeover would displace it";
                return refuse(RefusalReason::Busy, message.to_owned());
            }
            Some(_) | None if !is_newcomer => {
                let message = "the server does not know this session's past";
                return refuse(RefusalReason::Gap, message.to_owned());
            }
            Some(_) | None => {}
        }
        // Where the client wants to go on: a newcomer starts with the oldest that is kept.
        let received = if is_newcomer { self.outbox.first() - 1 } else { hello.received };
        match self.outbox.resume_after(now, received, hello.window) {
            Ok(()) => Ok(()),
            Err(gap) => refuse(RefusalReason::Gap, gap.to_string()),
        }
    }

    /// Attaches a transport whose Hello was judged, in the place of whatever was attached.
    fn attach(&mut self, now: Time, transport: TransportId, hello: Hello) {
        let same = self.owner.is_none_or(|owner| owner.session == hello.session);
        if let State::Attached(old) = &self.state {
            let bye = (!same).then(|| {
                let message = "another client took over".to_owned();
                Frame::Bye(Bye { reason: ByeReason::TakenOver, message, received: self.inbox.consumed() })
            });
            self.effects.push_back(Effect::Close(old.transport, bye));
        }
        self.owner = Some(Owner { session: hello.session, attempt: hello.attempt });
        self.inbox.resume();
        if !same {
            self.inbox.hand_over();
        }
        let welcome = Welcome {
            protocol: hello.protocol.1.min(PROTOCOL_VERSION),
            instance: self.instance,
            session: hello.session,
            received: self.inbox.received(),
            start: self.outbox.next_seq(),
            window: self.inbox.window(),
            host: self.config.host,
        };
        let silent_at = now + self.config.silence_max;
        let link = Link { transport, silent_at, welcome: Some(welcome), pong: None, parting: None };
        self.enter(State::Attached(link), if same { Cause::Hello } else { Cause::Takeover });
    }

    /// A frame of the attached client.
    fn on_frame(&mut self, now: Time, frame: Frame) {
        match frame {
            Frame::Data { channel: Channel::Input, seq, payload } => {
                if self.accepts(now, seq, payload.len()) {
                    self.effects.push_back(Effect::Deliver(payload));
                }
            }
            Frame::Data { channel: Channel::Signal, seq, payload } => match payload[..] {
                [signal] => {
                    if self.accepts(now, seq, 1) {
                        self.effects.push_back(Effect::Signal(signal));
                    }
                }
                _ => self.on_violation(now, "a signal is one byte".to_owned()),
            },
            Frame::Fin { channel: Channel::Input, seq } => {
                if self.accepts(now, seq, 0) {
                    self.effects.push_back(Effect::FinishInput);
                }
            }
            Frame::Ack(seq) => match self.outbox.acknowledge(now, seq) {
                Ok(()) => self.end_if_all_said(),
                Err(gap) => self.on_violation(now, gap.to_string()),
            },
            Frame::Ping(nonce) => {
                if let State::Attached(link) = &mut self.state {
                    link.pong = Some(nonce);
                }
            }
            Frame::Bye(bye) => self.on_bye(now, bye),
            Frame::Data { channel: channel @ (Channel::Output | Channel::Errors), .. }
            | Frame::Fin {
                channel: channel @ (Channel::Output | Channel::Errors | Channel::Signal), ..
            } => {
                self.on_violation(now, format!("the client sent on channel {channel:?}"));
            }
            never @ (Frame::Hello(_)
            | Frame::Welcome(_)
            | Frame::Refused(_)
            | Frame::Pong(_)
            | Frame::Exit { .. }) => {
                self.on_violation(now, format!("{} came from an attached client", never.name()));
            }
        }
    }

    fn accepts(&mut self, now: Time, seq: Seq, bytes: usize) -> bool {
        match self.inbox.accept(seq, bytes) {
            Ok(Arrival::New) => true,
            Ok(Arrival::Duplicate) => false,
            Err(error) => {
                self.on_violation(now, error.to_string());
                false
            }
        }
    }

    fn on_bye(&mut self, now: Time, bye: Bye) {
        match bye.reason {
            ByeReason::Closed => {
                // A last acknowledgement; one that names what was never sent changes nothing.
                if self.outbox.acknowledge(now, bye.received).is_ok() {
                    self.end_if_all_said();
                }
                self.end(GoneReason::Closed);
            }
            ByeReason::TakenOver | ByeReason::ProtocolError | ByeReason::Lost | ByeReason::Unknown => {
                self.drop_link(now, None, Cause::Bye);
            }
        }
    }

    fn on_violation(&mut self, now: Time, what: String) {
        let bye = self.protocol_error(what.clone());
        self.drop_link(now, Some(bye), Cause::Violation(what));
    }

    fn on_output(&mut self, now: Time, item: Item) {
        match self.state {
            State::Ended(_) => {}
            // After the program's end nothing of it can come.
            State::Unmet { .. } | State::Attached(_) | State::Detached { .. } => {
                if self.exit.is_none() {
                    self.outbox.push(now, item);
                }
            }
        }
    }

    /// The program has ended and the client knows everything it said.
    fn end_if_all_said(&mut self) {
        if let Some(exit) = self.exit.filter(|_| self.outbox.is_empty()) {
            self.end(GoneReason::Exited(exit));
        }
    }

    /// Nobody came to hear how the program ended: that says more than that nobody came.
    fn end_unless_exited(&mut self, reason: GoneReason) {
        self.end(self.exit.map_or(reason, GoneReason::Exited));
    }

    /// The transports stay open until the process ends: their end and the lock's come together,
    /// so that a proxy can tell at once that the server is gone.
    fn end(&mut self, reason: GoneReason) {
        match self.state {
            State::Ended(_) => {}
            State::Unmet { .. } | State::Attached(_) | State::Detached { .. } => {
                self.enter(State::Ended(reason), Cause::End);
                self.effects.push_back(Effect::End(reason));
            }
        }
    }

    /// A deadline that is this much overdue was slept through: by us, not by the clients, whose
    /// bytes may be waiting. Everybody gets the time of one Hello.
    fn notice_suspension(&mut self, now: Time) {
        let Some(due) = self.poll_timeout() else {
            return;
        };
        if now < due + self.config.suspension_min {
            return;
        }
        let later = now + self.config.hello_timeout;
        for attaching in &mut self.attaching {
            attaching.until = attaching.until.max(later);
        }
        match &mut self.state {
            State::Unmet { until } | State::Detached { until, .. } => *until = (*until).max(later),
            State::Attached(link) => {
                link.silent_at = link.silent_at.max(later);
                link.parting = link.parting.map(|_| Parting::untold(now));
            }
            State::Ended(_) => {}
        }
    }

    fn protocol_error(&self, message: String) -> Frame {
        let received = self.inbox.consumed();
        Frame::Bye(Bye { reason: ByeReason::ProtocolError, message, received })
    }

    /// The one place that assigns the state.
    fn enter(&mut self, state: State, cause: Cause) {
        self.state = state;
        self.effects.push_back(Effect::Status(self.status(), cause));
    }
}
