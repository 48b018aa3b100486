//! The server's process as an automaton: the server machine, the hosted program, and every promise
//! that concerns them alone.
//!
//! Transports are *seats* here: their order of mention in the machine's state, which is all that the world
//! has to remember of them. Starting, dying and files are left to the world.

use std::collections::VecDeque;
use std::hash::Hash;
use std::time::Duration;

use bytes::Bytes;
use reattach::proto::{Channel, Frame, GoneReason, InstanceId, ProgramExit};
use reattach::session::server::{Effect, Input, News, Status, TransportId};
use reattach::session::{ServerConfig, Time};

use super::automaton::{Process, Told};
use super::client::ANSWER_BYTES;
use super::lexicon::{Lexicon, Name};
use super::words::{ATTEMPTS, CLOCKS, TRANSPORTS, Words};
use crate::check::Promise;
use crate::machine::ServerMachine;

/// Transports that a server knows at once.
pub(super) const SEATS_MAX: usize = 8;

/// A seat that is no more.
pub(super) const NO_SEAT: u8 = u8::MAX;

/// What can happen to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Ask {
    /// Its next deadline.
    Timer,
    /// A transport was accepted: it takes the next seat.
    Opened,
    /// A Hello; whether its attempt is newer than those that were accepted of its session.
    Hello {
        seat: u8,
        frame: Name,
        newer: bool,
    },
    Frame {
        seat: u8,
        frame: Name,
    },
    Lost {
        seat: u8,
    },
    Stop(GoneReason),
    /// The hosted program ends by itself.
    ProgramEnds,
}

/// What a server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    Write(u8, Name),
    Close(u8, Option<Name>),
    /// This seat's Hello was accepted.
    Accepted(u8),
    End(GoneReason),
    /// Where every seat has gone.
    Seats([u8; SEATS_MAX]),
}

/// What the world may know of a server.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    /// How far its next deadline is away.
    pub(super) wait: Duration,
    /// The session that owns it: the low bits of its id.
    pub(super) owner: Option<u128>,
    pub(super) timer: Timer,
    pub(super) exit: Option<ProgramExit>,
}

/// What a server's next deadline is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    None,
    /// A Hello, of the oldest seat that waits for one.
    Hello(u8),
    /// A sign of life of the client.
    Silence(u8),
    /// A client, any client.
    Idle,
    /// An acknowledgement.
    Ack,
}

#[derive(Clone)]
pub(super) struct ServerProcess<S> {
    machine: S,
    now: Time,
    /// The transports that the machine knows, in the order of its words.
    seats: Vec<TransportId>,
    next_transport: TransportId,
    /// Of `seats`, those that have not said Hello, oldest first.
    attaching: VecDeque<TransportId>,
    /// The highest attempt that was accepted.
    top: u64,
    config: ServerConfig,
    status: Status,
    met: bool,
    /// Since when nobody is attached.
    detached_at: Time,
    /// SIGTERM was sent to it.
    stopped: bool,
    /// By session: the next request.
    due: Vec<(u8, u8)>,
    outputs: u8,
    exit: Option<ProgramExit>,
}

impl<S: ServerMachine> ServerProcess<S> {
    /// A server that listens.
    pub(super) fn listen(config: ServerConfig, instance: InstanceId, told: &mut Told<Deed>) -> Self {
        let mut process = ServerProcess {
            machine: S::new(config.clone(), instance, CLOCKS),
            now: CLOCKS,
            seats: Vec::new(),
            next_transport: TRANSPORTS,
            attaching: VecDeque::new(),
            top: ATTEMPTS,
            config,
            status: Status::Unmet,
            met: false,
            detached_at: CLOCKS,
            stopped: false,
            due: Vec::new(),
            outputs: 0,
            exit: None,
        };
        process.settle(&mut Lexicon::default(), told);
        process
    }

    fn input(&mut self, input: Input) {
        self.machine.handle_input(self.now, input);
    }

    fn news(&mut self, seat: u8, news: News) {
        self.input(Input::Transport(self.seats[usize::from(seat)], news));
    }

    fn seat(&self, transport: TransportId) -> u8 {
        let seat = self.seats.iter().position(|seated| *seated == transport);
        seat.and_then(|seat| u8::try_from(seat).ok()).expect("only transports that were opened are named")
    }

