//! The settings, one by one: each as a number that can be compared with its default.

use std::time::Duration;

use crate::scenario::{Mode, Scenario, Setting};

/// One setting: durations in microseconds, a choice as 0 and 1.
#[derive(Clone, Copy)]
pub(super) struct Knob {
    get: fn(&Setting) -> u64,
    set: fn(&mut Setting, u64),
}

macro_rules! knobs {
    ($($name:ident $kind:ident),*) => { [$(Knob {
        get: |setting| knobs!(@get $kind setting.$name),
        set: |setting, value| setting.$name = knobs!(@set $kind value),
    },)*] };
    (@get time $place:expr) => { u64::try_from($place.as_micros()).unwrap_or(u64::MAX) };
    (@get number $place:expr) => { u64::from($place) };
    (@get choice $place:expr) => { u64::from($place) };
    (@set time $value:expr) => { Duration::from_micros($value) };
    (@set number $value:expr) => { u32::try_from($value).unwrap_or(u32::MAX) };
    (@set choice $value:expr) => { $value != 0 };
}

pub(super) const KNOBS: [Knob; 16] = knobs![
    latency time, bandwidth number, ssh_time time, step_time time, program_time time,
    idle_lifetime time, unmet_lifetime time, nameless choice, orphan_lifetime time, window number, window_frames number,
    ahead number, attempts_max number, patience time, pids number, wake_told choice
];

impl Knob {
    pub(super) fn get(&self, setting: &Setting) -> u64 {
        (self.get)(setting)
    }

    pub(super) fn default(&self) -> u64 {
        self.get(&Setting::default())
    }

    pub(super) fn is_default(&self, setting: &Setting) -> bool {
        self.get(setting) == self.default()
    }

    /// The same scenario with this setting.
    pub(super) fn with(&self, scenario: &Scenario, value: u64) -> Scenario {
        let mut changed = scenario.clone();
        (self.set)(&mut changed.setting, value);
        changed
    }
}

/// Settings that are not at their default, the mode among them.
pub(super) fn count(scenario: &Scenario) -> usize {
    let tuned = KNOBS.iter().filter(|knob| !knob.is_default(&scenario.setting)).count();
    tuned + usize::from(scenario.mode != Mode::Recoverable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::draw;

    #[test]
    fn every_setting_has_its_knob() {
        for seed in 0..50 {
            let drawn = draw(seed);
            let all = KNOBS.iter().fold(drawn, |scenario, knob| knob.with(&scenario, knob.default()));
            assert_eq!(all.setting, Setting::default(), "seed {seed}");
        }
    }
}
