//! Smaller by leaving out.

use std::time::Duration;

use super::{simplify, times};
use crate::check::Violation;
use crate::scenario::{Act, Entry, Scenario, User, What};

/// Pairs are tried once so few entries are left: their number grows with the square.
const PAIRS_ENTRIES_MAX: usize = 24;

/// Entries up to which everything that could take the place of two is tried.
const FEW: usize = 6;

/// Nothing that was planned for later can have played a part.
pub(super) fn what_came_after(scenario: &Scenario, violation: &Violation) -> Vec<Scenario> {
    let broken_at = Duration::from_micros(violation.at.0);
    if broken_at >= scenario.duration {
        return Vec::new();
    }
    let mut cut = without(scenario, |_, entry| entry.at > broken_at);
    let mut whole = cut.clone();
    cut.duration = broken_at;
    whole.duration = Duration::from_secs(broken_at.as_secs() + 1);
    // With the duration, the end of what lasts and the healing move; if they matter, they stay.
    vec![cut, whole, without(scenario, |_, entry| entry.at > broken_at)]
}

/// Whatever is of one sort: all faults of a kind, all work, all wishes, all of a client.
pub(super) fn kinds_and_clients(scenario: &Scenario, _: &Violation) -> Vec<Scenario> {
    let mut candidates = vec![
        without(scenario, |_, entry| matches!(&entry.what, What::Fault(_))),
        without(scenario, |_, entry| matches!(act(entry), Some(Act::Send { .. }))),
        without(scenario, |_, entry| {
            matches!(
                act(entry),
                Some(Act::Retry | Act::Restart | Act::NetworkUp | Act::Close | Act::Finish | Act::Signal(_))
            )
        }),
    ];
    for client in 0..crate::scenario::CLIENTS_MAX {
        candidates.push(without(scenario, |_, entry| client_of(entry) == Some(client)));
        candidates.extend((0..client).map(|earlier| renamed(scenario, earlier, client)));
    }
    let mut kinds = Vec::new();
    for entry in &scenario.entries {
        if let What::Fault(fault) = &entry.what
            && !kinds.contains(&fault.kind)
        {
            kinds.push(fault.kind);
        }
    }
    for gone in kinds {
        candidates.push(without(
            scenario,
            |_, entry| matches!(&entry.what, What::Fault(fault) if fault.kind == gone),
        ));
    }
    candidates
}

/// Halves, quarters and so on down to single entries; the latest first, which matter least.
pub(super) fn chunks(scenario: &Scenario, _: &Violation) -> Vec<Scenario> {
    let count = scenario.entries.len();
    let mut candidates = Vec::new();
    let mut length = count.div_ceil(2);
    while length > 0 {
        for first in (0..count).step_by(length).rev() {
            candidates.push(without(scenario, |place, _| (first..first + length).contains(&place)));
        }
        length = if length == 1 { 0 } else { length.div_ceil(2) };
    }
    candidates
}

/// One less, at another pace: what is left may only have needed more time, or less, between its
/// parts.
pub(super) fn paced(scenario: &Scenario, _: &Violation) -> Vec<Scenario> {
    let count = scenario.entries.len();
    let fewer = (0..count).map(|place| without(scenario, |other, _| other == place));
    fewer.flat_map(|fewer| times::paced(&fewer).collect::<Vec<_>>()).collect()
}

/// One in the place of two, of whatever kind: the cut of a link and the end of the server behind
/// it may be one reboot.
pub(super) fn merged(scenario: &Scenario, _: &Violation) -> Vec<Scenario> {
    let count = scenario.entries.len();
    if count > FEW {
        return Vec::new();
    }
    let mut candidates = Vec::new();
    for gone in 0..count {
        let fewer = without(scenario, |place, _| place == gone);
        for place in 0..count - 1 {
            for what in simplify::others(&fewer.entries[place].what, scenario.mode) {
                let mut merged = fewer.clone();
                merged.entries[place].what = what;
                candidates.extend(times::paced(&merged));
            }
        }
    }
    candidates
}

/// Two at once: what does nothing without the other.
pub(super) fn pairs(scenario: &Scenario, _: &Violation) -> Vec<Scenario> {
    let count = scenario.entries.len();
    if count > PAIRS_ENTRIES_MAX {
        return Vec::new();
    }
    let pairs = (0..count).flat_map(|first| (first + 1..count).map(move |second| (first, second)));
    let both = |(first, second)| without(scenario, |place, _| place == first || place == second);
    pairs.map(both).collect()
}

/// The scenario without some of its entries.
pub(super) fn without(scenario: &Scenario, gone: impl Fn(usize, &Entry) -> bool) -> Scenario {
    let kept = scenario.entries.iter().enumerate().filter(|(place, entry)| !gone(*place, entry));
    let entries = kept.map(|(_, entry)| entry.clone()).collect();
    Scenario { entries, ..scenario.clone() }
}

/// The scenario with these two clients called by each other's names.
fn renamed(scenario: &Scenario, one: u8, other: u8) -> Scenario {
    let swap = |name: &mut u8| match *name {
        name_of_it if name_of_it == one => *name = other,
        name_of_it if name_of_it == other => *name = one,
        _ => {}
    };
    let mut renamed = scenario.clone();
    for entry in &mut renamed.entries {
        match &mut entry.what {
            What::User(User { client, .. }) => swap(client),
            What::Fault(fault) => fault.target.iter_mut().for_each(swap),
        }
    }
    renamed
}

fn act(entry: &Entry) -> Option<Act> {
    match &entry.what {
        What::User(user) => Some(user.act),
        What::Fault(_) => None,
    }
}

fn client_of(entry: &Entry) -> Option<u8> {
    match &entry.what {
        What::User(user) => Some(user.client),
        What::Fault(fault) => fault.target,
    }
}
