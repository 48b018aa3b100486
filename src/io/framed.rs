//! One transport's bytes as frames: a reader and a writer, each over one descriptor.
//!
//! What the frames mean is left to the machines, which transport is current to the drivers.

use std::io;
use std::task::{Context, Poll};

use super::fd::WriteQueue;
use super::intake::Intake;
use super::polled::Polled;
use crate::proto::limits::WRITE_BYTES_MAX;
use crate::proto::{Decoder, Frame, PREAMBLE, PreambleScanner, encode_head};

/// What was read.
#[derive(Debug)]
pub enum Incoming {
    /// The preamble: from here on, frames.
    Preamble,
    /// A frame.
    Frame(Frame),
}

/// Frames coming in.
#[derive(Debug)]
pub struct FrameReader {
    fd: Polled,
    intake: Intake,
    decoder: Decoder,
    /// Until the preamble was found.
    scanner: Option<PreambleScanner>,
}

impl FrameReader {
    /// The client's end: frames come after the preamble.
    pub fn after_preamble(fd: Polled) -> Self {
        FrameReader {
            fd,
            intake: Intake::default(),
            decoder: Decoder::new(),
            scanner: Some(PreambleScanner::new()),
        }
    }

    /// The server's end: frames come at once.
    pub fn at_once(fd: Polled) -> Self {
        FrameReader { fd, intake: Intake::default(), decoder: Decoder::new(), scanner: None }
    }

    /// Makes the next [`FrameReader::poll_fill`] ask the descriptor itself, whether or not news of
    /// it has come.
    pub fn ask_again(&mut self) {
        self.intake.ask_again();
    }

    /// Reads once; zero bytes mean the end.
    ///
    /// # Errors
    ///
    /// Those of the descriptor.
    pub fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.intake.poll_read(&self.fd, self.decoder.buffer_mut(), cx)
    }

    /// The next of what was read.
    ///
    /// # Errors
    ///
    /// One sentence about what cannot be understood; nothing more can be read then.
    pub fn next_incoming(&mut self) -> Result<Option<Incoming>, String> {
        if let Some(scanner) = &mut self.scanner {
            match scanner.scan(self.decoder.buffer_mut()) {
                Ok(false) => return Ok(None),
                Ok(true) => {
                    self.scanner = None;
                    return Ok(Some(Incoming::Preamble));
                }
                Err(error) => return Err(error.to_string()),
            }
        }
        match self.decoder.next_frame() {
            Ok(frame) => Ok(frame.map(Incoming::Frame)),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Whether the beginning of something has come, and not its end.
    pub fn has_part(&self) -> bool {
        self.decoder.buffered_bytes() > 0
    }

    /// What came instead of the preamble, if that never came.
    pub fn noise(&self) -> String {
        self.scanner.as_ref().map_or_else(String::new, PreambleScanner::noise)
    }
}

/// Frames going out.
#[derive(Debug)]
pub struct FrameWriter {
    fd: Polled,
    queue: WriteQueue,
    /// A frame was queued.
    has_written: bool,
}

impl FrameWriter {
    /// The client's end.
    pub fn new(fd: Polled) -> Self {
        FrameWriter { fd, queue: WriteQueue::default(), has_written: false }
    }

    /// The server's end: begins with the preamble.
    pub fn with_preamble(fd: Polled) -> Self {
        let mut writer = Self::new(fd);
        writer.queue.push(PREAMBLE.into());
        writer
    }

    /// Whether another frame should be given: what is queued here can no longer be overtaken by
    /// what is urgent.
    pub fn has_room(&self) -> bool {
        self.queue.queued_bytes() < WRITE_BYTES_MAX
    }

    /// Whether a frame was ever queued.
    pub fn has_written(&self) -> bool {
        self.has_written
    }

    /// Ready when nobody is at the other end any more.
    pub fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.fd.poll_gone(cx)
    }

    /// Queues a frame.
    pub fn push(&mut self, frame: &Frame) {
        self.has_written = true;
        let before = self.queue.tail_mut().len();
        let payload = encode_head(frame, self.queue.tail_mut());
        let head = self.queue.tail_mut().len() - before;
        self.queue.appended(head);
        if let Some(payload) = payload {
            self.queue.push(payload);
        }
    }

    /// Writes until nothing is queued.
    ///
    /// # Errors
    ///
    /// Those of the descriptor.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.queue.poll_flush(&self.fd, cx)
    }
}
