//! When the client tries, when it pauses, and what ends a pause.
//!
//! A loss after a success is retried at once. Attempts of one outage that fail are spread by the
//! backoff; after exactly MAX of them the client pauses. A pause ends with a full budget for a hint (a
//! wake-up, a network, the user's word), and with a single attempt for what the user sends, which also
//! shortens the delays of a budget, or for patience. Whoever asked for an attempt, the allowance bounds how often the host is logged in to.
//!
//! What the news of an attempt mean is left to `news`.

use std::time::Duration;

use super::io::{Cause, Effect, Launch, Way};
use super::state::{Opening, Phase, State};
use super::status::Refused;
use super::{Client, Time};
use crate::proto::ByeReason;
use crate::session::config::First;

/// Attempts of an outage whose time to open is double that of the one before.
const DOUBLINGS: u32 = 3;

impl Client {
    /// The first attempt of a session: the only one that may start a server. It is made again only
    /// where nothing can have been started.
    pub(super) fn connect(&mut self, now: Time, cause: Cause) {
        self.connect_at(now, now, cause);
    }

    fn connect_at(&mut self, now: Time, wanted: Time, cause: Cause) {
        let retry_at = self.allowance.next_at(wanted, self.config.allowance.as_ref());
        if retry_at > now {
            return self.enter(State::ConnectFailed { retry_at }, cause);
        }
        let launch = match self.config.first {
            First::Start => Launch::Start,
            First::Replace => Launch::Replace,
            First::Takeover => Launch::Reattach,
        };
        self.open(now, launch);
        let until = self.config.first_open_timeout.map(|timeout| now + timeout);
        self.enter(State::Connecting(Opening::new(until)), cause);
    }

    fn reattach(&mut self, now: Time, cause: Cause) {
        self.open(now, Launch::Reattach);
        let until = self.open_timeout().map(|timeout| now + timeout);
        let by_activity = cause == Cause::Activity;
        self.enter(State::Reconnecting(Opening { by_activity, ..Opening::new(until) }), cause);
    }

    fn open(&mut self, now: Time, launch: Launch) {
        self.attempt += 1;
        self.tried_at = now;
        self.allowance.take(now, self.config.allowance.as_ref());
        let way = if self.own_way { Way::Own } else { Way::Shared };
        self.effects.push_back(Effect::Open(self.attempt, launch, way));
    }

    /// Within an outage an open gets more and more time: a dead path does not hold the first tries, and a
    /// slow host gets what it needs.
    fn open_timeout(&self) -> Option<Duration> {
        let longest = self.config.open_timeout?;
        let tries = self.failures.saturating_add(self.replaced);
        // However short its budget was: whoever pauses has the time.
        if tries >= DOUBLINGS || self.failures >= self.config.attempts_max {
            return Some(longest);
        }
        Some(self.seen.first_open().saturating_mul(1 << tries).min(longest))
    }

    /// Reattaches as soon as it may, at `wanted` or later.
    fn reattach_at(&mut self, now: Time, wanted: Time, cause: Cause) {
        let retry_at = self.allowance.next_at(wanted, self.config.allowance.as_ref());
        if retry_at <= now {
            self.reattach(now, cause);
        } else {
            self.enter(State::ReconnectFailed { retry_at }, cause);
        }
    }

