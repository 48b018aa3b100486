//! An editor-like client of `buffer_server`: the buffers live in the server, and survive the link.
//!
//! ```text
//! cargo build --examples
//! cargo run --example editor             # on this machine
//! cargo run --example editor devbox      # over ssh, with buffer_server in the PATH there
//! ```
//!
//! Commands, a line each: `open NAME`, `append BUFFER TEXT`, `read BUFFER`, `retry`, `quit`.
//! States are shown as they change: kill the proxy (`pkill -f 'buffer_server proxy'`), and go on.

use std::io::Write;

use futures::AsyncBufReadExt;
use futures::StreamExt;
use reattach::{Client, ClientConfig, NetworkChanges, Received, Route, Target};
use serde_json::{Value, json};
use smol::future::or;

fn main() -> anyhow::Result<()> {
    let target = match std::env::args().nth(1) {
        Some(host) => {
            Target::new(Route::Ssh { host, arguments: Vec::new() }, "buffer_server", name()).ephemeral()
        }
        None => {
            let server = std::env::current_exe()?.with_file_name("buffer_server");
            Target::new(Route::Local, server, name()).ephemeral()
        }
    };
    let (client, driver) = Client::connect(target, ClientConfig::default());
    let executor = smol::LocalExecutor::new();
    let driver = executor.spawn(driver);
    smol::block_on(executor.run(async {
        let result = or(or(edit(&client), watch(&client)), heed_network(&client)).await;
        client.close();
        drop(client);
        driver.await;
        result
    }))
}

/// A name that no other editor uses.
fn name() -> String {
    format!("editor-{:032x}", reattach::io::random::id())
}

async fn edit(client: &Client) -> anyhow::Result<()> {
    let mut lines = futures::io::BufReader::new(smol::Unblock::new(std::io::stdin())).lines();
    for id in 1u64.. {
        print!("> ");
        std::io::stdout().flush()?;
        let Some(line) = lines.next().await else { break };
        let line = line?;
        let request = match line.split_whitespace().collect::<Vec<_>>()[..] {
            [] => continue,
            ["quit"] => break,
            ["retry"] => {
                client.retry();
                continue;
            }
            ["open", name] => json!({ "id": id, "open": name }),
            ["append", buffer, ref text @ ..] => {
                json!({ "id": id, "append": { "buffer": buffer.parse::<u64>()?, "text": text.join(" ") } })
            }
            ["read", buffer] => json!({ "id": id, "read": buffer.parse::<u64>()? }),
            _ => {
                println!("open NAME, append BUFFER TEXT, read BUFFER, retry, quit");
                continue;
            }
        };
        println!("{}", ask(client, &request).await?);
    }
    Ok(())
}

/// Sends a request and waits for its answer, however often the link breaks meanwhile.
async fn ask(client: &Client, request: &Value) -> anyhow::Result<Value> {
    client.send(request.to_string()).await?;
    while let Some(delivery) = client.receive().await {
        if let Received::Data(_, bytes) = delivery {
            let answer: Value = serde_json::from_slice(&bytes)?;
            if answer["id"] == request["id"] {
                return Ok(answer);
            }
        }
    }
    anyhow::bail!("the session is over: {}", client.status())
}

/// Tells the client when the kernel says that the network has changed; where it says nothing, the client
/// comes back a little later.
async fn heed_network(client: &Client) -> anyhow::Result<()> {
    if let Ok(mut changes) = NetworkChanges::listen() {
        while changes.next().await.is_some() {
            client.network_up();
        }
    }
    std::future::pending().await
}

/// Shows the states; ends with the session.
async fn watch(client: &Client) -> anyhow::Result<()> {
    let mut change = client.last_change();
    loop {
        eprintln!("[{} ({})]", change.status, change.cause);
        if change.status.is_final() {
            anyhow::bail!("the session is over: {}", change.status);
        }
        change = client.changed(&change).await;
    }
}
