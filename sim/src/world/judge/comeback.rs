//! When a client may try to come back, and when it must: the world's own books, kept from what was
//! opened, shown and sent, and never asked of the machine.

use std::time::Duration;

use reattach::proto::limits::{
    ACTIVITY_GRACE, ACTIVITY_PACE, ALLOWANCE_BURST, ALLOWANCE_EVERY, BACKOFF_MAX, BACKOFF_MIN,
    FIRST_ATTEMPTS_MAX, FIRST_RETRY_SPREAD, HINT_GRACE, NETWORK_PROBE_TIMEOUT, OPEN_TIMEOUT, PATIENCE_MAX,
    PATIENCE_MIN, PROBE_TIMEOUT, SUSPENSION_MIN,
};
use reattach::session::Time;
use reattach::session::client::{Cause, Status, Way};

use super::distance::{Distance, SHORT_OPENS};
use crate::check::{Goal, Promise};
use crate::machine::Kit;
use crate::world::link::Link;
use crate::world::{ClientId, LinkId, World};

/// What a full bucket is worth: an attempt costs the time in which its token comes.
const CREDIT_MAX: Duration = ALLOWANCE_EVERY.saturating_mul(ALLOWANCE_BURST);

/// Time between two attempts of one budget: the shortest delay but the first, which there is none of.
const DELAY_MIN: Duration = BACKOFF_MIN.saturating_sub(BACKOFF_MIN.checked_div(4).expect("four parts"));

/// Time between the pause's beginning and the first attempt that patience makes.
const PAUSE_MIN: Duration = PATIENCE_MIN.saturating_sub(PATIENCE_MIN.checked_div(4).expect("four parts"));

/// Who was held back is given its turn by then.
const TURN: Duration = Duration::from_millis(1);

/// One client's attempts, by the laptop's clock.
#[derive(Clone, Debug)]
pub(in crate::world) struct Comeback {
    credit: Duration,
    credited_at: Time,
    /// Attempts to reattach since the last handshake or hint; one more than the budget in a pause.
    pub(in crate::world) tries: u32,
    /// When the last attempt was made, and whether the user has sent something since.
    tried_at: Time,
    acted: bool,
    /// Since when it pauses, after its budget was used up or the attempt of a pause has failed.
    exhausted_at: Option<Time>,
    /// Pauses since then, this one included.
    pauses: u32,
    /// When the link was lost.
    lost_at: Time,
    /// First attaches that were turned away in a row.
    pub(in crate::world) turned_away: u32,
    /// Hints since the last handshake.
    pub(in crate::world) hints: u32,
    /// When the next attempt must have been made.
    due_by: Option<Time>,
    /// The outage began with silence.
    silent: bool,
    /// The way of the last attempt, and whether that is to be judged once its outage's beginning is told.
    way: Way,
    way_untold: bool,
    /// A hint came since the last attempt.
    hinted: bool,
    /// The last hint, and the first of those that came before a probe of the one before was decided.
    hinted_at: Option<Time>,
    probed_at: Time,
    /// The least that the probes since then have.
    probe: Duration,
    /// Attempts since the last handshake that ended after a hint had come.
    replaced: u32,
    /// The last attempt was made because the user sent something.
    by_activity: bool,
    /// What the attempt had that was closed before it opened.
    given_up: Option<GivenUp>,
    /// By when the link must have come through, or have been replaced in the network of now.
    replace_by: Option<(LinkId, Time)>,
}

/// What an attempt had until it was closed.
#[derive(Clone, Copy, Debug)]
struct GivenUp {
    lasted: Duration,
    least: Duration,
    most: Duration,
    /// What it was to have after a hint.
    grace: Duration,
    hinted: bool,
    by_activity: bool,
}

fn other(way: Way) -> Way {
    match way {
        Way::Shared => Way::Own,
        Way::Own => Way::Shared,
    }
}

impl Comeback {
    pub(in crate::world) fn new(now: Time) -> Self {
        Comeback {
            credit: CREDIT_MAX,
            credited_at: now,
            tries: 0,
            tried_at: now,
            acted: false,
            exhausted_at: None,
            pauses: 0,
            lost_at: now,
            turned_away: 0,
            hints: 0,
            due_by: None,
            silent: false,
            way: Way::Shared,
            way_untold: false,
            hinted: false,
            hinted_at: None,
            probed_at: now,
            probe: NETWORK_PROBE_TIMEOUT,
            replaced: 0,
            by_activity: false,
            given_up: None,
            replace_by: None,
        }
    }

