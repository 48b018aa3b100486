//! `stop`: ends servers on the user's wish, one, those without a client, or all.

use std::process::ExitCode;

use clap::Args;
use futures::StreamExt;
use futures::stream;

use super::report::{identifiers, print};
use super::{exit_code, fail};
use crate::cli::voice::say;
use crate::host::identifier::Identifier;
use crate::host::lock::probe;
use crate::host::paths::Place;
use crate::host::seat::Word;
use crate::host::stop::{Stopped, Which, stop};
use crate::io::room;
use crate::proto::limits::STOPPED_AT_ONCE;
use crate::proto::verdict::EXIT_NOT_RUNNING;
use crate::session::launch::Lock;

/// End servers, and wait for their end.
///
/// A named one that is not running gives exit status 90.
#[derive(Debug, Args)]
pub(super) struct Stop {
    /// The server
    #[arg(allow_hyphen_values = true, required_unless_present_any = ["detached", "all"], conflicts_with_all = ["detached", "all"])]
    identifier: Option<Identifier>,
    /// All that have had a client and have none now
    #[arg(long, conflicts_with = "all")]
    detached: bool,
    /// All of this user, whoever is attached
    #[arg(long)]
    all: bool,
    /// For programs
    #[arg(long)]
    json: bool,
}

/// What became of one.
type Outcome = (Identifier, Result<Stopped, String>);

impl Stop {
    pub(super) fn run(self) -> ExitCode {
        let which = if self.detached { Which::Detached } else { Which::Any };
        let found = room::for_open_files().and_then(|()| match (self.detached, self.all) {
            (false, false) => Ok(self.identifier.clone().into_iter().collect()),
            (detached, _) => Ok(running(detached, identifiers()?)),
        });
        let meant = match found {
            Ok(meant) => meant,
            Err(why) => return fail(&why),
        };
        let outcomes = smol::block_on(
            stream::iter(meant.into_iter().map(|identifier| end(identifier, which)))
                .buffered(STOPPED_AT_ONCE)
                .collect::<Vec<_>>(),
        );
        match &outcomes[..] {
            [(identifier, outcome)] if !self.detached && !self.all => self.tell_one(identifier, outcome),
            outcomes => self.tell_some(outcomes),
        }
    }

    /// The one that was named.
    fn tell_one(&self, identifier: &Identifier, outcome: &Result<Stopped, String>) -> ExitCode {
        let (text, code) = match outcome {
            Ok(Stopped::Ended) => (format!("{identifier} has ended"), ExitCode::SUCCESS),
            Ok(Stopped::NotRunning | Stopped::Attached) => {
                let code = exit_code(EXIT_NOT_RUNNING);
                if !self.json {
                    say(&format!("reattach-server: no server is running under the identifier {identifier}"));
                    return code;
                }
                (String::new(), code)
            }
            Err(why) => return fail(why),
        };
        let text = if self.json { line(identifier, outcome).to_string() } else { text };
        print(&text, code)
    }

    fn tell_some(&self, outcomes: &[Outcome]) -> ExitCode {
        let mut code = ExitCode::SUCCESS;
        let mut lines = Vec::new();
        for (identifier, outcome) in outcomes {
            match outcome {
                Ok(Stopped::Ended) => lines.push(format!("{identifier} has ended")),
                // It was not meant any more.
                Ok(Stopped::Attached) => lines.push(format!("{identifier} has a client by now, and goes on")),
                Ok(Stopped::NotRunning) => {}
                Err(why) => code = fail(&format!("{identifier}: {why}")),
            }
        }
        if self.json {
            let all: Vec<_> =
                outcomes.iter().map(|(identifier, outcome)| line(identifier, outcome)).collect();
            return print(&serde_json::Value::from(all).to_string(), code);
        }
        if outcomes.is_empty() {
            lines.push(
                if self.detached { "no server is detached" } else { "no server is running" }.to_owned(),
            );
        }
        if lines.is_empty() { code } else { print(&lines.join("\n"), code) }
    }
}

fn line(identifier: &Identifier, outcome: &Result<Stopped, String>) -> serde_json::Value {
    let stopped = matches!(outcome, Ok(Stopped::Ended));
    serde_json::json!({ "identifier": identifier.as_str(), "stopped": stopped })
}

async fn end(identifier: Identifier, which: Which) -> Outcome {
    let outcome = match Place::of(&identifier) {
        Ok(place) => stop(&place, which).await,
        Err(error) => Err(error.to_string()),
    };
    (identifier, outcome)
}

/// Those that live; only those whose client has gone, if that is asked for.
fn running(detached: bool, mut known: Vec<Identifier>) -> Vec<Identifier> {
    known.retain(|identifier| {
        let Ok(place) = Place::of(identifier) else {
            return false;
        };
        let is_left = || {
            let directory = place.find().ok().flatten();
            let word = directory.and_then(|directory| Word::read(&place, &directory));
            word.is_some_and(|word| !word.attached)
        };
        matches!(probe(&place), Ok(Lock::Held(_))) && (!detached || is_left())
    });
    known
}
