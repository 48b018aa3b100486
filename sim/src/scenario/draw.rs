//! Seed to scenario.
//!
//! Half of the seeds draw every kind of fault evenly, half draw some kinds only, with weights, so
//! that rare combinations come up as often as they do in bad weeks. Regressions are kept as
//! files, so this may change.

use std::time::Duration;

use reattach::proto::limits::PAYLOAD_BYTES_MAX;
use reattach::session::First;

use super::{Act, Entry, Fault, FaultKind, Mode, Scenario, Setting, User, What};
use crate::dice::Dice;

/// Tells this stream of a seed from the world's.
const PURPOSE: u64 = 1;

/// Tells the deaths of clients, which are drawn on their own, from the rest.
const DEATHS: u64 = 3;

/// And what seldom happens.
const EXTREMES: u64 = 5;

/// And what is given ahead, so that everything else of a seed is what it was before.
const PACE_PURPOSE: u64 = 7;

/// The scenario of a seed.
pub fn draw(seed: u64) -> Scenario {
    let mut dice = Dice::new(seed, PURPOSE);
    let mode = if dice.one_in(4) { Mode::Hostile } else { Mode::Recoverable };
    let duration = dice.log_duration(Duration::from_secs(10), Duration::from_secs(120));
    let mut setting = draw_pace(seed, draw_setting(&mut dice));
    let mut entries = Vec::new();
    let clients = draw_users(&mut dice, duration, &mut entries);
    draw_faults(&mut dice, mode, duration, clients, &mut entries);
    if dice.one_in(3) {
        draw_outage(&mut dice, duration, clients, &mut entries);
    }
    draw_death(seed, duration, clients, &mut setting, &mut entries);
    draw_extremes(seed, duration, clients, &mut setting, &mut entries);
    entries.sort_by_key(|entry| entry.at);
    Scenario { seed, mode, duration, setting, entries }
}

fn draw_setting(dice: &mut Dice) -> Setting {
    Setting {
        latency: dice.log_duration(Duration::from_micros(100), Duration::from_millis(300)),
        bandwidth: u32::try_from(dice.log_between(20, 100_000)).expect("in range"),
        ssh_time: dice.log_duration(Duration::from_millis(20), Duration::from_secs(5)),
        step_time: dice.log_duration(Duration::from_micros(20), Duration::from_millis(100)),
        program_time: dice.log_duration(Duration::from_micros(50), Duration::from_millis(50)),
        idle_lifetime: if dice.one_in(4) {
            dice.log_duration(Duration::from_secs(2), Duration::from_secs(60))
        } else {
            Duration::from_secs(24 * 3600)
        },
        unmet_lifetime: if dice.one_in(4) {
            dice.log_duration(Duration::from_secs(2), Duration::from_secs(60))
        } else {
            Duration::from_secs(120)
        },
        window: u32::try_from(dice.log_between(64, 16_384)).expect("in range"),
        window_frames: u32::try_from(dice.log_between(2, 256)).expect("in range"),
        ahead: Setting::default().ahead,
        attempts_max: dice.pick(&[3, 3, 3, 1, 2, 5]),
        patience: match dice.below(8) {
            0 => Duration::ZERO,
            1 => dice.log_duration(Duration::from_secs(5), Duration::from_secs(120)),
            _ => Duration::from_secs(24 * 3600),
        },
        pids: dice.pick(&[8, 4, 16, 32]),
        wake_told: !dice.one_in(3),
        ..Setting::default()
    }
}

