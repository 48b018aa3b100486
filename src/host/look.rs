//! A look at the host: the locks, and what the last server left.
//!
//! Changes nothing. What follows from it is left to the launch machine.

use super::boot;
use super::directory::Directory;
use super::lock::{LockError, StarterLock, probe};
use super::paths::Place;
use super::record::{Ending, Record};
use crate::proto::{GoneReason, InstanceId};
use crate::session::launch::{Evidence, Lock, Mark, View};

/// Looks at one server's place; `is_starter` if we hold the starter lock ourselves.
///
/// # Errors
///
/// If the directory is not ours alone, or the system refuses.
pub fn look(place: &Place, is_starter: bool) -> Result<View, LockError> {
    let Some(directory) = place.find()? else {
        return Ok(View { starter_busy: false, lock: Lock::Free, evidence: Evidence::none(boot::current()) });
    };
    let refused =
        |action| move |source| LockError::Refused { path: place.directory().to_owned(), action, source };
    // In this order: a starter lets go only after its server has taken the other one.
    let starter_busy = !is_starter && StarterLock::is_busy(place, &directory).map_err(refused("examined"))?;
    let lock = probe(place, &directory).map_err(refused("examined"))?;
    Ok(View { starter_busy, lock, evidence: evidence(place, &directory) })
}

/// As [`look`], by a proxy that started this instance or was attached to it: what it asks is
/// whether that one lives, and not whether any does.
///
/// # Errors
///
/// As [`look`].
pub fn look_for(instance: InstanceId, place: &Place) -> Result<View, LockError> {
    look(place, false).map(|view| of_instance(view, instance))
}

/// Only the holder of the lock writes a record, and only a starter, while nobody holds it, removes
/// one: another's record, or none while somebody starts, shows that the instance was replaced.
fn of_instance(view: View, instance: InstanceId) -> View {
    let last_word = view.evidence.tombstone.map(|mark| mark.instance);
    let is_replaced = match view.evidence.record.map(|record| record.instance) {
        Some(other) => other != instance,
        None => view.starter_busy && last_word != Some(instance),
    };
    if !is_replaced {
        return view;
    }
    let tombstone = Some(Mark { instance, reason: GoneReason::Replaced });
    let evidence = Evidence { tombstone, ..Evidence::none(view.evidence.boot) };
    View { lock: Lock::Free, evidence, ..view }
}

fn evidence(place: &Place, directory: &Directory) -> Evidence {
    Evidence {
        boot: boot::current(),
        record: Record::read(place, directory).map(|record| record.as_evidence()),
        tombstone: Ending::read_tombstone(place, directory).map(|ending| ending.as_evidence()),
        intent: Ending::read_intent(place, directory).map(|ending| ending.as_evidence()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::launch::{self, Boot, Holder};

    fn view(record: Option<u128>, starter_busy: bool) -> View {
        let boot = Boot(1);
        let record = record.map(|number| launch::Record { instance: InstanceId(number), boot });
        let evidence = Evidence { record, ..Evidence::none(boot) };
        View { starter_busy, lock: Lock::Held(Holder::Pid(7)), evidence }
    }

    #[test]
    fn another_ones_life_is_not_ours() {
        let mine = InstanceId(1);
        for (seen, is_gone) in [
            (view(Some(1), false), false),
            (view(Some(1), true), false),
            (view(Some(2), false), true),
            (view(None, true), true),
            // Somebody tidied up by hand: that is no proof.
            (view(None, false), false),
        ] {
            let told = of_instance(seen, mine);
            assert_eq!(told.lock == Lock::Free, is_gone, "{seen:?}");
            assert!(!is_gone || told.evidence.reason(None) == GoneReason::Replaced, "{seen:?}");
        }
    }

    #[test]
    fn the_last_word_of_ours_counts_while_the_rest_is_cleaned() {
        let mut seen = view(None, true);
        seen.lock = Lock::Free;
        seen.evidence.tombstone = Some(Mark { instance: InstanceId(1), reason: GoneReason::Stopped });
        assert_eq!(of_instance(seen, InstanceId(1)), seen);
    }
}
