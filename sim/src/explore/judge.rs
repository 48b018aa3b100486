//! What is true, and what was said: the promises that take more than one process to judge.

use reattach::proto::{GoneReason, InstanceId};
use reattach::session::client::Closed;

use super::client::{Why, session_id};
use super::host::instance_of;
use super::state::{NO_SERVER, NONE, State};
use super::world::World;
use crate::check::Promise;
use crate::machine::Kit;
use crate::scenario::Letter;

impl<K: Kit> World<K> {
    pub(super) fn judge_welcome(&mut self, state: &mut State, client: u8, instance: Option<InstanceId>) {
        let name = Letter(client);
        let server = state.current(client).map_or(NO_SERVER, |place| state.links[place].server);
        let person = &mut state.persons[usize::from(client)];
        if person.met == NO_SERVER {
            person.met = server;
        }
        let met = person.met;
        let same = server == met && server != NO_SERVER && instance == Some(instance_of(met));
        self.judge(Promise::SameInstance, same, || {
            format!("client {name} met server {met} and is attached to server {server}")
        });
    }

    pub(super) fn judge_gone(&mut self, state: &State, client: u8, reason: GoneReason) {
        let name = Letter(client);
        let holds = self.is_true(state, client, reason);
        let met = state.persons[usize::from(client)].met;
        self.judge(Promise::NotRunningTrue, holds, || {
            if met == NO_SERVER {
                return format!("client {name} is told {reason}, and a server of its session lives");
            }
            format!("client {name} is told {reason}; server {met}: {:?}", state.servers[usize::from(met)])
        });
    }

    /// Whether the session's server is gone, for that reason as far as anybody can know.
    fn is_true(&self, state: &State, client: u8, reason: GoneReason) -> bool {
        let met = state.persons[usize::from(client)].met;
        if met == NO_SERVER {
            // It never met one: none may live that took its Hello.
            let session = self.clients.process(state.persons[usize::from(client)].state).session();
            let owner = session_id(client, session).0;
            let owns = |state: u32| state != NONE && self.servers.view(state).owner == Some(owner);
            return !state.servers.iter().any(|server| owns(server.state));
        }
        let server = &state.servers[usize::from(met)];
        if server.is_alive() {
            return false;
        }
        let newer = state.servers.iter().skip(usize::from(met) + 1).any(|server| server.recorded);
        match reason {
            reason if server.end == Some(reason) => true,
            // It died by itself while somebody was about to replace it: either word is true.
            GoneReason::Replaced => newer || server.intended,
            // A starter that failed has removed the files; nothing is known any more.
            GoneReason::Unknown => server.cleaned,
            GoneReason::Crashed => server.killed,
            GoneReason::Rebooted
            | GoneReason::Never
            | GoneReason::Stopped
            | GoneReason::Idle
            | GoneReason::Unmet
            | GoneReason::Closed
            | GoneReason::Orphaned
            | GoneReason::Exited(_) => false,
        }
    }

    pub(super) fn judge_refused(&mut self, state: &State, client: u8, why: Why) {
        let name = Letter(client);
        let person = &state.persons[usize::from(client)];
        let owner = session_id(client, self.clients.process(person.state).session()).0;
        let started = person.heard;
        let strangers = || {
            state.servers.iter().any(|server| {
                server.state != NONE
                    && self.servers.view(server.state).owner.is_some_and(|other| other != owner)
            })
        };
        let holds = match why {
            // Whoever refused it may be gone by the time that it is heard.
            Why::Owned => strangers() || state.servers.iter().any(|server| !server.is_alive()),
            Why::BySpawn => started,
            Why::Unreachable => !started,
            Why::Broken => false,
        };
        self.judge(Promise::RefusalJustified, holds, || format!("client {name} is refused: {why:?}"));
    }

    pub(super) fn judge_left(&mut self, state: &State, client: u8, closed: Closed) {
        let name = Letter(client);
        let person = &state.persons[usize::from(client)];
        let holds = match closed {
            Closed::ByUser => person.closed,
            Closed::ProgramEnded(_) => {
                person.met != NO_SERVER && state.servers[usize::from(person.met)].program_ended
            }
        };
        self.judge(Promise::EndJustified, holds, || {
            format!("client {name} is {closed:?}, and neither its user nor its program ended it")
        });
    }

    pub(super) fn judge_end(&mut self, state: &State, id: u8, reason: GoneReason) {
        if reason != GoneReason::Closed {
            return;
        }
        let owner = self.servers.view(state.servers[usize::from(id)].state).owner;
        let left = (0..).zip(&state.persons).any(|(client, person)| {
            person.closed
                && person.state != NONE
                && owner == Some(session_id(client, self.clients.process(person.state).session()).0)
        });
        self.judge(Promise::EndJustified, left, || {
            format!("server {id} ends because its client has left, which it has not")
        });
    }
}
