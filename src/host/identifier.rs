//! The name under which a server is found again.
//!
//! It becomes a directory's name, so whatever could mean another place is refused.

use std::fmt;
use std::str::FromStr;

use crate::proto::limits::IDENTIFIER_LETTERS_MAX;

/// 1 to 64 of letters, digits, `.`, `_` and `-`, not starting with a dot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identifier(String);

/// Text that cannot be an identifier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "an identifier is 1 to {IDENTIFIER_LETTERS_MAX} of the letters a-z and A-Z, digits, '.', '_' and '-', and does not start with a dot; {0:?} is not"
)]
pub struct IdentifierError(String);

impl Identifier {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for Identifier {
    type Err = IdentifierError;

    fn from_str(text: &str) -> Result<Self, IdentifierError> {
        let letters = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
        if letters && (1..=IDENTIFIER_LETTERS_MAX).contains(&text.len()) && !text.starts_with('.') {
            return Ok(Identifier(text.to_owned()));
        }
        Err(IdentifierError(text.chars().take(IDENTIFIER_LETTERS_MAX + 6).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_names_up_to_the_bound() {
        for text in ["a", "A-z_0.9", "-", "_", "a..b", &"x".repeat(64)] {
            assert_eq!(text.parse::<Identifier>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn refuses_whatever_could_mean_another_place() {
        for text in ["", ".", "..", ".hidden", "a/b", "/", "a\0b", "a b", "é", "a\n", &"x".repeat(65)] {
            let error = text.parse::<Identifier>().unwrap_err().to_string();
            assert!(error.starts_with("an identifier is 1 to 64 of"), "{error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }
}
