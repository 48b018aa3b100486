//! Small worlds, looked at in full: the real machines break no promise, and bugs that are put back are
//! found on a shortest way, which the simulator's world confirms.

use reattach::proto::{Frame, InstanceId};
use reattach::session::client::Client;
use reattach::session::launch::Launch;
use reattach::session::server::{self, Server, TransportId};
use reattach::session::{ServerConfig, Time};
use reattach_sim::check::Promise;
use reattach_sim::explore::{Allowance, Bounds, Counterexample, End, explore};
use reattach_sim::machine::{Kit, Real, ServerMachine};
use reattach_sim::run::run_with;
use reattach_sim::trace::Detail;

use super::kits::{
    WithCredulousClient, WithSpawningProxy, WithStubbornClient, WithStutteringClient, WithZombieKeepingServer,
};

/// One client and an outage: enough for most bugs.
fn outage() -> Bounds {
    let left = Allowance { messages: 1, crashes: 1, cuts: 2, ..Allowance::default() };
    Bounds { clients: 1, left, ..Bounds::default() }
}

#[test]
fn nothing_that_can_happen_to_one_client_breaks_a_promise() {
    let left = Allowance { messages: 1, crashes: 1, cuts: 1, closes: 1, ..Allowance::default() };
    let report = explore::<Real>(Bounds { clients: 1, left, ..Bounds::default() }, |_| true);
    assert_eq!(report.end, End::Complete, "{:?}", report.counterexample);
    assert!(report.reach.unique > 20_000 && report.collision_odds() < 1e-6, "{:?}", report.reach);
}

#[test]
fn nothing_that_can_happen_between_two_clients_breaks_a_promise() {
    let left = Allowance { crashes: 1, ..Allowance::default() };
    let report = explore::<Real>(Bounds { left, ..Bounds::default() }, |_| true);
    assert_eq!(report.end, End::Complete, "{:?}", report.counterexample);
    for promise in [Promise::ProvenSignal, Promise::StrangerKeptOut, Promise::OneServer] {
        assert!(report.checks.count(promise) > 0, "{promise} was never judged");
    }
}

#[test]
fn a_bound_that_is_reached_is_said() {
    let ends = |bounds| explore::<Real>(bounds, |_| true).end;
    assert_eq!(ends(Bounds { states_max: 100, ..outage() }), End::States);
    assert_eq!(ends(Bounds { depth_max: 10, ..outage() }), End::Depth);
    assert_eq!(explore::<Real>(outage(), |_| false).end, End::Stopped);
}

/// The shortest way to the promise that a kit breaks, confirmed in the simulator's world.
fn found<K: Kit>(bounds: Bounds, promise: Promise) -> Counterexample {
    let report = explore::<K>(bounds, |_| true);
    let example = report.counterexample.expect("the bug is put back");
    assert_eq!(example.violation.promise, promise, "{}", example.violation);
    let scenario = example.scenario.as_ref().expect("the simulator's world has it, too");
    let outcome = run_with::<K>(scenario, Detail::Hash);
    assert_eq!(outcome.checks.violation().map(|violation| violation.promise), Some(promise));
    example
}

#[test]
fn the_founding_bug_is_found() {
    let example = found::<WithSpawningProxy>(outage(), Promise::NeverSpawn);
    let text: Vec<String> = example.lines.iter().map(|line| line.text()).collect();
    insta::with_settings!({
        snapshot_path => "../../../snapshots/explore",
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        insta::assert_snapshot!("founding_bug", format!("{}\n\n{}\n", text.join("\n"), example.violation));
    });
}

#[test]
fn a_client_that_applies_stale_news_is_found() {
    found::<WithCredulousClient>(outage(), Promise::StaleIgnored);
}

#[test]
fn a_client_that_tries_once_more_is_found() {
    found::<WithStubbornClient>(outage(), Promise::AttemptsMax);
}

#[test]
fn a_client_that_delivers_twice_is_found() {
    found::<WithStutteringClient>(outage(), Promise::DeliveredOnce);
}

#[test]
fn a_server_whose_seat_is_held_by_the_dead_is_found() {
    found::<WithZombieKeepingServer>(outage(), Promise::OwnerGetsIn);
}

/// Nobody is ever answered.
#[derive(Clone, Debug, PartialEq, Hash)]
struct HearsNoHello(Server);

impl ServerMachine for HearsNoHello {
    fn new(config: ServerConfig, instance: InstanceId, now: Time) -> Self {
        HearsNoHello(Server::new(config, instance, now))
    }

    fn handle_input(&mut self, now: Time, input: server::Input) {
        if !matches!(input, server::Input::Transport(_, server::News::Frame(Frame::Hello(_)))) {
            self.0.handle_input(now, input);
        }
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

struct WithDeafServer;

impl Kit for WithDeafServer {
    type Client = Client;
    type Launch = Launch;
    type Server = HearsNoHello;
}

#[test]
fn a_circle_that_never_settles_is_found() {
    let bounds = Bounds { clients: 1, left: Allowance::default(), ..Bounds::default() };
    let example = found::<WithDeafServer>(bounds, Promise::SettledInTime);
    assert!(example.depth < 30, "{} steps", example.depth);
}
