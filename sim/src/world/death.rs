//! The death of a client's process, and what of it can be seen from the host.
//!
//! Its ssh lives on: it says at once that nothing more will come, and that nobody reads any more when it
//! has something to pass on. The death of a link ends both directions, at the same time or nearly so.

use std::time::Duration;

use reattach::proto::limits::HALF_END_WAIT;
use reattach::session::Time;
use reattach::session::client::Status;
use reattach::session::server::{Input, News};

use super::conn::WIRE;
use super::pipe::Mark;
use super::queue::EventKind;
use super::{ClientId, ConnId, LinkId, ProxyId, World};
use crate::check::{Goal, Promise};
use crate::machine::{Kit, ServerMachine as _};
use crate::scenario::{Mode, What};

/// Longest time between the two ends of a link that dies: far more than a process needs to close both.
const GAP_MAX: Duration = Duration::from_millis(200);

/// Time between them from which on the second passes for an answer: a proxy of a host that is this busy
/// took as long to end.
pub(super) const HALF_END_APART: Duration = HALF_END_WAIT.saturating_sub(GAP_MAX);

/// How much longer than usual a step on a busy host takes.
const BUSY: u32 = 20;

/// A client's death, as the world knows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Death {
    at: Time,
    /// It can be told from that of its link: nothing was on its way.
    is_plain: bool,
}

impl<K: Kit> World<'_, K> {
    /// SIGKILL: it says nothing more, to anybody.
    pub(super) fn kill_client(&mut self, client: ClientId) {
        let process = &mut self.clients[client as usize];
        if std::mem::replace(&mut process.is_killed, true) {
            return;
        }
        process.editor.give_up();
        process.alarm.clear();
        let (session, link) = (process.session, process.link);
        let is_plain = link.is_some_and(|link| self.is_quiet(client, link));
        self.sessions[session as usize].death = Some(Death { at: self.now, is_plain });
        if let Some(id) = link {
            let wire = self.links[id as usize].wire(&self.scenario.setting, &self.weather);
            let link = &mut self.links[id as usize];
            link.is_orphaned = true;
            if !link.is_dead() {
                link.up.mark(self.now, &wire, Mark::HalfEnd);
                self.schedule_up(id);
            }
        }
        if is_plain {
            self.after(self.scenario.setting.orphan_bound(), EventKind::Orphan, session);
        }
    }

    /// Whether a client is attached over a link that is well, and nothing is on its way there.
    fn is_quiet(&self, client: ClientId, id: LinkId) -> bool {
        let link = &self.links[id as usize];
        let conn = link.proxy.and_then(|proxy| self.proxies[proxy as usize].conn);
        let Some((conn, server)) = conn.and_then(|conn| Some((conn, self.conns[conn as usize].server?)))
        else {
            return false;
        };
        let server = self.servers[server as usize].machine.as_ref();
        let is_attached = server.is_some_and(|server| server.inner().attached() == Some(u64::from(conn)));
        let pipes = &self.conns[conn as usize];
        let is_empty = [&link.up, &link.down, &pipes.up, &pipes.down].iter().all(|pipe| pipe.len() == 0);
        let is_connected = self.clients[client as usize].status == Status::Connected;
        is_attached && is_empty && is_connected && !link.broken && !link.is_dead()
    }

    /// ssh has something for a client that is no more, and closes the session's output.
    pub(super) fn find_nobody(&mut self, id: LinkId) {
        let link = &mut self.links[id as usize];
        let wire = link.wire(&self.scenario.setting, &self.weather);
        if let Some(death) = &mut self.sessions[link.session as usize].death {
            // What was under way anyhow is no answer.
            let is_early = self.now < death.at + HALF_END_WAIT;
            death.is_plain &= !is_early;
            if is_early {
                self.goals.reach(Goal::DeathUntold);
            }
        }
        link.up.mark(self.now, &wire, Mark::End);
        self.schedule_up(id);
    }

    /// An end arrives at a proxy. That of a link may come in two halves.
    pub(super) fn pass_end_up(&mut self, proxy: ProxyId, conn: ConnId, mark: Mark) {
        let is_half = mark == Mark::HalfEnd;
        let comes_in_two = !is_half
            && self.scenario.setting.nameless
            && !self.conns[conn as usize].half_ended
            && self.dice.one_in(2);
        if is_half || comes_in_two {
            self.conns[conn as usize].half_ended = true;
            self.conns[conn as usize].half_ended_at = self.now;
            self.conns[conn as usize].up.mark(self.now, &WIRE, Mark::HalfEnd);
            self.schedule_conn_up(conn);
        }
        if comes_in_two {
            let gap = self.dice.log_duration(Duration::from_micros(1), GAP_MAX);
            self.after(gap, EventKind::OtherEnd, proxy);
        } else if !is_half {
            self.proxy_lost_client(proxy);
        }
    }

    pub(super) fn on_other_end(&mut self, proxy: ProxyId) {
        self.proxy_lost_client(proxy);
    }

    /// The end of what the client says arrives at the server.
    pub(super) fn on_half_end(&mut self, id: ConnId) {
        let conn = &self.conns[id as usize];
        if let Some(server) = conn.server.filter(|_| conn.opened && !conn.server_gone) {
            self.server_input(server, Input::Transport(u64::from(id), News::InputEnded));
        }
    }

    /// A client has died over a link that is well: by now nothing is left of its session, unless
    /// something else has happened meanwhile.
    pub(super) fn on_orphan(&mut self, session: u32) {
        let session = &self.sessions[session as usize];
        let (Some(death), Some(server)) = (session.death, session.server) else {
            return;
        };
        let setting = &self.scenario.setting;
        let server = &self.servers[server as usize];
        let owner = server.machine.as_ref().and_then(|machine| machine.inner().owner());
        let is_its = !server.alive || owner == Some(session.id);
        // Where a step of a process may take as long as an answer, what ended first cannot be told.
        let is_swift = setting.step_time * BUSY < HALF_END_WAIT;
        let is_judged = setting.nameless
            && is_swift
            && death.is_plain
            && is_its
            && self.scenario.mode == Mode::Recoverable
            && !self.is_disturbed(death.at);
        if is_judged {
            let alive = server.alive;
            let why = || format!("a client died at {}, and its server lives", death.at);
            self.judge(Promise::OrphansEnd, !alive, why);
        }
    }

    /// An ssh whose client is no more, and whose other end went down with its host, or is out of reach: its
    /// keepalives find that out.
    pub(super) fn end_lonely_ssh(&mut self, id: LinkId) {
        let link = &self.links[id as usize];
        let proxy = link.proxy.map(|proxy| &self.proxies[proxy as usize]);
        if link.is_orphaned && !link.is_dead() && proxy.is_none_or(|proxy| !proxy.alive) {
            self.on_link_kill(id);
        }
    }

    /// Whether anything but deaths has gone wrong since.
    fn is_disturbed(&self, since: Time) -> bool {
        let now = self.now.since(Time::ZERO);
        self.scenario.entries.iter().any(|entry| match &entry.what {
            What::User(_) => false,
            What::Fault(fault) => {
                let is_death = fault.kind == crate::scenario::FaultKind::ClientKill;
                let lasts_until = Time::ZERO + entry.at + fault.duration;
                !is_death && entry.at <= now && lasts_until >= since
            }
        })
    }
}
