//! A timer that follows a machine's next deadline.
//!
//! Deadlines move later with every byte that is heard; arming a timer each time would cost more
//! than the byte. So an armed alarm stays, rings early at most once an interval, and is armed
//! anew then.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::sleep::Sleep;
use crate::session::Time;

/// Wakes a driver when its machine's deadline has come.
#[derive(Debug, Default)]
pub struct Alarm {
    armed: Option<(Time, Sleep)>,
}

impl Alarm {
    /// Whether `due` has come; if not, the context is woken when it has. After a `true` nothing is
    /// armed: do what is due, and ask again for what is due next.
    pub fn poll_due(&mut self, now: Time, due: Option<Time>, cx: &mut Context<'_>) -> bool {
        let Some(due) = due else {
            return false;
        };
        if due <= now {
            return true;
        }
        loop {
            match &mut self.armed {
                Some((at, timer)) if *at <= due => {
                    if Pin::new(timer).poll(cx) == Poll::Pending {
                        return false;
                    }
                    // It rang for an earlier deadline that has moved since.
                    self.armed = None;
                }
                _ => self.armed = Some((due, Sleep::after(due.since(now)))),
            }
        }
    }
}
