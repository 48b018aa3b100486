//! How few steps it takes to a broken promise, in a world so small that everything in it is looked at.
//!
//! A mutant that needs more than such a world holds is not found there; that is told, and nobody's
//! failure.

use std::fmt;

use serde::Deserialize;

use super::hunt::{Stop, Suspect};

/// The worlds, one after the other: two clients and a crash; then one client that everything may
/// happen to once.
const WORLDS: [&[&str]; 2] = [
    &[],
    &[
        "--clients=1",
        "--messages=1",
        "--crashes=1",
        "--cuts=1",
        "--kills=1",
        "--delays=1",
        "--hangs=1",
        "--stops=1",
        "--idles=1",
        "--exits=1",
        "--closes=1",
        "--retries=1",
        "--restarts=1",
    ],
];

/// States that are looked at in each: some seconds.
const STATES_MAX: &str = "--states-max=200000";

/// The shortest way to a broken promise.
#[derive(Debug, Deserialize)]
pub(super) struct Way {
    promise: String,
    pub(super) depth: usize,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.depth, self.promise)
    }
}

impl Way {
    /// How many steps, and to what, where that is not what was expected.
    pub(super) fn to(&self, promise: &str) -> String {
        if self.promise == promise { self.depth.to_string() } else { self.to_string() }
    }
}

/// The part of an explorer's report that is read here.
#[derive(Deserialize)]
struct Explored {
    broken: Option<Way>,
}

/// The way to the promise in the first world that has one, or else to any other promise.
pub(super) fn search(suspect: &Suspect<'_>, promise: &str) -> Result<Option<Way>, Stop> {
    let mut other = None;
    for world in WORLDS {
        let args = [&["explore", "--json", STATES_MAX], world].concat();
        let Explored { broken } = suspect.ask_json("its exploring", &args)?;
        match broken {
            Some(way) if way.promise == promise => return Ok(Some(way)),
            Some(way) => other = other.or(Some(way)),
            None => {}
        }
    }
    Ok(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_promise_than_the_expected_one_is_named() {
        let way = Way { promise: "one-server".to_owned(), depth: 7 };
        assert_eq!(way.to("one-server"), "7");
        assert_eq!(way.to("never-spawn"), "7 (one-server)");
    }
}
