//! What proxies ask for, held against the world.

use reattach::proto::verdict::EXIT_NOT_RUNNING;
use reattach::session::client::Launch as Wish;
use reattach::session::launch::{Effect, Holder, Lock, StopSignal};
use reattach::session::{LaunchConfig, Time};

use super::super::host::Process;
use super::super::proxy::Proxy;
use super::super::{ProxyId, ServerId, World};
use super::due::Asked;
use crate::check::{Promise, changes_the_host};
use crate::machine::{Kit, LaunchMachine as _};

/// What the world knows about a proxy's way.
#[derive(Clone, Debug, Default)]
pub(in crate::world) struct LaunchTruth {
    /// The server's lock, as the proxy saw it last.
    pub(in crate::world) lock: Option<Lock>,
    /// Who held it then.
    pub(in crate::world) holder: Option<ServerId>,
    /// The last server that there was then, and whose record was written.
    pub(in crate::world) last_recorded: Option<ServerId>,
    /// The server whose last word was there then, and no record.
    pub(in crate::world) last_word: Option<ServerId>,
    /// The last server that it saw the record of while somebody held the lock.
    pub(in crate::world) sought: Option<ServerId>,
    /// Somebody else had the starter lock when the proxy looked last.
    pub(in crate::world) starter_busy: bool,
    /// Another starter had the starter lock.
    pub(in crate::world) waited: bool,
    /// No number was left for a process.
    pub(in crate::world) crowded: bool,
    /// Its time to start a server was over before it came to it; or the host slept for about as long
    /// as it would have waited, which it cannot tell from waiting.
    pub(in crate::world) late: bool,
    pub(in crate::world) asked: Asked,
    /// Whom it told to end, and when by the host's clock.
    told_to_end: Option<(ServerId, Time)>,
}

impl<K: Kit> World<'_, K> {
    /// Only a first attach may change the host. A signal is
    /// meant for who held the lock when the proxy looked last, and the one that cannot be caught
    /// comes after the other and its grace. Only who asked for a fresh server stops a running one, and
    /// who has started one leaves it alone from when it was ready.
    pub(in crate::world) fn judge_launch(&mut self, id: ProxyId, effect: &Effect) {
        let proxy = &self.proxies[id as usize];
        let wish = self.links[proxy.link as usize].launch;
        let may = proxy.first && wish != Wish::Reattach;
        self.judge(Promise::NeverSpawn, may || !changes_the_host(effect), || {
            format!("proxy {id} serves a reconnect and {effect}")
        });
        self.judge_asked(id, effect);
        match effect {
            Effect::Signal(holder, signal) => {
                let asked = wish == Wish::Replace;
                self.judge(Promise::StrangerKeptOut, asked, || {
                    format!("proxy {id} was to {wish:?} and stops the server that runs")
                });
                self.judge_demand(id, *holder, *signal);
            }
            Effect::AbandonSpawned => {
                let spawned = self.proxies[id as usize].spawned;
                let ready = spawned.is_some_and(|server| self.servers[server as usize].is_ready());
                self.judge(Promise::ProvenSignal, !ready, || {
                    format!("proxy {id} kills the server that it has started, which is ready")
                });
            }
            Effect::Exit(verdict) if verdict.code == EXIT_NOT_RUNNING => self.judge_verdict(id),
            Effect::Intend(..)
            | Effect::Clean
            | Effect::Spawn
            | Effect::TakeStarter
            | Effect::DropStarter
            | Effect::Look
            | Effect::Attach
            | Effect::Relay
            | Effect::Exit(_) => {}
        }
    }

    /// The host has slept. Who has overslept a deadline by less than what a busy host takes for
    /// granted takes it for one that has passed.
    pub(in crate::world) fn note_unnoticed_sleep(&mut self) {
        let (now, noticed) = (self.host_now(), LaunchConfig::default().suspension_min);
        for proxy in &mut self.proxies {
            let due = proxy.machine.poll_timeout();
            proxy.truth.late |= due.is_some_and(|due| due <= now && now < due + noticed);
        }
    }

    /// A proxy says that no server runs: it has seen that nobody holds the lock, and, unless it was
    /// connected before, that nobody is about to. One that knows its server asks for that only.
    fn judge_verdict(&mut self, id: ProxyId) {
        let Proxy { truth, meant, relaying, .. } = &self.proxies[id as usize];
        let free = truth.lock == Some(Lock::Free) && (*relaying || !truth.starter_busy);
        // A server that hides behind another's name is nobody's that one could ask for.
        let meant = meant.and_then(|meant| self.server_named(meant));
        let is_gone = |server: ServerId| {
            let server = &self.servers[server as usize];
            !server.alive || server.truth.lock_lost || server.truth.misnamed
        };
        let (holds, truth) = (free || meant.is_some_and(is_gone), truth.clone());
        self.judge(Promise::NotRunningTrue, holds, || {
            format!("proxy {id} says that no server runs, or is being started; {truth:?}")
        });
    }

    fn judge_demand(&mut self, id: ProxyId, holder: Holder, signal: StopSignal) {
        let now = self.host_now();
        let truth = &mut self.proxies[id as usize].truth;
        let seen = truth.lock == Some(Lock::Held(holder));
        let server = truth.holder;
        let proper = match signal {
            StopSignal::Terminate => {
                truth.told_to_end = server.map(|server| (server, now));
                true
            }
            StopSignal::Kill => truth.told_to_end.is_some_and(|(told, at)| {
                Some(told) == server && now >= at + LaunchConfig::default().stop_grace
            }),
        };
        let truth = truth.clone();
        // Who could leave no word of it is about to replace that server all the same.
        if let Some(server) = server {
            self.servers[server as usize].truth.intended_at.get_or_insert(self.now);
        }
        self.judge(Promise::ProvenSignal, seen && proper, || {
            format!("proxy {id} asks for {signal:?} to {holder:?}; {truth:?}")
        });
    }

    /// Who gets a signal, against whom it was meant for.
    pub(in crate::world) fn judge_signal(
        &mut self,
        process: Process,
        signal: StopSignal,
        meant: Option<ServerId>,
    ) {
        let right = meant.is_some_and(|server| process == Process::Server(server));
        self.judge(Promise::ProvenSignal, right, || {
            format!("{signal:?} was meant for {meant:?} and sent to {process:?}")
        });
    }

    /// What a server left is removed: it must be dead, or nobody can see that it lives.
    pub(in crate::world) fn judge_clean(&mut self, id: ProxyId) {
        let living = self.servers.iter().position(|server| server.alive && !server.truth.lock_lost);
        self.judge(Promise::LivingKept, living.is_none(), || {
            format!("proxy {id} removes the files of server {living:?}, which lives")
        });
    }

    /// Whether something kept a proxy from starting a server, or the server from being ready.
    pub(super) fn could_not_start(&self, proxy: &Proxy<K::Launch>) -> bool {
        match proxy.spawned {
            Some(server) => !self.servers[server as usize].alive,
            None => {
                let LaunchTruth { waited, crowded, late, holder, .. } = proxy.truth;
                waited || crowded || late || holder.is_some()
            }
        }
    }
}
