//! What goes wrong, carried out: faults of the scenario begin and end here.

use std::time::Duration;

use reattach::proto::{GoneReason, ProgramExit};
use reattach::session::client::Input;

use super::host::Process;
use super::judge::{Paper, garbled};
use super::{ClientId, ServerId, World};
use crate::machine::Kit;
use crate::scenario::{CLIENTS_MAX, Fault, FaultKind, Letter, What};
use crate::trace::Mark;

/// What is wrong now.
#[derive(Clone, Debug, Default)]
pub(super) struct Weather {
    pub(super) sleeps: u32,
    pub(super) partitions: u32,
    pub(super) networks_down: u32,
    slows: u32,
    /// Links are that many times slower; zero as well as one means not at all.
    pub(super) slowness: u32,
    pub(super) slow_spawns: u32,
    /// How far the laptop's clock has jumped.
    pub(super) laptop_clock: Duration,
    clients: [Trouble; CLIENTS_MAX as usize],
    /// Which processes were stopped, by entry.
    stopped: Vec<(u32, Process)>,
}

/// What is wrong for one client.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Trouble {
    pub(super) ssh_fails: u32,
    pub(super) ssh_asks: u32,
    pub(super) ssh_turned_away: u32,
    pub(super) shared_dead: u32,
    pub(super) news_late: u32,
    pub(super) news_twice: u32,
    pub(super) exit_late: u32,
    pub(super) noise: u32,
    /// Logins lead to another machine, and what is there.
    pub(super) elsewhere: Option<u32>,
    /// The next Hello is held up.
    pub(super) hello_late: u32,
    /// A login script ends logins, with this code.
    pub(super) shell_ends: Option<u32>,
    pub(super) next_proxy_dies: Option<u32>,
    loss_up: u32,
    loss_down: u32,
}

impl Weather {
    pub(super) fn client(&self, client: ClientId) -> &Trouble {
        &self.clients[client as usize]
    }

    pub(super) fn client_mut(&mut self, client: ClientId) -> &mut Trouble {
        &mut self.clients[client as usize]
    }

    pub(super) fn blocks_up(&self, client: ClientId) -> bool {
        self.carries_nothing() || self.client(client).loss_up > 0
    }

    pub(super) fn blocks_down(&self, client: ClientId) -> bool {
        self.carries_nothing() || self.client(client).loss_down > 0
    }

    fn carries_nothing(&self) -> bool {
        self.partitions + self.networks_down > 0
    }
}

