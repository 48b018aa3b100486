//! The proxy's process on the host: carries out what the launch machine asks for, a step at a time.
//!
//! Every step takes its time, and between two of them anything may happen: that is where races
//! live. Relaying bytes is left to `conn`, the files and locks themselves to `host`.

use std::collections::VecDeque;

use reattach::proto::verdict::{EXIT_ALREADY_RUNNING, EXIT_LOST, EXIT_NOT_RUNNING, EXIT_NOT_STARTED};
use reattach::proto::{GoneReason, InstanceId, Notice, ProgramExit, Verdict};
use reattach::session::client::Launch as Wish;
use reattach::session::launch::{Effect, Holder, IfRunning, Input, Lock, Mark, Mode, Side, StopSignal, View};
use reattach::session::{LaunchConfig, Time};

use super::host::{Files, Half, Process};
use super::judge::{LaunchTruth, Paper};
use super::queue::{Alarm, EventKind};
use super::{ConnId, LinkId, ProxyId, ServerId, World};
use crate::check::Goal;
use crate::machine::{ClientMachine as _, Kit, LaunchMachine};
use crate::scenario::HOME;
use crate::trace;

/// Exit status of sshd's shell when it cannot start a process.
const CANNOT_FORK: i32 = 254;

pub(super) struct Proxy<L> {
    pub(super) machine: L,
    pub(super) link: LinkId,
    pub(super) alive: bool,
    pub(super) hangs: u32,
    /// Its session's first, or a reconnect.
    pub(super) first: bool,
    /// The server that its client has met; no other is asked about.
    pub(super) expected: Option<InstanceId>,
    steps: VecDeque<Step>,
    stepping: bool,
    steps_taken: u32,
    dies_at: Option<u32>,
    pub(super) conn: Option<ConnId>,
    pub(super) relaying: bool,
    pub(super) spawned: Option<ServerId>,
    found: Option<Found>,
    /// The server that it started or is attached to, as that said itself; no other is asked about.
    pub(super) meant: Option<InstanceId>,
    /// What it has said at its end.
    pub(super) said: Option<i32>,
    alarm: Alarm,
    pub(super) truth: LaunchTruth,
}

/// What the host's code does for an effect, as far as something else can come between.
#[derive(Clone, Debug)]
enum Step {
    TakeStarter,
    DropStarter,
    LookAtStarter,
    LookAtLock {
        starter_busy: bool,
    },
    LookAtFiles {
        starter_busy: bool,
        lock: Lock,
    },
    Intend(InstanceId, GoneReason),
    /// Opens the process that has this number now.
    OpenProcess(Holder, Demand),
    /// Asks the kernel whether that number holds the lock.
    Prove(u32, Process, Demand),
    /// Signals the process that was opened, whoever has its number by now.
    Send(Process, Demand),
    Clean,
    Spawn,
    AbandonSpawned,
    ConnectInput,
    /// The record was read before.
    ConnectOutput(ConnId, Option<InstanceId>),
    Relay,
    Exit(Verdict),
}

/// What was there before a proxy cleaned up.
#[derive(Clone, Debug)]
struct Found {
    files: Files,
    lock_file: bool,
}

/// A signal, and whom it was meant for when it was asked for.
#[derive(Clone, Copy, Debug)]
struct Demand {
    signal: StopSignal,
    meant: Option<ServerId>,
}

