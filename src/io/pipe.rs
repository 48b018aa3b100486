//! How much a pipe holds: what it held when it came to us, and more while there is bulk.
//!
//! Who reads a pipe gives back what it widened when the bulk is over. Who writes one cannot tell when
//! that is, and leaves it wide.

use std::os::fd::AsFd;

use crate::proto::limits::PIPE_BYTES;

/// Asks for a large buffer, and says what the pipe held before if it was less. A refusal costs
/// speed only, and so do systems that cannot be asked.
pub fn widen(fd: impl AsFd) -> Option<usize> {
    #[cfg(target_os = "linux")]
    {
        let before = rustix::pipe::fcntl_getpipe_size(&fd).ok()?;
        let is_wider = before < PIPE_BYTES && rustix::pipe::fcntl_setpipe_size(&fd, PIPE_BYTES).is_ok();
        is_wider.then_some(before)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (fd, PIPE_BYTES);
        None
    }
}

/// Gives back what [`widen`] took, if it is still as that left it and is not needed.
pub fn narrow(fd: impl AsFd, before: usize) {
    #[cfg(target_os = "linux")]
    if rustix::pipe::fcntl_getpipe_size(&fd) == Ok(PIPE_BYTES) {
        let _ = rustix::pipe::fcntl_setpipe_size(&fd, before);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (fd, before);
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::pipe::{fcntl_getpipe_size, fcntl_setpipe_size};

    use super::*;

    #[test]
    fn what_somebody_else_has_set_stays() {
        let (reader, _writer) = rustix::pipe::pipe().unwrap();
        let before = widen(&reader).unwrap();
        assert_eq!(widen(&reader), None, "it is wide");
        fcntl_setpipe_size(&reader, 2 * before).unwrap();
        narrow(&reader, before);
        assert_eq!(fcntl_getpipe_size(&reader), Ok(2 * before));
    }

    #[test]
    fn a_pipe_that_holds_much_stays_wide_and_loses_nothing() {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let before = widen(&reader).unwrap();
        let bytes = vec![7; PIPE_BYTES];
        assert_eq!(rustix::io::write(&writer, &bytes), Ok(PIPE_BYTES));
        narrow(&reader, before);
        assert_eq!(fcntl_getpipe_size(&reader), Ok(PIPE_BYTES));
        let mut back = vec![0; PIPE_BYTES];
        assert_eq!(rustix::io::read(&reader, &mut back[..]), Ok(PIPE_BYTES));
        assert!(back == bytes);
    }

    #[test]
    fn what_is_no_pipe_is_left_alone() {
        let (socket, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        assert_eq!(widen(&socket), None);
        narrow(&socket, 1);
    }
}
