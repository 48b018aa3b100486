//! Everything that can happen in a small world, to the real machines.
//!
//! ```text
//! bounds      how much may happen
//! choice      what may happen next
//! world       what it does: the laptop's side
//! host        the host's side: proxies, locks, files
//! life        servers, from their start to their end
//! judge       what is true, and what was said
//! state       one state of the world
//! pack        and in a few words
//! waiting     states whose turn has not come
//! client      the processes around the machines, each an automaton
//! budget      how often a client may try
//! proxy
//! server
//! automaton   worked out once, looked up ever after
//! words       when two states of a machine are the same
//! lexicon     values by number
//! table       fingerprints
//! search      breadth first
//! settle      can everything still come to rest?
//! story       a path, told
//! retell      and as a scenario
//! ```
//!
//! There is no second model of a machine here: the automata are the real machines, asked. Commands and
//! files are left to `command`.

mod automaton;
mod bounds;
mod budget;
mod choice;
mod client;
mod host;
mod judge;
mod lexicon;
mod life;
mod pack;
mod proxy;
mod retell;
mod search;
mod server;
mod settle;
mod state;
mod story;
mod table;
mod waiting;
mod words;
mod world;

pub use bounds::{Allowance, Bounds};
pub use search::{End, Reach};

use self::retell::retell;
use self::search::Search;
use crate::check::{Checks, Violation};
use crate::machine::Kit;
use crate::scenario::Scenario;
use crate::trace::Line;

/// What a search has shown.
#[derive(Clone, Debug)]
pub struct Report {
    /// How far it came.
    pub reach: Reach,
    /// Why it ended.
    pub end: End,
    /// What was judged, and how often.
    pub checks: Checks,
    /// A shortest way to the first broken promise.
    pub counterexample: Option<Counterexample>,
    /// States of a client, a proxy and a server that were met.
    pub processes: [usize; 3],
}

/// A way to a broken promise.
#[derive(Clone, Debug)]
pub struct Counterexample {
    /// What was broken.
    pub violation: Violation,
    /// Steps from the start.
    pub depth: usize,
    /// What happened.
    pub lines: Vec<Line>,
    /// A scenario that breaks the same promise in the simulator's world, if one was found.
    pub scenario: Option<Scenario>,
}

impl Report {
    /// The odds that two states were taken for one, because their fingerprints are equal.
    pub fn collision_odds(&self) -> f64 {
        let states = self.reach.unique as f64;
        states * (states - 1.0) / 2.0 / 2f64.powi(64)
    }
}

/// Looks at everything that can happen within the bounds to the machines of a kit. `go_on` is asked
/// now and then.
pub fn explore<K: Kit>(bounds: Bounds, mut go_on: impl FnMut(&Reach) -> bool) -> Report {
    let mut search = Search::<K>::new(bounds);
    let found = search.run(&mut go_on);
    let checks = search.checks();
    let processes = [search.world.clients.len(), search.world.proxies.len(), search.world.servers.len()];
    let counterexample = found.broken.map(|(mut violation, path)| {
        let story = search.tell(&path);
        violation.at = story.lines.last().map_or(violation.at, |line| line.at);
        let scenario = retell::<K>(&story, violation.promise, &bounds);
        Counterexample { violation, depth: path.len(), lines: story.lines, scenario }
    });
    Report { reach: search.reach, end: found.end, checks, counterexample, processes }
}
