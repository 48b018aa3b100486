//! The server's program is put on hosts that have nothing: what is then there, and what is said where it cannot be.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::guest::Guest;
use crate::kit::{Host, program, put_script, sentence};
use crate::place::{Place, wait_until};
use crate::sshd::Sshd;

const NOT_CONNECTED: i32 = 255;
const FAILED: i32 = 1;
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A user with nothing at all, and where they log in.
fn newcomer(place: &Place) -> Option<(Guest, Sshd)> {
    Some((Guest::with_shell("sh")?, Guest::sshd(place)?))
}

fn is_empty(home: &Path) -> bool {
    fs::read_dir(home).unwrap().next().is_none()
}

#[test]
fn a_host_with_nothing_gets_a_server_and_then_a_session() {
    let place = Place::new();
    let Some((guest, sshd)) = newcomer(&place) else { return };
    // Who does not ask for it gets a sentence, and nothing is written.
    let connect = |words: &[&str]| {
        let all = [words, &["--", "echo", "hello"]].concat();
        guest.reattach(&sshd, &place, "connect", &all).stdin(Stdio::null()).output().unwrap()
    };
    let said = sentence(&connect(&[]), NOT_CONNECTED);
    assert!(
        said.starts_with("reattach: could not connect to rg") && said.contains("was not found there"),
        "{said}"
    );
    assert!(
        said.contains("; `reattach install --ssh-arg -F --ssh-arg ") && said.contains("@box` puts one"),
        "{said}"
    );
    assert!(is_empty(guest.home()));
    // What it says does it.
    let install = || guest.reattach(&sshd, &place, "install", &[]).output().unwrap();
    let said = sentence(&install(), 0);
    assert!(said.contains(&format!("reattach-server {VERSION} is installed on rg")), "{said}");
    assert!(said.contains(", checked with sha256sum: "), "{said}");
    let installed = guest.home().join(format!(".local/share/reattach/{VERSION}/reattach-server"));
    assert!(fs::read(&installed).unwrap() == fs::read(program("reattach-server")).unwrap());
    assert_eq!(fs::read_dir(installed.parent().unwrap()).unwrap().count(), 1);
    let output = connect(&[]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "hello\n", "{output:?}");
    // Once more, and it is seen to be there.
    assert!(sentence(&install(), 0).contains("already"));
}

#[test]
fn who_says_install_gets_a_session_at_once_and_loses_no_input() {
    let place = Place::new();
    let Some((guest, sshd)) = newcomer(&place) else { return };
    let words = ["--install", "--", "cat"];
    let mut command = guest.reattach(&sshd, &place, "connect", &words);
    let mut client =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // As an editor, which speaks first.
    let mut input = client.stdin.take().unwrap();
    input.write_all(b"{\"initialize\":1}\n").unwrap();
    drop(input);
    let output = client.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "{\"initialize\":1}\n");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.lines().count() == 1 && said.contains("is installed on"), "{said}");
    // A host that has one is left alone.
    let output = guest.reattach(&sshd, &place, "connect", &words).stdin(Stdio::null()).output().unwrap();
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
}

