//! Both directions of one transport, as a driver sees them: news out of it, frames into it.
//!
//! Which machine the news are for, and whether the transport is current, is left to the drivers.

use std::task::{Context, Poll};

use super::framed::{FrameReader, FrameWriter, Incoming};
use super::polled::Polled;
use crate::proto::Frame;
use crate::proto::limits::{FILLS_MAX, FRAMES_MAX};

/// News of a transport.
#[derive(Debug)]
pub enum LinkNews {
    /// Bytes came.
    Heard,
    /// The preamble came.
    Preamble,
    /// A frame came.
    Frame(Frame),
    /// What came cannot be understood; the last news.
    Garbled(String),
    /// Nothing more can be read, and all that was read was whole; told of a link that
    /// [tells halves](Link::by_halves), and not the last news of it.
    InputEnded,
    /// And nobody reads what is written; the last news.
    OutputEnded,
    /// The other side has ended; the last news.
    Ended,
}

/// A transport's two ends.
#[derive(Debug)]
pub struct Link {
    reader: FrameReader,
    writer: FrameWriter,
    /// Not all that was read was told.
    has_untold: bool,
    /// Nothing more can be read.
    read_over: bool,
    /// Nothing more can be written.
    write_over: bool,
    /// The last news was told.
    is_over: bool,
    /// The end of the input alone is news.
    by_halves: bool,
    /// That nobody is at the other end of the output shows only when something is written.
    is_patient: bool,
    /// Whoever lent us the descriptors; dropped after them, so that its end is the end of all.
    lender: Option<Polled>,
}

impl Link {
    /// A transport that was just opened.
    pub fn new(reader: FrameReader, writer: FrameWriter) -> Self {
        Link {
            reader,
            writer,
            has_untold: false,
            read_over: false,
            write_over: false,
            is_over: false,
            by_halves: false,
            is_patient: false,
            lender: None,
        }
    }

    /// One whose two directions may end one after the other, which is told.
    #[must_use]
    pub fn by_halves(mut self) -> Self {
        self.by_halves = true;
        self
    }

    /// One with nothing between the two sides that could end without them: both directions end at once
    /// with the other side, and that is told like the end of one.
    #[must_use]
    pub fn without_a_way_between(mut self) -> Self {
        self.is_patient = true;
        self
    }

    /// One whose descriptors were lent to us by who is at the other end of `lender`: it ends when
    /// that says a word or ends, after what was written until then: a turn's reads take more than
    /// pipes hold.
    #[must_use]
    pub fn lent_by(mut self, lender: Polled) -> Self {
        self.lender = Some(lender);
        self
    }

    /// Reads what is there and tells it, as far as its bound; true if there may be more at once.
    pub fn poll_news(&mut self, cx: &mut Context<'_>, mut tell: impl FnMut(LinkNews)) -> bool {
        let lender_ended = self.lender.as_ref().is_some_and(|lender| lender.poll_readable(cx).is_ready());
        let mut frames_left = FRAMES_MAX;
        if lender_ended {
            // Its end is told beside the bytes, and what was written before it came before it.
            self.reader.ask_again();
            frames_left = usize::MAX;
        }
        let more = self.poll_some_news(cx, &mut tell, frames_left);
        if lender_ended {
            self.end(&mut tell, LinkNews::Ended);
        } else if self.read_over && !self.is_over && self.poll_output_ended(cx) {
            self.end(&mut tell, LinkNews::OutputEnded);
        }
        more && !lender_ended
    }

    /// Tells the last news, once.
    fn end(&mut self, tell: &mut impl FnMut(LinkNews), last: LinkNews) {
        self.read_over = true;
        if !std::mem::replace(&mut self.is_over, true) {
            tell(last);
        }
    }

    /// Whether nobody reads what is written.
    fn poll_output_ended(&self, cx: &mut Context<'_>) -> bool {
        self.write_over || (!self.is_patient && self.writer.poll_gone(cx).is_ready())
    }

    /// As much as is read in one round, and no more frames than may be told in it.
    fn poll_some_news(
        &mut self,
        cx: &mut Context<'_>,
        tell: &mut impl FnMut(LinkNews),
        mut frames_left: usize,
    ) -> bool {
        for _ in 0..FILLS_MAX {
            if self.read_over {
                return false;
            }
            if !self.has_untold {
                match self.reader.poll_fill(cx) {
                    Poll::Pending => return false,
                    Poll::Ready(Ok(0)) if self.by_halves && !self.reader.has_part() => {
                        self.read_over = true;
                        tell(LinkNews::InputEnded);
                    }
                    Poll::Ready(Ok(0) | Err(_)) => self.end(tell, LinkNews::Ended),
                    Poll::Ready(Ok(_)) => {
                        tell(LinkNews::Heard);
                        self.has_untold = true;
                    }
                }
            }
            if self.has_untold && !self.tell_incoming(tell, &mut frames_left) {
                return true;
            }
        }
        true
    }

