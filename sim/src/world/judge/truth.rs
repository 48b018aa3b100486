//! What really happened to servers and sessions, whatever they say themselves.

use std::time::Duration;

use reattach::proto::{GoneReason, InstanceId, SessionId};
use reattach::session::Time;
use reattach::session::launch::Lock;

use super::super::client::Session;
use super::super::server::ServerProcess;
use super::super::{ClientId, ConnId, LinkId, ServerId, World};
use super::due::Dues;
use crate::machine::{Kit, ServerMachine as _};

/// Time between the word that a server is about to be replaced and the signal.
const INTENT_GRACE: Duration = Duration::from_secs(5);

/// A bit that no name of a server has.
const GARBLED: u128 = 1 << 100;

/// The name that a garbled file has for a server: nobody's.
pub(in crate::world) fn garbled(instance: InstanceId) -> InstanceId {
    InstanceId(instance.0 | GARBLED)
}

/// What has become of something that a server wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::world) enum Paper {
    /// It was never written, is torn, or is gone.
    #[default]
    Lost,
    /// It can be read.
    Whole,
    /// It can be read, and names another server.
    Garbled,
}

/// What the world knows about a server.
#[derive(Clone, Debug, Default)]
pub(in crate::world) struct ServerTruth {
    /// A client was attached.
    pub(in crate::world) met: bool,
    /// Since when nobody is.
    pub(in crate::world) detached_at: Option<Time>,
    /// What ended it.
    pub(in crate::world) end: Option<GoneReason>,
    /// It got as far as its record.
    pub(in crate::world) recorded: bool,
    /// What has become of its record.
    pub(in crate::world) record: Paper,
    /// What has become of its tombstone.
    pub(in crate::world) word: Paper,
    /// It did not come to be, and its starter has put back what was there before.
    pub(in crate::world) withdrawn: bool,
    /// A starter has removed its files since, whether or not they were put back.
    pub(in crate::world) cleaned: bool,
    /// When a starter left word, or gave the first signal, to replace it.
    pub(in crate::world) intended_at: Option<Time>,
    pub(in crate::world) died_at: Time,
    /// SIGTERM was sent to it.
    pub(in crate::world) terminated: bool,
    /// The host went down since it was started.
    pub(in crate::world) rebooted_since: bool,
    /// The word of its program's end was sent.
    pub(in crate::world) exit_sent: bool,
    /// Its record has named another, whatever became of that since.
    pub(in crate::world) misnamed: bool,
    /// Its word named another once, whatever has become of it.
    pub(in crate::world) word_misnamed: bool,
    /// Its lock is on a file that is no longer there: nobody can see that it lives.
    pub(in crate::world) lock_lost: bool,
    /// A byte was changed on its way to it.
    pub(in crate::world) tainted: bool,
    /// Sessions that took over since the program last had nothing to take: what their predecessors
    /// left comes on top of the bound.
    pub(in crate::world) takeovers: usize,
    /// Whose it was, in order.
    pub(in crate::world) owners: Vec<SessionId>,
    /// The highest attempt of its owner that it accepted.
    pub(in crate::world) owner_attempt: u64,
    /// What it owes and waits for.
    pub(in crate::world) dues: Dues,
}

impl ServerTruth {
    /// Whether it was that session's, and another took its place.
    pub(super) fn was_taken_from(&self, session: SessionId) -> bool {
        self.owners.contains(&session) && self.owners.last() != Some(&session)
    }
}

