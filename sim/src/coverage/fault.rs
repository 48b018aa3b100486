//! Faults, by what they happened to.

use super::client::WatchedClient;
use super::grid::{Label, labels};
use super::launch::{LaunchState, WatchedLaunch};
use super::record::record;
use super::server::{ServerState, WatchedServer};
use crate::machine::{Kit, Scene};
use crate::scenario::{Fault, FaultKind};

/// A kind of fault, as a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultLabel(pub FaultKind);

impl Label for FaultLabel {
    const ALL: &'static [Self] = &{
        let mut all = [FaultLabel(FaultKind::ServerCrash); FaultKind::ALL.len()];
        let mut place = 0;
        while place < all.len() {
            all[place] = FaultLabel(FaultKind::ALL[place]);
            place += 1;
        }
        all
    };

    fn name(self) -> &'static str {
        self.0.name()
    }

    fn place(self) -> usize {
        self.0 as usize
    }
}

labels! {
    /// Who was on the host: the newest server, and the proxy of the client.
    Bystander {
        NoServer "no server" as "none",
        Starting "server starting" as "starting",
        Unmet "server Unmet" as "Unmet",
        Attached "server Attached" as "Attached",
        Detached "server Detached" as "Detached",
        Ended "server Ended" as "Ended",
        Launching "proxy launching" as "launching",
        Attaching "proxy attaching" as "attaching",
        Relaying "proxy relaying" as "relaying",
        Judging "proxy judging" as "judging",
    }
}

/// The real machines, watched.
#[derive(Clone, Copy, Debug)]
pub struct Watched;

impl Kit for Watched {
    type Client = WatchedClient;
    type Launch = WatchedLaunch;
    type Server = WatchedServer;

    const WATCHES: bool = true;

    fn on_fault(fault: &Fault, scene: Scene<'_, Self>) {
        let row = FaultLabel(fault.kind);
        let server = match scene.server {
            None => Bystander::NoServer,
            Some(None) => Bystander::Starting,
            Some(Some(server)) => match server.state() {
                ServerState::Unmet => Bystander::Unmet,
                ServerState::Attached => Bystander::Attached,
                ServerState::Detached => Bystander::Detached,
                ServerState::Ended => Bystander::Ended,
            },
        };
        record(|record| {
            for client in &scene.clients {
                record.client_faults.hit(row, client.state());
            }
            record.host_faults.hit(row, server);
            for proxy in &scene.proxies {
                if let Some(proxy) = of_proxy(proxy) {
                    record.host_faults.hit(row, proxy);
                }
            }
        });
    }
}

fn of_proxy(proxy: &WatchedLaunch) -> Option<Bystander> {
    match proxy.state() {
        LaunchState::WaitStarter
        | LaunchState::Survey
        | LaunchState::Stop
        | LaunchState::Spawn
        | LaunchState::Meet => Some(Bystander::Launching),
        LaunchState::Seek | LaunchState::Attach => Some(Bystander::Attaching),
        LaunchState::Relay => Some(Bystander::Relaying),
        LaunchState::Judge => Some(Bystander::Judging),
        LaunchState::Done => None,
    }
}
