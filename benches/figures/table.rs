//! What comes out: one markdown table.

use std::fmt;

use crate::rounds::Rounds;

/// What a value is counted in.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unit {
    BytesASecond,
    MessagesASecond,
    Seconds,
    Bytes,
    TimesAMinute,
}

/// What the ratio of ours to the baseline should be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Aim {
    AtLeast(f64),
    /// And one below which it must not fall.
    AtLeastWithFloor(f64, f64),
    AtMost(f64),
    /// Told for comparison only.
    None,
}

#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<String>,
    left_out: Vec<String>,
}

impl Table {
    /// A row against another program, measured in the same rounds.
    pub(crate) fn compare(
        &mut self,
        what: &str,
        unit: Unit,
        ours: &Rounds,
        other: (&str, &Rounds),
        aim: Aim,
    ) {
        let (name, baseline) = other;
        let baseline_cell = format!("{} ({name})", unit.tell(baseline.median()));
        self.row(what, &unit.tell(ours.median()), &baseline_cell, &ours.over(baseline), aim);
    }

    /// A row against a fixed bound.
    pub(crate) fn bound(&mut self, what: &str, unit: Unit, ours: &Rounds, bound: f64, aim: Aim) {
        self.row(what, &unit.tell(ours.median()), &unit.tell(bound), &ours.over_bound(bound), aim);
    }

    /// A figure that cannot be measured here.
    pub(crate) fn leave_out(&mut self, what: &str, why: &str) {
        eprintln!("LEFT OUT: {what}: {why}");
        self.left_out.push(format!("{what}: {why}"));
    }

    fn row(&mut self, what: &str, ours: &str, baseline: &str, ratio: &Rounds, aim: Aim) {
        let median = ratio.median();
        let spread =
            ratio.spread().map_or_else(String::new, |(least, most)| format!(" ({least:.2}–{most:.2})"));
        let row = format!(
            "| {what} | {ours} | {baseline} | {median:.2}{spread} | {} | {} |",
            aim.tell(),
            aim.verdict(median)
        );
        eprintln!("{row}");
        self.rows.push(row);
    }
}

impl Unit {
    fn tell(self, value: f64) -> String {
        match self {
            Unit::BytesASecond => format!("{:.0} MB/s", value / 1e6),
            Unit::MessagesASecond => format!("{:.2} million/s", value / 1e6),
            Unit::Seconds if value < 0.01 => format!("{:.0} µs", value * 1e6),
            Unit::Seconds => format!("{:.0} ms", value * 1e3),
            Unit::Bytes => format!("{:.2} MiB", value / f64::from(1 << 20)),
            Unit::TimesAMinute => format!("{value:.0} a minute"),
        }
    }
}

impl Aim {
    fn tell(self) -> String {
        match self {
            Aim::AtLeast(aim) => format!("≥ {aim:.2}"),
            Aim::AtLeastWithFloor(aim, floor) => format!("≥ {aim:.2}, never < {floor:.2}"),
            Aim::AtMost(aim) => format!("≤ {aim:.2}"),
            Aim::None => "–".to_owned(),
        }
    }

    fn verdict(self, ratio: f64) -> &'static str {
        match self {
            Aim::AtLeast(aim) | Aim::AtLeastWithFloor(aim, _) if ratio >= aim => "yes",
            Aim::AtLeastWithFloor(_, floor) if ratio >= floor => "the floor",
            Aim::AtMost(aim) if ratio <= aim => "yes",
            Aim::None => "–",
            Aim::AtLeast(_) | Aim::AtLeastWithFloor(..) | Aim::AtMost(_) => "**no**",
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| what | ours | baseline | ratio | aim | met |")?;
        writeln!(f, "|---|---|---|---|---|---|")?;
        for row in &self.rows {
            writeln!(f, "{row}")?;
        }
        for left_out in &self.left_out {
            writeln!(f, "\nLeft out: {left_out}")?;
        }
        writeln!(f, "\n{}", machine())
    }
}

/// What it was measured on.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let (major_minor, _) = kernel.split_once('-').unwrap_or((kernel.trim(), ""));
    format!("{cores} cores, Linux {major_minor}, load average at the end {load}")
}
