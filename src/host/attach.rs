//! The proxy's way into a server: two connections that name themselves as one.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use futures::AsyncWriteExt;
use smol::Async;

use super::paths::Place;
use super::record::Record;
use super::sockets::Sockets;
use crate::io::{peer, random};
use crate::proto::InstanceId;
use crate::proto::limits::TOKEN_BYTES;

/// Both halves of an attachment, non-blocking.
#[derive(Debug)]
pub struct Attached {
    /// To the server.
    pub to_server: UnixStream,
    /// From the server.
    pub from_server: UnixStream,
    /// The server, if it has left word of itself by now.
    pub instance: Option<InstanceId>,
}

/// Connects to both sockets of the server that lives in this place.
///
/// # Errors
///
/// One sentence; it may work a moment later.
pub async fn attach(place: &Place) -> Result<Attached, String> {
    let record = place.find().ok().flatten().and_then(|directory| Record::read(place, &directory));
    let instance = record.as_ref().map(|record| record.instance);
    // Where the server says that they are, or where they would be if it has not said so yet.
    let Sockets { stdin, stdout } =
        record.and_then(|record| record.sockets()).unwrap_or_else(|| place.sockets.clone());
    let token: [u8; TOKEN_BYTES] = random::bytes();
    let to_server = connect(&stdin, &token).await.map_err(|error| failure(&stdin, &error))?;
    let from_server = connect(&stdout, &token).await.map_err(|error| failure(&stdout, &error))?;
    Ok(Attached { to_server, from_server, instance })
}

async fn connect(path: &PathBuf, token: &[u8]) -> io::Result<UnixStream> {
    let mut stream = Async::<UnixStream>::connect(path).await?;
    peer::check_own(&stream)?;
    stream.write_all(token).await?;
    stream.into_inner()
}

fn failure(path: &Path, error: &io::Error) -> String {
    format!("the socket {path:?} cannot be connected to: {error}")
}
