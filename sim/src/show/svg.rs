//! The picture as SVG: lanes, bars, arrows, and the story beside them.
//!
//! The page takes the same picture and makes it move: whatever has a height or a place on the way
//! down carries what the page needs to stretch it. Colours are left to `picture.css`.

use std::fmt::Write as _;
use std::time::Duration;

use super::cast::{Lane, Role, TIMES_WIDTH};
use super::rhythm::{Length, Rhythm};
use super::story::{Arrow, Bar, BarEnd, Course, End, Row, Shape, Sign, Story};
use crate::trace::Fate;

/// Colours and strokes, light and dark.
pub(super) const STYLE: &str = include_str!("picture.css");

/// Room for the names of the lanes.
pub(super) const HEADS_HEIGHT: i32 = 34;

const STORY_GAP: i32 = 20;
const STORY_WIDTH: i32 = 420;
const POLE_WIDTH: i32 = 8;
const SLOT_WIDTH: i32 = 15;

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
        let mut out = String::new();
        add(
            &mut out,
            format_args!(
                "<text class=\"head\" x=\"{}\" y=\"22\" text-anchor=\"end\">time, s</text>",
                TIMES_WIDTH - 20
            ),
        );
        for lane in &self.story.cast.lanes {
            let (x, title) = (lane.middle(), escape(&lane.title));
            add(
                &mut out,
                format_args!("<text class=\"head\" x=\"{x}\" y=\"22\" text-anchor=\"middle\">{title}</text>"),
            );
        }
        add(
            &mut out,
            format_args!("<text class=\"head\" x=\"{}\" y=\"22\">what happened</text>", self.story_x()),
        );
        out
    }

    /// Everything below the names, from the back to the front.
    pub(super) fn body(&self) -> String {
        let mut out = String::new();
        let height = self.height();
        for lane in &self.story.cast.lanes {
            let class = role_class(lane.role);
            let (x, width) = (lane.x, lane.width);
            add(
                &mut out,
                format_args!(
                    "<rect class=\"lane {class}\" x=\"{x}\" y=\"0\" width=\"{width}\" height=\"{height}\" data-y=\"0\" data-h=\"{height}\"/>"
                ),
            );
        }
        for shape in [Shape::Band, Shape::State, Shape::Pole] {
            for bar in self.story.bars.iter().filter(|bar| bar.shape == shape) {
                self.bar(&mut out, bar);
            }
        }
        for torn in &self.rhythm.breaks {
            self.torn(&mut out, torn.y, torn.length);
        }
        for (event, swarm) in self.rhythm.swarms.iter().enumerate() {
            self.swarm(&mut out, self.story.rows.len() + event, swarm);
        }
        let singles = self.story.rows.len() + self.rhythm.swarms.len();
        for (event, arrow) in self.rhythm.singles.iter().enumerate() {
            self.arrow(&mut out, singles + event, &self.story.arrows[*arrow]);
        }
        let mut last_time = String::new();
        for (event, row) in self.story.rows.iter().enumerate() {
            if self.rhythm.shows(row.mark) {
                let time = self.story.times[row.mark].to_string();
                let fresh = time != last_time;
                self.row(&mut out, event, row, fresh.then_some(time.as_str()));
                last_time = time;
            }
        }
        out
    }

    fn bar(&self, out: &mut String, bar: &Bar) {
        let Some((top, bottom)) = self.rhythm.span(bar.from, bar.to) else {
            return;
        };
        let lane = &self.story.cast.lanes[bar.lane];
        let height = (bottom - top).max(10);
        let (x, width) = match bar.shape {
            Shape::State => {
                let shift = i32::try_from(bar.slot).unwrap_or_default() * SLOT_WIDTH;
                (lane.x + shift, lane.width - shift)
            }
            Shape::Pole => (pole_x(lane, bar.slot) - POLE_WIDTH / 2, POLE_WIDTH),
            Shape::Band => (lane.x, lane.width),
        };
        let (class, tone) = (shape_class(bar.shape), bar.tone.name());
        let tip = escape(&joined(&[&bar.label, &bar.detail], ": "));
        let (y, h) = (px(top), px(height));
        add(out, format_args!("<g class=\"bar {class} {tone}\"><title>{tip}</title>"));
        let round = if bar.shape == Shape::State { 4 } else { 2 };
        add(
            out,
            format_args!(
                "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{h}\" rx=\"{round}\" data-y=\"{y}\" data-h=\"{h}\"/>"
            ),
        );
        self.bar_words(out, bar, x, top, height);
        self.bar_end(out, bar, x + width / 2, bottom);
        out.push_str("</g>");
    }

    fn bar_words(&self, out: &mut String, bar: &Bar, x: i32, top: Length, height: Length) {
        let lane = &self.story.cast.lanes[bar.lane];
        let (y, h) = (px(top), px(height));
        match bar.shape {
            Shape::State => {
                let (label, detail) = (escape(&bar.label), escape(&shortened(&bar.detail, 21)));
                add(
                    out,
                    format_args!(
                        "<g data-y=\"{y}\" data-room=\"16\" data-h=\"{h}\" transform=\"translate(0 {y})\"{}>",
                        hidden(height, 160)
                    ),
                );
                add(out, format_args!("<text class=\"state\" x=\"{}\" y=\"14\">{label}</text></g>", x + 8));
                if !detail.is_empty() {
                    add(
                        out,
                        format_args!(
                            "<g data-y=\"{y}\" data-room=\"31\" data-h=\"{h}\" transform=\"translate(0 {y})\"{}>",
                            hidden(height, 310)
                        ),
                    );
                    add(
                        out,
                        format_args!("<text class=\"detail\" x=\"{}\" y=\"28\">{detail}</text></g>", x + 8),
                    );
                }
            }
            Shape::Pole if !bar.label.is_empty() => {
                let (at, anchor) = if lane.mirrored { (x - 4, "end") } else { (x + POLE_WIDTH + 4, "start") };
                let label = escape(&bar.label);
                add(
                    out,
                    format_args!(
                        "<g data-y=\"{y}\" transform=\"translate(0 {y})\"><text class=\"pole-name\" x=\"{at}\" y=\"10\" text-anchor=\"{anchor}\">{label}</text></g>"
                    ),
                );
            }
            Shape::Pole | Shape::Band => {}
        }
    }

    fn bar_end(&self, out: &mut String, bar: &Bar, x: i32, bottom: Length) {
        let Some(to) = bar.to.filter(|to| self.rhythm.shows(*to)) else {
            return;
        };
        let y = px(self.rhythm.y(to).max(bottom));
        let lane = &self.story.cast.lanes[bar.lane];
        match (&bar.end, bar.shape) {
            (BarEnd::Open, _) | (BarEnd::Cap(_), Shape::Band | Shape::State) => {}
            (BarEnd::Cap(_), Shape::Pole) => {
                add(
                    out,
                    format_args!(
                        "<g data-y=\"{y}\" transform=\"translate({x} {y})\"><path class=\"cap\" d=\"M-7 0H7\"/></g>"
                    ),
                );
            }
            (BarEnd::Cross(_), _) => {
                let at = if bar.shape == Shape::State { lane.middle() } else { x };
                add(
                    out,
                    format_args!(
                        "<g data-y=\"{y}\" transform=\"translate({at} {y})\"><path class=\"cross\" d=\"M-6 -6L6 6M6 -6L-6 6\"/></g>"
                    ),
                );
            }
        }
    }

    fn torn(&self, out: &mut String, y: Length, length: Duration) {
        let (y, x, width) = (px(y), TIMES_WIDTH - 6, self.story.cast.end() - TIMES_WIDTH + 12);
        let told = for_people(length);
        add(
            out,
            format_args!(
                "<g class=\"torn\" data-y=\"{y}\" transform=\"translate(0 {y})\"><title>{told} in which nothing happens</title>"
            ),
        );
        add(
            out,
            format_args!("<rect x=\"{x}\" y=\"-5\" width=\"{width}\" height=\"10\" fill=\"url(#torn)\"/>"),
        );
        add(
            out,
            format_args!(
                "<text class=\"quiet\" x=\"{}\" y=\"4\" text-anchor=\"end\">{told}</text></g>",
                TIMES_WIDTH - 20
            ),
        );
    }

    fn row(&self, out: &mut String, event: usize, row: &Row, time: Option<&str>) {
        let lane = &self.story.cast.lanes[row.lane];
        let (y, x) = (px(self.rhythm.y(row.mark)), self.story_x());
        let (sign, tone) = (sign_class(row.sign), row.tone.name());
        let tip = escape(&row.sentence());
        let end = x + STORY_WIDTH;
        add(
            out,
            format_args!(
                "<g class=\"ev row {sign} {tone}\" data-e=\"{event}\" data-y=\"{y}\" transform=\"translate(0 {y})\"><title>{tip}</title>"
            ),
        );
        let depth = if row.needs_two_lines() { 34 } else { 20 };
        add(
            out,
            format_args!(
                "<rect class=\"hit\" x=\"0\" y=\"-4\" width=\"{end}\" height=\"{depth}\" rx=\"3\"/>"
            ),
        );
        add(out, format_args!("<path class=\"rule\" d=\"M{} 0H{}\"/>", TIMES_WIDTH - 12, x - 6));
        if let Some(time) = time {
            add(
                out,
                format_args!(
                    "<text class=\"time\" x=\"{}\" y=\"4\" text-anchor=\"end\">{time}</text>",
                    TIMES_WIDTH - 20
                ),
            );
        }
        add(out, format_args!("{}", self.sign(row, lane)));
        add(out, format_args!("<text x=\"{x}\" y=\"4\"><tspan class=\"who\">{}</tspan>", escape(&row.who)));
        add(
            out,
            format_args!(
                "<tspan class=\"what\" x=\"{}\">{}</tspan>",
                x + 62,
                escape(&shortened(&row.what, 56))
            ),
        );
        if row.needs_two_lines() {
            add(
                out,
                format_args!(
                    "<tspan class=\"why\" x=\"{}\" dy=\"15\">{}</tspan>",
                    x + 62,
                    escape(&shortened(&row.why, 62))
                ),
            );
        } else if !row.why.is_empty() {
            add(out, format_args!("<tspan class=\"why\" dx=\"7\">{}</tspan>", escape(&row.why)));
        }
        out.push_str("</text></g>");
    }

    /// What stands in the lane.
    fn sign(&self, row: &Row, lane: &Lane) -> String {
        let middle = lane.middle();
        match row.sign {
            Sign::State => String::new(),
            Sign::User => {
                let (x, way) = if lane.mirrored { (lane.end() - 9, -1) } else { (lane.x + 9, 1) };
                format!(
                    "<path class=\"act\" d=\"M{} -5L{} 0L{} 5Z\"/>",
                    x - 4 * way,
                    x + 5 * way,
                    x - 4 * way
                )
            }
            Sign::Fault => format!(
                "<path class=\"bolt\" transform=\"translate({middle} 0)\" d=\"M2 -9L-6 2H-1L-3 9L6 -3H1Z\"/>"
            ),
            Sign::FaultOver => format!("<circle class=\"over\" cx=\"{middle}\" cy=\"0\" r=\"4\"/>"),
            Sign::Death => String::new(),
            Sign::Step => format!(
                "<circle class=\"step\" cx=\"{}\" cy=\"0\" r=\"3\"/>",
                match lane.role {
                    Role::Client | Role::Server => middle,
                    Role::Link | Role::Proxy | Role::Host => pole_x(lane, 0),
                }
            ),
            Sign::Chapter | Sign::Violation => {
                format!("<path class=\"line\" d=\"M{} 0H{}\"/>", TIMES_WIDTH - 12, self.story.cast.end())
            }
        }
    }

    fn arrow(&self, out: &mut String, event: usize, arrow: &Arrow) {
        let (x1, x2) = self.ends(arrow);
        let top = self.rhythm.y(arrow.sent);
        let bottom = self.arrival(arrow);
        let (y1, y2) = (px(top), px(bottom));
        let course = course_class(arrow.course);
        let tip = escape(&self.told(arrow));
        add(out, format_args!("<g class=\"ev msg {course}\" data-e=\"{event}\"><title>{tip}</title>"));
        add(out, format_args!("<line class=\"hit\" x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\"/>"));
        add(out, format_args!("<line class=\"shaft\" x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\"/>"));
        if arrow.course == Course::Lost {
            add(
                out,
                format_args!(
                    "<g data-y=\"{y2}\" transform=\"translate({x2} {y2})\"><path class=\"cross\" d=\"M-4 -4L4 4M4 -4L-4 4\"/></g>"
                ),
            );
        }
        let (at, anchor) = if x1 < x2 { (x1 + 9, "start") } else { (x1 - 9, "end") };
        add(
            out,
            format_args!(
                "<g data-y=\"{y1}\" transform=\"translate(0 {y1})\"><text class=\"name\" x=\"{at}\" y=\"-2\" text-anchor=\"{anchor}\">{}</text></g></g>",
                escape(&shortened(&arrow.name, 26))
            ),
        );
    }

    fn swarm(&self, out: &mut String, event: usize, swarm: &[usize]) {
        let members: Vec<&Arrow> = swarm.iter().map(|id| &self.story.arrows[*id]).collect();
        let [first, .., last] = members.as_slice() else {
            return;
        };
        let (x1, x2) = self.ends(first);
        let course = course_class(first.course);
        let way = if x1 < x2 { "right" } else { "left" };
        let summary = summary(&members);
        let tip = escape(&summary);
        let corners =
            [self.rhythm.y(first.sent), self.arrival(first), self.arrival(last), self.rhythm.y(last.sent)]
                .map(px);
        let [a, b, c, d] = &corners;
        add(
            out,
            format_args!("<g class=\"ev swarm {way} {course}\" data-e=\"{event}\"><title>{tip}</title>"),
        );
        add(out, format_args!("<polygon points=\"{x1},{a} {x2},{b} {x2},{c} {x1},{d}\"/>"));
        add(out, format_args!("<line class=\"shaft\" x1=\"{x1}\" y1=\"{a}\" x2=\"{x2}\" y2=\"{b}\"/>"));
        add(out, format_args!("<line class=\"shaft\" x1=\"{x1}\" y1=\"{d}\" x2=\"{x2}\" y2=\"{c}\"/>"));
        let (at, anchor) = if x1 < x2 { (x1 + 9, "start") } else { (x1 - 9, "end") };
        add(
            out,
            format_args!(
                "<g data-y=\"{a}\" transform=\"translate(0 {a})\"><text class=\"name\" x=\"{at}\" y=\"-2\" text-anchor=\"{anchor}\">{tip}</text></g></g>"
            ),
        );
    }

    /// From where to where a message goes.
    pub(super) fn ends(&self, arrow: &Arrow) -> (i32, i32) {
        let lanes = &self.story.cast.lanes;
        let client = Some(self.story.cast.client_of_link(arrow.link));
        let mirrored = lanes[self.story.cast.lane(Role::Client, client)].mirrored;
        let x = |end: End| {
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
        arrow.arrives.map_or(self.rhythm.y(arrow.sent) + 80, |at| self.rhythm.y(at))
    }

    /// A message in one sentence.
    pub(super) fn told(&self, arrow: &Arrow) -> String {
        let fate = match arrow.course {
            Course::Arrived(Fate::Taken) => "",
            Course::Arrived(Fate::Stale) => "of an old attempt: ignored",
            Course::Arrived(Fate::Unheard) => "arrives, and nobody listens any more",
            Course::Lost => "never arrives",
        };
        joined(&[&arrow.name, &arrow.detail, fate], ", ")
    }
}

