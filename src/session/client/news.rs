//! What news of the current transport means, pair by pair.

use super::io::{Cause, Effect, News, ProxyExit};
use super::state::{Attached, Opening, Phase, State};
use super::status::{Closed, Refused};
use super::{Client, Time};
use crate::proto::limits::{PROTOCOL_VERSION, PROTOCOL_VERSION_MIN};
use crate::proto::verdict::{EXIT_ALREADY_RUNNING, EXIT_NOT_RUNNING, EXIT_NOT_STARTED};
use crate::proto::{
    Bye, ByeReason, Channel, Frame, GoneReason, HostId, ProgramExit, Refusal, RefusalReason, Seq, Verdict,
    Welcome,
};
use crate::session::heartbeat::Heartbeat;
use crate::session::inbox::Arrival;

/// No stream has as many messages, so that counting on from there never overflows.
const SEQ_MAX: Seq = 1 << 62;

impl Client {
    pub(super) fn on_news(&mut self, now: Time, news: News) {
        if let News::Started(_) | News::Preamble = news {
            self.on_through(now);
        }
        match (&mut self.state, news) {
            (State::Connecting(opening), News::Started(host)) => {
                opening.started = true;
                // Where a server may have been started: from here on, no other place will do.
                self.host = host;
                // Nobody types a password any more: what is left takes a bounded time.
                if let Phase::Open { until: until @ None } = &mut opening.phase {
                    *until = self.config.open_timeout.map(|timeout| now + timeout);
                }
            }
            (State::Reconnecting(opening), News::Started(_)) => {
                opening.started = true;
                // The path carries: what is left is the host's, which may be slow or start a server.
                if let Phase::Open { until: Some(until) } = &mut opening.phase
                    && let Some(longest) = self.config.open_timeout
                {
                    *until = (*until).max(self.tried_at + longest);
                }
            }
            (State::Connecting(opening) | State::Reconnecting(opening), News::Preamble) => {
                opening.started = true;
                match opening.phase {
                    Phase::Open { .. } => {
                        opening.greeted_at = Some(now);
                        opening.phase = Phase::Greet { since: now, until: now + self.config.attach_timeout };
                    }
                    // The driver reads one preamble a transport; a second one is its bug, and harmless.
                    Phase::Greet { .. } | Phase::Answer { .. } => {}
                }
            }
            (State::Connecting(_) | State::Reconnecting(_), News::Heard) => {}
            (State::Connecting(_) | State::Reconnecting(_), News::Frame(frame)) => self.on_answer(now, frame),
            (State::Connecting(opening), News::Garbled(what)) if !opening.started => {
                self.end_refused(Refused::Protocol(what.clone()), Cause::Violation(what));
            }
            (State::Reconnecting(Opening { phase: Phase::Open { .. }, .. }), News::Garbled(what)) => {
                // Whoever speaks there is not our server, which breaks nothing by it.
                self.lose(now, Cause::Violation(what), None);
            }
            (State::Connecting(_) | State::Reconnecting(_) | State::Attached(_), News::Garbled(what)) => {
                self.on_violation(now, what);
            }
            (State::Connecting(opening) | State::Reconnecting(opening), News::Ended) => {
                opening.ended_until.get_or_insert(now + self.config.exit_wait);
            }
            (State::Connecting(_), News::NotOpened(why)) => {
                self.end_refused(Refused::Unreachable(why.clone()), Cause::NotOpened(why));
            }
            (State::Reconnecting(_) | State::Attached(_), News::NotOpened(why)) => {
                self.allowance.give_back(self.config.allowance.as_ref());
                self.lose(now, Cause::NotOpened(why), None);
            }
            (State::Connecting(opening), News::Exited(exit)) => {
                let started = opening.started;
                self.on_first_exit(now, exit, started);
            }
            (State::Reconnecting(_) | State::Attached(_), News::Exited(exit)) => self.on_exit(now, exit),
            (State::Attached(_), News::Started(_) | News::Preamble) => {
                // The proxy's word travels beside its bytes and may come later than they do.
            }
            (State::Attached(_), News::Heard) => self.on_heard(now, None),
            (State::Attached(_), News::Frame(frame)) => self.on_frame(now, frame),
            (State::Attached(attached), News::Ended) => {
                attached.ended_until.get_or_insert(now + self.config.exit_wait);
            }
            (
                State::ConnectFailed { .. }
                | State::ReconnectFailed { .. }
                | State::ReconnectExhausted { .. }
                | State::ServerNotRunning(_)
                | State::Refused(_)
                | State::Closed(_),
                _,
            ) => unreachable!("own bug: news without a transport is ignored before it gets here"),
        }
    }

