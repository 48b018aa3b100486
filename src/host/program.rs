//! A hosted program: a child on its standard streams.
//!
//! It leads a process group of its own, so that signals reach its helpers too, and nothing of the
//! group outlives the session. If the server is killed, only the program itself dies with it: helpers
//! that do not mind the end of their standard streams stay, and there is no proof left whose they were.

use std::ffi::{OsStr, OsString};
use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::pin::{Pin, pin};
use std::process::{Child, Command, Stdio};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use rustix::process::{Pid, Signal};
use smol::Timer;
use smol::channel::{Receiver, bounded};
use smol::future::{or, yield_now};

use super::agent::VARIABLE as AGENT;
use super::application::{Application, Delivery, Session};
use super::login;
use super::order::Order;
use crate::io::child::{Waiting, ended, program_exit, signal_group};
use crate::io::pipe;
use crate::io::stdio::{Sink, Source};
use crate::proto::limits::{
    APP_GRACE, CHUNK_BYTES, DELIVERIES_MAX, NARROW_PIPE_BYTES, OUTPUT_GRACE, PIPE_HELD_BYTES_MAX,
    SEARCH_PATH_LETTERS_MAX, WRITE_BYTES_MAX,
};
use crate::proto::{Channel, ProgramExit};

/// A program that was started and not run to its end yet.
#[derive(Debug)]
pub struct Program {
    child: Child,
    input: Sink,
    output: Source,
    errors: Source,
}

impl Program {
    /// Starts a program with its arguments, in its surroundings.
    ///
    /// # Errors
    ///
    /// One sentence that names the program, if it cannot be started.
    pub fn spawn(order: &Order) -> Result<Self, String> {
        let [name, arguments @ ..] = &order.command[..] else {
            return Err("no command was given to host".to_owned());
        };
        if name.is_empty() {
            return Err("the command to host is an empty word; its name or its path is needed".to_owned());
        }
        let mut hosted = Command::new(name);
        hosted.args(arguments).process_group(0);
        let path = surround(&mut hosted, order)?;
        let fail = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => not_found(name, path.as_deref(), order),
            _ => format!("the command {} cannot be started: {error}", name.display()),
        };
        hosted.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        die_with_us(&mut hosted);
        let mut child = hosted.spawn().map_err(fail)?;
        let input = child.stdin.take().expect("it was piped");
        let output = child.stdout.take().expect("it was piped");
        let errors = child.stderr.take().expect("it was piped");
        pipe::start_narrow(&output, NARROW_PIPE_BYTES);
        pipe::start_narrow(&errors, NARROW_PIPE_BYTES);
        Ok(Program {
            input: Sink::new(OwnedFd::from(input)).map_err(fail)?,
            output: Source::new(OwnedFd::from(output)).map_err(fail)?,
            errors: Source::new(OwnedFd::from(errors)).map_err(fail)?,
            child,
        })
    }
}

/// Gives a program what it is to find around it; the result is where its name is looked for.
fn surround(hosted: &mut Command, order: &Order) -> Result<Option<OsString>, String> {
    let wanted = &order.surroundings;
    let mut path = std::env::var_os("PATH");
    let mut own_agent = false;
    if wanted.login {
        let variables = login::variables(&order.prefix)?;
        let find = |name: &str| variables.iter().find(|(other, _)| other == name).map(|(_, value)| value);
        path = find("PATH").cloned();
        // One that the shell has found or started by itself does not end with a login.
        own_agent = find(AGENT).is_some_and(|agent| std::env::var_os(AGENT).as_ref() != Some(agent));
        hosted.env_clear().envs(variables);
    }
    if let Some(agent) = order.agent.as_ref().filter(|_| !own_agent) {
        hosted.env(AGENT, agent);
    }
    if let Some(directory) = &wanted.directory {
        // As a shell would have gone there: some programs ask the variable.
        hosted.current_dir(directory).env("PWD", directory);
    }
    for (name, value) in &wanted.variables {
        if name == "PATH" {
            path = Some(value.clone());
        }
        hosted.env(name, value);
    }
    Ok(path)
}

/// Why there is no such program, and where it was looked for.
fn not_found(name: &OsStr, path: Option<&OsStr>, order: &Order) -> String {
    let is_there = |directory: &Path| directory.join(name).is_file();
    let shown = name.display();
    let here = order.surroundings.directory.as_deref().unwrap_or(Path::new("."));
    if name.as_encoded_bytes().contains(&b'/') {
        return match is_there(here) {
            true => format!("the command {shown} is there, but what its first line names to run it is not"),
            false if Path::new(name).is_absolute() => format!("the command {shown} was not found"),
            false => format!("the command {shown} was not found in {}", absolute(here)),
        };
    }
    let directories: Vec<_> = path.map(|path| std::env::split_paths(path).collect()).unwrap_or_default();
    if let Some(directory) = directories.iter().find(|directory| is_there(&here.join(directory))) {
        let found = directory.join(name);
        return format!("the command {found:?} is there, but what its first line names to run it is not");
    }
    let looked: Vec<_> = directories.iter().map(|directory| directory.display().to_string()).collect();
    let mut looked = looked.join(", ");
    if let Some((at, _)) = looked.char_indices().nth(SEARCH_PATH_LETTERS_MAX) {
        looked.truncate(at);
        looked.push('…');
    }
    let hint = match order.surroundings.login
        || order.surroundings.variables.iter().any(|(name, _)| name == "PATH")
    {
        true => "",
        false => "; with --login it is looked for where your login shell would",
    };
    match looked.is_empty() {
        true => format!("the command {shown} was not found: there is no PATH to look in{hint}"),
        false => format!("the command {shown} was not found in {looked}{hint}"),
    }
}

