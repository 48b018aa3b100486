//! Two machines of a test's own, joined by a cable: a network namespace for the client and one for
//! its host, with all that can happen to a network between them.
//!
//! A namespace lives as long as its keeper, which ends when its own input does: with it go the cable,
//! its addresses and its packet filters, also when the test fails or is killed. Nothing has a name
//! that another test could meet.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use crate::processes::signal_if_there;

/// The host's address.
pub(crate) const FAR: &str = "10.77.0.2";
/// The client's first address.
const NEAR: &str = "10.77.0.1";

/// The cable, with a machine at each end.
pub(crate) struct Wire {
    near: Namespace,
    far: Namespace,
}

/// A network namespace, and the process that keeps it.
pub(crate) struct Namespace {
    keeper: Child,
}

impl Wire {
    /// Lays a cable that works; `None`, said loudly, where this is not allowed.
    pub(crate) fn lay() -> Option<Self> {
        let (near, far) = (Namespace::make()?, Namespace::make()?);
        near.run(&["ip", "link", "add", "near", "type", "veth", "peer", "name", "far", "netns", &far.pid()]);
        for (side, name, address) in [(&near, "near", NEAR), (&far, "far", FAR)] {
            side.run(&["ip", "address", "add", &format!("{address}/24"), "dev", name]);
            side.run(&["ip", "link", "set", "lo", "up"]);
            side.run(&["ip", "link", "set", name, "up"]);
        }
        Some(Wire { near, far })
    }

    /// The client's machine.
    pub(crate) fn near(&self) -> &Namespace {
        &self.near
    }

    /// The host.
    pub(crate) fn far(&self) -> &Namespace {
        &self.far
    }

    /// Pulls the cable out of the client's machine: what is sent fails at once, and its kernel knows.
    pub(crate) fn down(&self) {
        self.near.run(&["ip", "link", "set", "near", "down"]);
    }

    /// Plugs it in again.
    pub(crate) fn up(&self) {
        self.near.run(&["ip", "link", "set", "near", "up"]);
    }

    /// Lets nothing through, without a word to anybody.
    pub(crate) fn silence(&self) {
        self.far.filter("policy drop;", "policy drop;");
    }

    /// Resets what is open, and refuses what comes.
    pub(crate) fn refuse(&self) {
        self.far.filter("tcp flags rst accept; meta l4proto tcp reject with tcp reset;", "");
        self.near.run(&["ss", "--kill", "--tcp", "dst", FAR]);
    }

    /// Lets everything through again.
    pub(crate) fn heal(&self) {
        self.far.run(&["nft", "delete", "table", "ip", "cut"]);
    }

    /// Takes the client's address away and gives it another one.
    pub(crate) fn renumber(&self, from: &str, to: &str) {
        self.near.run(&["ip", "address", "del", &format!("{from}/24"), "dev", "near"]);
        self.near.run(&["ip", "address", "add", &format!("{to}/24"), "dev", "near"]);
    }

    /// The client's kernel tells of something that changes nothing on the cable.
    pub(crate) fn stir(&self) {
        self.near.run(&["ip", "address", "add", "10.78.0.1/24", "dev", "near"]);
        self.near.run(&["ip", "address", "del", "10.78.0.1/24", "dev", "near"]);
    }

    /// Makes it as bad as a far country's; false where the kernel cannot.
    pub(crate) fn worsen(&self) -> bool {
        let words = "tc qdisc add dev near root netem delay 150ms loss 5% rate 256kbit";
        self.near.command(&words.split(' ').collect::<Vec<_>>()).output().unwrap().status.success()
    }
}

impl Namespace {
    /// Makes one; `None`, said loudly, where this is not allowed.
    pub(crate) fn make() -> Option<Self> {
        static WHY_NOT: OnceLock<Option<String>> = OnceLock::new();
        if let Some(why) = WHY_NOT.get_or_init(why_not) {
            let said = format!("SKIPPED: tests in network namespaces, because {why}\n");
            std::io::stderr().write_all(said.as_bytes()).unwrap();
            return None;
        }
        Some(keep().expect("as the first time"))
    }

    /// The process that keeps it.
    fn pid(&self) -> String {
        self.keeper.id().to_string()
    }

    /// What stands before a command that is to run in it; the command takes that one's place.
    pub(crate) fn enter(&self) -> Vec<String> {
        ["nsenter".to_owned(), format!("--net=/proc/{}/ns/net", self.pid()), "--".to_owned()].to_vec()
    }

