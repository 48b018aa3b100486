//! Room for a server's last word, kept from its start: a disk that is full by then does not silence it.
//!
//! A file as long as a word can be, that is nobody's yet. It is written over in place, which takes no more
//! room, and gets its name in one step. What the word says is left to [`record`](super::record).

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use rustix::fs::OFlags;

use super::directory::Directory;
use super::paths::Place;
use super::record::Ending;
use crate::proto::limits::TOMBSTONE_BYTES;

/// The room.
#[derive(Debug)]
pub struct Tombstone {
    file: File,
}

impl Tombstone {
    /// Takes it.
    ///
    /// # Errors
    ///
    /// Those of the system: there is none.
    pub fn reserve(place: &Place, directory: &Directory) -> io::Result<Self> {
        let name = name(place);
        directory.make_way(&name)?;
        let file = directory.open(&name, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL)?;
        // A word may be followed by any number of spaces.
        let written = file.write_all_at(&[b' '; TOMBSTONE_BYTES], 0);
        if written.is_err() {
            let _ = directory.remove(&name);
        }
        written.map(|()| Tombstone { file })
    }

    /// Whether it is still there.
    pub fn is_in(&self, place: &Place, directory: &Directory) -> bool {
        directory.still_names(&name(place), &self.file).unwrap_or(false)
    }

    /// Makes it the server's last word.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn write(&self, place: &Place, directory: &Directory, ending: &Ending) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(ending)?;
        if text.len() >= TOMBSTONE_BYTES || !self.is_in(place, directory) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.write_all_at(&text, 0)?;
        directory.rename(&name(place), &place.name(".exit.json"))
    }

    /// Gives it back, if it was not used.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn give_up(&self, place: &Place, directory: &Directory) -> io::Result<()> {
        if self.is_in(place, directory) { directory.remove(&name(place)) } else { Ok(()) }
    }
}

/// That of a draft, so that whoever cleans up after a server that could not removes it.
fn name(place: &Place) -> OsString {
    place.name(".exit.json.room.draft")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{GoneReason, InstanceId, ProgramExit};

    #[test]
    fn a_word_is_read_from_the_room_that_was_kept_for_it() {
        let home = tempfile::tempdir().unwrap();
        let place = Place::beside(&home.path().join("server.pid")).unwrap();
        let directory = place.find().unwrap().unwrap();
        let room = Tombstone::reserve(&place, &directory).unwrap();
        assert!(room.is_in(&place, &directory));
        assert!(Ending::read_tombstone(&place, &directory).is_none());
        let reason = GoneReason::Exited(ProgramExit::Signal(i32::MIN));
        let ending = Ending::now(InstanceId(u128::MAX), reason);
        room.write(&place, &directory, &ending).unwrap();
        assert_eq!(Ending::read_tombstone(&place, &directory), Some(ending.clone()));
        assert_eq!(directory.names().unwrap(), ["server.exit.json"]);
        assert!(room.write(&place, &directory, &ending).is_err(), "the room is used up");
    }
}
