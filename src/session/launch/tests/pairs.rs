//! Every state with every input, in `snapshots/launch_pairs.snap`.
//!
//! Inputs with the same outcome share two lines: what happens (effects, when the next timeout is
//! due, if that changed), and the inputs that lead to it.

use super::*;

#[test]
fn every_state_with_every_input() {
    crate::snapshot::assert_pairs("launch_pairs", states(), happenings, pair);
}

#[test]
fn a_timeout_that_comes_too_early_changes_nothing_in_any_state() {
    for (name, (mut launch, now)) in states() {
        if launch.poll_timeout().is_none_or(|due| now < due) {
            let before = launch.clone();
            launch.handle_timeout(now);
            assert_eq!(launch, before, "{name}");
        }
    }
}

/// Something that can happen to a proxy in any state.
enum Happening {
    Input(Input),
    /// Its own timeout comes.
    Due,
}

/// A proxy in each state, with nothing left to do, and the time.
fn states() -> Vec<(&'static str, (Launch, Time))> {
    let at = |millis: u64| Time::ZERO + MILLISECOND * u32::try_from(millis).unwrap();
    let after = |launch: &Launch, now: Time, inputs: &[Input]| {
        let mut launch = launch.clone();
        for input in inputs {
            launch.handle_input(now, input.clone());
        }
        drain(&mut launch);
        launch
    };
    let looks = |launch: &Launch, now: Time| {
        let mut launch = launch.clone();
        launch.handle_timeout(now);
        assert_eq!(drain(&mut launch), [Effect::Look]);
        launch
    };
    let refused = Input::NotAttached("refused".to_owned());

    let waiting = after(&started(Mode::Start(IfRunning::Refuse)), at(0), &[]);
    let surveying = after(&waiting, at(0), &[Input::StarterTaken]);
    let surveying_again = after(&surveying, at(0), &[Input::Saw(held())]);
    let surveying_late = looks(&surveying_again, at(500));
    let replacing = after(&started(Mode::Start(IfRunning::Replace)), at(0), &[Input::StarterTaken]);
    let stopping = after(&replacing, at(0), &[Input::Saw(held())]);
    let asked = looks(&stopping, at(20));
    let impatient = looks(&stopping, at(5_000));
    let killing = looks(&after(&impatient, at(5_000), &[Input::Saw(held())]), at(5_020));
    let hopeless = looks(&after(&impatient, at(5_000), &[Input::Saw(held())]), at(10_000));
    let spawning = after(&surveying, at(0), &[Input::Saw(free())]);
    let meeting = after(&spawning, at(0), &[Input::Ready]);
    let attaching = after(&meeting, at(0), &[Input::Saw(held())]);
    let seeking = after(&started(Mode::Reconnect(Some(SERVER))), at(0), &[]);
    let reattaching = after(&seeking, at(0), &[Input::Saw(held())]);
    let planning = after(&reattaching, at(1), std::slice::from_ref(&refused));
    let seeking_late = looks(&after(&seeking, at(0), &[Input::Saw(busy())]), at(35_000));
    let relaying = after(&reattaching, at(1), &[Input::Attached(None)]);
    let judging = after(&relaying, at(1_000), &[Input::Ended(Side::Server)]);
    let judging_again = after(&judging, at(1_000), &[Input::Saw(held())]);
    let judging_late = looks(&judging_again, at(1_500));
    let done = after(&relaying, at(1_000), &[Input::Ended(Side::Client)]);
    vec![
        ("WaitStarter", (waiting, at(0))),
        ("Survey, to refuse", (surveying, at(0))),
        ("Survey, to refuse, between looks", (surveying_again, at(0))),
        ("Survey, to refuse, its time over", (surveying_late, at(500))),
        ("Survey, to replace", (replacing, at(0))),
        ("Stop, between looks", (stopping, at(0))),
        ("Stop, looking", (asked, at(20))),
        ("Stop, looking after the grace", (impatient, at(5_000))),
        ("Stop, killed, looking", (killing, at(5_020))),
        ("Stop, killed, looking for the last time", (hopeless, at(10_000))),
        ("Spawn", (spawning, at(0))),
        ("Meet", (meeting, at(0))),
        ("Attach, after a spawn", (attaching, at(0))),
        ("Seek", (seeking, at(0))),
        ("Seek, between looks", (planning, at(1))),
        ("Seek, after the time for a starter", (seeking_late, at(35_000))),
        ("Attach", (reattaching.clone(), at(0))),
        ("Attach, after the time for it", (reattaching, at(10_000))),
        ("Relay", (relaying, at(1_000))),
        ("Judge", (judging, at(1_000))),
        ("Judge, between looks", (judging_again, at(1_000))),
        ("Judge, after the time for a release", (judging_late, at(1_500))),
        ("Done", (done, at(1_000))),
    ]
}

