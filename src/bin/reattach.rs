//! The client's program; `reattach --help` says what it can do.

use std::process::ExitCode;

fn main() -> ExitCode {
    reattach::io::memory::keep();
    reattach::cli::reattach::main()
}
