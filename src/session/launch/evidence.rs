//! Why the last server is gone, as far as what it left behind can tell.
//!
//! Only ever asked when the kernel says that no server lives: files explain, they prove nothing.

use crate::proto::{GoneReason, InstanceId};

/// One start of a host, as its kernel names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Boot(pub u128);

/// What the files of an identifier say about its last server. Missing, torn and garbled files are `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Evidence {
    /// The boot that the host is in now.
    pub boot: Boot,
    /// The record: the server's own word at its start.
    pub record: Option<Record>,
    /// The tombstone: the server's own word at its end.
    pub tombstone: Option<Mark>,
    /// What a stopper wrote before it sent its signal.
    pub intent: Option<Mark>,
    /// Whether the file of the server's lock is there: some server took it once.
    pub lock_file: bool,
}

/// The part of a server's record that explains its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Record {
    /// The server.
    pub instance: InstanceId,
    /// The boot that it was started in.
    pub boot: Boot,
}

/// A reason, and whose end it explains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mark {
    /// The server.
    pub instance: InstanceId,
    /// Why it ended, or was about to.
    pub reason: GoneReason,
}

impl Evidence {
    /// Nothing was left behind.
    pub fn none(boot: Boot) -> Self {
        Evidence { boot, record: None, tombstone: None, intent: None, lock_file: false }
    }

    /// Why `expected`, or else the last server, is gone.
    pub fn reason(&self, expected: Option<InstanceId>) -> GoneReason {
        // Whatever the record has become: who was there left word under the name that is asked for.
        if let Some(word) = self.tombstone.filter(|mark| Some(mark.instance) == expected) {
            return word.reason;
        }
        let last = self.record.map(|record| record.instance).or(self.tombstone.map(|mark| mark.instance));
        let Some(last) = last else {
            // Who asks for an instance has met it, whatever has become of its files.
            let was_any = self.lock_file || expected.is_some();
            return if was_any { GoneReason::Unknown } else { GoneReason::Never };
        };
        if expected.is_some_and(|expected| expected != last) {
            // Somebody started another one since, whatever became of that.
            return GoneReason::Replaced;
        }
        let by_mark = |mark: Option<Mark>| mark.filter(|mark| mark.instance == last).map(|mark| mark.reason);
        if let Some(reason) = by_mark(self.tombstone) {
            return reason;
        }
        if self.record.is_some_and(|record| record.boot != self.boot) {
            return GoneReason::Rebooted;
        }
        // A stopper's signal that left no tombstone was the one that cannot be caught.
        by_mark(self.intent).unwrap_or(GoneReason::Crashed)
    }
}
