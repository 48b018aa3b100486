//! Which members a JSON-RPC message has: its id, its method, and a language client's process.
//!
//! Fed in any pieces, it keeps a few words, however long the message is. It trusts the brackets: who
//! sends what is no JSON is understood wrongly, or not at all.

use std::borrow::Cow;
use std::ops::Range;

use super::requests::RequestId;
use crate::proto::limits::{OPEN_REQUESTS_MAX, REQUEST_ID_BYTES_MAX};

/// What is known of a message, or of one in a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Envelope {
    pub(super) id: Option<RequestId>,
    pub(super) method: Option<Method>,
    /// It says how something ended.
    has_outcome: bool,
    /// Where the number of the editor's process is.
    pub(super) process_id: Option<Range<usize>>,
}

/// A method, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Initialize,
    Other,
}

/// A message that has come to its end.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Message {
    /// More than one in a batch only.
    pub(super) envelopes: Vec<Envelope>,
    pub(super) is_batch: bool,
}

#[derive(Debug, Default)]
pub(super) struct Scanner {
    /// Bytes of the message so far.
    at: usize,
    depth: usize,
    /// The depth of a message's members, once it has begun: one, or two in a batch.
    members: usize,
    within: Within,
    capture: Capture,
    captured: Vec<u8>,
    captured_at: usize,
    key: Key,
    expects_key: bool,
    /// Between the brackets of a message, not only of a batch.
    is_open: bool,
    in_params: bool,
    current: Envelope,
    message: Message,
    /// Something follows the message's end.
    is_odd: bool,
    /// All that matters is known.
    is_settled: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Within {
    #[default]
    Nothing,
    String,
    Escape,
}

/// What the bytes that come are kept for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Capture {
    #[default]
    Nothing,
    Key,
    Text,
    Scalar,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Key {
    #[default]
    Other,
    Id,
    Method,
    Params,
    Outcome,
    ProcessId,
}

impl Scanner {
    /// Takes the next bytes of the message.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() && !self.is_settled {
            let used = match self.within {
                Within::Nothing => self.feed_outside(rest),
                Within::String => self.feed_string(rest),
                Within::Escape => {
                    self.within = Within::String;
                    self.keep(&rest[..1]);
                    1
                }
            };
            self.at += used;
            rest = &rest[used..];
        }
    }

    /// Whether nothing that follows would be news.
    pub(super) fn is_settled(&self) -> bool {
        self.is_settled
    }

    /// Looks whether it is, after what may have settled it; in a batch, nothing is.
    fn settle(&mut self) {
        let Envelope { id, method, has_outcome, .. } = &self.current;
        self.is_settled = self.members == 1
            && id.is_some()
            && match method {
                Some(Method::Other) => true,
                Some(Method::Initialize) => false,
                None => *has_outcome,
            };
    }

    /// Whether it is a whole value with brackets around it, as far as can be seen.
    pub(super) fn is_whole(&self) -> bool {
        let is_complete = self.members > 0 && self.depth == 0 && self.within == Within::Nothing;
        self.is_settled || is_complete && !self.is_odd
    }

    /// The message is at its end, and what comes next is another.
    pub(super) fn finish(&mut self) -> Message {
        if self.is_open {
            self.end_envelope();
        }
        let captured = std::mem::take(&mut self.captured);
        let message = std::mem::take(self).message;
        self.captured = captured;
        message
    }

    /// Takes bytes up to the first that means something, and that.
    fn feed_outside(&mut self, bytes: &[u8]) -> usize {
        if self.capture == Capture::Scalar {
            let end = bytes.iter().position(|byte| b" \t\r\n,]}".contains(byte));
            self.keep(&bytes[..end.unwrap_or(bytes.len())]);
            if end.is_some() {
                self.end_scalar();
            }
            if end != Some(0) {
                return end.unwrap_or(bytes.len());
            }
        }
        let Some(plain) = bytes.iter().position(|byte| !self.is_plain(*byte)) else {
            return bytes.len();
        };
        self.captured_at = self.at + plain;
        match bytes[plain] {
            b'"' => self.begin_string(),
            byte @ (b'{' | b'[') => self.open(byte == b'{'),
            b'}' | b']' => self.close(),
            b':' => self.expects_key = false,
            b',' => {
                self.expects_key = self.at_members() || self.at_params();
                self.key = Key::Other;
            }
            // The first letter of a number or a word.
            byte => match (self.at_members(), self.at_params(), self.key) {
                (true, _, Key::Id) | (_, true, Key::ProcessId) => {
                    self.begin_capture(Capture::Scalar);
                    self.keep(&[byte]);
                }
                _ => self.is_odd |= self.depth == 0,
            },
        }
        plain + 1
    }

    /// Whether a byte outside of strings means nothing.
    fn is_plain(&self, byte: u8) -> bool {
        match byte {
            b'"' | b'{' | b'}' | b'[' | b']' => false,
            b' ' | b'\t' | b'\r' | b'\n' => true,
            b':' | b',' => self.depth > self.members + 1,
            _ => self.depth != 0 && self.key != Key::Id && self.key != Key::ProcessId,
        }
    }

    fn feed_string(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while let Some(end) = memchr::memchr2(b'"', b'\\', &bytes[at..]) {
            at += end + 1;
            if bytes[at - 1] == b'"' {
                self.keep(&bytes[..at]);
                self.end_string();
                return at;
            }
            if at == bytes.len() {
                self.within = Within::Escape;
                break;
            }
            at += 1;
        }
        self.keep(bytes);
        bytes.len()
    }

    fn at_members(&self) -> bool {
        self.is_open && self.depth == self.members
    }

    fn at_params(&self) -> bool {
        self.in_params && self.depth == self.members + 1
    }

    fn begin_string(&mut self) {
        self.within = Within::String;
        self.is_odd |= self.depth == 0;
        let capture = match self.key {
            _ if self.expects_key => Capture::Key,
            Key::Id | Key::Method if self.at_members() => Capture::Text,
            Key::Id | Key::Method | Key::Params | Key::Outcome | Key::ProcessId | Key::Other => {
                Capture::Nothing
            }
        };
        self.begin_capture(capture);
        self.keep(b"\"");
    }

    fn begin_capture(&mut self, capture: Capture) {
        self.capture = capture;
        self.captured.clear();
    }

    fn keep(&mut self, bytes: &[u8]) {
        // One more than an id may have shows that it is too long.
        if self.capture != Capture::Nothing && self.captured.len() <= REQUEST_ID_BYTES_MAX {
            let room = REQUEST_ID_BYTES_MAX + 1 - self.captured.len();
            self.captured.extend_from_slice(&bytes[..bytes.len().min(room)]);
        }
    }

    fn end_string(&mut self) {
        self.within = Within::Nothing;
        match std::mem::take(&mut self.capture) {
            Capture::Nothing | Capture::Scalar => {}
            Capture::Key => {
                self.key = self.key_of();
                if self.key == Key::Outcome {
                    self.current.has_outcome = true;
                    self.settle();
                }
            }
            Capture::Text if self.key == Key::Id => {
                self.current.id = RequestId::parse(&self.captured);
                self.settle();
            }
            Capture::Text => {
                let is_initialize = text_of(&self.captured).as_deref() == Some(b"initialize");
                self.current.method = Some(if is_initialize { Method::Initialize } else { Method::Other });
                self.settle();
            }
        }
    }

    fn key_of(&self) -> Key {
        let text = text_of(&self.captured);
        match text.as_deref() {
            Some(b"processId") if self.at_params() => Key::ProcessId,
            _ if !self.at_members() => Key::Other,
            Some(b"id") => Key::Id,
            Some(b"method") => Key::Method,
            Some(b"params") => Key::Params,
            Some(b"result" | b"error") => Key::Outcome,
            Some(_) | None => Key::Other,
        }
    }

    fn end_scalar(&mut self) {
        self.capture = Capture::Nothing;
        let end = self.captured_at + self.captured.len();
        match self.key {
            Key::Id => {
                self.current.id = RequestId::parse(&self.captured);
                self.settle();
            }
            Key::ProcessId if self.captured.iter().all(u8::is_ascii_digit) => {
                self.current.process_id = Some(self.captured_at..end);
            }
            Key::ProcessId | Key::Method | Key::Params | Key::Outcome | Key::Other => {}
        }
        self.key = Key::Other;
    }

    fn open(&mut self, is_object: bool) {
        self.is_odd |= self.depth == 0 && self.members > 0;
        self.in_params |= self.at_members() && is_object && self.key == Key::Params;
        self.depth += 1;
        if self.members == 0 {
            self.members = if is_object { 1 } else { 2 };
            self.message.is_batch = !is_object;
        }
        if is_object && self.depth == self.members && !self.is_open {
            self.is_open = true;
            self.current = Envelope::default();
        }
        self.expects_key = is_object && (self.at_members() || self.at_params());
        self.key = Key::Other;
    }

    fn close(&mut self) {
        self.is_odd |= self.depth == 0;
        self.in_params &= !self.at_params();
        if self.at_members() {
            self.end_envelope();
        }
        self.depth = self.depth.saturating_sub(1);
        self.expects_key = false;
        self.key = Key::Other;
    }

    fn end_envelope(&mut self) {
        self.is_open = false;
        let envelope = std::mem::take(&mut self.current);
        if envelope.id.is_some() && self.message.envelopes.len() < OPEN_REQUESTS_MAX {
            self.message.envelopes.push(envelope);
        }
    }
}

