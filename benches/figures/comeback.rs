//! From a killed link to an answer: the longest that a broken link should be felt.

use std::process::Stdio;

use anyhow::ensure;

use crate::echo::Echo;
use crate::place::{Hosted, Place};
use crate::processes::Process;
use crate::rounds::Rounds;
use crate::sshd::Sshd;
use crate::stopwatch::Stopwatch;
use crate::table::{Aim, Table, Unit};

/// The kill of the ssh process, to the echo of what was sent after it; against a whole `ssh HOST true`.
pub(crate) fn from_a_killed_link(place: &Place, rounds: usize, table: &mut Table) -> anyhow::Result<()> {
    let sshd = Sshd::start(place)?;
    let (mut ours, mut ssh) = (Rounds::default(), Rounds::default());
    // Single events vary more than what is repeated within a round.
    for _ in 0..rounds * 3 {
        // A session each: only the first retry after a stable time is immediate.
        let mut command = sshd.connect(place, Hosted::Program(&["cat"]));
        // It says that the link is lost, and is right.
        command.stderr(Stdio::null());
        let mut echo = Echo::start(command)?;
        let link = Process(echo.pid()).child("ssh")?;
        let watch = Stopwatch::start();
        link.kill()?;
        echo.ping()?;
        ours.push(watch.elapsed().as_secs_f64());
        drop(echo);

        let watch = Stopwatch::start();
        ensure!(sshd.command(&["true"]).status()?.success(), "ssh failed");
        ssh.push(watch.elapsed().as_secs_f64());
    }
    let what = "killed ssh to an answer through a new one";
    table.compare(what, Unit::Seconds, &ours, ("ssh HOST true", &ssh), Aim::AtMost(1.2));
    Ok(())
}
