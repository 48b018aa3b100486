//! Any inputs in any order at any times: what the server machine never does.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

use super::*;
use crate::session::WindowConfig;

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
    Open,
    /// News of one of the last transports, so many before the newest.
    News(u64, Told),
    App(Input),
}

/// News, with the parts that only make sense next to the machine's state left to [`Told::news`].
#[derive(Clone, Debug)]
enum Told {
    News(News),
    /// Session, attempt, whether it says that it met the server, takeover, and its count, moved.
    Hello(u128, u64, bool, bool, i64),
    /// The next input, moved.
    Input(i64, usize),
    /// The acknowledgement of all that was sent, moved.
    Ack(i64),
    Bye(ByeReason, i64),
}

impl Told {
    fn news(&self, server: &Server) -> News {
        let moved = |seq: Seq, by: i64| seq.wrapping_add_signed(by);
        let sent = server.outbox().next_seq() - 1;
        News::Frame(match self {
            Told::News(news) => return news.clone(),
            Told::Hello(session, attempt, met, takeover, by) => Frame::Hello(Hello {
                instance: met.then_some(INSTANCE),
                received: if *met { moved(sent, *by) } else { 0 },
                takeover: *takeover,
                ..first_hello(SessionId(*session), *attempt)
            }),
            Told::Input(by, bytes) => input(moved(server.inbox().received() + 1, *by), *bytes),
            Told::Ack(by) => Frame::Ack(moved(sent, *by)),
            Told::Bye(reason, by) => {
                Frame::Bye(Bye { reason: *reason, message: String::new(), received: moved(sent, *by) })
            }
        })
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let moves = || prop_oneof![8 => Just(0i64), 1 => -2..3i64, 1 => Just(i64::MAX), 1 => Just(i64::MIN)];
    let goodbye = prop_oneof![
        1 => Just(ByeReason::Closed),
        3 => Just(ByeReason::ProtocolError),
        1 => Just(ByeReason::Unknown)
    ];
    let told = prop_oneof![
        12 => (0..2u128, 0..9u64, any::<bool>(), prop::bool::weighted(0.2), moves())
            .prop_map(|(session, attempt, met, takeover, by)| Told::Hello(session, attempt, met, takeover, by)),
        6 => (moves(), 0..6usize).prop_map(|(by, bytes)| Told::Input(by, bytes)),
        4 => moves().prop_map(Told::Ack),
        1 => (goodbye, moves()).prop_map(|(reason, by)| Told::Bye(reason, by)),
        3 => Just(Told::News(News::Frame(Frame::Ping(7)))),
        1 => Just(Told::News(News::Frame(Frame::Pong(7)))),
        2 => Just(Told::News(News::Heard)),
        1 => Just(Told::News(News::Garbled("noise".to_owned()))),
        3 => Just(Told::News(News::Lost)),
        1 => Just(Told::News(News::InputEnded)),
        1 => Just(Told::News(News::OutputEnded)),
    ];
    let output = (0..6usize).prop_map(|bytes| Input::Output(Channel::Output, vec![b'o'; bytes].into()));
    let app = prop_oneof![
        8 => output,
        1 => Just(Input::OutputFinished(Channel::Errors)),
        1 => Just(Input::Exited(ProgramExit::Code(3))),
        4 => (0..5usize).prop_map(Input::Consumed),
        1 => Just(Input::Stop(GoneReason::Stopped)),
    ];
    let late = prop_oneof![8 => Just(0u64), 2 => 0..1999u64, 1 => Just(2000), 1 => Just(3_600_000)];
    let step = prop_oneof![
        2 => (0..8000u64).prop_map(Step::Pass),
        3 => late.prop_map(Step::Due),
        1 => Just(Step::Early),
        6 => (0..5usize).prop_map(Step::Transmit),
        6 => Just(Step::Open),
        6 => app.prop_map(Step::App),
        16 => (0..3u64, told).prop_map(|(age, told)| Step::News(age, told)),
    ];
    prop::collection::vec(step, 1..120)
}

/// The machine, and what was seen of it so far.
struct Watched {
    server: Server,
    now: Time,
    newest: TransportId,
    open: BTreeSet<TransportId>,
    status: Status,
    ended: bool,
}

impl Watched {
    fn new() -> Self {
        let window = WindowConfig {
            unacked_bytes_max: 8,
            unacked_frames_max: 4,
            ack_bytes: 4,
            ack_frames: 2,
            ..WindowConfig::default()
        };
        let config = ServerConfig { window, attaching_max: 2, ..ServerConfig::default() };
        let server = Server::new(config, INSTANCE, Time::ZERO);
        let status = server.status();
        Watched { server, now: Time::ZERO, newest: 0, open: BTreeSet::new(), status, ended: false }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Pass(millis) => self.now += Duration::from_millis(*millis),
            Step::Due(late) => {
                if let Some(due) = self.server.poll_timeout() {
                    self.now = self.now.max(due + Duration::from_millis(*late));
                }
                self.timeout();
            }
            Step::Early => self.timeout(),
            Step::Transmit(frames) => {
                for _ in 0..*frames {
                    if let Some((transport, _)) = self.server.poll_transmit() {
                        assert_eq!(Some(transport), self.server.attached());
                        assert!(self.open.contains(&transport), "a frame for a closed transport");
                    }
                }
            }
            Step::Open => {
                self.newest += 1;
                self.open.insert(self.newest);
                self.input(Input::Opened(self.newest));
            }
            Step::News(age, told) => {
                let transport = self.newest.saturating_sub(*age);
                let news = told.news(&self.server);
                self.input(Input::Transport(transport, news));
            }
            // A driver asks for room first.
            Step::App(Input::Output(..)) if !self.server.has_room() => {}
            Step::App(Input::OutputFinished(_)) if !self.server.has_room() => {}
            Step::App(input) => self.input(input.clone()),
        }
        self.check_bounds();
    }

