//! What is wanted of a server, or of a proxy, while a client writes without an end. A client that is flooded
//! is [`fake`](crate::fake)'s.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::BytesMut;
use reattach::io::clock::Clock;
use reattach::proto::limits::{DELIVERIES_MAX, PIPE_BYTES, READ_BYTES, STOP_GRACE};
use reattach::proto::verdict::EXIT_NOT_RUNNING;
use reattach::proto::{Channel, Decoder, Frame, Seq, encode};
use reattach::session::Time;
use rustix::process::{Pid, Signal, kill_process};

use crate::place::{Place, lives, wait, wait_until};
use crate::proxy::Proxy;

/// Bytes after which a flood is on its way.
const FLOOD_BYTES: usize = 32 << 20;

/// Bytes that a client may write after a signal to the server until that reads no more: what sockets, a
/// relay and one read hold, and what the server tells itself of in three turns of its driver. Bytes, not
/// time: a busy machine reads them later, and no more of them.
const BYTES_MAX: usize = 8 * PIPE_BYTES + 2 * READ_BYTES + 3 * DELIVERIES_MAX * 20;

/// A proxy whose client writes without an end, and reads what comes.
struct Flood {
    proxy: Proxy,
    /// Ends with the number of bytes that it wrote after its signal.
    writer: JoinHandle<Option<usize>>,
    reader: JoinHandle<()>,
}

impl Flood {
    /// Begins; once some of it is on its way that process gets that signal, between two writes.
    fn begin(mut proxy: Proxy, what: &'static str, signal: Option<(u32, Signal)>) -> Self {
        let (mut input, output, heard) = proxy.take_streams();
        let acknowledged = Arc::new(AtomicU64::new(0));
        let reader = follow(output, heard, Arc::clone(&acknowledged));
        let writer = std::thread::spawn(move || {
            let (mut seq, mut written, mut signalled_at) = (0, 0, None);
            loop {
                // No more than a server bears.
                while what == "empty-data" && seq > acknowledged.load(Ordering::Relaxed) + 100_000 {
                    // Nobody tells us any more.
                    if Arc::strong_count(&acknowledged) == 1 {
                        return signalled_at.map(|at| written - at);
                    }
                    wait(Duration::from_micros(100));
                }
                let burst = burst(what, &mut seq);
                if input.write_all(&burst).is_err() {
                    return signalled_at.map(|at| written - at);
                }
                written += burst.len();
                if let (Some((pid, signal)), None) = (signal, signalled_at)
                    && written > FLOOD_BYTES
                {
                    signalled_at = Some(written);
                    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
                    kill_process(pid, signal).unwrap();
                }
            }
        });
        Flood { proxy, writer, reader }
    }

    /// Waits for the proxy's end; its exit code, and the bytes that were written after the signal.
    fn wait(mut self) -> (Option<i32>, Option<usize>) {
        let status = self.proxy.exit();
        self.reader.join().unwrap();
        (status.code(), self.writer.join().unwrap())
    }
}

/// Reads a proxy's output to its end, and notes what is acknowledged.
fn follow(
    mut output: impl Read + Send + 'static,
    mut heard: Decoder,
    acknowledged: Arc<AtomicU64>,
) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut chunk = vec![0; READ_BYTES];
        loop {
            while let Ok(Some(frame)) = heard.next_frame() {
                if let Frame::Ack(seq) = frame {
                    acknowledged.store(seq, Ordering::Relaxed);
                }
            }
            match output.read(&mut chunk) {
                Ok(count @ 1..) => heard.push(&chunk[..count]),
                Ok(0) | Err(_) => return,
            }
        }
    })
}

fn burst(what: &str, seq: &mut Seq) -> BytesMut {
    let mut burst = BytesMut::new();
    for _ in 0..4096 {
        *seq += 1;
        let frame = match what {
            "pings" => Frame::Ping(*seq),
            "acks" => Frame::Ack(0),
            "empty-data" => Frame::Data { channel: Channel::Input, seq: *seq, payload: bytes::Bytes::new() },
            other => panic!("{other} is no flood"),
        };
        encode(&frame, &mut burst);
    }
    burst
}

const FLOODS: [&str; 3] = ["pings", "acks", "empty-data"];

/// A proxy that is attached, and carries the bytes itself or not.
fn attached(place: &Place, relays: bool) -> Proxy {
    let mut command = place.command(&["proxy", "--identifier", "w", "--", "cat"]);
    if relays {
        command.env("REATTACH_RELAY", "1");
    }
    let mut proxy = Proxy::start(command);
    proxy.hello();
    proxy
}

#[test]
fn a_server_is_stopped_whatever_its_client_sends() {
    for relays in [false, true] {
        for what in FLOODS {
            let place = Place::new();
            let proxy = attached(&place, relays);
            let server = place.server_pid("w").unwrap();
            let flood = Flood::begin(proxy, what, Some((server, Signal::TERM)));
            let (code, bytes) = flood.wait();
            assert_eq!(code, Some(EXIT_NOT_RUNNING), "{what}");
            wait_until("the server has ended", || !lives(server));
            assert_eq!(place.status("w")["reason"], "stopped", "{what}");
            println!("{what}, relayed: {relays}: {} KiB after the signal", bytes.unwrap() >> 10);
            assert!(bytes.unwrap() <= BYTES_MAX, "{what}, relayed: {relays}: {bytes:?} bytes");
        }
    }
}

#[test]
fn stop_needs_no_force_whatever_a_client_sends() {
    for what in FLOODS {
        let place = Place::new();
        let flood = Flood::begin(attached(&place, false), what, None);
        let clock = Clock::new();
        assert!(place.run(&["stop", "w"]).status.success());
        let took = clock.now().since(Time::ZERO);
        println!("{what}: stopped after {took:?}");
        assert!(took < STOP_GRACE, "{what}: it was killed at last");
        assert_eq!(flood.wait().0, Some(EXIT_NOT_RUNNING), "{what}");
    }
}

#[test]
fn a_proxy_that_relays_a_flood_is_ended_by_a_signal() {
    let place = Place::new();
    let proxy = attached(&place, true);
    let pid = proxy.pid();
    let (code, bytes) = Flood::begin(proxy, "pings", Some((pid, Signal::TERM))).wait();
    assert_eq!(code, None, "a signal has ended it");
    assert!(bytes.unwrap() <= BYTES_MAX, "{bytes:?} bytes");
    assert!(attached_again(&place), "the server minds nothing of it");
}

/// Whether a proxy finds the server.
fn attached_again(place: &Place) -> bool {
    place.proxy(&["--identifier", "w", "--reconnect"]).is_attached()
}
