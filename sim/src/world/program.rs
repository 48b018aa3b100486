//! The hosted application: takes numbered requests in order, keeps buffers, answers.
//!
//! It is the witness of the server's side: what it gets, and how often, is what was delivered.

use std::collections::{BTreeMap, VecDeque};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use reattach::proto::{Channel, ProgramExit};
use reattach::session::server::Input;

use super::editor::{BUFFER_REQUESTS, REQUEST_BYTES};
use super::queue::EventKind;
use super::{ServerId, World};
use crate::check::{Goal, Promise};
use crate::machine::{Kit, ServerMachine as _};

/// Bytes of an answer before its padding.
pub(super) const ANSWER_BYTES: usize = 14;

/// One answer in so many is said on standard error, as somebody does who warns.
const WARNS_EVERY: u32 = 5;

/// The signal that this program counts, and goes on; all others end it.
const COUNTED_SIGNAL: u8 = 10;

/// Something for the program.
#[derive(Clone, Debug)]
pub(super) enum Delivery {
    Request(Bytes),
    Signal(u8),
    InputEnd,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Program {
    deliveries: VecDeque<Delivery>,
    /// An answer that waits for room.
    waiting: Option<(Channel, Bytes)>,
    /// By tag: the next request, and the buffers that are open as bits of their number.
    sessions: BTreeMap<u32, (u32, u128)>,
    outputs: u32,
    /// Outputs that the server has taken.
    pub(super) said: u32,
    stepping: bool,
    pub(super) stalls: u32,
    /// The end that it has come to.
    pub(super) exit: Option<ProgramExit>,
    told: bool,
    pub(super) ledger: Ledger,
}

/// What the program was given, whatever became of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    /// Requests, by tag.
    pub(super) requests: BTreeMap<u32, u32>,
    pub(super) signals: u32,
    pub(super) input_ends: u32,
}

/// What the program says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// Number among all outputs.
    pub(super) output: u32,
    /// Whose request.
    pub(super) tag: u32,
    pub(super) request: u32,
    /// Whether the buffer was known.
    pub(super) known: bool,
    /// Whether it was said on standard error.
    pub(super) of_errors: bool,
}

impl Answer {
    pub(super) fn read(payload: &Bytes) -> Self {
        let mut bytes = &payload[..];
        Answer {
            output: bytes.try_get_u32_le().unwrap_or(u32::MAX),
            tag: bytes.try_get_u32_le().unwrap_or(u32::MAX),
            request: bytes.try_get_u32_le().unwrap_or(u32::MAX),
            known: bytes.try_get_u8().unwrap_or_default() == 1,
            of_errors: bytes.try_get_u8().unwrap_or_default() == 1,
        }
    }

    fn write(self, bytes: usize) -> Bytes {
        let mut payload = BytesMut::with_capacity(bytes.max(ANSWER_BYTES));
        payload.put_u32_le(self.output);
        payload.put_u32_le(self.tag);
        payload.put_u32_le(self.request);
        payload.put_u8(u8::from(self.known));
        payload.put_u8(u8::from(self.of_errors));
        payload.resize(bytes.max(ANSWER_BYTES), 0);
        payload.freeze()
    }
}

impl Program {
    /// Whether everything that it was given is taken and answered.
    pub(super) fn is_idle(&self) -> bool {
        self.deliveries.is_empty() && self.waiting.is_none()
    }
}

