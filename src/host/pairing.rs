//! Two sockets become one attachment: the halves that bring the same token belong together.
//!
//! A half that brings no token in time, or stays alone, is dropped and blocks nobody. Halves that
//! both bring a stream of the proxy's own are answered with one byte, and those are used instead;
//! what the proxy does then is in [`handover`](super::handover).

use std::future::pending;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};

use smol::channel::{Receiver, Sender};
use smol::future::or;
use smol::lock::Mutex;
use smol::{Async, LocalExecutor, Timer};

use super::agent::Token;
use super::attach::NEAR;
use super::handover::TAKEN;
use crate::io::mode::{Mode, is_pipe};
use crate::io::passing;
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
    /// The proxy's connection, if the others are its own standard streams.
    pub lender: Option<Polled>,
    /// The others are the client's own, too: nothing is between it and us.
    pub is_near: bool,
    /// What it is known by.
    pub token: Token,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Half {
    Input,
    Output,
}

/// A half whose partner has not come yet.
struct Lone {
    token: Token,
    half: Half,
    stream: Async<UnixStream>,
    /// The stream of the proxy's own that it brought.
    lent: Option<OwnedFd>,
}

/// Where connections come from.
#[derive(Debug)]
pub struct Doorway {
    /// The sockets to listen on; newer ones take the place of older ones.
    pub listeners: Receiver<Listeners>,
    /// Told of every connection, unless nobody wants to know.
    pub used: Sender<()>,
}

/// Accepts for ever; every complete pair goes to `attachments`.
pub async fn accept(doorway: Doorway, attachments: Sender<Attachment>) {
    let lone = Mutex::new(Vec::new());
    let executor = LocalExecutor::new();
    let take = |half: Half, stream: Async<UnixStream>| {
        let (lone, attachments) = (&lone, attachments.clone());
        async move {
            if let Some((token, lent)) = read_token(&stream).await {
                if let Some(attachment) = pair(lone, Lone { token, half, stream, lent }).await {
                    let _ = attachments.send(attachment).await;
                } else {
                    Timer::after(PAIR_TIMEOUT).await;
                    lone.lock().await.retain(|other| other.token != token);
                }
            }
        }
    };
    let admit = |half: Half, stream: Async<UnixStream>| {
        // Of some at once, one is as good as all.
        let _ = doorway.used.try_send(());
        match crate::io::peer::check_own(&stream) {
            Ok(()) => executor.spawn(take(half, stream)).detach(),
            Err(error) => log::warn!("a connection was refused: {error}"),
        }
    };
    let accept_half = async |half: Half, listener: &Async<UnixListener>| {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => admit(half, stream),
                Err(error) => {
                    // Out of descriptors, say: others may be closed meanwhile.
                    log::warn!("no connection can be accepted: {error}");
                    Timer::after(LOOK_INTERVAL).await;
                }
            }
        }
    };
    let both = async {
        let mut current = doorway.listeners.recv().await;
        while let Ok(Listeners { stdin, stdout }) = current {
            let accept = async {
                futures::join!(accept_half(Half::Input, &stdin), accept_half(Half::Output, &stdout));
                pending().await
            };
            current = or(doorway.listeners.recv(), accept).await;
            // Who has connected to these already is not sent away.
            for (half, listener) in [(Half::Input, &stdin), (Half::Output, &stdout)] {
                while let Ok((stream, _)) = listener.get_ref().accept() {
                    if let Ok(stream) = Async::new(stream) {
                        admit(half, stream);
                    }
                }
            }
        }
        pending().await
    };
    executor.run(both).await
}

