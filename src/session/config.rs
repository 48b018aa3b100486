//! What a user may tune, with defaults from [`limits`], where each number's
//! why is written.

use std::time::Duration;

use crate::proto::{HostId, limits};

/// How a client behaves. The default suits a person at an editor.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientConfig {
    /// What the first attach does with a server that already runs under the identifier.
    pub first: First,
    /// Silence after which the client probes; more than zero.
    pub heartbeat_interval: Duration,
    /// Probes in a row that may go unanswered; at least 1.
    pub heartbeat_misses_max: u32,
    /// Time for a probe after a wake-up, or when the user wants to know.
    pub probe_timeout: Duration,
    /// Time for a probe after a network has changed; twice the last round trip if that is more.
    pub network_probe_timeout: Duration,
    /// Lateness of a timeout that means that this process was suspended.
    pub suspension_min: Duration,
    /// Failed attempts in a row after which the client pauses; at least 1.
    pub attempts_max: u32,
    /// Attempts to connect for the first time, where ssh is turned away before anything can have been
    /// started; at least 1.
    pub first_attempts_max: u32,
    /// Delays between attempts.
    pub backoff: BackoffConfig,
    /// How often the host may be logged in to; `None` for as often as there is a reason.
    pub allowance: Option<AllowanceConfig>,
    /// How a pause ends by itself; `None` for never: it waits for a wake-up, a network or the user.
    pub patience: Option<PatienceConfig>,
    /// Whether what the user sends is a reason to try, too.
    pub heeds_activity: bool,
    /// Time attached after which broken protocols of before are forgotten.
    pub stable_after: Duration,
    /// Time to open the first transport; `None` for as long as it takes (a password is typed).
    pub first_open_timeout: Option<Duration>,
    /// Longest time to open a later transport; `None` for as long as it takes (a password is typed).
    pub open_timeout: Option<Duration>,
    /// Time to open the first transport of an outage, or twice what the last one took if that is more;
    /// doubled for the next two.
    pub open_timeout_min: Duration,
    /// Age from which an attempt that has not opened is replaced when a network has changed, the
    /// laptop has woken or the user wants it; doubled each time, until one is attached. `None` for
    /// never: it gets as long as an attached server has to answer.
    pub hint_grace: Option<Duration>,
    /// Age from which an attempt that has not opened is replaced when the user sends something.
    pub activity_grace: Duration,
    /// Time between two attempts that are made because the user sends something.
    pub activity_pace: Duration,
    /// Time from the server's preamble to its answer.
    pub attach_timeout: Duration,
    /// Time for a transport's exit status after its output has ended.
    pub exit_wait: Duration,
    /// Bounds of both directions.
    pub window: WindowConfig,
}

impl Default for ClientConfig {
    fn default() -> Self {
        ClientConfig {
            first: First::Start,
            heartbeat_interval: limits::HEARTBEAT_INTERVAL,
            heartbeat_misses_max: limits::HEARTBEAT_MISSES_MAX,
            probe_timeout: limits::PROBE_TIMEOUT,
            network_probe_timeout: limits::NETWORK_PROBE_TIMEOUT,
            suspension_min: limits::SUSPENSION_MIN,
            attempts_max: limits::ATTEMPTS_MAX,
            first_attempts_max: limits::FIRST_ATTEMPTS_MAX,
            backoff: BackoffConfig::default(),
            allowance: Some(AllowanceConfig::default()),
            patience: Some(PatienceConfig::default()),
            heeds_activity: true,
            stable_after: limits::STABLE_AFTER,
            first_open_timeout: None,
            open_timeout: Some(limits::OPEN_TIMEOUT),
            open_timeout_min: limits::OPEN_TIMEOUT_MIN,
            hint_grace: Some(limits::HINT_GRACE),
            activity_grace: limits::ACTIVITY_GRACE,
            activity_pace: limits::ACTIVITY_PACE,
            attach_timeout: limits::ATTACH_TIMEOUT,
            exit_wait: limits::EXIT_WAIT,
            window: WindowConfig::default(),
        }
    }
}

