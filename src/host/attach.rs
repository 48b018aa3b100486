//! The proxy's way into a server: two connections that name themselves as one, and may bring the
//! proxy's own standard streams along.

use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use smol::future::or;
use smol::{Async, Timer};

use super::agent::Token;
use super::bell;
#[cfg(target_os = "linux")]
use super::lock::probe;
use super::paths::Place;
use super::proof;
use super::record::Record;
use super::sockets::Sockets;
use crate::io::mode::is_pipe;
use crate::io::{passing, peer, random};
use crate::proto::InstanceId;
use crate::proto::limits::RELEASE_WAIT;
#[cfg(target_os = "linux")]
use crate::session::launch::{Holder, Lock};

/// What a proxy writes after the token along with its input, if nothing is between it and its client
/// that could end without either.
pub const NEAR: u8 = 1;

/// Both halves of an attachment, non-blocking.
#[derive(Debug)]
pub struct Attached {
    /// To the server.
    pub to_server: UnixStream,
    /// From the server.
    pub from_server: UnixStream,
    /// The server, if it has left word of itself by now.
    pub instance: Option<InstanceId>,
    /// What both halves are known by.
    pub token: Token,
}

/// A proxy's standard input and output, for the server to read and write itself.
#[derive(Clone, Copy, Debug)]
pub struct Loan<'fd> {
    /// What the client writes.
    pub input: BorrowedFd<'fd>,
    /// What the client reads.
    pub output: BorrowedFd<'fd>,
    /// They are the client's own.
    pub is_near: bool,
}

impl<'fd> Loan<'fd> {
    /// Offers them, if a server can wait for them: if they are pipes or sockets.
    pub fn of(input: BorrowedFd<'fd>, output: BorrowedFd<'fd>, is_near: bool) -> Option<Self> {
        let is_pipe = |fd| is_pipe(fd).unwrap_or(false);
        (is_pipe(input) && is_pipe(output)).then_some(Loan { input, output, is_near })
    }
}

impl Attached {
    /// Names the two connections as one, and passes along what is lent; the server begins to speak.
    ///
    /// # Errors
    ///
    /// Those of the sockets: the server has ended.
    pub fn introduce(&self, loan: Option<Loan<'_>>) -> io::Result<()> {
        let token = &self.token;
        let mut input_words = token.to_vec();
        input_words.extend(loan.filter(|loan| loan.is_near).map(|_| NEAR));
        for (socket, words, lent) in [
            (&self.to_server, &input_words[..], loan.map(|loan| loan.input)),
            (&self.from_server, &token[..], loan.map(|loan| loan.output)),
        ] {
            // It fits: nothing was written there before.
            if passing::send(socket, words, lent)? != words.len() {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }
}

/// Connects to both sockets of the server that lives in this place; it must be `expected`, if that
/// is known.
///
/// # Errors
///
/// One sentence; it may work a moment later.
pub async fn attach(place: &Place, expected: Option<InstanceId>) -> Result<Attached, String> {
    let record = read_record(place);
    let instance = record.as_ref().map(|record| record.instance);
    // Where the server says that they are, or where they would be if it has not said so yet.
    let Sockets { stdin, stdout } =
        record.and_then(|record| record.sockets()).unwrap_or_else(|| place.sockets.clone());
    let connected = async {
        let to_server = connect(&stdin).await.map_err(|error| failure(&stdin, &error))?;
        let from_server = connect(&stdout).await.map_err(|error| failure(&stdout, &error))?;
        check_holder(place, [&to_server, &from_server])?;
        Ok((to_server, from_server))
    };
    let (to_server, from_server) = match connected.await {
        Ok(connected) => connected,
        Err(why) => {
            ask_to_listen(place).await;
            return Err(why);
        }
    };
    // A record goes before its server's successor starts: one that is still there was meant.
    let instance_now = read_record(place).map(|record| record.instance);
    if instance_now != instance || expected.is_some() && instance != expected {
        return Err("another server has taken the place of the one that was meant".to_owned());
    }
    Ok(Attached { to_server, from_server, instance, token: random::bytes() })
}

/// Somebody may have removed the sockets of a server that lives. It makes them anew when it is told, and a
/// moment later there is something to connect to.
async fn ask_to_listen(place: &Place) {
    let late = async {
        Timer::after(RELEASE_WAIT).await;
        true
    };
    if !or(bell::ring(place), late).await {
        proof::ask_to_look(place);
    }
}

/// Whoever listens there must be the server, where the kernel tells: another process of this user may have put
/// its own sockets in place of the server's.
#[cfg(target_os = "linux")]
fn check_holder(place: &Place, sockets: [&UnixStream; 2]) -> Result<(), String> {
    let Ok(Lock::Held(Holder::Pid(holder))) = probe(place) else {
        return Ok(());
    };
    let is_other = |socket| matches!(peer::peer_pid(socket), Ok(Some(pid)) if pid != holder);
    match sockets.into_iter().any(is_other) {
        true => Err("another process listens on a socket of the server's".to_owned()),
        false => Ok(()),
    }
}

#[cfg(not(target_os = "linux"))]
fn check_holder(_: &Place, _: [&UnixStream; 2]) -> Result<(), String> {
    Ok(())
}

fn read_record(place: &Place) -> Option<Record> {
    place.find().ok().flatten().and_then(|directory| Record::read(place, &directory))
}

async fn connect(path: &PathBuf) -> io::Result<UnixStream> {
    let stream = Async::<UnixStream>::connect(path).await?;
    peer::check_own(&stream)?;
    stream.into_inner()
}

fn failure(path: &Path, error: &io::Error) -> String {
    format!("the socket {path:?} cannot be connected to: {error}")
}
