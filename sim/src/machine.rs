//! Which machines a world runs: the real ones, or ones that a test has put a bug back into.
//!
//! A wrapper shows its real machine, so that the world can ask what it cannot change.

use std::fmt;
use std::hash::Hash;

use reattach::proto::{Frame, InstanceId, SessionId};
use reattach::session::client::{self, Attempt, Client};
use reattach::session::launch::{self, Launch};
use reattach::session::server::{self, Server, TransportId};
use reattach::session::{ClientConfig, LaunchConfig, ServerConfig, Time};

use crate::scenario::Fault;

/// A set of machines.
pub trait Kit: Sized {
    /// The client's.
    type Client: ClientMachine;
    /// The proxy's.
    type Launch: LaunchMachine;
    /// The server's.
    type Server: ServerMachine;

    /// Whether [`Kit::on_fault`] is to be called.
    const WATCHES: bool = false;

    /// A fault is about to begin.
    fn on_fault(_: &Fault, _: Scene<'_, Self>) {}
}

/// Who is there when a fault begins.
pub struct Scene<'w, K: Kit> {
    /// The client that it happens to; all of them, if it happens to none.
    pub clients: Vec<&'w K::Client>,
    /// Their proxies, as far as they have any.
    pub proxies: Vec<&'w K::Launch>,
    /// The newest server that lives, and its machine once it listens.
    pub server: Option<Option<&'w K::Server>>,
}

/// The machines that the binaries run.
#[derive(Clone, Copy, Debug)]
pub struct Real;

impl Kit for Real {
    type Client = Client;
    type Launch = Launch;
    type Server = Server;
}

/// A client machine; see [`Client`].
pub trait ClientMachine: Clone + PartialEq + Hash + fmt::Debug {
    /// See [`Client::new`].
    fn new(config: ClientConfig, session: SessionId, seed: u64, now: Time) -> Self;
    /// See [`Client::handle_input`].
    fn handle_input(&mut self, now: Time, input: client::Input);
    /// See [`Client::handle_timeout`].
    fn handle_timeout(&mut self, now: Time);
    /// See [`Client::poll_effect`].
    fn poll_effect(&mut self) -> Option<client::Effect>;
    /// See [`Client::poll_transmit`].
    fn poll_transmit(&mut self) -> Option<(Attempt, Frame)>;
    /// The real machine inside.
    fn inner(&self) -> &Client;
}

/// A launch machine; see [`Launch`].
pub trait LaunchMachine: Clone + Hash {
    /// See [`Launch::new`].
    fn new(config: LaunchConfig, mode: launch::Mode, now: Time) -> Self;
    /// See [`Launch::handle_input`].
    fn handle_input(&mut self, now: Time, input: launch::Input);
    /// See [`Launch::handle_timeout`].
    fn handle_timeout(&mut self, now: Time);
    /// See [`Launch::poll_effect`].
    fn poll_effect(&mut self) -> Option<launch::Effect>;
    /// See [`Launch::poll_timeout`].
    fn poll_timeout(&self) -> Option<Time>;
}

/// A server machine; see [`Server`].
pub trait ServerMachine: Clone + PartialEq + Hash + fmt::Debug {
    /// See [`Server::new`].
    fn new(config: ServerConfig, instance: InstanceId, now: Time) -> Self;
    /// See [`Server::handle_input`].
    fn handle_input(&mut self, now: Time, input: server::Input);
    /// See [`Server::handle_timeout`].
    fn handle_timeout(&mut self, now: Time);
    /// See [`Server::poll_effect`].
    fn poll_effect(&mut self) -> Option<server::Effect>;
    /// See [`Server::poll_transmit`].
    fn poll_transmit(&mut self) -> Option<(TransportId, Frame)>;
    /// The real machine inside.
    fn inner(&self) -> &Server;
}

impl ClientMachine for Client {
    fn new(config: ClientConfig, session: SessionId, seed: u64, now: Time) -> Self {
        Client::new(config, session, seed, now)
    }

    fn handle_input(&mut self, now: Time, input: client::Input) {
        Client::handle_input(self, now, input);
    }

    fn handle_timeout(&mut self, now: Time) {
        Client::handle_timeout(self, now);
    }

    fn poll_effect(&mut self) -> Option<client::Effect> {
        Client::poll_effect(self)
    }

    fn poll_transmit(&mut self) -> Option<(Attempt, Frame)> {
        Client::poll_transmit(self)
    }

    fn inner(&self) -> &Client {
        self
    }
}

impl LaunchMachine for Launch {
    fn new(config: LaunchConfig, mode: launch::Mode, now: Time) -> Self {
        Launch::new(config, mode, now)
    }

    fn handle_input(&mut self, now: Time, input: launch::Input) {
        Launch::handle_input(self, now, input);
    }

    fn handle_timeout(&mut self, now: Time) {
        Launch::handle_timeout(self, now);
    }

    fn poll_effect(&mut self) -> Option<launch::Effect> {
        Launch::poll_effect(self)
    }

    fn poll_timeout(&self) -> Option<Time> {
        Launch::poll_timeout(self)
    }
}

impl ServerMachine for Server {
    fn new(config: ServerConfig, instance: InstanceId, now: Time) -> Self {
        Server::new(config, instance, now)
    }

    fn handle_input(&mut self, now: Time, input: server::Input) {
        Server::handle_input(self, now, input);
    }

    fn handle_timeout(&mut self, now: Time) {
        Server::handle_timeout(self, now);
    }

    fn poll_effect(&mut self) -> Option<server::Effect> {
        Server::poll_effect(self)
    }

    fn poll_transmit(&mut self) -> Option<(TransportId, Frame)> {
        Server::poll_transmit(self)
    }

    fn inner(&self) -> &Server {
        self
    }
}
