//! What the kernel tells of a network that changes, in a network of the test's own.

use std::time::Duration;

use futures::{FutureExt, StreamExt};
use reattach::client::NetworkChanges;
use reattach::io::clock::Clock;
use reattach::io::reactor;
use reattach::proto::limits::NETWORK_PAUSE;

use crate::place::PATIENCE;
use crate::wire::Namespace;

/// The next notice; none if that takes longer.
async fn next_within(changes: &mut NetworkChanges, time: Duration) -> Option<()> {
    smol::future::or(changes.next(), async {
        reattach::io::sleep::Sleep::after(time).await;
        None
    })
    .await
}

/// Waits until there was silence for longer than any notice is held back.
async fn settle(changes: &mut NetworkChanges) -> usize {
    let mut notices = 0;
    while next_within(changes, NETWORK_PAUSE * 2).await.is_some() {
        notices += 1;
    }
    notices
}

const STEPS: [&str; 6] = [
    "ip link add one type veth peer name other",
    "ip address add 10.1.0.1/24 dev one",
    "ip link set one up",
    "ip link set other up",
    "ip route add 10.2.0.0/16 via 10.1.0.2",
    "ip rule add from 10.1.0.1 table 100",
];

const UNDONE: [&str; 4] = [
    "ip route del 10.2.0.0/16",
    "ip link set other down",
    "ip address del 10.1.0.1/24 dev one",
    "ip link del one",
];

/// Neighbours come and go wherever anything is sent.
const NO_CHANGE: [&str; 2] = [
    "ip neighbour add 10.1.0.9 lladdr 02:00:00:00:00:01 dev one",
    "ip address change 10.1.0.1/24 dev one valid_lft 600 preferred_lft 600",
];

fn run(namespace: &Namespace, line: &str) {
    namespace.run(&line.split(' ').collect::<Vec<_>>());
}

async fn every_step_is_told(namespace: &Namespace) {
    // Links look for addresses of the sixth version by themselves, at their own pace.
    namespace.run(&["sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6"]);
    let mut changes = NetworkChanges::listen().unwrap();
    for step in STEPS {
        run(namespace, step);
        assert!(next_within(&mut changes, PATIENCE).await.is_some(), "{step}");
        settle(&mut changes).await;
    }
    // Known to be there for ever, it now has a lifetime: that once, its flags are new.
    run(namespace, NO_CHANGE[1]);
    settle(&mut changes).await;
    for step in NO_CHANGE {
        run(namespace, step);
        assert_eq!(settle(&mut changes).await, 0, "{step}");
    }
    for step in UNDONE {
        run(namespace, step);
        assert!(next_within(&mut changes, PATIENCE).await.is_some(), "{step}");
        settle(&mut changes).await;
    }
}

#[test]
fn every_change_is_told_and_what_changes_nothing_is_not() {
    let Some(namespace) = Namespace::make() else { return };
    namespace.inside(|| reactor::block_on(every_step_is_told(&namespace)).unwrap());
}

#[test]
fn notices_may_be_waited_for_on_any_thread() {
    fn travels(_: impl Send + Unpin + 'static) {}
    travels(NetworkChanges::listen());
}

#[test]
fn editors_on_another_executor_are_told_too() {
    let Some(namespace) = Namespace::make() else { return };
    namespace.inside(|| {
        smol::block_on(async {
            let mut changes = NetworkChanges::listen().unwrap();
            assert!(changes.next().now_or_never().is_none());
            run(&namespace, STEPS[0]);
            assert!(next_within(&mut changes, PATIENCE).await.is_some());
        });
    });
}

/// Whoever runs here adds and removes a route so often.
fn storm(namespace: &Namespace, changes: usize) {
    let lines = "route add 10.9.0.0/16 dev lo\nroute del 10.9.0.0/16 dev lo\n".repeat(changes / 2);
    let batch = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(batch.path(), lines).unwrap();
    namespace.run(&["ip", "-batch", batch.path().to_str().unwrap()]);
}

/// Notices of so many changes at once, the last of them after the storm.
fn notices_of_a_storm(changes: usize) -> Option<()> {
    let namespace = Namespace::make()?;
    run(&namespace, "ip link set lo up");
    let (clock, notices) = namespace.inside(|| {
        let counted = reactor::block_on(async {
            let mut listening = NetworkChanges::listen().unwrap();
            let clock = Clock::new();
            storm(&namespace, changes);
            (clock, settle(&mut listening).await)
        });
        counted.unwrap()
    });
    let took = clock.now().since(reattach::session::Time::ZERO);
    let most = 2 + usize::try_from(took.as_millis() / NETWORK_PAUSE.as_millis()).unwrap();
    assert!((1..=most).contains(&notices), "{notices} notices in {took:?}");
    Some(())
}

#[test]
fn a_hundred_changes_in_a_burst_are_a_few_notices() {
    notices_of_a_storm(100);
}

#[test]
fn more_changes_than_the_kernel_keeps_are_a_few_notices_too() {
    notices_of_a_storm(20_000);
}

#[test]
fn the_last_change_of_several_is_not_lost() {
    let Some(namespace) = Namespace::make() else { return };
    run(&namespace, "ip link set lo up");
    namespace.inside(|| {
        let told = reactor::block_on(async {
            let mut changes = NetworkChanges::listen().unwrap();
            let clock = Clock::new();
            run(&namespace, "ip route add 10.9.0.0/16 dev lo");
            assert!(next_within(&mut changes, PATIENCE).await.is_some());
            run(&namespace, "ip route del 10.9.0.0/16 dev lo");
            assert!(next_within(&mut changes, PATIENCE).await.is_some());
            let took = clock.now().since(reattach::session::Time::ZERO);
            assert_eq!(settle(&mut changes).await, 0);
            took
        });
        assert!(told.unwrap() >= NETWORK_PAUSE);
    });
}
