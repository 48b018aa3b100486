//! Smaller by making usual: settings at their defaults, kinds that need no explanation, few
//! requests, a low seed.

use std::time::Duration;

use reattach::session::First;

use super::knob::{KNOBS, Knob};
use super::size::{SIMPLE, USUAL_BYTES};
use super::times;
use crate::check::Violation;
use crate::scenario::{Act, Entry, Fault, FaultKind, Mode, Scenario, Setting, User, What};

/// Seeds that are tried in the place of the scenario's own.
const SEEDS: u64 = 16;

/// How long a fault lasts that took the place of one that did not.
const USUAL_DURATION: Duration = Duration::from_secs(10);

/// Counts that people write.
const COUNTS: [u32; 8] = [1, 2, 3, 4, 5, 10, 20, 50];

/// All at their defaults, then each, then each closer to it.
pub(super) fn settings(scenario: &Scenario, _: &Violation) -> Vec<Scenario> {
    let usual = Scenario { setting: Setting::default(), ..scenario.clone() };
    let mut candidates = vec![mild(&usual), usual, mild(scenario)];
    candidates.extend(KNOBS.iter().map(|knob| knob.with(scenario, knob.default())));
    // A default may be longer to wait for.
    for knob in KNOBS.iter().filter(|knob| !knob.is_default(&scenario.setting)) {
        candidates.extend(times::paced(&knob.with(scenario, knob.default())));
    }
    for knob in KNOBS {
        candidates.extend(closer(scenario, &knob));
    }
    candidates
}

/// As many requests as needed, of the usual size.
pub(super) fn requests(scenario: &Scenario, _: &Violation) -> Vec<Scenario> {
    let fewer = |most: u32| {
        let mut changed = scenario.clone();
        for entry in &mut changed.entries {
            if let Some(Act::Send { count, .. }) = act_mut(entry) {
                *count = (*count).min(most);
            }
        }
        changed
    };
    let mut candidates: Vec<Scenario> = COUNTS.map(fewer).into();
    for place in 0..scenario.entries.len() {
        let changed = |change: &dyn Fn(&mut u32, &mut Duration, &mut u32)| {
            let mut changed = scenario.clone();
            if let Some(Act::Send { count, every, bytes }) = act_mut(&mut changed.entries[place]) {
                change(count, every, bytes);
            }
            changed
        };
        candidates.extend(COUNTS.map(|few| changed(&|count, _, _| *count = few)));
        candidates.push(changed(&|count, _, _| *count = *count / 2 + 1));
        candidates.push(changed(&|count, _, _| *count = count.saturating_sub(1)));
        candidates.extend([USUAL_BYTES, 1, 10, 100].map(|few| changed(&|_, _, bytes| *bytes = few)));
        for millis in [1000, 100, 10] {
            candidates.push(changed(&|_, every, _| *every = Duration::from_millis(millis)));
        }
    }
    candidates
}

/// Simpler kinds of what happens, one at a time, and at a calmer pace where that is what it takes.
pub(super) fn entries(scenario: &Scenario, _: &Violation) -> Vec<Scenario> {
    let mut candidates = Vec::new();
    for (place, entry) in scenario.entries.iter().enumerate() {
        let mut with = |what| {
            let mut changed = scenario.clone();
            changed.entries[place].what = what;
            candidates.push(changed.clone());
            candidates.extend(times::paced(&changed));
        };
        match &entry.what {
            What::User(user) => {
                if matches!(user.act, Act::Open(_)) {
                    with(What::User(User { act: Act::Open(First::Start), ..*user }));
                }
            }
            What::Fault(fault) => {
                let simpler = SIMPLE.iter().take_while(|kind| **kind != fault.kind);
                simpler.for_each(|kind| with(What::Fault(replaced(fault, *kind))));
                let numbers = fault.kind.numbers().iter().take_while(|number| **number != fault.number);
                numbers.for_each(|number| with(What::Fault(Fault { number: *number, ..*fault })));
            }
        }
    }
    candidates
}

/// Low seeds.
pub(super) fn seeds(scenario: &Scenario, _: &Violation) -> Vec<Scenario> {
    (0..SEEDS.min(scenario.seed)).map(|seed| Scenario { seed, ..scenario.clone() }).collect()
}

/// The scenario in the mode that demands progress too, if nothing in it forbids that.
pub(super) fn mild(scenario: &Scenario) -> Scenario {
    let hostile = |entry: &Entry| matches!(&entry.what, What::Fault(fault) if fault.kind.is_hostile());
    let mode = if scenario.entries.iter().any(hostile) { scenario.mode } else { Mode::Recoverable };
    Scenario { mode, ..scenario.clone() }
}

/// Everything else that could happen in the place of something, the simplest first.
pub(super) fn others(what: &What, mode: Mode) -> Vec<What> {
    match what {
        What::User(User { client, act: Act::Open(first) }) => {
            let firsts = [First::Start, First::Replace, First::Takeover];
            let others = firsts.into_iter().filter(|other| other != first);
            others.map(|first| What::User(User { client: *client, act: Act::Open(first) })).collect()
        }
        What::User(_) => Vec::new(),
        What::Fault(fault) => {
            let rest = FaultKind::ALL.iter().filter(|kind| !SIMPLE.contains(kind));
            let kinds = SIMPLE.iter().chain(rest);
            let may = kinds.filter(|kind| mode == Mode::Hostile || !kind.is_hostile());
            may.map(|kind| What::Fault(replaced(fault, *kind))).collect()
        }
    }
}

/// Rounded, and halfway to the default.
fn closer(scenario: &Scenario, knob: &Knob) -> Vec<Scenario> {
    let (value, usual) = (knob.get(&scenario.setting), knob.default());
    let mut values = vec![value.midpoint(usual)];
    let mut unit = 1;
    while unit <= value {
        let below = value / unit * unit;
        values.extend([below, below + unit]);
        unit *= 10;
    }
    let (low, high) = (value.min(usual).max(1), value.max(usual));
    values.retain(|closer| (low..=high).contains(closer));
    // The roundest first.
    values.reverse();
    values.into_iter().map(|closer| knob.with(scenario, closer)).collect()
}

fn replaced(fault: &Fault, kind: FaultKind) -> Fault {
    let usual = if fault.duration.is_zero() { USUAL_DURATION } else { fault.duration };
    Fault {
        kind,
        target: kind.is_targeted().then(|| fault.target.unwrap_or_default()),
        number: kind.numbers().first().copied().unwrap_or_default(),
        duration: if kind.is_lasting() { usual } else { Duration::ZERO },
    }
}

fn act_mut(entry: &mut Entry) -> Option<&mut Act> {
    match &mut entry.what {
        What::User(user) => Some(&mut user.act),
        What::Fault(_) => None,
    }
}
