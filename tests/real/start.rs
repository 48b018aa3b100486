//! Fresh proxies: they start a server, one at a time, and leave it whole.

use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use reattach::proto::GoneReason;
use reattach::proto::verdict::{EXIT_ALREADY_RUNNING, EXIT_NOT_RUNNING, EXIT_NOT_STARTED};
use rustix::fs::{FlockOperation, flock};

use crate::place::{Place, lives, wait, wait_until};
use crate::processes::children;
use crate::proxy::Proxy;

const CAT: &[&str] = &["--identifier", "w", "--", "cat"];
const RECONNECT: &[&str] = &["--identifier", "w", "--reconnect"];

#[test]
fn a_server_outlives_its_starter_and_is_found_again() {
    let place = Place::new();
    let mut first = place.proxy(CAT);
    let instance = first.hello();
    let server = place.server_pid("w").unwrap();
    first.kill();
    let mut second = place.proxy(RECONNECT);
    assert!(second.is_attached());
    assert_eq!(place.server_pid("w"), Some(server));
    assert_eq!(place.status("w")["instance"], instance.to_string());
    assert_eq!(place.servers(), [server]);
}

#[test]
fn two_fresh_proxies_at_the_same_moment_leave_one_server() {
    let place = Place::new();
    for round in 0..50 {
        let mut pair = [place.proxy(CAT), place.proxy(CAT)];
        wait_until("one of two proxies gives way", || pair.iter_mut().any(Proxy::has_ended));
        let (mut ended, mut left): (Vec<_>, Vec<_>) = pair.into_iter().partition(ended_already);
        assert_eq!((ended.len(), left.len()), (1, 1), "round {round}");
        assert!(left[0].is_attached(), "round {round}");
        let verdict = ended.pop().unwrap().wait();
        assert_eq!(
            (verdict.code, verdict.reason),
            (EXIT_NOT_RUNNING, Some(GoneReason::Replaced)),
            "{round}: {verdict:?}"
        );
        let server = place.server_pid("w").unwrap();
        wait_until("the replaced server is gone", || place.servers() == [server]);
        left.pop().unwrap().kill();
    }
}

fn ended_already(proxy: &Proxy) -> bool {
    !lives(proxy.pid())
}

#[test]
fn of_two_careful_proxies_at_the_same_moment_one_is_refused() {
    let place = Place::new();
    for round in 0..50 {
        let words = &["--identifier", "w", "--if-running", "refuse", "--ephemeral", "--", "cat"];
        let mut pair = [place.proxy(words), place.proxy(words)];
        wait_until("one of two proxies is refused", || pair.iter_mut().any(Proxy::has_ended));
        let (mut ended, mut left): (Vec<_>, Vec<_>) = pair.into_iter().partition(ended_already);
        assert_eq!((ended.len(), left.len()), (1, 1), "round {round}");
        assert_eq!(ended.pop().unwrap().wait().code, EXIT_ALREADY_RUNNING, "round {round}");
        assert!(left[0].is_attached(), "round {round}");
        assert_eq!(place.servers(), [place.server_pid("w").unwrap()], "round {round}");
        assert!(place.run(&["stop", "w"]).status.success());
        assert_eq!(left.pop().unwrap().wait().reason, Some(GoneReason::Stopped), "round {round}");
    }
}

#[test]
fn who_follows_a_program_that_has_ended_is_not_refused() {
    let place = Place::new();
    for turn in 0..50 {
        let turn = turn.to_string();
        let output = place.connect(&["--local", "--id", "w", "--", "echo", &turn]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "turn {turn}: {said}");
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), turn);
    }
}

#[test]
fn a_careful_proxy_disturbs_nothing() {
    let place = Place::new();
    let mut first = place.proxy(CAT);
    let instance = first.hello();
    let files = place.files();
    let verdict = place.verdict(&["--identifier", "w", "--if-running", "refuse", "--", "cat"]);
    assert_eq!(verdict.code, EXIT_ALREADY_RUNNING);
    assert_eq!(place.files(), files);
    assert_eq!(place.status("w")["instance"], instance.to_string());
    assert!(!first.has_ended());
}

