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
fn a_server_that_is_ending_is_not_one_that_already_runs() {
    let LaunchConfig { release_wait, look_interval, .. } = LaunchConfig::default();
    let mut launch = started(Mode::Start(IfRunning::Refuse));
    let mut now = Time::ZERO;
    launch.handle_input(now, Input::StarterTaken);
    launch.handle_input(now, Input::Saw(held()));
    assert_eq!(drain(&mut launch), [Effect::TakeStarter, Effect::Look]);
    now += look_interval;
    launch.handle_timeout(now);
    assert_eq!(drain(&mut launch), [Effect::Look]);
    let mut patient = launch.clone();
    launch.handle_input(now, Input::Saw(free()));
    assert_eq!(drain(&mut launch), [Effect::Clean, Effect::Spawn]);

    patient.handle_input(Time::ZERO + release_wait, Input::Saw(held()));
    let effects = drain(&mut patient);
    assert!(matches!(&effects[..], [Effect::Exit(verdict)] if verdict.code == EXIT_ALREADY_RUNNING));
}

/// What a proxy says that knows of no host and was asked about nobody.
fn verdict(code: i32) -> Verdict {
    Verdict { code, reason: None, host: None, instance: None, message: String::new() }
}

#[test]
fn a_launch_that_fails_starts_nothing_afterwards_and_leaves_no_server_behind() {
    let mut launch = started(Mode::Start(IfRunning::Refuse));
    launch.handle_input(Time::ZERO, Input::StarterTaken);
    launch.handle_input(Time::ZERO, Input::Saw(free()));
    while launch.poll_effect() != Some(Effect::Clean) {}
    launch.handle_input(Time::ZERO, Input::Failed("the disk is full".to_owned()));
    let exit = Verdict { message: "the disk is full".to_owned(), ..verdict(EXIT_NOT_STARTED) };
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
    let exit = Verdict { message, ..verdict(EXIT_NOT_STARTED) };
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
        let inputs = [Input::Saw(held()), Input::Attached(Some(SERVER)), Input::Ended(Side::Server)];
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
        (
            "its own word beside another's record",
            Evidence { record: record(other), tombstone: mark(SERVER, idle), ..none },
            idle,
        ),
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
    assert_eq!(none.reason(None), GoneReason::Never);
    assert_eq!(Evidence { lock_file: true, ..none }.reason(None), GoneReason::Unknown);
}

#[test]
fn a_record_that_was_written_between_two_looks_is_of_a_server_that_lives() {
    let mut launch = started(Mode::Reconnect(None));
    let record = Some(Record { instance: SERVER, boot: BOOT });
    let early = View { evidence: Evidence { record, ..Evidence::none(BOOT) }, ..free() };
    launch.handle_input(Time::ZERO, Input::Saw(early));
    assert_eq!(drain(&mut launch), [Effect::Look, Effect::Look], "it took the lock after we had looked");
    launch.handle_input(Time::ZERO, Input::Saw(View { lock: Lock::Held(Holder::Pid(42)), ..early }));
    assert_eq!(drain(&mut launch), [Effect::Attach]);
}

#[test]
fn the_end_of_a_server_without_a_record_is_not_told_from_its_successors() {
    let mut launch = started(Mode::Reconnect(None));
    for input in [Input::Saw(held()), Input::Attached(None), Input::Ended(Side::Server)] {
        launch.handle_input(Time::ZERO, input);
    }
    drain(&mut launch);
    let record = Some(Record { instance: SERVER, boot: BOOT });
    let early = View { evidence: Evidence { record, ..Evidence::none(BOOT) }, ..free() };
    launch.handle_input(Time::ZERO, Input::Saw(early));
    let effects = drain(&mut launch);
    let [Effect::Exit(verdict)] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!((verdict.code, verdict.reason), (EXIT_NOT_RUNNING, Some(GoneReason::Unknown)));
}

#[test]
fn a_record_that_was_there_before_is_of_a_server_that_is_gone() {
    let record = Some(Record { instance: SERVER, boot: BOOT });
    let left = View { evidence: Evidence { record, ..Evidence::none(BOOT) }, ..free() };
    for (expected, looks) in [(None, 2), (Some(SERVER), 1)] {
        let mut launch = started(Mode::Reconnect(expected));
        for _ in 0..looks {
            assert_eq!(drain(&mut launch), [Effect::Look]);
            launch.handle_input(Time::ZERO, Input::Saw(left));
        }
        let effects = drain(&mut launch);
        assert!(matches!(&effects[..], [Effect::Exit(verdict)] if verdict.code == EXIT_NOT_RUNNING));
    }
}

#[test]
fn what_was_waited_for_starts_over_after_a_sleep_of_the_host() {
    let LaunchConfig { stop_grace, ready_timeout, .. } = LaunchConfig::default();
    let hour = Time::ZERO + Duration::from_secs(3600);

    let mut spawning = started(Mode::Start(IfRunning::Refuse));
    spawning.handle_input(Time::ZERO, Input::StarterTaken);
    spawning.handle_input(Time::ZERO, Input::Saw(free()));
    drain(&mut spawning);
    spawning.handle_timeout(hour);
    assert_eq!(drain(&mut spawning), [], "the server slept as well");
    assert_eq!(spawning.poll_timeout(), Some(hour + ready_timeout));

    let mut stopping = started(Mode::Start(IfRunning::Replace));
    stopping.handle_input(Time::ZERO, Input::StarterTaken);
    stopping.handle_input(Time::ZERO, Input::Saw(held()));
    drain(&mut stopping);
    stopping.handle_timeout(hour);
    stopping.handle_input(hour, Input::Saw(held()));
    assert_eq!(drain(&mut stopping), [Effect::Look], "it has not had its grace");
    stopping.handle_timeout(hour + stop_grace);
    stopping.handle_input(hour + stop_grace, Input::Saw(held()));
    let kill = Effect::Signal(Holder::Pid(42), StopSignal::Kill);
    assert_eq!(drain(&mut stopping), [Effect::Look, kill]);
}

#[test]
fn the_end_that_is_explained_is_that_of_the_server_that_was_attached_to() {
    let seen_of = |instance, view: View| {
        let record = Some(Record { instance, boot: BOOT });
        View { evidence: Evidence { record, ..view.evidence }, ..view }
    };
    let mut launch = started(Mode::Reconnect(None));
    launch.handle_input(Time::ZERO, Input::Saw(seen_of(SERVER, held())));
    // Between the look and the attachment another one took its place.
    let newer = InstanceId(8);
    launch.handle_input(Time::ZERO, Input::Attached(Some(newer)));
    launch.handle_input(Time::ZERO, Input::Ended(Side::Server));
    let mut view = seen_of(newer, free());
    view.evidence.tombstone = Some(Mark { instance: newer, reason: GoneReason::Stopped });
    launch.handle_input(Time::ZERO, Input::Saw(view));
    let exit = drain(&mut launch).pop();
    let Some(Effect::Exit(verdict)) = exit else { panic!("{exit:?} is no exit") };
    assert_eq!(verdict.reason, Some(GoneReason::Stopped));
}
