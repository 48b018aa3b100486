//! Emacs, with eglot.

use std::fs;

use crate::scene::{Scene, recipe, source};

#[test]
#[ignore = "needs editors: see main.rs"]
fn eglot_keeps_its_language_server_and_learns_when_it_is_gone() {
    let Some(mut scene) = Scene::open(&["emacs", "pylsp"]) else { return };
    let init = scene.place.home().join("init.el");
    fs::write(&init, recipe("Emacs", "elisp")).unwrap();
    let mut emacs = scene.command("emacs");
    emacs.args(["--batch", "-q", "-f", "package-initialize", "-l"]).arg(init);
    emacs.arg("-l").arg(source("tests/editors/emacs.el"));
    scene.start(emacs);
    scene.play();
    assert!(scene.until("error").contains("it crashed or was killed"));
    assert!(scene.until("said").contains("it crashed or was killed"));
    assert_eq!(scene.until("servers"), "0");
    scene.tell("restart");
    assert!(scene.until("diagnostics").contains("nobody"));
    scene.end();
}
