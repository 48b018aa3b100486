//! Servers' lives in the explored world: their start, their frames, their end.
//!
//! Locks and files as others see them are left to `host`.

use reattach::proto::GoneReason;
use reattach::session::launch::{Input, StopSignal};

use super::automaton::Told;
use super::host::instance_of;
use super::lexicon::Name;
use super::server::{self, NO_SEAT, ServerProcess};
use super::state::{Conn, FRAMES, Link, NO_SERVER, NONE, Server, Stage, State};
use super::world::World;
use crate::check::Promise;
use crate::machine::Kit;

/// A process that is none of ours and has a server's number by now.
pub(super) const STRANGER: u8 = NO_SERVER;

impl<K: Kit> World<K> {
    pub(super) fn server(&mut self, state: &mut State, id: u8, ask: server::Ask) {
        let step = self.servers.step(state.servers[usize::from(id)].state, ask, &mut self.lexicon);
        self.server_did(state, id, step);
    }

    fn server_did(&mut self, state: &mut State, id: u8, step: usize) {
        let told = self.servers.told(step);
        state.servers[usize::from(id)].state = told.to;
        if let Some(story) = &mut self.story {
            story.server(id, &told.lines);
        }
        self.broken = self.broken.take().or_else(|| told.broken.clone());
        for deed in 0..told.deeds.len() {
            match self.servers.told(step).deeds[deed] {
                server::Deed::Write(seat, frame) => {
                    if let Some(place) = state.seated(id, seat) {
                        state.links[place].write_down(frame + FRAMES);
                    }
                }
                server::Deed::Close(seat, last) => {
                    if let Some(place) = state.seated(id, seat) {
                        let link = &mut state.links[place];
                        if let Some(frame) = last {
                            link.write_down(frame + FRAMES);
                        }
                        link.server_closes();
                    }
                }
                server::Deed::Accepted(seat) => state.outdate(id, seat),
                server::Deed::End(reason) => self.server_ends(state, id, reason),
                server::Deed::Seats(moves) => {
                    for link in
                        state.links.iter_mut().filter(|link| link.server == id && link.seat != NO_SEAT)
                    {
                        link.seat = moves[usize::from(link.seat)];
                    }
                }
            }
        }
    }

    pub(super) fn server_step(&mut self, state: &mut State, id: u8) {
        let place = usize::from(id);
        let next = match state.servers[place].stage {
            Stage::TakeLock => {
                if state.servers.iter().any(|server| server.holds_lock) {
                    return self.server_fails(state, id, "another server holds the lock");
                }
                state.servers[place].holds_lock = true;
                state.servers[place].holds_starter = false;
                let runs = |server: &Server| server.is_alive() && server.state != NONE;
                let other = state.servers.iter().any(runs);
                self.judge(Promise::OneServer, !other, || format!("server {id} starts beside another"));
                Stage::WriteRecord
            }
            Stage::WriteRecord => {
                state.files.record = Some(id);
                state.servers[place].recorded = true;
                Stage::Listen
            }
            Stage::Listen => {
                state.servers[place].listens = true;
                while self.listenings.len() <= place {
                    let instance = instance_of(u8::try_from(self.listenings.len()).expect("few servers"));
                    let mut told = Told::default();
                    let process = ServerProcess::listen(self.bounds.server(), instance, &mut told);
                    let step = self.servers.begin(process, told);
                    self.listenings.push(step);
                }
                self.server_did(state, id, self.listenings[place]);
                Stage::Ready
            }
            Stage::Ready => {
                state.servers[place].told = true;
                state.servers[place].stage = Stage::Running;
                state.name_itself(id);
                self.tell_parent(state, id, Input::Ready);
                return state.disown(id);
            }
            Stage::Ending(reason) => {
                state.files.tombstone = Some((id, reason));
                return self.server_dies(state, id);
            }
            Stage::Dead => {
                state.servers[place].holds_lock = false;
                Stage::Gone
            }
            Stage::Running | Stage::Gone => unreachable!("own bug: such a server takes no step"),
        };
        state.servers[place].stage = next;
    }

    fn tell_parent(&mut self, state: &mut State, id: u8, news: Input) {
        if let Some(parent) = state.links.iter().position(|link| link.spawned == id && link.proxy != NONE) {
            self.proxy_news(state, parent, news);
        }
    }

