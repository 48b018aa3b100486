//! Frames to bytes and back.
//!
//! ```text
//! u32 little-endian: length of what follows | u8: type | body
//! ```
//!
//! A decoder belongs to one transport and dies with it, so half a frame of a lost transport is
//! never glued to the next one. Sessions and sequence numbers are left to the machines.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::frame::{Channel, Frame};
use super::handshake::{Bye, Hello, Refusal};
use super::limits::{
    FRAME_BYTES_MAX, FRAME_HEADER_BYTES, HANDSHAKE_BYTES_MAX, PAYLOAD_BYTES_MAX, SENTENCE_BYTES_MAX,
};
use super::words::harmless;

const HELLO: u8 = 1;
const WELCOME: u8 = 2;
const REFUSED: u8 = 3;
const DATA: u8 = 4;
const ACK: u8 = 5;
const PING: u8 = 6;
const PONG: u8 = 7;
const FIN: u8 = 8;
const EXIT: u8 = 9;
const BYE: u8 = 10;

/// Bytes before the payload in a `Data` body: channel and number.
const DATA_HEAD: usize = 1 + 8;

/// Bytes that no version of this protocol would send.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum DecodeError {
    /// The length field is zero or over the bound for the type.
    #[error("a {name} frame of {length} bytes is out of bounds (1 to {max})")]
    Length {
        /// What kind of frame, as far as known.
        name: &'static str,
        /// What the length field says.
        length: u64,
        /// What is accepted.
        max: u64,
    },
    /// A type this version does not know.
    #[error("frame type {0} is unknown")]
    Type(u8),
    /// A channel this version does not know.
    #[error("channel {0} is unknown")]
    Channel(u8),
    /// A body that does not fit its type.
    #[error("the body of a {name} frame is malformed: {why}")]
    Body {
        /// What kind of frame.
        name: &'static str,
        /// What is wrong with it.
        why: String,
    },
}

/// Appends a whole frame to `out`.
///
/// # Panics
///
/// If a payload is over its bound: the machines never make such a frame.
pub fn encode(frame: &Frame, out: &mut BytesMut) {
    if let Some(payload) = encode_head(frame, out) {
        out.extend_from_slice(&payload);
    }
}

/// Appends a frame to `out` up to its payload, and returns the payload that must follow, so that
/// large ones can be written from where they are.
///
/// # Panics
///
/// As [`encode`].
pub fn encode_head(frame: &Frame, out: &mut BytesMut) -> Option<Bytes> {
    match frame {
        Frame::Hello(body) => {
            let client = body.client.as_deref().map(cut_sentence);
            encode_json(HELLO, &Hello { client, ..body.clone() }, out);
        }
        Frame::Welcome(body) => encode_json(WELCOME, body, out),
        Frame::Refused(body) => {
            let message = cut_sentence(&body.message);
            encode_json(REFUSED, &Refusal { message, ..body.clone() }, out);
        }
        Frame::Bye(body) => {
            let message = cut_sentence(&body.message);
            encode_json(BYE, &Bye { message, ..body.clone() }, out);
        }
        Frame::Data { channel, seq, payload } => {
            assert!(payload.len() <= PAYLOAD_BYTES_MAX, "a payload over its bound was accepted");
            encode_start(DATA, DATA_HEAD + payload.len(), out);
            out.put_u8(*channel as u8);
            out.put_u64_le(*seq);
            return Some(payload.clone());
        }
        Frame::Fin { channel, seq } => {
            encode_start(FIN, 1 + 8, out);
            out.put_u8(*channel as u8);
            out.put_u64_le(*seq);
        }
        Frame::Exit { seq, exit } => {
            let body = serde_json::to_vec(exit).expect("an exit is plain data");
            encode_start(EXIT, 8 + body.len(), out);
            out.put_u64_le(*seq);
            out.extend_from_slice(&body);
        }
        Frame::Ack(number) => encode_number(ACK, *number, out),
        Frame::Ping(number) => encode_number(PING, *number, out),
        Frame::Pong(number) => encode_number(PONG, *number, out),
    }
    None
}

/// A sentence may quote what the other side sent, and must fit into a handshake all the same.
fn cut_sentence(sentence: &str) -> String {
    let end = (0..=SENTENCE_BYTES_MAX.min(sentence.len())).rev().find(|end| sentence.is_char_boundary(*end));
    sentence[..end.unwrap_or(0)].to_owned()
}

