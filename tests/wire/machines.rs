//! Frames out of damaged streams, and any others, given to both machines in any state: no panic, and
//! never more in memory than the windows allow.
//!
//! What the machines do with right frames is left to their own tests.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::FileFailurePersistence;
use reattach::session::First;
use serial_test::serial;

use crate::memory::{SLACK, held_bytes};
use crate::sides::{ClientSide, Machine, ServerSide, Step, take};
use crate::streams::{frames, streams};

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => streams().prop_map(Step::Stream),
        6 => frames().prop_map(Step::Fitting),
        2 => Just(Step::Reopen),
        6 => Just(Step::Attach),
        4 => (0..6usize, 0..4usize, 0..4usize).prop_map(|(sent, taken, written)| Step::Own(sent, taken, written)),
        1 => (0..40_000u64).prop_map(Step::Pass),
    ];
    vec(step, 1..40)
}

/// Does all steps; what is held after each of them is bounded, whatever came.
fn outlives(machine: &mut impl Machine, steps: &[Step]) {
    let before = held_bytes();
    for step in steps {
        take(machine, step);
        let held = held_bytes().saturating_sub(before);
        assert!(held <= SLACK, "it holds {held} bytes after {step:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("fixtures/regressions/wire_machines.txt"))),
        ..ProptestConfig::default()
    })]

    #[test]
    #[serial]
    fn a_client_outlives_any_server(first in select(vec![First::Start, First::Replace, First::Takeover]), steps in steps()) {
        outlives(&mut ClientSide::new(first), &steps);
    }

    #[test]
    #[serial]
    fn a_server_outlives_any_client(steps in steps()) {
        outlives(&mut ServerSide::new(), &steps);
    }
}
