//! What a user may tune, with defaults from [`limits`], where each number's
//! why is written.

use std::time::Duration;

use crate::proto::limits;

/// How a client behaves. The default suits a person at an editor.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientConfig {
    /// What the first attach does with a server that already runs under the identifier.
    pub first: First,
    /// Silence after which the client probes; more than zero.
    pub heartbeat_interval: Duration,
    /// Probes in a row that may go unanswered; at least 1.
    pub heartbeat_misses_max: u32,
    /// Time for a probe after a wake-up.
    pub probe_timeout: Duration,
    /// Lateness of a timeout that means that this process was suspended.
    pub suspension_min: Duration,
    /// Failed attempts in a row after which the client stops trying; at least 1.
    pub attempts_max: u32,
    /// Delays between attempts.
    pub backoff: BackoffConfig,
    /// Time attached after which a session counts as stable.
    pub stable_after: Duration,
    /// Time to open the first transport; `None` for as long as it takes (a password is typed).
    pub first_open_timeout: Option<Duration>,
    /// Time to open a later transport; `None` for as long as it takes.
    pub open_timeout: Option<Duration>,
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
            suspension_min: limits::SUSPENSION_MIN,
            attempts_max: limits::ATTEMPTS_MAX,
            backoff: BackoffConfig::default(),
            stable_after: limits::STABLE_AFTER,
            first_open_timeout: None,
            open_timeout: Some(limits::OPEN_TIMEOUT),
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
    /// Vary each delay by a quarter.
    pub jitter: bool,
}

impl Default for BackoffConfig {
    fn default() -> Self {
        BackoffConfig { min: limits::BACKOFF_MIN, max: limits::BACKOFF_MAX, jitter: true }
    }
}

/// Bounds of one side's two directions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WindowConfig {
    /// Payload bytes kept for replay, and granted to the other side.
    pub unacked_bytes_max: usize,
    /// Numbered frames kept for replay.
    pub unacked_frames_max: usize,
    /// Consumed bytes after which an acknowledgement is due at once.
    pub ack_bytes: usize,
    /// Consumed frames after which an acknowledgement is due at once.
    pub ack_frames: u64,
    /// Time after which consumed bytes are acknowledged.
    pub ack_delay: Duration,
}

impl Default for WindowConfig {
    fn default() -> Self {
        WindowConfig {
            unacked_bytes_max: limits::UNACKED_BYTES_MAX,
            unacked_frames_max: limits::UNACKED_FRAMES_MAX,
            ack_bytes: limits::ACK_BYTES,
            ack_frames: limits::ACK_FRAMES,
            ack_delay: limits::ACK_DELAY,
        }
    }
}

/// How a server behaves.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServerConfig {
    /// Life without a client, after one was there.
    pub idle_lifetime: Duration,
    /// Life without a client that ever came.
    pub unmet_lifetime: Duration,
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
            idle_lifetime: limits::IDLE_LIFETIME,
            unmet_lifetime: limits::UNMET_LIFETIME,
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
