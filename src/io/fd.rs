//! Bytes in and out of file descriptors that can be polled, in bulk and without copies.
//!
//! When to read, and how much, is left to [`intake`](super::intake); which descriptor is put into
//! non-blocking mode, and what is done for those that cannot be polled, to [`stdio`](super::stdio).

use std::io::{self, IoSlice};
use std::os::fd::AsFd;
use std::task::{Context, Poll, ready};

use bytes::{BufMut, Bytes, BytesMut};
use rustix::io::Errno;

use super::pipe;
use super::polled::Polled;
use crate::proto::limits::{COPY_BYTES_MAX, READ_BYTES, READ_BYTES_MIN, SLICES_MAX};

/// Reads what is there, once, into the spare room of `buffer`, which is made if it is short.
///
/// # Errors
///
/// Those of the system call, [`Errno::AGAIN`] among them; interrupted calls are repeated.
pub fn read_now(fd: impl AsFd, buffer: &mut BytesMut) -> rustix::io::Result<usize> {
    if buffer.capacity() - buffer.len() < READ_BYTES_MIN {
        buffer.reserve(READ_BYTES);
    }
    read_into(fd, buffer, usize::MAX)
}

/// Reads what is there, once, into the spare room that `buffer` has: so many bytes at most.
///
/// # Errors
///
/// As [`read_now`].
pub fn read_into(fd: impl AsFd, buffer: &mut BytesMut, bytes_max: usize) -> rustix::io::Result<usize> {
    // SAFETY: the slice is only handed to the kernel, which writes initialised bytes into it.
    let spare = unsafe { buffer.chunk_mut().as_uninit_slice_mut() };
    let room = spare.len().min(bytes_max);
    let spare = &mut spare[..room];
    let count = rustix::io::retry_on_intr(|| rustix::io::read(&fd, &mut *spare).map(|(read, _)| read.len()))?;
    // SAFETY: the kernel has just initialised that many bytes after the buffer's length.
    unsafe { buffer.advance_mut(count) };
    Ok(count)
}

/// Bytes on their way out: small ones gathered, large ones written from where they are.
#[derive(Debug, Default)]
pub struct WriteQueue {
    /// Whole segments, oldest first; what was written of the first is gone from it.
    segments: std::collections::VecDeque<Bytes>,
    /// Small writes, gathered until a large one comes or they are written.
    tail: BytesMut,
    queued_bytes: usize,
    /// The last write did not take all that it was given: asking again at once would be in vain.
    is_blocked: bool,
    /// It was asked to hold more.
    is_widened: bool,
}

impl WriteQueue {
    /// Where small bytes are appended; call [`WriteQueue::appended`] afterwards.
    pub fn tail_mut(&mut self) -> &mut BytesMut {
        &mut self.tail
    }

    /// Counts what was appended to [`WriteQueue::tail_mut`].
    pub fn appended(&mut self, bytes: usize) {
        self.queued_bytes += bytes;
    }

    /// Appends bytes.
    pub fn push(&mut self, bytes: Bytes) {
        self.queued_bytes += bytes.len();
        if bytes.len() <= COPY_BYTES_MAX {
            self.tail.extend_from_slice(&bytes);
            return;
        }
        if !self.tail.is_empty() {
            self.segments.push_back(self.tail.split().freeze());
        }
        self.segments.push_back(bytes);
    }

