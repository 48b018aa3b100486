//! The remote host, as far as a session can touch it: numbers of processes, locks, files, sockets.
//!
//! What processes do with them is left to `proxy` and `server`.

use std::time::Duration;

use reattach::session::launch::{Boot, Evidence, Holder, Lock, Mark, Record};

use super::{ConnId, ProxyId, ServerId};

/// Connections that a socket holds before it refuses more.
const BACKLOG_MAX: usize = 16;

/// A process of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Process {
    Proxy(ProxyId),
    Server(ServerId),
    /// Somebody else's.
    Stranger(u32),
}

/// One of a connection's two sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Half {
    Input,
    Output,
}

/// What a reader finds in each file. A torn one, of which no reader makes sense, is as good as a missing
/// one; what a garbled one says is believed as far as anybody can.
#[derive(Clone, Debug)]
pub(super) struct Files {
    pub(super) record: Option<Record>,
    pub(super) tombstone: Option<Mark>,
    pub(super) intent: Option<Mark>,
    /// The number in the pid file: for people, nobody here believes it.
    pub(super) pid: Option<u32>,
}

#[derive(Clone, Debug)]
pub(super) struct Host {
    pub(super) boot: u128,
    /// Times that it is down; it is up at zero.
    pub(super) downs: u32,
    /// How far its clock has jumped.
    pub(super) clock: Duration,
    pids: Vec<Option<Process>>,
    next_pid: usize,
    /// Numbers that were given out before.
    used_pids: u64,
    pub(super) reused: bool,
    /// Who holds the server's lock, as the kernel knows.
    pub(super) lock: Option<ServerId>,
    /// Who has the starter lock's file open: the proxy that took it, and the server that it
    /// spawned and that inherited it. Free when the last lets go.
    starter: Vec<Process>,
    starter_waiters: Vec<ProxyId>,
    pub(super) files: Files,
    /// Whether the file of the server's lock is there, whatever is in it.
    pub(super) lock_file: bool,
    /// Somebody has removed that file.
    pub(super) lock_file_lost: bool,
    /// Who listens on the sockets, if their files are there.
    pub(super) listener: Option<ServerId>,
    pub(super) backlog: Vec<(ConnId, Half)>,
    pub(super) disk_full: u32,
    pub(super) spawn_fails: u32,
}

impl Host {
    pub(super) fn new(pids: u32) -> Self {
        Host {
            boot: 1,
            downs: 0,
            clock: Duration::ZERO,
            pids: vec![None; pids as usize],
            next_pid: 0,
            used_pids: 0,
            reused: false,
            lock: None,
            starter: Vec::new(),
            starter_waiters: Vec::new(),
            files: Files { record: None, tombstone: None, intent: None, pid: None },
            lock_file: false,
            lock_file_lost: false,
            listener: None,
            backlog: Vec::new(),
            disk_full: 0,
            spawn_fails: 0,
        }
    }

    /// The number of a new process; `None` when all are in use.
    pub(super) fn fork(&mut self, process: Process) -> Option<u32> {
        let count = self.pids.len();
        let free =
            (0..count).map(|step| (self.next_pid + step) % count).find(|pid| self.pids[*pid].is_none())?;
        self.pids[free] = Some(process);
        self.next_pid = (free + 1) % count;
        self.reused |= self.used_pids & 1 << free != 0;
        self.used_pids |= 1 << free;
        u32::try_from(free).ok()
    }

    /// Gives a number back.
    pub(super) fn reap(&mut self, process: Process) {
        for slot in &mut self.pids {
            if *slot == Some(process) {
                *slot = None;
            }
        }
    }

    /// The next process gets this number, if it is free.
    pub(super) fn rewind_pids(&mut self, pid: u32) {
        self.next_pid = pid as usize % self.pids.len();
    }

    pub(super) fn process(&self, pid: u32) -> Option<Process> {
        self.pids.get(pid as usize).copied().flatten()
    }

    pub(super) fn pid_of(&self, process: Process) -> Option<u32> {
        let pid = self.pids.iter().position(|slot| *slot == Some(process))?;
        u32::try_from(pid).ok()
    }

    /// The server's lock, as a proxy sees it.
    pub(super) fn look_at_lock(&self) -> Lock {
        match self.lock.and_then(|server| self.pid_of(Process::Server(server))) {
            Some(pid) => Lock::Held(Holder::Pid(pid)),
            None => Lock::Free,
        }
    }

    pub(super) fn evidence(&self) -> Evidence {
        let Files { record, tombstone, intent, .. } = self.files;
        Evidence { boot: Boot(self.boot), record, tombstone, intent, lock_file: self.lock_file }
    }

    /// Whether somebody other than this proxy has the starter lock.
    pub(super) fn starter_busy(&self, proxy: ProxyId) -> bool {
        self.starter.iter().any(|holder| *holder != Process::Proxy(proxy))
    }

    /// Takes the starter lock for a proxy, or remembers that it waits.
    pub(super) fn take_starter(&mut self, proxy: ProxyId) -> bool {
        if self.starter.is_empty() {
            self.starter.push(Process::Proxy(proxy));
            return true;
        }
        if !self.starter_waiters.contains(&proxy) {
            self.starter_waiters.push(proxy);
        }
        false
    }

    /// A spawned server has its spawner's files open.
    pub(super) fn inherit_starter(&mut self, proxy: ProxyId, server: ServerId) {
        if self.starter.contains(&Process::Proxy(proxy)) {
            self.starter.push(Process::Server(server));
        }
    }

    /// A process lets go of the starter lock; gives those who wait, if it is free now.
    pub(super) fn drop_starter(&mut self, process: Process) -> Vec<ProxyId> {
        let held = !self.starter.is_empty();
        self.starter.retain(|holder| *holder != process);
        if held && self.starter.is_empty() { std::mem::take(&mut self.starter_waiters) } else { Vec::new() }
    }

    pub(super) fn holds_starter(&self, process: Process) -> bool {
        self.starter.contains(&process)
    }

    pub(super) fn starter_is_free(&self) -> bool {
        self.starter.is_empty()
    }

    /// Connects to one of the sockets.
    pub(super) fn connect(&mut self, conn: ConnId, half: Half) -> Result<ServerId, &'static str> {
        match self.listener {
            None => Err("connection refused"),
            Some(_) if self.backlog.len() >= BACKLOG_MAX => Err("the queue of the socket is full"),
            Some(server) => {
                self.backlog.push((conn, half));
                Ok(server)
            }
        }
    }

    /// Processes that are not strangers.
    pub(super) fn ours(&self) -> usize {
        let ours = |slot: &&Option<Process>| matches!(slot, Some(Process::Proxy(_) | Process::Server(_)));
        self.pids.iter().filter(ours).count()
    }

    /// Everything that lives only in memory is gone.
    pub(super) fn power_off(&mut self) {
        self.pids.fill(None);
        self.next_pid = 0;
        self.lock = None;
        self.starter.clear();
        self.starter_waiters.clear();
        self.listener = None;
        self.backlog.clear();
    }
}
