//! Any answers in any order at any times: what the launch machine never does.

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

use super::*;

/// One thing that happens to the machine.
#[derive(Clone, Debug)]
enum Step {
    /// Time passes, whatever the machine asked for.
    Pass(u64),
    /// It is called so many milliseconds after it asked to be.
    Due(u64),
    Input(Input),
}

fn views() -> impl Strategy<Value = View> {
    let lock = prop_oneof![
        2 => Just(Lock::Free),
        4 => Just(Lock::Held(Holder::Pid(42))),
        1 => Just(Lock::Held(Holder::Pid(43))),
        1 => Just(Lock::Held(Holder::Elsewhere)),
    ];
    (any::<bool>(), lock).prop_map(|(starter_busy, lock)| View { starter_busy, lock, ..free() })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let input = prop_oneof![
        3 => Just(Input::StarterTaken),
        8 => views().prop_map(Input::Saw),
        3 => Just(Input::Ready),
        1 => Just(Input::NotReady("no program".to_owned())),
        3 => Just(Input::Attached(None)),
        5 => Just(Input::NotAttached("refused".to_owned())),
        2 => prop_oneof![Just(Side::Client), Just(Side::Server)].prop_map(Input::Ended),
        1 => Just(Input::Failed("no disk".to_owned())),
    ];
    let step = prop_oneof![
        2 => (0..500u64).prop_map(Step::Pass),
        4 => prop_oneof![6 => Just(0u64), 1 => 0..60_000u64].prop_map(Step::Due),
        12 => input.prop_map(Step::Input),
    ];
    prop::collection::vec(step, 1..80)
}

fn modes() -> impl Strategy<Value = Mode> {
    prop_oneof![
        Just(Mode::Start(IfRunning::Replace)),
        Just(Mode::Start(IfRunning::Refuse)),
        Just(Mode::Reconnect(None)),
        Just(Mode::Reconnect(Some(SERVER))),
    ]
}

/// Questions that the machine has asked and the host has not answered.
#[derive(Default)]
struct Asked {
    looks: u32,
    attaches: u32,
    spawned: bool,
    told_to_end: Option<Holder>,
    exited: bool,
}

impl Asked {
    fn check(&mut self, mode: Mode, effect: &Effect) {
        assert!(!self.exited, "{effect:?} after the exit");
        match effect {
            Effect::Look => self.looks += 1,
            Effect::Attach => self.attaches += 1,
            Effect::Exit(_) => self.exited = true,
            Effect::Relay => {}
            Effect::TakeStarter | Effect::Clean | Effect::DropStarter | Effect::AbandonSpawned => {
                assert!(matches!(mode, Mode::Start(_)), "a reconnect asked for {effect:?}");
            }
            Effect::Spawn => {
                assert!(matches!(mode, Mode::Start(_)), "a reconnect starts no server");
                assert!(!std::mem::replace(&mut self.spawned, true), "one server is enough");
            }
            Effect::Intend(..) => assert_eq!(mode, Mode::Start(IfRunning::Replace)),
            Effect::Signal(holder, signal) => {
                assert_eq!(mode, Mode::Start(IfRunning::Replace), "only a replace stops a server");
                assert!(!self.spawned, "the new server is not stopped");
                match signal {
                    StopSignal::Terminate => assert_eq!(self.told_to_end.replace(*holder), None),
                    StopSignal::Kill => assert_eq!(self.told_to_end, Some(*holder), "it was asked before"),
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("fixtures/regressions/launch.txt"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn holds_its_rules_in_any_sequence(mode in modes(), steps in steps()) {
        let (mut launch, mut now, mut asked) = (started(mode), Time::ZERO, Asked::default());
        for step in &steps {
            for effect in drain(&mut launch) {
                asked.check(mode, &effect);
            }
            let before = launch.clone();
            match step {
                Step::Pass(millis) => now += Duration::from_millis(*millis),
                Step::Due(late) => {
                    if let Some(due) = launch.poll_timeout() {
                        now = now.max(due + Duration::from_millis(*late));
                    }
                    launch.handle_timeout(now);
                    assert!(launch.poll_timeout().is_none_or(|due| due > now), "due already");
                }
                Step::Input(input) => {
                    launch.handle_input(now, input.clone());
                    let unasked = match input {
                        Input::Saw(_) => asked.looks == 0,
                        Input::Attached(_) | Input::NotAttached(_) => asked.attaches == 0,
                        _ => false,
                    };
                    assert!(!(unasked || asked.exited) || launch == before, "{input:?} was not asked for");
                    match input {
                        Input::Saw(_) => asked.looks = asked.looks.saturating_sub(1),
                        Input::Attached(_) | Input::NotAttached(_) => asked.attaches = 0,
                        _ => {}
                    }
                }
            }
        }
    }

    #[test]
    fn comes_to_an_end_on_a_host_that_answers_at_once(mode in modes(), views in prop::collection::vec(views(), 1..6)) {
        let (mut launch, mut now, mut views) = (started(mode), Time::ZERO, views.iter().cycle());
        while launch.state != State::Relay {
            assert!(now < Time::ZERO + Duration::from_secs(120), "it is still at it");
            while let Some(effect) = launch.poll_effect() {
                let answer = match effect {
                    Effect::TakeStarter => Input::StarterTaken,
                    Effect::Look => Input::Saw(*views.next().expect("it goes round")),
                    Effect::Attach => Input::NotAttached("refused".to_owned()),
                    Effect::Spawn => Input::Ready,
                    Effect::Exit(_) => return Ok(()),
                    _ => continue,
                };
                launch.handle_input(now, answer);
            }
            now = launch.poll_timeout().expect("it waits for something, or has exited");
            launch.handle_timeout(now);
        }
    }
}
