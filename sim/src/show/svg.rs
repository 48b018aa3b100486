//! The picture as SVG: lanes, bars, and the story beside them.
//!
//! The page takes the same picture and makes it move: whatever has a height or a place on the way
//! down carries what the page needs to stretch it. Messages are left to `arrows`, colours to
//! `picture.css`.

use super::cast::{Lane, Role, TIMES_WIDTH};
use super::ink::{Attributes, Ink, for_people, joined, px, shortened};
use super::rhythm::{Break, Length, Rhythm};
use super::story::{Bar, BarEnd, Row, Shape, Sign, Story};

/// Colours and strokes, light and dark.
pub(super) const STYLE: &str = include_str!("picture.css");

/// Room for the names of the lanes.
pub(super) const HEADS_HEIGHT: i32 = 34;

const STORY_GAP: i32 = 16;
const STORY_WIDTH: i32 = 430;
/// Who, before what.
const WHO_WIDTH: i32 = 62;
/// Where times end and rules begin.
const TIME_END: i32 = TIMES_WIDTH - 20;
const RULE_START: i32 = TIMES_WIDTH - 12;
const POLE_WIDTH: i32 = 8;
const SLOT_WIDTH: i32 = 15;
/// Letters that have room.
const WHAT_LETTERS: usize = 56;
const WHY_LETTERS: usize = 54;
const DETAIL_LETTERS: usize = 19;

/// Draws one story.
pub(super) struct Drawing<'s> {
    pub(super) story: &'s Story,
    pub(super) rhythm: &'s Rhythm,
}

