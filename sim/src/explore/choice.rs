//! What may happen next in a state: everything that can, and which of it happens first is the choice.
//!
//! What is on its way arrives, and processes take their steps, in any order. Deadlines are slower:
//! time passes when nothing else can happen, unless a delay is allowed. Trouble and users come whenever they
//! like, and nothing waits for them.

use std::time::Duration;

use reattach::session::First;

use super::client;
use super::proxy::Step;
use super::server::Timer as ServerTimer;
use super::state::{Conn, Link, NO_SERVER, NONE, Stage, State};
use super::world::World;
use crate::machine::Kit;

/// One thing that happens. Links and servers are named by their place in the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// A user opens an editor.
    Open(u8, First),
    Send(u8),
    Close(u8),
    Retry(u8),
    Restart(u8),
    /// A client's deadline passes; early if what it waits for is on its way.
    ClientTimer(u8, Pace),
    /// ssh is through.
    Dial(u8),
    /// ssh fails.
    DialFails(u8),
    /// An ssh that nobody waits for is killed in time.
    DialDropped(u8),
    /// Something arrives at the client.
    Down(u8),
    /// A frame arrives at the server.
    Up(u8),
    /// The proxy learns that the client's end is closed.
    UpEnds(u8),
    /// The proxy learns that the server has closed its end.
    ServerEnds(u8),
    /// The server learns that the proxy is gone.
    Lost(u8),
    Accept(u8),
    ProxyStep(u8),
    ProxyTimer(u8, Pace),
    ServerStep(u8),
    ServerTimer(u8, Pace),
    Cut(u8),
    /// The client's end of a link that was cut learns it.
    LaptopTold(u8),
    /// The proxy's end of a link that was cut learns it.
    HostTold(u8),
    Kill(u8),
    Crash(u8),
    Hang(u8),
    Resume(u8),
    Stop(u8),
    ProgramEnds(u8),
}

/// Whose turn a deadline is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// Nothing else can happen, and what is waited for will not come.
    Due,
    /// It passes although what is waited for could still come.
    Early,
    /// A server's lifetime without a client.
    Idle,
}

impl Choice {
    /// Whether it belongs to a world in which nothing goes wrong any more and users only wait.
    pub(super) fn helps(self, state: &State) -> bool {
        match self {
            Choice::Dial(_)
            | Choice::DialDropped(_)
            | Choice::Down(_)
            | Choice::Up(_)
            | Choice::UpEnds(_)
            | Choice::ServerEnds(_)
            | Choice::Lost(_)
            | Choice::Accept(_)
            | Choice::ProxyStep(_)
            | Choice::ServerStep(_)
            | Choice::HostTold(_)
            | Choice::Resume(_) => true,
            Choice::ClientTimer(_, pace) | Choice::ProxyTimer(_, pace) | Choice::ServerTimer(_, pace) => {
                pace == Pace::Due
            }
            // As long as nothing was heard of the proxy, ssh's own keepalive is what notices.
            Choice::LaptopTold(link) => !state.links[usize::from(link)].started,
            // The only way on from there, and it takes none of the allowance.
            Choice::Retry(_) => true,
            Choice::Open(..)
            | Choice::Send(_)
            | Choice::Close(_)
            | Choice::Restart(_)
            | Choice::DialFails(_)
            | Choice::Cut(_)
            | Choice::Kill(_)
            | Choice::Crash(_)
            | Choice::Hang(_)
            | Choice::Stop(_)
            | Choice::ProgramEnds(_) => false,
        }
    }
}

impl<K: Kit> World<K> {
    /// Everything that may happen, the likeliest first.
    pub(super) fn choices(&self, state: &State, choices: &mut Vec<Choice>) {
        choices.clear();
        for (place, link) in (0..).zip(&*state.links) {
            self.on_the_way(state, place, link, choices);
        }
        for (place, server) in (0..).zip(&*state.servers) {
            let steps = server.is_alive() && server.stage != Stage::Running;
            if (steps && !server.hung) || server.stage == Stage::Dead {
                choices.push(Choice::ServerStep(place));
            }
        }
        let quiet = choices.is_empty();
        self.deadlines(state, quiet, choices);
        self.wishes(state, choices);
        self.trouble(state, choices);
    }

