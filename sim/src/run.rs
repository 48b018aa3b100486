//! One run: a scenario in, a verdict out.

use std::panic::{self, AssertUnwindSafe};

use reattach::session::Time;

use crate::check::{Checks, Goals, Promise};
use crate::machine::{Kit, Real};
use crate::scenario::Scenario;
use crate::trace::{Detail, Trace};
use crate::world::World;

/// What a run has shown.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What happened.
    pub trace: Trace,
    /// What was judged.
    pub checks: Checks,
    /// What was reached.
    pub goals: Goals,
    /// When it was over.
    pub ended_at: Time,
    /// How much of the time in which the network was up each client was attached, in thousandths.
    pub shares: Vec<u16>,
}

impl Outcome {
    /// The verdict in one line.
    pub fn verdict(&self) -> String {
        match self.checks.violation() {
            Some(violation) => violation.to_string(),
            None => "every promise held".to_owned(),
        }
    }
}

/// Runs a scenario with the machines that the binaries run.
pub fn run(scenario: &Scenario, detail: Detail) -> Outcome {
    run_with::<Real>(scenario, detail)
}

/// Runs a scenario with the machines of a kit.
pub fn run_with<K: Kit>(scenario: &Scenario, detail: Detail) -> Outcome {
    let mut world = World::<K>::new(scenario, detail);
    // What a machine's panic leaves behind is only read, and the world ends with it.
    let ran = panic::catch_unwind(AssertUnwindSafe(|| world.run()));
    let ended_at = world.ended_at();
    world.checks.judge(ended_at, Promise::NoPanic, ran.is_ok(), || "a machine panicked".to_owned());
    let shares = world.shares().collect();
    let World { trace, checks, goals, .. } = world;
    Outcome { trace, checks, goals, ended_at, shares }
}
