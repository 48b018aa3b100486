//! A running `reattach connect`, with an editor's hands on its standard streams.
//!
//! Everything that it prints is kept; whatever is waited for has a deadline, and a failure shows
//! all that was said until then. The link under it is left to [`link`](crate::link).

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use reattach::io::child::{Waiting, ended};
use reattach::io::clock::Clock;
use reattach::session::Time;
use rustix::process::Pid;
use serde::Deserialize;
use smol::future::or;

use crate::books::{Books, Standing};
use crate::place::{HOST, PATIENCE, Place, signal};

/// Retries that do not make a test wait, and as many as it takes.
pub(crate) const RESTLESS: [&str; 8] =
    ["--backoff-min", "1ms", "--backoff-max", "5ms", "--max-attempts", "1000", "--allowance", "off"];

/// The program that hosts itself: answers each line with its number and the line.
pub(crate) const COUNTER: [&str; 3] = [env!("CARGO_BIN_EXE_reattach"), "demo-part", "program"];

/// A running client.
pub(crate) struct Client {
    child: Child,
    input: Option<ChildStdin>,
    heard: Arc<Heard>,
    readers: Vec<JoinHandle<()>>,
    /// Events that were waited for.
    seen: usize,
    books: Books,
}

/// What a client has printed, and who waits for more of it.
struct Heard {
    clock: Clock,
    all: Mutex<All>,
    more: Condvar,
}

#[derive(Default)]
struct All {
    output: Vec<u8>,
    /// When there were how many bytes of output.
    arrivals: Vec<(Time, usize)>,
    said: Vec<String>,
    events: Vec<Event>,
    ended: usize,
}

/// A change of state, as `--log-format json` tells it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Event {
    pub(crate) state: String,
    pub(crate) count: Option<u32>,
    pub(crate) attempt: u64,
    pub(crate) reason: Option<serde_json::Value>,
    pub(crate) message: Option<String>,
    pub(crate) cause: String,
    pub(crate) next_try_in_ms: Option<u64>,
    pub(crate) time: String,
    pub(crate) uptime_ms: u64,
    /// When it was read here.
    #[serde(skip)]
    pub(crate) heard_at: Time,
}

#[derive(Deserialize)]
struct Line {
    reattach: Event,
}

/// A client that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) output: Vec<u8>,
    /// The lines of its standard error that are no events.
    pub(crate) said: Vec<String>,
    pub(crate) events: Vec<Event>,
}

impl Place {
    /// `reattach connect` with these words, not started yet.
    pub(crate) fn connect<W: AsRef<OsStr>>(&self, words: &[W]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reattach"));
        command.arg("connect").args(words);
        self.welcome(command)
    }

    /// With this home, and the runtime directory beside it.
    pub(crate) fn welcome(&self, mut command: Command) -> Command {
        command
            .env("HOME", self.home())
            .env("XDG_RUNTIME_DIR", self.runtime())
            .env_remove("RUST_LOG")
            .env_remove("SSH_AUTH_SOCK")
            .env_remove("XDG_CONFIG_HOME");
        command
    }

    /// The identifier of the only server here, found by the directory that it has.
    pub(crate) fn only_identifier(&self) -> String {
        let root = self.directory("any").parent().unwrap().to_owned();
        let entries = std::fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().file_name());
        let names: Vec<_> = entries.filter(|name| name != HOST).collect();
        assert_eq!(names.len(), 1, "{names:?}");
        names[0].to_str().unwrap().to_owned()
    }
}

impl Client {
    /// Starts it on this machine, hosting `program`, in JSON.
    pub(crate) fn local(place: &Place, words: &[&str], program: &[&str]) -> Self {
        let all = [&["--local", "--log-format", "json"], words, &["--"], program].concat();
        Client::start(place.connect(&all))
    }

    /// The same through proxies that carry the bytes themselves.
    pub(crate) fn relayed(place: &Place, words: &[&str], program: &[&str]) -> Self {
        let all = [&["--local", "--log-format", "json"], words, &["--"], program].concat();
        let mut command = place.connect(&all);
        command.env("REATTACH_RELAY", "1");
        Client::start(command)
    }

