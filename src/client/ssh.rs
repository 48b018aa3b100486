//! What ssh is told besides where to go: a connection that carries bytes is no session at a terminal.
//!
//! A user's configuration says what is good for a shell: a command to run there, ports to forward, no session
//! at all. Here it would start another program, or fail because the session of before still holds a port.

use std::ffi::OsString;
use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::sync_channel;

use crate::proto::limits::SSH_VERSION_WAIT;
use crate::session::client::Way;

/// What makes ssh open a connection of its own, whatever the user's configuration says of shared ones.
const OWN_CONNECTION: [&str; 2] = ["ControlPath=none", "ControlMaster=no"];

/// What is meant for sessions at a terminal, undone, and the first OpenSSH that knows the word. Told only to
/// those that do: `IgnoreUnknown` would take the place of the user's own, and then their words were errors.
const UNDONE: [((u32, u32), &str); 4] = [
    ((7, 6), "RemoteCommand=none"),
    ((8, 7), "SessionType=default"),
    ((8, 7), "StdinNull=no"),
    ((8, 7), "ForkAfterAuthentication=no"),
];

/// Forwarded ports are the business of one session, and it may still hold them.
const NO_FORWARDINGS: &str = "ClearAllForwardings=yes";

/// The words of an ssh that runs this line on that host. The user's own arguments come before what is said
/// here, and so they win.
pub(super) fn words(host: &str, arguments: &[OsString], way: Way, line: OsString) -> Vec<OsString> {
    words_for(version(), host, arguments, way, line)
}

fn words_for(
    version: Option<(u32, u32)>,
    host: &str,
    arguments: &[OsString],
    way: Way,
    line: OsString,
) -> Vec<OsString> {
    let mut words: Vec<OsString> = vec!["ssh".into()];
    let options = |words: &mut Vec<OsString>, option: &str| words.extend(["-o", option].map(OsString::from));
    if way == Way::Own {
        // What comes first holds. The user's shared connection is left alone, dead or not.
        OWN_CONNECTION.iter().for_each(|option| options(&mut words, option));
    }
    words.extend(arguments.iter().cloned());
    let known = UNDONE.iter().filter(|(since, _)| version.is_some_and(|version| version >= *since));
    known.for_each(|(_, option)| options(&mut words, option));
    if !arguments.iter().any(asks_for_forwarding) {
        options(&mut words, NO_FORWARDINGS);
    }
    // No terminal and no escape character: the bytes are not for a shell.
    words.extend(["-T", "-e", "none", "--"].map(OsString::from));
    words.extend([host.into(), line]);
    words
}

/// Who asks for a port on our own command line means this very connection.
fn asks_for_forwarding(argument: &OsString) -> bool {
    let argument = argument.to_string_lossy();
    ["-L", "-R", "-D"].iter().any(|option| argument.starts_with(option))
}

/// That of the system's ssh, if it is an OpenSSH and says so soon; asked for once.
fn version() -> Option<(u32, u32)> {
    static VERSION: OnceLock<Option<(u32, u32)>> = OnceLock::new();
    *VERSION.get_or_init(|| {
        let mut ssh = Command::new("ssh");
        ssh.arg("-V").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut ssh = ssh.spawn().ok()?;
        let mut stderr = ssh.stderr.take().expect("it was piped").take(1024);
        let (told, answer) = sync_channel(1);
        std::thread::spawn(move || {
            let mut said = String::new();
            let _ = stderr.read_to_string(&mut said);
            let _ = told.send(said);
        });
        let said = answer.recv_timeout(SSH_VERSION_WAIT);
        if said.is_err() {
            let _ = ssh.kill();
        }
        let _ = ssh.wait();
        read_version(&said.ok()?)
    })
}

/// `OpenSSH_9.2p1 Debian-2, …`
fn read_version(said: &str) -> Option<(u32, u32)> {
    let (_, rest) = said.split_once("OpenSSH_")?;
    let rest = rest.trim_start_matches(|letter: char| !letter.is_ascii_digit());
    let (major, rest) = rest.split_once('.')?;
    let digits = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
    Some((major.parse().ok()?, rest[..digits].parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(version: Option<(u32, u32)>, arguments: &[&str], way: Way) -> String {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        let words = words_for(version, "box", &arguments, way, "line".into());
        words.into_iter().map(|word| word.into_string().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn an_ssh_is_told_what_it_knows() {
        assert_eq!(
            said(Some((9, 2)), &["-p", "22"], Way::Shared),
            "ssh -p 22 -o RemoteCommand=none -o SessionType=default -o StdinNull=no -o ForkAfterAuthentication=no \
             -o ClearAllForwardings=yes -T -e none -- box line"
        );
        assert_eq!(
            said(Some((8, 6)), &[], Way::Shared),
            "ssh -o RemoteCommand=none -o ClearAllForwardings=yes -T -e none -- box line"
        );
        assert_eq!(said(None, &[], Way::Shared), "ssh -o ClearAllForwardings=yes -T -e none -- box line");
    }

    #[test]
    fn an_own_connection_is_asked_for_before_anything_else() {
        assert_eq!(
            said(None, &["-oControlPath=x"], Way::Own),
            "ssh -o ControlPath=none -o ControlMaster=no -oControlPath=x -o ClearAllForwardings=yes \
             -T -e none -- box line"
        );
    }

    #[test]
    fn ports_that_are_asked_for_here_are_forwarded() {
        assert_eq!(
            said(None, &["-L8080:localhost:80"], Way::Shared),
            "ssh -L8080:localhost:80 -T -e none -- box line"
        );
    }

    #[test]
    fn versions_are_read_as_they_are_said() {
        assert_eq!(read_version("OpenSSH_9.2p1 Debian-2+deb12u10, OpenSSL 3.0.19"), Some((9, 2)));
        assert_eq!(read_version("OpenSSH_for_Windows_8.6p1, LibreSSL 3.4.3"), Some((8, 6)));
        assert_eq!(read_version("OpenSSH_10.0"), Some((10, 0)));
        assert_eq!(read_version("Dropbear v2022.83"), None);
    }
}
