//! `reattach connect`: a hosted program that looks like a local one.
//!
//! What the words mean is checked in [`connect_args`](super::connect_args); the session itself is
//! the library's [`Client`].

use std::future::{Future, pending, poll_fn};
use std::io;
use std::pin::pin;
use std::process::ExitCode;
use std::task::Poll;

use futures::StreamExt;
use futures::future::LocalBoxFuture;
use futures::stream::FuturesUnordered;
use rustix::io::Errno;
use smol::future::{or, yield_now};

use super::bell::Bell;
use super::comeback_args::Switch;
use super::connect_args::ConnectArgs;
use super::interrupts::{Wish, Wishes, die_by};
use super::keyboard::{self, Echo};
use super::offer;
use super::outputs::{Outputs, Unwritable};
use super::report::Reporter;
use super::speaks::Listener;
use super::voice::{say, start_log};
use crate::client::{Client, Closed, NetworkChanges, Received, Status, Target};
use crate::io::mode::Modes;
use crate::io::stdio::Source;
use crate::io::{reactor, room};
use crate::proto::limits::{DELIVERIES_MAX, WRITE_BYTES_MAX};
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
    /// Its host has no server program.
    NotFound,
    /// The user gave up with this signal.
    Interrupted(i32),
    /// Nobody reads our output any more.
    OutputClosed,
    /// Our output cannot be written.
    Unwritable(Unwritable),
    /// Our input cannot be read.
    Unreadable(io::Error),
}

/// Runs the command.
pub fn run(args: ConnectArgs) -> ExitCode {
    // The states are told by the reporter; once is enough.
    start_log(if args.verbose { "debug,reattach::state=off" } else { "off" });
    if let Err(why) = room::for_open_files() {
        return fail(&why);
    }
    match reactor::block_on(connect_or_install(args)).and_then(|ended| ended) {
        Ok(ending) => exit(ending),
        Err(error) => fail(&error.to_string()),
    }
}

fn fail(why: &str) -> ExitCode {
    say(&format!("reattach: {why}"));
    ExitCode::from(EXIT_NOT_CONNECTED)
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
        Ending::NeverAttached | Ending::NotFound => ExitCode::from(EXIT_NOT_CONNECTED),
        Ending::Status(_) => ExitCode::from(EXIT_NOT_CONNECTED),
        Ending::Interrupted(signal) => die_by(signal),
        Ending::Unwritable(Unwritable { name, error }) => fail(&format!("{name} cannot be written: {error}")),
        Ending::Unreadable(error) => fail(&format!("standard input cannot be read: {error}")),
        Ending::OutputClosed => die_by(rustix::process::Signal::PIPE.as_raw()),
    }
}

/// Connects; where the host has no server program, once more after the user had one put there.
async fn connect_or_install(mut args: ConnectArgs) -> io::Result<Ending> {
    let ending = connect(&args).await?;
    if !matches!(ending, Ending::NotFound) {
        return Ok(ending);
    }
    match offer::make(&args).await? {
        offer::Answer::Not => Ok(ending),
        offer::Answer::Interrupted(signal) => Ok(Ending::Interrupted(signal)),
        offer::Answer::Installed => {
            args.install.install = false;
            connect(&args).await
        }
    }
}

async fn connect(args: &ConnectArgs) -> io::Result<Ending> {
    let wishes = Wishes::catch()?;
    // Given back last, when nobody reads or writes any more.
    let mut modes = Modes::remember();
    let mut input = Source::new(rustix::stdio::stdin().try_clone_to_owned()?)?;
    let mut outputs = Outputs::new(
        rustix::stdio::stdout().try_clone_to_owned()?,
        rustix::stdio::stderr().try_clone_to_owned()?,
        &mut modes,
    )?;
    let config = args.config();
    let listener = Listener::new(args, &config);
    let (client, driver) = Client::connect(args.target(), config);
    // Each is woken for itself only: what is looked at for nothing costs more than a keystroke.
    let mut session: FuturesUnordered<LocalBoxFuture<'_, ()>> = FuturesUnordered::new();
    session.push(Box::pin(driver));
    session.push(Box::pin(report(client.clone(), Reporter::new(args))));
    if let Some(on_state) = args.on_state() {
        let client = client.clone();
        session.push(Box::pin(async move { on_state.follow(&client).await }));
    }
    let mut traffic: FuturesUnordered<LocalBoxFuture<'_, Ending>> = FuturesUnordered::new();
    let echo = Echo::remember();
    traffic.push(Box::pin(pump_input(client.clone(), &mut input, &listener, args.install.install)));
    traffic.push(Box::pin(pump_output(client.clone(), &mut outputs, &listener)));
    traffic.push(Box::pin(never_attached(client.clone())));
    traffic.push(Box::pin(answer_bell(client.clone(), args.target(), echo.clone())));
    if args.network_notices == Switch::On {
        traffic.push(Box::pin(heed_network(client.clone(), echo.clone())));
    }
    let ended = async { traffic.next().await.expect("some of them never end by themselves") };
    let worked = or(ended, async {
        while session.next().await.is_some() {}
        pending().await
    });
    // Asked before each turn of all the others, whatever the wire brings.
    let ending = or(obey(client.clone(), wishes, echo), worked).await;
    drop(traffic);
    let is_not_found = offer::is_due(&client.last_change());
    if is_lost(&ending) && !(is_not_found && offer::is_made(args)) {
        let parting = listener.part(&client, &mut input, &mut outputs);
        or(parting, async {
            while session.next().await.is_some() {}
            pending().await
        })
        .await;
    }
    client.close();
    drop(client);
    // The last state is told; the transport gets its goodbye, and its process is reaped.
    while session.next().await.is_some() {}
    Ok(if is_not_found { Ending::NotFound } else { ending })
}