impl Drawing<'_> {
    /// The whole width.
    pub(super) fn width(&self) -> i32 {
        self.story_x() + STORY_WIDTH
    }

    /// The whole height, without the names of the lanes.
    pub(super) fn height(&self) -> i32 {
        self.rhythm.height / 10
    }

    fn story_x(&self) -> i32 {
        self.story.cast.end() + STORY_GAP
    }

    /// The names of the lanes.
    pub(super) fn heads(&self) -> String {
        let mut ink = Ink::default();
        let mut head = |x: i32, anchor: &'static str, text: &str| {
            ink.say("text", &[("class", &"head"), ("x", &x), ("y", &22), ("text-anchor", &anchor)], text);
        };
        head(TIME_END, "end", "time, s");
        for lane in &self.story.cast.lanes {
            head(lane.middle(), "middle", &lane.title);
        }
        head(self.story_x(), "start", "what happened");
        ink.dry()
    }

    /// Everything below the names, from the back to the front.
    pub(super) fn body(&self) -> String {
        let mut ink = Ink::default();
        self.lanes(&mut ink);
        for shape in [Shape::Band, Shape::State, Shape::Pole] {
            for bar in self.story.bars.iter().filter(|bar| bar.shape == shape) {
                self.bar(&mut ink, bar);
            }
        }
        for quiet in &self.rhythm.breaks {
            self.torn(&mut ink, quiet);
        }
        self.messages(&mut ink);
        let mut last_time = String::new();
        for (event, row) in self.story.rows.iter().enumerate() {
            if self.rhythm.shows(row.mark) {
                let time = self.story.times[row.mark].to_string();
                self.row(&mut ink, event, row, (time != last_time).then_some(time.as_str()));
                last_time = time;
            }
        }
        if self.rhythm.is_empty(self.story) {
            let (x, y) = (self.story_x(), self.height() / 2 + 4);
            ink.say("text", &[("class", &"quiet"), ("x", &x), ("y", &y)], "nothing happens here");
        }
        ink.dry()
    }

    fn lanes(&self, ink: &mut Ink) {
        let height = self.height();
        for lane in &self.story.cast.lanes {
            let class = format!("lane {}", role_class(lane.role));
            let place: Attributes<'_> = &[
                ("class", &class),
                ("x", &lane.x),
                ("y", &0),
                ("width", &lane.width),
                ("height", &height),
                ("data-y", &0),
                ("data-h", &height),
            ];
            ink.shape("rect", place);
        }
    }

    fn bar(&self, ink: &mut Ink, bar: &Bar) {
        let Some((top, bottom)) = self.rhythm.span(bar.from, bar.to) else {
            return;
        };
        let lane = &self.story.cast.lanes[bar.lane];
        let height = (bottom - top).max(10);
        let (x, width, round) = match bar.shape {
            Shape::State => (lane.x + slot_shift(bar.slot), lane.width - slot_shift(bar.slot), 4),
            Shape::Pole => (pole_x(lane, bar.slot) - POLE_WIDTH / 2, POLE_WIDTH, 2),
            Shape::Band => (lane.x, lane.width, 2),
        };
        let class = format!("bar {} {}", shape_class(bar.shape), bar.tone.name());
        ink.open("g", &[("class", &class)]);
        ink.say("title", &[], &joined(&[&bar.label, &bar.detail], ": "));
        let (y, h) = (px(top), px(height));
        let place: Attributes<'_> = &[
            ("x", &x),
            ("y", &y),
            ("width", &width),
            ("height", &h),
            ("rx", &round),
            ("data-y", &y),
            ("data-h", &h),
        ];
        ink.shape("rect", place);
        match bar.shape {
            Shape::State => {
                state_words(ink, "state", (x + 8, 14), (top, height), 16, &bar.label);
                let detail = shortened(&bar.detail, DETAIL_LETTERS);
                state_words(ink, "detail", (x + 8, 28), (top, height), 31, &detail);
            }
            Shape::Pole => pole_name(ink, lane, x, top, &bar.label),
            Shape::Band => {}
        }
        self.bar_end(ink, bar, x + width / 2, bottom);
        ink.close("g");
    }

    fn bar_end(&self, ink: &mut Ink, bar: &Bar, x: i32, bottom: Length) {
        if !bar.to.is_some_and(|to| self.rhythm.shows(to)) {
            return;
        }
        let (class, stroke) = match (&bar.end, bar.shape) {
            (BarEnd::Open, _) | (BarEnd::Cap, Shape::Band | Shape::State) => return,
            (BarEnd::Cap, Shape::Pole) => ("cap", "M-7 0H7"),
            (BarEnd::Cross, _) => ("cross", "M-6 -6L6 6M6 -6L-6 6"),
        };
        ink.open_at(x, bottom, &[]);
        ink.shape("path", &[("class", &class), ("d", &stroke)]);
        ink.close("g");
    }

    /// Time that was cut out: the lanes are torn there.
    fn torn(&self, ink: &mut Ink, quiet: &Break) {
        let told = for_people(quiet.length);
        let (x, width) = (TIMES_WIDTH - 6, self.story.cast.end() - TIMES_WIDTH + 12);
        ink.open_at(0, quiet.y, &[("class", &"torn")]);
        ink.say("title", &[], &format!("{told} in which nothing happens"));
        let place: Attributes<'_> =
            &[("x", &x), ("y", &-5), ("width", &width), ("height", &10), ("fill", &"url(#torn)")];
        ink.shape("rect", place);
        let place: Attributes<'_> =
            &[("class", &"quiet"), ("x", &TIME_END), ("y", &4), ("text-anchor", &"end")];
        ink.say("text", place, &told);
        ink.close("g");
    }

    fn row(&self, ink: &mut Ink, event: usize, row: &Row, time: Option<&str>) {
        let x = self.story_x();
        let class = format!("ev row {} {}", sign_class(row.sign), row.tone.name());
        ink.open_at(0, self.rhythm.y(row.mark), &[("class", &class), ("data-e", &event)]);
        ink.say("title", &[], &row.sentence());
        let (width, depth) = (x + STORY_WIDTH, if row.needs_two_lines() { 36 } else { 21 });
        let place: Attributes<'_> =
            &[("class", &"hit"), ("x", &0), ("y", &-11), ("width", &width), ("height", &depth), ("rx", &3)];
        ink.shape("rect", place);
        ink.shape("path", &[("class", &"rule"), ("d", &format!("M{RULE_START} 0H{}", x - 6))]);
        if let Some(time) = time {
            let place: Attributes<'_> =
                &[("class", &"time"), ("x", &TIME_END), ("y", &4), ("text-anchor", &"end")];
            ink.say("text", place, time);
        }
        self.sign(ink, row, &self.story.cast.lanes[row.spot.lane]);
        ink.open("text", &[("x", &x), ("y", &4)]);
        ink.say("tspan", &[("class", &"who")], &row.who);
        let what_x = x + WHO_WIDTH;
        ink.say("tspan", &[("class", &"what"), ("x", &what_x)], &shortened(&row.what, WHAT_LETTERS));
        if row.needs_two_lines() {
            let place: Attributes<'_> = &[("class", &"why"), ("x", &what_x), ("dy", &15)];
            ink.say("tspan", place, &shortened(&row.why, WHY_LETTERS));
        } else if !row.why.is_empty() {
            ink.say("tspan", &[("class", &"why"), ("dx", &7)], &row.why);
        }
        ink.close("text");
        ink.close("g");
    }

    /// What stands in the lane.
    fn sign(&self, ink: &mut Ink, row: &Row, lane: &Lane) {
        let middle = lane.middle();
        match row.sign {
            // The bar says it.
            Sign::State | Sign::Death => {}
            Sign::User => {
                let (x, way) = if lane.mirrored { (lane.end() - 9, -1) } else { (lane.x + 9, 1) };
                let shape = format!("M{} -5L{} 0L{} 5Z", x - 4 * way, x + 5 * way, x - 4 * way);
                ink.shape("path", &[("class", &"act"), ("d", &shape)]);
            }
            Sign::Fault => {
                let shape = format!("M{} -9l-8 11h5l-2 7l9 -12h-5Z", middle + 2);
                ink.shape("path", &[("class", &"bolt"), ("d", &shape)]);
            }
            Sign::FaultOver => {
                ink.shape("circle", &[("class", &"over"), ("cx", &middle), ("cy", &0), ("r", &4)]);
            }
            Sign::Step => {
                let x = match lane.role {
                    Role::Client | Role::Server => middle,
                    Role::Link | Role::Proxy | Role::Host => pole_x(lane, row.spot.slot),
                };
                ink.shape("circle", &[("class", &"step"), ("cx", &x), ("cy", &0), ("r", &3)]);
            }
            Sign::Chapter | Sign::Violation => {
                let shape = format!("M{RULE_START} 0H{}", self.story.cast.end());
                ink.shape("path", &[("class", &"line"), ("d", &shape)]);
            }
        }
    }
}

