//! Any inputs in any order at any times: what the client machine never does.

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

use super::*;
use crate::proto::verdict::{EXIT_ALREADY_RUNNING, EXIT_LOST, EXIT_NOT_RUNNING, EXIT_NOT_STARTED};
use crate::proto::{Refusal, RefusalReason};
use crate::session::{AllowanceConfig, WindowConfig};

/// One thing that happens to the machine.
#[derive(Clone, Debug)]
enum Step {
    /// Time passes, whatever the machine asked for.
    Pass(u64),
    /// It is called so many milliseconds after it asked to be.
    Due(u64),
    /// It is called although nothing is due.
    Early,
    /// The transport takes so many frames.
    Transmit(usize),
    User(Input),
    /// News of the current attempt, of one before or after it, or of none that ever was.
    News(Age, Told),
}

#[derive(Clone, Copy, Debug)]
enum Age {
    Current,
    Last,
    Next,
    Absurd,
}

/// News, with the parts that only make sense next to the machine's state left to [`Told::news`].
#[derive(Clone, Debug)]
enum Told {
    News(News),
    /// The Welcome that a right server would send, for an instance, with its numbers moved.
    Welcome(u128, i64, i64),
    /// The next output, moved.
    Output(i64, usize),
    /// The acknowledgement of all that was sent, moved.
    Ack(i64),
    Exit(i64),
}

impl Told {
    fn news(&self, client: &Client) -> News {
        let moved = |seq: Seq, by: i64| seq.wrapping_add_signed(by);
        let next = client.inbox().received() + 1;
        News::Frame(match self {
            Told::News(news) => return news.clone(),
            Told::Welcome(instance, received, start) => {
                let right = welcome(client);
                Frame::Welcome(Welcome {
                    instance: InstanceId(*instance),
                    received: moved(right.received, *received),
                    start: moved(right.start, *start),
                    ..right
                })
            }
            Told::Output(by, bytes) => {
                let payload = Bytes::from(vec![b'o'; *bytes]);
                Frame::Data { channel: Channel::Output, seq: moved(next, *by), payload }
            }
            Told::Ack(by) => Frame::Ack(moved(client.outbox().next_seq() - 1, *by)),
            Told::Exit(by) => Frame::Exit { seq: moved(next, *by), exit: ProgramExit::Code(3) },
        })
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let moves = || prop_oneof![8 => Just(0i64), 1 => -2..3i64, 1 => Just(i64::MAX), 1 => Just(i64::MIN)];
    let code = prop_oneof![
        Just(EXIT_NOT_RUNNING),
        Just(EXIT_ALREADY_RUNNING),
        Just(EXIT_NOT_STARTED),
        Just(EXIT_LOST),
        Just(0),
        Just(127),
        Just(255),
    ];
    let status =
        prop_oneof![4 => code.prop_map(ProgramExit::Code), 1 => (1..16).prop_map(ProgramExit::Signal)];
    let refusal = prop_oneof![
        Just(RefusalReason::StaleAttempt),
        Just(RefusalReason::Ending),
        Just(RefusalReason::Busy),
        Just(RefusalReason::OtherInstance),
        Just(RefusalReason::Gap),
        Just(RefusalReason::Unknown),
    ];
    let goodbye =
        prop_oneof![Just(ByeReason::TakenOver), Just(ByeReason::ProtocolError), Just(ByeReason::Unknown)];
    let told = prop_oneof![
        2 => Just(Told::News(News::Started(Some(HOME)))),
        6 => Just(Told::News(News::Preamble)),
        2 => Just(Told::News(News::Heard)),
        8 => (prop_oneof![9 => Just(1u128), 1 => Just(2)], moves(), moves())
            .prop_map(|(instance, received, start)| Told::Welcome(instance, received, start)),
        4 => (moves(), 0..6usize).prop_map(|(by, bytes)| Told::Output(by, bytes)),
        3 => moves().prop_map(Told::Ack),
        1 => moves().prop_map(Told::Exit),
        2 => any::<u64>().prop_map(|nonce| Told::News(News::Frame(Frame::Pong(nonce % 8)))),
        1 => Just(Told::News(News::Frame(Frame::Ping(1)))),
        1 => goodbye.prop_map(|reason| Told::News(bye(reason))),
        1 => refusal.prop_map(|reason| Told::News(News::Frame(Frame::Refused(Refusal { reason, message: String::new(), host: Some(HOME) })))),
        1 => Just(Told::News(News::Garbled("noise".to_owned()))),
        2 => Just(Told::News(News::Ended)),
        3 => status.prop_map(|status| Told::News(exited(status))),
        2 => Just(Told::News(turned_away())),
        1 => Just(Told::News(News::NotOpened("no ssh".to_owned()))),
    ];
    let user = prop_oneof![
        6 => prop_oneof![Just(0usize), Just(3), Just(PAYLOAD_BYTES_MAX + 1)]
            .prop_map(|bytes| Input::Send(Bytes::from(vec![b'i'; bytes]))),
        2 => Just(Input::Signal(2)),
        1 => Just(Input::Finish),
        1 => Just(Input::Activity),
        4 => (0..5usize).prop_map(Input::Consumed),
        2 => Just(Input::Wake),
        1 => Just(Input::NetworkUp),
        2 => Just(Input::Retry),
        2 => (0..9u128).prop_map(|id| Input::Restart(SessionId(id))),
        1 => Just(Input::Close),
    ];
    let age = prop_oneof![20 => Just(Age::Current), 2 => Just(Age::Last), 1 => Just(Age::Next), 1 => Just(Age::Absurd)];
    let late = prop_oneof![8 => Just(0u64), 2 => 0..1999u64, 1 => Just(2000), 1 => Just(3_600_000)];
    let step = prop_oneof![
        2 => (0..8000u64).prop_map(Step::Pass),
        8 => late.prop_map(Step::Due),
        1 => Just(Step::Early),
        6 => (0..5usize).prop_map(Step::Transmit),
        6 => user.prop_map(Step::User),
        16 => (age, told).prop_map(|(age, told)| Step::News(age, told)),
    ];
    prop::collection::vec(step, 1..120)
}

fn tight(first: First, waits: bool) -> ClientConfig {
    let window = WindowConfig {
        unacked_bytes_max: 8,
        unacked_frames_max: 4,
        ack_bytes: 4,
        ack_frames: 2,
        ..WindowConfig::default()
    };
    let config = if waits { waits_for_its_user() } else { config() };
    ClientConfig { first, window, ..config }
}

/// The machine, and what was seen of it so far.
struct Watched {
    client: Client,
    now: Time,
    open: Option<Attempt>,
    opened: Attempt,
    /// The session may open its first transport: nothing can have been started for it.
    fresh: bool,
    /// The current transport's proxy was heard of.
    started: bool,
    /// When transports were opened.
    opened_at: Vec<Time>,
    status: Status,
    /// A wake-up came during the current attempt: if it fails, that does not count.
    woken: bool,
}

impl Watched {
    fn new(first: First, waits: bool) -> Self {
        let client = Client::new(tight(first, waits), SESSION, 0, Time::ZERO);
        let status = client.status();
        let mut watched = Watched {
            client,
            now: Time::ZERO,
            open: None,
            opened: 0,
            fresh: true,
            started: false,
            opened_at: Vec::new(),
            status,
            woken: false,
        };
        watched.check_effects();
        watched
    }

