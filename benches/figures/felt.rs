//! What is felt behind bulk on a slow link: a keystroke that ends a flood; and bulk on a long one.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};

use crate::echo::Echo;
use crate::place::{Hosted, Place};
use crate::rounds::Rounds;
use crate::sshd::Sshd;
use crate::stopwatch::Stopwatch;
use crate::table::{Aim, Table, Unit};
use crate::wire::Wire;

/// Says as much as is taken until it is told something.
const FLOOD: &str = "yes flood & read -r word; kill $!; wait; echo ended";

/// What has come before the keystroke: seconds of it.
const FLOOD_SECONDS: u64 = 4;

/// Bytes there and back on a long link.
const LONG_BYTES: usize = 32 << 20;

/// From a keystroke to the end of the flood that it ends, through `reattach connect HOST` and `ssh HOST`, both
/// over a wire of their own that carries so much.
pub(crate) fn behind_a_flood(place: &Place, rounds: usize, table: &mut Table) -> anyhow::Result<()> {
    for (rate, name) in [(20_000, "20 kB/s"), (100_000, "100 kB/s"), (1_000_000, "1 MB/s")] {
        let sshd = Sshd::start_over(place, Some(Wire { rate, delay: Duration::from_millis(10) }))?;
        let (mut ours, mut ssh) = (Rounds::default(), Rounds::default());
        // ssh's buffers last for minutes on the slowest.
        for _ in 0..if rate < 1_000_000 { 1 } else { rounds.min(3) } {
            ours.push(end_flood(sshd.connect(place, Hosted::Program(&["sh", "-c", FLOOD])), rate)?);
            ssh.push(end_flood(sshd.command(&[&format!("sh -c '{FLOOD}'")]), rate)?);
        }
        let what = format!("a keystroke that ends a flood, {name}");
        table.compare(&what, Unit::Seconds, &ours, ("ssh HOST", &ssh), Aim::None);
        let what = format!("{what}, in seconds");
        table.bound(&what, Unit::Seconds, &ours, 3.0, Aim::AtMost(1.0));
    }
    Ok(())
}

/// Bulk there and back with a round trip of 100 ms, in sessions that have just begun and in one that lasts.
pub(crate) fn on_a_long_link(place: &Place, rounds: usize, table: &mut Table) -> anyhow::Result<()> {
    let wire = Wire { rate: 50_000_000, delay: Duration::from_millis(50) };
    let sshd = Sshd::start_over(place, Some(wire))?;
    let (mut fresh, mut lasting) =
        ([Rounds::default(), Rounds::default()], [Rounds::default(), Rounds::default()]);
    for _ in 0..rounds.min(3) {
        for (side, command) in
            [sshd.connect(place, Hosted::Program(&["cat"])), sshd.command(&["cat"])].into_iter().enumerate()
        {
            let mut echo = Echo::start(command)?;
            fresh[side].push(echo.bulk(LONG_BYTES, usize::MAX / 2)?);
            lasting[side].push(echo.bulk(LONG_BYTES, usize::MAX / 2)?);
        }
    }
    for (what, [ours, ssh]) in [("the first 32 MiB", &fresh), ("the next", &lasting)] {
        let what = format!("bulk, over ssh, 100 ms there and back, {what}");
        table.compare(&what, Unit::BytesASecond, ours, ("ssh HOST cat", ssh), Aim::AtLeast(0.9));
    }
    Ok(())
}

/// Seconds from a keystroke to the end of all output.
fn end_flood(mut command: Command, rate: u64) -> anyhow::Result<f64> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let (mut input, mut output) =
        (child.stdin.take().context("it was piped")?, child.stdout.take().context("it was piped")?);
    let mut bytes = vec![0; usize::try_from(rate * FLOOD_SECONDS)?];
    output.read_exact(&mut bytes)?;
    let watch = Stopwatch::start();
    input.write_all(b"enough\n")?;
    bytes.clear();
    output.read_to_end(&mut bytes)?;
    let took = watch.elapsed().as_secs_f64();
    ensure!(bytes.ends_with(b"ended\n"), "the flood did not end as it should");
    drop(input);
    child.wait()?;
    Ok(took)
}
