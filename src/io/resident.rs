//! How much memory processes hold: what is resident, shared pages counted for each that shares them.
//!
//! Read from the kernel where it has files for that, and asked of `ps` elsewhere. For people: a process may
//! have ended, and its number be another's, by the time that they read it.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

/// How the processes are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// From `/proc`, as Linux has it.
    Proc,
    /// From `ps`.
    Ps,
}

impl Means {
    /// The best that this system has.
    pub fn best() -> Self {
        if cfg!(target_os = "linux") { Means::Proc } else { Means::Ps }
    }
}

/// All processes that can be seen, at one moment.
#[derive(Debug, Default)]
pub struct Census {
    processes: BTreeMap<u32, Process>,
}

#[derive(Clone, Copy, Debug)]
struct Process {
    parent: u32,
    bytes: u64,
}

impl Census {
    /// Takes it; what cannot be seen is not in it.
    pub fn take(means: Means) -> Self {
        let found = match means {
            Means::Proc => from_proc(),
            Means::Ps => from_ps(),
        };
        Census { processes: found.unwrap_or_default() }
    }

    /// What that process holds.
    pub fn of(&self, pid: u32) -> Option<u64> {
        self.processes.get(&pid).map(|process| process.bytes)
    }

    /// What everything holds that it has started, and that, and so on.
    pub fn below(&self, pid: u32) -> u64 {
        let mut bytes = 0;
        let mut parents = vec![pid];
        // What was counted is not counted again, whatever the numbers say.
        let mut left = self.processes.clone();
        left.remove(&pid);
        while let Some(parent) = parents.pop() {
            let children: Vec<u32> =
                left.iter().filter(|(_, process)| process.parent == parent).map(|(pid, _)| *pid).collect();
            for child in children {
                bytes += left.remove(&child).map_or(0, |process| process.bytes);
                parents.push(child);
            }
        }
        bytes
    }
}

fn from_proc() -> Option<BTreeMap<u32, Process>> {
    let page = rustix::param::page_size() as u64;
    let entries = std::fs::read_dir("/proc").ok()?;
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let processes = pids.filter_map(|pid| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        Some((pid, from_stat(&stat, page)?))
    });
    Some(processes.collect())
}

/// After the name, which may contain anything: state, parent, …, and the resident pages as the 22nd.
fn from_stat(stat: &str, page_bytes: u64) -> Option<Process> {
    let mut words = stat.rsplit(')').next()?.split_whitespace().skip(1);
    let parent = words.next()?.parse().ok()?;
    let pages: u64 = words.nth(19)?.parse().ok()?;
    Some(Process { parent, bytes: pages * page_bytes })
}

fn from_ps() -> Option<BTreeMap<u32, Process>> {
    let mut ps = Command::new("ps");
    ps.args(["-axo", "pid=,ppid=,rss="]).stdin(Stdio::null()).stderr(Stdio::null());
    let said = String::from_utf8(ps.output().ok()?.stdout).ok()?;
    let processes = said.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let (pid, parent) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let kibibytes: u64 = words.next()?.parse().ok()?;
        Some((pid, Process { parent, bytes: kibibytes << 10 }))
    });
    Some(processes.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn we_hold_something_and_so_do_our_children_by_any_means() {
        // What it prints is read first, so that both of its processes are there.
        let mut child = Command::new("sh")
            .args(["-c", "sleep 600 & echo $!; wait"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let output = child.stdout.take().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut said).unwrap();
        let grandchild: u32 = said.trim().parse().unwrap();
        for means in [Means::best(), Means::Ps] {
            let census = Census::take(means);
            let (own, below) = (census.of(std::process::id()).unwrap(), census.below(std::process::id()));
            assert!(own > 1 << 20, "{means:?}: {own}");
            let both = census.of(child.id()).unwrap() + census.of(grandchild).unwrap();
            assert!(both > 0 && below >= both, "{means:?}: {below} of {both}");
            assert_eq!(census.below(grandchild), 0);
        }
        Command::new("kill").arg(grandchild.to_string()).status().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_name_may_contain_anything() {
        let stat =
            "7 (a) b (c) S 3 7 7 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 99 12345 10 18446744073709551615";
        let process = from_stat(stat, 4096).unwrap();
        assert_eq!((process.parent, process.bytes), (3, 40960));
        assert!(from_stat("7 (x", 4096).is_none() && from_stat("", 4096).is_none());
    }
}
