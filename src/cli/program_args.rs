//! The words of `reattach connect` about the program on the other side.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::comeback_args::Switch;
use crate::io::surroundings::{Surroundings, split_variable};

/// How the program there is to be run.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "The program there")]
pub struct ProgramArgs {
    /// Directory there in which the program runs; ~/DIR is below the home directory there [default: where
    /// the login there begins].
    #[arg(long, value_name = "DIR", allow_hyphen_values = true)]
    cwd: Option<PathBuf>,
    /// A variable for its environment; NAME alone for the value here. May be repeated. Not for secrets: a
    /// command line can be read by others.
    #[arg(long, value_name = "NAME[=VALUE]", allow_hyphen_values = true)]
    env: Vec<OsString>,
    /// Give it the environment that your login shell there makes, PATH among it.
    #[arg(long, value_name = "WHETHER", value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "on", default_value_t = Switch::Off, hide_default_value = true, hide_possible_values = true)]
    login: Switch,
}

impl ProgramArgs {
    /// What they say.
    ///
    /// # Errors
    ///
    /// One sentence: a variable is wrong, or is not set here.
    pub fn surroundings(&self) -> Result<Surroundings, String> {
        let mut variables: Vec<(OsString, OsString)> = Vec::new();
        for word in &self.env {
            let (name, value) = split_variable(word).map_err(|why| format!("--env {word:?}: {why}"))?;
            let value = value.or_else(|| std::env::var_os(&name));
            let value = value.ok_or_else(|| {
                format!("--env {0}: the variable {0} is not set here; {0}=VALUE gives it one", name.display())
            })?;
            variables.retain(|(other, _)| *other != name);
            variables.push((name, value));
        }
        Ok(Surroundings { directory: self.cwd.clone(), variables, login: self.login == Switch::On })
    }

    /// What is wrong with the words together, in one sentence.
    ///
    /// # Errors
    ///
    /// That sentence.
    pub fn check(&self) -> Result<(), String> {
        self.surroundings().map(|_| ())
    }
}
