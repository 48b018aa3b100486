//! A state in a few words: all that makes it differ from others.
//!
//! What makes no difference any more is forgotten in `state` before it gets here.

use reattach::proto::GoneReason;

use super::bounds::Allowance;
use super::state::{Files, Link, Server, Stage, State};

impl State {
    /// All that makes this state differ from others, in a few words.
    pub(super) fn words(&self, words: &mut Vec<u64>) {
        words.clear();
        for person in &self.persons {
            words.push(pack(&[person.met.into(), person.closed.into()]) << 32 | u64::from(person.state));
        }
        words.push(self.left.word());
        words.push(self.files.word() << 16 | pack(&[self.links.len() as u64, self.servers.len() as u64]));
        for link in &*self.links {
            link.words(words);
        }
        for server in &*self.servers {
            words.push(server.word());
            words.push(server.state.into());
        }
    }
}

impl Link {
    fn words(&self, words: &mut Vec<u64>) {
        let flags = [
            self.current,
            self.dialing,
            self.cut,
            self.host_told,
            self.started,
            self.outdated,
            self.holds_starter,
            self.up_ends,
            self.end_told,
        ];
        let flags = flags.iter().fold(0, |bits, flag| bits << 1 | u64::from(*flag));
        let places = [self.server.into(), self.seat.into(), self.spawned.into()];
        words.push(pack(&places) << 32 | u64::from(self.proxy));
        let kind = pack(&[self.client.into(), self.launch as u64, self.conn as u64]);
        let exit = self.exit.map_or(0, |exit| u64::from(exit) + 1);
        words.push(flags << 48 | kind << 24 | exit);
        words.push(pack(&[self.up.len() as u64, self.down.len() as u64]));
        for queue in [&self.up, &self.down] {
            for four in queue.chunks(4) {
                words.push(four.iter().fold(0, |word, name| word << 16 | u64::from(*name)));
            }
        }
    }
}

impl Server {
    fn word(&self) -> u64 {
        let flags = [
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
        ];
        let flags = flags.iter().fold(0, |bits, flag| bits << 1 | u64::from(*flag));
        let (stage, reason) = match self.stage {
            Stage::TakeLock => (0, 0),
            Stage::WriteRecord => (1, 0),
            Stage::Listen => (2, 0),
            Stage::Ready => (3, 0),
            Stage::Running => (4, 0),
            Stage::Ending(reason) => (5, number(Some(reason))),
            Stage::Dead => (6, 0),
            Stage::Gone => (7, 0),
        };
        flags << 32 | pack(&[stage, reason, number(self.end)])
    }
}

impl Files {
    fn word(&self) -> u64 {
        let server = |server: Option<u8>| server.map_or(0, |server| u64::from(server) + 1);
        let mark = |mark: Option<(u8, GoneReason)>| {
            server(mark.map(|(server, _)| server)) << 4 | number(mark.map(|(_, reason)| reason))
        };
        pack(&[server(self.record), mark(self.tombstone), mark(self.intent)])
    }
}

impl Allowance {
    fn word(&self) -> u64 {
        let Allowance {
            messages,
            crashes,
            cuts,
            kills,
            delays,
            hangs,
            stops,
            idles,
            exits,
            closes,
            retries,
            restarts,
        } = *self;
        let counts =
            [messages, crashes, cuts, kills, delays, hangs, stops, idles, exits, closes, retries, restarts];
        counts.iter().fold(0, |word, count| word << 5 | u64::from(*count))
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
    }
}

/// Numbers below 256 in one word.
fn pack(numbers: &[u64]) -> u64 {
    numbers.iter().fold(0, |word, number| word << 8 | number)
}

#[cfg(test)]
mod tests {
    use reattach::session::client::Launch;

    use super::*;
    use crate::explore::state::{Conn, Few};

    #[test]
    fn every_difference_shows_in_the_words() {
        let state = State {
            persons: Default::default(),
            links: Few::default(),
            servers: Few::default(),
            files: Files::default(),
            left: Allowance::default(),
        };
        let words = |change: &dyn Fn(&mut State)| {
            let mut changed = state;
            changed.links.push(Link::default());
            changed.servers.push(Server::default());
            change(&mut changed);
            let mut words = Vec::new();
            changed.words(&mut words);
            words
        };
        let changes: [&dyn Fn(&mut State); 14] = [
            &|_| {},
            &|state| state.persons[1].state = 0,
            &|state| state.persons[1].met = 0,
            &|state| state.left.restarts = 1,
            &|state| state.left.messages = 1,
            &|state| state.files.tombstone = Some((0, GoneReason::Idle)),
            &|state| state.files.intent = Some((0, GoneReason::Idle)),
            &|state| state.links[0].up.push(3),
            &|state| state.links[0].down.push(3),
            &|state| state.links[0].exit = Some(0),
            &|state| state.links[0].launch = Launch::Start,
            &|state| state.links[0].conn = Conn::Gone,
            &|state| state.servers[0].stage = Stage::Ending(GoneReason::Crashed),
            &|state| state.servers[0].end = Some(GoneReason::Crashed),
        ];
        let all: std::collections::BTreeSet<Vec<u64>> = changes.iter().map(|change| words(change)).collect();
        assert_eq!(all.len(), changes.len());
    }
}
