//! Runs on the host: keeps a program running for editors that come and go.

use std::process::ExitCode;

use reattach::host::program::Program;

fn main() -> ExitCode {
    reattach::io::memory::keep();
    reattach::cli::server::main(std::env::args_os(), &[], |order| {
        order.words().ok_or("a program to host must be named, after `--`")?;
        Program::spawn(&order)
    })
}
