//! `run`: the server itself. Started by a proxy, or by hand.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::program_words::ProgramWords;
use super::{exit_code, fail};
use crate::cli::usage::{self, TimeOrOff, parse_time, parse_time_or_off};
use crate::host::application::Application;
use crate::host::identifier::Identifier;
use crate::host::life::{Life, Starter, Stillborn};
use crate::host::lock::LockError;
use crate::host::log;
use crate::host::order::Order;
use crate::host::paths::Place;
use crate::io::room;
use crate::proto::limits::{IDLE_LIFETIME, ORPHAN_LIFETIME, UNMET_LIFETIME};
use crate::proto::verdict::{EXIT_ALREADY_RUNNING, EXIT_NOT_STARTED};
use crate::session::ServerConfig;

/// Either an identifier says where the files are, or the pid file does: the others are beside it
/// and named after it. Says `ready` and its instance on standard
/// output once clients can attach.
#[derive(Debug, Args)]
pub(super) struct Run {
    /// The name under which proxies find this server
    #[arg(long)]
    identifier: Option<Identifier>,
    /// Write the log there instead of to standard error
    #[arg(long, value_name = "FILE")]
    log_file: Option<PathBuf>,
    /// The server's lock; its name ends with .pid
    #[arg(long, value_name = "FILE")]
    pid_file: Option<PathBuf>,
    /// The socket that takes the clients' bytes
    #[arg(long, value_name = "FILE", requires = "stdout_socket")]
    stdin_socket: Option<PathBuf>,
    /// The socket that gives the server's bytes
    #[arg(long, value_name = "FILE", requires = "stdin_socket")]
    stdout_socket: Option<PathBuf>,
    /// How long to live without a client
    #[arg(long, value_name = "DURATION", value_parser = parse_time, default_value = "24h")]
    idle_lifetime: Duration,
    /// How long to live if no client ever attaches
    #[arg(long, value_name = "DURATION", value_parser = parse_time, default_value = "2m")]
    unmet_lifetime: Duration,
    /// How long to live once the client of an ephemeral session has died, or `off` for as long as
    /// without a client
    #[arg(long, value_name = "DURATION|off", value_parser = parse_time_or_off, default_value = "30s", requires = "ephemeral")]
    orphan_lifetime: TimeOrOff,
    /// Remove all files after an end that the client knows of
    #[arg(long)]
    ephemeral: bool,
    /// A proxy is waiting: standard input is the starter lock, standard output its pipe
    #[arg(long, hide = true)]
    for_proxy: bool,
    #[command(flatten)]
    program: ProgramWords,
}

impl Run {
    pub(super) fn run<A: Application>(
        self,
        prefix: &[OsString],
        make: impl FnOnce(Order) -> Result<A, String>,
    ) -> ExitCode {
        start_log();
        let place = match self.place() {
            Ok(place) => place,
            Err(Misplaced::Usage(sentence)) => return usage::wrong("reattach-server", &sentence),
            Err(Misplaced::Host(sentence)) => return self.stillborn(&sentence, EXIT_NOT_STARTED),
        };
        let surroundings = match self.program.surroundings() {
            Ok(surroundings) => surroundings,
            Err(why) => return usage::wrong("reattach-server", &why),
        };
        if A::NEEDS_COMMAND && self.program.command.is_empty() && !self.for_proxy {
            return usage::wrong("reattach-server", "a program to host must be named, after --");
        }
        if let Err(sentence) = room::for_open_files() {
            return self.stillborn(&sentence, EXIT_NOT_STARTED);
        }
        let starter = match self.for_proxy {
            true => Starter::Proxy,
            false => Starter::Hand { log_to_file: self.log_file.is_some() },
        };
        let config = ServerConfig {
            idle_lifetime: self.idle_lifetime,
            unmet_lifetime: self.unmet_lifetime,
            nameless: self.ephemeral,
            orphan_lifetime: self.orphan_lifetime.0,
            ..ServerConfig::default()
        };
        let (command, prefix) = (self.program.command, prefix.to_vec());
        let order = Order { command, surroundings, prefix, agent: None };
        match (Life { place, config, order, ephemeral: self.ephemeral, starter }).live(make) {
            Ok(_) => ExitCode::SUCCESS,
            Err(Stillborn::Lock(LockError::Held(_))) => exit_code(EXIT_ALREADY_RUNNING),
            Err(Stillborn::Lock(_) | Stillborn::Other(_)) => exit_code(EXIT_NOT_STARTED),
        }
    }

    fn place(&self) -> Result<Place, Misplaced> {
        let mut place = match (&self.identifier, &self.pid_file) {
            (Some(identifier), pid_file) => {
                let place = Place::of(identifier).map_err(|error| Misplaced::Host(error.to_string()))?;
                let expected = place.pid_file();
                if let Some(other) = pid_file.as_ref().filter(|path| **path != expected) {
                    return Err(Misplaced::Usage(format!(
                        "the pid file of the identifier {identifier} is {expected:?}, not {other:?}: proxies look for it there"
                    )));
                }
                place
            }
            (None, Some(pid_file)) => Place::beside(pid_file).ok_or_else(|| {
                Misplaced::Usage(format!("the pid file is {pid_file:?}, but its name must end with .pid"))
            })?,
            (None, None) => {
                return Err(Misplaced::Usage(
                    "where the server is was not said: give --identifier or --pid-file".to_owned(),
                ));
            }
        };
        if let Some(log) = &self.log_file {
            place.log.clone_from(log);
        }
        if let (Some(stdin), Some(stdout)) = (&self.stdin_socket, &self.stdout_socket) {
            if std::path::absolute(stdin).ok() == std::path::absolute(stdout).ok() {
                return Err(Misplaced::Usage(format!(
                    "--stdin-socket and --stdout-socket are both {stdin:?}; they must be two"
                )));
            }
            place.sockets.stdin.clone_from(stdin);
            place.sockets.stdout.clone_from(stdout);
        }
        Ok(place)
    }

    fn stillborn(&self, sentence: &str, code: i32) -> ExitCode {
        let _ = fail(sentence);
        exit_code(code)
    }
}

/// Why there is no place for a server.
enum Misplaced {
    /// The arguments contradict each other.
    Usage(String),
    /// The host's fault.
    Host(String),
}

fn start_log() {
    let filter = std::env::var("REATTACH_LOG").unwrap_or_else(|_| "info".to_owned());
    let target = env_logger::Target::Pipe(Box::new(log::Bounded::default()));
    let _ = env_logger::Builder::new().parse_filters(&filter).target(target).try_init();
}

// The defaults above are those of the limits, where their why is written.
const _: () = assert!(
    IDLE_LIFETIME.as_secs() == 24 * 60 * 60
        && UNMET_LIFETIME.as_secs() == 2 * 60
        && ORPHAN_LIFETIME.as_secs() == 30
);
