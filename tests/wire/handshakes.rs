//! Handshakes that no version would write: refused in one sentence, or taken for what can be read in
//! them.

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use reattach::proto::limits::{HANDSHAKE_BYTES_MAX, SENTENCE_BYTES_MAX};
use reattach::proto::{DecodeError, Frame};
use serial_test::serial;

use crate::memory::{SLACK, peak_of};
use crate::reading::read_whole;
use crate::streams::{JSON_TYPES, bodies, framed};

/// A person may read it in a log or in a terminal, and nothing but read it.
fn assert_is_one_sentence(words: &str) {
    assert!(!words.is_empty() && words.len() <= SENTENCE_BYTES_MAX + 60, "{} bytes", words.len());
    assert!(!words.contains(char::is_control), "{words:?}");
}

#[test]
#[serial]
fn what_is_wrong_with_a_handshake_is_said_in_one_line_whatever_it_quotes() {
    let seq = 1u64.to_le_bytes();
    let cases: [(u8, Vec<u8>, &str); 5] = [
        (9, [&seq[..], b"{\"co\\nde\\u001b[2J\":7}"].concat(), "unknown variant `co de [2J`"),
        (
            1,
            format!("{{\"session\":\"{}\"}}", "9".repeat(4000)).into_bytes(),
            "an id is 32 hexadecimal digits",
        ),
        (1, b"{\"attempt\":1,\"attempt\":2}".to_vec(), "duplicate field `attempt`"),
        (3, b"{\"reason\":\"busy\",\"message\":\"\xff\"}".to_vec(), "invalid unicode code point"),
        (2, "[".repeat(4000).into_bytes(), "invalid type: sequence"),
    ];
    for (kind, body, words) in cases {
        let (frames, ending) = read_whole(&framed(kind, &body));
        assert!(frames.is_empty());
        let error = ending.unwrap_err();
        assert!(matches!(error, DecodeError::Body { .. }));
        assert_is_one_sentence(&error.to_string());
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
#[serial]
fn a_sentence_of_the_other_side_does_nothing_to_a_terminal() {
    let body = br#"{"reason":"busy","message":"first\nsecond\u001b[2Jthird\u009bm"}"#;
    let (frames, _) = read_whole(&framed(3, body));
    let [Frame::Refused(refusal)] = &frames[..] else { panic!("{frames:?}") };
    assert_eq!(refusal.message, "first second [2Jthird m");
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("fixtures/regressions/wire_handshakes.txt"))),
        ..ProptestConfig::default()
    })]

    #[test]
    #[serial]
    fn any_body_is_a_handshake_or_one_sentence(
        kind in prop::sample::select(JSON_TYPES.to_vec()),
        body in bodies(),
    ) {
        let stream = framed(kind, &body);
        let ((frames, ending), peak) = peak_of(|| read_whole(&stream));
        prop_assert!(peak <= 8 * HANDSHAKE_BYTES_MAX + 3 * stream.len() + SLACK, "it cost {peak} bytes");
        match ending {
            Ok(left) => prop_assert_eq!((frames.len(), left), (1, 0)),
            Err(error) => assert_is_one_sentence(&error.to_string()),
        }
        for frame in frames {
            if let Frame::Refused(refusal) = &frame {
                prop_assert!(!refusal.message.contains(char::is_control));
            }
            if let Frame::Bye(bye) = &frame {
                prop_assert!(!bye.message.contains(char::is_control));
            }
        }
    }
}
