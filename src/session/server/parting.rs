//! Whose death it was: what an end of a transport's input without a goodbye can mean.
//!
//! A client that dies takes both ends of its transport along. Whoever carries the bytes is well, and says
//! at once that nothing more will come; that nobody reads any more is found out with the next bytes that
//! are passed on. A link that dies takes both directions along. So nothing is written for a while, which
//! gives the link's other half the time to end; then one word is, and an end of the output is the answer:
//!
//! ```text
//! Quiet ── nothing ends ──► Asked ── the output ends ──► the client has died
//!   │                         └───── nothing ends ─────► it cannot be told: the client may come back
//!   └── the output ends ──► the link is lost
//! ```
//!
//! The wait is made of looks that come in time: one that comes late shows that we were held back, or the
//! whole host was, and then nobody else had the time either. The answer has come over the link after the input had ended, so a link that is only half dead is not
//! taken for a well one. A client that gives up a transport and lives says so with its last bytes.

use std::time::Duration;

use super::io::{Cause, Effect};
use super::state::{Absence, State};
use super::{Server, Time};
use crate::proto::limits::HALF_END_LOOKS;
use crate::proto::{Frame, GoneReason};

/// How far it is known what an end of the input was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Parting {
    /// Nothing is written; so many looks are left, and the next is due then.
    Quiet { looks: u32, until: Time },
    /// A word is written; its answer has time until then.
    Asked { until: Time, said: bool },
}

impl Parting {
    /// We were held back: which end came first can no longer be told.
    pub(super) fn untold(now: Time) -> Self {
        Parting::Asked { until: now, said: false }
    }

    /// When it has lasted long enough.
    pub(super) fn until(&self) -> Time {
        match self {
            Parting::Quiet { until, .. } | Parting::Asked { until, .. } => *until,
        }
    }

    /// Whether the word is to be written now; it is from then on.
    pub(super) fn ask(&mut self) -> bool {
        match self {
            Parting::Quiet { .. } => false,
            Parting::Asked { said, .. } => !std::mem::replace(said, true),
        }
    }

    /// Whether an end of the output at `now` is the answer to the word.
    pub(super) fn is_answered(&self, now: Time) -> bool {
        match self {
            Parting::Quiet { .. } => false,
            Parting::Asked { until, said } => *said && now < *until,
        }
    }
}

impl Absence {
    /// Why a server ends whose client has been away for the whole of its lifetime.
    pub(super) fn end(self) -> GoneReason {
        match self {
            Absence::Away => GoneReason::Idle,
            Absence::Dead => GoneReason::Orphaned,
        }
    }
}

impl Server {
    pub(super) fn drop_link(&mut self, now: Time, bye: Option<Frame>, cause: Cause) {
        if let State::Attached(link) = &self.state {
            self.effects.push_back(Effect::Close(link.transport, bye));
            let absence = if cause == Cause::Death { Absence::Dead } else { Absence::Away };
            self.enter(State::Detached { until: now + self.lifetime(absence), absence }, cause);
        }
    }

    /// How long to wait for a client that is away.
    fn lifetime(&self, absence: Absence) -> Duration {
        let idle = self.config.idle_lifetime;
        match absence {
            Absence::Away => idle,
            Absence::Dead => self.config.orphan_lifetime.map_or(idle, |orphan| orphan.min(idle)),
        }
    }

    /// Nothing more comes, without a goodbye. What that was is only found out where it matters: a
    /// session with a name is somebody else's to come back to, or to stop.
    pub(super) fn on_input_ended(&mut self, now: Time) {
        let matters = self.config.nameless && self.config.orphan_lifetime.is_some();
        let until = now + self.half_end_look();
        match &mut self.state {
            State::Attached(link) if matters => {
                link.parting.get_or_insert(Parting::Quiet { looks: HALF_END_LOOKS, until });
            }
            State::Attached(_) => self.drop_link(now, None, Cause::Lost),
            State::Unmet { .. } | State::Detached { .. } | State::Ended(_) => {}
        }
    }

    /// Time between two looks.
    fn half_end_look(&self) -> Duration {
        self.config.half_end_wait / HALF_END_LOOKS
    }

    /// What was waited for in a parting did not come.
    pub(super) fn on_parting_due(&mut self, now: Time) {
        let look = self.half_end_look();
        let State::Attached(link) = &mut self.state else {
            return;
        };
        match link.parting {
            Some(Parting::Quiet { looks, until }) => {
                // One that comes late is made up for.
                let looks = if now < until + look { looks - 1 } else { looks };
                link.parting = Some(match looks {
                    0 => Parting::Asked { until: now + self.config.half_end_answer, said: false },
                    _ => Parting::Quiet { looks, until: now + look },
                });
            }
            Some(Parting::Asked { .. }) => self.drop_link(now, None, Cause::Lost),
            None => {}
        }
    }
}
