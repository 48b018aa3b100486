//! The page around the picture: what can be selected, searched and stepped through, as data.
//!
//! What the page does with it is left to `page.js`.

use serde::Serialize;

use super::arrows::summary;
use super::ink::escape;
use super::rhythm::Length;
use super::story::{Arrow, Row, Sign};
use super::svg::{Drawing, HEADS_HEIGHT, STYLE};
use super::{DEFINITIONS, Picture, SIGNATURE};
use crate::scenario::Mode;

const PAGE: &str = include_str!("page.html");
const PAGE_STYLE: &str = include_str!("page.css");
const PAGE_SCRIPT: &str = include_str!("page.js");

/// A sheet of paper, in millimetres: its width, its height, and what the head of the page needs.
const SHEET: (i32, i32, i32) = (186, 258, 52);

/// One thing that can be selected.
#[derive(Serialize)]
struct Event {
    time: String,
    who: String,
    what: String,
    why: String,
    y: Length,
    /// Whether `n` stops there: a fault, a death, the violation.
    trouble: bool,
    violation: bool,
    /// More that is worth knowing, as pairs.
    more: Vec<(&'static str, String)>,
    /// The messages that are drawn together: where each sets out and arrives, and what it is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    members: Vec<(Length, Length, String, String)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ends: Option<(i32, i32)>,
}

impl Picture {
    /// One page that needs nothing else.
    pub fn page(&self) -> String {
        let drawing = Drawing { story: &self.story, rhythm: &self.rhythm };
        let (width, height) = (drawing.width(), drawing.height());
        let events = serde_json::to_string(&self.events(&drawing)).expect("an event is plain data");
        let mode = match self.mode {
            Mode::Recoverable => "faults that can be recovered from",
            Mode::Hostile => "hostile faults",
        };
        let facts = format!("{mode} \u{b7} {} events", self.events);
        let fields = [
            ("signature", SIGNATURE.to_owned()),
            ("title", escape(&self.title)),
            ("facts", facts),
            ("verdict", escape(&self.verdict)),
            ("held", if self.holds { "held" } else { "broken" }.to_owned()),
            ("badge", if self.holds { "\u{2713}" } else { "\u{2717}" }.to_owned()),
            ("again", escape(&self.again)),
            ("hash", format!("{:016x}", self.hash)),
            ("width", width.to_string()),
            ("height", height.to_string()),
            ("heads-height", HEADS_HEIGHT.to_string()),
            ("definitions", DEFINITIONS.to_owned()),
            ("heads", drawing.heads()),
            ("picture-style", STYLE.to_owned()),
            ("style", PAGE_STYLE.to_owned()),
            ("picture", drawing.body()),
            ("sheets", self.sheets(&drawing)),
            // Inside a script nothing ends it but its own end tag.
            ("events", events.replace('<', "\\u003c")),
            ("script", PAGE_SCRIPT.to_owned()),
        ];
        fill(PAGE, &fields)
    }

    fn events(&self, drawing: &Drawing<'_>) -> Vec<Event> {
        let rows = self.story.rows.iter().map(|row| self.row_event(row));
        let swarms = self.rhythm.swarms.iter().map(|swarm| self.swarm_event(drawing, swarm));
        let singles = self.rhythm.singles.iter().map(|arrow| self.arrow_event(&self.story.arrows[*arrow]));
        rows.chain(swarms).chain(singles).collect()
    }

    fn row_event(&self, row: &Row) -> Event {
        let trouble = match row.sign {
            Sign::Fault | Sign::Death | Sign::Violation => true,
            Sign::State | Sign::User | Sign::FaultOver | Sign::Step | Sign::Chapter => false,
        };
        Event {
            time: self.story.times[row.mark].to_string(),
            who: row.who.clone(),
            what: row.what.clone(),
            why: row.why.clone(),
            y: self.rhythm.y(row.mark),
            trouble,
            violation: row.sign == Sign::Violation,
            more: Vec::new(),
            members: Vec::new(),
            ends: None,
        }
    }

