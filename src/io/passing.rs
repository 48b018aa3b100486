//! A descriptor that travels along with bytes over a unix socket.
//!
//! Whose it is, and what is done with it, is left to the host.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};

/// Writes bytes, and a descriptor along with the first of them.
///
/// # Errors
///
/// Those of the system call; interrupted calls are repeated.
pub fn send(socket: impl AsFd, bytes: &[u8], passed: Option<BorrowedFd<'_>>) -> rustix::io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut along = SendAncillaryBuffer::new(&mut space);
    if let Some(fd) = &passed {
        let has_room = along.push(SendAncillaryMessage::ScmRights(std::slice::from_ref(fd)));
        debug_assert!(has_room, "the space is for one");
    }
    rustix::io::retry_on_intr(|| sendmsg(&socket, &[IoSlice::new(bytes)], &mut along, SendFlags::empty()))
}

/// Reads bytes, and the descriptor that came along, if one did. Zero bytes mean the end.
///
/// The kernel keeps what there is no room for here, and closes it: no sender can give us more.
///
/// # Errors
///
/// Those of the system call; interrupted calls are repeated.
pub fn receive(socket: impl AsFd, buffer: &mut [u8]) -> rustix::io::Result<(usize, Option<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut along = RecvAncillaryBuffer::new(&mut space);
    let read =
        rustix::io::retry_on_intr(|| recvmsg(&socket, &mut [IoSliceMut::new(buffer)], &mut along, FLAGS))?;
    let mut passed = along.drain().flat_map(|message| match message {
        RecvAncillaryMessage::ScmRights(fds) => Some(fds),
        _ => None,
    });
    let first = passed.next().and_then(|mut fds| fds.next());
    // Alignment may have left room for a second one.
    passed.for_each(drop);
    #[cfg(not(target_os = "linux"))]
    if let Some(fd) = &first {
        rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::CLOEXEC)?;
    }
    Ok((read.bytes, first))
}

/// No child that is started meanwhile may inherit it.
#[cfg(target_os = "linux")]
const FLAGS: RecvFlags = RecvFlags::CMSG_CLOEXEC;
#[cfg(not(target_os = "linux"))]
const FLAGS: RecvFlags = RecvFlags::empty();

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use rustix::io::{FdFlags, fcntl_getfd};

    use super::*;

    #[test]
    fn a_descriptor_arrives_with_its_bytes_and_stays_ours() {
        let (one, other) = UnixStream::pair().unwrap();
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        assert_eq!(send(&one, b"take this", Some(writer.as_fd())).unwrap(), 9);
        drop(writer);
        let mut buffer = [0; 16];
        let (count, passed) = receive(&other, &mut buffer).unwrap();
        let passed = passed.unwrap();
        assert_eq!(&buffer[..count], b"take this");
        assert!(fcntl_getfd(&passed).unwrap().contains(FdFlags::CLOEXEC));
        rustix::io::write(&passed, b"word").unwrap();
        drop(passed);
        let mut word = [0; 8];
        assert_eq!(rustix::io::read(&reader, &mut word[..]).unwrap(), 4);
        assert_eq!(rustix::io::read(&reader, &mut word[..]).unwrap(), 0, "somebody else has it");
    }

    #[test]
    fn bytes_alone_bring_none_and_the_end_is_an_end() {
        let (one, other) = UnixStream::pair().unwrap();
        send(&one, b"only words", None).unwrap();
        drop(one);
        let mut buffer = [0; 16];
        let (count, passed) = receive(&other, &mut buffer).unwrap();
        assert!(count == 10 && passed.is_none());
        let (count, passed) = receive(&other, &mut buffer).unwrap();
        assert!(count == 0 && passed.is_none());
    }

    #[test]
    fn more_than_one_is_closed() {
        let (one, other) = UnixStream::pair().unwrap();
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let three = [writer.as_fd(); 3];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
        let mut along = SendAncillaryBuffer::new(&mut space);
        assert!(along.push(SendAncillaryMessage::ScmRights(&three)));
        sendmsg(&one, &[IoSlice::new(b"!")], &mut along, SendFlags::empty()).unwrap();
        drop((along, one));
        let (_, passed) = receive(&other, &mut [0; 16]).unwrap();
        drop((passed.unwrap(), writer));
        assert_eq!(rustix::io::read(&reader, &mut [0; 8]).unwrap(), 0, "one was kept");
    }
}
