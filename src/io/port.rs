//! Where an application and a driver meet: a machine behind a lock, and who waits for it.
//!
//! The application's handles put inputs in and take deliveries out; the driver carries out what
//! the machine asks for. Nothing here belongs to an executor, so the futures run on any.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::clock::Clock;
use crate::session::Time;

/// What a port needs to know of a machine.
pub trait Machine {
    /// Why input is not taken any more.
    type Refusal;
    /// Whether the application may send: `None` if it must wait.
    fn room(&self) -> Option<Result<(), Self::Refusal>>;
    /// Whether nothing will be delivered any more.
    fn is_over(&self) -> bool;
    /// The application took a delivery; true if the driver should look.
    fn consumed(&mut self, now: Time) -> bool;
}

/// A machine, its deliveries and its waiters.
pub struct Port<M, D> {
    inner: Mutex<Inner<M, D>>,
    clock: Clock,
}

/// What is behind the lock.
pub struct Inner<M, D> {
    /// The machine.
    pub machine: M,
    /// What the application has not taken yet.
    pub deliveries: VecDeque<D>,
    driver: Option<Waker>,
    waiters: Vec<Waker>,
    /// Handles of the application that are left.
    handles: usize,
}

impl<M: Machine, D> Port<M, D> {
    /// A port of a machine, with one handle of the application.
    pub fn new(machine: M, clock: Clock) -> Self {
        let inner =
            Inner { machine, deliveries: VecDeque::new(), driver: None, waiters: Vec::new(), handles: 1 };
        Port { inner: Mutex::new(inner), clock }
    }

    /// The time.
    pub fn now(&self) -> Time {
        self.clock.now()
    }

    /// Locks the machine. Holders do not panic between two consistent states, so a poisoned lock is taken.
    pub fn lock(&self) -> MutexGuard<'_, Inner<M, D>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The application does something with the machine; the driver, and everybody who waits, will
    /// look at what came of it.
    pub fn apply<R>(&self, act: impl FnOnce(&mut M, Time) -> R) -> R {
        let now = self.now();
        let mut inner = self.lock();
        let result = act(&mut inner.machine, now);
        inner.wake_waiters();
        let driver = inner.driver.take();
        drop(inner);
        if let Some(driver) = driver {
            driver.wake();
        }
        result
    }

    /// Waits until `ready` gives something.
    pub async fn wait<R>(&self, mut ready: impl FnMut(&mut Inner<M, D>) -> Option<R>) -> R {
        poll_fn(|cx| {
            let mut inner = self.lock();
            match ready(&mut inner) {
                Some(result) => Poll::Ready(result),
                None => {
                    if !inner.waiters.iter().any(|waiter| waiter.will_wake(cx.waker())) {
                        inner.waiters.push(cx.waker().clone());
                    }
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// Waits until the machine takes input, then gives it.
    ///
    /// # Errors
    ///
    /// Why it never will, as [`Machine::room`] says.
    pub async fn send(&self, give: impl FnOnce(&mut M, Time)) -> Result<(), M::Refusal> {
        let mut give = Some(give);
        let given = |inner: &mut Inner<M, D>| match inner.machine.room()? {
            Ok(()) => {
                if let Some(give) = give.take() {
                    give(&mut inner.machine, self.clock.now());
                }
                Some(Ok(()))
            }
            Err(refusal) => Some(Err(refusal)),
        };
        let sent = self.wait(given).await;
        if sent.is_ok() {
            self.wake_driver();
        }
        sent
    }

    /// Waits for the next delivery; `None` if none will come.
    pub async fn receive(&self) -> Option<D> {
        self.wait(|inner| match inner.deliveries.pop_front() {
            Some(delivery) => {
                inner.take_note(self.clock.now());
                Some(Some(delivery))
            }
            None if inner.machine.is_over() => Some(None),
            None => None,
        })
        .await
    }

    /// The next delivery if one is there.
    pub fn try_receive(&self) -> Option<D> {
        let mut inner = self.lock();
        let delivery = inner.deliveries.pop_front()?;
        inner.take_note(self.clock.now());
        Some(delivery)
    }

    fn wake_driver(&self) {
        let driver = self.lock().driver.take();
        if let Some(driver) = driver {
            driver.wake();
        }
    }

    /// One more handle of the application.
    pub fn add_handle(&self) {
        self.lock().handles += 1;
    }

    /// One handle less; the driver looks, because the last one ends it.
    pub fn drop_handle(&self) {
        self.lock().handles -= 1;
        self.wake_driver();
    }
}

impl<M: Machine, D> Inner<M, D> {
    /// A delivery was taken, which may owe an acknowledgement.
    fn take_note(&mut self, now: Time) {
        if self.machine.consumed(now)
            && let Some(driver) = self.driver.take()
        {
            driver.wake();
        }
    }

    /// Notes that the driver has nothing to do until it is woken.
    pub fn park_driver(&mut self, cx: &Context<'_>) {
        self.driver = Some(cx.waker().clone());
    }

    /// Wakes everybody who waits for room, a delivery or a state.
    pub fn wake_waiters(&mut self) {
        for waiter in self.waiters.drain(..) {
            waiter.wake();
        }
    }

    /// Whether the application has dropped all its handles.
    pub fn is_abandoned(&self) -> bool {
        self.handles == 0
    }
}

impl<M, D> fmt::Debug for Port<M, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Port").finish_non_exhaustive()
    }
}
