//! A mutant as a file: what it breaks, who must notice, and the change itself.
//!
//! ```text
//! Breaks: a reconnect that finds no server starts a fresh one.
//! Seen: zed-industries/zed#18864
//! Caught-by: never-spawn
//! Quick: yes
//!
//! --- a/src/session/launch/mod.rs
//! +++ b/src/session/launch/mod.rs
//! @@ ...
//! ```
//!
//! `Plausible:` stands where a bug was never seen, and `Survives: yes` where nobody is to notice. A
//! line that begins with a space goes on with the one before. The change is a plain unified diff,
//! which `git apply` and `patch -p1` take as well. What is done with it is left to `tree` and `hunt`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use diffy::patch_set::{FileOperation, ParseOptions, PatchSet};

use crate::check::Promise;

/// The only place where a mutant may change anything.
const CHANGED: &str = "src/";

/// One known bug.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mutant {
    /// The file's name, without its ending.
    pub(super) name: String,
    /// What it breaks, in one sentence.
    pub(super) breaks: String,
    /// Where such a bug was seen, or why it is plausible.
    pub(super) origin: Origin,
    /// Who must notice.
    pub(super) fate: Fate,
    /// It is one of the few that are tried at every change.
    pub(super) quick: bool,
    diff: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Seen(String),
    Plausible(String),
}

/// What must become of a mutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// This promise is broken.
    Caught(Promise),
    /// No promise is.
    Survives,
}

impl Mutant {
    /// Reads all that a folder holds, in order of their names.
    pub(super) fn read_all(folder: &Path) -> anyhow::Result<Vec<Mutant>> {
        let listed = fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
        let mut mutants = Vec::new();
        for entry in listed {
            let path = entry.with_context(|| format!("{} cannot be read", folder.display()))?.path();
            if path.extension().is_some_and(|extension| extension == "patch") {
                let name = path.file_stem().and_then(|stem| stem.to_str());
                let name = name.with_context(|| format!("{} has no readable name", path.display()))?;
                let text = fs::read_to_string(&path);
                let text = text.with_context(|| format!("{} cannot be read", path.display()))?;
                mutants.push(Mutant::parse(name, &text).with_context(|| format!("{}", path.display()))?);
            }
        }
        ensure!(!mutants.is_empty(), "{} holds no mutant: no file ends with .patch", folder.display());
        mutants.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(mutants)
    }

    pub(super) fn parse(name: &str, text: &str) -> anyhow::Result<Mutant> {
        let (header, diff) = text
            .split_once("\n\n")
            .context("a mutant is a header, an empty line and a diff; there is no empty line")?;
        let mut fields = Fields::parse(header)?;
        let breaks = fields.take("Breaks").context("the header lacks \"Breaks: what it breaks\"")?;
        let origin = match (fields.take("Seen"), fields.take("Plausible")) {
            (Some(seen), None) => Origin::Seen(seen),
            (None, Some(why)) => Origin::Plausible(why),
            _ => bail!("the header needs either \"Seen: where\" or \"Plausible: why\""),
        };
        let survives = fields.take_yes("Survives")?;
        let fate = match (fields.take("Caught-by"), survives) {
            (Some(promise), false) => Fate::Caught(promise_of(&promise)?),
            (None, true) => Fate::Survives,
            _ => bail!("the header needs either \"Caught-by: PROMISE\" or \"Survives: yes\""),
        };
        let quick = fields.take_yes("Quick")?;
        let mutant = Mutant { name: name.to_owned(), breaks, origin, fate, quick, diff: diff.to_owned() };
        mutant.changes(|_| Ok(None))?;
        Ok(mutant)
    }

    /// The files as the bug has them, by their paths in the tree; `read` gives them as they are.
    ///
    /// Lines may have moved since the diff was made, but not changed.
    pub(super) fn apply(
        &self,
        read: impl Fn(&str) -> anyhow::Result<String>,
    ) -> anyhow::Result<BTreeMap<String, String>> {
        self.changes(|path| read(path).map(Some))
    }

