//! What the watched machines of this thread have shown so far.

use std::cell::RefCell;

use super::client::{ClientInput, ClientState};
use super::fault::{Bystander, FaultLabel};
use super::grid::Grid;
use super::launch::{LaunchInput, LaunchState};
use super::server::{ServerInput, ServerState};
use crate::check::{Goal, Goals};

/// Counts of what happened where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Runs.
    pub runs: u64,
    /// What clients were told, by where they were.
    pub client: Grid<ClientInput, ClientState>,
    /// Where clients went, from where.
    pub client_moves: Grid<ClientState, ClientState>,
    /// What servers were told, by where they were.
    pub server: Grid<ServerInput, ServerState>,
    /// Where servers went, from where.
    pub server_moves: Grid<ServerState, ServerState>,
    /// What proxies were told, by where they were.
    pub launch: Grid<LaunchInput, LaunchState>,
    /// Where proxies went, from where.
    pub launch_moves: Grid<LaunchState, LaunchState>,
    /// Faults, by where the client was that they happened to: any client, if they happen to none.
    pub client_faults: Grid<FaultLabel, ClientState>,
    /// Faults, by where the newest server and the proxy of the client were.
    pub host_faults: Grid<FaultLabel, Bystander>,
    /// The first seed that reached each goal.
    pub goals: FirstSeeds,
}

/// The first seed that reached each goal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstSeeds([Option<u64>; Goal::ALL.len()]);

impl Default for FirstSeeds {
    fn default() -> Self {
        FirstSeeds([None; Goal::ALL.len()])
    }
}

impl FirstSeeds {
    /// Takes note of what a seed has reached.
    pub fn reach(&mut self, seed: u64, reached: Goals) {
        for goal in Goal::ALL.iter().filter(|goal| reached.has(**goal)) {
            self.note(*goal, seed);
        }
    }

    /// The first seed that reached it.
    pub fn of(&self, goal: Goal) -> Option<u64> {
        self.0[goal as usize]
    }

    fn note(&mut self, goal: Goal, seed: u64) {
        let first = self.0[goal as usize].get_or_insert(seed);
        *first = seed.min(*first);
    }

    fn add(&mut self, other: &FirstSeeds) {
        for goal in Goal::ALL {
            if let Some(seed) = other.of(*goal) {
                self.note(*goal, seed);
            }
        }
    }
}

impl Record {
    /// Adds what another thread has seen.
    pub fn add(&mut self, other: &Record) {
        let Record { runs, client, client_moves, server, server_moves, launch, launch_moves, .. } = other;
        self.runs += runs;
        self.client.add(client);
        self.client_moves.add(client_moves);
        self.server.add(server);
        self.server_moves.add(server_moves);
        self.launch.add(launch);
        self.launch_moves.add(launch_moves);
        self.client_faults.add(&other.client_faults);
        self.host_faults.add(&other.host_faults);
        self.goals.add(&other.goals);
    }
}

thread_local! {
    static RECORD: RefCell<Record> = RefCell::default();
}

/// Takes note of something.
pub(super) fn record(note: impl FnOnce(&mut Record)) {
    RECORD.with_borrow_mut(note);
}

/// Everything so far, and a fresh start.
pub(super) fn take() -> Record {
    RECORD.take()
}
