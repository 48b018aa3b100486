//! What is going to happen: ordered by time, then by chance, then by age.
//!
//! Chance comes before age so that a seed explores the order of what happens at the same moment.
//! What an event does is left to the world.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use reattach::session::Time;

/// Something that is going to happen to the process, link or connection of that number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Event {
    pub(super) kind: EventKind,
    pub(super) id: u32,
}

macro_rules! events {
    ($($(#[$doc:meta])* $variant:ident,)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u8)]
        pub(super) enum EventKind {
            $($(#[$doc])* $variant,)*
        }

        const NAMES: &[&str] = &[$(stringify!($variant),)*];
    };
}

events! {
    /// A client's machine asked to be woken.
    ClientTimer,
    /// A client's link takes bytes again.
    ClientWrite,
    /// A user sends the next request.
    UserSend,
    /// An editor takes what was delivered.
    EditorTake,
    /// An ssh has got one step further.
    Dial,
    /// Bytes of a link arrive at the host.
    LinkUp,
    /// Bytes of a link arrive at the client.
    LinkDown,
    /// An ssh's end is seen by the client.
    LinkGone,
    /// A closed link's ssh is killed.
    LinkKill,
    /// A proxy takes its next step.
    ProxyStep,
    /// The other half of a proxy's client's side has ended, too.
    OtherEnd,
    /// A proxy's machine asked to be woken.
    ProxyTimer,
    /// Bytes of a connection arrive at the server.
    ConnUp,
    /// Bytes of a connection arrive at the proxy.
    ConnDown,
    /// A server looks at its sockets.
    Accept,
    /// Half a connection has waited for its other half.
    HalfTimeout,
    /// A server takes the next step of its start or end.
    ServerStep,
    /// A server's machine asked to be woken.
    ServerTimer,
    /// A server's attachment takes bytes again.
    ServerWrite,
    /// The kernel has let go of a dead server's lock.
    ServerGone,
    /// The hosted program takes its next step.
    ProgramStep,
    /// An entry of the scenario begins.
    Begin,
    /// An entry of the scenario ends.
    End,
    /// All faults end.
    Heal,
    /// Is everything settled?
    Settle,
    /// Is anything left of what was closed in order?
    Tidy,
    /// Is anything left?
    Sweep,
    /// Has the server of a session ended whose client has died?
    Orphan,
}

impl Event {
    /// The event as one number, for hashes.
    pub(super) fn word(self) -> u64 {
        (self.kind as u64) << 32 | u64::from(self.id)
    }
}

/// The name of an event, from its number.
pub(crate) fn event_name(word: u64) -> String {
    let kind = NAMES.get((word >> 32) as usize).unwrap_or(&"something unknown");
    format!("{kind} {}", word as u32)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    key: u128,
    event: Event,
}

/// Everything that is going to happen.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    heap: BinaryHeap<Reverse<Entry>>,
    age: u32,
}

impl Queue {
    /// Adds an event; `tie` orders it among those of the same moment.
    pub(super) fn push(&mut self, at: Time, tie: u32, event: Event) {
        let key = u128::from(at.0) << 64 | u128::from(tie) << 32 | u128::from(self.age);
        self.age = self.age.wrapping_add(1);
        self.heap.push(Reverse(Entry { key, event }));
    }

    /// The next event, and when it happens.
    pub(super) fn pop(&mut self) -> Option<(Time, Event)> {
        self.heap.pop().map(|Reverse(entry)| (Time((entry.key >> 64) as u64), entry.event))
    }
}

/// An event that was asked for and can be asked for again, earlier or later.
///
/// Later deadlines cost nothing: the event comes early, does nothing and is asked for anew.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Alarm {
    at: Option<Time>,
}

impl Alarm {
    /// When an event must be added so that one comes at `deadline`, if one must.
    #[inline]
    pub(super) fn set(&mut self, deadline: Option<Time>) -> Option<Time> {
        let deadline = deadline?;
        if self.at.is_some_and(|at| at <= deadline) {
            return None;
        }
        self.at = Some(deadline);
        Some(deadline)
    }

    /// Whether an event that came now is the one that was asked for last.
    #[inline]
    pub(super) fn ring(&mut self, now: Time) -> bool {
        let rings = self.at.is_some_and(|at| now >= at);
        if rings {
            self.at = None;
        }
        rings
    }

    /// Forgets what was asked for: a clock has jumped.
    pub(super) fn clear(&mut self) {
        self.at = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_by_time_then_chance_then_age() {
        let mut queue = Queue::default();
        let event = |id| Event { kind: EventKind::Begin, id };
        queue.push(Time(2), 0, event(0));
        queue.push(Time(1), 9, event(1));
        queue.push(Time(1), 3, event(2));
        queue.push(Time(1), 3, event(3));
        let order: Vec<u32> = std::iter::from_fn(|| queue.pop()).map(|(_, event)| event.id).collect();
        assert_eq!(order, [2, 3, 1, 0]);
    }

    #[test]
    fn an_alarm_is_asked_for_only_when_it_gets_earlier() {
        let mut alarm = Alarm::default();
        assert_eq!(alarm.set(Some(Time(5))), Some(Time(5)));
        assert_eq!(alarm.set(Some(Time(7))), None);
        assert_eq!(alarm.set(Some(Time(3))), Some(Time(3)));
        assert!(alarm.ring(Time(3)));
        assert!(!alarm.ring(Time(5)));
    }

    #[test]
    fn every_event_has_a_name() {
        assert_eq!(event_name(Event { kind: EventKind::Sweep, id: 3 }.word()), "Sweep 3");
    }
}
