//! The world: a laptop, a host and what is between them, in virtual time, around the real machines.
//!
//! ```text
//! queue     what is going to happen
//! pipe      bytes on their way
//! client    the editor's process: the client machine and what its driver does
//! editor    the user and what the user sees
//! network   the laptop's: comes, goes, changes
//! link      ssh: opens, breaks, ends
//! flow      and carries
//! elsewhere another host, to which the name leads at times
//! host      numbers, locks, files and sockets
//! proxy     the proxy's process: the launch machine and what its host does
//! conn      a proxy's attachment to a server: two sockets, relayed
//! server    the server's process: the server machine and what its host does
//! program   the hosted application
//! fault     what goes wrong
//! scene     who is there when it does
//! judge     what is true, and what was said
//! ending    faults end, everything settles, sessions close, nothing is left
//! availability  what the users felt of it
//! camera    what a picture is drawn from
//! ```
//!
//! Every process does one thing at a time and is told the time; nothing here reads a clock.

mod availability;
mod camera;
mod client;
mod conn;
mod death;
mod editor;
mod elsewhere;
mod ending;
mod fault;
mod flow;
mod host;
mod judge;
mod link;
mod network;
mod pipe;
mod program;
mod proxy;
mod queue;
mod scene;
mod server;

use std::time::Duration;

use bytes::BytesMut;
pub(crate) use queue::event_name;
use reattach::session::Time;

use self::client::{ClientProcess, Session};
use self::conn::Conn;
use self::elsewhere::Elsewhere;
use self::fault::Weather;
use self::host::Host;
use self::link::Link;
use self::proxy::Proxy;
use self::queue::{Event, EventKind, Queue};
use self::server::ServerProcess;
use crate::check::{Checks, Goal, Goals, Promise};
use crate::dice::Dice;
use crate::machine::Kit;
use crate::scenario::{Act, CLIENTS_MAX, Letter, Scenario, User, What};
use crate::trace::{Detail, Trace};

type ClientId = u32;
type LinkId = u32;
type ProxyId = u32;
type ConnId = u32;
type ServerId = u32;

/// Tells this stream of a seed from the one that the scenario was drawn from.
const PURPOSE: u64 = 2;

/// And the order of what its scenario has happen at the same time.
const PLAN_PURPOSE: u64 = 4;

/// Events after which a run is stuck: some ten times what a long one has.
const EVENTS_MAX: u64 = 300_000;

/// One run.
pub(crate) struct World<'s, K: Kit> {
    scenario: &'s Scenario,
    now: Time,
    queue: Queue,
    dice: Dice,
    pub(crate) trace: Trace,
    pub(crate) checks: Checks,
    pub(crate) goals: Goals,
    clients: Vec<ClientProcess<K::Client>>,
    /// The clients by their names in the scenario.
    names: [Option<ClientId>; CLIENTS_MAX as usize],
    sessions: Vec<Session>,
    links: Vec<Link>,
    host: Host,
    proxies: Vec<Proxy<K::Launch>>,
    conns: Vec<Conn>,
    servers: Vec<ServerProcess<K::Server>>,
    elsewhere: Vec<Elsewhere<K::Server>>,
    weather: Weather,
    /// What happens to the frozen, for when they thaw.
    deferred: Vec<Event>,
    /// Laptops, clients, proxies and servers that are frozen.
    freezes: u32,
    healed_at: Time,
    /// Everything has settled, and nothing more is to happen.
    calm: bool,
    settle_until: Time,
    finished_at: Option<Time>,
    /// Links over which sessions were closed in order at the end.
    leaving: Vec<LinkId>,
    over: bool,
    /// What has not arrived yet.
    queues: judge::Queues,
    /// Payload bytes of the largest message that anybody sends.
    message_bytes: usize,
    scratch: BytesMut,
}

impl<'s, K: Kit> World<'s, K> {
    /// The world before anything happened.
    pub(crate) fn new(scenario: &'s Scenario, detail: Detail) -> Self {
        let mut world = World {
            scenario,
            now: Time::ZERO,
            queue: Queue::default(),
            dice: Dice::new(scenario.seed, PURPOSE),
            trace: Trace::new(detail),
            checks: Checks::default(),
            goals: Goals::default(),
            clients: Vec::new(),
            names: [None; CLIENTS_MAX as usize],
            sessions: Vec::new(),
            links: Vec::new(),
            host: Host::new(scenario.setting.pids),
            proxies: Vec::new(),
            conns: Vec::new(),
            servers: Vec::new(),
            elsewhere: Vec::new(),
            weather: Weather::default(),
            deferred: Vec::new(),
            freezes: 0,
            healed_at: Time::ZERO,
            calm: false,
            settle_until: Time::ZERO,
            finished_at: None,
            leaving: Vec::new(),
            over: false,
            queues: judge::Queues::default(),
            message_bytes: largest_message(scenario),
            scratch: BytesMut::with_capacity(4096),
        };
        world.plan();
        world
    }

