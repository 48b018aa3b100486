//! A scenario: everything that a run is made of, as plain data.
//!
//! ```text
//! fault   what goes wrong, where, for how long
//! act     what the user does
//! text    the file format: what regressions are kept in
//! file    and whatever else a file may hold
//! bounds  what a scenario may say
//! draw    seed to scenario
//! ```
//!
//! A scenario gives one run, always the same. What its faults do is left to the world.

mod act;
mod bounds;
mod draw;
mod fault;
mod file;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

pub use act::{Act, User};
pub use draw::draw;
pub use fault::{Fault, FaultKind};
pub use file::{LoadError, load};
use reattach::proto::{HostId, limits};
use reattach::session::{
    BackoffConfig, ClientConfig, First, LaunchConfig, PatienceConfig, ServerConfig, WindowConfig,
};
pub(crate) use text::shown;
pub use text::{ParseError, parse, print};

/// The host of every world.
pub const HOME: HostId = HostId(1);

/// Clients that a scenario may name: `a`, `b` and `c`.
pub const CLIENTS_MAX: u8 = 3;

/// What a client, and its user, is called wherever people read of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Letter(pub u8);

impl fmt::Display for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", char::from(b'a' + self.0))
    }
}

/// Everything that a run is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// Seeds the world's small delays and the order of what happens at the same time.
    pub seed: u64,
    /// What is demanded.
    pub mode: Mode,
    /// When the faults end and the network is good again.
    pub duration: Duration,
    /// The world that it happens in.
    pub setting: Setting,
    /// What happens, in order of time.
    pub entries: Vec<Entry>,
}

/// What is demanded of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Faults that can be recovered from: safety, and progress once they have ended.
    Recoverable,
    /// Faults that may leave things broken: only safety.
    Hostile,
}

/// The world, and what is tuned in the machines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// One way between laptop and host.
    pub latency: Duration,
    /// Bytes that a link carries in a millisecond.
    pub bandwidth: u32,
    /// What ssh needs to start a command.
    pub ssh_time: Duration,
    /// What a process on the host needs for one step, about.
    pub step_time: Duration,
    /// What the hosted program needs for a request.
    pub program_time: Duration,
    /// Life of a server without a client.
    pub idle_lifetime: Duration,
    /// Life of a server that nobody ever attached to.
    pub unmet_lifetime: Duration,
    /// Nobody but their clients knows of the sessions, which have no name.
    pub nameless: bool,
    /// Life of a server of such a session after its client has died.
    pub orphan_lifetime: Duration,
    /// Bytes that an end keeps for replay.
    pub window: u32,
    /// Frames that an end keeps for replay.
    pub window_frames: u32,
    /// Bytes that an end gives ahead at least; one that is not below the window leaves everything to that.
    pub ahead: u32,
    /// Failed attempts after which a client pauses.
    pub attempts_max: u32,
    /// How long after a loss a client's pauses end by themselves; zero for never.
    pub patience: Duration,
    /// Numbers that processes on the host can have.
    pub pids: u32,
    /// Whether the laptop tells its programs that it woke up, and that its network changed.
    pub wake_told: bool,
}

impl Default for Setting {
    fn default() -> Self {
        Setting {
            latency: Duration::from_millis(20),
            bandwidth: 1000,
            ssh_time: Duration::from_millis(500),
            step_time: Duration::from_micros(100),
            program_time: Duration::from_millis(5),
            idle_lifetime: Duration::from_secs(3600),
            unmet_lifetime: Duration::from_secs(120),
            nameless: false,
            orphan_lifetime: Duration::from_secs(30),
            window: 8192,
            window_frames: 64,
            ahead: 1 << 20,
            attempts_max: 3,
            patience: Duration::from_secs(24 * 3600),
            pids: 16,
            wake_told: true,
        }
    }
}

/// Something that happens at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Since the start.
    pub at: Duration,
    /// What.
    pub what: What,
}

/// What happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A user does something.
    User(User),
    /// Something goes wrong.
    Fault(Fault),
}

