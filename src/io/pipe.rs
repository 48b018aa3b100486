//! How much a pipe holds: what it held when it came to us, and more while there is bulk; and what
//! does a pipe's work better.
//!
//! Who reads a pipe gives back what it widened when the bulk is over and nothing has come for a while.
//! Who writes one cannot tell when that is, and leaves it wide.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use crate::proto::limits::PIPE_BYTES;

/// An end to read from and an end to write to, for a child that takes sockets where it expects
/// pipes: what they carry costs a third of the time (Linux 6.18, 256 KiB a call: 120 to 170 ms a GiB on
/// either side, against 390 to 400 through a pipe), because it is not handed over page by page.
///
/// # Errors
///
/// Those of the system.
pub fn of_sockets() -> io::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = UnixStream::pair()?;
    // A refusal costs speed only.
    let _ = rustix::net::sockopt::set_socket_recv_buffer_size(&reader, PIPE_BYTES);
    let _ = rustix::net::sockopt::set_socket_send_buffer_size(&writer, PIPE_BYTES);
    Ok((reader.into(), writer.into()))
}

/// Asks for a large buffer, and says what the pipe held before if it was less. A refusal costs
/// speed only, and so do systems that cannot be asked.
pub fn widen(fd: impl AsFd) -> Option<usize> {
    #[cfg(target_os = "linux")]
    {
        let before = rustix::pipe::fcntl_getpipe_size(&fd).ok()?;
        if before >= PIPE_BYTES {
            return None;
        }
        // In two steps: kernels from 5.8 to 6.7 that lack a fix (CVE-2023-52672) wake a writer before it
        // has the room that it waits for, and never again. The second step's call finds that of the first.
        let widen = |bytes| rustix::pipe::fcntl_setpipe_size(&fd, bytes);
        widen(PIPE_BYTES / 2).and_then(|_| widen(PIPE_BYTES)).ok()?;
        Some(before)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (fd, PIPE_BYTES);
        None
    }
}

/// Asks a pipe that nobody has written to yet to hold no more than that. A refusal, and a system that
/// cannot be asked, leave it as it is.
pub fn start_narrow(fd: impl AsFd, bytes: usize) {
    #[cfg(target_os = "linux")]
    let _ = rustix::pipe::fcntl_setpipe_size(&fd, bytes);
    #[cfg(not(target_os = "linux"))]
    let _ = (fd, bytes);
}

/// Gives back what [`widen`] took, if it is still as that left it and is not needed; false if it holds too
/// much for that.
pub fn narrow(fd: impl AsFd, before: usize) -> bool {
    #[cfg(target_os = "linux")]
    if rustix::pipe::fcntl_getpipe_size(&fd) == Ok(PIPE_BYTES) {
        return rustix::pipe::fcntl_setpipe_size(&fd, before).is_ok();
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (fd, before);
    true
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::pipe::{fcntl_getpipe_size, fcntl_setpipe_size};

    use super::*;
    use crate::proto::limits::READ_BYTES;

    #[test]
    fn what_somebody_else_has_set_stays() {
        let (reader, _writer) = rustix::pipe::pipe().unwrap();
        let before = widen(&reader).unwrap();
        assert_eq!(widen(&reader), None, "it is wide");
        fcntl_setpipe_size(&reader, 2 * before).unwrap();
        assert!(narrow(&reader, before));
        assert_eq!(fcntl_getpipe_size(&reader), Ok(2 * before));
    }

    #[test]
    fn a_pipe_that_holds_much_stays_wide_and_loses_nothing() {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let before = widen(&reader).unwrap();
        let bytes = vec![7; PIPE_BYTES];
        assert_eq!(rustix::io::write(&writer, &bytes), Ok(PIPE_BYTES));
        assert!(!narrow(&reader, before));
        assert_eq!(fcntl_getpipe_size(&reader), Ok(PIPE_BYTES));
        let mut back = vec![0; PIPE_BYTES];
        assert_eq!(rustix::io::read(&reader, &mut back[..]), Ok(PIPE_BYTES));
        assert!(back == bytes);
    }

    #[test]
    fn sockets_in_place_of_a_pipe_hold_what_is_read_at_once_and_come_to_an_end() {
        let (reader, writer) = of_sockets().unwrap();
        rustix::io::ioctl_fionbio(&writer, true).unwrap();
        let held = rustix::io::write(&writer, &vec![7; 2 * PIPE_BYTES]).unwrap();
        assert!(held >= READ_BYTES / 2, "{held}");
        drop(writer);
        let mut came = 0;
        loop {
            match rustix::io::read(&reader, &mut vec![0; PIPE_BYTES][..]).unwrap() {
                0 => break,
                count => came += count,
            }
        }
        assert_eq!(came, held);
    }

    #[test]
    fn what_is_no_pipe_is_left_alone() {
        let (socket, _other) = of_sockets().unwrap();
        assert_eq!(widen(&socket), None);
        assert!(narrow(&socket, 1));
    }
}
