//! `reattach`: the client's program.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use super::connect_args::ConnectArgs;
use super::settled::settle;
use super::{config, connect, demo, install, install_args, retry, server, usage};
use crate::host::program::Program;
use crate::proto::words::harmless;

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
    /// Show what holds for a host, and from where.
    #[command(disable_help_flag = true)]
    Config {
        /// A host, and what `connect` would be given.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "HOST")]
        words: Vec<OsString>,
    },
    /// Put the server program on a host.
    Install(install_args::InstallArgs),
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

/// What to do with a first word that is no command.
fn no_command(word: &str, nearest: Option<&str>) -> Option<String> {
    let word = harmless(word);
    let shown = shlex::try_quote(&word).map_or_else(|_| word.clone(), |quoted| quoted.into_owned());
    // What is farther off than two slips of a finger is more likely a host.
    let nearest = nearest.filter(|nearest| strsim::damerau_levenshtein(nearest, &word) <= 2);
    Some(match nearest {
        _ if server::COMMANDS.contains(&word.as_str()) => {
            format!("{word} is a command of reattach-server, on the host that it is about")
        }
        Some(nearest) => format!(
            "there is no command {word}; did you mean {nearest}? To run a program on a host of that name: reattach connect {shown} -- CMD"
        ),
        None => format!(
            "there is no command {word}; did you mean a host? To run a program there: reattach connect {shown} -- CMD"
        ),
    })
}

/// All of its words, for manual pages and completions.
pub fn command() -> clap::Command {
    Words::command()
}

/// Runs the program.
pub fn main() -> ExitCode {
    let words: Words = match usage::parse_or_explain(std::env::args_os(), no_command) {
        Ok(words) => words,
        Err(code) => return code,
    };
    match words.command {
        Command::Connect(_) => {
            // Once more, with what the settings say: they are judged by the same parser.
            let words: Vec<OsString> = std::env::args_os().skip(2).collect();
            match settle(&words).and_then(|settled| settled.args.check().map(|()| settled.args)) {
                Ok(args) => connect::run(args),
                Err(why) => usage::wrong("reattach connect", &why),
            }
        }
        Command::Config { words } => config::run(&words),
        Command::Install(args) => install::run(&args),
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
