//! The situations that a campaign must have reached, by name.

use std::fmt;

macro_rules! goals {
    ($($(#[$doc:meta])* $variant:ident $name:literal,)*) => {
        /// Something that must happen sometimes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Goal {
            $($(#[$doc])* $variant,)*
        }

        impl Goal {
            /// All of them.
            pub const ALL: &[Goal] = &[$(Goal::$variant,)*];

            /// The name, as commands write it.
            pub fn name(self) -> &'static str {
                match self {
                    $(Goal::$variant => $name,)*
                }
            }
        }
    };
}

goals! {
    /// A client got news of an attempt that was not current.
    StaleNews "stale-news-ignored",
    /// A server got news of a transport that it had closed.
    StaleTransport "stale-transport-ignored",
    /// A transport was lost while messages were being sent again.
    ReplayCut "replay-cut-in-the-middle",
    /// A link was cut inside a frame.
    CutMidFrame "cut-mid-frame",
    /// A message that one transport took down was sent again on the next.
    SentAgain "message-sent-again",
    /// The owner's next attempt displaced a transport that was attached.
    ZombieDisplaced "zombie-displaced",
    /// Another session took over.
    Takeover "takeover",
    /// The client that was taken over learnt it.
    TakenOver "taken-over-told",
    /// A stranger was refused.
    Busy "busy-refused",
    /// An old attempt came after a newer one.
    StaleAttempt "stale-attempt-refused",
    /// A server refused because it was about to end.
    Ending "ending-refused",
    /// Another instance was found in the old one's place.
    OtherInstance "other-instance-refused",
    /// All attempts failed.
    Exhausted "exhausted",
    /// And then the client was woken.
    ExhaustedWoken "exhausted-then-woken",
    /// A pause ended with an attempt of patience.
    PatienceTried "patience-tried",
    /// And that attempt led back to the session.
    PatienceReturned "patience-led-back",
    /// A pause ended with an attempt because the user sent something.
    ActivityTried "activity-tried",
    /// The kernel told of a changed network.
    NetworkTold "network-told",
    /// A hint replaced an attempt that had not opened.
    OpenReplaced "hanging-open-replaced",
    /// An attempt had to wait for its token.
    AllowanceWaited "allowance-waited",
    /// A first attach was turned away before the key exchange.
    TurnedAway "turned-away",
    /// And was let in after that.
    TurnedAwayThenIn "turned-away-then-in",
    /// Another machine answered, and its word did not count.
    AnotherMachine "another-machine",
    /// A login ended with the code of a proxy that finds no server, and no proxy had said so.
    Unproven "unproven-verdict",
    /// An attempt hung in a shared connection that was dead.
    SharedDead "shared-dead-met",
    /// Patience was over before the network was back.
    PatienceOver "patience-over",
    /// A verdict of 90 was believed.
    Believed90 "90-believed",
    /// The reason was a crash.
    GoneCrashed "gone-crashed",
    /// The reason was a stop.
    GoneStopped "gone-stopped",
    /// The reason was the idle lifetime.
    GoneIdle "gone-idle",
    /// The reason was that nobody ever came.
    GoneUnmet "gone-unmet",
    /// The reason was a fresh server.
    GoneReplaced "gone-replaced",
    /// The reason was a reboot.
    GoneRebooted "gone-rebooted",
    /// The reason was the hosted program's end.
    GoneExited "gone-exited",
    /// A fresh start found a server running and left it alone.
    AlreadyRunning "already-running",
    /// A server could not be started.
    NotStarted "not-started",
    /// A server was replaced.
    Replaced "server-replaced",
    /// A server that did not obey was killed.
    KilledAfterGrace "killed-after-grace",
    /// A proxy waited for another starter.
    StarterWaited "starter-waited",
    /// A reconnect waited for a server on its way up.
    SeekWaited "reconnect-waited-for-starter",
    /// A proxy whose socket ended found the server alive.
    JudgedAlive "judged-alive",
    /// A proxy whose socket ended found the server gone.
    JudgedGone "judged-gone",
    /// A proxy was killed before it relayed.
    ProxyKilledLaunching "proxy-killed-while-launching",
    /// Half of an attachment never got its other half.
    HalfPair "half-pair-dropped",
    /// A signal was held back because its target was no longer the server.
    SignalHeldBack "signal-held-back",
    /// A pid was used again.
    PidReused "pid-reused",
    /// Probes were missed and then answered.
    HeardAgain "heard-again",
    /// A dead link was noticed by its silence.
    Silence "silence-noticed",
    /// A server dropped a silent client.
    ServerSilence "server-dropped-silent-client",
    /// A client slept and noticed it.
    Suspended "suspension-noticed",
    /// A producer waited for room.
    OutboxFull "outbox-full",
    /// The hosted program waited for room.
    ProgramWaited "program-waited",
    /// A banner was skipped.
    NoiseSkipped "noise-skipped",
    /// Bytes that are no frame were noticed.
    Garbled "garbled-noticed",
    /// A session ended with its program.
    ProgramEnded "program-ended",
    /// The user started over.
    Restarted "restarted",
    /// A session without an instance was resumed: the first attach was cut before its Welcome.
    FirstResumed "first-attach-resumed",
    /// An outage ended on its last attempt.
    LastAttempt "connected-on-last-attempt",
    /// A server ended because its client had died.
    Orphaned "orphaned",
    /// A client of a session without a name came back after longer than its death would have left it.
    NotOrphaned "back-after-the-orphan-lifetime",
    /// A client died, and nobody could tell that from a dead link.
    DeathUntold "death-not-told",
    /// An end gave as little ahead as it ever does.
    PaceLeast "paced-at-its-least",
    /// An end gave as much ahead as it keeps.
    PaceMost "paced-at-its-most",
    /// A message that was delivered before an outage was answered after it.
    AnsweredAfterOutage "answered-after-outage",
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A set of goals that were reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Goals(u128);

impl Goals {
    /// Takes note that it was reached.
    #[inline]
    pub fn reach(&mut self, goal: Goal) {
        self.0 |= 1 << goal as u8;
    }

    /// Whether it was reached.
    pub fn has(self, goal: Goal) -> bool {
        self.0 & 1 << goal as u8 != 0
    }

    /// Adds those of another run.
    pub fn add(&mut self, other: Goals) {
        self.0 |= other.0;
    }

    /// How many were reached.
    pub fn count(self) -> u32 {
        self.0.count_ones()
    }

    /// Those that were not.
    pub fn missing(self) -> impl Iterator<Item = Goal> {
        Goal::ALL.iter().copied().filter(move |goal| !self.has(*goal))
    }
}

const _: () = assert!(Goal::ALL.len() <= 128, "a set of goals is 128 bits");
