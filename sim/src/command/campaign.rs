//! Many seeds on all cores.
//!
//! Workers draw seeds in small batches and send what they add up to. Batches are added in the order
//! of their seeds, so a campaign gives the same report on any number of cores, also one that ends at
//! the first broken promise.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::Duration;

use anyhow::bail;

use super::Seeds;
use super::keep::{Kept, keep};
use super::part::span;
use super::progress::Progress;
use super::tally::Tally;
use crate::check::Promise;
use crate::machine::Real;
use crate::run::Outcome;
use crate::scenario::draw;
use crate::trace::Detail;

/// Seeds of a campaign that is told neither which nor for how long: some ten seconds.
const USUAL_SEEDS: u64 = 10_000;

/// Seeds that a worker takes at once.
const BATCH: u64 = 32;

/// Time between two looks at the clock.
const TICK: Duration = Duration::from_millis(100);

#[derive(Debug, clap::Args)]
pub(super) struct CampaignArgs {
    /// The seeds; 0..10000 if neither these nor a time are given
    #[arg(long, value_name = "A..B", allow_hyphen_values = true)]
    seeds: Option<Seeds>,
    /// Stop after this much time, as in 10m; go on until then if no seeds are given
    #[arg(long, value_name = "TIME", value_parser = span, allow_hyphen_values = true)]
    time: Option<Duration>,
    /// Run the k-th of n equal parts only, as in 1/4
    #[arg(long, value_name = "K/N", default_value = "1/1")]
    shard: Shard,
    /// End with the first seed that breaks this promise, or any if none is named
    #[arg(long, value_name = "PROMISE", num_args = 0..=1, default_missing_value = "any")]
    until_broken: Option<Wanted>,
    /// Leave the scenarios that break promises as they were drawn
    #[arg(long)]
    no_shrink: bool,
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

impl Shard {
    fn holds(self, seed: u64) -> bool {
        seed % self.parts == self.part - 1
    }

    /// How many of those seeds are in it.
    fn count(self, seeds: Seeds) -> u64 {
        let below = |end: u64| end / self.parts + u64::from(end % self.parts >= self.part);
        below(seeds.end) - below(seeds.first)
    }
}

/// What a campaign may end with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Any,
    Broken(Promise),
}

impl FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "any" {
            return Ok(Wanted::Any);
        }
        Promise::from_name(text).map(Wanted::Broken).ok_or_else(|| {
            let known: Vec<_> = Promise::ALL.iter().map(|promise| promise.name()).collect();
            format!("\"{text}\" is no promise; known are {}", known.join(", "))
        })
    }
}

impl Wanted {
    fn is_in(self, outcome: &Outcome) -> bool {
        outcome.checks.violation().is_some_and(|violation| match self {
            Wanted::Any => true,
            Wanted::Broken(promise) => promise == violation.promise,
        })
    }
}

/// What the workers share.
struct Work {
    next: AtomicU64,
    end: u64,
    shard: Shard,
    wanted: Option<Wanted>,
    stop: AtomicBool,
}

/// The runs of a few seeds in a row.
struct Batch {
    first: u64,
    tally: Tally,
    /// The last of them is what the campaign was to end with.
    found: bool,
}

/// Batches that came, in the order of their seeds as far as they go without a gap.
struct InOrder {
    next: u64,
    waiting: BTreeMap<u64, Batch>,
    tally: Tally,
    found: bool,
}

impl InOrder {
    fn add(&mut self, batch: Batch) {
        self.waiting.insert(batch.first, batch);
        while !self.found
            && let Some(batch) = self.waiting.remove(&self.next)
        {
            self.next = self.next.saturating_add(BATCH);
            self.tally.add(batch.tally);
            self.found = batch.found;
        }
    }
}

