//! What a launch machine is told and what it asks for: plain values.

use std::fmt;

use super::evidence::{Evidence, Mark};
use crate::proto::{GoneReason, InstanceId, Verdict};

/// What the proxy was called for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Start a server and attach to it.
    Start(IfRunning),
    /// Attach to the server that lives; the instance that the client expects, for the reason only.
    Reconnect(Option<InstanceId>),
}

/// What a start does with a server that already runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IfRunning {
    /// Stop it; its state is lost.
    Replace,
    /// Leave it alone and exit.
    Refuse,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// [`Effect::TakeStarter`]: the lock is ours.
    StarterTaken,
    /// [`Effect::Look`]: this is what was seen.
    Saw(View),
    /// [`Effect::Spawn`]: the server accepts attachments.
    Ready,
    /// [`Effect::Spawn`]: it ended before it was ready; one sentence why.
    NotReady(String),
    /// [`Effect::Attach`]: both halves are connected, to this instance, as far as it has left word
    /// of itself.
    Attached(Option<InstanceId>),
    /// [`Effect::Attach`]: they could not be connected; one sentence why.
    NotAttached(String),
    /// [`Effect::Relay`]: this side has ended.
    Ended(Side),
    /// The host cannot do what was asked; one sentence why.
    Failed(String),
}

/// A side of the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Standard input or output.
    Client,
    /// The sockets.
    Server,
}

/// What a look at the host shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct View {
    /// Whether somebody, other than us, holds the starter lock. Looked at before the server's
    /// lock: a starter lets go only after its server has taken that.
    pub starter_busy: bool,
    /// The server's lock.
    pub lock: Lock,
    /// What the files say about the last server.
    pub evidence: Evidence,
}

impl View {
    /// What is seen by a proxy that started this instance or was attached to it: what it asks is
    /// whether that one lives, and not whether any does.
    ///
    /// Only the holder of the lock writes a record, and only a starter, while nobody holds it, removes
    /// one: another's record, or none while somebody starts, shows that the instance was replaced.
    #[must_use]
    pub fn of_instance(self, instance: InstanceId) -> Self {
        let last_word = self.evidence.tombstone.map(|mark| mark.instance);
        let is_replaced = match self.evidence.record.map(|record| record.instance) {
            // A successor's starter removes the last word: beside that, the record is somebody's error.
            Some(other) => other != instance && last_word != Some(instance),
            None => self.starter_busy && last_word != Some(instance),
        };
        if !is_replaced {
            return self;
        }
        let tombstone = Some(Mark { instance, reason: GoneReason::Replaced });
        let evidence = Evidence { tombstone, ..Evidence::none(self.evidence.boot) };
        View { lock: Lock::Free, evidence, ..self }
    }
}

/// The server's lock, as the kernel knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lock {
    /// Nobody holds it: no server lives.
    Free,
    /// A server lives.
    Held(Holder),
}

/// Who holds a lock, as the kernel says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Holder {
    /// This process.
    Pid(u32),
    /// A process that has no number here: on another machine or in another container.
    Elsewhere,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Wait for the lock that serialises starters, and keep it.
    TakeStarter,
    /// Let go of it.
    DropStarter,
    /// Look at the locks and files.
    Look,
    /// Leave word, for the instance's tombstone, why it is about to be stopped.
    Intend(InstanceId, GoneReason),
    /// Send this signal to the holder of the server's lock, if the kernel proves that it still is.
    Signal(Holder, StopSignal),
    /// Remove what the last server left: record, tombstone, sockets.
    Clean,
    /// Start a server.
    Spawn,
    /// End the server that was started and is not ready, if one was; it is our own child.
    AbandonSpawned,
    /// Connect to the server's two sockets.
    Attach,
    /// Carry bytes both ways until a side ends.
    Relay,
    /// Say why, and exit.
    Exit(Verdict),
}

