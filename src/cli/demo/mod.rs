//! `reattach demo`: a real client, proxy, server and hosted program on this machine. The link is
//! cut under them, and comes back with nothing lost; then the server is killed, and the client
//! says so.
//!
//! The demo only watches from outside: the client is a process of its own, and everything that
//! it shows is what that process printed.

mod parts;
mod traffic;

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use clap::Args;
use futures::StreamExt;
use rustix::process::Signal;
use serde::Deserialize;
use smol::channel::{Receiver, Sender, unbounded};
use smol::future::or;
use smol::{Async, LocalExecutor, Timer};

pub use parts::{PartArgs, run_part};

use self::traffic::Traffic;
use super::interrupts::{Wish, Wishes, die_by};
use super::voice::{say, start_log};
use crate::host::identifier::Identifier;
use crate::host::lock::StarterLock;
use crate::host::paths::{Place, Root};
use crate::host::stop::{Which, kill, stop};
use crate::io::child::program_exit;
use crate::io::clock::Clock;
use crate::io::random;
use crate::io::stdio::{Sink, Source};
use crate::proto::ProgramExit;
use crate::proto::limits::DEMO_STEP_TIMEOUT;
use crate::proto::verdict::EXIT_NOT_RUNNING;

/// Where links wait to be cut.
const LINK_SOCKET: &str = "link.sock";

/// The identifier of the demo's server, in a home of its own.
const IDENTIFIER: &str = "demo";

/// Show on this machine what happens when links break and servers die.
#[derive(Args)]
pub struct DemoArgs {
    /// How often the link is cut.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = super::usage::parse_count::<100>)]
    cuts: u32,
}

/// How a demo ends.
enum Ending {
    /// As it should: what there is to tell.
    Over(String),
    /// Something went wrong: one sentence.
    Failed(String),
    /// Nobody can read what it says.
    Unheard(io::Error),
    /// A signal came: its number.
    Interrupted(i32),
}

/// Runs the demo. However it ends, nothing of it is left.
pub fn run(args: &DemoArgs) -> ExitCode {
    start_log("off");
    let ending = match Stage::build() {
        Ok(stage) => {
            let ending = smol::block_on(stage.play(args.cuts));
            stage.clear();
            ending
        }
        Err(why) => Ending::Failed(why),
    };
    let (word, code) = match ending {
        Ending::Over(summary) => (summary, ExitCode::SUCCESS),
        Ending::Failed(why) => (format!("The demo failed: {why}"), ExitCode::FAILURE),
        Ending::Unheard(error) => return unheard(&error),
        Ending::Interrupted(signal) => die_by(signal),
    };
    match writeln!(io::stdout(), "\n{word}") {
        Ok(()) => code,
        Err(error) => unheard(&error),
    }
}

/// A reader that has gone away is no failure; anything else is one.
fn unheard(error: &io::Error) -> ExitCode {
    if error.kind() == io::ErrorKind::BrokenPipe {
        die_by(Signal::PIPE.as_raw());
    }
    say(&format!("reattach demo: the standard output cannot be written: {error}"));
    ExitCode::FAILURE
}

/// Where the demo plays.
struct Stage {
    directory: PathBuf,
    clock: Clock,
    /// Why nobody hears us any more, once that is so.
    unheard: (Sender<io::Error>, Receiver<io::Error>),
}

/// What the client prints about its state.
#[derive(Debug, Deserialize)]
struct Line {
    reattach: Event,
}

#[derive(Debug, Deserialize)]
struct Event {
    state: String,
    count: Option<u32>,
    reason: Option<String>,
    cause: String,
    message: Option<String>,
}

impl Stage {
    fn build() -> Result<Self, String> {
        let name = format!("reattach-demo-{:08x}", random::id() as u32);
        let directory = std::env::temp_dir().join(name);
        let mut builder = fs::DirBuilder::new();
        let built = builder.mode(0o700).create(&directory);
        built.map_err(|error| format!("{} cannot be created: {error}", directory.display()))?;
        Ok(Stage { directory, clock: Clock::new(), unheard: unbounded() })
    }

