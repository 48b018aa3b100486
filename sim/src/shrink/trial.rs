//! Tries candidates on all cores. Which one is taken, and how many runs that took, does not depend
//! on how many there are: the first in the list wins, however late its verdict comes.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Once, PoisonError};

use super::{Effort, Size};
use crate::check::{Promise, Violation};
use crate::machine::Kit;
use crate::run::run_with;
use crate::scenario::{Scenario, parse, print};
use crate::trace::Detail;

/// Candidates that are tried before the effort is looked at again.
const SLICE: usize = 64;

/// Fewer than that are done before another thread has started.
const WORTH_A_THREAD: usize = 8;

/// Seeds under which a candidate is tried beside its own, once it is looked at twice.
const OTHER_SEEDS: u64 = 4;

/// Where candidates are tried, for one promise.
pub(super) struct Bench<K> {
    promise: Promise,
    effort: Effort,
    other_seeds: u64,
    runs: u64,
    events: u64,
    /// What was seen to keep the promise.
    held: BTreeSet<String>,
    kit: PhantomData<fn() -> K>,
}

/// What became of some candidates.
pub(super) enum Tried {
    /// This was the first that broke the promise.
    Breaks(Box<(Scenario, Violation)>),
    AllHold,
    OutOfEffort,
}

/// One run's end.
struct Verdict {
    place: usize,
    events: u64,
    violation: Option<Violation>,
}

impl<K: Kit> Bench<K> {
    /// Nothing was tried but the scenario itself, which took so many events.
    pub(super) fn new(promise: Promise, effort: Effort, events: u64) -> Self {
        let held = BTreeSet::new();
        Bench { promise, effort, other_seeds: 0, runs: 1, events, held, kit: PhantomData }
    }

    pub(super) fn runs(&self) -> u64 {
        self.runs
    }

    pub(super) fn events(&self) -> u64 {
        self.events
    }

    /// From now on a candidate is tried under a few other seeds, too.
    pub(super) fn look_twice(&mut self) {
        self.other_seeds = OTHER_SEEDS;
    }

    pub(super) fn looks_twice(&self) -> bool {
        self.other_seeds > 0
    }

    /// The first candidate that is smaller than `best` and breaks the promise.
    pub(super) fn first_that_breaks(&mut self, best: &Scenario, candidates: Vec<Scenario>) -> Tried {
        let size = Size::of(best);
        let mut new: Vec<Scenario> = Vec::new();
        for candidate in self.under_seeds(candidates) {
            let file = print(&candidate);
            // What no file can say, nobody could try again.
            let is_told = || parse(&file).is_ok_and(|read| read == candidate);
            if Size::of(&candidate) < size && !self.held.contains(&file) && is_told() {
                self.held.insert(file);
                new.push(candidate);
            }
        }
        let tried = self.first_of(&new);
        if let Tried::Breaks(found) = &tried {
            // Those after it were not looked at.
            let place = new.iter().position(|candidate| *candidate == found.0).unwrap_or_default();
            for candidate in &new[place..] {
                self.held.remove(&print(candidate));
            }
        }
        tried
    }

    /// Each candidate under its own seed, then under the others.
    pub(super) fn under_seeds(&self, candidates: Vec<Scenario>) -> Vec<Scenario> {
        let others = 0..self.other_seeds;
        let each = |scenario: Scenario| {
            let others = others.clone().filter(|seed| *seed != scenario.seed);
            let mut all: Vec<Scenario> = others.map(|seed| Scenario { seed, ..scenario.clone() }).collect();
            all.insert(0, scenario);
            all
        };
        candidates.into_iter().flat_map(each).collect()
    }

    /// The first of them that breaks the promise, whatever its size.
    pub(super) fn first_of(&mut self, candidates: &[Scenario]) -> Tried {
        for slice in candidates.chunks(SLICE) {
            if self.runs >= self.effort.runs_max || self.events >= self.effort.events_max {
                return Tried::OutOfEffort;
            }
            let mut verdicts = self.try_all(slice);
            verdicts.sort_by_key(|verdict| verdict.place);
            for verdict in verdicts {
                self.runs += 1;
                self.events += verdict.events;
                if let Some(violation) = verdict.violation {
                    return Tried::Breaks(Box::new((slice[verdict.place].clone(), violation)));
                }
            }
        }
        Tried::AllHold
    }

    /// The verdicts up to the first that breaks the promise, and maybe some beyond it.
    fn try_all(&self, slice: &[Scenario]) -> Vec<Verdict> {
        let next = AtomicUsize::new(0);
        let first_broken = AtomicUsize::new(usize::MAX);
        let verdicts = std::sync::Mutex::new(Vec::with_capacity(slice.len()));
        let work = || {
            loop {
                let place = next.fetch_add(1, Ordering::Relaxed);
                if place >= slice.len() || place > first_broken.load(Ordering::Relaxed) {
                    return;
                }
                let verdict = self.judge(place, &slice[place]);
                if verdict.violation.is_some() {
                    first_broken.fetch_min(place, Ordering::Relaxed);
                }
                verdicts.lock().unwrap_or_else(PoisonError::into_inner).push(verdict);
            }
        };
        if slice.len() < WORTH_A_THREAD || self.effort.threads <= 1 {
            work();
        } else {
            std::thread::scope(|scope| {
                for _ in 1..self.effort.threads {
                    scope.spawn(work);
                }
                work();
            });
        }
        verdicts.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn judge(&self, place: usize, scenario: &Scenario) -> Verdict {
        let outcome = quietly(|| run_with::<K>(scenario, Detail::Hash));
        let violation = outcome.checks.violation().filter(|broken| broken.promise == self.promise);
        Verdict { place, events: outcome.trace.events(), violation: violation.cloned() }
    }
}

thread_local! {
    static IN_TRIAL: Cell<bool> = const { Cell::new(false) };
}

/// Runs a trial without the words of a machine that panics: thousands of trials would say the same.
fn quietly<T>(trial: impl FnOnce() -> T) -> T {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !IN_TRIAL.get() {
                usual(info);
            }
        }));
    });
    IN_TRIAL.set(true);
    let done = trial();
    IN_TRIAL.set(false);
    done
}
