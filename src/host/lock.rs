//! The two locks of a server's directory.
//!
//! The *server's* lock is a [claim](super::claim) that the kernel releases at death, however that comes;
//! children do not inherit it. Beside it the server has a [name](super::bell) in the kernel's memory, so
//! that it is seen to live while somebody removes or replaces the file.
//!
//! The *starter's* lock belongs to an open file. It is handed on to the spawned server together
//! with that file, so a start is seen to be under way even if the proxy that began it was killed.
//!
//! What follows from a lock is left to the launch machine.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write};

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;
use smol::Timer;

use super::bell::{self, Bell, InUse};
use super::claim::{self, Claim, Means};
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
    claim: Claim,
    bell: Option<Bell>,
}

impl ServerLock {
    /// Takes it, and writes our number into the file, for people.
    ///
    /// # Errors
    ///
    /// If a server lives, or the system refuses.
    pub fn take(place: &Place, directory: &Directory) -> Result<Self, LockError> {
        // First: descriptors are closed by number, and who sees the lock free finds no name in use.
        let bell = Bell::hang(place).map_err(|InUse| LockError::Held(directory.path().to_owned()))?;
        let lock = ServerLock { claim: claim(place, directory)?, bell };
        lock.write_number().map_err(|error| refused(place, directory, "written", error))?;
        Ok(lock)
    }

    /// Takes it again, of the file that is there by now, if that is not the one that we hold.
    ///
    /// # Errors
    ///
    /// As [`ServerLock::take`].
    pub fn renew(&mut self, place: &Place, directory: &Directory) -> Result<bool, LockError> {
        let examined = directory.still_names(&place.name(".pid"), self.claim.file());
        if examined.map_err(|error| refused(place, directory, "examined", error))? {
            return Ok(false);
        }
        // The old one goes when the new one is ours.
        self.claim = claim(place, directory)?;
        self.write_number().map_err(|error| refused(place, directory, "written", error))?;
        Ok(true)
    }

    /// What is told when somebody asks us to look after our files.
    pub fn bell(&self) -> Option<&Bell> {
        self.bell.as_ref()
    }

    /// Writes our number, if something else is in its place.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn write_number(&self) -> io::Result<()> {
        use std::os::unix::fs::FileExt;
        let number = format!("{}\n", std::process::id());
        let mut there = vec![0; number.len() + 1];
        if let Ok(bytes) = self.claim.file().read_at(&mut there, 0)
            && there[..bytes] == *number.as_bytes()
        {
            return Ok(());
        }
        self.clear()?;
        self.claim.file().write_all(number.as_bytes())
    }

    /// Takes the number out of the file: the process is about to end.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn clear(&self) -> io::Result<()> {
        rustix::fs::seek(self.claim.file(), rustix::fs::SeekFrom::Start(0))?;
        Ok(rustix::fs::ftruncate(self.claim.file(), 0)?)
    }
}

fn claim(place: &Place, directory: &Directory) -> Result<Claim, LockError> {
    let name = place.name(".pid");
    let refused = |action, source| refused(place, directory, action, source);
    loop {
        let file =
            directory.open(&name, OFlags::RDWR | OFlags::CREATE).map_err(|error| refused("opened", error))?;
        let claim = Claim::take(Means::best(), place, directory, file);
        let Some(claim) = claim.map_err(|error| refused("taken", error))? else {
            return Err(LockError::Held(directory.path().to_owned()));
        };
        // Whoever cleaned up may have removed the file between the two steps.
        if directory.still_names(&name, claim.file()).map_err(|error| refused("examined", error))? {
            return Ok(claim);
        }
    }
}

/// Opens a lock's file, made if it is not there, in place of whatever is there in its stead.
fn open(directory: &Directory, name: &OsStr) -> io::Result<File> {
    let open = || directory.open(name, OFlags::RDWR | OFlags::CREATE);
    match open() {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            directory.make_usable(name).or(Err(error))?;
            open()
        }
        opened => opened,
    }
}

