//! A server that has nothing to do: what it keeps, and how often it stirs.

use std::time::Duration;

use anyhow::Context;

use crate::echo::Echo;
use crate::place::{CLIENT, Place};
use crate::processes::Process;
use crate::rounds::Rounds;
use crate::stopwatch::let_pass;
use crate::table::{Aim, Table, Unit};

const RESIDENT_BYTES_MAX: f64 = (4 << 20) as f64;
/// What was started has come to rest: the last of the deadlines of an attachment has passed.
const SETTLING: Duration = Duration::from_secs(6);
const COUNTED: Duration = Duration::from_secs(60);
/// The client asks every five seconds, and the server wakes up to answer; every 25 to 30 seconds
/// it looks whether the client still asks.
const HEARTBEATS_A_MINUTE: f64 = 12.0 + 3.0;
/// A session's worth of work before the rest.
const WORK_BYTES: usize = 64 << 20;

const IDENTIFIER: &str = "idle";

/// One life, whatever the rounds: it is told by counts, not by times.
#[expect(clippy::cast_precision_loss, reason = "figures for people")]
pub(crate) fn server(place: &Place, _rounds: usize, table: &mut Table) -> anyhow::Result<()> {
    let mut command = place.command(CLIENT);
    command.args(["connect", "--local", "--id", IDENTIFIER, "--", "cat"]);
    let mut echo = Echo::start(command)?;
    let status = place.ask_server(&["status", IDENTIFIER])?;
    let pid = status["pid"].as_u64().context("the server runs")?;
    let server = Process(pid.try_into()?);
    let once = |value: f64| {
        let mut rounds = Rounds::default();
        rounds.push(value);
        rounds
    };
    let memory = |when: &str, table: &mut Table| -> anyhow::Result<()> {
        let resident = once(server.resident_bytes()? as f64);
        let what = format!("server, {when}: resident");
        table.bound(&what, Unit::Bytes, &resident, RESIDENT_BYTES_MAX, Aim::AtMost(1.0));
        let private = once(server.private_bytes()? as f64);
        let what = format!("server, {when}: of that, its own");
        table.bound(&what, Unit::Bytes, &private, RESIDENT_BYTES_MAX, Aim::None);
        Ok(())
    };
    let wakeups = |when: &str, most: f64, table: &mut Table| -> anyhow::Result<()> {
        let before = server.sleeps()?;
        let_pass(COUNTED);
        let count = once((server.sleeps()? - before) as f64 * 60.0 / COUNTED.as_secs_f64());
        let what = format!("server, {when}: wake-ups");
        table.bound(&what, Unit::TimesAMinute, &count, most, Aim::AtMost(1.0));
        Ok(())
    };

    let_pass(SETTLING);
    memory("attached, idle from the start", table)?;
    wakeups("attached, idle", HEARTBEATS_A_MINUTE, table)?;
    echo.bulk(WORK_BYTES, WORK_BYTES)?;
    let_pass(SETTLING);
    memory("attached, idle after bulk", table)?;

    // The client dies without a word, and its server is left alone.
    Process(echo.pid()).kill()?;
    drop(echo);
    let_pass(SETTLING);
    memory("detached", table)?;
    // One a minute would not be seen as none.
    wakeups("detached", 1.0, table)?;
    place.ask_server(&["stop", IDENTIFIER])?;
    Ok(())
}