    fn server_fails(&mut self, state: &mut State, id: u8, why: &str) {
        let server = &mut state.servers[usize::from(id)];
        server.told = true;
        server.end.get_or_insert(GoneReason::Crashed);
        self.server_dies(state, id);
        self.tell_parent(state, id, Input::NotReady(why.to_owned()));
    }

    /// A signal arrives.
    pub(super) fn signal(&mut self, state: &mut State, opened: u8, signal: StopSignal) {
        self.judge(Promise::ProvenSignal, opened != STRANGER, || {
            format!("{signal:?} was sent to a stranger")
        });
        if opened == STRANGER {
            return;
        }
        match signal {
            StopSignal::Terminate => self.server_terminated(state, opened),
            StopSignal::Kill => self.server_killed(state, opened, GoneReason::Replaced),
        }
    }

    pub(super) fn server_terminated(&mut self, state: &mut State, id: u8) {
        let intent = state.files.intent.filter(|(whose, _)| *whose == id);
        let reason = intent.map_or(GoneReason::Stopped, |(_, reason)| reason);
        let server = &mut state.servers[usize::from(id)];
        if !server.is_alive() {
            return;
        }
        if server.hung {
            server.terminated_later = true;
        } else if server.state != NONE {
            self.server(state, id, server::Ask::Stop(reason));
        } else {
            // Nothing is set up that could be taken down in order.
            server.end.get_or_insert(reason);
            self.server_dies(state, id);
        }
    }

    pub(super) fn server_killed(&mut self, state: &mut State, id: u8, reason: GoneReason) {
        let server = &mut state.servers[usize::from(id)];
        if server.is_alive() {
            server.end.get_or_insert(reason);
            server.killed = true;
            self.server_dies(state, id);
        }
    }

    /// The machine has come to its end: the program gets its grace, then word is left.
    fn server_ends(&mut self, state: &mut State, id: u8, reason: GoneReason) {
        self.judge_end(state, id, reason);
        let server = &mut state.servers[usize::from(id)];
        server.end.get_or_insert(reason);
        server.stage = Stage::Ending(reason);
    }

    /// The process is gone: its sockets close, and in a moment the kernel lets go of its lock.
    fn server_dies(&mut self, state: &mut State, id: u8) {
        let server = &mut state.servers[usize::from(id)];
        server.stage = Stage::Dead;
        (server.listens, server.holds_starter, server.hung, server.terminated_later) =
            (false, false, false, false);
        server.state = NONE;
        let told = std::mem::replace(&mut server.told, true);
        for link in state.links.iter_mut().filter(|link| link.server == id) {
            if matches!(link.conn, Conn::Waiting | Conn::Open) {
                link.server_closes();
            }
        }
        if let Some(story) = &mut self.story {
            story.server_died(id, state.servers[usize::from(id)].end);
        }
        if !told {
            self.tell_parent(state, id, Input::NotReady("it ended before it was ready".to_owned()));
        }
    }
}

impl State {
    /// A server that is ready tells its parent who it is.
    fn name_itself(&mut self, server: u8) {
        for link in self.links.iter_mut().filter(|link| link.spawned == server) {
            link.meant = server;
        }
    }

    /// And is nobody's child any more.
    pub(super) fn disown(&mut self, server: u8) {
        for link in self.links.iter_mut().filter(|link| link.spawned == server) {
            link.spawned = NO_SERVER;
        }
    }

    pub(super) fn seated(&self, server: u8, seat: u8) -> Option<usize> {
        self.links
            .iter()
            .position(|link| link.server == server && link.conn == Conn::Open && link.seat == seat)
    }

    /// A Hello was accepted: that attempt and all before it are old.
    pub(super) fn outdate(&mut self, server: u8, seat: u8) {
        if let Some(newest) = self.seated(server, seat) {
            let client = self.links[newest].client;
            for link in self.links[..=newest].iter_mut().filter(|link| link.client == client) {
                link.outdated = true;
            }
        }
    }
}

impl Link {
    pub(super) fn write_down(&mut self, item: Name) {
        if self.current && !self.cut && self.proxy != NONE {
            self.down.push(item);
        }
    }

    fn server_closes(&mut self) {
        self.conn = if self.proxy == NONE { Conn::Gone } else { Conn::Closed };
        self.seat = NO_SEAT;
        // Nobody reads it any more.
        self.up.clear();
    }
}