#[test]
fn a_replaced_server_takes_its_program_along_and_says_why() {
    let place = Place::new();
    let mut first = place.proxy(CAT);
    let instance = first.hello();
    let program = children(place.server_pid("w").unwrap());
    assert_eq!(program.len(), 1);
    let mut second = place.proxy(CAT);
    assert_ne!(second.hello(), instance);
    assert_eq!(first.wait().reason, Some(GoneReason::Replaced));
    assert!(!lives(program[0]));
    // Whoever still looks for the first one is told the same.
    second.kill();
    assert!(place.run(&["stop", "w"]).status.success());
    let instance = instance.to_string();
    let verdict = place.verdict(&["--identifier", "w", "--reconnect", "--instance", &instance]);
    assert_eq!(verdict.reason, Some(GoneReason::Replaced));
}

#[test]
fn a_server_that_hangs_is_killed_and_replaced() {
    let place = Place::new();
    let mut first = place.proxy(CAT);
    assert!(first.is_attached());
    let hung = place.server_pid("w").unwrap();
    crate::place::signal(hung, "STOP");
    let mut second = place.proxy(CAT);
    assert!(second.is_attached());
    assert_eq!(first.wait().reason, Some(GoneReason::Replaced));
    assert!(!lives(hung));
    assert_eq!(place.servers(), [place.server_pid("w").unwrap()]);
}

#[test]
fn a_program_that_does_not_exist_is_named_at_once_and_nothing_is_left() {
    let place = Place::new();
    let words = ["--identifier", "w", "--ephemeral", "--", "no-such-program"];
    let verdict = place.verdict(&words);
    assert_eq!(verdict.code, EXIT_NOT_STARTED);
    assert_eq!(
        verdict.message,
        "the server could not be started: the command no-such-program was not found in /usr/bin, /bin; \
         with --login it is looked for where your login shell would"
    );
    assert!(place.servers().is_empty());
    assert!(!place.directory("w").exists());
    // Without --ephemeral the log stays, and no word of a server that never was.
    assert_eq!(place.verdict(&["--identifier", "w", "--", "no-such-program"]).code, EXIT_NOT_STARTED);
    assert_eq!(names(&place), ["server.log"]);
    let said = std::fs::read_to_string(place.directory("w").join("server.log")).unwrap();
    assert!(said.contains("the command no-such-program was not found"), "{said}");
    let listed = String::from_utf8(place.run(&["list"]).stdout).unwrap();
    assert!(listed.contains("never started"), "{listed}");
    assert_eq!(place.verdict(RECONNECT).reason, Some(GoneReason::Never));
}

