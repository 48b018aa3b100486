//! A home directory of its own for each test, and the end of everything that was started in it.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Once};
use std::time::Duration;

use reattach::io::clock::Clock;
use reattach::proto::{Notice, Verdict};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::proxy::Proxy;

/// Patience for anything that should be a matter of milliseconds on an idle machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What keeps the name of the host, beside the servers' directories: it outlives them all.
pub(crate) const HOST: &str = ".host";

/// A home directory.
pub(crate) struct Place {
    home: PathBuf,
    /// Where the user's programs meet while they run.
    runtime: TempDir,
    _directory: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        heed_signals();
        Place::in_directory("/tmp")
    }

    /// One that other users can come to, also where the usual place for such directories is closed to them.
    pub(crate) fn for_anybody() -> Self {
        let is_open = |path: &&str| {
            std::fs::metadata(path).is_ok_and(|folder| folder.permissions().mode() & 0o1 == 0o1)
        };
        let open = ["/tmp", "/var/tmp", "/dev/shm"].into_iter().find(is_open).expect("one is open to all");
        Place::in_directory(open)
    }

    fn in_directory(parent: &str) -> Self {
        let [directory, runtime] =
            ["ra", "rr"].map(|name| tempfile::Builder::new().prefix(name).tempdir_in(parent).unwrap());
        Place { home: directory.path().to_owned(), runtime, _directory: directory }
    }

    /// One whose path has that many bytes at least.
    pub(crate) fn with_long_path(bytes: usize) -> Self {
        let mut place = Place::new();
        while place.home.as_os_str().len() < bytes {
            place.home.push("a-rather-long-name");
        }
        std::fs::create_dir_all(&place.home).unwrap();
        place
    }

    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    /// The user's runtime directory.
    pub(crate) fn runtime(&self) -> &Path {
        self.runtime.path()
    }

    /// A program of ours as it lies here, for somebody who may not run it where it was built. Not
    /// copied by us: what another test starts meanwhile would have it open for writing for a
    /// moment, in which it cannot be run.
    pub(crate) fn copy_of(&self, program: &str) -> PathBuf {
        assert!(Command::new("cp").arg(program).arg(&self.home).status().unwrap().success());
        self.home.join(Path::new(program).file_name().unwrap())
    }

    /// A server's directory.
    pub(crate) fn directory(&self, identifier: &str) -> PathBuf {
        self.home.join(".local/state/reattach").join(identifier)
    }

    /// `reattach-server` with these words, not started yet.
    pub(crate) fn command<W: AsRef<OsStr>>(&self, words: &[W]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reattach-server"));
        // A path without folders that this user may not search: their errors would hide the real one.
        command.args(words).env("HOME", &self.home).env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
        command.env_remove("SSH_AUTH_SOCK");
        command
    }

    /// Runs it to its end.
    pub(crate) fn run<W: AsRef<OsStr>>(&self, words: &[W]) -> Output {
        self.command(words).output().unwrap()
    }

    /// Runs a proxy that is expected to exit by itself, and gives its verdict.
    pub(crate) fn verdict(&self, words: &[&str]) -> Verdict {
        let mut all = vec!["proxy"];
        all.extend(words);
        verdict(&self.run(&all))
    }

    /// Starts a proxy.
    pub(crate) fn proxy(&self, words: &[&str]) -> Proxy {
        let mut all = vec!["proxy"];
        all.extend(words);
        Proxy::start(self.command(&all))
    }

    /// What `status --json` says.
    pub(crate) fn status(&self, identifier: &str) -> serde_json::Value {
        let output = self.run(&["status", identifier, "--json"]);
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The process that the kernel says is the server.
    pub(crate) fn server_pid(&self, identifier: &str) -> Option<u32> {
        self.status(identifier)["pid"].as_u64().map(|pid| u32::try_from(pid).unwrap())
    }

    /// Every process that serves below this home.
    pub(crate) fn servers(&self) -> Vec<u32> {
        let output = Command::new("ps").args(["-axww", "-o", "pid=,args="]).output().unwrap();
        let is_server = |line: &&str| line.contains(" run ") && line.contains(self.home.to_str().unwrap());
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        said.lines()
            .filter(is_server)
            .map(|line| line.split_whitespace().next().unwrap().parse().unwrap())
            .collect()
    }

    /// The names of all files below this home, but for the name that the host has got.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut directories = vec![self.home.clone()];
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
                match entry.file_type().unwrap().is_dir() {
                    true => directories.push(entry.path()),
                    false if entry.file_name() == HOST => {}
                    false => files.push(entry.path()),
                }
            }
        }
        files.sort();
        files
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let names = std::fs::read_dir(self.home.join(".local/state/reattach"));
        for entry in names.into_iter().flatten().flatten() {
            let _ = self.command(&[OsStr::new("stop"), &entry.file_name()]).output();
        }
    }
}

/// Whoever runs the tests may ignore what a terminal sends, as a shell does for its jobs in the
/// background, and every program that we start would do so, too. What is caught is not inherited.
fn heed_signals() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap_or("0");
        let ignored = u64::from_str_radix(mask.trim(), 16).unwrap();
        let heeded = [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM].map(Signal::as_raw);
        for signal in heeded.into_iter().filter(|signal| ignored & (1 << (signal - 1)) != 0) {
            signal_hook::flag::register(signal, Arc::default()).unwrap();
        }
    });
}

/// What a proxy said on its standard error, as its exit code confirms.
pub(crate) fn verdict(output: &Output) -> Verdict {
    let said = String::from_utf8_lossy(&output.stderr);
    let mut lines = said.lines();
    let first = Notice::from_line(lines.next().unwrap_or_default());
    assert!(matches!(first, Some(Notice::Started { .. })), "{said}");
    let Some(Notice::Exit(verdict)) = Notice::from_line(lines.next_back().unwrap_or_default()) else {
        panic!("no verdict: {said}");
    };
    assert_eq!(output.status.code(), Some(verdict.code), "{said}");
    verdict
}

/// Waits until it is so.
pub(crate) fn wait_until(what: &str, is_so: impl FnMut() -> bool) {
    assert!(becomes_so(is_so), "still not: {what}");
}

/// Waits until it is so, and says whether it ever was.
pub(crate) fn becomes_so(mut is_so: impl FnMut() -> bool) -> bool {
    let clock = Clock::new();
    let start = clock.now();
    while !is_so() {
        if clock.now().since(start) >= PATIENCE {
            return false;
        }
        wait(Duration::from_millis(5));
    }
    true
}

/// Lets time pass.
pub(crate) fn wait(duration: Duration) {
    smol::block_on(smol::Timer::after(duration));
}

/// Whether a process lives; one that waits to be reaped does not.
pub(crate) fn lives(pid: u32) -> bool {
    let output = Command::new("ps").args(["-o", "stat=", "-p", &pid.to_string()]).output().unwrap();
    let state = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    !state.is_empty() && !state.starts_with('Z')
}

/// Kills a process that the test started. Its ends of everything are closed then, so that what the
/// test does next comes after its end for everybody.
pub(crate) fn kill(pid: u32) {
    signal(pid, "KILL");
    wait_until("the killed process ends", || !lives(pid));
}

/// Sends a signal to a process that the test started.
pub(crate) fn signal(pid: u32, name: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().unwrap().success());
}
