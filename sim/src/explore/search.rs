//! Breadth first through everything that can happen, so that the first counterexample is a shortest one.
//!
//! Of every state a fingerprint is kept, and where it was first reached from; the states themselves only until
//! their turn has come. What a path looked like is found out by taking it again.

use super::bounds::Bounds;
use super::choice::Choice;
use super::settle::Ways;
use super::state::State;
use super::story::Story;
use super::table::{Mix, Table};
use super::waiting::Waiting;
use super::world::World;
use crate::check::{Checks, Promise, Violation};
use crate::machine::Kit;

/// States between two looks at whether to go on.
const STRIDE: usize = 1 << 13;

/// Where a state was first reached from.
#[derive(Clone, Copy, Debug)]
struct Parent {
    place: u32,
    choice: Choice,
}

/// How far a search has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Different states.
    pub unique: u64,
    /// States that were come to, again or for the first time.
    pub generated: u64,
    /// Steps from the start to the last of them.
    pub depth: u32,
    /// States whose turn has not come.
    pub waiting: u64,
}

/// Why a search has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Everything that can happen has happened.
    Complete,
    /// A promise was broken.
    Broken,
    /// As many states were kept as may be.
    States,
    /// As many steps were taken as may be.
    Depth,
    /// Some states would have held more transports, frames or servers than a state has room for.
    Room,
    /// The caller has had enough.
    Stopped,
}

/// A search under way.
pub(super) struct Search<K: Kit> {
    pub(super) world: World<K>,
    seen: Table,
    parents: Vec<Parent>,
    waiting: Waiting,
    pub(super) ways: Ways,
    pub(super) reach: Reach,
    overflowed: bool,
    words: Vec<u64>,
}

/// What a search has found.
pub(super) struct Found {
    pub(super) end: End,
    /// The broken promise, and the choices that lead to it.
    pub(super) broken: Option<(Violation, Vec<Choice>)>,
}

impl<K: Kit> Search<K> {
    pub(super) fn new(bounds: Bounds) -> Self {
        Search {
            world: World::new(bounds),
            seen: Table::default(),
            parents: Vec::new(),
            waiting: Waiting::default(),
            ways: Ways::default(),
            reach: Reach::default(),
            overflowed: false,
            words: Vec::new(),
        }
    }

    /// Looks at everything, until the first broken promise or a bound.
    pub(super) fn run(&mut self, go_on: &mut dyn FnMut(&Reach) -> bool) -> Found {
        let state = self.world.start();
        self.meet(&state, 0, Choice::Dial(0));
        let mut choices = Vec::new();
        let mut layer_end = 1;
        let mut place = 0;
        let end = loop {
            let Some(state) = self.waiting.pop(State::unpack) else {
                break if self.overflowed { End::Room } else { End::Complete };
            };
            if place == layer_end {
                layer_end = self.parents.len();
                self.reach.depth += 1;
            }
            if self.reach.depth >= self.world.bounds.depth_max {
                break End::Depth;
            }
            if self.parents.len() >= self.world.bounds.states_max as usize {
                break End::States;
            }
            if place.is_multiple_of(STRIDE) && !go_on(&self.reached()) {
                break End::Stopped;
            }
            self.world.choices(&state, &mut choices);
            for choice in &choices {
                if let Some(violation) = self.follow(&state, place, *choice) {
                    let mut path = self.path(place);
                    path.push(*choice);
                    self.reach = self.reached();
                    return Found { end: End::Broken, broken: Some((violation, path)) };
                }
            }
            self.ways.end_of_state();
            place += 1;
        };
        self.reach = self.reached();
        let broken = if end == End::Complete { self.judge_ways() } else { None };
        Found { end: if broken.is_some() { End::Broken } else { end }, broken }
    }

    /// Makes a choice and takes note of where it leads.
    fn follow(&mut self, state: &State, place: usize, choice: Choice) -> Option<Violation> {
        let mut next = *state;
        self.world.happen(&mut next, choice);
        self.reach.generated += 1;
        if let Some(violation) = self.world.broken.take() {
            return Some(violation);
        }
        if self.world.overflowed {
            self.overflowed = true;
            return None;
        }
        let to = self.meet(&next, place, choice);
        if choice.helps(state) {
            self.ways.lead_to(to);
        }
        None
    }

    /// The place of a state; one that was never met before waits for its turn.
    fn meet(&mut self, state: &State, from: usize, choice: Choice) -> usize {
        state.pack(&mut self.words);
        let (to, new) = self.seen.place(Mix::of(&self.words), |_| true);
        if new {
            let place = u32::try_from(from).expect("the bound is far below four billion");
            self.parents.push(Parent { place, choice });
            self.ways.arrive(self.world.is_settled(state));
            self.waiting.push(&self.words);
        }
        to
    }

    /// Whether every state has a way to where it should end.
    fn judge_ways(&mut self) -> Option<(Violation, Vec<Choice>)> {
        let stuck = self.ways.stuck();
        let what = || match stuck {
            Some(_) => "from here no session can settle any more, whatever arrives".to_owned(),
            None => String::new(),
        };
        self.world.judge(Promise::SettledInTime, stuck.is_none(), what);
        let violation = self.world.broken.take()?;
        Some((violation, self.path(stuck?)))
    }

