//! Servers that are gone: code 90, the reason, and nothing that is started or left behind.

use std::process::Command;

use reattach::proto::verdict::{EXIT_CLOSED, EXIT_NOT_RUNNING};
use reattach::proto::{Bye, ByeReason, Frame, GoneReason, ProgramExit};

use crate::place::{Place, kill, lives, signal, wait_until};

const CAT: &[&str] = &["--identifier", "w", "--", "cat"];
const RECONNECT: &[&str] = &["--identifier", "w", "--reconnect"];

#[test]
fn a_reconnect_to_nothing_starts_nothing_and_makes_no_file() {
    let place = Place::new();
    let verdict = place.verdict(RECONNECT);
    assert_eq!((verdict.code, verdict.reason), (EXIT_NOT_RUNNING, Some(GoneReason::Never)));
    assert_eq!(verdict.message, "the server is not running (never started)");
    // Who has met one knows better.
    let met = ["--identifier", "w", "--reconnect", "--instance", "00000000000000000000000000000007"];
    assert_eq!(place.verdict(&met).reason, Some(GoneReason::Unknown));
    assert!(std::fs::read_dir(place.home()).unwrap().next().is_none());
    assert!(place.servers().is_empty());
}

#[test]
fn a_server_that_is_told_to_end_leaves_a_tombstone() {
    let place = Place::new();
    let mut proxy = place.proxy(CAT);
    proxy.hello();
    signal(place.server_pid("w").unwrap(), "TERM");
    // The client's input is still open, and the proxy ends all the same.
    let verdict = proxy.wait();
    assert_eq!((verdict.code, verdict.reason), (EXIT_NOT_RUNNING, Some(GoneReason::Stopped)));
    let status = place.status("w");
    assert_eq!((status["state"].as_str(), status["reason"].as_str()), (Some("ended"), Some("stopped")));
    assert!(status["ended"].as_u64() >= status["started"].as_u64());
    assert_eq!(place.verdict(RECONNECT).reason, Some(GoneReason::Stopped));
    assert!(!place.directory("w").join("stdin.sock").exists());
    assert_eq!(std::fs::read_to_string(place.directory("w").join("server.pid")).unwrap(), "");
}

#[test]
fn a_server_that_is_killed_has_crashed() {
    let place = Place::new();
    let mut proxy = place.proxy(CAT);
    proxy.hello();
    kill(place.server_pid("w").unwrap());
    let verdict = proxy.wait();
    assert_eq!((verdict.code, verdict.reason), (EXIT_NOT_RUNNING, Some(GoneReason::Crashed)));
    let files = place.files();
    assert_eq!(place.verdict(RECONNECT).reason, Some(GoneReason::Crashed));
    assert_eq!(place.files(), files);
    assert!(place.servers().is_empty());
    // The next fresh one is not bothered by what is left.
    assert!(place.proxy(CAT).is_attached());
}

#[test]
fn a_number_that_belongs_to_somebody_else_by_now_is_nobodys_server() {
    let place = Place::new();
    let mut foreign = Command::new("sleep").arg("600").spawn().unwrap();
    let mut proxy = place.proxy(CAT);
    assert!(proxy.is_attached());
    kill(place.server_pid("w").unwrap());
    proxy.wait();
    std::fs::write(place.directory("w").join("server.pid"), format!("{}\n", foreign.id())).unwrap();
    assert_eq!(place.verdict(RECONNECT).code, EXIT_NOT_RUNNING);
    assert_eq!(place.run(&["stop", "w"]).status.code(), Some(EXIT_NOT_RUNNING));
    assert!(place.proxy(CAT).is_attached());
    assert!(lives(foreign.id()));
    assert_ne!(place.server_pid("w"), Some(foreign.id()));
    foreign.kill().unwrap();
    foreign.wait().unwrap();
}

