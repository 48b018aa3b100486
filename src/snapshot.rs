//! Tests only: compares a text with the one in `snapshots/`, which holds those of the whole workspace.

/// Compares `text` with `snapshots/NAME.snap`; `INSTA_UPDATE=always` writes it.
pub(crate) fn assert_snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}
