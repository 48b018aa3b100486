//! Whose keyboard it is: while a transport may be asking for a password, a passphrase or a host key,
//! the terminal is its alone.
//!
//! ssh asks on the terminal itself, and what is typed goes to whoever reads first. So a standard input
//! that is a terminal is read only while attached: no transport is being opened then. What is typed
//! meanwhile waits in the terminal. It is the hosted program's if nobody asks; who asks throws it away
//! first, as everybody who reads passwords does. Whoever types during a pause, in which nobody asks for
//! anything, wants the session back: that is told, and not read. A pipe or a file is nobody else's, and is
//! read ahead.

use std::cell::Cell;
use std::io;
use std::rc::Rc;

use bytes::Bytes;
use smol::future::or;

use crate::client::{Client, Status};
use crate::io::sleep::Sleep;
use crate::io::stdio::Source;
use crate::proto::limits::ACTIVITY_PACE;

/// Whether the terminal shows what is typed.
#[derive(Clone, Debug)]
pub(super) struct Echo {
    /// It did when we began.
    was_on: bool,
    /// The last attempt whose transport was seen to ask.
    asked_in: Rc<Cell<u64>>,
}

impl Echo {
    /// As it is now.
    pub(super) fn remember() -> Self {
        Echo { was_on: Echo::is_on(), asked_in: Rc::default() }
    }

    /// A hint that the way may be open: not heeded while a transport asks for a password or a passphrase, which
    /// it does without showing it. Whoever asks has come through, and must not be ended under the user's hands,
    /// nor when it has its answer.
    pub(super) fn unless_asked(&self, client: &Client, hint: impl FnOnce(&Client)) {
        let is_opening = matches!(client.status(), Status::Connecting | Status::Reconnecting(_));
        if self.was_on && !Echo::is_on() {
            self.asked_in.set(client.attempt());
        }
        if is_opening && self.asked_in.get() == client.attempt() {
            log::debug!("a password is being typed: whoever asks for it is left alone");
        } else {
            hint(client);
        }
    }

    fn is_on() -> bool {
        let modes = rustix::termios::tcgetattr(rustix::stdio::stdin());
        modes.is_ok_and(|modes| modes.local_modes.contains(rustix::termios::LocalModes::ECHO))
    }
}

/// Reads what is there, once it may be read.
///
/// # Errors
///
/// Those of the descriptor.
pub(super) async fn read(client: &Client, input: &mut Source) -> io::Result<Bytes> {
    if !input.is_terminal() {
        return input.read().await;
    }
    loop {
        attached(client, input).await;
        // The state is asked first: whoever is about to ask was started after it had changed.
        let left = async {
            lost(client).await;
            None
        };
        if let Some(read) = or(left, async { Some(input.read().await) }).await {
            return read;
        }
    }
}

/// Waits until the session is attached.
async fn attached(client: &Client, input: &Source) {
    let mut change = client.last_change();
    let mut noticed_bytes = 0;
    while !change.status.is_attached() {
        let next = client.changed(&change);
        change = match change.status {
            Status::ReconnectFailed(_) | Status::ReconnectExhausted => {
                or(next, tell_of_typing(client, input, &mut noticed_bytes)).await
            }
            Status::Connecting
            | Status::Connected
            | Status::HeartbeatMissed(_)
            | Status::Reconnecting(_)
            | Status::ServerNotRunning(_)
            | Status::Refused(_)
            | Status::Closed(_) => next.await,
        };
    }
}

/// Tells the client whenever more was typed than before.
async fn tell_of_typing<T>(client: &Client, input: &Source, noticed_bytes: &mut u64) -> T {
    loop {
        let bytes = input.waiting_bytes().await;
        if bytes > *noticed_bytes {
            client.activity();
        }
        *noticed_bytes = bytes;
        // What was noticed stays there, so that the terminal does not tell of more.
        Sleep::after(ACTIVITY_PACE).await;
    }
}

/// Waits until the session is not attached.
async fn lost(client: &Client) {
    let mut change = client.last_change();
    while change.status.is_attached() {
        change = client.changed(&change).await;
    }
}