    /// A handshake, or a session that starts over: a full budget.
    pub(in crate::world) fn welcomed(&mut self) {
        (self.tries, self.pauses, self.hints, self.turned_away) = (0, 0, 0, 0);
        self.due_by = None;
        self.replaced = 0;
        self.silent = false;
    }

    /// A wake-up, a network or the user's word: a full budget, and an attempt as soon as may be. `told` says
    /// whether it was a network alone.
    pub(in crate::world) fn hinted(&mut self, now: Time, status: &Status, told: bool, far: &Distance) {
        (self.tries, self.pauses) = (0, 0);
        self.hints = self.hints.saturating_add(1);
        self.hinted = true;
        let last = self.hinted_at.replace(now);
        let (network, longest) = (far.network_probe_least(), PROBE_TIMEOUT.max(far.network_probe_most()));
        let least = if told { network } else { network.min(PROBE_TIMEOUT) };
        if last.is_none_or(|last| now > last + longest + SUSPENSION_MIN) {
            (self.probed_at, self.probe) = (now, least);
        }
        self.probe = self.probe.min(least);
        if matches!(status, Status::ReconnectFailed(_) | Status::ReconnectExhausted) {
            self.due_by = Some(self.next_token_at(now));
        }
    }

    /// The attempt under way was not replaced at once by a hint: it counts for nothing, and has its grace.
    pub(in crate::world) fn outlived_hint(&mut self, now: Time, link: LinkId) {
        (self.tries, self.hinted) = (0, true);
        let grace = HINT_GRACE.saturating_mul(2u32.saturating_pow(self.hints.saturating_sub(1)));
        let due = self.next_token_at(now).max(self.tried_at + grace);
        let sooner = self.replace_by.filter(|(replaced, by)| *replaced == link && *by < due);
        self.replace_by = sooner.or(Some((link, due)));
    }

    /// What the current attempt took until now, if it was not slept through.
    pub(in crate::world) fn took(&self, now: Time) -> Option<Duration> {
        (!self.hinted).then(|| now.since(self.tried_at))
    }

    /// The client closes an attempt to come back; `started` says whether it had heard that its proxy runs.
    pub(in crate::world) fn closed(&mut self, now: Time, started: bool, attempts_max: u32, far: &Distance) {
        let failed = self.tries.saturating_sub(1);
        // That of a pause has all the time there is, however few there were before it.
        let failed = if failed >= attempts_max { SHORT_OPENS } else { failed };
        self.given_up = Some(GivenUp {
            lasted: now.since(self.tried_at),
            least: far.time_to_open(failed),
            most: if started { OPEN_TIMEOUT } else { far.time_to_open(failed.saturating_add(self.hints)) },
            grace: HINT_GRACE.saturating_mul(2u32.saturating_pow(self.replaced)),
            hinted: self.hinted,
            by_activity: self.by_activity,
        });
        self.replaced = self.replaced.saturating_add(u32::from(self.hinted));
    }

    /// The user sends something.
    pub(in crate::world) fn acted(&mut self, now: Time, status: &Status) {
        self.acted = true;
        let waits = match status {
            Status::ReconnectFailed(failed) => *failed > 0,
            status => *status == Status::ReconnectExhausted,
        };
        if waits {
            let soon = self.next_token_at(now).max(self.tried_at + ACTIVITY_PACE);
            self.due_by = Some(self.due_by.map_or(soon, |due| due.min(soon)));
        }
    }

    /// The attempt never came to the host, which saw nothing of it.
    pub(in crate::world) fn never_arrived(&mut self, now: Time) {
        self.refill(now);
        self.credit = (self.credit + ALLOWANCE_EVERY).min(CREDIT_MAX);
    }

    /// Its deadlines may have passed while it could do nothing.
    pub(in crate::world) fn delayed(&mut self, now: Time) {
        self.due_by = self.due_by.map(|due| due.max(now + TURN));
        self.replace_by = self.replace_by.map(|(link, due)| (link, due.max(now + TURN)));
    }

    fn refill(&mut self, now: Time) {
        self.credit = (self.credit + now.since(self.credited_at)).min(CREDIT_MAX);
        self.credited_at = now;
    }

