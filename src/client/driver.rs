//! The client's driver: carries out what the client machine asks for, on real processes.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::route::Target;
use super::transport::Transport;
use super::{Received, Shared};
use crate::io::alarm::Alarm;
use crate::io::link::LinkNews;
use crate::io::memory::Hoard;
use crate::io::turn;
use crate::proto::Frame;
use crate::proto::limits::LOGGED_WORD_BYTES_MAX;
use crate::session::Time;
use crate::session::client::{Attempt, Effect, Input, Launch, News};

/// Runs a session. Poll it on any executor, beside the [`Client`](super::Client); it is ready
/// when that was dropped and everything that belonged to the session was cleaned up.
#[must_use = "the session does nothing unless its driver is polled"]
pub struct Driver {
    shared: Arc<Shared>,
    target: Target,
    /// Where the server's program was found on its host.
    found: Option<String>,
    transport: Option<Transport>,
    closing: Vec<Pin<Box<dyn Future<Output = ()> + Send>>>,
    alarm: Alarm,
    hoard: Hoard,
    /// The machine was told something that somebody may wait for.
    was_told: bool,
}

impl Driver {
    pub(super) fn new(shared: Arc<Shared>, target: Target) -> Self {
        Driver {
            shared,
            target,
            found: None,
            transport: None,
            closing: Vec::new(),
            alarm: Alarm::default(),
            hoard: Hoard::default(),
            was_told: false,
        }
    }

    /// A round; true if there may be more at once.
    fn drive(&mut self, cx: &mut Context<'_>) -> bool {
        let now = self.shared.port.now();
        if self.shared.port.lock().is_abandoned() {
            self.shared.port.lock().machine.handle_input(now, Input::Close);
        }
        let mut busy = self.drive_reads(now, cx);
        busy |= self.drive_effects(now);
        busy |= self.drive_writes(cx);
        // Last: all of the above may move what is due.
        busy |= self.drive_alarm(now, cx);
        self.closing.retain_mut(|closing| closing.as_mut().poll(cx).is_pending());
        busy
    }

    /// Hands in what has come; true if there may be more at once.
    fn drive_reads(&mut self, now: Time, cx: &mut Context<'_>) -> bool {
        let Some(transport) = &mut self.transport else {
            return false;
        };
        let (attempt, shared) = (transport.attempt, &self.shared);
        let was_told = &mut self.was_told;
        let mut tell = |news| {
            *was_told = true;
            shared.port.lock().machine.handle_input(now, Input::Transport(attempt, news));
        };
        let more = transport.link.poll_news(cx, |news| tell(told(news)));
        // Also while bytes come without an end: whoever was left behind may write them.
        let news = transport.poll_process(cx);
        let note = transport.note.take();
        match news {
            Some(News::Exited(mut exit)) => {
                // It counts after everything that the process wrote.
                transport.link.poll_last_news(cx, |news| tell(told(news)));
                if exit.last_words.is_empty() {
                    exit.last_words = transport.link.noise();
                }
                tell(News::Exited(exit));
                true
            }
            Some(news) => {
                tell(news);
                if let Some(found) = transport.found.take() {
                    self.found = Some(found);
                }
                true
            }
            None => match note {
                Some(note) => {
                    *was_told = true;
                    shared.port.lock().machine.remark = Some(note);
                    true
                }
                None => more,
            },
        }
    }

    /// Does what is due; true if something was, and there may be something to do because of it.
    fn drive_alarm(&mut self, now: Time, cx: &mut Context<'_>) -> bool {
        let mut inner = self.shared.port.lock();
        let due = self.alarm.poll_due(now, inner.machine.poll_timeout(), cx);
        if due {
            inner.machine.handle_timeout(now);
            self.was_told = true;
        }
        due
    }

