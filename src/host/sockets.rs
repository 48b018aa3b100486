//! The two sockets of a server: where they are, made and removed.
//!
//! Beside the record; a path that is too long for a socket moves both to
//! `/tmp/reattach-<user>/<hash>/`. Not to the session's runtime directory, which goes away at
//! logout while the server stays. Where anybody may make directories, anybody may have made that
//! one first: then they are in `/tmp/reattach-<user>-<random>/`, and the record says so.
//!
//! Who connects to them is left to [`pairing`](super::pairing) and [`attach`](super::attach).

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use smol::Async;

use super::directory::{Directory, DirectoryError};
use super::pairing::Listeners;
use crate::io::random;
use crate::proto::limits::SOCKET_PATH_BYTES_MAX;

/// The name of the link beside the sockets that leads to the client's agent: no longer than theirs.
pub const AGENT: &str = "agent.sock";

/// Names that are tried: one that nobody can foresee is free.
const TRIES_MAX: usize = 3;

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
    pub fn of(directory: &Path) -> Self {
        let beside = Sockets { stdin: directory.join("stdin.sock"), stdout: directory.join("stdout.sock") };
        if beside.stdout.as_os_str().len() <= SOCKET_PATH_BYTES_MAX {
            return beside;
        }
        let short = short_directory().join(format!("{:016x}", hash(directory.as_os_str().as_bytes())));
        Sockets { stdin: short.join("stdin.sock"), stdout: short.join("stdout.sock") }
    }

    /// Makes both, for us alone, here or where it can be, and listens on them. Stale ones give way.
    ///
    /// # Errors
    ///
    /// One sentence, if one cannot be made, or somebody listens there.
    pub fn listen(&self, right: Right) -> Result<(Listeners, Made), String> {
        let sockets = match self.make_directory() {
            Ok(()) => self.clone(),
            Err(error) => {
                let elsewhere = Self::elsewhere().ok_or_else(|| error.to_string())?;
                log::warn!("{error}; the sockets are in {:?}", elsewhere.stdin.parent());
                elsewhere
            }
        };
        let Sockets { stdin, stdout } = &sockets;
        let input = listen(stdin, right).inspect_err(|_| sockets.remove_directory())?;
        let output = listen(stdout, right).inspect_err(|_| {
            // Ours alone: the other one may be somebody else's.
            let _ = std::fs::remove_file(stdin);
            sockets.remove_directory();
        })?;
        let made = Made { files: [stdin, stdout].map(|path| file(path)), sockets };
        Ok((Listeners { stdin: input, stdout: output }, made))
    }

    /// In a private directory that nobody can have foreseen.
    fn elsewhere() -> Option<Self> {
        (0..TRIES_MAX).find_map(|_| {
            let number = u64::from_le_bytes(random::bytes());
            let path = PathBuf::from(format!("{}-{number:016x}", short_directory().display()));
            Directory::create(&path).ok()?;
            Some(Sockets { stdin: path.join("stdin.sock"), stdout: path.join("stdout.sock") })
        })
    }

    /// The short directory, if that is where they are.
    fn make_directory(&self) -> Result<(), DirectoryError> {
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
        self.remove_directory();
    }

    /// The short directory, if that is where they were, and they are gone.
    fn remove_directory(&self) {
        if let (Some(name), Ok(Some(parent))) = (self.short_name(), Directory::find(&short_directory())) {
            if let Ok(Some(directory)) = parent.find_in(&name) {
                let _ = directory.remove(AGENT.as_ref());
            }
            let _ = parent.remove_directory(&name);
        }
        if let Some(path) = self.stdin.parent().filter(|path| is_elsewhere(path)) {
            let _ = std::fs::remove_file(path.join(AGENT));
            let _ = std::fs::remove_dir(path);
        }
    }

    fn short_name(&self) -> Option<OsString> {
        let directory = self.stdin.parent()?;
        (directory.parent()? == short_directory()).then(|| directory.file_name().map(OsStr::to_owned))?
    }
}

/// The sockets of a server that listens, as it made them.
#[derive(Clone, Debug)]
pub struct Made {
    /// Where they are.
    pub sockets: Sockets,
    files: [Option<(u64, u64)>; 2],
}

impl Made {
    /// Whether both are still there, and can be connected to.
    pub fn are_there(&self) -> bool {
        let Sockets { stdin, stdout } = &self.sockets;
        [stdin, stdout].map(|path| file(path)) == self.files && !self.files.contains(&None)
    }

    /// Removes those that are still there, and nobody else's.
    pub fn remove(&self) {
        let Sockets { stdin, stdout } = &self.sockets;
        for (path, made) in [stdin, stdout].into_iter().zip(self.files) {
            if made.is_some() && file(path) == made {
                let _ = std::fs::remove_file(path);
            }
        }
        self.sockets.remove_directory();
    }
}

/// The socket at that path, if it is one of a user of ours that the owner may connect to.
fn file(path: &Path) -> Option<(u64, u64)> {
    let found = std::fs::symlink_metadata(path).ok()?;
    let is_open = found.file_type().is_socket() && found.permissions().mode() & 0o600 == 0o600;
    is_open.then(|| (found.dev(), found.ino()))
}

/// What a server may do with what is in the place of its sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Nothing, if somebody listens there.
    IfUnused,
    /// Anything: it is the server, in its own private directory.
    Own,
}

fn listen(path: &Path, right: Right) -> Result<Async<UnixListener>, String> {
    let failed = |error: io::Error| format!("the socket {path:?} cannot be made: {error}");
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    match right {
        Right::Own => make_way(path).map_err(failed)?,
        Right::IfUnused if is_socket => {
            if UnixStream::connect(path).is_ok() {
                return Err(format!("the socket {path:?} is in use by another process"));
            }
            std::fs::remove_file(path).map_err(failed)?;
        }
        Right::IfUnused => {}
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    Async::new(listener).map_err(failed)
}

/// Whatever is there.
fn make_way(path: &Path) -> io::Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(());
    };
    match Directory::find(parent).map_err(io::Error::other)? {
        Some(directory) => directory.make_way(name),
        None => Ok(()),
    }
}

/// Whether that is a directory of [`Sockets::elsewhere`].
fn is_elsewhere(path: &Path) -> bool {
    let (short, path) = (short_directory(), path.as_os_str().as_bytes());
    path.strip_prefix(short.as_os_str().as_bytes()).is_some_and(|rest| {
        rest.len() == 17 && rest[0] == b'-' && rest[1..].iter().all(u8::is_ascii_hexdigit)
    })
}

/// Where sockets are whose own directory has too long a path for them.
pub fn short_directory() -> PathBuf {
    PathBuf::from(format!("/tmp/reattach-{}", rustix::process::geteuid().as_raw()))
}

/// FNV-1a: tells one user's own directories apart, no more.
pub(super) fn hash(bytes: &[u8]) -> u64 {
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
    fn the_directory_elsewhere_is_private_and_goes_with_the_sockets() {
        let sockets = Sockets::elsewhere().unwrap();
        let directory = sockets.stdin.parent().unwrap();
        assert_eq!(std::fs::metadata(directory).unwrap().permissions().mode() & 0o777, 0o700);
        assert!(sockets.stdout.as_os_str().len() <= SOCKET_PATH_BYTES_MAX);
        assert_ne!(Sockets::elsewhere().inspect(Sockets::remove), Some(sockets.clone()));
        sockets.remove();
        assert!(!directory.exists());
        for path in ["/tmp", "/tmp/reattach-0-", "/srv/reattach-0-0123456789abcdef"] {
            assert!(!is_elsewhere(Path::new(path)), "{path}");
        }
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
}
