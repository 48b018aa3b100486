//! Tests only: the frames in `fixtures/wire`, as bytes beside what they mean, for this codec and for
//! implementers in other languages.
//!
//! A file has comments (`#`), bytes in hexadecimal, and a line (`=`) for each frame in them: its name
//! and fields, `error:` and why nothing after it is read, or `incomplete` if more must come.

use bytes::BytesMut;
use serde::Serialize;

use super::{Decoder, Frame, encode};
use crate::snapshot::Fixture;

#[test]
fn decodes_every_file_as_it_says() {
    let files = crate::snapshot::read_all("wire");
    assert!(files.len() > 30);
    for Fixture { name, path, text } in files {
        let lines = || text.lines().filter(|line| !line.starts_with('#'));
        let expected: Vec<_> = lines().filter_map(|line| line.strip_prefix("= ")).collect();
        let bytes = lines().filter(|line| !line.starts_with('=')).flat_map(str::split_whitespace);
        let bytes: Vec<u8> = bytes.map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
        let (words, frames) = decode(&bytes);
        assert_eq!(words, expected, "{path}");

        // What a later version wrote, or what is malformed, is not what this version would write.
        if words.len() == frames.len() && !name.ends_with("from_a_later_version") {
            let mut written = BytesMut::new();
            frames.iter().for_each(|frame| encode(frame, &mut written));
            assert_eq!(written, bytes, "{path}");
        }
    }
}

fn decode(bytes: &[u8]) -> (Vec<String>, Vec<Frame>) {
    let mut decoder = Decoder::new();
    decoder.push(bytes);
    let (mut words, mut frames) = (Vec::new(), Vec::new());
    loop {
        match decoder.next_frame() {
            Ok(Some(frame)) => {
                words.push(frame_words(&frame));
                frames.push(frame);
            }
            Ok(None) if decoder.buffered_bytes() > 0 => words.push("incomplete".to_owned()),
            Ok(None) => {}
            Err(error) => words.push(format!("error: {error}")),
        }
        if frames.len() < words.len() || decoder.buffered_bytes() == 0 {
            return (words, frames);
        }
    }
}

fn frame_words(frame: &Frame) -> String {
    let name = frame.name();
    match frame {
        Frame::Hello(body) => format!("{name} {}", json(body)),
        Frame::Welcome(body) => format!("{name} {}", json(body)),
        Frame::Refused(body) => format!("{name} {}", json(body)),
        Frame::Bye(body) => format!("{name} {}", json(body)),
        Frame::Data { channel, seq, payload } => {
            let payload: String = payload.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{name} channel={} seq={seq} payload={payload}", *channel as u8)
        }
        Frame::Fin { channel, seq } => format!("{name} channel={} seq={seq}", *channel as u8),
        Frame::Exit { seq, exit } => format!("{name} seq={seq} {}", json(exit)),
        Frame::Ack(number) | Frame::Ping(number) | Frame::Pong(number) => format!("{name} {number}"),
    }
}

fn json(body: &impl Serialize) -> String {
    serde_json::to_string(body).unwrap()
}
