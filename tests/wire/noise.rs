//! Where the server's bytes begin, whatever a login shell printed before them.
//!
//! What follows the preamble is left to the other files.

use bytes::BytesMut;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::FileFailurePersistence;
use reattach::proto::limits::NOISE_BYTES_MAX;
use reattach::proto::{PREAMBLE, PreambleError, PreambleScanner};
use serial_test::serial;

use crate::memory::{SLACK, peak_of};

/// What a scanner has to say about all of a stream.
#[derive(Debug, PartialEq)]
enum Found {
    /// The preamble; what follows it.
    Frames(Vec<u8>),
    /// Nothing yet.
    Waiting,
    /// Another generation.
    Generation(u8),
    /// Too much noise.
    Noise,
}

/// The mark, without the byte of the generation.
fn mark() -> &'static [u8] {
    &PREAMBLE[..PREAMBLE.len() - 1]
}

/// As the protocol's description has it, seen all at once.
fn expected(stream: &[u8]) -> Found {
    let Some(noise) = stream.windows(mark().len()).position(|window| window == mark()) else {
        let held_back =
            (1..mark().len()).rev().find(|bytes| stream.ends_with(&mark()[..*bytes])).unwrap_or(0);
        let is_noise = stream.len() - held_back > NOISE_BYTES_MAX;
        return if is_noise { Found::Noise } else { Found::Waiting };
    };
    if noise > NOISE_BYTES_MAX {
        return Found::Noise;
    }
    match &stream[noise + mark().len()..] {
        [] => Found::Waiting,
        [1, frames @ ..] => Found::Frames(frames.to_vec()),
        [generation, ..] => Found::Generation(*generation),
    }
}

fn scan(stream: &[u8], cuts: &[usize]) -> Found {
    let mut scanner = PreambleScanner::new();
    let mut buffer = BytesMut::new();
    let mut rest = stream;
    for cut in cuts.iter().cycle() {
        let (chunk, later) = rest.split_at((*cut).clamp(1, rest.len().max(1)).min(rest.len()));
        buffer.extend_from_slice(chunk);
        rest = later;
        match scanner.scan(&mut buffer) {
            Ok(true) => return Found::Frames([&buffer[..], rest].concat()),
            Ok(false) if rest.is_empty() => return Found::Waiting,
            Ok(false) => assert!(buffer.len() < PREAMBLE.len(), "noise is not kept"),
            Err(PreambleError::Major(generation)) => return Found::Generation(generation),
            Err(PreambleError::Noise { bytes, .. }) => {
                assert!(bytes > NOISE_BYTES_MAX as u64);
                return Found::Noise;
            }
        }
    }
    unreachable!("there is a cut")
}

/// The mark, whole or nearly, and what stands around it.
fn streams() -> impl Strategy<Value = Vec<u8>> {
    let nearly = (0..=PREAMBLE.len()).prop_map(|bytes| PREAMBLE[..bytes].to_vec());
    let torn = (1..PREAMBLE.len(), any::<u8>()).prop_map(|(at, byte)| {
        let mut torn = PREAMBLE.to_vec();
        torn[at] = byte;
        torn
    });
    let noise = prop_oneof![3 => 0..30usize, 1 => NOISE_BYTES_MAX - 20..NOISE_BYTES_MAX + 20];
    let banner =
        (select(vec![0, b'r', b'x', b'\n', 0xff]), noise).prop_map(|(byte, bytes)| vec![byte; bytes]);
    let piece = prop_oneof![
        3 => nearly,
        2 => torn,
        2 => banner,
        1 => vec(any::<u8>(), 0..30),
        2 => Just(PREAMBLE.to_vec()),
    ];
    vec(piece, 1..7).prop_map(|pieces| pieces.concat())
}

#[test]
#[serial]
fn the_bound_on_noise_is_exact_in_any_cuts() {
    for (noise, found) in [
        (NOISE_BYTES_MAX - 1, Found::Frames(b"frames".to_vec())),
        (NOISE_BYTES_MAX, Found::Frames(b"frames".to_vec())),
        (NOISE_BYTES_MAX + 1, Found::Noise),
    ] {
        // Noise that ends like the mark begins is noise all the same.
        for end in [&b"x"[..], b"\0reattac", b"reattach\0", b"\0\0"] {
            let mut stream = vec![b'x'; noise - end.len()];
            stream.extend_from_slice(end);
            stream.extend_from_slice(PREAMBLE);
            stream.extend_from_slice(b"frames");
            for cut in [1, 9, 10, 11, 4096, stream.len()] {
                assert_eq!(scan(&stream, &[cut]), found, "{noise} bytes in cuts of {cut}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("fixtures/regressions/wire_noise.txt"))),
        ..ProptestConfig::default()
    })]

    #[test]
    #[serial]
    fn the_preamble_is_found_in_any_cuts_after_any_noise(
        stream in streams(),
        cuts in vec(prop_oneof![1..30usize, Just(4096)], 1..6),
    ) {
        let expected = expected(&stream);
        let whole = scan(&stream, &[stream.len().max(1)]);
        prop_assert_eq!(&whole, &expected, "all at once");
        let (found, peak) = peak_of(|| scan(&stream, &cuts));
        prop_assert_eq!(found, expected);
        prop_assert!(peak <= stream.len() + 4 * 4096 + SLACK, "it cost {peak} bytes");
    }
}
