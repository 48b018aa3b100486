//! One server process, from its first breath to its tombstone.
//!
//! In this order: its own session, the lock, the sockets, the record, the application, the word
//! that it is ready; then it serves; then the tombstone, and nothing left that lies.
//!
//! Serving is left to [`daemon`], starting and waiting to the [`spawn`](super::spawn)
//! of whoever wants a server.

use std::future::pending;
use std::io;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use rustix::process::Signal;
use smol::Timer;
use smol::channel::{Sender, bounded, unbounded};
use smol::future::or;

use super::agent::Agent;
use super::application::Application;
use super::daemon;
use super::directory::Directory;
use super::identity;
use super::keeper::{Calls, Keeper};
use super::lock::{LockError, ServerLock, StarterLock};
use super::log as log_file;
use super::order::Order;
use super::pairing::Doorway;
use super::paths::Place;
use super::record::{Ending, Record, clean};
use super::seat::Seat;
use super::sockets::Right;
use super::spawn::ready_line;
use super::sweep::sweep;
use crate::io::clock::Clock;
use crate::io::signals::Signals;
use crate::io::{random, reactor};
use crate::proto::limits::{LOOK_INTERVAL, RELEASE_WAIT, STARTER_WAIT};
use crate::proto::{GoneReason, InstanceId};
use crate::session::{ServerConfig, Time};

/// A server that is to be.
#[derive(Debug)]
pub struct Life {
    /// Where its files are.
    pub place: Place,
    /// How it behaves.
    pub config: ServerConfig,
    /// What it hosts.
    pub order: Order,
    /// Remove its directory after an end that its client knows of.
    pub ephemeral: bool,
    /// How it was started.
    pub starter: Starter,
}

/// How a server was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Starter {
    /// By a proxy, as [`spawn`](super::spawn) says.
    Proxy,
    /// By hand, with its log in the place's file or wherever standard error leads.
    Hand {
        /// Whether standard error is to be the place's file.
        log_to_file: bool,
    },
}

/// Why a server did not come to be: one sentence each.
#[derive(Debug, thiserror::Error)]
pub enum Stillborn {
    /// Another one lives; or its lock cannot be had.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl Life {
    /// Lives it.
    ///
    /// # Errors
    ///
    /// If there could not be a server. A starting proxy was told.
    pub fn live<A: Application>(
        mut self,
        make: impl FnOnce(Order) -> Result<A, String>,
    ) -> Result<GoneReason, Stillborn> {
        if self.starter == Starter::Proxy {
            // Whoever leads a session cannot be reached by the end of another.
            let _ = rustix::process::setsid();
        }
        let lived = self.prepare().and_then(|()| {
            let lived = reactor::block_on(self.live_in_runtime(make));
            lived
                .unwrap_or_else(|error| Err(Stillborn::Other(format!("the system refuses to wait: {error}"))))
        });
        if let Err(stillborn) = &lived {
            log::error!("{stillborn}");
            if self.starter == Starter::Proxy {
                tell(&stillborn.to_string());
            }
        }
        lived
    }

    fn prepare(&mut self) -> Result<(), Stillborn> {
        if self.starter == (Starter::Hand { log_to_file: true }) {
            let failed = |error: io::Error| {
                Stillborn::Other(format!("the log {:?} cannot be opened: {error}", self.place.log))
            };
            let log = log_file::open(&self.place.log).map_err(failed)?;
            rustix::stdio::dup2_stderr(log).map_err(|errno| failed(errno.into()))?;
        }
        self.order.settle().map_err(Stillborn::Other)
    }

