//! Deterministic simulator of reattach: the real machines in a fake world, driven by one seed.
//!
//! ```text
//! dice      random numbers
//! scenario  what happens, as data: seed to scenario, file to scenario
//! machine   which machines run
//! world     a laptop, a host and what is between them, in virtual time
//! check     promises and goals
//! trace     what a run leaves behind
//! run       scenario to verdict
//! shrink    a scenario that breaks a promise, made as small as it gets
//! show      a run as a picture
//! coverage  what many runs have reached, and what they never did
//! command   the command line
//! ```
//!
//! It sees the words and the machines of reattach only: no sockets, no files, no clock but the
//! one that a campaign shows its rate by.

pub mod check;
pub mod command;
pub mod coverage;
pub mod dice;
pub mod explore;
pub mod machine;
pub mod run;
pub mod scenario;
pub mod show;
pub mod shrink;
pub mod trace;
mod world;