impl<K: Kit> World<'_, K> {
    pub(super) fn on_begin(&mut self, entry: u32) {
        let what = &self.scenario.entries[entry as usize].what;
        self.note(|_| match what {
            What::User(user) => {
                let who = format!("user {}", Letter(user.client));
                (who, user.act.to_string(), String::new())
            }
            What::Fault(fault) => ("fault".to_owned(), fault.to_string(), String::new()),
        });
        self.film(|_| Mark::Begins { entry });
        match what {
            What::User(user) => self.on_act(*user),
            What::Fault(fault) => self.begin(entry, fault),
        }
        self.settle_accounts();
    }

    fn begin(&mut self, entry: u32, fault: &Fault) {
        match fault.target {
            Some(name) => {
                if let Some(client) = self.names[usize::from(name)] {
                    self.show_fault(fault, Some(client));
                    self.begin_for_client(entry, fault, client);
                }
            }
            None => {
                self.show_fault(fault, None);
                self.begin_for_host(entry, fault);
            }
        }
    }

    fn begin_for_client(&mut self, entry: u32, fault: &Fault, client: ClientId) {
        let link = self.clients[client as usize].link;
        let proxy = link.and_then(|link| self.links[link as usize].proxy);
        let trouble = &mut self.weather.clients[client as usize];
        match fault.kind {
            FaultKind::ProxyExit | FaultKind::ProxyKill => {
                let number = i32::try_from(fault.number).unwrap_or(1);
                let kills = fault.kind == FaultKind::ProxyKill;
                let status = if kills { ProgramExit::Signal(number) } else { ProgramExit::Code(number) };
                if let Some(proxy) = proxy {
                    self.proxy_ends(proxy, status);
                }
            }
            FaultKind::ProxyDiesLaunching => trouble.next_proxy_dies = Some(fault.number),
            FaultKind::ProxyHang => {
                if let Some(proxy) = proxy {
                    self.proxies[proxy as usize].hangs += 1;
                    self.freezes += 1;
                    self.weather.stopped.push((entry, Process::Proxy(proxy)));
                }
            }
            FaultKind::LossUp => trouble.loss_up += 1,
            FaultKind::LossDown => trouble.loss_down += 1,
            FaultKind::LinkCut | FaultKind::HalfOpen | FaultKind::Blackhole => {
                if let Some(link) = link {
                    let laptop = fault.kind != FaultKind::Blackhole;
                    self.break_link(link, laptop, fault.kind == FaultKind::LinkCut);
                }
            }
            FaultKind::NewsLate => trouble.news_late += 1,
            FaultKind::NewsTwice => trouble.news_twice += 1,
            FaultKind::ExitLate => trouble.exit_late += 1,
            FaultKind::ClientKill => self.kill_client(client),
            FaultKind::ClientHang => {
                self.clients[client as usize].hangs += 1;
                self.freezes += 1;
            }
            FaultKind::EditorStall => self.stall_editor(client, true),
            FaultKind::Noise => trouble.noise = fault.number,
            FaultKind::Elsewhere => trouble.elsewhere = Some(fault.number),
            FaultKind::ShellEnds => trouble.shell_ends = Some(fault.number),
            FaultKind::HelloLate => trouble.hello_late += 1,
            FaultKind::Corrupt => self.corrupt(client),
            FaultKind::SshFail => trouble.ssh_fails += 1,
            FaultKind::SshAsk => trouble.ssh_asks += 1,
            FaultKind::SshTurnedAway => trouble.ssh_turned_away += 1,
            FaultKind::SharedDead => {
                trouble.shared_dead += 1;
                self.break_shared(client);
            }
            host => unreachable!("own bug: {host} happens to no client"),
        }
    }

    fn corrupt(&mut self, client: ClientId) {
        let Some(link) = self.clients[client as usize].link else {
            return;
        };
        let up = self.dice.one_in(2);
        let link = &mut self.links[link as usize];
        link.corrupt_up = up;
        link.corrupt_down = !up;
    }

    fn begin_for_host(&mut self, entry: u32, fault: &Fault) {
        match fault.kind {
            FaultKind::ServerCrash => {
                if let Some(server) = self.current_server() {
                    self.server_killed(server, GoneReason::Crashed);
                }
            }
            FaultKind::ServerHang => {
                if let Some(server) = self.current_server() {
                    self.servers[server as usize].hangs += 1;
                    self.freezes += 1;
                    self.weather.stopped.push((entry, Process::Server(server)));
                }
            }
            FaultKind::ServerStop => {
                if let Some(server) = self.current_server() {
                    self.server_terminated(server);
                }
            }
            FaultKind::SpawnSlow => self.weather.slow_spawns += 1,
            FaultKind::SpawnFail => self.host.spawn_fails += 1,
            FaultKind::ProgramExit => {
                if let Some(server) = self.current_server() {
                    let code = i32::try_from(fault.number).unwrap_or(1);
                    self.program_ends(server, ProgramExit::Code(code));
                }
            }
            FaultKind::ProgramStall => {
                for server in &mut self.servers {
                    server.program.stalls += 1;
                }
                self.weather
                    .stopped
                    .extend((0..self.servers.len() as u32).map(|s| (entry, Process::Server(s))));
            }
            FaultKind::Slow => {
                self.weather.slows += 1;
                self.weather.slowness = self.weather.slowness.max(fault.number);
            }
            FaultKind::Partition => self.weather.partitions += 1,
            FaultKind::NetworkDown => self.network_goes(),
            FaultKind::AddressChange => self.address_changes(),
            FaultKind::PidReuse => {
                if let Some(pid) = self.host.files.pid {
                    self.host.rewind_pids(pid);
                }
                self.host.fork(Process::Stranger(entry));
            }
            FaultKind::PidFileStale => self.host.files.pid = Some(0),
            FaultKind::PidFileTorn => self.host.files.pid = None,
            FaultKind::PidFileMissing => {
                self.host.files.pid = None;
                self.host.lock_file = false;
                self.host.lock_file_lost = true;
                if let Some(server) = self.host.lock.take() {
                    self.servers[server as usize].truth.lock_lost = true;
                }
                self.film(|_| Mark::Unlocked);
            }
            FaultKind::RecordTorn | FaultKind::RecordMissing => {
                if let Some(record) = self.host.files.record.take()
                    && let Some(truth) = self.truth_of(record.instance)
                {
                    truth.record = Paper::Lost;
                }
            }
            FaultKind::TombstoneTorn => {
                if let Some(mark) = self.host.files.tombstone.take()
                    && let Some(truth) = self.truth_of(mark.instance)
                {
                    truth.word = Paper::Lost;
                }
            }
            FaultKind::RecordGarbled => {
                if let Some(record) = &mut self.host.files.record {
                    record.instance = garbled(record.instance);
                    let instance = record.instance;
                    if let Some(truth) = self.truth_of(instance) {
                        truth.record = Paper::Garbled;
                        truth.misnamed = true;
                    }
                }
            }
            FaultKind::TombstoneGarbled => {
                if let Some(mark) = &mut self.host.files.tombstone {
                    mark.instance = garbled(mark.instance);
                    let instance = mark.instance;
                    if let Some(truth) = self.truth_of(instance) {
                        truth.word = Paper::Garbled;
                        truth.word_misnamed = true;
                    }
                }
            }
            FaultKind::SocketRemoved => self.host.listener = None,
            FaultKind::DiskFull => self.host.disk_full += 1,
            FaultKind::Reboot => self.power_off(),
            FaultKind::Sleep => {
                self.weather.sleeps += 1;
                self.freezes += 1;
            }
            FaultKind::ClockJump => {
                self.weather.laptop_clock += fault.duration;
                self.delay_clients();
            }
            FaultKind::HostClockJump => {
                self.host.clock += fault.duration;
                self.note_unnoticed_sleep();
                let now = self.host_now();
                // Who is stopped notices when it goes on.
                let awake = self.servers.iter_mut().filter(|server| server.hangs == 0);
                awake.for_each(|server| server.truth.dues.woke(now));
                self.reset_proxy_alarms();
                self.reset_server_alarms();
            }
            client => unreachable!("own bug: {client} needs a client"),
        }
    }

    fn power_off(&mut self) {
        self.host.downs += 1;
        for proxy in 0..self.proxies.len() {
            self.proxy_vanishes(proxy as u32);
        }
        for server in 0..self.servers.len() {
            self.server_vanishes(server as ServerId);
        }
        self.host.power_off();
        self.film(|_| Mark::HostDown);
        for server in &mut self.servers {
            server.truth.rebooted_since = true;
        }
    }

    /// The server that lives, if one does.
    pub(super) fn current_server(&self) -> Option<ServerId> {
        let newest = self.servers.iter().rposition(|server| server.alive)?;
        ServerId::try_from(newest).ok()
    }

    pub(super) fn on_end(&mut self, entry: u32) {
        let What::Fault(fault) = &self.scenario.entries[entry as usize].what else {
            return;
        };
        self.note(|_| ("fault".to_owned(), format!("{} ends", fault.kind), String::new()));
        self.film(|_| Mark::Ends { entry });
        match fault.target {
            Some(name) => {
                if let Some(client) = self.names[usize::from(name)] {
                    self.end_for_client(entry, fault, client);
                }
            }
            None => self.end_for_host(entry, fault),
        }
        self.settle_accounts();
    }

    fn end_for_client(&mut self, entry: u32, fault: &Fault, client: ClientId) {
        let trouble = &mut self.weather.clients[client as usize];
        // A client that was opened while it lasted was never told that it began.
        let less = |count: &mut u32| *count = count.saturating_sub(1);
        match fault.kind {
            FaultKind::LossUp => less(&mut trouble.loss_up),
            FaultKind::LossDown => less(&mut trouble.loss_down),
            FaultKind::NewsLate => less(&mut trouble.news_late),
            FaultKind::NewsTwice => less(&mut trouble.news_twice),
            FaultKind::ExitLate => less(&mut trouble.exit_late),
            FaultKind::SshFail => less(&mut trouble.ssh_fails),
            FaultKind::SshAsk => less(&mut trouble.ssh_asks),
            FaultKind::SshTurnedAway => less(&mut trouble.ssh_turned_away),
            FaultKind::SharedDead => less(&mut trouble.shared_dead),
            FaultKind::Noise => trouble.noise = 0,
            FaultKind::Elsewhere => trouble.elsewhere = None,
            FaultKind::ShellEnds => trouble.shell_ends = None,
            FaultKind::HelloLate => {
                less(&mut trouble.hello_late);
                self.let_hellos_go(client);
            }
            FaultKind::ProxyHang => self.resume(entry),
            FaultKind::ClientHang => {
                let hangs = &mut self.clients[client as usize].hangs;
                if *hangs > 0 {
                    *hangs -= 1;
                    self.freezes -= 1;
                    self.thaw();
                    self.delay_clients();
                }
            }
            FaultKind::EditorStall => {
                if self.clients[client as usize].editor.stalls > 0 {
                    self.stall_editor(client, false);
                }
            }
            at_once => unreachable!("own bug: {at_once} does not last"),
        }
        self.unblock_links();
    }

    fn end_for_host(&mut self, entry: u32, fault: &Fault) {
        match fault.kind {
            FaultKind::ServerHang => self.resume(entry),
            FaultKind::SpawnSlow => {
                self.weather.slow_spawns -= 1;
                self.release_spawns();
            }
            FaultKind::SpawnFail => self.host.spawn_fails -= 1,
            FaultKind::ProgramStall => {
                for server in self.take_stopped(entry) {
                    if let Process::Server(server) = server {
                        self.servers[server as usize].program.stalls -= 1;
                        self.program_wake(server);
                    }
                }
            }
            FaultKind::Slow => {
                self.weather.slows -= 1;
                if self.weather.slows == 0 {
                    self.weather.slowness = 1;
                }
            }
            FaultKind::Partition => {
                self.weather.partitions -= 1;
                self.unblock_links();
            }
            FaultKind::NetworkDown => self.network_comes(),
            FaultKind::PidReuse => self.host.reap(Process::Stranger(entry)),
            FaultKind::DiskFull => self.host.disk_full -= 1,
            FaultKind::Reboot => {
                self.host.downs -= 1;
                self.host.boot += 1;
                if self.host.downs == 0 {
                    self.film(|_| Mark::HostUp);
                }
                self.unblock_links();
            }
            FaultKind::Sleep => self.wake_laptop(),
            FaultKind::ClockJump | FaultKind::HostClockJump => {}
            at_once => unreachable!("own bug: {at_once} does not last"),
        }
    }

    fn wake_laptop(&mut self) {
        self.weather.sleeps -= 1;
        self.freezes -= 1;
        self.thaw();
        self.delay_clients();
        if self.weather.sleeps > 0 || !self.scenario.setting.wake_told {
            return;
        }
        for client in 0..self.clients.len() as ClientId {
            if self.clients[client as usize].hangs == 0 {
                self.wake_client(client, Input::Wake);
            }
        }
    }

    /// The laptop's processes may have missed deadlines: those that can look at the clock, do.
    fn delay_clients(&mut self) {
        let now = self.laptop_now();
        for client in 0..self.clients.len() as ClientId {
            let process = &mut self.clients[client as usize];
            process.life.delayed(now);
            process.comeback.delayed(now);
            process.waits.woke_at = now;
            process.alarm.clear();
            if self.weather.sleeps == 0 && process.hangs == 0 {
                self.client_settle(client);
            }
        }
    }

    fn take_stopped(&mut self, entry: u32) -> Vec<Process> {
        let mut taken = Vec::new();
        self.weather.stopped.retain(|(by, process)| {
            if *by == entry {
                taken.push(*process);
            }
            *by != entry
        });
        taken
    }

    /// The processes that an entry has stopped go on.
    fn resume(&mut self, entry: u32) {
        for process in self.take_stopped(entry) {
            self.freezes -= 1;
            match process {
                Process::Proxy(proxy) => {
                    self.proxies[proxy as usize].hangs -= 1;
                    let link = self.proxies[proxy as usize].link;
                    self.schedule_up(link);
                    if let Some(conn) = self.proxies[proxy as usize].conn {
                        self.schedule_conn_down(conn);
                    }
                }
                Process::Server(server) => {
                    self.servers[server as usize].hangs -= 1;
                    if self.servers[server as usize].hangs == 0 {
                        self.server_resumes(server);
                    }
                }
                Process::Stranger(_) => {}
            }
            self.thaw();
        }
    }
}