    async fn live_in_runtime<A: Application>(
        &self,
        make: impl FnOnce(Order) -> Result<A, String>,
    ) -> Result<GoneReason, Stillborn> {
        let (directory, lock, signals) = self.take_lock().await?;
        let (listeners, made) = self.place.sockets.listen(Right::IfUnused).map_err(|why| {
            let _ = lock.clear();
            self.undo();
            Stillborn::Other(why)
        })?;
        let (fresh, newest) = unbounded();
        let _ = fresh.try_send(listeners);
        let instance = InstanceId(random::id());
        let lifetime = self.config.idle_lifetime;
        let record = Record::of_this_process(instance, &self.order, &made.sockets, lifetime);
        let logs_to_file = self.starter != Starter::Hand { log_to_file: false };
        let stdout_is_log = self.starter == Starter::Proxy;
        let place = &self.place;
        let host = place.root().and_then(|root| identity::keep(root).ok());
        let agent = A::NEEDS_COMMAND.then(|| Agent::beside(place, &made.sockets)).flatten();
        let seat = &Seat::new(place, instance, agent);
        let mut keeper = Keeper {
            place,
            host,
            directory,
            lock,
            record,
            tombstone: None,
            made,
            logs_to_file,
            stdout_is_log,
            seat,
            fresh,
        };
        let application = self.bear(&keeper, make).map_err(|why| {
            leave(&keeper);
            self.undo();
            Stillborn::Other(why)
        })?;
        log::info!("instance {instance} serves in {}", self.place.directory().display());
        tell(&ready_line(instance));
        if self.starter == Starter::Proxy {
            // The pipe must not stay open: whoever waits for its end would wait for ours.
            let _ = rustix::stdio::dup2_stdout(rustix::stdio::stderr());
        }
        if let Some(identifier) = self.place.identifier().cloned() {
            // A thread of its own that ends: those of a pool would stay, and wake up twice a second.
            std::thread::spawn(move || sweep(&identifier));
        }
        let (used, users) = bounded(1);
        let doorway = Doorway { listeners: newest, used };
        let (ask, asked) = bounded(1);
        let calls = Calls { asked, used: users };
        let config = ServerConfig { host, ..self.config.clone() };
        // The one is asked before each turn, the other only when it is woken.
        let mut keeping = FuturesUnordered::from_iter([Box::pin(keeper.watch(&calls))]);
        let stop = or(told_to_stop(signals, place, seat, instance, ask), async move {
            keeping.next().await;
            pending().await
        });
        let ended = daemon::run(doorway, application, config, instance, seat, stop).await;
        let reason = ended.reason;
        log::info!("instance {instance} ends: {reason}");
        match keeper.write_tombstone(&Ending::now(instance, reason)) {
            Ok(()) => leave(&keeper),
            Err(error) => {
                log::error!("the tombstone cannot be written: {error}");
                // The record stays: it tells at least that there was a server, and that it has ended.
                close(&keeper);
            }
        }
        let _last = self.leave_nothing(reason);
        // The transports end here, when all is said and done and the lock is about to fall free.
        drop(ended);
        Ok(reason)
    }

    /// The lock, before anything else; then the starter's turn is over.
    async fn take_lock(&self) -> Result<(Directory, ServerLock, Signals), Stillborn> {
        match self.starter {
            Starter::Proxy => {
                let directory = self.place.find().map_err(LockError::from)?;
                let gone = || Stillborn::Other(format!("the directory {:?} is gone", self.place.directory()));
                let directory = directory.ok_or_else(gone)?;
                let signals = handle_signals()?;
                let lock = self.take_server_lock(&directory).await?;
                let failed =
                    |error: io::Error| Stillborn::Other(format!("/dev/null cannot be opened: {error}"));
                let null = std::fs::File::open("/dev/null").map_err(failed)?;
                rustix::stdio::dup2_stdin(null).map_err(|errno| failed(errno.into()))?;
                Ok((directory, lock, signals))
            }
            Starter::Hand { .. } => {
                let late = async {
                    Timer::after(STARTER_WAIT).await;
                    None
                };
                let taken = or(async { Some(StarterLock::take(&self.place).await) }, late).await;
                let late = || {
                    Stillborn::Other(format!(
                        "a proxy has been starting a server in {:?} for too long",
                        self.place.directory()
                    ))
                };
                let (_starter, directory) = taken.ok_or_else(late)??;
                let signals = handle_signals()?;
                let lock = self.take_server_lock(&directory).await?;
                clean(&self.place, &directory).map_err(|error| {
                    Stillborn::Other(format!("what the last server left cannot be removed: {error}"))
                })?;
                Ok((directory, lock, signals))
            }
        }
    }

    /// Waits a moment for whoever has just been seen to let go of it.
    async fn take_server_lock(&self, directory: &Directory) -> Result<ServerLock, LockError> {
        let clock = Clock::new();
        loop {
            match ServerLock::take(&self.place, directory) {
                Err(LockError::Held(_)) if clock.now() < Time(0) + RELEASE_WAIT => {
                    Timer::after(LOOK_INTERVAL).await;
                }
                taken => return taken,
            }
        }
    }

