//! The two locks of a server's directory.
//!
//! The *server's* lock is a record lock of the process: the kernel names its holder and releases
//! it at death, however that comes; children do not inherit it. Its one trap: a process that
//! closes any descriptor of the file loses the lock. So the server opens it once, in
//! [`ServerLock::take`], and nobody else in that process ever does.
//!
//! The *starter's* lock belongs to an open file. It is handed on to the spawned server together
//! with that file, so a start is seen to be under way even if the proxy that began it was killed.
//!
//! What follows from a lock is left to the launch machine.

use std::fs::File;
use std::io::{self, Write};

use rustix::fs::{FlockOperation, OFlags, fcntl_lock, flock};
use rustix::io::Errno;
use rustix::process::{Flock, FlockType, Pid, fcntl_getlk};
use smol::Timer;

use super::directory::{Directory, DirectoryError};
use super::paths::Place;
use crate::proto::limits::LOOK_INTERVAL;
use crate::session::launch::{Holder, Lock};

/// Why a lock cannot be had: one sentence each.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// A server lives.
    #[error("a server already runs in {0:?}")]
    Held(std::path::PathBuf),
    /// The directory cannot be used.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The system refuses.
    #[error("the lock {path:?} cannot be {action}: {source}")]
    Refused {
        /// The file.
        path: std::path::PathBuf,
        /// What was tried.
        action: &'static str,
        /// The system's word.
        source: io::Error,
    },
}

/// The proof that this process is the server. Held until the process ends.
#[derive(Debug)]
pub struct ServerLock {
    file: File,
}

impl ServerLock {
    /// Takes it, and writes our number into the file, for people.
    ///
    /// # Errors
    ///
    /// If a server lives, or the system refuses.
    pub fn take(place: &Place, directory: &Directory) -> Result<Self, LockError> {
        let name = place.name(".pid");
        let refused = |action, source: io::Error| LockError::Refused {
            path: directory.path().join(&name),
            action,
            source,
        };
        loop {
            let file = directory
                .open(&name, OFlags::RDWR | OFlags::CREATE)
                .map_err(|error| refused("opened", error))?;
            match fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(Errno::AGAIN | Errno::ACCESS) => {
                    return Err(LockError::Held(directory.path().to_owned()));
                }
                Err(errno) => return Err(refused("taken", errno.into())),
            }
            // Whoever cleaned up may have removed the file between the two steps.
            if directory.still_names(&name, &file).map_err(|error| refused("examined", error))? {
                let lock = ServerLock { file };
                lock.write_number().map_err(|error| refused("written", error))?;
                return Ok(lock);
            }
        }
    }

    fn write_number(&self) -> io::Result<()> {
        self.clear()?;
        writeln!(&self.file, "{}", std::process::id())
    }

    /// Takes the number out of the file: the process is about to end.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn clear(&self) -> io::Result<()> {
        rustix::fs::seek(&self.file, rustix::fs::SeekFrom::Start(0))?;
        Ok(rustix::fs::ftruncate(&self.file, 0)?)
    }
}

/// Asks the kernel who holds the server's lock. Creates nothing, takes nothing.
///
/// Not for the server's own process: see the trap above.
///
/// # Errors
///
/// Those of the system; a missing file is a free lock.
pub fn probe(place: &Place, directory: &Directory) -> io::Result<Lock> {
    let file = match directory.open(&place.name(".pid"), OFlags::RDONLY) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Lock::Free),
        Err(error) => return Err(error),
    };
    Ok(match fcntl_getlk(&file, &Flock::from(FlockType::WriteLock))? {
        None => Lock::Free,
        Some(lock) if lock.typ == FlockType::Unlocked => Lock::Free,
        Some(lock) => Lock::Held(holder(lock.pid)),
    })
}

/// Holders that have no number here are told as zero or less.
fn holder(pid: Option<Pid>) -> Holder {
    let number = pid.map_or(0, Pid::as_raw_pid);
    u32::try_from(number).ok().filter(|number| *number > 0).map_or(Holder::Elsewhere, Holder::Pid)
}

/// The right to start a server.
#[derive(Debug)]
pub struct StarterLock {
    file: File,
}

