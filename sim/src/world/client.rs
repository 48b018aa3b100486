//! The editor's process: the client machine, and what its driver does with effects and news.
//!
//! What the user does and sees is left to `editor`, the ssh below to `link`, and whether what the
//! machine says is true to `judge`.

use reattach::proto::limits::PROBE_TIMEOUT;
use reattach::proto::verdict::EXIT_NOT_RUNNING;
use reattach::proto::{Frame, ProgramExit, Seq, SessionId, encode};
use reattach::session::client::{Attempt, Cause, Client, Effect, Input, Launch, News, Status, Way};
use reattach::session::{First, Time};

use super::availability::Account;
use super::death::Death;
use super::editor::Editor;
use super::judge::{Comeback, Distance, SignsOfLife, Waits, Wishes};
use super::link::Link;
use super::queue::{Alarm, EventKind};
use super::{ClientId, LinkId, ServerId, World};
use crate::check::{Goal, Promise};
use crate::machine::{ClientMachine, Kit};
use crate::scenario::Letter;
use crate::trace::{Mark, Wire};

pub(super) struct ClientProcess<C> {
    pub(super) machine: C,
    pub(super) letter: Letter,
    /// Its session's place in the world's list: also the tag of its requests.
    pub(super) session: u32,
    /// The link of the current attempt, from its opening to its closing.
    pub(super) link: Option<LinkId>,
    /// The last status that was announced.
    pub(super) status: Status,
    pub(super) editor: Editor,
    pub(super) alarm: Alarm,
    pub(super) hangs: u32,
    /// Highest attempt so far.
    attempt: Attempt,
    /// The highest number that was sent.
    pub(super) sent: Seq,
    /// When it may try to come back, and when it must.
    pub(super) comeback: Comeback,
    /// How long its way takes.
    pub(super) distance: Distance,
    pub(super) account: Account,
    /// The outage's last state was exhausted.
    exhausted: bool,
    pub(super) life: SignsOfLife,
    pub(super) waits: Waits,
    /// Its process is no more.
    pub(super) is_killed: bool,
}

/// What the world knows about a session.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) id: SessionId,
    pub(super) first: First,
    /// The server that it first met.
    pub(super) server: Option<ServerId>,
    /// Its first attempt was made: from here on, nothing may be started.
    pub(super) opened: bool,
    /// A proxy has run for it, on the host that is its own from then on.
    pub(super) has_home: bool,
    pub(super) closed_by_user: bool,
    pub(super) wishes: Wishes,
    /// Its client was killed.
    pub(super) death: Option<Death>,
    /// A byte of its links was changed on the way.
    pub(super) tainted: bool,
}

