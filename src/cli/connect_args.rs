//! The words of `reattach connect`, as types.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::comeback_args::{ComebackArgs, Place, Switch};
use super::install_args::{self, ConnectInstallArgs};
use super::on_state::OnState;
use super::program_args::ProgramArgs;
use super::speaks::SpeaksArgs;
use super::usage::{TimeOrOff, parse_time, parse_time_or_off};
use crate::client::{OrphanLifetime, Route, Target};
use crate::io::random;
use crate::proto::limits;
use crate::session::{ClientConfig, First};

/// Run a program on another machine, or on this one, and keep it over dropped links.
///
/// The program's input, output, errors and exit status are this command's own. SIGUSR1 means
/// that the network is back: try now, as `reattach retry` does.
#[derive(Args, Clone, Debug)]
#[command(
    override_usage = "reattach connect [OPTIONS] <HOST|--local|--via COMMAND> -- <CMD> [ARGS]...",
    after_help = "Exit status: the program's own; 90 if the server that held the session is gone; 255 if it could not connect, or its own input or output cannot be used."
)]
pub struct ConnectArgs {
    /// The host, as `ssh` takes it; the user's ssh configuration applies.
    host: Option<String>,
    /// Words without a place: most likely a program that was not put after `--`.
    #[arg(hide = true)]
    strays: Vec<OsString>,
    /// Host the program on this machine, without ssh.
    #[arg(long, conflicts_with = "via")]
    local: bool,
    /// Reach the server through a command that runs another one: "docker exec -i web".
    #[arg(long, value_name = "COMMAND", value_parser = parse_words)]
    via: Option<Words>,
    /// Name of the session, so that it can be taken over later; a fresh one if not given.
    #[arg(long, value_name = "NAME", value_parser = parse_identifier)]
    pub id: Option<String>,
    /// Attach to the running session of that name, in its client's place.
    #[arg(long, requires = "id", conflicts_with = "replace")]
    takeover: bool,
    /// Stop the running session of that name, and start a fresh one.
    #[arg(long, requires = "id")]
    replace: bool,
    /// An argument for ssh, such as -p2222; may be repeated.
    #[arg(long, value_name = "ARG", allow_hyphen_values = true, conflicts_with_all = ["local", "via"])]
    ssh_arg: Vec<OsString>,
    /// The server program on the other side; `~/` is the home there [default: reattach-server, looked for in
    /// ~/.local/share/reattach, the PATH, ~/.local/bin and ~/.cargo/bin].
    #[arg(long, value_name = "PATH")]
    server_path: Option<PathBuf>,
    #[command(flatten)]
    pub(super) install: ConnectInstallArgs,
    /// Life of the session on the host while no client is attached [default: 24h].
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    idle_lifetime: Option<Duration>,
    /// Life of a session without a name on the host once this command was killed, or `off` for as long as
    /// without a client [default: 30s; off with --via].
    #[arg(long, value_name = "TIME", value_parser = parse_time_or_off, conflicts_with = "id")]
    orphan_lifetime: Option<TimeOrOff>,
    /// Silence after which the server is asked whether it is there.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_time)]
    heartbeat_interval: Duration,
    #[command(flatten)]
    program: ProgramArgs,
    #[command(flatten)]
    comeback: ComebackArgs,
    /// Whether to heed what the kernel tells of links, addresses and routes that change.
    #[arg(long, help_heading = "Coming back", value_name = "on|off", value_enum, hide_possible_values = true, default_value_t = Switch::On)]
    pub network_notices: Switch,
    /// A shell command to run when the state changes, told of it in REATTACH_STATE, REATTACH_COUNT,
    /// REATTACH_ATTEMPT, REATTACH_CAUSE, REATTACH_REASON, REATTACH_ID, REATTACH_HOST and REATTACH_TIME.
    /// One at a time, about the latest; only its errors are seen.
    #[arg(long, value_name = "CMD")]
    on_state: Option<String>,
    #[command(flatten)]
    pub(super) speaks: SpeaksArgs,
    /// How this command tells what happens, on standard error.
    #[arg(long, value_enum, default_value_t = LogFormat::Human)]
    pub log_format: LogFormat,
    /// Tell everything, not only what is wrong.
    #[arg(long, short)]
    pub verbose: bool,
    /// The program to run, with its arguments.
    #[arg(last = true, value_name = "CMD")]
    command: Vec<OsString>,
    /// What stands before the server's subcommands when this very program serves.
    #[arg(skip = own_server())]
    own_server: Vec<OsString>,
    /// Whether some of the words come from a file.
    #[arg(skip)]
    pub settings_used: bool,
    /// Drawn once, so that every attempt means the same server.
    #[arg(skip = format!("auto-{:016x}", random::id() as u64))]
    fresh_identifier: String,
}

