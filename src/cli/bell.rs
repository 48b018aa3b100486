//! A bell at each client: a socket by which `reattach retry` reaches it, and nobody else's.
//!
//! ```text
//! $XDG_RUNTIME_DIR/reattach/clients/<random>.bell
//! /tmp/reattach-<user>/clients/<random>.bell         where that is not a private directory, or too long
//! ```
//!
//! The directories are this user's alone, and the kernel is asked who is at the other end. A line goes
//! there (`retry`, or `retry NAME`) and a line comes back: who was meant, as JSON, or `null`. A bell
//! whose client was killed is taken down by whoever finds that nobody answers it.

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use futures::{StreamExt, stream};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};
use serde::{Deserialize, Serialize};
use smol::future::or;

use super::keyboard::Echo;
use crate::client::Client;
use crate::host::directory::{Directory, DirectoryError};
use crate::host::sockets::short_directory;
use crate::io::peer::check_own;
use crate::io::polled::Polled;
use crate::io::sleep::Sleep;
use crate::io::{clock, random};
use crate::proto::limits::{
    BELL_DRAFT_SECONDS, BELL_LINE_BYTES_MAX, BELL_TIMEOUT, BELLS_RUNG_AT_ONCE, BELLS_RUNG_MAX,
    BELLS_SWEPT_MAX, SOCKET_PATH_BYTES_MAX,
};

const OURS: &str = "reattach";
const CLIENTS: &str = "clients";
/// What a bell's name ends with, and before that works.
const BELL: &str = ".bell";
const DRAFT: &str = ".draft";

/// Who answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The session's name.
    pub identifier: String,
    /// Where it is hosted.
    pub host: String,
    /// The state that the client was in.
    pub state: String,
}

/// What came of ringing.
#[derive(Debug, Default, Serialize)]
pub struct Rung {
    /// Those who try now.
    pub reached: Vec<Answer>,
    /// Clients that are there and do not answer.
    pub silent: usize,
}

/// A client's own bell; taken down when dropped.
#[derive(Debug)]
pub struct Bell {
    listener: Polled,
    path: PathBuf,
    hall: Hall,
}

/// Where bells may hang.
#[derive(Clone, Debug)]
enum Hall {
    /// In this directory of the user's session.
    Session(PathBuf),
    /// In the short directory that is always there.
    Short,
}

impl Hall {
    /// Those to try, the best first.
    fn all() -> Vec<Self> {
        let given = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        // As systemd has it, for whoever is asked from outside of a session: by cron, say.
        let usual = || PathBuf::from(format!("/run/user/{}", rustix::process::geteuid().as_raw()));
        let session = given.filter(|path| path.is_absolute()).unwrap_or_else(usual);
        vec![Hall::Session(session), Hall::Short]
    }

    fn create(&self) -> Result<Directory, DirectoryError> {
        let parent = match self {
            Hall::Session(path) => {
                let session = Directory::find(path)?.ok_or_else(|| DirectoryError::Missing(path.clone()))?;
                session.create_in(OsStr::new(OURS))?
            }
            Hall::Short => Directory::create(&short_directory())?,
        };
        parent.create_in(OsStr::new(CLIENTS))
    }

    /// The directory that it is in, and the one of all bells; none if nobody was ever here.
    fn find(&self) -> Result<Option<Directory>, DirectoryError> {
        let parent = match self {
            Hall::Session(path) => match Directory::find(path)? {
                Some(session) => session.find_in(OsStr::new(OURS))?,
                None => None,
            },
            Hall::Short => Directory::find(&short_directory())?,
        };
        parent.map_or(Ok(None), |parent| parent.find_in(OsStr::new(CLIENTS)))
    }

    /// Removes the directories, unless they are in use.
    fn remove(&self) {
        let parent = match self {
            Hall::Session(path) => path.join(OURS),
            Hall::Short => short_directory(),
        };
        let _ = std::fs::remove_dir(parent.join(CLIENTS));
        if let Hall::Session(_) = self {
            let _ = std::fs::remove_dir(parent);
        }
    }
}