/// Whether what was asked will never be answered, because of something that its asker did not do.
fn is_lost(ending: &Ending) -> bool {
    match ending {
        Ending::Status(Status::ServerNotRunning(_) | Status::Refused(_)) => true,
        Ending::NeverAttached | Ending::NotFound => true,
        // None of these ends a session but the last, which is the program's own end or the user's.
        Ending::Status(
            Status::Connecting
            | Status::Connected
            | Status::HeartbeatMissed(_)
            | Status::Reconnecting(_)
            | Status::ReconnectFailed(_)
            | Status::ReconnectExhausted
            | Status::Closed(_),
        ) => false,
        Ending::Interrupted(_) => false,
        Ending::OutputClosed | Ending::Unwritable(_) | Ending::Unreadable(_) => false,
    }
}

/// Moves our input to the hosted program; ends only when the input cannot be read.
async fn pump_input(
    client: Client,
    input: &mut Source,
    listener: &Listener<'_>,
    may_install: bool,
) -> Ending {
    if may_install {
        // What was read would be lost with this session, if another one is made after an install.
        met(&client).await;
        if client.status().is_final() {
            return pending().await;
        }
    }
    loop {
        match keyboard::read(&client, input).await {
            Ok(bytes) if !bytes.is_empty() => {
                for bytes in listener.hear_editor(bytes) {
                    if client.send_stream(bytes).await.is_err() {
                        return pending().await;
                    }
                }
            }
            Err(error) if !is_end(&error) => {
                // Not while a server is being started, which would not learn that nobody comes.
                met(&client).await;
                return Ending::Unreadable(error);
            }
            Ok(_) | Err(_) => {
                for bytes in listener.editor_ended() {
                    let _ = client.send_stream(bytes).await;
                }
                client.finish();
                return pending().await;
            }
        }
    }
}

/// Waits until the first attempt has come to something.
async fn met(client: &Client) {
    let mut change = client.last_change();
    while change.status == Status::Connecting {
        change = client.changed(&change).await;
    }
}

/// A terminal that was taken away ends like a file. What is open for writing only, as `nohup` has
/// it, was never meant to be read.
fn is_end(error: &io::Error) -> bool {
    match Errno::from_io_error(error) {
        Some(Errno::IO) => rustix::termios::isatty(rustix::stdio::stdin()) || is_hung_up(),
        Some(Errno::BADF) => true,
        _ => false,
    }
}

/// Whether standard input was a terminal that nobody is at any more: it does not answer as one.
fn is_hung_up() -> bool {
    let hung_up = rustix::termios::tcgetattr(rustix::stdio::stdin());
    matches!(hung_up, Err(Errno::IO))
}

/// Moves the hosted program's outputs to ours until the session is over and all is written.
async fn pump_output(client: Client, outputs: &mut Outputs<'_>, listener: &Listener<'_>) -> Ending {
    loop {
        match move_some(&client, outputs, listener).await {
            Ok(true) => {}
            Ok(false) => return Ending::Status(client.status()),
            Err(Unwritable { error, .. }) if error.kind() == io::ErrorKind::BrokenPipe => {
                return Ending::OutputClosed;
            }
            Err(unwritable) => return Ending::Unwritable(unwritable),
        }
    }
}

