//! The user at the editor: what is asked, and what is answered.
//!
//! A request names a buffer: the first of every eight opens one, the others work in it, so that a
//! server without the user's state shows as "unknown buffer id".

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use reattach::proto::Channel;
use reattach::session::client::Input;

use super::program::{ANSWER_BYTES, Answer};
use super::queue::EventKind;
use super::{ClientId, World};
use crate::check::{Goal, Goals, Promise};
use crate::machine::{ClientMachine as _, Kit};
use crate::scenario::{Act, User};

/// Bytes of a request before its padding.
pub(super) const REQUEST_BYTES: usize = 12;

/// Requests that work in one buffer.
pub(super) const BUFFER_REQUESTS: u32 = 8;

#[derive(Clone, Debug)]
pub(super) struct Editor {
    /// Marks the requests of this session.
    pub(super) tag: u32,
    /// Requests to send, how often, and how large.
    to_send: u32,
    every: Duration,
    bytes: usize,
    /// Sends that are due and wait for room.
    due: u32,
    sending: bool,
    next: u32,
    /// Requests without an answer; true if an outage came since.
    open: BTreeMap<u32, bool>,
    /// The number of the next output; unknown until the first of a running stream.
    output: Option<u32>,
    /// Deliveries to take.
    untaken: usize,
    taking: bool,
    pub(super) stalls: u32,
    /// Nothing more will come, or be answered.
    pub(super) ended: bool,
}

impl Editor {
    pub(super) fn new(tag: u32) -> Self {
        Editor {
            tag,
            to_send: 0,
            every: Duration::ZERO,
            bytes: 0,
            due: 0,
            sending: false,
            next: 0,
            open: BTreeMap::new(),
            output: None,
            untaken: 0,
            taking: false,
            stalls: 0,
            ended: false,
        }
    }

    /// Every request that is open is resolved by the session's end.
    pub(super) fn give_up(&mut self) {
        self.ended = true;
        self.open.clear();
        self.stop_asking();
    }

    /// The user has no more questions.
    pub(super) fn stop_asking(&mut self) {
        self.to_send = 0;
        self.due = 0;
    }

    /// The transport was lost: what is open now will be answered after an outage, if at all.
    pub(super) fn outage(&mut self, goals: &mut Goals) {
        for after in self.open.values_mut() {
            if *after {
                goals.reach(Goal::ReplayCut);
            }
            *after = true;
        }
    }

    /// Everything was sent and answered.
    pub(super) fn is_satisfied(&self) -> bool {
        self.to_send == 0 && self.due == 0 && self.open.is_empty()
    }

    /// Outputs that came, where they are counted from the first.
    pub(super) fn heard(&self, newcomer: bool) -> Option<u32> {
        self.output.or_else(|| (!newcomer).then_some(0))
    }

    pub(super) fn open_requests(&self) -> usize {
        self.open.len()
    }
}

