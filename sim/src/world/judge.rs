//! What is true, and what was said: the promises, held against the world.

use std::time::Duration;

use reattach::proto::{GoneReason, Hello, SessionId};
use reattach::session::client::{Cause, Closed, Refused, Status};
use reattach::session::{Time, server};

use super::{ClientId, ConnId, ServerId, World};
use crate::check::{Goal, Promise};
use crate::machine::{Kit, ServerMachine as _};

/// Bytes that one message may have over the byte bound.
const MESSAGE_SLACK: usize = 4096;

/// Frames that may come over the frame bound: the ends of channels and of the program.
const FRAME_SLACK: u64 = 3;

/// Time between the word that a server is about to be replaced and the signal.
const INTENT_GRACE: Duration = Duration::from_secs(5);

/// What the world knows about a server, whatever it says itself.
#[derive(Clone, Debug, Default)]
pub(super) struct ServerTruth {
    /// A client was attached.
    pub(super) met: bool,
    /// Since when nobody is.
    pub(super) detached_at: Time,
    /// What ended it.
    pub(super) end: Option<GoneReason>,
    /// It could leave no word.
    pub(super) killed: bool,
    /// It got as far as its record.
    pub(super) recorded: bool,
    /// Files that would explain its end were damaged or could not be written.
    pub(super) disturbed: bool,
    /// A starter has removed its files since.
    pub(super) cleaned: bool,
    /// When a starter left word that it is about to replace it.
    pub(super) intended_at: Option<Time>,
    pub(super) died_at: Time,
    /// SIGTERM was sent to it.
    pub(super) terminated: bool,
    /// The host went down since it was started.
    pub(super) rebooted_since: bool,
    /// Sessions that took over: what their predecessors left comes on top of the bound.
    takeovers: u64,
    /// The highest attempt of its owner that it accepted.
    owner_attempt: u64,
}

/// Who had the server before a Hello.
pub(super) struct Before {
    owner: Option<SessionId>,
    attached: Option<u64>,
    ended: bool,
}