    /// Ends the transport, and plans the next attempt.
    pub(super) fn lose(&mut self, now: Time, cause: Cause, bye: Option<(ByeReason, String)>) {
        if let State::Connecting(opening) = &self.state
            && !opening.started
        {
            // Nothing was started, so there is nothing to come back to.
            return self.end_refused(Refused::Unreachable(cause.to_string()), cause);
        }
        match bye {
            Some((reason, message)) => self.close_transport(Some(reason), message),
            None => self.close_transport(None, String::new()),
        }
        match &self.state {
            State::Attached(attached) => {
                let attached_for = now.since(attached.since);
                if attached_for >= self.config.stable_after {
                    self.violations = 0;
                }
                if attached_for >= self.config.backoff.calm_after {
                    self.backoff.reset();
                }
                self.lost_at = now;
                self.fell_silent = cause == Cause::Silence;
                self.own_way = self.fell_silent;
            }
            State::Connecting(_) => {
                self.lost_at = now;
                self.start_over();
            }
            State::Reconnecting(opening) if opening.woken => {
                self.replaced = self.replaced.saturating_add(1);
                self.start_over();
            }
            State::Reconnecting(_) => {
                // Those of a pause are no part of the budget, which is used up.
                self.failures = (self.failures + 1).min(self.config.attempts_max);
                self.own_way = !self.own_way;
            }
            State::ConnectFailed { .. }
            | State::ReconnectFailed { .. }
            | State::ReconnectExhausted { .. }
            | State::ServerNotRunning(_)
            | State::Refused(_)
            | State::Closed(_) => unreachable!("own bug: only an open transport can be lost"),
        }
        if self.failures >= self.config.attempts_max {
            self.pause(now, cause);
        } else {
            let delay = self.backoff.next_delay(&self.config.backoff);
            self.reattach_at(now, now + delay, cause);
        }
    }

    /// The budget is used up.
    fn pause(&mut self, now: Time, cause: Cause) {
        let retry_at = self.config.patience.as_ref().and_then(|patience| {
            let due = now + self.backoff.next_pause(patience, self.config.backoff.jitter);
            let due = self.allowance.next_at(due, self.config.allowance.as_ref());
            (due <= self.lost_at + patience.lasts).then_some(due)
        });
        let look_at = now + self.config.heartbeat_interval;
        self.enter(State::ReconnectExhausted { look_at, retry_at, by_activity: false }, cause);
    }

    /// ssh was turned away before the key exchange: whatever it would have started was not.
    pub(super) fn on_turned_away(&mut self, now: Time, cause: Cause) {
        self.failures += 1;
        if self.failures >= self.config.first_attempts_max {
            return self.end_refused(Refused::Unreachable(cause.to_string()), cause);
        }
        self.close_transport(None, String::new());
        let wanted = now + self.backoff.next_delay(&self.config.backoff);
        self.connect_at(now, wanted, cause);
    }

    /// A wake-up, a network or the user: whatever was learned about the link is out of date.
    pub(super) fn on_hint(&mut self, now: Time, cause: Cause) {
        let probe_timeout = match cause {
            Cause::NetworkUp => self.seen.network_probe(),
            _ => self.config.probe_timeout,
        };
        match &mut self.state {
            // However often a network changes, a probe has its time and no more.
            State::Attached(attached)
                if cause == Cause::NetworkUp && attached.heartbeat.is_unanswered(now) =>
            {
                self.lose(now, Cause::Silence, None);
            }
            State::Attached(attached) => {
                if let Some(nonce) = attached.heartbeat.probe_now(now, probe_timeout) {
                    attached.ping = Some(nonce);
                }
            }
            State::Reconnecting(opening) => {
                opening.woken = true;
                opening.extend(now, now + self.config.probe_timeout);
                match opening.phase {
                    Phase::Open { until: Some(_) } => {
                        // It may hang in a network that is gone: the next one starts in that of now.
                        let Some(grace) = self.config.hint_grace else {
                            return opening.hasten(now + self.config.attach_timeout);
                        };
                        let grace = grace.saturating_mul(2u32.saturating_pow(self.replaced));
                        let replace_at =
                            self.allowance.next_at(self.tried_at + grace, self.config.allowance.as_ref());
                        if replace_at > now {
                            return opening.hasten(replace_at);
                        }
                        self.close_transport(None, String::new());
                        self.replace(now, cause);
                    }
                    // A password may be typed: that takes as long as it takes.
                    Phase::Open { until: None } => {}
                    Phase::Greet { .. } | Phase::Answer { .. } => {
                        opening.hasten(now + self.config.attach_timeout);
                    }
                }
            }
            State::ReconnectFailed { .. } | State::ReconnectExhausted { .. } => {
                self.violations = 0;
                self.start_over();
                self.start_budget(now, cause);
            }
            State::ConnectFailed { retry_at } => {
                let soon = self.allowance.next_at(now, self.config.allowance.as_ref());
                // Nothing is told twice.
                *retry_at = soon.min(*retry_at);
                self.on_retry_due(now);
            }
            State::Connecting(opening) => {
                opening.woken = true;
                opening.extend(now, now + self.config.probe_timeout);
            }
            State::ServerNotRunning(_) | State::Refused(_) | State::Closed(_) => {}
        }
    }

