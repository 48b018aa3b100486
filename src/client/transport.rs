//! One attempt's process: its bytes, its word on standard error, and its end.

use std::future::{Future, pending};
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::process::{Command, Stdio};
use std::task::{Context, Poll};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use rustix::process::{Pid, Signal};
use smol::Timer;
use smol::channel::{Receiver, Sender, bounded};
use smol::future::{or, yield_now};

use super::leash::{Following, Leash};
use crate::io::child::{Waiting, ended};
use crate::io::framed::{FrameReader, FrameWriter};
use crate::io::link::Link;
use crate::io::pipe;
use crate::io::polled::Polled;
use crate::io::stdio::Source;
use crate::proto::limits::{FAREWELL_TIMEOUT, LAST_WORDS_WAIT, LINE_BYTES_MAX, TRANSPORT_GRACE};
use crate::proto::words::harmless;
use crate::proto::{Bye, ByeReason, Frame, Notice, Verdict};
use crate::session::client::{Attempt, News, ProxyExit};

/// An open transport.
pub(super) struct Transport {
    pub(super) attempt: Attempt,
    pub(super) link: Link,
    /// Where the proxy's program was found, once it has said so.
    pub(super) found: Option<String>,
    process: Leash,
    notices: Receiver<Notice>,
    /// Woken for itself only: it has nothing to do while bytes pass.
    watch: FuturesUnordered<Pin<Box<dyn Future<Output = Said> + Send>>>,
    said: Option<Said>,
    /// What its user should know.
    pub(super) note: Option<String>,
}

/// What the standard input and output of a transport's process are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Streams {
    /// What any program expects.
    Pipes,
    /// What is faster.
    Sockets,
}

impl Streams {
    /// An end to read from, and one to write to.
    fn make(self) -> io::Result<(OwnedFd, OwnedFd)> {
        match self {
            Streams::Pipes => io::pipe().map(|(reader, writer)| (reader.into(), writer.into())),
            Streams::Sockets => pipe::of_sockets(),
        }
    }
}

/// What a proxy, or ssh, said on standard error until its process ended.
#[derive(Default)]
struct Said {
    verdict: Option<Verdict>,
    /// The first line and the last: a usage comes after what was wrong, and what was wrong at last
    /// after other things.
    first: String,
    last: String,
}

impl Transport {
    /// Starts the command of an attempt, with standard streams of that kind.
    pub(super) fn open(
        attempt: Attempt,
        mut command: Command,
        streams: Streams,
        following: Following,
    ) -> Result<Self, String> {
        let name = command.get_program().to_string_lossy().into_owned();
        let fail = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => format!("the command {name} was not found"),
            _ => format!("the command {name} cannot be started: {error}"),
        };
        let (stdin, input) = streams.make().map_err(fail)?;
        let (output, stdout) = streams.make().map_err(fail)?;
        command.stdin(stdin).stdout(stdout).stderr(Stdio::piped());
        let mut process = Leash::start(&mut command, following).map_err(fail)?;
        // With it go our copies of the child's ends, which would keep the child's end from us.
        drop(command);
        let errors = OwnedFd::from(process.child().stderr.take().expect("it was piped"));
        let reader = FrameReader::after_preamble(Polled::new(output).map_err(fail)?);
        let writer = FrameWriter::new(Polled::new(input).map_err(fail)?);
        // What a proxy may say before its bytes: that it has started, and a note.
        let (told, notices) = bounded(2);
        let watch: Pin<Box<dyn Future<Output = Said> + Send>> =
            Box::pin(watch(process.pid(), Source::new(errors).map_err(fail)?, told));
        let link = Link::new(reader, writer);
        let watch = FuturesUnordered::from_iter([watch]);
        let (found, said, note) = (None, None, None);
        Ok(Transport { attempt, link, found, process, notices, watch, said, note })
    }

    /// News of the process, told after all that came before it on its output.
    pub(super) fn poll_process(&mut self, cx: &mut Context<'_>) -> Option<News> {
        if let Poll::Ready(Some(said)) = self.watch.poll_next_unpin(cx) {
            self.said = Some(said);
        }
        match self.notices.try_recv() {
            Ok(Notice::Started { host, found }) => {
                self.found = found;
                self.process.works();
                return Some(News::Started(host));
            }
            Ok(Notice::Note { message }) => {
                self.note = Some(message);
                return None;
            }
            Ok(Notice::Exit(_)) | Err(_) => {}
        }
        let said = self.said.take()?;
        // It has ended, so this does not wait.
        let status = self.process.reap();
        let last_words = said.words();
        Some(News::Exited(ProxyExit { status, verdict: said.verdict, last_words }))
    }

    /// Ends the transport: with a last frame if there is one and it gets through, in any case soon.
    pub(super) async fn close(self, bye: Option<Bye>) {
        let Transport { link, mut process, mut watch, .. } = self;
        // A process that finds nobody to read its last words would not end.
        let listen = async {
            watch.next().await;
            pending().await
        };
        or(end(link, &mut process, bye), listen).await;
        process.end_kin().await;
    }
}

