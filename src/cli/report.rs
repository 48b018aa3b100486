//! A client's states as lines for people or for programs.

use std::time::Duration;

use serde::Serialize;

use super::connect_args::{ConnectArgs, LogFormat};
use super::offer;
use super::voice::say;
use crate::client::{Cause, Change, Closed, Moment, Refused, Status};
use crate::proto::verdict::EXIT_NOT_FOUND;
use crate::proto::words::{escaped, harmless};
use crate::proto::{GoneReason, ProgramExit};

/// A shell's exit code for a command that it did not find.
const SHELL_NOT_FOUND: i32 = 127;

/// Tells a user what the user should know.
#[derive(Debug)]
pub struct Reporter {
    format: LogFormat,
    /// Tell every change, not only what is wrong.
    all: bool,
    identifier: Option<String>,
    target: String,
    /// What installs a server there, and whether that is what follows.
    install: (Option<String>, bool),
    /// Something was wrong, so that its end is worth a line, too.
    troubled: bool,
    /// There was a session to lose.
    attached: bool,
    /// A pause was told, and nothing but single attempts came since.
    pauses: bool,
}

/// One change for programs.
#[derive(Serialize)]
struct Line<'a> {
    reattach: Event<'a>,
}

#[derive(Serialize)]
struct Event<'a> {
    state: &'static str,
    /// Unanswered probes, failed attempts or the attempt's place in its outage.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u32>,
    attempt: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<GoneReason>,
    cause: String,
    /// Until it is tried again without anybody's help.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_try_in_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    /// When it happened, as RFC 3339 has it.
    time: String,
    /// The same by a clock that is never set: milliseconds since this machine was started.
    uptime_ms: u64,
}

impl<'a> Event<'a> {
    fn of(change: &Change, at: Moment, cause: String, message: Option<&'a str>) -> Self {
        let (state, count) = name(&change.status);
        let (attempt, time, uptime_ms) = (change.attempt, at.to_string(), at.uptime_millis);
        Event { state, count, attempt, reason: None, cause, next_try_in_ms: None, message, time, uptime_ms }
    }

    fn say(self) {
        let line = serde_json::to_string(&Line { reattach: self }).expect("an event is plain data");
        say(&escaped(&line));
    }
}

impl Reporter {
    /// A reporter as the user asked for it.
    pub fn new(args: &ConnectArgs) -> Self {
        Reporter {
            format: args.log_format,
            all: args.verbose,
            identifier: args.id.clone(),
            target: args.target().name(),
            install: (args.install_command(), args.install.install),
            troubled: false,
            attached: false,
            pauses: false,
        }
    }

    /// Tells one change, and in what time the client will try again by itself, if it will.
    pub fn tell(&mut self, change: &Change, next_try_in: Option<Duration>) {
        if self.install.1 && offer::is_due(change) {
            // It is not the end: the install says what it does.
            return;
        }
        let message = self.message(change, next_try_in);
        match self.format {
            LogFormat::Json => {
                let reason = match change.status {
                    Status::ServerNotRunning(reason) => Some(reason),
                    Status::Connecting
                    | Status::Connected
                    | Status::HeartbeatMissed(_)
                    | Status::Reconnecting(_)
                    | Status::ReconnectFailed(_)
                    | Status::ReconnectExhausted
                    | Status::Refused(_)
                    | Status::Closed(_) => None,
                };
                let cause = change.cause.to_string();
                let next_try_in_ms = next_try_in.and_then(|time| u64::try_from(time.as_millis()).ok());
                Event { reason, next_try_in_ms, ..Event::of(change, change.at, cause, message.as_deref()) }
                    .say();
            }
            LogFormat::Human => {
                if let Some(message) = message {
                    say(&format!("reattach: {}", harmless(&message)));
                } else if self.all {
                    say(&format!("reattach: {} ({})", change.status, change.cause));
                }
            }
        }
    }

