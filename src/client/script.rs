//! A POSIX shell script for the host, given so that whoever is between here and there passes it on unharmed.
//!
//! What it does is left to who writes one.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// What every login shell understands in the same way: one word that runs a shell of ours, and one that
/// holds everything, in single quotes and without a letter that any of them takes for something else there.
const CARRIER: &[u8] = br#"exec sh -c 'eval "$(printf %b "$1")"' sh '"#;

/// A script and its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// POSIX sh, which finds the arguments in `"$@"`.
    pub text: String,
    /// Any bytes.
    pub arguments: Vec<OsString>,
}

impl Script {
    /// For who passes words on as they are.
    pub fn words(&self) -> Vec<OsString> {
        let shell = ["sh", "-c", &self.text, "sh"].map(OsString::from);
        shell.into_iter().chain(self.arguments.iter().cloned()).collect()
    }

    /// For who gives one line to a login shell, whichever that is.
    pub fn line(&self) -> OsString {
        let mut script = b"set --".to_vec();
        for argument in &self.arguments {
            script.push(b' ');
            script.extend(quoted(argument));
        }
        script.push(b'\n');
        script.extend(self.text.trim().bytes());
        let mut line = CARRIER.to_vec();
        for byte in script {
            match byte {
                // fish and csh see a backslash, csh an exclamation mark and the end of a line, even in quotes;
                // and what is no text may be read as anything.
                b'\'' | b'\\' | b'!' | 0..b' ' | 0x7f.. => line.extend(format!("\\0{byte:03o}").bytes()),
                b' '..0x7f => line.push(byte),
            }
        }
        line.push(b'\'');
        OsString::from_vec(line)
    }
}

/// One word for a POSIX shell.
fn quoted(word: &OsStr) -> Vec<u8> {
    // Arguments of processes hold no NUL, so the other case is never reached.
    shlex::bytes::try_quote(word.as_bytes()).map_or_else(|_| b"''".to_vec(), |word| word.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    /// Those that are installed here; the first is on every system.
    const SHELLS: [&str; 6] = ["sh", "bash", "dash", "zsh", "fish", "tcsh"];

    const WORDS: [&str; 14] = [
        "",
        "two words",
        "'",
        "\"$HOME\" `id` $(id)",
        "!! !x a!",
        "line\nline\n",
        "\\n \\ \\\\ \\0101",
        "ünïcödé €",
        "~ ~/x {a,b} * ? [a] #x %self ^x =ls",
        "-n",
        "a;b|c&d>e<f",
        "\t\r\u{1b}[31m\u{7f}",
        "%s%b",
        "'\\''",
    ];

    fn arguments() -> Vec<OsString> {
        let mut arguments: Vec<OsString> = WORDS.map(OsString::from).to_vec();
        arguments.push(OsString::from_vec((1..=255).collect()));
        arguments.push("x".repeat(30_000).into());
        arguments
    }

    fn expected() -> Vec<u8> {
        arguments().iter().flat_map(|word| [word.as_bytes(), b"\0"].concat()).collect()
    }

    /// What each argument is there, ended by a NUL.
    fn script() -> Script {
        Script { text: r#"for word do printf "%s\0" "$word"; done"#.to_owned(), arguments: arguments() }
    }

    #[test]
    fn every_login_shell_passes_any_arguments_on() {
        let mut tried = 0;
        for shell in SHELLS {
            let mut command = Command::new(shell);
            let Ok(output) = command.arg("-c").arg(script().line()).stdin(Stdio::null()).output() else {
                assert!(std::env::var_os("CI").is_none(), "{shell} is missing");
                continue;
            };
            assert!(output.stdout == expected(), "{shell}: {:?}", String::from_utf8_lossy(&output.stdout));
            tried += 1;
        }
        assert!(tried > 0);
    }

    #[test]
    fn words_are_passed_on_as_they_are() {
        let words = script().words();
        let output = Command::new(&words[0]).args(&words[1..]).output().unwrap();
        assert!(output.stdout == expected());
    }

    #[test]
    fn a_line_of_plain_words_can_be_read() {
        let script = Script { text: "exec \"$@\"".to_owned(), arguments: vec!["echo".into(), "it's".into()] };
        let line = script.line().into_string().unwrap();
        assert_eq!(
            line,
            r#"exec sh -c 'eval "$(printf %b "$1")"' sh 'set -- echo "it\0047s"\0012exec "$@"'"#
        );
    }
}
