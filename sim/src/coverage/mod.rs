//! What a campaign's runs come to: which machine was told what in which state, where that led, what
//! faults met, and what never happened at all.
//!
//! ```text
//! grid        named rows and columns, and counts
//! client      the client machine, watched
//! server      the server machine, watched
//! launch      the launch machine, watched
//! fault       faults, by what they happened to
//! record      everything that was seen, and sums of it
//! expected    what must be reached, what seldom is, and what cannot be, with the reason
//! expected    what must be reached, what seldom is, and what cannot be, with the reason
//! ```
//!
//! The machines are watched from outside, by wrapping them: nothing is added to them, and a campaign
//! runs as it did. What is said of it to people is left to the command.

mod client;
mod expected;
mod fault;
mod grid;
mod launch;
mod record;
mod server;

pub use client::{ClientInput, ClientState};
pub use expected::{Expect, Expected};
pub use fault::{Bystander, FaultLabel, Watched};
pub use grid::{Grid, Label};
pub use launch::{LaunchInput, LaunchState};
pub use record::{FirstSeeds, Record};
pub use server::{ServerInput, ServerState};

use crate::run::run_with;
use crate::scenario::draw;
use crate::trace::Detail;

/// Runs some seeds and gives what they have shown.
pub fn watch(seeds: impl IntoIterator<Item = u64>) -> Record {
    // Whatever an earlier call on this thread has left unfinished is not ours.
    record::take();
    for seed in seeds {
        let outcome = run_with::<Watched>(&draw(seed), Detail::Hash);
        record::record(|record| {
            record.runs += 1;
            record.goals.reach(seed, outcome.goals);
        });
    }
    record::take()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watching_changes_nothing() {
        for seed in 0..50 {
            let scenario = draw(seed);
            let watched = run_with::<Watched>(&scenario, Detail::Hash).trace.hash();
            assert_eq!(watched, crate::run::run(&scenario, Detail::Hash).trace.hash(), "seed {seed}");
        }
    }

    #[test]
    fn parts_add_up_to_the_whole() {
        let mut sum = watch(0..20);
        sum.add(&watch(20..60));
        assert_eq!(sum, watch(0..60));
    }

    fn assert_nothing_impossible<R: Expect<C>, C: Label>(grid: &Grid<R, C>) {
        for (row, column, count) in grid.pairs() {
            if let Expected::Never(why) = row.expected(column) {
                assert_eq!(count, 0, "{} in {}, although {why}", row.name(), column.name());
            }
        }
    }

    #[test]
    fn what_cannot_happen_does_not() {
        let record = watch(0..500);
        assert_nothing_impossible(&record.client);
        assert_nothing_impossible(&record.client_moves);
        assert_nothing_impossible(&record.server);
        assert_nothing_impossible(&record.server_moves);
        assert_nothing_impossible(&record.launch);
        assert_nothing_impossible(&record.launch_moves);
    }

    #[test]
    fn most_of_what_must_be_reached_is_reached_at_once() {
        let record = watch(0..500);
        let due = |(row, column, count): (ClientInput, ClientState, u64)| {
            (row.expected(column) == Expected::Always).then_some(count)
        };
        let due: Vec<u64> = record.client.pairs().filter_map(due).collect();
        let reached = due.iter().filter(|count| **count > 0).count();
        assert!(due.len() > 100 && reached * 10 > due.len() * 8, "{reached} of {}", due.len());
    }
}
