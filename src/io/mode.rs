//! Whether a pipe or a socket blocks: part of what everybody who has it open shares, so whoever
//! changes it gives it back as it was.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{FileType, OFlags, fcntl_getfl, fcntl_setfl, fstat};

/// Whether it is a pipe or a socket: what can be waited for, and be put into non-blocking mode.
/// Terminals are shared with the shell and never changed; files do not block.
///
/// # Errors
///
/// If the descriptor is closed.
pub fn is_pipe(fd: impl AsFd) -> io::Result<bool> {
    let kind = FileType::from_raw_mode(fstat(fd)?.st_mode);
    Ok(matches!(kind, FileType::Fifo | FileType::Socket))
}

/// The mode that a descriptor is in; nothing is ever changed about one that is not a [pipe](is_pipe).
#[derive(Clone, Copy, Debug)]
pub struct Mode(Option<OFlags>);

impl Mode {
    /// That of a descriptor.
    ///
    /// # Errors
    ///
    /// If it is closed.
    pub fn of(fd: impl AsFd) -> io::Result<Self> {
        Ok(Mode(is_pipe(&fd)?.then(|| fcntl_getfl(&fd)).transpose()?))
    }

    /// Gives it back to the same descriptor.
    pub fn give_back(self, fd: impl AsFd) {
        if let Some(before) = self.0 {
            let _ = fcntl_setfl(fd, before);
        }
    }
}

/// A descriptor whose mode is given back when this is dropped.
#[derive(Debug)]
pub struct Kept<'fd> {
    fd: BorrowedFd<'fd>,
    before: Mode,
}

impl<'fd> Kept<'fd> {
    /// Remembers the mode. Of two that may be one and the same, remember both before either changes.
    ///
    /// # Errors
    ///
    /// If the descriptor is closed.
    pub fn of(fd: BorrowedFd<'fd>) -> io::Result<Self> {
        Ok(Kept { fd, before: Mode::of(fd)? })
    }

    /// Puts it into non-blocking mode meanwhile.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn set_nonblocking(&self) -> io::Result<()> {
        if let Mode(Some(before)) = self.before {
            fcntl_setfl(self.fd, before | OFlags::NONBLOCK)?;
        }
        Ok(())
    }
}

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        self.before.give_back(self.fd);
    }
}

/// The modes that our standard streams were in: others may share them, and expect them so.
///
/// Remembered before any of them is changed, because two may be one and the same (`2>&1`); given
/// back when dropped.
#[derive(Debug)]
pub struct Modes {
    /// In the order of their numbers; `None` for what is closed, or was given back.
    streams: [Option<(File, Mode)>; 3],
}

/// Which file it is.
type File = (u64, u64);

impl Modes {
    /// Remembers them.
    pub fn remember() -> Self {
        Modes { streams: standard_streams().map(|fd| Some((file(fd)?, Mode::of(fd).ok()?))) }
    }

    /// Gives standard output back early: it is about to be closed.
    pub fn give_back_stdout(&mut self) {
        let [stdin, stdout, stderr] = self.streams.map(|stream| stream.map(|(file, _)| file));
        // What is still in use under another number is given back with that.
        if stdout != stdin && stdout != stderr {
            self.give_back(1);
        }
        self.streams[1] = None;
    }

    fn give_back(&mut self, number: usize) {
        if let Some((_, mode)) = self.streams[number].take() {
            mode.give_back(standard_streams()[number]);
        }
    }
}

impl Drop for Modes {
    fn drop(&mut self) {
        for number in 0..self.streams.len() {
            self.give_back(number);
        }
    }
}

#[allow(clippy::useless_conversion, clippy::unnecessary_cast, reason = "systems differ in these types")]
fn file(fd: BorrowedFd<'_>) -> Option<File> {
    let stat = fstat(fd).ok()?;
    Some((stat.st_dev as u64, stat.st_ino as u64))
}

fn standard_streams() -> [BorrowedFd<'static>; 3] {
    [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(fd: impl AsFd) -> bool {
        !fcntl_getfl(fd).unwrap().contains(OFlags::NONBLOCK)
    }

    #[test]
    fn one_that_has_two_numbers_is_given_back_as_it_was() {
        let (pipe, _writer) = rustix::pipe::pipe().unwrap();
        let twin = pipe.try_clone().unwrap();
        let kept = [Kept::of(pipe.as_fd()).unwrap(), Kept::of(twin.as_fd()).unwrap()];
        for kept in &kept {
            kept.set_nonblocking().unwrap();
        }
        assert!(!blocks(&pipe) && !blocks(&twin));
        drop(kept);
        assert!(blocks(&pipe) && blocks(&twin));
    }

    #[test]
    fn what_is_no_pipe_is_left_alone() {
        let file = tempfile::tempfile().unwrap();
        let kept = Kept::of(file.as_fd()).unwrap();
        kept.set_nonblocking().unwrap();
        assert!(blocks(&file));
    }
}
