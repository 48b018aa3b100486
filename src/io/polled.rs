//! A descriptor in non-blocking mode that a task can wait for: on our own reactor where the thread
//! has one, on the general executor's elsewhere.

use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::task::{Context, Poll};

use smol::Async;

use super::mode::Mode;
use super::reactor::{self, Way};

/// A descriptor that can be waited for.
#[derive(Debug)]
pub struct Polled {
    fd: Waited,
    /// The mode that it is given back in, if it is shared with others.
    before: Option<Mode>,
}

#[derive(Debug)]
enum Waited {
    Here(Arc<OwnedFd>, u64),
    Elsewhere(Async<OwnedFd>),
}

impl Polled {
    /// Puts the descriptor into non-blocking mode.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn new(fd: OwnedFd) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&fd, true)?;
        Self::as_it_is(fd)
    }

    /// Puts a descriptor into non-blocking mode that others share, and expect in this one later.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn lent(fd: OwnedFd, before: Mode) -> io::Result<Self> {
        let mut polled = Self::new(fd)?;
        polled.before = Some(before);
        Ok(polled)
    }

    /// Leaves the descriptor's mode alone.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn as_it_is(fd: OwnedFd) -> io::Result<Self> {
        let fd = Arc::new(fd);
        if let Some(key) = reactor::watch(&fd) {
            return Ok(Polled { fd: Waited::Here(fd, key), before: None });
        }
        let fd = Arc::into_inner(fd).expect("nobody else has it");
        Ok(Polled { fd: Waited::Elsewhere(Async::new_nonblocking(fd)?), before: None })
    }

    /// Ready when there may be something to read. Only to be asked after a read found nothing, or
    /// took all there was.
    ///
    /// # Errors
    ///
    /// Those of the system, and a thread other than the one that it belongs to.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.fd {
            Waited::Here(_, key) => ready(*key, Way::Read, cx),
            Waited::Elsewhere(fd) => fd.poll_readable(cx),
        }
    }

    /// Ready when there may be room to write. Only to be asked after a write found none.
    ///
    /// # Errors
    ///
    /// As [`Polled::poll_readable`].
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.fd {
            Waited::Here(_, key) => ready(*key, Way::Write, cx),
            Waited::Elsewhere(fd) => fd.poll_writable(cx),
        }
    }

    /// Ready when nobody is at the other end any more. On the general executor that is not noticed.
    ///
    /// # Errors
    ///
    /// As [`Polled::poll_readable`].
    pub fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.fd {
            Waited::Here(_, key) => ready(*key, Way::Gone, cx),
            Waited::Elsewhere(_) => Poll::Pending,
        }
    }

    /// Waits for [`Polled::poll_readable`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn readable(&self) -> io::Result<()> {
        poll_fn(|cx| self.poll_readable(cx)).await
    }

    /// Waits for [`Polled::poll_writable`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn writable(&self) -> io::Result<()> {
        poll_fn(|cx| self.poll_writable(cx)).await
    }
}

fn ready(key: u64, way: Way, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
    match reactor::poll_ready(key, way, cx) {
        Some(poll) => poll.map(Ok),
        None => Poll::Ready(Err(io::Error::other("own bug: a descriptor was moved to another thread"))),
    }
}

impl AsFd for Polled {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.fd {
            Waited::Here(fd, _) => fd.as_fd(),
            Waited::Elsewhere(fd) => fd.as_fd(),
        }
    }
}

impl Drop for Polled {
    fn drop(&mut self) {
        if let Some(mode) = self.before {
            mode.give_back(&*self);
        }
        if let Waited::Here(_, key) = &self.fd {
            reactor::forget(*key);
        }
    }
}
