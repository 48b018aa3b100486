//! The host's side of the explored world: proxies' steps, servers' lives, locks and files.

use reattach::proto::{GoneReason, InstanceId};
use reattach::session::client::Launch;
use reattach::session::launch::{
    Boot, Evidence, Holder, IfRunning, Input, Lock, Mark, Mode, Record, Side, View,
};

use super::automaton::Told;
use super::choice::{Choice, Pace};
use super::lexicon::Name;
use super::life::STRANGER;
use super::proxy::{self, ProxyProcess, Step};
use super::server::{self, NO_SEAT};
use super::state::{Conn, NO_SERVER, NONE, PREAMBLE, Server, Stage, State};
use super::world::World;
use crate::machine::Kit;

/// The one boot of this host.
const BOOT: Boot = Boot(1);

impl<K: Kit> World<K> {
    pub(super) fn happen_on_host(&mut self, state: &mut State, choice: Choice) {
        match choice {
            Choice::Up(place) => self.up(state, place.into()),
            Choice::ServerEnds(place) => {
                state.links[usize::from(place)].conn = Conn::Gone;
                self.proxy_news(state, place.into(), Input::Ended(Side::Server));
            }
            Choice::Lost(place) => {
                let link = &state.links[usize::from(place)];
                let (id, seat) = (link.server, link.seat);
                // A server that is about to end has forgotten everybody.
                if seat != NO_SEAT {
                    self.server(state, id, server::Ask::Lost { seat });
                }
                state.links[usize::from(place)].conn = Conn::Gone;
            }
            Choice::Accept(place) => self.accept(state, place.into()),
            Choice::ProxyStep(place) => self.proxy_step(state, place.into()),
            Choice::ProxyTimer(place, pace) => {
                state.left.delays -= u8::from(pace == Pace::Early);
                self.proxy(state, place.into(), proxy::Ask::Timer);
            }
            Choice::ServerStep(id) => self.server_step(state, id),
            Choice::ServerTimer(id, pace) => {
                state.left.delays -= u8::from(pace == Pace::Early);
                state.left.idles -= u8::from(pace == Pace::Idle);
                self.server(state, id, server::Ask::Timer);
            }
            Choice::Crash(id) => {
                state.left.crashes -= 1;
                self.server_killed(state, id, GoneReason::Crashed);
            }
            Choice::Hang(id) => {
                state.left.hangs -= 1;
                state.servers[usize::from(id)].hung = true;
            }
            Choice::Resume(id) => {
                let server = &mut state.servers[usize::from(id)];
                server.hung = false;
                if std::mem::take(&mut server.terminated_later) {
                    self.server_terminated(state, id);
                }
            }
            Choice::Stop(id) => {
                state.left.stops -= 1;
                self.server_terminated(state, id);
            }
            Choice::ProgramEnds(id) => {
                state.left.exits -= 1;
                state.servers[usize::from(id)].program_ended = true;
                self.server(state, id, server::Ask::ProgramEnds);
            }
            laptop => unreachable!("own bug: {laptop:?} does not happen on the host"),
        }
    }

    /// sshd starts a proxy.
    pub(super) fn start_proxy(&mut self, state: &mut State, place: usize) {
        let link = &state.links[place];
        let mode = match link.launch {
            Launch::Start => Mode::Start(IfRunning::Refuse),
            Launch::Replace => Mode::Start(IfRunning::Replace),
            Launch::Reattach => {
                let person = &state.persons[usize::from(link.client)];
                Mode::Reconnect(self.clients.process(person.state).instance())
            }
        };
        let known = self.launches.iter().find(|(known, _)| *known == mode);
        let step = known.map(|(_, step)| *step).unwrap_or_else(|| {
            let mut told = Told::default();
            let process = ProxyProcess::start(self.bounds.launch(), mode, &mut self.lexicon, &mut told);
            let step = self.proxies.begin(process, told);
            self.launches.push((mode, step));
            step
        });
        self.proxy_did(state, place, step);
    }

