//! The explored world: what each choice does, carried by the real machines.
//!
//! The laptop's side is here, the host's in `host`, what is true in `judge`. A state comes in and is
//! changed in place; what the machines do in it is looked up in their automata.

use std::time::Duration;

use reattach::proto::{Frame, ProgramExit};
use reattach::session::client::{Launch, ProxyExit};
use reattach::session::{First, Time, launch};

use super::automaton::{Automaton, Told};
use super::bounds::Bounds;
use super::choice::{Choice, Pace};
use super::client::{self, ClientProcess};
use super::lexicon::{Lexicon, Name};
use super::proxy::ProxyProcess;
use super::server::ServerProcess;
use super::state::{Conn, FRAMES, Few, Files, Link, NO_SERVER, NONE, PREAMBLE, Person, STARTED, State};
use super::story::Story;
use crate::check::{Checks, Promise, Violation};
use crate::machine::Kit;

/// The machines, and what was learnt about them.
pub(super) struct World<K: Kit> {
    pub(super) bounds: Bounds,
    pub(super) lexicon: Lexicon,
    pub(super) clients: Automaton<ClientProcess<K::Client>>,
    pub(super) proxies: Automaton<ProxyProcess<K::Launch>>,
    pub(super) servers: Automaton<ServerProcess<K::Server>>,
    /// First steps by who takes them.
    openings: Vec<((u8, First), usize)>,
    pub(super) launches: Vec<(launch::Mode, usize)>,
    pub(super) listenings: Vec<usize>,
    /// What was judged here.
    pub(super) checks: Checks,
    /// The first promise that the last choice broke.
    pub(super) broken: Option<Violation>,
    /// The last choice led to more than a state can hold.
    pub(super) overflowed: bool,
    /// Kept where somebody will read it.
    pub(super) story: Option<Story>,
    /// How an ssh ends whose link was cut, and a process that was killed.
    reset: Name,
    pub(super) killed: Name,
}

impl<K: Kit> World<K> {
    pub(super) fn new(bounds: Bounds) -> Self {
        let mut lexicon = Lexicon::default();
        let mut exit = |status, last_words: &str| {
            lexicon.exits.name(ProxyExit { status, verdict: None, last_words: last_words.to_owned() })
        };
        let reset = exit(ProgramExit::Code(255), "Connection reset by peer");
        let killed = exit(ProgramExit::Signal(9), "");
        World {
            bounds,
            lexicon,
            clients: Automaton::default(),
            proxies: Automaton::default(),
            servers: Automaton::default(),
            openings: Vec::new(),
            launches: Vec::new(),
            listenings: Vec::new(),
            checks: Checks::default(),
            broken: None,
            overflowed: false,
            story: None,
            reset,
            killed,
        }
    }

    /// The first client has just been opened.
    pub(super) fn start(&mut self) -> State {
        let mut state = State {
            persons: [Person::default(); _],
            links: Few::default(),
            servers: Few::default(),
            files: Files::default(),
            left: self.bounds.left,
        };
        self.happen(&mut state, Choice::Open(0, First::Start));
        state
    }

