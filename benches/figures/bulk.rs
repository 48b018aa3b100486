//! Bulk: as many bytes as there are, to an echo and back.

use crate::echo::Echo;
use crate::place::{Hosted, Place};
use crate::rounds::Rounds;
use crate::socat::Socket;
use crate::sshd::Sshd;
use crate::table::{Aim, Table, Unit};

const LOCAL_BYTES: usize = 256 << 20;
const SSH_BYTES: usize = 96 << 20;

/// Bytes that may be on the way at once. `socat` writes without looking whether anything wants to
/// be read, so with more than fits between it and the echo both wait for each other for ever.
const AHEAD: usize = 128 << 10;
/// Ours does look.
const FAR_AHEAD: usize = usize::MAX / 2;

/// An echo in the server, against one socat and the least echo that there can be; and a hosted
/// `cat`, against two socats and `cat`.
pub(crate) fn local(place: &Place, rounds: usize, table: &mut Table) -> anyhow::Result<()> {
    let thread = Socket::of_thread(place.path())?;
    let cat = Socket::of_cat(place.path())?;
    let ours = |hosted| Echo::start(place.connect_local(hosted));
    let mut echoes = [
        (ours(Hosted::Echo)?, AHEAD),
        (ours(Hosted::Echo)?, FAR_AHEAD),
        (Echo::start(thread.command()?)?, AHEAD),
        (ours(Hosted::Program(&["cat"]))?, AHEAD),
        (ours(Hosted::Program(&["cat"]))?, FAR_AHEAD),
        (Echo::start(cat.command()?)?, AHEAD),
    ];
    let [echo, echo_far, thread, program, program_far, cat] = measure(&mut echoes, rounds, LOCAL_BYTES)?;
    let thread = ("socat to a thread that writes what it reads", &thread);
    let cat = ("socat to socat EXEC:cat", &cat);
    let rows = [
        ("an echo in the server, 128 KiB ahead", &echo, thread),
        ("an echo in the server, as far ahead as it takes", &echo_far, thread),
        ("a hosted cat, 128 KiB ahead", &program, cat),
        ("a hosted cat, as far ahead as it takes", &program_far, cat),
    ];
    for (what, ours, baseline) in rows {
        let what = format!("bulk, local, {what}");
        table.compare(&what, Unit::BytesASecond, ours, baseline, Aim::AtLeast(1.0));
    }
    Ok(())
}

/// Over ssh, against ssh alone: in sessions that have just begun, for which ssh has yet to find its
/// pace, and in one that has.
pub(crate) fn over_ssh(place: &Place, rounds: usize, table: &mut Table) -> anyhow::Result<()> {
    let sshd = Sshd::start(place)?;
    let start = || -> anyhow::Result<[(Echo, usize); 2]> {
        let ours = Echo::start(sshd.connect(place, Hosted::Program(&["cat"])))?;
        let ssh = Echo::start(sshd.command(&["cat"]))?;
        Ok([(ours, FAR_AHEAD), (ssh, FAR_AHEAD)])
    };
    let mut fresh: [Rounds; 2] = std::array::from_fn(|_| Rounds::default());
    for _ in 0..rounds {
        let first = measure(&mut start()?, 1, SSH_BYTES)?;
        for (all, first) in fresh.iter_mut().zip(first) {
            all.push(first.median());
        }
    }
    let lasting = measure(&mut start()?, rounds, SSH_BYTES)?;
    for (what, [ours, ssh]) in [("the first 96 MiB", &fresh), ("one session for all", &lasting)] {
        let aim = Aim::AtLeastWithFloor(0.9, 0.75);
        let what = format!("bulk, over ssh, {what}");
        table.compare(&what, Unit::BytesASecond, ours, ("ssh HOST cat", ssh), aim);
    }
    Ok(())
}

/// In turns, each with as many bytes ahead as it takes.
fn measure<const N: usize>(
    echoes: &mut [(Echo, usize); N],
    rounds: usize,
    bytes: usize,
) -> anyhow::Result<[Rounds; N]> {
    let mut results = std::array::from_fn(|_| Rounds::default());
    for _ in 0..rounds {
        for ((echo, ahead), result) in echoes.iter_mut().zip(&mut results) {
            result.push(echo.bulk(bytes, *ahead)?);
        }
    }
    Ok(results)
}
