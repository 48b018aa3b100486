//! The proxy takes itself out of the way: the server reads and writes the proxy's own standard
//! streams, and the proxy waits for the end.
//!
//! A process less on the way of every keystroke. The streams stay open here as well, so whoever
//! is at their other ends sees their end only when both of us have let go; which side has ended
//! is therefore asked of the streams themselves. The server notices the end of this process by its
//! connection, as this process does the server's.
//!
//! Streams that cannot be waited for, and servers that do not take them, are left to the
//! [`relay`](super::relay).

use std::io;
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::RecvFlags;

use super::attach::{Attached, Loan};
use crate::io::clock::Clock;
use crate::io::mode::Kept;
use crate::proto::PREAMBLE;
use crate::proto::limits::{FAREWELL_TIMEOUT, RELAY_GRACE};
use crate::session::Time;
use crate::session::launch::Side;

/// What a server says first, and here only, to a proxy whose streams it uses from then on. To any
/// other proxy the preamble comes first.
pub const TAKEN: u8 = 1;

const _: () = assert!(TAKEN != PREAMBLE[0]);

/// What became of a loan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The server uses its connections instead: they are to be relayed.
    Declined,
    /// It was used until this side ended.
    Ended(Side),
}

/// Lends the streams to the server that was attached to, and waits until that declines, or a side
/// ends.
///
/// The end of the client's side is the server's to act on; one that does not within some seconds
/// is left behind. Nothing wakes us up meanwhile, however much passes.
///
/// # Errors
///
/// If the system refuses to say what has ended, or the streams are closed.
pub fn hand_over(loan: Loan<'_>, server: &Attached) -> io::Result<Outcome> {
    // Remembered here as well: the server changes them, and may die before it can give them back.
    let _modes = [Kept::of(loan.input)?, Kept::of(loan.output)?];
    match server.introduce(Some(loan)) {
        Ok(()) => wait(loan, &server.from_server),
        Err(_) => Ok(Outcome::Ended(Side::Server)),
    }
}

fn wait(loan: Loan<'_>, server: &UnixStream) -> io::Result<Outcome> {
    let clock = Clock::new();
    let mut is_taken = false;
    let mut until: Option<Time> = None;
    loop {
        let timeout = match until.map(|until| until.since(clock.now())) {
            Some(left) if left.is_zero() => return Ok(Outcome::Ended(Side::Client)),
            left => left.and_then(|left| Timespec::try_from(left).ok()),
        };
        let mut fds = vec![PollFd::new(server, PollFlags::IN)];
        if until.is_none() {
            fds.extend(ends(loan));
        }
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(errno.into()),
        }
        match fds[1..].iter().map(|fd| !fd.revents().is_empty()).collect::<Vec<_>>()[..] {
            // Nobody reads, which the server need not find out; but there may have been a goodbye.
            [_, true] if !loan.is_near => until = Some(clock.now() + FAREWELL_TIMEOUT),
            // The server finds out what that means, and for that nothing else may end.
            [_, true] | [true, _] => until = Some(clock.now() + RELAY_GRACE),
            _ => {}
        }
        if fds[0].revents().is_empty() {
            continue;
        }
        match word(server) {
            Word::Taken if !is_taken => is_taken = true,
            Word::Other if !is_taken => return Ok(Outcome::Declined),
            Word::None => {}
            Word::End | Word::Taken | Word::Other => {
                let is_clients = until.is_some() || has_ended(loan)?;
                return Ok(Outcome::Ended(if is_clients { Side::Client } else { Side::Server }));
            }
        }
    }
}

/// What the server has said on its connection.
enum Word {
    None,
    Taken,
    /// Left where it is.
    Other,
    End,
}

fn word(server: &UnixStream) -> Word {
    let mut first = [0];
    match rustix::net::recv(server, &mut first, RecvFlags::PEEK | RecvFlags::DONTWAIT) {
        Err(Errno::AGAIN | Errno::INTR) => Word::None,
        Ok((_, 0)) | Err(_) => Word::End,
        Ok(_) if first != [TAKEN] => Word::Other,
        Ok(_) => {
            let _ = rustix::net::recv(server, &mut first, RecvFlags::DONTWAIT);
            Word::Taken
        }
    }
}

/// What to ask about the streams: nothing but their ends, which are also told unasked.
fn ends(loan: Loan<'_>) -> [PollFd<'_>; 2] {
    [
        PollFd::from_borrowed_fd(loan.input, HALF_CLOSED),
        PollFd::from_borrowed_fd(loan.output, PollFlags::empty()),
    ]
}

/// A socket may also be closed in one direction only.
#[cfg(target_os = "linux")]
const HALF_CLOSED: PollFlags = PollFlags::RDHUP;
#[cfg(not(target_os = "linux"))]
const HALF_CLOSED: PollFlags = PollFlags::empty();

fn has_ended(loan: Loan<'_>) -> io::Result<bool> {
    let mut fds = ends(loan);
    rustix::io::retry_on_intr(|| poll(&mut fds, Some(&Timespec::default())))?;
    Ok(fds.iter().any(|fd| !fd.revents().is_empty()))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::{AsFd, OwnedFd};
    use std::thread::JoinHandle;

    use super::*;

    /// A proxy that waits on a thread, and everybody's ends of it.
    struct Rig {
        input: Option<OwnedFd>,
        output: Option<OwnedFd>,
        server: UnixStream,
        proxy: JoinHandle<Outcome>,
    }

    fn rig() -> Rig {
        let (stdin, input) = rustix::pipe::pipe().unwrap();
        let (output, stdout) = rustix::pipe::pipe().unwrap();
        let (connection, server) = UnixStream::pair().unwrap();
        let proxy = std::thread::spawn(move || {
            let loan = Loan { input: stdin.as_fd(), output: stdout.as_fd(), is_near: false };
            wait(loan, &connection).unwrap()
        });
        Rig { input: Some(input), output: Some(output), server, proxy }
    }

    #[test]
    fn a_server_that_speaks_on_its_connection_wants_a_relay() {
        let Rig { input, output, mut server, proxy } = rig();
        server.write_all(PREAMBLE).unwrap();
        assert_eq!(proxy.join().unwrap(), Outcome::Declined);
        drop((input, output));
    }

    #[test]
    fn the_servers_end_is_its_own_unless_the_client_was_first() {
        for is_taken in [false, true] {
            for (ends_input, ends_output) in [(false, false), (true, false), (false, true), (true, true)] {
                let Rig { mut input, mut output, mut server, proxy } = rig();
                if is_taken {
                    server.write_all(&[TAKEN]).unwrap();
                }
                drop((input.take_if(|_| ends_input), output.take_if(|_| ends_output)));
                drop(server);
                let side = if ends_input || ends_output { Side::Client } else { Side::Server };
                assert_eq!(proxy.join().unwrap(), Outcome::Ended(side), "{ends_input} {ends_output}");
            }
        }
    }

    #[test]
    fn a_client_that_no_longer_reads_is_not_waited_for() {
        let Rig { input, output, server, proxy } = rig();
        let clock = Clock::new();
        drop(output);
        assert_eq!(proxy.join().unwrap(), Outcome::Ended(Side::Client));
        assert!(clock.now() < Time(0) + RELAY_GRACE, "as long as for one that has said all");
        drop((input, server));
    }

    #[test]
    fn a_server_that_says_more_than_it_may_is_left() {
        let Rig { input, output, mut server, proxy } = rig();
        server.write_all(&[TAKEN, TAKEN]).unwrap();
        assert_eq!(proxy.join().unwrap(), Outcome::Ended(Side::Server));
        drop((input, output));
    }
}