impl<K: Kit> World<'_, K> {
    /// A user opens an editor.
    pub(super) fn open_client(&mut self, name: u8, first: First) {
        let client = u32::try_from(self.clients.len()).expect("few clients");
        self.names[usize::from(name)] = Some(client);
        let session = self.new_session(first);
        let id = self.sessions[session as usize].id;
        let seed = self.dice.bits();
        let machine = K::Client::new(self.scenario.setting.client(first), id, seed, self.laptop_now());
        self.clients.push(ClientProcess {
            machine,
            letter: Letter(name),
            session,
            link: None,
            status: Status::Connecting,
            editor: Editor::new(session),
            alarm: Alarm::default(),
            hangs: 0,
            attempt: 0,
            sent: 0,
            comeback: Comeback::new(self.laptop_now()),
            distance: Distance::default(),
            account: Account::default(),
            exhausted: false,
            life: SignsOfLife::default(),
            waits: Waits::default(),
            is_killed: false,
        });
        self.client_effects(client);
        self.client_settle(client);
    }

    pub(super) fn new_session(&mut self, first: First) -> u32 {
        let tag = u32::try_from(self.sessions.len()).expect("few sessions");
        let id = SessionId(u128::from(tag + 1) << 96 | u128::from(tag + 1));
        let session = Session {
            id,
            first,
            server: None,
            opened: false,
            has_home: false,
            wishes: Wishes::default(),
            closed_by_user: false,
            death: None,
            tainted: false,
        };
        self.sessions.push(session);
        tag
    }

    /// Something for the machine, which may come when it is overdue.
    pub(super) fn client_input(&mut self, client: ClientId, input: Input) {
        if self.clients[client as usize].is_killed {
            return;
        }
        self.notice_suspension(client);
        let now = self.laptop_now();
        self.clients[client as usize].machine.handle_input(now, input);
        self.client_effects(client);
    }

    /// News of a link. What the world says is old must change nothing.
    pub(super) fn client_news(&mut self, link: LinkId, news: News) {
        let (client, attempt) = (self.links[link as usize].client, self.links[link as usize].attempt);
        let now = self.laptop_now();
        let process = &mut self.clients[client as usize];
        if process.is_killed {
            return;
        }
        if process.link == Some(link) {
            if matches!(news, News::Heard | News::Frame(_)) {
                process.life.heard(now);
            }
            if matches!(news, News::Exited(_)) && self.links[link as usize].never_arrived {
                process.comeback.never_arrived(now);
            }
            return self.client_current_news(client, link, news);
        }
        if self.is_suspended(client) {
            return self.client_input(client, Input::Transport(attempt, news));
        }
        self.goals.reach(Goal::StaleNews);
        self.film_old_news(link, &news);
        self.note_late_verdict(client, attempt, &news);
        let process = &mut self.clients[client as usize];
        let before = process.machine.clone();
        process.machine.handle_input(now, Input::Transport(attempt, news));
        let ignored = process.machine.poll_effect() == Some(Effect::Ignored(attempt));
        let same = ignored && process.machine == before;
        let name = self.letter(client);
        self.judge(Promise::StaleIgnored, same, || {
            format!("old news of attempt {attempt} changed client {name}")
        });
    }

    /// News of the link of the current attempt.
    fn client_current_news(&mut self, client: ClientId, link: LinkId, news: News) {
        let (now, attempt) = (self.laptop_now(), self.links[link as usize].attempt);
        let opens = matches!(news, News::Started(_) | News::Preamble);
        let greets = news == News::Preamble;
        if let News::Frame(Frame::Pong(nonce)) = news {
            let sleeps = self.is_suspended(client);
            self.clients[client as usize].distance.answered(now, nonce, sleeps);
        }
        self.client_input(client, Input::Transport(attempt, news));
        let process = &mut self.clients[client as usize];
        if process.link == Some(link) && opens {
            process.distance.opened(link, process.comeback.took(now));
        }
        if process.link == Some(link) && greets {
            process.distance.greeted(now);
        }
    }

    /// The verdict that must not be believed any more is the one that people look for in a trace.
    fn note_late_verdict(&mut self, client: ClientId, attempt: Attempt, news: &News) {
        let News::Exited(exit) = news else {
            return;
        };
        // Its ssh may have been killed before that had a status to tell.
        let said = exit.verdict.as_ref().map(|verdict| (verdict.code, verdict.message.as_str()));
        if let Some((EXIT_NOT_RUNNING, words)) = said {
            let why = Cause::Exited(exit.status, words.to_owned()).to_string();
            self.note(|world| {
                (world.client_name(client), format!("ignores the end of attempt {attempt}"), why)
            });
        }
    }

    pub(super) fn on_client_timer(&mut self, client: ClientId) {
        let process = &mut self.clients[client as usize];
        if !process.alarm.ring(self.now) || process.is_killed {
            return;
        }
        self.notice_suspension(client);
        let now = self.laptop_now();
        self.clients[client as usize].machine.handle_timeout(now);
        self.client_effects(client);
        let due = self.clients[client as usize].machine.inner().poll_timeout();
        let name = self.letter(client);
        self.judge_timer(format_args!("client {name}"), now, due);
        self.client_settle(client);
    }

    pub(super) fn is_suspended(&self, client: ClientId) -> bool {
        let limit = reattach::proto::limits::SUSPENSION_MIN;
        let due = self.clients[client as usize].machine.inner().poll_timeout();
        due.is_some_and(|due| self.laptop_now() >= due + limit)
    }

    /// The machine will notice that it slept: a wake-up as good as one that it is told.
    fn notice_suspension(&mut self, client: ClientId) {
        if self.is_suspended(client) {
            self.goals.reach(Goal::Suspended);
            let now = self.laptop_now();
            self.clients[client as usize].woken(now, false, &mut self.goals);
        }
    }

    /// Does what the machine asks for.
    pub(super) fn client_effects(&mut self, client: ClientId) {
        let name = self.letter(client);
        while let Some(effect) = self.clients[client as usize].machine.poll_effect() {
            match effect {
                Effect::Open(attempt, launch, way) => self.on_open(client, attempt, launch, way),
                Effect::Close(attempt, bye) => {
                    let link = self.clients[client as usize].link.take();
                    let link = link.filter(|link| self.links[*link as usize].attempt == attempt);
                    self.judge(Promise::OneTransport, link.is_some(), || {
                        format!("client {name} closes attempt {attempt}, which is not open")
                    });
                    self.clients[client as usize].waits.closed = link;
                    if let Some(link) = link {
                        let (now, started) = (self.laptop_now(), self.links[link as usize].started);
                        let attempts_max = self.scenario.setting.attempts_max;
                        let process = &mut self.clients[client as usize];
                        if matches!(process.status, Status::Reconnecting(_)) {
                            process.comeback.closed(now, started, attempts_max, &process.distance);
                        }
                        self.close_link(link, bye);
                    }
                }
                Effect::Deliver(channel, payload) => {
                    self.client_gets(client);
                    self.on_delivery(client, channel, &payload);
                }
                Effect::Finished(channel) => self.on_finished(client, channel),
                Effect::Status(status, cause) => self.on_client_status(client, status, &cause),
                Effect::Ignored(_) => {}
                Effect::Rejected(why) => self.judge_rejected(client, why),
            }
        }
    }

    fn on_open(&mut self, client: ClientId, attempt: Attempt, launch: Launch, way: Way) {
        let name = self.letter(client);
        let process = &mut self.clients[client as usize];
        let session = &mut self.sessions[process.session as usize];
        let one = process.link.is_none() && attempt > process.attempt;
        process.attempt = attempt;
        let reattach = session.opened || session.first == First::Takeover;
        let reattaches = session.opened;
        let resumed = session.opened && session.server.is_none();
        session.opened = true;
        if resumed {
            self.goals.reach(Goal::FirstResumed);
        }
        self.judge(Promise::OneTransport, one, || {
            format!("client {name} opens attempt {attempt} beside or after a newer one")
        });
        self.judge_attempt(client, reattaches, way);
        self.judge(Promise::NeverSpawn, !reattach || launch == Launch::Reattach, || {
            format!("client {name} asks attempt {attempt} to {launch:?}, and it is not its first")
        });
        let link = self.dial(client, attempt, launch, way, !reattach);
        self.links[link as usize].initial = !reattaches;
        self.clients[client as usize].link = Some(link);
    }

    fn on_client_status(&mut self, client: ClientId, status: Status, cause: &Cause) {
        let name = self.letter(client);
        let before = std::mem::replace(&mut self.clients[client as usize].status, status.clone());
        let attempt = self.clients[client as usize].machine.inner().attempt();
        self.trace.mix(u64::from(client) << 32 | attempt << 8 | status.outside() as u64);
        self.note(|world| {
            let what = format!("{before} -> {status} #{attempt}");
            (world.client_name(client), what, cause.to_string())
        });
        self.film(|_| Mark::Client { client, status: status.clone(), attempt, why: cause.to_string() });
        let restarts = status == Status::Connecting;
        let left = matches!(before, Status::Closed(_));
        let leaves = !before.is_final() || (!left && restarts) || matches!(status, Status::Closed(_));
        self.judge(Promise::EndAbsorbing, leaves, || format!("client {name} went from {before} to {status}"));
        self.judge_loss(client, &before, &status, cause);
        self.judge_given_up(client, cause);
        self.judge_count(client, &before, &status);
        if let Cause::Violation(what) = cause {
            self.judge_violation(client, what);
        }
        self.judge_first_end(client, &before, &status);
        self.judge_calm(client, &status);
        match &status {
            Status::Connecting | Status::HeartbeatMissed(_) => {}
            Status::Connected => self.on_connected(client, &before, cause),
            Status::Reconnecting(_) | Status::ReconnectFailed(_) => {
                self.on_lost(client, &before, cause);
            }
            Status::ReconnectExhausted => {
                self.clients[client as usize].exhausted = true;
                self.goals.reach(Goal::Exhausted);
            }
            Status::ServerNotRunning(reason) => self.judge_not_running(client, *reason, cause),
            Status::Refused(refused) => self.judge_refused(client, refused),
            Status::Closed(closed) => self.judge_closed(client, *closed),
        }
        if status.is_final() {
            self.clients[client as usize].editor.give_up();
        }
        self.settle_account(client);
    }

    fn on_connected(&mut self, client: ClientId, before: &Status, cause: &Cause) {
        if matches!(cause, Cause::Welcome(_)) {
            let now = self.laptop_now();
            self.clients[client as usize].distance.welcomed(now);
            self.judge_welcome(client, before);
        } else {
            self.goals.reach(Goal::HeardAgain);
        }
        let beyond = Status::Reconnecting(self.scenario.setting.attempts_max + 1);
        let process = &mut self.clients[client as usize];
        if *before == beyond {
            self.goals.reach(Goal::PatienceReturned);
        }
        if process.comeback.turned_away > 0 {
            self.goals.reach(Goal::TurnedAwayThenIn);
        }
        process.comeback.welcomed();
        process.exhausted = false;
    }

    fn on_lost(&mut self, client: ClientId, before: &Status, cause: &Cause) {
        if *cause == Cause::Silence {
            self.goals.reach(Goal::Silence);
        } else if matches!(cause, Cause::Violation(_)) {
            self.goals.reach(Goal::Garbled);
        } else if *cause == Cause::OtherMachine {
            self.goals.reach(Goal::AnotherMachine);
        } else if matches!(cause, Cause::Unproven(_)) {
            self.goals.reach(Goal::Unproven);
        }
        let process = &mut self.clients[client as usize];
        if before.is_attached() {
            process.editor.outage(&mut self.goals);
        }
    }

    /// After any change: writes what the link takes, asks to be woken, and is looked at.
    pub(super) fn client_settle(&mut self, client: ClientId) {
        if self.clients[client as usize].is_killed {
            return;
        }
        self.editor_send(client);
        self.client_transmit(client);
        let clock = self.weather.laptop_clock;
        let process = &mut self.clients[client as usize];
        let due = process.machine.inner().poll_timeout();
        if let Some(at) = process.alarm.set(due.map(|due| (due - clock).max(self.now))) {
            self.at(at, EventKind::ClientTimer, client);
        }
        self.judge_client(client);
    }

    fn client_transmit(&mut self, client: ClientId) {
        let process = &mut self.clients[client as usize];
        let Some(id) = process.link else {
            return;
        };
        let link = &mut self.links[id as usize];
        let wire = link.wire(&self.scenario.setting, &self.weather);
        let now = self.now + self.weather.laptop_clock;
        let mut wrote = false;
        while link.up.has_room(&wire) {
            let Some((attempt, frame)) = process.machine.poll_transmit() else {
                break;
            };
            debug_assert_eq!(attempt, link.attempt, "frames are only given for the open transport");
            let is_hello = matches!(frame, Frame::Hello(_));
            link.greeted_server |= is_hello;
            if let Some(seq) = frame.seq() {
                if seq <= process.sent {
                    self.goals.reach(Goal::SentAgain);
                }
                process.sent = process.sent.max(seq);
            }
            if let Frame::Ping(nonce) = frame {
                process.distance.asked(now, nonce);
            }
            self.trace.frame_sent(self.now, Wire::Up(id), &frame);
            self.scratch.clear();
            encode(&frame, &mut self.scratch);
            if !link.is_dead() {
                link.up.push(self.now, &wire, &self.scratch);
                wrote = true;
            }
            if is_hello {
                return self.on_hello_written(id);
            }
        }
        process.distance.written(now, !link.up.has_room(&wire));
        if wrote {
            let now = self.laptop_now();
            self.clients[client as usize].waits.wrote_at = now;
            self.schedule_up(id);
        }
    }

    /// Nothing follows it before its answer.
    fn on_hello_written(&mut self, id: LinkId) {
        let now = self.laptop_now();
        self.clients[self.links[id as usize].client as usize].waits.wrote_at = now;
        self.hold_hello(id);
        self.schedule_up(id);
    }

    /// The user's wishes that count as a wake-up.
    pub(super) fn wake_client(&mut self, client: ClientId, input: Input) {
        if self.clients[client as usize].is_killed {
            return;
        }
        let suspended = self.is_suspended(client);
        let now = self.laptop_now();
        // Who notices its own sleep at that moment has a wake-up's time.
        let told = input == Input::NetworkUp && !suspended;
        self.clients[client as usize].woken(now, told, &mut self.goals);
        if suspended && input == Input::NetworkUp {
            self.clients[client as usize].told_too(now);
        }
        let hung = self.clients[client as usize].link.filter(|link| self.links[*link as usize].is_dialing());
        self.client_input(client, input);
        let process = &mut self.clients[client as usize];
        if hung.is_some() && process.link.is_some() && process.link != hung {
            self.goals.reach(Goal::OpenReplaced);
        }
        if matches!(process.status, Status::Reconnecting(_)) {
            // What was under way before, or was opened because it noticed its suspension first.
            let outlived = if suspended { process.link } else { hung };
            if let Some(link) = outlived.filter(|link| process.link == Some(*link)) {
                process.comeback.outlived_hint(now, link);
            }
        }
        self.client_settle(client);
    }

    /// The status that an ssh's end stands for, as the driver tells it.
    pub(super) fn exit_of(link: &Link) -> ProgramExit {
        link.exit.unwrap_or(ProgramExit::Code(255))
    }
}

impl<C: ClientMachine> ClientProcess<C> {
    /// A full budget of attempts.
    fn woken(&mut self, now: Time, told: bool, goals: &mut crate::check::Goals) {
        if self.exhausted && self.status == Status::ReconnectExhausted {
            goals.reach(Goal::ExhaustedWoken);
        }
        self.comeback.hinted(now, &self.status, told, &self.distance);
        match self.status.is_attached() {
            true if told => self.life.told(now, self.distance.network_probe_most()),
            true => self.life.woken(now, PROBE_TIMEOUT),
            false => {}
        }
    }

    /// Right after it has noticed that it slept it was told of a network: it has the less of both times.
    fn told_too(&mut self, now: Time) {
        if self.status.is_attached() {
            self.life.told(now, self.distance.network_probe_most());
        }
    }

    pub(super) fn inner(&self) -> &Client {
        self.machine.inner()
    }
}
