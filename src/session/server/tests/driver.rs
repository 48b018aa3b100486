//! What a driver asks the server machine between its inputs: room, who is there, whether there is
//! anything to do.

use super::*;
use crate::session::WindowConfig;

#[test]
fn has_room_until_its_bound_or_its_end() {
    let window = WindowConfig { unacked_frames_max: 1, ..WindowConfig::default() };
    let config = ServerConfig { window, ..ServerConfig::default() };
    let mut server = Server::new(config, INSTANCE, Time::ZERO);
    assert!(server.has_room(), "before anybody came");
    let mut ended = server.clone();
    ended.handle_input(at(0), Input::Stop(GoneReason::Stopped));
    assert!(!ended.has_room());
    output(&mut server, 1);
    assert!(!server.has_room());
}

#[test]
fn knows_who_it_is_whose_it_is_and_who_is_there() {
    let mut server = server();
    assert_eq!((server.instance(), server.owner(), server.attached()), (INSTANCE, None, None));
    hello(&mut server, at(0), 7, first_hello(OWNER, 1));
    assert_eq!((server.owner(), server.attached()), (Some(OWNER), Some(7)));
    server.handle_input(at(1), Input::Transport(7, News::Lost));
    assert_eq!((server.owner(), server.attached()), (Some(OWNER), None));
}

#[test]
fn says_whether_deliveries_that_were_taken_leave_it_something_to_do() {
    let mut server = server();
    hello(&mut server, at(0), 1, first_hello(OWNER, 1));
    for seq in 1..=3 {
        frame(&mut server, at(0), 1, input(seq, 1));
    }
    assert!(server.consume(at(0), 1), "an acknowledgement is planned");
    assert!(!server.consume(at(0), 1), "it is planned already");
    // It cannot have taken more than was delivered.
    assert!(!server.consume(at(0), 9));
    assert_eq!(server.inbox().consumed(), 3);
}
