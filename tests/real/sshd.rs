//! An OpenSSH server of a test's own, with its own keys, configuration and port: on 127.0.0.1, or at
//! the far end of a [`Wire`].

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::client::Client;
use crate::place::Place;
use crate::processes::{children, command_name, signal_if_there};
use crate::wire::{FAR, Wire, entered};

/// A server, and everything that `ssh` needs to know to reach it as `box`.
pub(crate) struct Sshd {
    /// None while it is away.
    listener: Option<Listener>,
    directory: tempfile::TempDir,
    spot: Spot,
    port: u16,
}

/// Where a server listens, and how many it lets log in at once.
#[derive(Clone, Debug)]
pub(crate) struct Spot {
    address: &'static str,
    /// What stands before the server's command, and before a client's.
    enter: [Vec<String>; 2],
    max_startups: &'static str,
    /// Whose home the sessions have: the place's, or each user their own.
    is_for_guests: bool,
    /// Whether there may be modules that know of accounts.
    has_pam: bool,
}

impl Spot {
    /// On this machine.
    pub(crate) fn here() -> Self {
        Spot {
            address: "127.0.0.1",
            enter: [Vec::new(), Vec::new()],
            max_startups: "100",
            is_for_guests: false,
            has_pam: true,
        }
    }

    /// At the far end of a cable, for clients at the near end.
    pub(crate) fn behind(wire: &Wire) -> Self {
        Spot { address: FAR, enter: [wire.far().enter(), wire.near().enter()], ..Spot::here() }
    }

    /// For users who are at home here.
    pub(crate) fn for_guests(self) -> Self {
        Spot { is_for_guests: true, ..self }
    }

    /// Here, entered with these words, where there is nothing to ask whether an account is locked.
    pub(crate) fn within(enter: &[&str]) -> Self {
        let enter = enter.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        Spot { enter: [enter.clone(), enter], has_pam: false, ..Spot::here() }
    }

    /// With the bound that sshd has by itself: from ten logins at once on it refuses some.
    pub(crate) fn with_usual_bound(self) -> Self {
        Spot { max_startups: "10:30:100", ..self }
    }
}

/// The listening process, and the shell that holds it on a leash.
struct Listener {
    pid: u32,
    keeper: Child,
}

/// Ends the server when its own input ends: even a test that is killed leaves none behind.
const KEEPER: &str = r#""$@" & exec 2>/dev/null; echo $!; read line; kill -KILL $!; wait"#;

impl Sshd {
    /// Starts one whose sessions have the place for a home; `None`, said loudly, where there is
    /// no OpenSSH server.
    pub(crate) fn start(place: &Place) -> Option<Self> {
        Self::start_at(place, Spot::here())
    }

    /// Starts one there.
    pub(crate) fn start_at(place: &Place, spot: Spot) -> Option<Self> {
        let Some(program) = program() else {
            assert!(std::env::var_os("CI").is_none(), "sshd is missing");
            let said = "SKIPPED: tests over real ssh, because sshd (openssh-server) is missing\n";
            std::io::stderr().write_all(said.as_bytes()).unwrap();
            return None;
        };
        if rustix::process::geteuid().is_root() {
            // Where it separates its privileges; the system's own start script makes it, too.
            fs::create_dir_all("/run/sshd").unwrap();
        }
        let directory = tempfile::Builder::new().prefix("rs").tempdir_in("/tmp").unwrap();
        for key in ["host_key", "user_key"] {
            let path = directory.path().join(key);
            let mut keygen = Command::new("ssh-keygen");
            assert!(
                keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path).status().unwrap().success()
            );
        }
        fs::copy(directory.path().join("user_key.pub"), directory.path().join("authorized_keys")).unwrap();
        if spot.is_for_guests {
            // Read by the user who logs in.
            let mode = |path: &Path| fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
            mode(directory.path());
            mode(&directory.path().join("authorized_keys"));
        }
        // Somebody may take the port between the question and the answer; then another is asked for.
        for _ in 0..10 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            write_config(directory.path(), place.home(), &spot, port);
            if let Some(listener) = listen(&program, directory.path(), &spot) {
                write_client_config(directory.path(), spot.address, port);
                return Some(Sshd { listener: Some(listener), directory, spot, port });
            }
        }
        panic!("sshd does not start; see {:?}", fs::read_to_string(directory.path().join("log")));
    }

    /// The port that it listens on.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// What `ssh` is told of it.
    pub(crate) fn config(&self) -> PathBuf {
        self.directory.path().join("ssh_config")
    }

    /// `ssh box`, with these words after it.
    pub(crate) fn ssh(&self, words: &[&str]) -> Command {
        let mut command = Command::new("ssh");
        command.arg("-F").arg(self.config()).arg("box").args(words).stdin(Stdio::null());
        command
    }

    /// The words for `reattach connect`.
    pub(crate) fn words(&self) -> Vec<String> {
        let config = self.config().display().to_string();
        let server = env!("CARGO_BIN_EXE_reattach-server");
        ["box", "--ssh-arg", "-F", "--ssh-arg", &config, "--server-path", server].map(str::to_owned).to_vec()
    }

    /// A `reattach connect` over it, not started yet.
    pub(crate) fn connect(&self, place: &Place, words: &[&str], program: &[&str]) -> Command {
        let mut all = self.words();
        all.extend([words, &["--"], program].concat().into_iter().map(str::to_owned));
        entered(place.connect(&all), &self.spot.enter[1])
    }

    /// Ends the server and all that carries sessions.
    pub(crate) fn leave(&mut self) {
        self.signal_sessions("KILL");
        if let Some(listener) = self.listener.take() {
            listener.end();
        }
    }

    /// Starts it again where it was.
    pub(crate) fn come_back(&mut self) {
        let program = program().expect("it was there");
        let listener = listen(&program, self.directory.path(), &self.spot);
        self.listener = Some(listener.unwrap_or_else(|| panic!("port {} is taken", self.port)));
    }

    /// Starts it, in JSON.
    pub(crate) fn client(&self, place: &Place, words: &[&str], program: &[&str]) -> Client {
        Client::start(self.connect(place, &[&["--log-format", "json"], words].concat(), program))
    }

    /// The words for `reattach connect` with a key that needs this passphrase, asked for each time.
    pub(crate) fn words_with_passphrase(&self, passphrase: &str) -> Vec<String> {
        let path = |name| self.directory.path().join(name);
        fs::copy(path("user_key"), path("locked_key")).unwrap();
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-p", "-P", "", "-N", passphrase, "-f"]).arg(path("locked_key"));
        assert!(keygen.stdout(Stdio::null()).status().unwrap().success());
        // Or it is offered unopened, and the passphrase is asked for all the same.
        fs::copy(path("user_key.pub"), path("locked_key.pub")).unwrap();
        let config = fs::read_to_string(self.config()).unwrap();
        let config = config.replace("user_key", "locked_key").replace("BatchMode yes", "BatchMode no");
        fs::write(path("locked_config"), config).unwrap();
        let ours = self.config().display().to_string();
        let locked = path("locked_config").display().to_string();
        self.words().into_iter().map(|word| if word == ours { locked.clone() } else { word }).collect()
    }

    /// Sends a signal to all that carry sessions.
    pub(crate) fn signal_sessions(&self, name: &str) {
        for session in self.sessions() {
            signal_if_there(session, name);
        }
    }

    /// The processes that carry sessions, the server itself not among them.
    pub(crate) fn sessions(&self) -> Vec<u32> {
        let mut found = Vec::new();
        let mut parents: Vec<u32> = self.listener.iter().map(|listener| listener.pid).collect();
        while let Some(parent) = parents.pop() {
            for child in children(parent) {
                if command_name(child).contains("sshd") {
                    found.push(child);
                    parents.push(child);
                }
            }
        }
        found
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.leave();
        if std::thread::panicking() {
            println!("sshd said {:?}", fs::read_to_string(self.directory.path().join("log")));
        }
    }
}

