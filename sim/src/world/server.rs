//! The server's process on the host: its start, the server machine, its end.
//!
//! ```text
//! Starting: lock, record, sockets, ready ─► Running ─► Ending: tombstone ─► dead ─► lock free
//! ```
//!
//! Sockets are left to `conn`, the hosted application to `program`.

use std::time::Duration;

use bytes::BytesMut;
use reattach::proto::{Frame, GoneReason, InstanceId, encode};
use reattach::session::launch::{Boot, Input as LaunchInput, Mark, Record, StopSignal};
use reattach::session::server::{Cause, Effect, Input, News, Status};

use super::conn::WIRE;
use super::death::HALF_END_APART;
use super::host::Process;
use super::judge::{Paper, ServerTruth};
use super::program::{Delivery, Program};
use super::queue::{Alarm, EventKind};
use super::{ConnId, ProxyId, ServerId, World};
use crate::check::{Goal, Promise};
use crate::machine::{Kit, ServerMachine};
use crate::trace;

/// How far a server has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    TakeLock,
    WriteRecord,
    Listen,
    Ready,
    Running,
    Ending(GoneReason),
}

pub(super) struct ServerProcess<S> {
    /// From the moment it listens.
    pub(super) machine: Option<S>,
    pub(super) instance: InstanceId,
    stage: Stage,
    pub(super) alive: bool,
    pub(super) hangs: u32,
    parent: ProxyId,
    /// Its starter was told that it is ready, or that it is not.
    told: bool,
    /// SIGTERM came while it was stopped.
    terminated: bool,
    pub(super) program: Program,
    pub(super) status: Status,
    pub(super) alarm: Alarm,
    pub(super) truth: ServerTruth,
}

impl<S> ServerProcess<S> {
    /// Whether it lives, and its starter was told that it is ready.
    pub(super) fn is_ready(&self) -> bool {
        self.alive && self.told
    }

    /// Whether it accepts and serves.
    pub(super) fn is_running(&self) -> bool {
        self.alive && self.machine.is_some()
    }

    /// Whether its machine has come to its end.
    pub(super) fn has_ended(&self) -> bool {
        matches!(self.status, Status::Ended(_))
    }
}