fn encode_start(kind: u8, body_bytes: usize, out: &mut BytesMut) {
    let length = u32::try_from(1 + body_bytes).expect("bodies are bounded far below 4 GiB");
    out.put_u32_le(length);
    out.put_u8(kind);
}

fn encode_json(kind: u8, body: &impl Serialize, out: &mut BytesMut) {
    let body = serde_json::to_vec(body).expect("a handshake is plain data");
    assert!(body.len() < HANDSHAKE_BYTES_MAX, "a handshake over its bound was made");
    encode_start(kind, body.len(), out);
    out.extend_from_slice(&body);
}

fn encode_number(kind: u8, number: u64, out: &mut BytesMut) {
    encode_start(kind, 8, out);
    out.put_u64_le(number);
}

/// Turns the bytes of one transport into frames.
///
/// Payloads are slices of what was read: nothing is copied, and nothing is allocated for a frame
/// whose length is out of bounds. Whatever comes, at most three times [`FRAME_BYTES_MAX`], and
/// twice what was pushed at once, is held.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Decoder {
    buffer: BytesMut,
}

impl Decoder {
    /// A decoder for a new transport.
    pub fn new() -> Self {
        Self::default()
    }

    /// Where a driver reads into: bytes appended here are decoded next.
    pub fn buffer_mut(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// Takes bytes that arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Bytes that arrived and do not make a frame yet.
    pub fn buffered_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// The next whole frame, if it has arrived.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the bytes are no frame. The transport is then useless, and so is this
    /// decoder: the next call may say anything.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, DecodeError> {
        if self.buffer.len() < 4 {
            return Ok(None);
        }
        let length =
            u32::from_le_bytes([self.buffer[0], self.buffer[1], self.buffer[2], self.buffer[3]]) as usize;
        check_length("coming", length, FRAME_BYTES_MAX)?;
        if self.buffer.len() < FRAME_HEADER_BYTES {
            return Ok(None);
        }
        let kind = self.buffer[4];
        match kind {
            HELLO | WELCOME | REFUSED | EXIT | BYE => {
                check_length(type_name(kind), length, HANDSHAKE_BYTES_MAX)?;
            }
            DATA | ACK | PING | PONG | FIN => {}
            unknown => return Err(DecodeError::Type(unknown)),
        }
        if self.buffer.len() < 4 + length {
            // Room for the rest at once, so that a large frame is not moved while it grows.
            self.buffer.reserve(4 + length - self.buffer.len());
            return Ok(None);
        }
        let mut body = self.buffer.split_to(4 + length).freeze();
        body.advance(FRAME_HEADER_BYTES);
        decode_body(kind, body).map(Some)
    }
}

fn check_length(name: &'static str, length: usize, max: usize) -> Result<(), DecodeError> {
    if length == 0 || length > max {
        return Err(DecodeError::Length { name, length: length as u64, max: max as u64 });
    }
    Ok(())
}

fn type_name(kind: u8) -> &'static str {
    match kind {
        HELLO => "Hello",
        WELCOME => "Welcome",
        REFUSED => "Refused",
        DATA => "Data",
        ACK => "Ack",
        PING => "Ping",
        PONG => "Pong",
        FIN => "Fin",
        EXIT => "Exit",
        BYE => "Bye",
        _ => "unknown",
    }
}

fn decode_body(kind: u8, mut body: Bytes) -> Result<Frame, DecodeError> {
    let name = type_name(kind);
    let short = || DecodeError::Body { name, why: "it is too short".to_owned() };
    let frame = match kind {
        HELLO => Frame::Hello(decode_json(name, &body)?),
        WELCOME => Frame::Welcome(decode_json(name, &body)?),
        REFUSED => Frame::Refused(decode_json(name, &body)?),
        BYE => Frame::Bye(decode_json(name, &body)?),
        EXIT => {
            let seq = body.try_get_u64_le().map_err(|_| short())?;
            Frame::Exit { seq, exit: decode_json(name, &body)? }
        }
        DATA | FIN => {
            let channel = body.try_get_u8().map_err(|_| short())?;
            let channel = Channel::from_byte(channel).ok_or(DecodeError::Channel(channel))?;
            let seq = body.try_get_u64_le().map_err(|_| short())?;
            if kind == DATA {
                return Ok(Frame::Data { channel, seq, payload: body });
            }
            expect_end(name, &body)?;
            Frame::Fin { channel, seq }
        }
        ACK | PING | PONG => {
            let number = body.try_get_u64_le().map_err(|_| short())?;
            expect_end(name, &body)?;
            match kind {
                ACK => Frame::Ack(number),
                PING => Frame::Ping(number),
                _ => Frame::Pong(number),
            }
        }
        unknown => return Err(DecodeError::Type(unknown)),
    };
    Ok(frame)
}