    /// Starts it.
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let heard = Arc::new(Heard { clock: Clock::new(), all: Mutex::default(), more: Condvar::default() });
        let readers = vec![
            heard.follow(child.stdout.take().unwrap(), |all, now, bytes| {
                all.output.extend_from_slice(bytes);
                all.arrivals.push((now, all.output.len()));
            }),
            heard.follow(child.stderr.take().unwrap(), line_taker()),
        ];
        let input = child.stdin.take();
        let books = Books::default();
        let ears = Arc::clone(&heard);
        books.open(child.id(), move || ears.lock().standing());
        Client { child, input, heard, readers, seen: 0, books }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// Writes to its input.
    pub(crate) fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.input.as_mut().unwrap().write_all(bytes.as_ref()).unwrap();
    }

    /// Its input, for a thread that writes more than may fit.
    pub(crate) fn take_input(&mut self) -> ChildStdin {
        self.input.take().unwrap()
    }

    /// Ends its input, once its [books](crate::books) are balanced.
    pub(crate) fn end_input(&mut self) {
        self.balance();
        self.input = None;
    }

    /// Waits for that, and until the books are open of a client that is attached: what its test does next
    /// may be the end of its link.
    fn wait_for<R>(&self, what: &str, look: impl FnMut(&All) -> Option<R>) -> R {
        let found = self.heard.wait_for(what, look);
        self.books.wait_open(|| self.heard.lock().standing());
        found
    }

    /// Waits for the next change to that state.
    pub(crate) fn until(&mut self, state: &str) -> Event {
        let mut seen = self.seen;
        let event = self.wait_for(state, |all| {
            let found = all.events[seen..].iter().position(|event| event.state == state)?;
            seen += found + 1;
            Some(all.events[seen - 1].clone())
        });
        self.seen = seen;
        event
    }

    /// All changes so far.
    pub(crate) fn events(&self) -> Vec<Event> {
        self.heard.lock().events.clone()
    }

    /// The clock by which it is noted when something was heard.
    pub(crate) fn clock(&self) -> Clock {
        self.heard.clock
    }

    /// The lines of its output so far, with the times at which they were whole.
    pub(crate) fn lines(&self) -> Vec<(Time, String)> {
        let all = self.heard.lock();
        let mut arrivals = all.arrivals.iter();
        let mut arrival = arrivals.next();
        let mut end = 0;
        let mut lines = Vec::new();
        for line in all.output.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n")) {
            end += line.len();
            while arrival.is_some_and(|(_, bytes)| *bytes < end) {
                arrival = arrivals.next();
            }
            let (at, _) = arrival.expect("every byte came at some time");
            lines.push((*at, String::from_utf8_lossy(&line[..line.len() - 1]).into_owned()));
        }
        lines
    }

    /// Waits until so many lines of standard error contain `part`.
    pub(crate) fn until_said(&self, times: usize, part: &str) {
        self.wait_for(part, |all| {
            let count = all.said.iter().filter(|line| line.contains(part)).count();
            (count >= times).then_some(())
        });
    }

    /// Waits until that many bytes of output have come, and gives what `take` makes of all of them.
    pub(crate) fn heard<R>(&self, bytes: usize, take: impl FnOnce(&[u8]) -> R) -> R {
        let mut take = Some(take);
        self.wait_for(&format!("{bytes} bytes of output"), |all| {
            (all.output.len() >= bytes).then(|| (take.take().unwrap())(&all.output))
        })
    }

    /// Waits until the output is at least this, and that it begins with it.
    pub(crate) fn hears(&self, expected: impl AsRef<[u8]>) {
        let expected = expected.as_ref();
        let heard = self.heard(expected.len(), |output| output[..expected.len()].to_owned());
        assert_eq!(String::from_utf8_lossy(&heard), String::from_utf8_lossy(expected));
    }

    /// Waits until the output ends with this.
    pub(crate) fn hears_last(&self, expected: &str) {
        self.wait_for(expected, |all| all.output.ends_with(expected.as_bytes()).then_some(()));
    }

    /// Bytes of output so far.
    pub(crate) fn heard_bytes(&self) -> usize {
        self.heard.lock().output.len()
    }

    /// Whether both its outputs have ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.heard.lock().ended == 2
    }

    /// It has come back as often as its test wants.
    fn balance(&self) {
        if let Some(excess) = self.excess() {
            panic!("{excess}");
        }
    }

    fn excess(&self) -> Option<String> {
        self.books.excess(|| self.heard.lock().standing())
    }

    /// Waits for its end.
    pub(crate) fn wait(mut self) -> Ended {
        self.balance();
        let pid = Pid::from_child(&self.child);
        let in_time = smol::block_on(or(async { ended(pid, Waiting::best()).await.is_ok() }, async {
            smol::Timer::after(PATIENCE).await;
            false
        }));
        assert!(in_time, "the client does not end; it said {}", self.heard.lock().summary());
        let status = self.child.wait().unwrap();
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        let mut all = self.heard.lock();
        Ended {
            status,
            output: std::mem::take(&mut all.output),
            said: std::mem::take(&mut all.said),
            events: std::mem::take(&mut all.events),
        }
    }

    /// Waits for its end, and gives the time since `from` at which it came.
    pub(crate) fn wait_since(self, clock: Clock, from: Time) -> (Ended, Duration) {
        let _ = smol::block_on(ended(Pid::from_child(&self.child), Waiting::best()));
        let took = clock.now().since(from);
        (self.wait(), took)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let excess = if std::thread::panicking() { None } else { self.excess() };
        let _ = self.child.kill();
        let _ = self.child.wait();
        assert_eq!(excess, None);
        if std::thread::panicking() {
            println!("a client of the failed test: {}", self.heard.lock().summary());
        }
    }
}

