//! One state of the explored world: small, copied at once, with no memory of its own.
//!
//! Processes are numbers of their automata's states. What may happen next is left to `choice`,
//! what it does to `world` and `host`.

use std::ops::{Deref, DerefMut};

use reattach::proto::GoneReason;
use reattach::session::client::Launch;

use super::bounds::Allowance;
use super::lexicon::Name;
use super::server::NO_SEAT;
use crate::scenario::CLIENTS_MAX;

/// No process, or none any more.
pub(super) const NONE: u32 = u32::MAX;

/// No server.
pub(super) const NO_SERVER: u8 = u8::MAX;

/// Transports that exist at once.
const LINKS_MAX: usize = 7;

/// Servers that are ever started.
const SERVERS_MAX: usize = 5;

/// Frames on one way.
const QUEUE_MAX: usize = 20;

/// Frames on one way that are more than this world is made for: one choice may add some to them.
const CROWD: usize = 12;

/// A few things in order, in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Few<T, const N: usize> {
    len: u8,
    items: [T; N],
}

impl<T: Copy + Default, const N: usize> Default for Few<T, N> {
    fn default() -> Self {
        Few { len: 0, items: [T::default(); N] }
    }
}

impl<T: Copy + Default, const N: usize> Few<T, N> {
    pub(super) fn is_full(&self) -> bool {
        usize::from(self.len) == N
    }

    pub(super) fn push(&mut self, item: T) {
        self.insert(self.len(), item);
    }

    pub(super) fn insert(&mut self, place: usize, item: T) {
        assert!(!self.is_full(), "own bug: the world asks whether there is room");
        self.len += 1;
        let len = self.len();
        self.items[place..len].rotate_right(1);
        self.items[place] = item;
    }

    pub(super) fn remove(&mut self, place: usize) -> T {
        let len = self.len();
        self.items[place..len].rotate_left(1);
        self.len -= 1;
        std::mem::take(&mut self.items[len - 1])
    }

    pub(super) fn clear(&mut self) {
        *self = Few::default();
    }
}

impl<T, const N: usize> Deref for Few<T, N> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.items[..usize::from(self.len)]
    }
}

impl<T, const N: usize> DerefMut for Few<T, N> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.items[..usize::from(self.len)]
    }
}

pub(super) type Queue = Few<Name, QUEUE_MAX>;

/// On the way to the client: the proxy's word that it runs, the server's preamble, then frames.
pub(super) const STARTED: Name = 0;
pub(super) const PREAMBLE: Name = 1;
pub(super) const FRAMES: Name = 2;

/// The whole world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) persons: [Person; CLIENTS_MAX as usize],
    /// By client, older ones first.
    pub(super) links: Few<Link, LINKS_MAX>,
    /// Oldest first; the dead stay, because they are spoken of.
    pub(super) servers: Few<Server, SERVERS_MAX>,
    pub(super) files: Files,
    pub(super) left: Allowance,
}

/// A client and its user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) state: u32,
    /// The server that the session first met.
    pub(super) met: u8,
    pub(super) closed: bool,
    /// Of the current link's proxy, or of the one that is just being closed.
    pub(super) heard: bool,
}

impl Default for Person {
    fn default() -> Self {
        Person { state: NONE, met: NO_SERVER, closed: false, heard: false }
    }
}

/// How far a proxy has come to a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Conn {
    #[default]
    None,
    /// Connected, and not accepted.
    Waiting,
    Open,
    /// The server has closed it; the proxy will notice.
    Closed,
    /// Both ends are closed.
    Gone,
}

/// One transport: ssh, the proxy, and the proxy's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) client: u8,
    /// Of the client, for people.
    pub(super) attempt: u16,
    pub(super) launch: Launch,
    /// The client still holds it.
    pub(super) current: bool,
    pub(super) dialing: bool,
    /// Nothing passes any more.
    pub(super) cut: bool,
    /// The host's end has learnt of that.
    pub(super) host_told: bool,
    /// The client has heard of the proxy.
    pub(super) started: bool,
    /// This attempt, or a newer one, of its session was accepted.
    pub(super) outdated: bool,
    pub(super) proxy: u32,
    pub(super) holds_starter: bool,
    /// The server that the proxy started.
    pub(super) spawned: u8,
    /// The server that the proxy started or is attached to, as it said itself: no other is asked about.
    pub(super) meant: u8,
    pub(super) conn: Conn,
    pub(super) server: u8,
    pub(super) seat: u8,
    pub(super) up: Queue,
    /// And then the client's end.
    pub(super) up_ends: bool,
    pub(super) down: Queue,
    /// And then the end of the output, unless that was told, and this exit.
    pub(super) exit: Option<Name>,
    pub(super) end_told: bool,
}

