//! A user's first minutes: an archive of ours is unpacked where there is nothing but OpenSSH and busybox.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::place::Place;
use crate::sshd::{Spot, Sshd};

/// A root directory, with what must be mounted in it.
struct Root {
    directory: tempfile::TempDir,
    mounted: Vec<PathBuf>,
}

impl Root {
    fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("rc").tempdir_in("/var/tmp").unwrap();
        let mut root = Root { directory, mounted: Vec::new() };
        for program in ["busybox", "ssh", "sshd"] {
            root.take(&path_of(program));
        }
        // Where a later sshd has the part that speaks with a client.
        for part in ["sshd-session", "sshd-auth"] {
            let path = Path::new("/usr/lib/openssh").join(part);
            if path.exists() {
                root.take(&path);
            }
        }
        fs::create_dir_all(root.path("bin")).unwrap();
        let applets = Command::new("busybox").arg("--list").output().unwrap().stdout;
        for applet in String::from_utf8(applets).unwrap().lines().filter(|applet| *applet != "busybox") {
            symlink(path_of("busybox"), root.path(&format!("bin/{applet}"))).unwrap();
        }
        for directory in ["etc", "run/sshd", "root", "usr/bin"] {
            fs::create_dir_all(root.path(directory)).unwrap();
        }
        fs::write(
            root.path("etc/passwd"),
            "root:*:0:0::/root:/bin/sh\nsshd:*:100:100::/run/sshd:/bin/false\n",
        )
        .unwrap();
        fs::write(root.path("etc/group"), "root:x:0:\nsshd:x:100:\n").unwrap();
        for (what, kind) in [
            ("/proc", &["-t", "proc", "proc"][..]),
            ("/dev", &["--bind", "/dev"]),
            ("/tmp", &["--bind", "/tmp"]),
        ] {
            let to = root.path(&what[1..]);
            fs::create_dir_all(&to).unwrap();
            assert!(Command::new("mount").args(kind).arg(&to).status().unwrap().success());
            root.mounted.push(to);
        }
        root
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Copies a program, and the libraries that it needs.
    fn take(&self, program: &Path) {
        let said = Command::new("ldd").arg(program).output().unwrap().stdout;
        let said = String::from_utf8(said).unwrap();
        let libraries = said.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from);
        for file in libraries.chain([program.to_owned()]) {
            let to = self.path(file.strip_prefix("/").unwrap().to_str().unwrap());
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            assert!(Command::new("cp").arg("-L").arg(&file).arg(&to).status().unwrap().success());
        }
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        for mounted in self.mounted.iter().rev() {
            let _ = Command::new("umount").arg("-l").arg(mounted).status();
        }
    }
}

fn path_of(program: &str) -> PathBuf {
    let found = ["/usr/bin", "/usr/sbin", "/bin"].map(|path| Path::new(path).join(program));
    found.into_iter().find(|path| path.exists()).unwrap_or_else(|| panic!("{program} is missing"))
}

/// Where archives are: in `REATTACH_DIST` if they were made before, else made now, for as long as the second lives.
fn archives(target: &str) -> (PathBuf, Option<tempfile::TempDir>) {
    if let Some(made) = std::env::var_os("REATTACH_DIST") {
        return (PathBuf::from(made), None);
    }
    let directory = tempfile::tempdir().unwrap();
    let mut dist = Command::new("cargo");
    dist.args(["xtask", "dist", "--target", target, "--output"]).arg(directory.path());
    assert!(dist.current_dir(env!("CARGO_MANIFEST_DIR")).status().unwrap().success());
    (directory.path().to_owned(), Some(directory))
}

#[test]
#[ignore = "builds static programs, which takes minutes, and needs root and busybox"]
fn an_archive_is_all_that_a_bare_system_needs() {
    let target = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    let (archives, _built) = archives(&target);
    let root = Root::new();
    let name = format!("reattach-{}-{target}", env!("CARGO_PKG_VERSION"));
    let inside = || {
        let mut command = Command::new("chroot");
        command.arg(root.directory.path());
        command
    };
    fs::copy(archives.join(format!("{name}.tar.gz")), root.path("root/archive.tar.gz")).unwrap();
    let unpack = format!("cd /root && tar xzf archive.tar.gz && cd {name} && sha256sum -c SHA256SUMS");
    assert!(inside().args(["/bin/sh", "-c", &unpack]).stdout(Stdio::null()).status().unwrap().success());
    // Its user logs in to itself, where nothing of ours is in any place.
    let place = Place::new();
    let enter = ["chroot", root.directory.path().to_str().unwrap()];
    let Some(sshd) = Sshd::start_at(&place, Spot::within(&enter)) else { return };
    let reattach = |words: &[&str]| {
        let mut command = inside();
        command.arg("/usr/bin/env").arg(format!("HOME={}", place.home().display()));
        command.arg(format!("/root/{name}/bin/reattach")).args(words).stdin(Stdio::null());
        command.output().unwrap()
    };
    fs::create_dir_all(root.path("usr/bin")).unwrap();
    let _ = symlink("/bin/env", root.path("usr/bin/env"));
    let config = sshd.config();
    let way = ["box", "--ssh-arg", "-F", "--ssh-arg", config.to_str().unwrap()];
    let installed = reattach(&[&["install"], &way[..]].concat());
    assert!(installed.status.success(), "{installed:?}");
    println!("{}", String::from_utf8_lossy(&installed.stderr).trim());
    let hello = reattach(&[&["connect"], &way[..], &["--", "echo", "hello from", "busybox"]].concat());
    assert_eq!(String::from_utf8_lossy(&hello.stdout), "hello from busybox\n", "{hello:?}");
}