/// What the first attach does with a server that already runs under the identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum First {
    /// Start a server; leave a running one alone and say so.
    Start,
    /// Start a server; a running one is stopped, its state is lost.
    Replace,
    /// Attach to the running one in its client's place; start nothing.
    Takeover,
}

/// Delays between attempts; see [`Backoff`](super::backoff::Backoff).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BackoffConfig {
    /// First delay after the immediate retry.
    pub min: Duration,
    /// Longest nominal delay.
    pub max: Duration,
    /// Time attached after which a loss starts with an immediate retry again.
    pub calm_after: Duration,
    /// What the immediate retry may wait, so that those who lost a link together do not come back in step.
    pub spread: Duration,
    /// Vary each delay by a quarter, and the immediate one within its spread.
    pub jitter: bool,
}

impl Default for BackoffConfig {
    fn default() -> Self {
        BackoffConfig {
            min: limits::BACKOFF_MIN,
            max: limits::BACKOFF_MAX,
            calm_after: Duration::ZERO,
            spread: limits::FIRST_RETRY_SPREAD,
            jitter: true,
        }
    }
}

/// How often a host may be logged in to; see [`Allowance`](super::allowance::Allowance).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AllowanceConfig {
    /// Attempts that may be made at once; at least 1.
    pub burst: u32,
    /// Time after which one more may be made.
    pub every: Duration,
}

impl Default for AllowanceConfig {
    fn default() -> Self {
        AllowanceConfig { burst: limits::ALLOWANCE_BURST, every: limits::ALLOWANCE_EVERY }
    }
}

/// How a pause ends by itself: a single attempt now and then.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PatienceConfig {
    /// Time after the loss of the link in which attempts are made: as long as there is something to
    /// come back to.
    pub lasts: Duration,
    /// The first pause; doubled after each attempt that fails.
    pub min: Duration,
    /// The longest pause.
    pub max: Duration,
}

impl Default for PatienceConfig {
    fn default() -> Self {
        PatienceConfig { lasts: limits::IDLE_LIFETIME, min: limits::PATIENCE_MIN, max: limits::PATIENCE_MAX }
    }
}

/// Bounds of one side's two directions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WindowConfig {
    /// Payload bytes kept for replay, and granted to the other side.
    pub unacked_bytes_max: usize,
    /// Numbered frames kept for replay.
    pub unacked_frames_max: usize,
    /// Consumed bytes after which an acknowledgement is due at once, as long as bulk goes on.
    pub ack_bytes: usize,
    /// The same when it begins.
    pub ack_bytes_min: usize,
    /// Consumed frames after which an acknowledgement is due at once.
    pub ack_frames: u64,
    /// Time after which consumed bytes are acknowledged.
    pub ack_delay: Duration,
    /// The same for as many as bulk ends with: somebody may wait for that to know what the link carries.
    pub ack_delay_bulk: Duration,
    /// Time that what is given away ahead may take, on a link that carries what it has carried.
    pub ahead_time: Duration,
    /// Payload bytes that may be given away ahead on the slowest link.
    pub ahead_bytes_min: usize,
    /// Payload bytes that may be given away ahead on a link of which nothing is known.
    pub ahead_bytes_first: usize,
    /// Payload bytes that may be consumed at one go on a slow link, because they waited for each other.
    pub burst_bytes_max: usize,
    /// The longest round trip that is taken for one.
    pub round_trip_max: Duration,
}

