//! Nobody is busy who has nothing to do: no state waits by asking again and again.

use std::path::PathBuf;
use std::time::Duration;

use reattach::io::clock::Clock;
use reattach::session::Time;

use crate::client::{COUNTER, Client};
use crate::link::Link;
use crate::place::{Place, signal, wait, wait_until};
use crate::processes::{children, processor_time};
use crate::sshd::Sshd;
use crate::wire::{Namespace, entered};

/// How long is looked.
const LOOK: Duration = Duration::from_secs(1);

/// What heartbeats may cost in that time, and what a clock of ten milliseconds may show of them.
const BUSY_MAX: Duration = Duration::from_millis(60);

/// Looks at the processor time of everybody who runs here.
fn nobody_is_busy(place: &Place, when: &str) {
    let ours = |pid: &u32| !place.is_hosted(*pid);
    let before: Vec<_> =
        place.processes().into_iter().filter(ours).map(|pid| (pid, processor_time(pid))).collect();
    assert!(before.len() >= 2 || !cfg!(target_os = "linux"), "{before:?}");
    wait(LOOK);
    for (pid, then) in before {
        let used = processor_time(pid).saturating_sub(then);
        assert!(used < BUSY_MAX, "process {pid} was busy for {used:?} {when}");
    }
}

#[test]
fn bulk_leaves_no_memory_behind() {
    if !cfg!(all(target_os = "linux", target_env = "gnu")) {
        return;
    }
    let place = Place::new();
    let mut client = Client::local(&place, &["--id", "w"], &["cat"]);
    client.until("Connected");
    client.say("one\n");
    client.hears("one\n");
    let server = place.server_pid("w").unwrap();
    let before = [server, client.pid()].map(own_bytes);
    client.say(vec![b'x'; WORK_BYTES]);
    client.heard(4 + WORK_BYTES, |_| ());
    wait_until("memory is given back", || {
        let now = [server, client.pid()].map(own_bytes);
        now.iter().zip(before).all(|(now, before)| *now < before + OWN_BYTES_MORE)
    });
}

/// A session's worth of work.
const WORK_BYTES: usize = 48 << 20;

/// What a program that has worked may hold more than one that has not.
const OWN_BYTES_MORE: u64 = 256 << 10;

/// Memory that a process shares with nobody.
fn own_bytes(pid: u32) -> u64 {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = rollup.lines().find(|line| line.starts_with("Anonymous:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
}

impl Place {
    /// Whether it is a hosted program: what that does is its own affair.
    fn is_hosted(&self, pid: u32) -> bool {
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        !String::from_utf8_lossy(&command).contains("reattach")
    }
}

#[test]
#[serial_test::serial(processor_time)]
fn while_nothing_happens() {
    let place = Place::new();
    let mut client = Client::local(&place, &["--id", "w", "--heartbeat-interval", "200ms"], &COUNTER);
    client.until("Connected");
    client.say("one\n");
    client.hears("1 one\n");
    nobody_is_busy(&place, "while nothing happened");
    client.end_input();
    assert_eq!(client.wait().code(), Some(0));
}

/// How often a process has gone to sleep: once for each time that it was woken.
fn wakes(pid: u32) -> u64 {
    wakes_of_thread(format!("/proc/{pid}").into())
}

fn wakes_of_thread(thread: PathBuf) -> u64 {
    let status = std::fs::read_to_string(thread.join("status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")).unwrap();
    line.trim().parse().unwrap()
}

#[test]
#[serial_test::serial(processor_time)]
fn a_client_that_watches_the_network_sleeps_between_heartbeats() {
    if !cfg!(target_os = "linux") {
        return;
    }
    let place = Place::new();
    // Where nothing else can happen to the network.
    let namespace = Namespace::make();
    let enter = namespace.as_ref().map(Namespace::enter).unwrap_or_default();
    let words = ["--local", "--log-format", "json", "--heartbeat-interval", "10s", "--", "cat"];
    let mut client = Client::start(entered(place.connect(&words), &enter));
    client.until("Connected");
    // What follows a start is over.
    wait(Duration::from_secs(3));
    let before = wakes(client.pid());
    wait(Duration::from_secs(3));
    let woken = wakes(client.pid()) - before;
    assert!(woken <= 1, "woken {woken} times");
}

/// Of an idle session, of which some time passes: how often its client, what carries it, its proxy and its
/// server are woken, by whatever threads they have; and the heartbeats that fit into the time.
fn wakes_of_all(sshd: &Sshd, place: &Place, interval: Duration, time: Duration) -> ([u64; 4], u64) {
    let every = format!("{}ms", interval.as_millis());
    let words = ["--id", "w", "--heartbeat-interval", &every];
    let mut client = sshd.client(place, &words, &["cat"]);
    client.until("Connected");
    // What follows a start is over.
    wait(Duration::from_secs(3));
    let server = place.server_pid("w").unwrap();
    let is_proxy = |pid: &u32| {
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&command).contains("reattach-server\0proxy\0")
    };
    let proxy = place.processes().into_iter().find(is_proxy).expect("there is one on the way");
    let all = [client.pid(), children(client.pid())[0], proxy, server];
    let look = || all.map(|pid| threads(pid).into_iter().map(wakes_of_thread).sum::<u64>());
    let (clock, before) = (Clock::new(), look());
    wait(time);
    let mut woken = look();
    woken.iter_mut().zip(before).for_each(|(woken, before)| *woken -= before);
    // On a busy machine more of it passes.
    let beats = clock.now().since(Time::ZERO).as_micros().div_ceil(interval.as_micros());
    (woken, u64::try_from(beats).unwrap())
}

/// The threads of a process, by their paths.
fn threads(pid: u32) -> Vec<PathBuf> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    threads.map(|thread| thread.unwrap().path()).collect()
}

