//! Bugs put back by wrapping the machines: each is caught within a hundred seeds, or in a situation
//! that is written down, by the promise that it breaks.

pub(crate) mod client;
pub(crate) mod launch;
pub(crate) mod server;

use reattach_sim::check::Promise;
use reattach_sim::run::{Outcome, run_with};
use reattach_sim::scenario::{Scenario, draw, parse};
use reattach_sim::trace::Detail;

use crate::kits::{Bugs, ClientBug, LaunchBug, SOUND, ServerBug, WithAny, with};

const SEEDS: u64 = 100;

/// A bug of clients.
fn client<B: ClientBug + Default + 'static>() -> Bugs {
    Bugs { client: || Box::new(B::default()), ..SOUND }
}

/// A bug of proxies.
fn launch<B: LaunchBug + Default + 'static>() -> Bugs {
    Bugs { launch: || Box::new(B::default()), ..SOUND }
}

/// A bug of servers.
fn server<B: ServerBug + Default + 'static>() -> Bugs {
    Bugs { server: || Box::new(B::default()), ..SOUND }
}

fn run(bugs: Bugs, scenario: &Scenario, detail: Detail) -> Outcome {
    with(bugs, || run_with::<WithAny>(scenario, detail))
}

/// The promise that is the first to break in the first seeds.
fn caught_by(bugs: Bugs) -> Option<Promise> {
    (0..SEEDS).find_map(|seed| {
        let outcome = run(bugs, &draw(seed), Detail::Hash);
        outcome.checks.violation().map(|violation| violation.promise)
    })
}

/// The promise that breaks in a situation, in which none breaks without the bug.
fn caught_in(bugs: Bugs, lines: &[&str]) -> Option<Promise> {
    let scenario = parse(&format!("scenario 1\n{}\n", lines.join("\n"))).unwrap();
    assert_eq!(run(SOUND, &scenario, Detail::Hash).checks.violation(), None, "the sound machines");
    let outcome = run(bugs, &scenario, Detail::Lines);
    println!("{}\n{}", outcome.trace.text(), outcome.verdict());
    outcome.checks.violation().map(|violation| violation.promise)
}
