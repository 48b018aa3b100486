//! What "smaller" means: an order on scenarios, most important first.
//!
//! Every step of the shrinker goes down in this order, so it comes to an end, and what it gives
//! is never larger than what it was given.

use std::time::Duration;

use serde::Serialize;

use super::knob;
use crate::scenario::{Act, Fault, FaultKind, Scenario, User, What};

/// Bytes of a request as people write them: they cost a reader nothing.
pub(super) const USUAL_BYTES: u32 = 40;

/// Digits that a reader would rather take in than puzzle: which of two things at the same moment
/// comes first?
const PUZZLE: u32 = 5;

/// Kinds that need no explanation, the simplest first.
pub(super) const SIMPLE: [FaultKind; 9] = [
    FaultKind::LinkCut,
    FaultKind::ServerCrash,
    FaultKind::HalfOpen,
    FaultKind::Partition,
    FaultKind::SshFail,
    FaultKind::ProxyKill,
    FaultKind::ServerStop,
    FaultKind::ServerHang,
    FaultKind::Sleep,
];

/// How large a scenario is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Size {
    /// What happens: lines of the file.
    pub entries: usize,
    /// Clients.
    pub clients: usize,
    /// Settings that are not at their default, the mode among them.
    pub settings: usize,
    /// Requests that users send.
    pub requests: u64,
    /// How far what happens is from the simplest of its kind.
    pub strangeness: u64,
    /// Digits that a reader has to take in.
    pub digits: u32,
    /// All times together, in microseconds.
    pub span: u64,
    /// The seed: a low one is as good as any.
    pub seed: u64,
}

impl Size {
    /// The size of a scenario.
    pub fn of(scenario: &Scenario) -> Self {
        let mut size = Size {
            entries: scenario.entries.len(),
            clients: 0,
            settings: knob::count(scenario),
            requests: 0,
            strangeness: 0,
            digits: 0,
            span: 0,
            seed: scenario.seed,
        };
        size.time(scenario.duration);
        let ats = scenario.entries.iter().map(|entry| entry.at).chain([scenario.duration]);
        let ties = ats.clone().zip(ats.skip(1)).filter(|(at, next)| next <= at).count();
        size.digits += PUZZLE * u32::try_from(ties).unwrap_or(u32::MAX / PUZZLE);
        for entry in &scenario.entries {
            size.time(entry.at);
            match &entry.what {
                What::User(user) => size.act(user),
                What::Fault(fault) => {
                    size.fault(fault);
                    // What is written is what happens: nothing goes on after the end.
                    let cut = entry.at + fault.duration > scenario.duration;
                    size.digits += PUZZLE * u32::from(fault.kind.is_lasting() && cut);
                }
            }
        }
        for knob in knob::KNOBS {
            if !knob.is_default(&scenario.setting) {
                let value = knob.get(&scenario.setting);
                size.digits += number_digits(value);
                size.span = size.span.saturating_add(value.abs_diff(knob.default()));
            }
        }
        size
    }

    fn time(&mut self, time: Duration) {
        self.digits += digits(time);
        self.span = self.span.saturating_add(micros(time));
    }

    fn client(&mut self, client: u8) {
        self.clients = self.clients.max(usize::from(client) + 1);
    }

    fn act(&mut self, user: &User) {
        self.client(user.client);
        match user.act {
            Act::Open(first) => self.strangeness += u64::from(first != reattach::session::First::Start),
            Act::Send { count, every, bytes } => {
                self.requests += u64::from(count);
                self.time(every);
                if bytes != USUAL_BYTES {
                    self.digits += number_digits(bytes.into());
                    self.span += u64::from(bytes);
                }
            }
            Act::Finish
            | Act::Signal(_)
            | Act::Close
            | Act::Type
            | Act::Retry
            | Act::Restart
            | Act::NetworkUp => {}
        }
    }

    fn fault(&mut self, fault: &Fault) {
        if let Some(client) = fault.target {
            self.client(client);
        }
        let simple = SIMPLE.iter().position(|kind| *kind == fault.kind).unwrap_or(SIMPLE.len());
        let numbers = fault.kind.numbers();
        let number = numbers.iter().position(|number| *number == fault.number).unwrap_or(numbers.len());
        self.strangeness += simple as u64 + number as u64;
        if fault.kind.is_lasting() {
            self.time(fault.duration);
        }
    }
}

pub(super) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Digits of a time in seconds; a part of a second costs as many again as it has.
pub(super) fn digits(time: Duration) -> u32 {
    let micros = micros(time);
    let (whole, mut part) = (micros / 1_000_000, micros % 1_000_000);
    if part == 0 {
        return number_digits(whole);
    }
    let mut places = 6;
    while part.is_multiple_of(10) {
        part /= 10;
        places -= 1;
    }
    number_digits(whole) + 1 + places
}

/// Digits up to the last one that is not zero.
fn number_digits(mut number: u64) -> u32 {
    if number == 0 {
        return 0;
    }
    while number.is_multiple_of(10) {
        number /= 10;
    }
    number.ilog10() + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::draw;

    #[test]
    fn whole_seconds_are_the_shortest_times() {
        let digits = |micros| digits(Duration::from_micros(micros));
        assert_eq!(digits(0), 0);
        assert_eq!([digits(1_000_000), digits(30_000_000), digits(12_000_000)], [1, 1, 2]);
        assert_eq!([digits(500_000), digits(1_500_000), digits(1_234_567)], [2, 3, 8]);
    }

    #[test]
    fn fewer_entries_count_for_more_than_anything_else() {
        for seed in 0..50 {
            let scenario = draw(seed);
            let mut fewer = Scenario { seed: u64::MAX, ..scenario.clone() };
            fewer.entries.pop();
            fewer.duration = Duration::from_secs(1 << 30);
            assert!(Size::of(&fewer) < Size::of(&scenario), "seed {seed}");
        }
    }
}
