//! Scenarios as files: one line each, readable and editable.
//!
//! ```text
//! scenario 1
//! # What a user would say about it.
//! seed 7
//! mode recoverable
//! duration 30s
//! set latency 20ms
//! at 0s a open start
//! at 1s a send 20 every 100ms of 40
//! at 5s fault link-cut a
//! at 9s fault proxy-exit a with 75
//! at 12.5s fault server-hang for 1m
//! ```
//!
//! `set` lines may be left out, and then have their defaults. Nothing is said twice, and nothing
//! happens after the end. Drawing is left to `draw`, and what makes sense to `bounds`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use reattach::session::First;

use super::bounds::{self, ENTRIES_MAX, REQUESTS_MAX};
use super::{Act, CLIENTS_MAX, Entry, Fault, FaultKind, Letter, Mode, Scenario, Setting, User, What};

/// Version of the format: the number on the first line.
const VERSION: &str = "1";

/// What some editors put before everything else, where nobody sees it.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Letters of what somebody wrote that a sentence repeats: enough to find the place.
const SHOWN_LETTERS_MAX: usize = 60;

/// A file that is no scenario.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct ParseError {
    /// Counted from 1.
    pub line: usize,
    /// One sentence.
    pub why: String,
}

/// Reads a scenario.
///
/// # Errors
///
/// [`ParseError`] names the line and what is accepted there.
pub fn parse(text: &str) -> Result<Scenario, ParseError> {
    let mut scenario = Scenario {
        seed: 0,
        mode: Mode::Recoverable,
        duration: Duration::from_secs(60),
        setting: Setting::default(),
        entries: Vec::new(),
    };
    let mut versioned = false;
    let mut said = BTreeMap::new();
    let mut requests = 0;
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default();
        let words: Vec<&str> = line.split_whitespace().collect();
        if words.is_empty() {
            continue;
        }
        let line = index + 1;
        let read = if versioned { parse_line(&words, &mut scenario) } else { parse_version(&words) };
        let read = read.and_then(|()| once(&words, line, &mut said));
        let read = read.and_then(|()| few(&scenario, &mut lines, line, &mut requests));
        read.map_err(|why| ParseError { line, why })?;
        versioned = true;
    }
    if !versioned {
        let why = format!("the file is empty; a scenario begins with \"scenario {VERSION}\"");
        return Err(ParseError { line: 1, why });
    }
    let end = scenario.duration;
    if let Some((entry, line)) = scenario.entries.iter().zip(lines).find(|(entry, _)| entry.at > end) {
        let why = format!("{} is after the end: the duration is {}", time(entry.at), time(end));
        return Err(ParseError { line, why });
    }
    scenario.entries.sort_by_key(|entry| entry.at);
    Ok(scenario)
}

/// What a line says must not have been said before.
fn once(words: &[&str], line: usize, said: &mut BTreeMap<String, usize>) -> Result<(), String> {
    let what = match words {
        ["at", ..] => return Ok(()),
        ["set", name, ..] => format!("set {name}"),
        [name, ..] => (*name).to_owned(),
        [] => return Ok(()),
    };
    let told = format!("{what} was said on line");
    match said.insert(what, line) {
        Some(before) => Err(format!("{told} {before} before, and is said once")),
        None => Ok(()),
    }
}

/// Keeps the line of the last entry, and count of what a run can take.
fn few(scenario: &Scenario, lines: &mut Vec<usize>, line: usize, requests: &mut u32) -> Result<(), String> {
    if lines.len() == scenario.entries.len() {
        return Ok(());
    }
    lines.push(line);
    if lines.len() > ENTRIES_MAX {
        return Err(format!("more than {ENTRIES_MAX} things happen, and that many are accepted"));
    }
    if let Some(Entry { what: What::User(User { act: Act::Send { count, .. }, .. }), .. }) =
        scenario.entries.last()
    {
        *requests = requests.saturating_add(*count);
    }
    if *requests > REQUESTS_MAX {
        return Err(format!("the users send {requests} requests so far; {REQUESTS_MAX} in all are accepted"));
    }
    Ok(())
}

fn parse_version(words: &[&str]) -> Result<(), String> {
    match words {
        ["scenario", VERSION] => Ok(()),
        ["scenario", version] => Err(format!("version {} is not known, only {VERSION} is", shown(version))),
        [first, ..] if first.starts_with(BYTE_ORDER_MARK) => Err(format!(
            "the file begins with a byte order mark; a scenario begins with \"scenario {VERSION}\""
        )),
        _ => Err(format!(
            "\"{}\" is no beginning; a scenario begins with \"scenario {VERSION}\"",
            shown(&words.join(" "))
        )),
    }
}

