//! Servers that are none, or mean no good: this program speaks for them, as the command of a transport.

use std::io::{Read, Write};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use reattach::io::clock::Clock;
use reattach::proto::{
    Channel, Decoder, Frame, Hello, InstanceId, PREAMBLE, ProgramExit, RefusalReason, Seq, Welcome, encode,
};
use rustix::process::Signal;

use crate::client::{Client, Ended};
use crate::link::{Link, died_by};
use crate::place::{Place, wait};

/// A fake server, if this program is started as one.
#[test]
fn a_fake_server_is_this_program() {
    let words: Vec<String> = std::env::args().skip_while(|word| word != "--").skip(1).collect();
    if let [what, detail, ..] = &words[..] {
        // Who is gone is no reason to say anything.
        let _ = serve(what, detail);
        std::process::exit(0);
    }
}

fn serve(what: &str, detail: &str) -> std::io::Result<()> {
    let mut output = std::io::stdout();
    if what == "generation" {
        let (number, mark) = PREAMBLE.split_last().expect("it is there");
        output.write_all(&[mark, &[number + detail.parse::<u8>().expect("a number") - 1]].concat())?;
        output.flush()?;
        return std::io::stdin().read_to_end(&mut Vec::new()).map(drop);
    }
    output.write_all(PREAMBLE)?;
    output.flush()?;
    let hello = read_hello()?;
    let welcome = Welcome {
        protocol: 1,
        instance: InstanceId(1),
        session: hello.session,
        received: 0,
        start: 1,
        window: 1 << 20,
        host: None,
    };
    write(&mut output, [Frame::Welcome(welcome)])?;
    match what {
        "exit" => {
            let signal = detail.parse().expect("a number");
            write(&mut output, [Frame::Exit { seq: 1, exit: ProgramExit::Signal(signal) }])?;
            std::io::stdin().read_to_end(&mut Vec::new()).map(drop)
        }
        "flood" => {
            let mut seq: Seq = 0;
            let heard = Arc::new(Heard::default());
            let ears = Arc::clone(&heard);
            std::thread::spawn(move || ears.listen());
            loop {
                // No more than a client bears.
                while seq > heard.acknowledged.load(Ordering::Relaxed) + 100_000 && detail.contains("data") {
                    wait(Duration::from_micros(100));
                }
                let frames = (0..4096).map(|_| {
                    seq += 1;
                    let data = |payload| Frame::Data { channel: Channel::Output, seq, payload };
                    match detail {
                        "empty-data" => data(bytes::Bytes::new()),
                        "data-of-a-byte" => data(bytes::Bytes::from_static(b".")),
                        "pongs" => Frame::Pong(seq),
                        "acks" => Frame::Ack(0),
                        other => panic!("{other} is no flood"),
                    }
                });
                write(&mut output, frames)?;
                let signal = heard.signal.load(Ordering::Relaxed);
                if signal > 0 {
                    let seq = if detail.contains("data") { seq + 1 } else { 1 };
                    let exit = ProgramExit::Signal(i32::try_from(signal).expect("a byte"));
                    return write(&mut output, [Frame::Exit { seq, exit }]);
                }
            }
        }
        other => panic!("{other} is nothing that a fake server does"),
    }
}

/// What the client has said.
#[derive(Default)]
struct Heard {
    acknowledged: AtomicU64,
    signal: AtomicU64,
}

impl Heard {
    fn listen(&self) {
        let (mut decoder, mut bytes) = (Decoder::new(), vec![0; 65536]);
        while let Ok(count @ 1..) = std::io::stdin().read(&mut bytes) {
            decoder.push(&bytes[..count]);
            while let Ok(Some(frame)) = decoder.next_frame() {
                match frame {
                    Frame::Ack(seq) => self.acknowledged.store(seq, Ordering::Relaxed),
                    Frame::Data { channel: Channel::Signal, payload, .. } => {
                        self.signal.store(payload[0].into(), Ordering::Relaxed);
                    }
                    _ => {}
                }
            }
        }
    }
}

fn read_hello() -> std::io::Result<Hello> {
    let (mut decoder, mut bytes) = (Decoder::new(), [0; 4096]);
    loop {
        let count = std::io::stdin().read(&mut bytes)?;
        decoder.push(&bytes[..count]);
        match decoder.next_frame().expect("a client speaks the protocol") {
            Some(Frame::Hello(hello)) => return Ok(hello),
            Some(other) => panic!("{} came first", other.name()),
            None if count == 0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            None => {}
        }
    }
}