    fn reached(&self) -> Reach {
        Reach { unique: self.parents.len() as u64, waiting: self.waiting.len() as u64, ..self.reach }
    }

    /// The choices that lead to a state, from the start.
    fn path(&self, mut place: usize) -> Vec<Choice> {
        let mut path = Vec::new();
        while place != 0 {
            let parent = self.parents[place];
            path.push(parent.choice);
            place = parent.place as usize;
        }
        path.reverse();
        path
    }

    /// Takes a path again, and tells it.
    pub(super) fn tell(&mut self, path: &[Choice]) -> Story {
        self.world.story = Some(Story::default());
        let mut state = self.world.start();
        for choice in path {
            self.world.happen(&mut state, *choice);
        }
        self.world.story.take().expect("it was being told")
    }

    /// How often each promise was judged.
    pub(super) fn checks(&self) -> Checks {
        let World { clients, proxies, servers, checks, .. } = &self.world;
        let mut sum = checks.clone();
        for checks in [&clients.checks, &proxies.checks, &servers.checks] {
            sum.add(checks);
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::explore::Allowance;
    use crate::explore::automaton::Process as _;
    use crate::explore::state::NONE;
    use crate::machine::Real;

    /// A state spelled out: every process by all its words, not by its number.
    fn spelled(world: &World<Real>, state: &State) -> Vec<u64> {
        let mut words = Vec::new();
        let mut bare = *state;
        for person in bare.persons.iter_mut().filter(|person| person.state != NONE) {
            words.extend(world.clients.process(person.state).words());
            person.state = 0;
        }
        for link in bare.links.iter_mut().filter(|link| link.proxy != NONE) {
            words.extend(world.proxies.process(link.proxy).words());
            link.proxy = 0;
        }
        for server in bare.servers.iter_mut().filter(|server| server.state != NONE) {
            words.extend(world.servers.process(server.state).words());
            server.state = 0;
        }
        let mut rest = Vec::new();
        bare.pack(&mut rest);
        words.extend(rest);
        words
    }

    /// The same search without fingerprints: a set of all states, layer after layer.
    fn plain(bounds: Bounds) -> Reach {
        let mut world = World::<Real>::new(bounds);
        let start = world.start();
        let mut seen = BTreeSet::from([spelled(&world, &start)]);
        let mut reach = Reach { unique: 1, ..Reach::default() };
        let mut layer = vec![start];
        let mut choices = Vec::new();
        while !layer.is_empty() {
            let mut next_layer = Vec::new();
            for state in layer {
                world.choices(&state, &mut choices);
                for choice in &choices {
                    let mut next = state;
                    world.happen(&mut next, *choice);
                    assert_eq!(world.broken, None);
                    reach.generated += 1;
                    if seen.insert(spelled(&world, &next)) {
                        reach.unique += 1;
                        next_layer.push(next);
                    }
                }
            }
            reach.depth += u32::from(!next_layer.is_empty());
            layer = next_layer;
        }
        reach
    }

    fn bounds(clients: u8, left: Allowance) -> Bounds {
        Bounds { clients, left, ..Bounds::default() }
    }

    #[test]
    fn fingerprints_count_what_a_plain_set_counts() {
        let outage = Allowance { messages: 1, cuts: 1, ..Allowance::default() };
        let rivals = Allowance { crashes: 1, ..Allowance::default() };
        for bounds in [bounds(1, outage), bounds(2, Allowance::default()), bounds(2, rivals)] {
            let mut search = Search::<Real>::new(bounds);
            let found = search.run(&mut |_| true);
            assert_eq!(found.end, End::Complete);
            assert_eq!(search.reach, plain(bounds), "{bounds:?}");
        }
    }

    #[test]
    fn states_that_are_taken_for_one_behave_as_one() {
        let all = Allowance { messages: 2, cuts: 1, delays: 1, ..Allowance::default() };
        let mut search = Search::<Real>::new(bounds(1, all));
        assert_eq!(search.run(&mut |_| true).end, End::Complete);
        let World { clients, proxies, servers, lexicon, .. } = &mut search.world;
        let twins = [clients.audit(lexicon), proxies.audit(lexicon), servers.audit(lexicon)];
        assert!(twins.iter().all(|steps| *steps > 20), "{twins:?}");
    }

    #[test]
    fn a_path_that_is_taken_again_leads_to_the_same_end() {
        let mut search = Search::<Real>::new(bounds(1, Allowance { cuts: 1, ..Allowance::default() }));
        search.run(&mut |_| true);
        let path = search.path(search.parents.len() - 1);
        let (one, other) = (search.tell(&path), search.tell(&path));
        assert_eq!(one.lines, other.lines);
        assert!(one.lines.iter().any(|line| line.what.contains("blackhole")), "{:?}", one.lines);
    }
}
