//! A stream means the same wherever it is cut, and costs no more than it claims within the bounds.
//!
//! The exact bounds are left to [`limits`](crate::limits).

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use reattach::proto::limits::{FRAME_BYTES_MAX, HANDSHAKE_BYTES_MAX};
use serial_test::serial;

use crate::corpus;
use crate::memory::{SLACK, peak_of};
use crate::reading::{assert_reads_as, read_whole};
use crate::streams::{JSON_TYPES, streams};

/// The longest frame that the stream may make its reader wait for: read with nothing but the
/// protocol's description in hand.
fn largest_claim(mut stream: &[u8]) -> usize {
    let mut largest = 0;
    while let Some((length, rest)) = stream.split_first_chunk::<4>() {
        let length = u32::from_le_bytes(*length) as usize;
        let bound = match rest.first() {
            Some(kind) if JSON_TYPES.contains(kind) => HANDSHAKE_BYTES_MAX,
            Some(4..=8) => FRAME_BYTES_MAX,
            Some(_) | None => 0,
        };
        if length == 0 || length > bound {
            break;
        }
        largest = largest.max(length);
        stream = rest.get(length..).unwrap_or_default();
    }
    largest
}

#[test]
#[serial]
fn every_file_of_the_corpus_means_the_same_in_any_cuts_and_before_any_other() {
    let files = corpus::files();
    for (first, start) in &files {
        for (second, rest) in &files {
            let stream = [&start[..], rest].concat();
            let whole = read_whole(&stream);
            assert_reads_as(&whole, &stream, &[1]);
            for cut in [2, 3, 4, 5, 7, 16, start.len().max(1)] {
                assert_reads_as(&whole, &stream, &[cut]);
            }
            let (alone, ending) = read_whole(start);
            assert!(whole.0.starts_with(&alone), "{second} changes what {first} says before it");
            assert!(ending.is_ok() || ending == whole.1, "{second} changes what is wrong with {first}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("fixtures/regressions/wire_cuts.txt"))),
        ..ProptestConfig::default()
    })]

    #[test]
    #[serial]
    fn any_stream_means_the_same_in_any_cuts_within_its_bounds(
        stream in streams(),
        cuts in vec(1..60usize, 1..8),
    ) {
        let whole = read_whole(&stream);
        let bound = 3 * (largest_claim(&stream) + 60) + SLACK;
        for cuts in [&cuts[..], &[1]] {
            let ((), peak) = peak_of(|| assert_reads_as(&whole, &stream, cuts));
            prop_assert!(peak <= bound, "{} bytes cost {peak}, which is over {bound}", stream.len());
        }
    }
}
