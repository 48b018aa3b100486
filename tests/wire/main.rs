//! Bytes that nobody should send, against what reads them: any bytes, in any cuts, never panic, never
//! mean something else for being cut elsewhere, and never cost more memory than the bounds say.
//!
//! What a right frame looks like is left to the codec's own tests, what machines do with right frames
//! to theirs.

mod corpus;
mod cuts;
mod handshakes;
mod limits;
mod machines;
mod memory;
mod noise;
mod reading;
mod sides;
mod streams;

/// Counts for the whole process, so the tests that look at it take turns (`#[serial]`).
#[global_allocator]
static MEMORY: peak_alloc::PeakAlloc = peak_alloc::PeakAlloc;
