//! Standard streams of every kind: files, nothing, terminals, shared pipes; all left as they were.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use rustix::fs::{OFlags, fcntl_getfl};

use crate::client::{COUNTER, Client};
use crate::dice::Dice;
use crate::place::{Place, kill, wait_until};

/// A program that says what it read, in both outputs.
const TEE: [&str; 3] = ["sh", "-c", "tee /dev/stderr"];

#[test]
fn files_are_read_and_written_whole() {
    let place = Place::new();
    let bytes = Dice::roll().bytes(8 << 20);
    fs::write(place.home().join("question"), &bytes).unwrap();
    let file = |name| place.home().join(name);
    let status = place
        .connect(&["--local", "--", TEE[0], TEE[1], TEE[2]])
        .stdin(File::open(file("question")).unwrap())
        .stdout(File::create(file("answer")).unwrap())
        .stderr(File::create(file("errors")).unwrap())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(0));
    for name in ["answer", "errors"] {
        assert!(fs::read(file(name)).unwrap() == bytes, "{name}");
        fs::remove_file(file(name)).unwrap();
    }
    fs::remove_file(file("question")).unwrap();
    place.is_left_clean();
}

#[test]
fn streams_that_lead_nowhere_are_streams() {
    let place = Place::new();
    let output = place.connect(&["--local", "--", "cat"]).stdin(Stdio::null()).output().unwrap();
    assert_eq!((output.status.code(), output.stdout.len(), output.stderr.len()), (Some(0), 0, 0));
    // Closed ones, too, as a daemon may have them.
    let script = format!("exec {} connect --local -- sh -c 'cat; exit 3' <&- >&- 2>&-", reattach());
    let status = Command::new("sh")
        .args(["-c", &script])
        .env("HOME", place.home())
        .env("XDG_RUNTIME_DIR", place.runtime())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(3));
    place.is_left_clean();
}

fn reattach() -> &'static str {
    env!("CARGO_BIN_EXE_reattach")
}

fn is_blocking(fd: &OwnedFd) -> bool {
    !fcntl_getfl(fd).unwrap().contains(OFlags::NONBLOCK)
}

/// Three streams that somebody else holds, too, as a shell does.
struct Shared {
    kept: [OwnedFd; 3],
    input: Option<Box<dyn Write>>,
    output: Box<dyn Read>,
}

impl Shared {
    /// A pipe each.
    fn pipes() -> Self {
        let (stdin, input) = rustix::pipe::pipe().unwrap();
        let (output, stdout) = rustix::pipe::pipe().unwrap();
        let (_, stderr) = rustix::pipe::pipe().unwrap();
        Shared {
            kept: [stdin, stdout, stderr],
            input: Some(Box::new(File::from(input))),
            output: Box::new(File::from(output)),
        }
    }

    /// `2>&1`.
    fn one_output() -> Self {
        let mut shared = Shared::pipes();
        shared.kept[2] = shared.kept[1].try_clone().unwrap();
        shared
    }

    /// One socket for everything, as from inetd.
    fn one_socket() -> Self {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let theirs = OwnedFd::from(theirs);
        Shared {
            kept: [theirs.try_clone().unwrap(), theirs.try_clone().unwrap(), theirs],
            input: Some(Box::new(ours.try_clone().unwrap())),
            output: Box::new(ours),
        }
    }

    fn connect(&self, place: &Place, program: &[&str]) -> std::process::Child {
        let mut command = place.connect(&[&["--local", "--id", "w", "--"], program].concat());
        let [stdin, stdout, stderr] = self.kept.each_ref().map(|fd| Stdio::from(fd.try_clone().unwrap()));
        command.stdin(stdin).stdout(stdout).stderr(stderr).spawn().unwrap()
    }

    fn hears(&mut self, expected: &str) {
        let mut heard = vec![0; expected.len()];
        self.output.read_exact(&mut heard).unwrap();
        assert_eq!(String::from_utf8_lossy(&heard), expected);
    }
}

