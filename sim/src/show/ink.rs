//! Elements, attributes and text, written one after the other: what is said is always escaped.

use std::fmt::{Display, Write as _};
use std::time::Duration;

use super::rhythm::Length;

/// Attributes, in the order in which they are written.
pub(super) type Attributes<'a> = &'a [(&'static str, &'a dyn Display)];

/// What was written so far.
#[derive(Debug, Default)]
pub(super) struct Ink {
    text: String,
}

impl Ink {
    /// Everything that was written.
    pub(super) fn dry(self) -> String {
        self.text
    }

    /// An element that others are put into.
    pub(super) fn open(&mut self, name: &str, attributes: Attributes<'_>) {
        self.tag(name, attributes);
        self.text.push('>');
    }

    /// A group at a place that the page may move down or up.
    pub(super) fn open_at(&mut self, x: i32, y: Length, attributes: Attributes<'_>) {
        let y = px(y);
        self.tag("g", attributes);
        write!(self.text, r#" data-y="{y}" transform="translate({x} {y})">"#)
            .expect("a string takes everything");
    }

    pub(super) fn close(&mut self, name: &str) {
        write!(self.text, "</{name}>").expect("a string takes everything");
    }

    /// An element without anything in it.
    pub(super) fn shape(&mut self, name: &str, attributes: Attributes<'_>) {
        self.tag(name, attributes);
        self.text.push_str("/>");
    }

    /// An element with text in it.
    pub(super) fn say(&mut self, name: &str, attributes: Attributes<'_>, text: &str) {
        self.open(name, attributes);
        self.text.push_str(&escape(text));
        self.close(name);
    }

    fn tag(&mut self, name: &str, attributes: Attributes<'_>) {
        write!(self.text, "<{name}").expect("a string takes everything");
        for (key, value) in attributes {
            write!(self.text, r#" {key}="{}""#, escape(&value.to_string()))
                .expect("a string takes everything");
        }
    }
}

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
            // XML has no way to say these.
            '\u{fffe}' | '\u{ffff}' => safe.push('\u{fffd}'),
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
        0..10 => format!("{seconds}.{} s", length.subsec_millis() / 100),
        10..100 => format!("{seconds} s"),
        100..6000 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

/// The parts that say something, with a word between them.
pub(super) fn joined(parts: &[&str], between: &str) -> String {
    let parts: Vec<&str> = parts.iter().copied().filter(|part| !part.is_empty()).collect();
    parts.join(between)
}

/// As much of a text as has room.
pub(super) fn shortened(text: &str, letters_max: usize) -> String {
    if text.chars().count() <= letters_max {
        return text.to_owned();
    }
    let kept: String = text.chars().take(letters_max - 1).collect();
    format!("{}\u{2026}", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_never_ends_what_it_is_said_in() {
        let mut ink = Ink::default();
        ink.say("text", &[("id", &"\"><script>")], "</text><script>alert('&')</script>\u{1}");
        assert_eq!(
            ink.dry(),
            "<text id=\"&quot;&gt;&lt;script&gt;\">&lt;/text&gt;&lt;script&gt;alert(&#39;&amp;&#39;)\
             &lt;/script&gt;\u{fffd}</text>"
        );
    }

    #[test]
    fn lengths_have_one_decimal_at_most() {
        assert_eq!([0, 45, -5, 120].map(px), ["0", "4.5", "-0.5", "12"]);
    }

    #[test]
    fn a_while_is_told_as_people_do() {
        let told = |millis| for_people(Duration::from_millis(millis));
        assert_eq!([1_490, 36_000, 600_000, 7_300_000].map(told), ["1.4 s", "36 s", "10 min", "2 h"]);
    }

    #[test]
    fn long_texts_are_cut_between_letters() {
        assert_eq!(shortened("räche ist süß", 7), "räche\u{2026}");
        assert_eq!(shortened("kurz", 7), "kurz");
    }
}
