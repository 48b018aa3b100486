//! A hundred bytes to an echo and back: what an editor waits for at every keystroke.

use bytes::Bytes;

use crate::echo::{Echo, PING_BYTES};
use crate::library::{median_ping, with_client};
use crate::place::{Hosted, Place};
use crate::rounds::Rounds;
use crate::socat::Socket;
use crate::sshd::Sshd;
use crate::table::{Aim, Table, Unit};

/// In a row, a round; the round's figure is their median.
const PINGS: usize = 500;

/// Not counted: what was just started has yet to find its place.
const WARM_UP: usize = 50;

/// How the kernel spreads a chain of processes over the cores counts for more than what they do,
/// and stays with them for as long as they live: so each round starts its own, and there are more
/// rounds than of other figures.
const ROUNDS_TIMES: usize = 8;

pub(crate) fn over_ssh(place: &Place, rounds: usize, table: &mut Table) -> anyhow::Result<()> {
    let sshd = Sshd::start(place)?;
    let socket = Socket::of_thread(place.path())?;
    let mut socat = vec!["socat"];
    let words = socket.words();
    socat.extend(words.iter().map(String::as_str));
    let commands = || {
        let ours = |hosted| sshd.connect(place, hosted);
        let cat = ["cat"];
        [ours(Hosted::Echo), sshd.command(&socat), ours(Hosted::Program(&cat)), sshd.command(&cat)]
    };
    let mut results: [Rounds; 4] = std::array::from_fn(|_| Rounds::default());
    let mut library = Rounds::default();
    for round in 0..rounds * ROUNDS_TIMES {
        let target = sshd.target(&format!("round-trip-{round}"))?;
        library.push(with_client(target, async |client| {
            let message = Bytes::from_static(&[b'.'; PING_BYTES]);
            median_ping(client, &message, WARM_UP).await?;
            median_ping(client, &message, PINGS).await
        })?);
        for (command, result) in commands().into_iter().zip(&mut results) {
            let mut echo = Echo::start(command)?;
            echo.median_ping(WARM_UP)?;
            result.push(echo.median_ping(PINGS)?);
        }
    }
    let [echo, socat, program, cat] = results;
    let socat = ("ssh HOST socat - UNIX-CONNECT:… to an echo", &socat);
    let cat = ("ssh HOST cat", &cat);
    let rows = [
        ("an editor that links the library, to an echo in the server", &library, socat, 1.0),
        ("an editor that links the library, to an echo in the server", &library, cat, 1.25),
        ("an echo in the server", &echo, socat, 1.0),
        ("an echo in the server", &echo, cat, 1.25),
        ("a hosted cat", &program, socat, 1.0),
        ("a hosted cat", &program, cat, 1.25),
    ];
    for (what, ours, baseline, aim) in rows {
        let what = format!("round trip of 100 bytes, over ssh, p50, {what}");
        table.compare(&what, Unit::Seconds, ours, baseline, Aim::AtMost(aim));
    }
    Ok(())
}
