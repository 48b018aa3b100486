//! Where a server's files are.
//!
//! ```text
//! $HOME/.local/state/reattach/.host    one half of the host's name
//! $HOME/.local/state/reattach/<identifier>/
//!     server.pid         the lock; the number in it is for people
//!     server.lock        where the system needs it: the lock's second half
//!     server.start       the lock that serialises starters
//!     server.json        the record
//!     server.exit.json   the tombstone; while the server lives, room for it is in a draft
//!     server.stop.json   what a stopper leaves word of before it sends a signal
//!     server.seat.json   who is attached, or was
//!     server.log         the log
//!     agent.sock         a link to the agent of whoever is attached
//!     stdin.sock         what proxies write to
//!     stdout.sock        what proxies read from
//! ```
//!
//! What the files mean is left to their own modules.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::directory::{Directory, DirectoryError};
use super::identifier::Identifier;
use super::seat;
use super::sockets::{AGENT, Sockets};

/// From the home directory to all servers.
const STATE: [&str; 2] = [".local", "state"];
const OURS: &str = "reattach";

/// The directory of all servers of this user.
#[derive(Clone, Debug)]
pub struct Root {
    home: PathBuf,
}

impl Root {
    /// The one below `$HOME`; without that, below what the account database says.
    ///
    /// # Errors
    ///
    /// If neither says where that is.
    pub fn from_env() -> Result<Self, DirectoryError> {
        let home = std::env::home_dir().filter(|home| !home.as_os_str().is_empty());
        Self::below(home.ok_or(DirectoryError::HomeUnset)?)
    }

    /// The home directory itself.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// The one below that home directory.
    ///
    /// # Errors
    ///
    /// If that is no absolute path.
    pub fn below(home: PathBuf) -> Result<Self, DirectoryError> {
        if home.is_absolute() { Ok(Root { home }) } else { Err(DirectoryError::HomeRelative(home)) }
    }

    /// Its path.
    pub fn path(&self) -> PathBuf {
        let mut path = self.home.clone();
        path.extend(STATE);
        path.join(OURS)
    }

    /// Opens it; `None` if no server was ever started.
    ///
    /// # Errors
    ///
    /// If it is not ours alone, or the home directory itself is missing: then nothing can be said
    /// about servers.
    pub fn find(&self) -> Result<Option<Directory>, DirectoryError> {
        let found = Directory::find(&self.path());
        if matches!(found, Ok(None) | Err(DirectoryError::NotDirectory(_))) {
            self.check_home()?;
        }
        found
    }

    fn check_home(&self) -> Result<(), DirectoryError> {
        match std::fs::metadata(&self.home) {
            Ok(home) if !home.is_dir() => Err(DirectoryError::HomeNotDirectory(self.home.clone())),
            Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
                Err(DirectoryError::HomeNotDirectory(self.home.clone()))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(DirectoryError::Missing(self.home.clone()))
            }
            Err(source) => Err(DirectoryError::Refused { path: self.home.clone(), action: "opened", source }),
            Ok(_) => Ok(()),
        }
    }

    /// Opens it, made if it is not there.
    ///
    /// # Errors
    ///
    /// As [`Root::find`], or if it cannot be made.
    pub fn create(&self) -> Result<Directory, DirectoryError> {
        self.check_home()?;
        // These two belong to the user's other programs as well, and may be links to elsewhere.
        let mut path = self.home.clone();
        for name in STATE {
            path.push(name);
            match std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), 0o700).create(&path)
            {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(DirectoryError::Refused { path, action: "made", source }),
            }
        }
        Directory::create(&path.join(OURS))
    }
}

/// Where one server's files are.
#[derive(Clone, Debug)]
pub struct Place {
    root: Option<Root>,
    identifier: Option<Identifier>,
    directory: PathBuf,
    /// What the files' names begin with.
    stem: OsString,
    /// Where the log is.
    pub log: PathBuf,
    /// Where the sockets are, unless the record says otherwise.
    pub sockets: Sockets,
}

impl Place {
    /// That of an identifier.
    ///
    /// # Errors
    ///
    /// If nothing says where the home directory is.
    pub fn of(identifier: &Identifier) -> Result<Self, DirectoryError> {
        Ok(Self::below(Root::from_env()?, identifier))
    }

    /// That of an identifier, below another home directory.
    pub fn below(root: Root, identifier: &Identifier) -> Self {
        let directory = root.path().join(identifier.as_str());
        Place {
            root: Some(root),
            identifier: Some(identifier.clone()),
            log: directory.join("server.log"),
            sockets: Sockets::of(&directory),
            directory,
            stem: "server".into(),
        }
    }

    /// That of a server started by hand, beside its pid file, after which the files are named.
    pub fn beside(pid_file: &Path) -> Option<Self> {
        let stem = pid_file.file_stem()?.to_owned();
        if pid_file.extension() != Some(OsStr::new("pid")) {
            return None;
        }
        let directory = match pid_file.parent()? {
            parent if parent.as_os_str().is_empty() => Path::new("."),
            parent => parent,
        };
        let directory = std::path::absolute(directory).ok()?;
        let mut place = Place {
            root: None,
            identifier: None,
            log: directory.clone(),
            sockets: Sockets::of(&directory),
            directory,
            stem,
        };
        place.log = place.directory.join(place.name(".log"));
        Some(place)
    }

