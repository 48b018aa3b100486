//! A proxy's attachment to a server: two sockets, named alike so that halves find each other.
//!
//! ```text
//! link.up ─► proxy ─► conn.up ─► server          relay: only while both ends take bytes
//! link.down ◄─ proxy ◄─ conn.down ◄─ server
//! ```

use std::time::Duration;

use reattach::proto::limits::PAIR_TIMEOUT;
use reattach::proto::{Decoder, PREAMBLE};
use reattach::session::Time;
use reattach::session::server::{Input, News, TransportId};

use super::host::Half;
use super::pipe::{Arrived, Mark, Pipe, Wire};
use super::queue::EventKind;
use super::{ConnId, ProxyId, ServerId, World};
use crate::check::{Goal, Promise};
use crate::machine::{Kit, ServerMachine as _};
use crate::trace;

/// Sockets of one host: fast, and smaller than a frame may be.
pub(super) const WIRE: Wire = Wire { latency: Duration::from_micros(20), bandwidth: 0, room: 4096 };

#[derive(Clone, Debug)]
pub(super) struct Conn {
    pub(super) proxy: ProxyId,
    /// The server that accepted a half.
    pub(super) server: Option<ServerId>,
    has_input: bool,
    has_output: bool,
    /// Both halves have met, and the server's machine knows the transport.
    pub(super) opened: bool,
    /// The proxy has let go.
    proxy_gone: bool,
    /// The server has let go.
    pub(super) server_gone: bool,
    /// The end of what comes up was told before that of what goes down.
    pub(super) half_ended: bool,
    /// When that was.
    pub(super) half_ended_at: Time,
    /// The other half of its link's end came so late that it passes for an answer: its proxy got no time.
    pub(super) ended_apart: bool,
    pub(super) up: Pipe,
    pub(super) down: Pipe,
    /// A byte was changed on its way up.
    pub(super) tainted: bool,
    decoder: Decoder,
    garbled: bool,
}

impl Conn {
    /// Whether any end of it is held by anybody.
    pub(super) fn is_open(&self) -> bool {
        !self.proxy_gone || (self.server.is_some() && !self.server_gone)
    }
}

