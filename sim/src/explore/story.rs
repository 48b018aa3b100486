//! A path through the world, told: lines as every trace has them, and what users and trouble did.
//!
//! Clocks of an explored world do not agree, so the times are those of a world in which everything takes a
//! moment and deadlines take as long as they say.

use std::time::Duration;

use reattach::proto::GoneReason;
use reattach::session::Time;

use super::choice::{Choice, Pace};
use super::lexicon::{Lexicon, Name};
use super::state::{FRAMES, Link, PREAMBLE, STARTED, State};
use crate::check::Violation;
use crate::scenario::{Act, Fault, FaultKind, Letter, User, What};
use crate::trace::{Line, words};

/// What everything takes that is not waited for.
const MOMENT: Duration = Duration::from_millis(100);

/// What happened on a path.
#[derive(Clone, Debug, Default)]
pub(super) struct Story {
    now: Time,
    pub(super) lines: Vec<Line>,
    /// What users and trouble did, and when.
    pub(super) entries: Vec<(Time, What)>,
    /// Links that are cut, by client: the entry that cut them.
    cuts: Vec<(u8, u16, usize)>,
    /// Servers that hang: the entry that stopped them.
    hangs: Vec<(u8, usize)>,
    /// Some deadline passed although what it waited for was on its way.
    pub(super) delayed: Vec<(Time, u8)>,
    /// Some server's lifetime without a client has passed.
    pub(super) idled: bool,
}

impl Story {
    /// A choice is about to be made.
    pub(super) fn begin(&mut self, state: &State, choice: Choice, wait: Duration, lexicon: &Lexicon) {
        self.now += wait.max(MOMENT);
        let link = |place: u8| &state.links[usize::from(place)];
        let user = |client, act| What::User(User { client, act });
        match choice {
            Choice::Open(client, first) => self.act(user(client, Act::Open(first))),
            Choice::Send(client) => {
                self.act(user(client, Act::Send { count: 1, every: Duration::from_secs(1), bytes: 16 }));
            }
            Choice::Close(client) => self.act(user(client, Act::Close)),
            Choice::Retry(client) => self.act(user(client, Act::Retry)),
            Choice::Restart(client) => self.act(user(client, Act::Restart)),
            Choice::DialFails(place) => {
                self.act(fault(FaultKind::SshFail, Some(link(place).client), Duration::from_secs(2)));
            }
            Choice::Cut(place) => {
                let link = link(place);
                self.cuts.push((link.client, link.attempt, self.entries.len()));
                self.act(fault(FaultKind::Blackhole, Some(link.client), Duration::ZERO));
            }
            Choice::LaptopTold(place) => self.cut_told(link(place), FaultKind::HalfOpen),
            Choice::HostTold(place) => self.cut_told(link(place), FaultKind::LinkCut),
            Choice::Kill(place) => {
                self.act(fault(FaultKind::ProxyKill, Some(link(place).client), Duration::ZERO));
            }
            Choice::Crash(_) => self.act(fault(FaultKind::ServerCrash, None, Duration::ZERO)),
            Choice::Hang(id) => {
                self.hangs.push((id, self.entries.len()));
                self.act(fault(FaultKind::ServerHang, None, Duration::from_secs(3600)));
            }
            Choice::Resume(id) => self.resumed(id),
            Choice::Stop(_) => self.act(fault(FaultKind::ServerStop, None, Duration::ZERO)),
            Choice::ProgramEnds(_) => self.act(fault(FaultKind::ProgramExit, None, Duration::ZERO)),
            Choice::Down(place) => {
                let link = link(place);
                let what = match link.down.first() {
                    Some(&STARTED) => "that the proxy runs".to_owned(),
                    Some(&PREAMBLE) => "the preamble".to_owned(),
                    Some(frame) => frame_name(frame - FRAMES, lexicon),
                    None if link.end_told => "the proxy's exit".to_owned(),
                    None => "the end of the output".to_owned(),
                };
                self.arrives(link, &what, "at the client");
            }
            Choice::Up(place) => {
                let link = link(place);
                self.arrives(link, &frame_name(link.up[0], lexicon), "at the server");
            }
            Choice::UpEnds(place) => self.arrives(link(place), "the client's end", "at the proxy"),
            Choice::ServerEnds(place) => self.arrives(link(place), "the server's end", "at the proxy"),
            Choice::Lost(place) => self.arrives(link(place), "the proxy's end", "at the server"),
            Choice::ClientTimer(client, pace) => self.passes(pace, client),
            Choice::ProxyTimer(place, pace) => self.passes(pace, link(place).client),
            Choice::ServerTimer(_, pace) => self.passes(pace, 0),
            Choice::Dial(_)
            | Choice::DialDropped(_)
            | Choice::Accept(_)
            | Choice::ProxyStep(_)
            | Choice::ServerStep(_) => {}
        }
    }

