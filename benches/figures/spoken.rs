//! What it costs to follow what is said: messages to a hosted `cat` and back, with `--speaks` and without.

use std::io::{Read, Write};
use std::process::Stdio;

use anyhow::{Context, ensure};

use crate::place::{CLIENT, Hosted, Place};
use crate::rounds::Rounds;
use crate::stopwatch::Stopwatch;
use crate::table::{Aim, Table, Unit};

const BYTES: usize = 128 << 20;

pub(crate) fn both_ways(place: &Place, rounds: usize, table: &mut Table) -> anyhow::Result<()> {
    let note = |bytes: usize| {
        let head = r#"{"jsonrpc":"2.0","method":"note","params":{"text":""#;
        // As a program's text looks in JSON: a quote or a new line now and then.
        let text = r#"let x = \"some words\";\n"#.repeat(bytes / 24 + 1);
        format!("{head}{}\"}}}}", &text[..text.len().min(bytes.saturating_sub(head.len()) / 24 * 24)])
    };
    let line = |bytes| note(bytes) + "\n";
    let headed = |bytes| format!("Content-Length: {}\r\n\r\n{}", note(bytes).len(), note(bytes));
    let cases = [
        ("lines of some 100 bytes", "jsonrpc-lines", line(100)),
        ("lines of some 20 KB", "jsonrpc-lines", line(20_000)),
        ("messages of some 300 bytes with headers", "lsp", headed(300)),
        ("messages of some 20 KB with headers", "lsp", headed(20_000)),
    ];
    for (what, speech, message) in cases {
        let (mut with, mut without) = (Rounds::default(), Rounds::default());
        for _ in 0..rounds {
            with.push(echo(place, &["--speaks", speech], message.as_bytes())?);
            without.push(echo(place, &[], message.as_bytes())?);
        }
        let what = format!("{what}, local, to a hosted cat and back, with `--speaks {speech}`");
        let baseline = ("the same without", &without);
        table.compare(&what, Unit::BytesASecond, &with, baseline, Aim::None);
    }
    Ok(())
}

/// Bytes a second.
fn echo(place: &Place, words: &[&str], message: &[u8]) -> anyhow::Result<f64> {
    let mut command = place.command(CLIENT);
    command.args(["connect", "--local"]).args(words);
    Hosted::Program(&["cat"]).add_to(&mut command);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut input = child.stdin.take().context("it was piped")?;
    let mut output = child.stdout.take().context("it was piped")?;
    input.write_all(message)?;
    let mut chunk = vec![0; 256 << 10];
    output.read_exact(&mut chunk[..message.len()])?;
    let many = message.repeat((256 << 10) / message.len() + 1);
    let times = BYTES / many.len();
    let watch = Stopwatch::start();
    let writer =
        std::thread::spawn(move || (0..times).try_for_each(|_| input.write_all(&many)).map(|()| many.len()));
    let mut count = 0;
    loop {
        match output.read(&mut chunk)? {
            0 => break,
            read => count += read,
        }
    }
    let rate = watch.rate(count);
    let written = writer.join().expect("it does not panic")? * times;
    ensure!(count == written && child.wait()?.success(), "{count} bytes came of {written}");
    Ok(rate)
}
