//! How often a client of the small world may try: the explorer's own count.

use reattach::session::client::Status;

use super::automaton::Told;
use crate::check::Promise;

/// One client's attempts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Budget {
    attempts_max: u32,
    /// Attempts to reattach since the last handshake or hint; one more than the budget in a pause.
    tries: u32,
    /// Since the last attempt the user has sent something.
    acted: bool,
    /// Since the last attempt a pause has passed.
    paused: bool,
}

impl Budget {
    pub(super) fn new(attempts_max: u32) -> Self {
        Budget { attempts_max, tries: 0, acted: false, paused: false }
    }

    /// A handshake, a hint, or a session that starts over.
    pub(super) fn renew(&mut self) {
        self.tries = 0;
    }

    pub(super) fn acted(&mut self) {
        self.acted = true;
    }

    /// A deadline comes, in this state: true if it is one of a pause.
    pub(super) fn waited(&mut self, status: &Status) -> bool {
        self.paused = *status == Status::ReconnectExhausted;
        self.paused
    }

    /// An attempt is made in this state; `reattaches` says whether it is one to come back.
    pub(super) fn judge_attempt<D>(&mut self, status: &Status, reattaches: bool, told: &mut Told<D>) {
        let pause_ends = *status == Status::ReconnectExhausted && (self.acted || self.paused);
        (self.acted, self.paused) = (false, false);
        self.tries = if reattaches { self.tries.min(self.attempts_max) + 1 } else { 0 };
        let Budget { tries, attempts_max, .. } = *self;
        told.judge(Promise::AttemptsMax, tries <= attempts_max || pause_ends, || {
            format!("the client tries {tries} times, {attempts_max} are allowed")
        });
    }

    /// The count that a client shows.
    pub(super) fn judge_count<D>(&self, shown: u32, told: &mut Told<D>) {
        let tries = self.tries;
        told.judge(Promise::AttemptsCounted, shown == tries, || {
            format!("the client shows attempt {shown}, it is number {tries}")
        });
    }

    /// A client says that its budget is used up, or that the attempt of a pause has failed.
    pub(super) fn judge_pause<D>(&self, told: &mut Told<D>) {
        let Budget { tries, attempts_max, .. } = *self;
        told.judge(Promise::AttemptsMax, tries == attempts_max || tries == attempts_max + 1, || {
            format!("the client pauses after {tries} attempts, {attempts_max} were due")
        });
    }
}
