//! Where a hosted program finds the agent that keeps the keys of whoever is attached.
//!
//! An agent that ssh forwards ends with its login, and the program lives on. So the program is given a path
//! that stays, beside the server's sockets: a link, which leads to the agent of the login that attached last.
//! A proxy leaves word of its login's agent, under the token that its attachment has; the server takes it
//! once the client is let in, and not before: who is turned away changes nothing.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use super::directory::{Directory, DirectoryError};
use super::link;
use super::paths::Place;
use super::sockets::{AGENT, Sockets};
use crate::proto::limits::TOKEN_BYTES;

/// The variable by which programs find an agent.
pub const VARIABLE: &str = "SSH_AUTH_SOCK";

/// What one attachment is known by.
pub type Token = [u8; TOKEN_BYTES];

/// The path that stays.
#[derive(Debug)]
pub struct Agent {
    path: PathBuf,
    /// Where it leads; nowhere before a login with an agent has come.
    target: Option<PathBuf>,
}

/// What a proxy leaves for its server; gone when this is dropped, taken or not.
#[derive(Debug)]
pub struct Letter {
    directory: Directory,
    name: OsString,
}

/// The agent of our own login, if it has one.
fn own() -> Option<PathBuf> {
    std::env::var_os(VARIABLE).map(PathBuf::from).filter(|path| path.is_absolute())
}

fn letter_name(place: &Place, token: &Token) -> OsString {
    // That of a draft: one that nobody took is removed with the others.
    place.name(&format!(".{:032x}.agent.draft", u128::from_be_bytes(*token)))
}

impl Letter {
    /// Leaves it, if there is an agent to tell of. Without it the program keeps the one that it has.
    pub fn leave(place: &Place, token: &Token) -> Option<Self> {
        let target = own()?;
        let directory = place.find().ok()??;
        let name = letter_name(place, token);
        link::put(&directory, &name, &target).ok()?;
        Some(Letter { directory, name })
    }
}

/// Removes what a proxy left, which may not have lived to do so itself.
pub fn forget(place: &Place, token: &Token) {
    if let Ok(Some(directory)) = place.find() {
        let _ = directory.remove(&letter_name(place, token));
    }
}

impl Drop for Letter {
    fn drop(&mut self) {
        let _ = self.directory.remove(&self.name);
    }
}

impl Agent {
    /// Beside these sockets, leading to the agent of who starts us; `None` where others may have files.
    pub fn beside(place: &Place, sockets: &Sockets) -> Option<Self> {
        let directory = sockets.stdin.parent().filter(|_| place.is_private())?;
        let mut agent = Agent { path: directory.join(AGENT), target: None };
        agent.lead_to(own());
        Some(agent)
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Leads to the agent of the login that is let in, if its proxy left word of one.
    pub fn renew(&mut self, place: &Place, token: &Token) {
        let Ok(Some(directory)) = place.find() else {
            return;
        };
        let name = letter_name(place, token);
        if let Some(target) = link::target(&directory, &name) {
            let _ = directory.remove(&name);
            self.lead_to(Some(target));
        }
    }

    fn lead_to(&mut self, target: Option<PathBuf>) {
        // A client that runs in the session itself has no other agent than this.
        if let Some(target) = target.filter(|target| *target != self.path) {
            self.target = Some(target);
            if let Err(error) = self.keep() {
                log::warn!("the program cannot be led to the agent of its client: {error}");
            }
        }
    }

    /// Puts the link back if it is not as it should be.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn keep(&self) -> io::Result<()> {
        let (Some(target), Some(parent)) = (&self.target, self.path.parent()) else {
            return Ok(());
        };
        let directory = Directory::find(parent).map_err(io::Error::other)?;
        let directory =
            directory.ok_or_else(|| io::Error::other(DirectoryError::Missing(parent.to_owned())))?;
        let name = AGENT.as_ref();
        if link::target(&directory, name).as_ref() == Some(target) {
            return Ok(());
        }
        directory.make_way(name)?;
        link::put(&directory, name, target)
    }

    /// Removes the link.
    pub fn remove(&self) {
        if std::fs::read_link(&self.path).is_ok() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::paths::Root;

    #[test]
    fn it_leads_to_whoever_was_let_in_and_never_to_itself() {
        let home = tempfile::tempdir().unwrap();
        let place = Place::below(Root::below(home.path().to_owned()).unwrap(), &"w".parse().unwrap());
        let directory = place.create().unwrap();
        let path = place.directory().join(AGENT);
        let mut agent = Agent { path: path.clone(), target: None };
        agent.keep().unwrap();
        assert!(std::fs::read_link(&path).is_err(), "there is nowhere to lead to");
        let leave = |token: u8, target: &Path| {
            link::put(&directory, &letter_name(&place, &[token; TOKEN_BYTES]), target).unwrap();
        };
        leave(1, Path::new("/tmp/one"));
        leave(2, Path::new("/tmp/two"));
        leave(3, &path);
        for (token, expected) in [(2, "/tmp/two"), (9, "/tmp/two"), (3, "/tmp/two"), (1, "/tmp/one")] {
            agent.renew(&place, &[token; TOKEN_BYTES]);
            assert_eq!(std::fs::read_link(&path).unwrap(), Path::new(expected), "{token}");
        }
        assert_eq!(directory.names().unwrap(), [AGENT], "every letter was taken");
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        agent.keep().unwrap();
        assert_eq!(std::fs::read_link(&path).unwrap(), Path::new("/tmp/one"));
        leave(4, Path::new("/tmp/four"));
        forget(&place, &[4; TOKEN_BYTES]);
        agent.remove();
        assert!(directory.names().unwrap().is_empty());
        let elsewhere = Place::beside(&home.path().join("x.pid")).unwrap();
        assert!(Agent::beside(&elsewhere, &elsewhere.sockets).is_none());
    }
}
