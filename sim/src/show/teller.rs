//! From what was seen to what is drawn: each mark adds to the story.

use std::collections::BTreeMap;

use reattach::proto::{GoneReason, ProgramExit};
use reattach::session::client::{Attempt, Status};
use reattach::session::{launch, server};

use super::bars::{Actor, Bars};
use super::cast::{Cast, Role};
use super::story::{Arrow, BarEnd, Course, MarkId, Row, Shape, Sign, Spot, Story};
use super::words::{self, Tone};
use crate::check::Violation;
use crate::scenario::{Scenario, What};
use crate::trace::{Fate, Film, Mark, Wire, Word};

impl Story {
    /// Tells what a film shows.
    pub(super) fn new(scenario: &Scenario, film: &Film, violation: Option<&Violation>) -> Self {
        let mut teller = Teller {
            scenario,
            story: Story {
                cast: Cast::new(scenario, film),
                times: film.marks().iter().map(|(at, _)| *at).collect(),
                rows: Vec::new(),
                bars: Vec::new(),
                arrows: Vec::new(),
            },
            bars: Bars::default(),
            messages: BTreeMap::new(),
            dials: BTreeMap::new(),
            attempts: BTreeMap::new(),
            exits: BTreeMap::new(),
            ended: BTreeMap::new(),
        };
        for (id, (_, mark)) in film.marks().iter().enumerate() {
            teller.tell(id, mark);
        }
        if let Some(violation) = violation {
            teller.tell_violation(violation);
        }
        teller.finish()
    }
}

struct Teller<'s> {
    scenario: &'s Scenario,
    story: Story,
    bars: Bars,
    messages: BTreeMap<u32, usize>,
    /// By link: the arrow that opens it.
    dials: BTreeMap<u32, usize>,
    attempts: BTreeMap<u32, Attempt>,
    /// By proxy: why it is about to exit.
    exits: BTreeMap<u32, String>,
    /// By link: when its proxy ended, where that stood, and how.
    ended: BTreeMap<u32, (MarkId, Spot, ProgramExit)>,
}

