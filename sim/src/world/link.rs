//! ssh: opens a way to a proxy, breaks, and ends with a status.
//!
//! Its bytes are left to `flow`; what goes wrong, and when, to `fault`.

use std::time::Duration;

use bytes::BytesMut;
use reattach::proto::limits::FRAME_BYTES_MAX;
use reattach::proto::{
    Bye, ByeReason, Decoder, Frame, Notice, PreambleScanner, ProgramExit, Verdict, encode,
};
use reattach::session::Time;
use reattach::session::client::{Attempt, Launch, News, ProxyExit, Way};

use super::fault::Weather;
use super::pipe::{Mark, Pipe, Wire};
use super::queue::EventKind;
use super::{ClientId, LinkId, ProxyId, World};
use crate::check::{Goal, Promise};
use crate::machine::Kit;
use crate::scenario::Setting;
use crate::trace;

/// Bytes that ssh and its sockets hold on one way before the writer waits.
pub(super) const ROOM_BYTES: usize = 16 << 10;

/// Lines that a proxy prints: that it runs, and why it exits.
const LINES_MAX: usize = 2;

/// Time after which ssh gives up connecting.
const DIAL_TIMEOUT: Duration = Duration::from_secs(20);

/// Time after which an ssh that was asked to look finds its connection dead.
const KEEPALIVE: Duration = Duration::from_secs(45);

/// Longest time between the closing of a link and the killing of its ssh.
pub(super) const CLOSE_GRACE: Duration = Duration::from_secs(2);

/// How far an ssh has come, as the laptop sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Dialing,
    Open,
    Dead,
}

#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) client: ClientId,
    /// The session that it carries.
    pub(super) session: u32,
    pub(super) attempt: Attempt,
    pub(super) launch: Launch,
    pub(super) way: Way,
    /// It is its session's first: it may start a server.
    pub(super) first: bool,
    /// Nothing was opened for its session before, or what was cannot have started anything.
    pub(super) initial: bool,
    stage: Stage,
    dial_until: Option<Time>,
    pub(super) up: Pipe,
    pub(super) down: Pipe,
    pub(super) proxy: Option<ProxyId>,
    /// It has led to another machine.
    pub(super) elsewhere: bool,
    /// The proxy's lines on standard error.
    pub(super) lines: Vec<String>,
    pub(super) scanner: PreambleScanner,
    /// The client has written its Hello.
    pub(super) greeted_server: bool,
    /// It is held up on its way, and everything behind it.
    pub(super) hello_held: bool,
    /// Why the client has said goodbye at its end.
    pub(super) last_word: Option<ByeReason>,
    /// When the client was told that its output has ended, by the laptop's clock.
    pub(super) ended_at: Option<Time>,
    /// What came and is not known to be frames.
    pub(super) greeting: BytesMut,
    pub(super) greeted: bool,
    pub(super) decoder: Decoder,
    pub(super) verdict: Option<Verdict>,
    pub(super) started: bool,
    pub(super) exit: Option<ProgramExit>,
    pub(super) last_words: &'static str,
    /// Nothing will ever pass again.
    pub(super) broken: bool,
    /// The client's driver has stopped listening.
    pub(super) deaf: bool,
    /// The client's process is no more: whatever comes for it finds nobody.
    pub(super) is_orphaned: bool,
    /// The next byte that arrives at the host or at the client is changed.
    pub(super) corrupt_up: bool,
    /// A byte of it was.
    pub(super) tainted: bool,
    pub(super) corrupt_down: bool,
    /// Bytes that ssh printed before the proxy did.
    pub(super) noise: usize,
    /// Its ssh found no way to the host.
    pub(super) never_arrived: bool,
    /// It was ended by the host before the key exchange.
    pub(super) turned_away: bool,
    /// Its Hello found the server in another session's hands.
    pub(super) met_stranger: bool,
    /// The client was given the exit status, and will be given it again.
    pub(super) told_gone: bool,
    told_twice: bool,
}

impl Link {
    pub(super) fn wire(&self, setting: &Setting, weather: &Weather) -> Wire {
        let slow = weather.slowness.max(1);
        Wire { latency: setting.latency, bandwidth: (setting.bandwidth / slow).max(2), room: ROOM_BYTES }
    }

    /// Whether its ssh has not come through yet.
    pub(super) fn is_dialing(&self) -> bool {
        self.stage == Stage::Dialing
    }

    /// Whether its ssh has ended.
    pub(super) fn is_dead(&self) -> bool {
        self.stage == Stage::Dead
    }

    /// The bytes that are kept for it are within their bounds.
    pub(super) fn is_bounded(&self) -> bool {
        let frame = 4 + FRAME_BYTES_MAX;
        self.decoder.buffered_bytes() <= frame
            && self.up.len() <= ROOM_BYTES + frame
            && self.down.len() <= ROOM_BYTES + frame
            && self.lines.len() <= LINES_MAX
    }
}