impl Row {
    /// The line in one sentence.
    pub(super) fn sentence(&self) -> String {
        let told = format!("{} {}", self.who, self.what);
        joined(&[&told, &self.why], " \u{2014} ")
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
    let told: Vec<String> = counts.iter().map(|(name, count)| format!("{count} {name}")).collect();
    let fate = match members.first().map(|arrow| arrow.course) {
        Some(Course::Lost) => ", lost",
        Some(Course::Arrived(Fate::Stale)) => ", old",
        Some(Course::Arrived(Fate::Unheard)) => ", unheard",
        Some(Course::Arrived(Fate::Taken)) | None => "",
    };
    format!("{}{fate}", told.join(", "))
}

/// The tip of an arrow: one for each colour, because not every browser lets it have its arrow's.
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

/// What stands behind the picture: the arrow's tip, hatching, torn paper.
pub(super) const DEFINITIONS: &str = concat!(
    "<defs>",
    tip!("tip"),
    tip!("tip-left"),
    tip!("tip-old"),
    "<pattern id=\"hatch\" width=\"7\" height=\"7\" patternUnits=\"userSpaceOnUse\" ",
    "patternTransform=\"rotate(45)\"><path class=\"hatch\" d=\"M0 0V7\"/></pattern>",
    "<pattern id=\"torn\" width=\"12\" height=\"10\" patternUnits=\"userSpaceOnUse\" y=\"-5\">",
    "<path class=\"paper\" d=\"M0 3L6 0L12 3V10L6 7L0 10Z\"/>",
    "<path class=\"tear\" d=\"M0 3L6 0L12 3M0 10L6 7L12 10\"/></pattern>",
    "</defs>"
);

/// Text that may stand anywhere in XML or HTML.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            // Neither format has a way to say these.
            control if control.is_control() => safe.push('\u{fffd}'),
            other => safe.push(other),
        }
    }
    safe
}