impl<K: Kit> World<'_, K> {
    /// A user does something.
    pub(super) fn on_act(&mut self, user: User) {
        let named = self.names[usize::from(user.client)];
        let client = match (user.act, named) {
            (Act::Open(first), None) => return self.open_client(user.client, first),
            (_, None) => return,
            (_, Some(client)) if self.clients[client as usize].is_killed => return,
            (_, Some(client)) => client,
        };
        match user.act {
            // An editor is opened once.
            Act::Open(_) => {}
            Act::Send { count, every, bytes } => {
                let editor = &mut self.clients[client as usize].editor;
                editor.to_send += count;
                editor.every = every;
                editor.bytes = bytes as usize;
                if !editor.sending {
                    editor.sending = true;
                    self.soon(EventKind::UserSend, client);
                }
            }
            Act::Finish => {
                let session = self.clients[client as usize].session;
                self.sessions[session as usize].wishes.finished = true;
                self.user_sends(client, Input::Finish);
            }
            Act::Signal(signal) => {
                let session = self.clients[client as usize].session;
                self.sessions[session as usize].wishes.signals += 1;
                let comes_soon = self.clients[client as usize].machine.inner().has_room();
                self.user_sends(client, Input::Signal(signal));
                if comes_soon {
                    self.client_takes(client);
                }
            }
            Act::Close => self.close_client(client),
            Act::Type => self.user_sends(client, Input::Activity),
            Act::Retry => self.wake_client(client, Input::Retry),
            Act::NetworkUp => self.wake_client(client, Input::NetworkUp),
            Act::Restart => self.restart(client),
        }
    }

    /// Something for the hosted program: who sends it wants to be heard.
    fn user_sends(&mut self, client: ClientId, input: Input) {
        let now = self.laptop_now();
        let process = &mut self.clients[client as usize];
        process.comeback.acted(now, &process.status);
        self.user_input(client, input);
    }

    fn user_input(&mut self, client: ClientId, input: Input) {
        self.client_input(client, input);
        self.client_settle(client);
    }

    pub(super) fn close_client(&mut self, client: ClientId) {
        let process = &self.clients[client as usize];
        self.sessions[process.session as usize].closed_by_user = true;
        // Who notices only now that it has slept may give the link up before it hears of the wish.
        let link = process.link.filter(|_| !self.is_suspended(client));
        self.user_input(client, Input::Close);
        self.judge_close(client, link);
    }

    /// Starting over means something only where the session is over; before, the machine ignores it.
    fn restart(&mut self, client: ClientId) {
        let session = self.new_session(reattach::session::First::Start);
        let id = self.sessions[session as usize].id;
        let process = &mut self.clients[client as usize];
        if process.status.is_final() {
            process.session = session;
            let stalls = process.editor.stalls;
            process.editor = Editor { stalls, ..Editor::new(session) };
            process.comeback.welcomed();
            process.sent = 0;
            self.goals.reach(Goal::Restarted);
        }
        self.user_input(client, Input::Restart(id));
    }

    pub(super) fn on_user_send(&mut self, client: ClientId) {
        let editor = &mut self.clients[client as usize].editor;
        if editor.to_send == 0 {
            editor.sending = false;
            return;
        }
        editor.to_send -= 1;
        editor.due += 1;
        let every = editor.every;
        self.after(every.max(Duration::from_micros(1)), EventKind::UserSend, client);
        self.client_settle(client);
    }

    /// Sends what is due, as far as there is room.
    pub(super) fn editor_send(&mut self, client: ClientId) {
        loop {
            let process = &mut self.clients[client as usize];
            if process.editor.due == 0 || process.editor.ended {
                return;
            }
            if !process.machine.inner().has_room() {
                self.goals.reach(Goal::OutboxFull);
                return self.judge_room(client);
            }
            let editor = &mut process.editor;
            editor.due -= 1;
            let number = editor.next;
            editor.next += 1;
            editor.open.insert(number, false);
            let payload = request(editor.tag, number, editor.bytes);
            let now = self.laptop_now();
            let process = &mut self.clients[client as usize];
            process.comeback.acted(now, &process.status);
            let session = process.session;
            self.sessions[session as usize].wishes.requests += 1;
            self.client_input(client, Input::Send(payload));
            self.client_takes(client);
        }
    }

    /// The machine hands something to the application.
    pub(super) fn on_delivery(&mut self, client: ClientId, channel: Channel, payload: &Bytes) {
        self.judge_output_end(client, channel == Channel::Errors, false);
        let name = self.letter(client);
        let answer = Answer::read(payload);
        let process = &mut self.clients[client as usize];
        let session = &self.sessions[process.session as usize];
        let server = session.server.map(|server| &self.servers[server as usize].truth);
        let tainted = session.tainted || server.is_some_and(|truth| truth.tainted);
        let newcomer = session.first == reattach::session::First::Takeover;
        let ended = process.editor.ended;
        let editor = &mut process.editor;
        let due = editor.output.unwrap_or(if newcomer { answer.output } else { 0 });
        let in_order = (answer.output == due && answer.of_errors == (channel == Channel::Errors)) || tainted;
        editor.output = Some(due + 1);
        editor.untaken += 1;
        let mut once = true;
        if answer.tag == editor.tag && !tainted {
            match editor.open.remove(&answer.request) {
                Some(true) => self.goals.reach(Goal::AnsweredAfterOutage),
                Some(false) => {}
                None => once = false,
            }
        } else if tainted {
            editor.open.remove(&answer.request);
        }
        let take = !editor.taking && editor.stalls == 0;
        editor.taking |= take;
        if take {
            self.soon(EventKind::EditorTake, client);
        }
        self.judge(Promise::EndAbsorbing, !ended, || {
            format!("client {name} delivers output {} after its session's end", answer.output)
        });
        self.judge(Promise::DeliveredOnce, in_order, || {
            format!("output {} came to client {name} on {channel:?} where {due} was due", answer.output)
        });
        self.judge(Promise::ResolvedOnce, once && (answer.known || tainted), || {
            if once {
                format!("client {name} was told: unknown buffer id")
            } else {
                format!("request {} of client {name} was answered twice", answer.request)
            }
        });
    }

    pub(super) fn on_finished(&mut self, client: ClientId, channel: Channel) {
        self.judge_output_end(client, channel == Channel::Errors, true);
        let editor = &mut self.clients[client as usize].editor;
        editor.untaken += 1;
        let take = !editor.taking && editor.stalls == 0;
        editor.taking |= take;
        if take {
            self.soon(EventKind::EditorTake, client);
        }
    }

    pub(super) fn on_editor_take(&mut self, client: ClientId) {
        let editor = &mut self.clients[client as usize].editor;
        editor.taking = false;
        if editor.stalls > 0 || editor.untaken == 0 {
            return;
        }
        let taken = std::mem::take(&mut editor.untaken);
        self.client_input(client, Input::Consumed(taken));
        self.client_settle(client);
    }

    pub(super) fn stall_editor(&mut self, client: ClientId, stall: bool) {
        let editor = &mut self.clients[client as usize].editor;
        if stall {
            editor.stalls += 1;
        } else {
            editor.stalls -= 1;
            if !editor.taking {
                editor.taking = true;
                self.soon(EventKind::EditorTake, client);
            }
        }
    }
}

fn request(tag: u32, number: u32, bytes: usize) -> Bytes {
    let mut payload = BytesMut::with_capacity(REQUEST_BYTES.max(bytes));
    payload.put_u32_le(tag);
    payload.put_u32_le(number);
    payload.put_u32_le(u32::try_from(bytes.max(ANSWER_BYTES)).expect("requests are small"));
    payload.resize(REQUEST_BYTES.max(bytes), 0);
    payload.freeze()
}