    fn clear(&self) {
        if let Err(error) = fs::remove_dir_all(&self.directory) {
            say(&format!("reattach demo: {} is left behind: {error}", self.directory.display()));
        }
    }

    fn tell(&self, who: &str, what: &str) {
        self.print(&format!("  {:>8} s  {who:<7} {what}", self.clock.now()));
    }

    fn print(&self, line: &str) {
        if let Err(error) = writeln!(io::stdout(), "{line}") {
            let _ = self.unheard.0.try_send(error);
        }
    }

    async fn play(&self, cuts: u32) -> Ending {
        self.print(
            "A client, a proxy, a server and a hosted program, all of them real processes of this machine.",
        );
        self.print(
            "The program numbers the lines that it gets, so a lost one, or one that came twice, would show.\n",
        );
        self.play_on_processes(cuts).await.unwrap_or_else(|error| Ending::Failed(error.to_string()))
    }

    async fn play_on_processes(&self, cuts: u32) -> io::Result<Ending> {
        let mut wishes = Wishes::catch()?;
        let links = Async::new(UnixListener::bind(self.directory.join(LINK_SOCKET))?)?;
        let mut client = self.start_client()?;
        let input = Sink::new(client.stdin.take().expect("it was piped").into())?;
        let output = Source::new(client.stdout.take().expect("it was piped").into())?;
        let errors = Source::new(client.stderr.take().expect("it was piped").into())?;
        let (told, events) = unbounded();
        let traffic = Traffic::new();
        let ending = {
            let executor = LocalExecutor::new();
            let _watcher = executor.spawn(self.watch(errors, told));
            let _sender = executor.spawn(traffic.send(input));
            let checker = executor.spawn(traffic.check(output));
            let story = async {
                let told = self.tell_story(cuts, &links, &events, &traffic, &mut client).await;
                told.map_or_else(Ending::Failed, Ending::Over)
            };
            let wrong = async { Ending::Failed(checker.await) };
            let unheard = async {
                let error = self.unheard.1.recv().await;
                Ending::Unheard(error.unwrap_or_else(|_| io::ErrorKind::BrokenPipe.into()))
            };
            let interrupted = async {
                loop {
                    if let Wish::Forward(signal) = wishes.next().await {
                        return Ending::Interrupted(signal);
                    }
                }
            };
            executor.run(or(or(story, wrong), or(unheard, interrupted))).await
        };
        // Whatever happened, nothing stays behind: the client, the link, which ends with its
        // control connection, and the server that they may have left.
        let _ = client.kill();
        let _ = client.wait();
        drop(links);
        if let Ok(place) = self.place() {
            // One that is on its way up has the starters' lock until it can be seen.
            let _starter = in_time("the starters' lock", StarterLock::take(&place)).await;
            let _ = stop(&place, Which::Any).await;
        }
        Ok(ending)
    }

