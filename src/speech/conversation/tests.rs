//! Conversations of both framings, in pieces of any size.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::proto::limits::HELD_BYTES_MAX;

const LSP: Speech = Speech { framing: Framing::Lsp, keeps_process_id: false };
const LINES: Speech = Speech { framing: Framing::Lines, keeps_process_id: false };

/// Bytes from somebody, in pieces; all that was passed on.
fn pass(bytes: &[u8], piece: usize, mut take: impl FnMut(Bytes, &mut Vec<Bytes>)) -> Vec<u8> {
    let mut passed = Vec::new();
    for piece in bytes.chunks(piece) {
        take(Bytes::copy_from_slice(piece), &mut passed);
    }
    passed.concat()
}

fn editor_says(conversation: &mut Conversation, bytes: impl AsRef<[u8]>) -> Vec<u8> {
    pass(bytes.as_ref(), 7, |piece, passed| conversation.hear_editor(piece, passed))
}

fn program_says(conversation: &mut Conversation, bytes: impl AsRef<[u8]>) -> Vec<u8> {
    pass(bytes.as_ref(), 7, |piece, passed| conversation.hear_program(piece, passed))
}

fn framed(speech: Speech, value: &Value) -> String {
    frame(speech.framing, &value.to_string())
}

/// The messages of a stream.
fn messages(framing: Framing, stream: &[u8]) -> Vec<Value> {
    let mut rest = std::str::from_utf8(stream).unwrap();
    let mut all = Vec::new();
    while !rest.is_empty() {
        let (body, after) = match framing {
            Framing::Lines => rest.split_once('\n').unwrap(),
            Framing::Lsp => {
                let (length, after) =
                    rest.strip_prefix("Content-Length: ").unwrap().split_once("\r\n\r\n").unwrap();
                after.split_at(length.parse().unwrap())
            }
        };
        all.push(serde_json::from_str(body).unwrap());
        rest = after;
    }
    all
}

/// The ids that are answered with an error.
fn answered(conversation: &mut Conversation) -> Vec<Value> {
    let framing = conversation.speech.framing;
    let answers = conversation.answer_open("it is gone").unwrap_or_default();
    let all = messages(framing, &answers);
    let flat = all.into_iter().flat_map(|message| match message {
        Value::Array(many) => many,
        one => vec![one],
    });
    flat.map(|answer| {
        assert_eq!(answer["jsonrpc"], "2.0");
        assert_eq!(answer["error"], json!({"code": -32000, "message": "it is gone"}));
        answer["id"].clone()
    })
    .collect()
}

#[test]
fn what_is_open_is_answered_once_and_in_order() {
    for speech in [LSP, LINES] {
        let mut conversation = Conversation::new(speech);
        for message in [
            json!({"jsonrpc": "2.0", "id": 1, "method": "a"}),
            json!({"jsonrpc": "2.0", "id": "two", "method": "b", "params": {"x": "}\n{"}}),
            json!({"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": 1}}),
            json!({"jsonrpc": "2.0", "id": 3, "method": "c"}),
            // Its answer to the server, and the server's own id.
            json!({"jsonrpc": "2.0", "id": 77, "result": null}),
        ] {
            let sent = framed(speech, &message);
            assert_eq!(editor_says(&mut conversation, &sent), sent.as_bytes());
        }
        for message in [
            json!({"jsonrpc": "2.0", "id": "two", "method": "the server's own"}),
            json!({"jsonrpc": "2.0", "id": 3, "result": {"id": 1}}),
            json!({"jsonrpc": "2.0", "method": "note", "params": [1]}),
        ] {
            let sent = framed(speech, &message);
            assert_eq!(program_says(&mut conversation, &sent), sent.as_bytes());
        }
        assert_eq!(answered(&mut conversation), [json!(1), json!("two")]);
        assert_eq!(conversation.answer_open("it is gone"), None);
        editor_says(&mut conversation, framed(speech, &json!({"id": 9, "method": "late"})));
        assert_eq!(answered(&mut conversation), [json!(9)]);
        assert_eq!(conversation.poll_warning(), None);
    }
}

#[test]
fn a_batch_is_answered_as_one() {
    let mut conversation = Conversation::new(LINES);
    editor_says(
        &mut conversation,
        r#"[{"id":1,"method":"a"},{"method":"n"},{"id":2,"method":"b"}]
{"id":3,"method":"c"}
"#,
    );
    let answers = conversation.answer_open("gone").unwrap();
    let lines = messages(Framing::Lines, &answers);
    assert_eq!((lines.len(), lines[0].as_array().unwrap().len(), &lines[1]["id"]), (2, 2, &json!(3)));
}