fn parse_line(words: &[&str], scenario: &mut Scenario) -> Result<(), String> {
    match words {
        // Right where it is: that it was said before is found out like that of any other line.
        ["scenario", VERSION] => {}
        ["seed", seed] => scenario.seed = bounds::SEED.read(seed)?,
        ["mode", "recoverable"] => scenario.mode = Mode::Recoverable,
        ["mode", "hostile"] => scenario.mode = Mode::Hostile,
        ["duration", time] => scenario.duration = bounds::DURATION.read(time)?,
        ["set", name, value] => parse_setting(name, value, &mut scenario.setting)?,
        ["at", time, "fault", rest @ ..] => {
            let what = What::Fault(parse_fault(rest)?);
            scenario.entries.push(Entry { at: bounds::AT.read(time)?, what });
        }
        ["at", time, name, rest @ ..] => {
            let what = What::User(User { client: client(name)?, act: parse_act(rest)? });
            scenario.entries.push(Entry { at: bounds::AT.read(time)?, what });
        }
        _ => {
            return Err(format!(
                "\"{}\" is not one of: seed N, mode recoverable|hostile, duration TIME, set NAME VALUE, \
                 at TIME CLIENT ACT, at TIME fault KIND",
                shown(&words.join(" "))
            ));
        }
    }
    Ok(())
}

fn parse_setting(name: &str, value: &str, setting: &mut Setting) -> Result<(), String> {
    match name {
        "latency" => setting.latency = bounds::LATENCY.read(value)?,
        "bandwidth" => setting.bandwidth = bounds::BANDWIDTH.read(value)?,
        "ssh-time" => setting.ssh_time = bounds::SSH_TIME.read(value)?,
        "step-time" => setting.step_time = bounds::STEP_TIME.read(value)?,
        "program-time" => setting.program_time = bounds::PROGRAM_TIME.read(value)?,
        "idle-lifetime" => setting.idle_lifetime = bounds::LIFETIME.read(value)?,
        "unmet-lifetime" => setting.unmet_lifetime = bounds::LIFETIME.read(value)?,
        "nameless" => setting.nameless = yes_or_no(value)?,
        "orphan-lifetime" => setting.orphan_lifetime = bounds::LIFETIME.read(value)?,
        "window" => setting.window = bounds::WINDOW.read(value)?,
        "window-frames" => setting.window_frames = bounds::WINDOW_FRAMES.read(value)?,
        "ahead" => setting.ahead = bounds::AHEAD.read(value)?,
        "attempts-max" => setting.attempts_max = bounds::ATTEMPTS.read(value)?,
        "patience" => setting.patience = bounds::PATIENCE.read(value)?,
        "pids" => setting.pids = bounds::PIDS.read(value)?,
        "wake-told" => setting.wake_told = yes_or_no(value)?,
        _ => {
            return Err(format!(
                "\"{}\" cannot be set; latency, bandwidth, ssh-time, step-time, program-time, \
                 idle-lifetime, unmet-lifetime, nameless, orphan-lifetime, window, window-frames, ahead, attempts-max, patience, pids and wake-told can",
                shown(name)
            ));
        }
    }
    Ok(())
}

fn yes_or_no(value: &str) -> Result<bool, String> {
    match value {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err(format!("\"{}\" is neither yes nor no", shown(value))),
    }
}

fn parse_act(words: &[&str]) -> Result<Act, String> {
    Ok(match words {
        ["open", "start"] => Act::Open(First::Start),
        ["open", "replace"] => Act::Open(First::Replace),
        ["open", "takeover"] => Act::Open(First::Takeover),
        ["send", count, "every", every, "of", bytes] => Act::Send {
            count: bounds::REQUESTS.read(count)?,
            every: bounds::EVERY.read(every)?,
            bytes: bounds::REQUEST_BYTES.read(bytes)?,
        },
        ["finish"] => Act::Finish,
        ["signal", signal] => Act::Signal(bounds::SIGNAL.read(signal)?),
        ["close"] => Act::Close,
        ["type"] => Act::Type,
        ["retry"] => Act::Retry,
        ["restart"] => Act::Restart,
        ["network-up"] => Act::NetworkUp,
        _ => {
            return Err(format!(
                "\"{}\" is no act; accepted are open start|replace|takeover, send N every TIME of BYTES, \
                 finish, signal N, close, type, retry, restart and network-up",
                shown(&words.join(" "))
            ));
        }
    })
}

