//! The promises, by name, with the count of how often each was judged.

use std::fmt;

use reattach::session::Time;

macro_rules! promises {
    ($($(#[$doc:meta])* $variant:ident $name:literal $kind:ident,)*) => {
        /// Something that must always hold.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Promise {
            $($(#[$doc])* $variant,)*
        }

        impl Promise {
            /// All of them.
            pub const ALL: &[Promise] = &[$(Promise::$variant,)*];

            /// The name, as commands and fixtures write it.
            pub fn name(self) -> &'static str {
                match self {
                    $(Promise::$variant => $name,)*
                }
            }

            /// The promise of that name.
            pub fn from_name(name: &str) -> Option<Self> {
                Promise::ALL.iter().copied().find(|promise| promise.name() == name)
            }

            /// Whether breaking it does harm or stops progress.
            pub fn kind(self) -> Kind {
                match self {
                    $(Promise::$variant => Kind::$kind,)*
                }
            }
        }
    };
}

promises! {
    /// A reconnect never starts, replaces or kills a server.
    NeverSpawn "never-spawn" Safety,
    /// A client is only ever attached to the instance that it first met.
    SameInstance "same-instance" Safety,
    /// "Not running" is said only of an instance that is gone, with the true reason.
    NotRunningTrue "not-running-true" Safety,
    /// Every message is delivered once and in order.
    DeliveredOnce "delivered-once" Safety,
    /// News of an old attempt changes nothing, on either side.
    StaleIgnored "stale-ignored" Safety,
    /// After MAX failed attempts, and not before or after, the client pauses; a pause ends with a hint, the
    /// user's activity or, while that lasts, patience.
    AttemptsMax "attempts-max" Safety,
    /// Attempts of one outage leave the network time to come back, and no host is hammered.
    AttemptsPaced "attempts-paced" Safety,
    /// After silence an attempt shares nothing, and one that follows a failure goes the other way.
    WaysAlternate "ways-alternate" Safety,
    /// When there is a reason to try to come back, that is done within its time.
    RetriedInTime "retried-in-time" Liveness,
    /// Once the network is good again, a session whose server lives is attached within the bound, and
    /// nobody lends a hand.
    ComesBack "comes-back" Liveness,
    /// The session that owns the server is let in, whatever holds its place.
    OwnerGetsIn "owner-gets-in" Safety,
    /// A stranger displaces nobody, unless it takes over.
    StrangerKeptOut "stranger-kept-out" Safety,
    /// A signal is only asked for, and only reaches, who was seen to hold the server's lock.
    ProvenSignal "proven-signal" Safety,
    /// Nothing that is kept grows over its bound.
    BoundedMemory "bounded-memory" Safety,
    /// After a session's end no proxy, ssh, server, lock or child is left: at once where the link was
    /// good, and within the lifetimes where it was not.
    NothingLeft "nothing-left" Liveness,
    /// The server of a session without a name ends once its client has died over a link that is well.
    OrphansEnd "orphans-end" Liveness,
    /// Once the network is good again, every session is settled within the bound.
    SettledInTime "settled-in-time" Liveness,
    /// A settled session stays as it is: nobody gives up a link that carries.
    StaysSettled "stays-settled" Liveness,
    /// What a living server left word of is never removed.
    LivingKept "living-kept" Safety,
    /// A run comes to its end: nothing asks for more and more for ever.
    ComesToRest "comes-to-rest" Liveness,
    /// Two servers never live under one identifier.
    OneServer "one-server" Safety,
    /// What the machine asked to be woken for is done when it is woken.
    TimerMovesOn "timer-moves-on" Safety,
    /// Whoever is attached always waits for a sign of life, and a client never for longer than it may.
    HeartbeatArmed "heartbeat-armed" Safety,
    /// The count that the client shows is the count of attempts.
    AttemptsCounted "attempts-counted" Safety,
    /// Numbers of attempts only grow, and the old transport is closed before the next is opened.
    OneTransport "one-transport" Safety,
    /// Nothing but the user leaves a final state.
    EndAbsorbing "end-absorbing" Safety,
    /// An instance has one attachment, of a transport that is open.
    OneAttachment "one-attachment" Safety,
    /// What was announced is what the machine is in.
    OutsideIsInside "outside-is-inside" Safety,
    /// Every request is answered once at most, and by a server that knows its buffer.
    ResolvedOnce "resolved-once" Safety,
    /// What a user asks for is done, at once where nothing stands in its way, and is told as what it is.
    WishObeyed "wish-obeyed" Safety,
    /// Whoever waits for something waits for as long as that has, and nobody is kept waiting by somebody who
    /// does not need it.
    WaitsItsTime "waits-its-time" Safety,
    /// Nobody breaks the protocol over a link that changes no byte.
    ProtocolKept "protocol-kept" Safety,
    /// A server ends for the reason that it gives.
    EndJustified "end-justified" Safety,
    /// A client is refused for the reason that it is given.
    RefusalJustified "refusal-justified" Safety,
    /// What is said on a link that is well is not long on its way, however much was said before it.
    SmallInTime "small-in-time" Liveness,
    /// No machine panics, whatever it is told.
    NoPanic "no-panic" Safety,
}

/// What a broken promise means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Harm was done.
    Safety,
    /// Something that had to happen did not.
    Liveness,
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub promise: Promise,
    /// When.
    pub at: Time,
    /// What was seen, in one sentence.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} broken at {}: {}", self.promise, self.at, self.what)
    }
}

/// How often each promise was judged in a run, and the first that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checks {
    counts: [u64; Promise::ALL.len()],
    violation: Option<Violation>,
}

impl Default for Checks {
    fn default() -> Self {
        Checks { counts: [0; Promise::ALL.len()], violation: None }
    }
}

impl Checks {
    /// Judges a promise once. The sentence is only made if it is broken.
    #[inline]
    pub fn judge(&mut self, at: Time, promise: Promise, holds: bool, what: impl FnOnce() -> String) {
        self.counts[promise as usize] += 1;
        if !holds && self.violation.is_none() {
            self.violation = Some(Violation { promise, at, what: what() });
        }
    }

    /// The first promise that was broken.
    pub fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// How often it was judged.
    pub fn count(&self, promise: Promise) -> u64 {
        self.counts[promise as usize]
    }

    /// Adds the counts of another run.
    pub fn add(&mut self, other: &Checks) {
        for (sum, count) in self.counts.iter_mut().zip(other.counts) {
            *sum += count;
        }
    }

    /// The promises that were never judged.
    pub fn never_judged(&self) -> impl Iterator<Item = Promise> {
        Promise::ALL.iter().copied().filter(|promise| self.count(*promise) == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_first_violation_and_counts_all() {
        let mut checks = Checks::default();
        checks.judge(Time(1), Promise::NeverSpawn, true, || unreachable!("it holds"));
        checks.judge(Time(2), Promise::NeverSpawn, false, || "first".to_owned());
        checks.judge(Time(3), Promise::SameInstance, false, || "second".to_owned());
        assert_eq!(checks.violation().unwrap().what, "first");
        assert_eq!(checks.count(Promise::NeverSpawn), 2);
        assert_eq!(checks.never_judged().count(), Promise::ALL.len() - 2);
    }
}
