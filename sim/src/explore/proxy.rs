//! The proxy's process as an automaton: the launch machine, and the steps of the host's code that
//! something else can come between.
//!
//! What a step finds and does on the host is left to the world.

use std::collections::VecDeque;
use std::hash::Hash;
use std::time::Duration;

use reattach::proto::verdict::EXIT_NOT_RUNNING;
use reattach::proto::{GoneReason, InstanceId, ProgramExit, Verdict};
use reattach::session::client::ProxyExit;
use reattach::session::launch::{Effect, Holder, IfRunning, Lock, Mode, StopSignal};
use reattach::session::{LaunchConfig, Time};

use super::automaton::{Process, Told};
use super::lexicon::{Lexicon, Name};
use super::words::{CLOCKS, Words};
use crate::check::{Promise, changes_the_host};
use crate::machine::LaunchMachine;
use crate::trace;

/// What the host's code does for an effect, as far as something else can come between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Step {
    TakeStarter,
    DropStarter,
    LookAtStarter,
    LookAtLock {
        starter_busy: bool,
    },
    LookAtFiles {
        starter_busy: bool,
        lock: Lock,
    },
    Intend(InstanceId, GoneReason),
    /// Opens the process that has this number now.
    OpenProcess(Holder, StopSignal),
    /// Asks the kernel whether that number holds the lock; the process was opened before.
    Prove(u32, u8, StopSignal),
    /// Signals the process that was opened, whoever has its number by now.
    Send(u8, StopSignal),
    Clean,
    Spawn,
    AbandonSpawned,
    Connect,
    Relay,
    Exit(Name),
}

/// What can happen to a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Ask {
    /// Its next deadline.
    Timer,
    /// The step in front is done.
    Done,
    /// The step in front goes on as this one.
    GoOn(Step),
    /// The step in front is done, with this answer.
    Answer(Name),
    /// News that no step asked for.
    News(Name),
}

/// What the world may know of a proxy.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    /// How far its next deadline is away.
    pub(super) wait: Duration,
    pub(super) step: Option<Step>,
    pub(super) has_timer: bool,
    pub(super) relays: bool,
}

#[derive(Clone)]
pub(super) struct ProxyProcess<L> {
    machine: L,
    now: Time,
    steps: VecDeque<Step>,
    relays: bool,
    /// It may start, replace and kill servers.
    may_change: bool,
}

impl<L: LaunchMachine> ProxyProcess<L> {
    /// sshd starts the command that the client asked for.
    pub(super) fn start(
        config: LaunchConfig,
        mode: Mode,
        lexicon: &mut Lexicon,
        told: &mut Told<()>,
    ) -> Self {
        let may_change = match mode {
            Mode::Start(IfRunning::Replace | IfRunning::Refuse) => true,
            Mode::Reconnect(_) => false,
        };
        let machine = L::new(config, mode, CLOCKS);
        let mut process =
            ProxyProcess { machine, now: CLOCKS, steps: VecDeque::new(), relays: false, may_change };
        process.settle(lexicon, told);
        process
    }

    fn settle(&mut self, lexicon: &mut Lexicon, told: &mut Told<()>) {
        while let Some(effect) = self.machine.poll_effect() {
            self.judge(&effect, told);
            told.lines.extend(trace::words::launch(&effect));
            let step = match effect {
                Effect::TakeStarter => Step::TakeStarter,
                Effect::DropStarter => Step::DropStarter,
                Effect::Look => Step::LookAtStarter,
                Effect::Intend(instance, reason) => Step::Intend(instance, reason),
                Effect::Signal(holder, signal) => Step::OpenProcess(holder, signal),
                Effect::Clean => Step::Clean,
                Effect::Spawn => Step::Spawn,
                Effect::AbandonSpawned => Step::AbandonSpawned,
                Effect::Attach => Step::Connect,
                Effect::Relay => Step::Relay,
                Effect::Exit(verdict) => {
                    // Whatever is waited for is given up.
                    self.steps.retain(|step| *step == Step::AbandonSpawned);
                    Step::Exit(lexicon.exits.name(exit(verdict)))
                }
            };
            self.steps.push_back(step);
        }
    }

    /// Only a first attach may change the host.
    fn judge(&self, effect: &Effect, told: &mut Told<()>) {
        told.judge(Promise::NeverSpawn, self.may_change || !changes_the_host(effect), || {
            format!("a proxy serves a reconnect and {effect}")
        });
    }
}

fn exit(verdict: Verdict) -> ProxyExit {
    // The reason is told apart; what the rest says is for people.
    let message = if verdict.code == EXIT_NOT_RUNNING { verdict.message } else { String::new() };
    let status = ProgramExit::Code(verdict.code);
    ProxyExit { status, verdict: Some(Verdict { message, ..verdict }), last_words: String::new() }
}

impl<L: LaunchMachine> Process for ProxyProcess<L> {
    type Ask = Ask;
    type Deed = ();
    type View = View;

    fn take(&mut self, ask: Ask, lexicon: &mut Lexicon, told: &mut Told<()>) {
        match ask {
            Ask::Timer => {
                self.now = self.machine.poll_timeout().expect("only what is armed rings");
                self.machine.handle_timeout(self.now);
                let (now, due) = (self.now, self.machine.poll_timeout());
                told.judge_timer("a proxy", now, due);
            }
            Ask::Done => {
                let done = self.steps.pop_front();
                self.relays |= done == Some(Step::Relay);
            }
            Ask::GoOn(step) => *self.steps.front_mut().expect("it goes on") = step,
            Ask::Answer(answer) => {
                self.steps.pop_front();
                self.machine.handle_input(self.now, lexicon.answers.value(answer).clone());
            }
            Ask::News(news) => self.machine.handle_input(self.now, lexicon.answers.value(news).clone()),
        }
        self.settle(lexicon, told);
    }

    fn words(&self) -> Vec<u64> {
        let mut words = Words::default();
        (&self.machine, &self.steps, self.relays).hash(&mut words);
        words.canonise(self.now, &mut Vec::new());
        words.0
    }

    fn view(&self) -> View {
        View {
            wait: self.machine.poll_timeout().map(|due| due.since(self.now)).unwrap_or_default(),
            step: self.steps.front().copied(),
            has_timer: self.machine.poll_timeout().is_some(),
            relays: self.relays,
        }
    }
}
