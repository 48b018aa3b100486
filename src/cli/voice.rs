//! What a program says of itself, on standard error: one line at a time, and never lost because
//! somebody put the stream into non-blocking mode.

use std::io::{self, Write};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::proto::words::harmless_lines;

/// Standard error as a plain writer that waits when it must.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stderr;

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let stderr = rustix::stdio::stderr();
        loop {
            match rustix::io::write(stderr, bytes) {
                Err(Errno::AGAIN) => {
                    poll(&mut [PollFd::new(&stderr, PollFlags::OUT)], None)?;
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
                Ok(count) => return Ok(count),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Says one line, whoever is quoted in it. Nobody listening is no reason to fail.
pub fn say(line: &str) {
    let _ = Stderr.write_all(format!("{}\n", harmless_lines(line)).as_bytes());
}

/// Starts the log on standard error; `RUST_LOG` overrides `default`.
pub fn start_log(default: &str) {
    let environment = env_logger::Env::default().default_filter_or(default);
    let logger = env_logger::Builder::from_env(environment)
        .target(env_logger::Target::Pipe(Box::new(Stderr)))
        .try_init();
    // A second start in one process keeps the first one's log.
    drop(logger);
}
