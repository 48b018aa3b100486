//! Machines with a bug: the real ones, with a place in every way in and out for something wrong.
//!
//! The bugs themselves are left to `put_back`; what other tests need is named here.

use std::cell::Cell;
use std::fmt::{self, Debug};
use std::hash::{Hash, Hasher};
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
pub(crate) trait ClientBug {
    fn config(&self, config: ClientConfig) -> ClientConfig {
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
pub(crate) trait LaunchBug {
    fn handle_input(&mut self, machine: &mut Launch, mode: Mode, now: Time, input: launch::Input) {
        let _ = mode;
        machine.handle_input(now, input);
    }

    fn poll_effect(&mut self, machine: &mut Launch) -> Option<launch::Effect> {
        machine.poll_effect()
    }
}

/// What is wrong with a server.
pub(crate) trait ServerBug {
    fn handle_input(&mut self, machine: &mut Server, now: Time, input: server::Input) {
        machine.handle_input(now, input);
    }

    fn poll_effect(&mut self, machine: &mut Server) -> Option<server::Effect> {
        machine.poll_effect()
    }
}

/// Nothing is wrong.
pub(crate) struct Sound;

impl ClientBug for Sound {}
impl LaunchBug for Sound {}
impl ServerBug for Sound {}

/// The real machines, but for the client.
pub(crate) struct WithClient<B>(PhantomData<B>);

/// The real machines, but for the proxy.
pub(crate) struct WithLaunch<B>(PhantomData<B>);

/// The real machines, but for the server.
pub(crate) struct WithServer<B>(PhantomData<B>);

impl<B: ClientBug + Clone + PartialEq + Hash + Debug + Default> Kit for WithClient<B> {
    type Client = BuggyClient<B>;
    type Launch = Launch;
    type Server = Server;
}

impl<B: LaunchBug + Clone + Hash + Default> Kit for WithLaunch<B> {
    type Client = Client;
    type Launch = BuggyLaunch<B>;
    type Server = Server;
}

impl<B: ServerBug + Clone + PartialEq + Hash + Debug + Default> Kit for WithServer<B> {
    type Client = Client;
    type Launch = Launch;
    type Server = BuggyServer<B>;
}

/// Machines with the bug that [`with`] says: one world is built for all of them.
pub(crate) struct WithAny;

impl Kit for WithAny {
    type Client = BuggyClient<AnyBug<dyn ClientBug>>;
    type Launch = BuggyLaunch<AnyBug<dyn LaunchBug>>;
    type Server = BuggyServer<AnyBug<dyn ServerBug>>;
}

/// A bug whose type is not known when the world is built. The world keeps copies of machines only to
/// compare them, so a copy does without, and a bug's own state is none of the machine's.
pub(crate) struct AnyBug<B: ?Sized>(Option<Box<B>>);

/// Why every machine that does something has its bug.
const COPY: &str = "a copy is only compared";

impl<B: ?Sized> AnyBug<B> {
    fn bug(&mut self) -> &mut B {
        self.0.as_mut().expect(COPY)
    }
}

impl<B: ?Sized> Clone for AnyBug<B> {
    fn clone(&self) -> Self {
        AnyBug(None)
    }
}

impl<B: ?Sized> PartialEq for AnyBug<B> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<B: ?Sized> Hash for AnyBug<B> {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

impl<B: ?Sized> Debug for AnyBug<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a bug")
    }
}

/// How each machine gets its bug.
#[derive(Clone, Copy)]
pub(crate) struct Bugs {
    pub(crate) client: fn() -> Box<dyn ClientBug>,
    pub(crate) launch: fn() -> Box<dyn LaunchBug>,
    pub(crate) server: fn() -> Box<dyn ServerBug>,
}

pub(crate) const SOUND: Bugs =
    Bugs { client: || Box::new(Sound), launch: || Box::new(Sound), server: || Box::new(Sound) };

thread_local! {
    static BUGS: Cell<Bugs> = const { Cell::new(SOUND) };
}

/// Does something with machines that have these bugs.
pub(crate) fn with<T>(bugs: Bugs, work: impl FnOnce() -> T) -> T {
    BUGS.set(bugs);
    let done = work();
    BUGS.set(SOUND);
    done
}

impl Default for AnyBug<dyn ClientBug> {
    fn default() -> Self {
        AnyBug(Some((BUGS.get().client)()))
    }
}

impl Default for AnyBug<dyn LaunchBug> {
    fn default() -> Self {
        AnyBug(Some((BUGS.get().launch)()))
    }
}

impl Default for AnyBug<dyn ServerBug> {
    fn default() -> Self {
        AnyBug(Some((BUGS.get().server)()))
    }
}

impl ClientBug for AnyBug<dyn ClientBug> {
    fn config(&self, config: ClientConfig) -> ClientConfig {
        self.0.as_ref().expect(COPY).config(config)
    }

    fn handle_input(&mut self, machine: &mut Client, now: Time, input: client::Input) {
        self.bug().handle_input(machine, now, input);
    }

    fn handle_timeout(&mut self, machine: &mut Client, now: Time) {
        self.bug().handle_timeout(machine, now);
    }

    fn poll_effect(&mut self, machine: &mut Client) -> Option<client::Effect> {
        self.bug().poll_effect(machine)
    }

    fn poll_transmit(&mut self, machine: &mut Client) -> Option<(Attempt, Frame)> {
        self.bug().poll_transmit(machine)
    }
}

impl LaunchBug for AnyBug<dyn LaunchBug> {
    fn handle_input(&mut self, machine: &mut Launch, mode: Mode, now: Time, input: launch::Input) {
        self.bug().handle_input(machine, mode, now, input);
    }

    fn poll_effect(&mut self, machine: &mut Launch) -> Option<launch::Effect> {
        self.bug().poll_effect(machine)
    }
}

impl ServerBug for AnyBug<dyn ServerBug> {
    fn handle_input(&mut self, machine: &mut Server, now: Time, input: server::Input) {
        self.bug().handle_input(machine, now, input);
    }

    fn poll_effect(&mut self, machine: &mut Server) -> Option<server::Effect> {
        self.bug().poll_effect(machine)
    }
}

/// A client and its bug.
#[derive(Clone, Debug, PartialEq, Hash)]
pub(crate) struct BuggyClient<B> {
    machine: Client,
    bug: B,
}

impl<B: ClientBug + Clone + PartialEq + Hash + Debug + Default> ClientMachine for BuggyClient<B> {
    fn new(config: ClientConfig, session: SessionId, seed: u64, now: Time) -> Self {
        let bug = B::default();
        BuggyClient { machine: Client::new(bug.config(config), session, seed, now), bug }
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

/// A proxy and its bug.
#[derive(Clone, Hash)]
pub(crate) struct BuggyLaunch<B> {
    machine: Launch,
    mode: Mode,
    bug: B,
}

impl<B: LaunchBug + Clone + Hash + Default> LaunchMachine for BuggyLaunch<B> {
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

/// A server and its bug.
#[derive(Clone, Debug, PartialEq, Hash)]
pub(crate) struct BuggyServer<B> {
    machine: Server,
    bug: B,
}

impl<B: ServerBug + Clone + PartialEq + Hash + Debug + Default> ServerMachine for BuggyServer<B> {
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
