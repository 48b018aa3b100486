//! The simulator's command line: parse, run, exit.

use std::process::ExitCode;

fn main() -> ExitCode {
    reattach_sim::command::main()
}
