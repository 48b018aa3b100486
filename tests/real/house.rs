//! The house's own rules, held against its source: imports point down only, and every file says
//! what it is.

use std::fs;
use std::path::{Path, PathBuf};

/// A floor's rooms may import from rooms of lower floors, and from themselves.
const FLOORS: [(&str, u8); 7] =
    [("proto", 0), ("session", 1), ("speech", 1), ("io", 2), ("host", 3), ("client", 3), ("cli", 4)];

/// The machines meet on the wire, never in each other's code.
const MACHINES: [&str; 3] = ["client", "server", "launch"];

/// Nothing on the pure floors may look around.
const IMPURE: [&str; 11] = [
    "smol",
    "rustix",
    "rand::",
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::os",
    "std::process",
    "std::thread",
    "std::time::Instant",
];

/// Names that say nothing about what belongs there.
const NAMELESS: [&str; 6] = ["utils", "util", "common", "helpers", "types", "manager"];

const LINES_MAX: usize = 500;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(under: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(under)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(root()).unwrap().to_owned(), text));
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "{under} has no sources");
    found
}

fn floor(room: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == room).map(|(_, floor)| *floor)
}

/// The part of `path` after `src/`, up to the next slash or dot.
fn room(path: &Path) -> String {
    let inside = path.strip_prefix("src").unwrap();
    let first = inside.components().next().unwrap().as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// The identifiers after each occurrence of `prefix` in code (comments left out).
fn after<'a>(text: &'a str, prefix: &'a str) -> impl Iterator<Item = String> + 'a {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(move |line| line.match_indices(prefix).map(move |(at, _)| &line[at + prefix.len()..]))
        .map(|rest| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect())
}

#[test]
fn imports_point_down_only() {
    let mut checked = 0;
    for (path, text) in sources("src") {
        let room = room(&path);
        let Some(own) = floor(&room) else {
            continue;
        };
        for target in after(&text, "crate::") {
            assert!(!target.is_empty(), "{} imports in a way that is not seen here", path.display());
            if let Some(other) = floor(&target) {
                checked += 1;
                assert!(
                    other < own || target == room,
                    "{} imports {target}, which is not below it",
                    path.display()
                );
            }
        }
    }
    assert!(checked > 50, "only {checked} imports were seen");
}

#[test]
fn machines_never_import_each_other() {
    for machine in MACHINES {
        for (path, text) in sources(&format!("src/session/{machine}")) {
            for prefix in ["crate::session::", "super::super::", "super::"] {
                for target in after(&text, prefix) {
                    let stranger = MACHINES.contains(&target.as_str()) && target != machine;
                    assert!(!stranger, "{} imports {target}", path.display());
                }
            }
        }
    }
}

#[test]
fn the_pure_floors_look_at_nothing() {
    for floor in ["src/proto", "src/session", "src/speech"] {
        for (path, text) in sources(floor) {
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            let is_test =
                path.components().any(|part| part.as_os_str() == "tests") || path.ends_with("tests.rs");
            for word in IMPURE {
                let used =
                    code.lines().any(|line| !line.trim_start().starts_with("//") && line.contains(word));
                assert!(!used || is_test, "{} mentions {word}", path.display());
            }
        }
    }
}

#[test]
fn the_simulator_sees_the_pure_floors_only() {
    for (path, text) in sources("sim/src") {
        for target in after(&text, "reattach::") {
            let pure = ["proto", "session"].contains(&target.as_str());
            assert!(pure, "{} imports reattach::{target}", path.display());
        }
    }
}

#[test]
fn every_file_says_what_it_is_and_stays_short() {
    for folder in ["src", "sim/src", "xtask/src", "tests", "examples", "benches"] {
        if !root().join(folder).is_dir() {
            continue;
        }
        for (path, text) in sources(folder) {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            assert!(text.starts_with("//! "), "{} does not open by saying what it is", path.display());
            assert!(!NAMELESS.contains(&name.as_str()), "{} has a name that says nothing", path.display());
            let lines = text.lines().count();
            assert!(lines <= LINES_MAX, "{} has {lines} lines: find the second noun", path.display());
        }
    }
}
