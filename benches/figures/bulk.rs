//! Bulk: as many bytes as there are, to an echo and back.

use crate::echo::Echo;
use crate::place::Place;
use crate::rounds::Rounds;
use crate::socat::Socket;
use crate::sshd::Sshd;
use crate::table::{Aim, Table, Unit};

const LOCAL_BYTES: usize = 256 << 20;
const SSH_BYTES: usize = 96 << 20;

/// Client, proxy, server and `cat`, against two socats and `cat`, and against one socat and the
/// least echo that there can be.
pub(crate) fn local(place: &Place, rounds: usize, table: &mut Table) -> anyhow::Result<()> {
    let cat = Socket::of_cat(place.path())?;
    let thread = Socket::of_thread(place.path())?;
    let mut echoes = [
        Echo::start(place.connect_local(&["cat"]))?,
        Echo::start(cat.command()?)?,
        Echo::start(thread.command()?)?,
    ];
    let [ours, cat, thread] = measure(&mut echoes, rounds, LOCAL_BYTES)?;
    let baseline = ("socat to socat EXEC:cat", &cat);
    table.compare("bulk, local", Unit::BytesASecond, &ours, baseline, Aim::AtLeast(1.0));
    let baseline = ("socat to a bare echo thread: two processes fewer", &thread);
    table.compare("bulk, local", Unit::BytesASecond, &ours, baseline, Aim::None);
    Ok(())
}

/// Over ssh, against ssh alone.
pub(crate) fn over_ssh(place: &Place, rounds: usize, table: &mut Table) -> anyhow::Result<()> {
    let sshd = Sshd::start(place)?;
    let mut echoes = [Echo::start(sshd.connect(place, &["cat"]))?, Echo::start(sshd.command(&["cat"]))?];
    let [ours, ssh] = measure(&mut echoes, rounds, SSH_BYTES)?;
    let aim = Aim::AtLeastWithFloor(0.9, 0.75);
    table.compare("bulk, over ssh", Unit::BytesASecond, &ours, ("ssh HOST cat", &ssh), aim);
    Ok(())
}

/// In turns.
fn measure<const N: usize>(
    echoes: &mut [Echo; N],
    rounds: usize,
    bytes: usize,
) -> anyhow::Result<[Rounds; N]> {
    let mut results = std::array::from_fn(|_| Rounds::default());
    for _ in 0..rounds {
        for (echo, result) in echoes.iter_mut().zip(&mut results) {
            result.push(echo.bulk(bytes)?);
        }
    }
    Ok(results)
}