/// How a server is told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StopSignal {
    /// SIGTERM: end the hosted program, leave word, exit.
    Terminate,
    /// SIGKILL.
    Kill,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Holder::Pid(pid) => write!(f, "process {pid}"),
            Holder::Elsewhere => f.write_str("a process elsewhere"),
        }
    }
}

impl fmt::Display for StopSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StopSignal::Terminate => "SIGTERM",
            StopSignal::Kill => "SIGKILL",
        })
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Effect::TakeStarter => f.write_str("takes the starter lock"),
            Effect::DropStarter => f.write_str("lets go of the starter lock"),
            Effect::Look => f.write_str("looks"),
            Effect::Intend(instance, reason) => write!(f, "leaves word that {instance:?} is {reason}"),
            Effect::Signal(holder, signal) => write!(f, "sends {signal} to {holder}"),
            Effect::Clean => f.write_str("cleans up"),
            Effect::Spawn => f.write_str("spawns a server"),
            Effect::AbandonSpawned => f.write_str("ends the server that it spawned"),
            Effect::Attach => f.write_str("attaches"),
            Effect::Relay => f.write_str("relays"),
            Effect::Exit(verdict) => write!(f, "exits with {}", verdict.code),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::launch::{Boot, Record};

    fn view(record: Option<u128>, starter_busy: bool) -> View {
        let boot = Boot(1);
        let record = record.map(|number| Record { instance: InstanceId(number), boot });
        let evidence = Evidence { record, ..Evidence::none(boot) };
        View { starter_busy, lock: Lock::Held(Holder::Pid(7)), evidence }
    }

    #[test]
    fn another_ones_life_is_not_ours() {
        let mine = InstanceId(1);
        for (seen, is_gone) in [
            (view(Some(1), false), false),
            (view(Some(1), true), false),
            (view(Some(2), false), true),
            (view(None, true), true),
            // Somebody tidied up by hand: that is no proof.
            (view(None, false), false),
        ] {
            let told = seen.of_instance(mine);
            assert_eq!(told.lock == Lock::Free, is_gone, "{seen:?}");
            assert!(!is_gone || told.evidence.reason(None) == GoneReason::Replaced, "{seen:?}");
        }
    }

    #[test]
    fn the_last_word_of_ours_counts_beside_a_record_that_names_another() {
        let mut seen = view(Some(2), false);
        seen.evidence.tombstone = Some(Mark { instance: InstanceId(1), reason: GoneReason::Stopped });
        assert_eq!(seen.of_instance(InstanceId(1)), seen);
    }

    #[test]
    fn the_last_word_of_ours_counts_while_the_rest_is_cleaned() {
        let mut seen = view(None, true);
        seen.lock = Lock::Free;
        seen.evidence.tombstone = Some(Mark { instance: InstanceId(1), reason: GoneReason::Stopped });
        assert_eq!(seen.of_instance(InstanceId(1)), seen);
    }

    #[test]
    fn what_a_proxy_does_reads_like_a_sentence() {
        let verdict = Verdict { code: 90, reason: None, host: None, instance: None, message: String::new() };
        let instance = InstanceId(5);
        for (effect, expected) in [
            (Effect::TakeStarter, "takes the starter lock"),
            (Effect::DropStarter, "lets go of the starter lock"),
            (Effect::Look, "looks"),
            (Effect::Intend(instance, GoneReason::Replaced), "leaves word that i5 is replaced"),
            (Effect::Signal(Holder::Pid(7), StopSignal::Terminate), "sends SIGTERM to process 7"),
            (Effect::Signal(Holder::Elsewhere, StopSignal::Kill), "sends SIGKILL to a process elsewhere"),
            (Effect::Clean, "cleans up"),
            (Effect::Spawn, "spawns a server"),
            (Effect::AbandonSpawned, "ends the server that it spawned"),
            (Effect::Attach, "attaches"),
            (Effect::Relay, "relays"),
            (Effect::Exit(verdict), "exits with 90"),
        ] {
            assert_eq!(effect.to_string(), expected);
        }
    }
}