    /// Goes through the diff; changes what `read` gives.
    fn changes(
        &self,
        read: impl Fn(&str) -> anyhow::Result<Option<String>>,
    ) -> anyhow::Result<BTreeMap<String, String>> {
        let mut changed = BTreeMap::new();
        for file in PatchSet::parse(&self.diff, ParseOptions::unidiff()) {
            let file = file.context("what follows the header is no unified diff")?;
            let path = match file.operation().strip_prefix(1) {
                FileOperation::Modify { original, modified } if original == modified => modified.into_owned(),
                _ => bail!("a mutant changes files; it does not create, remove or rename one"),
            };
            let inside = path.starts_with(CHANGED) && !path.split('/').any(|part| part == "..");
            ensure!(inside, "a mutant changes files below {CHANGED}, \"{path}\" is none");
            ensure!(!changed.contains_key(&path), "the diff comes to {path} twice");
            let patch = file.patch().as_text().context("a mutant changes text")?;
            let new = match read(&path)? {
                Some(old) => diffy::apply(&old, patch)
                    .map_err(|_| anyhow::anyhow!("the diff no longer applies to {path}"))?,
                None => String::new(),
            };
            changed.insert(path, new);
        }
        Ok(changed)
    }
}

fn promise_of(name: &str) -> anyhow::Result<Promise> {
    Promise::from_name(name).with_context(|| {
        let known: Vec<_> = Promise::ALL.iter().map(|promise| promise.name()).collect();
        format!("\"{name}\" is no promise; known are {}", known.join(", "))
    })
}

/// The lines of a header, by name.
struct Fields(BTreeMap<String, String>);

impl Fields {
    const KNOWN: [&str; 6] = ["Breaks", "Seen", "Plausible", "Caught-by", "Quick", "Survives"];

    fn parse(header: &str) -> anyhow::Result<Self> {
        let mut fields = BTreeMap::new();
        let mut last = None;
        for line in header.lines() {
            if let Some(more) = line.strip_prefix(' ') {
                let name: &String = last.as_ref().context("the header begins with a space")?;
                let text: &mut String = fields.get_mut(name).expect("the last one is there");
                text.push(' ');
                text.push_str(more.trim());
                continue;
            }
            let (name, text) = line
                .split_once(": ")
                .filter(|(name, _)| Self::KNOWN.contains(name))
                .with_context(|| format!("\"{line}\" is none of {}: TEXT", Self::KNOWN.join(", ")))?;
            let twice = fields.insert(name.to_owned(), text.trim().to_owned()).is_some();
            ensure!(!twice, "the header says {name} twice");
            last = Some(name.to_owned());
        }
        Ok(Fields(fields))
    }

    fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name).filter(|text| !text.is_empty())
    }

    fn take_yes(&mut self, name: &str) -> anyhow::Result<bool> {
        match self.take(name).as_deref() {
            None => Ok(false),
            Some("yes") => Ok(true),
            Some(other) => bail!("\"{name}: {other}\" is not understood; only \"{name}: yes\" is"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIFF: &str =
        "--- a/src/session/tea.rs\n+++ b/src/session/tea.rs\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n";

    fn parse(header: &str) -> anyhow::Result<Mutant> {
        Mutant::parse("tea", &format!("{header}\n\n{DIFF}"))
    }

    fn why(header: &str) -> String {
        format!("{:#}", parse(header).unwrap_err())
    }

    #[test]
    fn a_header_says_what_breaks_where_it_was_seen_and_who_must_notice() {
        let header = "Breaks: tea is\n cold.\nSeen: kitchen\nCaught-by: never-spawn\nQuick: yes";
        let mutant = parse(header).unwrap();
        assert_eq!(mutant.breaks, "tea is cold.");
        assert_eq!(mutant.origin, Origin::Seen("kitchen".to_owned()));
        assert_eq!(mutant.fate, Fate::Caught(Promise::NeverSpawn));
        assert!(mutant.quick);
        let control = parse("Breaks: nothing.\nPlausible: a control.\nSurvives: yes").unwrap();
        assert_eq!((control.fate, control.quick), (Fate::Survives, false));
    }

    #[test]
    fn a_wrong_header_is_named_in_one_sentence() {
        let good = "Breaks: tea.\nSeen: kitchen";
        for (header, sentence) in [
            ("Seen: kitchen\nSurvives: yes", "the header lacks \"Breaks: what it breaks\""),
            ("Breaks: tea.\nSurvives: yes", "needs either \"Seen: where\" or \"Plausible: why\""),
            (good, "needs either \"Caught-by: PROMISE\" or \"Survives: yes\""),
            (&format!("{good}\nCaught-by: luck"), "\"luck\" is no promise; known are never-spawn, "),
            (&format!("{good}\nCaught-by: never-spawn\nSurvives: yes"), "needs either \"Caught-by"),
            (&format!("{good}\nSurvives: maybe"), "only \"Survives: yes\" is"),
            (&format!("{good}\nSeen: twice"), "the header says Seen twice"),
            (&format!("{good}\nMoon: full"), "\"Moon: full\" is none of Breaks, Seen, "),
            (" Breaks: tea", "the header begins with a space"),
        ] {
            assert!(why(header).contains(sentence), "{header}: {}", why(header));
        }
        assert!(Mutant::parse("tea", good).unwrap_err().to_string().ends_with("there is no empty line"));
    }

    #[test]
    fn a_diff_changes_text_below_the_sources_and_nothing_else() {
        let header = "Breaks: tea.\nSeen: kitchen\nCaught-by: no-panic";
        for (diff, sentence) in [
            (String::new(), "what follows the header is no unified diff"),
            ("tea\n".to_owned(), "what follows the header is no unified diff"),
            (DIFF.replace("src/", "sim/"), "below src/, \"sim/session/tea.rs\" is none"),
            (DIFF.replace("src/", "src/../../"), "is none"),
            (
                DIFF.replace("+++ b/src/session/tea.rs", "+++ /dev/null"),
                "it does not create, remove or rename",
            ),
            (DIFF.repeat(2), "comes to src/session/tea.rs twice"),
        ] {
            let error = Mutant::parse("tea", &format!("{header}\n\n{diff}")).unwrap_err();
            assert!(format!("{error:#}").contains(sentence), "{error:#}");
        }
    }

    #[test]
    fn lines_may_move_but_not_change() {
        let mutant = parse("Breaks: tea.\nSeen: kitchen\nCaught-by: no-panic").unwrap();
        let apply = |text: &str| mutant.apply(|_| Ok(text.to_owned()));
        let changed = apply("zero\none\ntwo\nthree\nfour\n").unwrap();
        assert_eq!(changed["src/session/tea.rs"], "zero\none\n2\nthree\nfour\n");
        let error = apply("one\ntwo\nTHREE\n").unwrap_err();
        assert_eq!(error.to_string(), "the diff no longer applies to src/session/tea.rs");
    }

    /// The cheap half of `cargo sim mutants`: what needs no build.
    #[test]
    fn every_mutant_is_readable_and_applies_to_the_tree() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mutants = Mutant::read_all(&root.join("fixtures/mutants")).unwrap();
        for mutant in &mutants {
            let read = |path: &str| fs::read_to_string(root.join(path)).context("it cannot be read");
            let changed = mutant.apply(read).unwrap_or_else(|error| panic!("{}: {error:#}", mutant.name));
            assert!(changed.iter().any(|(path, new)| *new != fs::read_to_string(root.join(path)).unwrap()));
        }
        assert!(mutants.len() >= 40, "only {} mutants", mutants.len());
        assert!(mutants.iter().any(|mutant| mutant.fate == Fate::Survives), "a control is missing");
        assert!(mutants.iter().filter(|mutant| mutant.quick).count() >= 3, "too few are quick");
    }
}
