//! A server looks after its files: what somebody removed, replaced or garbled meanwhile is put back, so
//! that proxies find the server for as long as it lives.
//!
//! It looks when the kernel says that something was touched, when somebody asks for it by its
//! [bell](super::bell) or by SIGHUP, and, where the kernel does not tell, with each attachment.
//!
//! What the files mean is left to their own modules.

use std::fs::File;
use std::future::pending;
use std::io;
use std::os::unix::net::UnixStream;

use smol::Timer;
use smol::channel::{Receiver, Sender};
use smol::future::or;

use super::directory::{Directory, DirectoryError};
use super::identity;
use super::lock::ServerLock;
use super::log as log_file;
use super::notice::{Notice, Watched};
use super::pairing::Listeners;
use super::paths::Place;
use super::record::{Ending, Record};
use super::seat::{self, Seat};
use super::sockets::{Made, Right, Sockets};
use super::tombstone::Tombstone;
use crate::proto::HostId;
use crate::proto::limits::LOOK_INTERVAL;

/// What of a server is in files, as it should be.
#[derive(Debug)]
pub struct Keeper<'a> {
    /// Where it is.
    pub place: &'a Place,
    /// What the host is called, if it is.
    pub host: Option<HostId>,
    /// Its directory.
    pub directory: Directory,
    /// The proof that it lives.
    pub lock: ServerLock,
    /// Its word of itself.
    pub record: Record,
    /// Room for its last word, if there was any.
    pub tombstone: Option<Tombstone>,
    /// Its sockets.
    pub made: Made,
    /// Whether the place's log is where standard error goes.
    pub logs_to_file: bool,
    /// Whether standard output goes there, too.
    pub stdout_is_log: bool,
    /// Who is attached.
    pub seat: &'a Seat<'a>,
    /// To whoever accepts connections.
    pub fresh: Sender<Listeners>,
}

/// What makes a keeper look, besides what it is told by the kernel and asked by its bell.
#[derive(Clone, Debug)]
pub struct Calls {
    /// Somebody says so.
    pub asked: Receiver<()>,
    /// Somebody has connected; heeded where the kernel does not tell.
    pub used: Receiver<()>,
}

