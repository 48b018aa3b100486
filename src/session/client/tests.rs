//! Tests of the client machine: the rules, one test each, and what the other tests share.
//!
//! What client and server do together is left to the tests of both over one link.

mod comeback;
mod driver;
mod pairs;
mod scenario;
mod seen;
mod sequences;

use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::proto::limits::{ATTEMPTS_MAX, OPEN_TIMEOUT, STABLE_AFTER};
use crate::proto::{ProgramExit, Seq, Verdict, Welcome};
use crate::session::BackoffConfig;

const SESSION: SessionId = SessionId(10);
const INSTANCE: InstanceId = InstanceId(1);

/// Where the session came to first; another machine is host 2.
const HOME: HostId = HostId(1);

fn at(millis: u64) -> Time {
    Time::ZERO + Duration::from_millis(millis)
}

fn config() -> ClientConfig {
    ClientConfig {
        backoff: BackoffConfig { jitter: false, ..BackoffConfig::default() },
        ..ClientConfig::default()
    }
}

/// One that tries as often as its budget says, and then waits for a wake-up, a network or its user.
fn waits_for_its_user() -> ClientConfig {
    let calm_after = STABLE_AFTER;
    ClientConfig {
        backoff: BackoffConfig { calm_after, ..config().backoff },
        allowance: None,
        patience: None,
        heeds_activity: false,
        open_timeout_min: OPEN_TIMEOUT,
        hint_grace: None,
        ..config()
    }
}

/// A client that has just been made and told to connect at time zero.
fn connecting(config: ClientConfig) -> Client {
    let mut client = Client::new(config, SESSION, 0, Time::ZERO);
    drain(&mut client);
    client
}

/// A client that was welcomed for the first time.
fn connected(now: Time) -> Client {
    let mut client = connecting(config());
    attach(&mut client, now);
    client
}

/// Takes the current attempt from its preamble to its Welcome.
fn attach(client: &mut Client, now: Time) -> Vec<Effect> {
    news(client, now, News::Preamble);
    assert!(matches!(client.poll_transmit(), Some((_, Frame::Hello(_)))));
    let welcome = welcome(client);
    news(client, now, News::Frame(Frame::Welcome(welcome)))
}

/// What the server that was met first would say to the client now.
fn welcome(client: &Client) -> Welcome {
    Welcome {
        protocol: 1,
        instance: INSTANCE,
        session: client.session(),
        received: client.outbox().first() - 1,
        start: client.inbox().received() + 1,
        window: 1 << 20,
        host: Some(HOME),
    }
}

/// What a proxy at home says at its end.
fn verdict(client: &Client, code: i32, reason: Option<GoneReason>) -> Verdict {
    Verdict { code, reason, host: Some(HOME), instance: client.instance(), message: String::new() }
}

/// Hands in news of the current attempt and gives the effects.
fn news(client: &mut Client, now: Time, news: News) -> Vec<Effect> {
    let attempt = client.attempt();
    input(client, now, Input::Transport(attempt, news))
}

fn input(client: &mut Client, now: Time, input: Input) -> Vec<Effect> {
    client.handle_input(now, input);
    drain(client)
}

fn timeout(client: &mut Client, now: Time) -> Vec<Effect> {
    client.handle_timeout(now);
    drain(client)
}

/// As a driver does.
fn drain(client: &mut Client) -> Vec<Effect> {
    let mut effects = Vec::new();
    while client.has_effects() {
        effects.push(client.poll_effect().expect("it has one"));
    }
    assert_eq!(client.poll_effect(), None);
    effects
}

/// What it has to say, as long as the transport takes it.
fn transmit(client: &mut Client) -> Vec<Frame> {
    std::iter::from_fn(|| client.poll_transmit()).map(|(_, frame)| frame).collect()
}

fn exited(status: ProgramExit) -> News {
    News::Exited(ProxyExit { status, verdict: None, last_words: String::new() })
}

