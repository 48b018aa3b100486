//! What holds for a host: the command line's words, then the [settings](super::settings), then defaults.
//!
//! Settings become words of the command line, so that one parser judges both. A file that is wrong disturbs
//! nothing that runs: it is read when a client starts, and never again.

use std::ffi::{OsStr, OsString};

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches};

use super::connect_args::ConnectArgs;
use super::settings::{KNOWN, Kind, Setting, Settings, path};
use super::usage::explanation;
use crate::io::surroundings::split_variable;

/// The words of a client, and where they come from.
#[derive(Debug)]
pub struct Settled {
    /// As one command line.
    pub args: ConnectArgs,
    /// Each value that can be set.
    pub values: Vec<Value>,
}

/// One value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// Of what.
    pub name: &'static str,
    /// As on the command line; `None` if nothing is said, and nothing is the default.
    pub value: Option<String>,
    /// Who says so.
    pub origin: Origin,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The command line.
    CommandLine,
    /// A line of the file.
    File(String, usize),
    /// Nobody says otherwise.
    Default,
}

/// Reads the words after the command's own, with what the settings say about their host.
///
/// # Errors
///
/// One sentence: the words, or the settings, are wrong.
pub fn settle(words: &[OsString]) -> Result<Settled, String> {
    let given = parse(words)?;
    let host = given.get_one::<String>("host").cloned();
    let settings = match (&host, given.get_flag("local") || given.contains_id("via")) {
        (Some(_), false) => path().map_or(Ok(None), |path| Settings::read(&path))?,
        (None, _) | (_, true) => None,
    };
    if let Some(settings) = &settings {
        check(settings)?;
    }
    let host = host.unwrap_or_default();
    let is_named = is_given(&given, "id");
    let used: Vec<&Setting> = settings.iter().flat_map(|settings| settings.about(&host)).collect();
    let used: Vec<&Setting> = used
        .into_iter()
        .filter(|setting| kind(setting.name) == Kind::Texts || !is_given(&given, setting.name))
        // What a named session has not need not be set for it.
        .filter(|setting| !(is_named && setting.name == "orphan-lifetime"))
        .filter(|setting| is_set_here(setting))
        .collect();
    let matches = parse(&joined(words, &used))?;
    let file = settings.as_ref().map(|settings| settings.path.display().to_string()).unwrap_or_default();
    let values = values(&given, &matches, &used, &file);
    let mut args = ConnectArgs::from_arg_matches(&matches).map_err(|error| explanation(&error))?;
    args.settings_used = !used.is_empty();
    Ok(Settled { args, values })
}

/// The parser of these words alone.
pub fn command() -> Command {
    ConnectArgs::augment_args(Command::new("connect"))
}

fn parse(words: &[OsString]) -> Result<ArgMatches, String> {
    let words = std::iter::once(OsString::from("connect")).chain(words.iter().cloned());
    command().try_get_matches_from(words).map_err(|error| explanation(&error))
}

/// Each value by itself, whomever it is about.
fn check(settings: &Settings) -> Result<(), String> {
    for setting in settings.all() {
        let alone = parse(&["host".into(), setting.word()]);
        let checked = match setting.name {
            "env" => alone.and_then(|_| split_variable(OsStr::new(&setting.value)).map(|_| ())),
            _ => alone.map(|_| ()),
        };
        checked.map_err(|why| format!("{}:{}: {why}", settings.path.display(), setting.line))?;
    }
    Ok(())
}

fn kind(name: &str) -> Kind {
    KNOWN.into_iter().find(|(known, _)| *known == name).map_or(Kind::Text, |(_, kind)| kind)
}

/// As the parser calls it.
fn id(name: &str) -> String {
    name.replace('-', "_")
}

fn is_given(matches: &ArgMatches, name: &str) -> bool {
    matches.value_source(&id(name)) == Some(ValueSource::CommandLine)
}

/// A variable that is to have the value that it has here has none if it has none here.
fn is_set_here(setting: &Setting) -> bool {
    match split_variable(OsStr::new(&setting.value)) {
        Ok((name, None)) if setting.name == "env" => std::env::var_os(name).is_some(),
        Ok(_) | Err(_) => true,
    }
}

/// The settings before the words, which may say otherwise; but ssh heeds what it hears first.
fn joined(words: &[OsString], settings: &[&Setting]) -> Vec<OsString> {
    let program = words.iter().position(|word| word == "--").unwrap_or(words.len());
    let (options, program) = words.split_at(program);
    let of =
        |is_for_ssh: bool| settings.iter().filter(move |setting| (setting.name == "ssh-arg") == is_for_ssh);
    let mut all: Vec<OsString> = of(false).map(|setting| setting.word()).collect();
    all.extend(options.iter().cloned());
    all.extend(of(true).map(|setting| setting.word()));
    all.extend(program.iter().cloned());
    all
}

fn values(given: &ArgMatches, matches: &ArgMatches, used: &[&Setting], file: &str) -> Vec<Value> {
    let mut values = Vec::new();
    for (name, _) in KNOWN {
        let raw = |matches: &ArgMatches| -> Vec<String> {
            let raw = matches.get_raw(&id(name)).into_iter().flatten();
            raw.map(|value| value.to_string_lossy().into_owned()).collect()
        };
        let of_file = used.iter().filter(|setting| setting.name == name);
        let before = values.len();
        if is_given(given, name) {
            let said = raw(given).into_iter().map(|value| (Some(value), Origin::CommandLine));
            values.extend(said.map(|(value, origin)| Value { name, value, origin }));
        }
        values.extend(of_file.map(|setting| Value {
            name,
            value: Some(setting.value.clone()),
            origin: Origin::File(file.to_owned(), setting.line),
        }));
        if values.len() == before {
            let default = raw(matches).into_iter().next();
            values.push(Value { name, value: default, origin: Origin::Default });
        }
    }
    values
}