impl<K: Kit> World<'_, K> {
    pub(super) fn program_deliver(&mut self, server: ServerId, delivery: Delivery) {
        self.server_gets(server);
        self.judge_delivery(server, &delivery);
        self.servers[server as usize].program.deliveries.push_back(delivery);
        self.program_wake(server);
    }

    /// The program goes on, if there is anything to do and nothing to wait for.
    pub(super) fn program_wake(&mut self, server: ServerId) {
        let process = &mut self.servers[server as usize];
        let program = &mut process.program;
        let has_work = if program.exit.is_some() { !program.told } else { !program.is_idle() };
        if program.stepping || program.stalls > 0 || !process.alive || !has_work {
            return;
        }
        let needs_room = program.waiting.is_some() || program.exit.is_some();
        if needs_room && !process.machine.as_ref().is_some_and(|m| m.inner().has_room()) {
            return;
        }
        program.stepping = true;
        let time = self.scenario.setting.program_time;
        let delay = time / 2 + self.dice.within(time);
        self.after(delay, EventKind::ProgramStep, server);
    }

    pub(super) fn on_program_step(&mut self, server: ServerId) {
        let process = &mut self.servers[server as usize];
        process.program.stepping = false;
        if !process.alive || process.program.stalls > 0 {
            return;
        }
        let Some(machine) = &process.machine else {
            return;
        };
        let has_room = machine.inner().has_room();
        let program = &mut process.program;
        if program.exit.is_some() {
            if has_room && !program.told {
                self.program_tell_exit(server);
            }
        } else if let Some(answer) = program.waiting.take() {
            if has_room {
                self.program_says(server, answer);
            } else {
                program.waiting = Some(answer);
            }
        } else if let Some(delivery) = program.deliveries.pop_front() {
            self.program_take(server, delivery);
        }
        self.server_settle(server);
        self.program_wake(server);
    }

    fn program_take(&mut self, server: ServerId, delivery: Delivery) {
        self.server_input(server, Input::Consumed(1));
        match delivery {
            Delivery::Request(payload) => self.program_answer(server, &payload),
            Delivery::Signal(COUNTED_SIGNAL) => {}
            Delivery::Signal(signal) => self.program_ends(server, ProgramExit::Signal(i32::from(signal))),
            Delivery::InputEnd => self.program_ends(server, ProgramExit::Code(0)),
        }
    }

    fn program_answer(&mut self, server: ServerId, payload: &Bytes) {
        let mut bytes = &payload[..];
        let tag = bytes.try_get_u32_le().unwrap_or(u32::MAX);
        let number = bytes.try_get_u32_le().unwrap_or(u32::MAX);
        let size =
            (bytes.try_get_u32_le().unwrap_or_default() as usize).min(payload.len().max(REQUEST_BYTES));
        // A changed byte may have changed whose request it is, or how its session counts.
        let tainted = self.servers[server as usize].truth.tainted
            || self.sessions.get(tag as usize).is_some_and(|session| session.tainted);
        let program = &mut self.servers[server as usize].program;
        let (next, buffers) = program.sessions.entry(tag).or_default();
        let due = *next;
        *next = due + 1;
        let buffer = 1u128 << (number / BUFFER_REQUESTS % 128);
        if number.is_multiple_of(BUFFER_REQUESTS) {
            *buffers |= buffer;
        }
        let known = *buffers & buffer != 0;
        let of_errors = program.outputs % WARNS_EVERY == WARNS_EVERY - 1;
        let answer = Answer { output: program.outputs, tag, request: number, known, of_errors };
        let channel = if of_errors { Channel::Errors } else { Channel::Output };
        program.outputs += 1;
        program.waiting = Some((channel, answer.write(size)));
        self.judge(Promise::DeliveredOnce, number == due || tainted, || {
            format!("request {number} of session {tag} came to server {server} where {due} was due")
        });
        let process = &mut self.servers[server as usize];
        if process.machine.as_ref().is_some_and(|machine| !machine.inner().has_room()) {
            self.goals.reach(Goal::ProgramWaited);
        } else if let Some(answer) = process.program.waiting.take() {
            self.program_says(server, answer);
        }
    }

    fn program_says(&mut self, server: ServerId, (channel, answer): (Channel, Bytes)) {
        self.servers[server as usize].program.said += 1;
        self.server_input(server, Input::Output(channel, answer));
        self.server_takes(server);
    }

    /// The program comes to its end, and the server learns it when there is room for the word.
    pub(super) fn program_ends(&mut self, server: ServerId, exit: ProgramExit) {
        let process = &mut self.servers[server as usize];
        if process.program.exit.is_some() || process.machine.is_none() {
            return;
        }
        process.program.exit = Some(exit);
        process.program.deliveries.clear();
        process.program.waiting = None;
        self.program_wake(server);
    }

    fn program_tell_exit(&mut self, server: ServerId) {
        let program = &mut self.servers[server as usize].program;
        program.told = true;
        let exit = program.exit.expect("it has ended");
        self.server_input(server, Input::OutputFinished(Channel::Output));
        self.server_input(server, Input::OutputFinished(Channel::Errors));
        self.server_input(server, Input::Exited(exit));
    }
}
