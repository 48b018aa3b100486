//! What a run leaves behind: a rolling hash of everything that happened, and, where asked for, one
//! line a transition or what a picture is drawn from.
//!
//! ```text
//!    12.345  client a   Reconnecting(2) #7 -> Connected    welcome received=41
//!    time    who        what changed                       why
//! ```
//!
//! Lines are only made where somebody reads them; the hash is always kept and costs one
//! multiplication an event. What is worth a line is left to the world.

mod film;
pub(crate) mod words;

use std::fmt::{self, Write as _};

pub use film::{Fate, Film, Mark, Wire, Word};
use reattach::proto::Frame;
use reattach::session::Time;

/// Events between two checkpoints of the hash.
pub const CHECKPOINT_EVENTS: u64 = 256;

/// How much of a run is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// The hash.
    #[default]
    Hash,
    /// And one line a transition.
    Lines,
    /// And every event: to find the first one that differs between two runs.
    Events,
    /// The hash, and who did what to whom: for a picture.
    Picture,
}

/// One event, and the hash of everything up to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// When.
    pub at: Time,
    /// What, as one number.
    pub word: u64,
    /// The hash with this event, before anything came of it.
    pub hash: u64,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", crate::world::event_name(self.word), self.at)
    }
}

/// One line of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When.
    pub at: Time,
    /// Who changed.
    pub who: String,
    /// What changed.
    pub what: String,
    /// Why; may be empty.
    pub why: String,
}

impl Line {
    /// The line as text, in columns.
    pub fn text(&self) -> String {
        let Line { at, who, what, why } = self;
        format!("{at:>9}  {who:<9} {what:<43} {why}").trim_end().to_owned()
    }
}

/// The record of one run.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    detail: Detail,
    hash: u64,
    events: u64,
    checkpoints: Vec<u64>,
    lines: Vec<Line>,
    steps: Vec<Step>,
    film: Option<Box<Film>>,
}

impl Trace {
    /// An empty record.
    pub fn new(detail: Detail) -> Self {
        let film = (detail == Detail::Picture).then(Box::default);
        Trace { detail, hash: 0x9e37_79b9_7f4a_7c15, film, ..Trace::default() }
    }

    /// Takes note of an event.
    pub fn event(&mut self, at: Time, word: u64) {
        self.mix(at.0 ^ word.rotate_left(40));
        self.events += 1;
        if self.events.is_multiple_of(CHECKPOINT_EVENTS) {
            self.checkpoints.push(self.hash);
        }
        if self.detail == Detail::Events {
            self.steps.push(Step { at, word, hash: self.hash });
        }
    }

    /// Takes note of something that a machine did.
    pub fn mix(&mut self, word: u64) {
        self.hash = (self.hash ^ word).wrapping_mul(0xff51_afd7_ed55_8ccd);
        self.hash ^= self.hash >> 32;
    }

    /// Whether anybody will read lines.
    pub fn has_lines(&self) -> bool {
        match self.detail {
            Detail::Lines | Detail::Events => true,
            Detail::Hash | Detail::Picture => false,
        }
    }

    /// Whether anybody will draw a picture.
    #[inline]
    pub fn is_filmed(&self) -> bool {
        self.film.is_some()
    }

    /// What a picture is drawn from, if that was asked for.
    pub fn film(&self) -> Option<&Film> {
        self.film.as_deref()
    }

    /// Keeps a mark.
    pub fn mark(&mut self, at: Time, mark: Mark) {
        if let Some(film) = &mut self.film {
            film.mark(at, mark);
        }
    }

    /// A frame sets out.
    #[inline]
    pub fn frame_sent(&mut self, at: Time, wire: Wire, frame: &Frame) {
        if let Some(film) = &mut self.film {
            film.sent(at, wire, Word::of(frame));
        }
    }

    /// The greeting sets out.
    pub fn preamble_sent(&mut self, at: Time, wire: Wire) {
        if let Some(film) = &mut self.film {
            film.sent(at, wire, Word::preamble());
        }
    }