    /// The choice was made.
    pub(super) fn end(&mut self, broken: Option<&mut Violation>) {
        if let Some(violation) = broken {
            violation.at = self.now;
        }
    }

    pub(super) fn client(&mut self, client: u8, lines: &[(String, String)]) {
        self.said(&format!("client {}", Letter(client)), lines);
    }

    pub(super) fn proxy(&mut self, link: &Link, lines: &[(String, String)]) {
        self.said(&format!("proxy {}{}", Letter(link.client), link.attempt), lines);
    }

    pub(super) fn server(&mut self, id: u8, lines: &[(String, String)]) {
        self.said(&format!("server {id}"), lines);
    }

    pub(super) fn server_died(&mut self, id: u8, end: Option<GoneReason>) {
        self.said(&format!("server {id}"), &[words::death(end)]);
    }

    fn act(&mut self, what: What) {
        let (who, words) = match &what {
            What::User(user) => (format!("user {}", Letter(user.client)), user.act.to_string()),
            What::Fault(fault) => ("fault".to_owned(), fault.to_string()),
        };
        self.said(&who, &[(words, String::new())]);
        self.entries.push((self.now, what));
    }

    fn cut_told(&mut self, link: &Link, kind: FaultKind) {
        self.arrives(
            link,
            "the break",
            if kind == FaultKind::LinkCut { "at the proxy" } else { "at the client" },
        );
        let cut =
            self.cuts.iter().find(|(client, attempt, _)| (*client, *attempt) == (link.client, link.attempt));
        if let Some((_, _, entry)) = cut
            && let What::Fault(fault) = &mut self.entries[*entry].1
        {
            fault.kind = match (fault.kind, kind) {
                (FaultKind::Blackhole, FaultKind::HalfOpen) => FaultKind::HalfOpen,
                // Where the host learns it, the laptop of the simulator's world does, too.
                _ => FaultKind::LinkCut,
            };
        }
    }

    fn resumed(&mut self, id: u8) {
        self.said(&format!("server {id}"), &[("goes on".to_owned(), String::new())]);
        if let Some((_, entry)) = self.hangs.iter().rfind(|(hung, _)| *hung == id)
            && let (at, What::Fault(fault)) = &mut self.entries[*entry]
        {
            fault.duration = self.now.since(*at);
        }
    }

    fn passes(&mut self, pace: Pace, client: u8) {
        match pace {
            Pace::Due => {}
            Pace::Early => self.delayed.push((self.now, client)),
            Pace::Idle => self.idled = true,
        }
    }

    fn arrives(&mut self, link: &Link, what: &str, place: &str) {
        let who = format!("link {}{}", Letter(link.client), link.attempt);
        self.said(&who, &[(format!("{what} arrives {place}"), String::new())]);
    }

    fn said(&mut self, who: &str, lines: &[(String, String)]) {
        for (what, why) in lines {
            self.lines.push(Line { at: self.now, who: who.to_owned(), what: what.clone(), why: why.clone() });
        }
    }
}

fn fault(kind: FaultKind, target: Option<u8>, duration: Duration) -> What {
    let number = kind.numbers().first().copied().unwrap_or_default();
    What::Fault(Fault { kind, target, number, duration })
}

fn frame_name(frame: Name, lexicon: &Lexicon) -> String {
    let frame = lexicon.frame_of(frame);
    match frame.seq() {
        Some(seq) => format!("{} {seq}", frame.name()),
        None => frame.name().to_owned(),
    }
}