    fn is_overdue(&self) -> bool {
        let suspension_min = self.client.config.suspension_min;
        self.client.poll_timeout().is_some_and(|due| self.now >= due + suspension_min)
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Pass(millis) => self.now += Duration::from_millis(*millis),
            Step::Due(late) => {
                if let Some(due) = self.client.poll_timeout() {
                    self.now = self.now.max(due + Duration::from_millis(*late));
                }
                self.timeout();
            }
            Step::Early => self.timeout(),
            Step::Transmit(frames) => {
                for _ in 0..*frames {
                    if let Some((attempt, _)) = self.client.poll_transmit() {
                        assert_eq!(Some(attempt), self.open, "a frame for a transport that is not open");
                    }
                }
            }
            Step::User(input) => self.input(input.clone()),
            Step::News(age, told) => {
                let attempt = match age {
                    Age::Current => self.client.attempt(),
                    Age::Last => self.client.attempt() - 1,
                    Age::Next => self.client.attempt() + 1,
                    Age::Absurd => u64::MAX,
                };
                let news = told.news(&self.client);
                self.input(Input::Transport(attempt, news));
            }
        }
        self.check_bounds();
    }

    fn timeout(&mut self) {
        let before = self.client.clone();
        let early = self.client.poll_timeout().is_none_or(|due| self.now < due);
        self.woken |= self.is_overdue();
        self.client.handle_timeout(self.now);
        if early {
            assert_eq!(self.client, before, "an early call does nothing");
        }
        let due = self.client.poll_timeout();
        assert!(due.is_none_or(|due| due > self.now), "due {due:?} at {:?} already", self.now);
        self.check_effects();
    }

    fn input(&mut self, input: Input) {
        let before = self.client.clone();
        let overdue = self.is_overdue();
        let wakes = matches!(input, Input::Wake | Input::NetworkUp | Input::Retry);
        self.woken |= overdue || wakes;
        if let Input::Restart(_) = input {
            self.fresh |= matches!(self.status, Status::ServerNotRunning(_) | Status::Refused(_));
        }
        if let Input::Transport(attempt, news) = &input
            && Some(*attempt) == self.open
            && self.status == Status::Connecting
        {
            self.started |= matches!(news, News::Started(_) | News::Preamble);
            self.fresh |= !self.started && *news == turned_away();
        }
        if let Input::Transport(attempt, News::NotOpened(_)) = &input
            && Some(*attempt) == self.open
            && self.status != Status::Connecting
        {
            // The host saw nothing of it.
            self.opened_at.pop();
        }
        self.client.handle_input(self.now, input.clone());
        let effects: Vec<Effect> = self.client.effects.iter().cloned().collect();
        let rejected = effects.iter().filter(|effect| matches!(effect, Effect::Rejected(_))).count() as u64;
        match &input {
            Input::Send(_) | Input::Signal(_) => {
                let accepted = self.client.outbox().last() - before.outbox().last();
                assert_eq!(accepted + rejected, 1, "it is taken or refused, once");
            }
            Input::Transport(attempt, _) if Some(*attempt) != self.open && !overdue => {
                assert_eq!(effects, [Effect::Ignored(*attempt)]);
                let mut after = self.client.clone();
                after.effects.clear();
                assert_eq!(after, before, "news of another attempt changes nothing");
            }
            _ => assert_eq!(rejected, u64::from(input == Input::Finish && self.status.is_final())),
        }
        if self.status.is_final() && !self.fresh {
            assert!(
                effects.iter().all(|effect| matches!(effect, Effect::Ignored(_) | Effect::Rejected(_)))
                    || input == Input::Close,
                "{:?} after the end: {effects:?}",
                input
            );
        }
        self.check_effects();
        // A suspension that is noticed may open the attempt that the wake-up itself then finds.
        self.woken |= overdue && wakes;
    }

