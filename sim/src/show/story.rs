//! What is drawn: lines of the story, bars in the lanes, arrows between them.
//!
//! Everything is placed by the mark that it belongs to. Where a mark is on the page is left to
//! `rhythm`, what it looks like to `svg`, and how it is made from what was seen to `teller`.

use reattach::session::Time;

use super::cast::{Cast, LaneId};
use super::words::Tone;
use crate::trace::Fate;

/// The place of a mark among all marks.
pub(super) type MarkId = usize;

/// What stands where a line of the story points to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// A bar begins there.
    State,
    User,
    Fault,
    FaultOver,
    Death,
    Step,
    Chapter,
    Violation,
}

/// One line of the story.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) mark: MarkId,
    pub(super) spot: Spot,
    pub(super) who: String,
    pub(super) what: String,
    pub(super) why: String,
    pub(super) tone: Tone,
    pub(super) sign: Sign,
}

/// What a bar is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A state of client or server, as wide as its lane.
    State,
    /// The life of a link, a proxy or a lock.
    Pole,
    /// A fault that lasts.
    Band,
}

/// How a bar ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum BarEnd {
    /// It does not, or another takes its place.
    Open,
    /// In order.
    Cap,
    /// By force.
    Cross,
}

/// Something that lasts.
#[derive(Clone, Debug)]
pub(super) struct Bar {
    pub(super) lane: LaneId,
    /// Its place among those of its lane that last at the same time.
    pub(super) slot: usize,
    pub(super) from: MarkId,
    pub(super) to: Option<MarkId>,
    pub(super) shape: Shape,
    pub(super) tone: Tone,
    pub(super) label: String,
    pub(super) detail: String,
    pub(super) end: BarEnd,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Course {
    Arrived(Fate),
    Lost,
}

/// A message.
#[derive(Clone, Debug)]
pub(super) struct Arrow {
    pub(super) sent: MarkId,
    pub(super) arrives: Option<MarkId>,
    pub(super) from: Spot,
    pub(super) to: Spot,
    pub(super) link: u32,
    pub(super) course: Course,
    pub(super) name: String,
    pub(super) detail: String,
    /// One of many: it may be drawn together with others.
    pub(super) is_traffic: bool,
}

/// A place in the picture: a lane, and a pole of that lane, if it has any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot {
    pub(super) lane: LaneId,
    pub(super) slot: usize,
}

/// Everything that is drawn.
#[derive(Clone, Debug)]
pub(super) struct Story {
    pub(super) cast: Cast,
    /// When each mark was made; the violation's, if there is one, comes last.
    pub(super) times: Vec<Time>,
    pub(super) rows: Vec<Row>,
    pub(super) bars: Vec<Bar>,
    pub(super) arrows: Vec<Arrow>,
}

impl Row {
    /// The line in one sentence.
    pub(super) fn sentence(&self) -> String {
        let told = format!("{} {}", self.who, self.what);
        if self.why.is_empty() { told } else { format!("{told} \u{2014} {}", self.why) }
    }

    /// What and why do not fit beside each other.
    pub(super) fn needs_two_lines(&self) -> bool {
        let letters = self.what.chars().count() + self.why.chars().count();
        self.sign == Sign::Violation || (!self.why.is_empty() && letters > LINE_LETTERS)
    }
}

/// Letters that fit beside each other.
const LINE_LETTERS: usize = 50;
