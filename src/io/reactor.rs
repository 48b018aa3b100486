//! A thread that waits for everything its tasks wait for in one system call, and for nothing else.
//!
//! The general executor's reactor takes five system calls to wait once, and a thread beside the
//! one that works; on the way of a keystroke through three processes that is felt, and an idle
//! server should sleep. What runs under [`block_on`] here is watched here; on any other executor
//! the types on top of this ([`Polled`](super::polled::Polled), [`Sleep`](super::sleep::Sleep))
//! use that one's.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::clock::Clock;
use crate::proto::limits::TURNS_MAX;
use crate::session::Time;

thread_local! {
    static CURRENT: RefCell<Option<Rc<Reactor>>> = const { RefCell::new(None) };
}

/// Which way a descriptor is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Until it can be read.
    Read,
    /// Until it can be written.
    Write,
    /// Until nobody is at its other end any more.
    Gone,
}

/// Runs a future to its end on this thread, and sleeps while there is nothing to do.
///
/// # Errors
///
/// If the system has no pipe to wake us through, or refuses to say what is ready.
pub fn block_on<T>(future: impl Future<Output = T>) -> io::Result<T> {
    let (pipe, writer) = rustix::pipe::pipe()?;
    for end in [&pipe, &writer] {
        rustix::io::ioctl_fionbio(end, true)?;
        rustix::io::fcntl_setfd(end, rustix::io::FdFlags::CLOEXEC)?;
    }
    let alert =
        Arc::new(Alert { is_woken: AtomicBool::new(false), is_asleep: AtomicBool::new(false), writer });
    let reactor = Rc::new(Reactor { clock: Clock::new(), inner: RefCell::default() });
    let _current = Current::set(Rc::clone(&reactor));
    let waker = Waker::from(Arc::clone(&alert));
    let mut future = pin!(future);
    let mut turns = 0;
    loop {
        alert.is_woken.store(false, Ordering::SeqCst);
        if let Poll::Ready(result) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Ok(result);
        }
        turns += 1;
        let is_woken = alert.is_woken.load(Ordering::SeqCst);
        if is_woken && turns < TURNS_MAX {
            continue;
        }
        turns = 0;
        reactor.wait(&alert, &pipe)?;
    }
}

/// Wakes the thread, from wherever.
struct Alert {
    is_woken: AtomicBool,
    is_asleep: AtomicBool,
    writer: OwnedFd,
}

impl Wake for Alert {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_woken.swap(true, Ordering::SeqCst) && self.is_asleep.load(Ordering::SeqCst) {
            // A pipe that is full wakes, too.
            let _ = rustix::io::write(&self.writer, &[1]);
        }
    }
}

/// What the tasks of a thread wait for.
struct Reactor {
    clock: Clock,
    inner: RefCell<Inner>,
}

#[derive(Default)]
struct Inner {
    watched: BTreeMap<u64, Watched>,
    sleepers: BTreeMap<(Time, u64), Waker>,
    next_key: u64,
}

struct Watched {
    fd: Arc<OwnedFd>,
    read: Wait,
    write: Wait,
    gone: Wait,
}

/// One way of a descriptor.
#[derive(Default)]
struct Wait {
    waker: Option<Waker>,
    is_ready: bool,
}

