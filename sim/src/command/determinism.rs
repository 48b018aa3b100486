//! The same seed twice here and once in another process: every hash must be the same.
//!
//! The other process is this program, or the same simulator built in another way. It is asked for
//! its hashes; where one differs, for the rolling checkpoints of that run, and then for the events
//! of the first stretch that differs. What is on record in a file is the hash alone: it tells that
//! two builds differ, and comparing them with each other tells where.

use std::io::{StdoutLock, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use reattach::session::Time;

use super::{EXIT_FINE, EXIT_NONDETERMINISM, Seeds};
use crate::run::run as run_scenario;
use crate::scenario::draw;
use crate::trace::{CHECKPOINT_EVENTS, Detail, Step, Trace, first_difference};

/// Seeds whose hashes are on record: enough that every machine is in some of them.
const RECORDED_SEEDS: u64 = 32;

/// What the first line of a record says.
const RECORD_HEAD: &str = "# What seeds give, in every build. After a change of what is drawn or done on purpose:\n\
                           # cargo sim check-determinism --renew";

#[derive(Debug, clap::Args)]
pub(super) struct DeterminismArgs {
    /// The seeds, as in 0..100
    #[arg(long, value_name = "A..B", default_value = "0..100")]
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
    #[arg(long, value_name = "WHAT", conflicts_with = "against")]
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
        std::fs::write(file, record()).with_context(|| format!("{} cannot be written", file.display()))?;
        return Ok(EXIT_FINE);
    }
    match &args.recorded {
        Some(file) => compare_with_record(file, out),
        None => compare_with_process(args, out),
    }
}

/// The record of this build.
fn record() -> String {
    let mut text = format!("{RECORD_HEAD} fixtures/regressions/hashes\n");
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
    let text = std::fs::read_to_string(file).with_context(|| format!("{name} cannot be read"))?;
    let mut compared = 0u64;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let seed = line.split(' ').next().and_then(|seed| seed.parse().ok());
        let seed: u64 = seed.with_context(|| format!("{name} holds \"{line}\", not a seed and its hash"))?;
        let ours = format!("{seed} {:016x}", trace_of(seed, Detail::Hash).hash());
        if ours != line {
            writeln!(
                out,
                "seed {seed} gives another run than the one on record: \"{ours}\" here and \"{line}\" in \
                 {name}. If that was meant: cargo sim check-determinism --renew {name}. If not, compare with \
                 another build: cargo sim check-determinism --against PROGRAM"
            )?;
            return Ok(EXIT_NONDETERMINISM);
        }
        compared += 1;
    }
    if compared == 0 {
        bail!("{name} holds no seed and its hash");
    }
    writeln!(out, "{compared} seeds gave the runs on record")?;
    Ok(EXIT_FINE)
}

fn compare_with_process(args: &DeterminismArgs, out: &mut StdoutLock<'_>) -> anyhow::Result<u8> {
    let other = Other::of(args)?;
    let count = args.seeds.end - args.seeds.first;
    let theirs = other.hashes(args.seeds)?;
    for (seed, theirs) in (args.seeds.first..args.seeds.end).zip(theirs) {
        let first = trace_of(seed, Detail::Events);
        let again = trace_of(seed, Detail::Events);
        if let Some(difference) = first.first_difference(&again) {
            writeln!(out, "seed {seed} gave two runs: {difference}")?;
            return Ok(EXIT_NONDETERMINISM);
        }
        if first.hash() != theirs {
            let difference = other.first_difference(seed, &first)?;
            writeln!(out, "seed {seed} gave two runs, here and in another process: {difference}")?;
            return Ok(EXIT_NONDETERMINISM);
        }
    }
    writeln!(out, "{count} seeds gave the same run three times, in two processes")?;
    Ok(EXIT_FINE)
}

fn trace_of(seed: u64, detail: Detail) -> Trace {
    run_scenario(&draw(seed), detail).trace
}

/// The events from the one before a stretch, as what came of that belongs to it, to its end.
fn stretch(trace: &Trace, number: usize) -> (usize, &[Step]) {
    let length = usize::try_from(CHECKPOINT_EVENTS).expect("small");
    let steps = trace.steps();
    let first = (number * length).saturating_sub(1).min(steps.len());
    (first, &steps[first..((number + 1) * length).min(steps.len())])
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
            bail!("the other process gave {given} hashes for {count} seeds");
        }
        (seeds.first..seeds.end).zip(&lines).map(|(seed, line)| hash_of(seed, line)).collect()
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
    let hash = line.strip_prefix(&format!("{seed} ")).and_then(|hash| u64::from_str_radix(hash, 16).ok());
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
    step.with_context(|| format!("the other process gave \"{line}\" where an event was due"))
}
