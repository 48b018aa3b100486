//! What a server is started for: a program with its arguments, and how it is to be run.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use crate::io::surroundings::Surroundings;

/// What is to be hosted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// The program, with its arguments; empty for a server that is its own application.
    pub command: Vec<OsString>,
    /// How it is to be run.
    pub surroundings: Surroundings,
    /// What stands before a subcommand of our own when this executable is started again.
    pub prefix: Vec<OsString>,
    /// Where the program finds the agent of whoever is attached.
    pub agent: Option<PathBuf>,
}

impl Order {
    /// The command, if there is one.
    pub fn words(&self) -> Option<Vec<OsString>> {
        (!self.command.is_empty()).then(|| self.command.clone())
    }

    /// For an application in the server's own process, which has no surroundings of its own.
    ///
    /// # Errors
    ///
    /// One sentence, if it was told to have.
    pub fn for_application(&self) -> Result<Option<Vec<OsString>>, String> {
        match self.surroundings.is_usual() {
            true => Ok(self.words()),
            false => Err("this server is its own application: --cwd, --env and --login are for a server that starts a program".to_owned()),
        }
    }

    /// Finds the directory that is meant, so that everybody who is told of it is told the same.
    ///
    /// # Errors
    ///
    /// One sentence, if the program cannot be run there.
    pub fn settle(&mut self) -> Result<(), String> {
        if let Some(directory) = &self.surroundings.directory {
            self.surroundings.directory = Some(found(directory)?);
        }
        Ok(())
    }
}

/// The directory, as an absolute path.
fn found(directory: &Path) -> Result<PathBuf, String> {
    let meant = meant(directory)?;
    let what = format!("the directory {meant:?}, where the program is to run,");
    match std::fs::metadata(&meant) {
        Ok(there) if !there.is_dir() => Err(format!("{what} is not a directory")),
        Ok(_) if access(&meant, Access::EXEC_OK).is_err() => Err(format!("{what} may not be entered")),
        Ok(_) => Ok(meant),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(format!("{what} does not exist")),
        Err(error) => Err(format!("{what} cannot be looked at: {error}")),
    }
}

/// What the words mean, whether or not it is there.
///
/// # Errors
///
/// One sentence, if that cannot be told.
pub fn meant(directory: &Path) -> Result<PathBuf, String> {
    let bytes = directory.as_os_str().as_bytes();
    let below_home = if bytes == b"~" { Some(&b""[..]) } else { bytes.strip_prefix(b"~/") };
    let whole = match below_home {
        Some(rest) => {
            let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
            let home = home.ok_or("the environment variable HOME is not set, so ~ names no directory")?;
            // Not with a slash at its end.
            PathBuf::from(home).join(OsStr::from_bytes(rest)).components().collect()
        }
        None => directory.to_owned(),
    };
    std::path::absolute(&whole).map_err(|error| format!("the directory {whole:?} is nowhere: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_absolute_and_there() {
        let home = std::env::var("HOME").unwrap();
        assert_eq!(meant(Path::new("~/a b")).unwrap(), Path::new(&home).join("a b"));
        assert_eq!(meant(Path::new("~")).unwrap(), Path::new(&home));
        assert_eq!(meant(Path::new("a~/x")).unwrap(), std::env::current_dir().unwrap().join("a~/x"));
        assert_eq!(found(Path::new("/tmp")).unwrap(), Path::new("/tmp"));
        for (path, part) in [("/etc/passwd", "is not a directory"), ("/no/such", "does not exist")] {
            assert!(found(Path::new(path)).unwrap_err().contains(part), "{path}");
        }
    }
}
