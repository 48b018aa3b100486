//! A tiny buffer server: what an editor keeps on a remote host, hosted in the server's own process.
//!
//! It answers one JSON request a message. A buffer that it does not know is an error, "unknown
//! buffer id": what a user would see if a reconnect ever ended at a fresh server.
//!
//! ```text
//! {"id":1,"open":"notes"}                      {"id":1,"buffer":1}
//! {"id":2,"append":{"buffer":1,"text":"hi"}}   {"id":2,"length":2}
//! {"id":3,"read":1}                            {"id":3,"text":"hi"}
//! {"id":4,"read":9}                            {"id":4,"error":"unknown buffer id 9"}
//! ```
//!
//! This program has all of `reattach-server`'s commands; `examples/editor.rs` starts it.

use std::collections::BTreeMap;
use std::process::ExitCode;

use reattach::{Application, Delivery, ProgramExit, Session};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Default)]
struct BufferServer {
    /// Name and text by number.
    buffers: BTreeMap<u64, (String, String)>,
}

#[derive(Deserialize)]
struct Request {
    id: u64,
    #[serde(flatten)]
    action: Action,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    Open(String),
    Append { buffer: u64, text: String },
    Read(u64),
}

impl Application for BufferServer {
    async fn run(mut self, session: Session) -> ProgramExit {
        while let Some(delivery) = session.receive().await {
            let answer = match delivery {
                Delivery::Message(message) => self.answer(&message),
                // The editor has said everything, or wants us gone.
                Delivery::InputEnded | Delivery::Signal(_) => break,
            };
            if !session.send(answer.to_string()).await {
                break;
            }
        }
        ProgramExit::Code(0)
    }
}

impl BufferServer {
    fn answer(&mut self, message: &[u8]) -> Value {
        let Request { id, action } = match serde_json::from_slice(message) {
            Ok(request) => request,
            Err(error) => return json!({ "error": format!("not a request: {error}") }),
        };
        let unknown = |buffer: u64| json!({ "id": id, "error": format!("unknown buffer id {buffer}") });
        match action {
            Action::Open(name) => {
                let buffer = self.buffers.len() as u64 + 1;
                self.buffers.insert(buffer, (name, String::new()));
                json!({ "id": id, "buffer": buffer })
            }
            Action::Append { buffer, text } => match self.buffers.get_mut(&buffer) {
                Some((_, content)) => {
                    content.push_str(&text);
                    json!({ "id": id, "length": content.len() })
                }
                None => unknown(buffer),
            },
            Action::Read(buffer) => match self.buffers.get(&buffer) {
                Some((_, content)) => json!({ "id": id, "text": content }),
                None => unknown(buffer),
            },
        }
    }
}

fn main() -> ExitCode {
    reattach::serve_main(std::env::args_os(), |_| Ok(BufferServer::default()))
}
