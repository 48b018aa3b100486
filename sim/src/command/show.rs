//! A run as a picture in a file.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::exit_code;
use super::part::Part;
use super::save::{self, Form, Found, Unwritten};
use super::source::Source;
use crate::run::Outcome;
use crate::show::Picture;
use crate::trace::Detail;

#[derive(Debug, clap::Args)]
pub(super) struct ShowArgs {
    /// A seed, which is a whole number, or else a scenario file
    #[arg(value_name = "SEED|FILE", allow_negative_numbers = true)]
    source: Source,
    /// The picture's file; - writes to standard output [default: named after the seed or file, here]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Draw an SVG for documents instead of a page that can be walked through; so does a file that ends
    /// in .svg
    #[arg(long)]
    svg: bool,
    #[command(flatten)]
    part: Part,
    /// Overwrite a file that is no picture of this command
    #[arg(long)]
    force: bool,
}

pub(super) fn run(args: &ShowArgs) -> anyhow::Result<u8> {
    let svg = args.svg || args.out.as_deref().is_some_and(is_svg);
    if args.out.as_deref() == Some(Path::new("-")) {
        return print(&args.source, &args.part, svg);
    }
    let ending = if svg { "svg" } else { "html" };
    let path = args.out.clone().unwrap_or_else(|| default_path(&args.source, ending));
    let found = if args.force { save::look_at_room(&path)? } else { save::look(&path, Form::Picture)? };
    let (picture, outcome) = drawn(&args.source, &args.part, svg)?;
    let written = save::write(&path, &text(&picture, svg));
    let mut out = std::io::stdout().lock();
    if written.is_ok() {
        let (lines, messages) = picture.counts();
        write!(out, "{}: {lines} lines, {messages} messages; ", told(&path, found))?;
    }
    writeln!(out, "{}", outcome.verdict())?;
    Ok(save::exit_code_of(exit_code(outcome.checks.violation()), written))
}

/// Draws a scenario beside what another command says about it. That it could not be written is left to
/// that command to tell.
pub(super) fn beside(source: &Source, path: &Path, part: &Part) -> anyhow::Result<Result<(), Unwritten>> {
    let found = save::look(path, Form::Picture)?;
    let svg = is_svg(path);
    let written = save::write(path, &text(&drawn(source, part, svg)?.0, svg));
    if written.is_ok() {
        // Nobody listening is no reason to stop.
        let _ = writeln!(std::io::stderr(), "{}", told(path, found));
    }
    Ok(written)
}

/// Draws a page, and prints nothing else.
pub(super) fn to_standard_output(source: &Source, part: &Part) -> anyhow::Result<u8> {
    print(source, part, false)
}

fn print(source: &Source, part: &Part, svg: bool) -> anyhow::Result<u8> {
    let (picture, outcome) = drawn(source, part, svg)?;
    let mut out = std::io::stdout().lock();
    out.write_all(text(&picture, svg).as_bytes())?;
    out.flush()?;
    Ok(exit_code(outcome.checks.violation()))
}

fn text(picture: &Picture, svg: bool) -> String {
    if svg { picture.svg() } else { picture.page() }
}

fn is_svg(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("svg"))
}

fn told(path: &Path, found: Found) -> String {
    format!("{} {}", path.display(), if found == Found::File { "drawn again" } else { "drawn" })
}

/// In this directory, named after the seed or the file.
fn default_path(source: &Source, ending: &str) -> PathBuf {
    let name = match source {
        Source::Seed(seed) => format!("seed-{seed}"),
        Source::File(file) => file.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
    };
    PathBuf::from(format!("{name}.{ending}"))
}

fn drawn(source: &Source, part: &Part, svg: bool) -> anyhow::Result<(Picture, Outcome)> {
    let (scenario, told) = source.read()?;
    let times = part.times()?;
    let outcome = crate::run::run(&scenario, Detail::Picture);
    part.begins_before(outcome.ended_at)?;
    let svg = if svg { " --svg" } else { "" };
    let again = format!("cargo sim show {}{svg}{}", source.argument(), part.options());
    let title = told.unwrap_or_else(|| source.name());
    let picture = Picture::new(&scenario, &outcome, title, again, times);
    Ok((picture, outcome))
}
