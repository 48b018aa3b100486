//! Where a server's files are.
//!
//! ```text
//! $HOME/.local/state/reattach/<identifier>/
//!     server.pid         the lock; the number in it is for people
//!     server.start       the lock that serialises starters
//!     server.json        the record
//!     server.exit.json   the tombstone
//!     server.stop.json   what a stopper leaves word of before it sends a signal
//!     server.log         the log
//!     stdin.sock         what proxies write to
//!     stdout.sock        what proxies read from
//! ```
//!
//! A path that is too long for a socket moves both to `/tmp/reattach-<user>/<hash>/`: not to the
//! session's runtime directory, which goes away at logout while the server stays.
//!
//! What the files mean is left to their own modules.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use super::directory::{Directory, DirectoryError};
use super::identifier::Identifier;
use crate::proto::limits::SOCKET_PATH_BYTES_MAX;

/// From the home directory to all servers.
const STATE: [&str; 2] = [".local", "state"];
const OURS: &str = "reattach";

/// The directory of all servers of this user.
#[derive(Clone, Debug)]
pub struct Root {
    home: PathBuf,
}

impl Root {
    /// The one below `$HOME`.
    ///
    /// # Errors
    ///
    /// If the environment does not say where that is.
    pub fn from_env() -> Result<Self, DirectoryError> {
        let home =
            std::env::var_os("HOME").filter(|home| !home.is_empty()).ok_or(DirectoryError::HomeUnset)?;
        Self::below(PathBuf::from(home))
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
        let found = Directory::find(&self.path())?;
        if found.is_none() && !self.home.is_dir() {
            return Err(DirectoryError::Missing(self.home.clone()));
        }
        Ok(found)
    }

    fn create(&self) -> Result<Directory, DirectoryError> {
        if !self.home.is_dir() {
            return Err(DirectoryError::Missing(self.home.clone()));
        }
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

/// The two sockets of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sockets {
    /// What proxies write to.
    pub stdin: PathBuf,
    /// What proxies read from.
    pub stdout: PathBuf,
}

impl Sockets {
    /// In the directory, or in a short one if the path would be too long.
    fn of(directory: &Path) -> Self {
        let beside = Sockets { stdin: directory.join("stdin.sock"), stdout: directory.join("stdout.sock") };
        if beside.stdout.as_os_str().len() <= SOCKET_PATH_BYTES_MAX {
            return beside;
        }
        let short = short_directory().join(format!("{:016x}", hash(directory.as_os_str().as_bytes())));
        Sockets { stdin: short.join("stdin.sock"), stdout: short.join("stdout.sock") }
    }

    /// Makes the short directory, if that is where they are.
    ///
    /// # Errors
    ///
    /// If it cannot be made, or is not ours alone.
    pub fn make_directory(&self) -> Result<(), DirectoryError> {
        if let Some(name) = self.short_name() {
            Directory::create(&short_directory())?.create_in(&name)?;
        }
        Ok(())
    }

    /// Removes what is there of them, and the short directory.
    pub fn remove(&self) {
        for path in [&self.stdin, &self.stdout] {
            // A garbled record may name anything.
            if std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
                let _ = std::fs::remove_file(path);
            }
        }
        if let (Some(name), Ok(Some(parent))) = (self.short_name(), Directory::find(&short_directory())) {
            let _ = parent.remove_directory(&name);
        }
    }

    fn short_name(&self) -> Option<OsString> {
        let directory = self.stdin.parent()?;
        (directory.parent()? == short_directory()).then(|| directory.file_name().map(OsStr::to_owned))?
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
    /// If the environment does not say where the home directory is.
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

    /// The name, if it has one.
    pub fn identifier(&self) -> Option<&Identifier> {
        self.identifier.as_ref()
    }

    /// The directory's path, for people.
    pub fn directory(&self) -> &Path {
        &self.directory
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

    /// Removes what a server puts into the directory, and the directory unless somebody else's
    /// files are in it. Only for the holder of the starter lock, which goes last.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn remove(&self, directory: &Directory) -> std::io::Result<()> {
        self.sockets.remove();
        for name in directory.names()?.iter().filter(|name| name.to_string_lossy().ends_with(".draft")) {
            directory.remove(name)?;
        }
        for ending in [".json", ".exit.json", ".stop.json", ".log", ".pid", ".start"] {
            directory.remove(&self.name(ending))?;
        }
        match self.root.as_ref().map(Root::find) {
            Some(Ok(Some(parent))) => parent.remove_directory(self.last()),
            Some(Ok(None) | Err(_)) | None => Ok(()),
        }
    }

    fn last(&self) -> &OsStr {
        self.directory.file_name().unwrap_or_default()
    }
}

fn short_directory() -> PathBuf {
    PathBuf::from(format!("/tmp/reattach-{}", rustix::process::geteuid().as_raw()))
}

/// FNV-1a: tells one user's own directories apart, no more.
fn hash(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_stay_beside_the_record_up_to_the_bound() {
        let fits =
            PathBuf::from(format!("/{}", "h".repeat(SOCKET_PATH_BYTES_MAX - "/stdout.sock".len() - 1)));
        assert_eq!(Sockets::of(&fits).stdout.as_os_str().len(), SOCKET_PATH_BYTES_MAX);
        assert!(Sockets::of(&fits).stdin.starts_with(&fits));
        let long = PathBuf::from(format!("{}h", fits.display()));
        let sockets = Sockets::of(&long);
        assert!(sockets.stdout.starts_with(short_directory()), "{sockets:?}");
        assert!(sockets.stdout.as_os_str().len() <= SOCKET_PATH_BYTES_MAX);
        assert_ne!(sockets, Sockets::of(&long.join("other")));
    }

    #[test]
    fn the_short_directory_comes_and_goes() {
        let sockets =
            Sockets::of(&std::env::temp_dir().join("x".repeat(200)).join(std::process::id().to_string()));
        sockets.make_directory().unwrap();
        assert!(sockets.stdin.parent().unwrap().is_dir());
        drop(std::os::unix::net::UnixListener::bind(&sockets.stdin).unwrap());
        sockets.remove();
        assert!(!sockets.stdin.parent().unwrap().exists());
    }

    #[test]
    fn a_server_by_hand_is_named_after_its_pid_file() {
        let place = Place::beside(Path::new("/srv/pylsp.pid")).unwrap();
        assert_eq!(place.pid_file(), Path::new("/srv/pylsp.pid"));
        assert_eq!(place.log, Path::new("/srv/pylsp.log"));
        assert!(Place::beside(Path::new("/srv/pylsp")).is_none());
        assert!(Place::beside(Path::new("/srv/.pid")).is_none());
    }
}
