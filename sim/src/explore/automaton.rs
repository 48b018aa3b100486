//! A process as an automaton: its states are numbers, and what it does in a state is worked out by the
//! real machine once and looked up ever after.
//!
//! Two states are one if their canonical words are equal, all of them: no odds are taken here. Every process has a
//! clock of its own, so that its state says all that matters to it. What the deeds of a process do
//! to the world is left to the world.

use std::collections::BTreeMap;
use std::hash::Hash;

use reattach::session::Time;

use super::lexicon::Lexicon;
use super::table::{Mix, Table};
use crate::check::{Checks, Promise, Violation, timer_moves_on};

/// A process around a machine.
pub(super) trait Process: Clone {
    /// What can happen to it.
    type Ask: Copy + Eq + Hash;
    /// What it does to the world.
    type Deed: Copy;
    /// What the world may know of its state.
    type View: Copy;

    /// Lets something happen to it.
    fn take(&mut self, ask: Self::Ask, lexicon: &mut Lexicon, told: &mut Told<Self::Deed>);
    /// All that makes its state differ from others.
    fn words(&self) -> Vec<u64>;
    /// What the world may know.
    fn view(&self) -> Self::View;
}

/// What a process has done, said and shown in one step.
#[derive(Clone, Debug)]
pub(super) struct Told<D> {
    pub(super) deeds: Vec<D>,
    /// What changed, and why.
    pub(super) lines: Vec<(String, String)>,
    pub(super) checks: Checks,
}

impl<D> Default for Told<D> {
    fn default() -> Self {
        Told { deeds: Vec::new(), lines: Vec::new(), checks: Checks::default() }
    }
}

impl<D> Told<D> {
    /// Judges a promise that concerns this process alone.
    pub(super) fn judge(&mut self, promise: Promise, holds: bool, what: impl FnOnce() -> String) {
        self.checks.judge(Time::ZERO, promise, holds, what);
    }

    /// Judges when a machine that was woken now wants to be woken next.
    pub(super) fn judge_timer(&mut self, who: &str, now: Time, due: Option<Time>) {
        self.judge(Promise::TimerMovesOn, timer_moves_on(now, due), || {
            format!("{who} was woken and wants to be woken at the same time again")
        });
    }
}

/// One step: where it leads and what is done.
#[derive(Clone, Debug)]
pub(super) struct Step<A, D> {
    /// The state and what happened in it; none if this is how the process began.
    of: Option<(u32, A)>,
    pub(super) to: u32,
    pub(super) deeds: Box<[D]>,
    pub(super) lines: Box<[(String, String)]>,
    pub(super) broken: Option<Violation>,
}

/// A process in all the states that it was ever seen in.
pub(super) struct Automaton<P: Process> {
    states: Vec<(P, P::View)>,
    numbers: BTreeMap<Vec<u64>, u32>,
    known: Table,
    steps: Vec<Step<P::Ask, P::Deed>>,
    /// How often what was judged.
    pub(super) checks: Checks,
    /// Of some states another process that was taken for the same.
    #[cfg(test)]
    twins: BTreeMap<u32, P>,
}

impl<P: Process> Default for Automaton<P> {
    fn default() -> Self {
        Automaton {
            states: Vec::new(),
            numbers: BTreeMap::new(),
            known: Table::default(),
            steps: Vec::new(),
            checks: Checks::default(),
            #[cfg(test)]
            twins: BTreeMap::new(),
        }
    }
}

impl<P: Process> Automaton<P> {
    /// The number of a state.
    fn number(&mut self, process: P) -> u32 {
        let next = u32::try_from(self.states.len()).expect("a process has few states");
        let number = *self.numbers.entry(process.words()).or_insert(next);
        if number == next {
            let view = process.view();
            self.states.push((process, view));
            return number;
        }
        #[cfg(test)]
        self.twins.insert(number, process);
        number
    }

    /// The first step of a process.
    pub(super) fn begin(&mut self, process: P, told: Told<P::Deed>) -> usize {
        let (place, _) = self.known.place(Mix::of_value(&self.steps.len()), |_| false);
        self.add(None, process, told);
        place
    }

    /// A process in one of its states.
    pub(super) fn process(&self, state: u32) -> &P {
        &self.states[state as usize].0
    }

    /// What the world may know of a state.
    #[inline]
    pub(super) fn view(&self, state: u32) -> P::View {
        self.states[state as usize].1
    }

    /// What happens in a state when it is asked for something.
    #[inline]
    pub(super) fn step(&mut self, from: u32, ask: P::Ask, lexicon: &mut Lexicon) -> usize {
        let steps = &self.steps;
        let same = |place: usize| steps[place].of == Some((from, ask));
        let (place, new) = self.known.place(Mix::of_value(&(from, ask)), same);
        if new {
            self.work_out(from, ask, lexicon);
        }
        place
    }

    /// A step that was asked for.
    #[inline]
    pub(super) fn told(&self, step: usize) -> &Step<P::Ask, P::Deed> {
        &self.steps[step]
    }

    /// How many states it was seen in.
    pub(super) fn len(&self) -> usize {
        self.states.len()
    }

    fn work_out(&mut self, from: u32, ask: P::Ask, lexicon: &mut Lexicon) {
        let mut process = self.states[from as usize].0.clone();
        let mut told = Told::default();
        process.take(ask, lexicon, &mut told);
        self.add(Some((from, ask)), process, told);
    }

    fn add(&mut self, of: Option<(u32, P::Ask)>, process: P, told: Told<P::Deed>) {
        self.checks.add(&told.checks);
        let to = self.number(process);
        self.steps.push(Step {
            of,
            to,
            deeds: told.deeds.into(),
            lines: told.lines.into(),
            broken: told.checks.violation().cloned(),
        });
    }

    /// Asks the twins for every step that is known of their states; gives how many there were.
    #[cfg(test)]
    pub(super) fn audit(&self, lexicon: &mut Lexicon) -> usize
    where
        P::Deed: PartialEq + std::fmt::Debug,
        P::Ask: std::fmt::Debug,
    {
        let mut audited = 0;
        for step in &self.steps {
            let Some((twin, ask)) = step.of.and_then(|(from, ask)| Some((self.twins.get(&from)?, ask)))
            else {
                continue;
            };
            let mut twin = twin.clone();
            let mut told = Told::default();
            twin.take(ask, lexicon, &mut told);
            assert_eq!(*told.deeds, *step.deeds, "{ask:?}");
            assert_eq!(twin.words(), self.states[step.to as usize].0.words(), "{ask:?}");
            audited += 1;
        }
        audited
    }
}