fn parse_fault(words: &[&str]) -> Result<Fault, String> {
    let known = || FaultKind::ALL.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ");
    let (name, mut rest) =
        words.split_first().ok_or_else(|| format!("\"fault\" needs a kind; known are {}", known()))?;
    let kind = FaultKind::from_name(name)
        .ok_or_else(|| format!("\"{}\" is no fault; known are {}", shown(name), known()))?;
    let usual = kind.numbers().first().copied().unwrap_or_default();
    let mut fault = Fault { kind, target: None, number: usual, duration: Duration::ZERO };
    let (mut lasts, mut numbered) = (kind.is_lasting(), !kind.numbers().is_empty());
    loop {
        rest = match rest {
            [] => break,
            ["for", time, rest @ ..] if std::mem::take(&mut lasts) => {
                fault.duration = bounds::LASTING.read(time)?;
                rest
            }
            ["with", value, rest @ ..] if std::mem::take(&mut numbered) => {
                fault.number = bounds::read_fault(kind, value)?;
                rest
            }
            [name, rest @ ..] if kind.is_targeted() && fault.target.is_none() => {
                fault.target = Some(client(name)?);
                rest
            }
            _ => return Err(format!("{kind} does not take \"{}\"", shown(&rest.join(" ")))),
        };
    }
    if kind.is_targeted() && fault.target.is_none() {
        return Err(format!("{kind} needs a client: a, b or c"));
    }
    Ok(fault)
}

fn client(name: &str) -> Result<u8, String> {
    match name.as_bytes() {
        [letter @ b'a'..=b'z'] if letter - b'a' < CLIENTS_MAX => Ok(letter - b'a'),
        _ => Err(format!("\"{}\" is no client; there are a, b and c", shown(name))),
    }
}

/// What somebody wrote, short enough to be part of a sentence.
pub(crate) fn shown(text: &str) -> String {
    let mut letters = text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter });
    let start: String = letters.by_ref().take(SHOWN_LETTERS_MAX).collect();
    if letters.next().is_some() { format!("{start}…") } else { start }
}

/// Reads a duration, whatever it is for.
pub(super) fn duration(word: &str) -> Result<Duration, String> {
    let bad = || format!("\"{}\" is no duration; write 1.5s, 20ms, 250us, 2m or 24h", shown(word));
    let split = word.find(|letter: char| letter.is_ascii_alphabetic()).ok_or_else(bad)?;
    let (digits, unit) = word.split_at(split);
    let micros: u64 = match unit {
        "us" => 1,
        "ms" => 1_000,
        "s" => 1_000_000,
        "m" => 60_000_000,
        "h" => 3_600_000_000,
        _ => return Err(bad()),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    if !(whole.bytes().chain(part.bytes())).all(|digit| digit.is_ascii_digit()) || part.len() > 6 {
        return Err(bad());
    }
    let mut total = whole.parse::<u64>().ok().and_then(|whole| whole.checked_mul(micros)).ok_or_else(bad)?;
    if !part.is_empty() {
        let scale = 10u64.pow(u32::try_from(part.len()).map_err(|_| bad())?);
        let part = part.parse::<u64>().ok().and_then(|part| part.checked_mul(micros));
        total = part.and_then(|part| total.checked_add(part / scale)).ok_or_else(bad)?;
    }
    Ok(Duration::from_micros(total))
}

/// Writes a scenario so that [`parse`] reads it back.
pub fn print(scenario: &Scenario) -> String {
    let mut text = String::new();
    let mode = match scenario.mode {
        Mode::Recoverable => "recoverable",
        Mode::Hostile => "hostile",
    };
    let length = time(scenario.duration);
    write!(text, "scenario {VERSION}\nseed {}\nmode {mode}\nduration {length}\n", scenario.seed)
        .expect("a string takes everything");
    for (name, value) in settings(&scenario.setting) {
        writeln!(text, "set {name} {value}").expect("a string takes everything");
    }
    // What is after the end never happens.
    for entry in scenario.entries.iter().filter(|entry| entry.at <= scenario.duration) {
        writeln!(text, "at {} {}", time(entry.at), entry.what).expect("a string takes everything");
    }
    text
}

fn word(choice: bool) -> String {
    if choice { "yes" } else { "no" }.to_owned()
}

fn settings(setting: &Setting) -> [(&'static str, String); 16] {
    [
        ("latency", time(setting.latency)),
        ("bandwidth", setting.bandwidth.to_string()),
        ("ssh-time", time(setting.ssh_time)),
        ("step-time", time(setting.step_time)),
        ("program-time", time(setting.program_time)),
        ("idle-lifetime", time(setting.idle_lifetime)),
        ("unmet-lifetime", time(setting.unmet_lifetime)),
        ("nameless", word(setting.nameless)),
        ("orphan-lifetime", time(setting.orphan_lifetime)),
        ("window", setting.window.to_string()),
        ("window-frames", setting.window_frames.to_string()),
        ("ahead", setting.ahead.to_string()),
        ("attempts-max", setting.attempts_max.to_string()),
        ("patience", time(setting.patience)),
        ("pids", setting.pids.to_string()),
        ("wake-told", word(setting.wake_told)),
    ]
}

/// A duration in the largest unit that needs no more than six decimals.
pub(super) fn time(duration: Duration) -> String {
    let micros = duration.as_micros();
    match micros {
        0 => "0s".to_owned(),
        1..1_000 => format!("{micros}us"),
        1_000..1_000_000 => decimal(micros, 1_000, 3, "ms"),
        _ => decimal(micros, 1_000_000, 6, "s"),
    }
}

fn decimal(micros: u128, unit: u128, digits: usize, name: &str) -> String {
    let (whole, part) = (micros / unit, micros % unit);
    if part == 0 {
        return format!("{whole}{name}");
    }
    let part = format!("{part:0digits$}");
    format!("{whole}.{}{name}", part.trim_end_matches('0'))
}

impl std::fmt::Display for What {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            What::User(User { client, act }) => write!(f, "{} {act}", Letter(*client)),
            What::Fault(fault) => write!(f, "fault {fault}"),
        }
    }
}

