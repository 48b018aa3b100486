//! `proxy`: what ssh runs. Its standard input and output are the client's; on standard error it
//! says a line at its start and one at its end, for the client.

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::exit_code;
use super::program_words::ProgramWords;
use crate::cli::usage::{TimeOrOff, parse_time, parse_time_or_off};
use crate::cli::voice;
use crate::host::difference::difference;
use crate::host::identifier::Identifier;
use crate::host::identity;
use crate::host::launcher::Launcher;
use crate::host::lock::probe;
use crate::host::order::Order;
use crate::host::paths::Place;
use crate::host::record::Record;
use crate::io::child::FOUND_MARK;
use crate::io::room;
use crate::io::surroundings::Surroundings;
use crate::proto::limits::{IDLE_LIFETIME, UNMET_LIFETIME};
use crate::proto::verdict::{EXIT_LOST, EXIT_NOT_STARTED};
use crate::proto::{HostId, InstanceId, Notice, Verdict};
use crate::session::LaunchConfig;
use crate::session::launch::{self, Lock, Mode};

/// When set, the proxy carries the bytes itself and does not hand its standard streams to the
/// server: for systems and policies that have trouble with that, and for our tests.
const ALWAYS_RELAY: &str = "REATTACH_RELAY";

/// Without --reconnect a server is started; with it one is found, and nothing is ever started,
/// stopped or removed: exit code 90 tells that there is none, and why.
#[derive(Debug, Args)]
pub(super) struct Proxy {
    /// The server
    #[arg(long)]
    identifier: Identifier,
    /// Attach to the server that runs; start nothing
    #[arg(long)]
    reconnect: bool,
    /// The instance that the client has met, to say better why it is gone
    #[arg(long, value_name = "HEX", requires = "reconnect")]
    instance: Option<InstanceId>,
    /// What to do with a server that already runs
    #[arg(long, value_enum, default_value_t = IfRunning::Replace, conflicts_with = "reconnect")]
    if_running: IfRunning,
    /// How long the server lives without a client
    #[arg(long, value_name = "DURATION", value_parser = parse_time)]
    idle_lifetime: Option<Duration>,
    /// How long the server lives if no client ever attaches
    #[arg(long, value_name = "DURATION", value_parser = parse_time)]
    unmet_lifetime: Option<Duration>,
    /// How long the server of an ephemeral session lives once its client has died, or `off` for as long
    /// as without a client
    #[arg(long, value_name = "DURATION|off", value_parser = parse_time_or_off, requires = "ephemeral")]
    orphan_lifetime: Option<TimeOrOff>,
    /// The client has started this very process, and holds the other ends of its standard streams
    #[arg(long)]
    near: bool,
    /// Let the server remove all its files after an end that its client knows of
    #[arg(long)]
    ephemeral: bool,
    #[command(flatten)]
    program: ProgramWords,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum IfRunning {
    /// Stop it; its state is lost
    Replace,
    /// Leave it alone and exit with 91
    Refuse,
}

impl Proxy {
    pub(super) fn run(self, prefix: &[OsString]) -> ExitCode {
        let place = room::for_open_files()
            .and_then(|()| Place::of(&self.identifier).map_err(|error| error.to_string()));
        let host = place.as_ref().ok().and_then(|place| self.host(place));
        let told = std::env::var(FOUND_MARK).ok();
        voice::say(&Notice::Started { host, found: told }.to_line());
        let found = place.and_then(|place| Ok((place, self.program.surroundings()?)));
        let verdict = match found {
            Ok((place, surroundings)) => {
                if let Some(message) = self.difference(&place, &surroundings) {
                    voice::say(&Notice::Note { message }.to_line());
                }
                self.launcher(place, host, prefix, &surroundings).run()
            }
            Err(message) => {
                let code = if self.reconnect { EXIT_LOST } else { EXIT_NOT_STARTED };
                Verdict { code, reason: None, host, instance: self.instance, message }
            }
        };
        let code = exit_code(verdict.code);
        voice::say(&Notice::Exit(verdict).to_line());
        code
    }

    /// Whom we speak for. A start gives the host a name if it has none; if it cannot, it will say itself
    /// what is wrong there.
    fn host(&self, place: &Place) -> Option<HostId> {
        let root = place.root()?;
        match self.reconnect {
            true => identity::find(root),
            false => identity::keep(root).ok(),
        }
    }

    /// Whether what runs is not what the client says, who attaches to it without having met it.
    fn difference(&self, place: &Place, surroundings: &Surroundings) -> Option<String> {
        if !self.reconnect || self.instance.is_some() || !matches!(probe(place), Ok(Lock::Held(_))) {
            return None;
        }
        let record = Record::read(place, &place.find().ok()??)?;
        let (command, surroundings) = (self.program.command.clone(), surroundings.clone());
        difference(&Order { command, surroundings, ..Order::default() }, &record)
    }

    fn launcher(
        self,
        place: Place,
        host: Option<HostId>,
        prefix: &[OsString],
        surroundings: &Surroundings,
    ) -> Launcher {
        let server_arguments = self.server_arguments(&place, prefix, surroundings);
        let mode = match (self.reconnect, self.if_running) {
            (true, _) => Mode::Reconnect(self.instance),
            (false, IfRunning::Replace) => Mode::Start(launch::IfRunning::Replace),
            (false, IfRunning::Refuse) => Mode::Start(launch::IfRunning::Refuse),
        };
        Launcher {
            place,
            mode,
            config: LaunchConfig { host, ..LaunchConfig::default() },
            server_arguments,
            ephemeral: self.ephemeral,
            always_relay: std::env::var_os(ALWAYS_RELAY).is_some(),
            is_near: self.near,
        }
    }

    /// What our own executable is started with to become the server; see [`run`](super::run).
    fn server_arguments(
        &self,
        place: &Place,
        prefix: &[OsString],
        surroundings: &Surroundings,
    ) -> Vec<OsString> {
        let lifetime = |duration: Option<Duration>, default| {
            OsString::from(humantime::format_duration(duration.unwrap_or(default)).to_string())
        };
        let mut arguments: Vec<OsString> = prefix.to_vec();
        arguments.extend(["run".into(), "--for-proxy".into()]);
        arguments.push(format!("--identifier={}", self.identifier).into());
        arguments.extend(["--log-file".into(), place.log.clone().into()]);
        arguments.extend(["--pid-file".into(), place.pid_file().into()]);
        arguments.extend(["--stdin-socket".into(), place.sockets.stdin.clone().into()]);
        arguments.extend(["--stdout-socket".into(), place.sockets.stdout.clone().into()]);
        arguments.extend(["--idle-lifetime".into(), lifetime(self.idle_lifetime, IDLE_LIFETIME)]);
        arguments.extend(["--unmet-lifetime".into(), lifetime(self.unmet_lifetime, UNMET_LIFETIME)]);
        if self.ephemeral {
            arguments.push("--ephemeral".into());
        }
        if let Some(lifetime) = self.orphan_lifetime {
            arguments.extend(["--orphan-lifetime".into(), lifetime.to_string().into()]);
        }
        arguments.extend(surroundings.to_words());
        if !self.program.command.is_empty() {
            arguments.push("--".into());
            arguments.extend(self.program.command.iter().cloned());
        }
        arguments
    }
}