impl<K: Kit> World<'_, K> {
    /// The client starts an ssh.
    pub(super) fn dial(
        &mut self,
        client: ClientId,
        attempt: Attempt,
        launch: Launch,
        way: Way,
        first: bool,
    ) -> LinkId {
        let id = u32::try_from(self.links.len()).expect("few links");
        self.links.push(Link {
            client,
            session: self.clients[client as usize].session,
            attempt,
            launch,
            way,
            first,
            initial: false,
            stage: Stage::Dialing,
            dial_until: None,
            up: Pipe::default(),
            down: Pipe::default(),
            proxy: None,
            elsewhere: false,
            lines: Vec::new(),
            scanner: PreambleScanner::new(),
            greeted_server: false,
            hello_held: false,
            last_word: None,
            ended_at: None,
            greeting: BytesMut::new(),
            greeted: false,
            decoder: Decoder::new(),
            verdict: None,
            started: false,
            exit: None,
            last_words: "",
            broken: false,
            deaf: self.dice.one_in(2),
            is_orphaned: false,
            corrupt_up: false,
            tainted: false,
            corrupt_down: false,
            noise: 0,
            never_arrived: false,
            turned_away: false,
            met_stranger: false,
            told_gone: false,
            told_twice: false,
        });
        self.film(|_| trace::Mark::Dialed { link: id, client, attempt, launch });
        let time = self.scenario.setting.ssh_time;
        let delay = time / 2 + self.dice.within(time) + Duration::from_micros(1);
        self.after(delay, EventKind::Dial, id);
        id
    }

    pub(super) fn on_dial(&mut self, id: LinkId) {
        let link = &mut self.links[id as usize];
        if link.stage != Stage::Dialing {
            return;
        }
        let until = *link.dial_until.get_or_insert(self.now + DIAL_TIMEOUT);
        let (client, initial, broken) = (link.client, link.initial, link.broken);
        let trouble = *self.weather.client(client);
        if self.shares_the_dead(id) {
            // It waits for a master that waits for the network: nothing ends that.
            self.links[id as usize].dial_until = None;
            self.goals.reach(Goal::SharedDead);
            self.after(Duration::from_millis(500), EventKind::Dial, id);
        } else if self.weather.networks_down > 0 {
            self.links[id as usize].never_arrived = true;
            self.ssh_ends(id, 255, "ssh: connect to host devbox port 22: Network is unreachable");
        } else if trouble.ssh_fails > 0 {
            self.ssh_ends(id, 255, "Permission denied (publickey).");
        } else if trouble.ssh_asks > 0 {
            // The user is typing: as long as it takes.
            self.links[id as usize].dial_until = None;
            self.after(Duration::from_millis(250), EventKind::Dial, id);
        } else if self.weather.partitions > 0 || self.host.downs > 0 || broken {
            if self.now >= until {
                self.links[id as usize].never_arrived = true;
                self.ssh_ends(id, 255, "ssh: connect to host devbox port 22: Connection timed out");
            } else {
                self.after(Duration::from_millis(500), EventKind::Dial, id);
            }
        } else if trouble.ssh_turned_away > 0 && self.links[id as usize].exit.is_none() {
            self.ssh_ends(id, 255, "kex_exchange_identification: Connection closed by remote host");
            self.links[id as usize].turned_away = true;
            if initial {
                self.note_turned_away(id);
            }
        } else {
            let link = &mut self.links[id as usize];
            link.stage = Stage::Open;
            if trouble.noise > 0 {
                let noise = vec![b'~'; trouble.noise as usize];
                link.noise = noise.len();
                let wire = link.wire(&self.scenario.setting, &self.weather);
                link.down.push(self.now, &wire, &noise);
                self.goals.reach(Goal::NoiseSkipped);
            }
            self.film(|_| trace::Mark::LinkOpen { link: id });
            if !self.goes_astray(id) {
                self.start_proxy(id);
            }
        }
    }

    pub(super) fn ssh_ends(&mut self, id: LinkId, code: i32, last_words: &'static str) {
        let link = &mut self.links[id as usize];
        link.exit = Some(ProgramExit::Code(code));
        link.last_words = last_words;
        self.soon(EventKind::LinkGone, id);
    }

    /// The ssh process has ended: the client gets its status, at times twice.
    pub(super) fn on_link_gone(&mut self, id: LinkId) {
        // Whatever it said is handed in before its status.
        self.drain_down(id);
        let link = &mut self.links[id as usize];
        link.stage = Stage::Dead;
        let client = link.client;
        if std::mem::replace(&mut link.told_gone, true) && !std::mem::take(&mut link.told_twice) {
            return;
        }
        let again = self.weather.client(client).news_twice > 0;
        link.told_twice = again;
        let exit = ProxyExit {
            status: Self::exit_of(link),
            verdict: link.verdict.clone(),
            last_words: link.last_words.to_owned(),
        };
        if again {
            let delay = self.dice.log_duration(Duration::from_millis(1), Duration::from_secs(10));
            self.after(delay, EventKind::LinkGone, id);
        }
        self.hang_up(id);
        self.film_gone(id);
        self.link_news(id, News::Exited(exit));
        self.client_settle(client);
    }

    /// The client closes a link: its last word, the end, and some time for ssh to end by itself.
    pub(super) fn close_link(&mut self, id: LinkId, bye: Option<Bye>) {
        let link = &mut self.links[id as usize];
        let wire = link.wire(&self.scenario.setting, &self.weather);
        link.last_word = bye.as_ref().map(|bye| bye.reason);
        if link.stage == Stage::Open {
            if let Some(bye) = bye.map(Frame::Bye) {
                self.trace.frame_sent(self.now, trace::Wire::Up(id), &bye);
                self.scratch.clear();
                encode(&bye, &mut self.scratch);
                link.up.push(self.now, &wire, &self.scratch);
            }
            link.up.mark(self.now, &wire, Mark::End);
            self.schedule_up(id);
        }
        self.film(|_| trace::Mark::LinkClosed { link: id });
        let grace = self.dice.within(CLOSE_GRACE);
        self.after(grace, EventKind::LinkKill, id);
    }

    pub(super) fn on_link_kill(&mut self, id: LinkId) {
        let link = &mut self.links[id as usize];
        if link.stage == Stage::Dead {
            return;
        }
        link.exit = Some(ProgramExit::Signal(9));
        self.hang_up(id);
        self.links[id as usize].stage = Stage::Dead;
        self.soon(EventKind::LinkGone, id);
    }

    /// The laptop's end of the link is gone; the host learns it if anything still gets there.
    pub(super) fn hang_up(&mut self, id: LinkId) {
        let link = &mut self.links[id as usize];
        let wire = link.wire(&self.scenario.setting, &self.weather);
        link.up.mark(self.now, &wire, Mark::End);
        self.schedule_up(id);
    }

    /// The link breaks; `laptop` and `host` say who learns it. What was on its way is cut anywhere.
    pub(super) fn break_link(&mut self, id: LinkId, laptop: bool, host: bool) {
        let link = &mut self.links[id as usize];
        // What was turned away has ended, whether that was told yet or not.
        if link.is_dead() || link.turned_away || link.never_arrived {
            return;
        }
        let wire = link.wire(&self.scenario.setting, &self.weather);
        self.trace.mark(self.now, trace::Mark::LinkBroken { link: id, laptop, host });
        for pipe in [&mut link.up, &mut link.down] {
            let keep = self.dice.below(u32::try_from(pipe.len() + 1).expect("small")) as usize;
            pipe.cut(self.now, keep);
        }
        // What is broken for good is not mended by breaking again.
        let host = host && !link.broken;
        link.broken |= !host;
        let client = link.client;
        if host {
            link.up.mark(self.now, &wire, Mark::End);
            self.schedule_up(id);
        }
        if laptop {
            self.links[id as usize].down.mark(self.now, &wire, Mark::End);
            self.schedule_down(id);
            self.ssh_ends(id, 255, "client_loop: send disconnect: Connection reset by peer");
        } else if !self.links[id as usize].started {
            // As long as nothing was heard of the proxy, ssh's own keepalive is what notices.
            let link = &mut self.links[id as usize];
            link.exit = Some(ProgramExit::Code(255));
            link.last_words = "Timeout, server devbox not responding.";
            self.after(KEEPALIVE, EventKind::LinkGone, id);
        }
        self.settle_account(client);
    }

    /// A line of the proxy on standard error.
    pub(super) fn say(&mut self, id: LinkId, notice: &Notice) {
        let link = &mut self.links[id as usize];
        let wire = link.wire(&self.scenario.setting, &self.weather);
        let number = u32::try_from(link.lines.len()).expect("few lines");
        link.lines.push(notice.to_line());
        link.down.mark(self.now, &wire, Mark::Line(number));
        self.schedule_down(id);
    }

    /// The proxy has ended: its output, and its status.
    pub(super) fn proxy_output_ends(&mut self, id: LinkId, status: ProgramExit) {
        let link = &mut self.links[id as usize];
        let wire = link.wire(&self.scenario.setting, &self.weather);
        link.exit.get_or_insert(status);
        link.down.mark(self.now, &wire, Mark::End);
        link.down.mark(self.now, &wire, Mark::Exit);
        self.schedule_down(id);
        if !self.links[id as usize].up.scheduled {
            self.schedule_up(id);
        }
    }

    pub(super) fn judge_links_bounded(&mut self) {
        let bounded = self.links.iter().all(Link::is_bounded);
        self.judge(Promise::BoundedMemory, bounded, || "a link keeps more than it may".to_owned());
    }
}
