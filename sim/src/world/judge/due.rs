//! That whoever waits for something waits for as long as that has: neither gives up before, nor keeps others
//! waiting.
//!
//! Every deadline is counted anew from what the world has seen happen.

use std::time::Duration;

use reattach::proto::limits::{
    ACK_DELAY, EXIT_WAIT, HEARTBEAT_INTERVAL, HEARTBEAT_MISSES_MAX, HELLO_TIMEOUT, PROBE_TIMEOUT,
    READY_TIMEOUT, SILENCE_MAX, STARTER_WAIT, SUSPENSION_MIN,
};
use reattach::proto::verdict::EXIT_NOT_STARTED;
use reattach::session::Time;
use reattach::session::client::{Cause, Status};
use reattach::session::launch::{Effect, StopSignal};
use reattach::session::server::{Input, News, TransportId};

use super::super::host::Process;
use super::super::{ClientId, ConnId, LinkId, ProxyId, ServerId, World};
use crate::check::Promise;
use crate::machine::{ClientMachine as _, Kit, ServerMachine as _};

/// A client says something at least so often, whatever it hears.
const SAYS_SOMETHING: Duration = HEARTBEAT_INTERVAL.saturating_mul(1 + HEARTBEAT_MISSES_MAX);

/// What a client was waiting for, by the laptop's clock.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::world) struct Waits {
    /// The transport that it has closed last.
    pub(in crate::world) closed: Option<LinkId>,
    /// When it could go on after a sleep, or was held up.
    pub(in crate::world) woke_at: Time,
    /// When it was attached, or has written something since.
    pub(in crate::world) wrote_at: Time,
}

/// What a server owes, and was waiting for, by its host's clock.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::world) struct Dues {
    /// Since when something that was consumed is not acknowledged.
    pub(in crate::world) owes_ack_since: Option<Time>,
    /// By when something must come for it.
    silent_at: Time,
}

impl Dues {
    /// Something for the server's machine, which is attached to that transport.
    pub(in crate::world) fn note(&mut self, now: Time, input: &Input, attached: Option<TransportId>) {
        match input {
            Input::Consumed(_) => drop(self.owes_ack_since.get_or_insert(now)),
            Input::Transport(transport, News::Heard | News::Frame(_)) if attached == Some(*transport) => {
                self.heard(now);
            }
            Input::Transport(..)
            | Input::Opened(_)
            | Input::Output(..)
            | Input::OutputFinished(_)
            | Input::Exited(_)
            | Input::Stop(_) => {}
        }
    }

    /// Something came from the client.
    pub(in crate::world) fn heard(&mut self, now: Time) {
        self.silent_at = now + SILENCE_MAX;
    }

    /// The host has slept, or the process was stopped: a deadline that passed long before is begun anew.
    pub(in crate::world) fn woke(&mut self, now: Time) {
        if self.silent_at + SUSPENSION_MIN <= now {
            self.silent_at = now + HELLO_TIMEOUT;
        }
    }
}

/// What a launch has asked for, by the host's clock.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::world) struct Asked {
    starter_at: Option<Time>,
    pub(in crate::world) has_starter: bool,
    spawn_at: Option<Time>,
    /// The instance that it has left word of.
    intended: Option<u128>,
    /// The one that it has seen the record of when it looked last.
    pub(in crate::world) seen: Option<u128>,
}

