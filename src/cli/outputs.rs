//! Our standard output and error, to which the hosted program's are moved.
//!
//! Nobody may read one of them while the other is waited for: a program that is run directly goes
//! on with the one although the other is full, and so does one that is hosted.

use std::io;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll};

use bytes::Bytes;

use crate::io::mode::Modes;
use crate::io::stdio::Sink;
use crate::proto::Channel;
use crate::proto::limits::UNREAD_ERRORS_BYTES_MAX;

/// Standard output and error.
pub struct Outputs<'modes> {
    output: Sink,
    errors: Sink,
    modes: &'modes mut Modes,
}

/// One of them cannot be written.
#[derive(Debug)]
pub struct Unwritable {
    /// How people call it.
    pub name: &'static str,
    /// Why.
    pub error: io::Error,
}

impl<'modes> Outputs<'modes> {
    /// Those of this process; their modes are given back when they are closed early.
    ///
    /// # Errors
    ///
    /// If the system refuses to wait for one.
    pub fn new(output: OwnedFd, errors: OwnedFd, modes: &'modes mut Modes) -> io::Result<Self> {
        Ok(Outputs { output: Sink::new(output)?, errors: Sink::new(errors)?, modes })
    }

    /// Queues what came on a channel.
    pub fn push(&mut self, channel: Channel, bytes: Bytes) {
        match channel {
            Channel::Errors => self.errors.push(bytes),
            Channel::Output | Channel::Input | Channel::Signal => self.output.push(bytes),
        }
    }

    /// Whether there is room for more: the output is written, and not too much of the errors is
    /// left.
    pub fn has_room(&self) -> bool {
        self.output.queued_bytes() == 0 && self.errors.queued_bytes() < UNREAD_ERRORS_BYTES_MAX
    }

    /// Writes what is queued on both.
    ///
    /// # Errors
    ///
    /// The first that cannot be written.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Unwritable>> {
        let output = self.poll_flush_output(cx)?;
        let unwritable = |error| Unwritable { name: "standard error", error };
        let errors = self.errors.poll_flush(cx).map_err(unwritable)?;
        if output.is_ready() && errors.is_ready() { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    /// Writes what is queued on the output.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn poll_flush_output(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Unwritable>> {
        self.output.poll_flush(cx).map_err(|error| Unwritable { name: "standard output", error })
    }

    /// Ready when nobody reads the output any more.
    pub fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.output.poll_gone(cx)
    }

    /// The program has closed its output: whoever reads ours sees the end of it, too.
    pub fn finish(&mut self, channel: Channel) {
        if channel != Channel::Output {
            return;
        }
        if let Ok(null) = std::fs::File::options().write(true).open("/dev/null") {
            self.modes.give_back_stdout();
            let _ = rustix::stdio::dup2_stdout(&null);
            if let Ok(sink) = Sink::new(null.into()) {
                self.output = sink;
            }
        }
    }
}
