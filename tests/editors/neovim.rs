//! Neovim, with its built-in client and our plugin file.

use std::fs;

use crate::scene::{Scene, recipe, source};

/// Starts it with the recipe, driven by that script.
fn start(scene: &mut Scene, script: &str) {
    let config = recipe("Neovim", "lua");
    let plugin = "/path/to/reattach/contrib/nvim";
    assert!(config.contains(plugin));
    let config = config.replace(plugin, source("contrib/nvim").to_str().unwrap());
    let init = scene.place.home().join("init.lua");
    fs::write(&init, config).unwrap();
    let mut nvim = scene.command("nvim");
    nvim.arg("--headless").arg("-u").arg(init).arg("-c");
    nvim.arg(format!("luafile {}", source(script).display())).arg("main.py");
    scene.start(nvim);
}

#[test]
#[ignore = "needs editors: see main.rs"]
fn neovim_keeps_its_language_server_and_learns_when_it_is_gone() {
    let Some(mut scene) = Scene::open(&["nvim", "pylsp"]) else { return };
    start(&mut scene, "tests/editors/neovim.lua");
    scene.play();
    assert!(scene.until("error").contains("it crashed or was killed"));
    assert!(scene.until("notified").contains(":ReattachRestart"));
    assert_eq!(scene.until("status"), "pylsp: server gone, :ReattachRestart");
    // The user's word starts a fresh one.
    scene.tell("restart");
    assert!(scene.until("diagnostics").contains("nobody"));
    assert_eq!(scene.until("status"), "");
    let states = scene.until("states");
    assert!(states.starts_with("Connecting Connected Reconnect"), "{states}");
    assert!(states.ends_with(" Connected ServerNotRunning"), "{states}");
    scene.end();
}

#[test]
#[ignore = "needs editors: see main.rs"]
fn neovim_offers_a_retry_when_nothing_moves() {
    let Some(mut scene) = Scene::open(&["nvim", "pylsp"]) else { return };
    start(&mut scene, "tests/editors/neovim_retry.lua");
    scene.until("connected");
    println!("    -- the host is away");
    scene.sshd.leave();
    assert_eq!(scene.until("status"), "pylsp: link lost, :ReattachRetry");
    assert!(scene.until("notified").contains("`reattach retry` tries at once"));
    println!("    -- the host is back");
    scene.sshd.come_back();
    scene.tell("retry");
    assert!(scene.until("causes").contains("user"));
    assert_eq!(scene.until("status"), "");
    scene.end();
}
