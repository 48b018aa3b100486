//! Small messages, one way: each of them numbered, kept, carried, confirmed.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;

use anyhow::{Context, ensure};
use bytes::Bytes;
use reattach::{Route, Target};

use crate::library::with_client;
use crate::place::{Hosted, Place, SERVER};
use crate::rounds::Rounds;
use crate::stopwatch::Stopwatch;
use crate::table::{Aim, Table, Unit};

const MESSAGES: usize = 2_000_000;
const MESSAGE_BYTES: usize = 100;
const AIM: f64 = 1e6;

pub(crate) fn one_way(place: &Place, rounds: usize, table: &mut Table) -> anyhow::Result<()> {
    let (mut library, mut lines) = (Rounds::default(), Rounds::default());
    for round in 0..rounds {
        library.push(through_library(place, &format!("messages-{round}"))?);
        lines.push(through_connect(place)?);
    }
    let what = "100-byte messages one way, local, `Client::send` to `flush`";
    table.bound(what, Unit::MessagesASecond, &library, AIM, Aim::AtLeast(1.0));
    let what = "100-byte lines one way, local, through `reattach connect`";
    table.bound(what, Unit::MessagesASecond, &lines, AIM, Aim::AtLeast(1.0));
    Ok(())
}

/// A message a line, handed to the library one by one, until all are confirmed.
fn through_library(place: &Place, identifier: &str) -> anyhow::Result<f64> {
    // Through `env`, because the server's home is a place of its own.
    let home = format!("HOME={}", place.path().display());
    let route = Route::Via(vec!["env".into(), home.into()]);
    let mut target = Target::new(route, SERVER, identifier).ephemeral();
    target.command = ["sh", "-c", "cat >/dev/null"].map(Into::into).into();
    let message = Bytes::from(vec![b'm'; MESSAGE_BYTES]);
    with_client(target, async |client| {
        client.send(message.clone()).await?;
        let gone = |status| anyhow::anyhow!("the session ended: {status}");
        client.flush().await.map_err(gone)?;
        let watch = Stopwatch::start();
        for _ in 0..MESSAGES {
            client.send(message.clone()).await?;
        }
        client.flush().await.map_err(gone)?;
        Ok(watch.rate(MESSAGES))
    })
}

/// The same as a stream of lines through pipes, until the hosted program has counted them.
fn through_connect(place: &Place) -> anyhow::Result<f64> {
    let mut line = [b'l'; MESSAGE_BYTES];
    line[MESSAGE_BYTES - 1] = b'\n';
    let lines = line.repeat(1000);
    let mut child = place
        .connect_local(Hosted::Program(&["sh", "-c", "echo ready; exec wc -c"]))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut input = child.stdin.take().context("it was piped")?;
    let mut output = BufReader::new(child.stdout.take().context("it was piped")?);
    let mut said = String::new();
    output.read_line(&mut said)?;
    let watch = Stopwatch::start();
    for _ in 0..MESSAGES / 1000 {
        input.write_all(&lines)?;
    }
    drop(input);
    said.clear();
    output.read_to_string(&mut said)?;
    let rate = watch.rate(MESSAGES);
    child.wait()?;
    ensure!(said.trim() == (MESSAGES * MESSAGE_BYTES).to_string(), "{said:?} bytes arrived");
    Ok(rate)
}