#[test]
#[serial_test::serial(processor_time)]
fn an_idle_session_is_woken_for_its_heartbeats_alone() {
    if !cfg!(target_os = "linux") {
        return;
    }
    let place = Place::new();
    let Some(sshd) = Sshd::start(&place) else { return };
    let interval = Duration::from_millis(500);
    let ([client, ssh, proxy, server], beats) = wakes_of_all(&sshd, &place, interval, interval * 10);
    println!(
        "{beats} heartbeats: the client is woken {client} times, ssh {ssh}, the proxy {proxy}, the server {server}"
    );
    // One to ask and one for the answer; one to answer. A beat may be at either end of the time.
    assert!(client <= 2 * (beats + 1), "{client} for {beats} heartbeats");
    assert!(server <= beats + 1, "{server} for {beats} heartbeats");
    assert!(proxy <= 1, "{proxy}");
}

/// How often all threads of a process are woken in three seconds, once what came before has come to rest.
fn wakes_at_rest(pid: u32) -> u64 {
    wait(Duration::from_secs(3));
    let look = || threads(pid).into_iter().map(wakes_of_thread).sum::<u64>();
    let before = look();
    wait(Duration::from_secs(3));
    look().saturating_sub(before)
}

#[test]
#[serial_test::serial(processor_time)]
fn who_has_come_back_sleeps_as_before() {
    if !cfg!(target_os = "linux") {
        return;
    }
    let place = Place::new();
    let link = Link::new();
    let words = ["--id", "w", "--heartbeat-interval", "10s", "--network-notices", "off"];
    let mut client = link.client(&place, &words, &["cat"]);
    client.until("Connected");
    link.cut();
    client.until("Reconnecting");
    client.until("Connected");
    let woken = [client.pid(), place.server_pid("w").unwrap()].map(wakes_at_rest);
    assert!(woken.iter().all(|woken| *woken <= 2), "woken {woken:?} times");
}

#[test]
#[serial_test::serial(processor_time)]
fn a_client_whose_input_was_a_file_sleeps_after_its_end() {
    if !cfg!(target_os = "linux") {
        return;
    }
    let place = Place::new();
    let words = [
        "--local",
        "--id",
        "w",
        "--heartbeat-interval",
        "10s",
        "--network-notices",
        "off",
        "--",
        "sleep",
        "600",
    ];
    let mut command = place.connect(&words);
    let null = std::process::Stdio::null;
    let mut client = command.stdin(null()).stdout(null()).stderr(null()).spawn().unwrap();
    wait_until("there is a server", || place.directory("w").join("server.json").exists());
    let woken = wakes_at_rest(client.id());
    client.kill().unwrap();
    client.wait().unwrap();
    assert!(woken <= 2, "woken {woken} times");
}

#[test]
#[serial_test::serial(processor_time)]
fn while_the_program_has_closed_everything() {
    let place = Place::new();
    let mut client = Client::local(&place, &[], &["sh", "-c", "exec <&- >&- 2>&-; exec sleep 600"]);
    client.until("Connected");
    client.say("nobody reads this\n");
    client.end_input();
    wait(Duration::from_millis(200));
    nobody_is_busy(&place, "while the program had closed everything");
}

#[test]
#[serial_test::serial(processor_time)]
fn while_nobody_reads() {
    let place = Place::new();
    let mut command = place.connect(&["--local", "--id", "w", "--heartbeat-interval", "300ms", "--", "yes"]);
    let piped = std::process::Stdio::piped;
    let mut client = command.stdin(piped()).stdout(piped()).spawn().unwrap();
    wait_until("there is a server", || place.directory("w").join("server.json").exists());
    // Until all windows and pipes are full.
    wait(Duration::from_millis(1500));
    nobody_is_busy(&place, "while nobody read");
    client.kill().unwrap();
    client.wait().unwrap();
    wait(Duration::from_millis(200));
}

#[test]
#[serial_test::serial(processor_time)]
fn while_the_link_is_down_and_everything_is_full() {
    let place = Place::new();
    let link = Link::new();
    let words = ["--id", "w", "--backoff-min", "1ms", "--backoff-max", "5ms"];
    let mut client = link.client(&place, &words, &["yes"]);
    client.until("Connected");
    link.down();
    client.until("ReconnectExhausted");
    let mut input = client.take_input();
    let writer = std::thread::spawn(move || {
        // Ends with the client.
        while std::io::Write::write_all(&mut input, &[0; 1 << 16]).is_ok() {}
    });
    wait(Duration::from_secs(1));
    nobody_is_busy(&place, "while the link was down");
    client.signal("KILL");
    client.wait();
    writer.join().unwrap();
}

#[test]
#[serial_test::serial(processor_time)]
fn while_the_server_is_stopped() {
    let place = Place::new();
    let words = ["--id", "w", "--heartbeat-interval", "200ms", "--open-timeout", "10s"];
    let mut client = Client::local(&place, &words, &COUNTER);
    client.until("Connected");
    let server = place.server_pid("w").unwrap();
    signal(server, "STOP");
    client.until("Reconnecting");
    wait(Duration::from_millis(200));
    nobody_is_busy(&place, "while the server was stopped");
    signal(server, "CONT");
    client.until("Connected");
}
