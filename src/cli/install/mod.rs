//! `reattach install`: the server program, over the way that sessions take, into its place on a host.
//!
//! ```text
//! choice      which program that is
//! platform    what a host is, and what a program is for
//! sums        what the host's checksum tool should say of it
//! talk        what is said there and back
//! ```
//!
//! A script on the host does the rest, in one login: it says what the host is, takes the program beside its place,
//! compares its checksum, asks it for its version, and renames it. So whatever is interrupted, and whoever else
//! does the same, there is the old program or the new one. A reconnect never comes here.

mod choice;
mod platform;
mod sums;
mod talk;

use std::fs::File;
use std::path::Path;
use std::process::ExitCode;

use self::choice::choose;
use self::platform::Platform;
use self::sums::Tool;
use self::talk::{Line, Talk};
use super::install_args::InstallArgs;
use super::usage;
use super::voice::{say, start_log};
use crate::client::{Route, Script};
use crate::io::random;
use crate::proto::words::harmless;

/// What the host does.
const SCRIPT: &str = include_str!("install.sh");

/// What `ssh` exits with when it could not connect, and so do we.
const EXIT_NOT_CONNECTED: u8 = 255;

/// Why it is not there, in one sentence.
enum Failure {
    /// The host was not reached.
    Unreached(String),
    /// Anything else.
    Other(String),
}

/// Where a server is now.
struct Installed {
    path: String,
    /// How it was checked; none if the same was there.
    tool: Option<Tool>,
    /// The old versions that went.
    gone: String,
}

/// Runs the command.
pub fn run(args: &InstallArgs) -> ExitCode {
    start_log("off");
    let route = match args.route() {
        Ok(route) => route,
        Err(why) => return usage::wrong("reattach install", &why),
    };
    let name = route.name();
    match install(&route, args.binary.as_deref()) {
        Ok(installed) => {
            let what = format!("reattach-server {}", env!("CARGO_PKG_VERSION"));
            let how = match installed.tool {
                Some(tool) => format!("is installed on {name}, checked with {}", tool.name()),
                None => format!("was on {name} already"),
            };
            say(&format!("reattach: {what} {how}: {}", harmless(&installed.path)));
            if !installed.gone.is_empty() {
                say(&format!(
                    "reattach: removed from {name}, since nobody uses them: {}",
                    harmless(&installed.gone)
                ));
            }
            ExitCode::SUCCESS
        }
        Err(Failure::Unreached(why)) => {
            say(&format!("reattach: could not connect to {name}: {}", harmless(&why)));
            ExitCode::from(EXIT_NOT_CONNECTED)
        }
        Err(Failure::Other(why)) => {
            say(&format!("reattach: nothing was installed on {name}: {}", harmless(&why)));
            ExitCode::FAILURE
        }
    }
}

fn install(route: &Route, named: Option<&Path>) -> Result<Installed, Failure> {
    if let Some(path) = named {
        // Before anybody logs in.
        File::open(path)
            .map_err(|error| Failure::Other(format!("{} cannot be read: {error}", path.display())))?;
    }
    let token = format!("{:032x}", random::id());
    let lines = SCRIPT.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let script = Script {
        text: lines.collect::<Vec<_>>().join("\n"),
        arguments: vec![env!("CARGO_PKG_VERSION").into(), token.into()],
    };
    let mut talk = Talk::start(route, &script).map_err(Failure::Unreached)?;
    let Some(Line::Host { platform, tool, sum }) = talk.next() else {
        return Err(Failure::Unreached(talk.end()));
    };
    let sent = send(&mut talk, route, named, &platform, tool, &sum).map_err(Failure::Other)?;
    let mut gone = String::new();
    loop {
        match talk.next() {
            Some(Line::Host { .. }) => {}
            Some(Line::Gone(versions)) => gone = versions,
            Some(Line::Failed { step, said }) => return Err(Failure::Other(explain(&step, &said))),
            Some(Line::Done(path)) => return Ok(Installed { path, tool: sent.then_some(tool), gone }),
            None => return Err(Failure::Other(format!("it was interrupted: {}", talk.end()))),
        }
    }
}

/// Sends the program, unless the same is there; true if it was sent.
fn send(
    talk: &mut Talk,
    route: &Route,
    named: Option<&Path>,
    host: &Platform,
    tool: Tool,
    there: &str,
) -> Result<bool, String> {
    let path = choose(named, host, *route == Route::Local)?;
    let unread = |error: std::io::Error| format!("{} cannot be read: {error}", path.display());
    let file = File::open(&path).map_err(unread)?;
    let size = file.metadata().map_err(unread)?.len();
    let sum = tool.sum(&file).map_err(unread)?;
    // A size is no proof that two are the same.
    if sum == there && tool != Tool::Size {
        talk.say_keep();
        return Ok(false);
    }
    talk.send(File::open(&path).map_err(unread)?, size, &sum).map_err(unread)?;
    Ok(true)
}

/// What a step's failure means for the user.
fn explain(step: &str, said: &str) -> String {
    match step {
        "place" => format!("its place cannot be made: {said}"),
        "write" => format!("it cannot be written: {said}"),
        "short" => format!("it did not come whole: {said}"),
        "sum" => format!("it did not come as it was sent: {said}"),
        "mode" => format!("it cannot be made executable: {said}"),
        "version" => format!(
            "the program that was sent is not reattach-server {}: it says {said}",
            env!("CARGO_PKG_VERSION")
        ),
        "move" => format!("it cannot be put into its place: {said}"),
        "run" => match said.split_once(' ') {
            Some(("126", said)) if said.contains("Permission denied") => format!(
                "programs cannot be run from ~/.local/share/reattach there, as on a file system that is mounted with noexec: {said}"
            ),
            Some((_, said)) => format!("the program that was sent does not run there: {said}"),
            None => "the program that was sent does not run there, and says nothing".to_owned(),
        },
        _ => format!("{step} {said}"),
    }
}