/// A word in a state's box, if it has room there.
fn state_words(
    ink: &mut Ink,
    class: &str,
    (x, y): (i32, i32),
    (top, height): (Length, Length),
    room: i32,
    word: &str,
) {
    if word.is_empty() {
        return;
    }
    let (h, shown) = (px(height), if height < room * 10 { "none" } else { "inline" });
    ink.open_at(0, top, &[("data-room", &room), ("data-h", &h), ("display", &shown)]);
    ink.say("text", &[("class", &class), ("x", &x), ("y", &y)], word);
    ink.close("g");
}

/// The name of a pole, above where it begins: nothing that it sends is there yet.
fn pole_name(ink: &mut Ink, lane: &Lane, x: i32, top: Length, name: &str) {
    if name.is_empty() {
        return;
    }
    let (x, anchor) = if lane.mirrored { (x - 2, "end") } else { (x + POLE_WIDTH + 2, "start") };
    ink.open_at(0, top, &[]);
    let place: Attributes<'_> = &[("class", &"pole-name"), ("x", &x), ("y", &-3), ("text-anchor", &anchor)];
    ink.say("text", place, name);
    ink.close("g");
}

/// Where a pole stands.
pub(super) fn pole_x(lane: &Lane, slot: usize) -> i32 {
    let shift = 22 + slot_shift(slot);
    if lane.mirrored { lane.end() - shift } else { lane.x + shift }
}

fn slot_shift(slot: usize) -> i32 {
    i32::try_from(slot).unwrap_or_default() * SLOT_WIDTH
}

fn role_class(role: Role) -> &'static str {
    match role {
        Role::Client => "client",
        Role::Link => "link",
        Role::Proxy => "proxy",
        Role::Server => "server",
        Role::Host => "host",
    }
}

fn shape_class(shape: Shape) -> &'static str {
    match shape {
        Shape::State => "box",
        Shape::Pole => "pole",
        Shape::Band => "band",
    }
}

fn sign_class(sign: Sign) -> &'static str {
    match sign {
        Sign::State => "status",
        Sign::User => "user",
        Sign::Fault => "fault",
        Sign::FaultOver => "fault-over",
        Sign::Death => "death",
        Sign::Step => "deed",
        Sign::Chapter => "chapter",
        Sign::Violation => "violation",
    }
}