impl Scenario {
    /// The clients that nobody ever opens and something is said of, with the first that is.
    pub fn unopened(&self) -> BTreeMap<Letter, String> {
        let mut named = BTreeMap::new();
        let mut opened = Vec::new();
        for Entry { at, what } in &self.entries {
            let client = match what {
                What::User(User { client, act }) => {
                    opened.extend(matches!(act, Act::Open(_)).then_some(*client));
                    Some(*client)
                }
                What::Fault(fault) => fault.target,
            };
            if let Some(client) = client {
                named.entry(client).or_insert_with(|| format!("at {} {what}", text::time(*at)));
            }
        }
        named.retain(|client, _| !opened.contains(client));
        named.into_iter().map(|(client, first)| (Letter(client), first)).collect()
    }
}

impl Setting {
    /// How clients of this setting behave.
    pub fn client(&self, first: First) -> ClientConfig {
        ClientConfig {
            first,
            attempts_max: self.attempts_max,
            patience: (!self.patience.is_zero())
                .then(|| PatienceConfig { lasts: self.patience, ..PatienceConfig::default() }),
            window: self.windows(),
            ..ClientConfig::default()
        }
    }

    /// How servers of this setting behave.
    pub fn server(&self) -> ServerConfig {
        ServerConfig {
            host: Some(HOME),
            idle_lifetime: self.idle_lifetime,
            unmet_lifetime: self.unmet_lifetime,
            nameless: self.nameless,
            orphan_lifetime: Some(self.orphan_lifetime),
            window: self.windows(),
            ..ServerConfig::default()
        }
    }

    fn windows(&self) -> WindowConfig {
        let usual = WindowConfig::default();
        // Where nobody looks how fast the link is, nobody waits for what tells it.
        let ack_delay_bulk = if self.ahead < self.window { usual.ack_delay_bulk } else { usual.ack_delay };
        WindowConfig {
            unacked_bytes_max: self.window as usize,
            unacked_frames_max: self.window_frames as usize,
            ack_bytes: (self.window / 8).max(1) as usize,
            ack_bytes_min: (self.ahead / 2).max(1) as usize,
            ahead_bytes_min: self.ahead as usize,
            ahead_bytes_first: self.ahead as usize * 2,
            ack_frames: u64::from(self.window_frames / 8).max(1),
            ack_delay_bulk,
            ..usual
        }
    }

    /// Time from the death of a client over a link that is well to the end of its server: it is noticed,
    /// asked, answered and waited for, and then everybody ends.
    pub fn orphan_bound(&self) -> Duration {
        let server = self.server();
        let lifetime = self.orphan_lifetime.min(self.idle_lifetime);
        let told = server.half_end_wait + server.half_end_answer + self.latency * 4 + self.step_time * 60;
        told + lifetime + limits::APP_GRACE + limits::SUSPENSION_MIN
    }

    /// Time in which a whole budget of attempts has failed, if each hangs for as long as it may.
    pub fn budget_bound(&self) -> Duration {
        let client = self.client(First::Start);
        let longest = client.open_timeout.unwrap_or_default();
        (0..self.attempts_max)
            .map(|tries| {
                let open = if tries < 3 { client.open_timeout_min * (1 << tries) } else { longest };
                let delay =
                    client.backoff.min.saturating_mul(3u32.saturating_pow(tries)).min(client.backoff.max);
                open.min(longest) + delay * 5 / 4
            })
            .sum()
    }

    /// Time in which every session must be settled once the network is good: the sum of what the
    /// configuration allows one attempt under way to take, then a full budget of attempts, the pause
    /// after it and one more, and the time in which what is kept can be sent again.
    pub fn settle_bound(&self) -> Duration {
        let client = self.client(First::Start);
        let launch = LaunchConfig::default();
        let BackoffConfig { max, .. } = client.backoff;
        let notice = client.probe_timeout + client.heartbeat_interval * (client.heartbeat_misses_max + 1);
        let stop = launch.stop_grace + launch.kill_wait;
        let start = launch.starter_wait + stop + launch.ready_timeout + launch.attach_timeout;
        let round_trips = self.latency * 8 + self.ssh_time * 4 + self.step_time * 60;
        let attempt = client.open_timeout.unwrap_or_default() + client.attach_timeout + client.exit_wait;
        let tries = (max * 5 / 4 + round_trips + launch.attach_timeout) * (self.attempts_max + 1);
        let bytes = u64::from(self.window) * 4 + 64 * u64::from(self.window_frames);
        let replay = Duration::from_millis(bytes / u64::from(self.bandwidth.max(1)));
        let answers = self.program_time * self.window_frames * 4;
        notice + start + attempt + tries + replay * 2 + answers + client.window.ack_delay * 4
    }
}
