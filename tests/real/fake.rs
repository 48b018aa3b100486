//! Servers that are none, or mean no good: this program speaks for them, as the command of a transport.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use bytes::BytesMut;
use reattach::io::clock::Clock;
use reattach::proto::limits::{DELIVERIES_MAX, PIPE_BYTES, READ_BYTES};
use reattach::proto::{
    Channel, Decoder, Frame, Hello, InstanceId, PREAMBLE, ProgramExit, RefusalReason, Seq, Welcome, encode,
};
use reattach::session::Time;
use rustix::io::Errno;
use rustix::process::Signal;

use crate::client::{Client, Ended};
use crate::link::{Link, died_by};
use crate::place::{Place, wait_until};

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
        "flood" => Flood::new(detail).go(&mut output),
        other => panic!("{other} is nothing that a fake server does"),
    }
}

/// Frames without an end, on one thread: between two bursts it hears what the client has said, so that
/// how much it had written by then is no matter of luck.
struct Flood {
    what: String,
    /// Goes on though it was told to end.
    is_deaf: bool,
    /// Asks its client to end, by this signal, once some of it is on its way; and notes how much it wrote
    /// from then on until it heard of that.
    own_signal: Option<(Signal, PathBuf)>,
    seq: Seq,
    acknowledged: Seq,
    written: usize,
    signalled_at: Option<(usize, Time)>,
    clock: Clock,
    decoder: Decoder,
}

/// Bytes after which a flood is on its way.
const FLOOD_BYTES: usize = 32 << 20;

impl Flood {
    fn new(detail: &str) -> Self {
        let mut words = detail.split(':');
        let what = words.next().expect("there is always one").to_owned();
        let (mut is_deaf, mut own_signal) = (false, None);
        for word in words {
            match word.strip_prefix("notes=") {
                Some(path) => own_signal = Some((Signal::TERM, path.into())),
                None => is_deaf = word == "deaf",
            }
        }
        Flood {
            what,
            is_deaf,
            own_signal,
            seq: 0,
            acknowledged: 0,
            written: 0,
            signalled_at: None,
            clock: Clock::new(),
            decoder: Decoder::new(),
        }
    }

    fn go(&mut self, output: &mut impl Write) -> std::io::Result<()> {
        loop {
            if let Some(signal) = self.hear()? {
                if let (Some((_, notes)), Some((bytes, at))) = (&self.own_signal, self.signalled_at) {
                    let took = self.clock.now().since(at);
                    std::fs::write(notes, format!("{} {}", self.written - bytes, took.as_micros()))?;
                }
                if !self.is_deaf {
                    let seq = if self.is_numbered() { self.seq + 1 } else { 1 };
                    return write(output, [Frame::Exit { seq, exit: ProgramExit::Signal(signal.into()) }]);
                }
            }
            // No more than a client bears.
            if self.is_numbered() && self.seq > self.acknowledged + 100_000 {
                continue;
            }
            let mut burst = BytesMut::new();
            for _ in 0..4096 {
                self.seq += 1;
                encode(&self.frame(), &mut burst);
            }
            output.write_all(&burst)?;
            output.flush()?;
            self.written += burst.len();
            if let (Some((signal, _)), None) = (&self.own_signal, self.signalled_at)
                && self.written > FLOOD_BYTES
            {
                // The script between has made room for us.
                let client = rustix::process::getppid().expect("somebody has started us");
                self.signalled_at = Some((self.written, self.clock.now()));
                rustix::process::kill_process(client, *signal)?;
            }
        }
    }

    fn is_numbered(&self) -> bool {
        self.what.contains("data")
    }

    fn frame(&self) -> Frame {
        let seq = self.seq;
        let data = |payload| Frame::Data { channel: Channel::Output, seq, payload };
        match &self.what[..] {
            "empty-data" => data(bytes::Bytes::new()),
            "data-of-a-byte" => data(bytes::Bytes::from_static(b".")),
            "pongs" => Frame::Pong(seq),
            "acks" => Frame::Ack(0),
            other => panic!("{other} is no flood"),
        }
    }