impl<K: Kit> World<'_, K> {
    pub(super) fn new_conn(&mut self, proxy: ProxyId) -> ConnId {
        let id = u32::try_from(self.conns.len()).expect("few connections");
        self.conns.push(Conn {
            proxy,
            server: None,
            has_input: false,
            has_output: false,
            opened: false,
            proxy_gone: false,
            server_gone: false,
            half_ended: false,
            half_ended_at: Time::ZERO,
            ended_apart: false,
            up: Pipe::default(),
            down: Pipe::default(),
            tainted: false,
            decoder: Decoder::new(),
            garbled: false,
        });
        id
    }

    /// The server takes what waits at its sockets.
    pub(super) fn on_accept(&mut self, server: ServerId) {
        if !self.servers[server as usize].is_running() {
            return;
        }
        for (id, half) in std::mem::take(&mut self.host.backlog) {
            let conn = &mut self.conns[id as usize];
            let first = conn.server.replace(server).is_none();
            self.servers[server as usize].truth.tainted |= conn.tainted;
            match half {
                Half::Input => conn.has_input = true,
                Half::Output => conn.has_output = true,
            }
            if conn.has_input && conn.has_output {
                self.open_transport(server, id);
            } else if first {
                self.after(PAIR_TIMEOUT, EventKind::HalfTimeout, id);
            }
        }
    }

    fn open_transport(&mut self, server: ServerId, id: ConnId) {
        let conn = &mut self.conns[id as usize];
        if conn.server_gone {
            return;
        }
        conn.opened = true;
        conn.down.push(self.now, &WIRE, PREAMBLE);
        let proxy = conn.proxy;
        self.film(|world| {
            let link = world.proxies[proxy as usize].link;
            trace::Mark::Attached { conn: id, link, server }
        });
        self.trace.preamble_sent(self.now, trace::Wire::Down(id));
        let before = self.attached_to(server);
        self.server_input(server, Input::Opened(u64::from(id)));
        let after = self.attached_to(server);
        self.judge(Promise::StrangerKeptOut, after == before, || {
            format!("transport {id} has not said who it is, and displaces transport {before:?}")
        });
        self.schedule_conn_down(id);
        self.schedule_conn_up(id);
        self.server_settle(server);
    }

    /// The transport that a server is attached to.
    fn attached_to(&self, server: ServerId) -> Option<TransportId> {
        self.servers[server as usize].machine.as_ref().and_then(|machine| machine.inner().attached())
    }

    pub(super) fn on_half_timeout(&mut self, id: ConnId) {
        let conn = &mut self.conns[id as usize];
        if !conn.opened && !conn.server_gone {
            self.goals.reach(Goal::HalfPair);
            self.server_lets_go(id);
        }
    }

    /// The server closes its end: what it wrote still arrives, then the end.
    pub(super) fn server_lets_go(&mut self, id: ConnId) {
        let conn = &mut self.conns[id as usize];
        conn.server_gone = true;
        conn.down.mark(self.now, &WIRE, Mark::End);
        self.schedule_conn_down(id);
        // Whatever the proxy still writes is lost; it must not wait for room.
        self.schedule_conn_up(id);
    }

    /// The proxy's end closes, whatever ended it.
    pub(super) fn proxy_lets_go(&mut self, id: ConnId) {
        let conn = &mut self.conns[id as usize];
        if std::mem::replace(&mut conn.proxy_gone, true) {
            return;
        }
        conn.up.mark(self.now, &WIRE, Mark::End);
        self.host.backlog.retain(|(waiting, _)| *waiting != id);
        self.schedule_conn_up(id);
        self.schedule_conn_down(id);
    }

    pub(super) fn schedule_conn_up(&mut self, id: ConnId) {
        let conn = &mut self.conns[id as usize];
        if let Some(at) = conn.up.next_at().filter(|_| !conn.up.scheduled) {
            conn.up.scheduled = true;
            self.at(at.max(self.now), EventKind::ConnUp, id);
        }
    }

    pub(super) fn schedule_conn_down(&mut self, id: ConnId) {
        let conn = &mut self.conns[id as usize];
        if let Some(at) = conn.down.next_at().filter(|_| !conn.down.scheduled) {
            conn.down.scheduled = true;
            self.at(at.max(self.now), EventKind::ConnDown, id);
        }
    }

    /// Bytes arrive at the server.
    pub(super) fn on_conn_up(&mut self, id: ConnId) {
        self.conns[id as usize].up.scheduled = false;
        loop {
            let conn = &mut self.conns[id as usize];
            let readable = conn.opened || conn.server_gone || conn.proxy_gone;
            let Some(arrived) = conn.up.arrived(self.now).filter(|_| readable) else {
                break;
            };
            match arrived {
                Arrived::Bytes(count) if conn.server_gone || !conn.opened => {
                    conn.up.take_bytes(count);
                }
                Arrived::Bytes(count) => self.read_up(id, count),
                Arrived::Mark(Mark::HalfEnd) => {
                    conn.up.take_mark();
                    self.on_half_end(id);
                }
                Arrived::Mark(_) => {
                    conn.up.take_mark();
                    self.on_proxy_end(id);
                }
            }
        }
        let conn = &mut self.conns[id as usize];
        if !conn.opened && !conn.server_gone {
            // What was written to half a pair waits for the other half.
            return;
        }
        if std::mem::take(&mut conn.up.writer_waits) {
            let link = self.proxies[conn.proxy as usize].link;
            self.schedule_up(link);
        }
        self.schedule_conn_up(id);
        if let Some(server) = self.conns[id as usize].server {
            self.server_settle(server);
        }
    }

    fn read_up(&mut self, id: ConnId, count: usize) {
        let fragment = self.fragment(count);
        let conn = &mut self.conns[id as usize];
        let server = conn.server.expect("an opened transport has a server");
        let bytes = conn.up.take_bytes(fragment);
        if conn.garbled {
            return;
        }
        conn.decoder.push(bytes);
        let transport = u64::from(id);
        let mut heard = false;
        loop {
            let conn = &mut self.conns[id as usize];
            if conn.server_gone {
                return;
            }
            match conn.decoder.next_frame() {
                Ok(Some(frame)) => {
                    heard = true;
                    let link = self.proxies[conn.proxy as usize].link;
                    self.trace.message_arrived(self.now, trace::Wire::Up(link), trace::Fate::Taken);
                    self.server_frame(server, id, frame);
                }
                Ok(None) => break,
                Err(error) => {
                    conn.garbled = true;
                    self.goals.reach(Goal::Garbled);
                    let news = News::Garbled(error.to_string());
                    self.server_input(server, Input::Transport(transport, news));
                    return;
                }
            }
        }
        if !heard {
            self.server_input(server, Input::Transport(transport, News::Heard));
        }
    }

    fn on_proxy_end(&mut self, id: ConnId) {
        let conn = &self.conns[id as usize];
        let Some(server) = conn.server.filter(|server| self.servers[*server as usize].is_running()) else {
            return;
        };
        if conn.opened {
            self.server_transport_lost(server, id);
        } else {
            self.goals.reach(Goal::HalfPair);
        }
        if !self.conns[id as usize].server_gone {
            self.server_lets_go(id);
        }
    }

    /// Bytes arrive at the proxy: it passes them on as far as it can.
    pub(super) fn on_conn_down(&mut self, id: ConnId) {
        self.conns[id as usize].down.scheduled = false;
        let proxy = self.conns[id as usize].proxy;
        loop {
            let conn = &mut self.conns[id as usize];
            let Some(arrived) = conn.down.arrived(self.now) else {
                break;
            };
            if conn.proxy_gone {
                match arrived {
                    Arrived::Bytes(count) => {
                        conn.down.take_bytes(count);
                    }
                    Arrived::Mark(_) => conn.down.take_mark(),
                }
                continue;
            }
            if self.relay_of(proxy) != Some(id) {
                return;
            }
            let link = self.proxies[proxy as usize].link;
            match arrived {
                Arrived::Bytes(count) => {
                    let (link, conn) = (&mut self.links[link as usize], &mut self.conns[id as usize]);
                    let wire = link.wire(&self.scenario.setting, &self.weather);
                    if !link.down.has_room(&wire) {
                        return;
                    }
                    link.down.push(self.now, &wire, conn.down.take_bytes(count));
                }
                Arrived::Mark(_) => {
                    self.conns[id as usize].down.take_mark();
                    self.proxy_lost_server(proxy);
                }
            }
            self.schedule_down(link);
        }
        let conn = &mut self.conns[id as usize];
        if std::mem::take(&mut conn.down.writer_waits)
            && let Some(server) = conn.server
            && self.servers[server as usize].machine.as_ref().is_some_and(|m| m.inner().attached().is_some())
        {
            self.soon(EventKind::ServerWrite, server);
        }
        self.schedule_conn_down(id);
    }
}
