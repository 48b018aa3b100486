//! Messages in the picture: an arrow each, or one shape for many.

use super::cast::Role;
use super::ink::{Attributes, Ink, joined, px, shortened};
use super::rhythm::Length;
use super::story::{Arrow, Course, Spot};
use super::svg::{Drawing, pole_x};
use crate::trace::Fate;

/// How far below its start a message that is lost ends.
const FALL: Length = 80;
/// An arrow that is too short for its name.
const SHORT: i32 = 60;
const NAME_LETTERS: usize = 30;

impl Drawing<'_> {
    /// All messages: those that are drawn together first.
    pub(super) fn messages(&self, ink: &mut Ink) {
        let mut event = self.story.rows.len();
        for swarm in &self.rhythm.swarms {
            let members: Vec<&Arrow> = swarm.iter().map(|id| &self.story.arrows[*id]).collect();
            self.swarm(ink, event, &members);
            event += 1;
        }
        for single in &self.rhythm.singles {
            self.arrow(ink, event, &self.story.arrows[*single]);
            event += 1;
        }
    }

    fn arrow(&self, ink: &mut Ink, event: usize, arrow: &Arrow) {
        let (x1, x2) = self.ends(arrow);
        let (top, bottom) = (self.rhythm.y(arrow.sent), self.arrival(arrow));
        let class = format!("ev msg {} {}", self.way(arrow), course_class(arrow.course));
        ink.open("g", &[("class", &class), ("data-e", &event)]);
        ink.say("title", &[], &arrow.sentence());
        line(ink, "hit", (x1, top), (x2, bottom));
        line(ink, "shaft", (x1, top), (x2, bottom));
        name(ink, (x1, x2), top, &shortened(&arrow.name, NAME_LETTERS));
        ink.close("g");
    }

    /// Many messages as one: from the first to the last that sets out, and as they arrive.
    fn swarm(&self, ink: &mut Ink, event: usize, members: &[&Arrow]) {
        let [first, .., last] = members else {
            unreachable!("own bug: a swarm has several members");
        };
        let (x1, x2) = self.ends(first);
        let told = summary(members);
        let corners =
            [self.rhythm.y(first.sent), self.arrival(first), self.arrival(last), self.rhythm.y(last.sent)];
        let class = format!("ev swarm {} {}", self.way(first), course_class(first.course));
        ink.open("g", &[("class", &class), ("data-e", &event)]);
        ink.say("title", &[], &told);
        let [a, b, c, d] = corners.map(px);
        ink.shape("polygon", &[("points", &format!("{x1},{a} {x2},{b} {x2},{c} {x1},{d}"))]);
        line(ink, "shaft", (x1, corners[0]), (x2, corners[1]));
        line(ink, "shaft", (x1, corners[3]), (x2, corners[2]));
        name(ink, (x1, x2), corners[0], &told);
        ink.close("g");
    }

    /// From where to where a message goes.
    pub(super) fn ends(&self, arrow: &Arrow) -> (i32, i32) {
        let (cast, lanes) = (&self.story.cast, &self.story.cast.lanes);
        let client = Some(cast.client_of_link(arrow.link));
        let mirrored = lanes[cast.lane(Role::Client, client)].mirrored;
        let x = |end: Spot| {
            let lane = &lanes[end.lane];
            match (lane.role, mirrored) {
                (Role::Client, false) | (Role::Server, true) => lane.end(),
                (Role::Client, true) | (Role::Server, false) => lane.x,
                (Role::Link | Role::Proxy | Role::Host, _) => pole_x(lane, end.slot),
            }
        };
        (x(arrow.from), x(arrow.to))
    }

    /// Where a message arrives; where it is lost, a little below where it set out.
    pub(super) fn arrival(&self, arrow: &Arrow) -> Length {
        arrow.arrives.map_or(self.rhythm.y(arrow.sent) + FALL, |at| self.rhythm.y(at))
    }

    fn way(&self, arrow: &Arrow) -> &'static str {
        match self.story.cast.lanes[arrow.from.lane].role {
            Role::Client => "up",
            Role::Link | Role::Proxy | Role::Server | Role::Host => "down",
        }
    }
}

impl Arrow {
    /// What became of it, where that is not what was meant.
    pub(super) fn fate(&self) -> &'static str {
        match self.course {
            Course::Arrived(Fate::Taken) => "",
            Course::Arrived(Fate::Stale) => "of an old attempt: ignored",
            Course::Arrived(Fate::Unheard) => "nobody listens to it any more",
            Course::Lost => "never arrives",
        }
    }

    /// The message in one sentence.
    pub(super) fn sentence(&self) -> String {
        joined(&[&self.name, &self.detail, self.fate()], ", ")
    }
}

/// What messages are, by their names: `12 Data, 3 Ack`.
pub(super) fn summary(members: &[&Arrow]) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for arrow in members {
        let name = arrow.name.split(' ').next().unwrap_or_default();
        match counts.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += 1,
            None => counts.push((name, 1)),
        }
    }
    counts.sort_unstable_by(|(name, _), (other, _)| other.cmp(name));
    let told: Vec<String> = counts.iter().map(|(name, count)| format!("{count} {name}")).collect();
    let fate = match members.first().map(|arrow| arrow.course) {
        Some(Course::Lost) => "lost",
        Some(Course::Arrived(Fate::Stale)) => "old",
        Some(Course::Arrived(Fate::Unheard)) => "unheard",
        Some(Course::Arrived(Fate::Taken)) | None => "",
    };
    joined(&[&told.join(", "), fate], ", ")
}

fn line(ink: &mut Ink, class: &str, from: (i32, Length), to: (i32, Length)) {
    let (y1, y2) = (px(from.1), px(to.1));
    let place: Attributes<'_> =
        &[("class", &class), ("x1", &from.0), ("y1", &y1), ("x2", &to.0), ("y2", &y2)];
    ink.shape("line", place);
}

/// A name stands at the start of its arrow; beside it, where the arrow is too short.
fn name(ink: &mut Ink, (x1, x2): (i32, i32), y: Length, name: &str) {
    let rightwards = (x1 < x2) != ((x1 - x2).abs() < SHORT && x1 > x2);
    let (x, anchor) = if rightwards { (x1 + 9, "start") } else { (x1 - 9, "end") };
    ink.open_at(0, y, &[]);
    let place: Attributes<'_> = &[("class", &"name"), ("x", &x), ("y", &-2), ("text-anchor", &anchor)];
    ink.say("text", place, name);
    ink.close("g");
}

fn course_class(course: Course) -> &'static str {
    match course {
        Course::Arrived(Fate::Taken) => "taken",
        Course::Arrived(Fate::Stale) => "stale",
        Course::Arrived(Fate::Unheard) => "unheard",
        Course::Lost => "lost",
    }
}
