//! A run as a picture in a file.

use std::io::Write as _;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use reattach::session::Time;

use super::exit_code;
use super::source::Source;
use crate::run::Outcome;
use crate::show::{Picture, SIGNATURE};
use crate::trace::Detail;

#[derive(Debug, clap::Args)]
pub(super) struct ShowArgs {
    /// A seed, which is a whole number, or else a scenario file
    #[arg(value_name = "SEED|FILE")]
    source: Source,
    /// The picture's file; - writes to standard output [default: named after the seed or file, here]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Draw an SVG for documents instead of a page that can be walked through
    #[arg(long)]
    svg: bool,
    /// Draw what happens from this time on, as in 12.5s
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    from: Option<Duration>,
    /// Draw what happens up to this time, as in 1m
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    until: Option<Duration>,
    /// Overwrite a file that is no picture of this command
    #[arg(long)]
    force: bool,
}

pub(super) fn run(args: &ShowArgs) -> anyhow::Result<u8> {
    let (picture, outcome) = drawn(&args.source, args.from, args.until)?;
    let text = if args.svg { picture.svg() } else { picture.page() };
    let mut out = std::io::stdout().lock();
    if args.out.as_deref() == Some(Path::new("-")) {
        out.write_all(text.as_bytes())?;
    } else {
        let ending = if args.svg { "svg" } else { "html" };
        let path = args.out.clone().unwrap_or_else(|| default_path(&args.source, ending));
        let told = write(&path, &text, args.force)?;
        let (lines, messages) = picture.counts();
        writeln!(out, "{told}: {lines} lines, {messages} messages; {}", outcome.verdict())?;
    }
    Ok(exit_code(outcome.checks.violation()))
}

/// Draws a scenario file beside what another command says about it.
pub(super) fn beside(
    file: &Path,
    path: &Path,
    from: Option<Duration>,
    until: Option<Duration>,
) -> anyhow::Result<()> {
    let (picture, _) = drawn(&Source::File(file.to_owned()), from, until)?;
    let svg = path.extension().is_some_and(|ending| ending == "svg");
    let told = write(path, &if svg { picture.svg() } else { picture.page() }, false)?;
    writeln!(std::io::stderr().lock(), "{told}")?;
    Ok(())
}

/// In this directory, named after the seed or the file.
fn default_path(source: &Source, ending: &str) -> PathBuf {
    let name = match source {
        Source::Seed(seed) => format!("seed-{seed}"),
        Source::File(file) => file.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
    };
    PathBuf::from(format!("{name}.{ending}"))
}

fn drawn(
    source: &Source,
    from: Option<Duration>,
    until: Option<Duration>,
) -> anyhow::Result<(Picture, Outcome)> {
    let (scenario, told) = source.read()?;
    let shown = shown(from, until)?;
    let outcome = crate::run::run(&scenario, Detail::Picture);
    if *shown.start() > outcome.ended_at {
        bail!("--from {} is after the end of the run at {}", shown.start(), outcome.ended_at);
    }
    let again = format!("cargo sim show {}", source.argument());
    let title = told.unwrap_or_else(|| source.name());
    let picture = Picture::new(&scenario, &outcome, title, again, shown);
    Ok((picture, outcome))
}

fn shown(from: Option<Duration>, until: Option<Duration>) -> anyhow::Result<RangeInclusive<Time>> {
    let from = Time::ZERO + from.unwrap_or_default();
    let until = until.map_or(Time(u64::MAX), |until| Time::ZERO + until);
    if from > until {
        bail!("--from {from} is after --until {until}: nothing is between them");
    }
    Ok(from..=until)
}

/// Writes the picture, and says so. It takes the place of an older one; anything else is left alone.
fn write(path: &Path, text: &str, force: bool) -> anyhow::Result<String> {
    let old = match std::fs::read(path) {
        Ok(old) => Some(old),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(error).with_context(|| format!("{} cannot be written", path.display())),
    };
    let ours = |old: &[u8]| {
        let beginning = &old[..old.len().min(1024)];
        old.is_empty() || beginning.windows(SIGNATURE.len()).any(|part| part == SIGNATURE.as_bytes())
    };
    if let Some(old) = &old
        && !ours(old)
        && !force
    {
        let way = "remove it, name another file, or use show --force";
        bail!("{} is there and is no picture of this command: {way}", path.display());
    }
    std::fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))?;
    let how = if old.is_some() { "drawn again" } else { "drawn" };
    Ok(format!("{} {how}", path.display()))
}