    /// After any change: carries out what is asked for, writes, and is looked at.
    fn settle(&mut self, lexicon: &mut Lexicon, told: &mut Told<Deed>) {
        while let Some(effect) = self.machine.poll_effect() {
            match effect {
                Effect::Close(transport, last) => {
                    self.attaching.retain(|waiting| *waiting != transport);
                    let last = last.map(|frame| lexicon.frame(frame));
                    told.deeds.push(Deed::Close(self.seat(transport), last));
                }
                Effect::Deliver(payload) => self.on_delivery(&payload, told),
                Effect::Signal(_) | Effect::FinishInput => self.input(Input::Consumed(1)),
                Effect::Status(status, cause) => {
                    let before = std::mem::replace(&mut self.status, status);
                    match status {
                        Status::Attached(_) => self.met = true,
                        Status::Unmet | Status::Detached => self.detached_at = self.now,
                        Status::Ended(_) => {}
                    }
                    told.lines.push((name_change(before, status), cause.to_string()));
                }
                Effect::Ignored(_) => {}
                Effect::End(reason) => {
                    self.judge_end(reason, told);
                    told.deeds.push(Deed::End(reason));
                }
            }
        }
        while let Some((transport, frame)) = self.machine.poll_transmit() {
            told.deeds.push(Deed::Write(self.seat(transport), lexicon.frame(frame)));
        }
        self.judge(told);
        self.judge_stale(told);
        self.move_seats(told);
    }

    /// The program takes a request and answers it at once.
    fn on_delivery(&mut self, payload: &Bytes, told: &mut Told<Deed>) {
        self.input(Input::Consumed(1));
        let &[tag, number] = &payload[..] else {
            return told.judge(Promise::DeliveredOnce, false, || format!("{payload:?} is no request"));
        };
        if !self.due.iter().any(|(session, _)| *session == tag) {
            self.due.push((tag, 0));
        }
        let (_, due) = self.due.iter_mut().find(|(session, _)| *session == tag).expect("it was added");
        let expected = std::mem::replace(due, number + 1);
        told.judge(Promise::DeliveredOnce, number == expected, || {
            format!("request {number} came to the server where {expected} was due")
        });
        let answer: [u8; ANSWER_BYTES] = [self.outputs, tag, number];
        self.outputs += 1;
        self.input(Input::Output(Channel::Output, Bytes::from(answer.to_vec())));
    }

    fn hello(&mut self, seat: u8, frame: Name, newer: bool, lexicon: &Lexicon, told: &mut Told<Deed>) {
        let Frame::Hello(mut hello) = lexicon.frame_of(frame).clone() else {
            unreachable!("own bug: the world knows a Hello from other frames");
        };
        hello.attempt = self.top + u64::from(newer);
        let machine = self.machine.inner();
        let (owner, ended) = (machine.owner(), matches!(self.status, Status::Ended(_)));
        let transport = self.seats[usize::from(seat)];
        self.attaching.retain(|waiting| *waiting != transport);
        self.news(seat, News::Frame(Frame::Hello(hello.clone())));
        let accepted = self.machine.inner().attached() == Some(transport) && !ended;
        if accepted {
            self.top = hello.attempt;
            told.deeds.push(Deed::Accepted(seat));
        }
        if ended {
            return;
        }
        let instance = self.machine.inner().instance();
        if owner == Some(hello.session) && !newer {
            told.judge(Promise::StaleIgnored, !accepted, || {
                "an attempt came after a newer one and was let in".to_owned()
            });
        } else if owner == Some(hello.session) {
            let right = hello.instance.is_none_or(|expected| expected == instance);
            told.judge(Promise::OwnerGetsIn, accepted || !right, || {
                format!("the server does not let its owner in: {hello:?}")
            });
        } else if owner.is_some() {
            told.judge(Promise::StrangerKeptOut, !accepted || hello.takeover, || {
                format!("the server lets a stranger in: {hello:?}")
            });
        }
    }

    /// Whether the server ends for the reason that it gives, as far as it can be seen from here.
    fn judge_end(&self, reason: GoneReason, told: &mut Told<Deed>) {
        let away = self.now.since(self.detached_at);
        let holds = match reason {
            GoneReason::Idle => self.met && away >= self.config.idle_lifetime,
            GoneReason::Unmet => !self.met && away >= self.config.unmet_lifetime,
            GoneReason::Exited(exit) => self.exit == Some(exit),
            GoneReason::Stopped | GoneReason::Replaced => self.stopped,
            // The world knows whether its owner has left.
            GoneReason::Closed => true,
            // Its sessions have names.
            GoneReason::Orphaned => false,
            GoneReason::Crashed | GoneReason::Rebooted | GoneReason::Never | GoneReason::Unknown => false,
        };
        told.judge(Promise::EndJustified, holds, || {
            format!("the server ends as {reason} after {away:?} without a client")
        });
    }

