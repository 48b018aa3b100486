//! What a campaign keeps of its violations: for each promise that was broken, the minimal scenario
//! of one seed, as a file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::save::{self, Form};
use crate::check::{Promise, Violation};
use crate::machine::Kit;
use crate::scenario::draw;
use crate::shrink::{Effort, shrink, text};

/// Promises that are shrunk for: whoever has broken more than that starts with these.
const PROMISES_MAX: usize = 4;

/// Events that one of them may take: a few seconds.
const EVENTS_MAX: u64 = 8_000_000;

/// Where the minimal scenarios of some seeds are, or why they are not.
pub(super) type Kept = BTreeMap<u64, Result<PathBuf, String>>;

/// Shrinks the first violation of each promise and writes it to `folder`.
pub(super) fn keep<K: Kit>(violations: &[(u64, Violation)], folder: &Path) -> Kept {
    let mut kept = Kept::new();
    let mut promises: Vec<Promise> = Vec::new();
    for (seed, violation) in violations {
        if promises.len() < PROMISES_MAX && !promises.contains(&violation.promise) {
            promises.push(violation.promise);
            kept.insert(*seed, keep_one::<K>(*seed, folder));
        }
    }
    kept
}

fn keep_one<K: Kit>(seed: u64, folder: &Path) -> Result<PathBuf, String> {
    let effort = Effort { events_max: EVENTS_MAX, ..Effort::default() };
    let shrunk = shrink::<K>(&draw(seed), &effort).ok_or("it broke nothing when it was run again")?;
    let path = folder.join(format!("{seed}.scenario"));
    std::fs::create_dir_all(folder)
        .map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
    save::look(&path, Form::Scenario).map_err(|error| format!("{error:#}"))?;
    save::write(&path, &text(&shrunk, &format!("seed {seed}"))).map_err(|error| error.to_string())?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use reattach::session::client::Client;
    use reattach::session::launch::{Effect, Input, Mode};
    use reattach::session::server::Server;
    use reattach::session::{LaunchConfig, Time};

    use super::*;
    use crate::machine::LaunchMachine;
    use crate::run::run_with;
    use crate::scenario::parse;
    use crate::trace::Detail;

    /// A proxy that panics when it is to reconnect.
    #[derive(Clone, Hash)]
    struct Faints;

    impl LaunchMachine for Faints {
        fn new(_: LaunchConfig, _: Mode, _: Time) -> Self {
            panic!("it faints")
        }

        fn handle_input(&mut self, _: Time, _: Input) {}

        fn handle_timeout(&mut self, _: Time) {}

        fn poll_effect(&mut self) -> Option<Effect> {
            None
        }

        fn poll_timeout(&self) -> Option<Time> {
            None
        }
    }

    struct WithFaintingProxy;

    impl Kit for WithFaintingProxy {
        type Client = Client;
        type Launch = Faints;
        type Server = Server;
    }

    fn violation(promise: Promise) -> Violation {
        Violation { promise, at: Time(0), what: "it was seen".to_owned() }
    }

    #[test]
    fn keeps_one_scenario_a_promise_that_breaks_it_again() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("a").join("b");
        let violations = [(0, violation(Promise::NoPanic)), (1, violation(Promise::NoPanic))];
        let kept = keep::<WithFaintingProxy>(&violations, &inside);
        assert_eq!(kept.len(), 1);
        let path = kept[&0].as_ref().unwrap();
        let minimal = parse(&std::fs::read_to_string(path).unwrap()).unwrap();
        assert_eq!(minimal.entries.len(), 1, "{minimal:?}");
        let outcome = run_with::<WithFaintingProxy>(&minimal, Detail::Hash);
        assert_eq!(outcome.checks.violation().unwrap().promise, Promise::NoPanic);
    }

    #[test]
    fn says_why_nothing_could_be_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a file");
        std::fs::write(&file, "").unwrap();
        let kept = keep::<WithFaintingProxy>(&[(0, violation(Promise::NoPanic))], &file);
        assert!(kept[&0].as_ref().unwrap_err().contains("0.scenario cannot be written"), "{kept:?}");
    }
}
