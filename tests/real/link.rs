//! A link that can be cut, stopped and taken down: a script under `--via` that stands for ssh.
//!
//! It notes the number of each process that carries a proxy; while the link is down it fails, as
//! ssh does without a network.

use std::cell::Cell;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Command;

use crate::client::Client;
use crate::place::{Place, kill, wait_until};
use crate::processes::signal_if_there;

/// What every script begins with: `$here` is the link's directory.
const BEGIN: &str = r#"here=$1; shift
if [ -e "$here/down" ]; then echo tried >> "$here/tries"; echo "the network is down" >&2; exit 255; fi
"#;

/// The proxy takes the script's place.
const DIRECT: &str = r#"echo $$ >> "$here/carriers"; exec "$@""#;

/// A link.
pub(crate) struct Link {
    directory: tempfile::TempDir,
    /// Carriers that were cut, or were there before one that was.
    cut: Cell<usize>,
}

impl Link {
    pub(crate) fn new() -> Self {
        Link::with_script(DIRECT)
    }

    /// A link that does something else: `"$@"` is the proxy's command, `$here` a directory.
    pub(crate) fn with_script(script: &str) -> Self {
        let directory = tempfile::Builder::new().prefix("rl").tempdir_in("/tmp").unwrap();
        fs::write(directory.path().join("link.sh"), format!("{BEGIN}{script}\n")).unwrap();
        Link { directory, cut: Cell::new(0) }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The words for `reattach connect`.
    pub(crate) fn words(&self) -> Vec<String> {
        let directory = self.directory.path().display();
        let via = format!("sh {directory}/link.sh {directory}");
        ["--via", &via, "--server-path", env!("CARGO_BIN_EXE_reattach-server")].map(str::to_owned).to_vec()
    }

    /// A `reattach connect` over this link, not started yet.
    pub(crate) fn connect(&self, place: &Place, words: &[&str], program: &[&str]) -> Command {
        let mut all = self.words();
        all.extend([words, &["--"], program].concat().into_iter().map(str::to_owned));
        place.connect(&all)
    }

    /// Starts it, in JSON.
    pub(crate) fn client(&self, place: &Place, words: &[&str], program: &[&str]) -> Client {
        let words = [&["--log-format", "json"], words].concat();
        Client::start(self.connect(place, &words, program))
    }

    /// The processes that carried proxies, the current one last.
    pub(crate) fn carriers(&self) -> Vec<u32> {
        let text = fs::read_to_string(self.path("carriers")).unwrap_or_default();
        text.lines().map(|line| line.parse().unwrap()).collect()
    }

    /// Waits until there were `count` carriers, and gives the last.
    pub(crate) fn carrier(&self, count: usize) -> u32 {
        wait_until("the link is carried", || self.carriers().len() >= count);
        self.carriers()[count - 1]
    }

    /// Kills the current proxy; the next one, if that was killed before.
    pub(crate) fn cut(&self) {
        self.carrier(self.cut.get() + 1);
        let carriers = self.carriers();
        self.cut.set(carriers.len());
        kill(carriers[carriers.len() - 1]);
    }

    /// Kills the current proxy, unless that has ended by itself.
    pub(crate) fn cut_if_there(&self) {
        let carriers = self.carriers();
        self.cut.set(carriers.len());
        signal_if_there(carriers[carriers.len() - 1], "KILL");
    }

    /// Takes the network away.
    pub(crate) fn down(&self) {
        fs::write(self.path("down"), "").unwrap();
        self.cut();
    }

    /// Gives it back.
    pub(crate) fn up(&self) {
        fs::remove_file(self.path("down")).unwrap();
    }

    /// How often the link was tried while it was down.
    pub(crate) fn tries(&self) -> usize {
        fs::read_to_string(self.path("tries")).unwrap_or_default().lines().count()
    }
}

/// Whether a status says that this signal ended the process.
pub(crate) fn died_by(status: std::process::ExitStatus, signal: rustix::process::Signal) -> bool {
    status.signal() == Some(signal.as_raw())
}
