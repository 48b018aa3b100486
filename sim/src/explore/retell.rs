//! A counterexample as a scenario: the same users and the same trouble, in the simulator's world.
//!
//! The explorer decides who comes first, a scenario only says when; so times, trouble's kinds and the world's dice
//! are varied until the same promise is broken there. Making that small is left to `shrink`.

use std::time::Duration;

use reattach::session::Time;

use super::bounds::Bounds;
use super::story::Story;
use crate::check::Promise;
use crate::dice::Dice;
use crate::machine::Kit;
use crate::run::run_with;
use crate::scenario::{Entry, Fault, FaultKind, Mode, Scenario, What};
use crate::shrink::{Effort, shrink};
use crate::trace::Detail;

/// Tells this stream of a seed from the others.
const PURPOSE: u64 = 3;

/// Scenarios that are tried: some seconds' worth.
const TRIES: u64 = 3000;

/// Runs that making it small may take.
const RUNS_MAX: u64 = 3000;

/// Time that a scenario goes on after its last entry.
const AFTERMATH: Duration = Duration::from_secs(20);

/// What makes something late.
const LATENESS: &[FaultKind] = &[
    FaultKind::NewsLate,
    FaultKind::ExitLate,
    FaultKind::NewsTwice,
    FaultKind::LossDown,
    FaultKind::LossUp,
    FaultKind::ServerHang,
    FaultKind::ProxyHang,
    FaultKind::SpawnSlow,
    FaultKind::SshFail,
    FaultKind::SshAsk,
    FaultKind::Slow,
];

/// A scenario in which the same promise is broken; `None` if none of many was one.
pub(super) fn retell<K: Kit>(story: &Story, promise: Promise, bounds: &Bounds) -> Option<Scenario> {
    let breaks = |scenario: &Scenario| {
        let outcome = run_with::<K>(scenario, Detail::Hash);
        outcome.checks.violation().is_some_and(|violation| violation.promise == promise)
    };
    let found = (0..TRIES).map(|seed| vary(story, bounds, seed)).find(&breaks)?;
    let effort = Effort { runs_max: RUNS_MAX, threads: 1, ..Effort::default() };
    Some(shrink::<K>(&found, &effort).map_or(found, |shrunk| shrunk.scenario))
}

/// One way to tell it: the first as it happened, the others more and more freely.
fn vary(story: &Story, bounds: &Bounds, seed: u64) -> Scenario {
    let mut dice = Dice::new(seed, PURPOSE);
    let freely = seed > 0;
    let mut setting = bounds.setting();
    if freely {
        setting.latency = dice.log_duration(Duration::from_micros(200), Duration::from_millis(300));
        setting.step_time = dice.log_duration(Duration::from_micros(20), Duration::from_millis(100));
        setting.ssh_time = dice.log_duration(Duration::from_millis(20), Duration::from_secs(1));
    }
    if story.idled {
        let short = dice.log_duration(Duration::from_secs(2), Duration::from_secs(20));
        (setting.idle_lifetime, setting.unmet_lifetime) = (short, short);
    } else {
        // Where no lifetime has passed, none may settle what cannot settle otherwise.
        setting.unmet_lifetime = setting.idle_lifetime;
    }
    let mut entries = Vec::new();
    let (mut at, mut before) = (Duration::ZERO, Duration::ZERO);
    for (time, what) in &story.entries {
        let told = time.since(Time::ZERO);
        let gap = told.saturating_sub(before);
        at += if freely { any_gap(&mut dice, gap) } else { gap };
        before = told;
        let what = if freely { vary_what(&mut dice, what) } else { what.clone() };
        entries.push(Entry { at, what });
    }
    let late = story.delayed.len() as u64 + u64::from(freely && seed.is_multiple_of(2));
    for _ in 0..late {
        entries.push(lateness(&mut dice, at, bounds.clients));
    }
    // The first user opens at the start, as everywhere.
    let start = entries.first().map_or(Duration::ZERO, |entry| entry.at);
    for entry in &mut entries {
        entry.at = entry.at.saturating_sub(start);
    }
    entries.sort_by_key(|entry| entry.at);
    Scenario { seed, mode: Mode::Recoverable, duration: at + AFTERMATH, setting, entries }
}

fn any_gap(dice: &mut Dice, told: Duration) -> Duration {
    let longest = (told * 4).max(Duration::from_secs(3));
    dice.log_duration(Duration::from_micros(100), longest)
}

/// A link can break in several ways, and a proxy end.
fn vary_what(dice: &mut Dice, what: &What) -> What {
    let What::Fault(fault) = what else {
        return what.clone();
    };
    let kind = match fault.kind {
        FaultKind::LinkCut | FaultKind::HalfOpen | FaultKind::Blackhole => {
            dice.pick(&[fault.kind, FaultKind::LinkCut, FaultKind::HalfOpen, FaultKind::Blackhole])
        }
        FaultKind::ProxyKill => dice.pick(&[FaultKind::ProxyKill, FaultKind::ProxyDiesLaunching]),
        other => other,
    };
    let number = if kind.numbers().is_empty() { 0 } else { dice.pick(kind.numbers()) };
    let duration = if kind.is_lasting() { any_gap(dice, fault.duration) } else { Duration::ZERO };
    What::Fault(Fault { kind, number, duration, ..*fault })
}

/// Something that makes a deadline pass.
fn lateness(dice: &mut Dice, until: Duration, clients: u8) -> Entry {
    let kind = dice.pick(LATENESS);
    let target = kind.is_targeted().then(|| u8::try_from(dice.below(clients.into())).expect("few"));
    let number = if kind.numbers().is_empty() { 0 } else { dice.pick(kind.numbers()) };
    let duration = dice.log_duration(Duration::from_millis(10), Duration::from_secs(60));
    let at = dice.within(until + Duration::from_secs(5));
    Entry { at, what: What::Fault(Fault { kind, target, number, duration }) }
}
