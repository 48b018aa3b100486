//! Proves that nothing more can be left out: every scenario with one entry less, or with one
//! setting at its default, is run once more, whatever was tried on the way.

use super::knob::KNOBS;
use super::trial::{Bench, Tried};
use super::{Minimality, remove, simplify};
use crate::machine::Kit;
use crate::scenario::Scenario;

pub(super) fn verify<K: Kit>(bench: &mut Bench<K>, scenario: &Scenario) -> Minimality {
    let runs = bench.runs();
    let candidates = bench.under_seeds(one_step_smaller(scenario));
    match bench.first_of(&candidates) {
        Tried::AllHold => Minimality::Verified(bench.runs() - runs),
        Tried::Breaks(smaller) => unreachable!("own bug: the passes have missed {:?}", smaller.0),
        Tried::OutOfEffort => Minimality::OutOfEffort,
    }
}

/// Without each entry, and with each setting that is not at its default there.
pub(super) fn one_step_smaller(scenario: &Scenario) -> Vec<Scenario> {
    let count = scenario.entries.len();
    let mut smaller: Vec<Scenario> =
        (0..count).map(|place| remove::without(scenario, |other, _| other == place)).collect();
    for knob in KNOBS.iter().filter(|knob| !knob.is_default(&scenario.setting)) {
        smaller.push(knob.with(scenario, knob.default()));
    }
    let mild = simplify::mild(scenario);
    if mild != *scenario {
        smaller.push(mild);
    }
    smaller
}
