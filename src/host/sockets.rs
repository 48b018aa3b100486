//! The two sockets of a server: where they are, made and removed.
//!
//! Beside the record; a path that is too long for a socket moves both to
//! `/tmp/reattach-<user>/<hash>/`. Not to the session's runtime directory, which goes away at
//! logout while the server stays.
//!
//! Who connects to them is left to [`pairing`](super::pairing) and [`attach`](super::attach).

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use smol::Async;

use super::directory::{Directory, DirectoryError};
use super::pairing::Listeners;
use crate::proto::limits::SOCKET_PATH_BYTES_MAX;

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

    /// Makes both, for us alone, and listens on them. Stale ones give way.
    ///
    /// # Errors
    ///
    /// One sentence, if one cannot be made, or somebody listens there.
    pub fn listen(&self) -> Result<Listeners, String> {
        self.make_directory().map_err(|error| error.to_string())?;
        let stdin = listen(&self.stdin)?;
        match listen(&self.stdout) {
            Ok(stdout) => Ok(Listeners { stdin, stdout }),
            Err(why) => {
                // Ours alone: the other one may be somebody else's.
                let _ = std::fs::remove_file(&self.stdin);
                self.remove_directory();
                Err(why)
            }
        }
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
            let _ = parent.remove_directory(&name);
        }
    }

    fn short_name(&self) -> Option<OsString> {
        let directory = self.stdin.parent()?;
        (directory.parent()? == short_directory()).then(|| directory.file_name().map(OsStr::to_owned))?
    }
}

fn listen(path: &Path) -> Result<Async<UnixListener>, String> {
    let failed = |error: io::Error| format!("the socket {path:?} cannot be made: {error}");
    if std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
        if UnixStream::connect(path).is_ok() {
            return Err(format!("the socket {path:?} is in use by another process"));
        }
        std::fs::remove_file(path).map_err(failed)?;
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    Async::new(listener).map_err(failed)
}

/// Where sockets are whose own directory has too long a path for them.
pub fn short_directory() -> PathBuf {
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
}
