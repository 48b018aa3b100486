//! A wire that carries so many bytes a second, each way, and takes its time: a process of its own, because it
//! stands where ssh does, or below it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use reattach::io::clock::Clock;

/// What it is like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wire {
    /// Bytes a second, each way.
    pub(crate) rate: u64,
    /// From one end to the other.
    pub(crate) delay: Duration,
}

impl Wire {
    /// As words of a command line, and what [`Wire::serve`] reads.
    pub(crate) fn words(self) -> [String; 2] {
        [self.rate.to_string(), self.delay.as_millis().to_string()]
    }

    /// Carries this process's standard streams to and from an address (`tcp ADDRESS`) or a command, and gives
    /// the exit code of that.
    pub(crate) fn serve(words: &[String]) -> i32 {
        let [rate, delay, far @ ..] = words else { panic!("a rate, a delay and a far end are needed") };
        let delay = Duration::from_millis(delay.parse().expect("milliseconds"));
        let wire = Wire { rate: rate.parse().expect("bytes a second"), delay };
        match far {
            [tcp, address] if tcp == "tcp" => {
                let stream = TcpStream::connect(address).expect("somebody listens there");
                stream.set_nodelay(true).expect("a socket's option");
                let near = stream.try_clone().expect("a descriptor");
                std::thread::spawn(move || {
                    wire.carry(std::io::stdin(), &near);
                    near.shutdown(std::net::Shutdown::Write)
                });
                wire.carry(stream, std::io::stdout());
                0
            }
            [program, arguments @ ..] => {
                let mut child = Command::new(program)
                    .args(arguments)
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .spawn()
                    .expect("the command is there");
                let (input, output) = (child.stdin.take(), child.stdout.take());
                std::thread::spawn(move || wire.carry(std::io::stdin(), input.expect("it was piped")));
                wire.carry(output.expect("it was piped"), std::io::stdout());
                child.wait().expect("it is our child").code().unwrap_or(255)
            }
            [] => panic!("a far end is needed"),
        }
    }

    /// One way, until its end. What is on the wire is bounded by its rate only: it has no buffers that fill.
    fn carry(self, mut from: impl Read, mut to: impl Write + Send) {
        let clock = Clock::new();
        let (send, on_the_wire) = mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for (arrives, bytes) in on_the_wire {
                    sleep_until(&clock, arrives);
                    let bytes: Vec<u8> = bytes;
                    if to.write_all(&bytes).and_then(|()| to.flush()).is_err() {
                        break;
                    }
                }
            });
            // Some hundred pieces a second, so that none is long on its way.
            let mut piece = vec![0; usize::try_from(self.rate / 200).expect("small").clamp(64, 64 << 10)];
            let mut free_at = clock.now();
            while let Ok(count @ 1..) = from.read(&mut piece) {
                let takes = Duration::from_micros(count as u64 * 1_000_000 / self.rate);
                free_at = free_at.max(clock.now()) + takes;
                sleep_until(&clock, free_at);
                if send.send((free_at + self.delay, piece[..count].to_vec())).is_err() {
                    break;
                }
            }
            drop(send);
        });
    }
}

fn sleep_until(clock: &Clock, until: reattach::session::Time) {
    let left = until.since(clock.now());
    if !left.is_zero() {
        smol::block_on(smol::Timer::after(left));
    }
}