#[test]
fn half_a_message_is_not_passed_on_and_an_answer_in_it_is_none() {
    for speech in [LSP, LINES] {
        let mut conversation = Conversation::new(speech);
        editor_says(&mut conversation, framed(speech, &json!({"id": 1, "method": "a"})));
        let note = framed(speech, &json!({"method": "note"}));
        let answer = framed(speech, &json!({"id": 1, "result": "long"}));
        let stream = format!("{note}{}", &answer[..answer.len() - 1]);
        assert_eq!(program_says(&mut conversation, &stream), note.as_bytes());
        assert_eq!(answered(&mut conversation), [json!(1)]);
        // It comes after all, when nobody waits for it any more.
        assert_eq!(program_says(&mut conversation, &answer[answer.len() - 1..]), b"");
        assert_eq!(program_says(&mut conversation, &answer), answer.as_bytes());
    }
}

#[test]
fn half_a_message_of_a_program_that_ended_is_passed_on() {
    for speech in [LSP, LINES] {
        let mut conversation = Conversation::new(speech);
        let whole = framed(speech, &json!({"id": 1, "method": "a"}));
        let half = &whole[..whole.len() - 3];
        let mut passed = Vec::new();
        conversation.hear_program(Bytes::copy_from_slice(half.as_bytes()), &mut passed);
        conversation.hear_editor(Bytes::copy_from_slice(half.as_bytes()), &mut passed);
        assert_eq!(passed, Vec::<Bytes>::new());
        conversation.program_ended(&mut passed);
        conversation.editor_ended(&mut passed);
        assert_eq!(passed, [half.as_bytes(), half.as_bytes()]);
    }
}

#[test]
fn a_message_over_the_bound_is_passed_on_as_it_comes_and_its_end_counts() {
    for speech in [LSP, LINES] {
        let mut conversation = Conversation::new(speech);
        editor_says(&mut conversation, framed(speech, &json!({"id": 1, "method": "a"})));
        editor_says(&mut conversation, framed(speech, &json!({"id": 2, "method": "a"})));
        let answer = framed(speech, &json!({"id": 1, "result": "x".repeat(HELD_BYTES_MAX)}));
        let (first, last) = answer.split_at(answer.len() - 9);
        let mut passed = Vec::new();
        conversation.hear_program(Bytes::copy_from_slice(first.as_bytes()), &mut passed);
        assert_eq!(passed.concat(), first.as_bytes());
        assert_eq!(conversation.answer_open("gone"), None, "what followed would be read as its rest");
        assert_eq!(conversation.poll_warning(), Some(Warning::CutOff));
        conversation.hear_program(Bytes::copy_from_slice(last.as_bytes()), &mut passed);
        assert_eq!(passed.concat(), answer.as_bytes());
        assert_eq!(answered(&mut conversation), [json!(2)]);
    }
}

#[test]
fn as_much_as_may_be_is_kept_back() {
    let mut conversation = Conversation::new(LINES);
    let mut passed = Vec::new();
    let most = format!("{{\"a\":\"{}", "x".repeat(HELD_BYTES_MAX - 6));
    conversation.hear_program(most.clone().into(), &mut passed);
    assert!(passed.is_empty());
    conversation.hear_program(Bytes::from_static(b"y"), &mut passed);
    assert_eq!(passed.concat().len(), most.len() + 1);
}

