//! The only place that reads a clock.
//!
//! It counts the time that the machine is suspended, too: a laptop that slept for an hour is an
//! hour older, and a timeout that then comes late is how the client machine notices.

use std::fmt;
use std::time::{Duration, SystemTime};

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

/// When something happened, for people and for other programs: no machine and no deadline depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Milliseconds since 1970, as whoever set the clock sees it. Shown as RFC 3339 has it.
    pub unix_millis: u64,
    /// Milliseconds since the machine was started, its sleep included: never goes back.
    pub uptime_millis: u64,
}

impl Moment {
    /// This one.
    pub fn now() -> Self {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
        let millis = u64::try_from(now.tv_nsec).unwrap_or(0) / 1_000_000;
        let unix_millis = u64::try_from(now.tv_sec).unwrap_or(0) * 1000 + millis;
        Moment { unix_millis, uptime_millis: boot_micros() / 1000 }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(self.unix_millis);
        humantime::format_rfc3339_millis(time).fmt(f)
    }
}

/// Seconds since 1970, for what people read: no machine and no deadline depends on it.
pub fn unix_seconds() -> u64 {
    Moment::now().unix_millis / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_as_other_programs_read_it() {
        let moment = Moment { unix_millis: 1_700_000_000_042, uptime_millis: 7 };
        assert_eq!(moment.to_string(), "2023-11-14T22:13:20.042Z");
        assert!(Moment::now().uptime_millis <= Moment::now().uptime_millis);
    }
}
