//! The simulator held to its word: situations that people know, bugs that it must catch, and the
//! same run for the same seed.

#![expect(clippy::unwrap_used, reason = "a test that cannot read its own fixture has nothing better to say")]

mod browser;
mod determinism;
mod explore;
mod kits;
mod mutants;
mod picture;
mod put_back;
mod shrink;
mod situations;
mod usage;
