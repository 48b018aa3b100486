//! Long outages and bad networks, with what is asked of them: minutes each, so only by hand. Each
//! prints its figures:
//!
//! ```text
//! cargo test --test real -- --ignored --nocapture --test-threads 1 ordeals::
//! ```

use std::time::Duration;

use reattach::session::Time;

use crate::outages::Desk;
use crate::place::{PATIENCE, wait};
use crate::typist::Weather;

/// A network that is away long enough for every attempt to have failed.
const MINUTE: Duration = Duration::from_secs(60);

/// And one that is away for longer than anybody waits.
const FIVE_MINUTES: Duration = Duration::from_secs(300);

/// How long a return is waited for before it is called none.
const NEVER: Duration = Duration::from_secs(120);

/// Time for a session to be usable again, once anybody tells that the network is back.
const PROMPT: Duration = Duration::from_secs(2);

/// Nobody tells the client anything.
const DEAF: [&str; 2] = ["--network-notices", "off"];

/// A way for a network to be away, and to be back.
struct Fault {
    name: &'static str,
    away: fn(&mut Desk),
    back: fn(&mut Desk),
}

/// Everything fails at once; the kernel tells when it is over.
const PULLED: Fault =
    Fault { name: "cable pulled", away: |desk| desk.wire.down(), back: |desk| desk.wire.up() };

/// Packets vanish; nothing tells when it is over.
const SILENT: Fault =
    Fault { name: "silent drops", away: |desk| desk.wire.silence(), back: |desk| desk.wire.heal() };

/// Packets vanish; when it is over the kernel tells of some change or other.
const ROAMED: Fault = Fault {
    name: "silent drops, then a notice",
    away: |desk| desk.wire.silence(),
    back: |desk| {
        desk.wire.heal();
        desk.wire.stir();
    },
};

/// Open links are reset and new ones refused.
const RESET: Fault = Fault { name: "resets", away: |desk| desk.wire.refuse(), back: |desk| desk.wire.heal() };

/// The machine is there, its sshd is not.
const NO_SSHD: Fault =
    Fault { name: "no sshd", away: |desk| desk.sshd.leave(), back: |desk| desk.sshd.come_back() };

fn shown(time: Option<Duration>) -> String {
    time.map_or_else(|| "never".to_owned(), |time| format!("{:.2} s", time.as_secs_f64()))
}

/// A network is away for a while and nobody touches anything; the time from its return to the session's.
fn comes_back(fault: &Fault, away: Duration, words: &[&str]) -> Option<Option<Duration>> {
    let mut desk = Desk::behind_a_wire(words)?;
    (fault.away)(&mut desk);
    wait(away);
    let before = desk.typist.state();
    (fault.back)(&mut desk);
    let returned = desk.typist.client().clock().now();
    let back = match before.as_str() {
        "Connected" => Some(returned),
        _ => desk.typist.said("Connected", returned, NEVER),
    };
    let took = back.map(|at| at.since(returned));
    println!(
        "{:<40} {:>4} s, {words:?}: {before} before, usable {} after, {} attempts",
        fault.name,
        away.as_secs(),
        shown(took),
        desk.typist.attempts().len()
    );
    assert!(back.is_none() || desk.typist.lost_nothing(PATIENCE));
    Some(took)
}

/// The same, but a key is pressed three seconds after the network's return; the time from there.
fn comes_back_for_a_key(fault: &Fault, words: &[&str]) -> Option<Option<Duration>> {
    let mut desk = Desk::behind_a_wire(words)?;
    (fault.away)(&mut desk);
    wait(MINUTE);
    (fault.back)(&mut desk);
    wait(Duration::from_secs(3));
    let before = desk.typist.state();
    let pressed = desk.typist.client().clock().now();
    let line = desk.typist.line();
    let took = desk.typist.answered(line, NEVER).map(|at| at.since(pressed));
    println!("{:<40} a key, {words:?}: {before} before, answered {} after", fault.name, shown(took));
    Some(took)
}

/// A network comes and goes while somebody types; the usable share of the time in which it is there.
fn flaps(fault: &Fault, up: f64, down: f64, cycles: usize) -> Option<f64> {
    let mut desk = Desk::behind_a_wire(&[])?;
    let mut weather = Weather::fair(desk.typist.client().clock());
    desk.typist.steadily();
    for _ in 0..cycles {
        wait(Duration::from_secs_f64(up));
        weather.turns(false);
        (fault.away)(&mut desk);
        wait(Duration::from_secs_f64(down));
        (fault.back)(&mut desk);
        weather.turns(true);
    }
    wait(Duration::from_secs_f64(up));
    let end = weather.turns(false);
    let before = desk.typist.state();
    let back = desk.typist.lost_nothing(NEVER);
    let share = desk.typist.usable_share(&weather);
    let attempts = desk.typist.attempts();
    println!(
        "{:<40} {up}/{down}: usable {share:.2} of the time, {} attempts in {:.0} s, {before} at the end, {}",
        fault.name,
        attempts.iter().filter(|at| **at <= end).count(),
        end.since(Time::ZERO).as_secs_f64(),
        if back { "nothing lost" } else { "not back in two minutes" }
    );
    desk.typist.was_modest();
    assert!(back, "it does not come back");
    Some(share)
}

