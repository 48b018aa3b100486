//! The demo's own processes: a link that can be cut, and a program worth hosting.

use std::ffi::OsString;
use std::io::{self, BufRead, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::{Args, Subcommand};
use rustix::process::{Pid, Signal};
use smol::Async;
use smol::future::or;

use super::LINK_SOCKET;
use crate::cli::interrupts::die_by;
use crate::cli::voice::say;
use crate::io::child::{Waiting, ended, program_exit, signal};
use crate::proto::ProgramExit;

/// A part of the demo.
#[derive(Args)]
pub struct PartArgs {
    #[command(subcommand)]
    part: Part,
}

#[derive(Subcommand)]
enum Part {
    /// Stands for ssh: carries a proxy until the demo cuts it.
    Link {
        /// The demo's directory.
        directory: PathBuf,
        /// The proxy's command line.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<OsString>,
    },
    /// The hosted program: answers each line with its number and the line.
    Program,
}

/// Runs a part.
pub fn run_part(args: &PartArgs) -> ExitCode {
    match &args.part {
        Part::Link { directory, words } => link(directory, words),
        Part::Program => program(),
    }
}

/// Runs the proxy on our own streams until it ends, or the demo closes the control connection.
fn link(directory: &Path, words: &[OsString]) -> ExitCode {
    let start = || -> io::Result<_> {
        let control = UnixStream::connect(directory.join(LINK_SOCKET))?;
        // The demo has no `reattach-server` to call, but this program can do what that does.
        let proxy = Command::new(std::env::current_exe()?).arg("server").args(&words[1..]).spawn()?;
        Ok((Async::new(control)?, proxy))
    };
    let (control, mut proxy) = match start() {
        Ok(started) => started,
        Err(error) => {
            say(&format!("reattach demo: the link cannot be made: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let cut = smol::block_on(or(
        async {
            let _ = ended(Pid::from_child(&proxy), Waiting::best()).await;
            false
        },
        async {
            let _ = control.readable().await;
            true
        },
    ));
    if cut {
        signal(&proxy, Signal::KILL);
    }
    match proxy.wait().map(program_exit) {
        Ok(ProgramExit::Code(code)) => ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)),
        Ok(ProgramExit::Signal(signal)) => die_by(signal),
        Err(_) => ExitCode::FAILURE,
    }
}

/// Keeps state, the count of lines, which a fresh instance would not have.
fn program() -> ExitCode {
    let mut output = io::stdout().lock();
    for (number, line) in io::stdin().lock().lines().map_while(Result::ok).enumerate() {
        if writeln!(output, "{} {line}", number + 1).and_then(|()| output.flush()).is_err() {
            break;
        }
    }
    ExitCode::SUCCESS
}
