//! Where on the page a moment is: time flows down, and only as much of it as something happens in.
//!
//! Every mark has a place of its own, even among marks of the same moment. Quiet time is cut short
//! and marked, and messages that come in swarms are drawn together. Lengths are tenths of a pixel:
//! whole numbers, so that the same run gives the same picture everywhere.

use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use reattach::session::Time;

use super::cast::LaneId;
use super::story::{Arrow, Course, MarkId, Story};
use crate::trace::Fate;

/// A length on the page: tenths of a pixel.
pub(super) type Length = i32;

/// Room above the first moment, and below the last.
const MARGIN: Length = 260;
/// A line of the story, and one that says why below.
const LINE: Length = 220;
const LINE_OF_TWO: Length = 370;
/// The name of a message.
const LABEL: Length = 140;
/// Between any two things that are seen, and above a name that must not lie on an arrow's tip.
const STEP: Length = 45;
const CLEAR: Length = 110;
/// Quiet time that is worth a word.
const QUIET: Duration = Duration::from_secs(1);
const BREAK: Length = 520;
/// Where time was cut, above what comes after.
const TEAR: Length = 160;
/// Messages of one kind that are still drawn one by one.
const TRAFFIC_MAX: usize = 8;
const HEARTBEATS_MAX: usize = 2;
/// A swarm's height grows with the number of its messages, slowly.
const SWARM: RangeInclusive<Length> = 300..=1400;
const SWARM_STEP: Length = 110;

/// Time that was cut short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Break {
    pub(super) y: Length,
    pub(super) length: Duration,
}

/// Where everything is.
#[derive(Clone, Debug)]
pub(super) struct Rhythm {
    /// By mark.
    ys: Vec<Length>,
    pub(super) breaks: Vec<Break>,
    /// Messages that are drawn together, by their places in the story; in order.
    pub(super) swarms: Vec<Vec<usize>>,
    /// Messages that are drawn one by one.
    pub(super) singles: Vec<usize>,
    pub(super) height: Length,
    shown: Range<MarkId>,
}

/// What a mark needs on the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Beat {
    Nothing,
    /// A line of the story, and the name of a message that starts with it.
    Line {
        two: bool,
        named: bool,
    },
    Label,
    Point,
    Swarm,
}

/// Messages that may be drawn together: of one link, one way, one end, between the same lines.
type Kin = (u32, LaneId, LaneId, Course, bool, usize, Option<usize>);

impl Rhythm {
    pub(super) fn new(story: &Story, shown: RangeInclusive<Time>) -> Self {
        let first = story.times.partition_point(|time| time < shown.start());
        let end = story.times.partition_point(|time| time <= shown.end());
        let mut rhythm = Rhythm {
            ys: vec![MARGIN; story.times.len()],
            breaks: Vec::new(),
            swarms: Vec::new(),
            singles: Vec::new(),
            height: 0,
            shown: first..end,
        };
        rhythm.gather(story);
        let beats = rhythm.beats(story);
        rhythm.place(story, &beats);
        rhythm
    }

    pub(super) fn y(&self, mark: MarkId) -> Length {
        self.ys[mark]
    }

    /// Whether a mark is in the part that is drawn.
    pub(super) fn shows(&self, mark: MarkId) -> bool {
        self.shown.contains(&mark)
    }

    /// Whether nothing at all is in the part that is drawn.
    pub(super) fn is_empty(&self, story: &Story) -> bool {
        let quiet = !story.rows.iter().any(|row| self.shows(row.mark));
        quiet && self.singles.is_empty() && self.swarms.is_empty()
    }

    /// From where to where something lasts, as far as that is in the part that is drawn.
    pub(super) fn span(&self, from: MarkId, to: Option<MarkId>) -> Option<(Length, Length)> {
        let past = to.is_some_and(|to| to < self.shown.start) || from >= self.shown.end;
        let bottom = self.height - MARGIN / 2;
        let open_below = to.is_none_or(|to| to >= self.shown.end);
        let top = if self.shows(from) { self.y(from) } else { MARGIN / 2 };
        let end = if open_below { bottom } else { to.map_or(bottom, |to| self.y(to)) };
        (!past).then_some((top, end))
    }

