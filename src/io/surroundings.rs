//! How a program is to be run, besides its arguments: where, with what in its environment, and whether as
//! after a login.
//!
//! The client's command line, that of a proxy and that of a server say it in the same words. What they mean
//! for a process is left to the host.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// Where, and with what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// The working directory: as its host has it, `~` for the home directory there; that of whoever starts
    /// the server if it is not given.
    pub directory: Option<PathBuf>,
    /// Variables for its environment, by name; of two with one name the last one holds.
    pub variables: Vec<(OsString, OsString)>,
    /// With the environment that the user's login shell makes.
    pub login: bool,
}

impl Surroundings {
    /// Whether nothing is asked for.
    pub fn is_usual(&self) -> bool {
        *self == Surroundings::default()
    }

    /// The words of a command line that say the same.
    pub fn to_words(&self) -> Vec<OsString> {
        let mut words = Vec::new();
        if let Some(directory) = &self.directory {
            // One word each: what follows may begin like an option.
            words.push(joined("--cwd=", directory.as_os_str()));
        }
        for (name, value) in &self.variables {
            let mut word = joined("--env=", name);
            word.push("=");
            word.push(value);
            words.push(word);
        }
        if self.login {
            words.push("--login".into());
        }
        words
    }
}

fn joined(option: &str, value: &OsStr) -> OsString {
    let mut word = OsString::from(option);
    word.push(value);
    word
}

/// The two sides of `NAME=VALUE`; the second is absent if there is only a name.
///
/// # Errors
///
/// What is accepted, in one sentence.
pub fn split_variable(word: &OsStr) -> Result<(OsString, Option<OsString>), String> {
    let bytes = word.as_bytes();
    let (name, value) = match bytes.iter().position(|byte| *byte == b'=') {
        Some(at) => (&bytes[..at], Some(OsString::from_vec(bytes[at + 1..].to_vec()))),
        None => (bytes, None),
    };
    if name.is_empty() {
        return Err("a variable is NAME=VALUE, or NAME for the value that it has here".to_owned());
    }
    Ok((OsString::from_vec(name.to_vec()), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_in_a_value_is_one_word() {
        let surroundings = Surroundings {
            directory: Some("-a b".into()),
            variables: vec![("A".into(), "1=2\n'$x".into()), ("B".into(), "".into())],
            login: true,
        };
        assert_eq!(surroundings.to_words(), ["--cwd=-a b", "--env=A=1=2\n'$x", "--env=B=", "--login"]);
        assert!(Surroundings::default().is_usual() && Surroundings::default().to_words().is_empty());
    }

    #[test]
    fn a_variable_is_cut_at_its_first_sign() {
        let split = |word: &str| split_variable(OsStr::new(word));
        assert_eq!(split("A=1=2"), Ok(("A".into(), Some("1=2".into()))));
        assert_eq!(split("A="), Ok(("A".into(), Some("".into()))));
        assert_eq!(split("A"), Ok(("A".into(), None)));
        assert!(split("=1").is_err() && split("").is_err());
    }
}
