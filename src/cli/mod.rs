//! Floor 4: arguments as types, exit codes, output.
//!
//! ```text
//! reattach       the client's program
//! connect        a hosted program that looks like a local one
//! connect_args   its words
//! settings       those that a file has for a host
//! settled        what holds of all that
//! config         what holds, shown
//! program_args   those that say how the program there is to be run
//! comeback_args  those that say when to come back
//! install        the server program, put on a host
//! install_args   its words
//! offer          a host that has none: what the user may do
//! on_state       what the user wants done when the state changes
//! speaks         what it says for a program that cannot any more
//! outputs        its standard output and error
//! report         its states, for people or for programs
//! interrupts     the user's signals
//! bell           how one client is reached from outside
//! retry          all of them, told to try now
//! keyboard       a terminal that others read, too
//! server         the server's program
//! demo           what happens when links break and servers die, shown live
//! table          rows for people
//! voice          lines on standard error
//! usage          wrong words
//! ```

use std::ffi::OsString;
use std::process::ExitCode;

use crate::host::application::Application;

pub mod bell;
pub mod comeback_args;
pub mod config;
pub mod connect;
pub mod connect_args;
pub mod demo;
pub mod install;
pub mod install_args;
pub mod interrupts;
mod keyboard;
mod offer;
pub mod on_state;
pub mod outputs;
pub mod program_args;
pub mod reattach;
pub mod report;
pub mod retry;
pub mod server;
pub mod settings;
pub mod settled;
pub mod speaks;
mod table;
pub mod usage;
pub mod voice;

/// Runs a server's program around an application of your own: all commands of `reattach-server`,
/// with `make` in the place of a hosted program. It gets the words after `--`, if there were any,
/// and says in one sentence why there is no application.
pub fn serve_main<A: Application>(
    words: impl IntoIterator<Item = OsString>,
    make: impl FnOnce(Option<Vec<OsString>>) -> Result<A, String>,
) -> ExitCode {
    server::main(words, &[], |order| make(order.for_application()?))
}
