//! Signals that this process catches: counted where they come, and seen by whoever asks first of all.
//!
//! A count is looked at without a system call, so that a task that works for long can be asked before each
//! of its turns whether the user wants something else. The pipe is for who sleeps.

use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use rustix::process::Signal;
use signal_hook::SigId;
use signal_hook::low_level::{pipe, register, unregister};

use super::polled::Polled;

/// The signals that came.
#[derive(Debug)]
pub struct Signals {
    caught: Vec<Caught>,
    /// Has a byte whenever something came that was not looked at.
    alert: Polled,
    ids: Vec<SigId>,
}

#[derive(Debug)]
struct Caught {
    signal: Signal,
    /// How often it came that was not told yet.
    count: Arc<AtomicUsize>,
}

impl Signals {
    /// Catches these from here on, until dropped; afterwards they are ignored.
    ///
    /// # Errors
    ///
    /// If the system does not let us.
    pub fn catch(signals: impl IntoIterator<Item = Signal>) -> io::Result<Self> {
        let (alert, writer) = io::pipe()?;
        let (alert, writer) = (Polled::new(alert.into())?, OwnedFd::from(writer));
        let mut caught = Signals { caught: Vec::new(), alert, ids: Vec::new() };
        for signal in signals {
            caught.add(signal, writer.try_clone()?)?;
        }
        // So that it is not ignored: else the system keeps no exit status of children for us.
        let child = signal_hook::flag::register(Signal::CHILD.as_raw(), Arc::<AtomicBool>::default())?;
        caught.ids.push(child);
        Ok(caught)
    }

    fn add(&mut self, signal: Signal, writer: OwnedFd) -> io::Result<()> {
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let count_it = move || {
            counted.fetch_add(1, Ordering::SeqCst);
        };
        // The count before the alert: who wakes up finds it.
        // SAFETY: a handler may change an atomic number, which is all that this one does.
        let id = unsafe { register(signal.as_raw(), count_it) };
        self.ids.push(id?);
        self.ids.push(pipe::register(signal.as_raw(), writer)?);
        self.caught.push(Caught { signal, count });
        Ok(())
    }

    /// The next one, each as often as it came.
    pub async fn next(&mut self) -> Signal {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// As [`Signals::next`].
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Signal> {
        loop {
            if let Some(signal) = self.take() {
                return Poll::Ready(signal);
            }
            match self.alert.poll_readable(cx) {
                // What it says is in the counts.
                Poll::Ready(Ok(())) => while rustix::io::read(&self.alert, &mut [0; 64]).is_ok() {},
                Poll::Ready(Err(error)) => {
                    log::error!("signals are not noticed any more: {error}");
                    return Poll::Pending;
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn take(&self) -> Option<Signal> {
        let came = self.caught.iter().find(|caught| caught.count.load(Ordering::SeqCst) > 0)?;
        // Only we take from it.
        came.count.fetch_sub(1, Ordering::SeqCst);
        Some(came.signal)
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for id in self.ids.drain(..) {
            unregister(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::{getpid, kill_process};

    use super::super::reactor;
    use super::*;

    #[test]
    #[serial_test::serial(signals)]
    fn each_is_told_as_often_as_it_came_whether_or_not_descriptors_were_looked_at() {
        reactor::block_on(async {
            let mut signals = Signals::catch([Signal::USR1, Signal::USR2]).unwrap();
            let mut cx = Context::from_waker(std::task::Waker::noop());
            assert!(signals.poll_next(&mut cx).is_pending());
            for signal in [Signal::USR2, Signal::USR1, Signal::USR2] {
                kill_process(getpid(), signal).unwrap();
                // Ours, which another thread may take for us.
                while signals.caught.iter().all(|caught| caught.count.load(Ordering::SeqCst) == 0) {
                    std::thread::yield_now();
                }
                assert_eq!(signals.poll_next(&mut cx), Poll::Ready(signal));
            }
            assert!(signals.poll_next(&mut cx).is_pending());
        })
        .unwrap();
    }

    #[test]
    #[serial_test::serial(signals)]
    fn who_sleeps_is_woken_by_one() {
        reactor::block_on(async {
            let mut signals = Signals::catch([Signal::USR2]).unwrap();
            for _ in 0..3 {
                let thread = std::thread::spawn(|| kill_process(getpid(), Signal::USR2).unwrap());
                assert_eq!(signals.next().await, Signal::USR2);
                thread.join().unwrap();
            }
        })
        .unwrap();
    }
}