macro_rules! ordeals {
    ($($(#[$about:meta])* $name:ident: $run:expr, $is_well:expr;)*) => {$(
        $(#[$about])*
        #[test]
        #[ignore = "takes minutes"]
        #[serial_test::serial(ordeals)]
        fn $name() {
            if let Some(figure) = $run {
                let is_well: fn(_) -> bool = $is_well;
                assert!(is_well(figure), "{figure:?}");
            }
        }
    )*};
}

fn is_within(took: Option<Duration>, bound: Duration) -> bool {
    took.is_some_and(|took| took <= bound)
}

fn is_prompt(took: Option<Duration>) -> bool {
    is_within(took, PROMPT)
}

ordeals! {
    a_minute_without_a_cable: comes_back(&PULLED, MINUTE, &[]), is_prompt;
    five_minutes_without_a_cable: comes_back(&PULLED, FIVE_MINUTES, &[]), is_prompt;
    five_minutes_of_silence: comes_back(&SILENT, FIVE_MINUTES, &[]),
        |took| is_within(took, Duration::from_secs(40 + 60));
    a_minute_of_silence_and_a_notice: comes_back(&ROAMED, MINUTE, &[]), is_prompt;
    /// Patience alone: its longest pause with its jitter, and an open that began in the silence.
    a_minute_of_silence: comes_back(&SILENT, MINUTE, &[]),
        |took| is_within(took, Duration::from_secs(40 + 24));
    a_minute_of_resets: comes_back(&RESET, MINUTE, &[]),
        |took| is_within(took, Duration::from_secs(40));
    twenty_seconds_without_sshd: comes_back(&NO_SSHD, Duration::from_secs(20), &[]),
        |took| is_within(took, Duration::from_secs(40));
    a_minute_without_a_cable_or_notices: comes_back(&PULLED, MINUTE, &DEAF),
        |took| is_within(took, Duration::from_secs(40));
    a_key_after_a_minute_without_a_cable_or_notices: comes_back_for_a_key(&PULLED, &DEAF), is_prompt;
    a_key_after_a_minute_of_silence: comes_back_for_a_key(&SILENT, &[]), is_prompt;
    a_key_after_a_minute_of_resets: comes_back_for_a_key(&RESET, &[]), is_prompt;
    resets_with_five_seconds_up_three_down: flaps(&RESET, 5.0, 3.0, 17), |share| share >= 0.85;
    resets_with_ten_seconds_up_one_down: flaps(&RESET, 10.0, 1.0, 12), |share| share >= 0.92;
    resets_with_two_seconds_up_two_down: flaps(&RESET, 2.0, 2.0, 35), |share| share >= 0.63;
    resets_with_one_second_up_five_down: flaps(&RESET, 1.0, 5.0, 23), |share| share >= 0.30;
    silences_with_five_seconds_up_three_down: flaps(&SILENT, 5.0, 3.0, 17), |share| share >= 0.92;
    silences_with_ten_seconds_up_one_down: flaps(&SILENT, 10.0, 1.0, 12), |share| share >= 0.95;
    silences_with_two_seconds_up_two_down: flaps(&SILENT, 2.0, 2.0, 35), |share| share >= 0.36;
    silences_with_one_second_up_five_down: flaps(&SILENT, 1.0, 5.0, 23), |share| share >= 0.0;
}

/// Another address under an open link; the time from the change to the first line that comes back.
#[test]
#[ignore = "takes a while"]
#[serial_test::serial(ordeals)]
fn an_address_that_changes_is_felt_for_a_moment() {
    let Some(mut desk) = Desk::behind_a_wire(&[]) else { return };
    let addresses = ["10.77.0.1", "10.77.0.7", "10.77.0.8", "10.77.0.9"];
    for pair in addresses.windows(2) {
        desk.wire.renumber(pair[0], pair[1]);
        let changed = desk.typist.client().clock().now();
        let line = desk.typist.line();
        let took = desk.typist.answered(line, NEVER).map(|at| at.since(changed));
        println!("{:<40} a line is answered {} after", "another address", shown(took));
        assert!(is_prompt(took));
    }
}
