//! A scenario from a file, whatever the file holds.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::bounds::FILE_BYTES_MAX;
use super::text::shown;
use super::{ParseError, Scenario, parse};

/// A file that cannot be read as a scenario.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The system says why.
    #[error("{} cannot be read: {why}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        why: std::io::Error,
    },
    /// What is in it is no scenario.
    #[error("{}: {error}", file.display())]
    Wrong {
        /// The file.
        file: PathBuf,
        /// Where, and why.
        error: ParseError,
    },
    /// It is no text of a scenario's length; one sentence.
    #[error("{} {why}", file.display())]
    Foreign {
        /// The file.
        file: PathBuf,
        /// Why.
        why: String,
    },
}

/// Reads a file that holds a scenario; gives its text, too.
///
/// # Errors
///
/// [`LoadError`] names the file, and says what is wrong with it.
pub fn load(file: &Path) -> Result<(Scenario, String), LoadError> {
    let unreadable = |why| LoadError::Unreadable { file: file.to_owned(), why };
    let foreign = |why: String| LoadError::Foreign { file: file.to_owned(), why };
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(file).map_err(unreadable)?;
    opened.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(foreign(format!("is no scenario: it has more than {FILE_BYTES_MAX} bytes")));
    }
    let text = String::from_utf8(bytes).map_err(|_| foreign("is no scenario: it is no text".to_owned()))?;
    if !text.is_empty() && !text.ends_with('\n') {
        return Err(foreign(format!(
            "was cut off: its last line, \"{}\", has no end",
            shown(text.lines().last().unwrap_or_default())
        )));
    }
    match parse(&text) {
        Ok(scenario) => Ok((scenario, text)),
        Err(error) => Err(LoadError::Wrong { file: file.to_owned(), error }),
    }
}