impl StarterLock {
    /// Takes it if nobody has it. The directory is made if it is not there.
    ///
    /// # Errors
    ///
    /// If the directory cannot be used, or the system refuses.
    pub fn try_take(place: &Place) -> Result<Option<(Self, Directory)>, LockError> {
        let name = place.name(".start");
        loop {
            let directory = place.create()?;
            let refused = |action, source: io::Error| LockError::Refused {
                path: directory.path().join(&name),
                action,
                source,
            };
            let file = match directory.open(&name, OFlags::RDWR | OFlags::CREATE) {
                Ok(file) => file,
                // The directory was removed since it was opened.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(refused("opened", error)),
            };
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => return Ok(None),
                Err(errno) => return Err(refused("taken", errno.into())),
            }
            if directory.still_names(&name, &file).map_err(|error| refused("examined", error))? {
                return Ok(Some((StarterLock { file }, directory)));
            }
        }
    }

    /// Waits for it. How long, is for the caller to say.
    ///
    /// # Errors
    ///
    /// As [`StarterLock::try_take`].
    pub async fn take(place: &Place) -> Result<(Self, Directory), LockError> {
        loop {
            if let Some(taken) = Self::try_take(place)? {
                return Ok(taken);
            }
            Timer::after(LOOK_INTERVAL).await;
        }
    }

    /// Whether somebody else has it. Creates nothing.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn is_busy(place: &Place, directory: &Directory) -> io::Result<bool> {
        let file = match directory.open(&place.name(".start"), OFlags::RDONLY) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        // Shared, so that those who look do not see each other.
        match flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => Ok(false),
            Err(Errno::WOULDBLOCK) => Ok(true),
            Err(errno) => Err(errno.into()),
        }
    }

    /// The open file, to hand on: the lock lasts until every copy is closed.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn copy(&self) -> io::Result<File> {
        self.file.try_clone()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn place(directory: &Path) -> Place {
        Place::beside(&directory.join("server.pid")).unwrap()
    }

    #[test]
    fn a_look_creates_nothing() {
        let home = tempfile::tempdir().unwrap();
        let place = place(home.path());
        let directory = place.find().unwrap().unwrap();
        assert_eq!(probe(&place, &directory).unwrap(), Lock::Free);
        assert!(!StarterLock::is_busy(&place, &directory).unwrap());
        assert!(directory.names().unwrap().is_empty());
    }

    #[test]
    fn a_number_in_the_file_is_not_a_lock() {
        let home = tempfile::tempdir().unwrap();
        let place = place(home.path());
        std::fs::write(place.pid_file(), "1\n").unwrap();
        let directory = place.find().unwrap().unwrap();
        assert_eq!(probe(&place, &directory).unwrap(), Lock::Free);
        let lock = ServerLock::take(&place, &directory).unwrap();
        assert_eq!(std::fs::read_to_string(place.pid_file()).unwrap(), format!("{}\n", std::process::id()));
        lock.clear().unwrap();
        assert_eq!(std::fs::read_to_string(place.pid_file()).unwrap(), "");
    }

    #[test]
    fn the_starters_lock_outlives_its_first_holder() {
        let home = tempfile::tempdir().unwrap();
        let place = place(home.path());
        let (first, directory) = StarterLock::try_take(&place).unwrap().unwrap();
        assert!(StarterLock::try_take(&place).unwrap().is_none());
        let inherited = first.copy().unwrap();
        drop(first);
        assert!(StarterLock::is_busy(&place, &directory).unwrap());
        drop(inherited);
        assert!(!StarterLock::is_busy(&place, &directory).unwrap());
        assert!(StarterLock::try_take(&place).unwrap().is_some());
    }

    #[test]
    fn a_starters_lock_on_a_removed_file_counts_for_nothing() {
        let home = tempfile::tempdir().unwrap();
        let place = place(home.path());
        let (_first, directory) = StarterLock::try_take(&place).unwrap().unwrap();
        directory.remove(&place.name(".start")).unwrap();
        assert!(StarterLock::try_take(&place).unwrap().is_some());
    }

    #[test]
    fn holders_without_a_number_here_are_elsewhere() {
        assert_eq!(holder(None), Holder::Elsewhere);
        assert_eq!(holder(Pid::from_raw(7)), Holder::Pid(7));
    }
}
