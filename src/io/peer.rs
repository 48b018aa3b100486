//! Who is at the other end of a unix socket.
//!
//! The private directories keep strangers out; this makes sure. Which directory that is, is left
//! to the host.

use std::io;
use std::os::fd::AsFd;

use rustix::net::{SocketAddrAny, SocketAddrUnix};

/// The user at the other end.
///
/// # Errors
///
/// If the system cannot tell.
pub fn peer_uid(socket: impl AsFd) -> io::Result<u32> {
    #[cfg(target_os = "linux")]
    return Ok(credentials(socket)?.uid);
    #[cfg(not(target_os = "linux"))]
    path_uid(socket)
}

/// The process at the other end: of a listener's, that which listened. `None` if it has no number here.
///
/// # Errors
///
/// If the system cannot tell.
#[cfg(target_os = "linux")]
pub fn peer_pid(socket: impl AsFd) -> io::Result<Option<u32>> {
    let number = credentials(socket)?.pid;
    Ok(u32::try_from(number).ok().filter(|number| *number > 0))
}

/// Not through rustix, whose numbers of processes are never zero: that of one in another container is.
#[cfg(target_os = "linux")]
fn credentials(socket: impl AsFd) -> io::Result<libc::ucred> {
    use std::os::fd::AsRawFd;
    let mut credentials = libc::ucred { pid: 0, uid: u32::MAX, gid: u32::MAX };
    let mut bytes = libc::socklen_t::try_from(size_of::<libc::ucred>()).expect("a few numbers");
    // SAFETY: the descriptor is open as long as the socket is borrowed; the kernel writes no more than
    // that many bytes to where plain numbers are, of which any is one.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut credentials).cast(),
            &raw mut bytes,
        )
    };
    if result == 0 { Ok(credentials) } else { Err(io::Error::last_os_error()) }
}

/// Refuses another user's process at the other end.
///
/// # Errors
///
/// [`io::ErrorKind::PermissionDenied`], with a sentence that names both users.
pub fn check_own(socket: impl AsFd) -> io::Result<()> {
    let own = rustix::process::geteuid().as_raw();
    match peer_uid(socket)? {
        peer if peer == own => Ok(()),
        peer => {
            let why = format!("the process at the other end of the socket belongs to user {peer}, not {own}");
            Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
        }
    }
}

/// The closest that systems without credentials on sockets have: the owner of the path that the
/// connection goes through. Only that user, in whose private directory it is, can have bound it
/// or reached it.
#[cfg_attr(all(target_os = "linux", not(test)), expect(dead_code, reason = "the fallback of other systems"))]
fn path_uid(socket: impl AsFd) -> io::Result<u32> {
    // One end of a connection is bound to the path: ours if we accepted it, else the other.
    let peer = rustix::net::getpeername(&socket)?;
    let own = rustix::net::getsockname(&socket)?;
    let bound = [peer, Some(own)].into_iter().flatten().find_map(|address: SocketAddrAny| {
        let address = SocketAddrUnix::try_from(address).ok()?;
        address.path().map(|path| path.into_owned()).filter(|path| !path.is_empty())
    });
    let path = bound.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the socket has no path"))?;
    Ok(rustix::fs::lstat(&path)?.st_uid)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;

    #[test]
    fn both_ends_belong_to_us_by_either_means() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let client = UnixStream::connect(&path).unwrap();
        let (server, _) = listener.accept().unwrap();
        let own = rustix::process::geteuid().as_raw();
        for end in [&client, &server] {
            assert_eq!(peer_uid(end).unwrap(), own);
            assert_eq!(path_uid(end).unwrap(), own);
            check_own(end).unwrap();
            #[cfg(target_os = "linux")]
            assert_eq!(peer_pid(end).unwrap(), Some(std::process::id()));
        }
    }

    #[test]
    fn a_socket_without_a_path_has_no_owner_to_fall_back_to() {
        let (one, _other) = UnixStream::pair().unwrap();
        assert_eq!(path_uid(&one).unwrap_err().kind(), io::ErrorKind::NotFound);
        check_own(&one).unwrap();
    }
}
