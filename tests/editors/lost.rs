//! Real servers that are killed while twenty requests are open, and what ends a server that looks for its
//! editor's process.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::client::{Client, Ended};
use crate::place::wait;
use crate::scene::Scene;

fn lsp(message: &Value) -> String {
    let body = message.to_string();
    format!("Content-Length: {}\r\n\r\n{body}", body.len())
}

fn initialize(process_id: u32) -> String {
    let params = json!({"processId": process_id, "rootUri": null, "capabilities": {}});
    lsp(&json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}))
}

/// A client whose language server is asked for its welcome.
fn start(scene: &Scene, words: &[&str], process_id: u32) -> Client {
    let mut command = scene.command("reattach");
    command.args(["connect", "devbox", "--speaks", "lsp", "--log-format", "json"]).args(words);
    let mut client = Client::start(command);
    client.until("Connected");
    client.say(initialize(process_id));
    client
}

/// Waits for that.
fn welcome(client: &mut Client) {
    client.heard(200, |_| ());
    client.say(lsp(&json!({"jsonrpc": "2.0", "method": "initialized", "params": {}})));
}

fn bodies(end: &Ended) -> Vec<Value> {
    let text = end.text();
    let parts = text.split("Content-Length: ").filter(|part| !part.is_empty());
    parts.map(|part| serde_json::from_str(part.split_once("\r\n\r\n").unwrap().1).unwrap()).collect()
}

/// A number of no process.
const NOBODY: u32 = 1 << 30;

#[test]
#[ignore = "needs editors: see main.rs"]
fn twenty_open_requests_of_real_language_servers_get_twenty_errors() {
    for program in ["pylsp", "clangd"] {
        let Some(scene) = Scene::open(&[program]) else { return };
        let mut client = start(&scene, &["--", program], NOBODY);
        welcome(&mut client);
        scene.stop_program();
        for id in 1..=20 {
            let params =
                json!({"textDocument": {"uri": "file:///x"}, "position": {"line": 0, "character": 0}});
            let method = "textDocument/hover";
            client.say(lsp(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})));
        }
        scene.kill_server();
        let end = client.wait();
        assert_eq!(end.code(), Some(90));
        let all = bodies(&end);
        let errors = all.iter().filter(|message| message["error"]["code"] == -32000);
        let ids: Vec<u64> = errors.map(|message| message["id"].as_u64().unwrap()).collect();
        assert_eq!(ids.len(), 20, "{program}");
        assert_eq!(ids.into_iter().collect::<BTreeSet<_>>(), (1..=20).collect());
        println!("    {program}: {}", all.last().unwrap());
    }
}

#[test]
#[ignore = "needs editors: see main.rs"]
fn a_server_that_looks_for_its_editor_does_not_end_itself_on_another_machine() {
    let Some(scene) = Scene::open(&["pylsp"]) else { return };
    let watchful = ["--", "pylsp", "--check-parent-process"];
    let told = start(&scene, &[&["--keep-process-id"], &watchful[..]].concat(), NOBODY);
    let ended = told.wait();
    println!("    told of a process that is not there, pylsp ends: {:?}", ended.code());
    let mut client = start(&scene, &watchful, NOBODY);
    welcome(&mut client);
    // It looks every ten seconds.
    wait(std::time::Duration::from_secs(25));
    client.say(lsp(&json!({"jsonrpc": "2.0", "id": "late", "method": "shutdown"})));
    client.hears_last(r#"{"jsonrpc":"2.0","id":"late","result":null}"#);
}
