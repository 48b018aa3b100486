//! The words of `reattach install`, and what `reattach connect` is told of installing.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use clap::Args;

use super::connect_args::{Words, parse_words};
use crate::client::Route;
use crate::proto::words::harmless;

/// Put the server program on a host, where `reattach connect` finds it.
///
/// It goes to ~/.local/share/reattach/VERSION/reattach-server there, whole or not at all; what runs goes on.
#[derive(Args, Clone, Debug)]
#[command(
    override_usage = "reattach install [OPTIONS] <HOST|--local|--via COMMAND>",
    after_help = "Exit status: 0 if the server is there; 255 if the host could not be reached; 1 for anything else."
)]
pub struct InstallArgs {
    /// The host, as `ssh` takes it; the user's ssh configuration applies.
    host: Option<String>,
    /// Install it on this machine, without ssh.
    #[arg(long, conflicts_with_all = ["via", "host"])]
    local: bool,
    /// Reach the host through a command that runs another one: "docker exec -i web".
    #[arg(long, value_name = "COMMAND", value_parser = parse_words, conflicts_with = "host")]
    via: Option<Words>,
    /// An argument for ssh, such as -p2222; may be repeated.
    #[arg(long, value_name = "ARG", allow_hyphen_values = true, conflicts_with_all = ["local", "via"])]
    ssh_arg: Vec<OsString>,
    /// The server program to send [default: the one beside this program, or one from
    /// ~/.local/share/reattach/servers/TARGET/, whichever fits the host].
    #[arg(long, value_name = "FILE")]
    pub binary: Option<PathBuf>,
}

/// What `connect` does where there is no server program.
#[derive(Args, Clone, Copy, Debug)]
pub struct ConnectInstallArgs {
    /// Put the server program on the host if it is not there; at a terminal you are asked otherwise.
    #[arg(long, conflicts_with_all = ["local", "server_path"])]
    pub install: bool,
}

impl InstallArgs {
    /// The way to the host.
    ///
    /// # Errors
    ///
    /// What is wrong with the words, in one sentence.
    pub fn route(&self) -> Result<Route, String> {
        match (&self.host, &self.via) {
            (Some(host), _) if host.is_empty() => {
                Err("the host is an empty word: give one as ssh takes it, or --local".to_owned())
            }
            (Some(host), _) => Ok(Route::Ssh { host: host.clone(), arguments: self.ssh_arg.clone() }),
            (None, Some(Words(words))) => Ok(Route::Via(words.clone())),
            (None, None) if self.local => Ok(Route::Local),
            (None, None) => {
                Err("where to install it was not said: give a host, --local or --via COMMAND".to_owned())
            }
        }
    }
}

/// The words after `reattach` that install a server there.
pub fn words(route: &Route) -> Vec<OsString> {
    let mut words = vec![OsString::from("install")];
    match route {
        Route::Local => words.push("--local".into()),
        Route::Via(via) => {
            words.push("--via".into());
            words.push(line(via).into());
        }
        Route::Ssh { host, arguments } => {
            for argument in arguments {
                words.extend(["--ssh-arg".into(), argument.clone()]);
            }
            words.push("--".into());
            words.push(host.into());
        }
    }
    words
}

/// The same as a user would type it.
pub fn command_line(route: &Route) -> String {
    let words: Vec<OsString> = words(route).into_iter().filter(|word| word != "--").collect();
    format!("reattach {}", harmless(&line(&words)))
}

/// As a shell would take it.
fn line(words: &[OsString]) -> String {
    let quoted = |word: &OsString| {
        let word: &OsStr = word;
        let quoted =
            shlex::bytes::try_quote(word.as_bytes()).map(|word| word.into_owned()).unwrap_or_default();
        String::from_utf8_lossy(&quoted).into_owned()
    };
    words.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_told_what_to_type() {
        let over_ssh = |arguments: &[&str]| Route::Ssh {
            host: "box".to_owned(),
            arguments: arguments.iter().map(OsString::from).collect(),
        };
        assert_eq!(command_line(&over_ssh(&[])), "reattach install box");
        assert_eq!(
            command_line(&over_ssh(&["-p22", "-o a b"])),
            "reattach install --ssh-arg -p22 --ssh-arg '-o a b' box"
        );
        let via = Route::Via(["docker", "exec", "-i", "my web"].map(OsString::from).to_vec());
        assert_eq!(command_line(&via), r#"reattach install --via "docker exec -i 'my web'""#);
        assert_eq!(command_line(&Route::Local), "reattach install --local");
    }
}
