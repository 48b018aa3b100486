//! What was said, held against what is true: the promises.
//!
//! ```text
//! truth    what really happened to servers and sessions
//! server   what servers keep, whom they let in, why they end
//! launch   what proxies ask for
//! life     how long a client may wait for a sign of life
//! distance how long a client's way takes
//! due      how long whoever waits has to
//! wish     what was asked for was done
//! comeback when a client may try to come back, and when it must
//! wait     how long what is said waits behind what was said before
//! ```
//!
//! What clients say is judged here.

mod comeback;
mod distance;
mod due;
mod launch;
mod life;
mod server;
mod truth;
mod wait;
mod wish;

use std::fmt;

pub(super) use comeback::Comeback;
pub(super) use distance::Distance;
pub(super) use due::Waits;
pub(super) use launch::LaunchTruth;
pub(super) use life::SignsOfLife;
use reattach::proto::limits::NOISE_BYTES_MAX;
use reattach::proto::verdict::EXIT_NOT_RUNNING;
use reattach::proto::{GoneReason, ProgramExit};
use reattach::session::client::{Cause, Closed, Refused, Status};
use reattach::session::{First, Time};
pub(super) use truth::{Paper, ServerTruth, garbled};
pub(super) use wait::Queues;
pub(super) use wish::Wishes;

use super::{ClientId, ServerId, World};
use crate::check::{Goal, Promise, timer_moves_on};
use crate::machine::Kit;

/// Frames that come over the frame bound of a client: the end of its input.
const FIN_FRAMES: u64 = 1;