    /// What the scenario says happens when it says. What happens at the same time does so in any
    /// order, which no entry of another time has a say in: without one of those the rest stays as it was.
    fn plan(&mut self) {
        let dice_at = |at: Duration| {
            let micros = u64::try_from(at.as_micros()).expect("scenarios last for hours");
            Dice::new(self.scenario.seed ^ micros.rotate_left(32), PLAN_PURPOSE)
        };
        let (mut last, mut dice) = (Duration::ZERO, dice_at(Duration::ZERO));
        for (index, entry) in self.scenario.entries.iter().enumerate() {
            if entry.at > self.scenario.duration {
                break;
            }
            if std::mem::replace(&mut last, entry.at) != entry.at {
                dice = dice_at(entry.at);
            }
            let id = u32::try_from(index).expect("scenarios are short");
            self.queue.push(Time::ZERO + entry.at, dice.bits32(), Event { kind: EventKind::Begin, id });
            if let What::Fault(fault) = &entry.what
                && fault.kind.is_lasting()
            {
                // An end comes after its beginning, and all of them before the healing.
                let end = (entry.at + fault.duration).min(self.scenario.duration);
                let end = end.max(entry.at + Duration::from_micros(1));
                // The last moment belongs to the healing, which comes after all ends.
                self.queue.push(Time::ZERO + end, dice.bits32(), Event { kind: EventKind::End, id });
            }
        }
        let heal = Time::ZERO + self.scenario.duration + Duration::from_micros(2);
        self.queue.push(
            heal,
            dice_at(heal.since(Time::ZERO)).bits32(),
            Event { kind: EventKind::Heal, id: 0 },
        );
    }

    /// Lets everything happen, until the end or the first broken promise.
    pub(crate) fn run(&mut self) {
        while !self.over {
            let Some((at, event)) = self.queue.pop() else {
                break;
            };
            self.now = at;
            self.trace.event(at, event.word());
            if self.freezes > 0 && self.is_frozen(event) {
                self.deferred.push(event);
                continue;
            }
            self.happen(event);
            self.over |= self.checks.violation().is_some() || self.trace.events() > EVENTS_MAX;
        }
        let (at, events) = (self.now, self.trace.events());
        self.checks.judge(at, Promise::ComesToRest, events <= EVENTS_MAX, || {
            format!("after {events} events the world still does not come to rest")
        });
        if self.host.reused {
            self.goals.reach(Goal::PidReused);
        }
    }

    /// When the run was over; the wait for what is left behind is no part of it.
    pub(crate) fn ended_at(&self) -> Time {
        self.finished_at.unwrap_or(self.now)
    }

    fn happen(&mut self, event: Event) {
        let id = event.id;
        match event.kind {
            EventKind::ClientTimer => self.on_client_timer(id),
            EventKind::ClientWrite => self.client_settle(id),
            EventKind::UserSend => self.on_user_send(id),
            EventKind::EditorTake => self.on_editor_take(id),
            EventKind::Dial => self.on_dial(id),
            EventKind::LinkUp => self.on_link_up(id),
            EventKind::LinkDown => self.on_link_down(id),
            EventKind::LinkGone => self.on_link_gone(id),
            EventKind::LinkKill => self.on_link_kill(id),
            EventKind::ProxyStep => self.on_proxy_step(id),
            EventKind::ProxyTimer => self.on_proxy_timer(id),
            EventKind::ConnUp => self.on_conn_up(id),
            EventKind::ConnDown => self.on_conn_down(id),
            EventKind::Accept => self.on_accept(id),
            EventKind::HalfTimeout => self.on_half_timeout(id),
            EventKind::ServerStep => self.on_server_step(id),
            EventKind::ServerTimer => self.on_server_timer(id),
            EventKind::ServerWrite => self.server_settle(id),
            EventKind::ServerGone => self.on_server_gone(id),
            EventKind::ProgramStep => self.on_program_step(id),
            EventKind::Begin => self.on_begin(id),
            EventKind::End => self.on_end(id),
            EventKind::Heal => self.on_heal(),
            EventKind::Settle => self.on_settle(),
            EventKind::Tidy => self.on_tidy(),
            EventKind::Sweep => self.on_sweep(),
            EventKind::OtherEnd => self.on_other_end(id),
            EventKind::Orphan => self.on_orphan(id),
        }
    }

