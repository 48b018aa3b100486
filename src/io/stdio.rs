//! Standard streams, ours and those of children: whatever they are, read and written without
//! blocking the driver.
//!
//! A pipe or a socket is put into non-blocking mode; how it is given back is left to
//! [`mode`](super::mode). A terminal is shared with the shell and never changed: it is asked
//! first. A file is always ready, on a thread of its own.

use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use rustix::io::Errno;

use super::fd::{WriteQueue, read_now};
use super::intake::Intake;
use super::mode::is_pipe;
use super::polled::Polled;
use crate::proto::limits::{PIPE_BYTES, TERMINAL_BYTES};

/// A stream that can be read or written.
#[derive(Debug)]
enum Stream {
    /// A pipe or a socket, in non-blocking mode.
    Polled(Polled),
    /// A terminal, never put into non-blocking mode.
    Asked(Polled),
    /// Whatever cannot be polled.
    Blocking(Arc<OwnedFd>),
}

impl Stream {
    fn new(fd: OwnedFd) -> io::Result<Self> {
        if is_pipe(&fd)? {
            widen(&fd);
            return Ok(Stream::Polled(Polled::new(fd)?));
        }
        match rustix::termios::isatty(&fd) {
            true => Ok(Stream::Asked(Polled::as_it_is(fd)?)),
            false => Ok(Stream::Blocking(Arc::new(fd))),
        }
    }
}

/// Asks for a large buffer in a pipe; a refusal costs speed only.
pub fn widen(fd: impl AsFd) {
    #[cfg(target_os = "linux")]
    if let Ok(current) = rustix::pipe::fcntl_getpipe_size(&fd)
        && current < PIPE_BYTES
    {
        let _ = rustix::pipe::fcntl_setpipe_size(&fd, PIPE_BYTES);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (fd, PIPE_BYTES);
}

/// A stream to read from.
#[derive(Debug)]
pub struct Source {
    stream: Stream,
    buffer: BytesMut,
    intake: Intake,
}

impl Source {
    /// Reads from that descriptor.
    ///
    /// # Errors
    ///
    /// If the descriptor is closed, or the system refuses to poll it.
    pub fn new(fd: OwnedFd) -> io::Result<Self> {
        Ok(Source { stream: Stream::new(fd)?, buffer: BytesMut::new(), intake: Intake::default() })
    }

    /// Reads what is there, waiting for something; empty at the end.
    ///
    /// # Errors
    ///
    /// Those of the descriptor.
    pub async fn read(&mut self) -> io::Result<Bytes> {
        match &self.stream {
            Stream::Polled(fd) => {
                poll_fn(|cx| self.intake.poll_read(fd, &mut self.buffer, cx)).await?;
            }
            Stream::Asked(fd) => {
                fd.readable().await?;
                // A job in the background must not read; the terminal says so with an error.
                read_now(fd, &mut self.buffer)?;
            }
            Stream::Blocking(fd) => {
                let fd = Arc::clone(fd);
                let mut buffer = std::mem::take(&mut self.buffer);
                let (result, buffer) = smol::unblock(move || (read_now(&*fd, &mut buffer), buffer)).await;
                self.buffer = buffer;
                result?;
            }
        }
        Ok(self.buffer.split().freeze())
    }
}

impl Source {
    /// Reads what is there, without waiting; `None` if nothing is.
    pub async fn read_now(&mut self) -> Option<io::Result<Bytes>> {
        // Asked itself: news of the descriptor may be on its way still.
        self.intake.ask_again();
        smol::future::poll_once(self.read()).await
    }
}

/// A stream to write to.
#[derive(Debug)]
pub struct Sink {
    stream: Stream,
    queue: WriteQueue,
}

impl Sink {
    /// Writes to that descriptor.
    ///
    /// # Errors
    ///
    /// If the descriptor is closed, or the system refuses to poll it.
    pub fn new(fd: OwnedFd) -> io::Result<Self> {
        Ok(Sink { stream: Stream::new(fd)?, queue: WriteQueue::default() })
    }

    /// Queues bytes for [`Sink::flush`].
    pub fn push(&mut self, bytes: Bytes) {
        self.queue.push(bytes);
    }

    /// Writes everything that is queued.
    ///
    /// # Errors
    ///
    /// Those of the descriptor; a closed pipe among them.
    pub async fn flush(&mut self) -> io::Result<()> {
        if self.queue.queued_bytes() == 0 {
            // Not even a look at the thread on which a file is written.
            return Ok(());
        }
        match &self.stream {
            Stream::Polled(fd) => poll_fn(|cx| self.queue.poll_flush(fd, cx)).await,
            Stream::Asked(fd) => {
                while self.queue.queued_bytes() > 0 {
                    fd.writable().await?;
                    self.queue.write_some_now(fd, TERMINAL_BYTES)?;
                }
                Ok(())
            }
            Stream::Blocking(fd) => {
                let fd = Arc::clone(fd);
                let mut queue = std::mem::take(&mut self.queue);
                let (result, queue) = smol::unblock(move || {
                    let mut result = Ok(());
                    while queue.queued_bytes() > 0 && result.is_ok() {
                        result = match queue.write_now(&*fd) {
                            Err(Errno::AGAIN) | Ok(_) => Ok(()),
                            Err(error) => Err(io::Error::from(error)),
                        };
                    }
                    (result, queue)
                })
                .await;
                self.queue = queue;
                result
            }
        }
    }
}
