//! What a person does on the host: start a server by hand, list, look, stop.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use reattach::proto::GoneReason;
use reattach::proto::verdict::{EXIT_ALREADY_RUNNING, EXIT_NOT_RUNNING};

use crate::place::{Place, kill, lives, signal};

const CAT: &[&str] = &["--identifier", "w", "--", "cat"];
const RECONNECT: &[&str] = &["--identifier", "w", "--reconnect"];

/// A server by hand, ended with the test.
struct Server(Child);

impl Server {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("ready "), "{line}");
        Server(child)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_server_by_hand_is_found_by_its_identifier() {
    let place = Place::new();
    let mut command = place.command(&["run", "--identifier", "w", "--", "cat"]);
    command.stderr(Stdio::null());
    let mut server = Server::start(command);
    let mut proxy = place.proxy(RECONNECT);
    assert!(proxy.is_attached());
    assert_eq!(place.server_pid("w"), Some(server.0.id()));
    let second = place.run(&["run", "--identifier", "w", "--", "cat"]);
    assert_eq!(second.status.code(), Some(EXIT_ALREADY_RUNNING));
    // The end of a terminal is not its end; the user's wish is.
    signal(server.0.id(), "HUP");
    signal(server.0.id(), "INT");
    assert!(server.0.wait().unwrap().success());
    assert_eq!(proxy.wait().reason, Some(GoneReason::Stopped));
}

#[test]
fn a_server_by_hand_is_put_where_its_paths_say() {
    let place = Place::new();
    let path = |name: &str| place.home().join(name).into_os_string().into_string().unwrap();
    let (log, pid, stdin, stdout) = (path("my.log"), path("my.pid"), path("in.sock"), path("out.sock"));
    let words = [
        "run",
        "--log-file",
        &log,
        "--pid-file",
        &pid,
        "--stdin-socket",
        &stdin,
        "--stdout-socket",
        &stdout,
        "--",
        "cat",
    ];
    let mut server = Server::start(place.command(&words));
    assert!(std::fs::read_to_string(&log).unwrap().contains("serves"));
    assert_eq!(std::fs::read_to_string(&pid).unwrap(), format!("{}\n", server.0.id()));
    assert!(std::os::unix::net::UnixStream::connect(&stdout).is_ok());
    assert!(std::fs::read_to_string(path("my.json")).unwrap().contains(&stdin));
    signal(server.0.id(), "TERM");
    assert!(server.0.wait().unwrap().success());
    assert!(std::fs::read_to_string(path("my.exit.json")).unwrap().contains("stopped"));
    assert!(!std::path::Path::new(&stdin).exists() && !std::path::Path::new(&stdout).exists());
}

#[test]
fn what_runs_and_what_ran_is_listed() {
    let place = Place::new();
    assert_eq!(place.run(&["list", "--json"]).stdout, b"[]\n");
    assert_eq!(place.run(&["status", "w"]).status.code(), Some(EXIT_NOT_RUNNING));
    let mut one = place.proxy(&["--identifier", "one", "--", "cat", "-u"]);
    let mut two = place.proxy(&["--identifier", "two", "--", "cat"]);
    assert!(one.is_attached() && two.is_attached());
    kill(place.server_pid("two").unwrap());
    two.wait();
    let listed = place.run(&["list", "--json"]);
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    let told: Vec<_> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (&one["identifier"], &one["state"], &one["reason"]))
        .collect();
    assert_eq!(
        format!("{told:?}").replace("String", ""),
        r#"[(("one"), ("running"), Null), (("two"), ("ended"), ("crashed"))]"#
    );
    let table = String::from_utf8(place.run(&["list"]).stdout).unwrap();
    assert!(table.starts_with("IDENTIFIER  STATE"), "{table}");
    assert!(table.lines().nth(1).unwrap().ends_with("cat -u"), "{table}");
    let status = place.run(&["status", "two"]);
    assert_eq!(status.status.code(), Some(EXIT_NOT_RUNNING));
    assert!(String::from_utf8(status.stdout).unwrap().contains("crashed: it ended without leaving word"));
}