    /// In the place of one that was begun in another network.
    fn replace(&mut self, now: Time, cause: Cause) {
        self.replaced = self.replaced.saturating_add(1);
        self.start_over();
        self.start_budget(now, cause);
    }

    /// The attempt that starts here is the immediate one of its budget.
    fn start_budget(&mut self, now: Time, cause: Cause) {
        self.backoff.next_delay(&self.config.backoff);
        self.reattach_at(now, now, cause);
    }

    /// Whatever was counted in this outage is forgotten.
    pub(super) fn start_over(&mut self) {
        self.failures = 0;
        self.backoff.reset();
        self.own_way = self.fell_silent;
    }

    /// The user sent something: whoever does so wants to be heard.
    pub(super) fn on_activity(&mut self, now: Time) {
        if !self.config.heeds_activity {
            return;
        }
        if let State::Reconnecting(opening) = &self.state
            && opening.yields_to_activity()
            && now >= self.tried_at + self.config.activity_grace
        {
            self.lose(now, Cause::Activity, None);
        }
        let paced = now.max(self.tried_at + self.config.activity_pace);
        let soon = self.allowance.next_at(paced, self.config.allowance.as_ref());
        match &mut self.state {
            // Not where only the spread or a token is waited for.
            State::ReconnectFailed { retry_at } if self.failures > 0 => *retry_at = soon.min(*retry_at),
            State::ReconnectExhausted { retry_at, by_activity, .. }
                if retry_at.is_none_or(|due| soon < due) =>
            {
                (*retry_at, *by_activity) = (Some(soon), true);
            }
            State::Connecting(_)
            | State::Attached(_)
            | State::Reconnecting(_)
            | State::ConnectFailed { .. }
            | State::ReconnectFailed { .. }
            | State::ReconnectExhausted { .. }
            | State::ServerNotRunning(_)
            | State::Refused(_)
            | State::Closed(_) => return,
        }
        if soon <= now {
            self.reattach(now, Cause::Activity);
        }
    }

    /// What a failed attempt waited for is due.
    pub(super) fn on_retry_due(&mut self, now: Time) {
        match &mut self.state {
            State::ConnectFailed { retry_at } if now >= *retry_at => self.connect(now, Cause::RetryDue),
            State::ReconnectFailed { retry_at } if now >= *retry_at => self.reattach(now, Cause::RetryDue),
            State::ReconnectExhausted { retry_at: Some(retry_at), by_activity, .. } if now >= *retry_at => {
                let cause = if *by_activity { Cause::Activity } else { Cause::Patience };
                self.reattach(now, cause);
            }
            State::ReconnectExhausted { look_at, .. } if now >= *look_at => {
                *look_at = now + self.config.heartbeat_interval;
            }
            State::Connecting(_)
            | State::Attached(_)
            | State::Reconnecting(_)
            | State::ConnectFailed { .. }
            | State::ReconnectFailed { .. }
            | State::ReconnectExhausted { .. }
            | State::ServerNotRunning(_)
            | State::Refused(_)
            | State::Closed(_) => {}
        }
    }
}
