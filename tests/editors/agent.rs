//! An agent that calls tools on the host, by the official library of the Model Context Protocol.

use std::fs;

use crate::packages;
use crate::scene::{Scene, recipe, source};

#[test]
#[ignore = "needs editors: see main.rs"]
fn an_agent_keeps_its_tools_and_twenty_calls_fail_with_the_reason_when_they_are_gone() {
    let Some(mut scene) = Scene::open(&["python3"]) else { return };
    let Some(python) = packages::python() else { return };
    let config = recipe("Agents (MCP)", "json").replace("python3", python.to_str().unwrap());
    let config = config.replace("tools.py", source("tests/editors/mcp_server.py").to_str().unwrap());
    let file = scene.place.home().join("mcp.json");
    fs::write(&file, config).unwrap();
    let mut agent = scene.command(python.to_str().unwrap());
    agent.arg(source("tests/editors/mcp_client.py")).arg(file);
    scene.start(agent);
    assert_eq!(scene.until("sum"), "5");
    let server = scene.server();
    println!("    -- the link is cut");
    scene.sshd.leave();
    scene.tell("cut");
    scene.until("asked");
    scene.sshd.come_back();
    assert_eq!(scene.until("sum"), "42");
    assert_eq!(scene.server(), server);
    scene.tell("ask");
    scene.until("asked");
    println!("    -- the server is killed");
    scene.kill_server();
    assert!(scene.until("failed").starts_with("20 "));
    assert!(scene.until("because").contains("it crashed or was killed"));
    scene.end();
}
