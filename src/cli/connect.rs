//! `reattach connect`: a hosted program that looks like a local one.
//!
//! What the words mean is checked in [`connect_args`](super::connect_args); the session itself is
//! the library's [`Client`].

use std::io;
use std::os::fd::OwnedFd;
use std::process::ExitCode;

use smol::LocalExecutor;
use smol::future::or;

use super::connect_args::ConnectArgs;
use super::interrupts::{Wish, Wishes, die_by};
use super::report::Reporter;
use super::voice::{say, start_log};
use crate::client::{Client, Closed, Received, Rejected, Status};
use crate::io::mode::Modes;
use crate::io::reactor;
use crate::io::stdio::{Sink, Source};
use crate::proto::limits::WRITE_BYTES_MAX;
use crate::proto::verdict::EXIT_NOT_RUNNING;
use crate::proto::{Channel, ProgramExit};

/// What `ssh` exits with when it could not connect, and so do we.
const EXIT_NOT_CONNECTED: u8 = 255;

/// How the session came to its end.
enum Ending {
    /// In a final state.
    Status(Status),
    /// Exhausted before it was ever attached: there is nothing to wait for.
    NeverAttached,
    /// The user gave up with this signal.
    Interrupted(i32),
    /// Nobody reads our output any more.
    OutputClosed,
}

/// Runs the command.
pub fn run(args: ConnectArgs) -> ExitCode {
    start_log(if args.verbose { "debug" } else { "off" });
    match reactor::block_on(connect(&args)).and_then(|ended| ended) {
        Ok(ending) => exit(ending),
        Err(error) => {
            say(&format!("reattach: {error}"));
            ExitCode::from(EXIT_NOT_CONNECTED)
        }
    }
}

fn exit(ending: Ending) -> ExitCode {
    match ending {
        Ending::Status(Status::Closed(Closed::ProgramEnded(ProgramExit::Code(code)))) => {
            ExitCode::from(u8::try_from(code & 0xff).unwrap_or(EXIT_NOT_CONNECTED))
        }
        Ending::Status(Status::Closed(Closed::ProgramEnded(ProgramExit::Signal(signal)))) => die_by(signal),
        Ending::Status(Status::ServerNotRunning(_)) => {
            ExitCode::from(u8::try_from(EXIT_NOT_RUNNING).expect("exit codes are bytes"))
        }
        // Told as a state.
        Ending::NeverAttached => ExitCode::from(EXIT_NOT_CONNECTED),
        Ending::Status(_) => ExitCode::from(EXIT_NOT_CONNECTED),
        Ending::Interrupted(signal) => die_by(signal),
        Ending::OutputClosed => die_by(rustix::process::Signal::PIPE.as_raw()),
    }
}

async fn connect(args: &ConnectArgs) -> io::Result<Ending> {
    let wishes = Wishes::catch()?;
    // Given back last, when nobody reads or writes any more.
    let mut modes = Modes::remember();
    let input = Source::new(rustix::stdio::stdin().try_clone_to_owned()?)?;
    let output = Outputs::new(
        rustix::stdio::stdout().try_clone_to_owned()?,
        rustix::stdio::stderr().try_clone_to_owned()?,
        &mut modes,
    )?;
    let (client, driver) = Client::connect(args.target(), args.config());
    let executor = LocalExecutor::new();
    let driver = executor.spawn(driver);
    let reporter = executor.spawn(report(client.clone(), Reporter::new(args)));
    let pump = executor.spawn(pump_input(client.clone(), input));
    let mut obedience = executor.spawn(obey(client.clone(), wishes));
    executor
        .run(async {
            let ended = or(&mut obedience, pump_output(&client, output));
            let ending = or(ended, never_attached(&client)).await;
            pump.cancel().await;
            obedience.cancel().await;
            client.close();
            reporter.await;
            drop(client);
            // The transport gets its goodbye, and its process is reaped.
            driver.await;
            Ok(ending)
        })
        .await
}

/// Moves our input to the hosted program.
async fn pump_input(client: Client, mut input: Source) {
    loop {
        let bytes = match input.read().await {
            Ok(bytes) if !bytes.is_empty() => bytes,
            // A terminal that was taken away ends like a file.
            Ok(_) | Err(_) => return client.finish(),
        };
        match client.send_stream(bytes).await {
            Ok(()) => {}
            Err(Rejected::Final | Rejected::Finished | Rejected::Full | Rejected::TooLarge) => return,
        }
    }
}

/// Moves the hosted program's outputs to ours until the session is over and all is written.
async fn pump_output(client: &Client, mut outputs: Outputs<'_>) -> Ending {
    while let Some(first) = client.receive().await {
        let mut next = Some(first);
        let mut queued = 0;
        while let Some(delivery) = next.take() {
            match delivery {
                Received::Data(channel, bytes) => {
                    queued += bytes.len();
                    outputs.of(channel).push(bytes);
                }
                Received::Finished(channel) => {
                    if outputs.flush().await.is_err() {
                        return Ending::OutputClosed;
                    }
                    outputs.finish(channel);
                }
            }
            if queued < WRITE_BYTES_MAX {
                next = client.try_receive();
            }
        }
        if outputs.flush().await.is_err() {
            return Ending::OutputClosed;
        }
    }
    Ending::Status(client.status())
}

/// Standard output and error.
struct Outputs<'modes> {
    output: Sink,
    errors: Sink,
    modes: &'modes mut Modes,
}

impl<'modes> Outputs<'modes> {
    fn new(output: OwnedFd, errors: OwnedFd, modes: &'modes mut Modes) -> io::Result<Self> {
        Ok(Outputs { output: Sink::new(output)?, errors: Sink::new(errors)?, modes })
    }

    fn of(&mut self, channel: Channel) -> &mut Sink {
        match channel {
            Channel::Errors => &mut self.errors,
            Channel::Output | Channel::Input | Channel::Signal => &mut self.output,
        }
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.output.flush().await?;
        self.errors.flush().await
    }

    /// The program has closed its output: whoever reads ours sees the end of it, too.
    fn finish(&mut self, channel: Channel) {
        if channel != Channel::Output {
            return;
        }
        if let Ok(null) = std::fs::File::options().write(true).open("/dev/null") {
            self.modes.give_back_stdout();
            let _ = rustix::stdio::dup2_stdout(&null);
            if let Ok(sink) = Sink::new(null.into()) {
                self.output = sink;
            }
        }
    }
}

/// Does what the user's signals mean; ends when the user gave up.
async fn obey(client: Client, mut wishes: Wishes) -> Ending {
    let mut forwarded = false;
    loop {
        match wishes.next().await {
            Wish::NetworkUp => client.network_up(),
            Wish::Woken => client.wake(),
            Wish::Forward(signal) => {
                let number = u8::try_from(signal).expect("signals have small numbers");
                // A program that is out of reach, or does not heed the signal, does not keep its user.
                if forwarded || !client.status().is_attached() || client.try_signal(number).is_err() {
                    return Ending::Interrupted(signal);
                }
                forwarded = true;
            }
        }
    }
}

/// Ends when all attempts failed before the session was ever attached.
async fn never_attached(client: &Client) -> Ending {
    let mut change = client.last_change();
    loop {
        if change.status == Status::ReconnectExhausted && client.instance().is_none() {
            return Ending::NeverAttached;
        }
        change = client.changed(&change).await;
    }
}

/// Reports the states until a final one.
async fn report(client: Client, mut reporter: Reporter) {
    let mut change = client.last_change();
    loop {
        reporter.tell(&change);
        if change.status.is_final() {
            return;
        }
        change = client.changed(&change).await;
    }
}