impl Teller<'_> {
    fn tell(&mut self, id: MarkId, mark: &Mark) {
        match mark {
            Mark::Begins { entry } => self.entry_begins(id, *entry),
            Mark::Ends { entry } => self.entry_ends(id, *entry),
            Mark::Chapter { what } => {
                self.row(id, Spot::default(), "world".to_owned(), what, "", (Tone::Calm, Sign::Chapter));
            }
            Mark::Client { client, status, attempt, why } => self.client(id, *client, status, *attempt, why),
            Mark::Dialed { link, client, attempt, launch } => {
                let lane = self.story.cast.lane(Role::Link, Some(*client));
                self.bars.begin(id, Actor::Link(*link), lane, Shape::Pole, Tone::Busy);
                self.bars.name(Actor::Link(*link), "", "ssh connects");
                let name = format!("ssh #{attempt}: {}", words::wish(*launch));
                let arrow = self.arrow(id, Role::Client, Role::Proxy, *link, name, String::new());
                self.dials.insert(*link, arrow);
                self.attempts.insert(*link, *attempt);
            }
            Mark::LinkOpen { link } => self.bars.change(id, Actor::Link(*link), Tone::Good, "ssh is through"),
            Mark::LinkBroken { link, laptop, host } => {
                let noticed = match (laptop, host) {
                    (true, true) => "broken",
                    (true, false) => "broken; the host does not know",
                    (false, _) => "broken; nobody knows",
                };
                self.bars.change(id, Actor::Link(*link), Tone::Bad, noticed);
            }
            Mark::LinkClosed { link } => self.bars.change(id, Actor::Link(*link), Tone::Done, "closed"),
            Mark::LinkGone { link, status, words, fate } => self.link_gone(id, *link, *status, words, *fate),
            Mark::OldNews { link, what } => {
                let name = format!("{what}, old");
                let arrow = self.arrow(id, Role::Link, Role::Client, *link, name, String::new());
                self.arrives(arrow, id, Fate::Stale);
            }
            Mark::ProxyRuns { proxy, link } => self.proxy_runs(id, *proxy, *link),
            Mark::ProxyDoes { proxy, effect } => self.proxy_does(id, *proxy, effect),
            Mark::ProxyRelays { proxy } => self.bars.change(id, Actor::Proxy(*proxy), Tone::Good, "relays"),
            Mark::ProxyGone { proxy, how } => self.proxy_gone(id, *proxy, *how),
            Mark::ServerStarts { server, proxy } => self.server_starts(id, *server, *proxy),
            Mark::Server { server, status, why } => self.server(id, *server, *status, why),
            Mark::ServerGone { server, reason, killed } => self.server_gone(id, *server, *reason, *killed),
            Mark::Locked { server } => {
                let lane = self.story.cast.lane(Role::Host, None);
                self.bars.end(id, Actor::Lock, BarEnd::Open);
                self.bars.begin(id, Actor::Lock, lane, Shape::Pole, Tone::Calm);
                self.bars.name(
                    Actor::Lock,
                    "locked",
                    &format!("server {server} holds the lock: it is alive"),
                );
            }
            Mark::Unlocked => self.bars.end(id, Actor::Lock, BarEnd::Cap),
            Mark::HostDown => {
                let lane = self.story.cast.lane(Role::Host, None);
                self.bars.end(id, Actor::Lock, BarEnd::Cross);
                self.bars.begin(id, Actor::Host, lane, Shape::Pole, Tone::Bad);
                self.bars.name(Actor::Host, "down", "the host is down");
            }
            Mark::HostUp => self.bars.end(id, Actor::Host, BarEnd::Cap),
            // Said again by the next proxy that looks, and by the frames that follow.
            Mark::WordLeft { .. } | Mark::Attached { .. } => {}
            Mark::Sent { message, wire, word } => self.sent(id, *message, *wire, word),
            Mark::Arrived { message, fate } => {
                if let Some(arrow) = self.messages.remove(message) {
                    self.arrives(arrow, id, *fate);
                }
            }
        }
    }

    fn entry_begins(&mut self, id: MarkId, entry: u32) {
        let what = &self.scenario.entries[entry as usize].what;
        let (told, why) = words::entry(what);
        let who = match what {
            What::User(user) => self.story.cast.name_of_user(user.client),
            What::Fault(_) => "fault".to_owned(),
        };
        let lanes = self.story.cast.lanes_of_entry(what);
        let look = match what {
            What::User(_) => (Tone::Calm, Sign::User),
            What::Fault(_) => (Tone::Bad, Sign::Fault),
        };
        self.row(id, Spot { lane: lanes[0], slot: 0 }, who, &told, &why, look);
        if let What::Fault(fault) = what
            && fault.kind.is_lasting()
        {
            for lane in lanes {
                self.bars.begin(id, Actor::Fault(entry, lane), lane, Shape::Band, Tone::Bad);
                self.bars.name(Actor::Fault(entry, lane), fault.kind.name(), &told);
            }
        }
    }

    fn entry_ends(&mut self, id: MarkId, entry: u32) {
        let what = &self.scenario.entries[entry as usize].what;
        let What::Fault(fault) = what else {
            return;
        };
        let lanes = self.story.cast.lanes_of_entry(what);
        let (told, why) = (words::fault_over(fault.kind), format!("{} ends", fault.kind));
        self.row(
            id,
            Spot { lane: lanes[0], slot: 0 },
            "fault".to_owned(),
            told,
            &why,
            (Tone::Calm, Sign::FaultOver),
        );
        for lane in lanes {
            self.bars.end(id, Actor::Fault(entry, lane), BarEnd::Cap);
        }
    }

    fn client(&mut self, id: MarkId, client: u32, status: &Status, attempt: Attempt, why: &str) {
        let lane = self.story.cast.lane(Role::Client, Some(client));
        let tone = words::tone_of_client(status);
        let (label, detail) = words::client_state(status);
        self.bars.end(id, Actor::Client(client), BarEnd::Open);
        self.bars.begin(id, Actor::Client(client), lane, Shape::State, tone);
        self.bars.name(Actor::Client(client), label, &detail);
        let who = self.story.cast.name_of_client(client);
        let why = if why == "user" { format!("attempt {attempt}") } else { why.to_owned() };
        let what = if detail.is_empty() { label.to_owned() } else { format!("{label} ({detail})") };
        self.row(id, Spot { lane, slot: 0 }, who, &what, &why, (tone, Sign::State));
    }

    fn link_gone(&mut self, id: MarkId, link: u32, status: ProgramExit, words: &str, fate: Fate) {
        let client = self.story.cast.client_of_link(link);
        let again = !self.bars.has(Actor::Link(link));
        let mut name = words::ending(status);
        if again {
            name.push_str(", again");
        }
        let arrow = self.arrow(id, Role::Link, Role::Client, link, name.clone(), words.to_owned());
        // Where ssh had an end of its own, the client never learns the proxy's.
        if let Some((ended, from, how)) = self.ended.remove(&link)
            && how == status
        {
            self.story.arrows[arrow].sent = ended;
            self.story.arrows[arrow].from = from;
        }
        self.arrives(arrow, id, fate);
        if let Some(dial) = self.dials.remove(&link) {
            // It never got through.
            self.story.arrows[dial].to.lane = self.story.cast.lane(Role::Link, Some(client));
        }
        self.bars.end(id, Actor::Link(link), BarEnd::Cap);
        if fate == Fate::Stale {
            let lane = self.story.cast.lane(Role::Client, Some(client));
            let who = self.story.cast.name_of_client(client);
            let attempt = self.attempts.get(&link).copied().unwrap_or_default();
            let why = format!("attempt {attempt}: {name}: {words}");
            let why = why.trim_end_matches([':', ' ']);
            self.row(
                id,
                Spot { lane, slot: 0 },
                who,
                "ignores news of an old attempt",
                why,
                (Tone::Calm, Sign::Step),
            );
        }
    }

    fn proxy_runs(&mut self, id: MarkId, proxy: u32, link: u32) {
        let client = self.story.cast.client_of_link(link);
        let lane = self.story.cast.lane(Role::Proxy, Some(client));
        self.bars.begin(id, Actor::Proxy(proxy), lane, Shape::Pole, Tone::Busy);
        self.bars.name(Actor::Proxy(proxy), &format!("proxy {proxy}"), "looks for the server");
        if let Some(dial) = self.dials.remove(&link) {
            self.story.arrows[dial].to = self.bars.spot(Actor::Proxy(proxy), lane);
            self.arrives(dial, id, Fate::Taken);
        }
    }

    fn proxy_does(&mut self, id: MarkId, proxy: u32, effect: &launch::Effect) {
        if let launch::Effect::Exit(verdict) = effect {
            self.exits.insert(proxy, verdict.message.clone());
        }
        if let Some(told) = words::proxy_does(effect) {
            let lane = self.story.cast.lane(Role::Proxy, Some(self.story.cast.client_of_proxy(proxy)));
            let spot = self.bars.spot(Actor::Proxy(proxy), lane);
            self.row(id, spot, format!("proxy {proxy}"), &told, "", (Tone::Calm, Sign::Step));
        }
    }

    fn proxy_gone(&mut self, id: MarkId, proxy: u32, how: Option<ProgramExit>) {
        let cast = &self.story.cast;
        let (link, lane) =
            (cast.link_of_proxy(proxy), cast.lane(Role::Proxy, Some(cast.client_of_proxy(proxy))));
        let from = self.bars.spot(Actor::Proxy(proxy), lane);
        let Some(how) = how else {
            return self.bars.end(id, Actor::Proxy(proxy), BarEnd::Cross);
        };
        self.ended.insert(link, (id, from, how));
        let (told, end, tone) = match how {
            ProgramExit::Code(code) => (format!("exits with {code}"), BarEnd::Cap, Tone::Calm),
            ProgramExit::Signal(signal) => {
                (format!("is killed by signal {signal}"), BarEnd::Cross, Tone::Bad)
            }
        };
        let sign = if tone == Tone::Bad { Sign::Death } else { Sign::Step };
        self.bars.end(id, Actor::Proxy(proxy), end);
        let why = self.exits.remove(&proxy).unwrap_or_default();
        self.row(id, from, format!("proxy {proxy}"), &told, &why, (tone, sign));
    }

    fn server_starts(&mut self, id: MarkId, server: u32, proxy: u32) {
        let lane = self.story.cast.lane(Role::Server, None);
        self.bars.begin(id, Actor::Server(server), lane, Shape::State, Tone::Busy);
        self.bars.name(Actor::Server(server), "Starting", &format!("server {server}"));
        let link = self.story.cast.link_of_proxy(proxy);
        let arrow =
            self.arrow(id, Role::Proxy, Role::Server, link, "spawn".to_owned(), format!("server {server}"));
        self.arrives(arrow, id, Fate::Taken);
    }

    fn server(&mut self, id: MarkId, server: u32, status: server::Status, why: &str) {
        let lane = self.story.cast.lane(Role::Server, None);
        let (label, detail, tone) = words::server_state(status);
        self.bars.end(id, Actor::Server(server), BarEnd::Open);
        self.bars.begin(id, Actor::Server(server), lane, Shape::State, tone);
        self.bars.name(Actor::Server(server), label, &detail);
        let (what, why) = if status == server::Status::Unmet {
            ("listens".to_owned(), "")
        } else {
            (format!("{label} ({detail})"), why)
        };
        self.row(id, Spot { lane, slot: 0 }, format!("server {server}"), &what, why, (tone, Sign::State));
    }

    fn server_gone(&mut self, id: MarkId, server: u32, reason: Option<GoneReason>, killed: bool) {
        let lane = self.story.cast.lane(Role::Server, None);
        let told = words::server_end(reason, killed);
        let (end, tone, sign) = if killed {
            (BarEnd::Cross, Tone::Bad, Sign::Death)
        } else {
            (BarEnd::Cap, Tone::Done, Sign::Step)
        };
        self.bars.end(id, Actor::Server(server), end);
        self.row(id, Spot { lane, slot: 0 }, format!("server {server}"), &told, "", (tone, sign));
    }

    fn sent(&mut self, id: MarkId, message: u32, wire: Wire, word: &Word) {
        let (link, from, to) = match wire {
            Wire::Up(link) => (link, Role::Client, Role::Server),
            Wire::Down(conn) => (self.story.cast.link_of_conn(conn), Role::Server, Role::Client),
        };
        let name = match word.seq {
            Some(seq) => format!("{} {seq}", word.name),
            None => word.name.to_owned(),
        };
        let arrow = self.arrow(id, from, to, link, name, word.detail.clone());
        self.story.arrows[arrow].is_traffic = ["Data", "Ack", "Ping", "Pong", "Fin"].contains(&word.name);
        self.messages.insert(message, arrow);
    }

    fn tell_violation(&mut self, violation: &Violation) {
        let id = self.story.times.len();
        self.story.times.push(violation.at);
        let what = format!("{} is broken", violation.promise);
        self.row(
            id,
            Spot::default(),
            "promise".to_owned(),
            &what,
            &violation.what,
            (Tone::Bad, Sign::Violation),
        );
    }

    /// Whatever is on its way now never arrives. Where it was lost, nobody can tell who sees only
    /// that it did not come; it ends on the link.
    fn finish(self) -> Story {
        let Teller { mut story, bars, .. } = self;
        story.bars = bars.all();
        let Story { cast, arrows, .. } = &mut story;
        for arrow in arrows.iter_mut().filter(|arrow| arrow.arrives.is_none()) {
            let client = Some(cast.client_of_link(arrow.link));
            arrow.to = Spot { lane: cast.lane(Role::Link, client), slot: 0 };
        }
        story
    }

    fn row(
        &mut self,
        mark: MarkId,
        spot: Spot,
        who: String,
        what: &str,
        why: &str,
        (tone, sign): (Tone, Sign),
    ) {
        let (what, why) = (what.to_owned(), why.to_owned());
        self.story.rows.push(Row { mark, spot, who, what, why, tone, sign });
    }

    fn arrow(
        &mut self,
        sent: MarkId,
        from: Role,
        to: Role,
        link: u32,
        name: String,
        detail: String,
    ) -> usize {
        let client = Some(self.story.cast.client_of_link(link));
        let end = |role| {
            let lane = self.story.cast.lane(role, client);
            if role == Role::Link { self.bars.spot(Actor::Link(link), lane) } else { Spot { lane, slot: 0 } }
        };
        let (from, to) = (end(from), end(to));
        let (arrives, course) = (None, Course::Lost);
        let arrow = Arrow { sent, arrives, from, to, link, course, name, detail, is_traffic: false };
        self.story.arrows.push(arrow);
        self.story.arrows.len() - 1
    }

    fn arrives(&mut self, arrow: usize, at: MarkId, fate: Fate) {
        self.story.arrows[arrow].arrives = Some(at);
        self.story.arrows[arrow].course = Course::Arrived(fate);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::run;
    use crate::scenario::parse;
    use crate::trace::Detail;

    fn story(text: &str) -> Story {
        let text = format!("scenario 1\nseed 1\nduration 40s\nat 0s a open start\n{text}");
        let scenario = parse(&text).unwrap();
        let outcome = run(&scenario, Detail::Picture);
        Story::new(&scenario, outcome.trace.film().unwrap(), outcome.checks.violation())
    }

    fn named<'s>(story: &'s Story, name: &str) -> Vec<&'s Arrow> {
        story.arrows.iter().filter(|arrow| arrow.name == name).collect()
    }

    #[test]
    fn a_killed_server_is_crossed_out_and_its_client_is_told() {
        let story = story("at 5s fault server-crash\n");
        let server = story.bars.iter().find(|bar| bar.label == "Attached").unwrap();
        assert_eq!(server.end, BarEnd::Cross);
        let told = story.rows.iter().find(|row| row.what == "ServerNotRunning (crashed)").unwrap();
        let exits = named(&story, "exit 90");
        let [exit] = exits.as_slice() else {
            panic!("{exits:?}");
        };
        assert_eq!(exit.course, Course::Arrived(Fate::Taken));
        assert!(exit.sent < exit.arrives.unwrap() && exit.arrives.unwrap() < told.mark);
        let lanes = &story.cast.lanes;
        assert_eq!((lanes[exit.from.lane].role, lanes[exit.to.lane].role), (Role::Proxy, Role::Client));
    }

    #[test]
    fn what_a_dead_link_carried_ends_on_the_link() {
        let story = story("at 2s a send 9 every 5ms of 40\nat 2.01s fault blackhole a\n");
        let lost: Vec<_> = story.arrows.iter().filter(|arrow| arrow.course == Course::Lost).collect();
        assert!(!lost.is_empty());
        assert!(lost.iter().all(|arrow| story.cast.lanes[arrow.to.lane].role == Role::Link));
    }

    #[test]
    fn old_news_is_told_apart() {
        let scenario = include_str!("../../../fixtures/scenario/world/old_exit_news.scenario");
        let scenario = parse(scenario).unwrap();
        let outcome = run(&scenario, Detail::Picture);
        let story = Story::new(&scenario, outcome.trace.film().unwrap(), None);
        let stale = |arrow: &&Arrow| arrow.course == Course::Arrived(Fate::Stale);
        assert!(story.arrows.iter().any(|arrow| stale(&arrow)));
        assert!(story.rows.iter().any(|row| row.what == "ignores news of an old attempt"));
    }

    #[test]
    fn links_that_last_at_the_same_time_stand_beside_each_other() {
        let story = story("at 5s fault half-open a\n");
        let poles = story.bars.iter().filter(|bar| story.cast.lanes[bar.lane].role == Role::Proxy);
        let slots: Vec<usize> = poles.map(|pole| pole.slot).collect();
        assert!(slots.contains(&0) && slots.contains(&1), "{slots:?}");
    }

    #[test]
    fn a_fault_that_lasts_lies_over_its_lane_until_it_ends() {
        let story = story("at 5s fault ssh-fail a for 3s\n");
        let band = story.bars.iter().find(|bar| bar.shape == Shape::Band).unwrap();
        assert_eq!(story.times[band.to.unwrap()].since(story.times[band.from]).as_secs(), 3);
    }
}
