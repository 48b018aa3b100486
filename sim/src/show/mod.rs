//! A run as a picture: one SVG, or one page that contains it and can be walked through.
//!
//! ```text
//! words    what happened, as people say it
//! cast     who has a lane, and where
//! story    lines, bars and arrows
//! teller   from what was seen to those
//! rhythm   where a moment is on the page: quiet time cut short, swarms drawn together
//! svg      the picture
//! page     the page around it
//! ```
//!
//! The same run gives the same bytes. Nothing here writes a file; that is left to `command`.

mod cast;
mod page;
mod rhythm;
mod story;
mod svg;
mod teller;
mod words;

use std::fmt::Write as _;
use std::ops::RangeInclusive;

use reattach::session::Time;

use self::rhythm::Rhythm;
use self::story::Story;
use self::svg::{DEFINITIONS, Drawing, HEADS_HEIGHT, STYLE, escape};
use crate::run::Outcome;
use crate::scenario::{Mode, Scenario};

/// By this, a file is known as one that was drawn here.
pub const SIGNATURE: &str = "drawn by cargo sim show";

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
    ended_at: Time,
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
            ended_at: outcome.ended_at,
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
