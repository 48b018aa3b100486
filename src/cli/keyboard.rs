//! Whose keyboard it is: while a transport may be asking for a password, a passphrase or a host key,
//! the terminal is its alone.
//!
//! ssh asks on the terminal itself, and what is typed goes to whoever reads first. So a standard input
//! that is a terminal is read only while attached: no transport is being opened then. What is typed
//! meanwhile waits in the terminal. It is the hosted program's if nobody asks; who asks throws it away
//! first, as everybody who reads passwords does. A pipe or a file is nobody else's, and is read ahead.

use std::io;

use bytes::Bytes;
use smol::future::or;

use crate::client::Client;
use crate::io::stdio::Source;

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
        until(client, true).await;
        // The state is asked first: whoever is about to ask was started after it had changed.
        let left = async {
            until(client, false).await;
            None
        };
        if let Some(read) = or(left, async { Some(input.read().await) }).await {
            return read;
        }
    }
}

/// Waits until the session is attached, or is not.
async fn until(client: &Client, is_attached: bool) {
    let mut change = client.last_change();
    while change.status.is_attached() != is_attached {
        change = client.changed(&change).await;
    }
}