impl<K: Kit> World<'_, K> {
    /// A proxy starts a server: its child, with its files open, in a session of its own.
    pub(super) fn start_server(&mut self, parent: ProxyId) -> Option<ServerId> {
        let id = u32::try_from(self.servers.len()).expect("few servers");
        self.host.fork(Process::Server(id))?;
        self.host.inherit_starter(parent, id);
        let hangs = u32::from(self.weather.slow_spawns > 0);
        self.servers.push(ServerProcess {
            machine: None,
            instance: InstanceId(u128::from(id) + 1),
            stage: Stage::TakeLock,
            alive: true,
            hangs: 0,
            parent,
            told: false,
            terminated: false,
            program: Program::default(),
            status: Status::Unmet,
            alarm: Alarm::default(),
            truth: ServerTruth::default(),
        });
        self.film(|_| trace::Mark::ServerStarts { server: id, proxy: parent });
        if hangs == 0 {
            self.next_step(EventKind::ServerStep, id);
        }
        Some(id)
    }

    /// Servers that were held back while starting go on.
    pub(super) fn release_spawns(&mut self) {
        for id in 0..u32::try_from(self.servers.len()).expect("few servers") {
            if self.servers[id as usize].alive && self.servers[id as usize].stage == Stage::TakeLock {
                self.next_step(EventKind::ServerStep, id);
            }
        }
    }

    pub(super) fn on_server_step(&mut self, id: ServerId) {
        if !self.servers[id as usize].alive {
            return;
        }
        let next = match self.servers[id as usize].stage {
            Stage::TakeLock => {
                if let Some(holder) = self.host.lock {
                    return self.server_fails(id, format!("server {holder} holds the lock"));
                }
                self.host.lock = Some(id);
                self.host.lock_file = true;
                self.film(|_| trace::Mark::Locked { server: id });
                self.drop_starter(Process::Server(id));
                self.judge_one_server(id);
                Stage::WriteRecord
            }
            Stage::WriteRecord => {
                if self.host.disk_full > 0 {
                    return self.server_fails(id, "no space left on device".to_owned());
                }
                let instance = self.servers[id as usize].instance;
                self.host.files.record = Some(Record { instance, boot: Boot(self.host.boot) });
                self.host.files.pid = self.host.pid_of(Process::Server(id));
                let truth = &mut self.servers[id as usize].truth;
                truth.recorded = true;
                truth.record = Paper::Whole;
                Stage::Listen
            }
            Stage::Listen => {
                if self.host.spawn_fails > 0 {
                    return self.server_fails(id, "the program could not be started".to_owned());
                }
                self.host.listener = Some(id);
                let config = self.scenario.setting.server();
                let now = self.host_now();
                let process = &mut self.servers[id as usize];
                process.machine = Some(K::Server::new(config, process.instance, now));
                process.truth.detached_at = Some(now);
                self.server_effects(id);
                self.server_settle(id);
                Stage::Ready
            }
            Stage::Ready => {
                let process = &mut self.servers[id as usize];
                process.told = true;
                process.stage = Stage::Running;
                let (parent, instance) = (process.parent, process.instance);
                return self.proxy_ready(parent, instance);
            }
            Stage::Running => return,
            Stage::Ending(reason) => return self.server_leaves_word(id, reason),
        };
        // Nobody steps from an end that came meanwhile.
        if !matches!(self.servers[id as usize].stage, Stage::Ending(_)) {
            self.servers[id as usize].stage = next;
        }
        self.next_step(EventKind::ServerStep, id);
    }

    fn server_fails(&mut self, id: ServerId, why: String) {
        let process = &mut self.servers[id as usize];
        process.told = true;
        let parent = process.parent;
        process.truth.end.get_or_insert(GoneReason::Crashed);
        self.server_dies(id, false);
        self.proxy_input(parent, LaunchInput::NotReady(why));
    }

    pub(super) fn server_input(&mut self, id: ServerId, input: Input) {
        let now = self.host_now();
        let process = &mut self.servers[id as usize];
        if let Some(machine) = process.machine.as_mut().filter(|_| process.alive) {
            process.truth.dues.note(now, &input, machine.inner().attached());
            machine.handle_input(now, input);
            self.server_effects(id);
        }
    }

    /// A frame of a transport that the world holds to be open.
    pub(super) fn server_frame(&mut self, id: ServerId, conn: ConnId, frame: Frame) {
        let news = |frame| Input::Transport(u64::from(conn), News::Frame(frame));
        match frame {
            Frame::Hello(hello) => {
                let before = self.before_hello(id);
                self.server_input(id, news(Frame::Hello(hello.clone())));
                self.judge_hello(id, conn, &hello, before);
            }
            other => self.server_input(id, news(other)),
        }
    }

    /// A transport has ended. Where the server had closed it before, this changes nothing.
    pub(super) fn server_transport_lost(&mut self, id: ServerId, conn: ConnId) {
        let ended = &mut self.conns[conn as usize];
        let half = ended.half_ended;
        ended.ended_apart = half && self.now > ended.half_ended_at + HALF_END_APART;
        let news = Input::Transport(u64::from(conn), if half { News::OutputEnded } else { News::Lost });
        let now = self.host_now();
        let process = &mut self.servers[id as usize];
        let limit = reattach::proto::limits::SUSPENSION_MIN;
        let Some(machine) = &mut process.machine else {
            return;
        };
        let suspended = machine.inner().poll_timeout().is_some_and(|due| now >= due + limit);
        if !self.conns[conn as usize].server_gone || suspended {
            return self.server_input(id, news);
        }
        self.goals.reach(Goal::StaleTransport);
        let before = machine.clone();
        machine.handle_input(now, news);
        let ignored = machine.poll_effect() == Some(Effect::Ignored(u64::from(conn)));
        let same = ignored && *machine == before;
        self.judge(Promise::StaleIgnored, same, || {
            format!("old news of transport {conn} changed server {id}")
        });
    }

    pub(super) fn on_server_timer(&mut self, id: ServerId) {
        let now = self.host_now();
        let process = &mut self.servers[id as usize];
        if !process.alive || !process.alarm.ring(self.now) {
            return;
        }
        if let Some(machine) = &mut process.machine {
            machine.handle_timeout(now);
            self.server_effects(id);
            let machine = self.servers[id as usize].machine.as_ref();
            let due = machine.and_then(|machine| machine.inner().poll_timeout());
            self.judge_timer(format_args!("server {id}"), now, due);
            self.server_settle(id);
        }
    }

    fn server_effects(&mut self, id: ServerId) {
        while let Some(effect) = self.servers[id as usize].machine.as_mut().and_then(K::Server::poll_effect) {
            match effect {
                Effect::Close(transport, last) => {
                    let conn = ConnId::try_from(transport).expect("transports are connections");
                    if let Some(frame) = last {
                        self.write_down(conn, &frame);
                    }
                    self.server_lets_go(conn);
                }
                Effect::Deliver(payload) => self.program_deliver(id, Delivery::Request(payload)),
                Effect::Signal(signal) => self.program_deliver(id, Delivery::Signal(signal)),
                Effect::FinishInput => self.program_deliver(id, Delivery::InputEnd),
                Effect::Status(status, cause) => self.on_server_status(id, status, &cause),
                Effect::Ignored(_) => self.goals.reach(Goal::StaleTransport),
                Effect::End(reason) => self.server_ends(id, reason),
            }
        }
    }

    fn on_server_status(&mut self, id: ServerId, status: Status, cause: &Cause) {
        let now = self.host_now();
        let process = &mut self.servers[id as usize];
        let before = std::mem::replace(&mut process.status, status);
        match status {
            Status::Attached(_) => {
                process.truth.dues.heard(now);
                process.truth.dues.owes_ack_since = None;
                process.truth.met = true;
                process.truth.detached_at = None;
            }
            Status::Unmet | Status::Detached => process.truth.detached_at = Some(now),
            Status::Ended(_) => {}
        }
        if let Cause::Violation(what) = cause {
            self.judge_server_violation(id, what);
        }
        if *cause == Cause::Silence {
            self.judge_silence(id);
            self.goals.reach(Goal::ServerSilence);
        } else if *cause == Cause::Takeover {
            self.goals.reach(Goal::Takeover);
        }
        self.trace.mix(u64::from(id) << 32 | matches!(status, Status::Attached(_)) as u64);
        self.note(|_| {
            let what = match cause {
                Cause::Started => "listens".to_owned(),
                _ => format!("{before} -> {status}"),
            };
            (format!("server {id}"), what, cause.to_string())
        });
        self.film(|_| trace::Mark::Server { server: id, status, why: cause.to_string() });
    }

    /// After any change: writes what the attachment takes, asks to be woken, and is looked at.
    pub(super) fn server_settle(&mut self, id: ServerId) {
        let process = &mut self.servers[id as usize];
        let Some(machine) = process.machine.as_mut().filter(|_| process.alive) else {
            return;
        };
        if let Some(transport) = machine.inner().attached() {
            let conn = &mut self.conns[transport as usize];
            let mut wrote = false;
            while conn.down.has_room(&WIRE) {
                let Some((_, frame)) = machine.poll_transmit() else {
                    break;
                };
                self.trace.frame_sent(self.now, trace::Wire::Down(transport as ConnId), &frame);
                process.truth.exit_sent |= matches!(frame, Frame::Exit { .. });
                if matches!(frame, Frame::Ack(_)) {
                    process.truth.dues.owes_ack_since = None;
                }
                self.scratch.clear();
                encode(&frame, &mut self.scratch);
                conn.down.push(self.now, &WIRE, &self.scratch);
                wrote = true;
            }
            if wrote {
                self.schedule_conn_down(transport as ConnId);
            }
        }
        let clock = self.host.clock;
        let process = &mut self.servers[id as usize];
        let due = process.machine.as_ref().and_then(|machine| machine.inner().poll_timeout());
        if let Some(at) = process.alarm.set(due.map(|due| (due - clock).max(self.now))) {
            self.at(at, EventKind::ServerTimer, id);
        }
        self.program_wake(id);
        self.judge_server(id);
    }

    fn write_down(&mut self, conn: ConnId, frame: &Frame) {
        let mut bytes = BytesMut::new();
        encode(frame, &mut bytes);
        self.trace.frame_sent(self.now, trace::Wire::Down(conn), frame);
        self.conns[conn as usize].down.push(self.now, &WIRE, &bytes);
    }

    /// A signal arrives at a process of the host.
    pub(super) fn signal(&mut self, process: Process, signal: StopSignal) {
        let Process::Server(id) = process else {
            return;
        };
        match signal {
            StopSignal::Terminate => self.server_terminated(id),
            StopSignal::Kill => {
                self.goals.reach(Goal::KilledAfterGrace);
                self.server_killed(id, GoneReason::Replaced);
            }
        }
    }

    pub(super) fn server_terminated(&mut self, id: ServerId) {
        let process = &mut self.servers[id as usize];
        if !process.alive {
            return;
        }
        if process.hangs > 0 {
            process.terminated = true;
            return;
        }
        let intent = self.host.files.intent.filter(|intent| intent.instance == process.instance);
        let reason = intent.map_or(GoneReason::Stopped, |intent| intent.reason);
        process.truth.terminated = true;
        if process.machine.is_some() {
            self.server_input(id, Input::Stop(reason));
            let ends = self.servers[id as usize].has_ended();
            self.judge(Promise::WishObeyed, ends, || format!("server {id} is told to stop, and does not"));
            self.server_settle(id);
        } else {
            // Nothing is set up that could be taken down in order.
            process.truth.end.get_or_insert(reason);
            self.server_dies(id, true);
        }
    }

    /// What came while it was stopped.
    pub(super) fn server_resumes(&mut self, id: ServerId) {
        let now = self.host_now();
        self.servers[id as usize].truth.dues.woke(now);
        if std::mem::take(&mut self.servers[id as usize].terminated) {
            self.server_terminated(id);
        }
    }

    /// SIGKILL, or the end of its memory.
    pub(super) fn server_killed(&mut self, id: ServerId, reason: GoneReason) {
        let process = &mut self.servers[id as usize];
        if process.alive {
            process.truth.end.get_or_insert(reason);
            self.server_dies(id, true);
        }
    }

    /// The machine has come to its end: the program gets its grace, then word is left.
    fn server_ends(&mut self, id: ServerId, reason: GoneReason) {
        self.judge_end(id, reason);
        let process = &mut self.servers[id as usize];
        process.truth.end.get_or_insert(reason);
        process.stage = Stage::Ending(reason);
        let grace = Duration::from_millis(if self.dice.one_in(8) { 2000 } else { 20 });
        let delay = self.dice.within(grace);
        self.after(delay, EventKind::ServerStep, id);
    }

    fn server_leaves_word(&mut self, id: ServerId, reason: GoneReason) {
        let instance = self.servers[id as usize].instance;
        if self.host.disk_full == 0 {
            // Only where two live beside each other does one write over another's word.
            if let Some(old) = self.host.files.tombstone.replace(Mark { instance, reason })
                && let Some(truth) = self.truth_of(old.instance)
            {
                truth.word = Paper::Lost;
            }
            self.servers[id as usize].truth.word = Paper::Whole;
            self.film(|_| trace::Mark::WordLeft { server: id, reason });
        }
        self.server_dies(id, false);
    }

    /// The process is gone: its sockets close, and in a moment the kernel lets go of its lock.
    fn server_dies(&mut self, id: ServerId, killed: bool) {
        let now = self.now;
        let process = &mut self.servers[id as usize];
        process.alive = false;
        process.truth.died_at = now;
        let (told, parent) = (std::mem::replace(&mut process.told, true), process.parent);
        let reason = process.truth.end;
        self.film(|_| trace::Mark::ServerGone { server: id, reason, killed });
        self.note(|_| {
            let (what, why) = trace::words::death(reason);
            (format!("server {id}"), what, why)
        });
        if self.host.listener == Some(id) {
            self.host.listener = None;
            for (conn, _) in std::mem::take(&mut self.host.backlog) {
                self.server_lets_go(conn);
            }
        }
        for conn in 0..u32::try_from(self.conns.len()).expect("few connections") {
            let held = self.conns[conn as usize].server == Some(id);
            if held && !self.conns[conn as usize].server_gone {
                self.server_lets_go(conn);
            }
        }
        self.drop_starter(Process::Server(id));
        if !told {
            self.proxy_input(parent, LaunchInput::NotReady("it ended before it was ready".to_owned()));
        }
        let delay = Duration::from_micros(1 + u64::from(self.dice.below(2000)));
        self.after(delay, EventKind::ServerGone, id);
    }

    pub(super) fn on_server_gone(&mut self, id: ServerId) {
        self.host.reap(Process::Server(id));
        if self.host.lock == Some(id) {
            self.host.lock = None;
            self.film(|_| trace::Mark::Unlocked);
        }
    }

    /// The host is going down under it.
    pub(super) fn server_vanishes(&mut self, id: ServerId) {
        let process = &mut self.servers[id as usize];
        if std::mem::replace(&mut process.alive, false) {
            process.told = true;
            process.truth.end = Some(GoneReason::Rebooted);
            let reason = process.truth.end;
            self.film(|_| trace::Mark::ServerGone { server: id, reason, killed: true });
        }
        for conn in &mut self.conns {
            if conn.server == Some(id) {
                conn.server_gone = true;
            }
        }
    }

    pub(super) fn reset_server_alarms(&mut self) {
        for id in 0..u32::try_from(self.servers.len()).expect("few servers") {
            self.servers[id as usize].alarm.clear();
            self.server_settle(id);
        }
    }
}
