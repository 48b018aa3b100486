//! Machines with a bug: the real ones, with a place in every way in and out for something wrong.
//!
//! The bugs themselves are left to `put_back`; what other tests need is named here.

use std::fmt::Debug;
use std::hash::Hash;
use std::marker::PhantomData;

use reattach::proto::{Frame, InstanceId, SessionId};
use reattach::session::client::{self, Attempt, Client};
use reattach::session::launch::{self, Launch, Mode};
use reattach::session::server::{self, Server, TransportId};
use reattach::session::{ClientConfig, LaunchConfig, ServerConfig, Time};
use reattach_sim::machine::{ClientMachine, Kit, LaunchMachine, ServerMachine};

use crate::put_back::client::{AppliesStaleNews, DeliversTwice, TriesOnceMore};
use crate::put_back::launch::SpawnsOnReconnect;
use crate::put_back::server::KeepsZombies;

pub(crate) type WithSpawningProxy = WithLaunch<SpawnsOnReconnect>;
pub(crate) type WithCredulousClient = WithClient<AppliesStaleNews>;
pub(crate) type WithStubbornClient = WithClient<TriesOnceMore>;
pub(crate) type WithStutteringClient = WithClient<DeliversTwice>;
pub(crate) type WithZombieKeepingServer = WithServer<KeepsZombies>;

/// What is wrong with a client.
pub(crate) trait ClientBug: Clone + PartialEq + Hash + Debug + Default {
    fn config(config: ClientConfig) -> ClientConfig {
        config
    }

    fn handle_input(&mut self, machine: &mut Client, now: Time, input: client::Input) {
        machine.handle_input(now, input);
    }

    fn handle_timeout(&mut self, machine: &mut Client, now: Time) {
        machine.handle_timeout(now);
    }

    fn poll_effect(&mut self, machine: &mut Client) -> Option<client::Effect> {
        machine.poll_effect()
    }

    fn poll_transmit(&mut self, machine: &mut Client) -> Option<(Attempt, Frame)> {
        machine.poll_transmit()
    }
}

/// What is wrong with a proxy.
pub(crate) trait LaunchBug: Clone + Hash + Default {
    fn handle_input(&mut self, machine: &mut Launch, mode: Mode, now: Time, input: launch::Input) {
        let _ = mode;
        machine.handle_input(now, input);
    }

    fn poll_effect(&mut self, machine: &mut Launch) -> Option<launch::Effect> {
        machine.poll_effect()
    }
}

/// What is wrong with a server.
pub(crate) trait ServerBug: Clone + PartialEq + Hash + Debug + Default {
    fn handle_input(&mut self, machine: &mut Server, now: Time, input: server::Input) {
        machine.handle_input(now, input);
    }

    fn poll_effect(&mut self, machine: &mut Server) -> Option<server::Effect> {
        machine.poll_effect()
    }
}

/// The real machines, but for the client.
pub(crate) struct WithClient<B>(PhantomData<B>);

/// The real machines, but for the proxy.
pub(crate) struct WithLaunch<B>(PhantomData<B>);

/// The real machines, but for the server.
pub(crate) struct WithServer<B>(PhantomData<B>);

impl<B: ClientBug> Kit for WithClient<B> {
    type Client = BuggyClient<B>;
    type Launch = Launch;
    type Server = Server;
}

impl<B: LaunchBug> Kit for WithLaunch<B> {
    type Client = Client;
    type Launch = BuggyLaunch<B>;
    type Server = Server;
}

impl<B: ServerBug> Kit for WithServer<B> {
    type Client = Client;
    type Launch = Launch;
    type Server = BuggyServer<B>;
}

#[derive(Clone, Debug, PartialEq, Hash)]
pub(crate) struct BuggyClient<B> {
    machine: Client,
    bug: B,
}

impl<B: ClientBug> ClientMachine for BuggyClient<B> {
    fn new(config: ClientConfig, session: SessionId, seed: u64, now: Time) -> Self {
        BuggyClient { machine: Client::new(B::config(config), session, seed, now), bug: B::default() }
    }

    fn handle_input(&mut self, now: Time, input: client::Input) {
        self.bug.handle_input(&mut self.machine, now, input);
    }

    fn handle_timeout(&mut self, now: Time) {
        self.bug.handle_timeout(&mut self.machine, now);
    }

    fn poll_effect(&mut self) -> Option<client::Effect> {
        self.bug.poll_effect(&mut self.machine)
    }

    fn poll_transmit(&mut self) -> Option<(Attempt, Frame)> {
        self.bug.poll_transmit(&mut self.machine)
    }

    fn inner(&self) -> &Client {
        &self.machine
    }
}

#[derive(Clone, Hash)]
pub(crate) struct BuggyLaunch<B> {
    machine: Launch,
    mode: Mode,
    bug: B,
}

impl<B: LaunchBug> LaunchMachine for BuggyLaunch<B> {
    fn new(config: LaunchConfig, mode: Mode, now: Time) -> Self {
        BuggyLaunch { machine: Launch::new(config, mode, now), mode, bug: B::default() }
    }

    fn handle_input(&mut self, now: Time, input: launch::Input) {
        self.bug.handle_input(&mut self.machine, self.mode, now, input);
    }

    fn handle_timeout(&mut self, now: Time) {
        self.machine.handle_timeout(now);
    }

    fn poll_effect(&mut self) -> Option<launch::Effect> {
        self.bug.poll_effect(&mut self.machine)
    }

    fn poll_timeout(&self) -> Option<Time> {
        self.machine.poll_timeout()
    }
}

#[derive(Clone, Debug, PartialEq, Hash)]
pub(crate) struct BuggyServer<B> {
    machine: Server,
    bug: B,
}

impl<B: ServerBug> ServerMachine for BuggyServer<B> {
    fn new(config: ServerConfig, instance: InstanceId, now: Time) -> Self {
        BuggyServer { machine: Server::new(config, instance, now), bug: B::default() }
    }

    fn handle_input(&mut self, now: Time, input: server::Input) {
        self.bug.handle_input(&mut self.machine, now, input);
    }

    fn handle_timeout(&mut self, now: Time) {
        self.machine.handle_timeout(now);
    }

    fn poll_effect(&mut self) -> Option<server::Effect> {
        self.bug.poll_effect(&mut self.machine)
    }

    fn poll_transmit(&mut self) -> Option<(TransportId, Frame)> {
        self.machine.poll_transmit()
    }

    fn inner(&self) -> &Server {
        &self.machine
    }
}
