//! Every state with every input, in `snapshots/client_pairs.snap`.
//!
//! Inputs with the same outcome share two lines: what happens (the new status, effects, frames
//! written, when the next timeout is due, if that changed), and the inputs that lead to it.

use super::*;
use crate::proto::{Refusal, RefusalReason, Verdict};

#[test]
fn every_state_with_every_input() {
    crate::snapshot::assert_pairs("client_pairs", states(), happenings, pair);
}

#[test]
fn a_timeout_that_comes_too_early_changes_nothing_in_any_state() {
    for (name, (mut client, now)) in states() {
        if client.poll_timeout().is_none_or(|due| now < due) {
            let before = client.clone();
            client.handle_timeout(now);
            assert_eq!(client, before, "{name}");
        }
    }
}

/// Something that can happen to a client in any state.
enum Happening {
    Input(Input),
    News(fn(&Client) -> News),
    OldNews,
    /// Its own timeout comes, so many milliseconds late.
    Due(u64),
}

/// A client in each state, with nothing left to do or to write, and the time.
fn states() -> Vec<(&'static str, (Client, Time))> {
    let opening = connecting(config());
    let mut started = opening.clone();
    news(&mut started, at(0), News::Started(Some(HOME)));
    let mut greeting = opening.clone();
    news(&mut greeting, at(0), News::Preamble);
    let mut answering = greeting.clone();
    transmit(&mut answering);

    let mut turned = opening.clone();
    news(&mut turned, at(0), turned_away());
    news(&mut turned, at(0), turned_away());

    let attached = with_traffic();
    let mut missed = attached.clone();
    timeout(&mut missed, at(5_000));
    timeout(&mut missed, at(10_000));
    let mut probing = attached.clone();
    input(&mut probing, at(3_000), Input::Wake);
    let mut ended = attached.clone();
    news(&mut ended, at(3_000), News::Ended);

    let mut reopening = attached.clone();
    news(&mut reopening, at(20_000), exited(ProgramExit::Code(255)));
    let mut reanswering = reopening.clone();
    news(&mut reanswering, at(20_000), News::Preamble);
    let mut failed = reopening.clone();
    news(&mut failed, at(20_000), exited(ProgramExit::Code(255)));
    let mut exhausted = failed.clone();
    while exhausted.status() != Status::ReconnectExhausted {
        let due = exhausted.poll_timeout().expect("it goes on");
        timeout(&mut exhausted, due);
    }

    let mut patient = exhausted.clone();
    let due = patient.next_try_at().expect("patience lasts");
    timeout(&mut patient, due);

    let mut gone = reopening.clone();
    news(&mut gone, at(20_000), exited(ProgramExit::Code(90)));
    let mut refused = attached.clone();
    news(&mut refused, at(3_000), bye(ByeReason::TakenOver));
    let mut closed = attached.clone();
    input(&mut closed, at(3_000), Input::Close);

    let mut states = vec![
        ("Connecting, proxy not heard of", (opening, at(0))),
        ("Connecting, proxy runs", (started, at(0))),
        ("Connecting, Hello not written", (greeting, at(0))),
        ("Connecting, Hello written", (answering, at(0))),
        ("ConnectFailed", (turned, at(0))),
        ("Connected", (attached, at(0))),
        ("Connected, probe of a wake-up under way", (probing, at(3_000))),
        ("Connected, output ended", (ended, at(3_000))),
        ("HeartbeatMissed", (missed, at(10_000))),
        ("Reconnecting, proxy not heard of", (reopening, at(20_000))),
        ("Reconnecting, Hello written", (reanswering, at(20_000))),
        ("ReconnectFailed", (failed, at(20_000))),
        ("ReconnectExhausted", (exhausted, at(200_000))),
        ("Reconnecting, the attempt of a pause", (patient, due)),
        ("ServerNotRunning", (gone, at(20_000))),
        ("Refused", (refused, at(3_000))),
        ("Closed", (closed, at(3_000))),
    ];
    for (name, (client, now)) in &mut states {
        if !name.ends_with("not written") {
            transmit(client);
        }
        if *name == "ReconnectExhausted" {
            *now = client.poll_timeout().expect("it looks at the clock") - Duration::from_secs(5);
        }
    }
    states
}

