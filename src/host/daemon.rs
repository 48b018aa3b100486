//! The server's driver: carries out what the server machine asks for, on real sockets.
//!
//! Starting, leaving word and exiting are left to whoever calls [`run`].

use std::collections::BTreeMap;
use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::LocalBoxFuture;
use futures::stream::FuturesUnordered;
use futures::{Stream, StreamExt};
use smol::Timer;
use smol::channel::{Receiver, Sender, bounded};
use smol::future::or;

use super::application::{Application, Delivery, Session};
use super::pairing::{Attachment, Doorway, accept};
use super::seat::{Caller, Seat};
use crate::io::alarm::Alarm;
use crate::io::clock::Clock;
use crate::io::framed::{FrameReader, FrameWriter};
use crate::io::link::{Link, LinkNews};
use crate::io::memory::Hoard;
use crate::io::port::Port;
use crate::io::turn;
use crate::proto::limits::{APP_GRACE, ATTACHING_MAX, FAREWELL_TIMEOUT, SIGNALS_MAX};
use crate::proto::{Frame, GoneReason, InstanceId, ProgramExit};
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
    doorway: Doorway,
    application: A,
    config: ServerConfig,
    instance: InstanceId,
    seat: &Seat<'_>,
    stop: impl Future<Output = GoneReason>,
) -> Ended {
    let clock = Clock::new();
    let port = Arc::new(Port::new(Server::new(config, instance, clock.now()), clock));
    let (attached, attachments) = bounded(ATTACHING_MAX);
    let (signals, signalled) = bounded(SIGNALS_MAX);
    let mut driver = Driver {
        port: &port,
        attachments: Box::pin(attachments),
        alarm: Alarm::default(),
        hoard: Hoard::default(),
        signals,
        links: BTreeMap::new(),
        callers: BTreeMap::new(),
        seat,
        next_id: 1,
        farewells: Vec::new(),
        ended: None,
        was_told: false,
    };
    // With it go the farewells, which nobody drives any more.
    let driven = async move {
        let reason = poll_fn(|cx| driver.poll(cx)).await;
        Some((reason, std::mem::take(&mut driver.links)))
    };
    let stopped = async {
        let reason = stop.await;
        port.apply(|server, now| server.handle_input(now, Input::Stop(reason)));
        pending().await
    };
    let accepted = async {
        accept(doorway, attached).await;
        None
    };
    // Each is woken for itself only: what is looked at for nothing costs more than a keystroke.
    let mut server: FuturesUnordered<LocalBoxFuture<'_, _>> = FuturesUnordered::new();
    server.push(Box::pin(driven));
    server.push(Box::pin(accepted));
    let application = host(application, Session::new(Arc::clone(&port), signalled));
    let mut application = FuturesUnordered::from_iter([Box::pin(application)]);
    let ended = async {
        loop {
            if let Some(ended) = server.next().await.expect("the driver is the last to end") {
                break ended;
            }
        }
    };
    let worked = or(ended, async {
        application.next().await;
        pending().await
    });
    // Asked before each turn of all the others, whatever the wire brings.
    let (reason, links) = or(stopped, worked).await;
    drop(server);
    // A little more than the application has for itself: what it says last is not waited for twice.
    let grace = async {
        Timer::after(APP_GRACE * 2).await;
        None
    };
    or(application.next(), grace).await;
    Ended { reason, _links: links }
}

/// Runs the application where it belongs, and reports its end.
async fn host<A: Application>(application: A, session: Session) {
    let port = session.port();
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
            Ok(_) => exits.recv().await.unwrap_or(ProgramExit::Code(101)),
            Err(error) => {
                log::error!("the application cannot have a thread: {error}");
                ProgramExit::Code(71)
            }
        }
    };
    port.apply(|server, now| server.handle_input(now, Input::Exited(exit)));
}

struct Driver<'a> {
    port: &'a Port<Server, Delivery>,
    attachments: Pin<Box<Receiver<Attachment>>>,
    alarm: Alarm,
    hoard: Hoard,
    /// To the application, past what it has not taken yet.
    signals: Sender<u8>,
    links: BTreeMap<TransportId, Link>,
    /// Whose the links are.
    callers: BTreeMap<TransportId, Caller>,
    seat: &'a Seat<'a>,
    next_id: TransportId,
    farewells: Vec<Pin<Box<dyn Future<Output = ()>>>>,
    ended: Option<GoneReason>,
    /// The machine was told something that somebody may wait for.
    was_told: bool,
}

