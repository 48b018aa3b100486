//! Known bugs put into copies of the sources: each must be caught by the promise that it names.
//!
//! ```text
//! patch   a mutant as a file
//! tree    the copy of the sources that it is built in
//! hunt    what the checkers make of it
//! search  how few steps the explorer needs
//! keep    its shortest scenario, and the trace of that
//! table   what became of all
//! child   programs that are waited for, up to a time
//! ```
//!
//! One mutant is built while those before it are hunted.

mod child;
mod hunt;
mod keep;
mod patch;
mod search;
mod table;
mod tree;

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressStyle};

use self::hunt::{Hunt, Outcome, Update};
use self::patch::Mutant;
use self::table::Row;
use self::tree::{Built, Tree};
use super::part::span;
use super::{EXIT_FINE, EXIT_SURVIVOR, Seeds};

#[derive(Debug, clap::Args)]
pub(super) struct MutantsArgs {
    /// The mutants, by their files' names without .patch; all if none is named
    names: Vec<String>,
    /// Only those few that are tried at every change
    #[arg(long, conflicts_with = "names")]
    quick: bool,
    /// The seeds that each is given, as in 0..100000
    #[arg(long, value_name = "A..B", default_value = "0..100000", allow_hyphen_values = true)]
    seeds: Seeds,
    /// Do not ask the explorer
    #[arg(long)]
    no_explore: bool,
    /// Mutants that are hunted at once, while the next is built
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: u16,
    /// The longest that any step with a mutant may take, as in 5m
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = span, allow_hyphen_values = true)]
    limit: Duration,
    /// Write the scenarios and traces on record anew: of the mutants named, or of all that have them
    #[arg(long)]
    update: bool,
    /// Write each mutant's shortest scenario and its trace to this folder, too
    #[arg(long, value_name = "FOLDER")]
    save: Option<PathBuf>,
    /// Print one JSON object instead of a table
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// Print the table as Markdown
    #[arg(long)]
    markdown: bool,
}

/// A mutant on its way from its build to its hunt.
struct Prepared {
    mutant: Mutant,
    built: Built,
}

pub(super) fn run(args: &MutantsArgs) -> anyhow::Result<u8> {
    let root = tree::find_root()?;
    let mutants = chosen(args, Mutant::read_all(&tree::mutants_folder(&root))?)?;
    let tree = Tree::copy(&root)?;
    let update = match (args.update, args.names.is_empty()) {
        (false, _) => Update::No,
        (true, true) => Update::Kept,
        (true, false) => Update::All,
    };
    let (scratch, save) = (tree.scratch().to_owned(), args.save.clone());
    let (seeds, explore, limit) = (args.seeds, !args.no_explore, args.limit);
    let hunt = Hunt { root, scratch, seeds, explore, limit, update, save };
    let mut rows = hunt_all(args, &hunt, tree, mutants)?;
    rows.sort_by(|one, other| one.mutant.name.cmp(&other.mutant.name));
    let mut out = std::io::stdout().lock();
    if args.json {
        serde_json::to_writer(&mut out, &table::report(&rows))?;
        writeln!(out)?;
    } else {
        write!(out, "{}", if args.markdown { table::markdown(&rows) } else { table::text(&rows) })?;
    }
    Ok(if rows.iter().all(Row::is_expected) { EXIT_FINE } else { EXIT_SURVIVOR })
}

fn chosen(args: &MutantsArgs, mut mutants: Vec<Mutant>) -> anyhow::Result<Vec<Mutant>> {
    if let Some(unknown) = args.names.iter().find(|name| mutants.iter().all(|mutant| mutant.name != **name)) {
        let known: Vec<_> = mutants.iter().map(|mutant| mutant.name.as_str()).collect();
        bail!("\"{unknown}\" is no mutant; known are {}", known.join(", "));
    }
    mutants.retain(|mutant| {
        (args.names.is_empty() || args.names.contains(&mutant.name)) && (!args.quick || mutant.quick)
    });
    Ok(mutants)
}

/// One thread builds, some hunt, and this one tells what became of each.
fn hunt_all(args: &MutantsArgs, hunt: &Hunt, tree: Tree, mutants: Vec<Mutant>) -> anyhow::Result<Vec<Row>> {
    let progress = Progress::start(mutants.len() as u64, args.json);
    std::thread::scope(|scope| {
        let (prepared, to_hunt) = mpsc::sync_channel(0);
        let (done, results) = mpsc::channel();
        // Whoever hunts asks this for the next one; the builder stops when nobody does any more.
        let to_hunt = std::sync::Arc::new(Mutex::new(to_hunt));
        let told = done.clone();
        scope.spawn(move || build_all(tree, mutants, hunt.limit, &prepared, &told));
        for _ in 0..args.jobs {
            let (to_hunt, done) = (to_hunt.clone(), done.clone());
            scope.spawn(move || hunter(hunt, &to_hunt, &done));
        }
        drop((to_hunt, done));
        let mut rows = Vec::new();
        for row in results {
            let row: Row = row?;
            progress.tell(&row);
            rows.push(row);
        }
        Ok(rows)
    })
}

fn build_all(
    mut tree: Tree,
    mutants: Vec<Mutant>,
    limit: Duration,
    prepared: &SyncSender<Prepared>,
    done: &Sender<anyhow::Result<Row>>,
) {
    for mutant in mutants {
        let built = tree.build(&mutant, limit).with_context(|| mutant.name.clone());
        let sent = match built {
            Ok(built) => prepared.send(Prepared { mutant, built }).is_ok(),
            Err(error) => {
                // Whoever would hear of it may be gone; that is an end as well.
                let _ = done.send(Err(error));
                false
            }
        };
        if !sent {
            return;
        }
    }
}

fn hunter(hunt: &Hunt, to_hunt: &Mutex<Receiver<Prepared>>, done: &Sender<anyhow::Result<Row>>) {
    loop {
        let next = to_hunt.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Prepared { mutant, built }) = next else {
            return;
        };
        let outcome = match built {
            Built::Program(program) => {
                let outcome = hunt.run(&mutant, &program).with_context(|| mutant.name.clone());
                // It is large, and the next hunt writes it anew.
                let _ = std::fs::remove_file(program);
                outcome
            }
            Built::Unfit(why) => Ok(Outcome::Unfit(why)),
            Built::TooLong => Ok(Outcome::TooLong("its build")),
        };
        if done.send(outcome.map(|outcome| Row { mutant, outcome })).is_err() {
            return;
        }
    }
}

/// How the hunt shows itself while it lasts: a bar on a terminal, a line for each mutant anywhere.
struct Progress {
    bar: Option<ProgressBar>,
    quiet: bool,
}

impl Progress {
    fn start(mutants: u64, quiet: bool) -> Self {
        let bar = (std::io::stderr().is_terminal() && !quiet).then(|| {
            let template = "{elapsed_precise} [{bar:30}] {pos}/{len} {msg}";
            let style = ProgressStyle::with_template(template).expect("the template is ours");
            let bar = ProgressBar::new(mutants).with_style(style).with_message("the first is built");
            bar.enable_steady_tick(Duration::from_secs(1));
            bar
        });
        Progress { bar, quiet }
    }

    fn tell(&self, row: &Row) {
        match &self.bar {
            Some(bar) => {
                bar.println(row.line());
                bar.set_message("");
                bar.inc(1);
            }
            None if !self.quiet => eprintln!("{}", row.line()),
            None => {}
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
