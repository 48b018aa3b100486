//! `--on-state`: a command of the user's that is run when the state changes.
//!
//! One at a time: while one runs, the changes that come are not queued, and the next is about the last of
//! them, so that the state that stays is always told. The session does not wait for any of them. The
//! command's input and output are `/dev/null`, since ours are the hosted program's; its errors are seen on
//! our standard error. It does not outlive the client: at the end it has a moment, and the command about
//! the end as much again; then they are killed, with all that they started. What a command that has ended
//! by itself left in the background is its own affair.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal};
use smol::future::or;

use super::report::{explain, name};
use super::voice::say;
use crate::client::{Change, Client, Status};
use crate::io::child::{Waiting, ended, signal_group};
use crate::io::sleep::Sleep;
use crate::proto::limits::ON_STATE_GRACE;

/// What is run, and what it is told of the session.
#[derive(Clone, Debug)]
pub struct OnState {
    /// A line for the shell.
    pub command: String,
    /// The session's name.
    pub identifier: String,
    /// Where it is hosted.
    pub host: String,
}

/// A command; killed when dropped, with all that it started, unless it has ended.
struct Running(Child);

impl OnState {
    /// Runs the command at each change until a final one.
    pub async fn follow(&self, client: &Client) {
        let mut change = client.last_change();
        loop {
            let is_final = change.status.is_final();
            let run = async {
                if let Some(running) = self.start(&change) {
                    let _ = ended(Pid::from_child(&running.0), Waiting::best()).await;
                }
            };
            let too_long = async {
                over(client, &change).await;
                Sleep::after(ON_STATE_GRACE).await;
            };
            or(run, too_long).await;
            if is_final {
                return;
            }
            client.changed(&change).await;
            change = client.last_change();
        }
    }

    fn start(&self, change: &Change) -> Option<Running> {
        let (state, count) = name(&change.status);
        let reason = match &change.status {
            Status::ServerNotRunning(reason) => explain(*reason),
            Status::Refused(refused) => refused.to_string(),
            Status::Connecting
            | Status::Connected
            | Status::HeartbeatMissed(_)
            | Status::Reconnecting(_)
            | Status::ReconnectFailed(_)
            | Status::ReconnectExhausted
            | Status::Closed(_) => String::new(),
        };
        let started = Command::new("sh")
            .args(["-c", &self.command])
            .env("REATTACH_STATE", state)
            .env("REATTACH_COUNT", count.unwrap_or(0).to_string())
            .env("REATTACH_ATTEMPT", change.attempt.to_string())
            .env("REATTACH_CAUSE", plain(&change.cause.to_string()))
            .env("REATTACH_REASON", plain(&reason))
            .env("REATTACH_ID", &self.identifier)
            .env("REATTACH_HOST", &self.host)
            .env("REATTACH_TIME", change.at.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            // So that it can be ended with all that it starts; and a terminal's interrupt is not for it.
            .process_group(0)
            .spawn();
        match started {
            Ok(child) => Some(Running(child)),
            Err(error) => {
                say(&format!("reattach: the command of --on-state cannot be started: {error}"));
                None
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !matches!(self.0.try_wait(), Ok(Some(_))) {
            // Not reaped yet, so that the group is nobody else's.
            signal_group(&self.0, Signal::KILL);
            let _ = self.0.wait();
        }
    }
}

/// Waits until the client is in a final state.
async fn over(client: &Client, known: &Change) {
    let mut change = known.clone();
    while !change.status.is_final() {
        change = client.changed(&change).await;
    }
}

/// An environment holds no zeros, and a cause may quote what the other side sent.
fn plain(text: &str) -> String {
    text.replace('\0', "")
}
