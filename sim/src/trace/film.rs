//! What a run leaves behind for the eye: who was in which state, and which messages went where.
//!
//! Marks are what the world saw, in order; how they are drawn is left to `show`.

use std::collections::{BTreeMap, VecDeque};

use reattach::proto::{Frame, GoneReason, ProgramExit, Seq};
use reattach::session::client::{Attempt, Launch, Status};
use reattach::session::{Time, launch, server};

/// A way that carries messages in order, in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wire {
    /// From the client, over the link of that number.
    Up(u32),
    /// To the client, over the connection of that number.
    Down(u32),
}

/// What became of a message that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// It was read by whom it was meant for.
    Taken,
    /// It was news of an old attempt, and changed nothing.
    Stale,
    /// Its reader had stopped listening.
    Unheard,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// The frame's name.
    pub name: &'static str,
    /// Its number, if it has one.
    pub seq: Option<Seq>,
    /// What else it says; may be empty.
    pub detail: String,
}

/// Something that was seen. Numbers are the world's.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "a mark's fields are what its sentence speaks of")]
pub enum Mark {
    /// An entry of the scenario begins.
    Begins { entry: u32 },
    /// It ends.
    Ends { entry: u32 },
    /// The run comes to its next part.
    Chapter { what: &'static str },
    /// A client's state has changed.
    Client { client: u32, status: Status, attempt: Attempt, why: String },
    /// A client starts an ssh.
    Dialed { link: u32, client: u32, attempt: Attempt, launch: Launch },
    /// It is through.
    LinkOpen { link: u32 },
    /// The link breaks, and these learn it.
    LinkBroken { link: u32, laptop: bool, host: bool },
    /// Its client has closed it.
    LinkClosed { link: u32 },
    /// Its ssh has ended, and the client is told so.
    LinkGone { link: u32, status: ProgramExit, words: String, fate: Fate },
    /// Something else of an old link came, and changed nothing.
    OldNews { link: u32, what: &'static str },
    /// The command of a link runs.
    ProxyRuns { proxy: u32, link: u32 },
    /// Its machine asks for something.
    ProxyDoes { proxy: u32, effect: launch::Effect },
    /// It passes bytes on.
    ProxyRelays { proxy: u32 },
    /// It is gone; nobody is told how where the host went down.
    ProxyGone { proxy: u32, how: Option<ProgramExit> },
    /// A server is started.
    ServerStarts { server: u32, proxy: u32 },
    /// A server's state has changed.
    Server { server: u32, status: server::Status, why: String },
    /// A server is gone; `killed` if it could say nothing.
    ServerGone { server: u32, reason: Option<GoneReason>, killed: bool },
    /// A server has taken the lock.
    Locked { server: u32 },
    /// Nobody holds the lock.
    Unlocked,
    /// A server has left word why it ends.
    WordLeft { server: u32, reason: GoneReason },
    /// The host goes down.
    HostDown,
    /// The host is there again.
    HostUp,
    /// A server has accepted the connection of a link.
    Attached { conn: u32, link: u32, server: u32 },
    /// A message sets out.
    Sent { message: u32, wire: Wire, word: Word },
    /// A message arrives.
    Arrived { message: u32, fate: Fate },
}

/// All marks of a run.
#[derive(Clone, Debug, Default)]
pub struct Film {
    marks: Vec<(Time, Mark)>,
    messages: u32,
    /// Messages under way. Wires keep order, so what arrives is what set out first.
    under_way: BTreeMap<Wire, VecDeque<u32>>,
}

impl Film {
    /// The marks, in order.
    pub fn marks(&self) -> &[(Time, Mark)] {
        &self.marks
    }

    pub(super) fn mark(&mut self, at: Time, mark: Mark) {
        self.marks.push((at, mark));
    }

    pub(super) fn sent(&mut self, at: Time, wire: Wire, word: Word) {
        let message = self.messages;
        self.messages += 1;
        self.under_way.entry(wire).or_default().push_back(message);
        self.mark(at, Mark::Sent { message, wire, word });
    }

    /// The next message of a wire arrives. A changed byte may make one more of them than were sent.
    pub(super) fn arrived(&mut self, at: Time, wire: Wire, fate: Fate) {
        if let Some(message) = self.under_way.get_mut(&wire).and_then(VecDeque::pop_front) {
            self.mark(at, Mark::Arrived { message, fate });
        }
    }
}

impl Word {
    /// The greeting that comes before all frames.
    pub fn preamble() -> Self {
        Word { name: "Preamble", seq: None, detail: String::new() }
    }

    /// What a frame says, as far as people want to know.
    pub fn of(frame: &Frame) -> Self {
        let detail = match frame {
            Frame::Hello(hello) => {
                let met = if hello.instance.is_some() { "knows its server" } else { "has met no server" };
                let takeover = if hello.takeover { ", takes over" } else { "" };
                format!("attempt {}, {met}, has received {}{takeover}", hello.attempt, hello.received)
            }
            Frame::Welcome(welcome) => {
                format!("has received {}, goes on with {}", welcome.received, welcome.start)
            }
            Frame::Refused(refusal) => format!("{:?}: {}", refusal.reason, refusal.message),
            Frame::Data { channel, payload, .. } => format!("{channel:?}, {} bytes", payload.len()),
            Frame::Fin { channel, .. } => format!("{channel:?} has ended"),
            Frame::Exit { exit, .. } => format!("the program ended: {exit:?}"),
            Frame::Ack(seq) => format!("everything up to {seq} was consumed"),
            Frame::Ping(nonce) | Frame::Pong(nonce) => format!("nonce {nonce:x}"),
            Frame::Bye(bye) => format!("{:?}, has received {}", bye.reason, bye.received),
        };
        let seq = match frame {
            Frame::Ack(seq) => Some(*seq),
            Frame::Data { .. }
            | Frame::Fin { .. }
            | Frame::Exit { .. }
            | Frame::Hello(_)
            | Frame::Welcome(_)
            | Frame::Refused(_)
            | Frame::Ping(_)
            | Frame::Pong(_)
            | Frame::Bye(_) => frame.seq(),
        };
        Word { name: frame.name(), seq, detail }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_a_wire_arrive_in_the_order_in_which_they_set_out() {
        let mut film = Film::default();
        film.sent(Time(1), Wire::Up(0), Word::of(&Frame::Ping(1)));
        film.sent(Time(2), Wire::Down(0), Word::preamble());
        film.sent(Time(3), Wire::Up(0), Word::of(&Frame::Ack(9)));
        film.arrived(Time(4), Wire::Up(0), Fate::Taken);
        film.arrived(Time(5), Wire::Up(0), Fate::Stale);
        film.arrived(Time(6), Wire::Up(0), Fate::Taken);
        let arrived: Vec<_> = film.marks().iter().skip(3).map(|(_, mark)| mark.clone()).collect();
        let expected =
            [(0, Fate::Taken), (2, Fate::Stale)].map(|(message, fate)| Mark::Arrived { message, fate });
        assert_eq!(arrived, expected);
    }
}