/// Attached; one message each way is on its way, and one was delivered and not consumed.
fn with_traffic() -> Client {
    let mut client = connected(at(0));
    input(&mut client, at(0), Input::Send(Bytes::from_static(b"i")));
    input(&mut client, at(0), Input::Send(Bytes::from_static(b"i")));
    news(&mut client, at(0), output(1));
    transmit(&mut client);
    client
}

fn happenings() -> Vec<(String, Happening)> {
    let mut all: Vec<(String, Happening)> = Vec::new();
    let mut add = |name: &str, happening| all.push((name.to_owned(), happening));
    let frame = |frame| Happening::Input(Input::Transport(0, News::Frame(frame)));

    add("send", Happening::Input(Input::Send(Bytes::from_static(b"i"))));
    add("send too large", Happening::Input(Input::Send(Bytes::from(vec![0; PAYLOAD_BYTES_MAX + 1]))));
    add("signal", Happening::Input(Input::Signal(2)));
    add("finish", Happening::Input(Input::Finish));
    add("activity", Happening::Input(Input::Activity));
    add("consumed", Happening::Input(Input::Consumed(9)));
    add("wake", Happening::Input(Input::Wake));
    add("network up", Happening::Input(Input::NetworkUp));
    add("retry", Happening::Input(Input::Retry));
    add("restart", Happening::Input(Input::Restart(SessionId(11))));
    add("close", Happening::Input(Input::Close));
    add("timeout", Happening::Due(0));
    add("timeout after sleep", Happening::Due(3_600_000));
    add("old news", Happening::OldNews);
    add("Started", Happening::News(|_| News::Started(Some(HOME))));
    add("Preamble", Happening::News(|_| News::Preamble));
    add("Heard", Happening::News(|_| News::Heard));
    add("Garbled", Happening::News(|_| News::Garbled("noise".to_owned())));
    add("Ended", Happening::News(|_| News::Ended));
    add("NotOpened", Happening::News(|_| News::NotOpened("no ssh".to_owned())));
    for code in [0, 75, 90, 91, 92, 127, 255] {
        let news = exited(ProgramExit::Code(code));
        add(&format!("Exited {code}"), Happening::Input(Input::Transport(0, news)));
    }
    add("Exited 90 crashed", Happening::News(|client| not_running(crashed(client))));
    add(
        "Exited 90 elsewhere",
        Happening::News(|client| not_running(Verdict { host: Some(HostId(2)), ..crashed(client) })),
    );
    add(
        "Exited 90 of another server",
        Happening::News(|client| not_running(Verdict { instance: Some(InstanceId(2)), ..crashed(client) })),
    );
    add("Exited by signal", Happening::Input(Input::Transport(0, exited(ProgramExit::Signal(9)))));
    add("Welcome", Happening::News(|client| News::Frame(Frame::Welcome(welcome(client)))));
    add(
        "Welcome of another server",
        Happening::News(|client| {
            News::Frame(Frame::Welcome(Welcome { instance: InstanceId(2), ..welcome(client) }))
        }),
    );
    add(
        "Welcome with a gap",
        Happening::News(|client| {
            let right = welcome(client);
            News::Frame(Frame::Welcome(Welcome { start: right.start + 1, ..right }))
        }),
    );
    for reason in [
        RefusalReason::OtherInstance,
        RefusalReason::Busy,
        RefusalReason::StaleAttempt,
        RefusalReason::Protocol,
        RefusalReason::Gap,
        RefusalReason::Ending,
        RefusalReason::Unknown,
    ] {
        let refusal = Refusal { reason, message: "why".to_owned(), host: Some(HOME) };
        add(&format!("Refused {reason:?}"), frame(Frame::Refused(refusal)));
    }
    let refusal =
        Refusal { reason: RefusalReason::OtherInstance, message: "why".to_owned(), host: Some(HostId(2)) };
    add("Refused elsewhere", frame(Frame::Refused(refusal)));
    for (name, seq) in [("Data", 2), ("Data again", 1), ("Data with a gap", 9)] {
        add(name, Happening::Input(Input::Transport(0, output(seq))));
    }
    let payload = Bytes::from_static(b"i");
    add("Data the wrong way", frame(Frame::Data { channel: Channel::Input, seq: 2, payload }));
    add("Fin", frame(Frame::Fin { channel: Channel::Errors, seq: 2 }));
    add("Exit", frame(Frame::Exit { seq: 2, exit: ProgramExit::Code(3) }));
    add("Ack", frame(Frame::Ack(1)));
    add("Ack of what was never sent", frame(Frame::Ack(u64::MAX)));
    add("Pong", frame(Frame::Pong(1)));
    add("Ping", frame(Frame::Ping(1)));
    for reason in [ByeReason::Closed, ByeReason::TakenOver, ByeReason::ProtocolError, ByeReason::Unknown] {
        add(&format!("Bye {reason:?}"), Happening::Input(Input::Transport(0, bye(reason))));
    }
    all
}