/// How states are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Sentences, about what is wrong.
    Human,
    /// One JSON object a line, about every change.
    Json,
}

/// A command line that was one argument.
#[derive(Clone, Debug)]
pub(super) struct Words(pub(super) Vec<OsString>);

impl ConnectArgs {
    /// The way to the server, and what to host there.
    pub fn target(&self) -> Target {
        let route = match (&self.host, &self.via) {
            (Some(host), _) => Route::Ssh { host: host.clone(), arguments: self.ssh_arg.clone() },
            (None, Some(Words(words))) => Route::Via(words.clone()),
            (None, None) => Route::Local,
        };
        let server = match (&self.server_path, &route) {
            (Some(path), _) => vec![path.clone().into_os_string()],
            (None, Route::Local) => self.own_server.clone(),
            (None, Route::Ssh { .. } | Route::Via(_)) => vec!["reattach-server".into()],
        };
        let identifier = self.id.clone().unwrap_or_else(|| self.fresh_identifier.clone());
        Target {
            server,
            ephemeral: self.id.is_none(),
            idle_lifetime: self.idle_lifetime,
            orphan_lifetime: self.orphan_lifetime(),
            command: self.command.clone(),
            // What is wrong with them was told before.
            surroundings: self.program.surroundings().unwrap_or_default(),
            shield_from_interrupts: has_terminal(),
            ..Target::new(route, "", identifier)
        }
    }

    /// Whether an install would be of any use: nothing else than what was asked for is run.
    pub(super) fn can_install(&self) -> bool {
        self.server_path.is_none() && !self.local
    }

    /// What the user may type where the host has no server program.
    pub(super) fn install_command(&self) -> Option<String> {
        self.can_install().then(|| install_args::command_line(&self.target().route))
    }

    /// What the user wants done when the state changes.
    pub fn on_state(&self) -> Option<OnState> {
        let target = self.target();
        let host = target.name();
        let command = self.on_state.clone()?;
        Some(OnState { command, identifier: target.identifier, host })
    }

    /// How the client behaves.
    pub fn config(&self) -> ClientConfig {
        let first = match (self.takeover, self.replace) {
            (true, _) => First::Takeover,
            (false, true) => First::Replace,
            (false, false) => First::Start,
        };
        let config = ClientConfig {
            first,
            heartbeat_interval: self.heartbeat_interval,
            probe_timeout: limits::PROBE_TIMEOUT.min(self.heartbeat_interval),
            network_probe_timeout: limits::NETWORK_PROBE_TIMEOUT.min(self.heartbeat_interval),
            ..ClientConfig::default()
        };
        let at_terminal = rustix::termios::isatty(rustix::stdio::stdin());
        let place = if self.local { Place::Here } else { Place::Elsewhere };
        self.comeback.apply(config, place, self.idle_lifetime, at_terminal)
    }

    /// What is wrong with the words together, in one sentence.
    ///
    /// # Errors
    ///
    /// That sentence.
    pub fn check(&self) -> Result<(), String> {
        self.check_place()?;
        self.program.check()?;
        self.check_times().map_err(|why| match &self.host {
            Some(host) if self.settings_used => format!("{why}; reattach config {host} shows who says what"),
            Some(_) | None => why,
        })
    }