    /// Tells what has come, to the last byte: for an other side that is known to have ended, whose
    /// end may have been noticed before what it wrote last. A turn's reads take more than pipes hold;
    /// what is more than that comes from somebody whom it left behind, and might never end.
    pub fn poll_last_news(&mut self, cx: &mut Context<'_>, mut tell: impl FnMut(LinkNews)) {
        self.reader.ask_again();
        self.poll_some_news(cx, &mut tell, usize::MAX);
    }

    /// Tells what was read; true if that was all of it, and not only as many frames as are left.
    fn tell_incoming(&mut self, tell: &mut impl FnMut(LinkNews), frames_left: &mut usize) -> bool {
        while *frames_left > 0 {
            match self.reader.next_incoming() {
                Ok(Some(Incoming::Preamble)) => tell(LinkNews::Preamble),
                Ok(Some(Incoming::Frame(frame))) => {
                    *frames_left -= 1;
                    tell(LinkNews::Frame(frame));
                }
                Ok(None) => {
                    self.has_untold = false;
                    return true;
                }
                Err(what) => {
                    self.has_untold = false;
                    self.end(tell, LinkNews::Garbled(what));
                    return true;
                }
            }
        }
        false
    }

    /// Writes frames as long as `next` gives some and the transport takes them; true if there may
    /// be more at once. A transport that takes nothing any more is noticed by its reading side,
    /// or by the silence.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, mut next: impl FnMut() -> Option<Frame>) -> bool {
        if self.write_over {
            return false;
        }
        while self.writer.has_room()
            && let Some(frame) = next()
        {
            self.writer.push(&frame);
        }
        let was_full = !self.writer.has_room();
        match self.writer.poll_flush(cx) {
            Poll::Pending => false,
            // What was written made room for more.
            Poll::Ready(Ok(())) => was_full,
            Poll::Ready(Err(_)) => {
                self.write_over = true;
                // Which is news where the other half has ended before.
                self.read_over && !self.is_over
            }
        }
    }

    /// Writes one last frame as far as the transport takes it at once, if it was ever written to: whoever
    /// is at the other end may hear it, and is not waited for.
    pub fn mention(&mut self, last: &Frame) {
        if self.writer.has_written() && !self.write_over {
            self.writer.push(last);
            let _ = self.writer.poll_flush(&mut Context::from_waker(std::task::Waker::noop()));
        }
    }

    /// Writes what was given, and one last frame; gives up when the transport fails. Reads on
    /// meanwhile, and throws it away, so that the other side is not kept from reading.
    pub async fn finish(&mut self, last: &Frame) {
        self.writer.push(last);
        std::future::poll_fn(|cx| {
            if self.poll_news(cx, drop) {
                cx.waker().wake_by_ref();
            }
            self.writer.poll_flush(cx).map(drop)
        })
        .await;
    }

    /// What came instead of the preamble, if that never came.
    pub fn noise(&self) -> String {
        self.reader.noise()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::{Seek, Write};
    use std::os::unix::net::UnixStream;

    use bytes::{Bytes, BytesMut};
    use rustix::pipe::pipe;

    use super::super::{pipe as pipes, reactor};
    use super::*;
    use crate::proto::limits::{CHUNK_BYTES, READ_BYTES};
    use crate::proto::{Channel, encode_head};

    #[test]
    fn what_was_written_before_the_lender_ended_is_read_before_its_end() {
        reactor::block_on(async {
            let (far, near) = pipe().unwrap();
            let (lender, borrower) = UnixStream::pair().unwrap();
            let [reader, writer] = [far, pipe().unwrap().1].map(|fd| Polled::new(fd).unwrap());
            let mut link = Link::new(FrameReader::at_once(reader), FrameWriter::new(writer))
                .lent_by(Polled::new(borrower.into()).unwrap());
            let mut told = Vec::new();
            // Nothing is there yet, and so it is not asked again before there is news.
            let mut cx = Context::from_waker(std::task::Waker::noop());
            while link.poll_news(&mut cx, |news| told.push(news)) {}
            assert!(told.is_empty());
            // Nearly all that a pipe holds that nobody widens: more than one read.
            let payload = Bytes::from(vec![7; 60_000]);
            let mut bytes = BytesMut::new();
            let data = Frame::Data { channel: Channel::Input, seq: 1, payload };
            let payload = encode_head(&data, &mut bytes).unwrap();
            bytes.extend_from_slice(&payload);
            encode_head(&Frame::Ping(1), &mut bytes);
            rustix::io::write(&near, &bytes).unwrap();
            drop(lender);
            poll_fn(|cx| {
                while link.poll_news(cx, |news| told.push(news)) {}
                if link.read_over { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
            let frames = told.iter().filter(|news| matches!(news, LinkNews::Frame(_))).count();
            assert!(frames == 2 && matches!(told.last(), Some(LinkNews::Ended)), "{told:?}");
        })
        .unwrap();
    }

    #[test]
    fn who_never_ends_is_heard_for_a_turn_at_a_time_also_at_the_end() {
        // A buffer may have somewhat more room than it was asked for.
        const TURN_BYTES: usize = 2 * FILLS_MAX * READ_BYTES;
        reactor::block_on(async {
            // More than the three turns below take; how much was read is the file's position.
            let mut bytes = BytesMut::new();
            while bytes.len() <= 3 * TURN_BYTES {
                let payload = Bytes::from_static(&[7; 1 << 10]);
                let data = Frame::Data { channel: Channel::Input, seq: 1, payload };
                let payload = encode_head(&data, &mut bytes).unwrap();
                bytes.extend_from_slice(&payload);
            }
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&bytes).unwrap();
            file.rewind().unwrap();
            let reader = Polled::new(file.try_clone().unwrap().into()).unwrap();
            // Nobody reads what is written, and the pipe is full.
            let (_unread, full) = pipe().unwrap();
            let writer = Polled::new(full).unwrap();
            pipes::widen(&writer);
            while rustix::io::write(&writer, &[0; 4096]).is_ok() {}
            let mut link = Link::new(FrameReader::at_once(reader), FrameWriter::new(writer));

            let mut before = 0;
            let mut read_bytes = || {
                let position = usize::try_from(file.stream_position().unwrap()).unwrap();
                position - std::mem::replace(&mut before, position)
            };
            let mut cx = Context::from_waker(std::task::Waker::noop());
            {
                let mut finish = std::pin::pin!(link.finish(&Frame::Ping(1)));
                for _ in 0..2 {
                    assert!(finish.as_mut().poll(&mut cx).is_pending());
                    assert!((1..=TURN_BYTES).contains(&read_bytes()));
                }
            }
            link.poll_last_news(&mut cx, drop);
            assert!((1..=TURN_BYTES).contains(&read_bytes()));
        })
        .unwrap();
    }

    #[test]
    fn the_smallest_frames_are_told_some_at_a_time_and_all_of_them_at_the_end() {
        reactor::block_on(async {
            let (far, near) = pipe().unwrap();
            pipes::widen(&near);
            let mut bytes = BytesMut::new();
            const COUNT: usize = 5 * FRAMES_MAX / 2;
            (0..COUNT).for_each(|_| drop(encode_head(&Frame::Pong(1), &mut bytes)));
            assert_eq!(rustix::io::write(&near, &bytes), Ok(bytes.len()));
            let [far, near] = [far, near].map(|fd| Polled::new(fd).unwrap());
            let mut link = Link::new(FrameReader::at_once(far), FrameWriter::new(near));
            let mut told = |is_last| {
                let mut count = 0;
                let mut cx = Context::from_waker(std::task::Waker::noop());
                let tell = |news| count += usize::from(matches!(news, LinkNews::Frame(_)));
                match is_last {
                    false => assert!(link.poll_news(&mut cx, tell), "nothing more would be asked for"),
                    true => link.poll_last_news(&mut cx, tell),
                }
                count
            };
            assert_eq!(told(false), FRAMES_MAX);
            assert_eq!(told(true), COUNT - FRAMES_MAX);
        })
        .unwrap();
    }

    #[test]
    fn a_full_queue_that_is_written_whole_is_given_more() {
        reactor::block_on(async {
            let (silent, _nobody) = pipe().unwrap();
            let (far, near) = pipe().unwrap();
            let [silent, far, near] = [silent, far, near].map(|fd| Polled::new(fd).unwrap());
            let mut link = Link::new(FrameReader::at_once(silent), FrameWriter::new(near));
            let payload = Bytes::from(vec![7; CHUNK_BYTES]);
            let frame = || Some(Frame::Data { channel: Channel::Input, seq: 1, payload: payload.clone() });
            let mut cx = Context::from_waker(std::task::Waker::noop());
            // Until the pipe is full, and the queue behind it.
            while link.poll_write(&mut cx, frame) || link.writer.has_room() {}
            while rustix::io::read(&far, &mut vec![0; 1 << 20][..]).is_ok() {}
            let more = poll_fn(|cx| {
                let more = link.poll_write(cx, || None);
                if link.writer.has_room() { Poll::Ready(more) } else { Poll::Pending }
            });
            assert!(more.await, "nothing more would be asked for");
        })
        .unwrap();
    }
}
