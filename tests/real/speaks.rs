//! `--speaks`: whoever waits for an answer of a program that is gone gets one, in the program's own
//! framing, and nobody else notices that anything is followed.

use reattach::proto::verdict::EXIT_NOT_RUNNING;
use serde_json::{Value, json};

use crate::client::{Client, RESTLESS};
use crate::link::Link;
use crate::place::{Place, kill, wait_until};

const LSP: [&str; 2] = ["--speaks", "lsp"];
const LINES: [&str; 2] = ["--speaks", "jsonrpc-lines"];

/// Says its first word, and then writes down what it is told; its output stays open.
const SILENT: &str = r#"printf '%b' "$1"; cat > "$2""#;

fn lsp(message: &Value) -> String {
    let body = message.to_string();
    format!("Content-Length: {}\r\n\r\n{body}", body.len())
}

fn line(message: &Value) -> String {
    format!("{message}\n")
}

fn request(id: impl Into<Value>) -> Value {
    json!({"jsonrpc": "2.0", "id": id.into(), "method": "textDocument/hover", "params": {"id": 0}})
}

/// The messages of an output of either framing.
fn messages(output: &str) -> Vec<Value> {
    let bodies = output.split("Content-Length: ").flat_map(|part| match part.split_once("\r\n\r\n") {
        Some((length, body)) => {
            assert_eq!(length.parse(), Ok(body.len()), "{output}");
            vec![body]
        }
        None => part.lines().collect(),
    });
    bodies.map(|body| serde_json::from_str(body).unwrap_or_else(|why| panic!("{why}: {body}"))).collect()
}

/// The ids of the errors, each of which says why.
fn failed(messages: &[Value], why: &str) -> Vec<Value> {
    let id = |message: &Value| {
        assert_eq!(message["error"]["code"], -32000, "{message}");
        let sentence = message["error"]["message"].as_str().unwrap();
        assert!(sentence.starts_with("reattach: ") && sentence.contains(why), "{sentence}");
        message["id"].clone()
    };
    messages.iter().map(id).collect()
}

/// What the silent program was told so far.
fn told(place: &Place) -> String {
    std::fs::read_to_string(place.home().join("told")).unwrap_or_default()
}

fn silent(place: &Place, words: &[&str], first: &str) -> Client {
    let told = place.home().join("told");
    let program = ["sh", "-c", SILENT, "silent", first, told.to_str().unwrap()];
    Client::local(place, &[&["--id", "w"], words].concat(), &program)
}

#[test]
fn twenty_requests_of_a_language_client_get_twenty_errors_when_the_server_is_killed() {
    let place = Place::new();
    let welcome = lsp(&json!({"jsonrpc": "2.0", "id": 0, "result": {"capabilities": {}}}));
    let mut client = silent(&place, &LSP, &welcome.replace("\r\n", "\\r\\n"));
    let initialize = json!({"id": 0, "method": "initialize", "params": {"processId": 4711}});
    client.say(lsp(&initialize));
    client.hears(&welcome);
    client.say(lsp(&json!({"method": "initialized"})));
    let requests: String = (1..=20).map(|id| lsp(&request(id))).collect();
    client.say(&requests);
    wait_until("the program was asked", || told(&place).ends_with(&requests));
    assert!(
        told(&place)
            .starts_with(&lsp(&json!({"id": 0, "method": "initialize", "params": {"processId": null}})))
    );
    kill(place.server_pid("w").unwrap());
    let end = client.wait();
    assert_eq!(end.code(), Some(EXIT_NOT_RUNNING));
    let errors = messages(end.text().strip_prefix(&welcome).unwrap());
    assert_eq!(failed(&errors, "it crashed or was killed"), (1..=20).map(Value::from).collect::<Vec<_>>());
}

#[test]
fn twenty_requests_of_an_agent_get_twenty_errors_when_the_server_is_killed() {
    let place = Place::new();
    let mut client = silent(&place, &LINES, "");
    let ids: Vec<Value> = (0..20).map(|id| format!("call-{id}").into()).collect();
    let requests: String = ids.iter().map(|id| line(&request(id.clone()))).collect();
    client.say(&requests);
    wait_until("the program was asked", || told(&place) == requests);
    kill(place.server_pid("w").unwrap());
    let end = client.wait();
    assert_eq!(end.code(), Some(EXIT_NOT_RUNNING));
    assert_eq!(failed(&messages(&end.text()), "it crashed or was killed"), ids);
}

#[test]
fn half_an_answer_is_not_followed_by_errors_but_replaced_by_one() {
    let place = Place::new();
    let half = "Content-Length: 40\\r\\n\\r\\n{\\0042id\\0042:1,\\0042result\\0042:";
    let mut client = silent(&place, &LSP, half);
    client.until("Connected");
    client.say(lsp(&request(1)));
    wait_until("the program was asked", || told(&place) == lsp(&request(1)));
    kill(place.server_pid("w").unwrap());
    let end = client.wait();
    assert_eq!(failed(&messages(&end.text()), "killed"), [json!(1)]);
}

#[test]
fn what_is_asked_while_the_server_is_lost_is_answered_too() {
    let place = Place::new();
    let link = Link::new();
    let words = [&["--id", "w"], &RESTLESS[..], &LSP].concat();
    let mut client = link.client(&place, &words, &["sh", "-c", "cat > /dev/null"]);
    client.until("Connected");
    client.say(lsp(&request("before")));
    link.down();
    client.until("Reconnecting");
    client.say(lsp(&request("meanwhile")));
    kill(place.server_pid("w").unwrap());
    link.up();
    let end = client.wait();
    assert_eq!(end.code(), Some(EXIT_NOT_RUNNING));
    assert_eq!(failed(&messages(&end.text()), "killed"), [json!("before"), json!("meanwhile")]);
}