#[test]
fn shared_streams_are_left_in_the_mode_they_were_in() {
    for make in [Shared::pipes, Shared::one_output, Shared::one_socket] {
        for (ending, code) in [("exit", Some(7)), ("kill -TERM $$", None), ("", Some(90))] {
            let place = Place::new();
            let mut shared = make();
            let program = format!("echo ready; read line; {ending} $line");
            let mut client = shared.connect(&place, &["sh", "-c", &program]);
            shared.hears("ready\n");
            match code {
                Some(90) => kill(place.server_pid("w").unwrap()),
                Some(_) | None => shared.input.as_mut().unwrap().write_all(b"7\n").unwrap(),
            }
            assert_eq!(client.wait().unwrap().code(), code);
            let blocking = shared.kept.each_ref().map(is_blocking);
            assert_eq!(blocking, [true; 3], "after {ending:?}");
        }
    }
}

/// A client on a terminal of its own, in `script`, that a person types into.
fn terminal(place: &Place, script: &str) -> Option<Client> {
    if Command::new("socat").arg("-V").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "socat is missing");
        let _ = std::io::stderr().write_all(b"SKIPPED: tests on a terminal, because socat is missing\n");
        return None;
    }
    let path = place.home().join("script");
    fs::write(&path, script.replace("reattach", reattach())).unwrap();
    let program = format!("EXEC:sh {},pty,setsid,ctty,stderr", path.display());
    let mut command = Command::new("socat");
    command
        .args(["-t", "10", "-", &program])
        .env("HOME", place.home())
        .env("XDG_RUNTIME_DIR", place.runtime());
    Some(Client::start(command))
}

#[test]
fn a_terminal_is_spoken_to_and_left_to_the_shell() {
    let place = Place::new();
    let script =
        "reattach connect --local -- cat; echo \"status $?\"; read line; echo \"the shell got $line\"";
    let Some(mut client) = terminal(&place, script) else { return };
    wait_until("the program runs", || !place.servers().is_empty());
    client.say("one\n");
    // Once from the terminal, once from the program.
    client.hears("one\r\none\r\n");
    // Control-D: the end of input.
    client.say("\x04");
    client.hears_last("status 0\r\n");
    // That the shell can read shows that its terminal still blocks.
    client.say("two\n");
    client.hears_last("the shell got two\r\n");
}

#[test]
fn what_a_terminal_sends_is_the_programs_and_does_not_cut_the_link() {
    for (key, signal) in [("\x03", "INT"), ("\x1c", "QUIT")] {
        let place = Place::new();
        let script = "trap : SIGNAL
            reattach connect --local --log-format json -- sh -c '
                trap \"echo heard; read line; exit 5\" SIGNAL
                echo ready; while :; do sleep 0.02; done' 2>$HOME/states
            echo \"status $?\"";
        let Some(mut client) = terminal(&place, &script.replace("SIGNAL", signal)) else { return };
        client.hears("ready\r\n");
        client.say(key);
        client.hears_last("heard\r\n");
        client.say("\n");
        client.hears_last("status 5\r\n");
        let states = fs::read_to_string(place.home().join("states")).unwrap();
        assert!(!states.contains("Reconnecting"), "{states}");
    }
}

#[test]
fn an_output_that_the_program_closes_is_closed_here_too() {
    let place = Place::new();
    let program = "echo last words; exec >&-; read line; echo \"$line\" >&2; exit 3";
    let mut command = place.connect(&["--local", "--", "sh", "-c", program]);
    let mut client =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut heard = String::new();
    // Ends although the program lives.
    client.stdout.take().unwrap().read_to_string(&mut heard).unwrap();
    assert_eq!(heard, "last words\n");
    client.stdin.take().unwrap().write_all(b"go\n").unwrap();
    let end = client.wait_with_output().unwrap();
    assert_eq!((end.status.code(), end.stderr.as_slice()), (Some(3), &b"go\n"[..]));
    place.is_left_clean();
}

#[test]
fn a_suspended_job_goes_on_where_it_was() {
    let place = Place::new();
    let mut client = Client::local(&place, &[], &COUNTER);
    client.until("Connected");
    client.signal("TSTP");
    client.say("one\n");
    client.signal("CONT");
    client.hears("1 one\n");
    client.end_input();
    assert_eq!(client.wait().code(), Some(0));
}
