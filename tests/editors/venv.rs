//! Python packages that no Debian has, from their index, below `target/`: fetched once.

use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// The official library of the Model Context Protocol, and a debug adapter.
const PACKAGES: [&str; 2] = ["mcp<2", "debugpy"];

/// A Python with the packages; `None`, said loudly, where they cannot be had.
pub(crate) fn python() -> Option<&'static PathBuf> {
    static PYTHON: OnceLock<Option<PathBuf>> = OnceLock::new();
    PYTHON
        .get_or_init(|| {
            let python = venv();
            if python.is_none() {
                std::io::stderr().write_all(b"SKIPPED: the Python packages cannot be had\n").unwrap();
            }
            python
        })
        .as_ref()
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