    /// Bytes that were not written yet.
    pub fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    /// Writes until nothing is queued.
    ///
    /// # Errors
    ///
    /// Those of the system call; interrupted calls are repeated.
    pub fn poll_flush(&mut self, fd: &Polled, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.queued_bytes > 0 {
            if self.is_blocked {
                ready!(fd.poll_writable(cx))?;
                self.is_blocked = false;
            }
            let offered = self.offered_bytes();
            match self.write_now(fd) {
                Err(Errno::AGAIN) => self.is_blocked = true,
                Err(error) => return Poll::Ready(Err(error.into())),
                Ok(count) => self.is_blocked = count < offered,
            }
            if self.is_blocked && !self.is_widened {
                self.is_widened = true;
                self.is_blocked = pipe::widen(fd).is_none();
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Bytes that one call of [`WriteQueue::write_now`] hands over.
    fn offered_bytes(&self) -> usize {
        match self.segments.len() {
            few if few < SLICES_MAX => self.queued_bytes,
            _ => self.segments.iter().take(SLICES_MAX).map(Bytes::len).sum(),
        }
    }

    /// Writes what the descriptor takes in one call.
    ///
    /// # Errors
    ///
    /// Those of the system call, [`Errno::AGAIN`] among them.
    pub fn write_now(&mut self, fd: impl AsFd) -> rustix::io::Result<usize> {
        let count = if self.segments.is_empty() {
            rustix::io::retry_on_intr(|| rustix::io::write(&fd, &self.tail))?
        } else {
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let tail = [&self.tail[..]];
            let sources = self.segments.iter().map(|segment| &segment[..]).chain(tail);
            let used =
                slices.iter_mut().zip(sources).map(|(slice, source)| *slice = IoSlice::new(source)).count();
            rustix::io::retry_on_intr(|| rustix::io::writev(&fd, &slices[..used]))?
        };
        self.advance(count);
        Ok(count)
    }

    /// Writes at most `max` bytes in one call.
    ///
    /// # Errors
    ///
    /// Those of the system call.
    pub fn write_some_now(&mut self, fd: impl AsFd, max: usize) -> rustix::io::Result<usize> {
        let first = self.segments.front().map_or(&self.tail[..], |segment| &segment[..]);
        let some = &first[..first.len().min(max)];
        let count = rustix::io::retry_on_intr(|| rustix::io::write(&fd, some))?;
        self.advance(count);
        Ok(count)
    }

    fn advance(&mut self, mut count: usize) {
        self.queued_bytes -= count;
        while let Some(first) = self.segments.front_mut() {
            if count < first.len() {
                return drop(first.split_to(count));
            }
            count -= first.len();
            self.segments.pop_front();
        }
        drop(self.tail.split_to(count));
    }
}

#[cfg(test)]
mod tests {
    use super::super::intake::Intake;
    use super::super::reactor;
    use super::*;

    #[test]
    fn writes_large_and_small_in_order_through_a_narrow_pipe_on_either_reactor() {
        smol::block_on(write_through_a_pipe());
        reactor::block_on(write_through_a_pipe()).unwrap();
    }

    #[test]
    fn a_full_pipe_is_widened_and_not_asked_again_until_it_has_room() {
        reactor::block_on(async {
            let (reader, writer) = rustix::pipe::pipe().unwrap();
            let writer = Polled::new(writer).unwrap();
            let mut queue = WriteQueue::default();
            queue.push(vec![1; 1 << 20].into());
            let flush = |queue: &mut WriteQueue| {
                let waker = std::task::Waker::noop();
                queue.poll_flush(&writer, &mut Context::from_waker(waker))
            };
            assert!(flush(&mut queue).is_pending() && queue.is_blocked);
            let queued = queue.queued_bytes();
            #[cfg(target_os = "linux")]
            assert_eq!((1 << 20) - queued, crate::proto::limits::PIPE_BYTES);
            // Room that nobody has told us of.
            rustix::io::read(&reader, &mut [0; 1 << 16][..]).unwrap();
            assert!(flush(&mut queue).is_pending());
            assert_eq!(queue.queued_bytes(), queued);
        })
        .unwrap();
    }

    async fn write_through_a_pipe() {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let (reader, writer) = (Polled::new(reader).unwrap(), Polled::new(writer).unwrap());
        let mut queue = WriteQueue::default();
        let mut expected = Vec::new();
        for round in 0..50u8 {
            for size in [3, 2048, 2049, 40_000] {
                let bytes = vec![round; size];
                expected.extend_from_slice(&bytes);
                queue.push(bytes.into());
            }
        }
        assert_eq!(queue.queued_bytes(), expected.len());
        let (mut received, mut intake) = (BytesMut::new(), Intake::default());
        let write = std::future::poll_fn(|cx| queue.poll_flush(&writer, cx));
        let read = async {
            while received.len() < expected.len() {
                std::future::poll_fn(|cx| intake.poll_read(&reader, &mut received, cx)).await.unwrap();
            }
        };
        futures::join!(async { write.await.unwrap() }, read);
        assert!(received == expected);
        assert_eq!(queue.queued_bytes(), 0);
    }
}
