//! How much of the time in which the network was up a client was attached: what its user feels.
//!
//! It is only counted here, and belongs to no promise.

use std::time::Duration;

use reattach::session::Time;
use reattach::session::client::Status;

use super::{ClientId, World};
use crate::machine::Kit;

/// A network that was up for less says nothing.
const UP_MIN: Duration = Duration::from_secs(1);

/// One client's account, from its first Welcome to its last word.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Account {
    since: Time,
    begun: bool,
    is_up: bool,
    is_attached: bool,
    up: Duration,
    attached: Duration,
}

impl Account {
    /// Time attached over time in which it could have been, in thousandths.
    fn share(&self) -> Option<u16> {
        let thousandths = || self.attached.as_micros() * 1000 / self.up.as_micros();
        (self.up >= UP_MIN).then(|| u16::try_from(thousandths()).expect("a share of the whole"))
    }
}

impl<K: Kit> World<'_, K> {
    /// Something has changed that the accounts are made of.
    pub(super) fn settle_accounts(&mut self) {
        for client in 0..self.clients.len() as ClientId {
            self.settle_account(client);
        }
    }

    pub(super) fn settle_account(&mut self, client: ClientId) {
        let (is_up, is_attached) = (self.is_up(client), self.is_usable(client));
        let now = self.now;
        let account = &mut self.clients[client as usize].account;
        if account.begun {
            let passed = now.since(account.since);
            account.up += if account.is_up { passed } else { Duration::ZERO };
            account.attached += if account.is_up && account.is_attached { passed } else { Duration::ZERO };
        }
        (account.since, account.is_up, account.is_attached) = (now, is_up, is_attached);
        account.begun |= is_attached;
    }

    /// Whether a client that tried now would get through to a server that waits for it.
    fn is_up(&self, client: ClientId) -> bool {
        let process = &self.clients[client as usize];
        let trouble = self.weather.client(client);
        let astray = trouble.elsewhere.is_some() || trouble.shell_ends.is_some();
        let ssh = trouble.ssh_fails + trouble.ssh_asks + trouble.ssh_turned_away + u32::from(astray);
        let laptop = self.weather.sleeps + process.hangs + u32::from(process.is_killed);
        let network = self.weather.partitions + self.weather.networks_down + self.host.downs;
        let lost = self.weather.blocks_up(client) || self.weather.blocks_down(client);
        let server =
            self.sessions[process.session as usize].server.map(|server| &self.servers[server as usize]);
        let lives = server.is_some_and(|server| server.alive && server.hangs == 0);
        ssh + laptop + network == 0 && !lost && lives && !process.status.is_final()
    }

    fn is_usable(&self, client: ClientId) -> bool {
        let process = &self.clients[client as usize];
        let carries = process.link.is_some_and(|link| !self.links[link as usize].broken);
        matches!(process.status, Status::Connected | Status::HeartbeatMissed(_)) && carries
    }

    /// The shares of all clients, in thousandths.
    pub(crate) fn shares(&self) -> impl Iterator<Item = u16> + '_ {
        self.clients.iter().filter_map(|process| process.account.share())
    }
}
