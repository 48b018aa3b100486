//! Who is there when a fault begins, for kits that watch.

use super::{ClientId, World};
use crate::machine::{Kit, Scene};
use crate::scenario::Fault;

impl<K: Kit> World<'_, K> {
    /// Shows a fault that is about to begin to a kit that watches; costs nothing where none does.
    pub(super) fn show_fault(&self, fault: &Fault, target: Option<ClientId>) {
        if !K::WATCHES {
            return;
        }
        let is_there = |client: usize| target.is_none_or(|target| target as usize == client);
        let clients = self.clients.iter().enumerate().filter(|(client, _)| is_there(*client));
        let links = clients.clone().filter_map(|(_, client)| client.link);
        let proxies = links.filter_map(|link| self.links[link as usize].proxy);
        let proxies = proxies.map(|proxy| &self.proxies[proxy as usize]).filter(|proxy| proxy.alive);
        let server = self.current_server().map(|server| self.servers[server as usize].machine.as_ref());
        K::on_fault(
            fault,
            Scene {
                clients: clients.map(|(_, client)| &client.machine).collect(),
                proxies: proxies.map(|proxy| &proxy.machine).collect(),
                server,
            },
        );
    }
}
