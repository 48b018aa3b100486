//! Where the server's bytes begin.
//!
//! Login shells print banners and wrappers print warnings before the proxy's first byte. The
//! server opens with a fixed mark that no text contains; what came before is kept for the error.

use bytes::{Buf, BytesMut};

use super::limits::NOISE_BYTES_MAX;
use super::words::harmless;

/// What a server of this major version sends first on every transport.
pub const PREAMBLE: &[u8] = b"\0reattach\0\x01";

/// The part of the preamble that never changes; the byte after it is the major version.
const MARK: &[u8] = b"\0reattach\0";

/// Major version of the protocol: what cannot be negotiated in a `Hello`.
const MAJOR: u8 = 1;

/// No preamble that this version understands.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum PreambleError {
    /// Too much came before it.
    #[error("the far side sent {bytes} bytes that are not reattach's, beginning with {start:?}")]
    Noise {
        /// How much came.
        bytes: u64,
        /// The first of it, as text.
        start: String,
    },
    /// The server speaks a protocol of another generation.
    #[error("the server there speaks protocol generation {0}, this client generation {MAJOR}: renew the {older}", older = older(.0))]
    Major(u8),
}

/// Which side is to be renewed, where the server is of that major version.
fn older(server: &u8) -> &'static str {
    if *server > MAJOR { "client" } else { "server" }
}

/// Skips what comes before the preamble of one transport.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PreambleScanner {
    /// The first of the noise, for the error.
    start: Vec<u8>,
    noise_bytes: usize,
}

impl PreambleScanner {
    /// Bytes of noise that are shown in an error.
    const SHOWN_BYTES: usize = 200;

    /// A scanner for a new transport.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the noise, and the preamble if it is there, from the front of `bytes`; true once the
    /// preamble was found and taken.
    ///
    /// # Errors
    ///
    /// [`PreambleError`] if more than [`NOISE_BYTES_MAX`] bytes came before it, or if it is that
    /// of another major version.
    pub fn scan(&mut self, bytes: &mut BytesMut) -> Result<bool, PreambleError> {
        let found = bytes.windows(MARK.len()).position(|window| window == MARK);
        // Without the mark, its beginning may still be at the very end.
        let noise = found.unwrap_or_else(|| bytes.len() - tail_that_may_be_mark(bytes));
        let room = Self::SHOWN_BYTES.saturating_sub(self.start.len());
        self.start.extend_from_slice(&bytes[..noise.min(room)]);
        self.noise_bytes += noise;
        bytes.advance(noise);
        if self.noise_bytes > NOISE_BYTES_MAX {
            return Err(PreambleError::Noise { bytes: self.noise_bytes as u64, start: self.noise() });
        }
        if bytes.len() < PREAMBLE.len() || found.is_none() {
            return Ok(false);
        }
        let major = bytes[MARK.len()];
        if major != MAJOR {
            return Err(PreambleError::Major(major));
        }
        bytes.advance(PREAMBLE.len());
        Ok(true)
    }

    /// The first of what was skipped, as text, for an error; empty if nothing was.
    pub fn noise(&self) -> String {
        harmless(String::from_utf8_lossy(&self.start).trim())
    }
}

fn tail_that_may_be_mark(bytes: &[u8]) -> usize {
    (1..MARK.len().min(bytes.len() + 1)).rev().find(|n| bytes.ends_with(&MARK[..*n])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan_in_cuts(all: &[u8], cut: usize) -> Result<(bool, BytesMut), PreambleError> {
        let mut scanner = PreambleScanner::new();
        let mut buffer = BytesMut::new();
        let mut found = false;
        for chunk in all.chunks(cut) {
            buffer.extend_from_slice(chunk);
            found = found || scanner.scan(&mut buffer)?;
        }
        Ok((found, buffer))
    }

    #[test]
    fn skips_a_banner_in_any_cuts() {
        let mut all = b"Welcome to devbox!\n\0rea\0reattac".to_vec();
        all.extend_from_slice(PREAMBLE);
        all.extend_from_slice(b"frames");
        for cut in 1..all.len() {
            let (found, rest) = scan_in_cuts(&all, cut).unwrap();
            assert!(found && &rest[..] == b"frames", "cut {cut}");
        }
    }

    #[test]
    fn takes_noise_up_to_the_bound_and_not_a_byte_more() {
        let mut all = vec![b'x'; NOISE_BYTES_MAX];
        all.extend_from_slice(PREAMBLE);
        assert!(scan_in_cuts(&all, 1000).unwrap().0);
        let error = scan_in_cuts(&vec![b'x'; NOISE_BYTES_MAX + 1], 1000).unwrap_err();
        assert!(error.to_string().starts_with("the far side sent 65537 bytes that are not reattach's"));
    }

    #[test]
    fn shows_the_first_of_the_noise_and_keeps_no_more() {
        for cut in [1, 7, 150, 1000] {
            let mut scanner = PreambleScanner::new();
            let mut buffer = BytesMut::new();
            for chunk in format!("  devbox: no such host\r\n{}", "x".repeat(900)).as_bytes().chunks(cut) {
                buffer.extend_from_slice(chunk);
                assert_eq!(scanner.scan(&mut buffer), Ok(false));
            }
            let shown = format!("devbox: no such host  {}", "x".repeat(PreambleScanner::SHOWN_BYTES - 24));
            assert_eq!(scanner.noise(), shown, "cut {cut}");
        }
        assert_eq!(PreambleScanner::new().noise(), "");
    }

    #[test]
    fn names_another_generation_and_which_side_is_the_older() {
        let said = |bytes| scan_in_cuts(bytes, 3).unwrap_err().to_string();
        let newer =
            "the server there speaks protocol generation 2, this client generation 1: renew the client";
        assert_eq!(said(b"hi\0reattach\0\x02"), newer);
        let older =
            "the server there speaks protocol generation 0, this client generation 1: renew the server";
        assert_eq!(said(b"hi\0reattach\0\0"), older);
    }
}
