//! That what was asked for was done: each act of a user, held against what came of it.
//!
//! Judged from the act itself, and from the world's own books: never from what a machine has put into its
//! frames.

use reattach::proto::ByeReason;
use reattach::proto::limits::NOISE_BYTES_MAX;
use reattach::session::First;
use reattach::session::client::{Rejected, Status};

use super::super::link::Link;
use super::super::program::Delivery;
use super::super::{ClientId, LinkId, ServerId, World};
use crate::check::Promise;
use crate::machine::Kit;

/// What the user of a session has asked for, and what the program's side was given of it.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::world) struct Wishes {
    /// The end of input.
    pub(in crate::world) finished: bool,
    /// Requests and signals that were taken.
    pub(in crate::world) requests: u32,
    pub(in crate::world) signals: u32,
    /// Ends of the program's output and of its standard error that were told.
    pub(in crate::world) ends_told: [bool; 2],
}

impl<K: Kit> World<'_, K> {
    /// A user has left: the session is closed at once. Where the server may have heard a Hello, or is to hear
    /// one that is under way, it is told.
    pub(in crate::world) fn judge_close(&mut self, client: ClientId, link: Option<LinkId>) {
        let process = &self.clients[client as usize];
        let (name, status) = (process.letter, process.status.clone());
        let is_closed = matches!(status, Status::Closed(_));
        self.judge(Promise::WishObeyed, is_closed, || {
            format!("the user of client {name} left, and it is {status}")
        });
        let Some(link) = link.map(|link| &self.links[link as usize]).filter(|link| link.greeted_server)
        else {
            return;
        };
        let (attempt, said) = (link.attempt, link.last_word);
        self.judge(Promise::WishObeyed, said == Some(ByeReason::Closed), || {
            format!("client {name} left after the Hello of attempt {attempt}, and its last word is {said:?}")
        });
    }

    /// Something was not taken: the session is over, its input was finished, or there is no room, which is so
    /// as long as the program has not had everything.
    pub(in crate::world) fn judge_rejected(&mut self, client: ClientId, why: Rejected) {
        let process = &self.clients[client as usize];
        let (name, wishes) = (process.letter, self.session_of(client).wishes);
        let right = match why {
            Rejected::Final => process.status.is_final(),
            Rejected::Finished => wishes.finished,
            Rejected::Full => !process.status.is_final(),
            Rejected::TooLarge => false,
        };
        self.judge(Promise::WishObeyed, right, || {
            format!("client {name} does not take what was sent: {why}")
        });
    }

    /// A client takes nothing more for now: there is something on its way, or its input was finished.
    pub(in crate::world) fn judge_room(&mut self, client: ClientId) {
        let (name, wishes) = (self.letter(client), self.session_of(client).wishes);
        let is_over = self.clients[client as usize].status.is_final();
        let right = is_over || wishes.finished || wishes.requests + wishes.signals > 0;
        self.judge(Promise::WishObeyed, right, || {
            format!("client {name} takes nothing, and was given nothing yet")
        });
    }

    /// The end of an output is told once, and nothing of it comes after that.
    pub(in crate::world) fn judge_output_end(&mut self, client: ClientId, of_errors: bool, ends: bool) {
        let name = self.letter(client);
        let tainted = self.is_tainted(self.session_of(client));
        let session = self.clients[client as usize].session;
        let told = &mut self.sessions[session as usize].wishes.ends_told[usize::from(of_errors)];
        let before = std::mem::replace(told, *told || ends);
        self.judge(Promise::DeliveredOnce, !before || tainted, || {
            let what = if ends { "its end again" } else { "more" };
            format!("client {name} had the end of an output, and is given {what}")
        });
    }

    /// Something is handed to the program: each request, signal and end of input that was sent, once, and the
    /// end after all that came before it.
    pub(in crate::world) fn judge_delivery(&mut self, server: ServerId, delivery: &Delivery) {
        let process = &mut self.servers[server as usize];
        let mut tainted = process.truth.tainted;
        let (mut signals, mut ends) = (0, 0);
        let owners = &process.truth.owners;
        for session in self.sessions.iter().filter(|session| owners.contains(&session.id)) {
            tainted |= session.tainted;
            signals += session.wishes.signals;
            ends += u32::from(session.wishes.finished);
        }
        let last = self.sessions.iter().position(|session| owners.last() == Some(&session.id));
        let ledger = &mut process.program.ledger;
        match delivery {
            // In what order they come is judged where they are taken.
            Delivery::Request(payload) => {
                let tag = payload.first_chunk().map_or(u32::MAX, |tag| u32::from_le_bytes(*tag));
                *ledger.requests.entry(tag).or_default() += 1;
            }
            Delivery::Signal(_) => {
                ledger.signals += 1;
                let given = ledger.signals;
                self.judge(Promise::DeliveredOnce, given <= signals || tainted, || {
                    format!("server {server} gives its program signal number {given} of {signals}")
                });
            }
            Delivery::InputEnd => {
                ledger.input_ends += 1;
                let given = ledger.input_ends;
                let had = last.and_then(|tag| ledger.requests.get(&u32::try_from(tag).ok()?)).copied();
                let (had, sent) =
                    (had.unwrap_or(0), last.map_or(0, |tag| self.sessions[tag].wishes.requests));
                self.judge(Promise::DeliveredOnce, (given <= ends && had == sent) || tainted, || {
                    format!(
                        "server {server} tells its program the end of input for the {given}. time, {ends} were \
                         meant, after {had} of {sent} requests"
                    )
                });
            }
        }
    }

    /// Who asks to take over is not told that the place is taken.
    pub(super) fn asked_to_take_over(&self, client: ClientId) -> bool {
        let session = self.session_of(client);
        session.first == First::Takeover && session.server.is_none()
    }

    /// A client finds that the protocol was broken over the transport that it has closed.
    pub(in crate::world) fn judge_violation(&mut self, client: ClientId, what: &str) {
        let Some(link) = self.clients[client as usize].waits.closed.map(|link| &self.links[link as usize])
        else {
            return;
        };
        // What is no protocol was printed by somebody else; a byte that was changed before may have changed what
        // one of them believes.
        let excused =
            link.tainted || link.noise > NOISE_BYTES_MAX || self.is_tainted(self.session_of(client));
        let name = self.letter(client);
        self.judge(Promise::ProtocolKept, excused, || {
            format!("client {name} finds over a clean link: {what}")
        });
    }

    /// A server finds the same.
    pub(in crate::world) fn judge_server_violation(&mut self, server: ServerId, what: &str) {
        let tainted = self.servers[server as usize].truth.tainted;
        self.judge(Promise::ProtocolKept, tainted, || {
            format!("server {server} finds over a clean link: {what}")
        });
    }

    /// The last first attach of a client's session.
    fn first_link(&self, client: ClientId) -> Option<&Link> {
        let session = self.clients[client as usize].session;
        self.links.iter().rfind(|link| link.session == session && link.initial)
    }

    /// A first attach whose login has ended before a proxy ran is given up: there is nothing to come back to.
    pub(in crate::world) fn judge_first_end(&mut self, client: ClientId, before: &Status, status: &Status) {
        if *before != Status::Connecting || !matches!(status, Status::Reconnecting(_)) {
            return;
        }
        let Some(link) = self.first_link(client) else {
            return;
        };
        let (name, ended) = (self.letter(client), link.told_gone && !link.started && !link.greeted);
        self.judge(Promise::WishObeyed, !ended, || {
            format!("client {name} comes back to a server that its first attach cannot have started")
        });
    }
}
