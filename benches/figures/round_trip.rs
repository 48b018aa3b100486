//! A hundred bytes to an echo and back: what an editor waits for at every keystroke.

use crate::echo::Echo;
use crate::place::Place;
use crate::rounds::Rounds;
use crate::socat::Socket;
use crate::sshd::Sshd;
use crate::table::{Aim, Table, Unit};

/// In a row, a round; the round's figure is their median.
const PINGS: usize = 500;

/// How the kernel spreads five processes over the cores changes from second to second, and counts
/// for more than what they do: so more rounds than of other figures.
const ROUNDS_TIMES: usize = 8;

pub(crate) fn over_ssh(place: &Place, rounds: usize, table: &mut Table) -> anyhow::Result<()> {
    let sshd = Sshd::start(place)?;
    let socket = Socket::of_thread(place.path())?;
    let mut socat = vec!["socat"];
    let words = socket.words();
    socat.extend(words.iter().map(String::as_str));
    let mut echoes = [
        Echo::start(sshd.connect(place, &["cat"]))?,
        Echo::start(sshd.command(&socat))?,
        Echo::start(sshd.command(&["cat"]))?,
    ];
    let [mut ours, mut socat, mut cat] = std::array::from_fn(|_| Rounds::default());
    for _ in 0..rounds * ROUNDS_TIMES {
        for (echo, result) in echoes.iter_mut().zip([&mut ours, &mut socat, &mut cat]) {
            result.push(echo.median_ping(PINGS)?);
        }
    }
    let what = "round trip of 100 bytes, over ssh, p50";
    let baseline = ("ssh HOST socat - UNIX-CONNECT:… to an echo", &socat);
    table.compare(what, Unit::Seconds, &ours, baseline, Aim::AtMost(1.0));
    table.compare(what, Unit::Seconds, &ours, ("ssh HOST cat", &cat), Aim::AtMost(1.25));
    Ok(())
}
