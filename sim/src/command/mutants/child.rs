//! Programs that are started, waited for, and ended if they take too long.
//!
//! A child is ended with whoever waits for it; a Ctrl-C at the terminal reaches all of them.

use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use anyhow::Context as _;

/// How a program ended.
pub(super) enum Ended {
    /// By itself.
    Status(Status),
    /// It took longer than it may, and was killed.
    TooLong,
}

pub(super) struct Status {
    pub(super) code: ExitStatus,
    pub(super) output: String,
    pub(super) errors: String,
}

/// Runs a program to its end, or for that long.
pub(super) fn run(command: &mut Command, limit: Duration) -> anyhow::Result<Ended> {
    let name = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = Started(command.spawn().with_context(|| format!("{name} cannot be started"))?);
    let output = read(child.0.stdout.take().expect("it is piped"));
    let errors = read(child.0.stderr.take().expect("it is piped"));
    match (output.recv_timeout(limit), errors.recv_timeout(limit)) {
        (Ok(output), Ok(errors)) => {
            let code = child.0.wait().with_context(|| format!("the end of {name} is not told"))?;
            Ok(Ended::Status(Status { code, output, errors }))
        }
        (Err(RecvTimeoutError::Timeout), _) | (_, Err(RecvTimeoutError::Timeout)) => Ok(Ended::TooLong),
        (Err(RecvTimeoutError::Disconnected), _) | (_, Err(RecvTimeoutError::Disconnected)) => {
            anyhow::bail!("what {name} says cannot be read")
        }
    }
}

/// All that comes until the end, which is when the program ends.
fn read(mut pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if pipe.read_to_end(&mut bytes).is_ok() {
            // Whoever waited may have given up.
            let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
        }
    });
    receiver
}

/// A child that does not outlive its waiter.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        // One that has ended by itself cannot be killed, and need not be.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_tells_its_output_its_errors_and_its_end() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo out; echo err >&2; exit 7"]);
        let Ended::Status(status) = run(&mut command, Duration::from_secs(60)).unwrap() else {
            panic!("it was killed");
        };
        assert_eq!((status.output.as_str(), status.errors.as_str()), ("out\n", "err\n"));
        assert_eq!(status.code.code(), Some(7));
    }

    #[test]
    fn a_child_that_takes_too_long_is_ended() {
        let mut command = Command::new("sleep");
        command.arg("1000");
        let ended = run(&mut command, Duration::from_millis(50)).unwrap();
        assert!(matches!(ended, Ended::TooLong));
    }
}
