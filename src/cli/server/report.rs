//! What people and programs are told about servers: `version`, `list`, `status`.

use std::io::Write;
use std::process::ExitCode;

use serde::Serialize;

use super::{exit_code, fail};
use crate::cli::table::table;
use crate::cli::voice::say;
use crate::host::difference::line;
use crate::host::identifier::Identifier;
use crate::host::look::look;
use crate::host::paths::{Place, Root};
use crate::host::record::{Ending, Record, sentence, time_for_people};
use crate::host::seat::Word;
use crate::io::clock;
use crate::io::resident::{Census, Means};
use crate::proto::limits::{CLIENT_LETTERS_MAX, COMMAND_LETTERS_MAX, PROTOCOL_VERSION, PROTOCOL_VERSION_MIN};
use crate::proto::verdict::EXIT_NOT_RUNNING;
use crate::proto::words::{escaped, harmless_lines};
use crate::proto::{GoneReason, InstanceId};
use crate::session::launch::{Holder, Lock};

/// One server, alive or not.
#[derive(Debug, Serialize)]
struct Report {
    identifier: String,
    state: State,
    /// Its process, as the kernel says; only while it lives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<InstanceId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol: Option<(u16, u16)>,
    /// Seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    started: Option<u64>,
    /// Seconds without a client after which it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    idle_lifetime: Option<u64>,
    command: Vec<String>,
    /// Where the program runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    cwd: Option<String>,
    /// The variables that the client gave to it, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    env: Vec<String>,
    /// It has the environment of a login shell.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    login: bool,
    /// Whether a client is attached; absent if none ever was, or nothing tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    attached: Option<bool>,
    /// Seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    attached_since: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detached_since: Option<u64>,
    /// The client, or the last one, as it named itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<String>,
    /// Resident bytes; only while it lives.
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<Memory>,
    /// Why it is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<GoneReason>,
    /// Seconds since 1970; known if it left word.
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    directory: String,
    /// Nothing says that a server was ever here: a start failed, and its log was kept.
    #[serde(skip)]
    was_never: bool,
}

/// What is resident, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct Memory {
    server: u64,
    /// The program, and everything that it has started.
    program: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    Running,
    Starting,
    Ended,
}

impl State {
    fn text(self) -> &'static str {
        match self {
            State::Running => "running",
            State::Starting => "starting",
            State::Ended => "ended",
        }
    }
}

impl Report {
    /// `None` if nothing is known of such a server.
    fn of(identifier: &Identifier, census: &Census) -> Result<Option<Self>, String> {
        let place = Place::of(identifier).map_err(|error| error.to_string())?;
        let view = look(&place, false).map_err(|error| error.to_string())?;
        // A server that lives does so whatever becomes of its directory.
        let directory = match (place.find(), view.lock) {
            (Ok(None), Lock::Free) => return Ok(None),
            (Err(error), Lock::Free) => return Err(error.to_string()),
            (found, _) => found.ok().flatten(),
        };
        let state = match view.lock {
            Lock::Held(_) => State::Running,
            Lock::Free if view.starter_busy => State::Starting,
            Lock::Free => State::Ended,
        };
        let gone = state == State::Ended;
        let reason = gone.then(|| view.evidence.reason(None));
        let directory = directory.as_ref();
        let record = directory.and_then(|directory| Record::read(&place, directory));
        let tombstone = directory.and_then(|directory| Ending::read_tombstone(&place, directory));
        let tombstone = tombstone.filter(|_| gone);
        let instance = record.as_ref().map(|record| record.instance);
        let seat = directory.and_then(|directory| Word::read(&place, directory));
        // That of another server tells nothing.
        let seat = seat.filter(|seat| state == State::Running && instance == Some(seat.instance));
        let since = |attached| seat.as_ref().filter(|seat| seat.attached == attached).map(|seat| seat.since);
        let pid = match view.lock {
            Lock::Held(Holder::Pid(pid)) => Some(pid),
            Lock::Held(Holder::Elsewhere) | Lock::Free => None,
        };
        let memory = pid.and_then(|pid| Some(Memory { server: census.of(pid)?, program: census.below(pid) }));
        let was_never = reason == Some(GoneReason::Never);
        let message = match was_never {
            true => Some("no server has come to be here; the log may say why".to_owned()),
            false => reason.map(sentence),
        };
        Ok(Some(Report {
            identifier: identifier.to_string(),
            state,
            pid,
            instance,
            version: record.as_ref().map(|record| record.version.clone()),
            protocol: record.as_ref().map(|record| record.protocol),
            started: record.as_ref().map(|record| record.started),
            idle_lifetime: record.as_ref().map(|record| record.idle_lifetime),
            attached: seat.as_ref().map(|seat| seat.attached),
            attached_since: since(true),
            detached_since: since(false),
            client: seat.as_ref().and_then(|seat| seat.client.clone()),
            memory,
            cwd: record.as_ref().and_then(|record| record.cwd.clone()),
            env: record.iter().flat_map(|record| record.env.iter().map(|(name, _)| name.clone())).collect(),
            login: record.as_ref().is_some_and(|record| record.login),
            command: record.map(|record| record.command).unwrap_or_default(),
            reason,
            ended: tombstone.map(|tombstone| tombstone.time),
            message,
            was_never,
            directory: place.directory().to_string_lossy().into_owned(),
        }))
    }

