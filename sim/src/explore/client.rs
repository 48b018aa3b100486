//! The editor's process as an automaton: the client machine, a user with numbered requests, and
//! every promise that concerns them alone.
//!
//! Where its frames go, and whether what it says of servers is true, is left to the world.

use std::hash::Hash;
use std::time::Duration;

use bytes::Bytes;
use reattach::proto::limits::HEARTBEAT_INTERVAL;
use reattach::proto::verdict::EXIT_NOT_RUNNING;
use reattach::proto::{Channel, Frame, GoneReason, InstanceId, ProgramExit, SessionId, Verdict};
use reattach::session::client::{
    Attempt, Cause, Closed, Effect, Input, Launch, News, ProxyExit, Refused, Status, Way,
};
use reattach::session::{ClientConfig, First, Time};

use super::automaton::{Process, Told};
use super::budget::Budget;
use super::lexicon::{Lexicon, Name};
use super::words::{CLOCKS, Words};
use crate::check::Promise;
use crate::machine::ClientMachine;
use crate::scenario::HOME;

/// Sessions that one client may have had, one after the other.
const SESSIONS_MAX: u8 = 8;

/// Payload bytes of an answer: the number of the output, whose request, which request.
pub(super) const ANSWER_BYTES: usize = 3;

/// What can happen to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Ask {
    /// Its next deadline.
    Timer,
    /// The user sends the next request.
    Send,
    Close,
    Retry,
    Restart,
    /// News of the current transport.
    Started,
    Preamble,
    Ended,
    Frame(Name),
    Exited(Name),
}

/// What a client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    Open(Launch),
    Close(Option<Name>),
    Write(Name),
    /// It says that it is attached, to this instance.
    Welcomed(Option<InstanceId>),
    /// It says that its server is gone.
    Gone(GoneReason),
    /// It says that it was refused.
    Refused(Why),
    /// It says that the session is over.
    Left(Closed),
}

/// Why a client was refused, without the words for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    Owned,
    BySpawn,
    Unreachable,
    Broken,
}

/// What the world may know of a client.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    /// How far its next deadline is away.
    pub(super) wait: Duration,
    /// The session is over, but for a restart.
    pub(super) is_final: bool,
    /// It says that the user has left, or that the program has ended.
    pub(super) is_closed: bool,
    pub(super) is_exhausted: bool,
    /// Attached, everything answered and confirmed.
    pub(super) is_settled: bool,
    pub(super) has_room: bool,
    pub(super) timer: Timer,
}

/// What a client's next deadline is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    None,
    /// Something is waited for.
    Due,
    /// All is well as far as it knows; so many probes were sent on this transport.
    Idle(u8),
}

#[derive(Clone)]
pub(super) struct ClientProcess<C> {
    machine: C,
    now: Time,
    client: u8,
    /// Which of its sessions this is.
    session: u8,
    first: First,
    /// The last status that was announced.
    status: Status,
    /// The session's first attempt was made: from here on, nothing may be started.
    opened: bool,
    /// A transport is open.
    linked: bool,
    /// The highest attempt so far.
    attempt: Attempt,
    budget: Budget,
    /// Words of the configuration: the attempt comes some words after them.
    config_words: usize,
    sent: u8,
    /// Requests without an answer, as bits of their number.
    open: u32,
    /// The number of the next output; unknown until the first of a running stream.
    output: Option<u8>,
    /// Probes on this transport, and whether the last one waits for an answer.
    probes: u8,
    probing: bool,
    /// The end of the current transport's output was heard.
    ended: bool,
    untaken: usize,
}

/// The id of a client's session.
pub(super) fn session_id(client: u8, session: u8) -> SessionId {
    let tag = u128::from(session_tag(client, session)) + 1;
    SessionId(tag << 96 | tag)
}

/// What marks the requests of a session.
fn session_tag(client: u8, session: u8) -> u8 {
    client * SESSIONS_MAX + session
}

impl<C: ClientMachine> ClientProcess<C> {
    /// A user opens an editor.
    pub(super) fn open(
        client: u8,
        config: ClientConfig,
        told: &mut Told<Deed>,
        lexicon: &mut Lexicon,
    ) -> Self {
        let first = config.first;
        let budget = Budget::new(config.attempts_max);
        let config_words = Words::of(&config).len();
        let mut process = ClientProcess {
            machine: C::new(config, session_id(client, 0), 1, CLOCKS),
            now: CLOCKS,
            client,
            session: 0,
            first,
            status: Status::Connecting,
            opened: false,
            linked: false,
            attempt: 0,
            budget,
            config_words,
            sent: 0,
            open: 0,
            output: None,
            probes: 0,
            probing: false,
            ended: false,
            untaken: 0,
        };
        process.settle(lexicon, told);
        process
    }

