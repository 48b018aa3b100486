//! What a driver asks the client machine between its inputs: room, confirmation, whether there is
//! anything to do.

use super::*;
use crate::session::WindowConfig;

fn narrow() -> ClientConfig {
    ClientConfig { window: WindowConfig { unacked_frames_max: 2, ..WindowConfig::default() }, ..config() }
}

fn send(client: &mut Client) -> Vec<Effect> {
    input(client, at(0), Input::Send(Bytes::from_static(b"i")))
}

#[test]
fn has_room_until_its_bound_the_end_of_its_input_or_its_own_end() {
    let fresh = connecting(narrow());
    assert!(fresh.has_room() && !fresh.input_finished());

    let mut full = fresh.clone();
    assert_eq!((send(&mut full), full.has_room()), (vec![], true));
    assert_eq!((send(&mut full), full.has_room()), (vec![], false));
    assert_eq!(send(&mut full), [Effect::Rejected(Rejected::Full)]);
    assert_eq!(input(&mut full, at(0), Input::Signal(2)), [Effect::Rejected(Rejected::Full)]);

    let mut finished = fresh.clone();
    input(&mut finished, at(0), Input::Finish);
    assert!(!finished.has_room() && finished.input_finished());
    assert_eq!(send(&mut finished), [Effect::Rejected(Rejected::Finished)]);

    let mut closed = fresh;
    input(&mut closed, at(0), Input::Close);
    assert!(!closed.has_room());
}

#[test]
fn all_is_confirmed_once_the_application_has_taken_it() {
    let mut client = connected(at(0));
    assert!(client.all_confirmed());
    send(&mut client);
    assert!(!client.all_confirmed());
    transmit(&mut client);
    news(&mut client, at(1), News::Frame(Frame::Ack(1)));
    assert!(client.all_confirmed());
}

#[test]
fn says_whether_deliveries_that_were_taken_leave_it_something_to_do() {
    let mut client = connected(at(0));
    for seq in 1..=3 {
        news(&mut client, at(0), output(seq));
    }
    assert!(client.consume(at(0), 1), "an acknowledgement is planned");
    assert!(!client.consume(at(0), 1), "it is planned already");
    // It cannot have taken more than was delivered.
    assert!(!client.consume(at(0), 9));
    assert_eq!(client.inbox().consumed(), 3);
}

#[test]
fn knows_the_instance_that_it_met_until_it_starts_over() {
    assert_eq!(connecting(config()).instance(), None);
    let mut client = connected(at(0));
    let (status, verdict) = (ProgramExit::Code(90), Some(verdict(&client, 90, None)));
    news(&mut client, at(1), News::Exited(ProxyExit { status, verdict, last_words: String::new() }));
    assert_eq!(client.instance(), Some(INSTANCE));
    input(&mut client, at(2), Input::Restart(SessionId(11)));
    assert_eq!((client.instance(), client.session()), (None, SessionId(11)));
}

#[test]
fn the_largest_message_is_taken_and_no_larger_one() {
    let mut client = connected(at(0));
    let send = |client: &mut Client, bytes| input(client, at(0), Input::Send(Bytes::from(vec![0; bytes])));
    assert_eq!(send(&mut client, PAYLOAD_BYTES_MAX), []);
    assert_eq!(send(&mut client, PAYLOAD_BYTES_MAX + 1), [Effect::Rejected(Rejected::TooLarge)]);
}