/// Moves what has come while our outputs are written; false when nothing more will come and all
/// is written.
async fn move_some(
    client: &Client,
    outputs: &mut Outputs<'_>,
    listener: &Listener<'_>,
) -> Result<bool, Unwritable> {
    let Some(first) = receive(client, outputs, listener).await? else {
        if matches!(client.status(), Status::Closed(_)) {
            listener.program_ended().for_each(|bytes| outputs.push(Channel::Output, bytes));
        }
        poll_fn(|cx| outputs.poll_flush(cx)).await?;
        return Ok(false);
    };
    let mut next = Some(first);
    let (mut queued, mut taken) = (0, 0);
    while let Some(delivery) = next.take() {
        taken += 1;
        match delivery {
            Received::Data(Channel::Output, bytes) => {
                queued += bytes.len();
                listener.hear_program(bytes).for_each(|bytes| outputs.push(Channel::Output, bytes));
            }
            Received::Data(channel, bytes) => {
                queued += bytes.len();
                outputs.push(channel, bytes);
            }
            Received::Finished(channel) => {
                if channel == Channel::Output {
                    listener.program_ended().for_each(|bytes| outputs.push(Channel::Output, bytes));
                }
                poll_fn(|cx| outputs.poll_flush_output(cx)).await?;
                outputs.finish(channel);
            }
        }
        if taken == DELIVERIES_MAX {
            // Who sends empty messages without an end must not keep everything else from its turn.
            yield_now().await;
            break;
        }
        if queued < WRITE_BYTES_MAX {
            next = client.try_receive();
        }
    }
    Ok(true)
}

/// The next delivery, once there is room for it; meanwhile what is queued is written.
async fn receive(
    client: &Client,
    outputs: &mut Outputs<'_>,
    listener: &Listener<'_>,
) -> Result<Option<Received>, Unwritable> {
    loop {
        let known = client.last_change();
        listener.heed(client, &known, outputs);
        let is_cut = is_cut(&known.status);
        let (mut next, mut change) = (pin!(client.receive()), pin!(client.changed(&known)));
        let received = poll_fn(|cx| {
            if let Poll::Ready(Err(error)) = outputs.poll_flush(cx) {
                return Poll::Ready(Err(error));
            }
            if outputs.has_room()
                && let Poll::Ready(received) = next.as_mut().poll(cx)
            {
                return Poll::Ready(Ok(Some(received)));
            }
            if change.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ok(None));
            }
            if listener.poll_asked(cx).is_ready() {
                return Poll::Ready(Ok(None));
            }
            if is_cut && outputs.poll_gone(cx).is_ready() {
                // As the next write would be answered, for which there may be no next output.
                let error = io::ErrorKind::BrokenPipe.into();
                return Poll::Ready(Err(Unwritable { name: "standard output", error }));
            }
            Poll::Pending
        });
        if let Some(received) = received.await? {
            return Ok(received);
        }
    }
}

/// Whether a session without a link goes on for its user's sake alone: whoever waits for it may
/// have gone, and nothing that comes from the hosted program would show it.
fn is_cut(status: &Status) -> bool {
    match status {
        Status::Reconnecting(_) | Status::ReconnectFailed(_) | Status::ReconnectExhausted => true,
        Status::Connecting
        | Status::Connected
        | Status::HeartbeatMissed(_)
        | Status::ServerNotRunning(_)
        | Status::Refused(_)
        | Status::Closed(_) => false,
    }
}

/// Does what the user's signals mean; ends when the user gave up.
async fn obey(client: Client, mut wishes: Wishes, echo: Echo) -> Ending {
    let mut forwarded = false;
    loop {
        match wishes.next().await {
            Wish::NetworkUp => echo.unless_asked(&client, Client::network_up),
            Wish::Woken => echo.unless_asked(&client, Client::wake),
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

/// Tells the client when the kernel says that the network has changed.
async fn heed_network(client: Client, echo: Echo) -> Ending {
    match NetworkChanges::listen() {
        Ok(mut changes) => {
            while changes.next().await.is_some() {
                echo.unless_asked(&client, Client::network_up);
            }
        }
        Err(error) => log::debug!("the kernel does not tell us when the network changes: {error}"),
    }
    pending().await
}

/// Tries now whenever `reattach retry` asks for it.
async fn answer_bell(client: Client, target: Target, echo: Echo) -> Ending {
    match Bell::hang() {
        Ok(bell) => bell.answer(&client, &echo, &target.identifier, &target.name()).await,
        Err(why) => log::debug!("reattach retry will not reach this client: {why}"),
    }
    pending().await
}

/// Ends when all attempts failed before the session was ever attached.
async fn never_attached(client: Client) -> Ending {
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
        reporter.tell(&change, client.next_try_in());
        if change.status.is_final() {
            return;
        }
        let news = async { Ok(client.changed(&change).await) };
        match or(async { Err(client.remark().await) }, news).await {
            Ok(newer) => change = newer,
            Err(remark) => {
                reporter.tell_remark(&change, &remark);
                change = client.changed(&change).await;
            }
        }
    }
}
