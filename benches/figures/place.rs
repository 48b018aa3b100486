//! A home directory of its own: our servers' files are there, and none outlives it.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context;
use tempfile::TempDir;

pub(crate) const CLIENT: &str = env!("CARGO_BIN_EXE_reattach");
pub(crate) const SERVER: &str = env!("CARGO_BIN_EXE_reattach-server");

/// What the server hosts.
#[derive(Clone, Copy)]
pub(crate) enum Hosted<'a> {
    /// A program beside it.
    Program(&'a [&'a str]),
    /// An echo in its own process.
    Echo,
}

impl Hosted<'_> {
    /// Which server, and what it is told to run.
    pub(crate) fn add_to(self, command: &mut Command) {
        match self {
            Hosted::Program(words) => command.args(["--server-path", SERVER, "--"]).args(words),
            Hosted::Echo => {
                let own = std::env::current_exe().expect("this program has a path");
                command.arg("--server-path").arg(own)
            }
        };
    }
}

pub(crate) struct Place {
    home: TempDir,
}

impl Place {
    pub(crate) fn new() -> anyhow::Result<Self> {
        // Short, because sockets have short paths.
        let home = tempfile::Builder::new().prefix("rab").tempdir_in("/tmp")?;
        Ok(Place { home })
    }

    pub(crate) fn path(&self) -> &Path {
        self.home.path()
    }

    /// Any program, at home here.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env("HOME", self.home.path()).env_remove("REATTACH_LOG");
        command
    }

    /// `reattach connect` on this machine, to that.
    pub(crate) fn connect_local(&self, hosted: Hosted<'_>) -> Command {
        let mut command = self.command(CLIENT);
        command.args(["connect", "--local"]);
        hosted.add_to(&mut command);
        command
    }

    /// What `reattach-server` says with `--json`.
    pub(crate) fn ask_server(&self, words: &[&str]) -> anyhow::Result<serde_json::Value> {
        let output = self.command(SERVER).args(words).arg("--json").stdin(Stdio::null()).output()?;
        serde_json::from_slice(&output.stdout)
            .with_context(|| format!("reattach-server {words:?} said nothing"))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let servers = self.ask_server(&["list"]).ok();
        for server in servers.iter().filter_map(serde_json::Value::as_array).flatten() {
            if let (Some(identifier), true) = (server["identifier"].as_str(), server["pid"].is_u64()) {
                let _ = self.ask_server(&["stop", identifier]);
            }
        }
    }
}

/// Whether a program is there to be run.
pub(crate) fn find(program: &str) -> anyhow::Result<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
    let mut candidates = folders.map(|folder| folder.join(program));
    candidates.find(|file| file.is_file()).with_context(|| format!("{program} is not installed"))
}