impl Keeper<'_> {
    /// Looks whenever there may be something to see, for ever.
    pub async fn watch(&mut self, calls: &Calls) {
        let mut trouble = None;
        loop {
            // In this order: what happens meanwhile is seen now or told then.
            let notice = Notice::of(&self.watched());
            let found = self.look().err();
            if let Some(why) = found.as_ref().filter(|why| trouble.as_ref() != Some(*why)) {
                log::error!("{why}");
            }
            trouble = found;
            // Somebody who does it over and over does not keep us from everything else.
            Timer::after(LOOK_INTERVAL).await;
            let caller = self.next(&notice, calls).await;
            if let Some(caller) = caller {
                // Who waits is answered by the end of the connection, when everything is in place.
                let _ = self.look();
                drop(caller);
            }
        }
    }

    /// Waits for the next reason to look; gives who asks for it, and waits.
    async fn next(&self, notice: &Notice, calls: &Calls) -> Option<UnixStream> {
        let rung = async {
            match self.lock.bell() {
                Some(bell) => Some(bell.rung().await),
                None => pending().await,
            }
        };
        let told = async {
            let used = async {
                match notice.is_told() {
                    true => pending().await,
                    false => calls.used.recv().await.is_ok(),
                }
            };
            let asked = async { calls.asked.recv().await.is_ok() };
            let changed = async {
                notice.change().await;
                true
            };
            if !or(changed, or(asked, used)).await {
                pending::<()>().await;
            }
            None
        };
        or(rung, told).await
    }

    /// What the kernel is asked to tell about.
    fn watched(&self) -> Vec<Watched> {
        let place = self.place;
        let mut watched =
            vec![Watched { directory: place.directory().to_owned(), names: vec![place.name(".")] }];
        if let (Some(parent), Some(name)) = (place.directory().parent(), place.directory().file_name()) {
            watched.push(Watched {
                directory: parent.to_owned(),
                names: vec![name.to_owned(), identity::FILE.into()],
            });
        }
        let Sockets { stdin, stdout } = &self.made.sockets;
        let agent = self.seat.agent();
        for path in [Some(stdin), Some(stdout), agent.as_ref()].into_iter().flatten() {
            let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
                continue;
            };
            match watched.iter_mut().find(|watched| watched.directory == parent) {
                Some(watched) => watched.names.push(name.to_owned()),
                None => watched.push(Watched { directory: parent.to_owned(), names: vec![name.to_owned()] }),
            }
        }
        watched
    }

    /// Puts back whatever is missing or wrong.
    ///
    /// # Errors
    ///
    /// One sentence, if something cannot be put back.
    pub fn look(&mut self) -> Result<(), String> {
        let place = self.place;
        self.keep_directory().map_err(|error| error.to_string())?;
        if let (Some(root), Some(host)) = (place.root(), self.host)
            && identity::put_back(root, host).map_err(|error| error.to_string())?
        {
            log::warn!("the host's name in {:?} was removed or garbled, and is there again", root.path());
        }
        self.keep_names().map_err(|error| {
            format!("what is in the way in {:?} cannot be removed: {error}", place.directory())
        })?;
        if self.lock.renew(place, &self.directory).map_err(|error| error.to_string())? {
            log::warn!("the lock {:?} was removed or replaced, and is there again", place.pid_file());
        }
        let failed = |error: io::Error| format!("the number of our process cannot be written: {error}");
        self.lock.write_number().map_err(failed)?;
        self.keep_sockets()?;
        self.keep_record().map_err(|error| format!("the record cannot be written: {error}"))?;
        self.seat.keep(&self.directory);
        self.keep_room();
        self.keep_log().map_err(|error| format!("the log {:?} cannot be opened: {error}", place.log))
    }

    fn keep_directory(&mut self) -> Result<(), DirectoryError> {
        if self.place.is_private() {
            // By what we have open: its path may be closed to us.
            let _ = self.directory.make_private();
        }
        let there = self.place.create().or_else(|_| self.place.make_anew())?;
        if !there.is_same_as(&self.directory) {
            self.directory = there;
            log::warn!("the directory {:?} was removed or replaced, and is ours", self.place.directory());
        }
        Ok(())
    }

    /// What has our files' names is a file that can be read and written; nothing tells of an end.
    fn keep_names(&self) -> io::Result<()> {
        for ending in [".pid", ".lock", ".start", ".json", ".stop.json", seat::ENDING] {
            self.directory.make_usable(&self.place.name(ending))?;
        }
        self.directory.make_way(&self.place.name(".exit.json"))
    }

    fn keep_sockets(&mut self) -> Result<(), String> {
        if self.made.are_there() {
            return Ok(());
        }
        let usual = &self.place.sockets;
        let is_ours = self.place.is_private() && *usual == Sockets::of(self.place.directory());
        // One of them may still be ours, and is in use by ourselves.
        self.made.remove();
        let (listeners, made) = usual.listen(if is_ours { Right::Own } else { Right::IfUnused })?;
        log::warn!("the sockets were removed or replaced, and are there again");
        self.record.set_sockets(&made.sockets);
        self.made = made;
        // Nobody accepts connections only once we are about to end.
        let _ = self.fresh.try_send(listeners);
        Ok(())
    }

    fn keep_record(&self) -> io::Result<()> {
        if Record::read(self.place, &self.directory).as_ref() == Some(&self.record) {
            return Ok(());
        }
        self.record.write(self.place, &self.directory)
    }

    /// For the last word. Without it the end is explained only if there is room by then.
    fn keep_room(&mut self) {
        if !self.tombstone.as_ref().is_some_and(|room| room.is_in(self.place, &self.directory)) {
            self.tombstone = Tombstone::reserve(self.place, &self.directory)
                .inspect_err(|error| log::warn!("there is no room for a last word: {error}"))
                .ok();
        }
    }

    /// Leaves word why it ends, as room allows.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn write_tombstone(&self, ending: &Ending) -> io::Result<()> {
        let written = self.tombstone.as_ref().map(|room| room.write(self.place, &self.directory, ending));
        match written {
            Some(Ok(())) => Ok(()),
            Some(Err(_)) | None => ending.write_tombstone(self.place, &self.directory),
        }
    }

    fn keep_log(&self) -> io::Result<()> {
        if !self.logs_to_file {
            return Ok(());
        }
        let (Some(parent), Some(name)) = (self.place.log.parent(), self.place.log.file_name()) else {
            return Ok(());
        };
        let stderr = File::from(rustix::stdio::stderr().try_clone_to_owned()?);
        match Directory::find(parent).map_err(io::Error::other)? {
            Some(directory) if directory.still_names(name, &stderr)? => return Ok(()),
            Some(directory) => directory.make_usable(name)?,
            None => {}
        }
        let log = log_file::open(&self.place.log)?;
        if self.stdout_is_log {
            rustix::stdio::dup2_stdout(&log)?;
        }
        Ok(rustix::stdio::dup2_stderr(&log)?)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use smol::channel::{bounded, unbounded};

    use super::*;
    use crate::host::order::Order;
    use crate::proto::InstanceId;

    /// Looks after a server's files in that place.
    fn keep<T>(place: &Place, test: impl FnOnce(&mut Keeper<'_>, Receiver<Listeners>) -> T) -> T {
        let directory = place.create().unwrap();
        let lock = ServerLock::take(place, &directory).unwrap();
        let (listeners, made) = place.sockets.listen(Right::IfUnused).unwrap();
        let (fresh, newest) = unbounded();
        fresh.try_send(listeners).unwrap();
        let record = Record::of_this_process(InstanceId(7), &Order::default(), &made.sockets, Duration::ZERO);
        let (logs_to_file, stdout_is_log) = (false, false);
        let tombstone = None;
        let seat = &Seat::new(place, InstanceId(7), None);
        let keeper = Keeper {
            place,
            host: None,
            directory,
            lock,
            record,
            tombstone,
            made,
            logs_to_file,
            stdout_is_log,
            seat,
            fresh,
        };
        test(&mut { keeper }, newest)
    }

    #[test]
    fn what_is_as_it_should_be_is_left_alone() {
        let home = tempfile::tempdir().unwrap();
        let place = Place::beside(&home.path().join("server.pid")).unwrap();
        keep(&place, |keeper, newest| {
            keeper.look().unwrap();
            let notice = Notice::of(&keeper.watched());
            keeper.look().unwrap();
            assert_eq!(newest.len(), 1, "nobody listens anew");
            let idle = async {
                Timer::after(LOOK_INTERVAL).await;
                true
            };
            let changed = async {
                notice.change().await;
                false
            };
            assert!(smol::block_on(or(changed, idle)), "a look is no reason to look");
        });
    }

    #[test]
    fn what_cannot_be_put_back_is_said_and_is_put_back_when_it_can_be() {
        let home = tempfile::tempdir().unwrap();
        let place = Place::beside(&home.path().join("server.pid")).unwrap();
        keep(&place, |keeper, newest| {
            std::fs::remove_file(&place.sockets.stdin).unwrap();
            let somebody = std::os::unix::net::UnixListener::bind(&place.sockets.stdin).unwrap();
            // By hand, the socket may be somebody else's by now, who is left alone.
            let why = keeper.look().unwrap_err();
            assert!(why.contains("is in use by another process"), "{why}");
            drop(somebody);
            keeper.look().unwrap();
            assert!(keeper.made.are_there() && newest.len() == 2);
        });
    }

    #[test]
    fn where_the_kernel_does_not_tell_whoever_connects_or_asks_does() {
        let home = tempfile::tempdir().unwrap();
        let place = Place::beside(&home.path().join("server.pid")).unwrap();
        keep(&place, |keeper, _newest| {
            for by_use in [false, true] {
                let (ask, asked) = bounded(1);
                let (used, users) = bounded(1);
                let told = if by_use { used.try_send(()) } else { ask.try_send(()) };
                told.unwrap();
                let calls = Calls { asked, used: users };
                assert!(smol::block_on(keeper.next(&Notice::none(), &calls)).is_none());
            }
        });
    }
}