    /// The proxy's first word: its line or, where that is late or lost, its preamble. How long that took is
    /// remembered, but for what we slept through.
    fn on_through(&mut self, now: Time) {
        if let State::Connecting(opening) | State::Reconnecting(opening) = &self.state
            && !opening.started
            && !opening.woken
        {
            self.seen.opened_after(now.since(self.tried_at), &self.config);
        }
    }

    /// A frame on a transport that is not attached yet: the answer to our Hello, or nonsense.
    fn on_answer(&mut self, now: Time, frame: Frame) {
        let (answers, greeted_at) = match &self.state {
            State::Connecting(opening) | State::Reconnecting(opening) => {
                (matches!(opening.phase, Phase::Answer { .. }), opening.greeted_at)
            }
            State::Attached(_)
            | State::ConnectFailed { .. }
            | State::ReconnectFailed { .. }
            | State::ReconnectExhausted { .. }
            | State::ServerNotRunning(_)
            | State::Refused(_)
            | State::Closed(_) => (false, None),
        };
        match frame {
            Frame::Welcome(welcome) if answers => {
                self.on_welcome(now, welcome);
                if let Some(greeted_at) = greeted_at {
                    self.outbox.greeted(now.since(greeted_at));
                }
            }
            Frame::Refused(refusal) if answers => self.on_refusal(now, refusal),
            // A server that drops us before it answers may say why.
            Frame::Bye(bye) => self.on_bye(now, bye),
            early => self.on_violation(now, format!("{} came before Welcome", early.name())),
        }
    }

    fn on_welcome(&mut self, now: Time, welcome: Welcome) {
        if !(PROTOCOL_VERSION_MIN..=PROTOCOL_VERSION).contains(&welcome.protocol) {
            let what = format!("the server chose protocol version {}", welcome.protocol);
            return self.end_refused(Refused::Protocol(what.clone()), Cause::Violation(what));
        }
        if welcome.session != self.session {
            return self.on_violation(now, "Welcome was for another session".to_owned());
        }
        match self.instance {
            Some(instance) if instance != welcome.instance => {
                let cause = Cause::Refusal(RefusalReason::OtherInstance);
                return match self.is_elsewhere(welcome.host) {
                    true => self.lose(now, Cause::OtherMachine, None),
                    false => self.end_not_running(GoneReason::Replaced, cause),
                };
            }
            Some(_) if welcome.start != self.inbox.received() + 1 => {
                let what = format!(
                    "the server goes on with message {}, {} is due here",
                    welcome.start,
                    self.inbox.received() + 1
                );
                return self.end_refused(Refused::Gap(what), Cause::Welcome(welcome.received));
            }
            Some(_) => {}
            None if !(1..=SEQ_MAX).contains(&welcome.start) || welcome.received >= SEQ_MAX => {
                return self.on_violation(now, "Welcome joins a stream that cannot be".to_owned());
            }
            None => {
                // The instance that we first met, and from now on the only one that will do.
                self.instance = Some(welcome.instance);
                self.outbox.start_at(welcome.received + 1);
                self.inbox.start_after(welcome.start - 1);
            }
        }
        if let Err(gap) = self.outbox.resume_after(now, welcome.received, welcome.window) {
            return self.end_refused(Refused::Gap(gap.to_string()), Cause::Welcome(welcome.received));
        }
        if let State::Connecting(opening) | State::Reconnecting(opening) = &self.state
            && let Phase::Answer { since, .. } = opening.phase
        {
            self.seen.answered_after(now.since(since), &self.config);
        }
        self.inbox.resume();
        self.host = welcome.host.or(self.host);
        self.failures = 0;
        self.replaced = 0;
        let heartbeat = Heartbeat::new(now, self.config.heartbeat_interval, self.config.heartbeat_misses_max);
        let attached = Attached { since: now, heartbeat, ping: None, ended_until: None };
        self.enter(State::Attached(attached), Cause::Welcome(welcome.received));
    }

