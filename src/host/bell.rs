//! A server's name in the kernel's own memory: it is found by that though somebody removes its files.
//!
//! A socket that has an abstract name is in no directory. It is bound by one process at a time, the
//! kernel tells who that is, and it goes when that process does. Who connects rings: the
//! server looks after its files, and closes the connection when they are in place.
//!
//! Such names are Linux's, and seen in one network namespace; any user may take one. So a name that
//! is not there proves nothing, and one of another user's is as good as none. Elsewhere a
//! signal rings, which [`proof`](super::proof) sends.

use super::paths::Place;

/// The name in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InUse;

#[cfg(target_os = "linux")]
pub use abstract_name::{Bell, find, ring};

#[cfg(target_os = "linux")]
mod abstract_name {
    use std::os::fd::OwnedFd;
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

    use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
    use smol::Async;

    use super::super::sockets::hash;
    use super::*;
    use crate::io::peer;
    use crate::session::launch::Holder;

    /// What the names of all our servers begin with.
    const OURS: &str = "reattach";

    /// The name, held until this is dropped or the process ends.
    #[derive(Debug)]
    pub struct Bell(Async<UnixListener>);

    impl Bell {
        /// Takes the name; `None` if it cannot be had, and a server has to do without.
        ///
        /// # Errors
        ///
        /// If a server of ours lives under it.
        pub fn hang(place: &Place) -> Result<Option<Self>, InUse> {
            let Some(name) = name(place) else {
                return Ok(None);
            };
            let bound = SocketAddr::from_abstract_name(&name)
                .and_then(|address| UnixListener::bind_addr(&address))
                .and_then(Async::new);
            match bound {
                Ok(listener) => Ok(Some(Bell(listener))),
                Err(_) if find(place).is_some() => Err(InUse),
                Err(error) => {
                    log::warn!("the name {name} cannot be had: {error}");
                    Ok(None)
                }
            }
        }

        /// Who rings, and waits for the end of this.
        pub async fn rung(&self) -> UnixStream {
            loop {
                match self.0.accept().await {
                    Ok((stream, _)) => {
                        if let (Ok(()), Ok(stream)) = (peer::check_own(&stream), stream.into_inner()) {
                            return stream;
                        }
                    }
                    Err(error) => {
                        log::warn!("nobody can ring: {error}");
                        smol::Timer::after(crate::proto::limits::LOOK_INTERVAL).await;
                    }
                }
            }
        }
    }

    /// A server's name; `None` if what it is made of cannot be seen.
    ///
    /// Of the user, the file system and the identifier: two hosts' homes at one path are two places, also
    /// where they share a network.
    fn name(place: &Place) -> Option<String> {
        let (anchor, label) = place.anchor();
        let anchor = std::fs::metadata(anchor).ok()?;
        let user = rustix::process::geteuid().as_raw();
        let label = hash(label.as_bytes());
        Some(format!("{OURS}/{user}/{:x}/{:x}/{label:016x}", anchor.dev(), anchor.ino()))
    }

    /// The server of ours that has the name, as the kernel says.
    pub fn find(place: &Place) -> Option<Holder> {
        // One that is too busy to be asked whose it is may be anybody's.
        let stream = connect(place)?;
        peer::check_own(&stream).ok()?;
        Some(peer::peer_pid(&stream).ok()?.map_or(Holder::Elsewhere, Holder::Pid))
    }

    /// Asks the server that has the name to look after its files, and waits until it has; false if
    /// there is none.
    pub async fn ring(place: &Place) -> bool {
        let Some(stream) = connect(place) else {
            return false;
        };
        if peer::check_own(&stream).is_err() {
            return false;
        }
        match Async::new(UnixStream::from(stream)) {
            Ok(stream) => stream.readable().await.is_ok(),
            Err(_) => false,
        }
    }

    fn connect(place: &Place) -> Option<OwnedFd> {
        let address = SocketAddrUnix::new_abstract_name(name(place)?.as_bytes()).ok()?;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).ok()?;
        rustix::net::connect(&socket, &address).ok().map(|()| socket)
    }
}

#[cfg(not(target_os = "linux"))]
pub use no_name::{Bell, find, ring};

#[cfg(not(target_os = "linux"))]
mod no_name {
    use super::*;
    use crate::session::launch::Holder;

    /// There are no such names here.
    #[derive(Debug)]
    pub enum Bell {}

    impl Bell {
        /// None can be had.
        ///
        /// # Errors
        ///
        /// Never.
        pub fn hang(_: &Place) -> Result<Option<Self>, InUse> {
            Ok(None)
        }

        /// Nobody rings.
        pub async fn rung(&self) -> std::os::unix::net::UnixStream {
            match *self {}
        }
    }

    /// Nobody is found.
    pub fn find(_: &Place) -> Option<Holder> {
        None
    }

    /// Nobody is there.
    pub async fn ring(_: &Place) -> bool {
        false
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::session::launch::Holder;

    #[test]
    fn a_name_is_one_servers_and_is_found_until_that_is_gone() {
        let home = tempfile::tempdir().unwrap();
        let place = |name: &str| Place::beside(&home.path().join(name)).unwrap();
        let (one, other) = (place("one.pid"), place("other.pid"));
        assert_eq!(find(&one), None);
        let bell = Bell::hang(&one).unwrap().unwrap();
        assert_eq!(find(&one), Some(Holder::Pid(std::process::id())));
        assert_eq!(Bell::hang(&one).unwrap_err(), InUse);
        assert_eq!(find(&other), None);
        drop(bell);
        assert_eq!(find(&one), None);
        assert!(!smol::block_on(ring(&one)));
    }

    #[test]
    fn who_rings_waits_until_he_was_heard() {
        let home = tempfile::tempdir().unwrap();
        let place = Place::beside(&home.path().join("one.pid")).unwrap();
        let bell = Bell::hang(&place).unwrap().unwrap();
        let heard = async {
            drop(bell.rung().await);
        };
        assert!(smol::block_on(async { futures::join!(ring(&place), heard) }).0);
    }
}
