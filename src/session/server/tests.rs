//! Tests of the server machine: who may attach, what is kept, when it ends.
//!
//! What client and server do together is left to the tests of both over one link.

mod driver;
mod pairs;
mod parting;
mod sequences;

use std::time::Duration;

use bytes::Bytes;

use super::*;

const INSTANCE: InstanceId = InstanceId(1);
const OWNER: SessionId = SessionId(10);
const STRANGER: SessionId = SessionId(20);

fn at(millis: u64) -> Time {
    Time::ZERO + Duration::from_millis(millis)
}

fn server() -> Server {
    let mut server = Server::new(ServerConfig::default(), INSTANCE, Time::ZERO);
    drain(&mut server);
    server
}

/// What a client says that has never met a server.
fn first_hello(session: SessionId, attempt: u64) -> Hello {
    Hello {
        protocol: (1, 1),
        session,
        attempt,
        instance: None,
        received: 0,
        window: 1 << 20,
        takeover: false,
        client: None,
    }
}

fn next_hello(session: SessionId, attempt: u64, received: Seq) -> Hello {
    Hello { instance: Some(INSTANCE), received, ..first_hello(session, attempt) }
}

fn takeover(session: SessionId) -> Hello {
    Hello { takeover: true, ..first_hello(session, 1) }
}

/// Opens a transport, says Hello on it and gives the effects of that.
fn hello(server: &mut Server, now: Time, transport: TransportId, hello: Hello) -> Vec<Effect> {
    server.handle_input(now, Input::Opened(transport));
    frame(server, now, transport, Frame::Hello(hello))
}

fn frame(server: &mut Server, now: Time, transport: TransportId, frame: Frame) -> Vec<Effect> {
    server.handle_input(now, Input::Transport(transport, News::Frame(frame)));
    drain(server)
}

/// As a driver does.
fn drain(server: &mut Server) -> Vec<Effect> {
    let mut effects = Vec::new();
    while server.has_effects() {
        effects.push(server.poll_effect().expect("it has one"));
    }
    assert_eq!(server.poll_effect(), None);
    effects
}

/// What it has to say, as long as the transport takes it.
fn transmit(server: &mut Server) -> Vec<Frame> {
    std::iter::from_fn(|| server.poll_transmit()).map(|(_, frame)| frame).collect()
}

fn input(seq: Seq, bytes: usize) -> Frame {
    Frame::Data { channel: Channel::Input, seq, payload: Bytes::from(vec![b'i'; bytes]) }
}

fn output(server: &mut Server, bytes: usize) {
    server.handle_input(Time::ZERO, Input::Output(Channel::Output, Bytes::from(vec![b'o'; bytes])));
}

#[test]
fn a_takeover_that_is_cut_before_its_welcome_goes_on_with_its_next_attempt() {
    let mut server = server();
    output(&mut server, 10);
    output(&mut server, 10);
    hello(&mut server, at(0), 1, first_hello(OWNER, 1));
    assert_eq!(transmit(&mut server).len(), 3);
    frame(&mut server, at(1), 1, Frame::Ack(1));
    hello(&mut server, at(2), 2, takeover(STRANGER));
    server.handle_input(at(3), Input::Transport(2, News::Lost));

    let second = Hello { attempt: 2, ..takeover(STRANGER) };
    hello(&mut server, at(4), 3, second);
    assert_eq!(server.status(), Status::Attached(2));
    let frames = transmit(&mut server);
    assert!(matches!(frames[0], Frame::Welcome(Welcome { start: 2, .. })), "{frames:?}");
    assert_eq!(frames[1].seq(), Some(2));
}

#[test]
fn a_takeover_while_the_application_reads_nothing_does_not_overrun_the_inbox() {
    let mut server = server();
    let window = usize::try_from(server.inbox().window()).unwrap();
    hello(&mut server, at(0), 1, first_hello(OWNER, 1));
    frame(&mut server, at(1), 1, input(1, window));
    for (session, seq) in [(1, 2), (2, 3), (3, 4), (4, 5)] {
        let transport = seq;
        hello(&mut server, at(seq), transport, takeover(SessionId(session)));
        let Some(Frame::Welcome(welcome)) = transmit(&mut server).into_iter().next() else {
            panic!("it was not let in")
        };
        assert!(welcome.window > 0, "a newcomer may say something");
        frame(&mut server, at(seq), transport, input(seq, usize::try_from(welcome.window).unwrap()));
        assert!(matches!(server.status(), Status::Attached(_)), "session {session}");
    }
    assert!(server.inbox().unconsumed_bytes() <= 2 * window + 3);
}

