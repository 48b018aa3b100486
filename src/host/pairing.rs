//! Two sockets become one attachment: the halves that bring the same token belong together.
//!
//! A half that brings no token in time, or stays alone, is dropped and blocks nobody.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};

use smol::channel::Sender;
use smol::lock::Mutex;
use smol::{Async, LocalExecutor, Timer};

use crate::io::polled::Polled;
use crate::proto::limits::{ATTACHING_MAX, LOOK_INTERVAL, PAIR_TIMEOUT, TOKEN_BYTES};

/// The sockets that a server listens on.
#[derive(Debug)]
pub struct Listeners {
    /// What proxies write the client's bytes to.
    pub stdin: Async<UnixListener>,
    /// What proxies read the server's bytes from.
    pub stdout: Async<UnixListener>,
}

/// Both halves of one proxy's attachment.
#[derive(Debug)]
pub struct Attachment {
    /// From the client.
    pub input: Polled,
    /// To the client.
    pub output: Polled,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Half {
    Input,
    Output,
}

/// A half whose partner has not come yet.
struct Lone {
    token: [u8; TOKEN_BYTES],
    half: Half,
    stream: Async<UnixStream>,
}

/// Accepts for ever; every complete pair goes to `attachments`.
pub async fn accept(listeners: Listeners, attachments: Sender<Attachment>) {
    let lone = Mutex::new(Vec::new());
    let executor = LocalExecutor::new();
    let take = |half: Half, stream: Async<UnixStream>| {
        let (lone, attachments) = (&lone, attachments.clone());
        async move {
            if let Some(token) = read_token(&stream).await {
                if let Some(attachment) = pair(lone, Lone { token, half, stream }).await {
                    let _ = attachments.send(attachment).await;
                } else {
                    Timer::after(PAIR_TIMEOUT).await;
                    lone.lock().await.retain(|other| other.token != token);
                }
            }
        }
    };
    let accept_half = async |half: Half, listener: &Async<UnixListener>| {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => match crate::io::peer::check_own(&stream) {
                    Ok(()) => executor.spawn(take(half, stream)).detach(),
                    Err(error) => log::warn!("a connection was refused: {error}"),
                },
                Err(error) => {
                    // Out of descriptors, say: others may be closed meanwhile.
                    log::warn!("no connection can be accepted: {error}");
                    Timer::after(LOOK_INTERVAL).await;
                }
            }
        }
    };
    let both = async {
        futures::join!(
            accept_half(Half::Input, &listeners.stdin),
            accept_half(Half::Output, &listeners.stdout)
        )
    };
    executor.run(both).await;
}

async fn read_token(stream: &Async<UnixStream>) -> Option<[u8; TOKEN_BYTES]> {
    let mut token = [0; TOKEN_BYTES];
    let read = async {
        futures::AsyncReadExt::read_exact(&mut &*stream, &mut token).await?;
        io::Result::Ok(())
    };
    let late = async {
        Timer::after(PAIR_TIMEOUT).await;
        Err(io::ErrorKind::TimedOut.into())
    };
    smol::future::or(read, late).await.ok()?;
    Some(token)
}

/// The attachment that this half completes, or `None` and it waits for its partner.
async fn pair(lone: &Mutex<Vec<Lone>>, new: Lone) -> Option<Attachment> {
    let mut lone = lone.lock().await;
    let Some(place) = lone.iter().position(|other| other.token == new.token) else {
        if lone.len() >= ATTACHING_MAX {
            lone.remove(0);
        }
        lone.push(new);
        return None;
    };
    let partner = lone.swap_remove(place);
    let (input, output) = match (partner.half, new.half) {
        (Half::Input, Half::Output) => (partner.stream, new.stream),
        (Half::Output, Half::Input) => (new.stream, partner.stream),
        (Half::Input, Half::Input) | (Half::Output, Half::Output) => return None,
    };
    Some(Attachment { input: into_fd(input)?, output: into_fd(output)? })
}

fn into_fd(stream: Async<UnixStream>) -> Option<Polled> {
    Polled::new(OwnedFd::from(stream.into_inner().ok()?)).ok()
}
