//! A signal, with proof: it goes to the process that the kernel names as the holder of the
//! server's lock, or of the server's name, and to no other.
//!
//! A number alone proves nothing by the time it is used: the process may have ended and another
//! one have been given it. A pidfd stands for one process. So: ask who holds the lock, open a
//! pidfd of that, ask again. If the answer is the same, the pidfd is the holder's, because
//! a process that ended would have lost both.
//!
//! What to send and when is left to the launch machine.

use std::io;

use rustix::io::Errno;
use rustix::process::{Pid, Signal};

use super::lock::probe;
use super::paths::Place;
use super::record::Record;
use crate::session::launch::{Holder, Lock, StopSignal};

/// How a process is held on to between proof and signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// By a descriptor that stands for it.
    Pidfd,
    /// Not at all: the number is proven immediately before the signal, the closest that systems
    /// without pidfds have. A number is not given out again for thousands of processes.
    Number,
}

/// What became of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The holder got it.
    Delivered,
    /// The process that was meant no longer holds the lock; nobody got it.
    Gone,
}

/// Sends a signal to the holder of the server's lock, if that is who is meant.
///
/// # Errors
///
/// Those of the system; a holder that has no number here among them.
pub fn signal(place: &Place, meant: Holder, signal: StopSignal) -> io::Result<Sent> {
    signal_by(Means::Pidfd, place, meant, signal.into())
}

/// Asks a server that has no bell to look after its files: with SIGHUP, which ours handle, those of earlier
/// versions too, once they have left word of themselves.
pub fn ask_to_look(place: &Place) {
    let record = place.find().ok().flatten().and_then(|directory| Record::read(place, &directory));
    if let (Ok(Lock::Held(holder @ Holder::Pid(pid))), Some(record)) = (probe(place), record)
        && record.pid == pid
    {
        let _ = signal_by(Means::Pidfd, place, holder, Signal::HUP);
    }
}

fn signal_by(means: Means, place: &Place, meant: Holder, signal: Signal) -> io::Result<Sent> {
    let pid = match meant {
        Holder::Pid(number) => i32::try_from(number).ok().and_then(Pid::from_raw),
        Holder::Elsewhere => None,
    };
    let pid =
        pid.ok_or_else(|| io::Error::other("the server lives on another machine or in another container"))?;
    let target = match Target::open(means, pid) {
        Ok(target) => target,
        Err(Errno::SRCH) => return Ok(Sent::Gone),
        Err(errno) => return Err(errno.into()),
    };
    if probe(place).map_err(io::Error::other)? != Lock::Held(meant) {
        return Ok(Sent::Gone);
    }
    match target.send(signal) {
        Ok(()) => Ok(Sent::Delivered),
        Err(Errno::SRCH) => Ok(Sent::Gone),
        Err(errno) => Err(errno.into()),
    }
}

impl From<StopSignal> for Signal {
    fn from(signal: StopSignal) -> Self {
        match signal {
            StopSignal::Terminate => Signal::TERM,
            StopSignal::Kill => Signal::KILL,
        }
    }
}

/// A process that may get a signal.
enum Target {
    #[cfg(target_os = "linux")]
    Pidfd(rustix::fd::OwnedFd),
    Number(Pid),
}

