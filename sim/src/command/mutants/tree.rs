//! A copy of the sources that a mutant is put into and built in.
//!
//! One copy serves all mutants, one after the other: each changes a file or two, so that only this
//! project's own crates are built again. The sources themselves are only read, once, so that they
//! may be worked on meanwhile. What is done with the program that comes of it is left to `hunt`.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use rustix::fs::FlockOperation;

use super::child::{self, Ended};
use super::patch::Mutant;

/// What a build of the simulator reads: with less than this the manifest makes no sense.
const COPIED: [&str; 8] = ["Cargo.toml", "Cargo.lock", "benches", "examples", "sim", "src", "tests", "xtask"];

/// The cargo profile that builds and runs quickest, together.
const PROFILE: &str = "hunt";

/// The folder of the mutants, by which the tree is known.
const MUTANTS: &str = "fixtures/mutants";

/// The sources, and their copy.
pub(super) struct Tree {
    copy: PathBuf,
    build: PathBuf,
    scratch: PathBuf,
    /// Files of the copy that the last mutant has changed, as they were before.
    changed: BTreeMap<String, String>,
    /// Held for as long as the copy is ours.
    _lock: File,
}

/// What became of a mutant's build.
pub(super) enum Built {
    /// The simulator, with the bug.
    Program(PathBuf),
    /// One sentence why there is none.
    Unfit(String),
    /// The build took longer than it may.
    TooLong,
}

/// The tree that this is called in: the nearest folder upwards that has mutants.
pub(super) fn find_root() -> anyhow::Result<PathBuf> {
    let here = env::current_dir().context("the current folder is unknown")?;
    let root = here.ancestors().find(|folder| folder.join(MUTANTS).is_dir());
    Ok(root
        .with_context(|| format!("neither {} nor a folder above it has {MUTANTS}", here.display()))?
        .into())
}

pub(super) fn mutants_folder(root: &Path) -> PathBuf {
    root.join(MUTANTS)
}

impl Tree {
    /// Makes the copy, or brings an older one up to date.
    pub(super) fn copy(root: &Path) -> anyhow::Result<Self> {
        let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        let place = target.join("mutants");
        let scratch = place.join("scratch");
        fs::create_dir_all(&scratch).with_context(|| format!("{} cannot be made", scratch.display()))?;
        let busy = place.join("lock");
        let lock = File::create(&busy).with_context(|| format!("{} cannot be written", busy.display()))?;
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .with_context(|| format!("mutants are hunted in {} already", place.display()))?;
        let copy = place.join("tree");
        fs::create_dir_all(&copy).with_context(|| format!("{} cannot be made", copy.display()))?;
        for name in COPIED {
            mirror(&root.join(name), &copy.join(name))?;
        }
        let build = place.join("build");
        Ok(Tree { copy, build, scratch, changed: BTreeMap::new(), _lock: lock })
    }

    /// Where programs and files may be left that nobody needs.
    pub(super) fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// Puts the mutant in the place of the last one and builds it.
    pub(super) fn build(&mut self, mutant: &Mutant, limit: Duration) -> anyhow::Result<Built> {
        self.restore()?;
        let changes = match mutant.apply(|path| read(&self.copy.join(path))) {
            Ok(changes) => changes,
            Err(error) => return Ok(Built::Unfit(format!("{error:#}"))),
        };
        for (path, text) in changes {
            let file = self.copy.join(&path);
            self.changed.insert(path, read(&file)?);
            write(&file, &text)?;
        }
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(&self.copy).args(["build", "--quiet", "--locked", "--package", "reattach-sim"]);
        command.args(["--message-format", "short", "--profile", PROFILE, "--target-dir"]).arg(&self.build);
        match child::run(&mut command, limit)? {
            Ended::TooLong => Ok(Built::TooLong),
            Ended::Status(status) if status.code.success() => {
                let program = self.scratch.join(&mutant.name);
                let built = self.build.join(PROFILE).join("reattach-sim");
                copy(&built, &program, limit)
                    .with_context(|| format!("{} cannot be copied", built.display()))?;
                Ok(Built::Program(program))
            }
            Ended::Status(status) => {
                let errors = status.errors.lines().filter(|line| line.contains("error"));
                let first = errors.map(str::trim).next().unwrap_or("cargo does not say why");
                Ok(Built::Unfit(format!("it does not build: {first}")))
            }
        }
    }

    /// Takes the last mutant out again.
    fn restore(&mut self) -> anyhow::Result<()> {
        for (path, text) in std::mem::take(&mut self.changed) {
            write(&self.copy.join(path), &text)?;
        }
        Ok(())
    }
}

impl Drop for Tree {
    /// What stays changed if this fails is noticed when the next copy is made.
    fn drop(&mut self) {
        let _ = self.restore();
    }
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))
}

/// Makes `copy` the same as `original`. What is the same already keeps its time, by which cargo
/// sees what to build.
fn mirror(original: &Path, copy: &Path) -> anyhow::Result<()> {
    if !original.is_dir() {
        let bytes = fs::read(original).with_context(|| format!("{} cannot be read", original.display()))?;
        if fs::read(copy).is_ok_and(|old| old == bytes) {
            return Ok(());
        }
        return fs::write(copy, bytes).with_context(|| format!("{} cannot be written", copy.display()));
    }
    fs::create_dir_all(copy).with_context(|| format!("{} cannot be made", copy.display()))?;
    let names = names_in(original)?;
    for gone in names_in(copy)?.difference(&names) {
        let gone = copy.join(gone);
        let removed = if gone.is_dir() { fs::remove_dir_all(&gone) } else { fs::remove_file(&gone) };
        removed.with_context(|| format!("{} cannot be removed", gone.display()))?;
    }
    for name in names {
        ensure!(name != "target", "{} holds what was built, not only sources", original.display());
        mirror(&original.join(&name), &copy.join(&name))?;
    }
    Ok(())
}

fn names_in(folder: &Path) -> anyhow::Result<BTreeSet<std::ffi::OsString>> {
    let listed = fs::read_dir(folder).and_then(|entries| {
        entries.map(|entry| entry.map(|entry| entry.file_name())).collect::<Result<BTreeSet<_>, _>>()
    });
    listed.with_context(|| format!("{} cannot be read", folder.display()))
}

/// Copies a program that is to be run at once. Not here: what another thread starts meanwhile would
/// have our copy open for writing for a moment, in which it cannot be run.
fn copy(from: &Path, to: &Path, limit: Duration) -> anyhow::Result<()> {
    match child::run(Command::new("cp").arg(from).arg(to), limit)? {
        Ended::Status(status) if status.code.success() => Ok(()),
        Ended::Status(status) => bail!("{}", status.errors.trim()),
        Ended::TooLong => bail!("it takes too long"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_the_same_and_what_was_the_same_keeps_its_time() {
        let place = tempfile::tempdir().unwrap();
        let (original, copy) = (place.path().join("original"), place.path().join("copy"));
        fs::create_dir_all(original.join("deep")).unwrap();
        fs::write(original.join("deep/one"), "1").unwrap();
        fs::write(original.join("two"), "2").unwrap();
        mirror(&original, &copy).unwrap();
        let time = |name: &str| fs::metadata(copy.join(name)).unwrap().modified().unwrap();
        let before = time("deep/one");
        fs::write(original.join("two"), "22").unwrap();
        fs::write(copy.join("left over"), "3").unwrap();
        mirror(&original, &copy).unwrap();
        assert_eq!(time("deep/one"), before);
        assert_eq!(fs::read_to_string(copy.join("two")).unwrap(), "22");
        assert!(!copy.join("left over").exists());
    }
}
