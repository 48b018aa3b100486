//! Carries out what the launch machine asks for: one proxy's way from its start to its exit.
//!
//! A list of verbs; when to do which is decided by [`Launch`].

use std::ffi::OsString;
use std::future::{Future, pending};
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::time::Duration;

use smol::Timer;
use smol::future::or;

use super::agent::Letter;
use super::attach::{Attached, Loan, attach};
use super::directory::Directory;
use super::handover::{Outcome, hand_over};
use super::lock::{LockError, StarterLock};
use super::look::{look, look_for};
use super::paths::Place;
use super::proof;
use super::record::{Ending, Found, clean};
use super::relay::relay;
use super::spawn::{Spawned, wait_ready};
use crate::io::clock::Clock;
use crate::proto::{GoneReason, InstanceId, Verdict};
use crate::session::LaunchConfig;
use crate::session::launch::{Effect, Holder, Input, Launch, Mode, Side, StopSignal};

/// What a proxy was called for.
#[derive(Debug)]
pub struct Launcher {
    /// Where the server's files are.
    pub place: Place,
    /// What for.
    pub mode: Mode,
    /// How to wait.
    pub config: LaunchConfig,
    /// The arguments that make our own executable the server.
    pub server_arguments: Vec<OsString>,
    /// Leave nothing behind after a start that failed.
    pub ephemeral: bool,
    /// Carry the bytes ourselves, whatever the server could do.
    pub always_relay: bool,
    /// Nothing is between the client and us that could end without either.
    pub is_near: bool,
}

impl Launcher {
    /// Runs to the end.
    pub fn run(self) -> Verdict {
        smol::block_on(Driver::new(self).run())
    }
}

/// What an effect that takes time has come to.
enum Done {
    Starter(Result<(StarterLock, Directory), LockError>),
    Line(Result<InstanceId, String>),
    Attached(Result<Attached, String>),
}

type Work = Pin<Box<dyn Future<Output = Done>>>;

struct Driver {
    launcher: Launcher,
    clock: Clock,
    machine: Launch,
    starter: Option<(StarterLock, Directory)>,
    /// What was there before we cleaned up.
    found: Found,
    spawned: Option<Spawned>,
    attached: Option<Attached>,
    /// The server that we started or are attached to; no other is ours.
    served_by: Option<InstanceId>,
    /// The one thing that is waited for.
    work: Option<Work>,
}

impl Driver {
    fn new(launcher: Launcher) -> Self {
        let clock = Clock::new();
        let machine = Launch::new(launcher.config.clone(), launcher.mode, clock.now());
        Driver {
            launcher,
            clock,
            machine,
            starter: None,
            found: Found::default(),
            spawned: None,
            attached: None,
            served_by: None,
            work: None,
        }
    }

    async fn run(mut self) -> Verdict {
        loop {
            while let Some(effect) = self.machine.poll_effect() {
                if let Effect::Exit(verdict) = effect {
                    return verdict;
                }
                if let Some(input) = self.carry_out(effect) {
                    self.machine.handle_input(self.clock.now(), input);
                }
            }
            match self.wait().await {
                Some(done) => {
                    self.work = None;
                    let input = self.take(done);
                    self.machine.handle_input(self.clock.now(), input);
                }
                None => self.machine.handle_timeout(self.clock.now()),
            }
        }
    }

    /// The work's result, or `None` when the machine's time has come.
    async fn wait(&mut self) -> Option<Done> {
        let left = self.machine.poll_timeout().map(|at| at.since(self.clock.now()));
        let alarm = async move {
            match left {
                // A timer that comes a little early would only be set again.
                Some(left) => Timer::after(left + Duration::from_micros(100)).await,
                None => pending().await,
            };
            None
        };
        match &mut self.work {
            Some(work) => or(async { Some(work.await) }, alarm).await,
            None => alarm.await,
        }
    }

    /// Does what is asked for; gives the answer if there is one at once.
    fn carry_out(&mut self, effect: Effect) -> Option<Input> {
        match effect {
            Effect::TakeStarter => {
                let place = self.launcher.place.clone();
                self.work = Some(Box::pin(async move { Done::Starter(StarterLock::take(&place).await) }));
                None
            }
            Effect::DropStarter => {
                self.starter = None;
                None
            }
            Effect::Look => Some(self.look()),
            Effect::Intend(instance, reason) => {
                self.intend(instance, reason);
                None
            }
            Effect::Signal(holder, signal) => self.signal(holder, signal),
            Effect::Clean => self.clean(),
            Effect::Spawn => self.spawn(),
            Effect::AbandonSpawned => {
                self.work = None;
                if let Some(spawned) = self.spawned.take() {
                    spawned.kill();
                    self.undo();
                }
                None
            }
            Effect::Attach => {
                let (place, meant) = (self.launcher.place.clone(), self.served_by);
                self.work = Some(Box::pin(async move { Done::Attached(attach(&place, meant).await) }));
                None
            }
            Effect::Relay => Some(self.relay()),
            Effect::Exit(_) => unreachable!("own bug: the exit is taken by the caller"),
        }
    }

