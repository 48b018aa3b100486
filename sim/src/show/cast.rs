//! Who has a lane, and where: client, link, proxy, server, host, from left to right.
//!
//! The first client stands on the left of the server and the second on the right, so that neither's
//! messages cross the other's lanes. What happens in the lanes is left to `story`.

use std::collections::BTreeMap;

use crate::scenario::{Act, FaultKind, Letter, Scenario, User, What};
use crate::trace::{Film, Mark};

/// What a lane is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    Client,
    Link,
    Proxy,
    Server,
    Host,
}

/// A lane, by its place in the cast.
pub(super) type LaneId = usize;

/// A lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lane {
    pub(super) role: Role,
    /// Whose link or proxy.
    pub(super) client: Option<u32>,
    pub(super) title: String,
    pub(super) x: i32,
    pub(super) width: i32,
    /// On the server's right.
    pub(super) mirrored: bool,
}

impl Lane {
    pub(super) fn middle(&self) -> i32 {
        self.x + self.width / 2
    }

    pub(super) fn end(&self) -> i32 {
        self.x + self.width
    }
}

/// Everybody.
#[derive(Clone, Debug, Default)]
pub(super) struct Cast {
    pub(super) lanes: Vec<Lane>,
    /// Clients by their names in the scenario.
    names: BTreeMap<u8, u32>,
    /// By link: its client.
    links: BTreeMap<u32, u32>,
    /// By proxy: its link.
    proxies: BTreeMap<u32, u32>,
    /// By connection: its link.
    conns: BTreeMap<u32, u32>,
}

/// Room for the time, left of the lanes.
pub(super) const TIMES_WIDTH: i32 = 78;

const GAP: i32 = 4;

impl Cast {
    pub(super) fn new(scenario: &Scenario, film: &Film) -> Self {
        let mut cast = Cast::default();
        let mut opens = None;
        for (_, mark) in film.marks() {
            if let Mark::Begins { entry } = mark {
                opens = opened_by(scenario, *entry);
            } else if let Mark::Client { client, .. } = mark
                && let Some(name) = opens.take()
            {
                cast.names.insert(name, *client);
            } else if let Mark::Dialed { link, client, .. } = mark {
                cast.links.insert(*link, *client);
            } else if let Mark::ProxyRuns { proxy, link } = mark {
                cast.proxies.insert(*proxy, *link);
            } else if let Mark::Attached { conn, link, .. } = mark {
                cast.conns.insert(*conn, *link);
            }
        }
        cast.place();
        cast
    }

    /// Puts the lanes beside each other.
    fn place(&mut self) {
        let clients = self.names.len().max(1) as u32;
        let side = |client: u32| [(Role::Client, client), (Role::Link, client), (Role::Proxy, client)];
        let left = (0..clients).rev().filter(|client| client % 2 == 0);
        let right = (0..clients).filter(|client| client % 2 == 1);
        let mut order: Vec<(Role, Option<u32>, bool)> = Vec::new();
        order.extend(left.flat_map(side).map(|(role, client)| (role, Some(client), false)));
        order.extend([(Role::Server, None, false), (Role::Host, None, false)]);
        order.extend(
            right
                .flat_map(|client| side(client).into_iter().rev())
                .map(|(role, client)| (role, Some(client), true)),
        );
        let mut x = TIMES_WIDTH;
        for (role, client, mirrored) in order {
            let (name, width) = match role {
                Role::Client => ("client", 136),
                Role::Link => ("link", if clients > 1 { 60 } else { 90 }),
                Role::Proxy => ("proxy", if clients > 1 { 66 } else { 90 }),
                Role::Server => ("server", if clients > 1 { 112 } else { 124 }),
                Role::Host => ("host", if clients > 1 { 56 } else { 70 }),
            };
            let title = match client {
                Some(client) if clients > 1 => format!("{name} {}", self.letter(client)),
                Some(_) | None => name.to_owned(),
            };
            self.lanes.push(Lane { role, client, title, x, width, mirrored });
            x += width + GAP;
        }
    }

    /// Where the lanes end.
    pub(super) fn end(&self) -> i32 {
        self.lanes.last().map_or(TIMES_WIDTH, Lane::end)
    }

    /// The lane of that role; of that client, where each has one.
    pub(super) fn lane(&self, role: Role, client: Option<u32>) -> LaneId {
        let client = match role {
            Role::Client | Role::Link | Role::Proxy => client,
            Role::Server | Role::Host => None,
        };
        let found = self.lanes.iter().position(|lane| lane.role == role && lane.client == client);
        // Whoever is spoken of before it was seen has the first lane of its role.
        found.or_else(|| self.lanes.iter().position(|lane| lane.role == role)).unwrap_or_default()
    }

    /// All lanes of a role.
    pub(super) fn lanes_of(&self, role: Role) -> impl Iterator<Item = LaneId> {
        self.lanes.iter().enumerate().filter(move |(_, lane)| lane.role == role).map(|(id, _)| id)
    }

    /// The letter that the scenario calls a client by.
    pub(super) fn letter(&self, client: u32) -> Letter {
        let name = self.names.iter().find(|(_, named)| **named == client).map(|(name, _)| *name);
        Letter(name.unwrap_or_else(|| u8::try_from(client).unwrap_or(25)))
    }

    /// What a client is called.
    pub(super) fn name_of_client(&self, client: u32) -> String {
        if self.names.len() > 1 { format!("client {}", self.letter(client)) } else { "client".to_owned() }
    }

