//! What a process holds: descriptors by their kinds, threads and children by their names.
//!
//! Whoever comes back again and again must hold no more afterwards than after the first time. Every
//! [`Client`](crate::client::Client) keeps such books, of itself and of its server: they are opened at the
//! first quiet moment after its first attach, and balanced when its test is done with it. A leak of one
//! descriptor a reconnect is then named by the test, and need not use them all up first.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reattach::io::clock::Clock;
use reattach::session::Time;

use crate::place::{becomes_so, wait};
use crate::processes::{children, running};

/// What a process holds; nothing where the kernel does not tell, or there is no such process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Holdings {
    /// By names.
    counts: BTreeMap<String, usize>,
    /// The names of those that live: one link may be another program's than the next.
    children: Vec<String>,
}

/// What is made when it is first needed, and kept: smol's reactor and the thread that drives it, and a
/// server's eyes on its files.
const ONCE: [&str; 5] = [
    "descriptor anon_inode:inotify",
    "descriptor anon_inode:[eventpoll]",
    "descriptor anon_inode:[eventfd]",
    "descriptor anon_inode:[timerfd]",
    "thread async-io",
];

impl Holdings {
    /// Those of now.
    pub(crate) fn of(pid: u32) -> Self {
        let mut holdings = Holdings::default();
        for descriptor in fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten() {
            if let Ok(target) = fs::read_link(descriptor.path()) {
                let target = target.to_string_lossy().into_owned();
                // Sockets and pipes have numbers.
                let kind = target.split(":[").next().unwrap_or_default().to_owned();
                let kind = if target.starts_with("anon_inode") { target } else { kind };
                holdings.add(format!("descriptor {kind}"));
            }
        }
        for thread in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
            if let Ok(name) = fs::read_to_string(thread.path().join("comm")) {
                // Those of a pool have numbers.
                holdings
                    .add(format!("thread {}", name.trim().trim_end_matches(|c: char| c.is_ascii_digit())));
            }
        }
        for child in children(pid) {
            let stat = fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
            if let Some((name, state)) = stat.split_once('(').and_then(|(_, rest)| rest.rsplit_once(") ")) {
                match state.starts_with('Z') {
                    true => holdings.add(format!("zombie {name}")),
                    false => holdings.children.push(name.to_owned()),
                }
            }
        }
        holdings
    }

    fn add(&mut self, name: String) {
        *self.counts.entry(name).or_default() += 1;
    }

    /// What there is more of than before, by name.
    pub(crate) fn beyond(&self, before: &Holdings) -> Vec<String> {
        let allowed = |name: &str| {
            let before = before.counts.get(name).copied().unwrap_or(0);
            if ONCE.contains(&name) { before.max(1) } else { before }
        };
        let more = self.counts.iter().filter(|(name, count)| **count > allowed(name));
        let more = more.map(|(name, count)| format!("{count} x {name} ({} before)", allowed(name)));
        let children = (self.children.len() > before.children.len())
            .then(|| format!("the children {:?} ({:?} before)", self.children, before.children));
        more.chain(children).collect()
    }
}

/// The books of a client and its server.
#[derive(Clone, Default)]
pub(crate) struct Books(Arc<Mutex<Leaf>>);

/// What there is of them.
#[derive(Default)]
enum Leaf {
    #[default]
    Blank,
    Written(Page),
    Balanced,
}

/// Who held what when the books were opened.
struct Page {
    /// What was said until then.
    events: usize,
    holders: Vec<(&'static str, u32, Holdings)>,
}

/// How it stands with a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Attached, after that many events.
    Attached(usize),
    Away,
    Ended,
}

/// Looks that must agree before a moment is quiet, and the time between two.
const LOOKS: usize = 3;
const LOOK_PAUSE: Duration = Duration::from_millis(10);

/// How long a test is held up until it is quiet: most cut a link as soon as there is one.
const QUIET_PATIENCE: Duration = Duration::from_secs(1);

impl Books {
    /// Opens them as soon as it is quiet.
    pub(crate) fn open(&self, client: u32, stands: impl Fn() -> Standing + Send + 'static) {
        let books = self.clone();
        std::thread::spawn(move || {
            let (mut last, mut agreed) = (None, 0);
            loop {
                let seen = match stands() {
                    Standing::Ended => return,
                    Standing::Away => None,
                    Standing::Attached(events) => Some((events, Holdings::of(client))),
                };
                agreed = if seen.is_some() && seen == last { agreed + 1 } else { 0 };
                if let (Some((events, held)), LOOKS..) = (&seen, agreed) {
                    let mut holders = vec![("client", client, held.clone())];
                    holders.extend(server_of(client).map(|pid| ("server", pid, Holdings::of(pid))));
                    *books.0.lock().unwrap() = Leaf::Written(Page { events: *events, holders });
                    return;
                }
                last = seen;
                wait(LOOK_PAUSE);
            }
        });
    }

