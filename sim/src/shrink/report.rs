//! The minimal scenario as a file: what is at its default is left out, and a comment says what it
//! breaks.

use super::{Minimality, Shrunk};
use crate::scenario::{Scenario, Setting, print};

/// The scenario as a file that `cargo sim replay` reads; `from` says where it was found.
pub fn text(shrunk: &Shrunk, from: &str) -> String {
    let minimal = match shrunk.minimality {
        Minimality::Verified(_) => "Minimal",
        Minimality::OutOfEffort => "Smaller",
    };
    let usual = print(&Scenario { setting: Setting::default(), ..shrunk.scenario.clone() });
    let mut text = String::new();
    for (number, line) in print(&shrunk.scenario).lines().enumerate() {
        let is_default = line.starts_with("set ") && usual.lines().any(|usual| usual == line);
        if !is_default {
            text += line;
            text += "\n";
        }
        if number == 0 {
            text += &format!("# {}.\n# {minimal}, from {from}.\n", shrunk.violation);
        }
    }
    text
}
