//! The same seed twice here and once in another process: every hash must be the same.

use std::io::Write as _;
use std::process::Command;

use anyhow::{Context as _, bail};

use super::{EXIT_FINE, EXIT_NONDETERMINISM, Seeds};
use crate::run::run as run_scenario;
use crate::scenario::draw;
use crate::trace::Detail;

#[derive(Debug, clap::Args)]
pub(super) struct DeterminismArgs {
    /// The seeds, as in 0..100
    #[arg(long, value_name = "A..B", default_value = "0..100")]
    seeds: Seeds,
    /// Compare with what this simulator, built in another way, gives
    #[arg(long, value_name = "PROGRAM")]
    against: Option<std::path::PathBuf>,
    /// Print a seed and its hash each line, and compare nothing
    #[arg(long)]
    hashes: bool,
}

pub(super) fn run(args: &DeterminismArgs) -> anyhow::Result<u8> {
    let mut out = std::io::stdout().lock();
    if args.hashes {
        for seed in args.seeds.first..args.seeds.end {
            writeln!(out, "{seed} {:016x}", run_scenario(&draw(seed), Detail::Hash).trace.hash())?;
        }
        return Ok(EXIT_FINE);
    }
    let theirs = other_process(args)?;
    let count = args.seeds.end - args.seeds.first;
    let compared = theirs.lines().count() as u64;
    if compared != count {
        bail!("the other process gave {compared} hashes for {count} seeds");
    }
    for (seed, theirs) in (args.seeds.first..args.seeds.end).zip(theirs.lines()) {
        let scenario = draw(seed);
        let first = run_scenario(&scenario, Detail::Events).trace;
        let second = run_scenario(&scenario, Detail::Events).trace;
        if let Some(difference) = first.first_difference(&second) {
            writeln!(out, "seed {seed} gave two runs: {difference}")?;
            return Ok(EXIT_NONDETERMINISM);
        }
        let ours = format!("{seed} {:016x}", first.hash());
        if ours != theirs || first.hash() != second.hash() {
            writeln!(out, "seed {seed} gave two runs: \"{ours}\" here and \"{theirs}\" in another process")?;
            return Ok(EXIT_NONDETERMINISM);
        }
    }
    writeln!(out, "{count} seeds gave the same run three times, in two processes")?;
    Ok(EXIT_FINE)
}

fn other_process(args: &DeterminismArgs) -> anyhow::Result<String> {
    let program = match &args.against {
        Some(program) => program.clone(),
        None => std::env::current_exe().context("this program cannot be found again")?,
    };
    let seeds = format!("{}..{}", args.seeds.first, args.seeds.end);
    let output = Command::new(&program)
        .args(["check-determinism", "--hashes", "--seeds", &seeds])
        .output()
        .with_context(|| format!("{} cannot be started", program.display()))?;
    if !output.status.success() {
        bail!("{} failed: {}", program.display(), String::from_utf8_lossy(&output.stderr).trim());
    }
    String::from_utf8(output.stdout).context("the other process does not print text")
}
