//! A state in a few words, and back: what its fingerprint is made of, and how it waits for its turn.
//!
//! What makes no difference any more is forgotten in `state` before it gets here.

use reattach::proto::{GoneReason, ProgramExit};
use reattach::session::client::Launch;

use super::bounds::Allowance;
use super::lexicon::Name;
use super::state::{Conn, Few, Files, Link, Person, Queue, Server, Stage, State};
use crate::scenario::CLIENTS_MAX;

/// Bits of a count in an allowance.
const COUNT_BITS: u32 = 5;

/// Names in a word.
const NAMES: usize = 4;

impl State {
    /// All that makes this state differ from others.
    pub(super) fn pack(&self, words: &mut Vec<u64>) {
        words.clear();
        for person in &self.persons {
            words
                .push(u64::from(person.state) | u64::from(person.met) << 32 | u64::from(person.closed) << 40);
        }
        words.push(self.left.pack());
        words.push(self.files.pack() | (self.links.len() as u64) << 32 | (self.servers.len() as u64) << 40);
        for link in &*self.links {
            link.pack(words);
        }
        for server in &*self.servers {
            words.extend([server.pack(), server.state.into()]);
        }
    }

    /// The state that gave these words; what is only for people is lost.
    pub(super) fn unpack(words: &[u64]) -> Self {
        let mut words = words.iter().copied();
        let mut next = || words.next().expect("the words of a whole state");
        let mut persons = [Person::default(); CLIENTS_MAX as usize];
        for person in &mut persons {
            let word = next();
            (person.state, person.met, person.closed) = (word as u32, byte(word, 32), word >> 40 & 1 == 1);
        }
        let left = Allowance::unpack(next());
        let word = next();
        let files = Files::unpack(word);
        let (mut links, mut servers) = (Few::default(), Few::default());
        for _ in 0..byte(word, 32) {
            links.push(Link::unpack(&mut next));
        }
        for _ in 0..byte(word, 40) {
            let server = Server::unpack(next());
            servers.push(Server { state: next() as u32, ..server });
        }
        for link in &*links {
            if link.current {
                persons[usize::from(link.client)].heard = link.started;
            }
        }
        State { persons, links, servers, files, left }
    }
}

impl Link {
    fn pack(&self, words: &mut Vec<u64>) {
        let flags = bits([
            self.current,
            self.dialing,
            self.cut,
            self.host_told,
            self.started,
            self.outdated,
            self.holds_starter,
            self.up_ends,
            self.end_told,
        ]);
        words.push(
            u64::from(self.proxy)
                | u64::from(self.server) << 32
                | u64::from(self.seat) << 40
                | u64::from(self.spawned) << 48
                | u64::from(self.meant) << 56,
        );
        words.push(
            flags
                | self.exit.map_or(0, |exit| u64::from(exit) + 1) << 16
                | (self.launch as u64) << 34
                | (self.conn as u64) << 36
                | (self.up.len() as u64) << 40
                | (self.down.len() as u64) << 48
                | u64::from(self.client) << 56,
        );
        for queue in [&self.up, &self.down] {
            for names in queue.chunks(NAMES) {
                words.push(names.iter().rev().fold(0, |word, name| word << Name::BITS | u64::from(*name)));
            }
        }
    }

    fn unpack(next: &mut impl FnMut() -> u64) -> Self {
        let places = next();
        let word = next();
        let [current, dialing, cut, host_told, started, outdated, holds_starter, up_ends, end_told] =
            flags(word);
        let mut queue = |len: u8| {
            let mut queue = Queue::default();
            let mut names = 0;
            for place in 0..usize::from(len) {
                if place.is_multiple_of(NAMES) {
                    names = next();
                }
                queue.push(names as Name);
                names >>= Name::BITS;
            }
            queue
        };
        let (up, down) = (queue(byte(word, 40)), queue(byte(word, 48)));
        Link {
            client: byte(word, 56),
            attempt: 0,
            launch: LAUNCHES[(word >> 34 & 3) as usize],
            current,
            dialing,
            cut,
            host_told,
            started,
            outdated,
            proxy: places as u32,
            holds_starter,
            spawned: byte(places, 48),
            meant: byte(places, 56),
            conn: CONNS[(word >> 36 & 15) as usize],
            server: byte(places, 32),
            seat: byte(places, 40),
            up,
            up_ends,
            down,
            exit: Name::try_from((word >> 16 & 0x1_ffff).wrapping_sub(1)).ok(),
            end_told,
        }
    }
}

const LAUNCHES: [Launch; 3] = [Launch::Start, Launch::Replace, Launch::Reattach];

const CONNS: [Conn; 5] = [Conn::None, Conn::Waiting, Conn::Open, Conn::Closed, Conn::Gone];

impl Server {
    /// All but the number of its process.
    fn pack(&self) -> u64 {
        let flags = bits([
            self.hung,
            self.terminated_later,
            self.holds_starter,
            self.holds_lock,
            self.listens,
            self.told,
            self.recorded,
            self.cleaned,
            self.intended,
            self.killed,
            self.program_ended,
        ]);
        let (stage, reason) = match self.stage {
            Stage::TakeLock => (0, None),
            Stage::WriteRecord => (1, None),
            Stage::Listen => (2, None),
            Stage::Ready => (3, None),
            Stage::Running => (4, None),
            Stage::Dead => (5, None),
            Stage::Gone => (6, None),
            Stage::Ending(reason) => (7, Some(reason)),
        };
        flags | stage << 16 | number(reason) << 24 | number(self.end) << 32
    }

