//! Wrong words on a command line: one clear sentence, and the exit code that convention has for it.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::voice::say;

/// What `sysexits.h` calls EX_USAGE.
const EXIT_USAGE: u8 = 64;

/// Reads the words; what cannot be run is told, and the exit code is given.
///
/// # Errors
///
/// The exit code: zero after help or a version was asked for, 64 after wrong words.
pub fn parse<T: Parser>(words: impl IntoIterator<Item = OsString>) -> Result<T, ExitCode> {
    parse_or_explain(words, |_, _| None)
}

/// The same; `explain` may have a better sentence for a word that is no command, and is told which one is
/// nearest.
///
/// # Errors
///
/// As [`parse`].
pub fn parse_or_explain<T: Parser>(
    words: impl IntoIterator<Item = OsString>,
    explain: impl FnOnce(&str, Option<&str>) -> Option<String>,
) -> Result<T, ExitCode> {
    T::try_parse_from(words).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            match error.print().and_then(|()| io::stdout().flush()) {
                // A reader that has gone away has seen enough.
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                    let name = T::command().get_name().to_owned();
                    say(&format!("{name}: standard output cannot be written: {error}"));
                    ExitCode::FAILURE
                }
                Ok(()) | Err(_) => ExitCode::SUCCESS,
            }
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            ExitCode::from(EXIT_USAGE)
        }
        _ => {
            let nearest_word = nearest(&error);
            let unknown = match error.get(ContextKind::InvalidSubcommand) {
                Some(ContextValue::String(word)) => explain(word, nearest_word.as_deref()),
                _ => None,
            };
            wrong(T::command().get_name(), &unknown.unwrap_or_else(|| explanation(&error)))
        }
    })
}

/// What is wrong, in one sentence.
pub fn explanation(error: &clap::Error) -> String {
    let hint = nearest(error).map_or_else(String::new, |nearest| format!("; did you mean {nearest}?"));
    format!("{}{hint}", sentence(&error.render().to_string()))
}

/// What was meant instead of a misspelt word, most likely.
fn nearest(error: &clap::Error) -> Option<String> {
    let kinds = [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg, ContextKind::SuggestedValue];
    kinds.into_iter().find_map(|kind| match error.get(kind)? {
        ContextValue::String(word) => Some(word.clone()),
        // The best is the last.
        ContextValue::Strings(words) => words.last().cloned(),
        _ => None,
    })
}

/// Tells what is wrong with the words.
pub fn wrong(program: &str, why: &str) -> ExitCode {
    say(&format!("{program}: {why}"));
    ExitCode::from(EXIT_USAGE)
}

/// Reads a time as people write it, from a millisecond to a year.
///
/// # Errors
///
/// What is accepted, in one sentence.
pub fn parse_time(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text)
        .map_err(|_| "a time is a number with a unit, such as 500ms, 5s, 2m or 24h".to_owned())?;
    let bounds = Duration::from_millis(1)..=Duration::from_secs(366 * 24 * 60 * 60);
    if !bounds.contains(&time) {
        return Err("a time lies between 1ms and 1 year".to_owned());
    }
    Ok(time)
}

/// A time that can be off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeOrOff(pub Option<Duration>);

impl fmt::Display for TimeOrOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(time) => humantime::format_duration(time).fmt(f),
            None => f.write_str("off"),
        }
    }
}

/// Reads a time, or the word for none.
///
/// # Errors
///
/// What is accepted, in one sentence.
pub fn parse_time_or_off(text: &str) -> Result<TimeOrOff, String> {
    if text == "off" {
        return Ok(TimeOrOff(None));
    }
    parse_time(text).map(Some).map(TimeOrOff)
}

/// Reads a count from one to `MAX`.
///
/// # Errors
///
/// What is accepted, in one sentence.
pub fn parse_count<const MAX: u32>(text: &str) -> Result<u32, String> {
    let count = text.parse().ok().filter(|count| (1..=MAX).contains(count));
    count.ok_or_else(|| format!("a whole number from 1 to {MAX} is needed"))
}

/// The first paragraph of a longer explanation, on one line.
fn sentence(text: &str) -> String {
    let paragraph = text.split("\n\n").next().unwrap_or(text);
    let line = paragraph.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    line.trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_explanation_becomes_one_sentence() {
        let text = "error: the following were not given:\n  <HOST>\n\nUsage: x\n";
        assert_eq!(sentence(text), "the following were not given: <HOST>");
    }

    #[test]
    fn times_are_read_with_their_units() {
        assert_eq!(parse_time("90s"), Ok(Duration::from_secs(90)));
        for text in ["", "5", "0s", "-1s", "soon", "367days"] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }
}
