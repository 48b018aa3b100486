//! Every bound of a frame, one below, at and above it: what is said, when, and what it costs.

use bytes::BytesMut;
use reattach::proto::limits::{FRAME_BYTES_MAX, HANDSHAKE_BYTES_MAX, PAYLOAD_BYTES_MAX, READ_BYTES};
use reattach::proto::{Channel, Decoder, Frame, encode};
use serial_test::serial;

use crate::memory::{SLACK, peak_of};
use crate::reading::{assert_reads_as, read, read_whole};
use crate::streams::{JSON_TYPES, framed, raw};

const DATA: u8 = 4;

/// As [`Decoder`] promises.
const DECODER_BYTES_MAX: usize = 3 * FRAME_BYTES_MAX + 2 * READ_BYTES;

#[test]
#[serial]
fn a_length_out_of_bounds_is_refused_from_four_bytes_and_costs_nothing() {
    for length in [0, FRAME_BYTES_MAX as u32 + 1, 1 << 31, u32::MAX] {
        let stream = length.to_le_bytes();
        let (ending, peak) = peak_of(|| read(&stream, &[1], drop));
        let words = ending.unwrap_err().to_string();
        assert_eq!(words, format!("a coming frame of {length} bytes is out of bounds (1 to 1048576)"));
        assert!(peak < SLACK, "{peak} bytes");
    }
}

#[test]
#[serial]
fn a_handshake_over_its_bound_is_refused_from_five_bytes_and_costs_nothing() {
    for kind in JSON_TYPES {
        for (length, is_refused) in [
            (HANDSHAKE_BYTES_MAX - 1, false),
            (HANDSHAKE_BYTES_MAX, false),
            (HANDSHAKE_BYTES_MAX + 1, true),
            (FRAME_BYTES_MAX, true),
        ] {
            let stream = raw(u32::try_from(length).unwrap(), kind, b"");
            let (ending, peak) = peak_of(|| read(&stream, &[1], drop));
            match ending {
                Ok(left) => assert!(!is_refused && left == stream.len(), "it waits for the rest"),
                Err(error) => {
                    assert!(is_refused && error.to_string().contains(&format!("frame of {length} bytes")));
                }
            }
            assert!(peak < SLACK, "{peak} bytes");
        }
    }
}

#[test]
#[serial]
fn numbers_are_refused_one_byte_short_and_one_byte_long() {
    let right = [0u8; 9];
    for (kind, name, bytes) in [(5, "Ack", 8), (6, "Ping", 8), (7, "Pong", 8), (8, "Fin", 9)] {
        for cut in [1, 100] {
            let said =
                |body: &[u8]| read(&framed(kind, body), &[cut], drop).map_err(|error| error.to_string());
            assert_eq!(said(&right[..bytes]), Ok(0));
            let malformed = |why| Err(format!("the body of a {name} frame is malformed: {why}"));
            assert_eq!(said(&right[..bytes - 1]), malformed("it is too short"));
            assert_eq!(said(&[&right[..bytes], b"x"].concat()), malformed("1 bytes too many"));
        }
    }
}

#[test]
#[serial]
fn the_largest_frames_in_a_row_cost_no_more_than_a_few_whatever_the_cuts() {
    let payload = vec![7; PAYLOAD_BYTES_MAX];
    let mut stream = BytesMut::new();
    for seq in 1..=4 {
        encode(&Frame::Data { channel: Channel::Input, seq, payload: payload.clone().into() }, &mut stream);
        encode(&Frame::Ack(seq), &mut stream);
    }
    let whole = read_whole(&stream);
    assert_eq!((whole.0.len(), &whole.1), (8, &Ok(0)));
    for cuts in [&[1000][..], &[READ_BYTES], &[READ_BYTES - 1, 5, 1], &[FRAME_BYTES_MAX / 3]] {
        let ((), peak) = peak_of(|| assert_reads_as(&whole, &stream, cuts));

        assert!(peak <= DECODER_BYTES_MAX, "{peak} bytes in cuts of {cuts:?}");
    }
}

#[test]
#[serial]
fn a_payload_over_its_bound_is_a_frame_over_its_bound() {
    let body = vec![0; 1 + 8 + PAYLOAD_BYTES_MAX + 1];
    let (frames, ending) = read_whole(&framed(DATA, &body));
    assert!(frames.is_empty() && ending.is_err());
    let (frames, ending) = read_whole(&framed(DATA, &body[1..]));
    assert!(
        ending == Ok(0)
            && matches!(&frames[..], [Frame::Data { payload, .. }] if payload.len() == PAYLOAD_BYTES_MAX)
    );
}

#[test]
#[serial]
fn a_frame_that_is_claimed_and_never_comes_costs_what_it_claimed_once() {
    let ((), peak) = peak_of(|| {
        let mut decoder = Decoder::new();
        decoder.push(&raw(FRAME_BYTES_MAX as u32, DATA, b""));
        for _ in 0..1000 {
            decoder.push(b"x");
            assert_eq!(decoder.next_frame(), Ok(None));
        }
    });
    assert!(peak <= FRAME_BYTES_MAX + SLACK, "{peak} bytes");
}