impl<K: Kit> World<'_, K> {
    /// Why a client gave its transport up, against how long it was to wait.
    pub(in crate::world) fn judge_given_up(&mut self, client: ClientId, cause: &Cause) {
        let now = self.laptop_now();
        let (name, waits) = (self.letter(client), self.clients[client as usize].waits);
        let Some(link) = waits.closed.map(|link| &self.links[link as usize]) else {
            return;
        };
        let waited = link.ended_at.map(|ended| now.since(ended));
        if *cause == Cause::Ended {
            let holds = waited.is_some_and(|waited| waited >= EXIT_WAIT);
            self.judge(Promise::WaitsItsTime, holds, || {
                format!("client {name} does not wait for the status behind the end of its link: {waited:?}")
            });
        }
    }

    /// An open was given up when its time had passed: where that was so because the laptop slept, it has a
    /// little more.
    pub(in crate::world) fn judge_own_sleep(&mut self, client: ClientId, opened_at: Time, had: Duration) {
        let (now, name) = (self.laptop_now(), self.letter(client));
        let woke_at = self.clients[client as usize].waits.woke_at;
        let slept_through = woke_at > opened_at && opened_at + had + SUSPENSION_MIN <= woke_at;
        let holds = !slept_through || now >= woke_at + PROBE_TIMEOUT;
        self.judge(Promise::WaitsItsTime, holds, || {
            format!("client {name} slept until {woke_at}, and gives an open up at {now} for having lasted too long")
        });
    }

    /// However much a client hears, the other side has to hear of it.
    #[inline]
    pub(in crate::world) fn judge_says_something(&mut self, client: ClientId) {
        let process = &self.clients[client as usize];
        let (Status::Connected, Some(link)) = (&process.status, process.link) else {
            return;
        };
        let link = &self.links[link as usize];
        if link.up.writer_waits {
            return;
        }
        let now = self.now + self.weather.laptop_clock;
        let due = process.waits.wrote_at.max(process.waits.woke_at) + SAYS_SOMETHING;
        let asleep = process.machine.inner().poll_timeout().is_none_or(|at| at > due.max(now));
        let (name, letter_due) = (process.letter, due);
        self.checks.judge(self.now, Promise::WaitsItsTime, now <= due + SUSPENSION_MIN && !asleep, || {
            format!("client {name} was to say something by {letter_due}, and it is {now}")
        });
    }

    /// A server takes its client for dead.
    pub(in crate::world) fn judge_silence(&mut self, id: ServerId) {
        let now = self.host_now();
        let due = self.servers[id as usize].truth.dues.silent_at;
        self.judge(Promise::WaitsItsTime, now >= due, || {
            format!("server {id} drops its client as silent at {now}, which had time until {due}")
        });
    }

    /// What was consumed is acknowledged in time: the server will wake up for it.
    #[inline]
    pub(in crate::world) fn judge_owed(&mut self, id: ServerId) {
        let now = self.now + self.host.clock;
        let process = &self.servers[id as usize];
        let (Some(since), Some(machine)) = (process.truth.dues.owes_ack_since, &process.machine) else {
            return;
        };
        let Some(transport) = machine.inner().attached() else {
            return;
        };
        let conn = &self.conns[transport as usize];
        // Nobody takes it any more, or not yet.
        if conn.down.writer_waits || conn.half_ended {
            return;
        }
        let due = since + ACK_DELAY;
        let at = machine.inner().poll_timeout();
        let holds = at.is_some_and(|at| at <= due.max(now));
        self.checks.judge(self.now, Promise::WaitsItsTime, holds, || {
            format!("server {id} owes an acknowledgement since {since}, and sleeps until {at:?}")
        });
    }

    /// A launch asks for something, or gives something up.
    pub(in crate::world) fn judge_asked(&mut self, id: ProxyId, effect: &Effect) {
        let now = self.host_now();
        let asked = &mut self.proxies[id as usize].truth.asked;
        match effect {
            Effect::TakeStarter => asked.starter_at = Some(now),
            Effect::Spawn => asked.spawn_at = Some(now),
            Effect::Intend(instance, _) => asked.intended = Some(instance.0),
            Effect::AbandonSpawned => {
                let waited = asked.spawn_at.map(|at| now.since(at));
                let started = self.proxies[id as usize].spawned.is_some();
                let holds = !started || waited.is_some_and(|waited| waited >= READY_TIMEOUT);
                self.judge(Promise::WaitsItsTime, holds, || {
                    format!("proxy {id} ends the server that it started after {waited:?}")
                });
            }
            Effect::Signal(_, StopSignal::Terminate) => {
                let (seen, intended) = (asked.seen, asked.intended);
                self.judge(Promise::WishObeyed, seen.is_none() || seen == intended, || {
                    format!("proxy {id} stops a server and leaves no word that it is replaced")
                });
            }
            Effect::Exit(verdict) if verdict.code == EXIT_NOT_STARTED => {
                let waited = asked.starter_at.filter(|_| !asked.has_starter).map(|at| now.since(at));
                let holds = waited.is_none_or(|waited| waited >= STARTER_WAIT);
                self.judge(Promise::WaitsItsTime, holds, || {
                    format!("proxy {id} gives up waiting for another starter after {waited:?}")
                });
            }
            Effect::DropStarter
            | Effect::Look
            | Effect::Signal(_, StopSignal::Kill)
            | Effect::Clean
            | Effect::Attach
            | Effect::Relay
            | Effect::Exit(_) => {}
        }
    }

    /// Whoever relays keeps nobody from starting.
    pub(in crate::world) fn judge_relay(&mut self, id: ProxyId) {
        let holds = !self.host.holds_starter(Process::Proxy(id));
        self.judge(Promise::WaitsItsTime, holds, || format!("proxy {id} relays, and keeps the starter lock"));
    }

    /// Who was displaced is let go.
    pub(super) fn judge_displaced(&mut self, id: ServerId, old: ConnId) {
        let open = !self.conns[old as usize].server_gone;
        self.judge(Promise::OneAttachment, !open, || {
            format!("server {id} keeps transport {old}, which it has displaced")
        });
    }
}