    /// In a word or two.
    fn state(&self) -> &'static str {
        match (self.state, self.attached) {
            (State::Running, Some(true)) => "attached",
            (State::Running, Some(false)) => "detached",
            (State::Running, None) | (State::Starting | State::Ended, _) => self.state.text(),
        }
    }

    fn row(&self) -> [String; 7] {
        let none = || "-".to_owned();
        let pid = self.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
        let state = match self.reason {
            Some(_) if self.was_never => "never started".to_owned(),
            Some(reason) => format!("{} ({reason})", self.state.text()),
            None => self.state().to_owned(),
        };
        let since = self.attached_since.or(self.detached_since).or(self.ended).or(self.started);
        [
            self.identifier.clone(),
            state,
            pid,
            since.map_or_else(none, ago),
            self.client.as_ref().map_or_else(none, |client| cut(client, CLIENT_LETTERS_MAX)),
            self.memory.map_or_else(none, Memory::short),
            cut(&self.command_line(), COMMAND_LETTERS_MAX),
        ]
    }

    /// As a shell would take it.
    fn command_line(&self) -> String {
        line(&self.command)
    }

    fn lines(&self) -> Vec<[String; 2]> {
        let state = if self.was_never { "never started" } else { self.state() };
        let mut lines = vec![["identifier", &self.identifier], ["state", state]]
            .into_iter()
            .map(|[name, value]| [name.to_owned(), value.to_owned()])
            .collect::<Vec<_>>();
        let mut add = |name: &str, value: Option<String>| {
            lines.extend(value.map(|value| [name.to_owned(), value]));
        };
        add("reason", self.explanation());
        add("ended", self.ended.map(time_for_people));
        add("started", self.started.map(time_for_people));
        let since = |since: u64| format!("{} ({} ago)", time_for_people(since), ago(since));
        add("attached since", self.attached_since.map(since));
        add("detached since", self.detached_since.map(since));
        let client = if self.attached == Some(true) { "client" } else { "last client" };
        add(client, self.client.clone());
        add("memory", self.memory.map(Memory::long));
        add("pid", self.pid.map(|pid| pid.to_string()));
        add("command", Some(self.command_line()).filter(|command| !command.is_empty()));
        add("working directory", self.cwd.clone());
        add("variables", Some(self.env.join(" ")).filter(|names| !names.is_empty()));
        add("environment", self.login.then(|| "that of a login shell".to_owned()));
        add("instance", self.instance.map(|instance| instance.to_string()));
        add("version", self.version.clone());
        let lifetime =
            |seconds| humantime::format_duration(std::time::Duration::from_secs(seconds)).to_string();
        add("idle lifetime", self.idle_lifetime.map(lifetime));
        add("directory", Some(self.directory.clone()));
        lines
    }
}

impl Memory {
    fn short(self) -> String {
        format!("{}+{}", size(self.server), size(self.program))
    }

    fn long(self) -> String {
        format!(
            "{} the server, {} the program and what it has started",
            size(self.server),
            size(self.program)
        )
    }
}

/// As people read it.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes / 1000),
        1_000_000..1_000_000_000 => format!("{} MB", bytes / 1_000_000),
        _ => format!("{}.{} GB", bytes / 1_000_000_000, bytes / 100_000_000 % 10),
    }
}

/// How long ago that was, in the two largest units that say something.
fn ago(unix_seconds: u64) -> String {
    let seconds = clock::unix_seconds().saturating_sub(unix_seconds);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{minutes}m"),
        3600..86_400 => format!("{hours}h {}m", minutes % 60),
        _ => format!("{days}d {}h", hours % 24),
    }
}

