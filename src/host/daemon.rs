//! The server's driver: carries out what the server machine asks for, on real sockets.
//!
//! Starting, leaving word and exiting are left to whoever calls [`run`].

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::Stream;
use smol::channel::{Receiver, bounded};
use smol::future::or;
use smol::{LocalExecutor, Timer};

use super::application::{Application, Delivery, Session};
use super::pairing::{Attachment, Listeners, accept};
use crate::io::alarm::Alarm;
use crate::io::clock::Clock;
use crate::io::framed::{FrameReader, FrameWriter, Incoming};
use crate::io::port::{Inner, Port};
use crate::proto::limits::{APP_GRACE, ATTACHING_MAX, FAREWELL_TIMEOUT, FILLS_MAX};
use crate::proto::{Frame, GoneReason, InstanceId};
use crate::session::server::{Effect, Input, News, Server, Status, TransportId};
use crate::session::{ServerConfig, Time};

/// A server that has ended, and its application with it.
pub struct Ended {
    /// Why.
    pub reason: GoneReason,
    /// Attached transports stay open until this is dropped, best by the process's exit: with the
    /// end of its socket a proxy looks whether the lock is free.
    _links: BTreeMap<TransportId, Link>,
}

/// Runs a server until it ends, and its application with it. `stop` ends it from outside.
pub async fn run<A: Application>(
    listeners: Listeners,
    application: A,
    config: ServerConfig,
    instance: InstanceId,
    stop: impl Future<Output = GoneReason>,
) -> Ended {
    let clock = Clock::new();
    let port = Arc::new(Port::new(Server::new(config, instance, clock.now()), clock));
    let (attached, attachments) = bounded(ATTACHING_MAX);
    let executor = LocalExecutor::new();
    let acceptor = executor.spawn(accept(listeners, attached));
    let application = executor.spawn(host(application, Arc::clone(&port)));
    let mut driver = Driver { port: &port, attachments: Box::pin(attachments), alarm: Alarm::default(), links: BTreeMap::new(), next_id: 1, farewells: Vec::new(), ended: None };
    let reason = {
        let mut stop = pin!(stop);
        let mut stopped = false;
        let driven = poll_fn(|cx| {
            if !stopped && let Poll::Ready(reason) = stop.as_mut().poll(cx) {
                stopped = true;
                port.apply(|server, now| server.handle_input(now, Input::Stop(reason)));
            }
            driver.poll(cx)
        });
        executor.run(driven).await
    };
    // A little more than the application has for itself: what it says last is not waited for twice.
    executor.run(or(application, async { Timer::after(APP_GRACE * 2).await; })).await;
    drop(acceptor);
    Ended { reason, _links: driver.links }
}

/// Runs the application where it belongs, and reports its end.
async fn host<A: Application>(application: A, port: Arc<Port<Server, Delivery>>) {
    let session = Session::new(Arc::clone(&port));
    let exit = if A::ON_IO_THREAD {
        application.run(session).await
    } else {
        let (done, exits) = bounded(1);
        let thread = std::thread::Builder::new().name("application".to_owned()).spawn(move || {
            let exit = smol::block_on(application.run(session));
            let _ = done.try_send(exit);
        });
        match thread {
            // The thread is gone without a word only if the application panicked, which its log shows.
            Ok(_) => exits.recv().await.unwrap_or(crate::proto::ProgramExit::Code(101)),
            Err(error) => {
                log::error!("the application cannot have a thread: {error}");
                crate::proto::ProgramExit::Code(71)
            }
        }
    };
    port.apply(|server, now| server.handle_input(now, Input::Exited(exit)));
}

/// One proxy's attachment, from its preamble to its end.
struct Link {
    reader: FrameReader,
    writer: FrameWriter,
    /// The machine was told that it has ended, or has ended it.
    over: bool,
}

struct Driver<'a> {
    port: &'a Port<Server, Delivery>,
    attachments: Pin<Box<Receiver<Attachment>>>,
    alarm: Alarm,
    links: BTreeMap<TransportId, Link>,
    next_id: TransportId,
    farewells: Vec<Pin<Box<dyn Future<Output = ()>>>>,
    ended: Option<GoneReason>,
}

