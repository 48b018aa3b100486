//! Both programs beside each other, as small as they are for users; and hosts on this machine that have little,
//! reached without ssh.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use crate::place::Place;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What a script or a server needs on a host, but for tools that tell checksums.
const TOOLS: [&str; 17] = [
    "sh", "cat", "chmod", "env", "find", "head", "id", "mkdir", "mv", "printf", "rm", "sed", "tr", "uname",
    "wc", "sync", "sleep",
];

/// Where a program of ours is without what debuggers need: of a size that can be sent fifty times.
pub(crate) fn program(name: &str) -> PathBuf {
    static KIT: OnceLock<PathBuf> = OnceLock::new();
    let kit = KIT.get_or_init(|| {
        let kit = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("kit");
        fs::create_dir_all(&kit).unwrap();
        for program in [env!("CARGO_BIN_EXE_reattach"), env!("CARGO_BIN_EXE_reattach-server")] {
            let name = Path::new(program).file_name().unwrap();
            let (draft, done) = (kit.join("draft"), kit.join(name));
            let mut strip = Command::new("strip");
            // Not copied by us, for the same reason as in a place.
            if !strip.arg("-o").arg(&draft).arg(program).status().is_ok_and(|status| status.success()) {
                assert!(Command::new("cp").arg(program).arg(&draft).status().unwrap().success());
            }
            fs::rename(draft, done).unwrap();
        }
        kit
    });
    kit.join(name)
}

/// A host: a home of its own, and no more tools than it was given.
pub(crate) struct Host {
    pub(crate) place: Place,
    tools: tempfile::TempDir,
}

impl Host {
    /// One with the usual tools.
    pub(crate) fn new() -> Self {
        Host::with_tools(&["sha256sum"])
    }

    /// One with these for checksums.
    pub(crate) fn with_tools(sums: &[&str]) -> Self {
        let tools = tempfile::Builder::new().prefix("rk").tempdir_in("/tmp").unwrap();
        for tool in TOOLS.iter().chain(sums) {
            let paths = ["/usr/bin", "/bin"].map(|path| Path::new(path).join(tool));
            let path = paths.into_iter().find(|path| path.exists());
            symlink(path.unwrap_or_else(|| panic!("{tool} is missing")), tools.path().join(tool)).unwrap();
        }
        Host { place: Place::new(), tools }
    }

    /// With another shell as its `sh`; false, said loudly, if that is missing.
    pub(crate) fn has_shell(&self, shell: &str) -> bool {
        let found = ["/usr/bin", "/bin"]
            .map(|path| Path::new(path).join(shell))
            .into_iter()
            .find(|path| path.exists());
        let Some(found) = found else {
            assert!(std::env::var_os("CI").is_none(), "{shell} is missing");
            eprintln!("SKIPPED: hosts with {shell}, which is missing");
            return false;
        };
        fs::remove_file(self.tools().join("sh")).unwrap();
        symlink(found, self.tools().join("sh")).unwrap();
        true
    }

    /// Where an installed server is.
    pub(crate) fn installed(&self) -> PathBuf {
        self.path(&format!(".local/share/reattach/{VERSION}/reattach-server"))
    }

    /// Something below its home.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.place.home().join(name)
    }

    /// A directory of its `PATH`.
    pub(crate) fn tools(&self) -> &Path {
        self.tools.path()
    }

    /// The command that runs others there.
    pub(crate) fn via(&self) -> String {
        format!("env HOME={} PATH={}", self.place.home().display(), self.tools().display())
    }

    /// The same, with their input changed on its way.
    pub(crate) fn via_filter(&self, filter: &str) -> String {
        format!("sh -c '{filter} | {} \"$@\"' sh", self.via())
    }

    /// `reattach install`, not started yet.
    pub(crate) fn install(&self, via: &str, words: &[&str]) -> Command {
        let mut command = Command::new(program("reattach"));
        command.args(["install", "--via", via]).args(words);
        // Whoever installs is somebody else, with nothing kept for hosts.
        command.env("HOME", self.tools()).stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    pub(crate) fn installs(&self, words: &[&str]) -> Output {
        self.install(&self.via(), words).output().unwrap()
    }

    /// `reattach connect`, not started yet.
    pub(crate) fn connect(&self, words: &[&str], program: &[&str]) -> Command {
        let mut command = Command::new(self::program("reattach"));
        command.args(["connect", "--via", &self.via()]).args(words).arg("--").args(program);
        self.place.welcome(command)
    }

    /// Puts a program there that answers as a server of that version would, and then says its own name.
    pub(crate) fn put_fake(&self, path: &Path, name: &str, protocol: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let script = format!(
            "#!/bin/sh\n[ \"$1\" = version ] && {{ echo '{{\"protocol\":[{protocol}],\"version\":\"9.8.7\"}}'; exit; }}\n\
             echo '{{\"reattach-proxy\":{{\"event\":\"started\"}}}}' >&2\n\
             echo '{{\"reattach-proxy\":{{\"event\":\"exit\",\"code\":92,\"message\":\"this is {name}\"}}}}' >&2\nexit 92\n"
        );
        put_script(path, &script);
    }

    /// Puts the real one there.
    pub(crate) fn put_server(&self, path: &Path) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let draft = path.with_extension("draft");
        assert!(Command::new("cp").arg(program("reattach-server")).arg(&draft).status().unwrap().success());
        fs::rename(draft, path).unwrap();
    }
}

/// Writes a script that can be run at once.
pub(crate) fn put_script(path: &Path, script: &str) {
    // By another process: whatever another test starts meanwhile would hold it open for writing.
    let mut shell = Command::new("sh");
    let written = shell
        .args(["-c", r#"printf %s "$2" > "$1.new" && chmod 755 "$1.new" && mv -f "$1.new" "$1""#, "sh"])
        .arg(path)
        .arg(script);
    assert!(written.status().unwrap().success());
    assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o755);
}

/// The only line that it said, after checking how it ended.
pub(crate) fn sentence(output: &Output, code: i32) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert_eq!((said.lines().count(), output.stdout.len()), (1, 0), "{said}");
    said
}
