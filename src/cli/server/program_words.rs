//! The words of a proxy, and of a server, about the program to host.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use crate::io::surroundings::{Surroundings, split_variable};

/// How the program is to be run.
#[derive(Args, Clone, Debug)]
pub(super) struct ProgramWords {
    /// Where the program is to run; below the home directory after `~/`
    #[arg(long, value_name = "DIR", allow_hyphen_values = true)]
    cwd: Option<PathBuf>,
    /// A variable for its environment; may be repeated
    #[arg(long, value_name = "NAME=VALUE", allow_hyphen_values = true)]
    env: Vec<OsString>,
    /// Give it the environment that the user's login shell makes
    #[arg(long)]
    login: bool,
    /// The program to host, with its arguments
    #[arg(last = true, value_name = "COMMAND")]
    pub(super) command: Vec<OsString>,
}

impl ProgramWords {
    /// What they say; a variable without a value has the one that it has here.
    ///
    /// # Errors
    ///
    /// One sentence.
    pub(super) fn surroundings(&self) -> Result<Surroundings, String> {
        let mut variables = Vec::new();
        for word in &self.env {
            let (name, value) = split_variable(word)?;
            match value.or_else(|| std::env::var_os(&name)) {
                Some(value) => variables.push((name, value)),
                None => return Err(format!("the variable {} is not set here", name.display())),
            }
        }
        Ok(Surroundings { directory: self.cwd.clone(), variables, login: self.login })
    }
}
