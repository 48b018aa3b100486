//! Every state with every input, in `snapshots/server_pairs.snap`.
//!
//! Inputs with the same outcome share two lines: what happens (the new status, effects, frames
//! written, when the next timeout is due, if that changed), and the inputs that lead to it.

use super::*;

#[test]
fn every_state_with_every_input() {
    crate::snapshot::assert_pairs("server_pairs", states(), happenings, pair);
}

#[test]
fn a_timeout_that_comes_too_early_changes_nothing_in_any_state() {
    for (name, (mut server, now)) in states() {
        if server.poll_timeout().is_none_or(|due| now < due) {
            let before = server.clone();
            server.handle_timeout(now);
            assert_eq!(server, before, "{name}");
        }
    }
}

/// Something that can happen to a server in any state.
enum Happening {
    Input(Input),
    /// News of the transport that is attached, or else of the last one that was.
    Current(News),
    /// News of the transport that waits for its Hello.
    Waiting(News),
    /// Its own timeout comes, so many milliseconds late.
    Due(u64),
}

/// The transport that was attached last, and the one that waits.
const CURRENT: TransportId = 2;
const WAITING: TransportId = 3;

/// A server in each state, with one transport waiting, nothing left to do or to write, and the time.
fn states() -> Vec<(&'static str, (Server, Time))> {
    let unmet = server();
    let mut attached = unmet.clone();
    hello(&mut attached, at(0), 1, first_hello(OWNER, 1));
    hello(&mut attached, at(1_000), CURRENT, next_hello(OWNER, 2, 0));
    output(&mut attached, 1);
    output(&mut attached, 1);
    transmit(&mut attached);
    frame(&mut attached, at(1_000), CURRENT, input(1, 1));
    let mut exiting = attached.clone();
    exiting.handle_input(at(1_000), Input::Exited(ProgramExit::Code(3)));
    transmit(&mut exiting);
    let mut detached = attached.clone();
    detached.handle_input(at(1_000), Input::Transport(CURRENT, News::Lost));
    let mut ended = attached.clone();
    ended.handle_input(at(1_000), Input::Stop(GoneReason::Stopped));

    let mut parting = attached.clone();
    parting.config.nameless = true;
    parting.handle_input(at(1_000), Input::Transport(CURRENT, News::InputEnded));
    let mut asked = parting.clone();
    let mut asked_at = at(1_000);
    while transmit(&mut asked).is_empty() {
        asked_at = asked.poll_timeout().expect("it looks at the other half");
        asked.handle_timeout(asked_at);
    }
    let mut orphaned = asked.clone();
    orphaned.handle_input(asked_at, Input::Transport(CURRENT, News::OutputEnded));

    let mut states = vec![
        ("Unmet", (unmet, at(0))),
        ("Attached", (attached, at(1_000))),
        ("Attached, program ended", (exiting, at(1_000))),
        ("Attached, input ended", (parting, at(1_000))),
        ("Attached, asked", (asked, asked_at)),
        ("Detached", (detached, at(1_000))),
        ("Detached, client dead", (orphaned, asked_at)),
        ("Ended", (ended, at(1_000))),
    ];
    for (_, (server, now)) in &mut states {
        server.handle_input(*now, Input::Opened(WAITING));
        drain(server);
    }
    states
}

