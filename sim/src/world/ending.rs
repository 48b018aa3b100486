//! How a run ends: the faults end, everything settles, the sessions close, nothing is left.

use std::time::Duration;

use reattach::proto::limits;
use reattach::session::client::{Input, Status};

use super::conn::Conn;
use super::link::{CLOSE_GRACE, ROOM_BYTES};
use super::queue::EventKind;
use super::{ClientId, LinkId, World};
use crate::check::Promise;
use crate::machine::{ClientMachine as _, Kit, ServerMachine as _};
use crate::scenario::Mode;
use crate::trace::Mark;

/// Time between two looks whether everything has settled.
const LOOK: Duration = Duration::from_millis(500);

/// Time that some runs go on when everything has settled: longer than anybody bears a silence.
const CALM: Duration = limits::SILENCE_MAX.saturating_add(limits::HEARTBEAT_INTERVAL);

/// Time after the last fault in which news that it has delayed may still be on its way.
const LATE: Duration = Duration::from_secs(10);

/// One of so many seeds goes on: nothing but heartbeats is to be seen there.
const CALM_SEEDS: u64 = 4;

/// Time that a hostile run goes on after its faults: long enough to do harm.
const AFTERMATH: Duration = Duration::from_secs(30);

/// Time in which what a session used ends after its Bye has arrived: the program's grace, ssh's own,
/// and what the kernel needs.
const TIDY: Duration = limits::APP_GRACE.saturating_add(CLOSE_GRACE).saturating_add(Duration::from_secs(1));

/// Steps of processes on the host between a Bye and the last of their ends.
const TIDY_STEPS: u32 = 100;

