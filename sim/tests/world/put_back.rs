//! Bugs put back by wrapping the machines: each is caught within a hundred seeds, by the promise
//! that it breaks.

use reattach_sim::check::Promise;
use reattach_sim::machine::Kit;
use reattach_sim::run::run_with;
use reattach_sim::scenario::draw;
use reattach_sim::trace::Detail;

use crate::kits::{
    WithCredulousClient, WithSpawningProxy, WithStubbornClient, WithStutteringClient, WithZombieKeepingServer,
};

const SEEDS: u64 = 100;

fn caught_by<K: Kit>() -> Option<Promise> {
    (0..SEEDS).find_map(|seed| {
        let outcome = run_with::<K>(&draw(seed), Detail::Hash);
        outcome.checks.violation().map(|violation| violation.promise)
    })
}

#[test]
fn a_proxy_that_spawns_on_reconnect_is_caught() {
    assert_eq!(caught_by::<WithSpawningProxy>(), Some(Promise::NeverSpawn));
}

#[test]
fn a_client_that_applies_stale_news_is_caught() {
    assert_eq!(caught_by::<WithCredulousClient>(), Some(Promise::StaleIgnored));
}

#[test]
fn a_client_that_tries_once_more_is_caught() {
    assert_eq!(caught_by::<WithStubbornClient>(), Some(Promise::AttemptsMax));
}

#[test]
fn a_client_that_delivers_twice_is_caught() {
    assert_eq!(caught_by::<WithStutteringClient>(), Some(Promise::DeliveredOnce));
}

#[test]
fn a_server_whose_seat_is_held_by_the_dead_is_caught() {
    assert_eq!(caught_by::<WithZombieKeepingServer>(), Some(Promise::OwnerGetsIn));
}