    fn unpack(word: u64) -> Self {
        let [
            hung,
            terminated_later,
            holds_starter,
            holds_lock,
            listens,
            told,
            recorded,
            cleaned,
            intended,
            killed,
            program_ended,
        ] = flags(word);
        let stage = match (byte(word, 16), reason(byte(word, 24))) {
            (0, _) => Stage::TakeLock,
            (1, _) => Stage::WriteRecord,
            (2, _) => Stage::Listen,
            (3, _) => Stage::Ready,
            (4, _) => Stage::Running,
            (5, _) => Stage::Dead,
            (_, None) => Stage::Gone,
            (_, Some(reason)) => Stage::Ending(reason),
        };
        Server {
            stage,
            hung,
            terminated_later,
            holds_starter,
            holds_lock,
            listens,
            told,
            recorded,
            cleaned,
            intended,
            killed,
            program_ended,
            end: reason(byte(word, 32)),
            ..Server::default()
        }
    }
}

impl Files {
    fn pack(&self) -> u64 {
        let server = |server: Option<u8>| server.map_or(0, |server| u64::from(server) + 1);
        let mark = |mark: Option<(u8, GoneReason)>| {
            server(mark.map(|(server, _)| server)) << 4 | number(mark.map(|(_, reason)| reason))
        };
        server(self.record) | mark(self.tombstone) << 8 | mark(self.intent) << 16
    }

    fn unpack(word: u64) -> Self {
        let mark = |byte: u8| Some((byte >> 4).checked_sub(1)?).zip(reason(byte & 15));
        Files {
            record: byte(word, 0).checked_sub(1),
            tombstone: mark(byte(word, 8)),
            intent: mark(byte(word, 16)),
        }
    }
}

impl Allowance {
    fn pack(&self) -> u64 {
        let counts = self.counts();
        counts.iter().rev().fold(0, |word, count| word << COUNT_BITS | u64::from(*count))
    }

    fn unpack(word: u64) -> Self {
        let mut left = Allowance::default();
        for (place, count) in (0..).zip(left.counts_mut()) {
            *count = (word >> (place * COUNT_BITS)) as u8 & ((1 << COUNT_BITS) - 1);
        }
        left
    }
}

/// Reasons by number; hosted programs of this world end in one way.
fn number(reason: Option<GoneReason>) -> u64 {
    match reason {
        None => 0,
        Some(GoneReason::Crashed) => 1,
        Some(GoneReason::Stopped) => 2,
        Some(GoneReason::Idle) => 3,
        Some(GoneReason::Unmet) => 4,
        Some(GoneReason::Replaced) => 5,
        Some(GoneReason::Rebooted) => 6,
        Some(GoneReason::Closed) => 7,
        Some(GoneReason::Exited(_)) => 8,
        Some(GoneReason::Unknown) => 9,
        Some(GoneReason::Orphaned) => 10,
        Some(GoneReason::Never) => 11,
    }
}

fn reason(number: u8) -> Option<GoneReason> {
    match number {
        1 => Some(GoneReason::Crashed),
        2 => Some(GoneReason::Stopped),
        3 => Some(GoneReason::Idle),
        4 => Some(GoneReason::Unmet),
        5 => Some(GoneReason::Replaced),
        6 => Some(GoneReason::Rebooted),
        7 => Some(GoneReason::Closed),
        8 => Some(GoneReason::Exited(ProgramExit::Code(0))),
        9 => Some(GoneReason::Unknown),
        10 => Some(GoneReason::Orphaned),
        11 => Some(GoneReason::Never),
        _ => None,
    }
}

fn byte(word: u64, place: u32) -> u8 {
    (word >> place) as u8
}

/// Flags from the lowest bit on.
fn bits<const N: usize>(flags: [bool; N]) -> u64 {
    flags.iter().rev().fold(0, |bits, flag| bits << 1 | u64::from(*flag))
}

fn flags<const N: usize>(word: u64) -> [bool; N] {
    std::array::from_fn(|place| word >> place & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_difference_shows_in_the_words_and_comes_back() {
        let state = State {
            persons: Default::default(),
            links: Few::default(),
            servers: Few::default(),
            files: Files::default(),
            left: Allowance::default(),
        };
        let changes: [&dyn Fn(&mut State); 15] = [
            &|_| {},
            &|state| state.persons[1].state = 0,
            &|state| state.persons[1].met = 0,
            &|state| state.left.restarts = 1,
            &|state| state.left.messages = 1,
            &|state| state.files.tombstone = Some((0, GoneReason::Idle)),
            &|state| state.files.intent = Some((0, GoneReason::Idle)),
            &|state| state.links[0].up.push(3),
            &|state| (1..8).for_each(|name| state.links[0].down.push(name)),
            &|state| state.links[0].exit = Some(0),
            &|state| state.links[0].exit = Some(Name::MAX),
            &|state| state.links[0].launch = Launch::Start,
            &|state| state.links[0].conn = Conn::Gone,
            &|state| state.servers[0].stage = Stage::Ending(GoneReason::Crashed),
            &|state| state.servers[0].end = Some(GoneReason::Crashed),
        ];
        let mut all = std::collections::BTreeSet::new();
        for change in changes {
            let mut changed = state;
            changed.links.push(Link::default());
            changed.servers.push(Server::default());
            change(&mut changed);
            let mut words = Vec::new();
            changed.pack(&mut words);
            assert_eq!(State::unpack(&words), changed);
            all.insert(words);
        }
        assert_eq!(all.len(), changes.len());
    }
}