    /// Does what the machine asks for; true if a transport was opened, which may have news.
    fn drive_effects(&mut self, now: Time) -> bool {
        let mut opened = false;
        loop {
            let mut inner = self.shared.port.lock();
            let Some(effect) = inner.machine.poll_effect() else {
                if std::mem::take(&mut self.was_told) {
                    inner.wake_waiters();
                }
                return opened;
            };
            self.was_told = true;
            match effect {
                Effect::Deliver(channel, payload) => {
                    inner.deliveries.push_back(Received::Data(channel, payload))
                }
                Effect::Finished(channel) => inner.deliveries.push_back(Received::Finished(channel)),
                Effect::Open(attempt, launch, way) => {
                    let instance = inner.machine.instance();
                    let command = self.target.command(launch, way, instance, self.found.as_deref());
                    drop(inner);
                    self.open(now, attempt, launch, command);
                    opened = true;
                }
                Effect::Close(attempt, bye) => {
                    drop(inner);
                    if let Some(transport) = self.transport.take_if(|transport| transport.attempt == attempt)
                    {
                        self.closing.push(Box::pin(transport.close(bye)));
                    }
                }
                Effect::Status(status, cause) => {
                    let attempt = inner.machine.attempt();
                    log::info!(target: "reattach::state", "{status} #{attempt}: {cause}");
                    inner.machine.note(status, cause);
                }
                Effect::Ignored(attempt) => {
                    log::debug!("news of attempt {attempt}, which is over, changed nothing")
                }
                Effect::Rejected(rejected) => log::warn!("not sent: {rejected}"),
            }
        }
    }

    fn open(&mut self, now: Time, attempt: Attempt, launch: Launch, command: std::process::Command) {
        log::debug!("attempt {attempt} ({launch:?}): {}", in_short(&command));
        match Transport::open(attempt, command, self.target.streams(), self.target.following()) {
            Ok(transport) => self.transport = Some(transport),
            Err(why) => {
                let news = Input::Transport(attempt, News::NotOpened(why));
                self.shared.port.lock().machine.handle_input(now, news);
            }
        }
    }

    /// Writes what the machine has; true if there may be more at once.
    fn drive_writes(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(transport) = &mut self.transport else {
            return false;
        };
        let (shared, client) = (&self.shared, &self.target.client);
        transport.link.poll_write(cx, || {
            let (_, mut frame) = shared.port.lock().machine.poll_transmit()?;
            if let Frame::Hello(hello) = &mut frame {
                hello.client.clone_from(client);
            }
            Some(frame)
        })
    }
}

/// A command as it may be read: the script that finds a server is the same each time.
fn in_short(command: &std::process::Command) -> String {
    let arguments = command.get_args().map(|word| match word.len() {
        0..=LOGGED_WORD_BYTES_MAX => format!("{word:?}"),
        _ => "…".to_owned(),
    });
    std::iter::once(format!("{:?}", command.get_program())).chain(arguments).collect::<Vec<_>>().join(" ")
}

/// What a link says, in the machine's words.
fn told(news: LinkNews) -> News {
    match news {
        LinkNews::Heard => News::Heard,
        LinkNews::Preamble => News::Preamble,
        LinkNews::Frame(frame) => News::Frame(frame),
        LinkNews::Garbled(what) => News::Garbled(what),
        LinkNews::Ended => News::Ended,
        LinkNews::InputEnded | LinkNews::OutputEnded => {
            unreachable!("own bug: a client is told of whole ends only")
        }
    }
}

// Nothing in it is pinned in place.
impl Unpin for Driver {}

impl Drop for Driver {
    /// Nobody carries the session any further: it is over, and whoever waits is told.
    fn drop(&mut self) {
        let now = self.shared.port.now();
        let mut inner = self.shared.port.lock();
        inner.machine.handle_input(now, Input::Close);
        while let Some(effect) = inner.machine.poll_effect() {
            if let Effect::Status(status, cause) = effect {
                inner.machine.note(status, cause);
            }
        }
        inner.wake_waiters();
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // Before the work: whoever acts on the machine meanwhile wakes us for another round.
        self.shared.port.lock().park_driver(cx);
        if !turn::is_done(cx, |cx| self.drive(cx)) {
            return Poll::Pending;
        }
        let Driver { shared, hoard, .. } = &mut *self;
        let inner = shared.port.lock();
        hoard.poll(inner.machine.outbox(), inner.machine.inbox(), cx);
        let is_abandoned = inner.is_abandoned();
        drop(inner);
        let over = is_abandoned && self.transport.is_none() && self.closing.is_empty();
        if over { Poll::Ready(()) } else { Poll::Pending }
    }
}