    fn timeout(&mut self) {
        let before = self.server.clone();
        let early = self.server.poll_timeout().is_none_or(|due| self.now < due);
        self.server.handle_timeout(self.now);
        if early {
            assert_eq!(self.server, before, "an early call does nothing");
        }
        let due = self.server.poll_timeout();
        assert!(due.is_none_or(|due| due > self.now), "due {due:?} at {:?} already", self.now);
        self.check_effects();
    }

    fn input(&mut self, input: Input) {
        let before = self.server.clone();
        let suspension_min = self.server.config.suspension_min;
        let overdue = self.server.poll_timeout().is_some_and(|due| self.now >= due + suspension_min);
        self.server.handle_input(self.now, input.clone());
        if let Input::Transport(transport, _) = &input
            && !self.open.contains(transport)
        {
            let mut after = self.server.clone();
            assert_eq!(after.effects, [Effect::Ignored(*transport)]);
            after.effects.clear();
            assert!(overdue || after == before, "news of another transport changes nothing");
        }
        if let (Some(owner), Some(owned)) = (self.server.owner, before.owner) {
            assert!(owner.session != owned.session || owner.attempt >= owned.attempt, "attempts only grow");
            let asked =
                matches!(&input, Input::Transport(_, News::Frame(Frame::Hello(hello))) if hello.takeover);
            assert!(owner.session == owned.session || asked, "nobody takes over without asking");
        }
        self.check_effects();
    }

    fn check_effects(&mut self) {
        while let Some(effect) = self.server.poll_effect() {
            assert!(!self.ended || matches!(effect, Effect::Close(..) | Effect::Ignored(_)), "{effect:?}");
            match effect {
                Effect::Close(transport, _) => {
                    assert!(self.open.remove(&transport), "only what is open is closed, once");
                }
                Effect::Status(status, _) => self.status = status,
                Effect::End(reason) => {
                    assert_eq!(self.status, Status::Ended(reason));
                    self.ended = true;
                }
                Effect::Deliver(_) | Effect::Signal(_) | Effect::FinishInput | Effect::Ignored(_) => {}
            }
        }
        assert_eq!(self.status, self.server.status(), "no change of state goes unannounced");
    }

    fn check_bounds(&self) {
        let (outbox, inbox) = (self.server.outbox(), self.server.inbox());
        let window = &self.server.config.window;
        assert!(self.server.attaching.len() <= 2);
        assert!(outbox.unacked_bytes() < window.unacked_bytes_max + 6);
        assert!(outbox.last() + 1 - outbox.first() <= window.unacked_frames_max as u64 + 1, "and an exit");
        assert!(inbox.unconsumed_bytes() < 2 * window.unacked_bytes_max + 6 * 60);
        assert!(inbox.consumed() <= inbox.received());
        assert!(self.ended || self.server.poll_timeout().is_some(), "it never lives for ever");
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("fixtures/regressions/server.txt"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn holds_its_rules_in_any_sequence(steps in steps()) {
        let mut watched = Watched::new();
        watched.server.effects.clear();
        for step in &steps {
            watched.step(step);
        }
    }
}
