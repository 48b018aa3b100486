//! Words that come from elsewhere, as they may be shown: none of them moves a cursor, turns a line around, or
//! hides.
//!
//! Whoever prints what another program, host or person wrote asks here: [`harmless`] for people,
//! [`escaped`] for JSON, which loses nothing.

/// A line for people: with a space for whatever would do something to a terminal, and a mark for what is
/// there and cannot be seen.
pub fn harmless(text: &str) -> String {
    text.chars().map(harmless_letter).collect()
}

/// The same, of a text that may have several lines.
pub fn harmless_lines(text: &str) -> String {
    text.chars().map(|letter| if letter == '\n' { letter } else { harmless_letter(letter) }).collect()
}

/// JSON in which such letters, which can only be inside of strings, are spelled by their numbers.
pub fn escaped(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for letter in json.chars() {
        if harmless_letter(letter) == letter {
            safe.push(letter);
        } else {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                safe.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    safe
}

fn harmless_letter(letter: char) -> char {
    match letter {
        letter if letter.is_control() => ' ',
        // They end a line, or a paragraph.
        '\u{2028}' | '\u{2029}' => ' ',
        letter if is_unseen(letter) => char::REPLACEMENT_CHARACTER,
        letter => letter,
    }
}

/// Letters without a shape that change how, or whether, others are seen: Unicode's format characters, fillers,
/// and tags. Those that choose between shapes of the letter before them are left to it.
fn is_unseen(letter: char) -> bool {
    matches!(letter,
        // Soft hyphen, grapheme joiner, Arabic and Syriac marks, the Arabic letter mark among them.
        '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
        | '\u{890}' | '\u{891}' | '\u{8e2}'
        // Fillers, and vowels and separators without a shape.
        | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}' | '\u{3164}' | '\u{ffa0}'
        // Zero width, marks of direction, embeddings, overrides, isolates, invisible operators.
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        // The byte order mark, annotations.
        | '\u{feff}' | '\u{fff0}'..='\u{fffb}'
        // Numbers of Kaithi, joiners of hieroglyphs, controls of shorthand and of music.
        | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}'
        // Tags, and what is reserved beside them.
        | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_others_do_nothing_and_hide_nothing() {
        for (words, shown) in [
            ("Permission denied (publickey).", "Permission denied (publickey)."),
            ("größer, 日本語, ⚠\u{fe0f}, שלום", "größer, 日本語, ⚠\u{fe0f}, שלום"),
            ("one\ntwo\r\tthree", "one two  three"),
            ("\u{1b}[2Jred\u{7}\u{7f}\u{9b}", " [2Jred   "),
            ("a\u{2028}b\u{2029}c", "a b c"),
            ("exe\u{202e}txt.\u{202c}", "exe\u{fffd}txt.\u{fffd}"),
            ("\u{202a}\u{202b}\u{202d}", "\u{fffd}\u{fffd}\u{fffd}"),
            ("\u{2066}\u{2067}\u{2068}\u{2069}", "\u{fffd}\u{fffd}\u{fffd}\u{fffd}"),
            ("\u{200e}\u{200f}\u{61c}", "\u{fffd}\u{fffd}\u{fffd}"),
            (
                "ad\u{200b}min\u{200c}\u{200d}\u{2060}\u{feff}",
                "ad\u{fffd}min\u{fffd}\u{fffd}\u{fffd}\u{fffd}",
            ),
            ("\u{ad}\u{180e}\u{3164}\u{fff9}", "\u{fffd}\u{fffd}\u{fffd}\u{fffd}"),
            ("flag\u{e0067}\u{e007f}", "flag\u{fffd}\u{fffd}"),
        ] {
            assert_eq!(harmless(words), shown);
        }
        assert_eq!(harmless_lines("one\ntwo\r\u{202e}"), "one\ntwo \u{fffd}");
    }

    #[test]
    fn json_loses_nothing_and_shows_nothing_else() {
        let words = "a\u{202e}b\u{2028}\u{feff}\u{e0067}\u{9b}\u{7f}\u{1b}ü日";
        let json = serde_json::to_string(words).unwrap();
        let safe = escaped(&json);
        assert_eq!(safe, r#""a\u202eb\u2028\ufeff\udb40\udc67\u009b\u007f\u001bü日""#);
        assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), words);
    }
}
