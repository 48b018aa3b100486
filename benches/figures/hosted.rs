//! An echo that our server hosts in its own process: what stands behind a socket for `socat` is
//! behind the server for us, with no process more.

use std::process::ExitCode;

use reattach::{Application, Delivery, ProgramExit, Session};

/// The server's commands that start it and attach to it.
const COMMANDS: [&str; 2] = ["proxy", "run"];

/// Sends back every message.
struct EchoApplication;

impl Application for EchoApplication {
    const ON_IO_THREAD: bool = true;

    async fn run(self, session: Session) -> ProgramExit {
        while let Some(Delivery::Message(message)) = session.receive().await {
            if !session.send(message).await {
                break;
            }
        }
        ProgramExit::Code(0)
    }
}

/// This program is the server, too, if it is started as one.
pub(crate) fn serve() -> Option<ExitCode> {
    let command = std::env::args().nth(1)?;
    COMMANDS
        .contains(&command.as_str())
        .then(|| reattach::serve_main(std::env::args_os(), |_| Ok(EchoApplication)))
}
