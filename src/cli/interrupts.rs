//! The user's signals: what a terminal, a shell or an editor sends to a program that it thinks
//! runs here.

use std::io;

use async_signal::{Signal, Signals};
use futures::StreamExt;

/// What a signal means for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// The hosted program should get this signal.
    Forward(i32),
    /// The network is back: try now.
    NetworkUp,
    /// We were stopped, and go on.
    Woken,
}

/// The signals that came.
#[derive(Debug)]
pub struct Wishes {
    signals: Signals,
}

impl Wishes {
    /// Catches the signals from here on.
    ///
    /// # Errors
    ///
    /// If the system does not let us.
    pub fn catch() -> io::Result<Self> {
        let ignored = ignored_at_start();
        let forwarded = [Signal::Int, Signal::Term, Signal::Hup, Signal::Quit];
        // What our caller ignores is ignored: `nohup`, and a shell's jobs in the background.
        let forwarded = forwarded.into_iter().filter(|signal| ignored & (1 << (*signal as i32 - 1)) == 0);
        // SIGCHLD only so that it is not ignored: else the system keeps no exit status for us.
        let ours = [Signal::Usr1, Signal::Cont, Signal::Child];
        Ok(Wishes { signals: Signals::new(forwarded.chain(ours))? })
    }

    /// The next one.
    pub async fn next(&mut self) -> Wish {
        loop {
            match self.signals.next().await {
                Some(Ok(Signal::Usr1)) => return Wish::NetworkUp,
                Some(Ok(Signal::Cont)) => return Wish::Woken,
                Some(Ok(Signal::Child)) => {}
                Some(Ok(signal)) => return Wish::Forward(signal as i32),
                Some(Err(error)) => log::warn!("a signal was missed: {error}"),
                None => std::future::pending().await,
            }
        }
    }
}

/// A bit for each signal that this process was started to ignore; none where the system does not
/// tell.
fn ignored_at_start() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

/// Ends this process as that signal would have; by an exit code of 128 and its number, if that
/// cannot be.
pub fn die_by(signal: i32) -> ! {
    use rustix::process::{Resource, Rlimit, Signal, getpid, kill_process, setrlimit};

    // The fault was the hosted program's, and so is the core dump.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    if signal == Signal::KILL.as_raw() {
        let _ = kill_process(getpid(), Signal::KILL);
    } else {
        let _ = signal_hook::low_level::emulate_default_handler(signal);
    }
    std::process::exit(128 + signal)
}
