//! VS Code's own library for language servers, with the program that its recipe has; the editor itself
//! needs a screen.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::packages;
use crate::scene::{Scene, recipe, source};

#[test]
#[ignore = "needs editors: see main.rs"]
fn the_library_of_vs_code_keeps_its_language_server_and_learns_when_it_is_gone() {
    let Some(mut scene) = Scene::open(&["node", "npm", "clangd"]) else { return };
    let Some(modules) = packages::node_modules() else { return };
    let config: Value = serde_json::from_str(&recipe("VS Code", "json")).unwrap();
    let path = config["clangd.path"].as_str().unwrap().strip_prefix("~/").unwrap();
    let program = scene.place.home().join(path);
    fs::write(&program, recipe("VS Code", "sh")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(scene.project().join("main.c"), "int greet(void) { return missing; }\n").unwrap();
    let mut node = scene.command("node");
    node.env("NODE_PATH", modules).arg(source("tests/editors/vs_code_client.js")).arg(program).arg("main.c");
    scene.start(node);
    assert!(scene.until("diagnostics").contains("missing"));
    assert!(scene.until("hover").contains("greet"));
    let server = scene.server();
    println!("    -- the link is cut, and the host is away");
    scene.sshd.leave();
    scene.tell("cut");
    scene.until("edited");
    println!("    -- the host is back");
    scene.sshd.come_back();
    assert!(scene.until("diagnostics").contains("nobody"));
    assert_eq!(scene.server(), server);
    scene.stop_program();
    scene.tell("ask");
    scene.until("asked");
    println!("    -- the server is killed");
    scene.kill_server();
    assert!(scene.until("error").contains("it crashed or was killed"));
    assert_eq!(scene.until("ended"), "90");
    scene.end();
}
