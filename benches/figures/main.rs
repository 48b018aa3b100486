//! How fast it is, against what people would use otherwise: whole processes, ours and the
//! baseline in turns, so that both see the same machine.
//!
//! ```text
//! place        a home directory of its own, and the end of every server in it
//! echo         a process that gives back what it gets: bulk, and round trips
//! library      our client in this process, as an editor that links it has it
//! hosted       an echo in our server's own process
//! socat        an echo behind a unix socket
//! sshd         an ssh server of its own
//! processes    what the kernel says of one
//! stopwatch    the only place that reads a clock
//! rounds       measurements of both sides, and their ratio
//! table        what comes out
//!
//! wire         a wire that carries so much, as a process below ssh
//!
//! bulk  round_trip  messages  spoken  comeback  idle  felt      the figures
//! ```
//!
//! `cargo bench --bench figures -- [FILTER] [--rounds N]`; `benches/README.md` says more.

mod bulk;
mod comeback;
mod echo;
mod felt;
mod hosted;
mod idle;
mod library;
mod messages;
mod place;
mod processes;
mod round_trip;
mod rounds;
mod socat;
mod spoken;
mod sshd;
mod stopwatch;
mod table;
#[path = "../../tests/real/rate.rs"]
mod wire;

use std::process::ExitCode;

use anyhow::{Context, bail};

use crate::place::Place;
use crate::table::Table;

/// A figure, or some that are measured together: what it is called on the command line, and how
/// it gets its rows.
type Figure = (&'static str, fn(&Place, usize, &mut Table) -> anyhow::Result<()>);

const FIGURES: [Figure; 9] = [
    ("local-bulk", bulk::local),
    ("ssh-bulk", bulk::over_ssh),
    ("round-trip", round_trip::over_ssh),
    ("messages", messages::one_way),
    ("spoken", spoken::both_ways),
    ("comeback", comeback::from_a_killed_link),
    ("idle", idle::server),
    ("flood", felt::behind_a_flood),
    ("long-bulk", felt::on_a_long_link),
];

const ROUNDS: usize = 5;

fn main() -> anyhow::Result<ExitCode> {
    if let Some(code) = hosted::serve() {
        return Ok(code);
    }
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [wire, words @ ..] = &words[..]
        && wire == "wire"
    {
        std::process::exit(wire::Wire::serve(words));
    }
    let (filter, rounds) = arguments()?;
    let place = Place::new()?;
    let mut table = Table::default();
    for (name, measure) in FIGURES {
        if name.contains(&filter) {
            eprintln!("{name} ...");
            // One that cannot be measured does not keep the others from it.
            if let Err(why) = measure(&place, rounds, &mut table) {
                table.leave_out(name, &format!("{why:#}"));
            }
        }
    }
    println!("{table}");
    Ok(ExitCode::SUCCESS)
}

/// The filter, which may be empty, and the number of rounds.
fn arguments() -> anyhow::Result<(String, usize)> {
    let (mut filter, mut rounds) = (String::new(), ROUNDS);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            // Cargo's own.
            "--bench" => {}
            "--rounds" => {
                let number = words.next().context("--rounds needs a number")?;
                rounds = number.parse().context("--rounds needs a number")?;
            }
            other if other.starts_with('-') => bail!("usage: figures [FILTER] [--rounds N]"),
            name => filter = name.to_owned(),
        }
    }
    if rounds == 0 || !FIGURES.iter().any(|(name, _)| name.contains(&filter)) {
        let names: Vec<&str> = FIGURES.iter().map(|(name, _)| *name).collect();
        bail!("one round at least, and a part of one of these names: {}", names.join(", "));
    }
    Ok((filter, rounds))
}