    fn judge(&self, told: &mut Told<Deed>) {
        let machine = self.machine.inner();
        if let Some(transport) = machine.attached() {
            let closed = |deed: &Deed| match deed {
                Deed::Close(seat, _) => self.seats[usize::from(*seat)] == transport,
                Deed::Write(..) | Deed::Accepted(_) | Deed::End(_) | Deed::Seats(_) => false,
            };
            let open = self.seats.contains(&transport) && !told.deeds.iter().any(closed);
            told.judge(Promise::OneAttachment, open, || {
                "the server is attached to a transport that it has closed".to_owned()
            });
        }
        let frames = machine.outbox().last() + 1 - machine.outbox().first();
        let bounded = frames <= u64::from(self.outputs) + 2 && machine.inbox().unconsumed() == 0;
        told.judge(Promise::BoundedMemory, bounded, || format!("the server keeps {frames} frames"));
    }

    /// News of a transport that is closed must change nothing, whenever it comes.
    fn judge_stale(&self, told: &mut Told<Deed>) {
        let closed = self.next_transport;
        let data = Frame::Data { channel: Channel::Input, seq: 1, payload: Bytes::new() };
        for news in [News::Heard, News::Frame(data), News::Lost] {
            let mut machine = self.machine.clone();
            machine.handle_input(self.now, Input::Transport(closed, news));
            let ignored = machine.poll_effect() == Some(Effect::Ignored(closed));
            told.judge(Promise::StaleIgnored, ignored && machine == self.machine, || {
                "old news of a closed transport would change the server".to_owned()
            });
        }
    }

    /// Seats are counted anew, and the world is told where each has gone.
    fn move_seats(&mut self, told: &mut Told<Deed>) {
        let old = std::mem::take(&mut self.seats);
        let mut words = Words(Words::of(&self.machine));
        words.canonise(self.now, &mut self.seats);
        let mut moves = [NO_SEAT; SEATS_MAX];
        for (place, transport) in moves.iter_mut().zip(&old) {
            if self.seats.contains(transport) {
                *place = self.seat(*transport);
            }
        }
        told.deeds.push(Deed::Seats(moves));
    }

    fn timer(&self) -> Timer {
        let machine = self.machine.inner();
        let Some(due) = machine.poll_timeout() else {
            return Timer::None;
        };
        if let Some(oldest) = self.attaching.front()
            && due <= self.now + self.config.hello_timeout
        {
            return Timer::Hello(self.seat(*oldest));
        }
        match machine.attached() {
            Some(_) if machine.inbox().ack_at() == Some(due) => Timer::Ack,
            Some(transport) => Timer::Silence(self.seat(transport)),
            None => Timer::Idle,
        }
    }
}

fn name_change(before: Status, after: Status) -> String {
    let name = |status: Status| match status {
        // Attempts have no numbers here.
        Status::Attached(_) => "Attached".to_owned(),
        Status::Unmet | Status::Detached | Status::Ended(_) => status.to_string(),
    };
    if before == after { "listens".to_owned() } else { format!("{} -> {}", name(before), name(after)) }
}

impl<S: ServerMachine> Process for ServerProcess<S> {
    type Ask = Ask;
    type Deed = Deed;
    type View = View;

    fn take(&mut self, ask: Ask, lexicon: &mut Lexicon, told: &mut Told<Deed>) {
        match ask {
            Ask::Timer => {
                self.now = self.machine.inner().poll_timeout().expect("only what is armed rings");
                self.machine.handle_timeout(self.now);
                let (now, due) = (self.now, self.machine.inner().poll_timeout());
                told.judge_timer("the server", now, due);
            }
            Ask::Opened => {
                let transport = self.next_transport;
                self.next_transport += 1;
                self.seats.push(transport);
                self.attaching.push_back(transport);
                self.input(Input::Opened(transport));
            }
            Ask::Hello { seat, frame, newer } => self.hello(seat, frame, newer, lexicon, told),
            Ask::Frame { seat, frame } => {
                self.news(seat, News::Frame(lexicon.frame_of(frame).clone()));
            }
            Ask::Lost { seat } => self.news(seat, News::Lost),
            Ask::Stop(reason) => {
                self.stopped = true;
                self.input(Input::Stop(reason));
            }
            Ask::ProgramEnds => {
                let exit = ProgramExit::Code(0);
                self.exit = Some(exit);
                self.input(Input::OutputFinished(Channel::Output));
                self.input(Input::Exited(exit));
            }
        }
        self.settle(lexicon, told);
    }

    fn words(&self) -> Vec<u64> {
        let mut words = Words::default();
        let program = (&self.due, self.outputs, self.exit);
        (&self.machine, &self.attaching, self.met, self.detached_at, self.stopped, program).hash(&mut words);
        words.canonise(self.now, &mut Vec::new());
        words.0
    }

    fn view(&self) -> View {
        let machine = self.machine.inner();
        View {
            wait: self.machine.inner().poll_timeout().map(|due| due.since(self.now)).unwrap_or_default(),
            owner: machine.owner().map(|owner| owner.0),
            timer: self.timer(),
            exit: self.exit,
        }
    }
}
