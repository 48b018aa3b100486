//! Tests only: reads what is in `fixtures/` and compares texts with `snapshots/`, which holds those of
//! the whole workspace, so that tests of the pure floors touch no file themselves.

use std::fmt::{Display, Write};
use std::path::Path;

/// Compares `text` with `snapshots/NAME.snap`; `INSTA_UPDATE=always` writes it.
pub(crate) fn assert_snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// Compares what comes of every state with every happening, as `pair` tells it, with
/// `snapshots/NAME.snap`. Happenings with the same outcome share two lines: it, and their names.
pub(crate) fn assert_pairs<S: Clone, N: Display, H>(
    name: &str,
    states: Vec<(&str, S)>,
    happenings: impl Fn() -> Vec<(N, H)>,
    pair: impl Fn(S, H) -> String,
) {
    let mut table = String::new();
    for (state_name, state) in states {
        let mut outcomes: Vec<(String, Vec<String>)> = Vec::new();
        for (input, happening) in happenings() {
            let outcome = pair(state.clone(), happening);
            match outcomes.iter_mut().find(|(known, _)| *known == outcome) {
                Some((_, inputs)) => inputs.push(input.to_string()),
                None => outcomes.push((outcome, vec![input.to_string()])),
            }
        }
        let _ = writeln!(table, "{state_name}");
        for (outcome, inputs) in outcomes {
            let _ = writeln!(table, "  {outcome}\n      {}", inputs.join(", "));
        }
        table.push('\n');
    }
    assert_snapshot(name, &table);
}

/// A file of a folder in `fixtures/`.
pub(crate) struct Fixture {
    /// Its name without the ending.
    pub(crate) name: String,
    /// Where it is, for messages.
    pub(crate) path: String,
    /// What is in it.
    pub(crate) text: String,
}

/// All files of `fixtures/FOLDER`, by name; at least one.
pub(crate) fn read_all(folder: &str) -> Vec<Fixture> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(folder);
    let mut paths: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|file| file.expect("a folder that opens can be listed").path())
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "{} is empty", folder.display());
    let read = |path: &Path| Fixture {
        name: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        path: path.display().to_string(),
        text: std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())),
    };
    paths.iter().map(|path| read(path)).collect()
}
