//! Bugs put back by wrapping the machines: each is caught within a hundred seeds, by the promise
//! that it breaks.

use reattach::proto::{Frame, InstanceId, SessionId};
use reattach::session::client::{self, Attempt, Client};
use reattach::session::launch::{self, IfRunning, Launch, Lock, Mode};
use reattach::session::server::{self, Server, TransportId};
use reattach::session::{ClientConfig, LaunchConfig, ServerConfig, Time};
use reattach_sim::check::Promise;
use reattach_sim::machine::{ClientMachine, Kit, LaunchMachine, ServerMachine};
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
pub(crate) struct SpawnsOnReconnect {
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

pub(crate) struct WithSpawningProxy;

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

/// What was delivered is delivered again.
#[derive(Clone, Debug, PartialEq)]
struct DeliversTwice {
    machine: Client,
    again: Option<client::Effect>,
}

impl ClientMachine for DeliversTwice {
    fn new(config: ClientConfig, session: SessionId, seed: u64, now: Time) -> Self {
        DeliversTwice { machine: Client::new(config, session, seed, now), again: None }
    }

    fn handle_input(&mut self, now: Time, input: client::Input) {
        self.machine.handle_input(now, input);
    }

    fn handle_timeout(&mut self, now: Time) {
        self.machine.handle_timeout(now);
    }

    fn poll_effect(&mut self) -> Option<client::Effect> {
        if let Some(again) = self.again.take() {
            return Some(again);
        }
        let effect = self.machine.poll_effect();
        self.again = effect.clone().filter(|effect| matches!(effect, client::Effect::Deliver(..)));
        effect
    }

    fn poll_transmit(&mut self) -> Option<(Attempt, Frame)> {
        self.machine.poll_transmit()
    }

    fn inner(&self) -> &Client {
        &self.machine
    }
}

struct WithStutteringClient;

impl Kit for WithStutteringClient {
    type Client = DeliversTwice;
    type Launch = Launch;
    type Server = Server;
}

#[test]
fn a_client_that_delivers_twice_is_caught() {
    assert_eq!(caught_by::<WithStutteringClient>(), Some(Promise::DeliveredOnce));
}

/// Whoever is attached keeps the seat, dead or alive.
#[derive(Clone, Debug, PartialEq)]
struct KeepsZombies(Server);

impl ServerMachine for KeepsZombies {
    fn new(config: ServerConfig, instance: InstanceId, now: Time) -> Self {
        KeepsZombies(Server::new(config, instance, now))
    }

    fn handle_input(&mut self, now: Time, input: server::Input) {
        let taken = self.0.attached().is_some();
        let input = match input {
            server::Input::Transport(transport, server::News::Frame(Frame::Hello(_))) if taken => {
                server::Input::Transport(transport, server::News::Lost)
            }
            other => other,
        };
        self.0.handle_input(now, input);
    }

    fn handle_timeout(&mut self, now: Time) {
        self.0.handle_timeout(now);
    }

    fn poll_effect(&mut self) -> Option<server::Effect> {
        self.0.poll_effect()
    }

    fn poll_transmit(&mut self) -> Option<(TransportId, Frame)> {
        self.0.poll_transmit()
    }

    fn inner(&self) -> &Server {
        &self.0
    }
}

struct WithZombieKeepingServer;

impl Kit for WithZombieKeepingServer {
    type Client = Client;
    type Launch = Launch;
    type Server = KeepsZombies;
}

#[test]
fn a_server_whose_seat_is_held_by_the_dead_is_caught() {
    assert_eq!(caught_by::<WithZombieKeepingServer>(), Some(Promise::OwnerGetsIn));
}
