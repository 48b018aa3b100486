//! The process of a transport, and what that has started: whatever happens, nothing of it stays behind.
//!
//! ssh does not end the command of a `ProxyCommand` when it is ended itself, and a wrapper of the user's
//! may start anything. Where the kernel shows the environments of processes, ours are told by a mark that
//! they have inherited; job control is left as it is, for ssh must be in the foreground to ask for a
//! password. Elsewhere they are a process group, if there is no terminal to ask at.
//!
//! What has a session of its own is meant to stay: an ssh master that others use, say. It may need whatever
//! else was started with it, and so that stays, too; and so does what somebody still writes to, for such a
//! master writes over its own environment.

use std::io;
use std::process::{Child, Command};

use rustix::process::{Pid, Signal};

use crate::io::child::{TRANSPORT_MARK, program_exit, signal, signal_group};
use crate::io::random;
use crate::proto::ProgramExit;

/// How what a process has started is found again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Following {
    /// Not at all: it leaves nothing behind.
    Nothing,
    /// By a mark in the environment.
    Mark,
    /// By its process group, as long as the transport never worked: of one that did, nobody could tell
    /// what is meant to stay.
    Group,
}

impl Following {
    /// The best that this system has for commands of others.
    pub(super) fn best() -> Self {
        if cfg!(target_os = "linux") { Following::Mark } else { Following::Group }
    }
}

/// A process, ended and reaped with all its kin when this is dropped.
#[derive(Debug)]
pub(super) struct Leash {
    child: Child,
    /// How it ended, once it was reaped.
    exit: Option<ProgramExit>,
    kin: Kin,
}

#[derive(Debug)]
enum Kin {
    Nobody,
    #[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "only Linux shows environments"))]
    Marked(String),
    Grouped,
}

impl Leash {
    /// Starts the command.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub(super) fn start(command: &mut Command, following: Following) -> io::Result<Self> {
        use std::os::unix::process::CommandExt;
        let kin = match following {
            Following::Nothing => Kin::Nobody,
            Following::Mark => {
                let mark = format!("{:032x}", random::id());
                command.env(TRANSPORT_MARK, &mark);
                Kin::Marked(format!("{TRANSPORT_MARK}={mark}"))
            }
            Following::Group if std::fs::File::open("/dev/tty").is_err() => {
                command.process_group(0);
                Kin::Grouped
            }
            Following::Group => Kin::Nobody,
        };
        Ok(Leash { child: command.spawn()?, exit: None, kin })
    }

    /// The process itself.
    pub(super) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Its number, nobody else's until it is reaped.
    pub(super) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// The transport works: what it leaves behind from now on may be meant to stay.
    pub(super) fn works(&mut self) {
        if let Kin::Grouped = self.kin {
            self.kin = Kin::Nobody;
        }
    }

    /// Whether it was reaped.
    pub(super) fn is_reaped(&self) -> bool {
        self.exit.is_some()
    }

    /// Sends it a signal; it must not be reaped yet.
    pub(super) fn signal(&self, which: Signal) {
        assert!(self.exit.is_none(), "its number may be somebody else's");
        signal(&self.child, which);
    }

    /// Waits for its end, and gives its status.
    pub(super) fn reap(&mut self) -> ProgramExit {
        if let Some(exit) = self.exit {
            return exit;
        }
        if let Kin::Grouped = self.kin {
            // Before its number, which is the group's, may be somebody else's.
            signal_group(&self.child, Signal::KILL);
            self.kin = Kin::Nobody;
        }
        let exit = self.child.wait().map_or(ProgramExit::Code(255), program_exit);
        *self.exit.insert(exit)
    }

    /// Ends what it has left behind; it has ended itself.
    pub(super) async fn end_kin(mut self) {
        #[cfg(target_os = "linux")]
        if let Kin::Marked(mark) = std::mem::replace(&mut self.kin, Kin::Nobody) {
            marked::end(mark).await;
        }
        self.kin = Kin::Nobody;
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        if self.exit.is_none() {
            signal(&self.child, Signal::KILL);
            self.reap();
        }
        #[cfg(target_os = "linux")]
        if let Kin::Marked(mark) = &self.kin {
            marked::kill(mark);
        }
    }
}

