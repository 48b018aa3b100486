//! What the kernel keeps of a server's claim to be the one: two locks, of two kinds.
//!
//! A *record lock of the process* names its holder, and falls with whatever descriptor of the file
//! that the process closes, be it one that a stranger has passed to it. A *lock of the open file*
//! names nobody, and falls when its own descriptor is closed, not before. So a server holds both;
//! either is proof that it lives.
//!
//! ```text
//! byte 0         the process's      servers of earlier versions lock the whole file in this way:
//! from byte 1    the open file's    they and we keep each other out
//! ```
//!
//! Systems without locks of an open file's range have one of a whole file, beside the first.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

use super::directory::Directory;
use super::paths::Place;
use crate::session::launch::{Holder, Lock};

/// What of the file is locked how.
const OF_PROCESS: Range = Range { start: 0, length: 1 };
const OF_OPEN_FILE: Range = Range { start: 1, length: 0 };

/// How the lock is had that outlives the closing of other descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// On the rest of the same file.
    Range,
    /// On a file of its own.
    File,
}

impl Means {
    /// The best that this system has.
    pub fn best() -> Self {
        if cfg!(target_os = "linux") { Means::Range } else { Means::File }
    }
}

/// A part of a file; a length of zero means up to its end, wherever that will be.
#[derive(Clone, Copy, Debug)]
struct Range {
    start: u8,
    length: u8,
}

/// Both locks, until this is dropped or the process ends.
#[derive(Debug)]
pub struct Claim {
    file: File,
    _beside: Option<File>,
}

impl Claim {
    /// Takes both of the open file that is the server's lock; `None` if somebody has one of them.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn take(means: Means, place: &Place, directory: &Directory, file: File) -> io::Result<Option<Self>> {
        // In this order: who asks for the whole file is told the first, and that has a name.
        if !take(&file, libc::F_SETLK, OF_PROCESS)? {
            return Ok(None);
        }
        let beside = match means {
            Means::Range => match take_of_open_file(&file) {
                Ok(true) => None,
                Ok(false) => return Ok(None),
                // A file system that has no such locks.
                Err(error) if error.raw_os_error() == Some(libc::EINVAL) => None,
                Err(error) => return Err(error),
            },
            Means::File => {
                let beside = directory.open(&beside(place), OFlags::RDWR | OFlags::CREATE)?;
                match flock(&beside, FlockOperation::NonBlockingLockExclusive) {
                    Ok(()) => Some(beside),
                    Err(Errno::WOULDBLOCK) => return Ok(None),
                    Err(errno) => return Err(errno.into()),
                }
            }
        };
        Ok(Some(Claim { file, _beside: beside }))
    }

    /// The open file that is the server's lock.
    pub fn file(&self) -> &File {
        &self.file
    }
}

/// Who holds a lock of that open file, or of the one beside it. Not for the holder's own process.
///
/// # Errors
///
/// Those of the system.
pub fn holder(means: Means, place: &Place, directory: &Directory, file: &File) -> io::Result<Lock> {
    let whole = Range { start: 0, length: 0 };
    let lock = match ask(file, whole)? {
        // The open file's lock is found before that of the process, or alone.
        Lock::Held(Holder::Elsewhere) => match ask(file, OF_PROCESS)? {
            Lock::Held(holder) => Lock::Held(holder),
            Lock::Free => Lock::Held(Holder::Elsewhere),
        },
        lock => lock,
    };
    match (lock, means) {
        (Lock::Held(_), _) | (Lock::Free, Means::Range) => Ok(lock),
        (Lock::Free, Means::File) => {
            let beside = match directory.open(&beside(place), OFlags::RDONLY) {
                Ok(beside) => beside,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Lock::Free),
                Err(error) => return Err(error),
            };
            match flock(&beside, FlockOperation::NonBlockingLockShared) {
                Ok(()) => Ok(Lock::Free),
                Err(Errno::WOULDBLOCK) => Ok(Lock::Held(Holder::Elsewhere)),
                Err(errno) => Err(errno.into()),
            }
        }
    }
}

fn beside(place: &Place) -> OsString {
    place.name(".lock")
}

/// Not through rustix, whose numbers of processes are never below zero: that of nobody is.
fn ask(file: &File, range: Range) -> io::Result<Lock> {
    let mut lock = range.as_lock();
    call(file, libc::F_GETLK, &mut lock)?;
    let is_free = i64::from(lock.l_type) == i64::from(libc::F_UNLCK);
    Ok(if is_free { Lock::Free } else { Lock::Held(named(lock.l_pid)) })
}

/// Holders that have no number here are told as zero or less.
fn named(number: libc::pid_t) -> Holder {
    u32::try_from(number).ok().filter(|number| *number > 0).map_or(Holder::Elsewhere, Holder::Pid)
}

#[cfg(target_os = "linux")]
fn take_of_open_file(file: &File) -> io::Result<bool> {
    take(file, libc::F_OFD_SETLK, OF_OPEN_FILE)
}

#[cfg(not(target_os = "linux"))]
fn take_of_open_file(_: &File) -> io::Result<bool> {
    let _ = OF_OPEN_FILE;
    Err(io::Error::from_raw_os_error(libc::EINVAL))
}

/// Takes a lock of that kind; false if somebody has one that is in its way.
fn take(file: &File, kind: libc::c_int, range: Range) -> io::Result<bool> {
    match call(file, kind, &mut range.as_lock()) {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
        Err(error) => Err(error),
    }
}

impl Range {
    /// A lock for writing of that part.
    fn as_lock(self) -> libc::flock {
        // SAFETY: plain numbers, of which zero is one; some systems have more of them than are set below.
        let mut lock: libc::flock = unsafe { std::mem::zeroed() };
        lock.l_type = libc::F_WRLCK as _;
        lock.l_whence = libc::SEEK_SET as _;
        lock.l_start = self.start.into();
        lock.l_len = self.length.into();
        lock
    }
}

fn call(file: &File, kind: libc::c_int, lock: &mut libc::flock) -> io::Result<()> {
    // SAFETY: the descriptor is open as long as the file is borrowed, and these calls read and write the
    // numbers that they are given and keep nothing of them.
    match unsafe { libc::fcntl(file.as_raw_fd(), kind, &raw mut *lock) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holders_without_a_number_here_are_elsewhere() {
        assert_eq!([named(-1), named(0)], [Holder::Elsewhere; 2]);
        assert_eq!(named(7), Holder::Pid(7));
    }

    #[test]
    fn a_claim_survives_the_end_of_another_descriptor_by_either_means() {
        for means in [Means::Range, Means::File] {
            let home = tempfile::tempdir().unwrap();
            let place = Place::beside(&home.path().join("server.pid")).unwrap();
            let directory = place.find().unwrap().unwrap();
            let open = || directory.open(&place.name(".pid"), OFlags::RDWR | OFlags::CREATE).unwrap();
            let claim = Claim::take(means, &place, &directory, open()).unwrap().unwrap();
            drop(open());
            // The process's lock is gone with that, and what is asked is asked by the same process.
            let seen = holder(means, &place, &directory, &open()).unwrap();
            assert_eq!(seen, Lock::Held(Holder::Elsewhere), "{means:?}");
            assert!(Claim::take(means, &place, &directory, open()).unwrap().is_none(), "{means:?}");
            drop(claim);
            assert_eq!(holder(means, &place, &directory, &open()).unwrap(), Lock::Free, "{means:?}");
        }
    }
}