    /// Tells what is no change: for programs, the state once more, with a message.
    pub fn tell_remark(&mut self, state: &Change, remark: &str) {
        match self.format {
            LogFormat::Json => Event::of(state, Moment::now(), "note".to_owned(), Some(remark)).say(),
            LogFormat::Human => say(&format!("reattach: {}", harmless(remark))),
        }
    }

    /// What people should be told without asking, if anything.
    fn message(&mut self, change: &Change, next_try_in: Option<Duration>) -> Option<String> {
        let cause = &change.cause;
        let troubled = std::mem::replace(&mut self.troubled, !is_well(&change.status));
        self.attached |= change.status == Status::Connected;
        let paused = self.pauses;
        let is_single = matches!(change.status, Status::Reconnecting(_))
            && matches!(cause, Cause::Patience | Cause::Activity);
        self.pauses = change.status == Status::ReconnectExhausted || (paused && is_single);
        match &change.status {
            Status::Connecting => match cause {
                Cause::Exited(..) => {
                    Some(format!("{} turned the login away ({cause}); trying again", self.target))
                }
                _ => None,
            },
            Status::Closed(_) => None,
            Status::Reconnecting(_) | Status::ReconnectFailed(_) if !self.attached => {
                (!troubled).then(|| format!("not connected yet ({cause}); trying again"))
            }
            Status::ReconnectExhausted if !self.attached => {
                Some(format!("could not connect to {}: {cause}", self.target))
            }
            Status::Connected => troubled.then(|| "connected again, nothing was lost".to_owned()),
            Status::HeartbeatMissed(1) => Some("the server does not answer; still waiting".to_owned()),
            Status::HeartbeatMissed(_) => None,
            // The loss was told a moment ago.
            Status::Reconnecting(1) if troubled && *cause == Cause::RetryDue => None,
            Status::Reconnecting(1) if !troubled => Some(format!("the link is lost ({cause}); reconnecting")),
            // The attempt of a pause, and its failure, are quiet: that it is tried was told.
            Status::Reconnecting(_) | Status::ReconnectExhausted if paused && self.pauses => None,
            Status::Reconnecting(k) => Some(format!("reconnecting, attempt {k}")),
            Status::ReconnectFailed(0) if !troubled => {
                Some(format!("the link is lost ({cause}); reconnecting"))
            }
            Status::ReconnectFailed(0) => match cause {
                Cause::NetworkUp | Cause::Wake | Cause::User => Some(format!("trying again soon ({cause})")),
                _ => Some(format!("the link is lost again ({cause}); reconnecting soon")),
            },

            Status::ReconnectFailed(k) => Some(format!("attempt {k} to reconnect failed: {cause}")),
            Status::ReconnectExhausted => Some(format!(
                "all attempts to reconnect failed, the last because: {cause}; the session is kept{}: `{}` tries at once",
                next_try_in.map_or_else(String::new, |time| format!(" and tried again in {}", seconds(time))),
                self.retry(),
            )),
            Status::ServerNotRunning(reason) if !self.attached => {
                Some(format!("no server to attach to is running under {}: {}", self.name(), explain(*reason)))
            }
            Status::ServerNotRunning(reason) => Some(format!(
                "the server that held the session is not running any more: {}",
                explain(*reason)
            )),
            Status::Refused(refused) => Some(self.explain_refusal(refused, cause)),
        }
    }

    /// The command that makes this client try.
    fn retry(&self) -> String {
        match &self.identifier {
            Some(identifier) => format!("reattach retry {identifier}"),
            None => "reattach retry".to_owned(),
        }
    }

    fn name(&self) -> &str {
        self.identifier.as_deref().unwrap_or("its identifier")
    }