    /// The next message of a wire arrives.
    #[inline]
    pub fn message_arrived(&mut self, at: Time, wire: Wire, fate: Fate) {
        if let Some(film) = &mut self.film {
            film.arrived(at, wire, fate);
        }
    }

    /// Keeps a line.
    pub fn line(&mut self, at: Time, who: String, what: String, why: String) {
        self.lines.push(Line { at, who, what, why });
    }

    /// The hash of all that happened.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// The hash after every few events.
    pub fn checkpoints(&self) -> &[u64] {
        &self.checkpoints
    }

    /// How many events there were.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// The lines, in order.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// All lines as one text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for line in &self.lines {
            writeln!(text, "{}", line.text()).expect("a string takes everything");
        }
        text
    }

    /// Every event, where they are kept.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The first event in which two runs differ, as one sentence; `None` if they are the same.
    pub fn first_difference(&self, other: &Trace) -> Option<String> {
        first_difference(0, &self.steps, &other.steps)
            .or_else(|| (self.hash != other.hash).then(|| "what came of the last event differs".to_owned()))
    }
}

/// The first event in which two stretches of runs differ, as one sentence; `None` if they are the
/// same. `before` is the number of events before both.
pub fn first_difference(before: usize, ours: &[Step], theirs: &[Step]) -> Option<String> {
    let at = ours.iter().zip(theirs).position(|(ours, theirs)| ours != theirs);
    let at = at.or_else(|| (ours.len() != theirs.len()).then_some(ours.len().min(theirs.len())))?;
    let number = before + at;
    Some(match (ours.get(at), theirs.get(at)) {
        (Some(one), Some(two)) if (one.at, one.word) == (two.at, two.word) => match at.checked_sub(1) {
            Some(last) => format!("what came of event {} differs: {}", number - 1, ours[last]),
            None => format!("what came before event {number} differs: {one}"),
        },
        (one, two) => {
            let tell = |step: Option<&Step>| step.map_or("the end".to_owned(), Step::to_string);
            format!("event {number} is {} in the first run and {} in the second", tell(one), tell(two))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(words: &[u64]) -> Trace {
        let mut trace = Trace::new(Detail::Events);
        for (at, word) in words.iter().enumerate() {
            trace.event(Time(at as u64 * 1_000_000), *word);
        }
        trace
    }

    #[test]
    fn names_the_first_event_that_differs() {
        assert_eq!(trace(&[1, 2, 3]).first_difference(&trace(&[1, 2, 3])), None);
        let difference = trace(&[1, 2, 3]).first_difference(&trace(&[1, 0, 3])).unwrap();
        assert!(difference.starts_with("event 1 is "), "{difference}");
        let difference = trace(&[1, 2]).first_difference(&trace(&[1, 2, 0])).unwrap();
        assert!(difference.starts_with("event 2 is the end in the first run"), "{difference}");
    }

    #[test]
    fn names_the_event_of_which_something_else_came() {
        let one = trace(&[1, 2, 3]);
        let mut two = Trace::new(Detail::Events);
        for (at, word) in [1, 2, 3].into_iter().enumerate() {
            two.event(Time(at as u64 * 1_000_000), word);
            if at == 1 {
                two.mix(77);
            }
        }
        let difference = one.first_difference(&two).unwrap();
        assert!(difference.starts_with("what came of event 1 differs: "), "{difference}");
        let last = trace(&[1, 2]).first_difference(&{
            let mut other = trace(&[1, 2]);
            other.mix(77);
            other
        });
        assert_eq!(last.as_deref(), Some("what came of the last event differs"));
    }

    #[test]
    fn the_hash_depends_on_order_and_time() {
        assert_ne!(trace(&[1, 2]).hash(), trace(&[2, 1]).hash());
        let mut late = Trace::new(Detail::Hash);
        late.event(Time(5), 1);
        assert_ne!(trace(&[1]).hash(), late.hash());
    }

    #[test]
    fn a_long_run_leaves_checkpoints() {
        assert_eq!(trace(&[3; 600]).checkpoints().len(), 2);
    }
}
