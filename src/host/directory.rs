//! A private directory: ours alone, reached without following a link, and its files.
//!
//! Everything is done relative to the open directory, so nobody can put another one in its place
//! between two steps. Which directory, and what the files mean, is left to others.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::io::random;

/// Read, write and search for the owner, nothing for others.
const PRIVATE_DIRECTORY: Mode = Mode::RWXU;
/// Read and write for the owner, nothing for others.
pub const PRIVATE_FILE: Mode = Mode::from_raw_mode(0o600);
/// What gives other users a say.
const OTHERS_WRITE: u32 = 0o022;
/// What gives other users anything.
const OTHERS: u32 = 0o077;

/// Why a directory cannot be used: one sentence each.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The environment does not say where.
    #[error("the environment variable HOME is not set, and the account database names no home directory")]
    HomeUnset,
    /// The environment does not say clearly where.
    #[error("the environment variable HOME is {0:?}; it must be an absolute path")]
    HomeRelative(PathBuf),
    /// The environment names something else.
    #[error("the environment variable HOME is {0:?}, which is not a directory")]
    HomeNotDirectory(PathBuf),
    /// Nothing there, where something must be.
    #[error("the directory {0:?} does not exist")]
    Missing(PathBuf),
    /// A file, a link, or something else.
    #[error("{0:?} is not a directory (a symbolic link to one is not accepted)")]
    NotDirectory(PathBuf),
    /// Somebody else could change it under us.
    #[error("the directory {path:?} belongs to user {owner}; it must belong to user {user}, who uses it")]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who we are.
        user: u32,
    },
    /// Others could change what is in it.
    #[error("the directory {0:?} can be written by other users; take that right from them with chmod go-w")]
    Shared(PathBuf),
    /// The system refuses.
    #[error("the directory {path:?} cannot be {action}: {source}")]
    Refused {
        /// The directory.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The system's word.
        source: io::Error,
    },
}

/// An open private directory.
#[derive(Debug)]
pub struct Directory {
    fd: OwnedFd,
    path: PathBuf,
}

impl Directory {
    /// Opens what is there, and changes nothing; `None` if nothing is there.
    ///
    /// # Errors
    ///
    /// If what is there is not a directory that is ours alone.
    pub fn find(path: &Path) -> Result<Option<Self>, DirectoryError> {
        Self::find_at(CWD, path.as_os_str(), path)
    }

    /// Opens what is there, or makes it, for us alone. The parent must be there.
    ///
    /// # Errors
    ///
    /// If what is there is not a directory of ours, or none can be made.
    pub fn create(path: &Path) -> Result<Self, DirectoryError> {
        Self::create_at(CWD, path.as_os_str(), path)
    }

    /// As [`Directory::find`], for a directory in this one.
    ///
    /// # Errors
    ///
    /// As [`Directory::find`].
    pub fn find_in(&self, name: &OsStr) -> Result<Option<Self>, DirectoryError> {
        Self::find_at(self.fd.as_fd(), name, &self.path.join(name))
    }

    /// As [`Directory::create`], for a directory in this one.
    ///
    /// # Errors
    ///
    /// As [`Directory::create`].
    pub fn create_in(&self, name: &OsStr) -> Result<Self, DirectoryError> {
        Self::create_at(self.fd.as_fd(), name, &self.path.join(name))
    }