#[test]
fn a_language_server_is_told_of_no_process() {
    for (process, expected) in [("123456", "null"), ("1", "null"), ("null", "null"), (r#""x""#, r#""x""#)] {
        let body = |process: &str| {
            format!(r#"{{"id":0,"method":"initialize","params":{{"processId": {process},"rootUri":"ü"}}}}"#)
        };
        let stream = |process: &str| {
            let (body, after) = (body(process), r#"{"method":"initialized","params":{"processId":1}}"#);
            let first = format!("Content-Type: x\r\nContent-Length:  {}\r\n\r\n{body}", body.len());
            first + &frame(Framing::Lsp, after)
        };
        let mut conversation = Conversation::new(LSP);
        let said = editor_says(&mut conversation, stream(process));
        assert_eq!(String::from_utf8(said).unwrap(), stream(expected));
        let mut keeping = Conversation::new(Speech { keeps_process_id: true, ..LSP });
        assert_eq!(editor_says(&mut keeping, stream(process)), stream(process).as_bytes());
        let line = body(process) + "\n";
        assert_eq!(editor_says(&mut Conversation::new(LINES), &line), line.as_bytes());
    }
}

#[test]
fn who_speaks_something_else_is_carried_with_one_warning() {
    let mut conversation = Conversation::new(LSP);
    let request = framed(LSP, &json!({"id": 1, "method": "a"}));
    editor_says(&mut conversation, &request);
    let stream = format!("{}Starting up…\n{request}", framed(LSP, &json!({"method": "note"})));
    assert_eq!(program_says(&mut conversation, &stream), stream.as_bytes());
    assert_eq!(conversation.poll_warning(), Some(Warning::ProgramSpeaksOtherwise));
    assert_eq!(editor_says(&mut conversation, "x"), b"x");
    assert_eq!(conversation.poll_warning(), None);
    assert_eq!(conversation.answer_open("gone"), None, "nobody knows where it could be read");
}

#[test]
fn a_line_that_is_no_message_is_passed_on_at_once_and_others_are_followed() {
    let mut conversation = Conversation::new(LINES);
    editor_says(&mut conversation, "{\"id\":1,\"method\":\"a\"}\n");
    assert_eq!(program_says(&mut conversation, "password: "), b"password: ");
    assert_eq!(conversation.answer_open("gone"), None, "the line goes on");
    assert_eq!(conversation.poll_warning(), Some(Warning::CutOff));
    assert_eq!(program_says(&mut conversation, "\n{\"id\":1}\n"), b"\n{\"id\":1}\n");
    assert_eq!(conversation.poll_warning(), Some(Warning::ProgramSpeaksOtherwise));
    assert_eq!(conversation.answer_open("gone"), None, "it was answered");
}

fn any_message() -> impl Strategy<Value = Value> {
    let id = prop_oneof![any::<i32>().prop_map(Value::from), "[a-z\"\\\\é{]{0,9}".prop_map(Value::from)];
    let text = "[a-z\"\\\\{}\\[\\]:,\\n ]{0,40}";
    (proptest::option::of(id), any::<bool>(), text).prop_map(|(id, is_method, text)| {
        let mut message = serde_json::Map::new();
        let _ = id.map(|id| message.insert("id".to_owned(), id));
        if is_method {
            message.insert("method".to_owned(), text.clone().into());
        }
        let members = json!({"id": text, "x": [{"id": 1, "method": text}, [], 1.5]});
        let name = if is_method { "params" } else { ["result", "error"][text.len() % 2] };
        message.insert(name.to_owned(), members);
        Value::Object(message)
    })
}

proptest! {
    #[test]
    fn any_stream_in_any_pieces_is_what_it_was_and_what_is_open_is_what_was_not_answered(
        asked in proptest::collection::vec(any_message(), 0..12),
        told in proptest::collection::vec(any_message(), 0..12),
        pieces in proptest::collection::vec(1..200usize, 1..8),
        is_lsp in any::<bool>(),
    ) {
        let speech = if is_lsp { LSP } else { LINES };
        let mut conversation = Conversation::new(speech);
        let mut expected: Vec<Value> = Vec::new();
        let is_request = |message: &&Value| message.get("id").is_some() && message.get("method").is_some();
        expected.extend(asked.iter().filter(is_request).map(|message| message["id"].clone()));
        for answer in told.iter().filter(|told| told.get("method").is_none()) {
            if let Some(at) = answer.get("id").and_then(|id| expected.iter().position(|open| open == id)) {
                expected.remove(at);
            }
        }
        for (all, is_editor) in [(&asked, true), (&told, false)] {
            let stream: String = all.iter().map(|message| framed(speech, message)).collect();
            let (mut rest, mut passed) = (stream.as_bytes(), Vec::new());
            for size in pieces.iter().cycle() {
                let (piece, after) = rest.split_at((*size).min(rest.len()));
                let piece = Bytes::copy_from_slice(piece);
                match is_editor {
                    true => conversation.hear_editor(piece, &mut passed),
                    false => conversation.hear_program(piece, &mut passed),
                }
                rest = after;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(passed.concat(), stream.as_bytes());
        }
        prop_assert_eq!(answered(&mut conversation), expected);
        prop_assert_eq!(conversation.poll_warning(), None);
    }

    #[test]
    fn any_bytes_in_any_pieces_are_carried(
        bytes in proptest::collection::vec(
            prop_oneof![Just(b'{'), Just(b'}'), Just(b'\n'), Just(b'"'), Just(b'\\'), Just(b':'), any::<u8>()],
            0..300,
        ),
        is_headed in any::<bool>(),
        piece in 1..50usize,
        is_lsp in any::<bool>(),
    ) {
        let mut conversation = Conversation::new(if is_lsp { LSP } else { LINES });
        let head = if is_headed { &b"Content-Length: 20\r\n\r\n"[..] } else { b"" };
        let stream = [head, &bytes].concat();
        let mut passed = pass(&stream, piece, |piece, passed| conversation.hear_program(piece, passed));
        let mut rest = Vec::new();
        conversation.program_ended(&mut rest);
        passed.extend(rest.concat());
        prop_assert_eq!(passed, stream);
    }
}
