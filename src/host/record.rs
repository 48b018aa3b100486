//! What a server leaves word of: the record at its start, the tombstone at its end, and a
//! stopper's intent.
//!
//! Written in one step, read with patience: a missing, torn or garbled file is as good as none.
//! None of them proves anything; who lives is asked of the [lock](super::lock).

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::directory::Directory;
use super::lock::StarterLock;
use super::order::Order;
use super::paths::Place;
use super::seat;
use super::sockets::{AGENT, Sockets, hash};
use crate::io::clock;
use crate::proto::limits::{
    PROTOCOL_VERSION, PROTOCOL_VERSION_MIN, RECORD_BYTES_MAX, RECORD_COMMAND_BYTES_MAX,
};
use crate::proto::{GoneReason, InstanceId};
use crate::session::launch;

/// `server.json`: a server's word at its start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The server.
    pub instance: InstanceId,
    /// Its version.
    pub version: String,
    /// Oldest and newest protocol version that it speaks.
    pub protocol: (u16, u16),
    /// Its process, for people; never to be signalled.
    pub pid: u32,
    /// When it started, in seconds since 1970.
    pub started: u64,
    /// The same, for people.
    pub started_at: String,
    /// The boot that it was started in: 32 hexadecimal digits.
    pub boot: String,
    /// What it hosts; empty for an application of its own.
    pub command: Vec<String>,
    /// Where, if that is text; absent if the server is of an earlier version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// The variables that the client gave to the program, and a hash of each value: enough to tell whether
    /// another client's are the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<(String, String)>,
    /// The program has the environment of a login shell.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub login: bool,
    /// Where its sockets are; absent if that is no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin_socket: Option<PathBuf>,
    /// As above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdout_socket: Option<PathBuf>,
    /// Seconds that it lives without a client.
    pub idle_lifetime: u64,
}

impl Record {
    /// That of this process, which starts now.
    pub fn of_this_process(
        instance: InstanceId,
        order: &Order,
        sockets: &Sockets,
        idle_lifetime: Duration,
    ) -> Self {
        let started = clock::unix_seconds();
        let mut record = Record {
            instance,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            protocol: (PROTOCOL_VERSION_MIN, PROTOCOL_VERSION),
            pid: std::process::id(),
            started,
            started_at: time_for_people(started),
            boot: format!("{:032x}", super::boot::current().0),
            command: shortened(&order.command),
            cwd: directory(order).and_then(|directory| Some(directory.to_str()?.to_owned())),
            env: marked(order),
            login: order.surroundings.login,
            stdin_socket: None,
            stdout_socket: None,
            idle_lifetime: idle_lifetime.as_secs(),
        };
        record.set_sockets(sockets);
        record
    }

    /// They are elsewhere by now.
    pub fn set_sockets(&mut self, sockets: &Sockets) {
        let text = |path: &PathBuf| path.to_str().map(PathBuf::from);
        self.stdin_socket = text(&sockets.stdin);
        self.stdout_socket = text(&sockets.stdout);
    }

    /// Where the sockets are, if it says so.
    pub fn sockets(&self) -> Option<Sockets> {
        Some(Sockets { stdin: self.stdin_socket.clone()?, stdout: self.stdout_socket.clone()? })
    }

    /// What of it explains an end.
    pub fn as_evidence(&self) -> launch::Record {
        let boot = u128::from_str_radix(&self.boot, 16).unwrap_or(0);
        launch::Record { instance: self.instance, boot: launch::Boot(boot) }
    }

    /// Reads it.
    pub fn read(place: &Place, directory: &Directory) -> Option<Self> {
        read(directory, &place.name(".json"))
    }

    /// Writes it.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn write(&self, place: &Place, directory: &Directory) -> io::Result<()> {
        write(directory, &place.name(".json"), self)
    }
}

/// `server.exit.json`: a server's word at its end. `server.stop.json`: that of who stops it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// The server that ended, or is about to.
    pub instance: InstanceId,
    /// Why.
    pub reason: GoneReason,
    /// When, in seconds since 1970.
    pub time: u64,
    /// The same, for people.
    pub at: String,
    /// Why, for people: one sentence.
    pub message: String,
    /// Only if no client is attached: a server that has one removes this word, and goes on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unless_attached: bool,
}

impl Ending {
    /// One that happens now.
    pub fn now(instance: InstanceId, reason: GoneReason) -> Self {
        let time = clock::unix_seconds();
        let (at, message) = (time_for_people(time), sentence(reason));
        Ending { instance, reason, time, at, message, unless_attached: false }
    }

    /// What of it explains an end.
    pub fn as_evidence(&self) -> launch::Mark {
        launch::Mark { instance: self.instance, reason: self.reason }
    }

    /// Reads the tombstone.
    pub fn read_tombstone(place: &Place, directory: &Directory) -> Option<Self> {
        read(directory, &place.name(".exit.json"))
    }

