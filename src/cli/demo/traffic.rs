//! Numbered lines through a session, and whether each came back once and in order.

use std::cell::Cell;
use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use smol::Timer;

use crate::io::stdio::{Sink, Source};

/// Time between two lines: some hundred a second, so that every cut hits some on their way.
const LINE_INTERVAL: Duration = Duration::from_millis(3);

/// How far the lines have come.
pub(super) struct Traffic {
    sent: Cell<u64>,
    answered: Cell<u64>,
}

impl Traffic {
    pub(super) fn new() -> Self {
        Traffic { sent: Cell::new(0), answered: Cell::new(0) }
    }

    /// Lines sent so far.
    pub(super) fn sent(&self) -> u64 {
        self.sent.get()
    }

    /// Waits until that many lines were answered.
    pub(super) async fn answered(&self, lines: u64) {
        while self.answered.get() < lines {
            Timer::after(LINE_INTERVAL).await;
        }
    }

    /// Sends lines until nobody takes them.
    pub(super) async fn send(&self, mut input: Sink) {
        loop {
            let number = self.sent.get() + 1;
            input.push(format!("line {number}\n").into());
            self.sent.set(number);
            if input.flush().await.is_err() {
                return;
            }
            Timer::after(LINE_INTERVAL).await;
        }
    }

    /// Checks the answers; ends, with what is wrong, at the first that is not the next one.
    pub(super) async fn check(&self, output: Source) -> String {
        let mut lines = std::pin::pin!(lines(output));
        while let Some(line) = lines.next().await {
            let number = self.answered.get() + 1;
            if line != format!("{number} line {number}") {
                return format!("answer {number} was expected, {line:?} came");
            }
            self.answered.set(number);
        }
        // The end of output is the client's end, which is told otherwise.
        std::future::pending().await
    }
}

/// The lines of a stream.
pub(super) fn lines(source: Source) -> impl Stream<Item = String> {
    let chunks = stream::unfold(source, async |mut source| match source.read().await {
        Ok(bytes) if !bytes.is_empty() => Some((bytes, source)),
        Ok(_) | Err(_) => None,
    });
    let mut rest = Vec::new();
    chunks.flat_map(move |bytes| {
        rest.extend_from_slice(&bytes);
        let mut whole = Vec::new();
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            whole.push(String::from_utf8_lossy(&line[..end]).into_owned());
        }
        stream::iter(whole)
    })
}