    /// Tells what is drawn together from what is drawn alone.
    fn gather(&mut self, story: &Story) {
        let mut lines: Vec<MarkId> = story.rows.iter().map(|row| row.mark).collect();
        lines.sort_unstable();
        let before = |mark: MarkId| lines.partition_point(|line| *line < mark);
        let mut kin: BTreeMap<Kin, Vec<usize>> = BTreeMap::new();
        for (id, arrow) in story.arrows.iter().enumerate() {
            if !self.shows(arrow.sent) && !arrow.arrives.is_some_and(|at| self.shows(at)) {
                continue;
            }
            if !arrow.is_traffic {
                self.singles.push(id);
                continue;
            }
            let Arrow { link, from, to, course, .. } = arrow;
            let key = (*link, from.lane, to.lane, *course, is_heartbeat(arrow));
            let (sent, arrives) = (before(arrow.sent), arrow.arrives.map(before));
            kin.entry((key.0, key.1, key.2, key.3, key.4, sent, arrives)).or_default().push(id);
        }
        for ((_, _, _, course, heartbeat, ..), members) in kin {
            let usual = course == Course::Arrived(Fate::Taken) && !heartbeat;
            if members.len() > if usual { TRAFFIC_MAX } else { HEARTBEATS_MAX } {
                self.swarms.push(members);
            } else {
                self.singles.extend(members);
            }
        }
        self.singles.sort_unstable();
        self.swarms.sort_unstable();
    }

    fn beats(&self, story: &Story) -> Vec<Beat> {
        let mut beats = vec![Beat::Nothing; story.times.len()];
        for arrow in self.swarms.iter().flatten().map(|id| &story.arrows[*id]) {
            beats[arrow.sent] = Beat::Swarm;
            if let Some(at) = arrow.arrives {
                beats[at] = Beat::Swarm;
            }
        }
        for swarm in &self.swarms {
            beats[story.arrows[swarm[0]].sent] = Beat::Label;
        }
        for arrow in self.singles.iter().map(|id| &story.arrows[*id]) {
            if let Some(at) = arrow.arrives {
                beats[at] = Beat::Point;
            }
            beats[arrow.sent] = Beat::Label;
        }
        for row in &story.rows {
            let named = beats[row.mark] == Beat::Label;
            beats[row.mark] = Beat::Line { two: row.needs_two_lines(), named };
        }
        beats
    }

    fn place(&mut self, story: &Story, beats: &[Beat]) {
        let shares = self.shares(story, beats);
        let mut y = MARGIN;
        let mut last: Option<(MarkId, Beat)> = None;
        let (mut line_end, mut label_end) = (0, 0);
        for mark in self.shown.clone() {
            let beat = beats[mark];
            if beat == Beat::Nothing {
                self.ys[mark] = y;
                continue;
            }
            if let Some((earlier, before)) = last {
                let quiet = story.times[mark].since(story.times[earlier]);
                let step = if (before, beat) == (Beat::Point, Beat::Label) { CLEAR } else { STEP };
                let mut gap = step.max(room_for(quiet));
                if beat == Beat::Swarm {
                    gap = shares[mark];
                } else if quiet >= QUIET {
                    gap = gap.max(BREAK);
                }
                if quiet >= QUIET && !(beat == Beat::Swarm && before == Beat::Swarm) && gap >= BREAK {
                    self.breaks.push(Break { y: y + gap - TEAR, length: quiet });
                }
                y += gap;
            }
            match beat {
                Beat::Line { two, named } => {
                    y = y.max(line_end);
                    if named {
                        label_end = y + LABEL;
                    }
                    line_end = y + if two { LINE_OF_TWO } else { LINE };
                }
                Beat::Label => {
                    y = y.max(label_end);
                    label_end = y + LABEL;
                }
                Beat::Point | Beat::Swarm | Beat::Nothing => {}
            }
            self.ys[mark] = y;
            last = Some((mark, beat));
        }
        let bottom = y.max(line_end - LINE);
        for mark in self.shown.end..story.times.len() {
            self.ys[mark] = bottom;
        }
        self.height = bottom + MARGIN;
    }

    /// How far below the one before each message of a swarm is: what there is between two lines of
    /// the story is shared by the messages there, more for those that come after a while.
    fn shares(&self, story: &Story, beats: &[Beat]) -> Vec<Length> {
        let mut shares = vec![0; beats.len()];
        let mut part: Vec<(MarkId, Length)> = Vec::new();
        let mut last = Time::ZERO;
        for mark in 0..=beats.len() {
            let beat = beats.get(mark);
            if matches!(beat, None | Some(Beat::Line { .. })) && !part.is_empty() {
                let count = Length::try_from(part.len()).unwrap_or(Length::MAX);
                let room = Length::try_from(count.ilog2()).unwrap_or_default() * SWARM_STEP * 2;
                let room = room.clamp(*SWARM.start(), *SWARM.end()).max(count);
                let weights: Length = part.iter().map(|(_, weight)| weight).sum();
                for (mark, weight) in part.drain(..) {
                    shares[mark] = (i64::from(room) * i64::from(weight) / i64::from(weights)) as Length;
                }
            }
            if let Some(beat) = beat.filter(|beat| **beat != Beat::Nothing) {
                if *beat == Beat::Swarm {
                    part.push((mark, 10 + room_for(story.times[mark].since(last))));
                }
                last = story.times[mark];
            }
        }
        shares
    }
}

