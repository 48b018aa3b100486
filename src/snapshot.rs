//! Tests only: reads what is in `fixtures/` and compares texts with `snapshots/`, which holds those of
//! the whole workspace, so that tests of the pure floors touch no file themselves.

use std::path::Path;

/// Compares `text` with `snapshots/NAME.snap`; `INSTA_UPDATE=always` writes it.
pub(crate) fn assert_snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
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