    fn find_at(parent: BorrowedFd<'_>, name: &OsStr, path: &Path) -> Result<Option<Self>, DirectoryError> {
        let fd = match open_directory(parent, name) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(refusal(path, "opened", errno)),
        };
        let directory = Directory { fd, path: path.to_owned() };
        let mode = directory.check_owner()?;
        if mode & OTHERS_WRITE != 0 {
            return Err(DirectoryError::Shared(path.to_owned()));
        }
        Ok(Some(directory))
    }

    fn create_at(parent: BorrowedFd<'_>, name: &OsStr, path: &Path) -> Result<Self, DirectoryError> {
        let fd = loop {
            match rustix::fs::mkdirat(parent, name, PRIVATE_DIRECTORY) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(refusal(path, "made", errno)),
            }
            match open_directory(parent, name) {
                Ok(fd) => break fd,
                // Another server's sweep, or the end of the last one here, has just removed it.
                Err(Errno::NOENT) => {}
                Err(errno) => return Err(refusal(path, "opened", errno)),
            }
        };
        let directory = Directory { fd, path: path.to_owned() };
        let mode = directory.check_owner()?;
        if mode & OTHERS != 0 {
            rustix::fs::fchmod(&directory.fd, PRIVATE_DIRECTORY)
                .map_err(|errno| refusal(path, "made private", errno))?;
        }
        Ok(directory)
    }

    /// The directory's mode, if it is ours.
    fn check_owner(&self) -> Result<u32, DirectoryError> {
        let stat = rustix::fs::fstat(&self.fd).map_err(|errno| refusal(&self.path, "examined", errno))?;
        let user = rustix::process::geteuid().as_raw();
        if stat.st_uid != user {
            return Err(DirectoryError::Foreign { path: self.path.clone(), owner: stat.st_uid, user });
        }
        #[allow(clippy::useless_conversion, reason = "16 bits on macOS")]
        Ok(u32::from(stat.st_mode))
    }

    /// For what is done in it elsewhere.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Where it is, for people.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a file in it, not following a link and not inherited by children.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn open(&self, name: &OsStr, flags: OFlags) -> io::Result<File> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        Ok(File::from(rustix::fs::openat(&self.fd, name, flags, PRIVATE_FILE)?))
    }

    /// Whether something has that name.
    pub fn has(&self, name: &OsStr) -> bool {
        rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// Whether that name still means that open file.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn still_names(&self, name: &OsStr, file: &File) -> io::Result<bool> {
        let open = rustix::fs::fstat(file)?;
        match rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(named) => Ok(named.st_dev == open.st_dev && named.st_ino == open.st_ino),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }

    /// The file's content, if it is a file of at most that many bytes.
    pub fn read(&self, name: &OsStr, bytes_max: usize) -> Option<Vec<u8>> {
        let file = self.open(name, OFlags::RDONLY).ok()?;
        let mode = rustix::fs::fstat(&file).ok()?.st_mode;
        if FileType::from_raw_mode(mode) != FileType::RegularFile {
            return None;
        }
        let mut content = Vec::new();
        let bytes = file.take(bytes_max as u64 + 1).read_to_end(&mut content).ok()?;
        (bytes <= bytes_max).then_some(content)
    }

    /// Puts the content in place in one step: whoever reads sees the old one or the new one.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn replace(&self, name: &OsStr, content: &[u8]) -> io::Result<()> {
        let draft = self.draft(name, content)?;
        let renamed = self.rename(&draft, name);
        if renamed.is_err() {
            let _ = self.remove(&draft);
        }
        renamed
    }

    /// Puts the content in place in one step, unless something has the name already.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::AlreadyExists`] in that case, and those of the system.
    pub fn add(&self, name: &OsStr, content: &[u8]) -> io::Result<()> {
        let draft = self.draft(name, content)?;
        let added = rustix::fs::linkat(&self.fd, &draft, &self.fd, name, AtFlags::empty());
        self.remove(&draft)?;
        Ok(added?)
    }

    /// Writes the content beside the place that it is meant for, and gives its name there.
    fn draft(&self, name: &OsStr, content: &[u8]) -> io::Result<OsString> {
        let mut draft = name.to_owned();
        draft.push(format!(".{:016x}.draft", u64::from_le_bytes(random::bytes())));
        let mut file = self.open(&draft, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL)?;
        match file.write_all(content) {
            Ok(()) => Ok(draft),
            Err(error) => {
                let _ = self.remove(&draft);
                Err(error)
            }
        }
    }

    /// Gives a file another name, in one step, in place of what has that.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn rename(&self, name: &OsStr, other: &OsStr) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.fd, name, &self.fd, other)?)
    }

    /// Removes a file; none there is fine.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn remove(&self, name: &OsStr) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Takes whatever has that name out of the way. A directory with something in it is nobody's to
    /// remove, and gets another name.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn make_way(&self, name: &OsStr) -> io::Result<()> {
        match rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => return Ok(()),
            Err(errno) => return Err(errno.into()),
            Ok(found) if FileType::from_raw_mode(found.st_mode) != FileType::Directory => {
                return self.remove(name);
            }
            Ok(_) => {}
        }
        self.remove_directory(name).or_else(|_| {
            let mut aside = name.to_owned();
            aside.push(format!(".{:016x}.aside", u64::from_le_bytes(random::bytes())));
            log::warn!("{:?} is a directory, and is now {aside:?}", self.path.join(name));
            Ok(rustix::fs::renameat(&self.fd, name, &self.fd, &aside)?)
        })
    }

    /// Makes sure that what has that name, if anything has, is a file that we can read and write.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn make_usable(&self, name: &OsStr) -> io::Result<()> {
        let found = match rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => found,
            Err(Errno::NOENT) => return Ok(()),
            Err(errno) => return Err(errno.into()),
        };
        let is_file = FileType::from_raw_mode(found.st_mode) == FileType::RegularFile;
        if !is_file || found.st_uid != rustix::process::geteuid().as_raw() {
            return self.make_way(name);
        }
        if Mode::from_raw_mode(found.st_mode).contains(PRIVATE_FILE) {
            return Ok(());
        }
        Ok(rustix::fs::chmodat(&self.fd, name, PRIVATE_FILE, AtFlags::empty())?)
    }

    /// Takes from others what they may do in it, and gives ourselves what we must.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn make_private(&self) -> io::Result<()> {
        let mode = Mode::from_raw_mode(rustix::fs::fstat(&self.fd)?.st_mode);
        if mode & (Mode::RWXU | Mode::RWXG | Mode::RWXO) == PRIVATE_DIRECTORY {
            return Ok(());
        }
        Ok(rustix::fs::fchmod(&self.fd, PRIVATE_DIRECTORY)?)
    }

    /// Whether both are one directory.
    pub fn is_same_as(&self, other: &Directory) -> bool {
        match (rustix::fs::fstat(&self.fd), rustix::fs::fstat(&other.fd)) {
            (Ok(one), Ok(other)) => (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino),
            (Err(_), _) | (_, Err(_)) => false,
        }
    }

    /// Removes an empty directory in it.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn remove_directory(&self, name: &OsStr) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.fd, name, AtFlags::REMOVEDIR)?)
    }

    /// The names in it, sorted.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn names(&self) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.fd)? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name != "." && name != ".." {
                names.push(name.to_owned());
            }
        }
        names.sort();
        Ok(names)
    }
}