fn is_heartbeat(arrow: &Arrow) -> bool {
    arrow.name.starts_with("Ping") || arrow.name.starts_with("Pong")
}

/// The room that a while takes: twice the while is one step more.
fn room_for(quiet: Duration) -> Length {
    let millis = u64::try_from(quiet.as_millis()).unwrap_or(u64::MAX).saturating_add(1);
    Length::try_from(millis.ilog2()).unwrap_or_default() * 20
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::run;
    use crate::scenario::parse;
    use crate::trace::Detail;

    const ALWAYS: RangeInclusive<Time> = Time::ZERO..=Time(u64::MAX);

    fn told(text: &str, shown: RangeInclusive<Time>) -> (Story, Rhythm) {
        let scenario = parse(&format!("scenario 1\nseed 1\n{text}")).unwrap();
        let outcome = run(&scenario, Detail::Picture);
        let story = Story::new(&scenario, outcome.trace.film().unwrap(), outcome.checks.violation());
        let rhythm = Rhythm::new(&story, shown);
        (story, rhythm)
    }

    const SLEEP: &str = "duration 2h\nat 0s a open start\nat 10s fault sleep for 7100s\n";

    #[test]
    fn two_hours_of_sleep_take_a_line_and_a_tear() {
        let (story, rhythm) = told(SLEEP, ALWAYS);
        let row = |what: &str| story.rows.iter().find(|row| row.what == what).unwrap().mark;
        let (asleep, awake) = (row("the laptop sleeps"), row("the laptop wakes up"));
        assert!(rhythm.y(awake) - rhythm.y(asleep) < 3000, "{asleep} {awake}");
        assert!(rhythm.breaks.iter().any(|quiet| quiet.length > Duration::from_secs(3000)));
        assert!(rhythm.height < 30_000, "{}", rhythm.height);
    }

    #[test]
    fn time_flows_down_and_lines_never_lie_over_each_other() {
        for seed in 0..40 {
            let scenario = crate::scenario::draw(seed);
            let outcome = run(&scenario, Detail::Picture);
            let story = Story::new(&scenario, outcome.trace.film().unwrap(), None);
            let rhythm = Rhythm::new(&story, ALWAYS);
            assert!(rhythm.ys.is_sorted(), "seed {seed}");
            let mut rows: Vec<_> =
                story.rows.iter().map(|row| (rhythm.y(row.mark), row.needs_two_lines())).collect();
            rows.sort_unstable();
            for pair in rows.windows(2) {
                let needed = if pair[0].1 { LINE_OF_TWO } else { LINE };
                assert!(pair[1].0 - pair[0].0 >= needed, "seed {seed}: {pair:?}");
            }
            for arrow in &story.arrows {
                let arrives = arrow.arrives.map(|at| rhythm.y(at));
                assert!(arrives.is_none_or(|y| y >= rhythm.y(arrow.sent)), "seed {seed}");
            }
        }
    }

    #[test]
    fn every_message_is_drawn_once_alone_or_with_others() {
        let text = "duration 30s\nat 0s a open start\nat 2s a send 300 every 1ms of 40\n";
        let (story, rhythm) = told(text, ALWAYS);
        let mut drawn: Vec<usize> = rhythm.swarms.iter().flatten().chain(&rhythm.singles).copied().collect();
        drawn.sort_unstable();
        assert!(drawn.iter().copied().eq(0..story.arrows.len()), "each once");
        assert!(story.arrows.len() > 600 && rhythm.singles.len() < 60, "{}", rhythm.singles.len());
        assert!(rhythm.height < 20_000, "{}", rhythm.height);
        for swarm in &rhythm.swarms {
            let first = &story.arrows[swarm[0]];
            let alike = |other: &Arrow| (other.from.lane, other.course) == (first.from.lane, first.course);
            assert!(swarm.iter().all(|member| alike(&story.arrows[*member])));
        }
    }

    #[test]
    fn a_part_of_the_run_shows_what_lasts_through_it() {
        let (story, rhythm) = told(SLEEP, Time(11_000_000)..=Time(12_000_000));
        assert!(story.rows.iter().all(|row| !rhythm.shows(row.mark)), "nothing begins while it sleeps");
        let connected = story.bars.iter().find(|bar| bar.label == "Connected").unwrap();
        let (top, bottom) = rhythm.span(connected.from, connected.to).unwrap();
        assert!(top < bottom && bottom <= rhythm.height, "{top} {bottom}");
        let connecting = story.bars.iter().find(|bar| bar.label == "Connecting").unwrap();
        assert_eq!(rhythm.span(connecting.from, connecting.to), None, "it was over before");
    }
}