impl Reactor {
    /// Sleeps until something is ready or due, or somebody wakes us; wakes whose it is.
    fn wait(&self, alert: &Alert, pipe: &OwnedFd) -> io::Result<()> {
        let mut inner = self.inner.borrow_mut();
        let due = inner.sleepers.first_key_value().map(|((at, _), _)| *at);
        let mut fds = Vec::with_capacity(1 + inner.watched.len());
        fds.push(PollFd::new(pipe, PollFlags::IN));
        let mut answers = Vec::with_capacity(inner.watched.len());
        for (key, watched) in &inner.watched {
            if watched.is_awaited() {
                fds.push(PollFd::new(&watched.fd, watched.flags()));
                answers.push((*key, PollFlags::empty()));
            }
        }
        alert.is_asleep.store(true, Ordering::SeqCst);
        let timeout = match alert.is_woken.load(Ordering::SeqCst) {
            true => Some(Timespec::default()),
            false => due.and_then(|due| Timespec::try_from(due.since(self.clock.now())).ok()),
        };
        let polled = poll(&mut fds, timeout.as_ref());
        alert.is_asleep.store(false, Ordering::SeqCst);
        match polled {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        if polled.is_err() {
            return Ok(());
        }
        if !fds[0].revents().is_empty() {
            let _ = rustix::io::read(pipe, &mut [0; 64]);
        }
        for ((_, answer), fd) in answers.iter_mut().zip(&fds[1..]) {
            *answer = fd.revents();
        }
        drop(fds);
        let mut woken = Vec::new();
        for (key, answer) in answers.into_iter().filter(|(_, answer)| !answer.is_empty()) {
            let watched = inner.watched.get_mut(&key).expect("nothing was removed meanwhile");
            woken.extend(watched.answer(answer));
        }
        if due.is_some() {
            let now = self.clock.now();
            while let Some(entry) = inner.sleepers.first_entry() {
                if entry.key().0 > now {
                    break;
                }
                woken.push(entry.remove());
            }
        }
        drop(inner);
        woken.into_iter().for_each(Waker::wake);
        Ok(())
    }
}

impl Watched {
    fn is_awaited(&self) -> bool {
        [&self.read, &self.write, &self.gone].iter().any(|wait| wait.waker.is_some())
    }

    /// Ends and errors are told without being asked for.
    fn flags(&self) -> PollFlags {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, self.read.waker.is_some());
        flags.set(PollFlags::OUT, self.write.waker.is_some());
        flags
    }

    /// Those who are to be woken.
    fn answer(&mut self, answer: PollFlags) -> impl Iterator<Item = Waker> {
        // An end and an error are for both.
        let both = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
        let read = answer.intersects(PollFlags::IN | both).then(|| self.read.fire()).flatten();
        let write = answer.intersects(PollFlags::OUT | both).then(|| self.write.fire()).flatten();
        let gone = answer.intersects(both).then(|| self.gone.fire()).flatten();
        read.into_iter().chain(write).chain(gone)
    }

    fn wait(&mut self, way: Way) -> &mut Wait {
        match way {
            Way::Read => &mut self.read,
            Way::Write => &mut self.write,
            Way::Gone => &mut self.gone,
        }
    }
}

impl Wait {
    fn fire(&mut self) -> Option<Waker> {
        self.is_ready = self.waker.is_some();
        self.waker.take()
    }

    /// Gives back the waker that it had before, too: what its drop sets off may come back here.
    fn poll(&mut self, cx: &Context<'_>) -> (Poll<()>, Option<Waker>) {
        if std::mem::take(&mut self.is_ready) {
            return (Poll::Ready(()), None);
        }
        match &self.waker {
            Some(waker) if waker.will_wake(cx.waker()) => (Poll::Pending, None),
            _ => (Poll::Pending, self.waker.replace(cx.waker().clone())),
        }
    }
}

/// The thread's reactor is this one, until dropped.
struct Current(Option<Rc<Reactor>>);

impl Current {
    fn set(reactor: Rc<Reactor>) -> Self {
        Current(CURRENT.with(|current| current.replace(Some(reactor))))
    }
}

impl Drop for Current {
    fn drop(&mut self) {
        CURRENT.with(|current| *current.borrow_mut() = self.0.take());
    }
}

fn with<R>(act: impl FnOnce(&Clock, &mut Inner) -> R) -> Option<R> {
    let reactor = CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()?;
    let mut inner = reactor.inner.borrow_mut();
    Some(act(&reactor.clock, &mut inner))
}

/// Watches a descriptor from now on; `None` if this thread has no reactor of ours.
pub fn watch(fd: &Arc<OwnedFd>) -> Option<u64> {
    with(|_, inner| {
        inner.next_key += 1;
        let fd = Arc::clone(fd);
        let watched = Watched { fd, read: Wait::default(), write: Wait::default(), gone: Wait::default() };
        inner.watched.insert(inner.next_key, watched);
        inner.next_key
    })
}

