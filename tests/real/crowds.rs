//! Many sessions of one user at once, against an sshd with the bounds that it has by itself, and one
//! whose link never lasts. A minute each, so only by hand; each prints its figures:
//!
//! ```text
//! cargo test --test real -- --ignored --nocapture --test-threads 1 crowds::
//! ```

use std::time::Duration;

use reattach::io::clock::Clock;
use reattach::session::Time;

use crate::client::Client;
use crate::dice::Dice;
use crate::place::{Place, wait};
use crate::processes::{children, signal_if_there};
use crate::sshd::{Spot, Sshd};
use crate::typist::{Typist, Weather};

const CROWD: usize = 100;

/// Time from one start to the next: somebody's script, or an editor with many projects.
const STAGGER: Duration = Duration::from_millis(30);

/// How long the slowest is waited for.
const PATIENCE: Duration = Duration::from_secs(90);

/// The clients of a crowd that are in that state.
fn count(clients: &[Client], state: &str) -> usize {
    let last = |client: &Client| client.events().last().map(|event| event.state.clone());
    clients.iter().filter(|client| last(client).as_deref() == Some(state)).count()
}

/// Waits until all are connected, or none will be any more; the time of the last.
fn all_connect(clients: &[Client], clock: Clock) -> Duration {
    let is_open = |client: &Client| {
        let events = client.events();
        !client.has_ended() && events.last().is_none_or(|event| event.state != "Connected")
    };
    while clients.iter().any(is_open) && clock.now().since(Time::ZERO) < PATIENCE {
        wait(Duration::from_millis(20));
    }
    clock.now().since(Time::ZERO)
}

fn start(sshd: &Sshd, place: &Place) -> Vec<Client> {
    let begin = |_| {
        wait(STAGGER);
        sshd.client(place, &[], &["cat"])
    };
    (0..CROWD).map(begin).collect()
}

#[test]
#[ignore = "takes a minute"]
#[serial_test::serial(ordeals)]
fn a_hundred_sessions_that_start_together_all_start() {
    let place = Place::new();
    let Some(sshd) = Sshd::start_at(&place, Spot::here().with_usual_bound()) else { return };
    let clock = Clock::new();
    let clients = start(&sshd, &place);
    let took = all_connect(&clients, clock);
    let connected = count(&clients, "Connected");
    println!("{CROWD} sessions started {STAGGER:?} apart: {connected} connected within {took:.1?}");
    assert_eq!(connected, CROWD);
}

#[test]
#[ignore = "takes a minute"]
#[serial_test::serial(ordeals)]
fn a_hundred_sessions_whose_links_are_cut_together_all_come_back() {
    let place = Place::new();
    let Some(sshd) = Sshd::start_at(&place, Spot::here().with_usual_bound()) else { return };
    // Those that sshd refuses are another test's.
    let mut clients = Vec::new();
    for _ in 0..CROWD {
        let mut client = sshd.client(&place, &[], &["cat"]);
        client.until("Connected");
        clients.push(client);
    }
    let before: Vec<_> = clients.iter().map(|client| client.events().len()).collect();
    let clock = Clock::new();
    for ssh in clients.iter().flat_map(|client| children(client.pid())) {
        signal_if_there(ssh, "KILL");
    }
    let is_told = |client: &Client, before: &usize| client.events().len() > *before;
    while !clients.iter().zip(&before).all(|(client, before)| is_told(client, before)) {
        wait(Duration::from_millis(5));
    }
    let took = all_connect(&clients, clock);
    let connected = count(&clients, "Connected");
    let attempts: u64 = clients.iter().map(|client| client.events().last().unwrap().attempt - 1).sum();
    println!("{CROWD} sessions cut at once: {connected} back within {took:.1?}, {attempts} attempts");
    assert_eq!(connected, CROWD);
}

#[test]
#[ignore = "takes half a minute"]
#[serial_test::serial(ordeals)]
fn a_link_that_dies_every_second_is_used_while_it_is_up() {
    const LASTS: Duration = Duration::from_secs(20);
    let place = Place::new();
    let mut dice = Dice::roll();
    let mut typist = Typist::at(Client::local(&place, &[], &["cat"]));
    let weather = Weather::fair(typist.client().clock());
    let clock = Clock::new();
    typist.steadily();
    while clock.now().since(Time::ZERO) < LASTS {
        wait(Duration::from_millis(800) + dice.delay(Duration::from_millis(400)));
        for proxy in children(typist.client().pid()) {
            signal_if_there(proxy, "KILL");
        }
    }
    let back = typist.lost_nothing(PATIENCE);
    let share = typist.usable_share(&weather);
    let attempts = typist.attempts();
    println!("a link that dies every second: usable {share:.2} of the time, {} attempts", attempts.len());
    // On this machine nobody logs in, so a token comes every half second.
    assert!(back && share >= 0.90, "{share}");
    assert!(attempts.len() <= 25, "one for each loss, and the first");
}