fn decode_json<T: DeserializeOwned>(name: &'static str, body: &[u8]) -> Result<T, DecodeError> {
    serde_json::from_slice(body).map_err(|error| {
        // It may quote what came.
        DecodeError::Body { name, why: cut_sentence(&harmless(&error.to_string())) }
    })
}

fn expect_end(name: &'static str, rest: &Bytes) -> Result<(), DecodeError> {
    if rest.is_empty() {
        return Ok(());
    }
    Err(DecodeError::Body { name, why: format!("{} bytes too many", rest.len()) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::FileFailurePersistence;

    use super::*;
    use crate::proto::handshake::{ByeReason, ProgramExit, RefusalReason, Welcome};
    use crate::proto::{HostId, InstanceId, SessionId};

    fn frames() -> impl Strategy<Value = Frame> {
        let channel = prop_oneof![Just(Channel::Input), Just(Channel::Output), Just(Channel::Errors)];
        prop_oneof![
            (any::<u128>(), any::<u64>(), any::<Option<u128>>(), any::<u64>()).prop_map(
                |(session, attempt, instance, received)| Frame::Hello(Hello {
                    protocol: (1, 3),
                    session: SessionId(session),
                    attempt,
                    instance: instance.map(InstanceId),
                    received,
                    window: 9,
                    takeover: attempt % 2 == 0,
                    client: (attempt % 3 == 0).then(|| "me@läptop".to_owned()),
                })
            ),
            (any::<u128>(), any::<u64>(), any::<u64>()).prop_map(|(id, received, start)| {
                Frame::Welcome(Welcome {
                    protocol: 1,
                    instance: InstanceId(id),
                    session: SessionId(id),
                    received,
                    start,
                    window: 5,
                    host: (id % 2 == 0).then_some(HostId(id)),
                })
            }),
            "\\PC{0,40}".prop_map(|message| {
                let message = harmless(&message);
                Frame::Refused(Refusal { reason: RefusalReason::Busy, message, host: None })
            }),
            (channel, any::<u64>(), prop::collection::vec(any::<u8>(), 0..300))
                .prop_map(|(channel, seq, payload)| Frame::Data { channel, seq, payload: payload.into() }),
            any::<u64>().prop_map(|seq| Frame::Fin { channel: Channel::Input, seq }),
            (any::<u64>(), any::<i32>())
                .prop_map(|(seq, code)| Frame::Exit { seq, exit: ProgramExit::Code(code) }),
            any::<u64>().prop_map(Frame::Ack),
            any::<u64>().prop_map(Frame::Ping),
            any::<u64>().prop_map(Frame::Pong),
            any::<u64>().prop_map(|received| {
                Frame::Bye(Bye { reason: ByeReason::Closed, message: String::new(), received })
            }),
        ]
    }

    fn decode_in_cuts(bytes: &[u8], cuts: &[usize]) -> Result<Vec<Frame>, DecodeError> {
        let mut decoder = Decoder::new();
        let mut decoded = Vec::new();
        let mut rest = bytes;
        let mut cuts = cuts.iter().cycle();
        while !rest.is_empty() {
            let cut = cuts.next().map_or(rest.len(), |cut| 1 + cut % rest.len());
            decoder.push(&rest[..cut]);
            rest = &rest[cut..];
            while let Some(frame) = decoder.next_frame()? {
                decoded.push(frame);
            }
            assert!(decoder.buffered_bytes() <= 4 + FRAME_BYTES_MAX);
        }
        Ok(decoded)
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: Some(Box::new(FileFailurePersistence::Direct("fixtures/regressions/codec.txt"))),
            ..ProptestConfig::default()
        })]

        #[test]
        fn decodes_what_it_encodes_in_any_cuts(
            frames in prop::collection::vec(frames(), 1..8),
            cuts in prop::collection::vec(0usize..50, 0..10),
        ) {
            let mut bytes = BytesMut::new();
            for frame in &frames {
                encode(frame, &mut bytes);
            }
            prop_assert_eq!(decode_in_cuts(&bytes, &cuts).unwrap(), frames);
        }

        #[test]
        fn survives_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..600), cuts in prop::collection::vec(0usize..50, 0..10)) {
            let _ = decode_in_cuts(&bytes, &cuts);
        }

        #[test]
        fn survives_any_body(kind in 0u8..12, body in prop::collection::vec(any::<u8>(), 0..40)) {
            let mut bytes = BytesMut::new();
            encode_start(kind, body.len(), &mut bytes);
            bytes.extend_from_slice(&body);
            let _ = decode_in_cuts(&bytes, &[]);
        }
    }

    #[test]
    fn accepts_the_largest_payload() {
        let frame =
            Frame::Data { channel: Channel::Input, seq: 1, payload: vec![7; PAYLOAD_BYTES_MAX].into() };
        let mut bytes = BytesMut::new();
        encode(&frame, &mut bytes);
        assert_eq!(bytes.len(), 4 + FRAME_BYTES_MAX);
        assert_eq!(decode_in_cuts(&bytes, &[4000]).unwrap(), [frame]);
    }

    #[test]
    fn a_large_frame_is_not_moved_while_it_grows() {
        let payload = vec![7; 300_000];
        let mut bytes = BytesMut::new();
        encode(&Frame::Data { channel: Channel::Input, seq: 1, payload: payload.into() }, &mut bytes);
        let (start, rest) = bytes.split_at(FRAME_HEADER_BYTES);
        let mut decoder = Decoder::new();
        // As a driver reads.
        decoder.buffer_mut().extend_from_slice(start);
        assert_eq!(decoder.next_frame(), Ok(None));
        let place = (decoder.buffer.as_ptr(), decoder.buffer.capacity());
        assert!((bytes.len()..bytes.len() + 100).contains(&place.1), "room for the rest at once: {place:?}");
        let (last, chunks) = rest.split_last().unwrap();
        for chunk in chunks.chunks(10_000) {
            decoder.buffer_mut().extend_from_slice(chunk);
            assert_eq!(decoder.next_frame(), Ok(None));
            assert_eq!((decoder.buffer.as_ptr(), decoder.buffer.capacity()), place);
        }
        decoder.push(&[*last]);
        assert!(decoder.next_frame().unwrap().is_some());
    }

    #[test]
    fn refuses_a_length_over_the_bound_from_four_bytes_without_allocating() {
        let mut decoder = Decoder::new();
        decoder.push(&(FRAME_BYTES_MAX as u32 + 1).to_le_bytes());
        let error = decoder.next_frame().unwrap_err();
        assert_eq!(error.to_string(), "a coming frame of 1048577 bytes is out of bounds (1 to 1048576)");
        assert!(decoder.buffer.capacity() < 100);
    }

    #[test]
    fn an_error_that_quotes_much_is_cut_and_sent() {
        for letter in ["x", "\u{1}", "\"", "ü"] {
            let mut bytes = BytesMut::new();
            let body = format!("{{\"protocol\":{}}}", serde_json::to_string(&letter.repeat(650)).unwrap());
            encode_start(HELLO, body.len(), &mut bytes);
            bytes.extend_from_slice(body.as_bytes());
            let message = decode_in_cuts(&bytes, &[]).unwrap_err().to_string();
            assert!(message.len() > SENTENCE_BYTES_MAX);

            let mut bytes = BytesMut::new();
            let (reason, widest) = (ByeReason::ProtocolError, Some(HostId(u128::MAX)));
            encode(&Frame::Bye(Bye { reason, message: message.clone(), received: 0 }), &mut bytes);
            encode(
                &Frame::Refused(Refusal {
                    reason: RefusalReason::Gap,
                    message: message.clone(),
                    host: widest,
                }),
                &mut bytes,
            );
            let frames = decode_in_cuts(&bytes, &[]).unwrap();
            let [Frame::Bye(Bye { message: bye, .. }), Frame::Refused(Refusal { message: refusal, .. })] =
                &frames[..]
            else {
                panic!("{frames:?}")
            };
            assert_eq!(bye, refusal);
            assert!(message.starts_with(bye) && bye.len() <= SENTENCE_BYTES_MAX, "{} bytes", bye.len());
            assert!(bye.len() > SENTENCE_BYTES_MAX - 4, "and not more than a letter is lost for it");
        }
    }

    #[test]
    fn refuses_an_empty_frame_and_a_large_handshake() {
        assert!(decode_in_cuts(&[0, 0, 0, 0], &[]).is_err());
        let mut bytes = BytesMut::new();
        encode_start(HELLO, HANDSHAKE_BYTES_MAX, &mut bytes);
        assert!(decode_in_cuts(&bytes, &[]).is_err());
    }
}
