//! Editors that are configured, not driven: the words that their configuration has reach a server.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::scene::{Scene, recipe};

/// Its answer to a first request, by somebody who says that the editor is a process that is not there.
fn initialize(mut command: Command) -> Value {
    struct Server(Child);
    impl Drop for Server {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
    let mut server = Server(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap());
    let params = json!({"processId": 1 << 30, "rootUri": null, "capabilities": {}});
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}).to_string();
    let input = server.0.stdin.as_mut().unwrap();
    write!(input, "Content-Length: {}\r\n\r\n{request}", request.len()).unwrap();
    let mut output = BufReader::new(server.0.stdout.take().unwrap());
    let mut length = 0;
    loop {
        let mut line = String::new();
        assert!(output.read_line(&mut line).unwrap() > 0, "the server ended");
        match line.trim_end().strip_prefix("Content-Length: ") {
            Some(digits) => length = digits.parse().unwrap(),
            None if line.trim_end().is_empty() => break,
            None => {}
        }
    }
    let mut body = vec![0; length];
    output.read_exact(&mut body).unwrap();
    serde_json::from_slice(&body).unwrap()
}

fn is_welcome(command: Command) {
    let words = format!("{command:?}");
    let answer = initialize(command);
    assert!(answer["result"]["capabilities"]["hoverProvider"] != Value::Null, "{words}: {answer}");
    println!("    {} answers", words.split('"').nth_back(1).unwrap());
}

fn words_of(scene: &Scene, program: &str, arguments: &Value) -> Command {
    assert_eq!(program, "reattach");
    let mut command = scene.command(program);
    command.args(arguments.as_array().unwrap().iter().map(|word| word.as_str().unwrap()));
    command
}

#[test]
#[ignore = "needs editors: see main.rs"]
fn helix_and_kakoune_are_configured_with_words_that_work() {
    for heading in ["Helix", "Kakoune"] {
        let Some(scene) = Scene::open(&["pylsp"]) else { return };
        let config = recipe(heading, "toml");
        let value = |name: &str| -> Value {
            let line = config.lines().find_map(|line| line.strip_prefix(&format!("{name} = "))).unwrap();
            serde_json::from_str(line).unwrap()
        };
        println!("    {heading}");
        is_welcome(words_of(&scene, value("command").as_str().unwrap(), &value("args")));
    }
}

#[test]
#[ignore = "needs editors: see main.rs"]
fn zed_is_configured_with_words_that_work() {
    let Some(scene) = Scene::open(&["clangd"]) else { return };
    let config: Value = serde_json::from_str(&recipe("Zed", "json")).unwrap();
    let binary = &config["lsp"]["clangd"]["binary"];
    println!("    Zed");
    is_welcome(words_of(&scene, binary["path"].as_str().unwrap(), &binary["arguments"]));
}
