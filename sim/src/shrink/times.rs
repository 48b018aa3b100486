//! Smaller by pulling together and rounding: what is left happens at whole seconds, soon.

use std::time::Duration;

use super::size::micros;
use crate::check::Violation;
use crate::scenario::{Scenario, What};

/// Paces at which everything may happen: a second between two things lets most of them finish.
const PACES: [u64; 4] = [1, 2, 5, 20];

/// Entries up to which all paces are tried.
const FEW: usize = 6;

/// Seconds for which a fault lasts if it is to outlast something: a step, a probe, a budget of attempts.
const LASTING: [u64; 5] = [1, 5, 20, 60, 300];

/// Lengths that people write, in seconds.
const LADDER: [u64; 16] = [1, 2, 3, 4, 5, 10, 20, 30, 40, 60, 80, 100, 200, 300, 600, 3600];

/// What times are rounded to, in microseconds.
const GRIDS: [u64; 6] = [10_000_000, 1_000_000, 500_000, 100_000, 10_000, 1_000];

/// Everything at one pace; everything rounded; then each time on its own.
pub(super) fn times(scenario: &Scenario, _: &Violation) -> Vec<Scenario> {
    let mut candidates: Vec<Scenario> = paced(scenario).collect();
    candidates.extend(GRIDS.iter().map(|grid| rounded(scenario, *grid)));
    for place in 0..scenario.entries.len() {
        let before = place.checked_sub(1).map_or(Duration::ZERO, |before| scenario.entries[before].at);
        let gap = scenario.entries[place].at.saturating_sub(before);
        for shorter in shorter_than(gap).into_iter().chain([Duration::ZERO]) {
            candidates.push(moved(scenario, place, before + shorter, true));
            candidates.push(moved(scenario, place, before + shorter, false));
        }
        for grid in GRIDS {
            let at = micros(scenario.entries[place].at);
            for at in [at / grid * grid, at.next_multiple_of(grid)] {
                candidates.push(moved(scenario, place, Duration::from_micros(at), false));
            }
        }
        if let What::Fault(fault) = &scenario.entries[place].what
            && fault.kind.is_lasting()
        {
            for shorter in shorter_than(fault.duration) {
                let mut changed = scenario.clone();
                changed.entries[place].what =
                    What::Fault(crate::scenario::Fault { duration: shorter, ..*fault });
                candidates.push(changed);
            }
        }
    }
    let last = scenario.entries.last().map_or(Duration::ZERO, |entry| entry.at);
    for shorter in shorter_than(scenario.duration.saturating_sub(last)) {
        candidates.push(Scenario { duration: last + shorter, ..scenario.clone() });
    }
    for shorter in shorter_than(scenario.duration) {
        candidates.push(Scenario { duration: shorter.max(last), ..scenario.clone() });
    }
    candidates
}

/// The entries one by one, at each pace; what lasts goes on as long as it did, until the next
/// thing happens, or long enough to outlast whatever is waited for.
pub(super) fn paced(scenario: &Scenario) -> impl Iterator<Item = Scenario> {
    let longest = |scenario: &Scenario| lasting(scenario).max().unwrap_or_default();
    let own = [None].into_iter().chain(LASTING.map(Some));
    let paces = PACES.into_iter().filter(|_| scenario.entries.len() <= FEW);
    paces.flat_map(move |pace| {
        let pace = Duration::from_secs(pace);
        own.clone().map(move |seconds| {
            let mut paced = scenario.clone();
            let mut at = Duration::ZERO;
            for entry in &mut paced.entries {
                entry.at = at;
                at += pace;
                if let (What::Fault(fault), Some(seconds)) = (&mut entry.what, seconds)
                    && fault.kind.is_lasting()
                {
                    fault.duration = Duration::from_secs(seconds);
                }
            }
            paced.duration = at + longest(&paced);
            paced
        })
    })
}

fn lasting(scenario: &Scenario) -> impl Iterator<Item = Duration> {
    scenario.entries.iter().filter_map(|entry| match &entry.what {
        What::Fault(fault) if fault.kind.is_lasting() => Some(fault.duration),
        What::Fault(_) | What::User(_) => None,
    })
}

fn rounded(scenario: &Scenario, grid: u64) -> Scenario {
    let round = |time: Duration| Duration::from_micros((micros(time) + grid / 2) / grid * grid);
    let mut rounded = scenario.clone();
    let up = |time: Duration| Duration::from_micros(micros(time).next_multiple_of(grid));
    for entry in &mut rounded.entries {
        entry.at = round(entry.at);
        if let What::Fault(fault) = &mut entry.what {
            // What lasts never comes to last no time at all.
            fault.duration = up(fault.duration);
        }
    }
    rounded.duration = up(scenario.duration);
    rounded
}

/// One entry at another time, what comes after it with it or not.
fn moved(scenario: &Scenario, place: usize, at: Duration, with_rest: bool) -> Scenario {
    let mut moved = scenario.clone();
    let was = moved.entries[place].at;
    let shift = |time: Duration| (time + at).saturating_sub(was);
    if with_rest {
        moved.entries[place..].iter_mut().for_each(|entry| entry.at = shift(entry.at));
        moved.duration = shift(moved.duration);
    } else {
        moved.entries[place].at = at;
        moved.entries.sort_by_key(|entry| entry.at);
    }
    moved
}

/// Lengths that are shorter, or easier to read.
fn shorter_than(length: Duration) -> Vec<Duration> {
    let length = micros(length);
    let mut lengths: Vec<u64> = LADDER.iter().map(|seconds| seconds * 1_000_000).collect();
    lengths.retain(|rung| *rung < length);
    for grid in GRIDS {
        lengths.extend([length / grid * grid, length.next_multiple_of(grid)]);
    }
    lengths.push(length / 2);
    lengths.retain(|shorter| *shorter > 0 && *shorter != length);
    lengths.into_iter().map(Duration::from_micros).collect()
}