    /// Lets something happen. Afterwards `broken` and `overflowed` tell about this choice alone.
    pub(super) fn happen(&mut self, state: &mut State, choice: Choice) {
        self.broken = None;
        self.overflowed = false;
        let wait = self.story.is_some().then(|| self.wait(state, choice));
        if let Some(story) = &mut self.story {
            story.begin(state, choice, wait.unwrap_or_default(), &self.lexicon);
        }
        let link = |place: u8| usize::from(place);
        match choice {
            Choice::Open(client, first) => self.open(state, client, first),
            Choice::Send(client) => {
                state.left.messages -= 1;
                self.client(state, client, client::Ask::Send);
            }
            Choice::Close(client) => {
                state.left.closes -= 1;
                state.persons[usize::from(client)].closed = true;
                self.client(state, client, client::Ask::Close);
            }
            Choice::Retry(client) => {
                let exhausted = self.clients.view(state.persons[usize::from(client)].state).is_exhausted;
                state.left.retries -= u8::from(!exhausted);
                self.client(state, client, client::Ask::Retry);
            }
            Choice::Restart(client) => {
                state.left.restarts -= 1;
                state.persons[usize::from(client)].met = NO_SERVER;
                self.client(state, client, client::Ask::Restart);
            }
            Choice::ClientTimer(client, pace) => {
                state.left.delays -= u8::from(pace == Pace::Early);
                self.client(state, client, client::Ask::Timer);
            }
            Choice::Dial(place) => self.dial(state, link(place)),
            Choice::DialFails(place) => {
                state.left.cuts -= 1;
                let dialed = &mut state.links[link(place)];
                (dialed.dialing, dialed.end_told, dialed.exit) = (false, true, Some(self.reset));
            }
            Choice::DialDropped(place) => state.links[link(place)].dialing = false,
            Choice::Down(place) => self.down(state, link(place)),
            Choice::Cut(place) => {
                state.left.cuts -= 1;
                // What arrives before this is what was not lost.
                let cut = &mut state.links[link(place)];
                cut.cut = true;
                cut.up.clear();
                cut.down.clear();
                (cut.up_ends, cut.exit) = (false, None);
            }
            Choice::LaptopTold(place) => state.links[link(place)].exit = Some(self.reset),
            Choice::HostTold(place) => {
                state.links[link(place)].host_told = true;
                self.proxy_news(state, link(place), launch::Input::Ended(launch::Side::Client));
            }
            Choice::UpEnds(place) => {
                state.links[link(place)].up_ends = false;
                self.proxy_news(state, link(place), launch::Input::Ended(launch::Side::Client));
            }
            Choice::Kill(place) => {
                state.left.kills -= 1;
                state.links[link(place)].down.clear();
                self.proxy_ends(state, link(place), self.killed);
            }
            Choice::Up(_)
            | Choice::ServerEnds(_)
            | Choice::Lost(_)
            | Choice::Accept(_)
            | Choice::ProxyStep(_)
            | Choice::ProxyTimer(..)
            | Choice::ServerStep(_)
            | Choice::ServerTimer(..)
            | Choice::Crash(_)
            | Choice::Hang(_)
            | Choice::Resume(_)
            | Choice::Stop(_)
            | Choice::ProgramEnds(_) => self.happen_on_host(state, choice),
        }
        self.overflowed |= state.links.iter().any(Link::is_crowded);
        state.forget();
        if let Some(story) = &mut self.story {
            story.end(self.broken.as_mut());
        }
    }

    /// How long a choice lets time pass.
    fn wait(&self, state: &State, choice: Choice) -> Duration {
        match choice {
            Choice::ClientTimer(client, _) => {
                self.clients.view(state.persons[usize::from(client)].state).wait
            }
            Choice::ProxyTimer(place, _) => self.proxies.view(state.links[usize::from(place)].proxy).wait,
            Choice::ServerTimer(id, _) => self.servers.view(state.servers[usize::from(id)].state).wait,
            _ => Duration::ZERO,
        }
    }

    fn open(&mut self, state: &mut State, client: u8, first: First) {
        let known = self.openings.iter().find(|(who, _)| *who == (client, first));
        let step = known.map(|(_, step)| *step).unwrap_or_else(|| {
            let mut told = Told::default();
            let config = self.bounds.client(first);
            let process = ClientProcess::open(client, config, &mut told, &mut self.lexicon);
            let step = self.clients.begin(process, told);
            self.openings.push(((client, first), step));
            step
        });
        self.client_did(state, client, step);
    }

    fn client(&mut self, state: &mut State, client: u8, ask: client::Ask) {
        let from = state.persons[usize::from(client)].state;
        let step = self.clients.step(from, ask, &mut self.lexicon);
        self.client_did(state, client, step);
    }

