//! The way to a server: which command starts a proxy and carries its bytes.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

pub use crate::io::surroundings::Surroundings;
use crate::io::whoami::whoami;
use crate::proto::InstanceId;
use crate::session::client::{Launch, Way};

use super::find::{self, Run, Sought};
use super::leash::Following;
use super::script::Script;
use super::ssh;
use super::transport::Streams;

/// How the proxy is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// On this machine.
    Local,
    /// Over the system's ssh, with the user's configuration.
    Ssh {
        /// The host, as `ssh` takes it.
        host: String,
        /// Arguments for `ssh` before the host.
        arguments: Vec<OsString>,
    },
    /// Through any command that gives a byte pipe to another command: `docker exec -i web`.
    Via(Vec<OsString>),
}

/// Life of the server of an ephemeral session once its client has died.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OrphanLifetime {
    /// Some time, where the way to the server shows such a death: [`Route::Local`] and [`Route::Ssh`] do.
    /// Commands of others may end one direction alone when a link is cut.
    #[default]
    Default,
    /// That long, also through other people's commands.
    Of(Duration),
    /// As long as without a client.
    Off,
}

impl Route {
    /// What an error should call the way there.
    pub fn name(&self) -> String {
        match self {
            Route::Local => "this machine".to_owned(),
            Route::Ssh { host, .. } => host.clone(),
            Route::Via(words) => {
                words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
            }
        }
    }

    /// The words of a command that runs a script there.
    pub fn script(&self, way: Way, script: &Script) -> Vec<OsString> {
        match self {
            Route::Ssh { host, arguments } => ssh::words(host, arguments, way, script.line()),
            Route::Via(via) if is_ssh(via) => via.iter().cloned().chain([script.line()]).collect(),
            Route::Local | Route::Via(_) => self.words(script.words()),
        }
    }

    /// The words of a command that runs these there, where they are passed on as they are.
    fn words(&self, words: Vec<OsString>) -> Vec<OsString> {
        match self {
            Route::Local | Route::Ssh { .. } => words,
            Route::Via(via) => via.iter().cloned().chain(words).collect(),
        }
    }
}

/// Whether whoever carries the words gives them to a login shell, all in one line.
fn is_ssh(via: &[OsString]) -> bool {
    via.first().is_some_and(|program| Path::new(program).file_name() == Some(OsStr::new("ssh")))
}

/// What is asked of the proxy, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// How the proxy is reached.
    pub route: Route,
    /// The server program there, and what comes before its subcommand. A bare name is looked for, elsewhere
    /// than on this machine; `~/` at the beginning of a path is the home directory there.
    pub server: Vec<OsString>,
    /// The identifier that the server runs under.
    pub identifier: String,
    /// The directory of the identifier is of no use to anybody after a proper end.
    pub ephemeral: bool,
    /// Life of the server without a client; its own default if not given.
    pub idle_lifetime: Option<Duration>,
    /// Life of the server of an ephemeral session once its client has died.
    pub orphan_lifetime: OrphanLifetime,
    /// The program to host, with its arguments; empty for a server that is its own application.
    pub command: Vec<OsString>,
    /// How it is to be run.
    pub surroundings: Surroundings,
    /// Who attaches, for the people on the server's side; nothing of it is believed.
    pub client: Option<String>,
    /// Keep the terminal's interrupt from the transport: the client handles it.
    pub shield_from_interrupts: bool,
}

impl Target {
    /// A target with the defaults of a program that links this library.
    pub fn new(route: Route, server: impl Into<PathBuf>, identifier: impl Into<String>) -> Self {
        Target {
            route,
            server: vec![server.into().into_os_string()],
            identifier: identifier.into(),
            ephemeral: false,
            idle_lifetime: None,
            orphan_lifetime: OrphanLifetime::Default,
            command: Vec::new(),
            surroundings: Surroundings::default(),
            client: Some(whoami()),
            shield_from_interrupts: false,
        }
    }

    /// For a session that nobody else will ask for: its directory goes when it ends properly.
    #[must_use]
    pub fn ephemeral(mut self) -> Self {
        self.ephemeral = true;
        self
    }

    /// What an error should call the way there.
    pub fn name(&self) -> String {
        self.route.name()
    }

    /// The command of one attempt. `found` is where a server that was looked for has answered.
    pub(super) fn command(
        &self,
        launch: Launch,
        way: Way,
        instance: Option<InstanceId>,
        found: Option<&str>,
    ) -> Command {
        let sought = Sought { server: &self.server, found, again: launch == Launch::Reattach };
        let words = match sought.run(&self.route, self.proxy_words(launch, instance)) {
            Run::Words(words) => self.route.words(words),
            Run::Script(arguments) => self.route.script(way, &find::script(arguments)),
        };
        if self.shield_from_interrupts {
            // An ignored signal stays ignored over an exec, and ssh respects it.
            let mut command = Command::new("sh");
            command.args(["-c", "trap '' INT QUIT; exec \"$@\"", "sh"]).args(words);
            return command;
        }
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        command
    }

    /// What the command of an attempt is given to read and write. ssh and our own proxy take
    /// sockets; of other people's commands nothing is known.
    pub(super) fn streams(&self) -> Streams {
        match self.route {
            Route::Local | Route::Ssh { .. } => Streams::Sockets,
            Route::Via(_) => Streams::Pipes,
        }
    }

    /// What of the command of an attempt may stay behind. Our own proxy leaves nothing but servers, which are
    /// meant to stay.
    pub(super) fn following(&self) -> Following {
        match self.route {
            Route::Local => Following::Nothing,
            Route::Ssh { .. } | Route::Via(_) => Following::best(),
        }
    }

