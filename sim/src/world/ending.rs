//! How a run ends: the faults end, everything settles, the sessions close, nothing is left.

use std::time::Duration;

use reattach::proto::limits;
use reattach::session::client::{Input, Status};

use super::queue::EventKind;
use super::{ClientId, World, client_name};
use crate::check::Promise;
use crate::machine::{ClientMachine as _, Kit};
use crate::scenario::Mode;
use crate::trace::Mark;

/// Time between two looks whether everything has settled.
const LOOK: Duration = Duration::from_millis(500);

/// Time that a hostile run goes on after its faults: long enough to do harm.
const AFTERMATH: Duration = Duration::from_secs(30);

impl<K: Kit> World<'_, K> {
    /// The network is good again, and the users are told.
    pub(super) fn on_heal(&mut self) {
        self.settle_until = self.now
            + match self.scenario.mode {
                Mode::Recoverable => self.scenario.setting.settle_bound(),
                Mode::Hostile => AFTERMATH,
            };
        self.film(|_| Mark::Chapter { what: "no more faults; the network is good" });
        for client in 0..self.clients.len() as ClientId {
            self.weather.client_mut(client).next_proxy_dies = None;
            // What is on its way is to be answered; what was not yet asked, nobody waits for.
            self.clients[client as usize].editor.stop_asking();
            self.wake_client(client, Input::NetworkUp);
        }
        self.after(LOOK, EventKind::Settle, 0);
    }

    pub(super) fn on_settle(&mut self) {
        let late = self.now >= self.settle_until;
        let unsettled = (0..self.clients.len() as ClientId).find_map(|client| self.unsettled(client));
        match (self.scenario.mode, unsettled) {
            (Mode::Hostile, _) if late => self.on_finish(),
            (Mode::Recoverable, None) => {
                self.judge(Promise::SettledInTime, true, String::new);
                self.on_finish();
            }
            (Mode::Recoverable, Some(why)) if late => {
                self.judge(Promise::SettledInTime, false, || why);
            }
            (Mode::Hostile | Mode::Recoverable, _) => {
                self.help_the_impatient();
                self.after(LOOK, EventKind::Settle, 0);
            }
        }
    }

    /// A budget of one or two attempts does not outlast a server that is on its way down: there,
    /// the users try again themselves.
    fn help_the_impatient(&mut self) {
        if self.scenario.setting.attempts_max >= limits::ATTEMPTS_MAX {
            return;
        }
        for client in 0..self.clients.len() as ClientId {
            if self.clients[client as usize].status == Status::ReconnectExhausted {
                self.wake_client(client, Input::Retry);
            }
        }
    }

    /// Why a client is not where it has to be in the end; `None` if it is.
    fn unsettled(&self, client: ClientId) -> Option<String> {
        let process = &self.clients[client as usize];
        let who = client_name(client);
        match &process.status {
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
                    Some(_) => None,
                    None => Some(format!("{who} is connected to nothing")),
                }
            }
            Status::ServerNotRunning(_) | Status::Refused(_) | Status::Closed(_) => None,
            Status::Connecting
            | Status::HeartbeatMissed(_)
            | Status::Reconnecting(_)
            | Status::ReconnectFailed(_)
            | Status::ReconnectExhausted => Some(format!("{who} is {}", process.status)),
        }
    }

    /// All users leave; links that are dead without knowing it are found out by their keepalives.
    pub(super) fn on_finish(&mut self) {
        self.note(|_| ("world".to_owned(), "all sessions end".to_owned(), String::new()));
        self.film(|_| Mark::Chapter { what: "all sessions end" });
        for client in 0..self.clients.len() as ClientId {
            if !self.clients[client as usize].status.is_final() {
                self.close_client(client);
            }
        }
        for link in 0..self.links.len() as u32 {
            if self.links[link as usize].broken {
                self.links[link as usize].broken = false;
                self.hang_up(link);
            }
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
        let processes = self.host.ours();
        let links = self.links.iter().filter(|link| !link.is_dead()).count();
        let conns = self.conns.iter().filter(|conn| conn.is_open()).count();
        let locks = usize::from(self.host.lock.is_some()) + usize::from(!self.host.starter_is_free());
        let left = processes + links + conns + locks;
        self.judge(Promise::NothingLeft, left == 0, || {
            format!("{processes} processes, {links} links, {conns} connections and {locks} locks are left")
        });
    }
}