impl Default for Link {
    fn default() -> Self {
        Link {
            client: 0,
            attempt: 0,
            launch: Launch::Reattach,
            current: true,
            dialing: true,
            cut: false,
            host_told: false,
            started: false,
            outdated: false,
            proxy: NONE,
            holds_starter: false,
            spawned: NO_SERVER,
            meant: NO_SERVER,
            conn: Conn::None,
            server: NO_SERVER,
            seat: NO_SEAT,
            up: Queue::default(),
            up_ends: false,
            down: Queue::default(),
            exit: None,
            end_told: false,
        }
    }
}

impl Link {
    /// Whether it soon holds more than it has room for.
    pub(super) fn is_crowded(&self) -> bool {
        self.up.len() > CROWD || self.down.len() > CROWD
    }
}

/// How far a server has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    TakeLock,
    WriteRecord,
    Listen,
    Ready,
    Running,
    Ending(GoneReason),
    Dead,
    /// And its lock is free.
    Gone,
}

/// A server's process, and what is true of it whatever it says itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Server {
    /// From the moment it listens.
    pub(super) state: u32,
    pub(super) stage: Stage,
    pub(super) hung: bool,
    /// SIGTERM came while it hung.
    pub(super) terminated_later: bool,
    pub(super) holds_starter: bool,
    pub(super) holds_lock: bool,
    /// Its sockets' files are there.
    pub(super) listens: bool,
    /// Its starter was told that it is ready, or that it is not.
    pub(super) told: bool,
    pub(super) recorded: bool,
    pub(super) cleaned: bool,
    pub(super) intended: bool,
    pub(super) killed: bool,
    pub(super) program_ended: bool,
    pub(super) end: Option<GoneReason>,
}

impl Default for Server {
    fn default() -> Self {
        Server {
            state: NONE,
            stage: Stage::TakeLock,
            hung: false,
            terminated_later: false,
            holds_starter: false,
            holds_lock: false,
            listens: false,
            told: false,
            recorded: false,
            cleaned: false,
            intended: false,
            killed: false,
            program_ended: false,
            end: None,
        }
    }
}

impl Server {
    pub(super) fn is_alive(&self) -> bool {
        !matches!(self.stage, Stage::Dead | Stage::Gone)
    }

    /// Whether it does anything.
    pub(super) fn is_awake(&self) -> bool {
        self.is_alive() && !self.hung
    }
}

/// What the files say: whose record, whose end, whose end was intended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Files {
    pub(super) record: Option<u8>,
    pub(super) tombstone: Option<(u8, GoneReason)>,
    pub(super) intent: Option<(u8, GoneReason)>,
}

impl State {
    /// The client's transport, if it holds one.
    pub(super) fn current(&self, client: u8) -> Option<usize> {
        self.links.iter().position(|link| link.current && link.client == client)
    }

    /// Forgets what makes no difference any more, so that it does not make states differ.
    pub(super) fn forget(&mut self) {
        let mut place = 0;
        while place < self.links.len() {
            let link = &mut self.links[place];
            let over = matches!(link.conn, Conn::None | Conn::Gone);
            if over {
                (link.seat, link.outdated) = (NO_SEAT, false);
                if !link.current {
                    link.server = NO_SERVER;
                }
            }
            if over && !link.current && !link.dialing && link.proxy == NONE {
                self.links.remove(place);
            } else {
                place += 1;
            }
        }
        for (id, server) in (0..).zip(&mut *self.servers) {
            // A Welcome of the dead may still arrive.
            let missed = self.persons.iter().any(|person| person.met == id)
                || self.links.iter().any(|link| link.server == id);
            if server.stage == Stage::Gone && !missed {
                (server.end, server.killed, server.intended, server.cleaned) = (None, false, false, false);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_things_keep_their_order() {
        let mut few = Few::<u8, 4>::default();
        few.push(1);
        few.push(3);
        few.insert(1, 2);
        assert_eq!(&few[..], [1, 2, 3]);
        assert_eq!(few.remove(0), 1);
        assert_eq!(&few[..], [2, 3]);
        few.clear();
        assert_eq!(few, Few::default());
    }
}
