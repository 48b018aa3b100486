//! Who is at the other end of a unix socket, as the kernel says.

use std::io;
use std::os::fd::AsFd;

/// The user at the other end; `None` where the system cannot tell. There the private directory
/// of the sockets is what keeps others out.
///
/// # Errors
///
/// Those of the system call.
pub fn peer_uid(socket: impl AsFd) -> io::Result<Option<u32>> {
    #[cfg(target_os = "linux")]
    {
        Ok(Some(rustix::net::sockopt::socket_peercred(socket)?.uid.as_raw()))
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = socket;
        Ok(None)
    }
}

/// Makes sure that the other end is ours.
///
/// # Errors
///
/// One sentence that names the stranger.
pub fn check_own(socket: impl AsFd) -> io::Result<()> {
    let own = rustix::process::geteuid().as_raw();
    match peer_uid(socket)? {
        Some(uid) if uid != own => Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!("the other end of the socket belongs to user {uid}, not to {own}"),
        )),
        Some(_) | None => Ok(()),
    }
}
