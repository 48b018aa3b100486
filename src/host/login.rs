//! The environment that the user's login shell makes, for a program that is to find what the user finds.
//!
//! The shell is run once, before the program, and its own words are nobody's: it has no input, and what it
//! prints is skipped up to a mark that only we know. It starts this executable once more, which tells its
//! environment; so it need not know any syntax but a plain command, whichever shell it is.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{ChildStdout, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::Signal;

use super::program::die_with_us;
use crate::io::child::signal_group;
use crate::io::clock::Clock;
use crate::io::random;
use crate::proto::limits::{ENVIRONMENT_BYTES_MAX, LOGIN_SHELL_WAIT, NOISE_BYTES_MAX, READ_BYTES_MIN};
use crate::session::Time;

/// The subcommand by which our executable tells its environment; the mark comes after it.
pub const ENVIRONMENT: &str = "environment";

/// Set by a shell for its next command only.
const NOT_FOR_OTHERS: &str = "_";

type Variables = Vec<(OsString, OsString)>;

/// Asks the user's login shell. `prefix` is what stands before a subcommand of ours.
///
/// # Errors
///
/// One sentence, if the shell does not get as far as that, or takes too long.
pub fn variables(prefix: &[OsString]) -> Result<Variables, String> {
    // Where the environment does not say, as in a container that was entered: the one that is everywhere.
    let shell = std::env::var_os("SHELL").filter(|shell| !shell.is_empty());
    variables_of(&shell.unwrap_or_else(|| "/bin/sh".into()), prefix, LOGIN_SHELL_WAIT)
}

fn variables_of(shell: &OsStr, prefix: &[OsString], patience: Duration) -> Result<Variables, String> {
    let name = shell.display();
    let failed = |error: io::Error| format!("the login shell {name} cannot be run: {error}");
    let mark = format!("{:032x}", random::id());
    let ourselves = std::env::current_exe().map_err(failed)?;
    let words = [ourselves.as_os_str()].into_iter().chain(prefix.iter().map(OsString::as_os_str));
    let line = line(words.chain([OsStr::new(ENVIRONMENT), OsStr::new(&mark)]));
    let mut command = command(shell, &line);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0);
    die_with_us(&mut command);
    let mut child = command.spawn().map_err(failed)?;
    let mut said = Vec::new();
    let output = child.stdout.take().expect("it was piped");
    let heard = listen(output, &mark, patience, &mut said);
    // Whatever it has started is of no use to anybody, and the shell itself is not reaped yet.
    signal_group(&child, Signal::KILL);
    let status = child.wait().map_err(failed)?;
    match heard.map_err(failed)? {
        Some(variables) => Ok(variables),
        None if said.len() > NOISE_BYTES_MAX => {
            Err(format!("the login shell {name} prints without an end and runs no command"))
        }
        None if status.success() || status.code().is_some() => {
            Err(format!("the login shell {name} ended without having run a command ({status})"))
        }
        None => Err(format!(
            "the login shell {name} has not run a command within {}: without --login it is not asked",
            humantime::format_duration(patience)
        )),
    }
}

/// The shell, as after a login, with one command.
fn command(shell: &OsStr, line: &OsStr) -> Command {
    let name = Path::new(shell).file_name().unwrap_or(shell);
    let mut command = Command::new(shell);
    match name.as_bytes() {
        // Their option for a login goes with no other; their name with a dash before it does.
        b"csh" | b"tcsh" => {
            let mut dashed = OsString::from("-");
            dashed.push(name);
            command.arg0(dashed);
        }
        _ => {
            command.arg("-l");
        }
    }
    command.arg("-c").arg(line);
    command
}

/// One command, as any shell takes it.
fn line<'a>(words: impl Iterator<Item = &'a OsStr>) -> OsString {
    let mut line = b"exec".to_vec();
    for word in words {
        line.push(b' ');
        // Paths are plain; a strange one is quoted as most shells understand it.
        line.extend_from_slice(&shlex::bytes::try_quote(word.as_bytes()).unwrap_or_default());
    }
    OsString::from_vec(line)
}

