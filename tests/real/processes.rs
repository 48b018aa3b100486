//! Who runs on behalf of a place, whose child it is, and how much memory it holds.
//!
//! Read from the kernel where it has files for that, and asked of `ps` elsewhere.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::place::{HOST, Place, becomes_so, wait_until};

impl Place {
    /// Every process that was started with this home, or one below it.
    pub(crate) fn processes(&self) -> Vec<u32> {
        if !cfg!(target_os = "linux") {
            return self.servers();
        }
        let home = format!("HOME={}", self.home().display()).into_bytes();
        let ours = |pid: &u32| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|variable| variable.starts_with(&home))
        };
        running().into_iter().filter(ours).collect()
    }

    /// Waits until no process and no file of anybody's is left here.
    pub(crate) fn is_left_clean(&self) {
        if !becomes_so(|| self.processes().is_empty()) {
            let left: Vec<_> = self.processes().into_iter().map(command_line).collect();
            panic!("processes are left: {left:?}");
        }
        assert_eq!(self.files(), Vec::<std::path::PathBuf>::new());
        let mut met = fs::read_dir(self.runtime()).unwrap();
        assert!(met.next().is_none(), "something is left in the runtime directory");
        let root = self.directory("any").parent().unwrap().to_owned();
        if let Ok(entries) = fs::read_dir(root) {
            let left: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
            assert!(left.iter().all(|name| name == HOST), "a directory is left: {left:?}");
        }
    }
}

/// Every process that the kernel tells of.
pub(crate) fn running() -> Vec<u32> {
    let names = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter_map(|name| name.parse().ok()).collect()
}

/// The children of a process.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return children_by_ps(pid);
    };
    let mut children = Vec::new();
    for thread in threads.flatten() {
        match fs::read_to_string(thread.path().join("children")) {
            Ok(text) => children.extend(text.split_whitespace().map(|pid| pid.parse::<u32>().unwrap())),
            Err(_) if thread.path().exists() => return children_by_ps(pid),
            Err(_) => {}
        }
    }
    children
}

fn children_by_ps(pid: u32) -> Vec<u32> {
    let output = Command::new("ps").args(["-axo", "pid=,ppid="]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let pairs = said
        .lines()
        .map(|line| line.split_whitespace().map(|word| word.parse::<u32>().unwrap()).collect::<Vec<_>>());
    pairs.filter(|pair| pair[1] == pid).map(|pair| pair[0]).collect()
}

/// Waits until the process has one child that is not `known`, and gives it.
pub(crate) fn next_child(pid: u32, known: Option<u32>) -> u32 {
    let mut found = None;
    wait_until("a child", || {
        found = children(pid).into_iter().find(|child| Some(*child) != known);
        found.is_some()
    });
    found.unwrap()
}

/// Resident memory of a process.
pub(crate) fn resident_bytes(pid: u32) -> u64 {
    let output = Command::new("ps").args(["-o", "rss=", "-p", &pid.to_string()]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse::<u64>().unwrap() << 10
}

/// The name of a process's program; empty if there is none.
pub(crate) fn command_name(pid: u32) -> String {
    let output = Command::new("ps").args(["-o", "comm=", "-p", &pid.to_string()]).output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A process, as `ps` shows it.
fn command_line(pid: u32) -> String {
    let output =
        Command::new("ps").args(["-o", "pid=,stat=,args=", "-p", &pid.to_string()]).output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Open descriptors of a process; none where the kernel does not tell.
pub(crate) fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

/// Processor time that a process has used; none where the kernel does not tell.
pub(crate) fn processor_time(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // After the name, which may contain anything: state, ten others, user and system ticks.
    let numbers: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: u64 = numbers.iter().skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum();
    // A hundredth of a second each, as Linux promises its programs whatever its own clock does.
    Duration::from_millis(ticks * 10)
}

/// Sends a signal to a process that may have ended meanwhile.
pub(crate) fn signal_if_there(pid: u32, name: &str) {
    let words = [&format!("-{name}"), &pid.to_string()];
    let _ = Command::new("kill").args(words).stderr(Stdio::null()).status();
}
