//! How the server program is found on its host: by a script that then becomes its proxy, so that looking costs
//! no login of its own.
//!
//! At first it is looked for in some places, and the first that speaks our protocol is taken; one whose path was
//! given is taken as it is, or none. Whoever has met a server comes back by the program that answered then. If
//! that is no more, any other that fits will do: with `--reconnect` it attaches or starts nothing, and
//! who it attached to is proven by the instance.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use super::route::Route;
use super::script::Script;
use crate::proto::limits::{PROTOCOL_VERSION, PROTOCOL_VERSION_MIN};

/// The script; its comments stay here.
const FIND: &str = include_str!("find.sh");

/// How an attempt runs the server program there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Run {
    /// These very words: nobody is asked for what they mean.
    Words(Vec<OsString>),
    /// A script.
    Script(Vec<OsString>),
}

/// Where the server's program is, for one attempt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sought<'a> {
    /// What was asked for: the program's name or path, and what comes before its subcommand.
    pub(super) server: &'a [OsString],
    /// Where one of that name answered before.
    pub(super) found: Option<&'a str>,
    /// Whether a server was met.
    pub(super) again: bool,
}

impl Sought<'_> {
    /// With these words for the proxy.
    pub(super) fn run(&self, route: &Route, proxy: Vec<OsString>) -> Run {
        let Some((name, prefix)) = self.server.split_first() else {
            return Run::Words(proxy);
        };
        let is_path = name.as_bytes().contains(&b'/');
        let is_at_home = name.as_bytes().starts_with(b"~/");
        match route {
            Route::Local => return Run::Words(words(at_home(name), prefix, proxy)),
            // Where there is a program there need be no shell.
            Route::Via(_) if is_path && !is_at_home => {
                return Run::Words(words(name.clone(), prefix, proxy));
            }
            Route::Via(_) | Route::Ssh { .. } => {}
        }
        let mode = match (self.again, is_path) {
            (false, _) => "first",
            (true, false) => "again",
            // Whoever says where it is knows what is there.
            (true, true) => "named",
        };
        // Of a program that does more than serve it is not known how to ask it for its version.
        let check = if prefix.is_empty() { "check" } else { "trust" };
        let name = match self.found {
            Some(found) if !is_path => OsStr::new(found),
            _ => name,
        };
        let mut arguments = vec![mode.into(), name.to_owned(), check.into()];
        arguments.push(env!("CARGO_PKG_VERSION").into());
        arguments.extend([PROTOCOL_VERSION_MIN, PROTOCOL_VERSION].map(|version| version.to_string().into()));
        arguments.extend(prefix.iter().cloned());
        arguments.extend(proxy);
        Run::Script(arguments)
    }
}

/// The script, without what is for its readers.
pub(super) fn script(arguments: Vec<OsString>) -> Script {
    let lines = FIND.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    Script { text: lines.collect::<Vec<_>>().join("\n"), arguments }
}

/// On this machine no shell is asked: whose home it is, is known.
fn at_home(path: &OsStr) -> OsString {
    match (path.as_bytes().strip_prefix(b"~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(OsStr::from_bytes(rest)).into_os_string(),
        (Some(_) | None, _) => path.to_owned(),
    }
}

fn words(program: OsString, prefix: &[OsString], proxy: Vec<OsString>) -> Vec<OsString> {
    std::iter::once(program).chain(prefix.iter().cloned()).chain(proxy).collect()
}
