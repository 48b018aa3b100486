//! A run as a picture: one SVG, or one page that contains it and can be walked through.
//!
//! ```text
//! words    what happened, as people say it
//! cast     who has a lane, and where
//! story    lines, bars and arrows
//! teller   from what was seen to those
//! bars     who has one, and where it stands
//! rhythm   where a moment is on the page: quiet time cut short, swarms drawn together
//! svg      the picture: lanes, bars, the story
//! arrows   and the messages
//! ink      elements and text, safely written
//! page     the page around it
//! ```
//!
//! The same run gives the same bytes. Nothing here writes a file; that is left to `command`.

mod arrows;
mod bars;
mod cast;
mod ink;
mod page;
mod rhythm;
mod story;
mod svg;
mod teller;
mod words;

use std::fmt::Write as _;
use std::ops::RangeInclusive;

use reattach::session::Time;

use self::ink::escape;
use self::rhythm::Rhythm;
use self::story::Story;
use self::svg::{Drawing, HEADS_HEIGHT, STYLE};
use crate::run::Outcome;
use crate::scenario::{Mode, Scenario};

/// By this, a file is known as one that was drawn here.
pub const SIGNATURE: &str = "drawn by cargo sim show";

/// The tip of an arrow: one for each colour, because not every browser gives it its arrow's.
macro_rules! tip {
    ($name:literal) => {
        concat!(
            "<marker id=\"",
            $name,
            "\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" ",
            "orient=\"auto\"><path class=\"",
            $name,
            "\" d=\"M0 .8L7.5 4L0 7.2Z\"/></marker>"
        )
    };
}

/// What stands behind the picture: tips of arrows, hatching, torn paper.
const DEFINITIONS: &str = concat!(
    "<defs>",
    tip!("tip-up"),
    tip!("tip-down"),
    tip!("tip-old"),
    "<marker id=\"lost\" viewBox=\"-5 -5 10 10\" markerWidth=\"10\" markerHeight=\"10\" ",
    "markerUnits=\"userSpaceOnUse\"><path class=\"cross\" d=\"M-4 -4L4 4M4 -4L-4 4\"/></marker>",
    "<pattern id=\"hatch\" width=\"7\" height=\"7\" patternUnits=\"userSpaceOnUse\" ",
    "patternTransform=\"rotate(45)\"><path class=\"hatch\" d=\"M0 0V7\"/></pattern>",
    "<pattern id=\"torn\" width=\"12\" height=\"10\" patternUnits=\"userSpaceOnUse\" y=\"-5\">",
    "<path class=\"paper\" d=\"M0 3L6 0L12 3V10L6 7L0 10Z\"/>",
    "<path class=\"tear\" d=\"M0 3L6 0L12 3M0 10L6 7L12 10\"/></pattern>",
    "</defs>"
);

/// What is drawn.
#[derive(Clone, Debug)]
pub struct Picture {
    /// What the picture is called: the situation, or the seed.
    pub title: String,
    /// The command that draws it again.
    pub again: String,
    mode: Mode,
    verdict: String,
    holds: bool,
    hash: u64,
    events: u64,
    story: Story,
    rhythm: Rhythm,
}

impl Picture {
    /// Draws what happened in `shown`. The outcome must be of a run with [`Detail::Picture`].
    ///
    /// [`Detail::Picture`]: crate::trace::Detail::Picture
    pub fn new(
        scenario: &Scenario,
        outcome: &Outcome,
        title: String,
        again: String,
        shown: RangeInclusive<Time>,
    ) -> Self {
        let film = outcome.trace.film().cloned().unwrap_or_default();
        let violation = outcome.checks.violation();
        let story = Story::new(scenario, &film, violation);
        let rhythm = Rhythm::new(&story, shown);
        Picture {
            title,
            again,
            mode: scenario.mode,
            verdict: outcome.verdict(),
            holds: violation.is_none(),
            hash: outcome.trace.hash(),
            events: outcome.trace.events(),
            story,
            rhythm,
        }
    }

    /// How many lines and messages are drawn.
    pub fn counts(&self) -> (usize, usize) {
        let lines = self.story.rows.iter().filter(|row| self.rhythm.shows(row.mark)).count();
        let together: usize = self.rhythm.swarms.iter().map(Vec::len).sum();
        (lines, self.rhythm.singles.len() + together)
    }

    /// The picture alone, for documents: it needs nothing, and follows the reader's light or dark.
    pub fn svg(&self) -> String {
        const TITLE: i32 = 44;
        const VERDICT: i32 = 30;
        let drawing = Drawing { story: &self.story, rhythm: &self.rhythm };
        let (width, body) = (drawing.width(), drawing.height());
        let height = TITLE + HEADS_HEIGHT + body + VERDICT;
        let (title, verdict) = (escape(&self.title), escape(&self.verdict));
        let (heads, picture) = (drawing.heads(), drawing.body());
        let mut out = String::new();
        write!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"picture\" role=\"img\" width=\"{width}\" \
             height=\"{height}\" viewBox=\"0 0 {width} {height}\"><!-- {SIGNATURE} -->\n\
             <title>{title}</title>\n<style>{STYLE}</style>\n{DEFINITIONS}\n\
             <rect class=\"paper\" width=\"{width}\" height=\"{height}\"/>\n\
             <text class=\"title\" x=\"20\" y=\"30\">{title}</text>\n\
             <g transform=\"translate(0 {TITLE})\">{heads}</g>\n\
             <g transform=\"translate(0 {})\">{picture}</g>\n\
             <text class=\"verdict\" x=\"20\" y=\"{}\">{verdict}</text>\n</svg>\n",
            TITLE + HEADS_HEIGHT,
            height - 12,
        )
        .expect("a string takes everything");
        // One element a line, so that a change of the picture can be reviewed.
        out.replace("</g><g", "</g>\n<g").replace("/><", "/>\n<")
    }
}
