//! Ends a server on the user's wish: word why, SIGTERM, a grace, SIGKILL, each with proof.

use smol::Timer;

use super::lock::probe;
use super::paths::Place;
use super::proof::{self, Sent};
use super::record::{Ending, Record};
use crate::io::clock::Clock;
use crate::proto::GoneReason;
use crate::proto::limits::{KILL_WAIT, LOOK_INTERVAL, STOP_GRACE};
use crate::session::launch::{Holder, Lock, StopSignal};

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// It has ended.
    Ended,
    /// There was none.
    NotRunning,
}

/// Kills the server that lives in this place, without a word, and gives its number: for those who
/// want to see what happens then.
///
/// # Errors
///
/// One sentence, if there is none or it cannot be killed.
pub fn kill(place: &Place) -> Result<u32, String> {
    let none = || "no server is running".to_owned();
    let Lock::Held(holder @ Holder::Pid(pid)) = look(place)? else {
        return Err(none());
    };
    match proof::signal(place, holder, StopSignal::Kill) {
        Ok(Sent::Delivered) => Ok(pid),
        Ok(Sent::Gone) => Err(none()),
        Err(error) => Err(format!("the server cannot be killed: {error}")),
    }
}

/// Ends the server that lives in this place, and waits for its end.
///
/// # Errors
///
/// One sentence, if it cannot be looked at, or does not end.
pub async fn stop(place: &Place) -> Result<Stopped, String> {
    let Lock::Held(holder) = look(place)? else {
        return Ok(Stopped::NotRunning);
    };
    if let Ok(Some(directory)) = place.find()
        && let Some(record) = Record::read(place, &directory)
    {
        // Without it the end is explained less well, no more.
        let _ = Ending::now(record.instance, GoneReason::Stopped).write_intent(place, &directory);
    }
    let clock = Clock::new();
    for (signal, patience) in [(StopSignal::Terminate, STOP_GRACE), (StopSignal::Kill, KILL_WAIT)] {
        proof::signal(place, holder, signal)
            .map_err(|error| format!("the server cannot be stopped: {error}"))?;
        let until = clock.now() + patience;
        while clock.now() < until {
            // Another holder is another server, which nobody meant.
            if look(place)? != Lock::Held(holder) {
                return Ok(Stopped::Ended);
            }
            Timer::after(LOOK_INTERVAL).await;
        }
    }
    Err("the server does not end, not even when killed".to_owned())
}

fn look(place: &Place) -> Result<Lock, String> {
    probe(place).map_err(|error| error.to_string())
}
