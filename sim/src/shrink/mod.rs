//! A scenario that breaks a promise, made as small as it gets.
//!
//! ```text
//! size      what "smaller" means: an order on scenarios
//! remove    smaller by leaving out: entries, whole clients, chunks, pairs
//! simplify  smaller by making usual: settings, kinds, acts, seeds
//! times     smaller by pulling together and rounding
//! knob      the settings, one by one
//! trial     tries candidates on all cores, in an order that does not depend on them
//! minimal   proves that nothing more can be left out
//! report    the minimal scenario as a file
//! ```
//!
//! A pass lists candidates, the boldest first. The first one that is smaller and still breaks the
//! same promise is taken, and the pass starts over from there; when no pass finds anything, the
//! scenario is as small as this shrinker can make it. The promise must be the same one, so that the
//! bug is not swapped for another on the way.
//!
//! The world's small delays come from the scenario's seed, and change with every entry: so a
//! candidate that holds under its own seed is tried under a few others before it is given up.

mod knob;
mod minimal;
mod remove;
mod report;
mod simplify;
mod size;
mod times;
mod trial;

use crate::check::Violation;
use crate::machine::Kit;
use crate::run::run_with;
use crate::scenario::Scenario;
use crate::trace::Detail;

pub use report::text;
pub use size::Size;

use self::trial::{Bench, Tried};

/// How hard to try: two bounds that do not depend on the machine, so that the result does not either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// Runs after which it stops.
    pub runs_max: u64,
    /// Events, of all runs together, after which it stops.
    pub events_max: u64,
    /// Threads to run on; they change how long it takes and nothing else.
    pub threads: usize,
}

impl Default for Effort {
    fn default() -> Self {
        Effort {
            runs_max: 100_000,
            // Some twenty seconds of one core.
            events_max: 40_000_000,
            threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        }
    }
}

/// What became of a scenario.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The smallest scenario that was found.
    pub scenario: Scenario,
    /// How it breaks the promise.
    pub violation: Violation,
    /// Whether it is as small as it gets.
    pub minimality: Minimality,
    /// Runs that it took.
    pub runs: u64,
    /// Their events.
    pub events: u64,
    /// The size of the scenario that was given.
    pub before: Size,
    /// The size of the one that was found.
    pub after: Size,
}

/// Whether a scenario is as small as it gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Minimality {
    /// Without any one of its entries, or with any one setting at its default, the promise holds:
    /// so many runs have shown it.
    Verified(u64),
    /// The effort was used up before that was known.
    OutOfEffort,
}

/// Candidates for something smaller, the boldest first.
type Pass = fn(&Scenario, &Violation) -> Vec<Scenario>;

/// What helps most comes first: what is left out needs not be simplified.
const PASSES: [Pass; 11] = [
    remove::what_came_after,
    remove::kinds_and_clients,
    remove::chunks,
    simplify::settings,
    simplify::requests,
    remove::pairs,
    remove::paced,
    remove::merged,
    simplify::entries,
    times::times,
    simplify::seeds,
];

/// The smallest scenario that breaks the same promise, as far as the effort goes; `None` if it
/// breaks none.
pub fn shrink<K: Kit>(scenario: &Scenario, effort: &Effort) -> Option<Shrunk> {
    let outcome = run_with::<K>(scenario, Detail::Hash);
    let violation = outcome.checks.violation()?.clone();
    let mut bench = Bench::<K>::new(violation.promise, *effort, outcome.trace.events());
    let (mut best, mut found) = (scenario.clone(), violation);
    let minimality = 'shrinking: loop {
        let size = Size::of(&best);
        for pass in PASSES {
            loop {
                match bench.first_that_breaks(&best, pass(&best, &found)) {
                    Tried::Breaks(smaller) => (best, found) = *smaller,
                    Tried::AllHold => break,
                    Tried::OutOfEffort => break 'shrinking Minimality::OutOfEffort,
                }
            }
        }
        if Size::of(&best) < size {
            // The first round makes it small cheaply; the next ones look twice.
            bench.look_twice();
        } else if bench.looks_twice() {
            break minimal::verify(&mut bench, &best);
        } else {
            bench.look_twice();
        }
    };
    Some(Shrunk {
        before: Size::of(scenario),
        after: Size::of(&best),
        scenario: best,
        violation: found,
        minimality,
        runs: bench.runs(),
        events: bench.events(),
    })
}
