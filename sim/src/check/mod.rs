//! The promises that every run is held to, and the situations that a campaign must have reached.
//!
//! ```text
//! promise   always: judged against the world's truth whenever it could be broken
//! goal      sometimes: a campaign that never gets there has tested less than it seems
//! rule      what is judged alike in the world and in the explorer
//! ```
//!
//! What counts as the truth, and when to ask, is left to the world.

mod goal;
mod promise;
mod rule;

pub use goal::{Goal, Goals};
pub use promise::{Checks, Kind, Promise, Violation};
pub use rule::{changes_the_host, timer_moves_on};
