//! Which host this is: one user's place on one machine.
//!
//! Half of the name is drawn once and kept beside the servers' directories; the other is the machine's own.
//! So a home that several machines share is another host on each, and two users of a machine are two hosts.
//! Neither half can be told from the name.

use std::ffi::OsStr;
use std::io;

use super::directory::{Directory, DirectoryError};
use super::paths::Root;
use crate::io::random;
use crate::proto::HostId;

/// What is kept is in there, as 32 digits: a name that no server can have.
pub const FILE: &str = ".host";

/// Bytes of a file that says it: the digits, and the end of their line.
const FILE_BYTES_MAX: usize = 33;

/// Where a machine's name is, where it has one.
const MACHINE_FILES: [&str; 2] = ["/etc/machine-id", "/var/lib/dbus/machine-id"];

/// The host's name; `None` if no server was ever started on it. Makes nothing.
pub fn find(root: &Root) -> Option<HostId> {
    kept(&root.find().ok()??).map(named)
}

/// The host's name, which is given to it if it has none.
///
/// # Errors
///
/// If there is no place for it.
pub fn keep(root: &Root) -> Result<HostId, DirectoryError> {
    let directory = root.create()?;
    let refused =
        |source| DirectoryError::Refused { path: root.path().join(FILE), action: "written", source };
    if let Some(kept) = kept(&directory) {
        return Ok(named(kept));
    }
    let drawn = random::id();
    write(&directory, drawn).map_err(refused)?;
    // Who came first has named it.
    Ok(named(kept(&directory).unwrap_or(drawn)))
}

/// Lets the host have the name that it had: somebody has removed or garbled it. Tells whether it was so.
///
/// # Errors
///
/// If there is no place for it.
pub fn put_back(root: &Root, host: HostId) -> Result<bool, DirectoryError> {
    let directory = root.create()?;
    let refused =
        |source| DirectoryError::Refused { path: root.path().join(FILE), action: "written", source };
    if kept(&directory).is_some() {
        return Ok(false);
    }
    write(&directory, named(host.0).0).map_err(refused)?;
    Ok(true)
}

fn kept(directory: &Directory) -> Option<u128> {
    let content = directory.read(OsStr::new(FILE), FILE_BYTES_MAX)?;
    let text = str::from_utf8(&content).ok()?.trim_end();
    text.parse::<HostId>().ok().map(|HostId(kept)| kept)
}

/// Writes the kept half, in the place of one that cannot be read, but not in the place of another.
fn write(directory: &Directory, kept_half: u128) -> io::Result<()> {
    let name = OsStr::new(FILE);
    let content = format!("{}\n", HostId(kept_half));
    match directory.add(name, content.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && kept(directory).is_none() => {
            directory.make_way(name)?;
            directory.replace(name, content.as_bytes())
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        written => written,
    }
}

/// The halves together; and so, of the whole and the machine's half, the other one.
fn named(kept: u128) -> HostId {
    HostId(kept ^ hash(&machine()))
}

/// What tells this machine from others.
fn machine() -> Vec<u8> {
    let named = MACHINE_FILES.iter().filter_map(|file| std::fs::read(file).ok());
    let named = named.map(|content| content.trim_ascii().to_owned()).find(|content| !content.is_empty());
    // A system that has no such file, or a container that was given none.
    named.unwrap_or_else(|| rustix::system::uname().nodename().to_bytes().to_owned())
}

/// FNV-1a with 128 bits: the kept half hides the machine's, and need not be hidden itself.
fn hash(bytes: &[u8]) -> u128 {
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    bytes.iter().fold(BASIS, |hash, byte| (hash ^ u128::from(*byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn root() -> (tempfile::TempDir, Root) {
        let home = tempfile::tempdir().unwrap();
        let root = Root::below(home.path().to_owned()).unwrap();
        (home, root)
    }

    #[test]
    fn a_look_makes_nothing_and_a_start_gives_a_name_that_stays() {
        let (home, root) = root();
        assert_eq!(find(&root), None);
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
        let host = keep(&root).unwrap();
        assert_eq!((find(&root), keep(&root).unwrap()), (Some(host), host));
        assert_eq!(std::fs::metadata(root.path().join(FILE)).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn two_homes_are_two_hosts_and_so_are_two_machines_with_one_home() {
        let ((_one, one), (_other, other)) = (root(), root());
        assert_ne!(keep(&one).unwrap(), keep(&other).unwrap());
        assert_ne!(hash(b"one machine"), hash(b"another"));
        assert_ne!(named(0), HostId(0), "the machine has a say");
    }

    #[test]
    fn who_starts_at_the_same_time_gives_one_name() {
        let (_home, root) = root();
        let names = std::thread::scope(|scope| {
            let starters: Vec<_> = (0..8).map(|_| scope.spawn(|| keep(&root).unwrap())).collect();
            starters.into_iter().map(|starter| starter.join().unwrap()).collect::<Vec<_>>()
        });
        assert!(names.iter().all(|name| *name == names[0]), "{names:?}");
        let left = std::fs::read_dir(root.path()).unwrap().count();
        assert_eq!(left, 1, "no draft stays");
    }

    #[test]
    fn a_name_that_cannot_be_read_is_another_or_is_put_back() {
        let (_home, root) = root();
        let host = keep(&root).unwrap();
        let file = root.path().join(FILE);
        assert!(!put_back(&root, host).unwrap());
        for garbled in ["", "moon", &"f".repeat(40)] {
            std::fs::write(&file, garbled).unwrap();
            assert_eq!(find(&root), None);
            assert!(put_back(&root, host).unwrap());
            assert_eq!(find(&root), Some(host));
        }
        std::fs::remove_file(&file).unwrap();
        std::fs::create_dir(&file).unwrap();
        assert!(put_back(&root, host).unwrap());
        std::fs::write(&file, "moon").unwrap();
        let anew = keep(&root).unwrap();
        assert_ne!(anew, host);
        assert!(!put_back(&root, host).unwrap(), "another's word is left alone");
        assert_eq!(find(&root), Some(anew));
    }
}