#[test]
fn stop_waits_for_the_end_and_is_not_refused_by_a_server_that_hangs() {
    let place = Place::new();
    for hangs in [false, true] {
        let mut proxy = place.proxy(CAT);
        assert!(proxy.is_attached());
        let server = place.server_pid("w").unwrap();
        if hangs {
            signal(server, "STOP");
        }
        assert!(place.run(&["stop", "w"]).status.success());
        assert!(!lives(server));
        assert_eq!(proxy.wait().reason, Some(GoneReason::Stopped));
        let again = place.run(&["stop", "w", "--json"]);
        assert_eq!(again.status.code(), Some(EXIT_NOT_RUNNING));
        assert_eq!(again.stdout, b"{\"identifier\":\"w\",\"stopped\":false}\n");
    }
}

#[test]
fn a_replacement_that_was_given_up_explains_no_later_stop() {
    let place = Place::new();
    let mut proxy = place.proxy(CAT);
    let instance = proxy.hello();
    // As a proxy leaves it that was killed before it could stop the server.
    let intent = format!(r#"{{"instance":"{instance}","reason":"replaced","time":0,"at":"","message":""}}"#);
    std::fs::write(place.directory("w").join("server.stop.json"), intent).unwrap();
    signal(place.server_pid("w").unwrap(), "TERM");
    assert_eq!(proxy.wait().reason, Some(GoneReason::Stopped));
    assert_eq!(place.status("w")["reason"], "stopped");
}

#[test]
fn what_cannot_be_said_is_a_failure() {
    let place = Place::new();
    let mut proxy = place.proxy(CAT);
    assert!(proxy.is_attached());
    for words in
        [&["list", "--json"][..], &["list"], &["status", "w"], &["status", "w", "--json"], &["version"]]
    {
        let full = std::fs::File::options().write(true).open("/dev/full");
        // Where there is no such device, nobody can be out of room.
        let Ok(full) = full else { return };
        let output = place.command(words).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.starts_with("reattach-server: standard output cannot be written: "), "{said}");
        assert_eq!(said.lines().count(), 1);
    }
}

#[test]
fn what_was_left_long_ago_is_swept_by_the_next_start() {
    let place = Place::new();
    let old = place.directory("old");
    let recent = place.directory("recent");
    for directory in [&old, &recent] {
        std::fs::create_dir_all(directory).unwrap();
        for name in ["server.pid", "server.start", "server.exit.json", "server.log"] {
            std::fs::write(directory.join(name), "").unwrap();
        }
    }
    let files = std::fs::read_dir(&old).unwrap().map(|entry| entry.unwrap().path());
    let mut touch = Command::new("touch");
    assert!(touch.args(["-t", "202001010000"]).args(files).arg(&old).status().unwrap().success());
    assert!(place.proxy(CAT).is_attached());
    crate::place::wait_until("the old one is swept", || !old.exists());
    assert!(recent.exists());
}

#[test]
fn a_directory_in_which_a_server_is_about_to_start_is_not_swept() {
    let place = Place::new();
    let fresh = place.directory("fresh");
    std::fs::create_dir_all(&fresh).unwrap();
    assert!(place.proxy(CAT).is_attached());
    // A second start, so that the first one's sweep has had its time.
    assert!(place.proxy(CAT).is_attached());
    assert!(fresh.exists());
}

#[test]
fn the_version_is_for_people_and_for_programs() {
    let place = Place::new();
    let version = env!("CARGO_PKG_VERSION");
    let said = String::from_utf8(place.run(&["version"]).stdout).unwrap();
    assert_eq!(said, format!("reattach-server {version}, protocol 1 to 1\n"));
    let said = String::from_utf8(place.run(&["version", "--json"]).stdout).unwrap();
    assert_eq!(said, format!("{{\"protocol\":[1,1],\"version\":\"{version}\"}}\n"));
}
