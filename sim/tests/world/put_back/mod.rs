//! Bugs put back by wrapping the machines: each is caught within a hundred seeds, or in a situation
//! that is written down, by the promise that it breaks.

pub(crate) mod client;
pub(crate) mod launch;
pub(crate) mod server;

use reattach_sim::check::Promise;
use reattach_sim::machine::Kit;
use reattach_sim::run::run_with;
use reattach_sim::scenario::{draw, parse};
use reattach_sim::trace::Detail;

const SEEDS: u64 = 100;

/// The promise that is the first to break in the first seeds.
fn caught_by<K: Kit>() -> Option<Promise> {
    (0..SEEDS).find_map(|seed| {
        let outcome = run_with::<K>(&draw(seed), Detail::Hash);
        outcome.checks.violation().map(|violation| violation.promise)
    })
}

/// The promise that breaks in a situation, in which none breaks without the bug.
fn caught_in<K: Kit>(lines: &[&str]) -> Option<Promise> {
    let scenario = parse(&format!("scenario 1\n{}\n", lines.join("\n"))).unwrap();
    let sound = reattach_sim::run::run(&scenario, Detail::Hash);
    assert_eq!(sound.checks.violation(), None, "the real machines");
    let outcome = run_with::<K>(&scenario, Detail::Lines);
    println!("{}\n{}", outcome.trace.text(), outcome.verdict());
    outcome.checks.violation().map(|violation| violation.promise)
}