    /// Writes it as the tombstone.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn write_tombstone(&self, place: &Place, directory: &Directory) -> io::Result<()> {
        write(directory, &place.name(".exit.json"), self)
    }

    /// Reads a stopper's intent.
    pub fn read_intent(place: &Place, directory: &Directory) -> Option<Self> {
        read(directory, &place.name(".stop.json"))
    }

    /// Writes it as a stopper's intent.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn write_intent(&self, place: &Place, directory: &Directory) -> io::Result<()> {
        write(directory, &place.name(".stop.json"), self)
    }
}

/// Removes what the last server left, all but its log. Only for the holder of the starter lock,
/// while nobody holds the server's.
///
/// # Errors
///
/// Those of the system.
pub fn clean(place: &Place, directory: &Directory) -> io::Result<()> {
    if let Some(sockets) = Record::read(place, directory).and_then(|record| record.sockets()) {
        sockets.remove();
    }
    place.sockets.remove();
    // The record first: who finds it still must find what explains its end, too.
    for ending in [".json", ".exit.json", ".stop.json", seat::ENDING] {
        directory.remove(&place.name(ending))?;
    }
    if place.is_private() {
        directory.remove(AGENT.as_ref())?;
    }
    for name in directory.names()? {
        if place.is_draft(&name) {
            directory.remove(&name)?;
        }
    }
    Ok(())
}

/// What a starter found, to be there again if its start fails.
#[derive(Debug, Default)]
pub struct Found {
    words: Vec<(OsString, Vec<u8>)>,
    names: Vec<OsString>,
}

impl Found {
    /// What is there of an earlier server; all that is there is not ours alone.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn before_start(place: &Place, directory: &Directory, starter: &StarterLock) -> io::Result<Self> {
        let words = WORDS.map(|ending| place.name(ending)).into_iter();
        let words = words.filter_map(|name| Some((name.clone(), directory.read(&name, RECORD_BYTES_MAX)?)));
        let mut names = directory.names()?;
        if starter.has_made_file() {
            names.retain(|name| *name != place.name(".start"));
        }
        Ok(Found { words: words.collect(), names })
    }

    /// Leaves that, and the log that explains why there is no more. Only for the holder of the starter
    /// lock, when the server that it started is no more.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn leave(&self, place: &Place, directory: &Directory) -> io::Result<()> {
        clean(place, directory)?;
        // The record last: who finds it finds what explains its end, too.
        for (name, content) in &self.words {
            directory.replace(name, content)?;
        }
        for ending in [".pid", ".lock", ".start"] {
            let name = place.name(ending);
            if !self.names.contains(&name) {
                directory.remove(&name)?;
            }
        }
        Ok(())
    }
}

/// What a server and its stopper leave word in; the record is the last.
const WORDS: [&str; 3] = [".exit.json", ".stop.json", ".json"];

/// Why a server is gone, for people.
pub fn sentence(reason: GoneReason) -> String {
    match reason {
        GoneReason::Crashed => "it ended without leaving word".to_owned(),
        GoneReason::Stopped => "it was told to end".to_owned(),
        GoneReason::Idle => "no client was attached for its idle lifetime".to_owned(),
        GoneReason::Unmet => "no client ever attached to it".to_owned(),
        GoneReason::Replaced => "a fresh server took its place".to_owned(),
        GoneReason::Rebooted => "the host was started anew since".to_owned(),
        GoneReason::Closed => "its client closed the session".to_owned(),
        GoneReason::Orphaned => "its client ended without a word, and did not come back".to_owned(),
        GoneReason::Exited(_) => format!("the {reason}"),
        GoneReason::Never => "no server has ever left anything under this name".to_owned(),
        GoneReason::Unknown => "nothing is left that says why it ended".to_owned(),
    }
}

/// A time such as `2026-01-31T12:00:00Z`.
pub fn time_for_people(unix_seconds: u64) -> String {
    // What a garbled file may claim is not what a calendar can hold.
    let latest = Duration::from_secs(253_402_300_799);
    let time = UNIX_EPOCH + Duration::from_secs(unix_seconds).min(latest);
    humantime::format_rfc3339_seconds(time).to_string()
}

/// Where the program runs.
fn directory(order: &Order) -> Option<PathBuf> {
    order.surroundings.directory.clone().or_else(|| std::env::current_dir().ok())
}

/// The variables by name, with a hash of each value, as far as there is room.
pub(super) fn marked(order: &Order) -> Vec<(String, String)> {
    let mut room = RECORD_COMMAND_BYTES_MAX;
    let variables = order.surroundings.variables.iter().map_while(|(name, value)| {
        let name = name.to_string_lossy().into_owned();
        room = room.checked_sub(name.len() + 16)?;
        Some((name, format!("{:016x}", hash(value.as_encoded_bytes()))))
    });
    // Of two with one name the last one holds.
    variables.collect::<BTreeMap<_, _>>().into_iter().collect()
}