async fn read_token(stream: &Async<UnixStream>) -> Option<(Token, Option<OwnedFd>)> {
    let mut token = [0; TOKEN_BYTES];
    let read = async {
        let (mut count, mut lent) = (0, None);
        while count < TOKEN_BYTES {
            let received = stream.read_with(|stream| Ok(passing::receive(stream, &mut token[count..])?));
            let (more, passed) = received.await?;
            if more == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            count += more;
            lent = lent.or(passed);
        }
        io::Result::Ok(lent)
    };
    let late = async {
        Timer::after(PAIR_TIMEOUT).await;
        Err(io::ErrorKind::TimedOut.into())
    };
    let lent = or(read, late).await.ok()?;
    Some((token, lent))
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
    let token = new.token;
    let (input, output) = match (partner.half, new.half) {
        (Half::Input, Half::Output) => (partner, new),
        (Half::Output, Half::Input) => (new, partner),
        (Half::Input, Half::Input) | (Half::Output, Half::Output) => return None,
    };
    let is_near = input.lent.is_some() && says_near(&input.stream);
    match (input.lent, output.lent) {
        (Some(lent_input), Some(lent_output)) if can_wait_for(&lent_input, &lent_output) => {
            let attachment = take_over(lent_input, lent_output, output.stream, token).ok()?;
            Some(Attachment { is_near, ..attachment })
        }
        _ => Some(Attachment {
            input: into_polled(input.stream).ok()?,
            output: into_polled(output.stream).ok()?,
            lender: None,
            is_near: false,
            token,
        }),
    }
}

/// Whether the byte that may come along with a loan has come. Nothing else is ever written there.
fn says_near(stream: &Async<UnixStream>) -> bool {
    let mut word = [0];
    matches!(rustix::io::read(stream, &mut word), Ok(1)) && word == [NEAR]
}

fn can_wait_for(input: &OwnedFd, output: &OwnedFd) -> bool {
    let is_pipe = |fd| is_pipe(fd).unwrap_or(false);
    is_pipe(input) && is_pipe(output)
}

/// Uses the proxy's own streams, and tells it so.
fn take_over(
    input: OwnedFd,
    output: OwnedFd,
    proxy: Async<UnixStream>,
    token: Token,
) -> io::Result<Attachment> {
    // Both are asked first: they may be one and the same.
    let (input_mode, output_mode) = (Mode::of(&input)?, Mode::of(&output)?);
    let lender = into_polled(proxy)?;
    rustix::io::write(&lender, &[TAKEN])?;
    Ok(Attachment {
        input: Polled::lent(input, input_mode)?,
        output: Polled::lent(output, output_mode)?,
        lender: Some(lender),
        is_near: false,
        token,
    })
}

fn into_polled(stream: Async<UnixStream>) -> io::Result<Polled> {
    Polled::new(OwnedFd::from(stream.into_inner()?))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::proto::limits::TOKEN_BYTES;

    /// A half that came with a token, and the proxy's end of it.
    fn half(half: Half, token: u8, lent: Option<OwnedFd>) -> (Lone, UnixStream) {
        let (proxy, stream) = UnixStream::pair().unwrap();
        let stream = Async::new(stream).unwrap();
        (Lone { token: [token; TOKEN_BYTES], half, stream, lent }, proxy)
    }

    fn pipe() -> OwnedFd {
        rustix::pipe::pipe().unwrap().0
    }

    #[test]
    fn only_two_halves_of_one_token_are_an_attachment() {
        smol::block_on(async {
            let lone = Mutex::new(Vec::new());
            for (new, is_complete) in [
                (half(Half::Input, 1, None), false),
                (half(Half::Output, 2, None), false),
                (half(Half::Output, 1, None), true),
                // The same half twice is nobody's.
                (half(Half::Output, 2, None), false),
                (half(Half::Input, 2, None), false),
            ] {
                assert_eq!(pair(&lone, new.0).await.is_some(), is_complete);
            }
        });
    }

    #[test]
    fn streams_are_taken_if_both_are_there_and_can_be_waited_for() {
        let file = || OwnedFd::from(tempfile::tempfile().unwrap());
        smol::block_on(async {
            for (input, output, is_taken) in [
                (Some(pipe()), Some(pipe()), true),
                (Some(pipe()), None, false),
                (None, Some(pipe()), false),
                (Some(file()), Some(pipe()), false),
                (Some(pipe()), Some(file()), false),
                (None, None, false),
            ] {
                let lone = Mutex::new(Vec::new());
                let (first, _stays) = half(Half::Input, 1, input);
                let (second, mut told) = half(Half::Output, 1, output);
                assert!(pair(&lone, first).await.is_none());
                let attachment = pair(&lone, second).await.unwrap();
                assert_eq!(attachment.lender.is_some(), is_taken);
                drop(attachment);
                let mut word = Vec::new();
                told.read_to_end(&mut word).unwrap();
                assert_eq!(word, if is_taken { vec![TAKEN] } else { vec![] });
            }
        });
    }
}
