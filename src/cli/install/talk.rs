//! What is said between an install and its script on the host.
//!
//! The host speaks first, in marked lines between whatever else a login shell prints; then it is sent one line
//! and the program, whose end is the end of what it is sent.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::JoinHandle;

use indicatif::{ProgressBar, ProgressStyle};

use super::platform::Platform;
use super::sums::Tool;
use crate::client::{Route, Script, Way};
use crate::proto::limits::{INSTALL_WORDS_BYTES_MAX, LINE_BYTES_MAX};

/// What the script's lines begin with.
const MARK: &str = "reattach-install: ";

/// A link that dies while nobody watches ends the install, after three times that many seconds.
const ALIVE: [&str; 2] = ["-o", "ServerAliveInterval=15"];

/// A script that runs there.
pub(super) struct Talk {
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<std::io::Take<ChildStdout>>,
    errors: Option<JoinHandle<String>>,
}

/// What it says.
pub(super) enum Line {
    /// What the host is, which tool checks, and what that says of the program that is there.
    Host { platform: Platform, tool: Tool, sum: String },
    /// A step that did not work, and why.
    Failed { step: String, said: String },
    /// Old versions that went.
    Gone(String),
    /// The program is there.
    Done(String),
}

impl Talk {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// One sentence.
    pub(super) fn start(route: &Route, script: &Script) -> Result<Self, String> {
        let mut route = route.clone();
        if let Route::Ssh { arguments, .. } = &mut route {
            arguments.extend(ALIVE.map(Into::into));
        }
        let words = route.script(Way::Shared, script);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => format!("the command {} was not found", words[0].display()),
            _ => format!("the command {} cannot be started: {error}", words[0].display()),
        })?;
        let errors = process.stderr.take().expect("it was piped");
        let errors = std::thread::spawn(move || last_line(errors));
        let output = process.stdout.take().expect("it was piped").take(INSTALL_WORDS_BYTES_MAX);
        let input = process.stdin.take();
        Ok(Talk { process, input, output: BufReader::new(output), errors: Some(errors) })
    }

    /// The next line of the script; none if nothing more comes.
    pub(super) fn next(&mut self) -> Option<Line> {
        loop {
            let mut line = Vec::new();
            let limit = LINE_BYTES_MAX as u64;
            (&mut self.output).take(limit).read_until(b'\n', &mut line).ok().filter(|count| *count > 0)?;
            if let Some(line) = String::from_utf8_lossy(&line).trim().strip_prefix(MARK).and_then(read) {
                return Some(line);
            }
        }
    }

    /// The program that is there will do.
    pub(super) fn say_keep(&mut self) {
        let mut input = self.input.take().expect("it is said once");
        // Whoever does not hear it says why.
        let _ = input.write_all(b"0 keep\n");
    }

    /// Sends the program, and shows how far it is to who watches.
    ///
    /// # Errors
    ///
    /// Those of the file; who does not take it says why.
    pub(super) fn send(&mut self, mut file: File, size: u64, sum: &str) -> std::io::Result<()> {
        let mut input = self.input.take().expect("it is sent once");
        let bar = ProgressBar::new(size).with_style(
            ProgressStyle::with_template("sending the server {bar:32} {bytes}/{total_bytes} {bytes_per_sec}")
                .expect("it is a template"),
        );
        let mut bytes = vec![0; 64 << 10];
        let mut is_heard = input.write_all(format!("{size} {sum}\n").as_bytes()).is_ok();
        while is_heard {
            let count = file.read(&mut bytes)?;
            if count == 0 {
                break;
            }
            is_heard = input.write_all(&bytes[..count]).is_ok();
            bar.inc(count as u64);
        }
        bar.finish_and_clear();
        Ok(())
    }

    /// Waits for its end, and says what was said of it last.
    pub(super) fn end(&mut self) -> String {
        self.input = None;
        let status = self.process.wait();
        let said = self.errors.take().and_then(|errors| errors.join().ok()).unwrap_or_default();
        match (said.is_empty(), status) {
            (false, _) => said,
            (true, Ok(status)) => format!("the way there ended without a word ({status})"),
            (true, Err(error)) => error.to_string(),
        }
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        self.input = None;
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn read(line: &str) -> Option<Line> {
    let (what, rest) = line.split_once(' ')?;
    match what {
        "host" => {
            let words: Vec<&str> = rest.split_whitespace().collect();
            let [system, processor, tool, sum] = words[..] else { return None };
            let platform = Platform::new(system, processor);
            Some(Line::Host { platform, tool: Tool::named(tool)?, sum: sum.to_owned() })
        }
        "failed" => {
            let (step, said) = rest.split_once(' ').unwrap_or((rest, ""));
            Some(Line::Failed { step: step.to_owned(), said: said.trim().to_owned() })
        }
        "gone" => Some(Line::Gone(rest.trim().to_owned())),
        "done" => Some(Line::Done(rest.trim().to_owned())),
        _ => None,
    }
}

/// The last line that says something, of no more than is borne.
fn last_line(errors: impl Read) -> String {
    let mut said = Vec::new();
    let mut errors = errors.take(INSTALL_WORDS_BYTES_MAX);
    let _ = errors.read_to_end(&mut said);
    // Whatever more there is, nobody waits for its being read.
    let _ = std::io::copy(&mut errors.into_inner(), &mut std::io::sink());
    let said = String::from_utf8_lossy(&said).into_owned();
    said.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_and_nothing_else_is() {
        assert!(matches!(read("host Linux x86_64 sha256sum -"), Some(Line::Host { .. })));
        assert!(matches!(read("failed write cat: No space"), Some(Line::Failed { step, said })
            if step == "write" && said == "cat: No space"));
        for other in ["", "host", "host Linux x86_64", "host Linux x86_64 md5 -", "moon full"] {
            assert!(read(other).is_none(), "{other}");
        }
        assert_eq!(last_line(&b"one\ntwo\n\n"[..]), "two");
    }
}