    /// What a user is called.
    pub(super) fn name_of_user(&self, name: u8) -> String {
        if self.names.len() > 1 { format!("user {}", Letter(name)) } else { "user".to_owned() }
    }

    pub(super) fn client_named(&self, name: u8) -> Option<u32> {
        self.names.get(&name).copied()
    }

    pub(super) fn client_of_link(&self, link: u32) -> u32 {
        self.links.get(&link).copied().unwrap_or_default()
    }

    pub(super) fn link_of_proxy(&self, proxy: u32) -> u32 {
        self.proxies.get(&proxy).copied().unwrap_or_default()
    }

    pub(super) fn link_of_conn(&self, conn: u32) -> u32 {
        self.conns.get(&conn).copied().unwrap_or_default()
    }

    pub(super) fn client_of_proxy(&self, proxy: u32) -> u32 {
        self.client_of_link(self.link_of_proxy(proxy))
    }

    /// The lanes in which an entry of the scenario happens.
    pub(super) fn lanes_of_entry(&self, what: &What) -> Vec<LaneId> {
        let (role, target) = match what {
            What::User(user) => (Role::Client, Some(user.client)),
            What::Fault(fault) => (role_of(fault.kind), fault.target),
        };
        match target {
            Some(name) => vec![self.lane(role, self.client_named(name))],
            None => self.lanes_of(role).collect(),
        }
    }
}

/// The client that an entry opens.
fn opened_by(scenario: &Scenario, entry: u32) -> Option<u8> {
    match scenario.entries.get(entry as usize)?.what {
        What::User(User { client, act: Act::Open(_) }) => Some(client),
        What::User(_) | What::Fault(_) => None,
    }
}

/// Where a fault is felt first.
fn role_of(kind: FaultKind) -> Role {
    match kind {
        FaultKind::ServerCrash
        | FaultKind::ServerHang
        | FaultKind::ServerStop
        | FaultKind::SpawnSlow
        | FaultKind::SpawnFail
        | FaultKind::ProgramExit
        | FaultKind::ProgramStall => Role::Server,
        FaultKind::ProxyExit
        | FaultKind::ProxyKill
        | FaultKind::ProxyDiesLaunching
        | FaultKind::ProxyHang => Role::Proxy,
        FaultKind::LossUp
        | FaultKind::LossDown
        | FaultKind::LinkCut
        | FaultKind::HalfOpen
        | FaultKind::Blackhole
        | FaultKind::Slow
        | FaultKind::Partition
        | FaultKind::NetworkDown
        | FaultKind::AddressChange
        | FaultKind::SshTurnedAway
        | FaultKind::SharedDead
        | FaultKind::Elsewhere
        | FaultKind::ShellEnds
        | FaultKind::HelloLate
        | FaultKind::NewsLate
        | FaultKind::NewsTwice
        | FaultKind::ExitLate
        | FaultKind::Noise
        | FaultKind::Corrupt
        | FaultKind::SshFail
        | FaultKind::SshAsk => Role::Link,
        FaultKind::PidReuse
        | FaultKind::PidFileStale
        | FaultKind::PidFileTorn
        | FaultKind::PidFileMissing
        | FaultKind::RecordTorn
        | FaultKind::RecordMissing
        | FaultKind::RecordGarbled
        | FaultKind::TombstoneTorn
        | FaultKind::TombstoneGarbled
        | FaultKind::SocketRemoved
        | FaultKind::DiskFull
        | FaultKind::Reboot
        | FaultKind::HostClockJump => Role::Host,
        FaultKind::Sleep
        | FaultKind::ClockJump
        | FaultKind::ClientKill
        | FaultKind::ClientHang
        | FaultKind::EditorStall => Role::Client,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::run;
    use crate::scenario::parse;
    use crate::trace::Detail;

    fn cast(text: &str) -> Cast {
        let scenario = parse(text).unwrap();
        let outcome = run(&scenario, Detail::Picture);
        Cast::new(&scenario, outcome.trace.film().unwrap())
    }

    fn titles(cast: &Cast) -> Vec<&str> {
        cast.lanes.iter().map(|lane| lane.title.as_str()).collect()
    }

    #[test]
    fn one_client_needs_no_letter() {
        let cast = cast("scenario 1\nduration 5s\nat 0s a open start\n");
        assert_eq!(titles(&cast), ["client", "link", "proxy", "server", "host"]);
    }

    #[test]
    fn the_server_stands_between_two_clients() {
        let cast = cast("scenario 1\nduration 5s\nat 0s a open start\nat 2s c open takeover\n");
        assert_eq!(
            titles(&cast),
            ["client a", "link a", "proxy a", "server", "host", "proxy c", "link c", "client c"]
        );
        assert!(cast.lanes.windows(2).all(|pair| pair[0].end() < pair[1].x), "lanes never overlap");
    }

    #[test]
    fn what_happens_to_everybody_happens_in_all_their_lanes() {
        let cast = cast("scenario 1\nduration 5s\nat 0s a open start\nat 2s b open takeover\n");
        let scenario = parse("scenario 1\nat 1s fault sleep for 1s\nat 2s fault link-cut b\n").unwrap();
        let lanes = |entry: usize| cast.lanes_of_entry(&scenario.entries[entry].what);
        assert_eq!(lanes(0), [0, 7]);
        assert_eq!(lanes(1), [6]);
    }
}
