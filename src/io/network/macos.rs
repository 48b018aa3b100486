//! The routing socket: which of its messages change anything for a client.

use std::io;
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

/// Bytes of a message before its flags, which are the next four: `rtm_flags` of `rt_msghdr`.
const BEFORE_FLAGS: usize = 8;

/// The routes' own messages, of which the crate for the system's names has none.
const RTM_ADD: libc::c_int = 1;
const RTM_DELETE: libc::c_int = 2;
const RTM_CHANGE: libc::c_int = 3;

pub(super) fn listen() -> io::Result<OwnedFd> {
    let socket = socket_with(AddressFamily::ROUTE, SocketType::RAW, SocketFlags::empty(), None)?;
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
    Ok(socket)
}

/// Nothing has to be known from before.
#[derive(Debug, Default)]
pub(super) struct Known {}

impl Known {
    /// Whether this message changes anything.
    pub(super) fn is_changed_by(&mut self, message: &[u8]) -> bool {
        let Some(kind) = message.get(3) else {
            return true;
        };
        match libc::c_int::from(*kind) {
            libc::RTM_NEWADDR | libc::RTM_DELADDR | libc::RTM_IFINFO => true,
            RTM_ADD | RTM_DELETE | RTM_CHANGE => {
                let flags =
                    message.get(BEFORE_FLAGS..BEFORE_FLAGS + 4).and_then(|flags| flags.try_into().ok());
                // A neighbour, or a route that was found by using it.
                let passing = libc::RTF_LLINFO | libc::RTF_WASCLONED;
                flags.is_none_or(|flags| libc::c_int::from_ne_bytes(flags) & passing == 0)
            }
            _ => false,
        }
    }
}
