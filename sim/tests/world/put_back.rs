//! Bugs put back by wrapping the machines: each is caught within a hundred seeds, by the promise
//! that it breaks.

use reattach::proto::{Frame, SessionId};
use reattach::session::client::{self, Attempt, Client};
use reattach::session::launch::{self, IfRunning, Launch, Lock, Mode};
use reattach::session::server::Server;
use reattach::session::{ClientConfig, LaunchConfig, Time};
use reattach_sim::check::Promise;
use reattach_sim::machine::{ClientMachine, Kit, LaunchMachine};
use reattach_sim::run::run_with;
use reattach_sim::scenario::draw;
use reattach_sim::trace::Detail;

const SEEDS: u64 = 100;

fn caught_by<K: Kit>() -> Option<Promise> {
    (0..SEEDS).find_map(|seed| {
        let outcome = run_with::<K>(&draw(seed), Detail::Hash);
        outcome.checks.violation().map(|violation| violation.promise)
    })
}

/// The founding bug: a reconnect that finds nobody starts a server.
struct SpawnsOnReconnect {
    machine: Launch,
    config: LaunchConfig,
    reconnects: bool,
}

impl LaunchMachine for SpawnsOnReconnect {
    fn new(config: LaunchConfig, mode: Mode, now: Time) -> Self {
        let reconnects = matches!(mode, Mode::Reconnect(_));
        SpawnsOnReconnect { machine: Launch::new(config.clone(), mode, now), config, reconnects }
    }

    fn handle_input(&mut self, now: Time, input: launch::Input) {
        match input {
            launch::Input::Saw(view) if self.reconnects && view.lock == Lock::Free => {
                self.reconnects = false;
                self.machine = Launch::new(self.config.clone(), Mode::Start(IfRunning::Refuse), now);
            }
            other => self.machine.handle_input(now, other),
        }
    }

    fn handle_timeout(&mut self, now: Time) {
        self.machine.handle_timeout(now);
    }

    fn poll_effect(&mut self) -> Option<launch::Effect> {
        self.machine.poll_effect()
    }

    fn poll_timeout(&self) -> Option<Time> {
        self.machine.poll_timeout()
    }
}

struct WithSpawningProxy;

impl Kit for WithSpawningProxy {
    type Client = Client;
    type Launch = SpawnsOnReconnect;
    type Server = Server;
}

#[test]
fn a_proxy_that_spawns_on_reconnect_is_caught() {
    assert_eq!(caught_by::<WithSpawningProxy>(), Some(Promise::NeverSpawn));
}

/// News of any attempt is taken for news of the current one.
#[derive(Clone, Debug, PartialEq)]
struct AppliesStaleNews(Client);

impl ClientMachine for AppliesStaleNews {
    fn new(config: ClientConfig, session: SessionId, seed: u64, now: Time) -> Self {
        AppliesStaleNews(Client::new(config, session, seed, now))
    }

    fn handle_input(&mut self, now: Time, input: client::Input) {
        let input = match input {
            client::Input::Transport(_, news) => client::Input::Transport(self.0.attempt(), news),
            other => other,
        };
        self.0.handle_input(now, input);
    }

    fn handle_timeout(&mut self, now: Time) {
        self.0.handle_timeout(now);
    }

    fn poll_effect(&mut self) -> Option<client::Effect> {
        self.0.poll_effect()
    }

    fn poll_transmit(&mut self) -> Option<(Attempt, Frame)> {
        self.0.poll_transmit()
    }

    fn inner(&self) -> &Client {
        &self.0
    }
}

struct WithCredulousClient;

impl Kit for WithCredulousClient {
    type Client = AppliesStaleNews;
    type Launch = Launch;
    type Server = Server;
}

#[test]
fn a_client_that_applies_stale_news_is_caught() {
    assert_eq!(caught_by::<WithCredulousClient>(), Some(Promise::StaleIgnored));
}

/// One attempt more than it is allowed.
#[derive(Clone, Debug, PartialEq)]
struct TriesOnceMore(Client);

impl ClientMachine for TriesOnceMore {
    fn new(config: ClientConfig, session: SessionId, seed: u64, now: Time) -> Self {
        let config = ClientConfig { attempts_max: config.attempts_max + 1, ..config };
        TriesOnceMore(Client::new(config, session, seed, now))
    }

    fn handle_input(&mut self, now: Time, input: client::Input) {
        self.0.handle_input(now, input);
    }

    fn handle_timeout(&mut self, now: Time) {
        self.0.handle_timeout(now);
    }

    fn poll_effect(&mut self) -> Option<client::Effect> {
        self.0.poll_effect()
    }

    fn poll_transmit(&mut self) -> Option<(Attempt, Frame)> {
        self.0.poll_transmit()
    }

    fn inner(&self) -> &Client {
        &self.0
    }
}

struct WithStubbornClient;

impl Kit for WithStubbornClient {
    type Client = TriesOnceMore;
    type Launch = Launch;
    type Server = Server;
}

#[test]
fn a_client_that_tries_once_more_is_caught() {
    assert_eq!(caught_by::<WithStubbornClient>(), Some(Promise::AttemptsMax));
}