    fn proxy(&mut self, state: &mut State, place: usize, ask: proxy::Ask) {
        let step = self.proxies.step(state.links[place].proxy, ask, &mut self.lexicon);
        self.proxy_did(state, place, step);
    }

    fn proxy_did(&mut self, state: &mut State, place: usize, step: usize) {
        let told = self.proxies.told(step);
        state.links[place].proxy = told.to;
        if let Some(story) = &mut self.story {
            story.proxy(&state.links[place], &told.lines);
        }
        self.broken = self.broken.take().or_else(|| told.broken.clone());
        // What nobody else can tell apart is done at once.
        match self.proxies.view(state.links[place].proxy).step {
            Some(Step::Relay) => self.proxy(state, place, proxy::Ask::Done),
            Some(Step::Exit(exit)) => self.proxy_ends(state, place, exit),
            Some(
                Step::TakeStarter
                | Step::DropStarter
                | Step::LookAtStarter
                | Step::LookAtLock { .. }
                | Step::LookAtFiles { .. }
                | Step::Intend(..)
                | Step::OpenProcess(..)
                | Step::Prove(..)
                | Step::Send(..)
                | Step::Clean
                | Step::Spawn
                | Step::AbandonSpawned
                | Step::Connect,
            )
            | None => {}
        }
    }

    pub(super) fn proxy_news(&mut self, state: &mut State, place: usize, news: Input) {
        let news = self.lexicon.answers.name(news);
        self.proxy(state, place, proxy::Ask::News(news));
    }

    fn answer(&mut self, state: &mut State, place: usize, answer: Input) {
        let answer = self.lexicon.answers.name(answer);
        self.proxy(state, place, proxy::Ask::Answer(answer));
    }

    fn proxy_step(&mut self, state: &mut State, place: usize) {
        let step = self.proxies.view(state.links[place].proxy).step.expect("only a step is taken");
        match step {
            Step::TakeStarter => {
                state.links[place].holds_starter = true;
                return self.answer(state, place, Input::StarterTaken);
            }
            Step::DropStarter => state.links[place].holds_starter = false,
            Step::LookAtStarter => {
                let starter_busy = state.starter_busy(place);
                return self.go_on(state, place, Step::LookAtLock { starter_busy });
            }
            Step::LookAtLock { starter_busy } => {
                let lock = state.look_at_lock();
                return self.go_on(state, place, Step::LookAtFiles { starter_busy, lock });
            }
            Step::LookAtFiles { starter_busy, lock } => {
                let evidence = state.evidence();
                return self.answer(state, place, Input::Saw(View { starter_busy, lock, evidence }));
            }
            Step::Intend(instance, reason) => {
                let id = server_of(instance);
                state.servers[usize::from(id)].intended = true;
                state.files.intent = Some((id, reason));
            }
            Step::OpenProcess(Holder::Pid(pid), signal) => {
                let id = u8::try_from(pid).expect("numbers of this world are small");
                // The number of a process that is gone belongs to a stranger by now.
                let gone = state.servers[usize::from(id)].stage == Stage::Gone;
                let opened = if gone { STRANGER } else { id };
                return self.go_on(state, place, Step::Prove(pid, opened, signal));
            }
            Step::OpenProcess(Holder::Elsewhere, _) => {}
            Step::Prove(pid, opened, signal) => {
                if state.look_at_lock() == Lock::Held(Holder::Pid(pid)) {
                    return self.go_on(state, place, Step::Send(opened, signal));
                }
            }
            Step::Send(opened, signal) => self.signal(state, opened, signal),
            Step::Clean => state.clean(),
            Step::Spawn => self.spawn(state, place),
            Step::AbandonSpawned => {
                let spawned = state.links[place].spawned;
                if spawned != NO_SERVER {
                    self.server_killed(state, spawned, GoneReason::Crashed);
                }
            }
            Step::Connect => return self.connect(state, place),
            Step::Relay | Step::Exit(_) => unreachable!("own bug: {step:?} does not wait"),
        }
        self.proxy(state, place, proxy::Ask::Done);
    }

    fn go_on(&mut self, state: &mut State, place: usize, step: Step) {
        self.proxy(state, place, proxy::Ask::GoOn(step));
    }

