//! `cargo xtask`: what is done with reattach besides building it.
//!
//! ```text
//! dist     archives of static programs, each with pages, completions and checksums
//! ```

mod archive;
mod build;
mod pages;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Parser, Subcommand};

use self::archive::Archive;

/// What is done with reattach besides building it.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Words {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build static programs for Linux, and pack them with their pages, completions and checksums.
    Dist {
        /// Rust's name of what to build for; may be repeated.
        #[arg(long, value_name = "TARGET", default_values = build::TARGETS)]
        target: Vec<String>,
        /// Where the archives go.
        #[arg(long, value_name = "DIRECTORY", default_value = "target/dist")]
        output: PathBuf,
    },
}

fn main() -> anyhow::Result<()> {
    let Command::Dist { target, output } = Words::parse().command;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the workspace has a directory")?;
    dist(root, &target, &root.join(output))
}

/// Builds and packs; every archive has the servers for all targets, so that any client can install any.
fn dist(root: &Path, targets: &[String], output: &Path) -> anyhow::Result<()> {
    let built = build::build(root, targets)?;
    fs::create_dir_all(output)?;
    let mut sums = String::new();
    for target in targets {
        let mut archive = Archive::new(format!("reattach-{}-{target}", env!("CARGO_PKG_VERSION")));
        for program in build::PROGRAMS {
            archive
                .add_program(&format!("bin/{program}"), &built.join(target).join("release").join(program))?;
        }
        for other in targets.iter().filter(|other| *other != target) {
            let server = built.join(other).join("release/reattach-server");
            archive.add_program(&format!("bin/servers/{other}/reattach-server"), &server)?;
        }
        for (name, content) in pages::all()? {
            archive.add(&name, content);
        }
        for name in ["README.md", "PROTOCOL.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE"] {
            archive.add(name, fs::read(root.join(name)).with_context(|| format!("{name} cannot be read"))?);
        }
        let (name, bytes) = archive.pack()?;
        sums.push_str(&archive::sum_line(&bytes, &name));
        fs::write(output.join(&name), bytes)?;
        println!("{}", output.join(name).display());
    }
    fs::write(output.join("SHA256SUMS"), sums)?;
    Ok(())
}