#[test]
#[cfg(target_os = "linux")]
fn at_a_terminal_the_user_is_asked() {
    use crate::terminal::{Kept, Terminal};
    let host = Host::new();
    for (answer, installs) in [("\n", false), ("no\n", false), ("y\n", true)] {
        let mut terminal = Terminal::open();
        let mut client = terminal.run(&host.connect(&[], &["printf", "hello\n"]));
        let output = Kept::of(client.stdout.take().unwrap());
        terminal.until("install it there now? [y/N]");
        assert!(!host.installed().exists());
        terminal.type_in(answer);
        let status = client.wait().unwrap();
        assert_eq!(host.installed().exists(), installs, "{}", terminal.shown());
        if installs {
            assert_eq!(
                (status.code(), output.at_least(6).as_str()),
                (Some(0), "hello\n"),
                "{}",
                terminal.shown()
            );
            assert!(terminal.shown().contains("is installed on"));
        } else {
            assert_eq!(status.code(), Some(NOT_CONNECTED), "{}", terminal.shown());
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn who_is_asked_may_leave() {
    use crate::link::died_by;
    use crate::terminal::Terminal;
    let host = Host::new();
    let mut terminal = Terminal::open();
    let mut client = terminal.run(&host.connect(&[], &["cat"]));
    terminal.until("[y/N]");
    terminal.type_in("\u{3}");
    assert!(died_by(client.wait().unwrap(), rustix::process::Signal::INT), "{}", terminal.shown());
    assert!(!host.installed().exists());
}

#[test]
fn an_install_is_checked_with_what_the_host_has() {
    for (tools, name) in [
        (&["sha256sum", "cksum"][..], "checked with sha256sum"),
        (&["shasum", "perl"], "checked with shasum"),
        (&["openssl", "cksum"], "checked with openssl"),
        (&["cksum"], "checked with cksum"),
        (&[], "checked with its size alone"),
    ] {
        if tools.iter().any(|tool| !Path::new("/usr/bin").join(tool).exists()) {
            eprintln!("SKIPPED: a host with {tools:?}, which are not all here");
            continue;
        }
        let host = Host::with_tools(tools);
        let said = sentence(&host.installs(&[]), 0);
        assert!(said.contains(name), "{tools:?}: {said}");
        let said = sentence(&host.installs(&[]), 0);
        assert_eq!(said.contains("already"), !tools.is_empty(), "{said}");
        if !tools.is_empty() {
            // A bit that fell over, of which the size tells nothing.
            fs::remove_file(host.installed()).unwrap();
            let garbled = host.install(&host.via_filter("tr \"\\001\" \"\\002\""), &[]).output().unwrap();
            let said = sentence(&garbled, FAILED);
            assert!(said.contains(&format!("it did not come as it was sent: {} says ", tools[0])), "{said}");
            assert!(host.place.files().is_empty());
        }
    }
}

#[test]
fn a_program_for_another_processor_is_not_even_sent() {
    let host = Host::new();
    let other = host.tools().join("other");
    let mut bytes = fs::read(program("reattach-server")).unwrap();
    let (processor, name) = if cfg!(target_arch = "x86_64") { (183, "aarch64") } else { (62, "x86_64") };
    bytes[18] = processor;
    fs::write(&other, &bytes).unwrap();
    let said = sentence(&host.installs(&["--binary", other.to_str().unwrap()]), FAILED);
    assert!(
        said.contains(&format!("{} is for Linux on {name}, and the host is Linux on ", other.display())),
        "{said}"
    );
    for (path, part) in [("/etc/passwd", "is not a program"), ("/no/such", "cannot be read: No such file")] {
        let said = sentence(&host.installs(&["--binary", path]), FAILED);
        assert!(said.contains(part), "{said}");
    }
    assert!(host.place.files().is_empty());
    // A host of which nothing fits is told where one may be put.
    put_uname(&host, "Linux mips64");
    let said = sentence(&host.installs(&[]), FAILED);
    assert!(
        said.contains("put one at ") && said.contains("servers/mips64-unknown-linux-musl/reattach-server"),
        "{said}"
    );
    put_uname(&host, "Plan9 mips");
    assert!(sentence(&host.installs(&[]), FAILED).contains("no server for Plan9 on mips is known here"));
}

fn put_uname(host: &Host, says: &str) {
    let (system, processor) = says.split_once(' ').unwrap();
    let path = host.tools().join("uname");
    fs::remove_file(&path).unwrap();
    put_script(&path, &format!("#!/bin/sh\n[ \"$1\" = -s ] && echo {system} || echo {processor}\n"));
}

#[test]
fn a_kept_server_is_sent_to_hosts_that_it_fits() {
    let host = Host::new();
    // A host on which the one beside ours does not run: ours is said to be for another processor.
    let alone = host.tools().join("alone");
    fs::create_dir(&alone).unwrap();
    assert!(Command::new("cp").arg(program("reattach")).arg(&alone).status().unwrap().success());
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    host.put_server(&host.tools().join(format!(".local/share/reattach/servers/{target}/reattach-server")));
    let mut command = Command::new(alone.join("reattach"));
    command.args(["install", "--via", &host.via()]).env("HOME", host.tools()).stdin(Stdio::null());
    assert!(sentence(&command.output().unwrap(), 0).contains("is installed"));
    assert!(host.installed().exists());
}

#[test]
fn a_program_that_is_another_version_or_does_not_run_there_is_not_installed() {
    let host = Host::new();
    host.put_server(&host.installed());
    let before = fs::read(host.installed()).unwrap();
    let other = host.tools().join("other");
    // Our own client, which has no such command.
    let said = sentence(&host.installs(&["--binary", program("reattach").to_str().unwrap()]), FAILED);
    assert!(said.contains("the program that was sent does not run there: "), "{said}");
    // Cut off behind its header.
    fs::write(&other, &before[..8192]).unwrap();
    let said = sentence(&host.installs(&["--binary", other.to_str().unwrap()]), FAILED);
    assert!(said.contains("the program that was sent does not run there"), "{said}");
    assert!(fs::read(host.installed()).unwrap() == before);
    assert_eq!(fs::read_dir(host.installed().parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn a_home_that_cannot_be_written_is_named() {
    let Some(guest) = Guest::with_shell("sh") else { return };
    let host = Host::new();
    let install = || host.install(&guest.via(), &[]).output().unwrap();
    fs::set_permissions(guest.home(), Permissions::from_mode(0o555)).unwrap();
    let said = sentence(&install(), FAILED);
    assert!(said.contains("its place cannot be made: ") && said.contains("Permission denied"), "{said}");
    fs::set_permissions(guest.home(), Permissions::from_mode(0o755)).unwrap();
    // Somebody's file is where it should be.
    fs::write(guest.home().join(".local"), "in the way").unwrap();
    assert!(sentence(&install(), FAILED).contains("its place cannot be made: "));
    fs::remove_file(guest.home().join(".local")).unwrap();
    let homeless = format!("{} env HOME=/no/such/home", guest.via());
    let said = sentence(&host.install(&homeless, &[]).output().unwrap(), FAILED);
    assert!(said.contains("its place cannot be made: "), "{said}");
    assert!(sentence(&install(), 0).contains("is installed"));
}

/// A small disk, for as long as this lives.
struct Disk(std::path::PathBuf);

impl Disk {
    /// `None`, said loudly, where none can be had.
    fn at(path: std::path::PathBuf, options: &str) -> Option<Self> {
        fs::create_dir_all(&path).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&path).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Disk(path));
        }
        assert!(std::env::var_os("CI").is_none(), "these tests must be run by root, who may mount");
        eprintln!("SKIPPED: tests with small disks, because none can be mounted");
        None
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_disk_that_is_full_or_runs_nothing_is_named_and_left_as_it_was() {
    let host = Host::new();
    for (options, part) in [
        ("size=1m,mode=700", "it cannot be written: "),
        ("mode=700,noexec", "as on a file system that is mounted with noexec"),
    ] {
        let Some(disk) = Disk::at(host.path(".local/share"), options) else { return };
        let said = sentence(&host.installs(&[]), FAILED);
        assert!(said.contains(part), "{said}");
        let place = disk.0.join(format!("reattach/{VERSION}"));
        assert!(is_empty(&place), "{:?}", host.place.files());
    }
}

#[test]
fn old_versions_go_when_none_of_their_servers_lives() {
    let host = Host::new();
    let old = |version: &str| host.path(&format!(".local/share/reattach/{version}/reattach-server"));
    host.put_fake(&old("0.0.7"), "of old", "1,1");
    // One that a session uses.
    host.put_server(&old("0.0.8"));
    host.put_fake(&old("99.0.0"), "of another client", "1,1");
    let mut command = host.connect(&["--server-path", old("0.0.8").to_str().unwrap()], &["cat"]);
    let mut client = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    wait_until("a session", || !host.place.servers().is_empty());
    let output: Output = host.installs(&[]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("since nobody uses them: 0.0.7\n"), "{said}");
    assert_eq!(["0.0.7", "0.0.8", "99.0.0"].map(|version| old(version).exists()), [false, true, true]);
    drop(client.stdin.take());
    assert!(client.wait().unwrap().success());
    wait_until("its end", || host.place.servers().is_empty());
    assert!(String::from_utf8_lossy(&host.installs(&[]).stderr).contains("0.0.8"));
    assert!(!old("0.0.8").parent().unwrap().exists());
}

#[test]
fn wrong_words_of_an_install_are_named() {
    for (words, part) in [
        (&[][..], "where to install it was not said"),
        (&[""], "the host is an empty word"),
        (&["box", "--local"], "cannot be used with"),
        (&["--local", "--ssh-arg=-v"], "--ssh-arg"),
        (&["--via", "sh 'x"], "a quote is not closed"),
    ] {
        let output = Command::new(program("reattach")).arg("install").args(words).output().unwrap();
        let said = sentence(&output, 64);
        assert!(said.contains(part), "{words:?}: {said}");
    }
    let unreached: [(&[&str], &str); 3] = [
        (&["--via", "false"], "could not connect to false: the way there ended without a word"),
        (&["--via", "no-such-wrapper x"], "the command no-such-wrapper was not found"),
        (&["no-such-host.invalid"], "could not connect to no-such-host.invalid: ssh: "),
    ];
    for (words, part) in unreached {
        let output = Command::new(program("reattach")).arg("install").args(words).output().unwrap();
        let said = sentence(&output, NOT_CONNECTED);
        assert!(said.contains(part), "{words:?}: {said}");
    }
}

#[test]
fn this_machine_can_be_a_host_too() {
    let host = Host::new();
    let mut command = Command::new(program("reattach"));
    let output = command.args(["install", "--local"]).env("HOME", host.place.home()).output().unwrap();
    assert!(sentence(&output, 0).contains("is installed on this machine"));
    assert!(host.installed().exists());
}
