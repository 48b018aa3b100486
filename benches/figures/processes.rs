//! What the kernel says of a process.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Process(pub(crate) u32);

impl Process {
    /// Bytes in memory, those that it shares with others included.
    pub(crate) fn resident_bytes(self) -> anyhow::Result<u64> {
        self.memory("Rss:")
    }

    /// Bytes that only this process holds.
    pub(crate) fn private_bytes(self) -> anyhow::Result<u64> {
        self.memory("Private_")
    }

    /// The sum of what is counted under names that start so.
    fn memory(self, name: &str) -> anyhow::Result<u64> {
        let rollup = self.read("smaps_rollup")?;
        let kib = |line: &str| line.split_whitespace().nth(1)?.parse::<u64>().ok();
        let counted = rollup.lines().filter(|line| line.starts_with(name)).filter_map(kib);
        Ok(counted.sum::<u64>() << 10)
    }

    /// How often its threads have gone to sleep, and so will have been woken.
    pub(crate) fn sleeps(self) -> anyhow::Result<u64> {
        let mut sum = 0;
        for thread in fs::read_dir(self.path("task"))? {
            let status = fs::read_to_string(thread?.path().join("status"))?;
            let count = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            sum += count.context("the status counts them")?.trim().parse::<u64>()?;
        }
        Ok(sum)
    }

    /// A child of that name.
    pub(crate) fn child(self, name: &str) -> anyhow::Result<Process> {
        let entries = fs::read_dir("/proc")?.filter_map(Result::ok);
        let mut pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let child = pids.find(|pid| {
            // Number, name in parentheses, state, parent.
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let (head, tail) = stat.rsplit_once(") ").unwrap_or_default();
            let parent = tail.split(' ').nth(1).and_then(|word| word.parse().ok());
            head.ends_with(&format!("({name}")) && parent == Some(self.0)
        });
        child.map(Process).with_context(|| format!("process {} has no child {name}", self.0))
    }

    pub(crate) fn kill(self) -> anyhow::Result<()> {
        let pid = rustix::process::Pid::from_raw(self.0.try_into()?).context("no process has number 0")?;
        Ok(rustix::process::kill_process(pid, rustix::process::Signal::KILL)?)
    }

    fn read(self, file: &str) -> anyhow::Result<String> {
        let path = self.path(file);
        fs::read_to_string(&path).with_context(|| path.display().to_string())
    }

    fn path(self, file: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{file}", self.0))
    }
}
