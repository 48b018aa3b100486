//! Installs that are interrupted anywhere, or made twice at once: the old program is there, or the new one.

use std::fs;
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::dice::Dice;
use crate::guest::Guest;
use crate::kit::{Host, program, sentence};
use crate::place::{Place, wait, wait_until};
use crate::processes::{next_child, signal_if_there};

const TIMES: usize = 25;

/// A host with an old program, and the two that may be there.
struct Upgrade {
    host: Host,
    old: Vec<u8>,
    new: Vec<u8>,
}

impl Upgrade {
    fn new() -> Self {
        let host = Host::new();
        let new = fs::read(program("reattach-server")).unwrap();
        let upgrade = Upgrade { host, old: b"#!/bin/sh\necho this is the old one\n".to_vec(), new };
        upgrade.put_old();
        upgrade
    }

    fn put_old(&self) {
        let path = self.host.installed();
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        crate::kit::put_script(&path, std::str::from_utf8(&self.old).unwrap());
    }

    /// Checks what is there; true if it is the new one, which then makes room for the old one again.
    fn is_new(&self) -> bool {
        let there = fs::read(self.host.installed()).unwrap();
        assert!(there == self.old || there == self.new, "{} bytes of neither are there", there.len());
        if there == self.new {
            self.put_old();
            return true;
        }
        false
    }

    /// Waits until nobody is at work on that host.
    fn is_quiet(&self) {
        let home = format!("HOME={}", self.host.place.home().display());
        wait_until("the host is quiet", || workers(&home).is_empty());
    }

    fn starts(&self) -> Child {
        let mut command = self.host.install(&self.host.via(), &[]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }
}

/// Everybody who was started with that in their environment.
fn workers(variable: &str) -> Vec<u32> {
    let names = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let has = |pid: &u32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|it| it == variable.as_bytes())
    };
    names.filter_map(|name| name.parse().ok()).filter(has).collect()
}

#[test]
fn an_install_that_is_cut_at_any_byte_leaves_the_old_program_and_nothing_else() {
    let upgrade = Upgrade::new();
    let mut dice = Dice::roll();
    for time in 0..TIMES {
        let bytes = match time {
            0 => 0,
            1 => 1,
            2 => upgrade.new.len(),
            _ => dice.below(upgrade.new.len()),
        };
        let via = upgrade.host.via_filter(&format!("head -c {bytes}"));
        let output = upgrade.host.install(&via, &[]).output().unwrap();
        let said = sentence(&output, 1);
        assert!(
            said.contains("it did not come whole") || said.contains("it was interrupted"),
            "{bytes}: {said}"
        );
        assert!(!upgrade.is_new());
        assert_eq!(fs::read_dir(upgrade.host.installed().parent().unwrap()).unwrap().count(), 1, "{bytes}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn whoever_is_killed_at_any_time_leaves_the_old_program_or_the_new_one() {
    let upgrade = Upgrade::new();
    let mut dice = Dice::roll();
    let home = format!("HOME={}", upgrade.host.place.home().display());
    let mut installed = 0;
    // How long it takes.
    let clock = reattach::io::clock::Clock::new();
    let from = clock.now();
    assert!(upgrade.starts().wait().unwrap().success());
    let whole = clock.now().since(from);
    assert!(upgrade.is_new());
    for time in 0..2 * TIMES {
        let mut client = upgrade.starts();
        wait(dice.delay(whole + Duration::from_millis(20)));
        if time % 2 == 0 {
            signal_if_there(client.id(), "KILL");
        } else {
            workers(&home).into_iter().for_each(|pid| signal_if_there(pid, "KILL"));
        }
        client.wait().unwrap();
        upgrade.is_quiet();
        installed += usize::from(upgrade.is_new());
    }
    println!("{installed} of {} installs were killed too late", 2 * TIMES);
    assert!(upgrade.starts().wait().unwrap().success());
    assert!(upgrade.is_new());
}

#[test]
fn an_ssh_that_is_killed_at_any_time_leaves_a_program_that_is_whole_or_none() {
    let place = Place::new();
    let Some(guest) = Guest::with_shell("sh") else { return };
    let Some(sshd) = Guest::sshd(&place) else { return };
    let installed =
        guest.home().join(format!(".local/share/reattach/{}/reattach-server", env!("CARGO_PKG_VERSION")));
    let whole = fs::read(program("reattach-server")).unwrap();
    let mut dice = Dice::roll();
    for _ in 0..8 {
        let mut command = guest.reattach(&sshd, &place, "install", &[]);
        let mut client = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let ssh = next_child(client.id(), None);
        wait(dice.delay(Duration::from_millis(500)));
        signal_if_there(ssh, "KILL");
        let status = client.wait().unwrap();
        wait_until("no session is left", || sshd.sessions().is_empty() && guest.processes().is_empty());
        match fs::read(&installed) {
            Ok(there) => assert!(there == whole),
            Err(_) => assert!(!status.success()),
        }
        let left = fs::read_dir(installed.parent().unwrap()).into_iter().flatten().flatten();
        let drafts = left.filter(|entry| entry.path() != installed).count();
        assert_eq!(drafts, 0);
        let _ = fs::remove_file(&installed);
    }
}

#[test]
fn installs_at_once_do_not_disturb_each_other() {
    let upgrade = Upgrade::new();
    let installs: Vec<Child> = (0..4).map(|_| upgrade.starts()).collect();
    for mut install in installs {
        assert!(install.wait().unwrap().success());
    }
    assert_eq!(fs::read_dir(upgrade.host.installed().parent().unwrap()).unwrap().count(), 1);
    assert!(upgrade.is_new());
}