    fn start_client(&self) -> io::Result<Child> {
        let program = std::env::current_exe()?;
        let words = [
            program.clone().into_os_string(),
            "demo-part".into(),
            "link".into(),
            self.directory.clone().into(),
        ];
        let words: Vec<_> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        let via = shlex::try_join(words.iter().map(String::as_str)).map_err(io::Error::other)?;
        Command::new(&program)
            .args(["connect", "--via", &via, "--id", IDENTIFIER, "--log-format", "json"])
            // What the link runs in any case; so nobody looks for another one.
            .arg("--server-path")
            .arg(&program)
            .args(["--backoff-min", "200ms", "--idle-lifetime", "1m", "--"])
            .arg(&program)
            .args(["demo-part", "program"])
            .env("HOME", &self.directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
    }

    async fn tell_story(
        &self,
        cuts: u32,
        links: &Async<UnixListener>,
        events: &Receiver<Event>,
        traffic: &Traffic,
        client: &mut Child,
    ) -> Result<String, String> {
        let accept = async || in_time("a link", links.accept()).await?.map_err(|error| error.to_string());
        let (mut link, _) = accept().await?;
        self.until("Connected", events).await?;
        let mut slowest = Duration::ZERO;
        for cut in 1..=cuts {
            Timer::after(Duration::from_millis(700)).await;
            self.tell("demo", &format!("cuts the link, {cut} of {cuts}"));
            let before = self.clock.now();
            drop(link);
            (link, _) = accept().await?;
            self.until("Connected", events).await?;
            let took = self.clock.now().since(before);
            slowest = slowest.max(took);
            let sent = traffic.sent();
            in_time("the answers", traffic.answered(sent)).await?;
            self.tell(
                "demo",
                &format!("sees the session back after {} ms, all {sent} lines answered", took.as_millis()),
            );
        }
        Timer::after(Duration::from_millis(700)).await;
        let answered = traffic.sent();
        in_time("the answers", traffic.answered(answered)).await?;
        self.kill_server()?;
        let end = self.until("ServerNotRunning", events).await?;
        let status = in_time("the client's exit", async {
            loop {
                match client.try_wait() {
                    Ok(Some(status)) => return Ok(program_exit(status)),
                    Ok(None) => Timer::after(Duration::from_millis(5)).await,
                    Err(error) => return Err(error.to_string()),
                };
            }
        })
        .await??;
        self.tell("client", &format!("exits with {}", describe(status)));
        if status != ProgramExit::Code(EXIT_NOT_RUNNING) {
            return Err(format!("the client should have exited with {EXIT_NOT_RUNNING}"));
        }
        let reason = end.reason.unwrap_or_default();
        Ok(format!(
            "Links cut                     {cuts}\n\
             Slowest way back              {} ms\n\
             Lines sent and answered       {answered}, each once and in order, by one program\n\
             Server killed                 told at once as: {reason}, exit code {EXIT_NOT_RUNNING}; nothing was started in its place",
            slowest.as_millis()
        ))
    }

    /// Where the demo's server lives.
    fn place(&self) -> Result<Place, String> {
        let root = Root::below(self.directory.clone()).map_err(|error| error.to_string())?;
        let identifier: Identifier = IDENTIFIER.parse().expect("it is a proper one");
        Ok(Place::below(root, &identifier))
    }

    fn kill_server(&self) -> Result<(), String> {
        let pid = kill(&self.place()?)?;
        self.tell("demo", &format!("kills the server, process {pid}"));
        Ok(())
    }

    /// Waits for the client to enter that state.
    async fn until(&self, state: &str, events: &Receiver<Event>) -> Result<Event, String> {
        in_time(state, async {
            loop {
                match events.recv().await {
                    Ok(event) if event.state == state => return Ok(event),
                    Ok(_) => {}
                    Err(_) => return Err(format!("the client ended before it was {state}")),
                }
            }
        })
        .await?
    }

    /// Shows what the client says of itself, and passes it on.
    async fn watch(&self, errors: Source, events: Sender<Event>) {
        let mut lines = std::pin::pin!(traffic::lines(errors));
        while let Some(line) = lines.next().await {
            match serde_json::from_str::<Line>(&line) {
                Ok(Line { reattach: event }) => {
                    let count = event.count.map_or_else(String::new, |count| format!("({count})"));
                    let why = event.message.as_ref().unwrap_or(&event.cause);
                    self.tell("client", &format!("{}{count}: {why}", event.state));
                    let _ = events.try_send(event);
                }
                Err(_) => self.tell("client", &line),
            }
        }
    }
}

async fn in_time<T>(what: &str, event: impl Future<Output = T>) -> Result<T, String> {
    or(async { Ok(event.await) }, async {
        Timer::after(DEMO_STEP_TIMEOUT).await;
        Err(format!("{what} did not come within {} seconds", DEMO_STEP_TIMEOUT.as_secs()))
    })
    .await
}

fn describe(exit: ProgramExit) -> String {
    match exit {
        ProgramExit::Code(code) => format!("code {code}"),
        ProgramExit::Signal(signal) => format!("signal {signal}"),
    }
}
