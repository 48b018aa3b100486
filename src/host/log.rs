//! The server's log: its standard error, in a file that stays small.
//!
//! Whatever the process or its runtime says last lands there, which is where the reason of
//! a start that failed without a word is found.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use rustix::fs::OFlags;

use super::directory::{Directory, DirectoryError};
use crate::proto::limits::{LOG_BYTES_MAX, LOG_TAIL_BYTES};

/// Opens a log for appending, for us alone; starts over if it has become long.
///
/// # Errors
///
/// If its directory is not ours, or the system refuses.
pub fn open(path: &Path) -> io::Result<File> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the log's path names no file"));
    };
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    let directory = Directory::find(parent).map_err(other)?;
    let directory = directory.ok_or_else(|| other(DirectoryError::Missing(parent.to_owned())))?;
    open_in(&directory, name)
}

fn open_in(directory: &Directory, name: &OsStr) -> io::Result<File> {
    let file = directory.open(name, OFlags::RDWR | OFlags::APPEND | OFlags::CREATE)?;
    if file.metadata()?.len() > LOG_BYTES_MAX {
        file.set_len(0)?;
    }
    Ok(file)
}

fn other(error: DirectoryError) -> io::Error {
    io::Error::other(error)
}

/// The last line that was written after `start`, for people.
pub fn last_line(log: &mut File, start: u64) -> Option<String> {
    let end = log.metadata().ok()?.len();
    let start = start.max(end.saturating_sub(LOG_TAIL_BYTES));
    log.seek(SeekFrom::Start(start)).ok()?;
    let mut tail = Vec::new();
    log.take(LOG_TAIL_BYTES).read_to_end(&mut tail).ok()?;
    let tail = String::from_utf8_lossy(&tail);
    // A panic's advice to its programmers explains nothing.
    let tells = |line: &&str| !line.is_empty() && !line.starts_with("note: ");
    tail.lines().map(str::trim).rfind(tells).map(str::to_owned)
}

/// Standard error of a server: starts over when the log has become long.
#[derive(Debug, Default)]
pub struct Bounded {
    written_bytes: u64,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let stderr = io::stderr();
        if self.written_bytes > LOG_BYTES_MAX {
            // Appending goes on at the new end. A terminal or a pipe refuses, and has no need.
            let _ = rustix::fs::ftruncate(&stderr, 0);
            self.written_bytes = 0;
        }
        let count = stderr.lock().write(bytes)?;
        self.written_bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_over_when_it_is_long() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("server.log");
        for (bytes, left) in [(LOG_BYTES_MAX, LOG_BYTES_MAX), (LOG_BYTES_MAX + 1, 0)] {
            std::fs::write(&path, vec![b'x'; usize::try_from(bytes).unwrap()]).unwrap();
            assert_eq!(open(&path).unwrap().metadata().unwrap().len(), left);
        }
    }

    #[test]
    fn finds_the_last_word_of_this_start_only() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("server.log");
        std::fs::write(&path, "old trouble\n").unwrap();
        let mut log = open(&path).unwrap();
        let start = log.metadata().unwrap().len();
        assert_eq!(last_line(&mut log, start), None);
        log.write_all(b"first\nsecond\n\nnote: run with\n").unwrap();
        assert_eq!(last_line(&mut log, start).unwrap(), "second");
    }
}
