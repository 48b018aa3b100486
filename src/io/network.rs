//! What the kernel tells of the machine's network: that a link, an address or a route has changed.
//!
//! A socket of the kernel's own (rtnetlink on Linux, the routing socket on macOS), by `rustix`, which we
//! have anyway. The crates for it were looked at: `if-watch` brings eleven more, tells of addresses
//! alone (a cable that is pulled keeps its address, and a VPN may come as routes only), and runs on the
//! general executor's reactor, a thread of its own that an idle client does not need otherwise;
//! `rtnetlink`, `netlink-proto` and `netlink-packet-route` ask and configure, of which we need nothing.
//!
//! Asleep until something happens. What a change means is left to the client's machine.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::Stream;
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use super::polled::Polled;
use super::sleep::Sleep;
use crate::proto::limits::{NETWORK_MESSAGE_BYTES, NETWORK_PAUSE, NETWORK_READS_MAX};

#[cfg_attr(target_os = "linux", path = "network/linux.rs")]
#[cfg_attr(target_os = "macos", path = "network/macos.rs")]
#[cfg_attr(not(any(target_os = "linux", target_os = "macos")), path = "network/elsewhere.rs")]
mod kernel;

/// A stream of changes of the network that this process is in: one at once when something changes, at
/// most one per [`NETWORK_PAUSE`] after that, and none is lost. It does not say what changed.
///
/// It ends if the kernel tells nothing any more.
///
/// ```no_run
/// use futures::StreamExt;
/// use reattach::{Client, NetworkChanges};
///
/// async fn heed_network(client: &Client) -> std::io::Result<()> {
///     let mut changes = NetworkChanges::listen()?;
///     while changes.next().await.is_some() {
///         client.network_up();
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug)]
#[must_use = "it tells only who listens"]
pub struct NetworkChanges {
    /// None once it has failed.
    socket: Option<Polled>,
    known: kernel::Known,
    /// Something has changed that was not told yet.
    is_due: bool,
    /// Since the last was told.
    pause: Option<Sleep>,
    buffer: Vec<u8>,
}

impl NetworkChanges {
    /// Listens from now on, in the network namespace of this thread.
    ///
    /// # Errors
    ///
    /// If the system has nothing of the kind, or a sandbox keeps it from us. A client does without:
    /// it comes back a little later.
    pub fn listen() -> io::Result<Self> {
        Ok(NetworkChanges {
            socket: Some(Polled::new(kernel::listen()?)?),
            known: kernel::Known::default(),
            is_due: false,
            pause: None,
            buffer: vec![0; NETWORK_MESSAGE_BYTES],
        })
    }

    /// Hears all that the kernel has to tell; ready when that is something new.
    fn poll_heard(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(socket) = &self.socket else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        for _ in 0..NETWORK_READS_MAX {
            match recv(socket, &mut *self.buffer, RecvFlags::empty()) {
                // What may have been cut off is a change, to be safe.
                Ok((_, count)) => {
                    let is_whole = count < self.buffer.len();
                    self.is_due |= self.known.is_changed_by(&self.buffer[..count]) || !is_whole;
                }
                // More has happened than the kernel could keep for us.
                Err(Errno::NOBUFS) => {
                    self.known = kernel::Known::default();
                    self.is_due = true;
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) if self.is_due => return Poll::Ready(Ok(())),
                Err(Errno::AGAIN) => ready!(socket.poll_readable(cx))?,
                Err(errno) => return Poll::Ready(Err(errno.into())),
            }
        }
        // A flood: the others get their turn.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Stream for NetworkChanges {
    type Item = ();

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<()>> {
        if self.socket.is_none() {
            return Poll::Ready(None);
        }
        // In a storm it is not even listened to before something may be told again.
        if self.is_due
            && let Some(pause) = &mut self.pause
        {
            ready!(Pin::new(pause).poll(cx));
            self.pause = None;
        }
        if let Err(error) = ready!(self.poll_heard(cx)) {
            log::debug!("the kernel tells nothing of the network any more: {error}");
            self.socket = None;
            return Poll::Ready(None);
        }
        if let Some(pause) = &mut self.pause {
            ready!(Pin::new(pause).poll(cx));
        }
        self.is_due = false;
        self.pause = Some(Sleep::after(NETWORK_PAUSE));
        Poll::Ready(Some(()))
    }
}