impl Report {
    /// Why it is gone, in a word and in a sentence, unless the sentence has the word.
    fn explanation(&self) -> Option<String> {
        let (reason, why) = (self.reason?, self.message.clone()?);
        match self.was_never || why.contains(&reason.to_string()) {
            true => Some(why),
            false => Some(format!("{reason}: {why}")),
        }
    }
}

/// Its beginning, if it has more letters than that.
fn cut(text: &str, letters_max: usize) -> String {
    match text.chars().count() {
        few if few <= letters_max => text.to_owned(),
        _ => text.chars().take(letters_max - 1).chain(['…']).collect(),
    }
}

/// `version`
pub(super) fn version(json: bool) -> ExitCode {
    let version = env!("CARGO_PKG_VERSION");
    let range = (PROTOCOL_VERSION_MIN, PROTOCOL_VERSION);
    let text = if json {
        serde_json::json!({ "version": version, "protocol": range }).to_string()
    } else {
        format!("reattach-server {version}, protocol {} to {}", range.0, range.1)
    };
    print(&text, ExitCode::SUCCESS)
}

/// `list`
pub(super) fn list(json: bool) -> ExitCode {
    let reports = match reports() {
        Ok(reports) => reports,
        Err(why) => return fail(&why),
    };
    if json {
        let text = escaped(&serde_json::to_string(&reports).expect("a report is plain data"));
        print(&text, ExitCode::SUCCESS)
    } else if reports.is_empty() {
        ExitCode::SUCCESS
    } else {
        let head = ["IDENTIFIER", "STATE", "PID", "SINCE", "CLIENT", "MEMORY", "COMMAND"].map(str::to_owned);
        let rows: Vec<_> = std::iter::once(head).chain(reports.iter().map(Report::row)).collect();
        print(&table(&rows), ExitCode::SUCCESS)
    }
}

fn reports() -> Result<Vec<Report>, String> {
    let census = Census::take(Means::best());
    let mut reports = Vec::new();
    for identifier in identifiers()? {
        match Report::of(&identifier, &census) {
            Ok(report) => reports.extend(report),
            // One that cannot be looked at must not hide the others.
            Err(why) => say(&format!("reattach-server: {why}")),
        }
    }
    Ok(reports)
}

/// Those of all servers of which something is left, in order.
///
/// # Errors
///
/// One sentence.
pub(super) fn identifiers() -> Result<Vec<Identifier>, String> {
    let root = Root::from_env().and_then(|root| root.find()).map_err(|error| error.to_string())?;
    let names = match &root {
        None => Vec::new(),
        Some(root) => root.names().map_err(|error| format!("{:?} cannot be read: {error}", root.path()))?,
    };
    Ok(names.iter().filter_map(|name| name.to_str()?.parse().ok()).collect())
}

/// `status`
pub(super) fn status(identifier: &Identifier, json: bool) -> ExitCode {
    let report = match Report::of(identifier, &Census::take(Means::best())) {
        Ok(Some(report)) => report,
        Ok(None) => {
            let code = exit_code(EXIT_NOT_RUNNING);
            if json {
                let line = serde_json::json!({ "identifier": identifier.as_str(), "state": "unknown", "reason": GoneReason::Never });
                return print(&line.to_string(), code);
            }
            say(&format!("reattach-server: no server is known under the identifier {identifier}"));
            return code;
        }
        Err(why) => return fail(&why),
    };
    let text = if json {
        escaped(&serde_json::to_string(&report).expect("a report is plain data"))
    } else {
        table(&report.lines())
    };
    let code = match report.state {
        State::Running | State::Starting => ExitCode::SUCCESS,
        State::Ended => exit_code(EXIT_NOT_RUNNING),
    };
    print(&text, code)
}

/// To standard output; gives the code that follows if that could be said. A reader that has gone
/// away has heard enough.
pub(super) fn print(text: &str, code: ExitCode) -> ExitCode {
    let mut stdout = std::io::stdout();
    match stdout.write_all(format!("{}\n", harmless_lines(text)).as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            fail(&format!("standard output cannot be written: {error}"))
        }
        Ok(()) | Err(_) => code,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_are_short() {
        for (seconds, text) in [(5, "5s"), (125, "2m"), (7_500, "2h 5m"), (200_000, "2d 7h")] {
            assert_eq!(ago(clock::unix_seconds() - seconds), text);
        }
        assert_eq!(ago(u64::MAX), "0s", "whatever a garbled file claims");
        for (bytes, text) in [(900, "0 kB"), (4_200_000, "4 MB"), (1_290_000_000, "1.2 GB")] {
            assert_eq!(size(bytes), text);
        }
    }
}
