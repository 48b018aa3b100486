//! A process that gives back what it gets, fed and drained through pipes.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Condvar, Mutex};

use anyhow::{Context, ensure};

use crate::stopwatch::Stopwatch;

/// Bytes a write, and what the pipes hold: nothing on our side should be what is measured.
const CHUNK_BYTES: usize = 256 << 10;

/// Bytes of a round trip.
pub(crate) const PING_BYTES: usize = 100;

pub(crate) struct Echo {
    child: Child,
    input: Option<ChildStdin>,
    output: ChildStdout,
}

impl Echo {
    /// Starts it, and waits until it has answered once.
    pub(crate) fn start(mut command: Command) -> anyhow::Result<Self> {
        let name = format!("{command:?}");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context(name.clone())?;
        let input = child.stdin.take().context("it was piped")?;
        let output = child.stdout.take().context("it was piped")?;
        for pipe in [input.as_fd(), output.as_fd()] {
            rustix::pipe::fcntl_setpipe_size(pipe, CHUNK_BYTES)?;
        }
        let mut echo = Echo { child, input: Some(input), output };
        echo.ping().context(name)?;
        Ok(echo)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// One round trip of a hundred bytes, in seconds.
    pub(crate) fn ping(&mut self) -> anyhow::Result<f64> {
        let mut bytes = [b'.'; PING_BYTES];
        bytes[PING_BYTES - 1] = b'\n';
        let watch = Stopwatch::start();
        self.input.as_mut().context("its input is open")?.write_all(&bytes)?;
        self.output.read_exact(&mut bytes).context("no echo came")?;
        Ok(watch.elapsed().as_secs_f64())
    }

    /// The median of that many round trips, in seconds.
    pub(crate) fn median_ping(&mut self, count: usize) -> anyhow::Result<f64> {
        let mut times = crate::rounds::Rounds::default();
        for _ in 0..count {
            times.push(self.ping()?);
        }
        Ok(times.median())
    }

    /// Sends that many bytes and takes them back, both at once, with at most `ahead` of them on
    /// the way; bytes a second.
    pub(crate) fn bulk(&mut self, bytes: usize, ahead: usize) -> anyhow::Result<f64> {
        let chunk = vec![b'x'; CHUNK_BYTES.min(ahead)];
        let mut taken = vec![0; CHUNK_BYTES];
        let input = self.input.as_mut().context("its input is open")?;
        let output = &mut self.output;
        let back = (Mutex::new(0), Condvar::new());
        let watch = Stopwatch::start();
        std::thread::scope(|scope| {
            let feeder = scope.spawn(|| {
                let mut given = 0;
                while given < bytes {
                    let count = (bytes - given).min(chunk.len());
                    let lock = back.0.lock().expect("nobody panics with it");
                    drop(back.1.wait_while(lock, |back| given + count > *back + ahead));
                    input.write_all(&chunk[..count])?;
                    given += count;
                }
                std::io::Result::Ok(())
            });
            let mut drain = || {
                let mut came = 0;
                while came < bytes {
                    let count = output.read(&mut taken)?;
                    ensure!(count > 0 && count <= bytes - came, "the echo ended, or gave more than it got");
                    came += count;
                    *back.0.lock().expect("nobody panics with it") = came;
                    back.1.notify_one();
                }
                Ok(())
            };
            let drained = drain();
            // The feeder is not left waiting for what will not come.
            *back.0.lock().expect("nobody panics with it") = bytes;
            back.1.notify_one();
            feeder.join().expect("the feeder does not panic")?;
            drained
        })?;
        Ok(watch.rate(bytes))
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        // The end of its input ends it; if not, we do.
        drop(self.input.take());
        let mut rest = Vec::new();
        if self.output.read_to_end(&mut rest).is_err() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}