    /// Whether somebody who answers speaks for another host than the one that the session came to.
    fn is_elsewhere(&self, host: Option<HostId>) -> bool {
        match (self.host, host) {
            (Some(ours), Some(theirs)) => ours != theirs,
            (None, _) | (_, None) => false,
        }
    }

    fn on_refusal(&mut self, now: Time, refusal: Refusal) {
        if self.is_elsewhere(refusal.host) {
            return self.lose(now, Cause::OtherMachine, None);
        }
        let cause = Cause::Refusal(refusal.reason);
        match refusal.reason {
            RefusalReason::StaleAttempt | RefusalReason::Ending => self.lose(now, cause, None),
            RefusalReason::OtherInstance => self.end_not_running(GoneReason::Replaced, cause),
            // Who was attached before and finds the place taken was taken over.
            RefusalReason::Busy if self.instance.is_some() => self.end_refused(Refused::TakenOver, cause),
            RefusalReason::Busy => self.end_refused(Refused::Busy, cause),
            RefusalReason::Gap => self.end_refused(Refused::Gap(refusal.message), cause),
            RefusalReason::Protocol | RefusalReason::Unknown => {
                self.end_refused(Refused::Protocol(refusal.message), cause);
            }
        }
    }

    /// A frame on an attached transport.
    fn on_frame(&mut self, now: Time, frame: Frame) {
        self.on_heard(now, None);
        match frame {
            Frame::Data { channel: channel @ (Channel::Output | Channel::Errors), seq, payload } => {
                if self.accepts(now, seq, payload.len()) {
                    self.effects.push_back(Effect::Deliver(channel, payload));
                }
            }
            Frame::Fin { channel: channel @ (Channel::Output | Channel::Errors), seq } => {
                if self.accepts(now, seq, 0) {
                    self.effects.push_back(Effect::Finished(channel));
                }
            }
            Frame::Exit { seq, exit } => {
                if self.accepts(now, seq, 0) {
                    self.on_program_ended(exit);
                }
            }
            Frame::Ack(seq) => {
                if let Err(gap) = self.outbox.acknowledge(now, seq) {
                    self.on_violation(now, gap.to_string());
                }
            }
            Frame::Pong(nonce) => self.on_heard(now, Some(nonce)),
            Frame::Bye(bye) => self.on_bye(now, bye),
            Frame::Data { channel: channel @ (Channel::Input | Channel::Signal), .. }
            | Frame::Fin { channel: channel @ (Channel::Input | Channel::Signal), .. } => {
                self.on_violation(now, format!("the server sent on channel {channel:?}"));
            }
            never @ (Frame::Hello(_) | Frame::Welcome(_) | Frame::Refused(_) | Frame::Ping(_)) => {
                self.on_violation(now, format!("{} came from an attached server", never.name()));
            }
        }
    }

    fn on_heard(&mut self, now: Time, pong: Option<u64>) {
        let State::Attached(attached) = &mut self.state else {
            return;
        };
        let missed = attached.heartbeat.missed();
        match pong {
            Some(nonce) => {
                if let Some(took) = attached.heartbeat.answered(now, nonce) {
                    self.seen.answered_after(took, &self.config);
                }
            }
            None => attached.heartbeat.heard(now),
        }
        if missed > 0 && attached.heartbeat.missed() == 0 {
            self.announce(Cause::Heard);
        }
    }

    /// Whether a numbered frame is the next one; what cannot be taken ends the transport.
    fn accepts(&mut self, now: Time, seq: Seq, bytes: usize) -> bool {
        match self.inbox.accept(seq, bytes) {
            Ok(Arrival::New) => true,
            Ok(Arrival::Duplicate) => false,
            Err(error) => {
                self.on_violation(now, error.to_string());
                false
            }
        }
    }