impl Default for WindowConfig {
    fn default() -> Self {
        WindowConfig {
            unacked_bytes_max: limits::UNACKED_BYTES_MAX,
            unacked_frames_max: limits::UNACKED_FRAMES_MAX,
            ack_bytes: limits::ACK_BYTES,
            ack_bytes_min: limits::ACK_BYTES_MIN,
            ack_frames: limits::ACK_FRAMES,
            ack_delay: limits::ACK_DELAY,
            ack_delay_bulk: limits::ACK_DELAY_BULK,
            ahead_time: limits::AHEAD_TIME,
            ahead_bytes_min: limits::AHEAD_BYTES_MIN,
            ahead_bytes_first: limits::AHEAD_BYTES_FIRST,
            burst_bytes_max: limits::BURST_BYTES_MAX,
            round_trip_max: limits::ROUND_TRIP_MAX,
        }
    }
}

/// How a server behaves.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServerConfig {
    /// The host that the server runs on, if it could find out.
    pub host: Option<HostId>,
    /// Life without a client, after one was there.
    pub idle_lifetime: Duration,
    /// Life without a client that ever came.
    pub unmet_lifetime: Duration,
    /// Nobody but the client knows of the session, which has no name: without the client it is of no use.
    pub nameless: bool,
    /// Life of a server of a nameless session after its client has died; `None` for the idle lifetime.
    pub orphan_lifetime: Option<Duration>,
    /// Time for which a transport's output must stay open after its input has ended.
    pub half_end_wait: Duration,
    /// Time for the answer to a word on a transport whose input has ended.
    pub half_end_answer: Duration,
    /// Silence after which a transport is dropped.
    pub silence_max: Duration,
    /// Time for a `Hello` after the preamble.
    pub hello_timeout: Duration,
    /// Transports that may be attaching at once.
    pub attaching_max: usize,
    /// Lateness of a timeout that means that this process was suspended.
    pub suspension_min: Duration,
    /// Bounds of both directions.
    pub window: WindowConfig,
}

impl Default for ServerConfig {
    fn default() -> Self {
        ServerConfig {
            host: None,
            idle_lifetime: limits::IDLE_LIFETIME,
            unmet_lifetime: limits::UNMET_LIFETIME,
            nameless: false,
            orphan_lifetime: Some(limits::ORPHAN_LIFETIME),
            half_end_wait: limits::HALF_END_WAIT,
            half_end_answer: limits::HALF_END_ANSWER,
            silence_max: limits::SILENCE_MAX,
            hello_timeout: limits::HELLO_TIMEOUT,
            attaching_max: limits::ATTACHING_MAX,
            suspension_min: limits::SUSPENSION_MIN,
            window: WindowConfig::default(),
        }
    }
}

/// How a proxy waits while it launches.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LaunchConfig {
    /// The host that the proxy runs on and speaks for, if it could find out.
    pub host: Option<HostId>,
    /// Time for a server to end by itself after SIGTERM.
    pub stop_grace: Duration,
    /// Time for the kernel to let go of the lock after SIGKILL.
    pub kill_wait: Duration,
    /// Time for a server to become ready.
    pub ready_timeout: Duration,
    /// Time to wait for another starter of the same identifier.
    pub starter_wait: Duration,
    /// Time for a server that lives to accept an attachment.
    pub attach_timeout: Duration,
    /// Time for the lock to fall free after the server's socket has ended.
    pub release_wait: Duration,
    /// Time between two looks at a lock that is waited for.
    pub look_interval: Duration,
    /// Lateness of a timeout that means that the host was suspended.
    pub suspension_min: Duration,
}

impl Default for LaunchConfig {
    fn default() -> Self {
        LaunchConfig {
            host: None,
            stop_grace: limits::STOP_GRACE,
            kill_wait: limits::KILL_WAIT,
            ready_timeout: limits::READY_TIMEOUT,
            starter_wait: limits::STARTER_WAIT,
            attach_timeout: limits::ATTACH_TIMEOUT,
            release_wait: limits::RELEASE_WAIT,
            look_interval: limits::LOOK_INTERVAL,
            suspension_min: limits::SUSPENSION_MIN,
        }
    }
}
