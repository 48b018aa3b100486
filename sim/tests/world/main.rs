//! The simulator held to its word: situations that people know, bugs that it must catch, and the
//! same run for the same seed.

mod determinism;
mod put_back;
mod situations;
mod usage;
