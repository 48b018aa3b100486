//! One direction of a relay: what was read from one descriptor and is not written to another yet.
//!
//! When to move what is left to the [relay](super::relay).

use std::os::fd::BorrowedFd;

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;

use crate::proto::limits::{READ_BYTES, TERMINAL_BYTES};

/// The other end was closed.
const GONE: PollFlags = PollFlags::HUP.union(PollFlags::ERR);

/// What a flow has come to.
pub(super) enum Moved {
    Some,
    SourceEnded,
    SinkEnded,
}

/// One direction.
pub(super) struct Flow<'fd> {
    source: BorrowedFd<'fd>,
    sink: BorrowedFd<'fd>,
    buffer: Buffer,
    /// Bytes a write.
    write_bytes_max: usize,
    /// That the sink's other end was closed shows only when something is written.
    is_patient: bool,
    /// More is read and written only while it is.
    pub(super) is_open: bool,
}

impl<'fd> Flow<'fd> {
    pub(super) fn new(source: BorrowedFd<'fd>, sink: BorrowedFd<'fd>) -> Self {
        let terminal = rustix::termios::isatty(sink);
        let write_bytes_max = if terminal { TERMINAL_BYTES } else { READ_BYTES };
        Flow { source, sink, buffer: Buffer::default(), write_bytes_max, is_patient: false, is_open: true }
    }

    /// One that finds out by writing alone that nobody takes what it moves.
    pub(super) fn patient(mut self) -> Self {
        self.is_patient = true;
        self
    }

    /// What to ask about the source. Not asked needlessly: an end would be reported for ever.
    pub(super) fn source_asked(&self) -> Option<PollFd<'fd>> {
        let wanted = self.is_open && self.buffer.is_empty();
        wanted.then(|| PollFd::from_borrowed_fd(self.source, PollFlags::IN))
    }

    /// What to ask about the sink; that its other end was closed is reported unasked.
    pub(super) fn sink_asked(&self) -> Option<PollFd<'fd>> {
        let wanted = if self.buffer.is_empty() { PollFlags::empty() } else { PollFlags::OUT };
        let asked = self.is_open && !(self.is_patient && wanted.is_empty());
        asked.then(|| PollFd::from_borrowed_fd(self.sink, wanted))
    }

    /// Moves what is ready.
    pub(super) fn advance(&mut self, source: PollFlags, sink: PollFlags) -> Moved {
        if !self.is_open {
            return Moved::Some;
        }
        if self.buffer.is_empty() {
            // The other end never writes here, so this can only mean that it was closed.
            if sink.intersects(GONE) {
                return Moved::SinkEnded;
            }
            if source.is_empty() {
                return Moved::Some;
            }
            match self.buffer.fill(self.source) {
                Ok(0) => return Moved::SourceEnded,
                Ok(_) => {}
                Err(Errno::AGAIN | Errno::INTR) => return Moved::Some,
                // A terminal that hung up, a connection that was reset: an end like any other.
                Err(_) => return Moved::SourceEnded,
            }
            // A terminal, in blocking mode, has to be asked first; others say so themselves.
            if self.write_bytes_max == TERMINAL_BYTES {
                return Moved::Some;
            }
        } else if sink.is_empty() {
            return Moved::Some;
        }
        match self.buffer.drain(self.sink, self.write_bytes_max) {
            Ok(_) | Err(Errno::AGAIN | Errno::INTR) => Moved::Some,
            Err(_) => Moved::SinkEnded,
        }
    }
}

/// Bytes that were read and not all written yet.
#[derive(Default)]
struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Buffer {
    fn is_empty(&self) -> bool {
        self.start == self.end
    }

    fn fill(&mut self, source: BorrowedFd<'_>) -> rustix::io::Result<usize> {
        // Made when it is first needed: an idle direction costs nothing.
        self.bytes.resize(READ_BYTES, 0);
        let count = rustix::io::read(source, &mut self.bytes[..])?;
        (self.start, self.end) = (0, count);
        Ok(count)
    }

    fn drain(&mut self, sink: BorrowedFd<'_>, bytes_max: usize) -> rustix::io::Result<usize> {
        let end = self.end.min(self.start + bytes_max);
        let count = rustix::io::write(sink, &self.bytes[self.start..end])?;
        self.start += count;
        Ok(count)
    }
}