/// Whether the session has a name, and whether a client is killed: one that nobody opens again, so at
/// most one, and often when everything else is over.
fn draw_death(seed: u64, duration: Duration, clients: u8, setting: &mut Setting, entries: &mut Vec<Entry>) {
    let mut dice = Dice::new(seed, DEATHS);
    setting.nameless = dice.one_in(2);
    setting.orphan_lifetime = dice.log_duration(Duration::from_secs(1), Duration::from_secs(60));
    if !dice.one_in(3) {
        return;
    }
    let target = Some(u8::try_from(dice.below(clients.into())).expect("few"));
    let at = if dice.one_in(2) { duration - dice.within(duration / 10) } else { dice.within(duration) };
    let mut fault = |kind, at, target, duration| {
        entries.push(Entry { at, what: What::Fault(Fault { kind, target, number: 0, duration }) });
    };
    fault(FaultKind::ClientKill, at, target, Duration::ZERO);
    // An heir comes in time, and loses its link for longer than an orphan lives.
    let lifetime = setting.orphan_lifetime;
    let opened = at + dice.within(lifetime + Duration::from_secs(5));
    let cut = opened + dice.within(Duration::from_secs(20));
    if clients == 1 && cut <= duration {
        fault(FaultKind::LinkCut, cut, Some(1), Duration::ZERO);
        fault(FaultKind::SshFail, cut, Some(1), lifetime * 2);
        let open = User { client: 1, act: Act::Open(First::Takeover) };
        entries.push(Entry { at: opened, what: What::User(open) });
    }
}

/// What seldom happens and must be seen: messages as large as they may be, where the link can carry them, and
/// a Hello that is held up until a newer one was accepted.
fn draw_extremes(
    seed: u64,
    duration: Duration,
    clients: u8,
    setting: &mut Setting,
    entries: &mut Vec<Entry>,
) {
    let mut dice = Dice::new(seed, EXTREMES);
    let client = u8::try_from(dice.below(clients.into())).expect("few");
    let at = dice.within(duration * 3 / 4);
    if dice.one_in(32) {
        setting.bandwidth = setting.bandwidth.max(50_000);
        setting.latency = setting.latency.min(Duration::from_millis(20));
        let bytes = u32::try_from(PAYLOAD_BYTES_MAX).expect("a mebibyte") - dice.pick(&[0, 0, 1]);
        let act = Act::Send { count: 1 + dice.below(2), every: Duration::from_secs(1), bytes };
        entries.push(Entry { at, what: What::User(User { client, act }) });
    }
    if dice.one_in(8) {
        let mut fault = |kind, at, duration| {
            let target = Some(client);
            entries.push(Entry { at, what: What::Fault(Fault { kind, target, number: 0, duration }) });
        };
        fault(FaultKind::HelloLate, at, dice.log_duration(Duration::from_secs(1), Duration::from_secs(20)));
        fault(FaultKind::LinkCut, at + Duration::from_millis(1), Duration::ZERO);
    }
}

/// Some worlds give little ahead, and half of those have links on which that matters.
fn draw_pace(seed: u64, mut setting: Setting) -> Setting {
    let mut dice = Dice::new(seed, PACE_PURPOSE);
    if dice.one_in(3) {
        setting.ahead = u32::try_from(dice.log_between(16, 2048)).expect("in range");
        if dice.one_in(2) {
            setting.bandwidth = u32::try_from(dice.log_between(10, 1000)).expect("in range");
            setting.window = u32::try_from(dice.log_between(16_384, 131_072)).expect("in range");
        }
    }
    setting
}

/// What the users do; how many clients there are.
fn draw_users(dice: &mut Dice, duration: Duration, entries: &mut Vec<Entry>) -> u8 {
    let clients = if dice.one_in(3) { 2 + u8::from(dice.one_in(4)) } else { 1 };
    for client in 0..clients {
        let mut act = |at, act| entries.push(Entry { at, what: What::User(User { client, act }) });
        let (opened, first) = if client == 0 {
            (Duration::ZERO, dice.pick(&[First::Start, First::Start, First::Replace]))
        } else {
            // At the same moment as the first, or some time later.
            let opened = if dice.one_in(3) { Duration::ZERO } else { dice.within(duration) };
            (opened, dice.pick(&[First::Start, First::Replace, First::Takeover, First::Takeover]))
        };
        act(opened, Act::Open(first));
        for _ in 0..1 + dice.below(6) {
            let at = opened + dice.within(duration.saturating_sub(opened));
            act(at, draw_work(dice));
        }
        for _ in 0..dice.below(3) {
            let at = opened + dice.within(duration.saturating_sub(opened));
            act(at, draw_wish(dice));
        }
    }
    clients
}

