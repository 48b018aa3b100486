//! A disk that fills up while a server lives: it ends as well as ever, and says why.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use reattach::proto::verdict::EXIT_NOT_STARTED;
use reattach::proto::{GoneReason, ProgramExit};

use crate::place::{Place, kill, wait_until};

const RECONNECT: &[&str] = &["--identifier", "w", "--reconnect"];

/// A small disk below a home, for as long as this lives.
struct Disk(PathBuf);

impl Disk {
    /// `None`, said loudly, where none can be had.
    fn below(place: &Place) -> Option<Self> {
        let path = place.home().join(".local");
        fs::create_dir(&path).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=256k,mode=700", "tmpfs"])
            .arg(&path)
            .output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Disk(path));
        }
        assert!(std::env::var_os("CI").is_none(), "these tests must be run by root, who may mount");
        eprintln!("SKIPPED: tests with a full disk, because none can be mounted");
        None
    }

    /// Until not one byte more can be written.
    fn fill(&self) {
        for (number, bytes) in [64 << 10, 4 << 10, 1].into_iter().enumerate() {
            let mut file = fs::File::create(self.0.join(format!("filler-{number}"))).unwrap();
            while file.write_all(&vec![7; bytes]).is_ok() {}
        }
        assert!(fs::write(self.0.join("more"), "x").is_err(), "it is not full");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_server_on_a_full_disk_says_why_it_ends() {
    for (program, ends, reason) in [
        (&["cat"][..], Some("stop"), GoneReason::Stopped),
        (&["sh", "-c", "read line; exit 7"], None, GoneReason::Exited(ProgramExit::Code(7))),
    ] {
        let place = Place::new();
        let Some(disk) = Disk::below(&place) else { return };
        let words = [&["--local", "--id", "w", "--log-format", "json", "--"], program].concat();
        let mut client = crate::client::Client::start(place.connect(&words));
        client.until("Connected");
        disk.fill();
        match ends {
            Some(word) => assert!(place.run(&[word, "w"]).status.success()),
            None => client.say("line\n"),
        }
        client.wait();
        wait_until("the server ends", || place.servers().is_empty());
        assert_eq!(place.verdict(RECONNECT).reason, Some(reason));
        let listed = String::from_utf8(place.run(&["list"]).stdout).unwrap();
        assert!(listed.contains(&format!("ended ({reason})")), "{listed}");
    }
}

#[test]
fn a_server_that_is_killed_on_a_full_disk_has_crashed_and_the_next_one_does_not_start() {
    let place = Place::new();
    let Some(disk) = Disk::below(&place) else { return };
    let mut proxy = place.proxy(&["--identifier", "w", "--", "cat"]);
    proxy.hello();
    disk.fill();
    kill(place.server_pid("w").unwrap());
    assert_eq!(proxy.wait().reason, Some(GoneReason::Crashed));
    let names = || {
        let entries = fs::read_dir(place.directory("w")).unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect::<std::collections::BTreeSet<_>>()
    };
    assert!(names().contains(Path::new("server.json").as_os_str()));
    // Another disk may have room for a record where this one has not.
    let other = Place::new();
    let Some(full) = Disk::below(&other) else { return };
    fs::create_dir_all(other.directory("w")).unwrap();
    full.fill();
    let verdict = other.verdict(&["--identifier", "w", "--", "cat"]);
    assert_eq!(verdict.code, EXIT_NOT_STARTED, "{verdict:?}");
    assert!(verdict.message.contains("No space left on device"), "{verdict:?}");
}