#[test]
fn torn_files_explain_nothing_and_break_nothing() {
    let place = Place::new();
    std::fs::create_dir_all(place.directory("w")).unwrap();
    for name in ["server.json", "server.exit.json", "server.stop.json", "server.pid", "stdin.sock"] {
        std::fs::write(place.directory("w").join(name), b"{\"instance\":\"0\xff").unwrap();
    }
    std::fs::remove_file(place.directory("w").join("stdin.sock")).unwrap();
    assert_eq!(place.verdict(RECONNECT).reason, Some(GoneReason::Unknown));
    assert_eq!(place.status("w")["state"], "ended");
    assert!(place.proxy(CAT).is_attached());
}

#[test]
fn a_record_of_another_boot_went_down_with_the_host() {
    let place = Place::new();
    let mut proxy = place.proxy(CAT);
    assert!(proxy.is_attached());
    kill(place.server_pid("w").unwrap());
    proxy.wait();
    let path = place.directory("w").join("server.json");
    let mut record: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    record["boot"] = "0123456789abcdef0123456789abcdef".into();
    std::fs::write(&path, record.to_string()).unwrap();
    assert_eq!(place.verdict(RECONNECT).reason, Some(GoneReason::Rebooted));
}

#[test]
fn a_server_that_nobody_met_ends_by_itself() {
    let place = Place::new();
    let mut proxy = place.proxy(&["--identifier", "w", "--unmet-lifetime", "300ms", "--", "cat"]);
    assert!(proxy.is_attached());
    proxy.kill();
    wait_until("the unmet server ends", || place.servers().is_empty());
    assert_eq!(place.verdict(RECONNECT).reason, Some(GoneReason::Unmet));
}

#[test]
fn a_server_without_a_client_ends_after_its_idle_lifetime() {
    let place = Place::new();
    let mut proxy = place.proxy(&["--identifier", "w", "--idle-lifetime", "300ms", "--", "cat"]);
    let instance = proxy.hello().to_string();
    proxy.kill();
    wait_until("the idle server ends", || place.servers().is_empty());
    let verdict = place.verdict(&["--identifier", "w", "--reconnect", "--instance", &instance]);
    assert_eq!(verdict.reason, Some(GoneReason::Idle));
}

#[test]
fn a_program_that_exits_takes_the_server_along() {
    for (ephemeral, is_left) in [(&["--ephemeral"][..], false), (&[], true)] {
        let place = Place::new();
        let mut words = vec!["--identifier", "w"];
        words.extend(ephemeral);
        words.extend(["--", "sh", "-c", "exit 7"]);
        let mut proxy = place.proxy(&words);
        proxy.hello();
        let last = loop {
            match proxy.next_frame().unwrap() {
                Frame::Exit { seq, exit } => {
                    assert_eq!(exit, ProgramExit::Code(7));
                    break seq;
                }
                _ => continue,
            }
        };
        proxy.say(&Frame::Ack(last));
        assert_eq!(proxy.wait().code, EXIT_NOT_RUNNING);
        wait_until("the server ends", || place.servers().is_empty());
        assert_eq!(place.directory("w").exists(), is_left);
        if is_left {
            assert_eq!(place.verdict(RECONNECT).reason, Some(GoneReason::Exited(ProgramExit::Code(7))));
        }
    }
}

#[test]
fn a_session_that_is_closed_leaves_nothing() {
    let place = Place::new();
    let mut proxy = place.proxy(&["--identifier", "w", "--ephemeral", "--", "cat"]);
    proxy.hello();
    let bye = Bye { reason: ByeReason::Closed, message: String::new(), received: 0 };
    proxy.say(&Frame::Bye(bye));
    proxy.hang_up();
    let code = proxy.wait().code;
    assert!([EXIT_CLOSED, EXIT_NOT_RUNNING].contains(&code), "{code}");
    wait_until("the server ends", || place.servers().is_empty());
    assert!(!place.directory("w").exists());
}

#[test]
fn a_client_that_hangs_up_ends_its_proxy_and_nothing_else() {
    let place = Place::new();
    let mut proxy = place.proxy(CAT);
    proxy.hello();
    proxy.hang_up();
    assert_eq!(proxy.wait().code, EXIT_CLOSED);
    assert_eq!(place.status("w")["state"], "running");
}
