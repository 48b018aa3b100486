//! Packages that no Debian has, from their indexes, below `target/`: fetched once.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use crate::scene::leave_out;

/// The official library of the Model Context Protocol, and a debug adapter.
const PACKAGES: [&str; 2] = ["mcp<2", "debugpy"];

/// A Python with the packages; `None`, said loudly, where they cannot be had.
pub(crate) fn python() -> Option<&'static PathBuf> {
    static PYTHON: OnceLock<Option<PathBuf>> = OnceLock::new();
    PYTHON
        .get_or_init(|| {
            let python = venv();
            if python.is_none() {
                leave_out("the Python packages cannot be had");
            }
            python
        })
        .as_ref()
}

/// The library by which VS Code talks to language servers; where it is, or `None`, said loudly.
pub(crate) fn node_modules() -> Option<&'static PathBuf> {
    static MODULES: OnceLock<Option<PathBuf>> = OnceLock::new();
    MODULES
        .get_or_init(|| {
            let modules = npm();
            if modules.is_none() {
                leave_out("the packages of npm cannot be had");
            }
            modules
        })
        .as_ref()
}

fn npm() -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("editors-node");
    let modules = folder.join("node_modules");
    if modules.join("vscode-languageserver-protocol").is_dir() {
        return Some(modules);
    }
    let words = ["install", "--silent", "--no-audit", "--no-fund", "--prefix"];
    let mut npm = Command::new("npm");
    npm.args(words).arg(&folder).arg("vscode-languageserver-protocol@3.17");
    npm.status().is_ok_and(|status| status.success()).then_some(modules)
}

fn venv() -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("editors-venv");
    let python = folder.join("bin/python");
    let succeeds = |command: &mut Command| command.status().is_ok_and(|status| status.success());
    let has_all =
        || succeeds(Command::new(&python).args(["-c", "import mcp.server.fastmcp, debugpy.adapter"]));
    if python.is_file() && has_all() {
        return Some(python);
    }
    let is_made = succeeds(Command::new("python3").args(["-m", "venv"]).arg(&folder))
        && succeeds(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(PACKAGES));
    (is_made && has_all()).then_some(python)
}
