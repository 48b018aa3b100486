//! `reattach config`: what holds for a host, and from where.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::{Arg, ArgAction, Args};
use serde_json::json;

use super::connect_args::ConnectArgs;
use super::settings::path;
use super::settled::{Origin, Settled, Value, settle};
use super::table::table;
use super::usage;
use super::voice::say;
use crate::proto::words::{escaped, harmless_lines};

/// Runs the command on the words after its own.
pub fn run(words: &[OsString]) -> ExitCode {
    let json = ["--json", "-h", "--help"].map(OsString::from);
    let mut options = words.split(|word| word == "--").next().unwrap_or_default().iter();
    if options.any(|word| json[1..].contains(word)) {
        return help();
    }
    let is_json = words.contains(&json[0]);
    let words: Vec<_> = words.iter().filter(|word| **word != json[0]).cloned().collect();
    let settled = match settle(&words) {
        Ok(settled) => settled,
        Err(why) => return usage::wrong("reattach config", &why),
    };
    if let Err(why) = settled.args.check_host() {
        return usage::wrong("reattach config", &why);
    }
    let text = if is_json { for_programs(&settled) } else { for_people(&settled) };
    let mut stdout = std::io::stdout();
    match stdout.write_all(format!("{}\n", harmless_lines(&text)).as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            say(&format!("reattach: standard output cannot be written: {error}"));
            ExitCode::FAILURE
        }
        Ok(()) | Err(_) => ExitCode::SUCCESS,
    }
}

fn for_people(settled: &Settled) -> String {
    let row = |value: &Value| {
        let from = match &value.origin {
            Origin::CommandLine => "command line".to_owned(),
            Origin::File(path, line) => format!("{path}:{line}"),
            Origin::Default => "default".to_owned(),
        };
        [value.name.to_owned(), value.value.clone().unwrap_or_else(|| "-".to_owned()), from]
    };
    table(&settled.values.iter().map(row).collect::<Vec<_>>())
}

fn for_programs(settled: &Settled) -> String {
    let one = |Value { name, value, origin }: &Value| match origin {
        Origin::CommandLine => json!({ "name": name, "value": value, "from": "command line" }),
        Origin::File(path, line) => {
            json!({ "name": name, "value": value, "from": "file", "file": path, "line": line })
        }
        Origin::Default => json!({ "name": name, "value": value, "from": "default" }),
    };
    escaped(&serde_json::Value::from(settled.values.iter().map(one).collect::<Vec<_>>()).to_string())
}

fn help() -> ExitCode {
    let file = path().map_or_else(String::new, |path| format!("\n\nThe settings are in {}: a table [host.NAME] for each host, or [host.\"*.example.org\"] for some, with options of `connect` by their long names.", path.display()));
    let json = Arg::new("json").long("json").help("For programs").action(ArgAction::SetTrue);
    let about = format!("Show what holds for a host, and from where.{file}");
    let mut command = ConnectArgs::augment_args(clap::Command::new("reattach config"))
        .arg(json)
        .about(about.clone())
        .long_about(about)
        .override_usage("reattach config [OPTIONS] <HOST>")
        .after_help("Its other options are those of `reattach connect`: what that would be given.");
    match command.print_help() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
