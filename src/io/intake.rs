//! What a descriptor gives: read in bulk while it is bulk, and into little room while it is not.
//!
//! A program that has worked hard and rests keeps no buffers for it, neither its own nor the pipe's.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::BytesMut;
use rustix::io::Errno;

use super::fd::read_into;
use super::polled::Polled;
use super::sleep::Sleep;
use super::{memory, pipe};
use crate::proto::limits::{BULK_REST, READ_BYTES, READ_BYTES_MIN, SMALL_READ_BYTES, SMALL_READ_BYTES_MIN};

/// How one descriptor is read, from call to call.
#[derive(Debug, Default)]
pub struct Intake {
    /// The last read took all that there was, so that the next one need not ask in vain.
    drained: bool,
    /// A read has filled all its room: there may be more where it came from.
    is_bulk: bool,
    /// Bytes of a read, if they are bounded by more than the room that is made for them: then the pipe is left
    /// as it is, though there is bulk.
    bytes_max: Option<usize>,
    /// It was asked to hold more.
    is_widened: bool,
    /// What the pipe held before it was widened for bulk.
    narrow_bytes: Option<usize>,
    /// When that will have been long ago; only while nothing comes.
    rest: Option<Sleep>,
}

impl Intake {
    /// Makes the next read ask the descriptor itself, whether or not news of it has come.
    pub fn ask_again(&mut self) {
        self.drained = false;
    }

    /// Bounds a read, and with it what the pipe may hold: what is read from it, or waits in it, is on its way. A
    /// pipe that was widened before is read as far as it goes, until it can be narrowed.
    pub fn bound(&mut self, bytes_max: Option<usize>) {
        self.bytes_max = bytes_max.map(|bytes| bytes.max(1));
    }

    /// Reads what is there into the spare room of `buffer`; zero bytes mean the end. A buffer that
    /// was made for bulk goes when none has come for a while.
    ///
    /// # Errors
    ///
    /// Those of the system call; interrupted calls are repeated.
    pub fn poll_read(
        &mut self,
        fd: &Polled,
        buffer: &mut BytesMut,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        loop {
            if self.drained {
                match fd.poll_readable(cx) {
                    Poll::Ready(ready) => ready?,
                    Poll::Pending => {
                        self.poll_rest(fd, buffer, cx);
                        return Poll::Pending;
                    }
                }
            }
            self.make_room(buffer);
            let bytes_max = self.read_bytes_max();
            match read_into(fd, buffer, bytes_max) {
                Err(Errno::AGAIN) => self.drained = true,
                Err(error) => return Poll::Ready(Err(error.into())),
                Ok(count) => {
                    let is_full = buffer.len() == buffer.capacity();
                    self.drained = !is_full && count < bytes_max;
                    self.is_bulk |= is_full;
                    if self.is_bulk && !self.is_widened && self.bytes_max.is_none() {
                        self.is_widened = true;
                        self.narrow_bytes = pipe::widen(fd);
                    }
                    if self.bytes_max.is_some() {
                        self.try_to_narrow(fd);
                    }
                    self.rest = None;
                    return Poll::Ready(Ok(count));
                }
            }
        }
    }

    fn read_bytes_max(&self) -> usize {
        match self.bytes_max {
            Some(bytes_max) if self.narrow_bytes.is_none() => bytes_max,
            Some(_) | None => usize::MAX,
        }
    }

    /// It holds too much for that as long as its writer is faster than we are.
    fn try_to_narrow(&mut self, fd: &Polled) {
        if let Some(before) = self.narrow_bytes
            && pipe::narrow(fd, before)
        {
            (self.narrow_bytes, self.is_widened) = (None, false);
        }
    }

    fn make_room(&self, buffer: &mut BytesMut) {
        let (least, room) = match self.is_bulk {
            true => (READ_BYTES_MIN, READ_BYTES),
            false => (SMALL_READ_BYTES_MIN, SMALL_READ_BYTES),
        };
        if buffer.capacity() - buffer.len() < least {
            buffer.reserve(room);
        }
    }

    fn poll_rest(&mut self, fd: &Polled, buffer: &mut BytesMut, cx: &mut Context<'_>) {
        if !self.is_bulk {
            return;
        }
        let rest = self.rest.get_or_insert_with(|| Sleep::after(BULK_REST));
        if Pin::new(rest).poll(cx).is_ready() {
            self.rest = None;
            self.is_bulk = false;
            self.is_widened = false;
            // The beginning of a message keeps the room that was made for all of it.
            if buffer.is_empty() {
                *buffer = BytesMut::new();
            }
            if let Some(before) = self.narrow_bytes.take() {
                pipe::narrow(fd, before);
            }
            memory::give_back();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::super::reactor;
    use super::*;
    use crate::proto::limits::PIPE_BYTES;

    #[test]
    #[cfg(target_os = "linux")]
    fn room_grows_with_bulk_and_goes_with_it() {
        reactor::block_on(async {
            let (reader, writer) = rustix::pipe::pipe().unwrap();
            let reader = Polled::new(reader).unwrap();
            let width = || rustix::pipe::fcntl_getpipe_size(&reader).unwrap();
            let narrow = width();
            let (mut intake, mut buffer) = (Intake::default(), BytesMut::new());
            rustix::io::write(&writer, b"word").unwrap();
            poll_fn(|cx| intake.poll_read(&reader, &mut buffer, cx)).await.unwrap();
            assert!(buffer.split().capacity() <= SMALL_READ_BYTES && !intake.is_bulk);
            assert!(narrow < PIPE_BYTES && width() == narrow);

            rustix::io::write(&writer, &[7; 4 * SMALL_READ_BYTES]).unwrap();
            let mut left = 4 * SMALL_READ_BYTES;
            while left > 0 {
                left -= poll_fn(|cx| intake.poll_read(&reader, &mut buffer, cx)).await.unwrap();
                drop(buffer.split());
            }
            assert!(intake.is_bulk && buffer.capacity() > SMALL_READ_BYTES);
            assert_eq!(width(), PIPE_BYTES);

            let nothing = poll_fn(|cx| intake.poll_read(&reader, &mut buffer, cx));
            futures::future::select(nothing, Sleep::after(BULK_REST * 2)).await;
            assert!(!intake.is_bulk && buffer.capacity() == 0);
            assert_eq!(width(), narrow);
        })
        .unwrap();
    }
}
