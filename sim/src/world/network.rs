//! The laptop's network: comes, goes, changes its address, and its kernel tells of it.

use reattach::session::client::{Input, Way};

use super::{ClientId, LinkId, World};
use crate::check::Goal;
use crate::machine::Kit;

impl<K: Kit> World<'_, K> {
    /// There is no network any more: what is open carries nothing.
    pub(super) fn network_goes(&mut self) {
        self.weather.networks_down += 1;
        self.tell_of_network();
    }

    pub(super) fn network_comes(&mut self) {
        self.weather.networks_down -= 1;
        self.unblock_links();
        self.tell_of_network();
    }

    /// Links of the old address are dead, without anybody's having noticed.
    pub(super) fn address_changes(&mut self) {
        for link in 0..self.links.len() as LinkId {
            self.break_link(link, false, false);
        }
        self.tell_of_network();
    }

    /// The kernel's notice, where somebody has asked for it and gets time to hear it.
    fn tell_of_network(&mut self) {
        if self.weather.sleeps > 0 || !self.scenario.setting.wake_told {
            return;
        }
        for client in 0..self.clients.len() as ClientId {
            if self.clients[client as usize].hangs == 0 {
                self.goals.reach(Goal::NetworkTold);
                self.wake_client(client, Input::NetworkUp);
            }
        }
    }

    /// The connection that logins share is dead, and what it carries with it.
    pub(super) fn break_shared(&mut self, client: ClientId) {
        let link = self.clients[client as usize].link;
        if let Some(link) = link.filter(|link| self.links[*link as usize].way == Way::Shared) {
            self.break_link(link, false, false);
        }
    }

    /// Whether an ssh hangs because the connection that it would share is dead.
    pub(super) fn shares_the_dead(&self, id: LinkId) -> bool {
        let link = &self.links[id as usize];
        link.way == Way::Shared && self.weather.client(link.client).shared_dead > 0
    }
}