/// What a string in its quotes means; `None` if it is none.
fn text_of(quoted: &[u8]) -> Option<Cow<'_, [u8]>> {
    let inside = quoted.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    match inside.contains(&b'\\') {
        true => serde_json::from_slice::<String>(quoted).ok().map(|text| text.into_bytes().into()),
        false => Some(inside.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan_in(text: &str, pieces: usize) -> (Message, bool) {
        let mut scanner = Scanner::default();
        for piece in text.as_bytes().chunks(pieces) {
            scanner.feed(piece);
        }
        let is_whole = scanner.is_whole();
        (scanner.finish(), is_whole)
    }

    fn scan(text: &str) -> Message {
        let (message, is_whole) = scan_in(text, text.len().max(1));
        assert!(is_whole, "{text}");
        for pieces in 1..text.len() {
            assert_eq!(scan_in(text, pieces), (scan_in(text, text.len()).0, true), "{text} in {pieces}");
        }
        message
    }

    /// The ids, and whether each is a request's.
    fn ids(text: &str) -> Vec<(String, bool)> {
        let named = |envelope: Envelope| (envelope.id.unwrap().to_string(), envelope.method.is_some());
        scan(text).envelopes.into_iter().map(named).collect()
    }

    #[test]
    fn members_are_found_in_any_order_and_only_where_they_belong() {
        for (text, id, is_request) in [
            (r#"{"jsonrpc":"2.0","id":1,"method":"a"}"#, "1", true),
            (r#"{"method":"a","params":{"id":9,"method":"x"},"id":1}"#, "1", true),
            (r#"{"id":"1","result":[{"method":"a","id":2}]}"#, r#""1""#, false),
            (r#"{"result":{"params":{"processId":3}} , "id" : -17 }"#, "-17", false),
            (r#"{"id":3,"error":{"code":-1,"message":"\"id\":4,\\"}}"#, "3", false),
            (r#"{"\u0069d":"\u0061","m\u0065thod":"b"}"#, r#""a""#, true),
            (r#" { "x" : [ [ { } ] , "{" , 1.5e3 , null ] , "id" : 7.0 , "method" : "q" } "#, "7", true),
        ] {
            assert_eq!(ids(text), [(id.to_owned(), is_request)], "{text}");
        }
    }

    #[test]
    fn what_has_no_id_is_nobodys_request() {
        for text in [
            r#"{"method":"initialized","params":{"id":1}}"#,
            r#"{"id":null,"error":{"code":-32700}}"#,
            r#"{"id":{"x":1},"method":"a"}"#,
            r#"{"id":[1],"method":"a"}"#,
            r#"{"id":true,"method":"a"}"#,
            "{}",
            "[]",
            "[1,2]",
            r#"["id",1]"#,
            r#"[["id",1],[{"id":2,"method":"a"}]]"#,
        ] {
            assert_eq!(ids(text), [], "{text}");
        }
    }

    #[test]
    fn a_batch_is_many() {
        let text = r#"[{"id":1,"method":"a","params":[{"id":5}]}, {"method":"n"},{"id":"b","method":"c"}]"#;
        assert!(scan(text).is_batch);
        assert_eq!(ids(text), [("1".to_owned(), true), (r#""b""#.to_owned(), true)]);
    }

    #[test]
    fn the_editors_process_is_found_in_the_params_of_initialize() {
        let text =
            r#"{"id":1,"params":{"a":{"processId":1},"processId": 4711 ,"b":[]},"method":"initialize"}"#;
        let envelope = scan(text).envelopes.remove(0);
        assert_eq!(envelope.method, Some(Method::Initialize));
        assert_eq!(&text[envelope.process_id.unwrap()], "4711");
        for text in [
            r#"{"id":1,"params":{"processId":null},"method":"initialize"}"#,
            r#"{"id":1,"params":[{"processId":1}],"method":"initialize"}"#,
            r#"{"id":1,"processId":1,"method":"initialize"}"#,
        ] {
            assert_eq!(scan(text).envelopes[0].process_id, None, "{text}");
        }
    }

    #[test]
    fn an_id_has_a_bound() {
        let at = format!("\"{}\"", "x".repeat(REQUEST_ID_BYTES_MAX - 2));
        let over = format!("\"{}\"", "x".repeat(REQUEST_ID_BYTES_MAX - 1));
        assert_eq!(ids(&format!(r#"{{"id":{at},"method":"a"}}"#)), [(at, true)]);
        assert_eq!(scan(&format!(r#"{{"method":"a","id":{over}}}"#)).envelopes, []);
    }

    #[test]
    fn halves_and_other_things_are_no_whole_values() {
        for text in ["", " ", "{", r#"{"a":"}"#, "{}}", "{} {}", "{}x", "x", "1", "\"a\"", r#"{"a":1"#] {
            assert!(!scan_in(text, 3).1, "{text}");
        }
    }
}