fn open_directory(parent: BorrowedFd<'_>, name: &OsStr) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(parent, name, flags, Mode::empty())
}

fn refusal(path: &Path, action: &'static str, errno: Errno) -> DirectoryError {
    let path = path.to_owned();
    match errno {
        Errno::NOTDIR | Errno::LOOP | Errno::MLINK => DirectoryError::NotDirectory(path),
        Errno::NOENT => DirectoryError::Missing(path.parent().map_or(path.clone(), Path::to_owned)),
        _ => DirectoryError::Refused { path, action, source: errno.into() },
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;

    #[test]
    fn makes_what_is_missing_for_us_alone() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("d");
        assert!(Directory::find(&path).unwrap().is_none());
        let directory = Directory::create(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
        directory.replace(OsStr::new("f"), b"content").unwrap();
        assert_eq!(std::fs::metadata(path.join("f")).unwrap().mode() & 0o777, 0o600);
        assert_eq!(directory.names().unwrap(), ["f"]);
        assert_eq!(directory.read(OsStr::new("f"), 7).unwrap(), b"content");
        assert_eq!(directory.read(OsStr::new("f"), 6), None);
    }

    #[test]
    fn takes_rights_from_others_only_when_it_may_change_things() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("d");
        std::fs::create_dir(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).unwrap();
        let error = Directory::find(&path).unwrap_err().to_string();
        assert!(error.contains("can be written by other users"), "{error}");
        Directory::create(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
    }

    #[test]
    fn follows_no_link() {
        let home = tempfile::tempdir().unwrap();
        let link = home.path().join("link");
        std::fs::create_dir(home.path().join("target")).unwrap();
        symlink("target", &link).unwrap();
        for result in [Directory::find(&link).map(|_| ()), Directory::create(&link).map(|_| ())] {
            assert!(matches!(result, Err(DirectoryError::NotDirectory(path)) if path == link));
        }
        let directory = Directory::create(home.path()).unwrap();
        std::fs::write(home.path().join("target/secret"), "s").unwrap();
        symlink("target/secret", home.path().join("f")).unwrap();
        assert_eq!(directory.read(OsStr::new("f"), 100), None);
    }

    #[test]
    fn a_file_in_its_place_is_named() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("d");
        std::fs::write(&path, "").unwrap();
        let error = Directory::create(&path).unwrap_err().to_string();
        assert!(error.contains("/d\" is not a directory"), "{error}");
    }

    #[test]
    fn whatever_has_a_name_gives_way_and_nothing_in_it_is_lost() {
        let home = tempfile::tempdir().unwrap();
        let directory = Directory::create(home.path()).unwrap();
        let name = OsStr::new("f");
        let path = home.path().join(name);
        let free = || {
            directory.make_way(name).unwrap();
            std::fs::symlink_metadata(&path).is_err()
        };
        assert!(free());
        std::fs::write(&path, "").unwrap();
        assert!(free());
        symlink("nowhere", &path).unwrap();
        assert!(free());
        std::fs::create_dir(&path).unwrap();
        assert!(free() && directory.names().unwrap().is_empty());
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("kept"), "").unwrap();
        assert!(free());
        let aside = directory.names().unwrap();
        assert!(aside.len() == 1 && home.path().join(&aside[0]).join("kept").exists(), "{aside:?}");
    }

    #[test]
    fn a_file_that_cannot_be_written_is_made_usable_and_others_give_way() {
        let home = tempfile::tempdir().unwrap();
        let directory = Directory::create(home.path()).unwrap();
        let name = OsStr::new("f");
        let path = home.path().join(name);
        directory.make_usable(name).unwrap();
        std::fs::write(&path, "content").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
        directory.make_usable(name).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(directory.read(name, 7).unwrap(), b"content");
        std::fs::remove_file(&path).unwrap();
        symlink("nowhere", &path).unwrap();
        directory.make_usable(name).unwrap();
        assert!(std::fs::symlink_metadata(&path).is_err());
    }

    #[test]
    fn knows_when_a_name_means_another_file() {
        let home = tempfile::tempdir().unwrap();
        let directory = Directory::create(home.path()).unwrap();
        let name = OsStr::new("f");
        let file = directory.open(name, OFlags::RDWR | OFlags::CREATE).unwrap();
        assert!(directory.still_names(name, &file).unwrap());
        directory.replace(name, b"new").unwrap();
        assert!(!directory.still_names(name, &file).unwrap());
        directory.remove(name).unwrap();
        assert!(!directory.still_names(name, &file).unwrap());
    }
}