    /// The instance that the session first met, as the machine remembers it.
    pub(super) fn instance(&self) -> Option<InstanceId> {
        self.machine.inner().instance()
    }

    /// Which of the client's sessions this is.
    pub(super) fn session(&self) -> u8 {
        self.session
    }

    fn restart(&mut self) -> Input {
        self.session = (self.session + 1).min(SESSIONS_MAX - 1);
        if self.status.is_final() {
            self.first = First::Start;
            self.budget.renew();
            self.opened = false;
            (self.sent, self.open, self.output) = (0, 0, None);
        }
        Input::Restart(session_id(self.client, self.session))
    }

    fn request(&mut self) -> Input {
        let number = self.sent;
        self.sent += 1;
        self.open |= 1 << number;
        Input::Send(Bytes::from(vec![session_tag(self.client, self.session), number]))
    }

    fn input(&mut self, input: Input) {
        self.machine.handle_input(self.now, input);
    }

    fn news(&mut self, news: News) {
        self.input(Input::Transport(self.machine.inner().attempt(), news));
    }

    /// After any change: carries out what is asked for, writes, and is looked at.
    fn settle(&mut self, lexicon: &mut Lexicon, told: &mut Told<Deed>) {
        while let Some(effect) = self.machine.poll_effect() {
            self.on_effect(effect, lexicon, told);
        }
        if self.untaken > 0 {
            let taken = std::mem::take(&mut self.untaken);
            self.input(Input::Consumed(taken));
        }
        while let Some((_, frame)) = self.machine.poll_transmit() {
            if let Frame::Ping(_) = frame {
                self.probes = self.probes.saturating_add(1);
                self.probing = true;
            }
            told.deeds.push(Deed::Write(lexicon.frame(frame)));
        }
        self.judge(told);
        self.judge_stale(told);
    }

    fn on_effect(&mut self, effect: Effect, lexicon: &mut Lexicon, told: &mut Told<Deed>) {
        match effect {
            // The small world has one way.
            Effect::Open(attempt, launch, Way::Shared | Way::Own) => self.on_open(attempt, launch, told),
            Effect::Close(attempt, bye) => {
                let open = std::mem::replace(&mut self.linked, false) && attempt == self.attempt;
                told.judge(Promise::OneTransport, open, || {
                    format!("the client closes attempt {attempt}, which is not open")
                });
                told.deeds.push(Deed::Close(bye.map(|bye| lexicon.frame(Frame::Bye(bye)))));
            }
            Effect::Deliver(_, payload) => self.on_delivery(&payload, told),
            Effect::Finished(_) => self.untaken += 1,
            Effect::Status(status, cause) => self.on_status(status, &cause, told),
            Effect::Ignored(_) => {}
            Effect::Rejected(why) => told.judge(Promise::ResolvedOnce, self.status.is_final(), || {
                format!("the client had room and did not take a message: {why}")
            }),
        }
    }

    fn on_open(&mut self, attempt: Attempt, launch: Launch, told: &mut Told<Deed>) {
        let one = !std::mem::replace(&mut self.linked, true) && attempt > self.attempt;
        self.attempt = attempt;
        let reattach = self.opened || self.first == First::Takeover;
        self.budget.judge_attempt(&self.status, self.opened, told);
        self.opened = true;
        (self.probes, self.probing, self.ended) = (0, false, false);
        told.judge(Promise::OneTransport, one, || {
            format!("the client opens attempt {attempt} beside or after a newer one")
        });
        told.judge(Promise::NeverSpawn, !reattach || launch == Launch::Reattach, || {
            format!("the client asks attempt {attempt} to {launch:?}, and it is not its first")
        });
        told.deeds.push(Deed::Open(launch));
    }

