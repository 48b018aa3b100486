//! `--speaks`: whoever carries JSON-RPC may answer for a program that cannot any more.
//!
//! What is said, and to whom, is left to [`speech`](crate::speech). Without `--speaks` nothing is looked
//! at, and nothing waits.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use clap::{Args, ValueEnum};
use smol::future::or;

use super::connect_args::ConnectArgs;
use super::outputs::Outputs;
use super::report::last_words;
use super::voice::say;
use crate::client::{Change, Client, Status};
use crate::io::sleep::Sleep;
use crate::io::stdio::Source;
use crate::proto::Channel;
use crate::proto::limits::ANSWERS_TIMEOUT;
use crate::session::ClientConfig;
use crate::speech::{Conversation, Framing, Speech, Warning};

/// What the hosted program speaks.
#[derive(Args, Clone, Copy, Debug)]
pub struct SpeaksArgs {
    /// What the program speaks: lsp (language servers), or jsonrpc-lines (MCP). If the session is
    /// lost for good, each request that is open is answered with an error. With lsp, `processId` becomes null.
    #[arg(long, value_enum, value_name = "lsp|jsonrpc-lines", hide_possible_values = true)]
    speaks: Option<Speaks>,
    /// Tell a language server which process its editor is, for one that runs on this machine.
    #[arg(long, requires = "speaks")]
    keep_process_id: bool,
}

/// A way of speaking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Speaks {
    Lsp,
    JsonrpcLines,
}

impl SpeaksArgs {
    fn speech(self) -> Option<Speech> {
        let framing = self.speaks.map(|speaks| match speaks {
            Speaks::Lsp => Framing::Lsp,
            Speaks::JsonrpcLines => Framing::Lines,
        });
        framing.map(|framing| Speech { framing, keeps_process_id: self.keep_process_id })
    }
}

/// Whoever follows what is said, if anybody does.
#[derive(Debug)]
pub(super) struct Listener<'args> {
    conversation: Option<RefCell<Conversation>>,
    args: &'args ConnectArgs,
    /// There is an end to what the client does by itself, and it is not at once.
    has_patience: bool,
    /// It has come to that end.
    is_over: Cell<bool>,
    /// Whoever answers what is asked then.
    waker: RefCell<Option<Waker>>,
}

/// What goes on: nearly always one piece.
#[derive(Debug)]
pub(super) enum Passed {
    AsItCame(Option<Bytes>),
    AsItIsWhole(std::vec::IntoIter<Bytes>),
}

impl Iterator for Passed {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        match self {
            Passed::AsItCame(bytes) => bytes.take(),
            Passed::AsItIsWhole(pieces) => pieces.next(),
        }
    }
}

impl<'args> Listener<'args> {
    /// One that follows what these words say, in a session of that kind.
    pub(super) fn new(args: &'args ConnectArgs, config: &ClientConfig) -> Self {
        let conversation = args.speaks.speech().map(|speech| RefCell::new(Conversation::new(speech)));
        let (is_over, waker) = (Cell::new(false), RefCell::new(None));
        Listener { conversation, args, has_patience: config.patience.is_some(), is_over, waker }
    }

    /// Hears what the editor has sent; what of it goes on now.
    pub(super) fn hear_editor(&self, bytes: Bytes) -> Passed {
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
        match &self.conversation {
            Some(conversation) => hear(conversation, |said, passed| said.hear_editor(bytes, passed)),
            None => Passed::AsItCame(Some(bytes)),
        }
    }

    /// The editor sends no more; what was kept back.
    pub(super) fn editor_ended(&self) -> Passed {
        match &self.conversation {
            Some(conversation) => hear(conversation, Conversation::editor_ended),
            None => Passed::AsItCame(None),
        }
    }

    /// Hears what the program has sent; what of it goes on now.
    pub(super) fn hear_program(&self, bytes: Bytes) -> Passed {
        match &self.conversation {
            Some(conversation) => hear(conversation, |said, passed| said.hear_program(bytes, passed)),
            None => Passed::AsItCame(Some(bytes)),
        }
    }

    /// The program sends no more; what was kept back.
    pub(super) fn program_ended(&self) -> Passed {
        match &self.conversation {
            Some(conversation) => hear(conversation, Conversation::program_ended),
            None => Passed::AsItCame(None),
        }
    }

    /// Answers what is open if nothing but the user brings the session back any more: it is kept, but nobody
    /// should wait for it. An answer that comes after all is dropped.
    pub(super) fn heed(&self, client: &Client, change: &Change, outputs: &mut Outputs<'_>) {
        let is_paused = self.has_patience && change.status == Status::ReconnectExhausted;
        self.is_over.set(is_paused && client.next_try_in().is_none());
        if self.is_over.get() {
            self.answer_open(client, change, outputs);
        }
    }

    /// Ready when something was asked since then that should be answered so.
    pub(super) fn poll_asked(&self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(conversation) = self.conversation.as_ref().filter(|_| self.is_over.get()) else {
            return Poll::Pending;
        };
        *self.waker.borrow_mut() = Some(cx.waker().clone());
        if conversation.borrow().may_answer() { Poll::Ready(()) } else { Poll::Pending }
    }

    fn answer_open(&self, client: &Client, change: &Change, outputs: &mut Outputs<'_>) {
        let Some(conversation) = &self.conversation else {
            return;
        };
        let mut conversation = conversation.borrow_mut();
        let sentence = last_words(self.args, change, client.instance().is_some());
        if let Some(answers) = conversation.answer_open(&sentence) {
            outputs.push(Channel::Output, answers);
        }
        warn(&mut conversation);
    }

    /// The session is lost: answers what is open, and what is asked meanwhile; for a bounded time, because
    /// whoever reads may be busy.
    pub(super) async fn part(&self, client: &Client, input: &mut Source, outputs: &mut Outputs<'_>) {
        if self.conversation.is_none() {
            return;
        }
        let change = client.last_change();
        let answer = async {
            loop {
                self.answer_open(client, &change, outputs);
                if poll_fn(|cx| outputs.poll_flush_output(cx)).await.is_err() {
                    return;
                }
                match input.read_now().await {
                    Some(Ok(bytes)) if !bytes.is_empty() => drop(self.hear_editor(bytes)),
                    Some(_) | None => return,
                }
            }
        };
        or(answer, Sleep::after(ANSWERS_TIMEOUT)).await;
    }
}

fn hear(
    conversation: &RefCell<Conversation>,
    take: impl FnOnce(&mut Conversation, &mut Vec<Bytes>),
) -> Passed {
    let mut conversation = conversation.borrow_mut();
    let mut passed = Vec::new();
    take(&mut conversation, &mut passed);
    warn(&mut conversation);
    Passed::AsItIsWhole(passed.into_iter())
}

fn warn(conversation: &mut Conversation) {
    let Some(warning) = conversation.poll_warning() else {
        return;
    };
    say(match warning {
        Warning::EditorSpeaksOtherwise => {
            "reattach: what this end sends is not what --speaks says; it is carried as it is"
        }
        Warning::ProgramSpeaksOtherwise => {
            "reattach: what the program sends is not what --speaks says; it is carried as it is"
        }
        Warning::TooManyOpen => {
            "reattach: more requests are open than can be followed; not all will be answered if the session is lost"
        }
        Warning::CutOff => {
            "reattach: the session is lost in the midst of a long message; open requests cannot be answered"
        }
    });
}
