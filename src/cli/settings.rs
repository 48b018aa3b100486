//! Settings by host: what `~/.config/reattach/config.toml` says, each with its line.
//!
//! ```toml
//! [host.devbox]
//! server-path = "/opt/reattach-server"
//! cwd = "~/work"
//! env = ["RUST_LOG=info", "LANG"]
//! login = true
//! patience = "2h"
//!
//! [host."*.example.org"]
//! ssh-arg = ["-p2222"]
//! ```
//!
//! A setting is an option of `reattach connect` without its dashes, and means what that means. Everything is
//! checked whenever the file is read, also what is about other hosts. What holds in the end is left to
//! [`settled`](super::settled).

use std::ffi::OsString;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::proto::limits::SETTINGS_BYTES_MAX;
use crate::proto::words::harmless;

/// A part of the text.
type Span = Range<usize>;

/// What can be set, and how it is written.
pub const KNOWN: [(&str, Kind); 17] = [
    ("allowance", Kind::Text),
    ("backoff-max", Kind::Text),
    ("backoff-min", Kind::Text),
    ("cwd", Kind::Text),
    ("env", Kind::Texts),
    ("heartbeat-interval", Kind::Text),
    ("idle-lifetime", Kind::Text),
    ("login", Kind::Switch),
    ("max-attempts", Kind::Count),
    ("network-notices", Kind::Switch),
    ("on-state", Kind::Text),
    ("open-timeout", Kind::Text),
    ("orphan-lifetime", Kind::Text),
    ("patience", Kind::Text),
    ("server-path", Kind::Text),
    ("ssh-arg", Kind::Texts),
    ("try-on-input", Kind::Switch),
];

/// How a setting is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// In quotes.
    Text,
    /// A number.
    Count,
    /// `true` or `false`, or "on" or "off" as on the command line.
    Switch,
    /// Some in quotes, in brackets; those of several tables add up.
    Texts,
}

/// One value of one setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Which, as [`KNOWN`] has it.
    pub name: &'static str,
    /// As on the command line.
    pub value: String,
    /// Where in the file, from 1.
    pub line: usize,
}

impl Setting {
    /// The word of a command line that says the same.
    pub fn word(&self) -> OsString {
        format!("--{}={}", self.name, self.value).into()
    }
}

/// A file of settings.
#[derive(Debug)]
pub struct Settings {
    /// Where it is.
    pub path: PathBuf,
    /// By the host, or the pattern of hosts, that they are about: the most specific first.
    tables: Vec<(String, Vec<Setting>)>,
}

/// Where the file is, if the environment says so.
pub fn path() -> Option<PathBuf> {
    let absolute =
        |name| std::env::var_os(name).map(PathBuf::from).filter(|path: &PathBuf| path.is_absolute());
    let folder = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")))?;
    Some(folder.join("reattach/config.toml"))
}

