//! Tests of the launch machine: what it asks the host for, step by step.
//!
//! Real locks and processes are left to the host's tests.

mod pairs;
mod sequences;

use std::time::Duration;

use super::*;
use crate::proto::InstanceId;

const BOOT: Boot = Boot(1);
const SERVER: InstanceId = InstanceId(7);
const MILLISECOND: Duration = Duration::from_millis(1);

fn free() -> View {
    View { starter_busy: false, lock: Lock::Free, evidence: Evidence::none(BOOT) }
}

fn held() -> View {
    View { lock: Lock::Held(Holder::Pid(42)), ..free() }
}

fn started(mode: Mode) -> Launch {
    Launch::new(LaunchConfig::default(), mode, Time::ZERO)
}

fn drain(launch: &mut Launch) -> Vec<Effect> {
    std::iter::from_fn(|| launch.poll_effect()).collect()
}

#[test]
fn gives_up_on_a_server_that_lives_and_refuses_every_connection() {
    let mut launch = started(Mode::Reconnect(Some(SERVER)));
    let mut now = Time::ZERO;
    loop {
        now += MILLISECOND;
        assert!(now <= Time::ZERO + Duration::from_secs(11), "it must come to an end");
        launch.handle_timeout(now);
        for effect in drain(&mut launch) {
            match effect {
                Effect::Look => launch.handle_input(now, Input::Saw(held())),
                Effect::Attach => launch.handle_input(now, Input::NotAttached("refused".to_owned())),
                Effect::Exit(verdict) => return assert_eq!(verdict.code, EXIT_LOST),
                other => panic!("a reconnect asked for {other:?}"),
            }
        }
    }
}

#[test]
fn a_launch_that_fails_starts_nothing_afterwards_and_leaves_no_server_behind() {
    let mut launch = started(Mode::Start(IfRunning::Refuse));
    launch.handle_input(Time::ZERO, Input::StarterTaken);
    launch.handle_input(Time::ZERO, Input::Saw(free()));
    while launch.poll_effect() != Some(Effect::Clean) {}
    launch.handle_input(Time::ZERO, Input::Failed("the disk is full".to_owned()));
    let exit = Verdict { code: EXIT_NOT_STARTED, reason: None, message: "the disk is full".to_owned() };
    assert_eq!(drain(&mut launch), [Effect::AbandonSpawned, Effect::Exit(exit)]);
}

#[test]
fn a_server_that_became_ready_is_not_called_unstartable() {
    let mut launch = started(Mode::Start(IfRunning::Refuse));
    for input in [Input::StarterTaken, Input::Saw(free()), Input::Ready, Input::Saw(held())] {
        launch.handle_input(Time::ZERO, input);
    }
    launch.handle_input(Time::ZERO, Input::NotAttached("refused".to_owned()));
    launch.handle_input(Time::ZERO, Input::Failed("the lock cannot be read".to_owned()));
    assert!(matches!(drain(&mut launch).last(), Some(Effect::Exit(Verdict { code: EXIT_LOST, .. }))));
}

#[test]
fn a_replace_kills_nobody_but_the_server_that_it_asked_to_end() {
    let mut launch = started(Mode::Start(IfRunning::Replace));
    launch.handle_input(Time::ZERO, Input::StarterTaken);
    launch.handle_input(Time::ZERO, Input::Saw(held()));
    let terminate = Effect::Signal(Holder::Pid(42), StopSignal::Terminate);
    assert_eq!(drain(&mut launch), [Effect::TakeStarter, Effect::Look, terminate]);
    let late = Time::ZERO + LaunchConfig::default().stop_grace;
    launch.handle_timeout(late);
    let another = View { lock: Lock::Held(Holder::Pid(43)), ..held() };
    launch.handle_input(late, Input::Saw(another));
    let message = "another server took the place of the one that was stopped".to_owned();
    let exit = Verdict { code: EXIT_NOT_STARTED, reason: None, message };
    assert_eq!(drain(&mut launch), [Effect::Look, Effect::Exit(exit)]);
}

#[test]
fn a_view_that_was_not_asked_for_changes_nothing() {
    let mut launch = started(Mode::Reconnect(None));
    launch.handle_input(Time::ZERO, Input::Saw(View { starter_busy: true, ..free() }));
    drain(&mut launch);
    let before = launch.clone();
    launch.handle_input(Time::ZERO, Input::Saw(free()));
    assert_eq!(launch, before, "the next look is not under way yet");
}

#[test]
fn a_replacers_word_counts_while_it_is_at_it_and_a_stoppers_ever_after() {
    let gone = |starter_busy, reason| {
        let mut launch = started(Mode::Reconnect(Some(SERVER)));
        let inputs = [Input::Saw(held()), Input::Attached, Input::Ended(Side::Server)];
        inputs.into_iter().for_each(|input| launch.handle_input(Time::ZERO, input));
        let record = Some(Record { instance: SERVER, boot: BOOT });
        let intent = Some(Mark { instance: SERVER, reason });
        let evidence = Evidence { record, intent, ..Evidence::none(BOOT) };
        launch.handle_input(Time::ZERO, Input::Saw(View { starter_busy, evidence, ..free() }));
        let Some(Effect::Exit(verdict)) = drain(&mut launch).pop() else { panic!("it goes on") };
        assert_eq!(verdict.code, EXIT_NOT_RUNNING);
        verdict.reason
    };
    assert_eq!(gone(true, GoneReason::Replaced), Some(GoneReason::Replaced));
    assert_eq!(gone(false, GoneReason::Replaced), Some(GoneReason::Crashed), "it was given up");
    assert_eq!(gone(true, GoneReason::Stopped), Some(GoneReason::Stopped));
    assert_eq!(gone(false, GoneReason::Stopped), Some(GoneReason::Stopped));
}

#[test]
fn files_explain_an_end_and_never_blame_it_on_the_wrong_server() {
    let (other, next_boot) = (InstanceId(8), Boot(2));
    let record = |instance| Some(Record { instance, boot: BOOT });
    let mark = |instance, reason| Some(Mark { instance, reason });
    let none = Evidence::none(BOOT);
    let (stopped, idle) = (GoneReason::Stopped, GoneReason::Idle);
    let cases = [
        ("nothing is left", none, GoneReason::Unknown),
        ("no word at its end", Evidence { record: record(SERVER), ..none }, GoneReason::Crashed),
        ("its own word", Evidence { record: record(SERVER), tombstone: mark(SERVER, idle), ..none }, idle),
        ("only its own word", Evidence { tombstone: mark(SERVER, idle), ..none }, idle),
        ("another was started", Evidence { record: record(other), ..none }, GoneReason::Replaced),
        (
            "another's word",
            Evidence { record: record(SERVER), tombstone: mark(other, idle), ..none },
            GoneReason::Crashed,
        ),
        (
            "a stopper's word, then SIGKILL",
            Evidence { record: record(SERVER), intent: mark(SERVER, stopped), ..none },
            stopped,
        ),
        (
            "a stopper's word about another",
            Evidence { record: record(SERVER), intent: mark(other, stopped), ..none },
            GoneReason::Crashed,
        ),
        (
            "the host was started anew",
            Evidence { record: record(SERVER), boot: next_boot, ..none },
            GoneReason::Rebooted,
        ),
    ];
    for (name, evidence, reason) in cases {
        assert_eq!(evidence.reason(Some(SERVER)), reason, "{name}");
    }
    assert_eq!(Evidence { record: record(other), ..none }.reason(None), GoneReason::Crashed);
}
