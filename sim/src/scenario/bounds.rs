//! What a scenario may say: every bound, each with its why.
//!
//! Beyond them lie files that mean nothing, runs that do not end, and worlds in which no machine
//! could keep its promises, so that the verdict would be about the file.

use std::time::Duration;

use reattach::proto::limits::PAYLOAD_BYTES_MAX;

use super::FaultKind;
use super::text::{shown, time};

/// Bytes of a file: a scenario of a thousand lines is below a tenth of that.
pub(super) const FILE_BYTES_MAX: u64 = 1 << 20;

/// Things that happen: drawn scenarios have up to some sixty, and each may cost a look at everything.
pub(super) const ENTRIES_MAX: usize = 1000;

/// Requests of all users together. One costs some ten events, and a run that has more than 300,000 of
/// them is taken for one that never comes to rest.
pub(super) const REQUESTS_MAX: u32 = 10_000;

/// Whole numbers that make sense somewhere.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whole {
    what: &'static str,
    from: u64,
    to: u64,
}

/// Durations that make sense somewhere.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    what: &'static str,
    from: Duration,
    to: Duration,
}

const fn whole(what: &'static str, from: u64, to: u64) -> Whole {
    Whole { what, from, to }
}

const fn span(what: &'static str, from: Duration, to: Duration) -> Span {
    Span { what, from, to }
}

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// From Friday's evening to Monday's morning, with an evening before and a day after it.
const WEEKEND: Duration = HOUR.saturating_mul(96);

/// Every stream of random numbers has its seed.
pub(super) const SEED: Whole = whole("seed", 0, u64::MAX);

/// A weekend, of which a laptop that is awake makes a hundred thousand events.
pub(super) const DURATION: Span = span("duration", Duration::from_millis(1), WEEKEND);

/// Nothing begins after the faults have ended.
pub(super) const AT: Span = span("point in time", Duration::ZERO, WEEKEND);

/// A laptop that is closed over a weekend, and a clock that jumps over it.
pub(super) const LASTING: Span = span("time for a fault", Duration::ZERO, WEEKEND);

/// There and back must fit into the two seconds that a probe has, with some room for a queue.
pub(super) const LATENCY: Span = span("latency", Duration::ZERO, Duration::from_millis(500));

/// Bytes a millisecond: from what carries a heartbeat and no more to more than memory does.
pub(super) const BANDWIDTH: Whole = whole("bandwidth", 1, 1_000_000);

/// Twice as long must fit into the minute in which a link has to open.
pub(super) const SSH_TIME: Span = span("time for ssh", Duration::ZERO, SECOND.saturating_mul(20));

/// A start takes some thirty steps, some of them twenty times as long, and has twenty seconds.
pub(super) const STEP_TIME: Span = span("time for a step", Duration::ZERO, Duration::from_millis(100));

/// The users wait for a window of answers at the end.
pub(super) const PROGRAM_TIME: Span = span("time for a request", Duration::ZERO, SECOND);

/// A server must live long enough to be met, and the week's end costs the state.
pub(super) const LIFETIME: Span = span("lifetime", SECOND, HOUR.saturating_mul(24 * 7));

/// Bytes: one message at least, and far more than a run sends.
pub(super) const WINDOW: Whole = whole("window", 1, 1 << 20);

/// Frames: one at least, and as many as a run may send.
pub(super) const WINDOW_FRAMES: Whole = whole("window of frames", 1, REQUESTS_MAX as u64);

/// Bytes: one message at least; as many as the largest window leave everything to that.
pub(super) const AHEAD: Whole = whole("count of bytes ahead", 1, 1 << 20);

/// Who tries no more than that is done within a quarter of an hour.
pub(super) const ATTEMPTS: Whole = whole("budget of attempts", 1, 20);

/// As long as a server may live; zero is no patience at all.
pub(super) const PATIENCE: Span = span("patience", Duration::ZERO, HOUR.saturating_mul(24 * 7));

/// Two proxies and two servers that replace each other need a number each, and which numbers were used
/// is kept in 64 bits.
pub(super) const PIDS: Whole = whole("range of process numbers", 4, 64);

/// See [`REQUESTS_MAX`].
pub(super) const REQUESTS: Whole = whole("count of requests", 1, REQUESTS_MAX as u64);

/// See [`DURATION`].
pub(super) const EVERY: Span = span("time between requests", Duration::ZERO, HOUR);

/// As large as a frame may be.
pub(super) const REQUEST_BYTES: Whole = whole("size of a request", 1, PAYLOAD_BYTES_MAX as u64);

/// The numbers that systems give to signals.
pub(super) const SIGNAL: Whole = whole("signal", 1, 64);

/// Exit codes are a byte.
const PROGRAM_EXIT: Whole = whole("exit code of a program", 0, 255);

/// Exit codes are a byte, whatever they would mean if a proxy had said so.
const PROXY_EXIT: Whole = whole("exit code of a proxy", 0, 255);

/// A shell on the way may end with any.
const SHELL_ENDS: Whole = whole("exit code of a shell", 0, 255);

/// Nobody, or somebody.
const ELSEWHERE: Whole = whole("number of what is elsewhere", 0, 1);

/// A launch takes some thirty steps.
const LAUNCH_STEP: Whole = whole("step of a launch", 1, 100);

/// A link that is a thousand times slower carries next to nothing.
const SLOWNESS: Whole = whole("slowness", 1, 1000);

/// Sixteen times what a client skips.
const NOISE: Whole = whole("count of bytes", 1, 1 << 20);

impl Whole {
    /// Reads one.
    pub(super) fn read<T: TryFrom<u64>>(&self, word: &str) -> Result<T, String> {
        let Whole { what, from, to } = *self;
        let digits = word.bytes().all(|byte| byte.is_ascii_digit());
        let number = word.parse::<u64>().ok().filter(|number| digits && (from..=to).contains(number));
        number.and_then(|number| T::try_from(number).ok()).ok_or_else(|| {
            format!("\"{}\" is no {what}: accepted is a whole number from {from} to {to}", shown(word))
        })
    }
}

impl Span {
    /// Reads one.
    pub(super) fn read(&self, word: &str) -> Result<Duration, String> {
        let Span { what, from, to } = *self;
        let duration = super::text::duration(word)?;
        if !(from..=to).contains(&duration) {
            return Err(format!("{} is no {what}: accepted is {} to {}", shown(word), time(from), time(to)));
        }
        Ok(duration)
    }
}

/// Reads the number of a fault.
pub(super) fn read_fault(kind: FaultKind, word: &str) -> Result<u32, String> {
    match kind {
        FaultKind::ProgramExit => PROGRAM_EXIT.read(word),
        FaultKind::ProxyExit => PROXY_EXIT.read(word),
        FaultKind::ShellEnds => SHELL_ENDS.read(word),
        FaultKind::Elsewhere => ELSEWHERE.read(word),
        FaultKind::ProxyKill => SIGNAL.read(word),
        FaultKind::ProxyDiesLaunching => LAUNCH_STEP.read(word),
        FaultKind::Slow => SLOWNESS.read(word),
        FaultKind::Noise => NOISE.read(word),
        none => unreachable!("own bug: {none} has no number"),
    }
}
