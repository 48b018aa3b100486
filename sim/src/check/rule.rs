//! Rules that the world and the explorer judge alike.

use reattach::session::Time;
use reattach::session::launch::Effect;

/// Whether a proxy would change the host by this: a reconnect looks and attaches, and whatever else it
/// asks for is not its to ask.
#[must_use]
pub fn changes_the_host(effect: &Effect) -> bool {
    match effect {
        Effect::TakeStarter
        | Effect::Intend(..)
        | Effect::Signal(..)
        | Effect::Clean
        | Effect::Spawn
        | Effect::AbandonSpawned => true,
        Effect::DropStarter | Effect::Look | Effect::Attach | Effect::Relay | Effect::Exit(_) => false,
    }
}

/// Whether a machine that was woken now sleeps before it wants to be woken again.
#[must_use]
pub fn timer_moves_on(now: Time, due: Option<Time>) -> bool {
    due.is_none_or(|due| due > now)
}