impl Settings {
    /// Reads the file; `None` if there is none.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and in which line, in one sentence.
    pub fn read(path: &Path) -> Result<Option<Self>, String> {
        let name = harmless(&path.display().to_string());
        let failed = |error: std::io::Error| format!("{name} cannot be read: {error}");
        let mut bytes = Vec::new();
        match File::open(path)
            .and_then(|file| file.take(SETTINGS_BYTES_MAX as u64 + 1).read_to_end(&mut bytes))
        {
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => return Err(failed(error)),
        }
        if bytes.len() > SETTINGS_BYTES_MAX {
            return Err(format!("{name} is longer than {SETTINGS_BYTES_MAX} bytes"));
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let line = 1 + error.as_bytes()[..error.utf8_error().valid_up_to()]
                .iter()
                .filter(|byte| **byte == b'\n')
                .count();
            format!("{name}:{line}: this is not UTF-8 text")
        })?;
        Self::parse(path, &text).map(Some).map_err(|(line, why)| format!("{name}:{line}: {}", harmless(&why)))
    }

    /// The settings, or a line and what is wrong there.
    fn parse(path: &Path, text: &str) -> Result<Self, (usize, String)> {
        let line_of = |span: Span| 1 + text[..span.start.min(text.len())].matches('\n').count();
        let at = |span: Span, why: String| (line_of(span), why);
        let root = DeTable::parse(text).map_err(|error| {
            let why = error.message().lines().collect::<Vec<_>>().join(", ");
            at(error.span().unwrap_or(0..0), why)
        })?;
        let mut tables = Vec::new();
        for (name, hosts) in root.get_ref() {
            let (DeValue::Table(hosts), "host") = (hosts.get_ref(), name.get_ref().as_ref()) else {
                let name = name.get_ref();
                return Err(at(
                    hosts.span(),
                    format!("{name:?} is not known here: settings are in tables such as [host.devbox]"),
                ));
            };
            for (pattern, table) in hosts {
                let DeValue::Table(table) = table.get_ref() else {
                    let why = "settings are in tables of a host, such as [host.devbox]".to_owned();
                    return Err(at(table.span(), why));
                };
                let mut settings = Vec::new();
                for (key, value) in table {
                    let (name, kind) = known(key.get_ref()).map_err(|why| at(key.span(), why))?;
                    for (value, span) in values(name, kind, value).map_err(|(span, why)| at(span, why))? {
                        settings.push(Setting { name, value, line: line_of(span) });
                    }
                }
                tables.push((pattern.get_ref().to_string(), settings));
            }
        }
        // One that names a host whole comes first, then whichever says most of it.
        tables.sort_by_key(|(pattern, _)| (is_pattern(pattern), usize::MAX - letters(pattern)));
        Ok(Settings { path: path.to_owned(), tables })
    }

    /// All settings, whomever they are about.
    pub fn all(&self) -> impl Iterator<Item = &Setting> {
        self.tables.iter().flat_map(|(_, settings)| settings)
    }

    /// Those about a host, as ssh is given it: each from the most specific table that has it, but all of
    /// those that add up.
    pub fn about(&self, host: &str) -> Vec<&Setting> {
        let host = bare(host);
        let mut found: Vec<&Setting> = Vec::new();
        let tables: Vec<_> = self.tables.iter().filter(|(pattern, _)| matches(pattern, host)).collect();
        for (name, kind) in KNOWN {
            let each = tables.iter().map(|(_, settings)| {
                settings.iter().filter(|setting| setting.name == name).collect::<Vec<_>>()
            });
            let mut each: Vec<_> = each.filter(|settings| !settings.is_empty()).collect();
            match kind {
                // Of two variables of one name the last one holds; ssh heeds what comes first.
                Kind::Texts if name == "env" => each.reverse(),
                Kind::Texts => {}
                Kind::Text | Kind::Count | Kind::Switch => each.truncate(1),
            }
            found.extend(each.concat());
        }
        found
    }
}

fn known(key: &str) -> Result<(&'static str, Kind), String> {
    if let Some(found) = KNOWN.into_iter().find(|(name, _)| *name == key) {
        return Ok(found);
    }
    let near = KNOWN.map(|(name, _)| (strsim::damerau_levenshtein(name, key), name)).into_iter().min();
    let hint = match near {
        Some((distance, name)) if distance <= 2 => format!("did you mean {name}?"),
        _ => format!("known are {}", KNOWN.map(|(name, _)| name).join(", ")),
    };
    Err(format!("{key:?} is no setting; {hint}"))
}

/// What is said of one setting, each with its place.
fn values(
    name: &str,
    kind: Kind,
    value: &Spanned<DeValue<'_>>,
) -> Result<Vec<(String, Span)>, (Span, String)> {
    let span = value.span();
    let one = |text: String| Ok(vec![(text, span.clone())]);
    match (kind, value.get_ref()) {
        (Kind::Text | Kind::Switch, DeValue::String(text)) => one(text.to_string()),
        (Kind::Switch, DeValue::Boolean(is_on)) => one(if *is_on { "on" } else { "off" }.to_owned()),
        (Kind::Count, DeValue::Integer(number)) => one(number.as_str().to_owned()),
        (Kind::Texts, DeValue::Array(array)) => array
            .iter()
            .map(|value| match value.get_ref() {
                DeValue::String(text) => Ok((text.to_string(), value.span())),
                _ => Err((value.span(), format!("{name} is a list of texts in quotes"))),
            })
            .collect(),
        (kind, _) => Err((
            span,
            match kind {
                Kind::Text => format!("{name} is a text in quotes"),
                Kind::Count => format!("{name} is a number"),
                Kind::Switch => format!("{name} is true or false"),
                Kind::Texts => format!("{name} is a list of texts: [\"…\", \"…\"]"),
            },
        )),
    }
}

/// The host of what ssh takes: `me@devbox`, `ssh://me@devbox:22`.
fn bare(host: &str) -> &str {
    let (rest, is_address) = match host.strip_prefix("ssh://") {
        Some(rest) => (rest, true),
        None => (host, false),
    };
    let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    match rest.rsplit_once(':') {
        Some((host, _)) if is_address => host,
        _ => rest,
    }
}

