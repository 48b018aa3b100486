//! `reattach`: the client's program.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use super::connect_args::ConnectArgs;
use super::{connect, demo, retry, server, usage};
use crate::host::program::Program;

/// Keep a program on another machine running, and attached, over dropped links.
#[derive(Parser)]
#[command(name = "reattach", version, arg_required_else_help = true)]
struct Words {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a program on a host and keep it over dropped links.
    Connect(Box<ConnectArgs>),
    /// Make clients that wait for a network try now.
    Retry(retry::RetryArgs),
    /// Show on this machine what happens when links break and servers die.
    Demo(demo::DemoArgs),
    /// The server's commands, as `reattach-server` has them.
    #[command(hide = true, disable_help_flag = true)]
    Server {
        /// Its words.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<OsString>,
    },
    /// A part of the demo.
    #[command(hide = true)]
    DemoPart(demo::PartArgs),
}

/// Runs the program.
pub fn main() -> ExitCode {
    let words: Words = match usage::parse(std::env::args_os()) {
        Ok(words) => words,
        Err(code) => return code,
    };
    match words.command {
        Command::Connect(args) => match args.check() {
            Ok(()) => connect::run(*args),
            Err(why) => usage::wrong("reattach connect", &why),
        },
        Command::Retry(args) => retry::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Server { words } => {
            let name = OsString::from("reattach server");
            server::main(std::iter::once(name).chain(words), &["server".into()], |order| {
                Program::spawn(&order)
            })
        }
        Command::DemoPart(args) => demo::run_part(&args),
    }
}