/// A command line as it is recorded.
pub(super) fn shortened(command: &[std::ffi::OsString]) -> Vec<String> {
    let mut room = RECORD_COMMAND_BYTES_MAX;
    let mut words = Vec::new();
    for word in command {
        let word = word.to_string_lossy();
        if word.len() > room {
            words.push("…".to_owned());
            break;
        }
        room -= word.len();
        words.push(word.into_owned());
    }
    words
}

pub(super) fn read<T: DeserializeOwned>(directory: &Directory, name: &OsStr) -> Option<T> {
    serde_json::from_slice(&directory.read(name, RECORD_BYTES_MAX)?).ok()
}

pub(super) fn write<T: Serialize>(directory: &Directory, name: &OsStr, content: &T) -> io::Result<()> {
    let mut text = serde_json::to_vec_pretty(content)?;
    text.push(b'\n');
    directory.replace(name, &text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> (tempfile::TempDir, Place, Directory) {
        let home = tempfile::tempdir().unwrap();
        let place = Place::beside(&home.path().join("server.pid")).unwrap();
        let directory = place.find().unwrap().unwrap();
        (home, place, directory)
    }

    fn record(place: &Place) -> Record {
        let order = Order { command: vec!["pylsp".into(), "-v".into()], ..Order::default() };
        Record::of_this_process(InstanceId(7), &order, &place.sockets, Duration::from_secs(60))
    }

    #[test]
    fn reads_what_it_writes() {
        let (_home, place, directory) = place();
        let record = record(&place);
        record.write(&place, &directory).unwrap();
        assert_eq!(Record::read(&place, &directory), Some(record.clone()));
        assert_eq!(record.sockets().as_ref(), Some(&place.sockets));
        assert_eq!(record.as_evidence().boot, super::super::boot::current());
        let ending = Ending::now(InstanceId(7), GoneReason::Idle);
        ending.write_tombstone(&place, &directory).unwrap();
        assert_eq!(Ending::read_tombstone(&place, &directory), Some(ending));
        assert_eq!(Ending::read_intent(&place, &directory), None);
        assert_eq!(directory.names().unwrap(), ["server.exit.json", "server.json"]);
    }

    #[test]
    fn whatever_is_torn_is_as_good_as_none() {
        let (home, place, directory) = place();
        record(&place).write(&place, &directory).unwrap();
        let whole = std::fs::read(home.path().join("server.json")).unwrap();
        for length in 0..whole.len() - 2 {
            std::fs::write(home.path().join("server.json"), &whole[..length]).unwrap();
            assert_eq!(Record::read(&place, &directory), None, "{length}");
        }
        std::fs::write(home.path().join("server.json"), vec![b' '; RECORD_BYTES_MAX + 1]).unwrap();
        assert_eq!(Record::read(&place, &directory), None);
        std::fs::remove_file(home.path().join("server.json")).unwrap();
        std::fs::create_dir(home.path().join("server.json")).unwrap();
        assert_eq!(Record::read(&place, &directory), None);
    }

    #[test]
    fn a_later_versions_reason_is_unknown_and_not_an_error() {
        let (home, place, directory) = place();
        let text = r#"{"instance":"00000000000000000000000000000007","reason":"moon","time":0,"at":"","message":""}"#;
        std::fs::write(home.path().join("server.exit.json"), text).unwrap();
        assert_eq!(Ending::read_tombstone(&place, &directory).unwrap().reason, GoneReason::Unknown);
    }

    #[test]
    fn cleaning_leaves_the_locks_and_the_log() {
        let (home, place, directory) = place();
        record(&place).write(&place, &directory).unwrap();
        Ending::now(InstanceId(7), GoneReason::Idle).write_intent(&place, &directory).unwrap();
        for name in ["server.pid", "server.start", "server.log", "server.json.1.draft", "letter.draft"] {
            std::fs::write(home.path().join(name), "").unwrap();
        }
        for socket in [&place.sockets.stdin, &place.sockets.stdout] {
            drop(std::os::unix::net::UnixListener::bind(socket).unwrap());
        }
        clean(&place, &directory).unwrap();
        assert_eq!(directory.names().unwrap(), ["letter.draft", "server.log", "server.pid", "server.start"]);
    }

    #[test]
    fn a_long_command_is_cut_between_words() {
        let words = shortened(&["a".into(), "x".repeat(RECORD_COMMAND_BYTES_MAX).into(), "b".into()]);
        assert_eq!(words, ["a", "…"]);
    }

    #[test]
    fn times_are_readable_however_wrong() {
        assert_eq!(time_for_people(0), "1970-01-01T00:00:00Z");
        assert_eq!(time_for_people(u64::MAX), "9999-12-31T23:59:59Z");
    }
}
