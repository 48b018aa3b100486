//! A host without a server program: the user is told what puts one there, is asked, or has said so before.
//!
//! Only at a first attach: whoever comes back to a session installs nothing.

use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal};
use smol::future::or;

use super::connect_args::{ConnectArgs, LogFormat};
use super::install_args::words;
use super::interrupts::{Wish, Wishes};
use super::voice::Stderr;
use crate::client::{Cause, Change, Route, Status};
use crate::io::child::{Waiting, ended};
use crate::io::stdio::Source;
use crate::proto::ProgramExit;
use crate::proto::limits::LINE_BYTES_MAX;
use crate::proto::verdict::EXIT_NOT_FOUND;

/// What became of an offer.
pub(super) enum Answer {
    /// A server is there now.
    Installed,
    /// The user does not want it, or it went wrong and was told.
    Not,
    /// The user gave up with this signal.
    Interrupted(i32),
}

/// An install that runs; ended when this is dropped.
struct Running(Child);

/// Whether a first attach has come to an end because no server program was found on its host.
pub(super) fn is_due(change: &Change) -> bool {
    let not_found = |exit: &ProgramExit| *exit == ProgramExit::Code(EXIT_NOT_FOUND);
    matches!(&change.status, Status::Refused(_))
        && matches!(&change.cause, Cause::Exited(exit, _) if not_found(exit))
}

/// Whether anything but a sentence follows then.
pub(super) fn is_made(args: &ConnectArgs) -> bool {
    args.install.install || can_ask(args)
}

/// Does what the user wants.
///
/// # Errors
///
/// Those of the terminal, or of starting the install.
pub(super) async fn make(args: &ConnectArgs) -> io::Result<Answer> {
    let mut wishes = Wishes::catch()?;
    let interrupted = async {
        loop {
            if let Wish::Forward(signal) = wishes.next().await {
                return Ok(Answer::Interrupted(signal));
            }
        }
    };
    let answer = async {
        let is_wanted = args.install.install || (can_ask(args) && ask().await?);
        if is_wanted { install(&args.target().route).await } else { Ok(Answer::Not) }
    };
    or(interrupted, answer).await
}

/// Whether somebody is there who can be asked.
fn can_ask(args: &ConnectArgs) -> bool {
    use rustix::stdio::{stderr, stdin};
    let is_human = args.log_format == LogFormat::Human && args.can_install();
    is_human && [stdin(), stderr()].into_iter().all(rustix::termios::isatty)
}

/// Asks at the terminal.
async fn ask() -> io::Result<bool> {
    let _ = Stderr.write_all(b"reattach: install it there now? [y/N] ");
    let mut input = Source::new(rustix::stdio::stdin().try_clone_to_owned()?)?;
    let mut answer = Vec::new();
    while !answer.contains(&b'\n') && answer.len() < LINE_BYTES_MAX {
        let bytes = input.read().await?;
        if bytes.is_empty() {
            break;
        }
        answer.extend_from_slice(&bytes);
    }
    let answer = String::from_utf8_lossy(&answer).trim().to_lowercase();
    Ok(answer == "y" || answer == "yes")
}

/// Runs `reattach install`, which says itself what it does.
async fn install(route: &Route) -> io::Result<Answer> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(words(route)).stdin(Stdio::null()).stdout(rustix::stdio::stderr().try_clone_to_owned()?);
    let mut running = Running(command.spawn()?);
    let _ = ended(Pid::from_child(&running.0), Waiting::best()).await;
    let status = running.0.wait()?;
    Ok(match status.signal() {
        Some(signal) => Answer::Interrupted(signal),
        None if status.success() => Answer::Installed,
        None => Answer::Not,
    })
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            let _ = rustix::process::kill_process(Pid::from_child(&self.0), Signal::TERM);
            let _ = self.0.wait();
        }
    }
}
