//! Ends a server on the user's wish: word why, SIGTERM, a grace, SIGKILL, each with proof.

use smol::Timer;

use super::lock::probe;
use super::paths::Place;
use super::proof::{self, Sent};
use super::record::{Ending, Record};
use crate::io::clock::Clock;
use crate::proto::GoneReason;
use crate::proto::limits::{KILL_WAIT, LOOK_INTERVAL, RELEASE_WAIT, STOP_GRACE};
use crate::session::launch::{Holder, Lock, StopSignal};

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// It has ended.
    Ended,
    /// There was none.
    NotRunning,
    /// A client has come meanwhile, and it goes on.
    Attached,
}

/// Whom to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Whoever it is.
    Any,
    /// Only one without a client, as the server itself knows. It is not killed: one that does not answer may
    /// have a client.
    Detached,
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
pub async fn stop(place: &Place, which: Which) -> Result<Stopped, String> {
    let Lock::Held(holder) = look(place)? else {
        return Ok(Stopped::NotRunning);
    };
    let is_told = leave_word(place, which);
    // Without it the end is explained less well, no more; but a condition must be heard.
    if which == Which::Detached && !is_told {
        return Err("the server cannot be told to end only if nobody is attached".to_owned());
    }
    let clock = Clock::new();
    let steps = [(StopSignal::Terminate, STOP_GRACE), (StopSignal::Kill, KILL_WAIT)];
    let steps = match which {
        Which::Any => &steps[..],
        Which::Detached => &steps[..1],
    };
    for (signal, patience) in steps {
        proof::signal(place, holder, *signal)
            .map_err(|error| format!("the server cannot be stopped: {error}"))?;
        let until = clock.now() + *patience;
        while clock.now() < until {
            let refused = which == Which::Detached && !has_word(place);
            // Another holder is another server, which nobody meant.
            if look(place)? != Lock::Held(holder) {
                return Ok(Stopped::Ended);
            }
            if refused && !ends(place, holder).await? {
                return Ok(Stopped::Attached);
            }
            Timer::after(LOOK_INTERVAL).await;
        }
    }
    Err(match which {
        Which::Any => "the server does not end, not even when killed".to_owned(),
        Which::Detached => {
            "the server does not answer; it was not killed, for a client may be attached".to_owned()
        }
    })
}

/// Whether a server whose word has gone is about to end all the same: it may remove all its files, too.
async fn ends(place: &Place, holder: Holder) -> Result<bool, String> {
    let clock = Clock::new();
    let until = clock.now() + RELEASE_WAIT;
    while clock.now() < until {
        if look(place)? != Lock::Held(holder) {
            return Ok(true);
        }
        Timer::after(LOOK_INTERVAL).await;
    }
    Ok(false)
}

/// Tells the server why, and on what condition.
fn leave_word(place: &Place, which: Which) -> bool {
    let Ok(Some(directory)) = place.find() else {
        return false;
    };
    let Some(record) = Record::read(place, &directory) else {
        return false;
    };
    let unless_attached = which == Which::Detached;
    let ending = Ending { unless_attached, ..Ending::now(record.instance, GoneReason::Stopped) };
    ending.write_intent(place, &directory).is_ok()
}

/// Whether our word is still there, or the last word of a server that is about to end.
fn has_word(place: &Place) -> bool {
    place.find().ok().flatten().is_some_and(|directory| {
        Ending::read_intent(place, &directory).is_some()
            || Ending::read_tombstone(place, &directory).is_some()
    })
}

fn look(place: &Place) -> Result<Lock, String> {
    probe(place).map_err(|error| error.to_string())
}