#[test]
fn ends_when_nobody_came_or_came_back_and_not_before() {
    let ServerConfig { unmet_lifetime, idle_lifetime, .. } = ServerConfig::default();
    let early = Duration::from_millis(1);
    let unmet = server();
    let mut detached = server();
    hello(&mut detached, at(0), 1, first_hello(OWNER, 1));
    detached.handle_input(at(0), Input::Transport(1, News::Lost));
    for (mut server, lifetime, reason) in
        [(unmet, unmet_lifetime, GoneReason::Unmet), (detached, idle_lifetime, GoneReason::Idle)]
    {
        server.handle_timeout(at(0) + lifetime - early);
        assert_ne!(server.status(), Status::Ended(reason));
        server.handle_timeout(at(0) + lifetime);
        assert_eq!(server.status(), Status::Ended(reason));
    }
}

#[test]
fn news_of_a_displaced_transport_changes_nothing() {
    let mut server = server();
    hello(&mut server, at(0), 1, first_hello(OWNER, 1));
    hello(&mut server, at(0), 2, next_hello(OWNER, 2, 0));
    let before = server.clone();
    let late = [News::Heard, News::Frame(input(1, 1)), News::Garbled("noise".to_owned()), News::Lost];
    for news in late {
        server.handle_input(at(1), Input::Transport(1, news));
        assert_eq!(drain(&mut server), [Effect::Ignored(1)]);
        assert_eq!(server, before);
    }
}

#[test]
fn speaks_with_whoever_knows_its_version() {
    let cases = [
        ((1, 1), Some(1)),
        ((0, 1), Some(1)),
        ((1, 3), Some(1)),
        ((0, u16::MAX), Some(1)),
        ((0, 0), None),
        ((2, 3), None),
        ((1, 0), None),
    ];
    for (protocol, spoken) in cases {
        let mut server = server();
        let effects = hello(&mut server, at(0), 1, Hello { protocol, ..first_hello(OWNER, 1) });
        let protocol = |frame: &Frame| match frame {
            Frame::Welcome(welcome) => Some(welcome.protocol),
            _ => None,
        };
        assert_eq!(transmit(&mut server).first().and_then(protocol), spoken);
        let is_refused = matches!(
            &effects[..],
            [Effect::Close(1, Some(Frame::Refused(Refusal { reason: RefusalReason::Protocol, .. })))]
        );
        assert_eq!(is_refused, spoken.is_none(), "{effects:?}");
    }
}

#[test]
fn a_silence_that_ended_two_seconds_ago_was_slept_through_and_a_shorter_one_was_not() {
    let attached = || {
        let mut server = server();
        hello(&mut server, at(0), 1, first_hello(OWNER, 1));
        server
    };
    let ServerConfig { silence_max, suspension_min, .. } = ServerConfig::default();
    let mut asleep = attached();
    asleep.handle_timeout(at(0) + silence_max + suspension_min);
    assert_eq!(asleep.status(), Status::Attached(1));
    let mut awake = attached();
    awake.handle_timeout(at(0) + silence_max + suspension_min - Duration::from_millis(1));
    assert_eq!(awake.status(), Status::Detached);
}

#[test]
fn a_program_that_ended_is_the_reason_for_the_idle_end_after_it() {
    let mut server = server();
    hello(&mut server, at(0), 1, first_hello(OWNER, 1));
    hello(&mut server, at(1), 2, next_hello(OWNER, 2, 0));
    server.handle_input(at(2), Input::Transport(2, News::Lost));
    server.handle_input(at(3), Input::Exited(ProgramExit::Code(101)));
    server.handle_timeout(at(2) + ServerConfig::default().idle_lifetime);
    assert_eq!(server.status(), Status::Ended(GoneReason::Exited(ProgramExit::Code(101))));
}
