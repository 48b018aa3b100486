//! Whose death it was: what is written, waited for and believed after an end of the input.

use super::*;
use crate::proto::limits::{HALF_END_ANSWER, HALF_END_WAIT, IDLE_LIFETIME, ORPHAN_LIFETIME, SUSPENSION_MIN};

const MOMENT: Duration = Duration::from_millis(1);

/// A server of a session without a name, whose client has said nothing more for good.
fn parting() -> Server {
    let config = ServerConfig { nameless: true, ..ServerConfig::default() };
    let mut server = Server::new(config, INSTANCE, Time::ZERO);
    hello(&mut server, at(0), 1, first_hello(OWNER, 1));
    transmit(&mut server);
    frame(&mut server, at(0), 1, input(1, 1));
    server.handle_input(at(0), Input::Consumed(1));
    server.handle_input(at(0), Input::Transport(1, News::InputEnded));
    assert_eq!(drain(&mut server), []);
    server
}

/// Lets time pass, as a driver does that is always in time.
fn pass(server: &mut Server, until: Time) {
    while let Some(due) = server.poll_timeout().filter(|due| *due <= until) {
        server.handle_timeout(due);
    }
}

/// One whose word was written, and when.
fn asked() -> (Server, Time) {
    let mut server = parting();
    output(&mut server, 5);
    let now = at(0) + HALF_END_WAIT;
    pass(&mut server, now - MOMENT);
    assert_eq!(transmit(&mut server), [], "it would be part of an answer");
    pass(&mut server, now);
    assert_eq!(transmit(&mut server), [Frame::Ack(1)], "and nothing that may be lost");
    assert_eq!(transmit(&mut server), []);
    (server, now)
}

fn ends(server: &mut Server, now: Time) -> Vec<Effect> {
    server.handle_input(now, Input::Transport(1, News::OutputEnded));
    drain(server)
}

fn detached(cause: Cause) -> [Effect; 2] {
    [Effect::Close(1, None), Effect::Status(Status::Detached, cause)]
}

#[test]
fn an_output_that_ends_after_a_word_shows_that_the_client_has_died() {
    let (mut server, now) = asked();
    let died_at = now + HALF_END_ANSWER - MOMENT;
    assert_eq!(ends(&mut server, died_at), detached(Cause::Death));
    server.handle_timeout(died_at + ORPHAN_LIFETIME - MOMENT);
    assert_eq!(server.status(), Status::Detached);
    server.handle_timeout(died_at + ORPHAN_LIFETIME);
    assert_eq!(server.status(), Status::Ended(GoneReason::Orphaned));
}

#[test]
fn a_link_whose_other_half_ends_by_itself_is_lost_and_waited_for() {
    for gap in [Duration::ZERO, HALF_END_WAIT - MOMENT] {
        let mut server = parting();
        pass(&mut server, at(0) + gap);
        assert_eq!(ends(&mut server, at(0) + gap), detached(Cause::Lost));
        assert_eq!(server.poll_timeout(), Some(at(0) + gap + IDLE_LIFETIME));
    }
}

#[test]
fn what_ends_too_late_or_with_its_proxy_tells_nothing() {
    let (mut server, now) = asked();
    server.handle_timeout(now + HALF_END_ANSWER);
    assert_eq!(drain(&mut server), detached(Cause::Lost));

    let (mut server, now) = asked();
    assert_eq!(ends(&mut server, now + HALF_END_ANSWER), detached(Cause::Lost));

    let (mut server, now) = asked();
    server.handle_input(now, Input::Transport(1, News::Lost));
    assert_eq!(drain(&mut server), detached(Cause::Lost));
}

#[test]
fn an_end_before_the_word_was_written_is_no_answer_to_it() {
    let mut server = parting();
    pass(&mut server, at(0) + HALF_END_WAIT);
    assert_eq!(ends(&mut server, at(0) + HALF_END_WAIT), detached(Cause::Lost));
}

#[test]
fn who_was_held_back_does_not_know_which_end_came_when() {
    let mut slept = parting();
    let due = slept.poll_timeout().unwrap();
    slept.handle_timeout(due + SUSPENSION_MIN);
    assert_eq!(drain(&mut slept), detached(Cause::Lost));

    // For less than a suspension, the time is made up for.
    let mut late = parting();
    let due = late.poll_timeout().unwrap();
    let now = due + SUSPENSION_MIN - MOMENT;
    late.handle_timeout(now);
    pass(&mut late, now + HALF_END_WAIT - MOMENT);
    assert_eq!(transmit(&mut late), []);
    assert_eq!(ends(&mut late, now + HALF_END_WAIT - MOMENT), detached(Cause::Lost));
}

#[test]
fn whoever_comes_back_meanwhile_is_let_in_and_nothing_of_it_stays() {
    let (mut asked, now) = asked();
    let mut dead = asked.clone();
    ends(&mut dead, now);
    for server in [&mut asked, &mut dead] {
        let back_at = now + ORPHAN_LIFETIME / 2;
        hello(server, back_at, 2, next_hello(OWNER, 2, 0));
        assert_eq!(server.status(), Status::Attached(2));
        let frames = transmit(server);
        assert!(matches!(frames[0], Frame::Welcome(_)), "{frames:?}");
        assert_eq!(frames.last().and_then(Frame::seq), Some(1), "what waited");
        server.handle_input(back_at, Input::Transport(2, News::Lost));
        assert_eq!(server.poll_timeout(), Some(back_at + IDLE_LIFETIME));
    }
}

#[test]
fn a_session_with_a_name_or_without_that_lifetime_does_not_ask() {
    for (nameless, orphan_lifetime) in [(false, Some(ORPHAN_LIFETIME)), (true, None)] {
        let config = ServerConfig { nameless, orphan_lifetime, ..ServerConfig::default() };
        let mut server = Server::new(config, INSTANCE, Time::ZERO);
        hello(&mut server, at(0), 1, first_hello(OWNER, 1));
        drain(&mut server);
        server.handle_input(at(1), Input::Transport(1, News::InputEnded));
        assert_eq!(drain(&mut server), detached(Cause::Lost));
        assert_eq!(server.poll_timeout(), Some(at(1) + IDLE_LIFETIME));
    }
}

#[test]
fn a_program_that_ended_is_the_reason_also_of_an_orphans_end() {
    let (mut server, now) = asked();
    ends(&mut server, now);
    server.handle_input(now, Input::Exited(ProgramExit::Code(0)));
    server.handle_timeout(now + ORPHAN_LIFETIME);
    assert_eq!(server.status(), Status::Ended(GoneReason::Exited(ProgramExit::Code(0))));
}