impl Driver<'_> {
    /// Does what can be done now; ready when the server has ended.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<GoneReason> {
        // Before the work: whoever acts on the machine meanwhile wakes us for another round.
        self.port.lock().park_driver(cx);
        let is_done = turn::is_done(cx, |cx| self.drive(cx) && self.ended.is_none());
        if let Some(reason) = self.ended {
            return Poll::Ready(reason);
        }
        if is_done {
            let machine = &self.port.lock().machine;
            self.hoard.poll(machine.outbox(), machine.inbox(), cx);
        }
        Poll::Pending
    }

    /// A round; true if there may be more at once.
    fn drive(&mut self, cx: &mut Context<'_>) -> bool {
        let now = self.port.now();
        let mut busy = self.drive_attachments(now, cx);
        busy |= self.drive_reads(now, cx);
        self.drive_effects();
        busy |= self.drive_writes(cx);
        // Last: all of the above may move what is due.
        busy |= self.drive_alarm(now, cx);
        self.farewells.retain_mut(|farewell| farewell.as_mut().poll(cx).is_pending());
        busy
    }

    fn drive_attachments(&mut self, now: Time, cx: &mut Context<'_>) -> bool {
        let mut any = false;
        while let Poll::Ready(Some(attachment)) = self.attachments.as_mut().poll_next(cx) {
            let id = self.next_id;
            self.next_id += 1;
            let reader = FrameReader::at_once(attachment.input);
            let writer = FrameWriter::with_preamble(attachment.output);
            let mut link = Link::new(reader, writer).by_halves();
            if attachment.is_near {
                link = link.without_a_way_between();
            }
            if let Some(lender) = attachment.lender {
                link = link.lent_by(lender);
            }
            self.links.insert(id, link);
            self.callers.insert(id, Caller { token: attachment.token, client: None });
            self.port.lock().machine.handle_input(now, Input::Opened(id));
            any = true;
        }
        any
    }

    /// Hands in what has come; true if there may be more at once.
    fn drive_reads(&mut self, now: Time, cx: &mut Context<'_>) -> bool {
        let mut more = false;
        for (id, link) in &mut self.links {
            more |= link.poll_news(cx, |news| {
                self.was_told = true;
                if let (LinkNews::Frame(Frame::Hello(hello)), Some(caller)) =
                    (&news, self.callers.get_mut(id))
                {
                    caller.client.clone_from(&hello.client);
                }
                let news = match news {
                    LinkNews::Heard => News::Heard,
                    LinkNews::Frame(frame) => News::Frame(frame),
                    LinkNews::Garbled(what) => News::Garbled(what),
                    LinkNews::InputEnded => News::InputEnded,
                    LinkNews::OutputEnded => News::OutputEnded,
                    LinkNews::Ended => News::Lost,
                    LinkNews::Preamble => unreachable!("own bug: a server does not look for one"),
                };
                self.port.lock().machine.handle_input(now, Input::Transport(*id, news));
            });
        }
        more
    }

    /// Does what is due; true if something was, and there may be something to do because of it.
    fn drive_alarm(&mut self, now: Time, cx: &mut Context<'_>) -> bool {
        let mut inner = self.port.lock();
        let due = self.alarm.poll_due(now, inner.machine.poll_timeout(), cx);
        if due {
            inner.machine.handle_timeout(now);
            self.was_told = true;
        }
        due
    }

    fn drive_effects(&mut self) {
        let mut inner = self.port.lock();
        let (mut dismissed, mut seated) = (Vec::new(), None);
        while let Some(effect) = inner.machine.poll_effect() {
            self.was_told = true;
            match effect {
                Effect::Close(id, last) => {
                    if let Some(caller) = self.callers.remove(&id) {
                        self.seat.dismiss(&caller);
                    }
                    if let Some(link) = self.links.remove(&id) {
                        dismissed.push((link, last));
                    }
                }
                Effect::Deliver(payload) => inner.deliveries.push_back(Delivery::Message(payload)),
                Effect::Signal(signal) => {
                    // An application that does not heed them at once finds them in order.
                    let _ = self.signals.try_send(signal);
                    inner.deliveries.push_back(Delivery::Signal(signal));
                }
                Effect::FinishInput => inner.deliveries.push_back(Delivery::InputEnded),
                Effect::Status(status, cause) => {
                    log::info!("{status}: {cause}");
                    seated = Some(status);
                }
                Effect::Ignored(id) => log::debug!("news of transport {id}, which is over, changed nothing"),
                Effect::End(reason) => self.ended = Some(reason),
            }
        }
        // Whoever is woken for nothing wakes us in turn, and none of us would ever rest.
        if std::mem::take(&mut self.was_told) {
            // Acknowledgements that came may have made room.
            inner.wake_waiters();
        }
        let attached = inner.machine.attached();
        drop(inner);
        // Before the answer goes out: whoever is welcome is already told of.
        match seated {
            Some(Status::Attached(_)) => {
                if let Some(caller) = attached.and_then(|id| self.callers.get(&id)) {
                    self.seat.take(caller);
                }
            }
            Some(Status::Detached) => self.seat.leave(),
            Some(Status::Unmet | Status::Ended(_)) | None => {}
        }
        for (link, last) in dismissed {
            self.dismiss(link, last);
        }
    }

    /// Writes the last frame, if there is one and the transport takes it; then closes.
    fn dismiss(&mut self, mut link: Link, last: Option<Frame>) {
        let Some(last) = last else {
            return;
        };
        self.farewells.push(Box::pin(async move {
            or(link.finish(&last), async {
                Timer::after(FAREWELL_TIMEOUT).await;
            })
            .await;
        }));
    }

    /// Writes what the machine has for the attached transport; true if there may be more at once.
    fn drive_writes(&mut self, cx: &mut Context<'_>) -> bool {
        let mut more = false;
        for (id, link) in &mut self.links {
            more |= link.poll_write(cx, || {
                let mut inner = self.port.lock();
                // Only the attached transport has frames; the others have their preamble to write.
                if inner.machine.attached() != Some(*id) {
                    return None;
                }
                inner.machine.poll_transmit().map(|(_, frame)| frame)
            });
        }
        more
    }
}
