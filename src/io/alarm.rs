//! A timer that follows a machine's next deadline.
//!
//! Deadlines move later with every byte that is heard. On our own reactor the timer moves with them:
//! that costs less than a look at the clock, and one that stayed where it was would wake an idle process
//! for nothing, a moment before each heartbeat. On the general executor's, arming costs more than the byte:
//! there an armed alarm stays, rings early at most once an interval, and is armed anew then.

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
                Some((at, timer)) if *at == due || (*at < due && !timer.is_cheap()) => {
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::clock::Clock;
    use super::super::reactor;
    use super::*;

    /// How often a driver is looked at whose deadline of 30 ms moves by 10 ms when half of it is over.
    async fn looks() -> u32 {
        let (clock, mut alarm, mut looks) = (Clock::new(), Alarm::default(), 0);
        let mut half = Some(Sleep::after(Duration::from_millis(15)));
        std::future::poll_fn(|cx| {
            looks += 1;
            if half.as_mut().is_some_and(|half| Pin::new(half).poll(cx).is_ready()) {
                half = None;
            }
            let due = if half.is_some() { Time(30_000) } else { Time(40_000) };
            if alarm.poll_due(clock.now(), Some(due), cx) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        looks
    }

    #[test]
    fn a_deadline_that_moves_wakes_nobody_for_nothing() {
        // At the start, when it moves, and when it is due; what is due a microsecond early is looked at again.
        assert!(reactor::block_on(looks()).unwrap() <= 4);
        assert!(smol::block_on(looks()) <= 5, "on the general executor it also rings early");
    }
}
