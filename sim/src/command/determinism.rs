//! The same seed twice here and once in another process: every hash must be the same.
//!
//! The other process is this program, or the same simulator built in another way. It is asked for
//! its hashes; where one differs, for the rolling checkpoints of that run, and then for the events
//! of the first stretch that differs. What is on record in a file is the hash alone: it tells that
//! two builds differ, and comparing them with each other tells where.

use std::io::{Read as _, StdoutLock, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use reattach::session::Time;

use super::progress::Progress;
use super::save::{self, Form, RECORD_HEAD};
use super::source::quoted;
use super::{EXIT_FINE, EXIT_NONDETERMINISM, Seeds, counted};
use crate::run::run as run_scenario;
use crate::scenario::{draw, shown};
use crate::trace::{CHECKPOINT_EVENTS, Detail, Step, Trace, first_difference};

/// Seeds whose hashes are on record: enough that every machine is in some of them.
const RECORDED_SEEDS: u64 = 32;

/// Bytes of a record: a hundred times those of the one that is kept.
const RECORD_BYTES_MAX: u64 = 1 << 16;

/// Digits of a hash.
const HASH_DIGITS: usize = 16;

#[derive(Debug, clap::Args)]
pub(super) struct DeterminismArgs {
    /// The seeds, as in 0..100
    #[arg(long, value_name = "A..B", default_value = "0..100", allow_hyphen_values = true)]
    seeds: Seeds,
    /// Compare with what this simulator, built in another way, gives
    #[arg(long, value_name = "PROGRAM")]
    against: Option<PathBuf>,
    /// Compare with the hashes in this file instead
    #[arg(long, value_name = "FILE", conflicts_with_all = ["against", "seeds"])]
    recorded: Option<PathBuf>,
    /// Write the hashes of this build to this file, and compare nothing
    #[arg(long, value_name = "FILE", conflicts_with_all = ["against", "seeds", "recorded"])]
    renew: Option<PathBuf>,
    /// Print this of each seed, and compare nothing: what another process asks for
    #[arg(long, value_name = "WHAT", conflicts_with_all = ["against", "recorded", "renew"])]
    print: Option<Print>,
    /// The stretch between two checkpoints whose events are printed
    #[arg(long, value_name = "N", default_value_t = 0, requires = "print")]
    stretch: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Print {
    /// One hash a seed.
    Hashes,
    /// The hash after every few events.
    Checkpoints,
    /// The events of a stretch: number, microsecond, word, hash.
    Events,
}

pub(super) fn run(args: &DeterminismArgs) -> anyhow::Result<u8> {
    let out = &mut std::io::stdout().lock();
    if let Some(what) = args.print {
        return print(what, args, out);
    }
    if let Some(file) = &args.renew {
        save::look(file, Form::Hashes)?;
        save::write(file, &record())?;
        return Ok(EXIT_FINE);
    }
    match &args.recorded {
        Some(file) => compare_with_record(file, out),
        None => compare_with_process(args, out),
    }
}

/// The record of this build.
fn record() -> String {
    let mut text = format!(
        "{RECORD_HEAD} After a change of what is drawn or done on purpose:\n\
         # cargo sim check-determinism --renew fixtures/regressions/hashes\n"
    );
    for seed in 0..RECORDED_SEEDS {
        let hash = run_scenario(&draw(seed), Detail::Hash).trace.hash();
        text += &format!("{seed} {hash:016x}\n");
    }
    text
}

fn print(what: Print, args: &DeterminismArgs, out: &mut StdoutLock<'_>) -> anyhow::Result<u8> {
    for seed in args.seeds.first..args.seeds.end {
        let trace = trace_of(seed, if what == Print::Events { Detail::Events } else { Detail::Hash });
        match what {
            Print::Hashes => writeln!(out, "{seed} {:016x}", trace.hash())?,
            Print::Checkpoints => {
                for hash in trace.checkpoints() {
                    writeln!(out, "{seed} {hash:016x}")?;
                }
            }
            Print::Events => {
                let (before, steps) = stretch(&trace, args.stretch);
                for (number, Step { at, word, hash }) in (before..).zip(steps) {
                    writeln!(out, "{number} {} {word} {hash:016x}", at.0)?;
                }
            }
        }
    }
    Ok(EXIT_FINE)
}

fn compare_with_record(file: &Path, out: &mut StdoutLock<'_>) -> anyhow::Result<u8> {
    let name = file.display();
    let text = read_record(file)?;
    let mut compared = 0u64;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let recorded =
            line.split_once(' ').and_then(|(seed, hash)| Some((seed.parse().ok()?, hash_in(hash)?)));
        let (seed, hash) = recorded.with_context(|| {
            format!("{name} holds \"{}\", not a seed, a blank and the 16 digits of its hash", shown(line))
        })?;
        let ours = trace_of(seed, Detail::Hash).hash();
        if ours != hash {
            let ours = format!("{seed} {ours:016x}");
            let again = quoted(&name.to_string());
            writeln!(
                out,
                "seed {seed} gives another run than the one on record: \"{ours}\" here and \"{line}\" in \
                 {name}. If that was meant: cargo sim check-determinism --renew {again}. If not, compare with \
                 another build: cargo sim check-determinism --against PROGRAM"
            )?;
            return Ok(EXIT_NONDETERMINISM);
        }
        compared += 1;
    }
    if compared == 0 {
        bail!("{name} holds no seed and its hash");
    }
    writeln!(out, "{} gave the runs on record", counted(compared, "seed"))?;
    Ok(EXIT_FINE)
}

/// The text of a record. A file that is none may have no end.
fn read_record(file: &Path) -> anyhow::Result<String> {
    let name = file.display();
    let unreadable = || format!("{name} cannot be read");
    if !std::fs::metadata(file).with_context(unreadable)?.is_file() {
        bail!("{name} is no record of hashes: it is no regular file");
    }
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(file).with_context(unreadable)?;
    opened.take(RECORD_BYTES_MAX + 1).read_to_end(&mut bytes).with_context(unreadable)?;
    if bytes.len() as u64 > RECORD_BYTES_MAX {
        bail!("{name} is no record of hashes: it has more than {RECORD_BYTES_MAX} bytes");
    }
    String::from_utf8(bytes).ok().with_context(|| format!("{name} is no record of hashes: it is no text"))
}

/// The number that these digits are, if they are those of a hash.
fn hash_in(digits: &str) -> Option<u64> {
    let all = digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    u64::from_str_radix(digits, 16).ok().filter(|_| all && digits.len() == HASH_DIGITS)
}

fn compare_with_process(args: &DeterminismArgs, out: &mut StdoutLock<'_>) -> anyhow::Result<u8> {
    let other = Other::of(args)?;
    let count = args.seeds.end - args.seeds.first;
    let theirs = other.hashes(args.seeds)?;
    let mut progress = Progress::start(Some(count), false);
    let mut different = None;
    for (seed, theirs) in (args.seeds.first..args.seeds.end).zip(theirs) {
        progress.tell_rate(seed - args.seeds.first, "seeds");
        different = other.difference(seed, theirs)?;
        if different.is_some() {
            break;
        }
    }
    progress.end();
    match &different {
        Some(difference) => writeln!(out, "{difference}")?,
        None => writeln!(out, "{} gave the same run three times, in two processes", counted(count, "seed"))?,
    }
    Ok(if different.is_some() { EXIT_NONDETERMINISM } else { EXIT_FINE })
}

fn trace_of(seed: u64, detail: Detail) -> Trace {
    run_scenario(&draw(seed), detail).trace
}

/// The events from the one before a stretch, as what came of that belongs to it, to its end.
fn stretch(trace: &Trace, number: usize) -> (usize, &[Step]) {
    let length = usize::try_from(CHECKPOINT_EVENTS).expect("small");
    let steps = trace.steps();
    let (start, end) = (number.saturating_mul(length), number.saturating_add(1).saturating_mul(length));
    let first = start.saturating_sub(1).min(steps.len());
    (first, &steps[first..end.min(steps.len())])
}

/// The simulator in another process.
struct Other {
    program: PathBuf,
}

impl Other {
    fn of(args: &DeterminismArgs) -> anyhow::Result<Self> {
        let program = match &args.against {
            Some(program) => program.clone(),
            None => std::env::current_exe().context("this program cannot be found again")?,
        };
        Ok(Other { program })
    }

    fn hashes(&self, seeds: Seeds) -> anyhow::Result<Vec<u64>> {
        let lines = self.ask(seeds, &["--print", "hashes"])?;
        let (count, given) = (seeds.end - seeds.first, lines.len() as u64);
        if given != count {
            bail!("the other process gave {} for {}", counted(given, "hash"), counted(count, "seed"));
        }
        (seeds.first..seeds.end).zip(&lines).map(|(seed, line)| hash_of(seed, line)).collect()
    }

    /// How two runs of a seed here, and one in the other process, are not the same.
    fn difference(&self, seed: u64, theirs: u64) -> anyhow::Result<Option<String>> {
        let first = trace_of(seed, Detail::Events);
        let again = trace_of(seed, Detail::Events);
        if let Some(difference) = first.first_difference(&again) {
            return Ok(Some(format!("seed {seed} gave two runs: {difference}")));
        }
        if first.hash() == theirs {
            return Ok(None);
        }
        let difference = self.first_difference(seed, &first)?;
        Ok(Some(format!("seed {seed} gave two runs, here and in another process: {difference}")))
    }

    /// Where its run of that seed leaves ours.
    fn first_difference(&self, seed: u64, ours: &Trace) -> anyhow::Result<String> {
        let seeds = Seeds { first: seed, end: seed.checked_add(1).context("the last seed has no end")? };
        let lines = self.ask(seeds, &["--print", "checkpoints"])?;
        let theirs: Vec<u64> = lines.iter().map(|line| hash_of(seed, line)).collect::<Result<_, _>>()?;
        let same = ours.checkpoints().iter().zip(&theirs).take_while(|(ours, theirs)| ours == theirs).count();
        let lines = self.ask(seeds, &["--print", "events", "--stretch", &same.to_string()])?;
        let theirs: Vec<Step> = lines.iter().map(|line| step_of(line)).collect::<Result<_, _>>()?;
        let (before, ours) = stretch(ours, same);
        let last = || "what came of the last event differs".to_owned();
        Ok(first_difference(before, ours, &theirs).unwrap_or_else(last))
    }

    fn ask(&self, seeds: Seeds, what: &[&str]) -> anyhow::Result<Vec<String>> {
        let name = self.program.display();
        let seeds = format!("{}..{}", seeds.first, seeds.end);
        let output = Command::new(&self.program)
            .args(["check-determinism", "--seeds", &seeds])
            .args(what)
            .output()
            .with_context(|| format!("{name} cannot be started"))?;
        if !output.status.success() {
            bail!("{name} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        let text = String::from_utf8(output.stdout).context("the other process does not print text")?;
        Ok(text.lines().map(str::to_owned).collect())
    }
}

fn hash_of(seed: u64, line: &str) -> anyhow::Result<u64> {
    let hash = line.strip_prefix(&format!("{seed} ")).and_then(hash_in);
    let line = shown(line);
    hash.with_context(|| format!("the other process gave \"{line}\" where seed {seed} and a hash were due"))
}

fn step_of(line: &str) -> anyhow::Result<Step> {
    let words: Vec<&str> = line.split(' ').collect();
    let step = match words[..] {
        [_number, at, word, hash] => (at.parse().ok())
            .zip(word.parse().ok())
            .zip(u64::from_str_radix(hash, 16).ok())
            .map(|((at, word), hash)| Step { at: Time(at), word, hash }),
        _ => None,
    };
    step.with_context(|| format!("the other process gave \"{}\" where an event was due", shown(line)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_after_the_last_has_no_events() {
        let trace = trace_of(1, Detail::Events);
        let count = trace.steps().len();
        for number in [count, usize::MAX - 1, usize::MAX] {
            assert_eq!(stretch(&trace, number), (count, &[][..]));
        }
        assert_eq!(stretch(&trace, 0).0, 0);
    }

    #[test]
    fn a_hash_has_all_its_digits() {
        assert_eq!(hash_in("0123456789abcdef"), Some(0x0123_4567_89ab_cdef));
        for digits in ["", "0123456789abcde", "00123456789abcdef", "+123456789abcdef", "0123456789ABCDEF"] {
            assert_eq!(hash_in(digits), None, "{digits}");
        }
    }
}
