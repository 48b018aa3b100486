//! A project, a host of its own behind ssh, and an editor that says what it sees.
//!
//! An editor is driven by a script in its own language. It notes what it sees, a line each, in a file, and
//! waits for words that the test leaves for it. The notes are printed: they are what a person would see.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use reattach::io::clock::Clock;

use crate::place::{Place, kill, signal, wait, wait_until};
use crate::processes::children;
use crate::sshd::Sshd;

/// An editor starts, and a language server reads a project, on a machine that does other things, too.
const PATIENCE: Duration = Duration::from_secs(120);

/// A file with something to complain of, and something to point at.
const PROGRAM: &str = r#"import os


def greet(name):
    """Says hello to somebody."""
    return "hello " + name


greet("you")
"#;

/// A project and its host.
pub(crate) struct Scene {
    pub(crate) place: Place,
    pub(crate) sshd: Sshd,
    editor: Option<Child>,
    seen: usize,
}

impl Scene {
    /// With these programs on this machine; `None`, said loudly, where one is missing.
    pub(crate) fn open(programs: &[&str]) -> Option<Self> {
        for program in programs {
            if !is_there(program) {
                leave_out(&format!("{program} is missing"));
                return None;
            }
        }
        let place = Place::new();
        let sshd = Sshd::start(&place)?;
        let scene = Scene { place, sshd, editor: None, seen: 0 };
        fs::create_dir_all(scene.project()).unwrap();
        fs::create_dir_all(scene.bin()).unwrap();
        fs::create_dir_all(scene.notes()).unwrap();
        fs::write(scene.project().join("main.py"), PROGRAM).unwrap();
        scene.write_programs();
        Some(scene)
    }

    pub(crate) fn project(&self) -> PathBuf {
        self.place.home().join("project")
    }

    fn bin(&self) -> PathBuf {
        self.place.home().join("bin")
    }

    fn notes(&self) -> PathBuf {
        self.place.home().join("notes")
    }

    /// A user's `ssh` that knows the host, and a `reattach` that knows where its server is.
    fn write_programs(&self) {
        let config = fs::read_to_string(self.sshd.config()).unwrap();
        let known = self.place.home().join("ssh_config");
        fs::write(&known, config.replace("Host box", "Host box devbox")).unwrap();
        self.program("ssh", &format!("exec /usr/bin/ssh -F {} \"$@\"", known.display()));
        let (client, server) = (env!("CARGO_BIN_EXE_reattach"), env!("CARGO_BIN_EXE_reattach-server"));
        self.program(
            "reattach",
            &format!(
                "case $1 in connect) shift; exec {client} connect --server-path {server} \"$@\";; esac\nexec {client} \"$@\""
            ),
        );
    }

    /// A program in the editor's path.
    fn program(&self, name: &str, script: &str) {
        let path = self.bin().join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A program with this home and path, in the project.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = self.place.welcome(Command::new(program));
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .env("PATH", format!("{}:{path}", self.bin().display()))
            .env("NOTES", self.notes())
            .env("TERM", "xterm-256color")
            .env_remove("XDG_CONFIG_HOME")
            .current_dir(self.project())
            .stdin(Stdio::null())
            .process_group(0);
        command
    }

    /// Starts the editor.
    pub(crate) fn start(&mut self, mut command: Command) {
        let output = fs::File::create(self.notes().join("output")).unwrap();
        command.stdout(output.try_clone().unwrap()).stderr(output);
        self.editor = Some(command.spawn().unwrap());
    }

    /// Leaves a word for the editor.
    pub(crate) fn tell(&self, word: &str) {
        fs::write(self.notes().join(word), "").unwrap();
    }

    /// Waits for the next note that begins with that word; the rest of it.
    pub(crate) fn until(&mut self, word: &str) -> String {
        let clock = Clock::new();
        let start = clock.now();
        loop {
            let has_ended = self.editor.as_mut().is_none_or(|editor| editor.try_wait().unwrap().is_some());
            let notes = self.all_notes();
            let found = notes[self.seen..].iter().position(|note| note.split(' ').next() == Some(word));
            if let Some(at) = found {
                self.seen += at + 1;
                let note = &notes[self.seen - 1];
                println!("    {note}");
                return note[word.len()..].trim().to_owned();
            }
            let output = || fs::read_to_string(self.notes().join("output")).unwrap_or_default();
            let is_late = has_ended || clock.now().since(start) > PATIENCE;
            assert!(!is_late, "still no {word}: {notes:#?}, and it printed {:?}", output());
            wait(Duration::from_millis(20));
        }
    }

    fn all_notes(&self) -> Vec<String> {
        let notes = fs::read_to_string(self.notes().join("log")).unwrap_or_default();
        let whole = notes.rfind('\n').map_or("", |end| &notes[..end]);
        whole.lines().map(str::to_owned).collect()
    }

    /// The process of the server.
    pub(crate) fn server(&self) -> u32 {
        let root = self.place.directory("any").parent().unwrap().to_owned();
        let names =
            fs::read_dir(root).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut pids =
            names.filter(|name| !name.starts_with('.')).filter_map(|name| self.place.server_pid(&name));
        let pid = pids.next().expect("a server runs");
        assert_eq!(pids.next(), None, "only one");
        pid
    }

    /// Stops the hosted program, so that nothing is answered any more.
    pub(crate) fn stop_program(&self) {
        children(self.server()).into_iter().for_each(|program| signal(program, "STOP"));
    }

    /// Kills the server, and with it what it hosts.
    pub(crate) fn kill_server(&self) {
        kill(self.server());
    }

    /// What every editor must bear, told by its script: diagnostics, hover, an edit, a cut link, more edits,
    /// and the end of the server with a request open.
    pub(crate) fn play(&mut self) {
        assert!(self.until("diagnostics").contains("os"));
        assert!(self.until("hover").contains("greet"));
        let server = self.server();
        println!("    -- the link is cut, and the host is away");
        self.sshd.leave();
        self.tell("cut");
        self.until("edited");
        println!("    -- the host is back");
        self.sshd.come_back();
        assert!(self.until("diagnostics").contains("nobody"));
        assert!(self.until("hover").contains("greet"));
        assert_eq!(self.server(), server);
        self.stop_program();
        self.tell("ask");
        self.until("asked");
        println!("    -- the server is killed");
        self.kill_server();
    }

    /// Waits for the editor's own end.
    pub(crate) fn end(mut self) {
        self.tell("end");
        let mut editor = self.editor.take().unwrap();
        wait_until("the editor ends", || editor.try_wait().unwrap().is_some());
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if let Some(editor) = &mut self.editor {
            let _ = editor.kill();
            let _ = editor.wait();
        }
    }
}

/// Says that a test is left out; where everything should be there, that is a failure.
pub(crate) fn leave_out(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "{why}");
    std::io::stderr().write_all(format!("SKIPPED: {why}\n").as_bytes()).unwrap();
}

/// Whether a program is in the path.
fn is_there(program: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).any(|path| path.join(program).is_file())
}

/// A file of the repository.
pub(crate) fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The first block of that language under that heading of `docs/editors.md`.
pub(crate) fn recipe(heading: &str, language: &str) -> String {
    let text = fs::read_to_string(source("docs/editors.md")).unwrap();
    let section = text.split(&format!("\n## {heading}\n")).nth(1).unwrap_or_else(|| panic!("no {heading}"));
    let section = section.split("\n## ").next().unwrap();
    let block = section.split(&format!("```{language}\n")).nth(1);
    let block = block.unwrap_or_else(|| panic!("no {language} under {heading}"));
    block.split("```").next().unwrap().to_owned()
}
