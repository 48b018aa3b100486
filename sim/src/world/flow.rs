//! The bytes of a link: on their way between client and proxy, a fragment at a time.
//!
//! Opening, breaking and closing a link is left to `link`; what the bytes say to `client` and
//! `server`.

use std::time::Duration;

use reattach::proto::{Decoder, Notice};
use reattach::session::client::News;

use super::conn::WIRE;
use super::pipe::{Arrived, Mark};
use super::queue::EventKind;
use super::{ClientId, ConnId, LinkId, World};
use crate::check::Goal;
use crate::machine::Kit;

impl<K: Kit> World<'_, K> {
    /// Asks for an event when bytes arrive at the host, unless there is one or they cannot.
    pub(super) fn schedule_up(&mut self, id: LinkId) {
        let link = &mut self.links[id as usize];
        let blocked = link.broken || link.hello_held || self.weather.blocks_up(link.client);
        if let Some(at) = link.up.next_at().filter(|_| !link.up.scheduled && !blocked) {
            link.up.scheduled = true;
            self.at(at.max(self.now), EventKind::LinkUp, id);
        }
    }

    pub(super) fn schedule_down(&mut self, id: LinkId) {
        let link = &mut self.links[id as usize];
        let blocked = link.broken || link.is_dead() || self.weather.blocks_down(link.client);
        if let Some(at) = link.down.next_at().filter(|_| !link.down.scheduled && !blocked) {
            link.down.scheduled = true;
            let mut at = at.max(self.now);
            if self.weather.client(link.client).news_late > 0 {
                at += self.dice.log_duration(Duration::from_millis(1), Duration::from_secs(5));
            }
            self.at(at, EventKind::LinkDown, id);
        }
    }

    /// Bytes arrive at the host: the proxy passes them on as far as it can.
    pub(super) fn on_link_up(&mut self, id: LinkId) {
        self.links[id as usize].up.scheduled = false;
        self.pump_up(id);
        // What has arrived and was not taken waits for its reader, not for time.
        let waits = self.links[id as usize].up.arrived(self.now).is_some();
        if !waits {
            self.schedule_up(id);
        }
    }

    pub(super) fn pump_up(&mut self, id: LinkId) {
        loop {
            let link = &mut self.links[id as usize];
            if link.broken || link.hello_held || self.weather.blocks_up(link.client) || self.host.downs > 0 {
                return;
            }
            let Some(arrived) = link.up.arrived(self.now) else {
                return;
            };
            let Some(proxy) = link.proxy.filter(|proxy| self.proxies[*proxy as usize].alive) else {
                match arrived {
                    Arrived::Bytes(count) if link.elsewhere => self.heard_elsewhere(id, count),
                    Arrived::Bytes(_) | Arrived::Mark(_) => self.lose_bytes_to_nobody(id, arrived),
                }
                continue;
            };
            match arrived {
                Arrived::Bytes(count) => {
                    let Some(conn) = self.relay_of(proxy) else {
                        return;
                    };
                    if !self.pass_up(id, conn, count) {
                        return;
                    }
                }
                Arrived::Mark(mark) => {
                    let Some(conn) = self.relay_of(proxy) else {
                        return;
                    };
                    self.links[id as usize].up.take_mark();
                    self.pass_end_up(proxy, conn, mark);
                }
            }
        }
    }

    /// The proxy has ended, or a reboot took it: the far end answers that nobody is there.
    fn lose_bytes_to_nobody(&mut self, id: LinkId, arrived: Arrived) {
        let link = &mut self.links[id as usize];
        match arrived {
            Arrived::Bytes(count) => {
                link.up.take_bytes(count);
            }
            Arrived::Mark(_) => link.up.take_mark(),
        }
        if !link.down.is_ended() {
            self.ssh_ends(id, 255, "client_loop: send disconnect: Broken pipe");
        }
    }

    fn pass_up(&mut self, id: LinkId, conn: ConnId, count: usize) -> bool {
        let fragment = self.fragment(count);
        let link = &mut self.links[id as usize];
        let target = &mut self.conns[conn as usize];
        if !target.up.has_room(&WIRE) {
            return false;
        }
        let bytes = link.up.take_bytes(fragment);
        let corrupt = std::mem::take(&mut link.corrupt_up);
        if corrupt {
            let place = self.dice.below(u32::try_from(bytes.len()).expect("small")) as usize;
            bytes[place] ^= 1 << self.dice.below(8);
        }
        target.up.push(self.now, &WIRE, bytes);
        let client = link.client;
        if std::mem::take(&mut link.up.writer_waits) {
            self.soon(EventKind::ClientWrite, client);
        }
        if corrupt {
            self.taint_up(id, conn);
        }
        self.schedule_conn_up(conn);
        true
    }

    /// How much of what has arrived is read at once: mostly all, sometimes less.
    pub(super) fn fragment(&mut self, count: usize) -> usize {
        if self.dice.one_in(8) {
            return 1 + self.dice.below(u32::try_from(count).expect("small")) as usize;
        }
        count
    }

    /// Bytes, lines and the end arrive at the client.
    pub(super) fn on_link_down(&mut self, id: LinkId) {
        self.links[id as usize].down.scheduled = false;
        self.drain_down(id);
        let proxy = self.links[id as usize].proxy;
        if std::mem::take(&mut self.links[id as usize].down.writer_waits)
            && let Some(conn) = proxy.and_then(|proxy| self.proxies[proxy as usize].conn)
        {
            self.schedule_conn_down(conn);
        }
        self.schedule_down(id);
        self.client_settle(self.links[id as usize].client);
    }

    pub(super) fn drain_down(&mut self, id: LinkId) {
        loop {
            let link = &mut self.links[id as usize];
            if link.broken || self.weather.blocks_down(link.client) || link.is_dead() {
                break;
            }
            let Some(arrived) = link.down.arrived(self.now) else {
                break;
            };
            match arrived {
                Arrived::Bytes(count) if link.is_orphaned => {
                    link.down.take_bytes(count);
                    self.find_nobody(id);
                }
                Arrived::Bytes(count) => self.read_down(id, count),
                Arrived::Mark(mark) => {
                    link.down.take_mark();
                    self.on_down_mark(id, mark);
                }
            }
        }
    }

    fn read_down(&mut self, id: LinkId, count: usize) {
        let fragment = self.fragment(count);
        let link = &mut self.links[id as usize];
        let bytes = link.down.take_bytes(fragment);
        if std::mem::take(&mut link.corrupt_down) {
            let place = self.dice.below(u32::try_from(bytes.len()).expect("small")) as usize;
            bytes[place] ^= 1 << self.dice.below(8);
            link.tainted = true;
            self.sessions[link.session as usize].tainted = true;
        }
        if link.greeted {
            link.decoder.push(bytes);
        } else {
            link.greeting.extend_from_slice(bytes);
            match link.scanner.scan(&mut link.greeting) {
                Ok(false) => return,
                Ok(true) => {
                    link.greeted = true;
                    self.film_arrival(id);
                    let link = &mut self.links[id as usize];
                    let rest = link.greeting.split();
                    link.decoder.push(&rest);
                    self.link_news(id, News::Preamble);
                    // The Hello goes out before anything else is read.
                    self.client_settle(self.links[id as usize].client);
                }
                Err(error) => return self.link_garbled(id, error.to_string()),
            }
        }
        let mut heard = false;
        loop {
            match self.links[id as usize].decoder.next_frame() {
                Ok(Some(frame)) => {
                    heard = true;
                    self.film_arrival(id);
                    self.link_news(id, News::Frame(frame));
                }
                Ok(None) => break,
                Err(error) => return self.link_garbled(id, error.to_string()),
            }
        }
        if !heard {
            self.link_news(id, News::Heard);
        }
    }

    fn link_garbled(&mut self, id: LinkId, what: String) {
        let link = &mut self.links[id as usize];
        // A driver does not read on after that.
        link.decoder = Decoder::new();
        link.deaf = true;
        let client = link.client;
        if self.clients[client as usize].link == Some(id) {
            self.client_news(id, News::Garbled(what));
        }
    }

    fn on_down_mark(&mut self, id: LinkId, mark: Mark) {
        let link = &mut self.links[id as usize];
        match mark {
            Mark::Line(number) => match Notice::from_line(&link.lines[number as usize]) {
                Some(Notice::Started { host, found: _ }) => {
                    link.started = true;
                    self.link_news(id, News::Started(host));
                }
                Some(Notice::Exit(verdict)) => link.verdict = Some(verdict),
                Some(Notice::Note { .. }) | None => {
                    unreachable!("own bug: proxies of this world print when they start and when they exit")
                }
            },
            Mark::HalfEnd => {}
            Mark::End => {
                if link.decoder.buffered_bytes() > 0 {
                    self.goals.reach(Goal::CutMidFrame);
                }
                let now = self.laptop_now();
                self.links[id as usize].ended_at.get_or_insert(now);
                self.link_news(id, News::Ended);
            }
            Mark::Exit => {
                let delay = if self.weather.client(link.client).exit_late > 0 {
                    self.dice.log_duration(Duration::from_millis(1), Duration::from_secs(10))
                } else {
                    self.dice.within(Duration::from_millis(2))
                };
                self.after(delay, EventKind::LinkGone, id);
            }
        }
    }

    /// News for the client, unless its driver has closed the link and stopped listening.
    pub(super) fn link_news(&mut self, id: LinkId, news: News) {
        let link = &self.links[id as usize];
        let current = self.clients[link.client as usize].link == Some(id);
        if current || !link.deaf {
            self.client_news(id, news);
        }
    }

    /// A Hello was written: it may be held up, and its ssh may die behind it.
    pub(super) fn hold_hello(&mut self, id: LinkId) {
        let link = &mut self.links[id as usize];
        let trouble = self.weather.client_mut(link.client);
        if std::mem::take(&mut trouble.hello_late) > 0 && !link.is_dead() {
            link.hello_held = true;
            self.ssh_ends(id, 255, "client_loop: send disconnect: Connection reset by peer");
        }
    }

    /// Whatever was held up goes on its way.
    pub(super) fn let_hellos_go(&mut self, client: ClientId) {
        for link in self.links.iter_mut().filter(|link| link.client == client) {
            link.hello_held = false;
        }
    }

    /// Links carry again: whatever waited is on its way, as TCP repeats it.
    pub(super) fn unblock_links(&mut self) {
        for id in 0..u32::try_from(self.links.len()).expect("few links") {
            self.schedule_up(id);
            self.schedule_down(id);
        }
    }
}
