//! The user's signals: what a terminal, a shell or an editor sends to a program that it thinks
//! runs here.

use std::io;

use rustix::process::Signal;

use crate::io::signals::Signals;

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
        let forwarded = [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT];
        // What our caller ignores is ignored: `nohup`, and a shell's jobs in the background.
        let forwarded = forwarded.into_iter().filter(|signal| ignored & (1 << (signal.as_raw() - 1)) == 0);
        Ok(Wishes { signals: Signals::catch(forwarded.chain([Signal::USR1, Signal::CONT]))? })
    }

    /// The next one.
    pub async fn next(&mut self) -> Wish {
        match self.signals.next().await {
            Signal::USR1 => Wish::NetworkUp,
            Signal::CONT => Wish::Woken,
            signal => Wish::Forward(signal.as_raw()),
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
/// cannot be, or if the signal ends nobody.
pub fn die_by(signal: i32) -> ! {
    use rustix::process::{Resource, Rlimit, getpid, kill_process, setrlimit};

    if ends_by_default(signal) {
        // The fault was the hosted program's, and so is the core dump.
        let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
        if signal == Signal::KILL.as_raw() {
            let _ = kill_process(getpid(), Signal::KILL);
        } else {
            let _ = signal_hook::low_level::emulate_default_handler(signal);
        }
    }
    std::process::exit(exit_code(signal))
}

/// Whether a process that does nothing about this signal is ended by it. The number comes from the other
/// side, where it may mean nothing: a signal that stops, or is ignored, is none that a program ended by.
fn ends_by_default(signal: i32) -> bool {
    // Those that the system's library keeps for itself have no name, and are none of a program's.
    match Signal::from_named_raw(signal) {
        Some(Signal::STOP | Signal::TSTP | Signal::TTIN | Signal::TTOU | Signal::CONT) => false,
        Some(Signal::CHILD | Signal::URG | Signal::WINCH) => false,
        Some(_) => true,
        None => false,
    }
}

/// What a shell would say of it; 255 for what is no signal anywhere.
fn exit_code(signal: i32) -> i32 {
    match signal {
        1..=127 => 128 + signal,
        _ => 255,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_signal_that_ends_a_process_is_repeated_on_ourselves() {
        for (signal, ends) in [
            (Signal::HUP, true),
            (Signal::INT, true),
            (Signal::QUIT, true),
            (Signal::ABORT, true),
            (Signal::KILL, true),
            (Signal::USR1, true),
            (Signal::SEGV, true),
            (Signal::PIPE, true),
            (Signal::ALARM, true),
            (Signal::TERM, true),
            (Signal::XCPU, true),
            (Signal::CHILD, false),
            (Signal::CONT, false),
            (Signal::STOP, false),
            (Signal::TSTP, false),
            (Signal::TTIN, false),
            (Signal::TTOU, false),
            (Signal::URG, false),
            (Signal::WINCH, false),
        ] {
            assert_eq!(ends_by_default(signal.as_raw()), ends, "{signal:?}");
        }
        for nothing in [i32::MIN, -19, -1, 0, 65, 127, 128, 1000, i32::MAX] {
            assert!(!ends_by_default(nothing), "{nothing}");
        }
    }

    #[test]
    fn what_cannot_be_repeated_is_told_as_a_shell_tells_it() {
        for (signal, code) in
            [(1, 129), (19, 147), (64, 192), (127, 255), (0, 255), (-1, 255), (128, 255), (i32::MIN, 255)]
        {
            assert_eq!(exit_code(signal), code, "{signal}");
        }
    }
}
