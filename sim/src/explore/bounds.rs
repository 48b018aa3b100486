//! How much may happen in an explored world.
//!
//! Whatever is not bounded here is bounded by nothing but the machines themselves: deliveries, steps and
//! deadlines, in every order.

use std::time::Duration;

use reattach::session::{BackoffConfig, ClientConfig, First, LaunchConfig, ServerConfig};

use crate::scenario::{HOME, Setting};

/// The bounds of a world, and of the search in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Clients: the first opens at the start, the others at any time and in any way.
    pub clients: u8,
    /// Failed attempts after which a client stops trying.
    pub attempts: u8,
    /// What may happen so often at most, in all.
    pub left: Allowance,
    /// Probes on a link on which nothing is wrong.
    pub beats: u8,
    /// States that are kept.
    pub states_max: u32,
    /// Steps from the start.
    pub depth_max: u32,
}

/// What may still happen, and how often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    /// Requests that users send.
    pub messages: u8,
    /// Servers that are killed.
    pub crashes: u8,
    /// Links that break, or cannot be opened.
    pub cuts: u8,
    /// Proxies that are killed.
    pub kills: u8,
    /// Deadlines that pass while what they wait for is on its way.
    pub delays: u8,
    /// Servers that are stopped by the kernel and may go on later.
    pub hangs: u8,
    /// Servers that are told to end by their owner.
    pub stops: u8,
    /// Lifetimes of servers without a client that pass.
    pub idles: u8,
    /// Hosted programs that end by themselves.
    pub exits: u8,
    /// Users that leave.
    pub closes: u8,
    /// Wishes to try now, where the client would not have to be asked.
    pub retries: u8,
    /// Wishes to start over.
    pub restarts: u8,
}

/// What is allowed, in order, as options of the command.
const ALLOWED: [&str; 12] = [
    "messages", "crashes", "cuts", "kills", "delays", "hangs", "stops", "idles", "exits", "closes",
    "retries", "restarts",
];

impl Allowance {
    /// The counts, in order.
    pub(super) fn counts(&self) -> [u8; 12] {
        let mut copy = *self;
        copy.counts_mut().map(|count| *count)
    }

    pub(super) fn counts_mut(&mut self) -> [&mut u8; 12] {
        [
            &mut self.messages,
            &mut self.crashes,
            &mut self.cuts,
            &mut self.kills,
            &mut self.delays,
            &mut self.hangs,
            &mut self.stops,
            &mut self.idles,
            &mut self.exits,
            &mut self.closes,
            &mut self.retries,
            &mut self.restarts,
        ]
    }
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds::SMALL
    }
}

impl Bounds {
    /// What a few seconds are enough for.
    pub const SMALL: Bounds = Bounds {
        clients: 2,
        attempts: 2,
        left: Allowance {
            messages: 2,
            crashes: 1,
            cuts: 0,
            kills: 0,
            delays: 0,
            hangs: 0,
            stops: 0,
            idles: 0,
            exits: 0,
            closes: 0,
            retries: 0,
            restarts: 0,
        },
        beats: 0,
        states_max: 10_000_000,
        depth_max: u32::MAX,
    };

    /// The bounds as options of the command, without those of the search.
    pub fn words(&self) -> String {
        let mut words =
            format!("--clients {} --attempts {} --beats {}", self.clients, self.attempts, self.beats);
        for (name, count) in ALLOWED.iter().zip(self.left.counts()) {
            words += &format!(" --{name} {count}");
        }
        words
    }

    /// The setting of the simulator's world that comes closest.
    pub(super) fn setting(&self) -> Setting {
        // With so few frames every one that is consumed is acknowledged at once.
        Setting { attempts_max: self.attempts.into(), window_frames: 8, ..Setting::default() }
    }

    pub(super) fn client(&self, first: First) -> ClientConfig {
        let client = self.setting().client(first);
        // Without dice, so that the same is the same.
        // And without an allowance, whose every moment would be a state of its own: the world judges it.
        let backoff = BackoffConfig { jitter: false, ..client.backoff };
        ClientConfig { backoff, allowance: None, ..client }
    }

    pub(super) fn server(&self) -> ServerConfig {
        self.setting().server()
    }

    /// As few looks as show every way that they can end.
    pub(super) fn launch(&self) -> LaunchConfig {
        let second = Duration::from_secs(1);
        LaunchConfig {
            host: Some(HOME),
            stop_grace: second,
            kill_wait: second,
            ready_timeout: 2 * second,
            starter_wait: 2 * second,
            attach_timeout: 2 * second,
            release_wait: second,
            look_interval: second,
            ..LaunchConfig::default()
        }
    }
}
