//! Removes what servers left behind long ago.
//!
//! A fresh identifier per session leaves a directory whenever its server did not end with its
//! client. The reason in it is worth a week.

use std::time::UNIX_EPOCH;

use super::directory::Directory;
use super::identifier::Identifier;
use super::lock::{StarterLock, probe};
use super::paths::{Place, Root};
use super::record::clean;
use crate::io::{clock, random};
use crate::proto::limits::{LEFTOVERS_LIFETIME, SWEPT_DIRECTORIES_MAX};
use crate::session::launch::Lock;

/// Removes the directories of servers that are not alive and of which nothing has changed for long.
/// Not `own`: its server is the one that sweeps.
pub fn sweep(own: &Identifier) {
    let Ok(Some(root)) = Root::from_env().and_then(|root| root.find()) else {
        return;
    };
    let mut names = root.names().unwrap_or_default();
    if names.len() > SWEPT_DIRECTORIES_MAX {
        let [first, second] = random::bytes();
        let middle = usize::from(u16::from_le_bytes([first, second])) % names.len();
        names.rotate_left(middle);
    }
    let identifiers = names.iter().take(SWEPT_DIRECTORIES_MAX).filter_map(|name| name.to_str()?.parse().ok());
    for identifier in identifiers.filter(|identifier| identifier != own) {
        if let Ok(place) = Place::of(&identifier)
            && is_left(&place)
            && remove(&place).is_some()
        {
            log::info!("removed what the server {identifier} left behind");
        }
    }
}

fn is_left(place: &Place) -> bool {
    let Ok(Some(directory)) = place.find() else {
        return false;
    };
    let is_free = || matches!(probe(place), Ok(Lock::Free));
    let is_old = last_change(&directory)
        .is_some_and(|at| clock::unix_seconds().saturating_sub(at) > LEFTOVERS_LIFETIME.as_secs());
    is_old && is_free()
}

/// Under the starter lock, so that no server can come to live there meanwhile.
fn remove(place: &Place) -> Option<()> {
    let (_starter, directory) = StarterLock::try_take(place).ok()??;
    match probe(place) {
        Ok(Lock::Free) => clean(place, &directory).and_then(|()| place.remove(&directory)).ok(),
        Ok(Lock::Held(_)) | Err(_) => None,
    }
}

/// When it, or a file of it, last changed, in seconds since 1970.
fn last_change(directory: &Directory) -> Option<u64> {
    let files = directory.names().ok()?.into_iter().map(|name| directory.path().join(name));
    // The directory itself, too: an empty one may be that of a server which is about to start.
    let files = files.chain([directory.path().to_owned()]);
    let times = files.filter_map(|file| std::fs::symlink_metadata(file).ok()?.modified().ok());
    let seconds = times.filter_map(|time| Some(time.duration_since(UNIX_EPOCH).ok()?.as_secs()));
    seconds.max()
}