    fn next_token_at(&mut self, now: Time) -> Time {
        self.refill(now);
        now + ALLOWANCE_EVERY.saturating_sub(self.credit)
    }

    /// A delay of the machine's, with its quarter of jitter, but not before there is a token.
    fn within(&mut self, now: Time, nominal: Duration) -> Time {
        self.next_token_at(now).max(now + nominal * 5 / 4)
    }
}

impl<K: Kit> World<'_, K> {
    /// An attempt is made; `reattaches` says whether it is one to come back.
    pub(in crate::world) fn judge_attempt(&mut self, client: ClientId, reattaches: bool, way: Way) {
        let name = self.letter(client);
        let now = self.laptop_now();
        let attempts_max = self.scenario.setting.attempts_max;
        let patience = self.scenario.setting.patience;
        let untold = self.clients[client as usize].status.is_attached();
        let book = &mut self.clients[client as usize].comeback;
        let since = now.since(std::mem::replace(&mut book.tried_at, now));
        let acted = std::mem::take(&mut book.acted);
        book.due_by = None;
        book.refill(now);
        let allowed = book.credit >= ALLOWANCE_EVERY;
        book.credit = book.credit.saturating_sub(ALLOWANCE_EVERY);
        let in_budget = book.tries < attempts_max;
        book.tries = if reattaches { book.tries.min(attempts_max) + 1 } else { 0 };
        let tries = book.tries;
        let turned_away = book.turned_away;
        let other = other(std::mem::replace(&mut book.way, way));
        (book.way_untold, book.hinted, book.by_activity) = (untold, false, false);
        let paused = book.exhausted_at.take().map(|at| now.since(at));
        // An attempt that was due in time may be made when its laptop gets to it.
        let lasts = now <= book.lost_at + patience + SUSPENSION_MIN;
        let acted = acted && since >= ACTIVITY_PACE;
        let excused = paused.is_some_and(|paused| acted || (lasts && paused >= PAUSE_MIN));
        self.judge(Promise::AttemptsPaced, allowed, || {
            format!("client {name} makes an attempt {since:?} after the last, and its allowance is used up")
        });
        self.judge(Promise::AttemptsMax, in_budget || excused, || {
            format!(
                "client {name} makes attempt {tries} of a budget of {attempts_max} after a pause of {paused:?}; \
                 patience lasts: {lasts}"
            )
        });
        self.judge(Promise::AttemptsMax, reattaches || turned_away < FIRST_ATTEMPTS_MAX, || {
            format!("client {name} makes its first attach again, and was turned away {turned_away} times")
        });
        if tries > 1 {
            self.judge(Promise::WaysAlternate, way == other, || {
                format!("client {name} makes attempt {tries} of an outage over the way that failed: {way:?}")
            });
        } else if !untold {
            self.judge_first_way(client);
        }
        if !in_budget {
            self.goals.reach(if acted { Goal::ActivityTried } else { Goal::PatienceTried });
        } else if tries > 1 {
            self.judge(Promise::AttemptsPaced, since >= DELAY_MIN || acted, || {
                format!("client {name} makes attempt {tries} of an outage {since:?} after the last")
            });
        }
    }

    /// Where a budget begins nothing is known of the ways, but for what silence says.
    fn judge_first_way(&mut self, client: ClientId) {
        let name = self.letter(client);
        let Comeback { silent, way, .. } = self.clients[client as usize].comeback;
        self.judge(Promise::WaysAlternate, (way == Way::Own) == silent, || {
            format!("client {name} begins over its way {way:?}; its link fell silent: {silent}")
        });
    }

    /// Why a client gave its transport up, held against what that had.
    pub(in crate::world) fn judge_loss(
        &mut self,
        client: ClientId,
        before: &Status,
        status: &Status,
        cause: &Cause,
    ) {
        let name = self.letter(client);
        let now = self.laptop_now();
        let process = &mut self.clients[client as usize];
        let (book, unheard) = (&mut process.comeback, process.life.silent_for(now));
        let given_up = book.given_up.take();
        book.by_activity |= matches!(status, Status::Reconnecting(_)) && *cause == Cause::Activity;
        let untold = std::mem::take(&mut book.way_untold);
        if before.is_attached() && !status.is_attached() {
            book.silent = *cause == Cause::Silence;
            let rash = matches!(cause, Cause::NetworkUp | Cause::Wake | Cause::Activity);
            // What is heard at once after a hint may have been under way before it.
            let silence = unheard.max(now.since(book.probed_at));
            let waited = *cause != Cause::Silence || silence >= book.probe;
            self.judge(Promise::StaysSettled, waited && !rash, || {
                format!("client {name} gives its link up, of which it has heard {unheard:?} ago: {cause}")
            });
        }
        if untold {
            self.judge_first_way(client);
        }
        let Some(given_up) = given_up.filter(|_| matches!(before, Status::Reconnecting(_))) else {
            return;
        };
        let GivenUp { lasted, least, most, grace, hinted, by_activity } = given_up;
        if *cause == Cause::OpenTimeout {
            self.judge_own_sleep(client, now - lasted, most);
        }
        if *cause == Cause::OpenTimeout && !hinted {
            self.judge(Promise::AttemptsPaced, lasted >= least, || {
                format!("client {name} gives an open up after {lasted:?}, {least:?} were due")
            });
            self.judge(Promise::RetriedInTime, lasted <= most + SUSPENSION_MIN, || {
                format!("client {name} gives an open up after {lasted:?}, {most:?} were due")
            });
        } else if matches!(cause, Cause::OpenTimeout | Cause::NetworkUp | Cause::Wake) {
            self.judge(Promise::AttemptsPaced, lasted >= grace.min(least), || {
                format!(
                    "client {name} replaces an open after {lasted:?} because of a hint, {grace:?} were due"
                )
            });
        } else if *cause == Cause::Activity {
            self.judge(Promise::AttemptsPaced, lasted >= ACTIVITY_GRACE && !by_activity, || {
                format!(
                    "client {name} replaces an open after {lasted:?} because its user sends something; \
                     it had begun so: {by_activity}"
                )
            });
        }
    }

    /// What a client shows of its attempts, held against the count of them.
    pub(in crate::world) fn judge_count(&mut self, client: ClientId, before: &Status, status: &Status) {
        let name = self.letter(client);
        let now = self.laptop_now();
        let attempts_max = self.scenario.setting.attempts_max;
        let patience = self.scenario.setting.patience;
        let book = &mut self.clients[client as usize].comeback;
        let tries = book.tries;
        if before.is_attached() && !status.is_attached() {
            book.lost_at = now;
        }
        match status {
            Status::Reconnecting(shown) | Status::ReconnectFailed(shown) => {
                let shown = *shown;
                if let Status::ReconnectFailed(failed) = status {
                    let nominal = match failed {
                        0 => FIRST_RETRY_SPREAD,
                        _ => BACKOFF_MIN.saturating_mul(3u32.saturating_pow(failed - 1)).min(BACKOFF_MAX),
                    };
                    let due = book.within(now, nominal);
                    book.due_by = Some(due);
                    if due > now + nominal * 5 / 4 {
                        self.goals.reach(Goal::AllowanceWaited);
                    }
                }
                let book = &mut self.clients[client as usize].comeback;
                if *before == Status::Connecting {
                    book.lost_at = now;
                }
                self.judge(Promise::AttemptsCounted, shown == tries, || {
                    format!("client {name} shows attempt {shown}, it is number {tries}")
                });
            }
            Status::ReconnectExhausted => {
                let pause = PATIENCE_MIN.saturating_mul(2u32.saturating_pow(book.pauses)).min(PATIENCE_MAX);
                let due = book.within(now, pause);
                book.pauses += 1;
                book.exhausted_at = Some(now);
                // At the very end of patience the jitter decides.
                book.due_by = (due <= book.lost_at + patience).then_some(due);
                if now > book.lost_at + patience && !patience.is_zero() {
                    self.goals.reach(Goal::PatienceOver);
                }
                self.judge(Promise::AttemptsMax, tries == attempts_max || tries == attempts_max + 1, || {
                    format!("client {name} pauses after {tries} attempts, {attempts_max} were due")
                });
            }
            Status::Connecting
            | Status::Connected
            | Status::HeartbeatMissed(_)
            | Status::ServerNotRunning(_)
            | Status::Refused(_)
            | Status::Closed(_) => book.due_by = None,
        }
    }

    /// Whether a client that is to try has tried.
    #[inline]
    pub(in crate::world) fn judge_promptness(&mut self, client: ClientId) {
        let process = &self.clients[client as usize];
        if let Some((link, due)) = process.comeback.replace_by.filter(|(link, _)| process.link == Some(*link))
            && self.links[link as usize].is_dialing()
        {
            let (now, name) = (self.laptop_now(), process.letter);
            self.checks.judge(self.now, Promise::RetriedInTime, now <= due, || {
                format!("client {name} was to replace an open of before a hint by {due}; it is {now}")
            });
        }
        let process = &self.clients[client as usize];
        let Some(due) = process.comeback.due_by.filter(|_| process.link.is_none()) else {
            return;
        };
        let now = self.laptop_now();
        let (name, status) = (process.letter, &process.status);
        self.checks.judge(self.now, Promise::RetriedInTime, now <= due, || {
            format!("client {name} is {status}, and was to try again by {due}; it is {now}")
        });
    }

    /// ssh was turned away before it could start anything: the same may be tried again.
    pub(in crate::world) fn note_turned_away(&mut self, link: LinkId) {
        self.goals.reach(Goal::TurnedAway);
        let Link { client, session, .. } = self.links[link as usize];
        self.clients[client as usize].comeback.turned_away += 1;
        self.sessions[session as usize].opened = false;
    }

    /// Whether a first attach that was turned away has been tried often enough.
    pub(in crate::world) fn tried_enough(&self, client: ClientId) -> bool {
        self.clients[client as usize].comeback.turned_away == FIRST_ATTEMPTS_MAX
    }

    /// Whether nothing but a hint or its user has to make a client try again.
    pub(in crate::world) fn may_give_up(&self, client: ClientId) -> bool {
        let process = &self.clients[client as usize];
        process.status == Status::ReconnectExhausted && process.comeback.due_by.is_none()
    }

    /// Whether nothing else will.
    pub(in crate::world) fn has_given_up(&self, client: ClientId) -> bool {
        let until = self.clients[client as usize].comeback.lost_at + self.scenario.setting.patience;
        self.may_give_up(client) && self.laptop_now() > until + SUSPENSION_MIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn a_token_is_waited_for_when_five_are_out() {
        let mut book = Comeback::new(at(0));
        for _ in 0..5 {
            assert_eq!(book.next_token_at(at(1)), at(1));
            book.credit -= ALLOWANCE_EVERY;
        }
        assert_eq!([1, 3, 30].map(|now| book.next_token_at(at(now))), [4, 4, 30].map(at));
    }

    #[test]
    fn who_sends_during_a_pause_is_tried_for_at_once() {
        let mut book = Comeback::new(at(0));
        book.due_by = Some(at(90));
        book.acted(at(60), &Status::Connected);
        assert_eq!(book.due_by, Some(at(90)));
        book.acted(at(60), &Status::ReconnectExhausted);
        assert_eq!(book.due_by, Some(at(60)));
        book.delayed(at(70));
        assert_eq!(book.due_by, Some(at(70) + TURN));
    }

    #[test]
    fn an_open_has_more_time_after_hints_and_a_minute_once_it_has_started() {
        let mut book = Comeback::new(at(0));
        (book.tries, book.hints) = (2, 1);
        book.closed(at(12), false, 3, &Distance::default());
        let given_up = book.given_up.expect("it was closed");
        assert_eq!([given_up.lasted, given_up.least, given_up.most].map(|time| time.as_secs()), [12, 12, 24]);
        book.closed(at(12), true, 3, &Distance::default());
        assert_eq!(book.given_up.expect("it was closed").most, OPEN_TIMEOUT);
    }

    #[test]
    fn an_open_that_outlives_a_hint_is_replaced_after_its_grace_and_no_later_for_the_next() {
        let (mut book, far) = (Comeback::new(at(0)), Distance::default());
        book.hinted(at(0), &Status::Reconnecting(1), true, &far);
        book.outlived_hint(at(0), 7);
        assert_eq!((book.tries, book.hinted, book.replace_by), (0, true, Some((7, at(0) + HINT_GRACE))));
        book.hinted(at(0), &Status::Reconnecting(1), true, &far);
        book.outlived_hint(at(0), 7);
        assert_eq!(book.replace_by, Some((7, at(0) + HINT_GRACE)));
        book.outlived_hint(at(0), 8);
        assert_eq!(book.replace_by, Some((8, at(0) + HINT_GRACE * 2)));
    }
}
