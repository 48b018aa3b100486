//! A directory for everybody's files, in which another user was first.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::place::{Place, wait_until};
use crate::proxy::Proxy;

/// A user who is nobody else, and has a home whose path is too long for sockets.
struct User {
    number: u32,
    program: PathBuf,
    place: Place,
}

impl User {
    /// `None`, said loudly, where we cannot be somebody else.
    fn new(offset: u32) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            assert!(std::env::var_os("CI").is_none(), "these tests must be run by root");
            eprintln!("SKIPPED: tests with two users, because only root can be both");
            return None;
        }
        let number = 1_500_000_000 + std::process::id() * 10 + offset;
        let place = Place::for_anybody();
        let program = place.copy_of(env!("CARGO_BIN_EXE_reattach-server"));
        let mut home = place.home().to_owned();
        while home.as_os_str().len() < 120 {
            home.push("a-rather-long-name");
        }
        fs::create_dir_all(&home).unwrap();
        for folder in home.ancestors().take_while(|folder| folder.starts_with(place.home())) {
            fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
            chown(folder, Some(number), Some(number)).unwrap();
        }
        Some(User { number, program, place })
    }

    fn home(&self) -> PathBuf {
        let mut home = self.place.home().to_owned();
        while home.as_os_str().len() < 120 {
            home.push("a-rather-long-name");
        }
        home
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(words).env("HOME", self.home()).current_dir("/").stdin(Stdio::null());
        command.uid(self.number).gid(self.number);
        command
    }

    fn status(&self) -> serde_json::Value {
        let output = self.command(&["status", "w", "--json"]).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Where the sockets should be.
    fn usual(&self) -> PathBuf {
        PathBuf::from(format!("/tmp/reattach-{}", self.number))
    }

    /// What is in the place of all users with a name that begins as ours do.
    fn names(&self) -> Vec<PathBuf> {
        let usual = self.usual().into_os_string().into_string().unwrap();
        let all = fs::read_dir("/tmp").unwrap().map(|entry| entry.unwrap().path());
        all.filter(|path| path.to_str().is_some_and(|path| path.starts_with(&usual))).collect()
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let _ = self.command(&["stop", "w"]).output();
        for path in self.names() {
            let _ = fs::remove_dir_all(&path).or_else(|_| fs::remove_file(&path));
        }
    }
}

#[test]
fn a_name_that_another_user_took_first_keeps_nobody_from_starting() {
    type Deed = (&'static str, fn(&Path));
    let deeds: [Deed; 6] = [
        ("a directory of another user", |path| fs::create_dir(path).unwrap()),
        ("one that all may write", |path| {
            fs::create_dir(path).unwrap();
            fs::set_permissions(path, Permissions::from_mode(0o777)).unwrap();
        }),
        ("one that is closed", |path| {
            fs::create_dir(path).unwrap();
            fs::set_permissions(path, Permissions::from_mode(0o0)).unwrap();
        }),
        ("a file", |path| fs::write(path, "").unwrap()),
        ("a link to a directory", |path| symlink("/tmp", path).unwrap()),
        ("a link to nothing", |path| symlink("/no/such", path).unwrap()),
    ];
    for (offset, (what, deed)) in (0..).zip(deeds) {
        let Some(user) = User::new(offset) else { return };
        deed(&user.usual());
        let mut first = Proxy::start(user.command(&["proxy", "--identifier", "w", "--", "cat"]));
        assert!(first.is_attached(), "{what}: {:?}", first.wait());
        first.kill();
        let mut second = Proxy::start(user.command(&["proxy", "--identifier", "w", "--reconnect"]));
        assert!(second.is_attached(), "{what}: {:?}", second.wait());
        let [_, elsewhere] = &user.names()[..] else { panic!("{what}: {:?}", user.names()) };
        let mode = fs::metadata(elsewhere).map(|found| found.permissions().mode() & 0o777);
        assert!(elsewhere == &user.usual() || mode.unwrap() == 0o700, "{what}");
        assert!(user.command(&["stop", "w"]).status().unwrap().success(), "{what}");
        assert_eq!(user.names(), [user.usual()], "{what}: something is left");
        // A killed one leaves them, and the next one removes them.
        let mut third = Proxy::start(user.command(&["proxy", "--identifier", "w", "--", "cat"]));
        assert!(third.is_attached(), "{what}");
        crate::place::kill(user.status()["pid"].as_u64().unwrap().try_into().unwrap());
        third.wait();
        assert_eq!(user.names().len(), 2, "{what}");
        let mut fourth = Proxy::start(user.command(&["proxy", "--identifier", "w", "--", "cat"]));
        assert!(fourth.is_attached(), "{what}");
        assert_eq!(user.names().len(), 2, "{what}");
    }
}

#[test]
fn a_directory_of_ours_that_is_closed_or_open_to_all_is_put_right() {
    for (offset, mode) in (6..).zip([0, 0o777]) {
        let Some(user) = User::new(offset) else { return };
        fs::create_dir(user.usual()).unwrap();
        fs::set_permissions(user.usual(), Permissions::from_mode(mode)).unwrap();
        chown(user.usual(), Some(user.number), None).unwrap();
        let mut proxy = Proxy::start(user.command(&["proxy", "--identifier", "w", "--", "cat"]));
        assert!(proxy.is_attached(), "{mode:o}: {:?}", proxy.wait());
    }
}

#[test]
fn sockets_that_are_swept_away_come_back_where_they_can_be() {
    let Some(user) = User::new(8) else { return };
    let mut proxy = Proxy::start(user.command(&["proxy", "--identifier", "w", "--", "cat"]));
    assert!(proxy.is_attached());
    proxy.kill();
    fs::remove_dir_all(user.usual()).unwrap();
    wait_until("they are there again", || user.usual().exists());
    let mut proxy = Proxy::start(user.command(&["proxy", "--identifier", "w", "--reconnect"]));
    assert!(proxy.is_attached(), "{:?}", proxy.wait());
    proxy.kill();
    // Somebody else is faster this time, as far as the server can tell.
    fs::rename(user.usual(), user.usual().with_extension("moved")).unwrap();
    let _ = fs::remove_dir_all(user.usual());
    let _ = fs::write(user.usual(), "");
    let mut proxy = Proxy::start(user.command(&["proxy", "--identifier", "w", "--reconnect"]));
    assert!(proxy.is_attached(), "{:?}", proxy.wait());
}
