//! A user of this machine with a home and a login shell of their own, for as long as a test lasts.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::dice::Dice;
use crate::kit::{self, put_script};
use crate::place::{Place, becomes_so, lives};
use crate::processes::signal_if_there;
use crate::sshd::{Spot, Sshd};

/// A login shell that tells a lot before it does what it is asked for.
const CHATTY: &str = "#!/bin/sh\ni=0\nwhile [ $i -lt 30 ]; do i=$((i+1)); echo \"line $i of 30: 'welcome' \\$HOME\"; \
                      echo \"warning $i\" >&2; done\nexec /bin/sh \"$@\"\n";

/// A user, who can log in over an OpenSSH server of the test's own.
pub(crate) struct Guest {
    name: String,
    home: PathBuf,
    uid: u32,
    _directory: tempfile::TempDir,
}

impl Guest {
    /// `None`, said loudly, for who may not make users.
    pub(crate) fn with_shell(shell: &str) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            assert!(std::env::var_os("CI").is_none(), "these tests must be run by root, who may make users");
            eprintln!("SKIPPED: tests with users of their own, because only root may make them");
            return None;
        }
        let directory = tempfile::Builder::new().prefix("rg").tempdir_in("/tmp").unwrap();
        fs::set_permissions(directory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let home = directory.path().join("home");
        fs::create_dir(&home).unwrap();
        let shell = match shell {
            "chatty" => {
                let path = directory.path().join("chatty");
                put_script(&path, CHATTY);
                path
            }
            other => Path::new("/bin").join(other),
        };
        assert!(shell.exists(), "{} is missing", shell.display());
        let name = format!("rg{}", Dice::roll().below(100_000_000));
        // Others may be at work on the same files.
        let made = becomes_so(|| {
            let mut useradd = Command::new("useradd");
            useradd.args(["-M", "-p", "*", "-d"]).arg(&home).arg("-s").arg(&shell).arg(&name);
            useradd.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
        });
        assert!(made, "no user can be made");
        assert!(Command::new("chown").arg(format!("{name}:")).arg(&home).status().unwrap().success());
        let uid = fs::metadata(&home).unwrap().uid();
        assert_ne!(uid, 0);
        Some(Guest { name, home, uid, _directory: directory })
    }

    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    /// The way for `--via`, without ssh.
    pub(crate) fn via(&self) -> String {
        format!("runuser -u {} --", self.name)
    }

    /// Where they log in.
    pub(crate) fn sshd(place: &Place) -> Option<Sshd> {
        Sshd::start_at(place, Spot::here().for_guests())
    }

    /// `reattach` with these words after how to get here, not started yet.
    pub(crate) fn reattach(&self, sshd: &Sshd, place: &Place, command: &str, words: &[&str]) -> Command {
        let mut reattach = Command::new(kit::program("reattach"));
        reattach.args([command, &format!("{}@box", self.name), "--ssh-arg", "-F", "--ssh-arg"]);
        reattach.arg(sshd.config()).args(words);
        place.welcome(reattach)
    }

    /// Puts the server's program there.
    pub(crate) fn put_server(&self, name: &str) {
        let path = self.home.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        assert!(
            Command::new("cp").arg(kit::program("reattach-server")).arg(path).status().unwrap().success()
        );
        assert!(
            Command::new("chown")
                .args(["-R", &format!("{}:", self.name)])
                .arg(&self.home)
                .status()
                .unwrap()
                .success()
        );
    }

    /// All of their processes that live: who has lost its parent may lie there for as long as nobody reaps it.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let names =
            fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let pids = names.filter_map(|name| name.parse().ok());
        let is_theirs = |pid: &u32| fs::metadata(format!("/proc/{pid}")).is_ok_and(|it| it.uid() == self.uid);
        pids.filter(is_theirs).filter(|pid| lives(*pid)).collect()
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // The number is nobody else's.
        becomes_so(|| {
            self.processes().into_iter().for_each(|pid| signal_if_there(pid, "KILL"));
            self.processes().is_empty()
        });
        becomes_so(|| {
            let mut userdel = Command::new("userdel");
            userdel.arg(&self.name).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
        });
    }
}
