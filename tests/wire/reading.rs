//! A stream of bytes read as a driver reads it: so many at a time, every frame told as soon as it is
//! whole.
//!
//! Which streams, and what must come of them, is left to the tests.

use reattach::proto::{DecodeError, Decoder, Frame};

/// How a stream ends: with so many bytes that make no frame yet, or where it makes no sense.
pub(crate) type Ending = Result<usize, DecodeError>;

/// Reads all of `stream` in chunks of `cuts` bytes, over and over; no cuts mean all at once.
pub(crate) fn read(stream: &[u8], cuts: &[usize], mut tell: impl FnMut(Frame)) -> Ending {
    let mut decoder = Decoder::new();
    let mut rest = stream;
    let mut cuts = cuts.iter().cycle();
    while !rest.is_empty() {
        let (chunk, later) = rest.split_at(cuts.next().map_or(rest.len(), |cut| (*cut).clamp(1, rest.len())));
        decoder.push(chunk);
        while let Some(frame) = decoder.next_frame()? {
            tell(frame);
        }
        rest = later;
    }
    Ok(decoder.buffered_bytes())
}

/// All frames and the ending, of a stream that is read at once.
pub(crate) fn read_whole(stream: &[u8]) -> (Vec<Frame>, Ending) {
    let mut frames = Vec::new();
    let ending = read(stream, &[], |frame| frames.push(frame));
    (frames, ending)
}

/// Reads the stream in cuts and compares it, frame by frame, with what it was as a whole.
pub(crate) fn assert_reads_as(whole: &(Vec<Frame>, Ending), stream: &[u8], cuts: &[usize]) {
    let (frames, ending) = whole;
    let mut next = 0;
    let cut_ending = read(stream, cuts, |frame| {
        assert_eq!(Some(&frame), frames.get(next), "frame {next} in cuts of {cuts:?}");
        next += 1;
    });
    assert_eq!((next, &cut_ending), (frames.len(), ending), "in cuts of {cuts:?}");
}