#[cfg(target_os = "linux")]
mod marked {
    use std::io::Read;
    use std::os::fd::OwnedFd;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::MetadataExt;
    use std::path::PathBuf;
    use std::time::Duration;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::fs::{Mode, OFlags};
    use rustix::process::{PidfdFlags, pidfd_open, pidfd_send_signal};
    use smol::Timer;
    use smol::future::or;

    use super::*;
    use crate::io::aside;
    use crate::io::child::session_number;
    use crate::io::polled::Polled;
    use crate::proto::limits::{ENVIRONMENT_BYTES_MAX, KIN_ROUNDS_MAX, TRANSPORT_GRACE};

    /// Ends all that have the mark: SIGTERM, a grace, SIGKILL.
    pub(super) async fn end(mark: String) {
        for _ in 0..KIN_ROUNDS_MAX {
            let sought = mark.clone();
            // Some hundred files are read.
            let found = aside::run(move || find(&sought)).await;
            if found.is_empty() {
                return;
            }
            for process in &found {
                let _ = pidfd_send_signal(process, Signal::TERM);
            }
            let ended = async {
                for process in &found {
                    ended(process).await;
                }
            };
            or(ended, after(TRANSPORT_GRACE)).await;
            for process in &found {
                let _ = pidfd_send_signal(process, Signal::KILL);
            }
        }
    }

    /// Kills all that have the mark, at once.
    pub(super) fn kill(mark: &str) {
        for process in find(mark) {
            let _ = pidfd_send_signal(process, Signal::KILL);
        }
    }

    async fn after(time: Duration) {
        Timer::after(time).await;
    }

    async fn ended(process: &OwnedFd) {
        if let Ok(process) = process.try_clone().and_then(Polled::as_it_is) {
            let _ = process.readable().await;
        }
    }