impl<K: Kit> World<'_, K> {
    /// The count that the user sees, against the world's own.
    pub(super) fn judge_count(&mut self, client: ClientId, status: &Status) {
        let tries = self.clients[client as usize].tries;
        let attempts_max = self.scenario.setting.attempts_max;
        match status {
            Status::Reconnecting(shown) | Status::ReconnectFailed(shown) => {
                self.judge(Promise::AttemptsCounted, *shown == tries, || {
                    format!("client {client} shows attempt {shown}, it is number {tries}")
                });
            }
            Status::ReconnectExhausted => self.judge(Promise::AttemptsMax, tries == attempts_max, || {
                format!("client {client} stops after {tries} attempts, {attempts_max} were due")
            }),
            Status::Connecting
            | Status::Connected
            | Status::HeartbeatMissed(_)
            | Status::ServerNotRunning(_)
            | Status::Refused(_)
            | Status::Closed(_) => {}
        }
    }

    /// The server that a client's link leads to.
    fn server_of(&self, client: ClientId) -> Option<ServerId> {
        let link = self.clients[client as usize].link?;
        let proxy = self.links[link as usize].proxy?;
        let conn = self.proxies[proxy as usize].conn?;
        self.conns[conn as usize].server
    }

    pub(super) fn judge_welcome(&mut self, client: ClientId, before: &Status) {
        let server = self.server_of(client);
        let process = &self.clients[client as usize];
        let session = &mut self.sessions[process.session as usize];
        let first = *session.server.get_or_insert(server.unwrap_or(ServerId::MAX));
        let tainted = session.tainted;
        if *before == Status::Reconnecting(self.scenario.setting.attempts_max) {
            self.goals.reach(Goal::LastAttempt);
        }
        let met = process.inner().instance();
        let same = server == Some(first) && met == Some(self.servers[first as usize].instance);
        self.judge(Promise::SameInstance, same || tainted, || {
            format!("client {client} met server {first} and is attached to {server:?}")
        });
    }

    pub(super) fn judge_not_running(&mut self, client: ClientId, reason: GoneReason, cause: &Cause) {
        // Said by a proxy that found no server, or by the server that took its place.
        let by_proxy = matches!(cause, Cause::Exited(..));
        self.goals.reach(if by_proxy { Goal::Believed90 } else { Goal::OtherInstance });
        match reason {
            GoneReason::Crashed => self.goals.reach(Goal::GoneCrashed),
            GoneReason::Stopped => self.goals.reach(Goal::GoneStopped),
            GoneReason::Idle => self.goals.reach(Goal::GoneIdle),
            GoneReason::Unmet => self.goals.reach(Goal::GoneUnmet),
            GoneReason::Replaced => self.goals.reach(Goal::GoneReplaced),
            GoneReason::Rebooted => self.goals.reach(Goal::GoneRebooted),
            GoneReason::Exited(_) => self.goals.reach(Goal::GoneExited),
            GoneReason::Closed | GoneReason::Unknown => {}
        }
        let session = &self.sessions[self.clients[client as usize].session as usize];
        let holds = self.weather.lock_lost || session.tainted || self.is_true(session, reason);
        let truth = session.server.map(|id| (id, self.servers[id as usize].truth.clone()));
        let id = session.id;
        self.judge(Promise::NotRunningTrue, holds, || match truth {
            Some((server, truth)) => format!("client {client} is told {reason}; server {server}: {truth:?}"),
            None => format!("client {client} is told {reason}, and a server of its session {id:?} lives"),
        });
    }

    /// Whether the session's server is gone, for that reason as far as anybody can know.
    fn is_true(&self, session: &super::client::Session, reason: GoneReason) -> bool {
        let Some(id) = session.server else {
            // It never met one: none may live that took its Hello.
            let owns = |server: &super::server::ServerProcess<K::Server>| {
                server.machine.as_ref().is_some_and(|machine| machine.inner().owner() == Some(session.id))
            };
            return !self.servers.iter().any(|server| server.is_running() && owns(server));
        };
        let truth = &self.servers[id as usize].truth;
        if self.servers[id as usize].alive {
            return false;
        }
        let newer = self.servers.iter().skip(id as usize + 1).any(|server| server.truth.recorded);
        let unexplained = truth.disturbed || (truth.cleaned && !newer);
        match reason {
            _ if truth.end == Some(reason) => true,
            // It died by itself while somebody was about to replace it: either word is true.
            GoneReason::Replaced => {
                let replaced = |intended: Time| truth.died_at <= intended + INTENT_GRACE;
                // A starter that has cleaned up is about to put another in its place.
                newer || truth.cleaned || truth.intended_at.is_some_and(replaced)
            }
            // A starter that failed has removed the files; nothing is known any more.
            GoneReason::Unknown => unexplained || truth.cleaned,
            GoneReason::Rebooted => truth.rebooted_since && (truth.killed || truth.disturbed),
            GoneReason::Crashed => truth.disturbed || truth.killed,
            GoneReason::Stopped
            | GoneReason::Idle
            | GoneReason::Unmet
            | GoneReason::Closed
            | GoneReason::Exited(_) => false,
        }
    }

    pub(super) fn judge_refused(&mut self, client: ClientId, refused: &Refused) {
        let process = &self.clients[client as usize];
        let session = &self.sessions[process.session as usize];
        let (id, tainted) = (session.id, session.tainted);
        let started = self.links.iter().rfind(|link| link.client == client).is_some_and(|link| link.started);
        let strangers = self.servers.iter().any(|server| {
            let owner = server.machine.as_ref().and_then(|machine| machine.inner().owner());
            owner.is_some_and(|owner| owner != id)
        });
        let holds = match refused {
            Refused::TakenOver | Refused::Busy => strangers,
            Refused::AlreadyRunning | Refused::NotStarted(_) => started,
            Refused::Unreachable(_) => !started,
            Refused::Gap(_) | Refused::Protocol(_) => false,
        };
        if *refused == Refused::TakenOver {
            self.goals.reach(Goal::TakenOver);
        }
        self.judge(Promise::RefusalJustified, holds || tainted, || {
            format!("client {client} is refused: {refused}")
        });
    }

    pub(super) fn judge_closed(&mut self, client: ClientId, closed: Closed) {
        let session = &self.sessions[self.clients[client as usize].session as usize];
        let (by_user, tainted) = (session.closed_by_user, session.tainted);
        let exit = session.server.and_then(|server| self.servers[server as usize].program.exit);
        let holds = match closed {
            Closed::ByUser => by_user,
            Closed::ProgramEnded(told) => {
                self.goals.reach(Goal::ProgramEnded);
                exit == Some(told)
            }
        };
        self.judge(Promise::EndJustified, holds || tainted, || {
            format!("client {client} is {closed:?}; by its user: {by_user}, its program's end: {exit:?}")
        });
    }

    /// What a client is and keeps, after every change.
    #[inline]
    pub(super) fn judge_client(&mut self, client: ClientId) {
        let process = &self.clients[client as usize];
        let machine = process.inner();
        let (outbox, inbox) = (machine.outbox(), machine.inbox());
        let setting = &self.scenario.setting;
        let frames = outbox.last() + 1 - outbox.first();
        let frames_max = u64::from(setting.window_frames) + FRAME_SLACK;
        let bounded = outbox.unacked_bytes() <= setting.window as usize + MESSAGE_SLACK
            && frames <= frames_max
            && inbox.unconsumed() as u64 <= frames_max;
        let told = machine.status() == process.status;
        let attached = process.status.is_attached();
        let interval = reattach::proto::limits::HEARTBEAT_INTERVAL;
        let latest = self.now + self.weather.laptop_clock + interval;
        let armed = !attached || machine.poll_timeout().is_some_and(|due| due <= latest);
        self.checks.judge(self.now, Promise::BoundedMemory, bounded, || {
            format!("client {client} keeps {frames} frames, {outbox:?}, {inbox:?}")
        });
        self.checks.judge(self.now, Promise::OutsideIsInside, told, || {
            format!("client {client} was announced as {} and is {}", process.status, machine.status())
        });
        if attached {
            self.checks.judge(self.now, Promise::HeartbeatArmed, armed, || {
                format!("client {client} is attached and will not look for a sign of life in time")
            });
        }
    }

    /// What a server is and keeps, after every change.
    #[inline]
    pub(super) fn judge_server(&mut self, id: ServerId) {
        let Some(machine) = &self.servers[id as usize].machine else {
            return;
        };
        let machine = machine.inner();
        let (outbox, inbox) = (machine.outbox(), machine.inbox());
        let setting = &self.scenario.setting;
        let frames = outbox.last() + 1 - outbox.first();
        let frames_max = u64::from(setting.window_frames) + FRAME_SLACK;
        let bounded = outbox.unacked_bytes() <= setting.window as usize + MESSAGE_SLACK
            && frames <= frames_max
            && inbox.unconsumed() as u64 <= frames_max * (1 + self.servers[id as usize].truth.takeovers);
        self.checks.judge(self.now, Promise::BoundedMemory, bounded, || {
            format!("server {id} keeps {frames} frames, {outbox:?}, {inbox:?}")
        });
        if let Some(transport) = machine.attached() {
            let conn = &self.conns[transport as usize];
            let open = conn.opened && !conn.server_gone && conn.server == Some(id);
            self.checks.judge(self.now, Promise::OneAttachment, open, || {
                format!("server {id} is attached to transport {transport}, which it has closed")
            });
        }
    }

    pub(super) fn judge_one_server(&mut self, id: ServerId) {
        let lives = |(other, server): (usize, &super::server::ServerProcess<K::Server>)| {
            other != id as usize && server.is_running()
        };
        let other = self.servers.iter().enumerate().any(lives);
        let lost = self.weather.lock_lost;
        self.judge(Promise::OneServer, !other || lost, || format!("server {id} starts beside another"));
    }

    pub(super) fn before_hello(&self, id: ServerId) -> Before {
        let process = &self.servers[id as usize];
        let machine = process.machine.as_ref().map(|machine| machine.inner());
        Before {
            owner: machine.and_then(|machine| machine.owner()),
            attached: machine.and_then(|machine| machine.attached()),
            ended: matches!(process.status, server::Status::Ended(_)),
        }
    }

    /// Who is let in: the owner always, a stranger never, unless it takes over.
    pub(super) fn judge_hello(&mut self, id: ServerId, conn: ConnId, hello: &Hello, before: Before) {
        let process = &mut self.servers[id as usize];
        let attached = process.machine.as_ref().and_then(|machine| machine.inner().attached());
        let accepted = attached == Some(u64::from(conn)) && !before.ended;
        let instance = process.instance;
        let newest = process.truth.owner_attempt;
        if accepted {
            process.truth.owner_attempt = hello.attempt;
            let newcomer = before.owner.is_some_and(|owner| owner != hello.session);
            process.truth.takeovers += u64::from(newcomer);
        }
        let owner = before.owner == Some(hello.session);
        let stranger = before.owner.is_some() && !owner;
        let tainted = self.sessions.iter().any(|session| session.tainted);
        if before.ended {
            self.goals.reach(Goal::Ending);
            return;
        }
        if accepted && owner && before.attached.is_some() {
            self.goals.reach(Goal::ZombieDisplaced);
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
    pub(super) fn judge_end(&mut self, id: ServerId, reason: GoneReason) {
        let now = self.host_now();
        let process = &self.servers[id as usize];
        let truth = &process.truth;
        let owner = process.machine.as_ref().and_then(|machine| machine.inner().owner());
        let owner = self.sessions.iter().find(|session| Some(session.id) == owner);
        let setting = &self.scenario.setting;
        let away = now.since(truth.detached_at);
        let holds = match reason {
            GoneReason::Idle => truth.met && away >= setting.idle_lifetime,
            GoneReason::Unmet => !truth.met && away >= setting.unmet_lifetime,
            GoneReason::Closed => owner.is_some_and(|session| session.closed_by_user),
            GoneReason::Exited(exit) => process.program.exit == Some(exit),
            GoneReason::Stopped | GoneReason::Replaced => truth.terminated,
            GoneReason::Crashed | GoneReason::Rebooted | GoneReason::Unknown => false,
        };
        if reason == GoneReason::Replaced {
            self.goals.reach(Goal::Replaced);
        }
        let tainted = self.sessions.iter().any(|session| session.tainted);
        self.judge(Promise::EndJustified, holds || tainted, || {
            format!("server {id} ends as {reason} after {away:?} without a client")
        });
    }
}