    /// Whether the process that it happens to gets no time now.
    fn is_frozen(&self, event: Event) -> bool {
        let id = event.id as usize;
        let client = |id: usize| self.weather.sleeps > 0 || self.clients[id].hangs > 0;
        let server = |id: usize| self.servers[id].hangs > 0;
        match event.kind {
            EventKind::ClientTimer | EventKind::ClientWrite | EventKind::EditorTake => client(id),
            EventKind::LinkDown | EventKind::LinkGone => client(self.links[id].client as usize),
            EventKind::UserSend => client(id),
            EventKind::Dial | EventKind::LinkKill => self.weather.sleeps > 0,
            // A user waits until the laptop, or the editor, is there again.
            EventKind::Begin => match &self.scenario.entries[id].what {
                What::User(user) => match self.names[usize::from(user.client)] {
                    Some(named) => client(named as usize),
                    None => self.weather.sleeps > 0,
                },
                What::Fault(_) => false,
            },
            EventKind::ProxyStep | EventKind::ProxyTimer | EventKind::OtherEnd => self.proxies[id].hangs > 0,
            EventKind::ConnDown => self.proxies[self.conns[id].proxy as usize].hangs > 0,
            EventKind::ConnUp | EventKind::HalfTimeout => {
                self.conns[id].server.is_some_and(|server_id| server(server_id as usize))
            }
            EventKind::Accept | EventKind::ServerStep | EventKind::ServerTimer => server(id),
            EventKind::ServerWrite | EventKind::ProgramStep => server(id),
            // Links go on without the proxy's help as far as its buffers reach; the kernel, the
            // scenario and the ending never sleep.
            EventKind::LinkUp
            | EventKind::ServerGone
            | EventKind::End
            | EventKind::Heal
            | EventKind::Settle
            | EventKind::Tidy
            | EventKind::Sweep
            | EventKind::Orphan => false,
        }
    }

    /// Whatever was held back happens now, in any order; what is still frozen is held back again.
    fn thaw(&mut self) {
        for event in std::mem::take(&mut self.deferred) {
            let tie = self.dice.bits32();
            self.queue.push(self.now, tie, event);
        }
    }

    fn at(&mut self, at: Time, kind: EventKind, id: u32) {
        let tie = self.dice.bits32();
        self.queue.push(at, tie, Event { kind, id });
    }

    fn after(&mut self, delay: Duration, kind: EventKind, id: u32) {
        self.at(self.now + delay, kind, id);
    }

    /// After a moment on the laptop, which is never busy for long.
    fn soon(&mut self, kind: EventKind, id: u32) {
        let delay = Duration::from_micros(1 + u64::from(self.dice.below(200)));
        self.after(delay, kind, id);
    }

    /// After the time that a process on the host needs for a step; at times ten times as much.
    fn next_step(&mut self, kind: EventKind, id: u32) {
        let busy = if self.dice.one_in(16) { 20 } else { 2 };
        let delay = self.dice.within(self.scenario.setting.step_time * busy);
        self.after(delay + Duration::from_micros(1), kind, id);
    }

    fn laptop_now(&self) -> Time {
        self.now + self.weather.laptop_clock
    }

    fn host_now(&self) -> Time {
        self.now + self.host.clock
    }

    fn judge(&mut self, promise: Promise, holds: bool, what: impl FnOnce() -> String) {
        self.checks.judge(self.now, promise, holds, what);
    }

    /// What the scenario calls a client.
    fn letter(&self, client: ClientId) -> Letter {
        self.clients[client as usize].letter
    }

    fn client_name(&self, client: ClientId) -> String {
        format!("client {}", self.letter(client))
    }

    /// Keeps a line, if lines are kept.
    fn note(&mut self, tell: impl FnOnce(&Self) -> (String, String, String)) {
        if self.trace.has_lines() {
            let (who, what, why) = tell(self);
            self.trace.line(self.now, who, what, why);
        }
    }
}

/// Requests are padded to what the scenario says, answers to no more than that.
fn largest_message(scenario: &Scenario) -> usize {
    let asked = scenario.entries.iter().filter_map(|entry| match entry.what {
        What::User(User { act: Act::Send { bytes, .. }, .. }) => Some(bytes as usize),
        What::User(_) | What::Fault(_) => None,
    });
    asked.max().unwrap_or_default().max(program::ANSWER_BYTES)
}
