//! When a server should look after its files: the kernel tells which were touched, where it does.
//!
//! Nothing is asked again and again: while nothing happens, nobody wakes up. What has become of the
//! files is for the [`keeper`](super::keeper) to find out.

use std::ffi::OsString;
use std::future::pending;
use std::io;
use std::path::PathBuf;

/// A directory, and the names in it that somebody wants to know about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// The directory.
    pub directory: PathBuf,
    /// What the names begin with, or are.
    pub names: Vec<OsString>,
}

/// Looks out for changes.
#[derive(Debug)]
pub struct Notice(Option<Watch>);

impl Notice {
    /// Looks out in these directories, as far as they are there, from now on. The kernel
    /// may have no room for one more who does.
    pub fn of(watched: &[Watched]) -> Self {
        let watch = Watch::of(watched);
        if let Err(error) = &watch {
            log::debug!("changes of our files are not noticed: {error}");
        }
        Notice(watch.ok())
    }

    /// As on a system that does not tell.
    pub fn none() -> Self {
        Notice(None)
    }

    /// Whether changes are noticed at all.
    pub fn is_told(&self) -> bool {
        self.0.is_some()
    }

    /// Waits for a change.
    pub async fn change(&self) {
        match &self.0 {
            Some(watch) => watch.change().await,
            None => pending().await,
        }
    }
}

#[cfg(target_os = "linux")]
use by_inotify::Watch;

#[cfg(target_os = "linux")]
mod by_inotify {
    use std::ffi::OsStr;
    use std::mem::MaybeUninit;
    use std::os::unix::ffi::OsStrExt;

    use rustix::fs::inotify::{CreateFlags, Reader, WatchFlags, add_watch, init};
    use rustix::io::Errno;

    use super::*;
    use crate::io::polled::Polled;
    use crate::proto::limits::NOTICE_BYTES;

    /// The directories' watches, each with what is watched.
    #[derive(Debug)]
    pub(super) struct Watch {
        queue: Polled,
        watched: Vec<(i32, Vec<OsString>)>,
    }

    impl Watch {
        pub(super) fn of(watched: &[Watched]) -> io::Result<Self> {
            let queue = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
            // Not what is read, nor what is written while it is: a log grows all the time.
            let what = WatchFlags::CREATE
                | WatchFlags::DELETE
                | WatchFlags::MOVE
                | WatchFlags::CLOSE_WRITE
                | WatchFlags::ATTRIB
                | WatchFlags::DELETE_SELF
                | WatchFlags::MOVE_SELF
                | WatchFlags::ONLYDIR
                | WatchFlags::DONT_FOLLOW;
            let mut watches = Vec::new();
            for Watched { directory, names } in watched {
                match add_watch(&queue, directory, what) {
                    Ok(watch) => watches.push((watch, names.clone())),
                    Err(error) => log::debug!("changes in {directory:?} are not noticed: {error}"),
                }
            }
            Ok(Watch { queue: Polled::as_it_is(queue)?, watched: watches })
        }

        pub(super) async fn change(&self) {
            loop {
                let mut space = [MaybeUninit::uninit(); NOTICE_BYTES];
                let mut reader = Reader::new(&self.queue, &mut space);
                let read = reader.next().map(|event| {
                    let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
                    self.is_awaited(event.wd(), name)
                });
                match read {
                    Ok(true) => return,
                    // What else was told at once is read again by the next look.
                    Ok(false) if reader.is_buffer_empty() => {}
                    Ok(false) => {
                        let mut is_awaited = false;
                        while !reader.is_buffer_empty()
                            && let Ok(event) = reader.next()
                        {
                            let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
                            is_awaited |= self.is_awaited(event.wd(), name);
                        }
                        if is_awaited {
                            return;
                        }
                    }
                    Err(Errno::AGAIN) => {
                        if self.queue.readable().await.is_err() {
                            pending::<()>().await;
                        }
                    }
                    Err(Errno::INTR) => {}
                    Err(_) => pending().await,
                }
            }
        }

        /// The directory itself has no name in it, and a queue that has overflown has no directory.
        fn is_awaited(&self, watch: i32, name: Option<&OsStr>) -> bool {
            let names = self.watched.iter().find(|(one, _)| *one == watch).map(|(_, names)| names);
            match (names, name) {
                (Some(names), Some(name)) => {
                    names.iter().any(|begin| name.as_bytes().starts_with(begin.as_bytes()))
                }
                (None, _) | (_, None) => true,
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
use by_nobody::Watch;

#[cfg(not(target_os = "linux"))]
mod by_nobody {
    use super::*;

    #[derive(Debug)]
    pub(super) enum Watch {}

    impl Watch {
        pub(super) fn of(_: &[Watched]) -> io::Result<Self> {
            Err(io::ErrorKind::Unsupported.into())
        }

        pub(super) async fn change(&self) {
            match *self {}
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::time::Duration;

    use smol::Timer;
    use smol::future::or;

    use super::*;

    /// Whether there is a change; what was done before it is asked for is told at once.
    fn is_changed(notice: &Notice) -> bool {
        smol::block_on(or(
            async {
                notice.change().await;
                true
            },
            async {
                Timer::after(Duration::from_millis(20)).await;
                false
            },
        ))
    }

    #[test]
    fn what_happens_to_the_names_is_told_and_nothing_else() {
        let home = tempfile::tempdir().unwrap();
        let watched = Watched { directory: home.path().to_owned(), names: vec!["server.".into()] };
        let notice = || Notice::of(std::slice::from_ref(&watched));
        let file = home.path().join("server.pid");
        let first = notice();
        std::fs::write(home.path().join("other"), "").unwrap();
        assert!(first.is_told() && !is_changed(&first));
        std::fs::write(&file, "1").unwrap();
        assert!(is_changed(&first));
        let second = notice();
        std::fs::read(&file).unwrap();
        assert!(!is_changed(&second));
        std::fs::remove_file(&file).unwrap();
        assert!(is_changed(&second));
        let third = notice();
        std::fs::rename(home.path(), home.path().with_extension("moved")).unwrap();
        assert!(is_changed(&third));
        std::fs::rename(home.path().with_extension("moved"), home.path()).unwrap();
    }

    #[test]
    fn a_directory_that_is_not_there_is_not_waited_for() {
        let watched = Watched { directory: "/no/such".into(), names: Vec::new() };
        assert!(!is_changed(&Notice::of(&[watched])));
        assert!(!Notice::none().is_told());
    }
}
