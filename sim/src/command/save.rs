//! Files that somebody asked for: what is there already is looked at before anything is lost.
//!
//! Whether a file may and can be written is found out before the work begins, so that a wrong path
//! costs no search. What goes wrong later is told beside the result, never instead of it.

use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use rustix::fs::{Access, access};

use super::{EXIT_LIVENESS, EXIT_SAFETY, EXIT_UNWRITTEN};
use crate::show::SIGNATURE;

/// Bytes of an older file that are looked at: more than the comments above a scenario take.
const BEGINNING_BYTES_MAX: u64 = 1 << 16;

/// What the first line of a record of hashes says.
pub(super) const RECORD_HEAD: &str = "# What seeds give, in every build.";

/// What is written, and may take the place of its like only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Scenario,
    Hashes,
    Picture,
}

impl Form {
    /// Whether a file that begins so is of this form; an empty one holds nothing that could be lost.
    fn is_begun_by(self, beginning: &[u8]) -> bool {
        let text = String::from_utf8_lossy(beginning);
        let mut said = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        beginning.is_empty()
            || match self {
                Form::Scenario => said.next().is_some_and(|line| line.starts_with("scenario ")),
                Form::Hashes => text.starts_with(RECORD_HEAD),
                Form::Picture => text.chars().take(1024).collect::<String>().contains(SIGNATURE),
            }
    }

    fn refusal(self) -> &'static str {
        match self {
            Form::Scenario => "is there and is no scenario: remove it, or name another file",
            Form::Hashes => "is there and is no record of hashes: remove it, or name another file",
            Form::Picture => {
                "is there and is no picture of this command: remove it, name another file, or use show --force"
            }
        }
    }
}

/// What there is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    /// A file that may be written anew.
    File,
    /// A pipe or a device, in which nothing is overwritten, and whose end may never come.
    Stream,
}

/// A file that could not be written although everything had looked well.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be written: {why}", path.display())]
pub(super) struct Unwritten {
    path: PathBuf,
    why: std::io::Error,
}

/// Looks whether something of this form may and can be written there.
pub(super) fn look(path: &Path, form: Form) -> anyhow::Result<Found> {
    let found = look_at_room(path)?;
    if found == Found::File {
        let mut beginning = Vec::new();
        std::fs::File::open(path)
            .and_then(|file| file.take(BEGINNING_BYTES_MAX).read_to_end(&mut beginning))
            .with_context(|| unreplaced(path))?;
        if !form.is_begun_by(&beginning) {
            bail!("{} {}", path.display(), form.refusal());
        }
    }
    Ok(found)
}

/// Looks whether anything can be written there, whatever it takes the place of.
pub(super) fn look_at_room(path: &Path) -> anyhow::Result<Found> {
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let folder = folder.unwrap_or(Path::new("."));
            access(folder, Access::WRITE_OK | Access::EXEC_OK)
                .map_err(std::io::Error::from)
                .with_context(|| unreplaced(path))?;
            return Ok(Found::Nothing);
        }
        Err(error) => return Err(error).with_context(|| unreplaced(path)),
    };
    if metadata.is_dir() {
        bail!("{}: it is a folder", unreplaced(path));
    }
    // Asked for, not opened: opening the end of a pipe waits for the other one.
    access(path, Access::WRITE_OK).map_err(std::io::Error::from).with_context(|| unreplaced(path))?;
    Ok(if metadata.is_file() { Found::File } else { Found::Stream })
}

fn unreplaced(path: &Path) -> String {
    format!("{} cannot be written", path.display())
}

/// Writes a file that was looked at.
pub(super) fn write(path: &Path, text: &str) -> Result<(), Unwritten> {
    std::fs::write(path, text).map_err(|why| Unwritten { path: path.to_owned(), why })
}

/// The exit code of a command with that verdict whose file was written, or could not be: a broken
/// promise is told by the code whatever became of the file.
pub(super) fn exit_code_of(verdict: u8, written: Result<(), Unwritten>) -> u8 {
    let Err(error) = written else {
        return verdict;
    };
    // Nobody is left to tell if this cannot be written.
    let _ = writeln!(std::io::stderr(), "error: {error}");
    if matches!(verdict, EXIT_SAFETY | EXIT_LIVENESS) { verdict } else { EXIT_UNWRITTEN }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_may_take_the_place_of_its_like_only() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        let record = format!("{RECORD_HEAD} After a change\n0 0123456789abcdef\n");
        let cases = [
            (Form::Scenario, "# A note.\n\nscenario 1\nseed 7\n", true),
            (Form::Scenario, "# The simulator\n\nA scenario is a file.\n", false),
            (Form::Scenario, "", true),
            (Form::Hashes, record.as_str(), true),
            (Form::Hashes, "scenario 1\n", false),
            (Form::Picture, "<svg><!-- drawn by cargo sim show -->", true),
            (Form::Picture, "<svg></svg>", false),
        ];
        assert_eq!(look(&file, Form::Scenario).unwrap(), Found::Nothing);
        for (form, text, may) in cases {
            std::fs::write(&file, text).unwrap();
            assert_eq!(look(&file, form).is_ok(), may, "{form:?} over {text:?}");
        }
    }

    #[test]
    fn what_cannot_be_written_is_known_before_it_is_tried() {
        let folder = tempfile::tempdir().unwrap();
        for (path, why) in [("no/where", "cannot be written: No such file"), ("", "it is a folder")] {
            let error = look(&folder.path().join(path), Form::Scenario).unwrap_err();
            assert!(format!("{error:#}").contains(why), "{error:#}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_device_is_not_read() {
        assert_eq!(look(Path::new("/dev/zero"), Form::Picture).unwrap(), Found::Stream);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_broken_promise_is_told_whatever_became_of_the_file() {
        for (verdict, code) in [(EXIT_SAFETY, EXIT_SAFETY), (EXIT_LIVENESS, EXIT_LIVENESS), (0, 74), (12, 74)]
        {
            assert_eq!(exit_code_of(verdict, write(Path::new("/dev/full"), "text")), code);
        }
        assert_eq!(exit_code_of(12, Ok(())), 12);
    }
}