/// An sshd with too many logins under way.
fn turned_away() -> News {
    let last_words = "kex_exchange_identification: Connection closed by remote host … Connection closed by 192.0.2.7 port 22".to_owned();
    News::Exited(ProxyExit { status: ProgramExit::Code(255), verdict: None, last_words })
}

fn bye(reason: ByeReason) -> News {
    News::Frame(Frame::Bye(Bye { reason, message: "why".to_owned(), received: 0 }))
}

fn output(seq: Seq) -> News {
    News::Frame(Frame::Data { channel: Channel::Output, seq, payload: Bytes::from_static(b"o") })
}

#[test]
fn says_that_it_is_connected_again_when_traffic_answers_a_wake_up() {
    let mut client = connected(at(0));
    timeout(&mut client, at(5_000));
    timeout(&mut client, at(10_000));
    assert_eq!(client.status(), Status::HeartbeatMissed(1));
    input(&mut client, at(11_000), Input::Wake);
    news(&mut client, at(12_500), News::Heard);
    let effects = timeout(&mut client, at(13_000));
    assert_eq!(effects, [Effect::Status(Status::Connected, Cause::Heard)]);
}

#[test]
fn asks_for_an_answer_now_and_then_even_if_the_server_never_falls_silent() {
    // An editor that stalls acknowledges nothing: without a Ping the server would hear nothing.
    let mut client = connected(at(0));
    let mut pinged_at = Vec::new();
    for second in 1..=60 {
        news(&mut client, at(second * 1000), output(second));
        while client.poll_timeout().is_some_and(|due| due <= at(second * 1000)) {
            timeout(&mut client, at(second * 1000));
        }
        let pings = transmit(&mut client).into_iter().filter(|frame| matches!(frame, Frame::Ping(_)));
        pinged_at.extend(pings.map(|_| second));
        assert_eq!(client.status(), Status::Connected);
    }
    assert_eq!(pinged_at, [15, 30, 45, 60]);
}

#[test]
fn nothing_reopens_a_session_that_the_user_closed() {
    let mut client = connected(at(0));
    input(&mut client, at(1), Input::Close);
    let before = client.clone();
    for late in [Input::Restart(SessionId(11)), Input::Retry, Input::Wake, Input::NetworkUp, Input::Close] {
        assert_eq!(input(&mut client, at(2), late), []);
        assert_eq!(client, before);
    }
}

#[test]
fn says_of_everything_that_comes_after_the_end_that_the_session_is_over() {
    let mut client = connected(at(0));
    input(&mut client, at(1), Input::Close);
    let before = client.clone();
    let large = Bytes::from(vec![0; PAYLOAD_BYTES_MAX + 1]);
    for late in [Input::Finish, Input::Send(Bytes::new()), Input::Send(large), Input::Signal(2)] {
        assert_eq!(input(&mut client, at(2), late), [Effect::Rejected(Rejected::Final)]);
        assert_eq!(client, before);
    }
}

#[test]
fn a_goodbye_before_the_welcome_means_what_it_means_after_it() {
    let greeted = || {
        let mut client = connecting(ClientConfig { first: First::Takeover, ..config() });
        news(&mut client, at(0), News::Preamble);
        transmit(&mut client);
        client
    };
    let mut client = greeted();
    news(&mut client, at(1), bye(ByeReason::TakenOver));
    assert_eq!(client.status(), Status::Refused(Refused::TakenOver), "it does not fight back");
    let mut client = greeted();
    let effects = news(&mut client, at(1), bye(ByeReason::ProtocolError));
    let cause = Cause::Violation("why".to_owned());
    assert_eq!(effects.last(), Some(&Effect::Status(Status::Reconnecting(1), cause)));
}