    fn arrow_event(&self, arrow: &Arrow) -> Event {
        let cast = &self.story.cast;
        let (from, to) = (&cast.lanes[arrow.from.lane].title, &cast.lanes[arrow.to.lane].title);
        Event {
            time: self.story.times[arrow.sent].to_string(),
            who: format!("{from} \u{2192} {to}"),
            what: arrow.name.clone(),
            why: arrow.detail.clone(),
            y: self.rhythm.y(arrow.sent),
            trouble: false,
            violation: false,
            more: self.way(arrow),
            members: Vec::new(),
            ends: None,
        }
    }

    /// When a message arrived, and what became of it.
    fn way(&self, arrow: &Arrow) -> Vec<(&'static str, String)> {
        let mut more = Vec::new();
        if let Some(at) = arrow.arrives {
            let (sent, arrived) = (self.story.times[arrow.sent], self.story.times[at]);
            let way = humantime::format_duration(arrived.since(sent));
            more.push(("arrives", format!("{arrived}, {way} later")));
        }
        if !arrow.fate().is_empty() {
            more.push(("fate", arrow.fate().to_owned()));
        }
        more
    }

    fn swarm_event(&self, drawing: &Drawing<'_>, swarm: &[usize]) -> Event {
        let arrows: Vec<&Arrow> = swarm.iter().map(|id| &self.story.arrows[*id]).collect();
        let (first, last) = (arrows[0], arrows[arrows.len() - 1]);
        let members = arrows.iter().map(|arrow| {
            let (top, bottom) = (self.rhythm.y(arrow.sent), drawing.arrival(arrow));
            (
                top,
                bottom,
                arrow.name.clone(),
                format!("{} {}", self.story.times[arrow.sent], arrow.sentence()),
            )
        });
        let until = self.story.times[last.sent];
        Event {
            what: summary(&arrows),
            why: format!("{} to {}", first.name, last.name),
            more: vec![("until", until.to_string()), ("messages", arrows.len().to_string())],
            members: members.collect(),
            ends: Some(drawing.ends(first)),
            ..self.arrow_event(first)
        }
    }

    /// The picture cut into sheets for paper, between two lines wherever that can be.
    fn sheets(&self, drawing: &Drawing<'_>) -> String {
        let (width, height) = (drawing.width(), drawing.height());
        let (sheet_width, sheet_height, head) = SHEET;
        let mut lines: Vec<i32> =
            self.story.rows.iter().map(|row| self.rhythm.y(row.mark) / 10 - 10).collect();
        lines.sort_unstable();
        let mut sheets = String::new();
        let mut top = 0;
        while top < height {
            let room = if top == 0 { sheet_height - head } else { sheet_height };
            let depth = width * room / sheet_width - HEADS_HEIGHT;
            let fits = lines.iter().rfind(|line| **line > top + depth / 2 && **line <= top + depth);
            let bottom = if height - top <= depth { height } else { fits.copied().unwrap_or(top + depth) };
            let tall = bottom - top + HEADS_HEIGHT;
            sheets.push_str(&format!(
                "<svg class=\"picture sheet\" viewBox=\"0 0 {width} {tall}\">\
                 <use href=\"#heads\"/><svg y=\"{HEADS_HEIGHT}\" width=\"{width}\" height=\"{}\" \
                 viewBox=\"0 {top} {width} {}\"><use href=\"#body\"/></svg></svg>",
                bottom - top,
                bottom - top,
            ));
            top = bottom;
        }
        sheets
    }
}

/// Puts each field in its place, once: what a field says is never read again.
fn fill(template: &str, fields: &[(&str, String)]) -> String {
    let mut page = String::with_capacity(template.len() * 4);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").expect("own bug: the page's template has an open field");
        let field = fields.iter().find(|(known, _)| *known == name);
        let (_, text) = field.unwrap_or_else(|| panic!("own bug: the page has no field {name}"));
        page.push_str(before);
        page.push_str(text);
        rest = after;
    }
    page.push_str(rest);
    page
}
