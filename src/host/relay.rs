//! The relay: standard input to one socket, the other socket to standard output, until a side ends.
//!
//! One thread that asks which of the four descriptors is ready: three system calls a hop, and
//! nothing else that could wake up. The directions never wait for each other. What the bytes mean
//! is nobody's business here.
//!
//! What follows from an end is left to the launch machine.

use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::attach::Attached;
use super::flow::{Flow, Moved};
use crate::io::clock::Clock;
use crate::io::mode::Kept;
use crate::io::pipe::widen;
use crate::proto::limits::{FAREWELL_TIMEOUT, PIPE_BYTES, RELAY_GRACE};
use crate::session::Time;
use crate::session::launch::Side;

/// Carries bytes until a side ends, and says which.
///
/// The end of the client's input is passed on, and the server is given some seconds to end its
/// side; the end of the server's side ends the relay at once, as soon as the client has taken
/// what came before it. That nobody reads the output ends the relay, too; where the client `is_near`, with
/// nothing between that could end alone, only when there is something to write, as it would over a link.
///
/// # Errors
///
/// If the system refuses to say what is ready.
pub fn relay(
    input: BorrowedFd<'_>,
    output: BorrowedFd<'_>,
    server: &Attached,
    is_near: bool,
) -> io::Result<Side> {
    let modes = [Kept::of(input)?, Kept::of(output)?];
    for mode in &modes {
        mode.set_nonblocking()?;
    }
    for pipe in [input, output] {
        widen(pipe);
    }
    for socket in [&server.to_server, &server.from_server] {
        socket.set_nonblocking(true)?;
        // A refusal costs speed only.
        let _ = rustix::net::sockopt::set_socket_send_buffer_size(socket, PIPE_BYTES);
        let _ = rustix::net::sockopt::set_socket_recv_buffer_size(socket, PIPE_BYTES);
    }
    let down = Flow::new(server.from_server.as_fd(), output);
    let mut relay = Relay {
        up: Flow::new(input, server.to_server.as_fd()),
        down: if is_near { down.patient() } else { down },
        to_server: &server.to_server,
        clock: Clock::new(),
        ending: None,
    };
    loop {
        if let Some(side) = relay.step()? {
            return Ok(side);
        }
    }
}

struct Relay<'fd> {
    up: Flow<'fd>,
    down: Flow<'fd>,
    to_server: &'fd UnixStream,
    clock: Clock,
    /// The side that has ended, and until when the rest may take.
    ending: Option<(Side, Time)>,
}