fn absolute(path: &Path) -> String {
    std::path::absolute(path).map_or_else(|_| path.display().to_string(), |path| path.display().to_string())
}

/// Lets the kernel end the program when the server is killed and can no longer do so itself. Other
/// systems have nothing like it: there the program sees the end of its input.
pub(super) fn die_with_us(hosted: &mut Command) {
    #[cfg(target_os = "linux")]
    {
        let die = || Ok(rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?);
        // SAFETY: between fork and exec only this one system call is made, which allocates nothing
        // and takes no lock. It is about the thread that forks: the server's main one.
        unsafe { hosted.pre_exec(die) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = hosted;
}

impl Application for Program {
    // Only moves bytes; the work is done in the child.
    const ON_IO_THREAD: bool = true;
    const NEEDS_COMMAND: bool = true;

    async fn run(self, session: Session) -> ProgramExit {
        let Program { mut child, input, output, errors } = self;
        let (child_lives, child_ended) = bounded::<()>(1);
        let child_ref = &child;
        let end = async {
            let _ = or(ended(Pid::from_child(child_ref), Waiting::best()), async {
                or(pump_input(&session, input), pass_signals(&session, child_ref)).await;
                terminate(child_ref).await;
                Ok(())
            })
            .await;
            drop(child_lives);
        };
        // Each is woken for itself only: what is read and written for nothing costs the most.
        let mut parts: FuturesUnordered<Pin<Box<dyn Future<Output = ()> + Send + '_>>> =
            FuturesUnordered::new();
        parts.push(Box::pin(pump_output(&session, Channel::Output, output, child_ended.clone())));
        parts.push(Box::pin(pump_output(&session, Channel::Errors, errors, child_ended)));
        parts.push(Box::pin(end));
        while parts.next().await.is_some() {}
        drop(parts);
        // Not reaped yet, so the group is still its own.
        signal_group(&child, Signal::KILL);
        child.wait().map_or(ProgramExit::Code(255), program_exit)
    }
}

/// Moves the client's messages to the program's input, until the server is about to end.
async fn pump_input(session: &Session, input: Sink) {
    let mut input = Some(input);
    while let Some(first) = session.receive().await {
        let mut next = Some(first);
        let (mut queued, mut taken) = (0, 0);
        while let Some(delivery) = next.take() {
            taken += 1;
            match delivery {
                Delivery::Message(bytes) => {
                    if let Some(input) = &mut input {
                        queued += bytes.len();
                        input.push(bytes);
                    }
                }
                // Heeded when it came.
                Delivery::Signal(_) => {}
                Delivery::InputEnded => {
                    flush(session, &mut input).await;
                    input = None;
                }
            }
            if taken == DELIVERIES_MAX {
                // Who sends empty messages without an end must not keep everything else from its turn.
                yield_now().await;
                break;
            }
            if queued < WRITE_BYTES_MAX {
                next = session.try_receive();
            }
        }
        flush(session, &mut input).await;
    }
}

/// Hands the user's signals to the program, however much input it has not read yet.
async fn pass_signals(session: &Session, child: &Child) {
    loop {
        if let Some(signal) = Signal::from_named_raw(i32::from(session.signal().await)) {
            signal_group(child, signal);
        }
    }
}

/// Writes what is queued, unless the server is about to end; a program that has closed its input
/// gets no more of it.
async fn flush(session: &Session, input: &mut Option<Sink>) {
    let closed = match input {
        Some(sink) => {
            let over = async {
                session.over().await;
                Err(io::ErrorKind::Interrupted.into())
            };
            or(sink.flush(), over).await.is_err()
        }
        None => false,
    };
    if closed {
        *input = None;
    }
}

/// Moves one of the program's outputs to the client until it ends. A helper that the program left
/// behind may hold it open, or write to it, for ever; so a moment after the program has ended only
/// what is in the pipe by then is taken.
async fn pump_output(session: &Session, channel: Channel, mut source: Source, child_ended: Receiver<()>) {
    let mut grace = pin!(async {
        let _ = child_ended.recv().await;
        Timer::after(OUTPUT_GRACE).await;
    });
    let mut left = None;
    while let Some(room) = session.room().await {
        source.bound(room.bytes_max);
        let read = match left {
            None => {
                let over = async {
                    grace.as_mut().await;
                    None
                };
                or(async { Some(source.read().await) }, over).await
            }
            Some(0) => break,
            Some(_) => source.read_now().await,
        };
        let mut bytes = match (read, left) {
            (Some(Ok(bytes)), _) if !bytes.is_empty() => bytes,
            (None, None) => {
                left = Some(PIPE_HELD_BYTES_MAX);
                continue;
            }
            (Some(Ok(_) | Err(_)) | None, _) => break,
        };
        left = left.map(|left| left.saturating_sub(bytes.len()));
        while !bytes.is_empty() {
            let chunk = bytes.split_to(bytes.len().min(CHUNK_BYTES));
            if !session.send_on(channel, chunk).await {
                return;
            }
        }
    }
    session.finish(channel);
}

/// Ends the program: its input has ended with the pump; then SIGTERM, a grace, SIGKILL.
async fn terminate(child: &Child) {
    signal_group(child, Signal::TERM);
    let grace = async {
        Timer::after(APP_GRACE).await;
        signal_group(child, Signal::KILL);
        std::future::pending().await
    };
    let _ = or(ended(Pid::from_child(child), Waiting::best()), grace).await;
}
