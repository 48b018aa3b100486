//! Where a scenario comes from: a seed, or a file.

use std::path::PathBuf;
use std::str::FromStr;

use crate::scenario::{Scenario, draw, load};

/// Where a scenario comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Seed(u64),
    File(PathBuf),
}

impl FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("\"\" is neither a seed nor a file".to_owned());
        }
        if !text.bytes().all(|digit| digit.is_ascii_digit()) {
            return Ok(Source::File(PathBuf::from(text)));
        }
        let seed = text.parse().map_err(|_| {
            format!("\"{text}\" is no seed, the last one is {}; a file of that name is ./{text}", u64::MAX)
        })?;
        Ok(Source::Seed(seed))
    }
}

impl Source {
    /// Draws it or reads it.
    pub(super) fn scenario(&self) -> anyhow::Result<Scenario> {
        Ok(self.read()?.0)
    }

    /// The scenario, and what its file says about it.
    pub(super) fn read(&self) -> anyhow::Result<(Scenario, Option<String>)> {
        match self {
            Source::Seed(seed) => Ok((draw(*seed), None)),
            Source::File(file) => {
                let (scenario, text) = load(file)?;
                let told = text.lines().find_map(|line| line.trim().strip_prefix('#')).map(str::trim);
                Ok((scenario, told.filter(|told| !told.is_empty()).map(str::to_owned)))
            }
        }
    }

    /// What it is called.
    pub(super) fn name(&self) -> String {
        match self {
            Source::Seed(seed) => format!("seed {seed}"),
            Source::File(file) => file.display().to_string(),
        }
    }

    /// The word that names it on a command line.
    pub(super) fn argument(&self) -> String {
        match self {
            Source::Seed(seed) => seed.to_string(),
            Source::File(file) => quoted(&file.display().to_string()),
        }
    }
}

/// A word as a shell takes it.
pub(super) fn quoted(word: &str) -> String {
    // What no shell can be told was on no command line.
    shlex::try_quote(word).map_or_else(|_| word.to_owned(), Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_as_a_shell_takes_it() {
        let argument = |file: &str| Source::File(PathBuf::from(file)).argument();
        assert_eq!(argument("target/sim/7.scenario"), "target/sim/7.scenario");
        assert_eq!(argument("my runs/7.scenario"), "'my runs/7.scenario'");
    }

    #[test]
    fn a_whole_number_is_a_seed_and_all_else_a_file() {
        assert_eq!("7".parse(), Ok(Source::Seed(7)));
        for file in ["./7", "7.scenario", "-7", "target/sim/7.scenario"] {
            assert_eq!(file.parse(), Ok(Source::File(PathBuf::from(file))));
        }
        assert_eq!("".parse::<Source>(), Err("\"\" is neither a seed nor a file".to_owned()));
        let error = "18446744073709551616".parse::<Source>().unwrap_err();
        assert!(error.contains("the last one is 18446744073709551615"), "{error}");
    }
}
