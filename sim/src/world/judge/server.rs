//! What servers do, held against the world: what they keep, whom they let in, why they end.

use std::time::Duration;

use reattach::proto::limits::SILENCE_MAX;
use reattach::proto::{GoneReason, Hello, SessionId};
use reattach::session::outbox::Outbox;

use super::super::server::ServerProcess;
use super::super::{ConnId, ServerId, World};
use super::FIN_FRAMES;
use crate::check::{Goal, Promise};
use crate::machine::{Kit, ServerMachine as _};

/// Frames that come over the frame bound of a server: the ends of its program's outputs, and of the program.
pub(super) const EXIT_FRAMES: u64 = 3;

/// Who had the server before a Hello.
pub(in crate::world) struct Before {
    owner: Option<SessionId>,
    attached: Option<u64>,
    ended: bool,
    /// How long nobody was attached.
    away: Option<Duration>,
}

impl<K: Kit> World<'_, K> {
    /// What a server is and keeps, after every change.
    #[inline]
    pub(in crate::world) fn judge_server(&mut self, id: ServerId) {
        let process = &mut self.servers[id as usize];
        let Some(machine) = &process.machine else {
            return;
        };
        let machine = machine.inner();
        let (outbox, inbox) = (machine.outbox(), machine.inbox());
        if inbox.unconsumed() == 0 {
            process.truth.takeovers = 0;
        }
        let (window, message) = (self.scenario.setting.window as usize, self.message_bytes);
        let frames = outbox.last() + 1 - outbox.first();
        let frames_max = u64::from(self.scenario.setting.window_frames);
        let kept = outbox.unacked_bytes() < window + message && frames <= frames_max + EXIT_FRAMES;
        // One client leaves a window, and the message that was one too many. Those who take over
        // share a second window; where that is used up, each may send one message.
        let takeovers = process.truth.takeovers;
        let senders = 1 + takeovers;
        let waiting_max = if takeovers == 0 { window + message } else { 2 * window + message * senders };
        let frames_in_max = (frames_max + FIN_FRAMES) * senders as u64;
        let waits = inbox.unconsumed_bytes() < waiting_max && inbox.unconsumed() as u64 <= frames_in_max;
        let bounded = (kept && waits) || process.truth.tainted;
        self.checks.judge(self.now, Promise::BoundedMemory, bounded, || {
            format!("server {id} keeps {frames} frames for {senders} clients, {outbox:?}, {inbox:?}")
        });
        let attached = machine.attached();
        self.judge_owed(id);
        let Some(machine) = &self.servers[id as usize].machine else {
            return;
        };
        let machine = machine.inner();
        if let Some(transport) = attached {
            Self::note_pace(&mut self.goals, machine.outbox(), &self.scenario.setting);
            let latest = self.now + self.host.clock + SILENCE_MAX;
            let due = machine.poll_timeout();
            self.checks.judge(
                self.now,
                Promise::HeartbeatArmed,
                due.is_some_and(|due| due <= latest),
                || format!("server {id} is attached, and waits until {due:?} for a sign of life"),
            );
            let conn = &self.conns[transport as usize];
            let open = conn.opened && !conn.server_gone && conn.server == Some(id);
            self.checks.judge(self.now, Promise::OneAttachment, open, || {
                format!("server {id} is attached to transport {transport}, which it has closed")
            });
        }
    }

    /// A server starts: no other may live, but for one whose lock nobody can see any more.
    pub(in crate::world) fn judge_one_server(&mut self, id: ServerId) {
        let lives = |(other, server): (usize, &ServerProcess<K::Server>)| {
            other != id as usize && server.alive && !server.truth.lock_lost
        };
        let other = self.servers.iter().enumerate().any(lives);
        self.judge(Promise::OneServer, !other, || format!("server {id} starts beside another"));
    }

    pub(in crate::world) fn before_hello(&self, id: ServerId) -> Before {
        let process = &self.servers[id as usize];
        let machine = process.machine.as_ref().map(|machine| machine.inner());
        Before {
            owner: machine.and_then(|machine| machine.owner()),
            attached: machine.and_then(|machine| machine.attached()),
            ended: process.has_ended(),
            away: process.truth.detached_at.map(|since| self.host_now().since(since)),
        }
    }

    /// Who is let in: the owner always, a stranger never, unless it takes over.
    pub(in crate::world) fn judge_hello(
        &mut self,
        id: ServerId,
        conn: ConnId,
        hello: &Hello,
        before: Before,
    ) {
        let process = &mut self.servers[id as usize];
        let attached = process.machine.as_ref().and_then(|machine| machine.inner().attached());
        let accepted = attached == Some(u64::from(conn)) && !before.ended;
        let instance = process.instance;
        let newest = process.truth.owner_attempt;
        if accepted {
            process.truth.owner_attempt = hello.attempt;
            let newcomer = before.owner.is_some_and(|owner| owner != hello.session);
            process.truth.takeovers += usize::from(newcomer);
            if process.truth.owners.last() != Some(&hello.session) {
                process.truth.owners.push(hello.session);
            }
        }
        let owner = before.owner == Some(hello.session);
        let stranger = before.owner.is_some() && !owner;
        let tainted = process.truth.tainted;
        if stranger {
            let link = self.proxies[self.conns[conn as usize].proxy as usize].link;
            self.links[link as usize].met_stranger = true;
        }
        if before.ended {
            self.goals.reach(Goal::Ending);
            return;
        }
        let setting = &self.scenario.setting;
        if accepted && owner && setting.nameless && before.away >= Some(setting.orphan_lifetime) {
            self.goals.reach(Goal::NotOrphaned);
        }
        if accepted && owner && before.attached.is_some() {
            self.goals.reach(Goal::ZombieDisplaced);
        }
        if let Some(old) = before.attached.filter(|old| accepted && *old != u64::from(conn)) {
            self.judge_displaced(id, ConnId::try_from(old).expect("transports are connections"));
        }
        if owner && hello.attempt <= newest {
            self.goals.reach(Goal::StaleAttempt);
            self.judge(Promise::StaleIgnored, !accepted || tainted, || {
                format!("attempt {} came after {newest} and was let in", hello.attempt)
            });
        } else if owner {
            let right = hello.instance.is_none_or(|expected| expected == instance);
            self.judge(Promise::OwnerGetsIn, accepted || !right || tainted, || {
                format!("server {id} does not let its owner in: {hello:?}")
            });
        }
        if stranger {
            if !accepted {
                self.goals.reach(Goal::Busy);
            }
            self.judge(Promise::StrangerKeptOut, !accepted || hello.takeover || tainted, || {
                format!("server {id} lets a stranger in: {hello:?}")
            });
        }
    }

    /// Whether a server ends for the reason that it gives.
    pub(in crate::world) fn judge_end(&mut self, id: ServerId, reason: GoneReason) {
        let now = self.host_now();
        let process = &self.servers[id as usize];
        let truth = &process.truth;
        let owner = process.machine.as_ref().and_then(|machine| machine.inner().owner());
        let owner = self.sessions.iter().find(|session| Some(session.id) == owner);
        let setting = &self.scenario.setting;
        let away = truth.detached_at.map_or(Duration::ZERO, |since| now.since(since));
        let lifetime = if truth.met { setting.idle_lifetime } else { setting.unmet_lifetime };
        let kept = process.machine.as_ref().map(|machine| machine.inner().outbox());
        let all_said = truth.exit_sent && kept.is_some_and(Outbox::is_empty);
        let holds = match reason {
            GoneReason::Idle => truth.met && away >= setting.idle_lifetime,
            GoneReason::Unmet => !truth.met && away >= setting.unmet_lifetime,
            GoneReason::Closed => owner.is_some_and(|session| session.closed_by_user),
            // Nobody else's death counts, and a name is somebody else's to come back to.
            GoneReason::Orphaned => {
                let died = owner.is_some_and(|session| session.death.is_some());
                // An excuse belongs to the transport that was the last.
                let last = || self.conns.iter().rfind(|conn| conn.server == Some(id) && conn.opened);
                let apart = || last().is_some_and(|conn| conn.ended_apart);
                setting.nameless
                    && (died || apart())
                    && away >= setting.orphan_lifetime.min(setting.idle_lifetime)
            }
            // Its client has heard everything, or did not come for it.
            GoneReason::Exited(exit) => {
                let orphaned = owner.is_some_and(|session| session.death.is_some()) && setting.nameless;
                let lifetime = if orphaned { lifetime.min(setting.orphan_lifetime) } else { lifetime };
                process.program.exit == Some(exit) && (all_said || away >= lifetime)
            }
            GoneReason::Stopped | GoneReason::Replaced => truth.terminated,
            GoneReason::Crashed | GoneReason::Rebooted | GoneReason::Never | GoneReason::Unknown => false,
        };
        if reason == GoneReason::Replaced {
            self.goals.reach(Goal::Replaced);
        } else if reason == GoneReason::Orphaned {
            self.goals.reach(Goal::Orphaned);
        }
        let tainted = truth.tainted || owner.is_some_and(|session| session.tainted);
        self.judge(Promise::EndJustified, holds || tainted, || {
            format!("server {id} ends as {reason} after {away:?} without a client")
        });
    }
}
