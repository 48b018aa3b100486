//! Static programs, linked by what every Rust has: no C compiler and no sysroot of another system is asked for.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

/// What archives are made for.
pub(crate) const TARGETS: [&str; 2] = ["x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl"];

/// What is in them.
pub(crate) const PROGRAMS: [&str; 2] = ["reattach", "reattach-server"];

/// Builds for all targets, and gives the directory in which each has one of its own.
pub(crate) fn build(root: &Path, targets: &[String]) -> anyhow::Result<PathBuf> {
    run(Command::new("rustup").args(["target", "add"]).args(targets).current_dir(root))?;
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--release", "--locked", "--package", "reattach", "--bins"]).current_dir(root);
    cargo.env("CARGO_PROFILE_RELEASE_STRIP", "symbols");
    for target in targets {
        let name = target.to_uppercase().replace('-', "_");
        cargo.args(["--target", target]).env(format!("CARGO_TARGET_{name}_LINKER"), "rust-lld");
    }
    run(&mut cargo)?;
    Ok(std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| root.join("target"), |directory| root.join(directory)))
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("{command:?} cannot be started"))?;
    ensure!(status.success(), "{command:?} failed: {status}");
    Ok(())
}
