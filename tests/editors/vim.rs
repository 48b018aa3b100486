//! Vim, with ALE.

use std::fs;

use crate::scene::{Scene, recipe, source};

#[test]
#[ignore = "needs editors: see main.rs"]
fn ale_keeps_its_language_server_and_learns_when_it_is_gone() {
    let Some(mut scene) = Scene::open(&["vim", "pylsp"]) else { return };
    let init = scene.place.home().join("vimrc");
    fs::write(&init, recipe("Vim", "vim")).unwrap();
    let mut vim = scene.command("vim");
    vim.args(["-N", "-es", "-u"]).arg(init).arg("-S").arg(source("tests/editors/vim.vim")).arg("main.py");
    scene.start(vim);
    scene.play();
    assert_eq!(scene.until("status"), "ServerNotRunning");
    // ALE starts a fresh one by itself.
    assert!(scene.until("diagnostics").contains("nobody"));
    scene.end();
}
