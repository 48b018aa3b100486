//! Standard streams, ours and those of children: whatever they are, read and written without
//! blocking the driver.
//!
//! A pipe or a socket is put into non-blocking mode; how it is given back is left to
//! [`mode`](super::mode). A terminal is shared with the shell and never changed: it is asked
//! first. A file is always ready, on a thread of its own.

use std::future::{Future, pending, poll_fn};
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::aside::{Aside, Coming};
use super::fd::{WriteQueue, read_now};
use super::intake::Intake;
use super::mode::is_pipe;
use super::polled::Polled;
use crate::proto::limits::TERMINAL_BYTES;

/// A stream that can be read or written.
#[derive(Debug)]
enum Stream {
    /// A pipe or a socket, in non-blocking mode.
    Polled(Polled),
    /// A terminal, never put into non-blocking mode.
    Asked(Polled),
    /// Whatever cannot be polled, and its thread.
    Blocking(Arc<OwnedFd>, Aside),
}

impl Stream {
    fn new(fd: OwnedFd) -> io::Result<Self> {
        if is_pipe(&fd)? {
            return Ok(Stream::Polled(Polled::new(fd)?));
        }
        match rustix::termios::isatty(&fd) {
            true => Ok(Stream::Asked(Polled::as_it_is(fd)?)),
            false => Ok(Stream::Blocking(Arc::new(fd), Aside::default())),
        }
    }
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
        match &mut self.stream {
            Stream::Polled(fd) => {
                poll_fn(|cx| self.intake.poll_read(fd, &mut self.buffer, cx)).await?;
            }
            Stream::Asked(fd) => {
                loop {
                    fd.readable().await?;
                    // What there was when we were told may be somebody else's by now: a read would block.
                    if !has_something(fd)? {
                        continue;
                    }
                    // A job in the background must not read; the terminal says so with an error.
                    match read_now(&*fd, &mut self.buffer) {
                        // Somebody else has read it, and has made it non-blocking.
                        Err(Errno::AGAIN) => {}
                        read => break read.map(drop)?,
                    }
                }
            }
            Stream::Blocking(fd, aside) => {
                let fd = Arc::clone(fd);
                let mut buffer = std::mem::take(&mut self.buffer);
                let (result, buffer) = aside.run(move || (read_now(&*fd, &mut buffer), buffer)).await;
                self.buffer = buffer;
                result?;
            }
        }
        Ok(self.buffer.split().freeze())
    }
}

impl Source {
    /// Whether it is a terminal, which others may read as well.
    pub fn is_terminal(&self) -> bool {
        matches!(self.stream, Stream::Asked(_))
    }

    /// Waits until a terminal has something to read, and leaves it there: how many bytes. For ever, if that
    /// cannot be told.
    pub async fn waiting_bytes(&self) -> u64 {
        let Stream::Asked(fd) = &self.stream else {
            return pending().await;
        };
        while fd.readable().await.is_ok() {
            if let Ok(bytes @ 1..) = rustix::io::ioctl_fionread(fd) {
                return bytes;
            }
        }
        pending().await
    }

    /// Bounds what the next reads of a pipe or a socket take; one that is bounded is not widened for bulk.
    pub fn bound(&mut self, bytes_max: Option<usize>) {
        self.intake.bound(bytes_max);
    }

    /// Reads what is there, without waiting; `None` if nothing is.
    pub async fn read_now(&mut self) -> Option<io::Result<Bytes>> {
        // Asked itself: news of the descriptor may be on its way still.
        self.intake.ask_again();
        smol::future::poll_once(self.read()).await
    }
}

/// Whether a read would not block now.
fn has_something(fd: &Polled) -> io::Result<bool> {
    let mut fds = [PollFd::new(fd, PollFlags::IN)];
    rustix::io::retry_on_intr(|| poll(&mut fds, Some(&Timespec::default())))?;
    Ok(!fds[0].revents().is_empty())
}

/// A stream to write to.
#[derive(Debug)]
pub struct Sink {
    stream: Stream,
    queue: WriteQueue,
    /// What the thread of a stream that cannot be polled has to write, and its bytes.
    handed: Option<(Coming<io::Result<()>>, usize)>,
}

impl Sink {
    /// Writes to that descriptor.
    ///
    /// # Errors
    ///
    /// If the descriptor is closed, or the system refuses to poll it.
    pub fn new(fd: OwnedFd) -> io::Result<Self> {
        Ok(Sink { stream: Stream::new(fd)?, queue: WriteQueue::default(), handed: None })
    }

    /// Queues bytes for [`Sink::flush`].
    pub fn push(&mut self, bytes: Bytes) {
        self.queue.push(bytes);
    }

    /// Bytes that were not written yet.
    pub fn queued_bytes(&self) -> usize {
        self.queue.queued_bytes() + self.handed.as_ref().map_or(0, |(_, bytes)| *bytes)
    }

    /// Writes everything that is queued.
    ///
    /// # Errors
    ///
    /// Those of the descriptor; a closed pipe among them.
    pub async fn flush(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// As [`Sink::flush`]; nothing is lost if it is not asked again for a while.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if let Some((coming, _)) = &mut self.handed {
                let written = ready!(Pin::new(coming).poll(cx));
                self.handed = None;
                written?;
            }
            if self.queue.queued_bytes() == 0 {
                // Not even a look at the thread on which a file is written.
                return Poll::Ready(Ok(()));
            }
            match &mut self.stream {
                Stream::Polled(fd) => return self.queue.poll_flush(fd, cx),
                Stream::Asked(fd) => {
                    ready!(fd.poll_writable(cx))?;
                    match self.queue.write_some_now(fd, TERMINAL_BYTES) {
                        // Somebody else has filled it, and has made it non-blocking.
                        Err(Errno::AGAIN) | Ok(_) => {}
                        Err(error) => return Poll::Ready(Err(error.into())),
                    }
                }
                Stream::Blocking(fd, aside) => {
                    let (fd, queue) = (Arc::clone(fd), std::mem::take(&mut self.queue));
                    let bytes = queue.queued_bytes();
                    self.handed = Some((aside.run(move || write_all(&fd, queue)), bytes));
                }
            }
        }
    }

    /// Ready when nobody reads what is written any more. Only a pipe or a socket can tell.
    pub fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<()> {
        match &self.stream {
            Stream::Polled(fd) => fd.poll_gone(cx).map(drop),
            Stream::Asked(_) | Stream::Blocking(..) => Poll::Pending,
        }
    }
}

/// On a thread of its own, which may wait.
fn write_all(fd: &OwnedFd, mut queue: WriteQueue) -> io::Result<()> {
    while queue.queued_bytes() > 0 {
        match queue.write_now(fd) {
            Err(Errno::AGAIN) | Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