    /// The processes that have the mark; none if one of them has a session of its own.
    fn find(mark: &str) -> Vec<OwnedFd> {
        let (Ok(own), Ok(entries)) = (session_number(None), std::fs::read_dir("/proc")) else {
            return Vec::new();
        };
        let user = rustix::process::geteuid().as_raw();
        let numbers =
            entries.flatten().filter(|entry| entry.metadata().is_ok_and(|found| found.uid() == user));
        let numbers = numbers.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?));
        let mut found = Vec::new();
        for number in numbers {
            // In this order: as long as the process that this stands for lives, the number is its own, and
            // so is all that is read by it.
            let Ok(process) = pidfd_open(number, PidfdFlags::empty()) else {
                continue;
            };
            if !has_mark(number, mark) {
                continue;
            }
            let session = session_number(Some(number)).ok();
            let is_used = is_written_to(number);
            match lives(&process) {
                true if session != Some(own) => return Vec::new(),
                true if !is_used => found.push(process),
                true | false => {}
            }
        }
        found
    }

    fn has_mark(number: Pid, mark: &str) -> bool {
        let path = format!("/proc/{}/environ", number.as_raw_pid());
        let mut environment = Vec::new();
        let read = std::fs::File::open(path)
            .and_then(|file| file.take(ENVIRONMENT_BYTES_MAX).read_to_end(&mut environment));
        read.is_ok() && environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
    }

    /// Whether its standard input is a pipe that somebody has the other end of.
    fn is_written_to(number: Pid) -> bool {
        let path = format!("/proc/{}/fd/0", number.as_raw_pid());
        let is_pipe = |path: PathBuf| path.as_os_str().as_bytes().starts_with(b"pipe:");
        if !std::fs::read_link(&path).is_ok_and(is_pipe) {
            return false;
        }
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let Ok(pipe) = rustix::fs::open(&path, flags, Mode::empty()) else {
            return false;
        };
        let mut fds = [PollFd::new(&pipe, PollFlags::IN)];
        poll(&mut fds, Some(&Timespec::default())).is_ok() && !fds[0].revents().contains(PollFlags::HUP)
    }

    fn lives(process: &OwnedFd) -> bool {
        let mut fds = [PollFd::new(process, PollFlags::IN)];
        matches!(poll(&mut fds, Some(&Timespec::default())), Ok(0))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;

    use super::*;
    use crate::io::child::{Waiting, ended};

    /// Starts a shell that starts a sleeper in the background, and gives the sleeper's number.
    fn start(script: &str, following: Following) -> (Leash, u32) {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut leash = Leash::start(&mut command, following).unwrap();
        let mut line = String::new();
        BufReader::new(leash.child().stdout.take().unwrap()).read_line(&mut line).unwrap();
        (leash, line.trim().parse().unwrap())
    }

    fn lives(pid: u32) -> bool {
        let output = Command::new("ps").args(["-o", "stat=", "-p", &pid.to_string()]).output().unwrap();
        let state = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        !state.is_empty() && !state.starts_with('Z')
    }

    fn goes(pid: u32) {
        let clock = crate::io::clock::Clock::new();
        while lives(pid) {
            assert!(clock.now() < crate::session::Time(30_000_000_000), "{pid} stays");
        }
    }

    const SLEEPER: &str = "sleep 600 >/dev/null 2>&1 & echo $!";
    const STAYS: &str = "sleep 600 >/dev/null 2>&1 & echo $!; exec sleep 600 >/dev/null";

    fn means() -> Vec<Following> {
        match cfg!(target_os = "linux") {
            true => vec![Following::Mark, Following::Group],
            false => vec![Following::Group],
        }
    }

    #[test]
    fn what_a_process_left_behind_goes_with_it() {
        for following in means() {
            if following == Following::Group && std::fs::File::open("/dev/tty").is_ok() {
                continue;
            }
            let (mut leash, sleeper) = start(SLEEPER, following);
            smol::block_on(ended(leash.pid(), Waiting::best())).unwrap();
            assert!(lives(sleeper));
            assert_eq!(leash.reap(), ProgramExit::Code(0));
            smol::block_on(leash.end_kin());
            goes(sleeper);
            let (leash, sleeper) = start(STAYS, following);
            drop(leash);
            goes(sleeper);
        }
    }

    #[test]
    fn what_does_not_heed_a_request_goes_too() {
        let script = "trap '' TERM; sleep 600 >/dev/null 2>&1 & echo $!";
        for following in means() {
            if following == Following::Group && std::fs::File::open("/dev/tty").is_ok() {
                continue;
            }
            let (mut leash, sleeper) = start(script, following);
            leash.reap();
            smol::block_on(leash.end_kin());
            goes(sleeper);
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_has_a_session_of_its_own_stays_with_all_that_it_may_need() {
        let script = "sleep 600 >/dev/null 2>&1 & one=$!; setsid sleep 600 >/dev/null 2>&1 & \
                      until [ \"$(ps -o comm= -p $!)\" = sleep ]; do :; done; echo $one; echo $!";
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut leash = Leash::start(&mut command, Following::Mark).unwrap();
        let lines = BufReader::new(leash.child().stdout.take().unwrap()).lines();
        let numbers: Vec<u32> = lines.map(|line| line.unwrap().trim().parse().unwrap()).collect();
        leash.reap();
        smol::block_on(leash.end_kin());
        for number in numbers {
            assert!(lives(number));
            let pid = Pid::from_raw(number.try_into().unwrap()).unwrap();
            rustix::process::kill_process(pid, Signal::KILL).unwrap();
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_somebody_still_writes_to_stays_until_he_has_gone() {
        let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
        let start = || {
            let mut command = Command::new("sh");
            command.args(["-c", "exec 3<&0; sleep 600 <&3 >/dev/null 2>&1 & echo $!"]);
            command.stdin(reader.try_clone().unwrap()).stdout(Stdio::piped());
            let mut leash = Leash::start(&mut command, Following::Mark).unwrap();
            let mut line = String::new();
            BufReader::new(leash.child().stdout.take().unwrap()).read_line(&mut line).unwrap();
            leash.reap();
            (leash, line.trim().parse().unwrap())
        };
        let (leash, used) = start();
        smol::block_on(leash.end_kin());
        assert!(lives(used));
        let (leash, unused) = start();
        drop(writer);
        smol::block_on(leash.end_kin());
        goes(unused);
        let pid = Pid::from_raw(used.try_into().unwrap()).unwrap();
        rustix::process::kill_process(pid, Signal::KILL).unwrap();
    }

    #[test]
    fn a_transport_that_worked_keeps_its_group() {
        let (mut leash, sleeper) = start(SLEEPER, Following::Group);
        leash.works();
        leash.reap();
        smol::block_on(leash.end_kin());
        assert!(lives(sleeper));
        let pid = Pid::from_raw(sleeper.try_into().unwrap()).unwrap();
        rustix::process::kill_process(pid, Signal::KILL).unwrap();
    }
}