    /// Waits until they are open, for some time; not for those of a client that is not attached.
    pub(crate) fn wait_open(&self, stands: impl Fn() -> Standing) {
        let (clock, is_blank) = (Clock::new(), || matches!(*self.0.lock().unwrap(), Leaf::Blank));
        while is_blank()
            && matches!(stands(), Standing::Attached(_))
            && clock.now() < Time::ZERO + QUIET_PATIENCE
        {
            wait(LOOK_PAUSE / 2);
        }
    }

    /// Waits until a client that has come back holds no more than at first, and its server neither; says
    /// what is held, if that never comes. Who is on the way, or has ended, is not looked at.
    pub(crate) fn excess(&self, stands: impl Fn() -> Standing) -> Option<String> {
        let mut leaf = self.0.lock().unwrap();
        let Leaf::Written(Page { events, holders }) = &*leaf else {
            return None;
        };
        let has_come_back = || matches!(stands(), Standing::Attached(now) if now > *events);
        if !has_come_back() {
            return None;
        }
        let beyond = |(who, pid, before): &(&str, u32, Holdings)| {
            let more = Holdings::of(*pid).beyond(before);
            (!more.is_empty()).then(|| format!("the {who} {pid} holds {}", more.join(", ")))
        };
        let mut more = Vec::new();
        let is_balanced = becomes_so(|| {
            more = holders.iter().filter_map(beyond).collect();
            more.is_empty() || !has_come_back()
        });
        *leaf = Leaf::Balanced;
        (!is_balanced).then(|| format!("more is held than after the first attach: {}", more.join("; ")))
    }
}

/// The process that serves a client, found by the identifier in the command of its transport.
fn server_of(client: u32) -> Option<u32> {
    let identifier = children(client).into_iter().find_map(|child| {
        let command = fs::read_to_string(format!("/proc/{child}/cmdline")).ok()?.replace('\0', " ");
        let (_, rest) = command.split_once(" proxy ")?.1.split_once("--identifier")?;
        Some(rest[1..].split([' ', '\'']).find(|word| !word.is_empty())?.to_owned())
    })?;
    let home = fs::read_to_string(format!("/proc/{client}/environ")).ok()?;
    let home = home.split('\0').find(|variable| variable.starts_with("HOME="))?.to_owned();
    let named = format!("--identifier={identifier}");
    running().into_iter().find(|pid| {
        let read = |name| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
        let command = read("cmdline");
        let words: Vec<&str> = command.split('\0').collect();
        words.contains(&"run")
            && words.contains(&&named[..])
            && read("environ").split('\0').any(|v| v == home)
    })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::process::{Command, Stdio};

    use super::*;
    use crate::place::wait_until;

    #[test]
    fn whatever_a_process_leaves_behind_each_time_is_named() {
        for (leak, named) in [
            (r#"eval "exec $next</dev/zero""#, "3 x descriptor /dev/zero (1 before)"),
            ("sleep 600 &", r#"the children ["sleep", "sleep"] ([] before)"#),
        ] {
            let script = format!(
                "exec 4</dev/zero; next=5; echo begun; \
                 while read word; do {leak}\n next=$((next+1)); echo done; done; kill $(jobs -p) 2>/dev/null"
            );
            let mut shell = Command::new("bash");
            let piped = Stdio::piped;
            let mut shell = shell.args(["-c", &script]).stdin(piped()).stdout(piped()).spawn().unwrap();
            let mut lines = BufReader::new(shell.stdout.take().unwrap()).lines();
            let mut input = shell.stdin.take().unwrap();
            assert_eq!(lines.next().unwrap().unwrap(), "begun");
            let before = Holdings::of(shell.id());
            let page = Page { events: 1, holders: vec![("client", shell.id(), before.clone())] };
            let books = Books(Arc::new(Mutex::new(Leaf::Written(page))));
            for _ in 0..2 {
                input.write_all(b"word\n").unwrap();
                assert_eq!(lines.next().unwrap().unwrap(), "done");
            }
            // Who was forked has its own name a moment later.
            let mut more = Vec::new();
            let is_named = becomes_so(|| {
                more = Holdings::of(shell.id()).beyond(&before);
                more == [named]
            });
            assert!(is_named, "{more:?}");
            assert_eq!(before.beyond(&before), Vec::<String>::new());
            assert_eq!(books.excess(|| Standing::Attached(1)), None, "it has not come back");
            drop(input);
            shell.wait().unwrap();
        }
    }

    #[test]
    fn a_thread_and_a_child_that_nobody_reaps_are_named() {
        let pid = std::process::id();
        let before = Holdings::of(pid);
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let mut child = Command::new("true").spawn().unwrap();
        let leak = std::thread::Builder::new().name("leak-7".to_owned()).spawn(move || stopped.recv());
        let named = ["1 x thread leak- (0 before)", "1 x zombie true (0 before)"];
        // Other tests of this process hold what they hold.
        wait_until("both are named", || {
            let more = Holdings::of(pid).beyond(&before);
            named.iter().all(|name| more.iter().any(|more| more == name))
        });
        drop(stop);
        let _ = leak.unwrap().join();
        child.wait().unwrap();
    }
}