pub(super) fn run(args: &CampaignArgs) -> anyhow::Result<u8> {
    let usual = Seeds { first: 0, end: if args.time.is_some() { u64::MAX } else { USUAL_SEEDS } };
    let seeds = args.seeds.unwrap_or(usual);
    let Seeds { first, end } = seeds;
    let Shard { part, parts } = args.shard;
    let runs = args.shard.count(seeds);
    if runs == 0 {
        bail!("part {part}/{parts} of the seeds {first}..{end} holds none of them");
    }
    let (shard, wanted) = (args.shard, args.until_broken);
    let work = Work { next: AtomicU64::new(first), end, shard, wanted, stop: AtomicBool::new(false) };
    let threads = args.threads.map_or_else(cores, usize::from);
    let runs = (args.time.is_none() || args.seeds.is_some()).then_some(runs);
    let mut progress = Progress::start(runs, args.json);
    let tally = std::thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        let started = (0..threads).take_while(|_| {
            let (sender, work) = (sender.clone(), &work);
            std::thread::Builder::new().spawn_scoped(scope, move || worker(work, &sender)).is_ok()
        });
        // One that cannot be started is missed by nobody, as the others take its seeds; without any,
        // they are run here.
        let alone = started.count() == 0;
        drop(sender);
        let (next, waiting, tally) = (first, BTreeMap::new(), Tally::default());
        let mut batches = InOrder { next, waiting, tally, found: false };
        loop {
            let came = if alone {
                next_batch(&work).ok_or(RecvTimeoutError::Disconnected)
            } else {
                receiver.recv_timeout(TICK)
            };
            match came {
                Ok(batch) => batches.add(batch),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break batches.tally,
            }
            if batches.found || args.time.is_some_and(|time| progress.elapsed() >= time) {
                work.stop.store(true, Ordering::Relaxed);
            }
            progress.show(&batches.tally);
        }
    });
    let took = progress.end();
    let kept = if args.no_shrink { Kept::new() } else { keep::<Real>(&tally.violations, &args.save_dir) };
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

fn worker(work: &Work, sender: &Sender<Batch>) {
    while let Some(batch) = next_batch(work) {
        if sender.send(batch).is_err() {
            return;
        }
    }
}

fn next_batch(work: &Work) -> Option<Batch> {
    if work.stop.load(Ordering::Relaxed) {
        return None;
    }
    // Never past the end, where counting on would start over with the first seeds.
    let after = |next: u64| (next < work.end).then(|| next.saturating_add(BATCH));
    let first = work.next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, after).ok()?;
    Some(run_batch(work, first))
}

fn run_batch(work: &Work, first: u64) -> Batch {
    let mut batch = Batch { first, tally: Tally::default(), found: false };
    for seed in first..first.saturating_add(BATCH).min(work.end) {
        if work.shard.holds(seed) {
            let scenario = draw(seed);
            let outcome = crate::run::run(&scenario, Detail::Hash);
            batch.tally.take(seed, &scenario, &outcome);
            batch.found = work.wanted.is_some_and(|wanted| wanted.is_in(&outcome));
            if batch.found {
                break;
            }
        }
    }
    batch
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seed_is_in_one_part() {
        let seeds = Seeds { first: 5, end: 23 };
        for parts in 1..30 {
            let parts: Vec<Shard> = (1..=parts).map(|part| Shard { part, parts }).collect();
            for shard in &parts {
                let held = (seeds.first..seeds.end).filter(|seed| shard.holds(*seed)).count();
                assert_eq!(shard.count(seeds), held as u64, "{shard:?}");
            }
            assert_eq!(parts.iter().map(|shard| shard.count(seeds)).sum::<u64>(), 18);
        }
    }

    #[test]
    fn a_part_is_one_of_as_many_as_there_are() {
        assert_eq!("2/4".parse(), Ok(Shard { part: 2, parts: 4 }));
        for text in ["0/4", "5/4", "1", "a/b", "1/0"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }

    #[test]
    fn batches_are_added_in_the_order_of_their_seeds_up_to_what_was_wanted() {
        let batch = |place: u64, found| {
            let tally = Tally { runs: 1 << place, ..Tally::default() };
            Batch { first: place * BATCH, tally, found }
        };
        let mut batches =
            InOrder { next: 0, waiting: BTreeMap::new(), tally: Tally::default(), found: false };
        batches.add(batch(2, true));
        assert_eq!((batches.tally.runs, batches.found), (0, false), "what comes before it may count more");
        batches.add(batch(3, false));
        batches.add(batch(0, false));
        batches.add(batch(1, false));
        assert_eq!((batches.tally.runs, batches.found), (0b111, true));
    }

    #[test]
    fn a_campaign_may_end_with_any_promise_or_one_by_name() {
        assert_eq!("any".parse(), Ok(Wanted::Any));
        assert_eq!("never-spawn".parse(), Ok(Wanted::Broken(Promise::NeverSpawn)));
        assert!("luck".parse::<Wanted>().unwrap_err().starts_with("\"luck\" is no promise; known are"));
    }
}
