//! A look at the host: the locks, and what the last server left.
//!
//! Changes nothing. What follows from it is left to the launch machine.

use super::boot;
use super::directory::Directory;
use super::lock::{LockError, StarterLock, probe};
use super::paths::Place;
use super::record::{Ending, Record};
use crate::proto::InstanceId;
use crate::session::launch::{Evidence, Lock, View};

/// Looks at one server's place; `is_starter` if we hold the starter lock ourselves.
///
/// # Errors
///
/// If the directory is not ours alone, or the system refuses.
pub fn look(place: &Place, is_starter: bool) -> Result<View, LockError> {
    // In this order: a starter lets go only after its server has taken the other one.
    let starter_busy = if is_starter { Ok(false) } else { is_starter_busy(place) };
    let lock = probe(place)?;
    let starter_busy = match lock {
        Lock::Free => starter_busy?,
        // Whatever has become of the other file: somebody lives.
        Lock::Held(_) => starter_busy.unwrap_or(false),
    };
    let evidence = match place.find() {
        Ok(Some(directory)) => evidence(place, &directory),
        Ok(None) | Err(_) => Evidence::none(boot::current()),
    };
    Ok(View { starter_busy, lock, evidence })
}

/// As [`look`], by a proxy that started this instance or was attached to it: what it asks is
/// whether that one lives, and not whether any does.
///
/// # Errors
///
/// As [`look`].
pub fn look_for(instance: InstanceId, place: &Place) -> Result<View, LockError> {
    look(place, false).map(|view| view.of_instance(instance))
}

fn is_starter_busy(place: &Place) -> Result<bool, LockError> {
    let Some(directory) = place.find()? else {
        return Ok(false);
    };
    let path = || directory.path().join(place.name(".start"));
    StarterLock::is_busy(place, &directory).map_err(|source| LockError::Refused {
        path: path(),
        action: "examined",
        source,
    })
}

fn evidence(place: &Place, directory: &Directory) -> Evidence {
    let tombstone = Ending::read_tombstone(place, directory).map(|ending| ending.as_evidence());
    let intent = Ending::read_intent(place, directory).map(|ending| ending.as_evidence());
    // Last, because a starter removes it first: if it is still there, so was all that explains it.
    let record = Record::read(place, directory).map(|record| record.as_evidence());
    let lock_file = directory.has(&place.name(".pid"));
    Evidence { boot: boot::current(), record, tombstone, intent, lock_file }
}
