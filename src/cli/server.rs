//! `reattach-server`: what runs on the host. Arguments in, exit code out.
//!
//! ```text
//! run            be a server
//! proxy          find or start a server, and relay
//! program_words  how its program is to be run
//! report         version, list and status, for people and programs
//! stop           end servers
//! ```
//!
//! Generic in what is hosted, so that others can build a server of their own around an
//! application in its process.

mod program_words;
mod proxy;
mod report;
mod run;
mod stop;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use super::usage;
use super::voice::say;
use crate::host::application::Application;
use crate::host::identifier::Identifier;
use crate::host::login;
use crate::host::order::Order;
use crate::host::paths::Root;
use crate::host::versions;

/// Keeps a program or an application running for editors that come and go.
#[derive(Debug, Parser)]
#[command(name = "reattach-server", version, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Be a server, in the foreground
    Run(run::Run),
    /// Find or start a server, and relay between it and standard input and output
    Proxy(proxy::Proxy),
    /// Print the version, and the versions of the protocol that are spoken
    Version {
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// What our environment is, for a server that asks a login shell
    #[command(hide = true)]
    Environment {
        /// What to begin and end with
        mark: String,
    },
    /// Remove the installed programs of older versions that nobody uses, and print which
    #[command(hide = true)]
    Tidy,
    /// List the servers of this user
    List {
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Tell about one server, or why it is gone; exits with 90 if it is not running
    Status {
        /// The server
        #[arg(allow_hyphen_values = true)]
        identifier: Identifier,
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// End servers, and wait for their end
    Stop(stop::Stop),
}

/// Those that people give, and may give to the client's program by mistake.
pub(super) const COMMANDS: [&str; 6] = ["list", "proxy", "run", "status", "stop", "version"];

/// All of its words, for manual pages and completions.
pub fn command() -> clap::Command {
    Arguments::command()
}

/// Runs all commands. `words` begin with the program's name; `prefix` is what our own executable
/// needs before them, when it does other things as well. `make` makes what is hosted of what the
/// words say of it; it is called in the server's process only, and its error is told to whoever starts
/// the server.
pub fn main<A: Application>(
    words: impl IntoIterator<Item = OsString>,
    prefix: &[OsString],
    make: impl FnOnce(Order) -> Result<A, String>,
) -> ExitCode {
    let arguments: Arguments = match usage::parse(words) {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    match arguments.command {
        Command::Run(run) => run.run(prefix, make),
        Command::Environment { mark } => match login::tell_environment(&mark) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        Command::Proxy(proxy) => proxy.run(prefix),
        Command::Version { json } => report::version(json),
        Command::Tidy => run_tidy(),
        Command::List { json } => report::list(json),
        Command::Status { identifier, json } => report::status(&identifier, json),
        Command::Stop(stop) => stop.run(),
    }
}

fn run_tidy() -> ExitCode {
    let gone = Root::from_env().map_err(|error| error.to_string()).and_then(|root| versions::tidy(&root));
    match gone {
        Ok(gone) if gone.is_empty() => ExitCode::SUCCESS,
        Ok(gone) => report::print(&gone.join(" "), ExitCode::SUCCESS),
        Err(why) => fail(&why),
    }
}

/// Says why something went wrong that is not the user's fault.
fn fail(why: &str) -> ExitCode {
    say(&format!("reattach-server: {why}"));
    ExitCode::FAILURE
}

/// All of ours are small; what is not is a failure of its own.
fn exit_code(code: i32) -> ExitCode {
    u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from)
}