/// What happens, as one line.
fn pair((mut client, now): (Client, Time), happening: Happening) -> String {
    let (status, due) = (client.status(), client.poll_timeout());
    let mut then = now;
    match happening {
        Happening::Input(Input::Transport(_, told)) => {
            client.handle_input(now, Input::Transport(client.attempt(), told));
        }
        Happening::Input(input) => client.handle_input(now, input),
        Happening::News(told) => {
            let told = told(&client);
            client.handle_input(now, Input::Transport(client.attempt(), told));
        }
        Happening::OldNews => {
            client.handle_input(now, Input::Transport(client.attempt() - 1, exited(ProgramExit::Code(90))));
        }
        Happening::Due(late) => {
            then = due.unwrap_or(now) + Duration::from_millis(late);
            client.handle_timeout(then);
        }
    }
    let mut parts = Vec::new();
    if client.status() != status {
        parts.push(client.status().to_string());
    }
    parts.extend(drain(&mut client).iter().map(effect_words));
    parts.extend(transmit(&mut client).iter().map(|frame| format!("writes {}", frame.name())));
    match client.poll_timeout() {
        None if due.is_some() => parts.push("no timeout".to_owned()),
        Some(now_due) if Some(now_due) != due => {
            parts.push(format!("in {}", now_due - then.since(Time::ZERO)))
        }
        Some(_) | None => {}
    }
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(" | ") }
}

fn effect_words(effect: &Effect) -> String {
    match effect {
        Effect::Open(attempt, launch, Way::Shared) => format!("open #{attempt} {launch:?}"),
        Effect::Open(attempt, launch, Way::Own) => format!("open #{attempt} {launch:?} its own way"),
        Effect::Close(attempt, None) => format!("close #{attempt}"),
        Effect::Close(attempt, Some(bye)) => format!("close #{attempt} with Bye {:?}", bye.reason),
        Effect::Deliver(channel, _) => format!("deliver {channel:?}"),
        Effect::Finished(channel) => format!("finished {channel:?}"),
        Effect::Status(_, Cause::Violation(_)) => "(protocol violated)".to_owned(),
        Effect::Status(_, Cause::Exited(..)) => "(proxy exited)".to_owned(),
        Effect::Status(_, cause) => format!("({cause})"),
        Effect::Ignored(attempt) => format!("ignored #{attempt}"),
        Effect::Rejected(why) => format!("rejected: {why}"),
    }
}

/// A proxy at home that finds no server.
fn crashed(client: &Client) -> Verdict {
    Verdict { message: "gone".to_owned(), ..verdict(client, 90, Some(GoneReason::Crashed)) }
}

fn not_running(verdict: Verdict) -> News {
    let status = ProgramExit::Code(90);
    News::Exited(ProxyExit { status, verdict: Some(verdict), last_words: "bye".to_owned() })
}
