//! Symbolic links in a [private directory](super::directory): where they lead is nobody's to follow here.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::directory::Directory;

/// Where the link of that name leads, if it is one.
pub fn target(directory: &Directory, name: &OsStr) -> Option<PathBuf> {
    let target = rustix::fs::readlinkat(directory.fd(), name, Vec::new()).ok()?;
    Some(PathBuf::from(OsStr::from_bytes(target.to_bytes())))
}

/// Puts a link in place in one step, as [`Directory::replace`] does a file.
///
/// # Errors
///
/// Those of the system.
pub fn put(directory: &Directory, name: &OsStr, target: &Path) -> io::Result<()> {
    let mut draft = name.to_owned();
    draft.push(format!(".{}.draft", std::process::id()));
    directory.remove(&draft)?;
    rustix::fs::symlinkat(target, directory.fd(), &draft)?;
    directory.rename(&draft, name).inspect_err(|_| drop(directory.remove(&draft)))
}
