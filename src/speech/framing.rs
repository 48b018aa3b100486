//! Where a message ends and the next begins.

use std::ops::Range;

use super::Framing;
use super::scanner::Scanner;
use crate::proto::limits::SPEECH_HEADER_BYTES_MAX;

/// What every line of a header begins with, whatever its case: the protocol has no others.
const FIELD: &[u8] = b"content-";

/// The one that nearly everybody writes, and nothing else.
const USUAL_FIELD: &[u8] = b"Content-Length: ";

/// What was found in some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// All of them belong to a message that goes on.
    More,
    /// A message ends.
    Whole,
    /// A line ends that is no message.
    Line,
    /// It is something else, and where it ends nobody knows.
    Foreign,
}

/// Cuts a stream into messages.
#[derive(Debug)]
pub(super) struct Cutter {
    framing: Framing,
    place: Place,
    /// The header of the message that is under way, or was the last.
    header: Vec<u8>,
    /// Where in it the current line begins.
    line_at: usize,
    /// What it says of the body's bytes, and where.
    length: Option<(u64, Range<usize>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Before a header or a line, or within a header.
    Start,
    /// So many bytes before a body's end.
    Body(u64),
    /// Within a line that may be a message.
    Value,
    /// Within a line that is none.
    Other,
}

impl Cutter {
    pub(super) fn new(framing: Framing) -> Self {
        Cutter { framing, place: Place::Start, header: Vec::new(), line_at: 0, length: None }
    }

    /// Looks at bytes up to the end of a message, and shows them to the scanner; how many it were.
    pub(super) fn cut(&mut self, bytes: &[u8], scanner: &mut Scanner) -> (usize, Cut) {
        match (self.framing, self.place) {
            (Framing::Lsp, Place::Body(left)) => self.cut_body(left, bytes, scanner),
            (Framing::Lsp, Place::Start | Place::Value | Place::Other) => self.cut_header(bytes),
            (Framing::Lines, Place::Value) => self.cut_value(bytes, scanner),
            (Framing::Lines, Place::Start | Place::Body(_) | Place::Other) => self.cut_line(bytes),
        }
    }

    /// Whether what has come of the message is worth waiting for the rest: people wait for a prompt.
    pub(super) fn is_message(&self) -> bool {
        self.place != Place::Other
    }

    /// The header of the message that has just ended, with another length of the body.
    pub(super) fn header_for(&self, body_bytes: usize) -> Option<Vec<u8>> {
        let (_, digits) = self.length.as_ref()?;
        let (before, after) = (&self.header[..digits.start], &self.header[digits.end..]);
        Some([before, body_bytes.to_string().as_bytes(), after].concat())
    }

    /// Bytes of the header of the message that has just ended.
    pub(super) fn header_bytes(&self) -> usize {
        self.header.len()
    }

    fn cut_header(&mut self, bytes: &[u8]) -> (usize, Cut) {
        if self.place == Place::Start && self.line_at == 0 && self.header.ends_with(b"\n") {
            self.header.clear();
            self.length = None;
        }
        if self.header.is_empty()
            && let Some(used) = self.usual_header(bytes)
        {
            return self.end_header(used);
        }
        for (at, byte) in bytes.iter().enumerate() {
            self.header.push(*byte);
            if self.header.len() > SPEECH_HEADER_BYTES_MAX || !self.may_be_header() {
                return (at, Cut::Foreign);
            }
            if *byte != b'\n' {
                continue;
            }
            match self.end_header_line() {
                Some(true) => {}
                Some(false) => return self.end_header(at + 1),
                None => return (at, Cut::Foreign),
            }
        }
        (bytes.len(), Cut::More)
    }

    /// Takes a header that is there at once, and as nearly everybody writes it; its bytes.
    fn usual_header(&mut self, bytes: &[u8]) -> Option<usize> {
        let rest = bytes.strip_prefix(USUAL_FIELD)?;
        // So few digits always fit.
        let digits = rest.iter().take(18).take_while(|byte| byte.is_ascii_digit()).count();
        rest[digits..].starts_with(b"\r\n\r\n").then_some(())?;
        let length = rest[..digits].iter().fold(None, |length: Option<u64>, digit| {
            Some(length.unwrap_or(0) * 10 + u64::from(digit - b'0'))
        })?;
        let (start, end) = (USUAL_FIELD.len(), USUAL_FIELD.len() + digits);
        self.length = Some((length, start..end));
        self.header.extend_from_slice(&bytes[..end + 4]);
        Some(end + 4)
    }

    /// Whether the line so far may become one of a header.
    fn may_be_header(&self) -> bool {
        let line = &self.header[self.line_at..];
        let known = line.len().min(FIELD.len());
        line[..known].eq_ignore_ascii_case(&FIELD[..known]) || b"\r\n".starts_with(line) || line == b"\n"
    }

    /// Reads a line; false if it was the empty one at a header's end, `None` if it was no field.
    fn end_header_line(&mut self) -> Option<bool> {
        let line = &self.header[self.line_at..self.header.len() - 1];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            return Some(false);
        }
        let colon = line.iter().position(|byte| *byte == b':')?;
        if line[..colon].eq_ignore_ascii_case(b"content-length") {
            let value = std::str::from_utf8(&line[colon + 1..]).ok()?;
            let digits = value.trim();
            let start = self.line_at + colon + 1 + (value.len() - value.trim_start().len());
            let length = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?;
            self.length = Some((length?, start..start + digits.len()));
        }
        self.line_at = self.header.len();
        Some(true)
    }

