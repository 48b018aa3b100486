//! Any bytes, as a stream of frames and as what comes before and after a preamble: never a panic, and
//! the same whether they come at once or one by one.
#![no_main]

#[path = "../../tests/wire/reading.rs"]
mod reading;

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use reattach::proto::PreambleScanner;

fuzz_target!(|stream: &[u8]| {
    let whole = reading::read_whole(stream);
    reading::assert_reads_as(&whole, stream, &[1]);
    reading::assert_reads_as(&whole, stream, &[5, 2, 11]);

    let mut scanner = PreambleScanner::new();
    let mut buffer = BytesMut::from(stream);
    let at_once = scanner.scan(&mut buffer).map(|found| found.then_some(buffer));
    // How much noise there was when it was too much depends on the cuts.
    assert_eq!(at_once.map_err(drop), scan_one_by_one(stream).map_err(drop));
});

/// What follows the preamble, if that came.
fn scan_one_by_one(stream: &[u8]) -> Result<Option<BytesMut>, reattach::proto::PreambleError> {
    let mut scanner = PreambleScanner::new();
    let mut buffer = BytesMut::new();
    for (at, byte) in stream.iter().enumerate() {
        buffer.extend_from_slice(&[*byte]);
        if scanner.scan(&mut buffer)? {
            assert!(buffer.is_empty(), "it takes no more than the preamble");
            return Ok(Some(BytesMut::from(&stream[at + 1..])));
        }
    }
    Ok(None)
}