    /// The session's last word is known: nothing is left to come back for.
    fn on_program_ended(&mut self, exit: ProgramExit) {
        let received = self.inbox.received();
        let bye = Bye { reason: ByeReason::Closed, message: String::new(), received };
        self.effects.push_back(Effect::Close(self.attempt, Some(bye)));
        self.enter(State::Closed(Closed::ProgramEnded(exit)), Cause::ProgramEnded);
    }

    fn on_bye(&mut self, now: Time, bye: Bye) {
        let cause = Cause::Bye(bye.reason);
        match bye.reason {
            ByeReason::TakenOver => self.end_refused(Refused::TakenOver, cause),
            ByeReason::ProtocolError => self.on_violation(now, bye.message),
            ByeReason::Closed | ByeReason::Lost | ByeReason::Unknown => self.lose(now, cause, None),
        }
    }

    /// The first attempt's process has ended before it was attached.
    fn on_first_exit(&mut self, now: Time, exit: ProxyExit, started: bool) {
        let word = exit.word().map(|verdict| verdict.code);
        match exit.status {
            ProgramExit::Code(EXIT_ALREADY_RUNNING) if word.is_some() => {
                self.end_refused(Refused::AlreadyRunning, Cause::Exited(exit.status, exit.words()));
            }
            ProgramExit::Code(EXIT_NOT_STARTED) if word.is_some() => {
                let message = exit.words();
                self.end_refused(Refused::NotStarted(message.clone()), Cause::Exited(exit.status, message));
            }
            ProgramExit::Code(EXIT_NOT_RUNNING) if word.is_some() => self.on_exit(now, exit),
            ProgramExit::Code(_) if !started && exit.was_turned_away() => {
                self.on_turned_away(now, Cause::Exited(exit.status, exit.words()));
            }
            ProgramExit::Code(_) if !started => {
                // Nothing was started, so there is nothing to come back to.
                let cause = Cause::Exited(exit.status, exit.words());
                self.end_refused(Refused::Unreachable(cause.to_string()), cause);
            }
            ProgramExit::Code(_) | ProgramExit::Signal(_) => self.on_exit(now, exit),
        }
    }

    /// The current transport's process has ended: a proxy's word that our server is not running is a verdict,
    /// all else a lost transport.
    fn on_exit(&mut self, now: Time, exit: ProxyExit) {
        if exit.never_arrived() {
            self.allowance.give_back(self.config.allowance.as_ref());
        }
        let cause = Cause::Exited(exit.status, exit.words());
        match exit.word() {
            Some(verdict) if self.is_elsewhere(verdict.host) => self.lose(now, Cause::OtherMachine, None),
            // A host that has no name has never had a server.
            Some(Verdict { code: EXIT_NOT_RUNNING, host: None, .. }) if self.host.is_some() => {
                self.lose(now, Cause::OtherMachine, None);
            }
            Some(verdict) if verdict.code == EXIT_NOT_RUNNING && self.is_about_ours(verdict) => {
                self.end_not_running(verdict.reason.unwrap_or(GoneReason::Unknown), cause);
            }
            Some(_) | None if exit.status == ProgramExit::Code(EXIT_NOT_RUNNING) => {
                self.lose(now, Cause::Unproven(exit.last_words), None);
            }
            Some(_) | None => self.lose(now, cause, None),
        }
    }

    /// Whether a verdict is about our server, if we have met one.
    fn is_about_ours(&self, verdict: &Verdict) -> bool {
        self.instance.is_none() || verdict.instance == self.instance
    }

    /// The other side broke the protocol: a garbled link once, a bug if it goes on.
    fn on_violation(&mut self, now: Time, what: String) {
        self.violations += 1;
        let cause = Cause::Violation(what.clone());
        if self.violations >= self.config.attempts_max {
            self.end_refused(Refused::Protocol(what), cause);
        } else {
            self.lose(now, cause, Some((ByeReason::ProtocolError, what)));
        }
    }
}
