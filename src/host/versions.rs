//! The server programs that were installed for this user, one of a version each, and which of them are of no use
//! any more.
//!
//! ```text
//! $HOME/.local/share/reattach/<version>/reattach-server
//! ```
//!
//! How they come there is left to `reattach install`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::look::look;
use super::paths::{Place, Root};
use super::record::Record;
use crate::session::launch::Lock;

/// From the home directory to all of them.
const PROGRAMS: &str = ".local/share/reattach";
const NAME: &str = "reattach-server";

/// Removes the programs of versions older than ours of which no server lives, and gives those versions. A newer
/// one is another client's, which comes back.
///
/// # Errors
///
/// If it cannot be said who lives: then nothing is removed.
pub fn tidy(root: &Root) -> Result<Vec<String>, String> {
    let programs = root.home().join(PROGRAMS);
    let own = number(env!("CARGO_PKG_VERSION")).expect("our own version is one");
    let mut old = Vec::new();
    for entry in fs::read_dir(&programs).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if number(&name).is_some_and(|version| version < own) && entry.path().join(NAME).is_file() {
            old.push((name, entry.path()));
        }
    }
    if old.is_empty() {
        return Ok(Vec::new());
    }
    old.sort();
    let living = living(root)?;
    let is_gone = |(name, directory): &(String, PathBuf)| {
        !living.contains(name) && !is_run(directory) && remove(directory).is_ok()
    };
    Ok(old.into_iter().filter(is_gone).map(|(name, _)| name).collect())
}

/// `1.2.3`, and nothing after it.
fn number(version: &str) -> Option<[u64; 3]> {
    let parts: Vec<u64> = version.split('.').map(str::parse).collect::<Result<_, _>>().ok()?;
    parts.try_into().ok()
}

/// The versions of the servers that live.
fn living(root: &Root) -> Result<BTreeSet<String>, String> {
    let mut living = BTreeSet::new();
    let found = root.find().map_err(|error| error.to_string())?;
    let names =
        found.as_ref().map(|directory| directory.names()).transpose().map_err(|error| error.to_string())?;
    for identifier in names.iter().flatten().filter_map(|name| name.to_str()?.parse().ok()) {
        let place = Place::below(root.clone(), &identifier);
        let view = look(&place, false).map_err(|error| error.to_string())?;
        if view.lock == Lock::Free && !view.starter_busy {
            continue;
        }
        let record = place.find().ok().flatten().and_then(|directory| Record::read(&place, &directory));
        let record =
            record.ok_or_else(|| format!("the server {identifier} does not say which version it is"))?;
        living.insert(record.version);
    }
    Ok(living)
}

/// Whether a process runs a program in there, as far as the system shows it: a server started by hand, or a proxy.
fn is_run(directory: &Path) -> bool {
    let directory = directory.canonicalize().unwrap_or_else(|_| directory.to_owned());
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|process| fs::read_link(process.path().join("exe")).ok())
        .any(|exe| exe.starts_with(&directory))
}

/// What an install puts there, and nothing else.
fn remove(directory: &Path) -> std::io::Result<()> {
    fs::remove_file(directory.join(NAME))?;
    for entry in fs::read_dir(directory)?.flatten() {
        if entry.file_name().to_string_lossy().ends_with(".draft") {
            fs::remove_file(entry.path())?;
        }
    }
    // Whatever else is there stays, and its directory with it.
    let _ = fs::remove_dir(directory);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn install(home: &Path, version: &str) -> PathBuf {
        let directory = home.join(PROGRAMS).join(version);
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join(NAME), "a program").unwrap();
        directory
    }

    #[test]
    fn older_versions_go_and_newer_ones_stay() {
        let home = tempfile::tempdir().unwrap();
        let root = Root::below(home.path().to_owned()).unwrap();
        let [old, own, newer, odd, kept] = ["0.0.9", env!("CARGO_PKG_VERSION"), "99.0.0", "1.x", "0.0.1"]
            .map(|name| install(home.path(), name));
        fs::write(old.join(".abc.draft"), "").unwrap();
        fs::write(kept.join("notes"), "mine").unwrap();
        assert_eq!(tidy(&root).unwrap(), ["0.0.1", "0.0.9"]);
        assert!(!old.exists() && own.exists() && newer.exists() && odd.exists());
        assert!(kept.join("notes").exists() && !kept.join(NAME).exists());
        assert_eq!(tidy(&root).unwrap(), Vec::<String>::new());
    }
}
