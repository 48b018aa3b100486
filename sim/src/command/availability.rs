//! What the users of a campaign felt: how much of the time in which the network was up they were attached,
//! by what went wrong in their runs.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use crate::scenario::{FaultKind, Scenario, What};

/// Steps of a share: a half percent each.
const STEPS: usize = 200;

/// Shares of a thousand, as in the outcomes of runs.
const WHOLE: usize = 1000;

/// Kinds of faults that the text names: those that cost most.
const WORST_MAX: usize = 8;

/// Clients below which a kind's worst percentile is that of chance.
const CLIENTS_MIN: u64 = 100;

/// How many clients had which share.
#[derive(Clone, Debug)]
struct Histogram([u32; STEPS + 1]);

impl Default for Histogram {
    fn default() -> Self {
        Histogram([0; STEPS + 1])
    }
}

impl Histogram {
    fn count(&self) -> u64 {
        self.0.iter().map(|count| u64::from(*count)).sum()
    }

    /// The share that so many thousandths of the clients do not exceed.
    fn quantile(&self, thousandths: u64) -> f64 {
        let rank = (self.count() * thousandths).div_ceil(WHOLE as u64).max(1);
        let mut below = 0;
        let step = self.0.iter().position(|count| {
            below += u64::from(*count);
            below >= rank
        });
        step.unwrap_or_default() as f64 / STEPS as f64
    }
}

/// The shares of many clients.
#[derive(Clone, Debug, Default)]
pub(super) struct Availability {
    all: Histogram,
    by_fault: BTreeMap<FaultKind, Histogram>,
}

/// One line of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Felt {
    clients: u64,
    median: f64,
    /// What one in a hundred does not exceed.
    worst_percent: f64,
}

impl Availability {
    /// Takes the shares of a run's clients, in thousandths.
    pub(super) fn take(&mut self, scenario: &Scenario, shares: &[u16]) {
        if shares.is_empty() {
            return;
        }
        let mut kinds: Vec<FaultKind> = scenario
            .entries
            .iter()
            .filter_map(|entry| match &entry.what {
                What::Fault(fault) => Some(fault.kind),
                What::User(_) => None,
            })
            .collect();
        kinds.sort_unstable();
        kinds.dedup();
        for share in shares {
            let step = usize::from(*share) * STEPS / WHOLE;
            self.all.0[step] += 1;
            for kind in &kinds {
                self.by_fault.entry(*kind).or_default().0[step] += 1;
            }
        }
    }

    pub(super) fn add(&mut self, other: &Availability) {
        let add = |sum: &mut Histogram, more: &Histogram| {
            sum.0.iter_mut().zip(more.0).for_each(|(sum, more)| *sum += more);
        };
        add(&mut self.all, &other.all);
        for (kind, more) in &other.by_fault {
            add(self.by_fault.entry(*kind).or_default(), more);
        }
    }

    /// For programs: `all`, and every kind of fault by its name.
    pub(super) fn report(&self) -> BTreeMap<&'static str, Felt> {
        let by_fault = self.by_fault.iter().map(|(kind, histogram)| (kind.name(), felt(histogram)));
        by_fault.chain([("all", felt(&self.all))]).collect()
    }

    /// For people: all, and what cost most.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        if self.all.count() == 0 {
            return text;
        }
        let mut kinds: Vec<(&'static str, Felt)> = self
            .by_fault
            .iter()
            .filter(|(_, histogram)| histogram.count() >= CLIENTS_MIN)
            .map(|(kind, histogram)| (kind.name(), felt(histogram)))
            .collect();
        kinds.sort_by(|(_, one), (_, other)| one.median.total_cmp(&other.median));
        kinds.truncate(WORST_MAX);
        text += "attached of the time in which the network was up: median, and worst percent\n";
        for (name, Felt { clients, median, worst_percent }) in
            [("all", felt(&self.all))].into_iter().chain(kinds)
        {
            let (median, worst) = (median * 100.0, worst_percent * 100.0);
            writeln!(text, "  {name:<20} {median:>5.1} % {worst:>5.1} %  of {clients} clients")
                .expect("a string takes everything");
        }
        text
    }
}

fn felt(histogram: &Histogram) -> Felt {
    Felt {
        clients: histogram.count(),
        median: histogram.quantile(500),
        worst_percent: histogram.quantile(10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::parse;

    #[test]
    fn the_median_and_the_worst_percent_are_those_of_the_clients() {
        let cut = parse("scenario 1\nat 1s fault link-cut a\nat 2s fault link-cut a\n").unwrap();
        let quiet = parse("scenario 1\n").unwrap();
        let mut sum = Availability::default();
        for share in 0..100 {
            let mut one = Availability::default();
            one.take(&cut, &[share * 10]);
            sum.add(&one);
        }
        sum.take(&quiet, &[1000; 101]);
        sum.take(&quiet, &[]);
        let report = sum.report();
        assert_eq!(report["link-cut"], Felt { clients: 100, median: 0.49, worst_percent: 0.0 });
        assert_eq!(report["all"], Felt { clients: 201, median: 1.0, worst_percent: 0.02 });
        let text = sum.text();
        assert!(text.contains("  link-cut              49.0 %   0.0 %  of 100 clients\n"), "{text}");
        assert_eq!(Availability::default().text(), "");
    }
}