    fn on_status(&mut self, status: Status, cause: &Cause, told: &mut Told<Deed>) {
        let before = std::mem::replace(&mut self.status, status.clone());
        let attempt = self.machine.inner().attempt();
        told.lines.push((format!("{before} -> {status} #{attempt}"), cause.to_string()));
        let leaves =
            !before.is_final() || status == Status::Connecting || matches!(status, Status::Closed(_));
        told.judge(Promise::EndAbsorbing, leaves, || format!("the client went from {before} to {status}"));
        match &status {
            Status::Connecting | Status::HeartbeatMissed(_) => {}
            Status::Connected => {
                self.budget.renew();
                if let Cause::Welcome(_) = cause {
                    told.deeds.push(Deed::Welcomed(self.machine.inner().instance()));
                }
            }
            Status::Reconnecting(shown) | Status::ReconnectFailed(shown) => {
                self.budget.judge_count(*shown, told);
            }
            Status::ReconnectExhausted => self.budget.judge_pause(told),
            Status::ServerNotRunning(reason) => told.deeds.push(Deed::Gone(*reason)),
            Status::Refused(refused) => told.deeds.push(Deed::Refused(Why::of(refused))),
            Status::Closed(closed) => told.deeds.push(Deed::Left(*closed)),
        }
        if status.is_final() {
            self.open = 0;
        }
    }

    fn on_delivery(&mut self, payload: &Bytes, told: &mut Told<Deed>) {
        self.untaken += 1;
        let &[output, tag, number] = &payload[..] else {
            return told.judge(Promise::DeliveredOnce, false, || format!("{payload:?} is no answer"));
        };
        let newcomer = self.first == First::Takeover;
        let due = self.output.unwrap_or(if newcomer { output } else { 0 });
        self.output = Some(output + 1);
        told.judge(Promise::DeliveredOnce, output == due, || {
            format!("output {output} came to the client where {due} was due")
        });
        if tag == session_tag(self.client, self.session) {
            let asked = self.open & 1 << number != 0;
            self.open &= !(1 << number);
            told.judge(Promise::ResolvedOnce, asked, || {
                format!("request {number} of the client was answered twice")
            });
        }
    }

    /// What a client is and keeps, after every change.
    fn judge(&self, told: &mut Told<Deed>) {
        let machine = self.machine.inner();
        let (inside, outside) = (machine.status(), &self.status);
        told.judge(Promise::OutsideIsInside, inside == *outside, || {
            format!("the client was announced as {outside} and is {inside}")
        });
        if outside.is_attached() {
            let latest = self.now + HEARTBEAT_INTERVAL;
            let armed = machine.poll_timeout().is_some_and(|due| due <= latest);
            told.judge(Promise::HeartbeatArmed, armed, || {
                "the client is attached and will not look for a sign of life in time".to_owned()
            });
        }
        let frames = machine.outbox().last() + 1 - machine.outbox().first();
        // The program's end is the one thing that nobody takes.
        let bounded = frames <= u64::from(self.sent) && machine.inbox().unconsumed() <= 1;
        told.judge(Promise::BoundedMemory, bounded, || {
            format!("the client keeps {frames} frames, and {} were sent", self.sent)
        });
    }

    /// Whatever an old transport has to say must change nothing, whenever it comes.
    fn judge_stale(&self, told: &mut Told<Deed>) {
        let current = self.machine.inner().attempt();
        for attempt in [current - 1, current] {
            if attempt == 0 || (attempt == current && self.linked) {
                continue;
            }
            for news in stale_news(self.machine.inner().instance()) {
                let name = format!("{news:?}");
                let mut machine = self.machine.clone();
                machine.handle_input(self.now, Input::Transport(attempt, news));
                let ignored = machine.poll_effect() == Some(Effect::Ignored(attempt));
                told.judge(Promise::StaleIgnored, ignored && machine == self.machine, || {
                    let name = name.split(['(', ' ']).next().unwrap_or_default();
                    format!(
                        "old news ({name}) of attempt {attempt} would change the client in {}",
                        self.status
                    )
                });
            }
        }
    }

    fn timer(&self) -> Timer {
        let machine = self.machine.inner();
        match machine.poll_timeout() {
            None => Timer::None,
            // It only looks whether it slept.
            Some(_) if self.status == Status::ReconnectExhausted && machine.next_try_at().is_none() => {
                Timer::None
            }
            Some(due) if self.status == Status::Connected => {
                let idle = !self.probing && !self.ended && machine.inbox().ack_at() != Some(due);
                if idle { Timer::Idle(self.probes) } else { Timer::Due }
            }
            Some(_) => Timer::Due,
        }
    }
}