impl<K: Kit> World<'_, K> {
    /// The network is good again. Most laptops tell their programs; on the others everybody has to find
    /// out. No user lends a hand.
    pub(super) fn on_heal(&mut self) {
        self.healed_at = self.now;
        self.settle_until = self.now
            + match self.scenario.mode {
                Mode::Recoverable => self.scenario.setting.settle_bound(),
                Mode::Hostile => AFTERMATH,
            };
        self.film(|_| Mark::Chapter { what: "no more faults; the network is good" });
        self.settle_accounts();
        for client in 0..self.clients.len() as ClientId {
            self.weather.client_mut(client).next_proxy_dies = None;
            // What is on its way is to be answered; what was not yet asked, nobody waits for.
            self.clients[client as usize].editor.stop_asking();
            if self.scenario.setting.wake_told {
                self.wake_client(client, Input::NetworkUp);
            }
        }
        self.after(LOOK, EventKind::Settle, 0);
    }

    pub(super) fn on_settle(&mut self) {
        if std::mem::take(&mut self.calm) {
            self.judge(Promise::StaysSettled, true, String::new);
            return self.on_finish();
        }
        let late = self.now >= self.settle_until;
        let unsettled = (0..self.clients.len() as ClientId).find_map(|client| self.unsettled(client));
        match (self.scenario.mode, unsettled) {
            (Mode::Hostile, _) if late => self.on_finish(),
            (Mode::Recoverable, None) => {
                self.judge(Promise::SettledInTime, true, String::new);
                if !self.scenario.seed.is_multiple_of(CALM_SEEDS) {
                    self.on_finish();
                } else if self.now < self.healed_at + LATE {
                    self.after(LOOK, EventKind::Settle, 0);
                } else {
                    self.calm = true;
                    self.after(CALM, EventKind::Settle, 0);
                }
            }
            (Mode::Recoverable, Some(why)) if late => {
                self.judge(Promise::SettledInTime, false, || why);
            }
            (Mode::Hostile, _) => self.after(LOOK, EventKind::Settle, 0),
            (Mode::Recoverable, Some(_)) => {
                self.judge_comeback();
                self.after(LOOK, EventKind::Settle, 0);
            }
        }
    }

    /// What a client has become. Once everything has settled, an end may still come from the host, where
    /// somebody else's proxy is at work; its link carries.
    pub(super) fn judge_calm(&mut self, client: ClientId, status: &Status) {
        if !self.calm {
            return;
        }
        let stays = match status {
            Status::Connected | Status::ServerNotRunning(_) | Status::Refused(_) | Status::Closed(_) => true,
            Status::Connecting
            | Status::HeartbeatMissed(_)
            | Status::Reconnecting(_)
            | Status::ReconnectFailed(_)
            | Status::ReconnectExhausted => false,
        };
        let who = self.client_name(client);
        self.judge(Promise::StaysSettled, stays, || format!("{who} was settled, and is {status}"));
    }

    /// Who is not attached by now although its server lives has not come back.
    fn judge_comeback(&mut self) {
        for client in 0..self.clients.len() as ClientId {
            let process = &self.clients[client as usize];
            if process.status.is_final() || process.is_killed {
                continue;
            }
            let session = self.session_of(client);
            let lives = session.server.is_some_and(|server| {
                let server = &self.servers[server as usize];
                server.is_running() && !server.has_ended()
            });
            let bound = self.comeback_bound(client);
            let attached = process.status.is_attached();
            let holds = attached || !lives || self.now <= self.healed_at + bound || self.may_give_up(client);
            let (who, status) = (self.client_name(client), process.status.clone());
            self.judge(Promise::ComesBack, holds, || {
                format!("{who} is {status} {bound:?} after the network was good again, and its server lives")
            });
        }
    }

    /// Time in which a client is attached again once the network is good. Where the kernel tells of it, an
    /// attempt under way is replaced, or has said Hello by then; elsewhere an open and a pause may last as
    /// long as they get.
    fn comeback_bound(&self, client: ClientId) -> Duration {
        let setting = &self.scenario.setting;
        let login = setting.ssh_time * 2 + setting.latency * 8 + setting.step_time * 200;
        let dead_link = limits::HEARTBEAT_INTERVAL * (1 + limits::HEARTBEAT_MISSES_MAX);
        let hello = limits::ATTACH_TIMEOUT + limits::EXIT_WAIT;
        let hints = self.clients[client as usize].comeback.hints;
        let replaced =
            limits::HINT_GRACE.saturating_mul(2u32.saturating_pow(hints)).min(limits::OPEN_TIMEOUT);
        let found_out = if setting.wake_told {
            limits::PROBE_TIMEOUT.max(self.clients[client as usize].distance.network_probe_most()) + replaced
        } else {
            dead_link + limits::OPEN_TIMEOUT + limits::PATIENCE_MAX * 5 / 4
        };
        // An ssh that is slower than the first opens of an outage may be comes through after a pause.
        let opens = match login > limits::OPEN_TIMEOUT_MIN {
            true => {
                self.scenario.setting.budget_bound() + limits::PATIENCE_MIN * 5 / 4 + limits::OPEN_TIMEOUT
            }
            false => Duration::ZERO,
        };
        LATE + found_out + hello + limits::ALLOWANCE_EVERY + limits::BACKOFF_MIN * 5 / 4 + opens + login * 2
    }

    /// Why a client is not where it has to be in the end; `None` if it is.
    fn unsettled(&self, client: ClientId) -> Option<String> {
        let process = &self.clients[client as usize];
        let who = self.client_name(client);
        match &process.status {
            _ if process.is_killed => None,
            Status::Connected if !process.editor.is_satisfied() => {
                Some(format!("{who} has {} requests without an answer", process.editor.open_requests()))
            }
            Status::Connected if !process.machine.inner().all_confirmed() => {
                Some(format!("{who} has messages that were never confirmed"))
            }
            Status::Connected => {
                let session = &self.sessions[process.session as usize];
                let server = session.server.map(|server| &self.servers[server as usize]);
                match server {
                    Some(server) if server.program.exit.is_some() => {
                        Some(format!("{who} was not told that its program has ended"))
                    }
                    Some(server) if !server.alive => Some(format!("{who} is connected to a dead server")),
                    Some(_) if !self.is_attached(client) => Some(format!(
                        "{who} is connected over a link that is dead, or that its server has lost"
                    )),
                    Some(_) => None,
                    None => Some(format!("{who} is connected to nothing")),
                }
            }
            Status::ReconnectExhausted if self.has_given_up(client) => None,
            // Whether they are true was judged when they were said; who has a server that waits for it
            // belongs there.
            Status::ServerNotRunning(_) | Status::Refused(_) => {
                let waits = self.owned_by(self.session_of(client).id).filter(|server| !server.has_ended());
                waits.map(|_| format!("{who} is {}, and its server waits for it", process.status))
            }
            Status::Closed(_) => None,
            Status::Connecting
            | Status::HeartbeatMissed(_)
            | Status::Reconnecting(_)
            | Status::ReconnectFailed(_)
            | Status::ReconnectExhausted => Some(format!("{who} is {}", process.status)),
        }
    }

    /// Whether a client's link carries, and leads to where its server is attached.
    fn is_attached(&self, client: ClientId) -> bool {
        let link = self.clients[client as usize].link.map(|link| &self.links[link as usize]);
        let proxy = link
            .filter(|link| !link.broken)
            .and_then(|link| link.proxy)
            .map(|proxy| &self.proxies[proxy as usize]);
        let Some(conn) = proxy.filter(|proxy| proxy.alive).and_then(|proxy| proxy.conn) else {
            return false;
        };
        let server = self.conns[conn as usize].server.map(|server| &self.servers[server as usize]);
        let machine = server.and_then(|server| server.machine.as_ref());
        machine.is_some_and(|machine| machine.inner().attached() == Some(u64::from(conn)))
    }

    /// All users leave; links that are dead without knowing it are found out by their keepalives.
    pub(super) fn on_finish(&mut self) {
        self.finished_at = Some(self.now);
        self.note(|_| ("world".to_owned(), "all sessions end".to_owned(), String::new()));
        self.film(|_| Mark::Chapter { what: "all sessions end" });
        for client in 0..self.clients.len() as ClientId {
            let process = &self.clients[client as usize];
            if process.is_killed {
                continue;
            }
            let link = process.link.filter(|link| !self.links[*link as usize].broken);
            if process.status == Status::Connected {
                self.leaving.extend(link);
            }
            if !process.status.is_final() {
                self.close_client(client);
            }
        }
        for link in 0..self.links.len() as u32 {
            if self.links[link as usize].broken {
                self.links[link as usize].broken = false;
                self.hang_up(link);
            }
            self.end_lonely_ssh(link);
        }
        let setting = &self.scenario.setting;
        let bytes = u64::try_from(ROOM_BYTES).expect("small") + u64::from(setting.window);
        let carried = Duration::from_millis(bytes / u64::from(setting.bandwidth.max(1)));
        self.after(TIDY + carried + setting.latency * 4 + setting.step_time * TIDY_STEPS, EventKind::Tidy, 0);
    }

    /// The sessions that were closed over a good link have left nothing; the others' servers end
    /// when their lifetimes do.
    pub(super) fn on_tidy(&mut self) {
        if self.scenario.mode == Mode::Recoverable {
            let left = self.leaving.iter().find_map(|link| self.left_by(*link));
            self.judge(Promise::NothingLeft, left.is_none(), || left.unwrap_or_default());
        }
        if self.all_left().is_none() {
            return self.on_sweep();
        }
        let setting = &self.scenario.setting;
        let lifetimes = setting.idle_lifetime + setting.unmet_lifetime + limits::SILENCE_MAX;
        self.after(lifetimes + setting.settle_bound() * 2, EventKind::Sweep, 0);
    }

    pub(super) fn on_sweep(&mut self) {
        self.over = true;
        if self.scenario.mode == Mode::Hostile {
            return;
        }
        self.judge_links_bounded();
        let left = self.all_left();
        self.judge(Promise::NothingLeft, left.is_none(), || left.unwrap_or_default());
    }

    /// What is left of a session that was closed over this link.
    fn left_by(&self, link: LinkId) -> Option<String> {
        let link_is_left = !self.links[link as usize].is_dead();
        let proxy = self.links[link as usize].proxy.map(|proxy| &self.proxies[proxy as usize]);
        let conn = proxy.and_then(|proxy| proxy.conn).map(|conn| &self.conns[conn as usize]);
        let server = conn.and_then(|conn| conn.server);
        let left = [
            (link_is_left, "its ssh"),
            (proxy.is_some_and(|proxy| proxy.alive), "its proxy"),
            (conn.is_some_and(Conn::is_open), "its connection"),
            (server.is_some_and(|server| self.servers[server as usize].alive), "its server"),
            (server.is_some() && self.host.lock == server, "its server's lock"),
        ];
        let what = left.into_iter().find(|(is_left, _)| *is_left).map(|(_, what)| what)?;
        let who = self.client_name(self.links[link as usize].client);
        Some(format!("{who} was closed over a good link, and {what} is left"))
    }

    /// What is left of anything.
    fn all_left(&self) -> Option<String> {
        let processes = self.host.ours();
        let links = self.links.iter().filter(|link| !link.is_dead()).count();
        let conns = self.conns.iter().filter(|conn| conn.is_open()).count();
        let locks = usize::from(self.host.lock.is_some()) + usize::from(!self.host.starter_is_free());
        (processes + links + conns + locks > 0).then(|| {
            format!("{processes} processes, {links} links, {conns} connections and {locks} locks are left")
        })
    }
}