    /// What has come by now; the signal, if there was one.
    fn hear(&mut self) -> std::io::Result<Option<u8>> {
        let input = rustix::stdio::stdin();
        rustix::io::ioctl_fionbio(input, true)?;
        let mut bytes = vec![0; 65536];
        loop {
            match rustix::io::read(input, &mut bytes[..]) {
                Ok(0) => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.decoder.push(&bytes[..count]),
                Err(Errno::AGAIN) => break,
                Err(errno) => return Err(errno.into()),
            }
        }
        let mut signal = None;
        while let Ok(Some(frame)) = self.decoder.next_frame() {
            match frame {
                Frame::Ack(seq) => self.acknowledged = seq,
                Frame::Data { channel: Channel::Signal, payload, .. } => signal = Some(payload[0]),
                _ => {}
            }
        }
        Ok(signal)
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
fn link(before: &str, what: &str, detail: &str) -> Link {
    let own = std::env::current_exe().unwrap();
    let test = "fake::a_fake_server_is_this_program";
    Link::with_script(&format!(
        "{before}exec {} --exact {test} --nocapture -- {what} {detail}",
        own.display()
    ))
}

/// What becomes of a client whose program is said to have been ended by that signal.
fn ended_by(signal: i32) -> Ended {
    let place = Place::new();
    let link = link("", "exit", &signal.to_string());
    link.client(&place, &[], &["cat"]).wait()
}

#[test]
fn a_signal_that_ends_no_process_is_a_status() {
    for (signal, code) in [(19, 147), (20, 148), (17, 145), (0, 255), (-1, 255), (1000, 255)] {
        assert_eq!(ended_by(signal).code(), Some(code), "signal {signal}");
    }
    assert!(died_by(ended_by(15).status, Signal::TERM));
}

/// What a flood has noted: the bytes that it wrote from its signal until it heard of that, and the time.
fn heard_of(notes: &Path) -> Option<(usize, Duration)> {
    let text = std::fs::read_to_string(notes).ok()?;
    let (bytes, micros) = text.split_once(' ')?;
    Some((bytes.parse().ok()?, Duration::from_micros(micros.parse().ok()?)))
}

/// A script that floods standard error, too, beside a server.
const NOISY: &str = "yes >&2 & ";

/// What comes, and beside what.
const FLOODS: [(&str, &str); 5] =
    [("", "empty-data"), ("", "data-of-a-byte"), ("", "pongs"), ("", "acks"), (NOISY, "pongs")];

/// By hand, for its figures.
#[test]
#[ignore = "takes a minute"]
#[serial_test::serial(processor_time)]
fn how_long_a_wish_waits() {
    for (noise, flood) in FLOODS {
        let (mut took, mut most): ([Vec<Duration>; 2], usize) = Default::default();
        for _ in 0..20 {
            let place = Place::new();
            let notes = place.home().join("notes");
            let link = link(noise, "flood", &format!("{flood}:deaf:notes={}", notes.display()));
            let client: Client = link.client(&place, &[], &["cat"]);
            let mut heard = None;
            wait_until("the signal is heard", || {
                heard = heard_of(&notes);
                heard.is_some()
            });
            let (bytes, first) = heard.unwrap();
            took[0].push(first);
            most = most.max(bytes);
            let clock = Clock::new();
            let from = clock.now();
            client.signal("TERM");
            let (end, second) = client.wait_since(clock, from);
            assert!(died_by(end.status, Signal::TERM), "{flood}: {end:?}");
            took[1].push(second);
        }
        took.iter_mut().for_each(|took| took.sort());
        let [[forwarded, worst_forwarded], [obeyed, worst_obeyed]] = took.map(|took| [took[10], took[19]]);
        println!(
            "{noise}{flood}: forwarded after {forwarded:.1?} (worst {worst_forwarded:.1?}, {} KiB), \
             given up after {obeyed:.1?} (worst {worst_obeyed:.1?})",
            most >> 10
        );
    }
}

/// Bytes that a server may write after its client's signal until it hears of that: what sockets and one
/// read hold, and what the client tells itself of in three turns of its driver. Bytes, not time: a busy
/// machine reads them later, and no more of them.
const BYTES_MAX: usize = 4 * PIPE_BYTES + READ_BYTES + 3 * DELIVERIES_MAX * 20;

#[test]
fn a_server_of_another_generation_is_named_with_the_side_that_is_to_be_renewed() {
    for (generation, renew) in [("2", "renew the client"), ("0", "renew the server")] {
        let place = Place::new();
        let end = link("", "generation", generation).client(&place, &[], &["cat"]).wait();
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
    for (noise, flood) in FLOODS {
        let place = Place::new();
        let notes = place.home().join("notes");
        let link = link(noise, "flood", &format!("{flood}:notes={}", notes.display()));
        let end = link.client(&place, &[], &["cat"]).wait();
        assert!(died_by(end.status, Signal::TERM), "{noise}{flood}: {end:?}");
        let (bytes, took) = heard_of(&notes).unwrap();
        println!("{noise}{flood}: forwarded after {took:?} and {} KiB", bytes >> 10);
        assert!(bytes <= BYTES_MAX, "{noise}{flood}: {bytes} bytes");
    }
}

#[test]
fn who_insists_is_obeyed_though_the_server_neither_listens_nor_rests() {
    for (noise, flood) in FLOODS {
        let place = Place::new();
        let notes = place.home().join("notes");
        let link = link(noise, "flood", &format!("{flood}:deaf:notes={}", notes.display()));
        let client: Client = link.client(&place, &[], &["cat"]);
        wait_until("the first signal is heard", || heard_of(&notes).is_some());
        client.signal("TERM");
        assert!(died_by(client.wait().status, Signal::TERM), "{noise}{flood}");
    }
}