#[test]
fn a_first_request_learns_why_nobody_was_reached() {
    let place = Place::new();
    let command =
        place.connect(&["--via", "sh -c 'echo no such host >&2; exit 255'", "--speaks", "lsp", "--", "x"]);
    let mut client = Client::start(command);
    client.say(lsp(&json!({"id": 0, "method": "initialize", "params": {}})));
    let end = client.wait();
    assert_eq!(end.code(), Some(255));
    assert_eq!(failed(&messages(&end.text()), "no such host"), [json!(0)]);
}

#[test]
fn links_that_break_change_nothing_in_what_is_followed() {
    let place = Place::new();
    let link = Link::new();
    let mut client = link.client(&place, &[&RESTLESS[..], &LINES].concat(), &["cat"]);
    let mut expected = String::new();
    for number in 0..30 {
        client.until("Connected");
        let message = line(&json!({"id": number, "result": "x".repeat(number * 997)}));
        expected += &message;
        client.say(&message);
        client.hears(&expected);
        link.cut();
    }
    client.until("Connected");
    client.end_input();
    let end = client.wait();
    assert_eq!((end.code(), end.text()), (Some(0), expected));
}

#[test]
fn a_program_that_ends_by_itself_ends_as_it_would_here() {
    let place = Place::new();
    let mut client = Client::local(&place, &LSP, &["sh", "-c", "head -c 9; printf 'Content-L'; exit 7"]);
    client.say(&lsp(&request(1))[..9]);
    client.end_input();
    let end = client.wait();
    assert_eq!((end.code(), end.text()), (Some(7), "Content-LContent-L".to_owned()));
}

#[test]
fn a_program_that_speaks_something_else_is_carried_with_one_warning() {
    for words in [LSP, LINES] {
        let place = Place::new();
        let mut client = Client::local(&place, &words, &["cat"]);
        for number in 0..3 {
            client.say(format!("hello {number}\n"));
        }
        client.hears("hello 0\nhello 1\nhello 2\n");
        client.say("no end of a line");
        client.hears_last("no end of a line");
        client.end_input();
        let end = client.wait();
        assert_eq!(end.code(), Some(0));
        let said: Vec<_> = end.said.iter().filter(|line| line.contains("--speaks")).collect();
        assert_eq!(said.len(), 1, "{said:?}");
    }
}

#[test]
fn whoever_runs_out_of_patience_says_so_to_all_who_wait_and_drops_what_comes_too_late() {
    let place = Place::new();
    let link = Link::new();
    let patience = ["--id", "w", "--max-attempts", "1", "--patience", "1ms", "--network-notices", "off"];
    let answering = r#"read a; read b; printf '{"id":1,"result":0}\n{"id":2,"result":0}\n'; cat > /dev/null"#;
    let words = [&patience[..], &RESTLESS[..4], &LINES].concat();
    let mut client = link.client(&place, &words, &["sh", "-c", answering]);
    client.until("Connected");
    client.say(line(&request(1)));
    link.down();
    client.until("ReconnectExhausted");
    wait_until("the request is answered", || client.heard_bytes() > 0);
    let output = client.heard(1, |output| String::from_utf8_lossy(output).into_owned());
    assert_eq!(
        failed(&messages(&output), "the session is kept: `reattach retry w` tries at once"),
        [json!(1)]
    );
    link.up();
    client.signal("USR1");
    client.until("Connected");
    client.say(line(&request(2)));
    client.hears_last("{\"id\":2,\"result\":0}\n");
    client.end_input();
    let end = client.wait();
    assert_eq!((end.code(), end.text()), (Some(0), output + "{\"id\":2,\"result\":0}\n"));
}

#[test]
fn whoever_asks_after_patience_is_over_is_told_at_once() {
    let place = Place::new();
    let link = Link::new();
    let patience = ["--id", "w", "--max-attempts", "1", "--patience", "1ms", "--network-notices", "off"];
    let words = [&patience[..], &RESTLESS[..4], &["--try-on-input", "off"], &LINES].concat();
    let mut client = link.client(&place, &words, &["sh", "-c", "cat > /dev/null"]);
    client.until("Connected");
    link.down();
    client.until("ReconnectExhausted");
    for id in 1..=3_usize {
        client.say(line(&request(id)));
        client.hears_last("tries at once\"}}\n");
        wait_until("the request is answered", || client.lines().len() == id);
    }
    let output = client.heard(1, |output| String::from_utf8_lossy(output).into_owned());
    assert_eq!(failed(&messages(&output), "the session is kept"), [json!(1), json!(2), json!(3)]);
}

#[test]
fn what_is_asked_when_the_server_is_gone_already_is_answered_before_the_end() {
    let place = Place::new();
    let mut client = silent(&place, &LINES, "");
    client.until("Connected");
    client.signal("STOP");
    kill(place.server_pid("w").unwrap());
    let requests: String = (1..=500).map(|id| line(&request(id))).collect();
    client.say(&requests);
    client.signal("CONT");
    let end = client.wait();
    assert_eq!(end.code(), Some(EXIT_NOT_RUNNING));
    assert_eq!(failed(&messages(&end.text()), "killed"), (1..=500).map(Value::from).collect::<Vec<_>>());
}
