//! The end of a child process, noticed before it is reaped.
//!
//! Until a child is reaped its number, and that of its process group, belong to nobody else: so
//! long may they be signalled.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};

use crate::proto::ProgramExit;

/// The variable that marks what belongs to a client's transport, in the environment of all that it starts.
/// A server does not: it is meant to stay.
pub const TRANSPORT_MARK: &str = "REATTACH_TRANSPORT";

/// The variable by which whoever looked for the server's program tells the proxy where it was.
pub const FOUND_MARK: &str = "REATTACH_FOUND";

/// How the end of a child is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// Through a descriptor that stands for the process (Linux).
    Pidfd,
    /// On a thread that waits: everywhere.
    Thread,
}

impl Waiting {
    /// The best that this system has.
    pub fn best() -> Self {
        if cfg!(target_os = "linux") { Waiting::Pidfd } else { Waiting::Thread }
    }
}

/// The number of the session that a process belongs to, or that we belong to: 0 if its leader cannot be seen
/// from here, as in a container that was entered from outside. (rustix knows no such number.)
///
/// # Errors
///
/// If there is no such process.
pub fn session_number(of: Option<Pid>) -> io::Result<i32> {
    // SAFETY: a number is passed, and no memory.
    match unsafe { libc::getsid(Pid::as_raw(of)) } {
        -1 => Err(io::Error::last_os_error()),
        number => Ok(number),
    }
}

/// Waits until our child with that number has ended, and does not reap it.
///
/// # Errors
///
/// If the system cannot watch it.
pub async fn ended(pid: Pid, waiting: Waiting) -> io::Result<()> {
    match waiting {
        #[cfg(target_os = "linux")]
        Waiting::Pidfd => {
            let pidfd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty());
            match pidfd.map_err(io::Error::from).and_then(super::polled::Polled::as_it_is) {
                // A descriptor of a process is readable once that has ended.
                Ok(pidfd) => pidfd.readable().await,
                // Kernels before 5.3, some sandboxes, and processes without descriptors to spare.
                Err(_) => ended_on_thread(pid).await,
            }
        }
        _ => ended_on_thread(pid).await,
    }
}

async fn ended_on_thread(pid: Pid) -> io::Result<()> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    super::aside::run(move || {
        rustix::io::retry_on_intr(|| rustix::process::waitid(WaitId::Pid(pid), options))?;
        Ok(())
    })
    .await
}

/// Sends a signal to the process group that the child leads. The child must not be reaped yet.
pub fn signal_group(child: &Child, signal: Signal) {
    // The group may be empty of all but the child's remains: nobody is left to be told.
    let _ = rustix::process::kill_process_group(Pid::from_child(child), signal);
}

/// Sends a signal to the child. It must not be reaped yet.
pub fn signal(child: &Child, signal: Signal) {
    let _ = rustix::process::kill_process(Pid::from_child(child), signal);
}

/// How a process ended, as the protocol says it.
pub fn program_exit(status: ExitStatus) -> ProgramExit {
    match (status.code(), status.signal()) {
        (Some(code), _) => ProgramExit::Code(code),
        (None, Some(signal)) => ProgramExit::Signal(signal),
        (None, None) => ProgramExit::Code(255),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn notices_an_end_either_way_and_leaves_it_to_be_reaped() {
        for waiting in [Waiting::best(), Waiting::Thread] {
            let mut child = Command::new("sh").args(["-c", "exit 7"]).spawn().unwrap();
            smol::block_on(ended(Pid::from_child(&child), waiting)).unwrap();
            assert_eq!(program_exit(child.wait().unwrap()), ProgramExit::Code(7));
        }
    }

    #[test]
    fn tells_a_signal_from_a_status() {
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        signal(&child, Signal::TERM);
        assert_eq!(program_exit(child.wait().unwrap()), ProgramExit::Signal(15));
    }
}