fn busy() -> View {
    View { starter_busy: true, ..free() }
}

fn happenings() -> Vec<(&'static str, Happening)> {
    let saw = |view| Happening::Input(Input::Saw(view));
    let why = || "why".to_owned();
    let record = Some(Record { instance: SERVER, boot: BOOT });
    let tombstone = Some(Mark { instance: SERVER, reason: GoneReason::Idle });
    let evidence = |record, tombstone| Evidence { record, tombstone, ..Evidence::none(BOOT) };
    vec![
        ("timeout", Happening::Due),
        ("starter taken", Happening::Input(Input::StarterTaken)),
        ("saw nobody", saw(free())),
        ("saw a crashed server", saw(View { evidence: evidence(record, None), ..free() })),
        ("saw an idle end", saw(View { evidence: evidence(record, tombstone), ..free() })),
        ("saw a starter", saw(busy())),
        ("saw a server", saw(held())),
        ("saw a server with a record", saw(View { evidence: evidence(record, None), ..held() })),
        ("saw another server", saw(View { lock: Lock::Held(Holder::Pid(43)), ..held() })),
        ("saw a server elsewhere", saw(View { lock: Lock::Held(Holder::Elsewhere), ..held() })),
        ("ready", Happening::Input(Input::Ready)),
        ("not ready", Happening::Input(Input::NotReady(why()))),
        ("attached", Happening::Input(Input::Attached(None))),
        ("not attached", Happening::Input(Input::NotAttached(why()))),
        ("client's side ended", Happening::Input(Input::Ended(Side::Client))),
        ("server's side ended", Happening::Input(Input::Ended(Side::Server))),
        ("failed", Happening::Input(Input::Failed(why()))),
    ]
}

/// What happens, as one line.
fn pair((mut launch, now): (Launch, Time), happening: Happening) -> String {
    let due = launch.poll_timeout();
    let mut then = now;
    match happening {
        Happening::Input(input) => launch.handle_input(now, input),
        Happening::Due => {
            then = due.unwrap_or(now);
            launch.handle_timeout(then);
        }
    }
    let mut parts: Vec<String> = drain(&mut launch).iter().map(effect_words).collect();
    match launch.poll_timeout() {
        None if due.is_some() => parts.push("no timeout".to_owned()),
        Some(next) if Some(next) != due => parts.push(format!("in {}", next - then.since(Time::ZERO))),
        Some(_) | None => {}
    }
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(" | ") }
}

fn effect_words(effect: &Effect) -> String {
    match effect {
        Effect::Exit(verdict) => match verdict.reason {
            Some(reason) => format!("exit {} ({reason}): {}", verdict.code, verdict.message),
            None => format!("exit {}: {}", verdict.code, verdict.message),
        },
        Effect::Signal(holder, signal) => format!("{signal:?} {holder:?}"),
        Effect::Intend(_, reason) => format!("intend {reason}"),
        Effect::TakeStarter
        | Effect::DropStarter
        | Effect::Look
        | Effect::Clean
        | Effect::Spawn
        | Effect::AbandonSpawned
        | Effect::Attach
        | Effect::Relay => format!("{effect:?}"),
    }
}