/// The names in the server's directory, sorted.
fn names(place: &Place) -> Vec<String> {
    let entries = std::fs::read_dir(place.directory("w")).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_start_that_fails_leaves_what_was_there_before() {
    let place = Place::new();
    let mut proxy = place.proxy(CAT);
    let instance = proxy.hello().to_string();
    assert!(place.run(&["stop", "w"]).status.success());
    proxy.wait();
    let expected = ["--identifier", "w", "--reconnect", "--instance", &instance];
    let before = (names(&place), place.verdict(&expected).reason);
    assert_eq!(before.1, Some(GoneReason::Stopped));
    for broken in ["no-such-program", "/etc/passwd"] {
        let verdict = place.verdict(&["--identifier", "w", "--", broken]);
        assert_eq!(verdict.code, EXIT_NOT_STARTED, "{verdict:?}");
        assert_eq!((names(&place), place.verdict(&expected).reason), before);
    }
    // A server in which nothing can be made.
    std::fs::write(place.directory("w").join("stdin.sock"), "in the way").unwrap();
    let verdict = place.verdict(CAT);
    assert_eq!(verdict.code, EXIT_NOT_STARTED, "{verdict:?}");
    std::fs::remove_file(place.directory("w").join("stdin.sock")).unwrap();
    assert_eq!((names(&place), place.verdict(&expected).reason), before);
    assert!(place.proxy(CAT).is_attached());
}

#[test]
fn a_start_that_is_under_way_is_waited_for() {
    let place = Place::new();
    std::fs::create_dir_all(place.directory("w")).unwrap();
    let start = std::fs::File::create(place.directory("w").join("server.start")).unwrap();
    flock(start.as_fd(), FlockOperation::NonBlockingLockExclusive).unwrap();
    let mut reconnect = place.proxy(RECONNECT);
    let mut fresh = place.proxy(CAT);
    wait(Duration::from_millis(300));
    assert!(!reconnect.has_ended() && !fresh.has_ended());
    assert!(place.servers().is_empty());
    assert_eq!(place.status("w")["state"], "starting");
    reconnect.kill();
    drop(start);
    assert!(fresh.is_attached());
}

#[test]
fn a_start_that_is_cut_anywhere_is_found_or_never_was() {
    let place = Place::new();
    let (mut found, mut never) = (0, 0);
    for round in 0..40 {
        let identifier = format!("w{round}");
        let mut starter = place.command(&["proxy", "--identifier", &identifier, "--", "cat"]);
        let mut starter = starter.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait(Duration::from_micros(400 * round));
        starter.kill().unwrap();
        starter.wait().unwrap();
        let mut reconnect = place.proxy(&["--identifier", &identifier, "--reconnect"]);
        if reconnect.is_attached() {
            found += 1;
            assert!(place.run(&["stop", &identifier]).status.success());
        } else {
            never += 1;
            assert_eq!(reconnect.wait().code, EXIT_NOT_RUNNING);
        }
        // Whatever was said stays true.
        assert!(place.servers().is_empty(), "round {round}");
    }
    assert!(found > 0 && never > 0, "found {found}, never {never}: the cuts are too early or too late");
}

#[test]
fn the_server_leaves_its_starters_session_whole() {
    let place = Place::new();
    // As from a careless shell: a descriptor too many.
    let mut shell = Command::new("sh");
    let words = [
        "-c",
        "exec 7</dev/zero; exec \"$0\" proxy --identifier w -- cat",
        env!("CARGO_BIN_EXE_reattach-server"),
    ];
    shell.args(words).env("HOME", place.home()).env("XDG_RUNTIME_DIR", place.runtime());
    let mut proxy = Proxy::start(shell);
    assert!(proxy.is_attached());
    let server = place.server_pid("w").unwrap();
    let session = |pid: u32| {
        let output = Command::new("ps").args(["-o", "sess=,tty=", "-p", &pid.to_string()]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    assert_ne!(session(server), session(proxy.pid()));
    if let Ok(open) = std::fs::read_dir(format!("/proc/{server}/fd")) {
        let log = place.directory("w").join("server.log");
        for entry in open.map(Result::unwrap) {
            let Ok(target) = std::fs::read_link(entry.path()) else {
                continue;
            };
            match entry.file_name().to_str().unwrap() {
                "0" => assert_eq!(target.to_str(), Some("/dev/null")),
                "1" | "2" => assert_eq!(target, log),
                _ => assert_ne!(target.to_str(), Some("/dev/zero")),
            }
        }
    }
    proxy.kill();
    assert!(lives(server));
}

#[test]
fn everything_is_private() {
    let place = Place::new();
    let mut proxy = place.proxy(CAT);
    assert!(proxy.is_attached());
    let mode = |path: &std::path::Path| std::fs::symlink_metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(&place.directory("w")), 0o700);
    assert_eq!(mode(place.directory("w").parent().unwrap()), 0o700);
    let files = place.files();
    assert!(files.len() >= 6, "{files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{file:?}");
    }
}

#[test]
fn a_long_home_moves_the_sockets_and_nothing_of_them_is_left() {
    let place = Place::with_long_path(150);
    let mut proxy = place.proxy(CAT);
    let instance = proxy.hello();
    let record = std::fs::read(place.directory("w").join("server.json")).unwrap();
    let record: serde_json::Value = serde_json::from_slice(&record).unwrap();
    let socket = std::path::PathBuf::from(record["stdin_socket"].as_str().unwrap());
    assert!(socket.starts_with("/tmp") && socket.exists(), "{socket:?}");
    proxy.kill();
    let mut proxy = place.proxy(RECONNECT);
    assert!(proxy.is_attached());
    assert_eq!(place.status("w")["instance"], instance.to_string());
    assert!(place.run(&["stop", "w"]).status.success());
    assert!(!socket.parent().unwrap().exists());
}