    /// A command in it, not started yet.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let enter = self.enter();
        let mut command = Command::new(&enter[0]);
        command.args(&enter[1..]).args(words).stdin(Stdio::null());
        command
    }

    /// Runs a command in it that must succeed.
    pub(crate) fn run(&self, words: &[&str]) {
        let output = self.command(words).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {said}");
    }

    /// Does something on a thread that is in it.
    #[cfg(target_os = "linux")]
    pub(crate) fn inside<R: Send>(&self, act: impl FnOnce() -> R + Send) -> R {
        let path = format!("/proc/{}/ns/net", self.pid());
        let enter = || {
            let namespace = std::fs::File::open(path).unwrap();
            let kind = rustix::thread::LinkNameSpaceType::Network;
            let namespace = std::os::fd::AsFd::as_fd(&namespace);
            rustix::thread::move_into_link_name_space(namespace, Some(kind)).unwrap();
            act()
        };
        std::thread::scope(|scope| scope.spawn(enter).join().unwrap())
    }

    /// What happens to packets that come in, and to those that go out.
    fn filter(&self, input: &str, output: &str) {
        let chain = |hook: &str, rules: &str| {
            let (policy, rules) = match rules.strip_prefix("policy drop;") {
                Some(rest) => ("drop", rest),
                None => ("accept", rules),
            };
            format!("chain {hook} {{ type filter hook {hook} priority 0; policy {policy}; {rules} }};")
        };
        self.run(&[
            "nft",
            &format!("table ip cut {{ {} {} }}", chain("input", input), chain("output", output)),
        ]);
    }
}

impl Drop for Namespace {
    /// Ends what is still there, too: an ssh whose other end is gone would wait for a quarter of an hour.
    fn drop(&mut self) {
        let own = std::fs::read_link(format!("/proc/{}/ns/net", self.pid()));
        let names = std::fs::read_dir("/proc").unwrap();
        let pids = names.filter_map(|entry| entry.ok()?.file_name().into_string().ok()?.parse::<u32>().ok());
        for pid in pids.filter(|pid| *pid != self.keeper.id()) {
            let found = std::fs::read_link(format!("/proc/{pid}/ns/net"));
            if own.as_ref().is_ok_and(|own| found.is_ok_and(|found| found == *own)) {
                signal_if_there(pid, "KILL");
            }
        }
        self.keeper.stdin = None;
        let _ = self.keeper.wait();
    }
}

/// The command with words before it that take it elsewhere.
pub(crate) fn entered(command: Command, enter: &[String]) -> Command {
    let [first, rest @ ..] = enter else {
        return command;
    };
    let mut all = Command::new(first);
    all.args(rest).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => all.env(name, value),
            None => all.env_remove(name),
        };
    }
    all
}

/// A namespace with a keeper on a leash, or why there is none.
fn keep() -> Result<Namespace, String> {
    let mut keeper = Command::new("unshare")
        .args(["--net", "--", "sh", "-c", "echo kept; exec cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("unshare: {error}"))?;
    let mut line = String::new();
    BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut line).unwrap();
    if line == "kept\n" {
        return Ok(Namespace { keeper });
    }
    let mut said = String::new();
    keeper.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    keeper.wait().unwrap();
    Err(said.trim().to_owned())
}

/// Why there can be none here; a program that is missing is a failure where everything should be there.
fn why_not() -> Option<String> {
    if !cfg!(target_os = "linux") {
        return Some("only Linux has them".to_owned());
    }
    for (program, package) in [("ip", "iproute2"), ("ss", "iproute2"), ("nft", "nftables")] {
        let found = Command::new(program).arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status();
        if found.is_err() {
            assert!(std::env::var_os("CI").is_none(), "{program} ({package}) is missing");
            return Some(format!("{program} ({package}) is missing"));
        }
    }
    let kept = match keep() {
        Ok(kept) => kept,
        Err(why) => return Some(why),
    };
    // A sandbox may give namespaces but no cables or filters.
    let tries: [&[&str]; 2] = [
        &["ip", "link", "add", "one", "type", "veth", "peer", "name", "other"],
        &["nft", "table ip cut { chain input { type filter hook input priority 0; policy drop; }; }"],
    ];
    tries.into_iter().find_map(|words| {
        let output = kept.command(words).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        (!output.status.success()).then(|| format!("{} says: {said}", words[0]))
    })
}