impl std::fmt::Display for Act {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Act::Open(First::Start) => f.write_str("open start"),
            Act::Open(First::Replace) => f.write_str("open replace"),
            Act::Open(First::Takeover) => f.write_str("open takeover"),
            Act::Send { count, every, bytes } => write!(f, "send {count} every {} of {bytes}", time(*every)),
            Act::Finish => f.write_str("finish"),
            Act::Signal(signal) => write!(f, "signal {signal}"),
            Act::Close => f.write_str("close"),
            Act::Type => f.write_str("type"),
            Act::Retry => f.write_str("retry"),
            Act::Restart => f.write_str("restart"),
            Act::NetworkUp => f.write_str("network-up"),
        }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.kind)?;
        if let Some(target) = self.target {
            write!(f, " {}", Letter(target))?;
        }
        if !self.kind.numbers().is_empty() {
            write!(f, " with {}", self.number)?;
        }
        if self.kind.is_lasting() {
            write!(f, " for {}", time(self.duration))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for seed in 0..200 {
            let scenario = super::super::draw(seed);
            assert_eq!(parse(&print(&scenario)).as_ref(), Ok(&scenario), "seed {seed}");
        }
    }

    #[test]
    fn reads_durations_as_people_write_them() {
        for (text, micros) in [("1.5s", 1_500_000), ("20ms", 20_000), ("2m", 120_000_000), ("0.25ms", 250)] {
            assert_eq!(duration(text), Ok(Duration::from_micros(micros)));
        }
        for text in
            ["", "5", "s", "-1s", "1.5.5s", "1d", "1.0000001s", "99999999999999999h", "5124095576.99h"]
        {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        let error = |text: &str| parse(text).unwrap_err().to_string();
        assert_eq!(error(""), "line 1: the file is empty; a scenario begins with \"scenario 1\"");
        assert_eq!(error("scenario 9"), "line 1: version 9 is not known, only 1 is");
        let text = "scenario 1\n\n# note\nat 1s fault link-cut\n";
        assert_eq!(error(text), "line 4: link-cut needs a client: a, b or c");
        assert_eq!(error("scenario 1\nat 1s fault reboot a"), "line 2: reboot does not take \"a\"");
        assert_eq!(error("scenario 1\nat 1s d close"), "line 2: \"d\" is no client; there are a, b and c");
        assert_eq!(
            error("scenario 1\n# note\nscenario 1"),
            "line 3: scenario was said on line 1 before, and is said once"
        );
        let told = "line 1: the file begins with a byte order mark; a scenario begins with \"scenario 1\"";
        assert_eq!(error("\u{feff}scenario 1"), told);
        let told = "line 1: \"seed 7\" is no beginning; a scenario begins with \"scenario 1\"";
        assert_eq!(error("seed 7"), told);
        let told = "line 2: \"fault\" needs a kind; known are server-crash, ";
        assert!(error("scenario 1\nat 1s fault").starts_with(told));
        assert!(
            error("scenario 1\nat 1s fault moon").starts_with("line 2: \"moon\" is no fault; known are ")
        );
    }
}