fn refused(place: &Place, directory: &Directory, action: &'static str, source: io::Error) -> LockError {
    LockError::Refused { path: directory.path().join(place.name(".pid")), action, source }
}

/// Asks the kernel who holds the server's lock. Creates nothing, takes nothing.
///
/// Not for the server's own process, which closes a file of its lock with it.
///
/// # Errors
///
/// If the directory is not ours alone, or the system refuses, and nothing else tells that a server
/// lives; a missing file is a free lock.
pub fn probe(place: &Place) -> Result<Lock, LockError> {
    let by_file = match place.find() {
        Ok(Some(directory)) => probe_file(place, &directory),
        Ok(None) => Ok(Lock::Free),
        Err(error) => Err(error.into()),
    };
    match by_file {
        Ok(held @ Lock::Held(Holder::Pid(_))) => Ok(held),
        // Whatever has become of the file, or of the name of who holds it.
        Ok(Lock::Held(Holder::Elsewhere) | Lock::Free) | Err(_) => {
            bell::find(place).map_or(by_file, |holder| Ok(Lock::Held(holder)))
        }
    }
}

fn probe_file(place: &Place, directory: &Directory) -> Result<Lock, LockError> {
    let refused = |error| refused(place, directory, "examined", error);
    let file = match directory.open(&place.name(".pid"), OFlags::RDONLY) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Lock::Free),
        Err(error) => return Err(refused(error)),
    };
    claim::holder(Means::best(), place, directory, &file).map_err(refused)
}

/// The right to start a server.
#[derive(Debug)]
pub struct StarterLock {
    file: File,
    has_made_file: bool,
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
            let has_made_file = !directory.has(&name);
            let file = match open(&directory, &name) {
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
                return Ok(Some((StarterLock { file, has_made_file }, directory)));
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

    /// Whether there was no file of it before.
    pub fn has_made_file(&self) -> bool {
        self.has_made_file
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
        assert_eq!(probe(&place).unwrap(), Lock::Free);
        assert!(!StarterLock::is_busy(&place, &directory).unwrap());
        assert!(directory.names().unwrap().is_empty());
    }

    #[test]
    fn a_number_in_the_file_is_not_a_lock() {
        let home = tempfile::tempdir().unwrap();
        let place = place(home.path());
        std::fs::write(place.pid_file(), "1\n").unwrap();
        let directory = place.find().unwrap().unwrap();
        assert_eq!(probe(&place).unwrap(), Lock::Free);
        let lock = ServerLock::take(&place, &directory).unwrap();
        let number = format!("{}\n", std::process::id());
        assert_eq!(std::fs::read_to_string(place.pid_file()).unwrap(), number);
        std::fs::write(place.pid_file(), format!("{number}{number}")).unwrap();
        lock.write_number().unwrap();
        assert_eq!(std::fs::read_to_string(place.pid_file()).unwrap(), number);
        lock.clear().unwrap();
        assert_eq!(std::fs::read_to_string(place.pid_file()).unwrap(), "");
    }

    #[test]
    fn a_lock_is_taken_again_of_the_file_that_is_there() {
        let home = tempfile::tempdir().unwrap();
        let place = place(home.path());
        let directory = place.find().unwrap().unwrap();
        let mut lock = ServerLock::take(&place, &directory).unwrap();
        assert!(!lock.renew(&place, &directory).unwrap());
        directory.remove(&place.name(".pid")).unwrap();
        #[cfg(target_os = "linux")]
        assert_eq!(probe(&place).unwrap(), Lock::Held(Holder::Pid(std::process::id())), "by its name");
        assert!(lock.renew(&place, &directory).unwrap());
        assert!(matches!(ServerLock::take(&place, &directory), Err(LockError::Held(_))));
        drop(lock);
        assert_eq!(probe(&place).unwrap(), Lock::Free);
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
}