    fn check_effects(&mut self) {
        while let Some(effect) = self.client.poll_effect() {
            match effect {
                Effect::Open(attempt, launch, _) => {
                    self.check_allowance();
                    self.started = false;
                    assert_eq!(self.open, None, "the old transport is closed before the next is opened");
                    assert!(attempt > self.opened, "attempts only grow");
                    assert!(self.fresh || launch == Launch::Reattach, "a reconnect starts no server");
                    (self.open, self.opened, self.fresh) = (Some(attempt), attempt, false);
                }
                Effect::Close(attempt, _) => {
                    assert_eq!(self.open.take(), Some(attempt), "only what is open is closed");
                }
                Effect::Status(status, cause) => self.check_status(status, &cause),
                Effect::Deliver(channel, _) | Effect::Finished(channel) => {
                    assert!(matches!(channel, Channel::Output | Channel::Errors));
                }
                Effect::Ignored(_) | Effect::Rejected(_) => {}
            }
        }
        assert_eq!(self.status, self.client.status(), "no change of state goes unannounced");
        assert_eq!(self.open.is_some(), self.client.state.has_transport());
    }

    /// In any time no more attempts than the bucket gives.
    fn check_allowance(&mut self) {
        self.opened_at.push(self.now);
        let Some(AllowanceConfig { burst, every }) = self.client.config.allowance.clone() else {
            return;
        };
        for (count, from) in self.opened_at.iter().rev().enumerate() {
            let allowed = u128::from(burst) + self.now.since(*from).as_micros() / every.as_micros();
            assert!((count as u128) < allowed, "{} attempts since {from}", count + 1);
        }
    }

    fn check_status(&mut self, status: Status, cause: &Cause) {
        let attempts_max = self.client.config.attempts_max;
        let pause_ends = matches!(cause, Cause::Patience | Cause::Activity);
        assert!(!pause_ends || self.client.config.patience.is_some(), "{status}: {cause}");
        let last = std::mem::replace(&mut self.status, status);
        match (&last, &self.status) {
            (Status::Closed(_), now) => panic!("{now} after {last}"),
            (Status::Reconnecting(_), Status::ReconnectFailed(0) | Status::Reconnecting(1)) => {
                assert!(self.woken || self.opened == 1, "a failed attempt was not counted");
            }
            (Status::Reconnecting(k), Status::ReconnectFailed(failed)) => assert_eq!(k, failed),
            (Status::Reconnecting(k), Status::ReconnectExhausted) => {
                assert!([attempts_max, attempts_max + 1].contains(k), "after exactly so many, or one more");
            }
            (last, Status::ReconnectExhausted) => panic!("exhausted after {last}"),
            (_, Status::ReconnectFailed(k)) => assert!(*k < attempts_max),
            (Status::ReconnectExhausted, Status::Reconnecting(k)) if pause_ends => {
                assert_eq!(*k, attempts_max + 1, "one attempt beyond the budget");
            }
            (_, Status::Reconnecting(k)) => assert!(*k <= attempts_max),
            _ => {}
        }
        if let Status::Reconnecting(_) = self.status {
            self.woken = false;
        }
    }

    fn check_bounds(&self) {
        let (outbox, inbox) = (self.client.outbox(), self.client.inbox());
        let window = &self.client.config.window;
        assert!(outbox.unacked_bytes() < window.unacked_bytes_max + PAYLOAD_BYTES_MAX);
        assert!(outbox.last() + 1 - outbox.first() <= window.unacked_frames_max as u64 + 1, "and an end");
        assert!(inbox.unconsumed_bytes() < window.unacked_bytes_max + PAYLOAD_BYTES_MAX);
        assert!(inbox.consumed() <= inbox.received());
        assert!(!matches!(self.status, Status::Connected) || self.client.poll_timeout().is_some());
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("fixtures/regressions/client.txt"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn holds_its_rules_in_any_sequence(first in 0..3u8, waits in any::<bool>(), steps in steps()) {
        let first = [First::Start, First::Replace, First::Takeover][usize::from(first)];
        let mut watched = Watched::new(first, waits);
        for step in &steps {
            watched.step(step);
        }
    }
}