    fn on_the_way(&self, state: &State, place: u8, link: &Link, choices: &mut Vec<Choice>) {
        if link.dialing {
            choices.push(Choice::Dial(place));
            if !link.current {
                choices.push(Choice::DialDropped(place));
            }
            return;
        }
        if link.current && (!link.down.is_empty() || link.exit.is_some()) {
            choices.push(Choice::Down(place));
        }
        let awake = link.server != NO_SERVER && state.servers[usize::from(link.server)].is_awake();
        if link.conn == Conn::Waiting && awake {
            choices.push(Choice::Accept(place));
        }
        if link.proxy == NONE {
            if link.conn == Conn::Open && awake {
                choices.push(Choice::Lost(place));
            }
            return;
        }
        let proxy = self.proxies.view(link.proxy);
        if let Some(step) = proxy.step
            && (step != Step::TakeStarter || !state.starter_busy(usize::from(place)))
        {
            choices.push(Choice::ProxyStep(place));
        }
        if proxy.relays {
            if link.up.is_empty() && link.up_ends {
                choices.push(Choice::UpEnds(place));
            } else if !link.up.is_empty() && link.conn == Conn::Open && awake {
                choices.push(Choice::Up(place));
            }
            if link.conn == Conn::Closed {
                choices.push(Choice::ServerEnds(place));
            }
        }
    }

    /// Clocks do not agree, but who waits longer is known: what is due first when nothing else can
    /// happen is the shortest wait. Any other deadline passes early.
    fn deadlines(&self, state: &State, quiet: bool, choices: &mut Vec<Choice>) {
        if !quiet && state.left.delays == 0 && state.left.idles == 0 {
            return;
        }
        let mut shortest = Duration::MAX;
        self.each_deadline(state, |_, is_due, wait| {
            if is_due {
                shortest = shortest.min(wait);
            }
        });
        self.each_deadline(state, |choice: &dyn Fn(Pace) -> Choice, is_due, wait| {
            if quiet && is_due && wait == shortest {
                choices.push(choice(Pace::Due));
            } else if state.left.delays > 0 {
                choices.push(choice(Pace::Early));
            }
        });
        if state.left.idles > 0 {
            for (place, server) in (0..).zip(&*state.servers) {
                let waits = server.is_awake() && server.state != NONE;
                if waits && self.servers.view(server.state).timer == ServerTimer::Idle {
                    choices.push(Choice::ServerTimer(place, Pace::Idle));
                }
            }
        }
    }

    /// Every deadline, whether what it waits for will not come any more, and how far away it is.
    fn each_deadline(
        &self,
        state: &State,
        mut deadline: impl FnMut(&dyn Fn(Pace) -> Choice, bool, Duration),
    ) {
        for (client, person) in (0..).zip(&state.persons) {
            if person.state == NONE {
                continue;
            }
            let view = self.clients.view(person.state);
            let is_due = match view.timer {
                client::Timer::None => continue,
                client::Timer::Due => true,
                client::Timer::Idle(probes) => {
                    let link = state.current(client).map(|link| &state.links[link]);
                    probes < self.bounds.beats || link.is_none_or(|link| !state.is_well(link))
                }
            };
            deadline(&|pace| Choice::ClientTimer(client, pace), is_due, view.wait);
        }
        for (place, link) in (0..).zip(&*state.links) {
            if link.proxy == NONE {
                continue;
            }
            let view = self.proxies.view(link.proxy);
            if view.has_timer {
                deadline(&|pace| Choice::ProxyTimer(place, pace), true, view.wait);
            }
        }
        for (place, server) in (0..).zip(&*state.servers) {
            if !server.is_awake() || server.state == NONE {
                continue;
            }
            let seated = |seat: u8| {
                state
                    .links
                    .iter()
                    .find(|link| link.conn == Conn::Open && link.server == place && link.seat == seat)
            };
            let view = self.servers.view(server.state);
            let is_due = match view.timer {
                ServerTimer::None | ServerTimer::Idle => continue,
                ServerTimer::Hello(seat) | ServerTimer::Silence(seat) => {
                    seated(seat).is_none_or(|link| !state.is_well(link))
                }
                ServerTimer::Ack => true,
            };
            deadline(&|pace| Choice::ServerTimer(place, pace), is_due, view.wait);
        }
    }