    /// Everything else that must be there before the word that it is ready.
    fn bear<A: Application>(
        &self,
        keeper: &Keeper<'_>,
        make: impl FnOnce(Order) -> Result<A, String>,
    ) -> Result<A, String> {
        let Keeper { record, directory, .. } = keeper;
        record
            .write(&self.place, directory)
            .map_err(|error| format!("the record in {:?} cannot be written: {error}", directory.path()))?;
        make(Order { agent: keeper.seat.agent(), ..self.order.clone() })
    }

    /// Removes what was made for a server by hand that did not come to be. A log stays: there may
    /// be more in it. What a proxy started is the proxy's to remove.
    fn undo(&self) {
        if self.starter == Starter::Proxy {
            return;
        }
        if let Ok(Some((_starter, directory))) = StarterLock::try_take(&self.place)
            && let Err(error) = self.place.remove_unless_logged(&directory)
        {
            log::warn!("what was made in {:?} cannot be removed: {error}", directory.path());
        }
    }

    /// Removes the directory if nobody will ask for it again, and nobody is starting a server in
    /// it; the starter lock is to be kept until the process ends.
    fn leave_nothing(&self, reason: GoneReason) -> Option<StarterLock> {
        let known = matches!(reason, GoneReason::Closed | GoneReason::Exited(_));
        if !(known && self.ephemeral) {
            return None;
        }
        let (starter, directory) = StarterLock::try_take(&self.place).ok()??;
        if let Err(error) = self.place.remove(&directory) {
            log::warn!("the directory {:?} cannot be removed: {error}", directory.path());
        }
        Some(starter)
    }
}

/// Takes away what nobody needs once we are gone.
fn close(keeper: &Keeper<'_>) {
    let Keeper { place, directory, lock, made, tombstone, seat, .. } = keeper;
    seat.remove(directory);
    made.remove();
    if let Some(room) = tombstone {
        let _ = room.give_up(place, directory);
    }
    let _ = lock.clear();
}

/// Takes away what would lie once we are gone. The record stays: the tombstone is about it.
fn leave(keeper: &Keeper<'_>) {
    let Keeper { place, directory, .. } = keeper;
    close(keeper);
    let obsolete = match Ending::read_tombstone(place, directory) {
        Some(_) => ".stop.json",
        None => ".json",
    };
    let _ = directory.remove(&place.name(obsolete));
}

/// Before the lock, which others see, and the application, which would be left behind by a signal that
/// nobody handles.
///
/// All that a starter may have ignored: what is caught here is not ignored by the program.
fn handle_signals() -> Result<Signals, Stillborn> {
    Signals::catch([Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT])
        .map_err(|error| Stillborn::Other(format!("signals cannot be handled: {error}")))
}

/// Says one line to whoever started us.
fn tell(line: &str) {
    let line = format!("{}\n", line.replace('\n', " "));
    // A starter that is gone need not know.
    let _ = rustix::io::write(rustix::stdio::stdout(), line.as_bytes());
}

/// Why we are told to stop, when we are: by SIGTERM, or by SIGINT when started by hand. SIGHUP asks us to
/// look after our files, as it does other daemons; we do not depend on a terminal.
async fn told_to_stop(
    mut signals: Signals,
    place: &Place,
    seat: &Seat<'_>,
    instance: InstanceId,
    ask: Sender<()>,
) -> GoneReason {
    loop {
        match signals.next().await {
            Signal::TERM | Signal::INT => {
                let directory = place.find().ok().flatten();
                let directory = directory.as_ref();
                let intent = directory.and_then(|directory| Ending::read_intent(place, directory));
                let ours = intent.filter(|intent| intent.instance == instance);
                if ours.as_ref().is_some_and(|intent| intent.unless_attached) && seat.is_taken() {
                    log::info!("not stopped: a client is attached");
                    // Whoever waits for our end sees by this that it will not come.
                    let _ = directory.map(|directory| directory.remove(&place.name(".stop.json")));
                    continue;
                }
                // Whoever replaces us holds the starter lock meanwhile: one that gave up does not
                // explain what somebody else wishes later.
                let is_abandoned =
                    || directory.is_some_and(|found| matches!(StarterLock::is_busy(place, found), Ok(false)));
                let ours = ours.filter(|intent| intent.reason != GoneReason::Replaced || !is_abandoned());
                return ours.map_or(GoneReason::Stopped, |intent| intent.reason);
            }
            Signal::HUP => {
                // Of some at once, one is as good as all.
                let _ = ask.try_send(());
            }
            _ => {}
        }
    }
}