impl Listener {
    fn end(mut self) {
        self.keeper.stdin = None;
        let _ = self.keeper.wait();
    }
}

/// It insists on being called by its full path.
fn program() -> Option<PathBuf> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&paths).chain(system).map(|path| path.join("sshd")).find(|path| path.is_file())
}

fn write_config(directory: &Path, home: &Path, spot: &Spot, port: u16) {
    let config = format!(
        "Port {port}\nListenAddress {1}\nHostKey {0}/host_key\nAuthorizedKeysFile {0}/authorized_keys\n\
         PidFile none\nStrictModes no\nUsePAM {2}\nPasswordAuthentication no\nPermitRootLogin yes\n\
         PrintMotd no\nMaxStartups {3}\n{4}\n",
        directory.display(),
        spot.address,
        if spot.has_pam && is_locked() { "yes" } else { "no" },
        spot.max_startups,
        if spot.is_for_guests { String::new() } else { format!("SetEnv HOME={}", home.display()) },
    );
    fs::write(directory.join("sshd_config"), config).unwrap();
}

/// Starts it with its configuration, and waits until it listens.
fn listen(program: &Path, directory: &Path, spot: &Spot) -> Option<Listener> {
    let mut sshd = Command::new(program);
    sshd.args(["-D", "-e", "-f"]).arg(directory.join("sshd_config"));
    let sshd = entered(sshd, &spot.enter[0]);
    let mut keeper = Command::new("sh")
        .args(["-c", KEEPER, "sh"])
        .arg(sshd.get_program())
        .args(sshd.get_args())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pid = String::new();
    BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut pid).unwrap();
    let pid = pid.trim().parse().unwrap();
    let mut log = fs::File::options().create(true).append(true).open(directory.join("log")).unwrap();
    let mut lines = BufReader::new(keeper.stderr.take().unwrap()).lines().map_while(Result::ok);
    let listens = lines.by_ref().any(|line| {
        writeln!(log, "{line}").unwrap();
        line.contains(&format!("Server listening on {}", spot.address))
    });
    if !listens {
        keeper.stdin = None;
        keeper.wait().unwrap();
        return None;
    }
    std::thread::spawn(move || lines.for_each(|line| drop(writeln!(log, "{line}"))));
    Some(Listener { pid, keeper })
}

/// Without PAM, an account without any password is refused.
fn is_locked() -> bool {
    let shadow = fs::read_to_string("/etc/shadow").unwrap_or_default();
    shadow.lines().any(|line| line.starts_with("root:!"))
}

fn write_client_config(directory: &Path, address: &str, port: u16) {
    let host_key = fs::read_to_string(directory.join("host_key.pub")).unwrap();
    fs::write(directory.join("known_hosts"), format!("[{address}]:{port} {host_key}")).unwrap();
    let config = format!(
        "Host box\n HostName {address}\n Port {port}\n IdentityFile {0}/user_key\n IdentitiesOnly yes\n \
         IdentityAgent none\n UserKnownHostsFile {0}/known_hosts\n GlobalKnownHostsFile none\n \
         StrictHostKeyChecking yes\n BatchMode yes\n",
        directory.display()
    );
    fs::write(directory.join("ssh_config"), config).unwrap();
}