impl Target {
    fn open(means: Means, pid: Pid) -> rustix::io::Result<Self> {
        match means {
            #[cfg(target_os = "linux")]
            Means::Pidfd => match rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()) {
                Ok(process) => Ok(Target::Pidfd(process)),
                // A kernel without them, or a sandbox that forbids them.
                Err(Errno::NOSYS | Errno::PERM) => Ok(Target::Number(pid)),
                Err(errno) => Err(errno),
            },
            #[cfg(not(target_os = "linux"))]
            Means::Pidfd => Ok(Target::Number(pid)),
            Means::Number => Ok(Target::Number(pid)),
        }
    }

    fn send(&self, signal: Signal) -> rustix::io::Result<()> {
        match self {
            #[cfg(target_os = "linux")]
            Target::Pidfd(process) => rustix::process::pidfd_send_signal(process, signal),
            Target::Number(pid) => rustix::process::kill_process(*pid, signal),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::os::unix::process::ExitStatusExt;
    use std::path::Path;
    use std::process::{Child, Command, Stdio};

    use rustix::fs::{FlockOperation, OFlags, fcntl_lock};
    use rustix::process::{Flock, FlockType, fcntl_getlk};

    use super::super::lock::{LockError, ServerLock};
    use super::*;

    /// Names the directory to [`holds_the_lock`], which is this test binary once more.
    const DIRECTORY: &str = "REATTACH_TEST_LOCK_DIRECTORY";
    /// Asks it to do so as servers of earlier versions did.
    const EARLIER: &str = "REATTACH_TEST_LOCK_EARLIER";

    fn place(directory: &Path) -> Place {
        Place::beside(&directory.join("server.pid")).unwrap()
    }

    #[test]
    fn holds_the_lock() {
        let Some(directory) = std::env::var_os(DIRECTORY) else {
            return;
        };
        let place = place(Path::new(&directory));
        let directory = place.find().unwrap().unwrap();
        let _lock = match std::env::var_os(EARLIER) {
            None => Ok(ServerLock::take(&place, &directory).unwrap()),
            Some(_) => {
                let file = directory.open(&place.name(".pid"), OFlags::RDWR | OFlags::CREATE).unwrap();
                fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive).unwrap();
                Err(file)
            }
        };
        println!("\nheld");
        std::io::stdin().lines().for_each(drop);
    }

    /// A process that holds the lock until its standard input ends.
    fn start_holder(directory: &Path) -> Child {
        start(Command::new(std::env::current_exe().unwrap()).env(DIRECTORY, directory))
    }

    fn start(command: &mut Command) -> Child {
        let mut child = command
            .args(["--exact", "--nocapture", "host::proof::tests::holds_the_lock"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap() == "held"));
        child
    }

    #[test]
    fn servers_of_earlier_versions_and_ours_keep_each_other_out() {
        let home = tempfile::tempdir().unwrap();
        let place = place(home.path());
        let directory = place.find().unwrap().unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut earlier = start(command.env(DIRECTORY, home.path()).env(EARLIER, "1"));
        assert_eq!(probe(&place).unwrap(), Lock::Held(Holder::Pid(earlier.id())));
        assert!(matches!(ServerLock::take(&place, &directory), Err(LockError::Held(_))));
        drop(earlier.stdin.take());
        earlier.wait().unwrap();
        let mut holder = start_holder(home.path());
        let file = directory.open(&place.name(".pid"), OFlags::RDWR).unwrap();
        assert_eq!(fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive), Err(Errno::AGAIN));
        // Earlier ones can name ours.
        let seen = fcntl_getlk(&file, &Flock::from(FlockType::WriteLock)).unwrap().unwrap();
        assert_eq!(seen.pid, Pid::from_raw(i32::try_from(holder.id()).unwrap()));
        drop(holder.stdin.take());
        holder.wait().unwrap();
    }

    #[test]
    fn the_holder_gets_it_by_either_means() {
        for means in [Means::Pidfd, Means::Number] {
            let home = tempfile::tempdir().unwrap();
            let place = place(home.path());
            let mut holder = start_holder(home.path());
            let held = probe(&place).unwrap();
            assert_eq!(held, Lock::Held(Holder::Pid(holder.id())));
            let sent = signal_by(means, &place, Holder::Pid(holder.id()), Signal::KILL);
            assert_eq!(sent.unwrap(), Sent::Delivered);
            assert_eq!(holder.wait().unwrap().signal(), Some(9));
            assert_eq!(probe(&place).unwrap(), Lock::Free);
            let sent = signal_by(means, &place, Holder::Pid(holder.id()), Signal::KILL);
            assert_eq!(sent.unwrap(), Sent::Gone);
        }
    }

    #[test]
    fn a_process_that_does_not_hold_the_lock_gets_nothing() {
        for means in [Means::Pidfd, Means::Number] {
            let home = tempfile::tempdir().unwrap();
            let place = place(home.path());
            let mut stranger = Command::new("sleep").arg("60").spawn().unwrap();
            std::fs::write(place.pid_file(), stranger.id().to_string()).unwrap();
            let meant = Holder::Pid(stranger.id());
            assert_eq!(signal_by(means, &place, meant, Signal::KILL).unwrap(), Sent::Gone);
            let mut holder = start_holder(home.path());
            assert_eq!(signal_by(means, &place, meant, Signal::KILL).unwrap(), Sent::Gone);
            drop(holder.stdin.take());
            holder.wait().unwrap();
            assert!(stranger.try_wait().unwrap().is_none());
            stranger.kill().unwrap();
            stranger.wait().unwrap();
        }
    }

    #[test]
    fn a_holder_elsewhere_cannot_be_signalled() {
        let home = tempfile::tempdir().unwrap();
        let place = place(home.path());
        assert!(signal(&place, Holder::Elsewhere, StopSignal::Kill).is_err());
    }
}