    fn explain_refusal(&self, refused: &Refused, cause: &Cause) -> String {
        let target = &self.target;
        let identifier = self.name();
        match refused {
            Refused::TakenOver => "another client has taken this session over".to_owned(),
            Refused::Busy => format!("the server under {identifier} belongs to another client"),
            Refused::AlreadyRunning => format!(
                "a server already runs under {identifier}: --takeover attaches to it in its client's place, --replace starts a fresh one and loses its state"
            ),
            Refused::NotStarted(why) if why.is_empty() => {
                format!("the server could not be started on {target}, and nothing was said why")
            }
            Refused::NotStarted(why) => why.clone(),
            Refused::Unreachable(why) => {
                // What ssh or the shell there said is clearer than how it ended.
                let why = match cause {
                    Cause::Exited(_, words) if !words.is_empty() => words,
                    _ => why,
                };
                let hint = match (cause, &self.install.0) {
                    (Cause::Exited(ProgramExit::Code(EXIT_NOT_FOUND), _), Some(command)) => {
                        format!("; `{command}` puts one that fits there")
                    }
                    (Cause::Exited(ProgramExit::Code(SHELL_NOT_FOUND), _), _) => {
                        "; install reattach-server there, or say where it is with --server-path".to_owned()
                    }
                    (_, _) => String::new(),
                };
                format!("could not connect to {target}: {why}{hint}")
            }
            Refused::Gap(why) => format!("the session cannot go on without losing messages: {why}"),
            Refused::Protocol(why) => format!("{target} does not speak this protocol: {why}"),
        }
    }
}

/// Why nobody answers any more, as it is told to who has asked something.
pub fn last_words(args: &ConnectArgs, change: &Change, was_attached: bool) -> String {
    let mut reporter = Reporter { attached: was_attached, ..Reporter::new(args) };
    let message = reporter.message(change, None).unwrap_or_else(|| "the session is over".to_owned());
    harmless(&format!("reattach: {message}"))
}

fn is_well(status: &Status) -> bool {
    match status {
        Status::Connecting | Status::Connected | Status::Closed(_) => true,
        Status::HeartbeatMissed(_)
        | Status::Reconnecting(_)
        | Status::ReconnectFailed(_)
        | Status::ReconnectExhausted
        | Status::ServerNotRunning(_)
        | Status::Refused(_) => false,
    }
}

/// As people count.
fn seconds(time: Duration) -> String {
    format!("{}s", time.as_secs_f64().ceil())
}

/// A state's name, and its number if it has one.
pub fn name(status: &Status) -> (&'static str, Option<u32>) {
    match status {
        Status::Connecting => ("Connecting", None),
        Status::Connected => ("Connected", None),
        Status::HeartbeatMissed(n) => ("HeartbeatMissed", Some(*n)),
        Status::Reconnecting(k) => ("Reconnecting", Some(*k)),
        Status::ReconnectFailed(k) => ("ReconnectFailed", Some(*k)),
        Status::ReconnectExhausted => ("ReconnectExhausted", None),
        Status::ServerNotRunning(_) => ("ServerNotRunning", None),
        Status::Refused(_) => ("Refused", None),
        Status::Closed(Closed::ByUser | Closed::ProgramEnded(_)) => ("Closed", None),
    }
}

/// Why a server is gone, for people.
pub fn explain(reason: GoneReason) -> String {
    match reason {
        GoneReason::Crashed => "it crashed or was killed".to_owned(),
        GoneReason::Stopped => "it was stopped".to_owned(),
        GoneReason::Idle => "it was idle for its whole lifetime".to_owned(),
        GoneReason::Unmet => "no client ever attached to it".to_owned(),
        GoneReason::Replaced => "it was replaced by a fresh one".to_owned(),
        GoneReason::Rebooted => "the host was rebooted".to_owned(),
        GoneReason::Closed => "its session was closed".to_owned(),
        GoneReason::Orphaned => "its client had ended without a word".to_owned(),
        GoneReason::Exited(_) => format!("its {reason}"),
        GoneReason::Never => "no server was ever there".to_owned(),
        GoneReason::Unknown => "nothing tells why".to_owned(),
    }
}