fn draw_work(dice: &mut Dice) -> Act {
    Act::Send {
        count: u32::try_from(dice.log_between(1, 400)).expect("in range"),
        every: dice.log_duration(Duration::from_micros(100), Duration::from_secs(1)),
        bytes: u32::try_from(dice.log_between(1, 600)).expect("in range"),
    }
}

fn draw_wish(dice: &mut Dice) -> Act {
    match dice.below(18) {
        0 => Act::Finish,
        1 => Act::Signal(dice.pick(&[2, 15, 10, 10, 10])),
        2 => Act::Close,
        3..6 => Act::Retry,
        6..12 => Act::Restart,
        16.. => Act::Type,
        _ => Act::NetworkUp,
    }
}

/// A link that ends, and something that keeps the next ones from working for a while: what uses up
/// a budget of attempts.
fn draw_outage(dice: &mut Dice, duration: Duration, clients: u8, entries: &mut Vec<Entry>) {
    let at = dice.within(duration);
    let target = Some(u8::try_from(dice.below(clients.into())).expect("few"));
    let mut fault = |kind: FaultKind, at, duration| {
        let number = kind.numbers().first().copied().unwrap_or_default();
        let target = target.filter(|_| kind.is_targeted());
        entries.push(Entry { at, what: What::Fault(Fault { kind, target, number, duration }) });
    };
    let end =
        dice.pick(&[FaultKind::LinkCut, FaultKind::HalfOpen, FaultKind::Blackhole, FaultKind::ProxyKill]);
    let obstacle = dice.pick(&[
        FaultKind::SshFail,
        FaultKind::SshFail,
        FaultKind::SshTurnedAway,
        FaultKind::Partition,
        FaultKind::NetworkDown,
        FaultKind::NetworkDown,
        FaultKind::SharedDead,
        FaultKind::Elsewhere,
        FaultKind::ShellEnds,
        FaultKind::LossUp,
        FaultKind::LossDown,
        FaultKind::ServerHang,
    ]);
    let length = dice.log_duration(Duration::from_secs(5), duration.max(Duration::from_secs(10)));
    fault(end, at, Duration::ZERO);
    fault(obstacle, at, length);
}

fn draw_faults(dice: &mut Dice, mode: Mode, duration: Duration, clients: u8, entries: &mut Vec<Entry>) {
    let drawn_here = |kind: &FaultKind| *kind != FaultKind::ClientKill;
    let allowed = |kind: &FaultKind| drawn_here(kind) && (mode == Mode::Hostile || !kind.is_hostile());
    let mut kinds: Vec<FaultKind> = FaultKind::ALL.iter().copied().filter(allowed).collect();
    if dice.one_in(2) {
        // A swarm: a few kinds, some of them several times as likely.
        let few = 1 + dice.below(6);
        kinds = (0..few)
            .flat_map(|_| {
                let kind = dice.pick(&kinds);
                let weight = 1 + dice.below(4);
                (0..weight).map(move |_| kind)
            })
            .collect();
    }
    let count = dice.log_between(1, 24);
    let mut last = Duration::ZERO;
    // Some runs have only long faults: those outlast a budget of attempts.
    let shortest = Duration::from_millis(dice.pick(&[1, 1, 1, 5000]));
    for _ in 0..count {
        let kind = dice.pick(&kinds);
        // Trouble seldom comes alone: every other fault is close behind the one before.
        let at = if dice.one_in(2) {
            dice.within(duration)
        } else {
            (last + dice.log_duration(Duration::from_millis(1), Duration::from_secs(20))).min(duration)
        };
        last = at;
        let longest = match kind {
            FaultKind::Sleep | FaultKind::ClockJump | FaultKind::HostClockJump => Duration::from_secs(3600),
            _ => duration,
        };
        let fault = Fault {
            kind,
            target: kind.is_targeted().then(|| u8::try_from(dice.below(clients.into())).expect("few")),
            number: if kind.numbers().is_empty() { 0 } else { dice.pick(kind.numbers()) },
            duration: if kind.is_lasting() { dice.log_duration(shortest, longest) } else { Duration::ZERO },
        };
        entries.push(Entry { at, what: What::Fault(fault) });
    }
}
