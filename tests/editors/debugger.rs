//! A debug adapter on the host: a program there stays stopped at its line while the link is cut.

use crate::packages;
use crate::scene::{Scene, recipe, source};

#[test]
#[ignore = "needs editors: see main.rs"]
fn a_debugger_keeps_its_program_stopped_at_its_line() {
    let Some(mut scene) = Scene::open(&["python3"]) else { return };
    let Some(python) = packages::python() else { return };
    let command = recipe("Debug adapters", "sh").replace("python3", python.to_str().unwrap());
    let mut debugger = scene.command("python3");
    debugger.arg(source("tests/editors/dap_client.py")).arg(command.trim()).arg("main.py");
    scene.start(debugger);
    assert_eq!(scene.until("stopped"), "main.py:1");
    println!("    -- the link is cut");
    scene.sshd.leave();
    scene.tell("cut");
    scene.until("asked");
    scene.sshd.come_back();
    assert_eq!(scene.until("stopped"), "main.py:4");
    println!("    -- the server is killed");
    scene.kill_server();
    assert_eq!(scene.until("ended"), "90");
    assert!(scene.until("said").contains("it crashed or was killed"));
    scene.end();
}