fn happenings() -> Vec<(String, Happening)> {
    let mut all: Vec<(String, Happening)> = Vec::new();
    let mut add = |name: &str, happening| all.push((name.to_owned(), happening));
    let payload = || Bytes::from_static(b"x");
    let bye = |reason| Frame::Bye(Bye { reason, message: String::new(), received: 2 });

    add("opened", Happening::Input(Input::Opened(4)));
    add("output", Happening::Input(Input::Output(Channel::Output, payload())));
    add("output finished", Happening::Input(Input::OutputFinished(Channel::Errors)));
    add("exited", Happening::Input(Input::Exited(ProgramExit::Code(4))));
    add("consumed", Happening::Input(Input::Consumed(9)));
    add("stop", Happening::Input(Input::Stop(GoneReason::Stopped)));
    add("timeout", Happening::Due(0));
    add("timeout after sleep", Happening::Due(3_600_000));
    add("news of a transport that never was", Happening::Input(Input::Transport(99, News::Lost)));

    let hellos = [
        ("first Hello", first_hello(OWNER, 1)),
        ("first Hello of a stranger", first_hello(STRANGER, 1)),
        ("takeover", takeover(STRANGER)),
        ("next Hello", next_hello(OWNER, 3, 0)),
        ("next Hello with all received", next_hello(OWNER, 3, 2)),
        ("next Hello of a stranger", next_hello(STRANGER, 3, 0)),
        ("stale Hello", next_hello(OWNER, 2, 0)),
        ("Hello with a gap", next_hello(OWNER, 3, u64::MAX)),
        ("Hello for another server", Hello { instance: Some(InstanceId(2)), ..next_hello(OWNER, 3, 0) }),
        ("Hello of a later protocol", Hello { protocol: (7, 9), ..next_hello(OWNER, 3, 0) }),
    ];
    for (name, hello) in hellos {
        add(name, Happening::Waiting(News::Frame(Frame::Hello(hello))));
    }
    add("waiting: Ping", Happening::Waiting(News::Frame(Frame::Ping(1))));
    add("waiting: Heard", Happening::Waiting(News::Heard));
    add("waiting: Garbled", Happening::Waiting(News::Garbled("noise".to_owned())));
    add("waiting: Lost", Happening::Waiting(News::Lost));

    add("Heard", Happening::Current(News::Heard));
    add("Garbled", Happening::Current(News::Garbled("noise".to_owned())));
    add("Lost", Happening::Current(News::Lost));
    add("input ended", Happening::Current(News::InputEnded));
    add("output ended", Happening::Current(News::OutputEnded));
    let frames = [
        ("Data", input(2, 1)),
        ("Data again", input(1, 1)),
        ("Data with a gap", input(9, 1)),
        ("Data the wrong way", Frame::Data { channel: Channel::Output, seq: 2, payload: payload() }),
        ("signal", Frame::Data { channel: Channel::Signal, seq: 2, payload: payload() }),
        ("signal of no byte", Frame::Data { channel: Channel::Signal, seq: 2, payload: Bytes::new() }),
        ("Fin", Frame::Fin { channel: Channel::Input, seq: 2 }),
        ("Fin of signals", Frame::Fin { channel: Channel::Signal, seq: 2 }),
        ("Exit", Frame::Exit { seq: 2, exit: ProgramExit::Code(0) }),
        ("Ack", Frame::Ack(1)),
        ("Ack of all but an exit", Frame::Ack(2)),
        ("Ack of an exit", Frame::Ack(3)),
        ("Ping", Frame::Ping(7)),
        ("Pong", Frame::Pong(7)),
        ("Hello on the attached", Frame::Hello(next_hello(OWNER, 9, 0))),
        ("Bye Closed", bye(ByeReason::Closed)),
        ("Bye TakenOver", bye(ByeReason::TakenOver)),
        ("Bye ProtocolError", bye(ByeReason::ProtocolError)),
        ("Bye Unknown", bye(ByeReason::Unknown)),
    ];
    for (name, frame) in frames {
        add(name, Happening::Current(News::Frame(frame)));
    }
    all
}

/// What happens, as one line.
fn pair((mut server, now): (Server, Time), happening: Happening) -> String {
    let (status, due) = (server.status(), server.poll_timeout());
    let mut then = now;
    match happening {
        Happening::Input(input) => server.handle_input(now, input),
        Happening::Current(news) => server.handle_input(now, Input::Transport(CURRENT, news)),
        Happening::Waiting(news) => server.handle_input(now, Input::Transport(WAITING, news)),
        Happening::Due(late) => {
            then = due.unwrap_or(now) + Duration::from_millis(late);
            server.handle_timeout(then);
        }
    }
    let mut parts = Vec::new();
    if server.status() != status {
        parts.push(format!("{:?}", server.status()));
    }
    parts.extend(drain(&mut server).iter().map(effect_words));
    parts.extend(transmit(&mut server).iter().map(frame_words));
    match server.poll_timeout() {
        None if due.is_some() => parts.push("no timeout".to_owned()),
        Some(next) if Some(next) != due => parts.push(format!("in {}", next - then.since(Time::ZERO))),
        Some(_) | None => {}
    }
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(" | ") }
}

fn frame_words(frame: &Frame) -> String {
    match frame {
        Frame::Welcome(welcome) => format!("writes Welcome from {}", welcome.start),
        frame => format!("writes {}", frame.name()),
    }
}

fn effect_words(effect: &Effect) -> String {
    match effect {
        Effect::Close(transport, None) => format!("close {transport}"),
        Effect::Close(transport, Some(Frame::Bye(bye))) => {
            format!("close {transport} with Bye {:?}", bye.reason)
        }
        Effect::Close(transport, Some(Frame::Refused(refusal))) => {
            format!("close {transport} with Refused {:?}", refusal.reason)
        }
        Effect::Close(transport, Some(frame)) => format!("close {transport} with {}", frame.name()),
        Effect::Deliver(_) => "deliver".to_owned(),
        Effect::Signal(signal) => format!("signal {signal}"),
        Effect::FinishInput => "finish input".to_owned(),
        Effect::Status(_, Cause::Violation(_)) => "(protocol violated)".to_owned(),
        Effect::Status(_, cause) => format!("({cause:?})"),
        Effect::Ignored(transport) => format!("ignored {transport}"),
        Effect::End(reason) => format!("end: {reason}"),
    }
}