fn write(output: &mut impl Write, frames: impl IntoIterator<Item = Frame>) -> std::io::Result<()> {
    let mut bytes = BytesMut::new();
    frames.into_iter().for_each(|frame| encode(&frame, &mut bytes));
    output.write_all(&bytes)?;
    output.flush()
}

/// A link to such a server.
fn link(what: &str, detail: &str) -> Link {
    let own = std::env::current_exe().unwrap();
    let test = "fake::a_fake_server_is_this_program";
    Link::with_script(&format!("exec {} --exact {test} --nocapture -- {what} {detail}", own.display()))
}

/// What becomes of a client whose program is said to have been ended by that signal.
fn ended_by(signal: i32) -> Ended {
    let place = Place::new();
    let link = link("exit", &signal.to_string());
    link.client(&place, &[], &["cat"]).wait()
}

#[test]
fn a_signal_that_ends_no_process_is_a_status() {
    for (signal, code) in [(19, 147), (20, 148), (17, 145), (0, 255), (-1, 255), (1000, 255)] {
        assert_eq!(ended_by(signal).code(), Some(code), "signal {signal}");
    }
    assert!(died_by(ended_by(15).status, Signal::TERM));
}

#[test]
fn a_server_of_another_generation_is_named_with_the_side_that_is_to_be_renewed() {
    for (generation, renew) in [("2", "renew the client"), ("0", "renew the server")] {
        let place = Place::new();
        let end = link("generation", generation).client(&place, &[], &["cat"]).wait();
        assert_eq!(end.code(), Some(255), "{end:?}");
        let message = end.events.last().and_then(|event| event.message.clone()).unwrap();
        let part = format!("speaks protocol generation {generation}, this client generation 1: {renew}");
        assert!(message.contains(&part), "{message}");
    }
}

/// Says Hello to a real server as a client of those versions would, and gives the refusal.
fn refused(place: &Place, protocol: (u16, u16)) -> String {
    let mut proxy = place.command(&["proxy", "--identifier", "w", "--if-running", "replace", "--", "cat"]);
    let mut proxy = proxy.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let (mut input, mut output) = (proxy.stdin.take().unwrap(), proxy.stdout.take().unwrap());
    let mut preamble = [0; PREAMBLE.len()];
    output.read_exact(&mut preamble).unwrap();
    let (session, window) = (reattach::proto::SessionId(7), 1 << 20);
    let (instance, client) = (None, None);
    let hello =
        Hello { protocol, session, attempt: 1, instance, received: 0, window, takeover: false, client };
    write(&mut input, [Frame::Hello(hello)]).unwrap();
    let (mut decoder, mut bytes) = (Decoder::new(), [0; 4096]);
    let refusal = loop {
        let count = output.read(&mut bytes).unwrap();
        assert!(count > 0, "it says nothing");
        decoder.push(&bytes[..count]);
        match decoder.next_frame().unwrap() {
            Some(Frame::Refused(refusal)) => break refusal,
            Some(other) => panic!("{} came", other.name()),
            None => {}
        }
    };
    drop(input);
    proxy.wait().unwrap();
    assert_eq!(refusal.reason, RefusalReason::Protocol);
    refusal.message
}

#[test]
fn a_client_that_speaks_another_protocol_is_told_which_side_is_to_be_renewed() {
    let place = Place::new();
    for (protocol, renew) in [((7, 9), "renew the server"), ((0, 0), "renew the client")] {
        let (oldest, newest) = protocol;
        let expected =
            format!("the client speaks protocol versions {oldest} to {newest}, this server 1 to 1: {renew}");
        assert_eq!(refused(&place, protocol), expected);
    }
}

#[test]
fn what_the_user_wants_comes_before_whatever_the_wire_brings() {
    for flood in ["empty-data", "data-of-a-byte", "pongs", "acks"] {
        let place = Place::new();
        let link = link("flood", flood);
        let mut client: Client = link.client(&place, &[], &["cat"]);
        client.until("Connected");
        // Some of it is on its way.
        wait(Duration::from_millis(500));
        let clock = Clock::new();
        let from = clock.now();
        client.signal("TERM");
        let (end, took) = client.wait_since(clock, from);
        println!("{flood}: ended after {took:?}");
        assert!(died_by(end.status, Signal::TERM), "{flood}: {end:?}");
        assert!(took < Duration::from_secs(2), "{flood}: ended after {took:?}");
    }
}
