//! What the world and the explorer say of the same things.

use reattach::proto::GoneReason;
use reattach::session::launch::Effect;

/// What a proxy does, where that is worth a line, and why.
pub(crate) fn launch(effect: &Effect) -> Option<(String, String)> {
    match effect {
        Effect::TakeStarter | Effect::DropStarter | Effect::Look | Effect::Attach => None,
        Effect::Exit(verdict) => Some((effect.to_string(), verdict.message.clone())),
        Effect::Intend(..)
        | Effect::Signal(..)
        | Effect::Clean
        | Effect::Spawn
        | Effect::AbandonSpawned
        | Effect::Relay => Some((effect.to_string(), String::new())),
    }
}

/// That a server is no more, and why, if its world knows.
pub(crate) fn death(reason: Option<GoneReason>) -> (String, String) {
    ("is dead".to_owned(), reason.map(|reason| reason.to_string()).unwrap_or_default())
}