impl<K: Kit> World<'_, K> {
    /// When a machine that was woken now wants to be woken next.
    pub(super) fn judge_timer(&mut self, who: fmt::Arguments<'_>, now: Time, due: Option<Time>) {
        self.judge(Promise::TimerMovesOn, timer_moves_on(now, due), || {
            format!("{who} was woken at {now} and wants to be woken at {} again", shown(due))
        });
    }

    /// The server that a client's link leads to.
    fn server_of(&self, client: ClientId) -> Option<ServerId> {
        let link = self.clients[client as usize].link?;
        let proxy = self.links[link as usize].proxy?;
        let conn = self.proxies[proxy as usize].conn?;
        self.conns[conn as usize].server
    }

    pub(super) fn judge_welcome(&mut self, client: ClientId, before: &Status) {
        let name = self.letter(client);
        let server = self.server_of(client);
        let process = &self.clients[client as usize];
        let session = &mut self.sessions[process.session as usize];
        let first = *session.server.get_or_insert(server.unwrap_or(ServerId::MAX));
        let tainted = self.is_tainted(self.session_of(client));
        if *before == Status::Reconnecting(self.scenario.setting.attempts_max) {
            self.goals.reach(Goal::LastAttempt);
        }
        let met = process.inner().instance();
        let same = server == Some(first) && met == Some(self.servers[first as usize].instance);
        let noise = process.link.map_or(0, |link| self.links[link as usize].noise);
        self.judge(Promise::BoundedMemory, noise <= NOISE_BYTES_MAX, || {
            format!("client {name} is attached behind {noise} bytes that are not the protocol")
        });
        self.judge(Promise::SameInstance, same || tainted, || {
            format!("client {name} met server {first} and is attached to {server:?}")
        });
    }

    pub(super) fn judge_not_running(&mut self, client: ClientId, reason: GoneReason, cause: &Cause) {
        let name = self.letter(client);
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
            GoneReason::Closed | GoneReason::Never | GoneReason::Orphaned | GoneReason::Unknown => {}
        }
        let session = self.session_of(client);
        let holds =
            self.is_tainted(session) || (self.is_home(client, by_proxy) && self.is_gone(client, reason));
        let truth = session.server.map(|id| (id, self.servers[id as usize].truth.clone()));
        let id = session.id;
        self.judge(Promise::NotRunningTrue, holds, || match truth {
            Some((server, truth)) => format!("client {name} is told {reason}; server {server}: {truth:?}"),
            None => format!("client {name} is told {reason}; its session {id:?} never met a server"),
        });
    }

    /// Whether the last way that a client has taken led to its own host, and, where it has a proxy's word, a
    /// proxy there has given it.
    fn is_home(&self, client: ClientId, by_proxy: bool) -> bool {
        let link = self.links.iter().rfind(|link| link.client == client);
        let proxy = link.and_then(|link| link.proxy).map(|proxy| &self.proxies[proxy as usize]);
        proxy.is_some_and(|proxy| !by_proxy || proxy.said == Some(EXIT_NOT_RUNNING))
    }

    pub(super) fn judge_refused(&mut self, client: ClientId, refused: &Refused) {
        let name = self.letter(client);
        if *refused == Refused::TakenOver {
            self.goals.reach(Goal::TakenOver);
        }
        let session = self.session_of(client);
        let holds = self.is_tainted(session) || self.is_refused(client, refused);
        self.judge(Promise::RefusalJustified, holds, || format!("client {name} is refused: {refused}"));
    }

    /// Whether the far side will not have a client, for that reason.
    fn is_refused(&self, client: ClientId, refused: &Refused) -> bool {
        let session = self.session_of(client);
        let Some(link) = self.links.iter().rfind(|link| link.client == client) else {
            return false;
        };
        let proxy = link.proxy.map(|proxy| &self.proxies[proxy as usize]);
        match refused {
            Refused::TakenOver => self.servers.iter().any(|server| server.truth.was_taken_from(session.id)),
            Refused::Busy => link.met_stranger && !self.asked_to_take_over(client),
            Refused::AlreadyRunning => link.first && proxy.is_some_and(|proxy| proxy.truth.holder.is_some()),
            Refused::NotStarted(_) => link.first && proxy.is_some_and(|proxy| self.could_not_start(proxy)),
            // Nothing was heard of the proxy, so that it cannot have carried a Hello.
            // And its ssh has ended: while that asks for a password, nobody gives up.
            Refused::Unreachable(_) => {
                let ended = !link.started && link.exit.is_some();
                let tried = !link.turned_away || self.tried_enough(client);
                ended && tried && self.owned_by(session.id).is_none()
            }
            // Before a proxy was heard; what comes later in a server's place is no server.
            Refused::Protocol(_) => link.noise > NOISE_BYTES_MAX && link.initial && !link.started,
            Refused::Gap(_) => false,
        }
    }

    pub(super) fn judge_closed(&mut self, client: ClientId, closed: Closed) {
        let name = self.letter(client);
        let session = self.session_of(client);
        let (by_user, tainted) = (session.closed_by_user, self.is_tainted(session));
        let program = session.server.map(|server| &self.servers[server as usize].program);
        let exit = program.and_then(|program| program.exit);
        // What the program said before its end came before the word of its end.
        let said = program.map_or(0, |program| program.said);
        let newcomer = session.first == First::Takeover;
        let heard = self.clients[client as usize].editor.heard(newcomer);
        let holds = match closed {
            Closed::ByUser => by_user,
            Closed::ProgramEnded(told) => {
                self.goals.reach(Goal::ProgramEnded);
                exit == Some(told)
            }
        };
        let ended = |exit: Option<ProgramExit>| exit.map_or("no".to_owned(), |exit| format!("{exit:?}"));
        self.judge(Promise::EndJustified, holds || tainted, || {
            format!("client {name} is {closed:?}; by its user: {by_user}, its program's end: {}", ended(exit))
        });
        if matches!(closed, Closed::ProgramEnded(_)) {
            self.judge(Promise::DeliveredOnce, heard.is_none_or(|heard| heard == said) || tainted, || {
                format!("client {name} had {heard:?} of {said} outputs when its program had ended")
            });
        }
    }

    /// What a client is and keeps, after every change.
    #[inline]
    pub(super) fn judge_client(&mut self, client: ClientId) {
        self.judge_promptness(client);
        self.judge_says_something(client);
        let name = self.letter(client);
        let process = &self.clients[client as usize];
        let machine = process.inner();
        let (outbox, inbox) = (machine.outbox(), machine.inbox());
        let (window, message) = (self.scenario.setting.window as usize, self.message_bytes);
        let frames = outbox.last() + 1 - outbox.first();
        let frames_max = u64::from(self.scenario.setting.window_frames);
        let bounded = outbox.unacked_bytes() < window + message
            && frames <= frames_max + FIN_FRAMES
            && inbox.unconsumed_bytes() < window + message
            && inbox.unconsumed() as u64 <= frames_max + server::EXIT_FRAMES;
        let bounded = bounded || self.is_tainted(&self.sessions[process.session as usize]);
        let told = machine.status() == process.status;
        self.checks.judge(self.now, Promise::BoundedMemory, bounded, || {
            format!("client {name} keeps {frames} frames, {outbox:?}, {inbox:?}")
        });
        self.checks.judge(self.now, Promise::OutsideIsInside, told, || {
            format!("client {name} was announced as {} and is {}", process.status, machine.status())
        });
        if process.status.is_attached() {
            Self::note_pace(&mut self.goals, outbox, &self.scenario.setting);
            let now = self.now + self.weather.laptop_clock;
            let until = process.life.until();
            let due = machine.poll_timeout();
            let armed = now <= until && due.is_some_and(|due| due <= until);
            self.checks.judge(self.now, Promise::HeartbeatArmed, armed, || {
                let due = shown(due);
                format!("client {name} must give up at {until} without a sign of life; at {now} it sleeps until {due}")
            });
        }
    }
}

/// When something is due.
fn shown(due: Option<Time>) -> String {
    due.map_or_else(|| "never".to_owned(), |due| due.to_string())
}