#[test]
fn a_first_attach_whose_proxy_never_ran_is_not_retried_however_it_ended() {
    let hurried = ClientConfig { first_open_timeout: Some(Duration::from_secs(5)), ..config() };
    let is_unreachable =
        |client: &Client| matches!(client.status(), Status::Refused(Refused::Unreachable(_)));

    let mut killed = connecting(config());
    news(&mut killed, at(1), exited(ProgramExit::Signal(15)));
    assert!(is_unreachable(&killed));
    let mut silent = connecting(config());
    news(&mut silent, at(1), News::Ended);
    timeout(&mut silent, at(1_001));
    assert!(is_unreachable(&silent));
    let mut slow = connecting(hurried.clone());
    timeout(&mut slow, at(5_000));
    assert!(is_unreachable(&slow));

    let mut ran = connecting(hurried);
    news(&mut ran, at(1), News::Started(Some(HOME)));
    timeout(&mut ran, at(5_000));
    assert_eq!(ran.status(), Status::Reconnecting(1), "it may have started a server");
}

#[test]
fn an_exit_status_that_was_slept_through_is_waited_for_again() {
    let mut client = connecting(config());
    news(&mut client, at(1), News::Ended);
    timeout(&mut client, at(60_000));
    assert_eq!(client.status(), Status::Connecting);
    let (status, verdict) = (ProgramExit::Code(91), Some(verdict(&client, 91, None)));
    let exit = ProxyExit { status, verdict, last_words: String::new() };
    news(&mut client, at(60_001), News::Exited(exit));
    assert_eq!(client.status(), Status::Refused(Refused::AlreadyRunning));
}

#[test]
fn an_attempt_fails_for_what_came_first_the_end_of_its_output_or_its_deadline() {
    let failed = |cause| Some(Effect::Status(Status::ReconnectFailed(1), cause));
    let reopening = || {
        let mut client = connected(at(0));
        news(&mut client, at(1), exited(ProgramExit::Code(255)));
        client
    };
    let mut ended = reopening();
    news(&mut ended, at(2), News::Ended);
    assert_eq!(timeout(&mut ended, at(1_002)).pop(), failed(Cause::Ended));
    let mut slow = reopening();
    assert_eq!(timeout(&mut slow, at(6_001)).pop(), failed(Cause::OpenTimeout));
    let mut ended_late = reopening();
    news(&mut ended_late, at(6_000), News::Ended);
    assert_eq!(timeout(&mut ended_late, at(6_001)).pop(), failed(Cause::OpenTimeout));
    let mut unanswered = reopening();
    news(&mut unanswered, at(2), News::Preamble);
    assert_eq!(timeout(&mut unanswered, at(10_002)).pop(), failed(Cause::AttachTimeout));
}

#[test]
fn a_close_while_the_server_answers_still_tells_it() {
    let mut client = connecting(config());
    news(&mut client, at(0), News::Preamble);
    assert_eq!(input(&mut client.clone(), at(1), Input::Close)[0], Effect::Close(1, None), "no Hello yet");
    transmit(&mut client);
    let effects = input(&mut client, at(1), Input::Close);
    assert!(matches!(effects[0], Effect::Close(1, Some(Bye { reason: ByeReason::Closed, .. }))));
}

#[test]
fn asks_to_take_over_until_it_was_let_in_and_never_again() {
    let asks = |client: &mut Client| {
        news(client, at(0), News::Preamble);
        let [Frame::Hello(hello)] = &transmit(client)[..] else { panic!("no Hello") };
        hello.takeover
    };
    for (first, takes_over) in [(First::Takeover, true), (First::Start, false), (First::Replace, false)] {
        let mut client = connecting(ClientConfig { first, ..config() });
        assert_eq!(asks(&mut client), takes_over);
        news(&mut client, at(1), exited(ProgramExit::Code(255)));
        assert_eq!(asks(&mut client), takes_over, "its first attempt was cut");
        let welcome = welcome(&client);
        news(&mut client, at(2), News::Frame(Frame::Welcome(welcome)));
        news(&mut client, at(3), News::Garbled("noise".to_owned()));
        input(&mut client, at(3), Input::Retry);
        assert!(!asks(&mut client), "it would displace itself");
    }
}

