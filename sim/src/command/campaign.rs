//! Many seeds on all cores.
//!
//! Workers draw seeds in small batches and send what they add up to; sums do not depend on who
//! ran what, so a campaign gives the same report on any number of cores.

use std::io::Write as _;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::Duration;

use super::Seeds;
use super::keep::keep;
use super::progress::Progress;
use super::tally::Tally;
use crate::machine::Real;
use crate::scenario::draw;
use crate::trace::Detail;

/// Seeds that a worker takes at once.
const BATCH: u64 = 32;

/// Time between two looks at the clock.
const TICK: Duration = Duration::from_millis(100);

#[derive(Debug, clap::Args)]
pub(super) struct CampaignArgs {
    /// The seeds, as in 0..10000
    #[arg(long, value_name = "A..B", default_value = "0..10000")]
    seeds: Seeds,
    /// Go on with later seeds until this much time has passed, as in 10m
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    time: Option<Duration>,
    /// Run the k-th of n equal parts only, as in 1/4
    #[arg(long, value_name = "K/N", default_value = "1/1")]
    shard: Shard,
    /// Threads to run on; all cores if not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Where the minimal scenarios of broken promises are written
    #[arg(long, value_name = "DIR", default_value = "target/sim")]
    save_dir: PathBuf,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

/// One of several equal parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shard {
    part: u64,
    parts: u64,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("\"{text}\" is no part; write 1/4 for the first of four");
        let (part, parts) = text.split_once('/').ok_or_else(bad)?;
        let shard =
            Shard { part: part.parse().map_err(|_| bad())?, parts: parts.parse().map_err(|_| bad())? };
        if shard.part == 0 || shard.part > shard.parts {
            return Err(format!("\"{text}\" is no part: from 1 to as many as there are"));
        }
        Ok(shard)
    }
}

/// What the workers share.
struct Work {
    next: AtomicU64,
    end: u64,
    shard: Shard,
    stop: AtomicBool,
}

pub(super) fn run(args: &CampaignArgs) -> anyhow::Result<u8> {
    let end = if args.time.is_some() { u64::MAX } else { args.seeds.end };
    let work =
        Work { next: AtomicU64::new(args.seeds.first), end, shard: args.shard, stop: AtomicBool::new(false) };
    let threads = args.threads.map_or_else(cores, usize::from);
    let runs = (args.time.is_none()).then(|| (end - args.seeds.first) / args.shard.parts);
    let mut progress = Progress::start(runs, args.json);
    let tally = std::thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        for _ in 0..threads {
            let (sender, work) = (sender.clone(), &work);
            scope.spawn(move || worker(work, &sender));
        }
        drop(sender);
        let mut tally = Tally::default();
        loop {
            match receiver.recv_timeout(TICK) {
                Ok(part) => tally.add(part),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break tally,
            }
            if args.time.is_some_and(|time| progress.elapsed() >= time) {
                work.stop.store(true, Ordering::Relaxed);
            }
            progress.show(&tally);
        }
    });
    let took = progress.end();
    let kept = keep::<Real>(&tally.violations, &args.save_dir);
    let mut out = std::io::stdout().lock();
    if args.json {
        serde_json::to_writer(&mut out, &tally.report(took, &kept))?;
        writeln!(out)?;
    } else {
        write!(out, "{}", tally.text(took, &kept))?;
    }
    Ok(tally.exit_code())
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn worker(work: &Work, sender: &Sender<Tally>) {
    while !work.stop.load(Ordering::Relaxed) {
        // Never past the end, where counting on would start over with the first seeds.
        let batch = |next: u64| (next < work.end).then(|| next.saturating_add(BATCH));
        let Ok(first) = work.next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, batch) else {
            return;
        };
        let mut tally = Tally::default();
        for seed in first..first.saturating_add(BATCH).min(work.end) {
            if seed % work.shard.parts == work.shard.part - 1 {
                tally.take(seed, &crate::run::run(&draw(seed), Detail::Hash));
            }
        }
        if sender.send(tally).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_one_of_as_many_as_there_are() {
        assert_eq!("2/4".parse(), Ok(Shard { part: 2, parts: 4 }));
        for text in ["0/4", "5/4", "1", "a/b", "1/0"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }
}