impl Bell {
    /// Hangs one for this process.
    ///
    /// # Errors
    ///
    /// Why there can be none, in one sentence. A client does without.
    pub fn hang() -> Result<Self, String> {
        let mut why = String::new();
        for hall in Hall::all() {
            match Self::hang_in(&hall) {
                Ok(bell) => return Ok(bell),
                Err(error) => why = error,
            }
        }
        Err(why)
    }

    fn hang_in(hall: &Hall) -> Result<Self, String> {
        let mut tries = 0..3;
        loop {
            let hung = hall.create().map_err(|error| error.to_string()).and_then(|directory| {
                sweep(&directory);
                listen(&directory).map_err(|error| format!("no socket in {:?}: {error}", directory.path()))
            });
            match hung {
                Ok((listener, path)) => return Ok(Bell { listener, path, hall: hall.clone() }),
                // The last client that was here has just removed the directory.
                Err(why) if tries.next().is_none() => return Err(why),
                Err(_) => {}
            }
        }
    }

    /// Answers whoever rings, for as long as it is polled.
    pub(super) async fn answer(&self, client: &Client, echo: &Echo, identifier: &str, host: &str) {
        loop {
            match rustix::net::accept(&self.listener) {
                Ok(caller) => {
                    let late = async {
                        Sleep::after(BELL_TIMEOUT).await;
                        Err(io::ErrorKind::TimedOut.into())
                    };
                    if let Err(error) = or(talk(caller, client, echo, identifier, host), late).await {
                        log::debug!("whoever rang was not answered: {error}");
                    }
                }
                Err(Errno::AGAIN) => {
                    if self.listener.readable().await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    log::debug!("nobody can be let in now: {error}");
                    Sleep::after(BELL_TIMEOUT).await;
                }
            }
        }
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
        self.hall.remove();
    }
}

/// Makes the socket; it has its name only once it can be reached, so that it is not taken for one that
/// was left behind.
fn listen(directory: &Directory) -> io::Result<(Polled, PathBuf)> {
    let token = u64::from_le_bytes(random::bytes());
    let [draft, name] = [DRAFT, BELL].map(|ending| directory.path().join(format!("{token:016x}{ending}")));
    if draft.as_os_str().len() > SOCKET_PATH_BYTES_MAX {
        return Err(io::Error::other("its path is too long for one"));
    }
    let listener = UnixListener::bind(&draft)?;
    let ready = || {
        std::fs::set_permissions(&draft, std::fs::Permissions::from_mode(0o600))?;
        let listener = Polled::new(OwnedFd::from(listener))?;
        std::fs::rename(&draft, &name)?;
        Ok(listener)
    };
    match ready() {
        Ok(listener) => Ok((listener, name)),
        Err(error) => {
            let _ = std::fs::remove_file(&draft);
            Err(error)
        }
    }
}

/// Takes down some of the bells that nobody answers: killed clients leave them.
fn sweep(directory: &Directory) {
    let names = directory.names().unwrap_or_default();
    let first = usize::from(u16::from_le_bytes(random::bytes())) % names.len().max(1);
    for name in names.iter().cycle().skip(first).take(names.len().min(BELLS_SWEPT_MAX)) {
        // Whoever is there sees somebody who rings and walks away.
        let _ = reach(directory, name);
    }
}

/// Connects to a bell; none if nobody will ever answer it, which is then gone.
fn reach(directory: &Directory, name: &OsStr) -> io::Result<Option<Polled>> {
    let path = directory.path().join(name);
    let is_draft = name.as_bytes().ends_with(DRAFT.as_bytes());
    if is_draft {
        let made = std::fs::symlink_metadata(&path)?.mtime();
        let age = clock::unix_seconds().saturating_sub(u64::try_from(made).unwrap_or(0));
        if age > BELL_DRAFT_SECONDS {
            directory.remove(name)?;
        }
    }
    if is_draft || !name.as_bytes().ends_with(BELL.as_bytes()) {
        return Ok(None);
    }
    let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
    let socket = Polled::new(socket)?;
    match rustix::net::connect(&socket, &SocketAddrUnix::new(&path)?) {
        Ok(()) => {}
        Err(Errno::CONNREFUSED) => {
            directory.remove(name)?;
            return Ok(None);
        }
        // It was taken down meanwhile.
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(errno.into()),
    }
    check_own(&socket)?;
    Ok(Some(socket))
}