#[test]
fn three_broken_transports_in_a_row_are_a_broken_server() {
    let mut client = connected(at(0));
    for (now, status) in [(1, Status::Reconnecting(1)), (2, Status::ReconnectFailed(1))] {
        news(&mut client, at(now), News::Preamble);
        news(&mut client, at(now), News::Garbled("noise".to_owned()));
        assert_eq!(client.status(), status);
    }
    timeout(&mut client, at(2_002));
    news(&mut client, at(2_003), News::Preamble);
    let effects = news(&mut client, at(2_003), News::Garbled("still noise".to_owned()));
    assert_eq!(client.status(), Status::Refused(Refused::Protocol("still noise".to_owned())));
    assert!(matches!(effects[0], Effect::Close(3, Some(Bye { reason: ByeReason::ProtocolError, .. }))));
}

/// A login shell that prints without end, a captive portal: nobody breaks a promise there.
#[test]
fn what_comes_in_a_servers_place_is_a_failed_attempt_however_often() {
    let mut client = connected(at(0));
    news(&mut client, at(1), exited(ProgramExit::Code(255)));
    let mut now = at(2);
    for failed in 1..=ATTEMPTS_MAX {
        now += Duration::from_millis(10);
        news(&mut client, now, News::Garbled("noise".to_owned()));
        if failed < ATTEMPTS_MAX {
            assert_eq!(client.status(), Status::ReconnectFailed(failed));
            now = client.poll_timeout().unwrap();
            timeout(&mut client, now);
        }
    }
    assert_eq!(client.status(), Status::ReconnectExhausted);
}

#[test]
fn joins_no_stream_whose_numbers_would_run_out() {
    const LAST: Seq = 1 << 62;
    for (received, start, joins) in
        [(0, 1, true), (LAST - 1, LAST, true), (0, 0, false), (0, LAST + 1, false), (LAST, 1, false)]
    {
        let mut client = connecting(ClientConfig { first: First::Takeover, ..config() });
        news(&mut client, at(0), News::Preamble);
        transmit(&mut client);
        let welcome = Welcome { received, start, ..welcome(&client) };
        news(&mut client, at(1), News::Frame(Frame::Welcome(welcome)));
        assert_eq!(client.status().is_attached(), joins, "received {received}, start {start}");
        let status = if joins { Status::Connected } else { Status::Reconnecting(1) };
        assert_eq!(client.status(), status);
    }
}

#[test]
fn starts_over_with_a_full_budget_of_broken_protocols_too() {
    let mut client = connected(at(0));
    news(&mut client, at(1), News::Garbled("once".to_owned()));
    news(&mut client, at(2), News::Preamble);
    news(&mut client, at(2), News::Garbled("twice".to_owned()));
    assert_eq!(client.status(), Status::ReconnectFailed(1));
    input(&mut client, at(3), Input::Retry);
    news(&mut client, at(4), News::Preamble);
    news(&mut client, at(4), News::Garbled("once again".to_owned()));
    assert_eq!(client.status(), Status::ReconnectFailed(1));
}

#[test]
fn the_proxys_own_word_comes_before_what_ssh_printed() {
    let mut client = connected(at(0));
    let message = "the server has ended this attachment".to_owned();
    let verdict = Some(Verdict { message: message.clone(), ..verdict(&client, 75, None) });
    let status = ProgramExit::Code(75);
    let last_words = "Connection to devbox closed.".to_owned();
    let effects = news(&mut client, at(1), News::Exited(ProxyExit { status, verdict, last_words }));
    let cause = Cause::Exited(status, message);
    assert_eq!(effects.last(), Some(&Effect::Status(Status::Reconnecting(1), cause)));
}