/// Watches it no longer.
pub fn forget(key: u64) {
    let _ = with(|_, inner| inner.watched.remove(&key));
}

/// Whether a watched descriptor has become ready since it was last asked; if not, the context is
/// woken when it has. `None` if it is not watched on this thread.
pub fn poll_ready(key: u64, way: Way, cx: &Context<'_>) -> Option<Poll<()>> {
    let polled = with(|_, inner| Some(inner.watched.get_mut(&key)?.wait(way).poll(cx)));
    polled.flatten().map(|(poll, _before)| poll)
}

/// The time of this thread's reactor; `None` if it has none of ours.
pub fn now() -> Option<Time> {
    with(|clock, _| clock.now())
}

/// Wakes whoever the waker is of at that time; the key takes it back.
pub fn wake_at(at: Time, waker: &Waker) -> Option<u64> {
    with(|_, inner| {
        inner.next_key += 1;
        inner.sleepers.insert((at, inner.next_key), waker.clone());
        inner.next_key
    })
}

/// Does not wake it after all.
pub fn let_sleep(at: Time, key: u64) {
    let _ = with(|_, inner| inner.sleepers.remove(&(at, key)));
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use bytes::BytesMut;

    use super::super::intake::Intake;
    use super::super::polled::Polled;
    use super::super::sleep::Sleep;
    use super::*;

    #[test]
    fn sleeps_until_a_time_a_byte_or_a_wake_from_another_thread() {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let (word, heard) = smol::channel::bounded(1);
        let clock = Clock::new();
        let read = block_on(async {
            let reader = Polled::new(reader).unwrap();
            let (mut buffer, mut intake) = (BytesMut::new(), Intake::default());
            let thread = std::thread::spawn(move || smol::block_on(word.send(())));
            heard.recv().await.unwrap();
            thread.join().unwrap().unwrap();
            Sleep::after(Duration::from_millis(20)).await;
            assert!(clock.now() >= Time(20_000));
            let read = poll_fn(|cx| intake.poll_read(&reader, &mut buffer, cx));
            let write = async {
                smol::future::yield_now().await;
                rustix::io::write(&writer, b"word").unwrap();
            };
            futures::join!(read, write).0.unwrap();
            buffer
        });
        assert_eq!(&read.unwrap()[..], b"word");
    }

    #[test]
    fn the_shortest_sleep_ends_first_and_a_dropped_one_wakes_nobody() {
        block_on(async {
            let long = Sleep::after(Duration::from_secs(600));
            let short = Sleep::after(Duration::from_millis(1));
            futures::pin_mut!(long, short);
            futures::future::select(&mut long, &mut short).await;
        })
        .unwrap();
        assert!(now().is_none(), "the thread has no reactor any more");
    }

    #[test]
    fn descriptors_are_looked_at_though_there_is_always_more_to_do() {
        let mut turns = 0;
        block_on(async {
            let (reader, writer) = rustix::pipe::pipe().unwrap();
            rustix::io::write(&writer, b"word").unwrap();
            let reader = Polled::new(reader).unwrap();
            let busy = poll_fn(|cx| {
                turns += 1;
                cx.waker().wake_by_ref();
                reader.poll_readable(cx)
            });
            busy.await.unwrap();
        })
        .unwrap();
        assert_eq!(turns, TURNS_MAX + 1);
    }

    #[test]
    fn the_end_of_the_other_side_is_noticed_both_ways() {
        block_on(async {
            let (reader, writer) = rustix::pipe::pipe().unwrap();
            let (reader, writer) = (Polled::new(reader).unwrap(), Polled::new(writer).unwrap());
            let (mut buffer, mut intake) = (BytesMut::new(), Intake::default());
            let read = poll_fn(|cx| intake.poll_read(&reader, &mut buffer, cx));
            assert_eq!(futures::join!(read, async { drop(writer) }).0.unwrap(), 0);
        })
        .unwrap();
    }
}
