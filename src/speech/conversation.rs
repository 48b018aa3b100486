//! Both ways of a conversation, and what its editor is told when the session is lost.
//!
//! A request is open from when its editor has sent it until its answer is passed on. What changes in the
//! streams: a language server is told of no editor's process ([`Speech::keeps_process_id`]); an answer
//! to a request that we have answered is dropped; and of a program whose session is lost, half a
//! message. Whoever speaks something else is passed on as it is.

use bytes::Bytes;

use super::direction::{Direction, Fate, Oddity};
use super::requests::{Asked, Group, Requests};
use super::scanner::{Message, Method};
use super::{Framing, Speech};

/// What the MCP calls "connection closed", and of those that JSON-RPC leaves to servers.
const LOST: i32 = -32000;

/// What somebody should know of the streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Warning {
    /// The editor's stream is something else.
    EditorSpeaksOtherwise,
    /// The program's stream is something else.
    ProgramSpeaksOtherwise,
    /// More requests are open than can be followed.
    TooManyOpen,
    /// A message that was too large to be kept back is cut off, so that nothing can be told after it.
    CutOff,
}

/// A conversation of an editor and a program.
#[derive(Debug)]
pub struct Conversation {
    speech: Speech,
    to_program: Direction,
    to_editor: Direction,
    requests: Requests,
    /// One of them speaks something else, without an end that is known.
    is_foreign: bool,
    warning: Option<Warning>,
    was_warned: bool,
}

impl Conversation {
    /// One in which nothing was said yet.
    pub fn new(speech: Speech) -> Self {
        Conversation {
            speech,
            to_program: Direction::new(speech.framing),
            to_editor: Direction::new(speech.framing),
            requests: Requests::default(),
            is_foreign: false,
            warning: None,
            was_warned: false,
        }
    }

    /// Takes what the editor has sent; appends what goes on to the program.
    pub fn hear_editor(&mut self, bytes: Bytes, passed: &mut Vec<Bytes>) {
        if self.is_foreign {
            return self.leave(bytes, passed);
        }
        let (requests, speech) = (&mut self.requests, self.speech);
        let mut are_followed = true;
        let oddity = self.to_program.push(bytes, passed, |message| {
            let fate = nameless(&message, speech);
            let is_batch = message.is_batch;
            let asked = message.envelopes.into_iter().filter(|envelope| envelope.method.is_some());
            are_followed &= requests.ask(asked.filter_map(|envelope| envelope.id), is_batch);
            fate
        });
        if !are_followed {
            self.warn(Warning::TooManyOpen);
        }
        self.heed(oddity, Warning::EditorSpeaksOtherwise);
    }

    /// Takes what the program has sent; appends what goes on to the editor.
    pub fn hear_program(&mut self, bytes: Bytes, passed: &mut Vec<Bytes>) {
        if self.is_foreign {
            return self.leave_to_editor(bytes, passed);
        }
        let requests = &mut self.requests;
        let oddity = self.to_editor.push(bytes, passed, |message| {
            let answers = message.envelopes.iter().filter(|envelope| envelope.method.is_none());
            let asked: Vec<Asked> =
                answers.filter_map(|answer| answer.id.as_ref()).map(|id| requests.answer(id)).collect();
            let is_late = !asked.is_empty() && asked.iter().all(|asked| *asked == Asked::Settled);
            if is_late { Fate::Drop } else { Fate::Pass }
        });
        self.heed(oddity, Warning::ProgramSpeaksOtherwise);
    }

    /// The editor sends no more; appends what was kept back of it.
    pub fn editor_ended(&mut self, passed: &mut Vec<Bytes>) {
        self.to_program.give_up(passed);
    }

    /// The program sends no more, of its own accord; appends what was kept back of it.
    pub fn program_ended(&mut self, passed: &mut Vec<Bytes>) {
        self.to_editor.give_up(passed);
    }

    /// Answers every request that is open: nobody else will. The sentence says why.
    pub fn answer_open(&mut self, sentence: &str) -> Option<Bytes> {
        if self.is_foreign || self.requests.are_settled() {
            return None;
        }
        if self.to_editor.is_torn() {
            self.warning = Some(Warning::CutOff);
            return None;
        }
        let groups = self.requests.settle();
        let answers = groups.iter().map(|group| frame(self.speech.framing, &answer(group, sentence)));
        Some(answers.collect::<String>().into())
    }

    /// Whether a request is open that could be answered now.
    pub fn may_answer(&self) -> bool {
        !self.is_foreign && !self.requests.are_settled() && !self.to_editor.is_torn()
    }

    /// What somebody should know now; once.
    pub fn poll_warning(&mut self) -> Option<Warning> {
        self.warning.take()
    }

    fn heed(&mut self, oddity: Option<Oddity>, warning: Warning) {
        match oddity {
            Some(Oddity::Foreign) => {
                self.is_foreign = true;
                self.warn(warning);
            }
            Some(Oddity::Line) => self.warn(warning),
            None => {}
        }
    }

    fn warn(&mut self, warning: Warning) {
        if !std::mem::replace(&mut self.was_warned, true) {
            self.warning = Some(warning);
        }
    }

    fn leave(&mut self, bytes: Bytes, passed: &mut Vec<Bytes>) {
        self.to_program.give_up(passed);
        passed.push(bytes);
    }

    fn leave_to_editor(&mut self, bytes: Bytes, passed: &mut Vec<Bytes>) {
        self.to_editor.give_up(passed);
        passed.push(bytes);
    }
}

/// What a program on another machine is told of the editor's process: that there is none.
fn nameless(message: &Message, speech: Speech) -> Fate {
    if speech.framing != Framing::Lsp || speech.keeps_process_id || message.is_batch {
        return Fate::Pass;
    }
    let Some(envelope) = message.envelopes.first() else {
        return Fate::Pass;
    };
    match (envelope.method, &envelope.process_id) {
        (Some(Method::Initialize), Some(range)) => Fate::Replace(range.clone(), "null"),
        (Some(Method::Initialize | Method::Other) | None, _) => Fate::Pass,
    }
}

fn answer(group: &Group, sentence: &str) -> String {
    let message = serde_json::Value::from(sentence);
    let one = |id| format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{LOST},"message":{message}}}}}"#);
    let all = group.ids.iter().map(one).collect::<Vec<_>>().join(",");
    if group.batch.is_some() { format!("[{all}]") } else { all }
}

fn frame(framing: Framing, body: &str) -> String {
    match framing {
        Framing::Lsp => format!("Content-Length: {}\r\n\r\n{body}", body.len()),
        Framing::Lines => format!("{body}\n"),
    }
}

#[cfg(test)]
mod tests;