    /// What a client did is carried out in the world.
    fn client_did(&mut self, state: &mut State, client: u8, step: usize) {
        let told = self.clients.told(step);
        state.persons[usize::from(client)].state = told.to;
        if let Some(story) = &mut self.story {
            story.client(client, &told.lines);
        }
        self.broken = self.broken.take().or_else(|| told.broken.clone());
        for deed in 0..told.deeds.len() {
            match self.clients.told(step).deeds[deed] {
                client::Deed::Open(launch) => self.open_link(state, client, launch),
                client::Deed::Close(bye) => self.close_link(state, client, bye),
                client::Deed::Write(frame) => {
                    if let Some(place) = state.current(client) {
                        state.links[place].write_up(frame);
                    }
                }
                client::Deed::Welcomed(instance) => self.judge_welcome(state, client, instance),
                client::Deed::Gone(reason) => self.judge_gone(state, client, reason),
                client::Deed::Refused(why) => self.judge_refused(state, client, why),
                client::Deed::Left(closed) => self.judge_left(state, client, closed),
            }
        }
        if state.current(client).is_none() {
            state.persons[usize::from(client)].heard = false;
        }
    }

    fn open_link(&mut self, state: &mut State, client: u8, launch: Launch) {
        if state.links.is_full() {
            self.overflowed = true;
            return;
        }
        let older = state.links.iter().filter(|link| link.client == client);
        let attempt = older.map(|link| link.attempt).max().unwrap_or_default() + 1;
        let place = state.links.iter().take_while(|link| link.client <= client).count();
        state.persons[usize::from(client)].heard = false;
        state.links.insert(place, Link { client, attempt, launch, ..Link::default() });
    }

    fn close_link(&mut self, state: &mut State, client: u8, bye: Option<Name>) {
        let Some(place) = state.current(client) else {
            return;
        };
        let link = &mut state.links[place];
        link.current = false;
        link.down.clear();
        (link.exit, link.end_told, link.started) = (None, false, false);
        if !link.dialing && !link.cut && link.proxy != NONE {
            if let Some(bye) = bye {
                link.write_up(bye);
            }
            link.up_ends = true;
        }
    }

    /// ssh is through: sshd starts the command that the client asked for.
    fn dial(&mut self, state: &mut State, place: usize) {
        let link = &mut state.links[place];
        link.dialing = false;
        // Nobody is at the other end any more.
        link.up_ends = !link.current;
        if link.current {
            link.down.push(STARTED);
        }
        self.start_proxy(state, place);
        state.links[place].launch = Launch::Reattach;
    }

    /// Something arrives at the client.
    fn down(&mut self, state: &mut State, place: usize) {
        let link = &mut state.links[place];
        let client = link.client;
        let heard = &mut state.persons[usize::from(client)].heard;
        let ask = if !link.down.is_empty() {
            match link.down.remove(0) {
                STARTED => {
                    (link.started, *heard) = (true, true);
                    client::Ask::Started
                }
                PREAMBLE => {
                    (link.started, *heard) = (true, true);
                    client::Ask::Preamble
                }
                frame => client::Ask::Frame(frame - FRAMES),
            }
        } else if std::mem::replace(&mut link.end_told, true) {
            client::Ask::Exited(link.exit.take().expect("only an exit is left"))
        } else {
            client::Ask::Ended
        };
        self.client(state, client, ask);
    }

    /// Whether a frame is a Hello.
    pub(super) fn is_hello(&self, frame: Name) -> bool {
        matches!(self.lexicon.frame_of(frame), Frame::Hello(_))
    }

    pub(super) fn judge(&mut self, promise: Promise, holds: bool, what: impl FnOnce() -> String) {
        // Only counted there: every choice is judged on its own.
        self.checks.judge(Time::ZERO, promise, true, String::new);
        if !holds && self.broken.is_none() {
            self.broken = Some(Violation { promise, at: Time::ZERO, what: what() });
        }
    }
}

impl Link {
    fn write_up(&mut self, frame: Name) {
        let carries = !self.cut && self.proxy != NONE && matches!(self.conn, Conn::Waiting | Conn::Open);
        if carries {
            self.up.push(frame);
        }
    }
}