    /// The directory that this one is in with others of its user, if it is.
    pub fn root(&self) -> Option<&Root> {
        self.root.as_ref()
    }

    /// The name, if it has one.
    pub fn identifier(&self) -> Option<&Identifier> {
        self.identifier.as_ref()
    }

    /// The directory's path, for people.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What this place can be told from others by, whatever becomes of its files: a directory that
    /// outlives them, and a name in that.
    pub fn anchor(&self) -> (&Path, &OsStr) {
        match (&self.root, &self.identifier) {
            (Some(root), Some(identifier)) => (&root.home, OsStr::new(identifier.as_str())),
            (None, _) | (_, None) => (&self.directory, &self.stem),
        }
    }

    /// Whether the directory is the server's alone; in another one there may be anybody's files.
    pub fn is_private(&self) -> bool {
        self.root.is_some()
    }

    /// The path of the server's lock.
    pub fn pid_file(&self) -> PathBuf {
        self.directory.join(self.name(".pid"))
    }

    /// The name of one of the files.
    pub fn name(&self, ending: &str) -> OsString {
        let mut name = self.stem.clone();
        name.push(ending);
        name
    }

    /// Whether that is a file of this server's that was not finished; others may be in the directory.
    pub fn is_draft(&self, name: &OsStr) -> bool {
        let (name, begin) = (name.as_bytes(), self.name("."));
        name.starts_with(begin.as_bytes()) && name.ends_with(b".draft")
    }

    /// Opens the directory and changes nothing; `None` if it is not there.
    ///
    /// # Errors
    ///
    /// If it is not ours alone.
    pub fn find(&self) -> Result<Option<Directory>, DirectoryError> {
        match &self.root {
            None => Directory::find(&self.directory),
            Some(root) => match root.find()? {
                None => Ok(None),
                Some(parent) => parent.find_in(self.last()),
            },
        }
    }

    /// Opens the directory, made if it is not there.
    ///
    /// # Errors
    ///
    /// If it is not ours, or cannot be made.
    pub fn create(&self) -> Result<Directory, DirectoryError> {
        match &self.root {
            None => Directory::create(&self.directory),
            Some(root) => root.create()?.create_in(self.last()),
        }
    }

    /// As [`Place::create`], in place of whatever else has the directory's name. Only for the server
    /// that lives there.
    ///
    /// # Errors
    ///
    /// As [`Place::create`].
    pub fn make_anew(&self) -> Result<Directory, DirectoryError> {
        let Some(root) = &self.root else {
            return Directory::create(&self.directory);
        };
        let parent = root.create()?;
        parent.make_way(self.last()).map_err(|source| DirectoryError::Refused {
            path: self.directory.clone(),
            action: "replaced",
            source,
        })?;
        parent.create_in(self.last())
    }

    /// Removes what a server puts into the directory, and the directory unless somebody else's
    /// files are in it. Only for the holder of the starter lock, which goes last.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn remove(&self, directory: &Directory) -> std::io::Result<()> {
        self.sockets.remove();
        for name in directory.names()?.iter().filter(|name| self.is_draft(name)) {
            directory.remove(name)?;
        }
        for ending in [".json", ".exit.json", ".stop.json", seat::ENDING, ".log", ".pid", ".lock", ".start"] {
            directory.remove(&self.name(ending))?;
        }
        if self.is_private() {
            directory.remove(AGENT.as_ref())?;
        }
        self.remove_directory()
    }

    /// As [`Place::remove`], but for what a server that did not come to be has left, which has no
    /// sockets any more; a log stays: there may be more in it.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn remove_unless_logged(&self, directory: &Directory) -> std::io::Result<()> {
        for ending in [".pid", ".lock", ".start"] {
            directory.remove(&self.name(ending))?;
        }
        match std::fs::symlink_metadata(self.directory.join(self.name(".log"))) {
            Ok(_) => Ok(()),
            Err(_) => self.remove_directory(),
        }
    }

    /// The directory of a server that has one of its own, unless somebody else's files are in it.
    fn remove_directory(&self) -> std::io::Result<()> {
        match self.root.as_ref().map(Root::find) {
            Some(Ok(Some(parent))) => parent.remove_directory(self.last()),
            Some(Ok(None) | Err(_)) | None => Ok(()),
        }
    }

    fn last(&self) -> &OsStr {
        self.directory.file_name().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_by_hand_is_named_after_its_pid_file() {
        let place = Place::beside(Path::new("/srv/pylsp.pid")).unwrap();
        assert_eq!(place.pid_file(), Path::new("/srv/pylsp.pid"));
        assert_eq!(place.log, Path::new("/srv/pylsp.log"));
        assert!(Place::beside(Path::new("/srv/pylsp")).is_none());
        assert!(Place::beside(Path::new("/srv/.pid")).is_none());
    }
}