/// Reads until the environment is complete, the output ends or is too long, or the time is over.
fn listen(
    mut output: ChildStdout,
    mark: &str,
    patience: Duration,
    said: &mut Vec<u8>,
) -> io::Result<Option<Variables>> {
    let clock = Clock::new();
    let until = Time(0) + patience;
    let bytes_max = NOISE_BYTES_MAX + usize::try_from(ENVIRONMENT_BYTES_MAX).expect("some MiB");
    let mut chunk = vec![0; READ_BYTES_MIN];
    while said.len() <= bytes_max {
        let left = until.since(clock.now());
        let left = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
        match poll(&mut [PollFd::new(&output, PollFlags::IN)], Some(&left)) {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(errno.into()),
        }
        match output.read(&mut chunk)? {
            0 => return Ok(parse(said, mark)),
            count => said.extend_from_slice(&chunk[..count]),
        }
        // Something that the shell left in the background may hold the output open.
        if let Some(variables) = parse(said, mark) {
            return Ok(Some(variables));
        }
    }
    Ok(None)
}

/// The environment between two marks, if both are there.
fn parse(said: &[u8], mark: &str) -> Option<Variables> {
    let mark = mark.as_bytes();
    let find = |bytes: &[u8]| bytes.windows(mark.len()).position(|window| window == mark);
    let begin = find(said)? + mark.len();
    let end = begin + find(&said[begin..])?;
    let variables = said[begin..end].split(|byte| *byte == 0).filter_map(|entry| {
        // A name may begin with the sign, on some systems; it has at least one letter.
        let at = 1 + entry.iter().skip(1).position(|byte| *byte == b'=')?;
        let part = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
        Some((part(&entry[..at]), part(&entry[at + 1..])))
    });
    Some(variables.filter(|(name, _)| name != NOT_FOR_OTHERS).collect())
}

/// What the executable says when it is asked for its environment.
///
/// # Errors
///
/// Those of standard output.
pub fn tell_environment(mark: &str) -> io::Result<()> {
    let mut said = mark.as_bytes().to_vec();
    for (name, value) in std::env::vars_os() {
        said.extend_from_slice(name.as_bytes());
        said.push(b'=');
        said.extend_from_slice(value.as_bytes());
        said.push(0);
    }
    said.extend_from_slice(mark.as_bytes());
    let mut stdout = io::stdout();
    stdout.write_all(&said)?;
    stdout.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_is_found_among_other_words() {
        let said = b"Welcome!\nMARKA=1\0B=x\ny=\0_=/bin/x\0C=\0=D=2\0MARKbye";
        let variables = parse(said, "MARK").unwrap();
        let expected = [("A", "1"), ("B", "x\ny="), ("C", ""), ("=D", "2")];
        assert_eq!(variables, expected.map(|(name, value)| (name.into(), value.into())));
        assert_eq!(parse(&said[..said.len() - 7], "MARK"), None);
    }

    #[test]
    fn a_shell_that_never_runs_a_command_is_named() {
        let why = |shell: &str| variables_of(OsStr::new(shell), &[], Duration::from_millis(200)).unwrap_err();
        assert!(why("/no/such/shell").contains("/no/such/shell cannot be run"));
        assert!(why("/bin/false").contains("/bin/false ended without having run a command"));
        let directory = tempfile::tempdir().unwrap();
        let hangs = directory.path().join("hangs");
        // Not written by us: another test's child may hold it open for writing at the moment that it is run.
        let write = r#"printf '#!/bin/sh\nexec sleep 600\n' > "$0" && chmod 700 "$0""#;
        assert!(Command::new("sh").args(["-c", write]).arg(&hangs).status().unwrap().success());
        let why = why(hangs.to_str().unwrap());
        assert!(why.contains("has not run a command within 200ms"), "{why}");
    }
}