fn is_pattern(pattern: &str) -> bool {
    pattern.contains(['*', '?'])
}

fn letters(pattern: &str) -> usize {
    pattern.chars().filter(|letter| !matches!(letter, '*' | '?')).count()
}

/// As ssh's own configuration has it: `*` for any letters, `?` for one; hosts' names have no case.
fn matches(pattern: &str, host: &str) -> bool {
    let lower = |text: &str| text.to_lowercase().chars().collect::<Vec<_>>();
    let (pattern, host) = (lower(pattern), lower(host));
    // Where the last star was, and how far what it stands for reaches: only that one is ever tried longer.
    let (mut p, mut h, mut star) = (0, 0, None);
    while h < host.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, h));
                p += 1;
            }
            Some(letter) if *letter == '?' || *letter == host[h] => {
                p += 1;
                h += 1;
            }
            Some(_) | None => match star {
                Some((at, reached)) => {
                    star = Some((at, reached + 1));
                    (p, h) = (at + 1, reached + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|letter| *letter == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Settings, (usize, String)> {
        Settings::parse(Path::new("config.toml"), text)
    }

    fn words(settings: &Settings, host: &str) -> Vec<String> {
        settings.about(host).iter().map(|setting| setting.word().into_string().unwrap()).collect()
    }

    #[test]
    fn the_most_specific_table_holds_and_lists_add_up() {
        let settings = parse(
            r#"
[host."*"]
patience = "1h"
max-attempts = 5
env = ["A=1", "B=1"]
ssh-arg = ["-v"]
[host."*.example.org"]
patience = "2h"
login = true
env = ["A=2"]
ssh-arg = ["-p2222", "-C"]
[host."dev.example.org"]
patience = "off"
"#,
        )
        .unwrap();
        let all = words(&settings, "me@dev.example.org");
        assert_eq!(
            all.join(" "),
            "--env=A=1 --env=B=1 --env=A=2 --login=on --max-attempts=5 --patience=off \
             --ssh-arg=-p2222 --ssh-arg=-C --ssh-arg=-v"
        );
        assert_eq!(words(&settings, "ssh://me@DEV.example.org:22"), all);
        assert_eq!(words(&settings, "x.example.org")[4], "--max-attempts=5");
        assert_eq!(
            words(&settings, "devbox").join(" "),
            "--env=A=1 --env=B=1 --max-attempts=5 --patience=1h --ssh-arg=-v"
        );
        let lines: Vec<_> = settings.about("devbox").iter().map(|setting| setting.line).collect();
        assert_eq!(lines, [5, 5, 4, 3, 6]);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, line, part) in [
            ("[host.a]\npatince = \"1h\"", 2, "\"patince\" is no setting; did you mean patience?"),
            ("[host.a]\n\nmoon = 1", 3, "known are allowance, "),
            ("x = 1", 1, "\"x\" is not known here"),
            ("[hosts.a]", 1, "\"hosts\" is not known here"),
            ("\n[host]\na = 1", 3, "settings are in tables of a host"),
            ("[host.a]\npatience = 5", 2, "patience is a text in quotes"),
            ("[host.a]\nmax-attempts = \"5\"", 2, "max-attempts is a number"),
            ("[host.a]\nlogin = 1", 2, "login is true or false"),
            ("[host.a]\nenv = \"A=1\"", 2, "env is a list of texts"),
            ("[host.a]\nenv = [\n\"A=1\",\n2]", 4, "env is a list of texts in quotes"),
            ("[host.a]\ncwd = \"x\"\n[host.a]\n", 3, ""),
            ("[host.a]\ncwd = \"x", 2, ""),
            ("[host.a\n", 1, ""),
        ] {
            let (at, why) = parse(text).unwrap_err();
            assert!(at == line && why.contains(part) && !why.contains('\n'), "{text:?}: {at}: {why}");
        }
        assert_eq!(parse("# nothing\n").unwrap().all().count(), 0);
    }

    #[test]
    fn stars_stand_for_any_letters() {
        for (pattern, host, is_match) in [
            ("*", "", true),
            ("*", "devbox", true),
            ("dev*", "devbox", true),
            ("*box", "devbox", true),
            ("d*b*x", "devbbox", true),
            ("d?v", "dev", true),
            ("d?v", "dv", false),
            ("*.example.org", "example.org", false),
            ("*.example.org", "a.example.org.example.org", true),
            ("devbox", "devbox2", false),
            ("DEVbox", "devBOX", true),
        ] {
            assert_eq!(matches(pattern, host), is_match, "{pattern} {host}");
        }
    }
}