    fn connect(&mut self, state: &mut State, place: usize) {
        let listener = state.servers.iter().position(|server| server.listens);
        let recorded = state.files.record;
        let link = &mut state.links[place];
        match listener {
            None => self.answer(state, place, Input::NotAttached("connection refused".to_owned())),
            Some(_) if link.meant != NO_SERVER && recorded != Some(link.meant) => {
                self.answer(state, place, Input::NotAttached("it is another server".to_owned()));
            }
            Some(listener) => {
                link.conn = Conn::Waiting;
                link.server = u8::try_from(listener).expect("few servers");
                link.meant = NO_SERVER;
                self.answer(state, place, Input::Attached(recorded.map(instance_of)));
            }
        }
    }

    fn spawn(&mut self, state: &mut State, place: usize) {
        if state.servers.is_full() {
            self.overflowed = true;
            return;
        }
        let id = u8::try_from(state.servers.len()).expect("few servers");
        let holds_starter = state.links[place].holds_starter;
        state.servers.push(Server { holds_starter, ..Server::default() });
        state.links[place].spawned = id;
    }

    /// The process is gone, and everything that it held is closed.
    pub(super) fn proxy_ends(&mut self, state: &mut State, place: usize, exit: Name) {
        let link = &mut state.links[place];
        link.proxy = NONE;
        link.holds_starter = false;
        (link.spawned, link.meant) = (NO_SERVER, NO_SERVER);
        link.up.clear();
        link.up_ends = false;
        link.conn = match link.conn {
            Conn::None | Conn::Waiting => Conn::None,
            Conn::Open => Conn::Open,
            Conn::Closed | Conn::Gone => Conn::Gone,
        };
        if link.current && !link.cut {
            link.exit = Some(exit);
        }
    }

    /// A frame arrives at the server.
    fn up(&mut self, state: &mut State, place: usize) {
        let link = &mut state.links[place];
        let frame = link.up.remove(0);
        let (id, seat, newer) = (link.server, link.seat, !link.outdated);
        if seat == NO_SEAT {
            // As above.
        } else if self.is_hello(frame) {
            self.server(state, id, server::Ask::Hello { seat, frame, newer });
        } else {
            self.server(state, id, server::Ask::Frame { seat, frame });
        }
    }

    fn accept(&mut self, state: &mut State, place: usize) {
        let id = state.links[place].server;
        let seated = |link: &&super::state::Link| link.server == id && link.seat != NO_SEAT;
        let seats = state.links.iter().filter(seated).count();
        let link = &mut state.links[place];
        link.conn = Conn::Open;
        link.seat = u8::try_from(seats).expect("few seats");
        if seats >= server::SEATS_MAX {
            self.overflowed = true;
            return;
        }
        link.write_down(PREAMBLE);
        self.server(state, id, server::Ask::Opened);
    }
}

impl State {
    fn look_at_lock(&self) -> Lock {
        match self.servers.iter().position(|server| server.holds_lock) {
            Some(id) => Lock::Held(Holder::Pid(u32::try_from(id).expect("few servers"))),
            None => Lock::Free,
        }
    }

    fn evidence(&self) -> Evidence {
        let mark = |(id, reason)| Mark { instance: instance_of(id), reason };
        Evidence {
            boot: BOOT,
            record: self.files.record.map(|id| Record { instance: instance_of(id), boot: BOOT }),
            tombstone: self.files.tombstone.map(mark),
            intent: self.files.intent.map(mark),
            lock_file: self.servers.iter().any(|server| server.recorded),
        }
    }

    /// What the last server left is removed.
    fn clean(&mut self) {
        self.files = super::state::Files::default();
        for server in self.servers.iter_mut().filter(|server| !server.is_alive()) {
            server.cleaned = true;
        }
    }
}

/// The instance that a server is: it counts as good as dice do.
pub(super) fn instance_of(server: u8) -> InstanceId {
    InstanceId(u128::from(server) + 1)
}

pub(super) fn server_of(instance: InstanceId) -> u8 {
    u8::try_from(instance.0 - 1).expect("few servers")
}
