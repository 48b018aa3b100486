//! An ssh server of its own on 127.0.0.1, with its own keys and configuration; the user's and the
//! machine's are left alone.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, bail, ensure};
use reattach::{Route, Target};

use crate::place::{CLIENT, Hosted, Place, find};
use crate::wire::Wire;

/// Root's sshd wants to lock itself in there before anybody is known.
const PRIVILEGE_SEPARATION: &str = "/run/sshd";

/// What the machine is called in the client's configuration.
const HOST: &str = "bench";

pub(crate) struct Sshd {
    child: Child,
    client_config: PathBuf,
    made_directory: bool,
}

impl Sshd {
    /// Starts it, and waits until it listens.
    pub(crate) fn start(place: &Place) -> anyhow::Result<Self> {
        Sshd::start_over(place, None)
    }

    /// The same, with a wire between it and its clients.
    pub(crate) fn start_over(place: &Place, wire: Option<Wire>) -> anyhow::Result<Self> {
        let program = find("sshd")?;
        let directory = place.path().join("ssh");
        let _ = std::fs::create_dir(&directory);
        for key in ["host", "user"] {
            make_key(&directory.join(key))?;
        }
        std::fs::copy(directory.join("user.pub"), directory.join("authorized"))?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let server_config = directory.join("sshd_config");
        std::fs::write(&server_config, server_text(&directory, port, place.path()))?;
        let client_config = directory.join("ssh_config");
        std::fs::write(&client_config, client_text(&directory, port, wire)?)?;

        let is_root = rustix::process::geteuid().is_root();
        let made_directory = is_root && std::fs::create_dir(PRIVILEGE_SEPARATION).is_ok();
        let child = Command::new(program)
            .args(["-D", "-e", "-f"])
            .arg(&server_config)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("sshd")?;
        let mut sshd = Sshd { child, client_config, made_directory };
        sshd.wait_listening()?;
        ensure!(sshd.command(&["true"]).status()?.success(), "ssh cannot log in");
        Ok(sshd)
    }

    fn wait_listening(&mut self) -> anyhow::Result<()> {
        let mut said = BufReader::new(self.child.stderr.take().context("it was piped")?).lines();
        loop {
            match said.next().transpose()? {
                Some(line) if line.contains("listening") => break,
                Some(line) if line.contains("error") => bail!("sshd: {line}"),
                Some(_) => {}
                None => bail!("sshd ended"),
            }
        }
        // It talks on, and must not be kept waiting for a reader.
        std::thread::spawn(move || said.map_while(Result::ok).for_each(drop));
        Ok(())
    }

    /// `ssh HOST WORDS`.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("ssh");
        command.arg("-F").arg(&self.client_config).args(["-T", HOST]).args(words).stdin(Stdio::null());
        command
    }

    /// An echo that our server hosts in its own process, for a client that links the library.
    pub(crate) fn target(&self, identifier: &str) -> anyhow::Result<Target> {
        let arguments = vec!["-F".into(), self.client_config.clone().into()];
        let route = Route::Ssh { host: HOST.to_owned(), arguments };
        Ok(Target::new(route, std::env::current_exe()?, identifier).ephemeral())
    }

    /// `reattach connect HOST`, to that.
    pub(crate) fn connect(&self, place: &Place, hosted: Hosted<'_>) -> Command {
        let mut command = place.command(CLIENT);
        command.args(["connect", HOST, "--ssh-arg=-F"]);
        command.arg(format!("--ssh-arg={}", self.client_config.display()));
        hosted.add_to(&mut command);
        command
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if self.made_directory {
            let _ = std::fs::remove_dir(PRIVILEGE_SEPARATION);
        }
    }
}

fn make_key(path: &Path) -> anyhow::Result<()> {
    if path.exists() {
        return Ok(());
    }
    let made = Command::new(find("ssh-keygen")?)
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(path)
        .stdin(Stdio::null())
        .status()?;
    ensure!(made.success(), "ssh-keygen failed");
    Ok(())
}

fn server_text(directory: &Path, port: u16, home: &Path) -> String {
    let (directory, home) = (directory.display(), home.display());
    // The keys are below a folder that others may write to. Sessions are at home where ours are.
    format!(
        "ListenAddress 127.0.0.1\nPort {port}\nHostKey {directory}/host\nPidFile none\n\
         AuthorizedKeysFile {directory}/authorized\nStrictModes no\nUsePAM no\n\
         PasswordAuthentication no\nMaxStartups 100\nSetEnv HOME={home}\n"
    )
}

fn client_text(directory: &Path, port: u16, wire: Option<Wire>) -> anyhow::Result<String> {
    let directory = directory.display();
    let wire = match wire {
        Some(wire) => {
            let (own, [rate, delay]) = (std::env::current_exe()?, wire.words());
            format!("ProxyCommand {} wire {rate} {delay} tcp %h:%p\n", own.display())
        }
        None => String::new(),
    };
    let user = Command::new("id").arg("-un").output()?.stdout;
    let user = String::from_utf8_lossy(&user);
    Ok(format!(
        "Host {HOST}\nHostName 127.0.0.1\nPort {port}\nUser {}\nIdentityFile {directory}/user\n\
         IdentitiesOnly yes\nBatchMode yes\nUserKnownHostsFile {directory}/known_hosts\n\
         StrictHostKeyChecking no\nControlMaster no\nLogLevel ERROR\n{wire}",
        user.trim()
    ))
}