    /// What the machine is told of a result.
    fn take(&mut self, done: Done) -> Input {
        match done {
            Done::Starter(Ok(taken)) => {
                self.starter = Some(taken);
                Input::StarterTaken
            }
            Done::Starter(Err(error)) => Input::Failed(error.to_string()),
            Done::Line(Ok(instance)) => {
                self.served_by = Some(instance);
                if let Some(spawned) = self.spawned.take() {
                    spawned.release();
                }
                Input::Ready
            }
            Done::Line(Err(reason)) => self.on_not_ready(reason),
            Done::Attached(Ok(attached)) => {
                self.served_by = attached.instance;
                self.attached = Some(attached);
                Input::Attached(self.served_by)
            }
            Done::Attached(Err(why)) => Input::NotAttached(why),
        }
    }

    fn look(&self) -> Input {
        let place = &self.launcher.place;
        let seen = match self.served_by {
            Some(instance) => look_for(instance, place),
            None => look(place, self.starter.is_some()),
        };
        match seen {
            Ok(view) => Input::Saw(view),
            Err(error) => Input::Failed(error.to_string()),
        }
    }

    fn intend(&self, instance: InstanceId, reason: GoneReason) {
        if let Some((_, directory)) = &self.starter {
            // Without it the end is explained less well, no more.
            let _ = Ending::now(instance, reason).write_intent(&self.launcher.place, directory);
        }
    }

    fn signal(&self, holder: Holder, signal: StopSignal) -> Option<Input> {
        // One that is gone meanwhile is what the next look shows.
        match proof::signal(&self.launcher.place, holder, signal) {
            Ok(_) => None,
            Err(error) => Some(Input::Failed(format!("the running server cannot be stopped: {error}"))),
        }
    }

    fn clean(&mut self) -> Option<Input> {
        let (starter, directory) = self.starter.as_ref()?;
        let failed = |error: io::Error| {
            Input::Failed(format!(
                "what the last server left in {:?} cannot be removed: {error}",
                directory.path()
            ))
        };
        let found = Found::before_start(&self.launcher.place, directory, starter);
        let cleaned = found.and_then(|found| {
            self.found = found;
            clean(&self.launcher.place, directory)
        });
        cleaned.err().map(failed)
    }

    fn spawn(&mut self) -> Option<Input> {
        let Some((starter, _)) = &self.starter else {
            unreachable!("own bug: a server is spawned without the starter lock");
        };
        match Spawned::start(&self.launcher.place, &self.launcher.server_arguments, starter) {
            Ok((spawned, line)) => {
                self.spawned = Some(spawned);
                self.work = Some(wait_for(line));
                None
            }
            Err(why) => {
                self.undo();
                Some(Input::NotReady(why))
            }
        }
    }

    fn on_not_ready(&mut self, mut reason: String) -> Input {
        if let Some(mut spawned) = self.spawned.take() {
            if reason.is_empty() {
                reason = spawned.last_word();
            }
            // It has said its last word, and may take its time to go.
            spawned.kill();
        }
        self.undo();
        Input::NotReady(reason)
    }

    /// The server that we started has not come to be: what was there before is there again.
    fn undo(&self) {
        let place = &self.launcher.place;
        let Some((_, directory)) = &self.starter else {
            return;
        };
        // What cannot be put back is explained less well, no more.
        let _ = match self.launcher.ephemeral {
            true => clean(place, directory).and_then(|()| place.remove(directory)),
            false => self.found.leave(place, directory),
        };
    }

    fn relay(&mut self) -> Input {
        let Some(attached) = self.attached.take() else {
            unreachable!("own bug: a relay without an attachment");
        };
        match self.carry(&attached) {
            Ok(side) => Input::Ended(side),
            Err(error) => Input::Failed(format!("the relay cannot go on: {error}")),
        }
    }

    fn carry(&self, attached: &Attached) -> io::Result<Side> {
        let (input, output) = (rustix::stdio::stdin(), rustix::stdio::stdout());
        let loan =
            if self.launcher.always_relay { None } else { Loan::of(input, output, self.launcher.is_near) };
        let _letter = Letter::leave(&self.launcher.place, &attached.token);
        // Not before the starter lock was let go: the session may be over a moment from now.
        if let Some(loan) = loan {
            if let Outcome::Ended(side) = hand_over(loan, attached)? {
                return Ok(side);
            }
        } else if attached.introduce(None).is_err() {
            return Ok(Side::Server);
        }
        relay(input, output, attached, self.launcher.is_near)
    }
}

fn wait_for(line: OwnedFd) -> Work {
    Box::pin(async move { Done::Line(wait_ready(line).await) })
}
