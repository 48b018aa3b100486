//! Bulk: as many bytes as there are, to an echo and back.

use crate::echo::Echo;
use crate::place::Place;
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

/// Client, proxy, server and `cat`, against two socats and `cat`, and against one socat and the
/// least echo that there can be.
pub(crate) fn local(place: &Place, rounds: usize, table: &mut Table) -> anyhow::Result<()> {
    let cat = Socket::of_cat(place.path())?;
    let thread = Socket::of_thread(place.path())?;
    let mut echoes = [
        (Echo::start(place.connect_local(&["cat"]))?, AHEAD),
        (Echo::start(cat.command()?)?, AHEAD),
        (Echo::start(thread.command()?)?, AHEAD),
        (Echo::start(place.connect_local(&["cat"]))?, FAR_AHEAD),
    ];
    let [ours, cat, thread, unbounded] = measure(&mut echoes, rounds, LOCAL_BYTES)?;
    let what = "bulk, local, 128 KiB ahead";
    let baseline = ("socat to socat EXEC:cat", &cat);
    table.compare(what, Unit::BytesASecond, &ours, baseline, Aim::AtLeast(1.0));
    let baseline = ("socat to a bare echo thread: two processes fewer", &thread);
    table.compare(what, Unit::BytesASecond, &ours, baseline, Aim::None);
    let what = "bulk, local, as far ahead as it takes";
    let baseline = ("socat to socat EXEC:cat, which takes 128 KiB", &cat);
    table.compare(what, Unit::BytesASecond, &unbounded, baseline, Aim::AtLeast(1.0));
    Ok(())
}

/// Over ssh, against ssh alone.
pub(crate) fn over_ssh(place: &Place, rounds: usize, table: &mut Table) -> anyhow::Result<()> {
    let sshd = Sshd::start(place)?;
    let mut echoes = [
        (Echo::start(sshd.connect(place, &["cat"]))?, FAR_AHEAD),
        (Echo::start(sshd.command(&["cat"]))?, FAR_AHEAD),
    ];
    let [ours, ssh] = measure(&mut echoes, rounds, SSH_BYTES)?;
    let aim = Aim::AtLeastWithFloor(0.9, 0.75);
    table.compare("bulk, over ssh", Unit::BytesASecond, &ours, ("ssh HOST cat", &ssh), aim);
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