/// Says goodbye, and waits for the end of the process or brings it about.
async fn end(mut link: Link, process: &mut Leash, bye: Option<Bye>) {
    let graceful = bye.is_some();
    if let Some(bye) = bye {
        or(link.finish(&Frame::Bye(bye)), async {
            Timer::after(FAREWELL_TIMEOUT).await;
        })
        .await;
    }
    if !graceful {
        // An end without a word would be taken for our death.
        let message = String::new();
        link.mention(&Frame::Bye(Bye { reason: ByeReason::Lost, message, received: 0 }));
    }
    drop(link);
    let pid = process.pid();
    // If its end was told before.
    if process.is_reaped() {
        return;
    }
    let has_ended = async |grace| {
        or(async { ended(pid, Waiting::best()).await.is_ok() }, async {
            Timer::after(grace).await;
            false
        })
        .await
    };
    if !(graceful && has_ended(FAREWELL_TIMEOUT).await) {
        process.signal(Signal::TERM);
        if !has_ended(TRANSPORT_GRACE).await {
            process.signal(Signal::KILL);
            let _ = ended(pid, Waiting::best()).await;
        }
    }
    process.reap();
}

/// Reads standard error until the process has ended, and what it said last.
async fn watch(pid: Pid, mut errors: Source, notices: Sender<Notice>) -> Said {
    let mut said = Said::default();
    let mut lines = Lines::default();
    let ended_first = or(
        async {
            said.listen(&mut errors, &mut lines, &notices).await;
            false
        },
        async {
            let _ = ended(pid, Waiting::best()).await;
            true
        },
    )
    .await;
    if ended_first {
        // What it wrote is in the pipe; a process that it left behind may hold that open for ever.
        or(said.listen(&mut errors, &mut lines, &notices), async {
            Timer::after(LAST_WORDS_WAIT).await;
        })
        .await;
    } else {
        let _ = ended(pid, Waiting::best()).await;
    }
    lines.finish(|line| said.take(line, &notices));
    said
}

impl Said {
    /// Until the end of standard error.
    async fn listen(&mut self, errors: &mut Source, lines: &mut Lines, notices: &Sender<Notice>) {
        while let Ok(bytes) = errors.read().await {
            if bytes.is_empty() {
                break;
            }
            for some in bytes.chunks(LINE_BYTES_MAX) {
                lines.push(some, |line| self.take(line, notices));
                // Who writes faster than we read must not keep everything else from its turn.
                yield_now().await;
            }
        }
    }

    fn take(&mut self, line: &str, notices: &Sender<Notice>) {
        match Notice::from_line(line) {
            Some(Notice::Exit(verdict)) => self.verdict = Some(verdict),
            Some(started @ Notice::Started { .. }) => {
                let _ = notices.try_send(started);
                // The transport works: what it said before is its greeting.
                self.first.clear();
                self.last.clear();
            }
            Some(note @ Notice::Note { .. }) => {
                let _ = notices.try_send(note);
            }
            None if line.trim().is_empty() => {}
            None => {
                // Colours and bells of the far side are not for our user's terminal.
                let line: String = harmless(line.trim());
                log::info!("the transport says: {line}");
                if self.first.is_empty() {
                    self.first.clone_from(&line);
                }
                self.last = line;
            }
        }
    }

    fn words(&self) -> String {
        match self.first == self.last {
            true => self.last.clone(),
            false => format!("{} … {}", self.first, self.last),
        }
    }
}

/// Cuts bytes into lines, none longer than the bound.
#[derive(Default)]
struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    fn push(&mut self, bytes: &[u8], mut take: impl FnMut(&str)) {
        for byte in bytes {
            match byte {
                b'\n' => self.finish(&mut take),
                _ if self.rest.len() < LINE_BYTES_MAX => self.rest.push(*byte),
                _ => {}
            }
        }
    }

    fn finish(&mut self, mut take: impl FnMut(&str)) {
        if !self.rest.is_empty() {
            take(&String::from_utf8_lossy(&self.rest));
            self.rest.clear();
        }
    }
}
