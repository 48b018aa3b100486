//! How long what is said waits behind what was said before, on links on which nothing is wrong.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use reattach::proto::Seq;
use reattach::session::outbox::Outbox;
use reattach::session::{First, Time};

use super::super::{ClientId, LinkId, ServerId, World};
use crate::check::{Goal, Promise};
use crate::machine::{ClientMachine as _, Kit, ServerMachine as _};
use crate::scenario::{Setting, What};

/// Which way something goes over a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::world) enum Way {
    Up,
    Down,
}

/// What was taken by a machine that was attached, and has not arrived yet.
#[derive(Clone, Debug, Default)]
pub(in crate::world) struct Queues(BTreeMap<(LinkId, Way), VecDeque<(Seq, Time)>>);

impl Setting {
    /// Whether both ends give less ahead than they keep.
    fn is_paced(&self) -> bool {
        self.ahead < self.window
    }

    /// How long a message may be on its way behind others: what is given ahead takes a bounded time, and twice
    /// that while it is not known yet what the link carries. Each message costs a frame.
    fn wait_bound(&self, message: usize) -> Duration {
        let window = self.client(First::Start).window;
        let least = 3 * (2 * window.ahead_bytes_first + 2 * message) as u64;
        let carried = Duration::from_micros(least * 1000 / u64::from(self.bandwidth.max(1)));
        (window.ahead_time + window.round_trip_max) * 2 + self.latency * 4 + self.step_time * 20 + carried
    }
}

impl<K: Kit> World<'_, K> {
    /// A client that is attached has taken a message.
    pub(in crate::world) fn client_takes(&mut self, client: ClientId) {
        let process = &self.clients[client as usize];
        if let (true, Some(link)) = (process.status.is_attached(), process.link) {
            self.note_wait(link, Way::Up, self.clients[client as usize].machine.inner().outbox().last());
        }
    }

    /// A server that is attached has taken an output.
    pub(in crate::world) fn server_takes(&mut self, server: ServerId) {
        let machine = self.servers[server as usize].machine.as_ref().map(|machine| machine.inner());
        let last = machine.map_or(0, |machine| machine.outbox().last());
        if let Some(link) = self.link_of(server) {
            self.note_wait(link, Way::Down, last);
        }
    }

    /// A message has arrived at a server.
    pub(in crate::world) fn server_gets(&mut self, server: ServerId) {
        let machine = self.servers[server as usize].machine.as_ref().map(|machine| machine.inner());
        let received = machine.map_or(0, |machine| machine.inbox().received());
        if let Some(link) = self.link_of(server) {
            self.judge_wait(link, Way::Up, received);
        }
    }

    /// An output has arrived at a client.
    pub(in crate::world) fn client_gets(&mut self, client: ClientId) {
        let process = &self.clients[client as usize];
        if let Some(link) = process.link {
            let received = process.machine.inner().inbox().received();
            self.judge_wait(link, Way::Down, received);
        }
    }

    /// How much an end that is attached gives ahead.
    pub(in crate::world) fn note_pace(goals: &mut crate::check::Goals, outbox: &Outbox, setting: &Setting) {
        if setting.is_paced() {
            if outbox.pace().is_least() {
                goals.reach(Goal::PaceLeast);
            }
            if outbox.pace().is_most() {
                goals.reach(Goal::PaceMost);
            }
        }
    }

    fn link_of(&self, server: ServerId) -> Option<LinkId> {
        let transport = self.servers[server as usize].machine.as_ref()?.inner().attached()?;
        Some(self.proxies[self.conns[usize::try_from(transport).ok()?].proxy as usize].link)
    }

    /// Nothing has gone wrong yet.
    fn is_well(&self) -> bool {
        let first = self.scenario.entries.iter().find(|entry| matches!(entry.what, What::Fault(_)));
        self.scenario.setting.is_paced() && first.is_none_or(|first| self.now < Time::ZERO + first.at)
    }

    fn note_wait(&mut self, link: LinkId, way: Way, seq: Seq) {
        if self.is_well() {
            self.queues.0.entry((link, way)).or_default().push_back((seq, self.now));
        }
    }

    fn judge_wait(&mut self, link: LinkId, way: Way, received: Seq) {
        if !self.is_well() {
            return;
        }
        let waits = self.queues.0.entry((link, way)).or_default();
        while let Some((seq, since)) = waits.front().copied().filter(|(seq, _)| *seq <= received) {
            waits.pop_front();
            let waited = self.now.since(since);
            let bound = self.scenario.setting.wait_bound(self.message_bytes);
            self.checks.judge(self.now, Promise::SmallInTime, waited <= bound, || {
                format!("message {seq} was {waited:?} on its way {way:?} link {link}, {bound:?} are allowed")
            });
        }
    }
}
