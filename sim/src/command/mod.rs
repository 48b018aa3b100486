//! The command line: arguments, exit codes, and what people and programs read.
//!
//! ```text
//! part          what people write: seeds, times, from when to when
//! save          files that somebody asked for
//! run           one seed or scenario, in full
//! campaign      many seeds on all cores
//! tally         what many runs add up to
//! availability  what their users felt
//! progress      how what takes long shows itself while it lasts
//! determinism   the same seed twice, in two processes
//! coverage      what many seeds have reached, and what they never did
//! shrink        a scenario that breaks a promise, made as small as it gets
//! keep          what a campaign keeps of its violations
//! show          a run as a picture in a file
//! mutants       known bugs, each caught by the promise that it names
//! explore       everything that can happen in a small world
//! source        where a scenario comes from: a seed, or a file
//! ```

mod availability;
mod campaign;
mod coverage;
mod determinism;
mod explore;
mod keep;
mod mutants;
mod part;
mod progress;
mod run;
mod save;
mod show;
mod shrink;
mod source;
mod tally;

use std::io::Write as _;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

use crate::check::{Kind, Violation};

/// Everything held.
const EXIT_FINE: u8 = 0;
/// A promise that protects from harm was broken.
const EXIT_SAFETY: u8 = 10;
/// Something that had to happen did not.
const EXIT_LIVENESS: u8 = 11;
/// A goal was never reached, or a promise never judged.
const EXIT_UNREACHED: u8 = 12;
/// The same seed gave two runs.
const EXIT_NONDETERMINISM: u8 = 13;
/// A mutant was not caught as it must be, or cannot be tried any more.
const EXIT_SURVIVOR: u8 = 14;
/// There is nothing to shrink: every promise held.
const EXIT_NOTHING: u8 = 15;
/// The call makes no sense.
const EXIT_USAGE: u8 = 64;
/// What was found could not be written down: the EX_IOERR of `sysexits.h`.
const EXIT_UNWRITTEN: u8 = 74;
/// Nobody reads on: what a shell says of a program that ended by SIGPIPE, which is quiet and no success.
const EXIT_UNREAD: u8 = 128 + 13;

/// The deterministic simulator of reattach.
///
/// Exit codes: 0 every promise held, 10 harm was done, 11 no progress was made, 12 a goal was never
/// reached, 13 a seed gave two different runs, 14 a mutant was not caught by the promise that it
/// names, or no longer applies or builds, 15 there is nothing to shrink, 64 the call makes no sense, 74
/// the standard output, or a file that was asked for, cannot be written.
#[derive(Debug, Parser)]
#[command(name = "cargo sim", bin_name = "cargo sim", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the world of one seed: its scenario, its trace, its verdict.
    Run(run::RunArgs),
    /// Run many seeds on all cores and add up what they show.
    Campaign(campaign::CampaignArgs),
    /// Run a scenario file.
    Replay(run::ReplayArgs),
    /// Count which machine was told what in which state, and list what never happened.
    Coverage(coverage::CoverageArgs),
    /// Make a seed or file that breaks a promise as small as it gets.
    Shrink(shrink::ShrinkArgs),
    /// Run every seed twice here and once in another process, and compare.
    CheckDeterminism(determinism::DeterminismArgs),
    /// Put each known bug into a copy of the sources, and look whether the checkers notice.
    Mutants(mutants::MutantsArgs),
    /// Draw a run: a page that can be walked through, or an SVG.
    Show(show::ShowArgs),
    /// Look at everything that can happen in a small world.
    Explore(explore::ExploreArgs),
}

/// Parses the arguments, runs the command, and gives its exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return ExitCode::from(told(&error)),
    };
    let done = match cli.command {
        Command::Run(args) => run::run(&args),
        Command::Campaign(args) => campaign::run(&args),
        Command::Replay(args) => run::replay(&args),
        Command::Coverage(args) => coverage::run(&args),
        Command::Shrink(args) => shrink::run(&args),
        Command::CheckDeterminism(args) => determinism::run(&args),
        Command::Mutants(args) => mutants::run(&args),
        Command::Show(args) => show::run(&args),
        Command::Explore(args) => explore::run(&args),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) => ExitCode::from(failed(&error)),
    }
}

/// Tells what is wrong with the words, in one sentence, or what was asked to be told.
fn told(error: &clap::Error) -> u8 {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let printed = error.print().and_then(|()| std::io::stdout().flush());
            printed.map_or_else(|error| failed(&error.into()), |()| EXIT_FINE)
        }
        // Nobody is left to tell if one of these cannot be written.
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            EXIT_USAGE
        }
        _ => {
            let _ = writeln!(std::io::stderr(), "error: {}", sentence(&error.render().to_string()));
            EXIT_USAGE
        }
    }
}

/// The first paragraph of a longer explanation, on one line.
fn sentence(text: &str) -> String {
    let paragraph = text.split("\n\n").next().unwrap_or(text);
    let line = paragraph.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    line.trim_start_matches("error: ").to_owned()
}

/// Tells why a command came to no verdict.
fn failed(error: &anyhow::Error) -> u8 {
    let (code, why) = match unwritten(error) {
        _ if error.is::<save::Unwritten>() => (EXIT_UNWRITTEN, error.to_string()),
        Some(std::io::ErrorKind::BrokenPipe) => return EXIT_UNREAD,
        Some(_) => (EXIT_UNWRITTEN, format!("the standard output cannot be written: {error}")),
        None => (EXIT_USAGE, format!("{error:#}")),
    };
    let _ = writeln!(std::io::stderr(), "error: {why}");
    code
}

/// Whether the standard output could not be written. Errors of files say which file; these do not.
fn unwritten(error: &anyhow::Error) -> Option<std::io::ErrorKind> {
    let outermost = error.chain().next()?;
    let plain = outermost.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    plain.or_else(|| outermost.downcast_ref::<serde_json::Error>().and_then(serde_json::Error::io_error_kind))
}

/// So many of something.
fn counted(count: u64, thing: &str) -> String {
    match (count, thing) {
        (1, _) => format!("1 {thing}"),
        (_, "hash") => format!("{count} hashes"),
        _ => format!("{count} {thing}s"),
    }
}

/// The exit code that a verdict stands for.
fn exit_code(violation: Option<&Violation>) -> u8 {
    match violation.map(|violation| violation.promise.kind()) {
        None => EXIT_FINE,
        Some(Kind::Safety) => EXIT_SAFETY,
        Some(Kind::Liveness) => EXIT_LIVENESS,
    }
}

/// A range of seeds: `0..10000`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seeds {
    first: u64,
    end: u64,
}

impl std::str::FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("\"{text}\" is no range of seeds; write 0..10000");
        let (first, end) = text.split_once("..").ok_or_else(bad)?;
        let seeds = Seeds { first: first.parse().map_err(|_| bad())?, end: end.parse().map_err(|_| bad())? };
        if seeds.first >= seeds.end {
            return Err(format!("\"{text}\" holds no seed: the first must be below the end"));
        }
        Ok(seeds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_consistent() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn a_range_needs_a_seed() {
        assert_eq!("3..7".parse(), Ok(Seeds { first: 3, end: 7 }));
        assert_eq!(
            "7..7".parse::<Seeds>().unwrap_err(),
            "\"7..7\" holds no seed: the first must be below the end"
        );
        assert!("7".parse::<Seeds>().unwrap_err().ends_with("write 0..10000"));
    }
}
