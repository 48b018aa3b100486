//! A server that is being started by this proxy: our own executable once more, until it has said
//! that it is ready, or why not.
//!
//! ```text
//! stdin    the starter lock: the server lets go of it once it holds its own
//! stdout   the pipe on which it says one line: `ready` and its instance, or the reason
//! stderr   the log
//! ```
//!
//! What the child does is left to [`life`](super::life).

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use bytes::BytesMut;
use smol::Async;

use super::lock::StarterLock;
use super::paths::Place;
use super::{descriptors, log};
use crate::io::child::{FOUND_MARK, TRANSPORT_MARK};
use crate::proto::InstanceId;
use crate::proto::limits::READY_LINE_BYTES_MAX;

/// What a server says when it is ready, before its instance.
const READY: &str = "ready ";

/// The line of a server that is ready.
pub fn ready_line(instance: InstanceId) -> String {
    format!("{READY}{instance}")
}

/// A child that is to become a server.
#[derive(Debug)]
pub struct Spawned {
    child: Child,
    log: File,
    log_start: u64,
}

impl Spawned {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// One sentence.
    pub fn start(
        place: &Place,
        arguments: &[OsString],
        starter: &StarterLock,
    ) -> Result<(Self, OwnedFd), String> {
        let log = log::open(&place.log)
            .map_err(|error| format!("the log {:?} cannot be opened: {error}", place.log))?;
        let failed = |error: io::Error| format!("a process for the server cannot be started: {error}");
        let log_start = log.metadata().map_err(failed)?.len();
        let program = std::env::current_exe().map_err(failed)?;
        descriptors::keep_to_ourselves();
        // Not in a process group of its own: whoever leads one cannot lead a session.
        let mut child = Command::new(program)
            .args(arguments)
            .env_remove(TRANSPORT_MARK)
            .env_remove(FOUND_MARK)
            .stdin(starter.copy().map_err(failed)?)
            .stdout(Stdio::piped())
            .stderr(log.try_clone().map_err(failed)?)
            .spawn()
            .map_err(failed)?;
        let line = OwnedFd::from(child.stdout.take().expect("it was piped"));
        Ok((Spawned { child, log, log_start }, line))
    }

    /// What the child's silence is reported as: the last it wrote into its log.
    pub fn last_word(&mut self) -> String {
        let word = log::last_line(&mut self.log, self.log_start);
        word.unwrap_or_else(|| "it ended without saying why".to_owned())
    }

    /// Ends it.
    pub fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Leaves it to itself; reaps it should it end while we live.
    pub fn release(mut self) {
        std::thread::spawn(move || self.child.wait());
    }
}

/// Waits for the child's line.
///
/// # Errors
///
/// The reason why it is not ready; empty if it ended without one.
pub async fn wait_ready(line: OwnedFd) -> Result<InstanceId, String> {
    let pipe = Async::new(line).map_err(|error| error.to_string())?;
    let mut said = BytesMut::new();
    while !said.contains(&b'\n') && said.len() < READY_LINE_BYTES_MAX {
        let read = pipe.read_with(|pipe| crate::io::fd::read_now(pipe, &mut said).map_err(io::Error::from));
        if read.await.map_err(|error| error.to_string())? == 0 {
            break;
        }
    }
    let said = String::from_utf8_lossy(&said);
    let line = said.lines().next().unwrap_or_default().trim();
    line.strip_prefix(READY).and_then(|instance| instance.parse().ok()).ok_or_else(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(said: &[u8]) -> Result<InstanceId, String> {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        rustix::io::write(&writer, said).unwrap();
        drop(writer);
        smol::block_on(wait_ready(reader))
    }

    #[test]
    fn one_line_tells() {
        let ready = ready_line(InstanceId(7));
        assert_eq!(after(format!("{ready}\n").as_bytes()), Ok(InstanceId(7)));
        assert_eq!(after(b"no such command\nmore\n"), Err("no such command".to_owned()));
        assert_eq!(after(b"cut in the mid"), Err("cut in the mid".to_owned()));
        assert_eq!(after(&ready.as_bytes()[..20]), Err(ready[..20].to_owned()));
        assert_eq!(after(b""), Err(String::new()));
        assert!(after(&[b'x'; READY_LINE_BYTES_MAX]).is_err());
    }

    #[test]
    fn ready_is_told_though_others_hold_the_pipe() {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        rustix::io::write(&writer, format!("{}\n", ready_line(InstanceId(7))).as_bytes()).unwrap();
        assert_eq!(smol::block_on(wait_ready(reader)), Ok(InstanceId(7)));
        drop(writer);
    }
}