    fn proxy_words(&self, launch: Launch, instance: Option<InstanceId>) -> Vec<OsString> {
        // One word, because an identifier may begin like an option.
        let mut words = vec!["proxy".into(), OsString::from(format!("--identifier={}", self.identifier))];
        if self.route == Route::Local {
            words.push("--near".into());
        }
        match launch {
            Launch::Start => words.extend(["--if-running", "refuse"].map(OsString::from)),
            Launch::Replace => words.extend(["--if-running", "replace"].map(OsString::from)),
            Launch::Reattach => {
                words.push("--reconnect".into());
                match instance {
                    Some(instance) => {
                        words.extend(["--instance".into(), OsString::from(instance.to_string())]);
                    }
                    // It starts nothing; but who has not met the server is told if it runs something else.
                    None => self.add_program(&mut words),
                }
                return words;
            }
        }
        if self.ephemeral {
            words.push("--ephemeral".into());
            if let Some(lifetime) = self.orphan_word() {
                words.extend(["--orphan-lifetime".into(), OsString::from(lifetime)]);
            }
        }
        if let Some(lifetime) = self.idle_lifetime {
            words.extend(["--idle-lifetime".into(), OsString::from(format!("{}ms", lifetime.as_millis()))]);
        }
        self.add_program(&mut words);
        words
    }

    fn add_program(&self, words: &mut Vec<OsString>) {
        words.extend(self.surroundings.to_words());
        if !self.command.is_empty() {
            words.push("--".into());
            words.extend(self.command.iter().cloned());
        }
    }
}

impl Target {
    /// The server's own default need not be told.
    fn orphan_word(&self) -> Option<String> {
        match (self.orphan_lifetime, &self.route) {
            (OrphanLifetime::Default, Route::Local | Route::Ssh { .. }) => None,
            (OrphanLifetime::Of(lifetime), _) => Some(format!("{}ms", lifetime.as_millis())),
            (OrphanLifetime::Default, Route::Via(_)) | (OrphanLifetime::Off, _) => Some("off".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(route: Route) -> Target {
        let mut target = Target::new(route, "reattach-server", "work");
        target.command = vec!["rust-analyzer".into(), "--log it's".into()];
        target
    }

    fn words(command: &Command) -> Vec<String> {
        std::iter::once(command.get_program())
            .chain(command.get_args())
            .map(|word| word.to_string_lossy().into_owned())
            .collect()
    }

    fn over_ssh() -> Route {
        Route::Ssh { host: "devbox".to_owned(), arguments: Vec::new() }
    }

    #[test]
    fn only_a_start_carries_the_program() {
        let target = target(Route::Local);
        let start = words(&target.command(Launch::Start, Way::Own, None, None));
        assert_eq!(
            start.join(" "),
            "reattach-server proxy --identifier=work --near --if-running refuse -- rust-analyzer --log it's"
        );
        let again = words(&target.command(Launch::Reattach, Way::Shared, Some(InstanceId(7)), None));
        assert_eq!(
            again.join(" "),
            "reattach-server proxy --identifier=work --near --reconnect --instance 00000000000000000000000000000007"
        );
    }

    #[test]
    fn how_it_is_run_goes_with_the_program() {
        let mut target = target(Route::Local);
        target.surroundings.directory = Some("/srv/a b".into());
        target.surroundings.variables = vec![("A".into(), "1".into())];
        let start = words(&target.command(Launch::Start, Way::Own, None, None));
        let program = "--cwd=/srv/a b --env=A=1 -- rust-analyzer --log it's";
        assert!(start.join(" ").ends_with(&format!("--if-running refuse {program}")));
        // A takeover says what it expects to find.
        let takeover = words(&target.command(Launch::Reattach, Way::Shared, None, None));
        assert!(takeover.join(" ").ends_with(&format!("--reconnect {program}")));
        let again = words(&target.command(Launch::Reattach, Way::Shared, Some(InstanceId(7)), None));
        assert!(!again.join(" ").contains("/srv"));
    }

    #[test]
    fn a_name_is_looked_for_and_found_again_where_it_answered() {
        let via = Route::Via(vec!["docker".into(), "exec".into()]);
        let target = target(via);
        let start = words(&target.command(Launch::Start, Way::Own, None, None));
        assert_eq!(start[..4], ["docker", "exec", "sh", "-c"]);
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(start[5..13], ["sh", "first", "reattach-server", "check", version, "1", "1", "proxy"]);
        assert_eq!(start.last().unwrap(), "--log it's");
        let again = words(&target.command(Launch::Reattach, Way::Own, None, Some("/opt/reattach-server")));
        assert_eq!(again[5..9], ["sh", "again", "/opt/reattach-server", "check"]);
    }

    #[test]
    fn who_gives_a_path_needs_no_shell_there() {
        let mut target = target(Route::Via(vec!["docker".into()]));
        target.server = vec!["/opt/server".into()];
        let start = words(&target.command(Launch::Start, Way::Own, None, None));
        assert_eq!(start[..3], ["docker", "/opt/server", "proxy"]);
        target.server = vec!["~/server".into()];
        let start = words(&target.command(Launch::Start, Way::Own, None, None));
        assert_eq!(start[1..3], ["sh", "-c"]);
    }

    #[test]
    fn a_login_shell_gets_one_line() {
        for route in [over_ssh(), Route::Via(vec!["/usr/bin/ssh".into(), "devbox".into()])] {
            let words = words(&target(route).command(Launch::Start, Way::Shared, None, None));
            let [.., host, line] = &words[..] else { panic!("{words:?}") };
            assert_eq!(host, "devbox");
            assert!(line.starts_with("exec sh -c '") && line.ends_with('\''), "{line}");
            assert!(line.contains("--log it") && !line.contains('\n'), "{line}");
        }
    }
}