impl Relay<'_> {
    /// Waits for what is ready and moves it; says which side has ended once that is over.
    fn step(&mut self) -> io::Result<Option<Side>> {
        let timeout = match self.ending {
            None => None,
            Some((side, until)) => match until.since(self.clock.now()) {
                left if left.is_zero() => return Ok(Some(side)),
                left => Timespec::try_from(left).ok(),
            },
        };
        let asked =
            [self.up.source_asked(), self.up.sink_asked(), self.down.source_asked(), self.down.sink_asked()];
        let mut fds: Vec<PollFd<'_>> = asked.iter().flatten().cloned().collect();
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(None),
            Err(errno) => return Err(errno.into()),
        }
        let mut answers = fds.iter().map(PollFd::revents);
        let [up_source, up_sink, down_source, down_sink] =
            asked.map(|asked| asked.and_then(|_| answers.next()).unwrap_or(PollFlags::empty()));
        self.step_up(up_source, up_sink);
        Ok(self.step_down(down_source, down_sink))
    }

    /// Towards the client; says which side has ended once nothing is left to do.
    fn step_down(&mut self, source: PollFlags, sink: PollFlags) -> Option<Side> {
        match self.down.advance(source, sink) {
            Moved::Some if self.down.is_open || self.up.is_open => return None,
            Moved::Some => {}
            Moved::SourceEnded => {
                return Some(self.ending.map_or(Side::Server, |(first, _)| first));
            }
            Moved::SinkEnded => {
                self.down.is_open = false;
                if self.up.is_open {
                    // Who closes both ends may have said goodbye first, and that is still to come.
                    self.ending = Some((Side::Client, self.clock.now() + FAREWELL_TIMEOUT));
                    return None;
                }
            }
        }
        Some(self.ending.map_or(Side::Client, |(first, _)| first))
    }

    /// Towards the server.
    fn step_up(&mut self, source: PollFlags, sink: PollFlags) {
        match self.up.advance(source, sink) {
            Moved::Some => {}
            Moved::SourceEnded => {
                let _ = self.to_server.shutdown(Shutdown::Write);
                self.end(Side::Client);
            }
            Moved::SinkEnded => self.end(Side::Server),
        }
    }

    /// The first end that is seen is the one that is told.
    fn end(&mut self, side: Side) {
        self.up.is_open = false;
        let until = self.clock.now() + RELAY_GRACE;
        self.ending.get_or_insert((side, until));
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::fd::OwnedFd;
    use std::thread::JoinHandle;

    use rustix::fs::{OFlags, fcntl_getfl};

    use super::*;

    /// A relay on a thread, and everybody's ends of it.
    struct Rig {
        /// The client's input and output.
        input: Option<std::fs::File>,
        output: Option<std::fs::File>,
        /// The server's ends.
        from_client: UnixStream,
        to_client: Option<UnixStream>,
        relay: JoinHandle<(Side, bool)>,
    }

    fn rig() -> Rig {
        let (stdin, input) = rustix::pipe::pipe().unwrap();
        let (output, stdout) = rustix::pipe::pipe().unwrap();
        let (to_server, from_client) = UnixStream::pair().unwrap();
        let (from_server, to_client) = UnixStream::pair().unwrap();
        let relay = std::thread::spawn(move || {
            let attached = Attached { to_server, from_server, instance: None, token: [0; 16] };
            let side = relay(stdin.as_fd(), stdout.as_fd(), &attached, false).unwrap();
            let blocking = |fd: &OwnedFd| !fcntl_getfl(fd).unwrap().contains(OFlags::NONBLOCK);
            (side, blocking(&stdin) && blocking(&stdout))
        });
        Rig {
            input: Some(input.into()),
            output: Some(output.into()),
            from_client,
            to_client: Some(to_client),
            relay,
        }
    }

    #[test]
    fn carries_both_ways_at_once_far_beyond_every_buffer() {
        let Rig { mut input, mut output, mut from_client, mut to_client, relay } = rig();
        let sent: Vec<u8> = (0..8_000_000u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
        let (mut up, mut down) = (Vec::new(), Vec::new());
        std::thread::scope(|scope| {
            scope.spawn(|| input.take().unwrap().write_all(&sent).unwrap());
            scope.spawn(|| to_client.as_mut().unwrap().write_all(&sent).unwrap());
            scope.spawn(|| {
                from_client.read_to_end(&mut up).unwrap();
                // The client's end was passed on; ours ends the relay, long before the grace.
                drop(to_client_end(&from_client));
            });
            let mut buffer = vec![0; sent.len()];
            output.as_mut().unwrap().read_exact(&mut buffer).unwrap();
            down = buffer;
        });
        drop(to_client);
        assert!(up == sent && down == sent);
        assert_eq!(relay.join().unwrap(), (Side::Client, true));
    }

    fn to_client_end(stream: &UnixStream) -> io::Result<()> {
        stream.shutdown(Shutdown::Both)
    }

    #[test]
    fn the_servers_end_ends_it_at_once_though_the_input_stays_open() {
        let Rig { input, mut output, from_client, mut to_client, relay } = rig();
        to_client.as_mut().unwrap().write_all(b"last words").unwrap();
        drop((to_client, from_client));
        assert_eq!(relay.join().unwrap(), (Side::Server, true));
        let mut heard = String::new();
        output.as_mut().unwrap().read_to_string(&mut heard).unwrap();
        assert_eq!(heard, "last words");
        drop(input);
    }

    #[test]
    fn a_client_that_closes_its_output_has_ended() {
        let Rig { input, output, from_client, to_client, relay } = rig();
        drop(output);
        assert_eq!(relay.join().unwrap(), (Side::Client, true));
        drop((input, from_client, to_client));
    }

    #[test]
    fn what_a_client_says_before_it_closes_both_ends_reaches_the_server() {
        for _ in 0..200 {
            let Rig { input, output, mut from_client, to_client, relay } = rig();
            let mut server = to_client.unwrap();
            // A flood, so that the closed output is found by a write at any moment.
            let flood = std::thread::spawn(move || while server.write_all(&[7; 65536]).is_ok() {});
            let (mut input, mut output) = (input.unwrap(), output.unwrap());
            output.read_exact(&mut [0; 65536]).unwrap();
            input.write_all(b"goodbye").unwrap();
            drop((input, output));
            let mut heard = String::new();
            from_client.read_to_string(&mut heard).unwrap();
            assert_eq!(heard, "goodbye");
            assert_eq!(relay.join().unwrap(), (Side::Client, true));
            flood.join().unwrap();
        }
    }

    #[test]
    fn a_server_that_died_is_noticed_behind_a_client_that_does_not_read() {
        let Rig { input, mut output, from_client, mut to_client, relay } = rig();
        let mut server = to_client.take().unwrap();
        server.set_nonblocking(true).unwrap();
        // Until every buffer on the way is full, twice, so that the relay is stuck for sure.
        let mut sent = 0;
        for _ in 0..2 {
            while let Ok(count) = server.write(&[7; 65536]) {
                sent += count;
            }
            std::thread::yield_now();
        }
        drop((server, from_client));
        // It comes back to take what there is, and that is the end.
        let mut heard = Vec::new();
        output.as_mut().unwrap().read_to_end(&mut heard).unwrap();
        assert_eq!(relay.join().unwrap(), (Side::Server, true));
        assert_eq!(heard.len(), sent);
        drop(input);
    }
}