    /// Where to run what.
    fn check_place(&self) -> Result<(), String> {
        let elsewhere = match (self.local, &self.via) {
            (true, _) => Some("--local"),
            (false, Some(_)) => Some("--via"),
            (false, None) => None,
        };
        let stray = match elsewhere {
            Some(_) => self.host.as_ref().map(OsString::from),
            None => self.strays.first().cloned(),
        };
        if let Some(stray) = stray {
            return Err(match elsewhere {
                Some(option) if !self.command.is_empty() => {
                    format!("the host {stray:?} cannot be used with {option}: give one of them")
                }
                _ => format!("{stray:?} is not expected here: put the program, with its arguments, after --"),
            });
        }
        if self.host.as_ref().is_some_and(String::is_empty) {
            return Err("the host is an empty word: give one as ssh takes it, or --local".to_owned());
        }
        if self.command.first().is_some_and(|program| program.is_empty()) {
            return Err("the program after -- is an empty word: give its name or its path".to_owned());
        }
        if self.host.is_none() && self.via.is_none() && !self.local {
            return Err(
                "where to run the program was not said: give a host, --local or --via COMMAND".to_owned()
            );
        }
        if self.command.is_empty() && !self.may_need_none() && !self.takeover {
            return Err("no program to run was given: put it, with its arguments, after --".to_owned());
        }
        Ok(())
    }
}

impl ConnectArgs {
    /// Whether there is a host that something may be set for.
    ///
    /// # Errors
    ///
    /// One sentence.
    pub fn check_host(&self) -> Result<(), String> {
        match &self.host {
            Some(host) if !host.is_empty() && !self.local && self.via.is_none() => Ok(()),
            Some(_) | None => Err("a host is needed, as ssh takes it: settings are by host".to_owned()),
        }
    }

    /// What a proxy is told of it, if anything.
    fn orphan_lifetime(&self) -> OrphanLifetime {
        match self.orphan_lifetime {
            None => OrphanLifetime::Default,
            Some(TimeOrOff(None)) => OrphanLifetime::Off,
            Some(TimeOrOff(Some(lifetime))) => OrphanLifetime::Of(lifetime),
        }
    }

    /// Whether the server there may be its own application: ours, by whatever path, starts a program.
    fn may_need_none(&self) -> bool {
        let name = self.server_path.as_ref().map(|path| path.file_name().unwrap_or_default());
        name.is_some_and(|name| name != "reattach-server")
    }

    /// Times that do not go together, or not with what a server bears.
    fn check_times(&self) -> Result<(), String> {
        let people = humantime::format_duration;
        if self.heartbeat_interval > limits::HEARTBEAT_INTERVAL_MAX {
            return Err(format!(
                "--heartbeat-interval is {}; it may be {} at most, because a server gives up a link that is silent for {}",
                people(self.heartbeat_interval),
                people(limits::HEARTBEAT_INTERVAL_MAX),
                people(limits::SILENCE_MAX),
            ));
        }
        self.comeback.check()
    }
}

/// Whether a terminal could send us an interrupt that is meant for the hosted program.
fn has_terminal() -> bool {
    use rustix::stdio::{stderr, stdin, stdout};
    [stdin(), stdout(), stderr()].into_iter().any(rustix::termios::isatty)
}

fn own_server() -> Vec<OsString> {
    let program = std::env::current_exe().map_or_else(|_| "reattach".into(), PathBuf::into_os_string);
    vec![program, "server".into()]
}

pub(super) fn parse_words(text: &str) -> Result<Words, String> {
    let words = shlex::split(text).filter(|words| words.first().is_some_and(|program| !program.is_empty()));
    let words = words.ok_or("it is not a command line: a quote is not closed, or it is empty")?;
    Ok(Words(words.into_iter().map(OsString::from).collect()))
}

/// Reads the name of a session.
///
/// # Errors
///
/// What is accepted, in one sentence.
pub fn parse_identifier(text: &str) -> Result<String, String> {
    let identifier: crate::host::identifier::Identifier = text.parse().map_err(|error| format!("{error}"))?;
    Ok(identifier.to_string())
}

// The defaults above are those of the limits, where their why is written.
const _: () =
    assert!(limits::HEARTBEAT_INTERVAL.as_secs() == 5 && limits::IDLE_LIFETIME.as_secs() == 24 * 60 * 60);
