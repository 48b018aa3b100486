//! A server that lives is found, by everybody and for as long as it lives, whatever somebody does to its
//! files or passes to it.

use std::fs::{self, Permissions};
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use reattach::proto::verdict::EXIT_ALREADY_RUNNING;
use reattach::proto::{GoneReason, InstanceId};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use crate::place::{Place, lives, signal, wait_until};
use crate::processes::{descriptors, processor_time};

const CAT: &[&str] = &["--identifier", "w", "--", "cat"];
const CAREFUL: &[&str] = &["--identifier", "w", "--if-running", "refuse", "--", "cat"];
const RECONNECT: &[&str] = &["--identifier", "w", "--reconnect"];

const FILES: [&str; 6] =
    ["server.pid", "server.start", "server.json", "server.log", "stdin.sock", "stdout.sock"];

/// Passes a descriptor along with what should be half a token.
fn pass(socket: &Path, fd: impl AsFd) {
    let stream = UnixStream::connect(socket).unwrap();
    let fds = [fd.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut along = SendAncillaryBuffer::new(&mut space);
    assert!(along.push(SendAncillaryMessage::ScmRights(&fds)));
    sendmsg(&stream, &[IoSlice::new(b"half")], &mut along, SendFlags::empty()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    // Its end is the server's: it has closed all that it was given.
    assert_eq!(std::io::Read::read(&mut &stream, &mut [0; 8]).unwrap_or(0), 0);
}

/// Everybody still finds the server, and nobody takes it for gone.
fn is_found(place: &Place, server: u32, instance: InstanceId, what: &str) {
    let mut back = place.proxy(RECONNECT);
    assert!(back.is_attached(), "{what}: {:?}", back.wait());
    back.kill();
    let status = place.status("w");
    assert_eq!(status["state"], "running", "{what}: {status}");
    assert_eq!(status["pid"], server, "{what}: {status}");
    assert_eq!(place.servers(), [server], "{what}");
    wait_until(&format!("its word of itself is there, after {what}"), || {
        place.status("w")["instance"] == instance.to_string()
    });
}

/// Nobody starts a second server.
fn is_alone(place: &Place, server: u32, what: &str) {
    let verdict = place.verdict(CAREFUL);
    assert_eq!(verdict.code, EXIT_ALREADY_RUNNING, "{what}: {verdict:?}");
    assert_eq!(place.servers(), [server], "{what}");
}

#[test]
fn a_descriptor_that_is_passed_takes_nothing_away() {
    let place = Place::new();
    let instance = place.proxy(CAT).hello();
    let server = place.server_pid("w").unwrap();
    let open = descriptors(server);
    for name in ["server.pid", "server.start", "server.log", "server.json"] {
        let file = fs::File::open(place.directory("w").join(name)).unwrap();
        for socket in ["stdin.sock", "stdout.sock"] {
            pass(&place.directory("w").join(socket), &file);
            is_found(&place, server, instance, &format!("{name} was passed to {socket}"));
        }
    }
    is_alone(&place, server, "all was passed");
    wait_until("as many descriptors are open as before", || descriptors(server) <= open);
    // It is found by those who want to end it, too, and it alone.
    let mut next = place.proxy(CAT);
    assert_ne!(next.hello(), instance);
    assert!(!lives(server));
    assert_eq!(place.servers().len(), 1);
}

#[test]
fn a_stopped_server_whose_lock_was_attacked_is_replaced_all_the_same() {
    let place = Place::new();
    place.proxy(CAT).hello();
    let server = place.server_pid("w").unwrap();
    pass(
        &place.directory("w").join("stdin.sock"),
        fs::File::open(place.directory("w").join("server.pid")).unwrap(),
    );
    signal(server, "STOP");
    assert_eq!(place.server_pid("w"), Some(server));
    let mut next = place.proxy(CAT);
    assert!(next.is_attached());
    assert!(!lives(server));
}

#[test]
fn whatever_becomes_of_a_file_the_server_is_found_again_and_again() {
    let place = Place::new();
    let instance = place.proxy(CAT).hello();
    let server = place.server_pid("w").unwrap();
    type Deed = (&'static str, fn(&Path));
    // What is not there at that moment, because the server is just putting it back, is left.
    let deeds: [Deed; 9] = [
        ("removed", |path| drop(fs::remove_file(path))),
        ("moved away", |path| drop(fs::rename(path, path.with_extension("elsewhere")))),
        ("replaced by a copy", |path| {
            let copy = path.with_extension("copy");
            fs::write(&copy, fs::read(path).unwrap_or_default()).unwrap();
            fs::rename(&copy, path).unwrap();
        }),
        ("emptied", |path| {
            // A socket is no file that could be.
            if fs::write(path, "").is_err() {
                let _ = fs::remove_file(path);
                let _ = fs::write(path, "");
            }
        }),
        ("garbled", |path| {
            let _ = fs::remove_file(path);
            let _ = fs::write(path, b"{\"instance\":\"0\xff");
        }),
        ("a link", |path| {
            let _ = fs::remove_file(path);
            let _ = symlink("/etc/passwd", path);
        }),
        ("a directory", |path| {
            let _ = fs::remove_file(path);
            let _ = fs::create_dir(path);
            let _ = fs::write(path.join("full"), "");
        }),
        ("another's socket", |path| {
            let _ = fs::remove_file(path);
            std::mem::forget(UnixListener::bind(path));
        }),
        ("closed to everybody", |path| drop(fs::set_permissions(path, Permissions::from_mode(0o0)))),
    ];
    for (what, deed) in deeds {
        for name in FILES {
            for time in ["once", "again"] {
                deed(&place.directory("w").join(name));
                is_found(&place, server, instance, &format!("{name} is {what}, {time}"));
            }
        }
        FILES.iter().for_each(|name| deed(&place.directory("w").join(name)));
        is_alone(&place, server, &format!("every file is {what}"));
    }
    assert!(place.run(&["stop", "w"]).status.success());
    assert_eq!(place.verdict(RECONNECT).reason, Some(GoneReason::Stopped));
}

#[test]
fn whatever_becomes_of_the_directory_the_server_is_found_again() {
    let place = Place::new();
    let instance = place.proxy(CAT).hello();
    let server = place.server_pid("w").unwrap();
    let own = place.directory("w");
    let root = own.parent().unwrap().to_owned();
    let count = std::cell::Cell::new(0);
    let elsewhere = || {
        count.set(count.get() + 1);
        format!("elsewhere-{}", count.get())
    };
    type Deed<'a> = (&'a str, Box<dyn Fn() + 'a>);
    let remove = |path: &Path| {
        while fs::remove_dir_all(path).is_err_and(|error| error.kind() != std::io::ErrorKind::NotFound) {}
    };
    let deeds: [Deed<'_>; 7] = [
        ("it is removed", Box::new(|| remove(&own))),
        ("the root of all is removed", Box::new(|| remove(&root))),
        ("it is moved away", Box::new(|| drop(fs::rename(&own, root.join(elsewhere()))))),
        (
            "the root of all is moved away",
            Box::new(|| drop(fs::rename(&root, place.home().join(elsewhere())))),
        ),
        (
            "it is another one",
            Box::new(|| {
                let _ = fs::rename(&own, root.join(elsewhere()));
                let _ = fs::create_dir(&own);
            }),
        ),
        (
            "it can be written by everybody",
            Box::new(|| fs::set_permissions(&own, Permissions::from_mode(0o777)).unwrap()),
        ),
        (
            "it is closed to everybody",
            Box::new(|| fs::set_permissions(&own, Permissions::from_mode(0o0)).unwrap()),
        ),
    ];
    for (what, deed) in deeds {
        deed();
        is_alone(&place, server, what);
        deed();
        is_found(&place, server, instance, what);
    }
    for what in ["a file", "a link"] {
        fs::rename(&own, root.join(what)).unwrap();
        let _ = fs::remove_dir_all(&own);
        let _ = match what {
            "a file" => fs::write(&own, ""),
            _ => symlink("/tmp", &own),
        };
        // Nobody says that it is gone, and it takes a moment until it is there again.
        wait_until("its directory is there again", || own.is_dir() && !own.is_symlink());
        is_found(&place, server, instance, what);
    }
}

#[test]
fn a_stopped_server_without_any_file_is_not_taken_for_gone() {
    if !cfg!(target_os = "linux") {
        return;
    }
    let place = Place::new();
    place.proxy(CAT).hello();
    let server = place.server_pid("w").unwrap();
    signal(server, "STOP");
    fs::remove_dir_all(place.directory("w")).unwrap();
    assert_eq!(place.server_pid("w"), Some(server));
    let mut back = place.proxy(RECONNECT);
    let verdict = place.verdict(CAREFUL);
    assert_eq!(verdict.code, EXIT_ALREADY_RUNNING, "{verdict:?}");
    assert!(!back.has_ended());
    signal(server, "CONT");
    assert!(back.is_attached());
    assert_eq!(place.servers(), [server]);
}

#[test]
fn a_signal_makes_a_server_look_where_nothing_else_does() {
    let place = Place::new();
    place.proxy(CAT).hello();
    let server = place.server_pid("w").unwrap();
    let socket = place.directory("w").join("stdin.sock");
    for _ in 0..3 {
        fs::remove_file(&socket).unwrap();
        signal(server, "HUP");
        wait_until("the socket is there again", || UnixStream::connect(&socket).is_ok());
    }
    assert!(lives(server));
}

#[test]
fn who_does_it_over_and_over_costs_the_server_little_and_itself_its_wish() {
    let place = Place::new();
    let instance = place.proxy(CAT).hello();
    let server = place.server_pid("w").unwrap();
    let before = processor_time(server);
    for _ in 0..300 {
        let _ = fs::remove_dir_all(place.directory("w"));
        crate::place::wait(std::time::Duration::from_millis(1));
    }
    let spent = processor_time(server) - before;
    assert!(spent < std::time::Duration::from_millis(300), "{spent:?}");
    is_found(&place, server, instance, "it was removed 300 times");
}

#[test]
fn a_server_by_hand_leaves_what_is_not_its_own() {
    let place = Place::new();
    let path = |name: &str| place.home().join(name).into_os_string().into_string().unwrap();
    let words = ["run", "--pid-file", &path("my.pid"), "--", "cat"];
    let mut command = place.command(&words);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null());
    let mut server = command.spawn().unwrap();
    wait_until("it serves", || {
        Path::new(&path("my.json")).exists() && Path::new(&path("stdout.sock")).exists()
    });
    fs::write(path("other.txt"), "other").unwrap();
    for name in ["my.pid", "my.json", "stdin.sock"] {
        fs::remove_file(path(name)).unwrap();
        wait_until("it is there again", || Path::new(&path(name)).exists());
    }
    assert_eq!(fs::read_to_string(path("other.txt")).unwrap(), "other");
    let second = place.run(&words);
    assert_eq!(second.status.code(), Some(EXIT_ALREADY_RUNNING), "{second:?}");
    signal(server.id(), "TERM");
    assert!(server.wait().unwrap().success());
}