impl<C: ClientMachine> Process for ClientProcess<C> {
    type Ask = Ask;
    type Deed = Deed;
    type View = View;

    fn take(&mut self, ask: Ask, lexicon: &mut Lexicon, told: &mut Told<Deed>) {
        match ask {
            Ask::Timer => {
                let pauses = self.budget.waited(&self.status);
                loop {
                    self.now = self.machine.inner().poll_timeout().expect("only what is armed rings");
                    self.machine.handle_timeout(self.now);
                    // That it looks at the clock within a pause is nothing to be told apart.
                    if !pauses || self.machine.inner().has_effects() {
                        break;
                    }
                }
                let due = self.machine.inner().poll_timeout();
                let now = self.now;
                told.judge_timer("the client", now, due);
            }
            Ask::Send => {
                self.budget.acted();
                let request = self.request();
                self.input(request);
            }
            Ask::Close => self.input(Input::Close),
            Ask::Retry => {
                self.budget.renew();
                self.input(Input::Retry);
            }
            Ask::Restart => {
                let restart = self.restart();
                self.input(restart);
            }
            Ask::Started => self.news(News::Started(Some(HOME))),
            Ask::Preamble => self.news(News::Preamble),
            Ask::Ended => {
                self.ended = true;
                self.news(News::Ended);
            }
            Ask::Frame(name) => {
                self.probing = false;
                self.news(News::Frame(lexicon.frame_of(name).clone()));
            }
            Ask::Exited(name) => self.news(News::Exited(lexicon.exits.value(name).clone())),
        }
        self.settle(lexicon, told);
    }

    fn words(&self) -> Vec<u64> {
        let mut words = Words(machine_words(&self.machine, self.config_words));
        let user = (self.client, self.session, self.first, self.opened, self.linked, &self.budget);
        let work = (self.sent, self.open, self.output, self.probes, self.probing, self.ended);
        (&self.status, user, work).hash(&mut words);
        words.canonise(self.now, &mut Vec::new());
        words.0
    }

    fn view(&self) -> View {
        let machine = self.machine.inner();
        View {
            wait: self.machine.inner().poll_timeout().map(|due| due.since(self.now)).unwrap_or_default(),
            is_final: self.status.is_final(),
            is_closed: matches!(self.status, Status::Closed(_)),
            is_exhausted: self.status == Status::ReconnectExhausted,
            is_settled: self.status == Status::Connected && self.open == 0 && machine.all_confirmed(),
            has_room: machine.has_room(),
            timer: self.timer(),
        }
    }
}

impl Why {
    fn of(refused: &Refused) -> Self {
        match refused {
            Refused::TakenOver | Refused::Busy => Why::Owned,
            Refused::AlreadyRunning | Refused::NotStarted(_) => Why::BySpawn,
            Refused::Unreachable(_) => Why::Unreachable,
            Refused::Gap(_) | Refused::Protocol(_) => Why::Broken,
        }
    }
}

/// The words of a machine, but for the number of its current attempt: how many there were before
/// makes no difference to what it does.
fn machine_words<C: ClientMachine>(machine: &C, config_words: usize) -> Vec<u64> {
    let inner = machine.inner();
    let real = Words::of(inner);
    // As the derived Hash has it: configuration, session, instance, attempt.
    let before = config_words + Words::of(&inner.session()).len() + Words::of(&inner.instance()).len();
    assert_eq!(real[before], inner.attempt(), "own bug: the fields of the client are in another order");
    let mut words = Words::of(machine);
    // A wrapper may have words of its own around those of the real machine.
    let start = words.windows(real.len()).position(|window| *window == real);
    words.remove(start.expect("a wrapper hashes its machine") + before);
    words
}

/// One of each kind of news, of those that would change most.
fn stale_news(instance: Option<InstanceId>) -> [News; 6] {
    let exit = |status, verdict| ProxyExit { status, verdict, last_words: String::new() };
    let (code, message) = (EXIT_NOT_RUNNING, String::new());
    let gone = Verdict { code, reason: Some(GoneReason::Crashed), host: Some(HOME), instance, message };
    [
        News::Started(Some(HOME)),
        News::Preamble,
        News::Ended,
        News::Frame(Frame::Data { channel: Channel::Output, seq: 1, payload: Bytes::new() }),
        News::Exited(exit(ProgramExit::Code(code), Some(gone))),
        News::Exited(exit(ProgramExit::Signal(9), None)),
    ]
}