    fn wishes(&self, state: &State, choices: &mut Vec<Choice>) {
        for (client, person) in (0..self.bounds.clients).zip(&state.persons) {
            if person.state == NONE {
                choices.extend(
                    [First::Start, First::Takeover, First::Replace].map(|first| Choice::Open(client, first)),
                );
                // Whoever opens later would be the same again.
                return;
            }
            let view = self.clients.view(person.state);
            // Who sees that it has given up tries again; at once only so often, or old links pile up.
            let is_over = || state.links.iter().all(|link| link.client != client);
            if (view.is_exhausted && is_over()) || (state.left.retries > 0 && !view.is_final) {
                choices.push(Choice::Retry(client));
            }
            if state.left.messages > 0 && view.has_room {
                choices.push(Choice::Send(client));
            }
            if state.left.closes > 0 && !view.is_closed && !view.is_final {
                choices.push(Choice::Close(client));
            }
            if state.left.restarts > 0 && view.is_final && !view.is_closed {
                choices.push(Choice::Restart(client));
            }
        }
    }

    fn trouble(&self, state: &State, choices: &mut Vec<Choice>) {
        let left = &state.left;
        for (place, link) in (0..).zip(&*state.links) {
            if link.dialing {
                if left.cuts > 0 && link.current {
                    choices.push(Choice::DialFails(place));
                }
                continue;
            }
            if link.cut {
                if link.current && !link.end_told && link.exit.is_none() {
                    choices.push(Choice::LaptopTold(place));
                }
                if !link.host_told && link.proxy != NONE && self.proxies.view(link.proxy).relays {
                    choices.push(Choice::HostTold(place));
                }
            } else if left.cuts > 0 && (link.current || link.up_ends) && !link.end_told {
                choices.push(Choice::Cut(place));
            }
            if left.kills > 0 && link.proxy != NONE {
                choices.push(Choice::Kill(place));
            }
        }
        for (place, server) in (0..).zip(&*state.servers) {
            if !server.is_alive() {
                continue;
            }
            if left.crashes > 0 {
                choices.push(Choice::Crash(place));
            }
            if server.hung {
                choices.push(Choice::Resume(place));
            } else if left.hangs > 0 && server.state != NONE {
                choices.push(Choice::Hang(place));
            }
            if left.stops > 0 && !server.terminated_later {
                choices.push(Choice::Stop(place));
            }
            if left.exits > 0 && server.stage == Stage::Running {
                let view = self.servers.view(server.state);
                if view.exit.is_none() {
                    choices.push(Choice::ProgramEnds(place));
                }
            }
        }
    }

    /// Whether every session is where it has to be in the end.
    pub(super) fn is_settled(&self, state: &State) -> bool {
        self.unsettled(state).is_none()
    }

    /// The first client that is not where it has to be in the end.
    pub(super) fn unsettled(&self, state: &State) -> Option<u8> {
        (0..).zip(&state.persons).filter(|(_, person)| person.state != NONE).find_map(|(client, person)| {
            let view = self.clients.view(person.state);
            let lives = person.met != NO_SERVER && {
                let server = &state.servers[usize::from(person.met)];
                server.is_alive() && server.state != NONE && self.servers.view(server.state).exit.is_none()
            };
            let settled = view.is_final || (view.is_settled && lives);
            (!settled).then_some(client)
        })
    }
}

impl State {
    /// Whether somebody other than this link's proxy has the starter lock.
    pub(super) fn starter_busy(&self, place: usize) -> bool {
        self.links.iter().enumerate().any(|(other, link)| other != place && link.holds_starter)
            || self.servers.iter().any(|server| server.holds_starter)
    }

    /// Whether what is said on a link is heard and answered.
    fn is_well(&self, link: &Link) -> bool {
        let hung = link.server != NO_SERVER && self.servers[usize::from(link.server)].hung;
        let dead = link.proxy == NONE;
        !link.cut && !hung && !dead
    }
}
