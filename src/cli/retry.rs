//! `reattach retry`: tells this user's own clients to try now.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;

use super::bell::{Rung, ring};
use super::connect_args::parse_identifier;
use super::voice::{say, start_log};
use crate::io::reactor;
use crate::proto::words::harmless;

/// Make clients that wait for a network try now.
///
/// Reaches every `reattach connect` of this user on this machine, or those with that name.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Exit status: 0 if at least one was reached, else 1.")]
pub struct RetryArgs {
    /// The name of the session, as `connect --id` was given it; all if not given.
    #[arg(value_name = "ID", allow_hyphen_values = true, value_parser = parse_identifier)]
    identifier: Option<String>,
    /// For programs.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &RetryArgs) -> ExitCode {
    start_log("off");
    let rung = match reactor::block_on(ring(args.identifier.as_deref())) {
        Ok(rung) => rung,
        Err(error) => {
            say(&format!("reattach: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let text = match args.json {
        true => Some(serde_json::to_string(&rung).expect("names are plain data")),
        false => (!rung.reached.is_empty()).then(|| tell(&rung)),
    };
    // Who does not read it has been obeyed all the same.
    let _ = text.map(|text| writeln!(std::io::stdout(), "{text}"));
    if !args.json && rung.silent > 0 {
        say(&format!("reattach: {} not answer", count(rung.silent, "client does", "clients do")));
    }
    if !rung.reached.is_empty() {
        return ExitCode::SUCCESS;
    }
    if !args.json {
        let named =
            args.identifier.as_ref().map_or_else(String::new, |name| format!(" with the name {name}"));
        say(&format!("reattach: no client of yours{named} was reached on this machine"));
    }
    ExitCode::FAILURE
}

fn tell(rung: &Rung) -> String {
    let mut text = count(rung.reached.len(), "client tries now", "clients try now");
    for answer in &rung.reached {
        let line = format!("{} on {}, which was {}", answer.identifier, answer.host, answer.state);
        text += &format!("\n{}", harmless(&line));
    }
    text
}

fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