/// Rings at all clients of this user, or at those with that name.
pub async fn ring(identifier: Option<&str>) -> Rung {
    let mut rung = Rung::default();
    for hall in Hall::all() {
        let directory = match hall.find() {
            Ok(Some(directory)) => directory,
            Ok(None) => continue,
            Err(error) => {
                log::debug!("no client can be reached there: {error}");
                continue;
            }
        };
        let names = directory.names().unwrap_or_default().into_iter().take(BELLS_RUNG_MAX);
        let asked = names.map(|name| {
            let directory = &directory;
            async move { ask(directory, &name, identifier).await }
        });
        let mut asked = stream::iter(asked).buffered(BELLS_RUNG_AT_ONCE);
        while let Some(answer) = asked.next().await {
            match answer {
                Ok(answer) => rung.reached.extend(answer),
                Err(error) => {
                    log::debug!("a client does not answer: {error}");
                    rung.silent += 1;
                }
            }
        }
        drop(asked);
        drop(directory);
        hall.remove();
    }
    rung
}

/// Asks one client to try now; its answer, if it was meant.
async fn ask(directory: &Directory, name: &OsStr, identifier: Option<&str>) -> io::Result<Option<Answer>> {
    let Some(socket) = reach(directory, name)? else {
        return Ok(None);
    };
    let request = identifier.map_or_else(|| "retry\n".to_owned(), |name| format!("retry {name}\n"));
    let talk = async {
        write(&socket, &request)?;
        Ok(serde_json::from_str(&read_line(&socket).await?)?)
    };
    or(talk, async {
        Sleep::after(BELL_TIMEOUT).await;
        Err(io::ErrorKind::TimedOut.into())
    })
    .await
}

/// The client's side of it.
async fn talk(caller: OwnedFd, client: &Client, echo: &Echo, identifier: &str, host: &str) -> io::Result<()> {
    check_own(&caller)?;
    rustix::io::fcntl_setfd(&caller, rustix::io::FdFlags::CLOEXEC)?;
    let caller = Polled::new(caller)?;
    let line = match read_line(&caller).await {
        Ok(line) => line,
        // Whoever looks for bells that nobody answers walks away.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
        Err(error) => return Err(error),
    };
    let is_meant = line == "retry" || line.strip_prefix("retry ") == Some(identifier);
    let answer = is_meant.then(|| Answer {
        identifier: identifier.to_owned(),
        host: host.to_owned(),
        state: client.status().to_string(),
    });
    if is_meant {
        echo.unless_asked(client, Client::retry);
    }
    write(&caller, &format!("{}\n", serde_json::to_string(&answer)?))
}

/// A line, without its end.
async fn read_line(socket: &Polled) -> io::Result<String> {
    let mut line = Vec::new();
    let mut chunk = [0; BELL_LINE_BYTES_MAX];
    loop {
        match rustix::io::read(socket, &mut chunk) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => line.extend_from_slice(&chunk[..count]),
            Err(Errno::AGAIN) => socket.readable().await?,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        if let Some(line) = line.strip_suffix(b"\n") {
            return String::from_utf8(line.to_owned()).map_err(|_| io::ErrorKind::InvalidData.into());
        }
        if line.len() > BELL_LINE_BYTES_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
}

/// Writes a line, which every socket has room for.
fn write(socket: &Polled, line: &str) -> io::Result<()> {
    match rustix::io::retry_on_intr(|| rustix::io::write(socket, line.as_bytes()))? {
        count if count == line.len() => Ok(()),
        _ => Err(io::ErrorKind::WriteZero.into()),
    }
}
