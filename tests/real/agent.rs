//! The agent that keeps the user's keys: a hosted program uses that of the login that is attached now.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use reattach::proto::{Frame, Hello, RefusalReason, SessionId};

use crate::client::{Client, RESTLESS};
use crate::place::{Place, kill, wait_until};
use crate::processes::next_child;
use crate::proxy::Proxy;
use crate::sshd::Sshd;

/// Tells which keys it finds, whenever it is asked.
const LISTER: [&str; 3] = ["sh", "-c", "while read line; do ssh-add -l 2>&1; done; true"];

/// An agent with one key, whose comment is the agent's name; it ends with this.
struct Agent {
    process: Child,
    socket: PathBuf,
    _directory: tempfile::TempDir,
}

impl Agent {
    /// `None`, said loudly, where there is none.
    fn start(name: &str) -> Option<Self> {
        let directory = tempfile::Builder::new().prefix("rg").tempdir_in("/tmp").unwrap();
        let socket = directory.path().join("a");
        let mut command = Command::new("ssh-agent");
        command.arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).stderr(Stdio::null());
        let Ok(process) = command.spawn() else {
            assert!(std::env::var_os("CI").is_none(), "ssh-agent is missing");
            let said = "SKIPPED: tests of agents, because ssh-agent (openssh-client) is missing\n";
            std::io::stderr().write_all(said.as_bytes()).unwrap();
            return None;
        };
        let agent = Agent { process, socket, _directory: directory };
        wait_until("the agent listens", || agent.socket.exists());
        let key = agent.socket.with_file_name("key");
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"]).arg(&key);
        assert!(keygen.status().unwrap().success());
        let mut add = Command::new("ssh-add");
        add.arg("-q").arg(&key).env("SSH_AUTH_SOCK", &agent.socket);
        assert!(add.status().unwrap().success());
        Some(agent)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn agents<const N: usize>(names: [&str; N]) -> Option<[Agent; N]> {
    let agents: Vec<_> = names.into_iter().filter_map(Agent::start).collect();
    agents.try_into().ok()
}

/// Asks the hosted program, and waits for the answer.
fn finds(client: &mut Client, expected: &str) {
    let before = client.heard_bytes();
    client.say("list\n");
    wait_until("it answers", || client.heard(before, |heard| heard[before..].contains(&b'\n')));
    let heard = client.heard(before, |heard| String::from_utf8_lossy(&heard[before..]).into_owned());
    assert!(heard.contains(expected), "{expected} is not in {heard:?}");
}

/// What makes ssh forward the agent that is at this path by then.
fn forward(path: &Path) -> [String; 4] {
    let identity = format!("-oIdentityAgent={}", path.display());
    ["--ssh-arg".to_owned(), identity, "--ssh-arg".to_owned(), "-oForwardAgent=yes".to_owned()]
}

#[test]
fn a_hosted_shell_uses_the_agent_of_the_login_that_is_attached_now() {
    let place = Place::new();
    let Some(sshd) = Sshd::start(&place) else { return };
    let Some(agents) = agents(["one", "two", "three", "four"]) else { return };
    // On the laptop, too, the agent may be another one tomorrow.
    let current = sshd.config().with_file_name("current-agent");
    symlink(&agents[0].socket, &current).unwrap();
    let forward = forward(&current);
    let mut words: Vec<_> = forward.iter().map(String::as_str).collect();
    words.extend(["--id", "w"].iter().chain(&RESTLESS));
    let mut client = sshd.client(&place, &words, &LISTER);
    client.until("Connected");
    finds(&mut client, "one");
    for (agent, name) in agents[1..].iter().zip(["two", "three", "four"]) {
        fs::remove_file(&current).unwrap();
        symlink(&agent.socket, &current).unwrap();
        sshd.signal_sessions("KILL");
        client.until("Reconnecting");
        client.until("Connected");
        finds(&mut client, name);
    }
    // A login without an agent leaves what is there; it has ended with its login.
    let mut other = sshd.client(&place, &["--id", "w", "--takeover"], &LISTER);
    other.until("Connected");
    client.until("Refused");
    assert_eq!(client.wait().code(), Some(255));
    let link = place.directory("w").join("agent.sock");
    wait_until("the agent of the login before has ended with it", || !link.exists());
    finds(&mut other, "Error connecting to agent");
    other.end_input();
    assert_eq!(other.wait().code(), Some(0));
    wait_until("the server has ended", || place.servers().is_empty());
    assert!(!link.is_symlink());
}

#[test]
fn whoever_is_turned_away_changes_nothing() {
    let place = Place::new();
    let Some([ours, other]) = agents(["ours", "other"]) else { return };
    let mut command =
        place.connect(&[&["--local", "--log-format", "json", "--id", "w", "--"], &LISTER[..]].concat());
    command.env("SSH_AUTH_SOCK", &ours.socket);
    let mut client = Client::start(command);
    client.until("Connected");
    finds(&mut client, "ours");
    let mut command = place.command(&["proxy", "--identifier", "w", "--reconnect"]);
    command.env("SSH_AUTH_SOCK", &other.socket);
    let mut stranger = Proxy::start(command);
    assert!(stranger.is_attached());
    let hello = Hello {
        protocol: (1, 1),
        session: SessionId(7),
        attempt: 1,
        instance: None,
        received: 0,
        window: 1 << 20,
        takeover: false,
        client: Some("stranger".to_owned()),
    };
    stranger.skip_preamble();
    stranger.say(&Frame::Hello(hello));
    assert!(
        matches!(stranger.next_frame(), Some(Frame::Refused(refusal)) if refusal.reason == RefusalReason::Busy)
    );
    finds(&mut client, "ours");
    drop(stranger);
    client.end_input();
    assert_eq!(client.wait().code(), Some(0));
}

#[test]
fn the_link_to_it_is_put_back_and_goes_with_the_server() {
    let Some([agent]) = agents(["ours"]) else { return };
    for place in [Place::new(), Place::with_long_path(150)] {
        for relays in [false, true] {
            let lister =
                ["sh", "-c", "while read line; do echo \"$SSH_AUTH_SOCK\"; ssh-add -l 2>&1; done; true"];
            let mut command = place
                .connect(&[&["--local", "--log-format", "json", "--id", "w", "--"], &lister[..]].concat());
            command.env("SSH_AUTH_SOCK", &agent.socket);
            if relays {
                command.env("REATTACH_RELAY", "1");
            }
            let mut client = Client::start(command);
            client.until("Connected");
            client.say("list\n");
            wait_until("it answers", || client.heard(0, |heard| heard.ends_with(b"(ED25519)\n")));
            let path =
                client.heard(0, |heard| String::from_utf8_lossy(heard).lines().next().unwrap().to_owned());
            assert_ne!(Path::new(&path), agent.socket);
            assert!(path.len() <= 103, "{path}");
            for _ in 0..2 {
                fs::remove_file(&path).unwrap();
                wait_until("it is there again", || fs::read_link(&path).ok().as_ref() == Some(&agent.socket));
            }
            // Back after a cut, with no letter left behind.
            kill(next_child(client.pid(), None));
            client.until("Reconnecting");
            client.until("Connected");
            assert_eq!(fs::read_link(&path).unwrap(), agent.socket);
            let left = fs::read_dir(place.directory("w")).unwrap().map(|entry| entry.unwrap().file_name());
            let left: Vec<_> = left.filter(|name| name.to_string_lossy().ends_with(".agent.draft")).collect();
            assert!(left.is_empty(), "{left:?}");
            client.end_input();
            assert_eq!(client.wait().code(), Some(0));
            wait_until("the server has ended", || place.servers().is_empty());
            assert!(!Path::new(&path).is_symlink());
        }
    }
}

#[test]
fn what_the_user_says_of_it_holds() {
    let place = Place::new();
    let words = ["--local", "--env", "SSH_AUTH_SOCK=/mine", "--", "sh", "-c", "echo $SSH_AUTH_SOCK"];
    let output = place.connect(&words).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "/mine\n");
    // So does what the login shell there finds by itself.
    fs::write(place.home().join(".profile"), "export SSH_AUTH_SOCK=/found\n").unwrap();
    let mut command = place.connect(&["--local", "--login", "--", "sh", "-c", "echo $SSH_AUTH_SOCK"]);
    let output = command.env("SHELL", "/bin/sh").env("SSH_AUTH_SOCK", "/forwarded").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "/found\n");
}