/// A length as SVG has it.
pub(super) fn px(length: Length) -> String {
    let sign = if length < 0 { "-" } else { "" };
    match (length.abs() / 10, length.abs() % 10) {
        (whole, 0) => format!("{sign}{whole}"),
        (whole, tenth) => format!("{sign}{whole}.{tenth}"),
    }
}

/// A while, as people say it.
pub(super) fn for_people(length: Duration) -> String {
    let seconds = length.as_secs();
    match seconds {
        0..10 => format!("{}.{} s", seconds, length.subsec_millis() / 100),
        10..100 => format!("{seconds} s"),
        100..6000 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

fn add(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a string takes everything");
}

fn joined(parts: &[&str], between: &str) -> String {
    let parts: Vec<&str> = parts.iter().copied().filter(|part| !part.is_empty()).collect();
    parts.join(between)
}

fn shortened(text: &str, letters_max: usize) -> String {
    if text.chars().count() <= letters_max {
        return text.to_owned();
    }
    let kept: String = text.chars().take(letters_max - 1).collect();
    format!("{}\u{2026}", kept.trim_end())
}

fn hidden(height: Length, room: Length) -> &'static str {
    if height < room { " display=\"none\"" } else { "" }
}

fn pole_x(lane: &Lane, slot: usize) -> i32 {
    let shift = i32::try_from(slot).unwrap_or_default() * SLOT_WIDTH;
    if lane.mirrored { lane.end() - 22 - shift } else { lane.x + 22 + shift }
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

fn course_class(course: Course) -> &'static str {
    match course {
        Course::Arrived(Fate::Taken) => "taken",
        Course::Arrived(Fate::Stale) => "stale",
        Course::Arrived(Fate::Unheard) => "unheard",
        Course::Lost => "lost",
    }
}
