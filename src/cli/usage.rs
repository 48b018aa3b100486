//! Arguments that were not understood: one sentence, and the exit code for it.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

/// Exit code of a command that was used wrongly, by convention.
pub const EXIT_USAGE: u8 = 64;

/// Reads a command line, its name first.
///
/// # Errors
///
/// The code to exit with: help and version were printed, or what is wrong with the arguments.
pub fn parse<T: Parser>(arguments: impl IntoIterator<Item = OsString>) -> Result<T, ExitCode> {
    T::try_parse_from(arguments).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let _ = error.print();
            ExitCode::SUCCESS
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            ExitCode::from(EXIT_USAGE)
        }
        _ => wrong(T::command().get_name(), &sentence(&error.to_string())),
    })
}

/// Says what is wrong with the arguments.
pub fn wrong(name: &str, sentence: &str) -> ExitCode {
    eprintln!("{name}: {sentence}");
    ExitCode::from(EXIT_USAGE)
}

/// The first paragraph of an error, on one line.
fn sentence(error: &str) -> String {
    let paragraph = error.split("\n\n").next().unwrap_or_default();
    let words: Vec<_> = paragraph.strip_prefix("error: ").unwrap_or(paragraph).split_whitespace().collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_sentence() {
        let error = "error: the following required arguments were not provided:\n  --id <ID>\n\nUsage: x";
        assert_eq!(sentence(error), "the following required arguments were not provided: --id <ID>");
    }
}