    fn end_header(&mut self, used: usize) -> (usize, Cut) {
        self.line_at = 0;
        match &self.length {
            Some((0, _)) => (used, Cut::Whole),
            Some((length, _)) => {
                self.place = Place::Body(*length);
                (used, Cut::More)
            }
            None => (used, Cut::Foreign),
        }
    }

    fn cut_body(&mut self, left: u64, bytes: &[u8], scanner: &mut Scanner) -> (usize, Cut) {
        let used = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
        if !scanner.is_settled() {
            scanner.feed(&bytes[..used]);
        }
        let left = left - used as u64;
        self.place = if left == 0 { Place::Start } else { Place::Body(left) };
        (used, if left == 0 { Cut::Whole } else { Cut::More })
    }

    fn cut_line(&mut self, bytes: &[u8]) -> (usize, Cut) {
        if self.place == Place::Start {
            match bytes.iter().position(|byte| !b" \t\r".contains(byte)) {
                Some(at) if b"{[".contains(&bytes[at]) => {
                    self.place = Place::Value;
                    return (at, Cut::More);
                }
                Some(at) if bytes[at] == b'\n' => return (at + 1, Cut::Whole),
                Some(_) => self.place = Place::Other,
                None => return (bytes.len(), Cut::More),
            }
        }
        match memchr::memchr(b'\n', bytes) {
            Some(end) => {
                self.place = Place::Start;
                (end + 1, Cut::Line)
            }
            None => (bytes.len(), Cut::More),
        }
    }

    fn cut_value(&mut self, bytes: &[u8], scanner: &mut Scanner) -> (usize, Cut) {
        let end = memchr::memchr(b'\n', bytes);
        let used = end.map_or(bytes.len(), |end| end + 1);
        if !scanner.is_settled() {
            scanner.feed(&bytes[..used]);
        }
        if end.is_none() {
            return (used, Cut::More);
        }
        self.place = Place::Start;
        (used, if scanner.is_whole() { Cut::Whole } else { Cut::Line })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ends that are found, with the bytes up to there.
    fn ends(framing: Framing, stream: &[u8], pieces: usize) -> Vec<(usize, Cut)> {
        let mut cutter = Cutter::new(framing);
        let mut scanner = Scanner::default();
        let mut ends = Vec::new();
        let mut passed = 0;
        for piece in stream.chunks(pieces) {
            let mut at = 0;
            while at < piece.len() {
                let (used, cut) = cutter.cut(&piece[at..], &mut scanner);
                at += used;
                match cut {
                    Cut::More => {}
                    Cut::Whole | Cut::Line => {
                        scanner.finish();
                        ends.push((passed + at, cut));
                    }
                    Cut::Foreign => {
                        ends.push((0, cut));
                        return ends;
                    }
                }
            }
            passed += at;
        }
        ends
    }

    fn always(framing: Framing, stream: &str, expected: &[(usize, Cut)]) {
        for pieces in 1..=stream.len() {
            assert_eq!(ends(framing, stream.as_bytes(), pieces), expected, "{stream:?} in {pieces}");
        }
    }

    #[test]
    fn headers_say_where_a_body_ends() {
        always(Framing::Lsp, "Content-Length: 2\r\n\r\n{}", &[(23, Cut::Whole)]);
        let typed = "content-type: x; charset=utf-8\r\nCONTENT-LENGTH:2\r\n\r\n{}Content-Length: 0\r\n\r\n";
        always(Framing::Lsp, typed, &[(54, Cut::Whole), (75, Cut::Whole)]);
        always(Framing::Lsp, "Content-Length: 3\n\nabcContent-", &[(22, Cut::Whole)]);
    }

    #[test]
    fn what_is_no_header_is_foreign_at_once() {
        for stream in
            ["x", "\r\n\r\n", "\n", "Content-Length: x\r\n\r\n", "Content-Length: -1\r\n\r\n", "Contend"]
        {
            always(Framing::Lsp, stream, &[(0, Cut::Foreign)]);
        }
        always(Framing::Lsp, "Content-Length: 99999999999999999999\r\n\r\n", &[(0, Cut::Foreign)]);
        always(Framing::Lsp, "Content-Type: x\r\n\r\n{}", &[(0, Cut::Foreign)]);
        always(Framing::Lsp, "Content-Length 2\r\n\r\n{}", &[(0, Cut::Foreign)]);
        let long = format!("Content-Type: {}", "x".repeat(SPEECH_HEADER_BYTES_MAX));
        assert_eq!(ends(Framing::Lsp, long.as_bytes(), 7), [(0, Cut::Foreign)]);
    }

    #[test]
    fn a_line_is_a_message_or_it_is_not() {
        let stream = "{\"id\":1}\n\n  [ ]\r\nhello\n{\n\"{}\"\n{} {}\n{}";
        let expected = [
            (9, Cut::Whole),
            (10, Cut::Whole),
            (17, Cut::Whole),
            (23, Cut::Line),
            (25, Cut::Line),
            (30, Cut::Line),
            (36, Cut::Line),
        ];
        always(Framing::Lines, stream, &expected);
    }
}