impl<K: Kit> World<'_, K> {
    /// What the session of a client is about.
    pub(in crate::world) fn session_of(&self, client: ClientId) -> &Session {
        &self.sessions[self.clients[client as usize].session as usize]
    }

    /// Whether a changed byte may be why anything about a session is wrong.
    pub(in crate::world) fn is_tainted(&self, session: &Session) -> bool {
        session.tainted || session.server.is_some_and(|id| self.servers[id as usize].truth.tainted)
    }

    /// A byte of a link was changed on its way up: whoever gets it may believe it.
    pub(in crate::world) fn taint_up(&mut self, link: LinkId, conn: ConnId) {
        let session = self.links[link as usize].session;
        self.sessions[session as usize].tainted = true;
        self.links[link as usize].tainted = true;
        self.conns[conn as usize].tainted = true;
        if let Some(server) = self.conns[conn as usize].server {
            self.servers[server as usize].truth.tainted = true;
        }
    }

    /// What is known of the server that has, or had before it was garbled, this name.
    pub(in crate::world) fn truth_of(&mut self, instance: InstanceId) -> Option<&mut ServerTruth> {
        let instance = InstanceId(instance.0 & !GARBLED);
        self.servers.iter_mut().find(|server| server.instance == instance).map(|server| &mut server.truth)
    }

    /// The server that has that name, or a garbled one that was made of it.
    pub(in crate::world) fn server_named(&self, instance: InstanceId) -> Option<ServerId> {
        let instance = InstanceId(instance.0 & !GARBLED);
        let place = self.servers.iter().position(|server| server.instance == instance)?;
        ServerId::try_from(place).ok()
    }

    /// The last server that got as far as its record, as somebody who looks now can know.
    pub(in crate::world) fn last_recorded(&self) -> Option<ServerId> {
        let last = self.servers.iter().rposition(|server| server.truth.recorded)?;
        ServerId::try_from(last).ok()
    }

    /// The server that lives and is this session's.
    pub(in crate::world) fn owned_by(&self, session: SessionId) -> Option<&ServerProcess<K::Server>> {
        let owns = |server: &&ServerProcess<K::Server>| {
            let owner = server.machine.as_ref().and_then(|machine| machine.inner().owner());
            server.is_running() && owner == Some(session)
        };
        self.servers.iter().find(owns)
    }

    /// Whether a client's server is gone, for that reason as far as its proxy could know.
    pub(super) fn is_gone(&self, client: ClientId, reason: GoneReason) -> bool {
        let session = self.session_of(client);
        let link = self.links.iter().rfind(|link| link.client == client);
        let proxy = link.and_then(|link| link.proxy).map(|proxy| &self.proxies[proxy as usize]);
        // Who has no name to ask for cannot tell what his server has left from what others did.
        let nameless = proxy.is_some_and(|proxy| proxy.expected.or(proxy.meant).is_none());
        let nameless = nameless && matches!(reason, GoneReason::Unknown | GoneReason::Never);
        if let Some(server) = session.server {
            // Who was not told the name has it from the files, which may lie.
            let name = self.servers[server as usize].instance;
            let named = proxy.is_none_or(|proxy| proxy.expected.or(proxy.meant) == Some(name));
            // One that nobody could see any more left its word where another's record was lost.
            let stray = proxy.and_then(|proxy| proxy.truth.last_word).filter(|word| *word != server);
            let stray = stray.is_some_and(|word| self.servers[word as usize].truth.lock_lost);
            return self.explains(server, reason, named)
                || (stray && reason == GoneReason::Replaced)
                || (nameless && !self.servers[server as usize].alive);
        }
        // It never met one: none may live that took its Hello, and the reason is that of the server
        // that its proxy met, or else of the last that there was when it looked.
        if self.owned_by(session.id).is_some_and(|server| !server.truth.lock_lost) {
            return false;
        }
        let Some(proxy) = proxy else {
            return false;
        };
        let met = proxy.conn.and_then(|conn| self.conns[conn as usize].server).or(proxy.spawned);
        // One that never took the connection was met by its name, or only sought.
        let met = met.or_else(|| self.server_named(proxy.meant?)).or(proxy.truth.sought);
        // Nobody had the lock when it looked, or was about to have it, whoever it was that it had been
        // connected to: who starts after that look is nobody that it could know.
        let nobody = proxy.truth.lock == Some(Lock::Free) && (proxy.relaying || !proxy.truth.starter_busy);
        if nameless && nobody {
            return true;
        }
        let last = proxy.truth.last_word.or(proxy.truth.last_recorded);
        match (met, last) {
            (None, None) => matches!(reason, GoneReason::Unknown | GoneReason::Never),
            (met, last) => met.into_iter().chain(last).any(|server| self.explains(server, reason, false)),
        }
    }

    /// Whether a server is gone, for that reason as far as its files can tell to somebody who knows
    /// its name, or has to learn it from them.
    fn explains(&self, id: ServerId, reason: GoneReason, named: bool) -> bool {
        let server = &self.servers[id as usize];
        let truth = &server.truth;
        if server.alive || truth.lock_lost {
            // Nobody could see that it lived when it was looked for, or another's name stood in its place.
            return truth.lock_lost || (truth.misnamed && reason == GoneReason::Replaced);
        }
        let newer = self.servers.iter().skip(id as usize + 1).any(|server| server.truth.recorded);
        // No word of it can be found.
        let silent = truth.word != Paper::Whole || (truth.misnamed && !named);
        match reason {
            _ if truth.end == Some(reason) => true,
            GoneReason::Replaced => {
                // It died by itself while somebody was about to replace it: either word is true.
                let replaced = |intended: Time| truth.died_at <= intended + INTENT_GRACE;
                // Who finds another's name on what it left cannot know better.
                let misnamed = truth.misnamed || (truth.record == Paper::Lost && truth.word_misnamed);
                newer || misnamed || truth.withdrawn || truth.intended_at.is_some_and(replaced)
            }
            // Whoever has met it was not told so; and some server left its lock's file, until somebody
            // removed that.
            GoneReason::Never => !named && silent && (self.host.lock_file_lost || !truth.recorded),
            // A starter that failed has removed the files; nothing is known any more.
            GoneReason::Unknown => {
                truth.cleaned || (truth.record == Paper::Lost && truth.word == Paper::Lost)
            }
            GoneReason::Rebooted => truth.rebooted_since && silent,
            // The boot in the record of one that went down with its host tells that from a crash.
            GoneReason::Crashed => {
                let went_down = truth.end == Some(GoneReason::Rebooted);
                silent && !(went_down && truth.record == Paper::Whole)
            }
            GoneReason::Stopped
            | GoneReason::Idle
            | GoneReason::Unmet
            | GoneReason::Closed
            | GoneReason::Orphaned
            | GoneReason::Exited(_) => false,
        }
    }
}