impl Driver<'_> {
    /// Does what can be done now; ready when the server has ended.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<GoneReason> {
        loop {
            let now = self.port.now();
            let mut busy = self.drive_attachments(now, cx);
            busy |= self.drive_reads(now, cx);
            self.drive_alarm(now, cx);
            self.drive_effects();
            busy |= self.drive_writes(now, cx);
            self.farewells.retain_mut(|farewell| farewell.as_mut().poll(cx).is_pending());
            if let Some(reason) = self.ended {
                return Poll::Ready(reason);
            }
            if !busy {
                let mut inner = self.port.lock();
                inner.park_driver(cx);
                if inner.machine.has_effects() {
                    continue;
                }
                return Poll::Pending;
            }
        }
    }

    fn drive_attachments(&mut self, now: Time, cx: &mut Context<'_>) -> bool {
        let mut any = false;
        while let Poll::Ready(Some(attachment)) = self.attachments.as_mut().poll_next(cx) {
            let id = self.next_id;
            self.next_id += 1;
            let reader = FrameReader::at_once(attachment.input);
            let writer = FrameWriter::with_preamble(attachment.output);
            self.links.insert(id, Link { reader, writer, over: false });
            self.port.lock().machine.handle_input(now, Input::Opened(id));
            any = true;
        }
        any
    }

    /// Hands in what has come; true if there may be more at once.
    fn drive_reads(&mut self, now: Time, cx: &mut Context<'_>) -> bool {
        let mut more = false;
        for (id, link) in &mut self.links {
            let mut fills = 0;
            while !link.over && fills < FILLS_MAX {
                let filled = match link.reader.poll_fill(cx) {
                    Poll::Pending => break,
                    Poll::Ready(filled) => filled,
                };
                fills += 1;
                let mut inner = self.port.lock();
                let mut tell = |news| inner.machine.handle_input(now, Input::Transport(*id, news));
                match filled {
                    Ok(0) | Err(_) => {
                        link.over = true;
                        tell(News::Lost);
                    }
                    Ok(_) => {
                        tell(News::Heard);
                        loop {
                            match link.reader.next_incoming() {
                                Ok(Some(Incoming::Frame(frame))) => tell(News::Frame(frame)),
                                Ok(Some(Incoming::Preamble)) => unreachable!("own bug: clients send none"),
                                Ok(None) => break,
                                Err(what) => {
                                    link.over = true;
                                    tell(News::Garbled(what));
                                    break;
                                }
                            }
                        }
                    }
                }
            }
            more |= fills == FILLS_MAX;
        }
        more
    }

    fn drive_alarm(&mut self, now: Time, cx: &mut Context<'_>) {
        let mut inner = self.port.lock();
        if self.alarm.poll_due(now, inner.machine.poll_timeout(), cx) {
            inner.machine.handle_timeout(now);
            // Armed for what is due next; what is due at once is done in this round.
            let _ = self.alarm.poll_due(now, inner.machine.poll_timeout(), cx);
        }
    }

    fn drive_effects(&mut self) {
        let mut inner = self.port.lock();
        let mut any = false;
        while let Some(effect) = inner.machine.poll_effect() {
            any = true;
            match effect {
                Effect::Close(id, last) => {
                    if let Some(link) = self.links.remove(&id) {
                        Self::dismiss(&mut self.farewells, link, last);
                    }
                }
                Effect::Deliver(payload) => inner.deliveries.push_back(Delivery::Message(payload)),
                Effect::Signal(signal) => inner.deliveries.push_back(Delivery::Signal(signal)),
                Effect::FinishInput => inner.deliveries.push_back(Delivery::InputEnded),
                Effect::Status(status, cause) => Self::note(status, &cause),
                Effect::Ignored(id) => log::debug!("news of transport {id}, which is over, changed nothing"),
                Effect::End(reason) => self.ended = Some(reason),
            }
        }
        if any {
            inner.wake_waiters();
        }
    }

    fn note(status: Status, cause: &crate::session::server::Cause) {
        log::info!("{status:?}: {cause:?}");
    }

    /// Writes the last frame, if there is one and the transport takes it; then closes.
    fn dismiss(farewells: &mut Vec<Pin<Box<dyn Future<Output = ()>>>>, link: Link, last: Option<Frame>) {
        let Some(last) = last else {
            return;
        };
        let Link { reader, mut writer, .. } = link;
        writer.push(&last);
        farewells.push(Box::pin(async move {
            let flush = async {
                let _ = poll_fn(|cx| writer.poll_flush(cx)).await;
            };
            or(flush, async { Timer::after(FAREWELL_TIMEOUT).await; }).await;
            drop(reader);
        }));
    }

    /// Writes what the machine has for the attached transport; true if there may be more at once.
    fn drive_writes(&mut self, now: Time, cx: &mut Context<'_>) -> bool {
        let mut more = false;
        for (id, link) in &mut self.links {
            if link.over {
                continue;
            }
            let given = {
                let mut inner = self.port.lock();
                let attached = inner.machine.attached() == Some(*id);
                let had_room = inner.machine.has_room();
                let given = attached && give_frames(&mut inner, &mut link.writer);
                if given && !had_room && inner.machine.has_room() {
                    inner.wake_waiters();
                }
                given
            };
            match link.writer.poll_flush(cx) {
                Poll::Pending => {}
                // What was written made room for more.
                Poll::Ready(Ok(())) => more |= given,
                Poll::Ready(Err(_)) => {
                    link.over = true;
                    let news = Input::Transport(*id, News::Lost);
                    self.port.lock().machine.handle_input(now, news);
                    more = true;
                }
            }
        }
        more
    }
}

/// Gives the writer as many frames as it has room for; whether there were any.
fn give_frames(inner: &mut Inner<Server, Delivery>, writer: &mut FrameWriter) -> bool {
    let mut any = false;
    while writer.has_room() {
        let Some((_, frame)) = inner.machine.poll_transmit() else {
            break;
        };
        writer.push(&frame);
        any = true;
    }
    any
}