impl<K: Kit> World<'_, K> {
    /// sshd starts the command that the client asked for.
    pub(super) fn start_proxy(&mut self, link: LinkId) {
        let id = u32::try_from(self.proxies.len()).expect("few proxies");
        if self.host.fork(Process::Proxy(id)).is_none() {
            return self.proxy_output_ends(link, ProgramExit::Code(CANNOT_FORK));
        }
        let Self { links, clients, sessions, .. } = self;
        let dialed = &mut links[link as usize];
        dialed.proxy = Some(id);
        sessions[dialed.session as usize].has_home = true;
        let (first, client, wish) = (dialed.first, dialed.client, dialed.launch);
        let mode = match wish {
            Wish::Start => Mode::Start(IfRunning::Refuse),
            Wish::Replace => Mode::Start(IfRunning::Replace),
            Wish::Reattach => Mode::Reconnect(clients[client as usize].machine.inner().instance()),
        };
        let expected = match mode {
            Mode::Start(_) => None,
            Mode::Reconnect(expected) => expected,
        };
        let dies_at = self.weather.client_mut(client).next_proxy_dies.take();
        let config = LaunchConfig { host: Some(HOME), ..LaunchConfig::default() };
        self.proxies.push(Proxy {
            machine: K::Launch::new(config, mode, self.host_now()),
            link,
            alive: true,
            hangs: 0,
            first,
            expected,
            steps: VecDeque::new(),
            stepping: false,
            steps_taken: 0,
            dies_at,
            conn: None,
            relaying: false,
            spawned: None,
            found: None,
            meant: None,
            said: None,
            alarm: Alarm::default(),
            truth: LaunchTruth::default(),
        });
        self.film(|_| trace::Mark::ProxyRuns { proxy: id, link });
        self.say(link, &Notice::Started { host: Some(HOME), found: None });
        self.proxy_effects(id);
    }

    pub(super) fn proxy_input(&mut self, id: ProxyId, input: Input) {
        if self.proxies[id as usize].alive {
            if let Input::NotReady(_) = input {
                self.put_back(id);
            }
            let now = self.host_now();
            self.proxies[id as usize].machine.handle_input(now, input);
            self.proxy_effects(id);
        }
    }

    pub(super) fn on_proxy_timer(&mut self, id: ProxyId) {
        let now = self.host_now();
        let proxy = &mut self.proxies[id as usize];
        if proxy.alive && proxy.alarm.ring(self.now) {
            proxy.machine.handle_timeout(now);
            self.proxy_effects(id);
            let due = self.proxies[id as usize].machine.poll_timeout();
            self.judge_timer(format_args!("proxy {id}"), now, due);
        }
    }

    /// Plans what the machine asks for; each thing is judged when it is asked.
    fn proxy_effects(&mut self, id: ProxyId) {
        while let Some(effect) = self.proxies[id as usize].machine.poll_effect() {
            self.judge_launch(id, &effect);
            self.note_launch(id, &effect);
            self.film(|_| trace::Mark::ProxyDoes { proxy: id, effect: effect.clone() });
            let proxy = &mut self.proxies[id as usize];
            let step = match effect {
                Effect::TakeStarter => Step::TakeStarter,
                Effect::DropStarter => Step::DropStarter,
                Effect::Look => Step::LookAtStarter,
                Effect::Intend(instance, reason) => Step::Intend(instance, reason),
                Effect::Signal(holder, signal) => {
                    Step::OpenProcess(holder, Demand { signal, meant: proxy.truth.holder })
                }
                Effect::Clean => Step::Clean,
                Effect::Spawn => Step::Spawn,
                Effect::AbandonSpawned => Step::AbandonSpawned,
                Effect::Attach => Step::ConnectInput,
                Effect::Relay => Step::Relay,
                Effect::Exit(verdict) => {
                    // Whatever is waited for is given up.
                    proxy.steps.retain(|step| matches!(step, Step::AbandonSpawned));
                    Step::Exit(verdict)
                }
            };
            proxy.steps.push_back(step);
        }
        self.proxy_go_on(id);
        let clock = self.host.clock;
        let proxy = &mut self.proxies[id as usize];
        let due = proxy.machine.poll_timeout();
        if let Some(at) = proxy.alarm.set(due.map(|due| (due - clock).max(self.now))) {
            self.at(at, EventKind::ProxyTimer, id);
        }
    }

    pub(super) fn proxy_go_on(&mut self, id: ProxyId) {
        let proxy = &mut self.proxies[id as usize];
        if proxy.alive && !proxy.stepping && !proxy.steps.is_empty() {
            proxy.stepping = true;
            self.next_step(EventKind::ProxyStep, id);
        }
    }

    pub(super) fn on_proxy_step(&mut self, id: ProxyId) {
        let proxy = &mut self.proxies[id as usize];
        proxy.stepping = false;
        if !proxy.alive {
            return;
        }
        let Some(step) = proxy.steps.pop_front() else {
            return;
        };
        proxy.steps_taken += 1;
        if proxy.dies_at.is_some_and(|at| proxy.steps_taken >= at) {
            self.goals.reach(Goal::ProxyKilledLaunching);
            return self.proxy_ends(id, ProgramExit::Signal(9));
        }
        match step {
            Step::TakeStarter => {
                if !self.host.take_starter(id) {
                    // Somebody will wake us.
                    self.goals.reach(Goal::StarterWaited);
                    self.proxies[id as usize].truth.waited = true;
                    self.proxies[id as usize].steps.push_front(Step::TakeStarter);
                    return;
                }
                self.proxies[id as usize].truth.asked.has_starter = true;
                self.proxy_input(id, Input::StarterTaken);
            }
            Step::DropStarter => self.drop_starter(Process::Proxy(id)),
            Step::LookAtStarter => {
                let starter_busy = self.host.starter_busy(id);
                self.proxies[id as usize].steps.push_front(Step::LookAtLock { starter_busy });
            }
            Step::LookAtLock { starter_busy } => {
                let lock = self.host.look_at_lock();
                let truth = &mut self.proxies[id as usize].truth;
                truth.starter_busy = starter_busy;
                truth.lock = Some(lock);
                truth.holder = self.host.lock;
                self.proxies[id as usize].steps.push_front(Step::LookAtFiles { starter_busy, lock });
            }
            Step::LookAtFiles { starter_busy, lock } => {
                if starter_busy && lock == Lock::Free && !self.proxies[id as usize].first {
                    self.goals.reach(Goal::SeekWaited);
                }
                let evidence = self.host.evidence();
                let seen = evidence.record.and_then(|record| self.server_named(record.instance));
                let word = evidence.tombstone.filter(|_| evidence.record.is_none());
                let last_word = word.and_then(|mark| self.server_named(mark.instance));
                let last_recorded = self.last_recorded();
                let truth = &mut self.proxies[id as usize].truth;
                (truth.last_recorded, truth.last_word) = (last_recorded, last_word);
                truth.asked.seen = evidence.record.map(|record| record.instance.0);
                if lock != Lock::Free {
                    truth.sought = seen;
                }
                self.proxy_input(id, Input::Saw(View { starter_busy, lock, evidence }));
            }
            Step::Intend(instance, reason) => {
                let now = self.now;
                if let Some(truth) = self.truth_of(instance) {
                    truth.intended_at = Some(now);
                }
                if self.host.disk_full == 0 {
                    self.host.files.intent = Some(Mark { instance, reason });
                }
            }
            Step::OpenProcess(Holder::Pid(pid), demand) => match self.host.process(pid) {
                Some(process) => {
                    self.proxies[id as usize].steps.push_front(Step::Prove(pid, process, demand));
                }
                None => self.goals.reach(Goal::SignalHeldBack),
            },
            Step::OpenProcess(Holder::Elsewhere, _) => {}
            Step::Prove(pid, process, demand) => {
                if self.host.look_at_lock() == Lock::Held(Holder::Pid(pid)) {
                    self.proxies[id as usize].steps.push_front(Step::Send(process, demand));
                } else {
                    self.goals.reach(Goal::SignalHeldBack);
                }
            }
            Step::Send(process, Demand { signal, meant }) => {
                self.judge_signal(process, signal, meant);
                self.signal(process, signal);
            }
            Step::Clean => {
                self.judge_clean(id);
                self.clean(id);
            }
            Step::Spawn => self.spawn(id),
            Step::AbandonSpawned => match self.proxies[id as usize].spawned {
                Some(server) => self.server_killed(server, GoneReason::Crashed),
                None => self.proxies[id as usize].truth.late = true,
            },
            Step::ConnectInput => self.connect_input(id),
            Step::ConnectOutput(conn, record) => self.connect_output(id, conn, record),
            Step::Relay => {
                self.judge_relay(id);
                self.film(|_| trace::Mark::ProxyRelays { proxy: id });
                let proxy = &mut self.proxies[id as usize];
                proxy.relaying = true;
                let (link, conn) = (proxy.link, proxy.conn);
                self.pump_up(link);
                self.schedule_up(link);
                if let Some(conn) = conn {
                    self.schedule_conn_down(conn);
                }
            }
            Step::Exit(verdict) => return self.proxy_exits(id, verdict),
        }
        self.proxy_go_on(id);
    }

    fn connect_input(&mut self, id: ProxyId) {
        let conn = self.new_conn(id);
        if let Some(old) = self.proxies[id as usize].conn.replace(conn) {
            self.proxy_lets_go(old);
        }
        match self.host.connect(conn, Half::Input) {
            Ok(server) => {
                self.next_step(EventKind::Accept, server);
                let record = self.host.files.record.map(|record| record.instance);
                self.proxies[id as usize].steps.push_front(Step::ConnectOutput(conn, record));
            }
            Err(why) => self.not_attached(id, conn, why),
        }
    }

    fn connect_output(&mut self, id: ProxyId, conn: ConnId, before: Option<InstanceId>) {
        match self.host.connect(conn, Half::Output) {
            Ok(server) => {
                self.next_step(EventKind::Accept, server);
                // A record goes before its server's successor starts: one that is still there was meant.
                let record = self.host.files.record.map(|record| record.instance);
                let meant = &mut self.proxies[id as usize].meant;
                if record != before || (meant.is_some() && record != *meant) {
                    return self.not_attached(id, conn, "another server has taken its place");
                }
                *meant = record;
                self.proxy_input(id, Input::Attached(record));
            }
            Err(why) => self.not_attached(id, conn, why),
        }
    }

    /// A server that is ready has told its starter who it is.
    pub(super) fn proxy_ready(&mut self, id: ProxyId, instance: InstanceId) {
        self.proxies[id as usize].meant = Some(instance);
        self.proxy_input(id, Input::Ready);
    }

    fn not_attached(&mut self, id: ProxyId, conn: ConnId, why: &str) {
        self.proxy_lets_go(conn);
        self.proxies[id as usize].conn = None;
        self.proxy_input(id, Input::NotAttached(why.to_owned()));
    }

    /// What the last server left is removed, and is remembered by whoever does it.
    fn clean(&mut self, id: ProxyId) {
        let (files, lock_file) = (self.host.files.clone(), self.host.lock_file);
        self.proxies[id as usize].found = Some(Found { files, lock_file });
        self.host.files.record = None;
        self.host.files.tombstone = None;
        self.host.files.intent = None;
        if self.host.listener.is_some_and(|server| !self.servers[server as usize].alive) {
            self.host.listener = None;
        }
        for server in self.servers.iter_mut().filter(|server| !server.alive) {
            server.truth.cleaned = true;
        }
    }

    /// The server that a proxy started has not come to be: what was there before is there again.
    fn put_back(&mut self, id: ProxyId) {
        let proxy = &mut self.proxies[id as usize];
        let (Some(Found { files, lock_file }), Some(spawned)) = (proxy.found.take(), proxy.spawned) else {
            return;
        };
        self.host.files = Files { pid: self.host.files.pid, ..files };
        self.host.lock_file &= lock_file;
        let truth = &mut self.servers[spawned as usize].truth;
        (truth.recorded, truth.record, truth.word, truth.withdrawn) = (false, Paper::Lost, Paper::Lost, true);
    }

    fn spawn(&mut self, id: ProxyId) {
        match self.start_server(id) {
            Some(server) => self.proxies[id as usize].spawned = Some(server),
            None => {
                self.proxies[id as usize].truth.crowded = true;
                self.proxy_input(id, Input::Failed("no more processes can be started".to_owned()));
            }
        }
    }

    /// A process lets go of the starter lock; whoever waited for it tries again.
    pub(super) fn drop_starter(&mut self, process: Process) {
        for waiter in self.host.drop_starter(process) {
            self.proxy_go_on(waiter);
        }
    }

    /// The connection that a proxy relays now, if it does.
    pub(super) fn relay_of(&self, id: ProxyId) -> Option<ConnId> {
        let proxy = &self.proxies[id as usize];
        proxy.conn.filter(|_| proxy.alive && proxy.relaying && proxy.hangs == 0)
    }

    /// The client's side of the relay has ended: everything it said was passed on.
    pub(super) fn proxy_lost_client(&mut self, id: ProxyId) {
        self.proxy_input(id, Input::Ended(Side::Client));
    }

    pub(super) fn proxy_lost_server(&mut self, id: ProxyId) {
        self.proxy_input(id, Input::Ended(Side::Server));
    }

    fn proxy_exits(&mut self, id: ProxyId, verdict: Verdict) {
        let proxy = &self.proxies[id as usize];
        let link = proxy.link;
        match verdict.code {
            EXIT_ALREADY_RUNNING => self.goals.reach(Goal::AlreadyRunning),
            EXIT_NOT_STARTED => self.goals.reach(Goal::NotStarted),
            EXIT_NOT_RUNNING if proxy.relaying => self.goals.reach(Goal::JudgedGone),
            EXIT_LOST if proxy.relaying => self.goals.reach(Goal::JudgedAlive),
            _ => {}
        }
        let code = verdict.code;
        self.proxies[id as usize].said = Some(code);
        self.say(link, &Notice::Exit(verdict));
        self.proxy_ends(id, ProgramExit::Code(code));
    }

    /// The process is gone, and everything that it held is closed.
    pub(super) fn proxy_ends(&mut self, id: ProxyId, status: ProgramExit) {
        let proxy = &mut self.proxies[id as usize];
        if !std::mem::replace(&mut proxy.alive, false) {
            return;
        }
        proxy.steps.clear();
        let (link, conn) = (proxy.link, proxy.conn);
        self.host.reap(Process::Proxy(id));
        self.film(|_| trace::Mark::ProxyGone { proxy: id, how: Some(status) });
        if let Some(conn) = conn {
            self.proxy_lets_go(conn);
        }
        self.drop_starter(Process::Proxy(id));
        self.proxy_output_ends(link, status);
    }

    /// The host is going down under it: nothing is closed, nobody is told.
    pub(super) fn proxy_vanishes(&mut self, id: ProxyId) {
        let proxy = &mut self.proxies[id as usize];
        if std::mem::replace(&mut proxy.alive, false) {
            proxy.steps.clear();
            self.trace.mark(self.now, trace::Mark::ProxyGone { proxy: id, how: None });
            if let Some(conn) = proxy.conn {
                self.proxy_lets_go(conn);
            }
        }
    }

    fn note_launch(&mut self, id: ProxyId, effect: &Effect) {
        if let Some((what, why)) = trace::words::launch(effect) {
            self.note(|_| (format!("proxy {id}"), what, why));
        }
    }

    /// When a proxy asked to be woken, as the world's clock has it.
    pub(super) fn reset_proxy_alarms(&mut self) {
        for id in 0..u32::try_from(self.proxies.len()).expect("few proxies") {
            let clock = self.host.clock;
            let proxy = &mut self.proxies[id as usize];
            if !proxy.alive {
                continue;
            }
            proxy.alarm.clear();
            let due = proxy.machine.poll_timeout();
            if let Some(at) = proxy.alarm.set(due.map(|due: Time| (due - clock).max(self.now))) {
                self.at(at, EventKind::ProxyTimer, id);
            }
        }
    }
}
