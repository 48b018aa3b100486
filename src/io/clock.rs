//! The only place that reads a clock.
//!
//! It counts the time that the machine is suspended, too: a laptop that slept for an hour is an
//! hour older, and a timeout that then comes late is how the client machine notices.

use crate::session::Time;

/// A clock that starts at zero when it is made.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start_micros: u64,
}

impl Clock {
    /// A clock that starts now.
    #[expect(clippy::new_without_default, reason = "a clock that starts is an event, not a default")]
    pub fn new() -> Self {
        Clock { start_micros: boot_micros() }
    }

    /// The time since the start.
    pub fn now(&self) -> Time {
        Time(boot_micros().saturating_sub(self.start_micros))
    }
}

fn boot_micros() -> u64 {
    // On Linux the monotonic clock stands still during a suspension; elsewhere it goes on.
    #[cfg(target_os = "linux")]
    const ID: rustix::time::ClockId = rustix::time::ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    const ID: rustix::time::ClockId = rustix::time::ClockId::Monotonic;
    let now = rustix::time::clock_gettime(ID);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(now.tv_nsec).unwrap_or(0);
    seconds * 1_000_000 + nanos / 1000
}

/// Seconds since 1970, for what people read: no machine and no deadline depends on it.
pub fn unix_seconds() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    u64::try_from(now.tv_sec).unwrap_or(0)
}
