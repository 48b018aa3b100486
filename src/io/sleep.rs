//! A time to come that a task can wait for: on our own reactor where the thread has one, on the
//! general executor's elsewhere.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use smol::Timer;

use super::reactor;
use crate::session::Time;

/// Ready once its time has come.
#[derive(Debug)]
pub enum Sleep {
    /// On our own reactor: until when, and whom it was asked to wake, under which key.
    Here(Time, Option<(u64, Waker)>),
    /// On the general executor's.
    Elsewhere(Timer),
}

impl Sleep {
    /// Ready after that time.
    pub fn after(time: Duration) -> Self {
        match reactor::now() {
            Some(now) => Sleep::Here(now + time, None),
            None => Sleep::Elsewhere(Timer::after(time)),
        }
    }

    /// Whether making another in its place costs no system call.
    pub fn is_cheap(&self) -> bool {
        matches!(self, Sleep::Here(..))
    }

    fn take_back(&mut self) {
        if let Sleep::Here(at, key) = self
            && let Some((key, _)) = key.take()
        {
            reactor::let_sleep(*at, key);
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match &mut *self {
            Sleep::Elsewhere(timer) => return Pin::new(timer).poll(cx).map(drop),
            Sleep::Here(at, asked) => match reactor::now() {
                Some(now) if now < *at => {
                    if asked.as_ref().is_some_and(|(_, waker)| waker.will_wake(cx.waker())) {
                        return Poll::Pending;
                    }
                }
                // On another thread it is better too early than never.
                Some(_) | None => return Poll::Ready(()),
            },
        }
        self.take_back();
        if let Sleep::Here(at, asked) = &mut *self {
            *asked = reactor::wake_at(*at, cx.waker()).map(|key| (key, cx.waker().clone()));
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.take_back();
    }
}