impl Ended {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.output).into_owned()
    }

    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// How often it was attached.
    pub(crate) fn attached(&self) -> usize {
        self.events.iter().filter(|event| event.state == "Connected").count()
    }
}

impl Heard {
    fn lock(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Reads a stream to its end on a thread.
    fn follow(
        self: &Arc<Self>,
        mut stream: impl Read + Send + 'static,
        mut take: impl FnMut(&mut All, Time, &[u8]) + Send + 'static,
    ) -> JoinHandle<()> {
        let heard = Arc::clone(self);
        std::thread::spawn(move || {
            let mut chunk = vec![0; 256 << 10];
            loop {
                let count = stream.read(&mut chunk).unwrap_or(0);
                let mut all = heard.lock();
                take(&mut all, heard.clock.now(), &chunk[..count]);
                all.ended += usize::from(count == 0);
                heard.more.notify_all();
                if count == 0 {
                    return;
                }
            }
        })
    }

    fn wait_for<R>(&self, what: &str, mut look: impl FnMut(&All) -> Option<R>) -> R {
        let clock = Clock::new();
        let mut all = self.lock();
        loop {
            if let Some(found) = look(&all) {
                return found;
            }
            let waited = clock.now().since(Time::ZERO);
            assert!(all.ended < 2, "the client ended before {what}: {}", all.summary());
            assert!(waited < PATIENCE, "still no {what}: {}", all.summary());
            all = self.more.wait_timeout(all, PATIENCE - waited).unwrap().0;
        }
    }
}

impl All {
    fn standing(&self) -> Standing {
        let attached = ["Connected", "HeartbeatMissed"];
        match self.events.last() {
            _ if self.ended == 2 => Standing::Ended,
            Some(last) if attached.contains(&&last.state[..]) => Standing::Attached(self.events.len()),
            Some(_) | None => Standing::Away,
        }
    }

    fn summary(&self) -> String {
        let output = String::from_utf8_lossy(&self.output[..self.output.len().min(500)]).into_owned();
        let events: Vec<_> = self.events.iter().rev().take(40).rev().collect();
        format!(
            "output ({} bytes) {output:?}, said {:?}, events (the last of {}) {events:#?}",
            self.output.len(),
            self.said,
            self.events.len()
        )
    }
}

/// Cuts standard error into lines and tells events from words.
fn line_taker() -> impl FnMut(&mut All, Time, &[u8]) {
    let mut rest = Vec::new();
    move |all, now, bytes| {
        rest.extend_from_slice(bytes);
        let ended = bytes.is_empty() && !rest.is_empty();
        if ended {
            rest.push(b'\n');
        }
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line[..end]).into_owned();
            match serde_json::from_str::<Line>(&line) {
                Ok(Line { reattach }) => all.events.push(Event { heard_at: now, ..reattach }),
                Err(_) => all.said.push(line),
            }
        }
    }
}
