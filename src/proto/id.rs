//! Who is meant: 128 random bits each, written as 32 hexadecimal digits; and which message, by its
//! number.
//!
//! Where the bits come from is left to the drivers; the simulator counts.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Number of a frame that replay protects: 1 for the first of its direction, then one more each.
pub type Seq = u64;

/// Text that is not 32 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id is 32 hexadecimal digits, not {0:?}")]
pub struct IdError(String);

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(into = "String", try_from = "String")]
        pub struct $name(pub u128);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:032x}", self.0)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.to_string()
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let digits = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
                match u128::from_str_radix(text, 16) {
                    Ok(bits) if digits => Ok($name(bits)),
                    _ => Err(IdError(text.chars().take(40).collect())),
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }
    };
}

id! {
    /// One life of one server: drawn when it starts, kept until it ends.
    InstanceId
}

id! {
    /// One session of one client: drawn before it first connects. It is the credential to resume,
    /// so it is never printed whole and never logged.
    SessionId
}

id! {
    /// One user's place on one machine: what a client came from when it first attached, and the only one
    /// whose word about its server counts.
    HostId
}

impl fmt::Debug for HostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "h{:x}", self.0)
    }
}

impl fmt::Debug for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "i{:x}", self.0)
    }
}

impl fmt::Debug for SessionId {
    /// The first 32 bits only: enough to tell two apart, too little to resume with.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s{:08x}", (self.0 >> 96) as u32 ^ (self.0 as u32 & 0xff))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let id = InstanceId(0x0123_4567_89ab_cdef);
        assert_eq!(id.to_string().parse::<InstanceId>().unwrap(), id);
    }

    #[test]
    fn refuses_anything_but_32_digits() {
        for text in ["", "12", "+0000000000000000000000000000001", &"g".repeat(32), &"1".repeat(33)] {
            assert!(text.parse::<SessionId>().is_err(), "{text}");
        }
    }

    #[test]
    fn debug_does_not_give_the_credential_away() {
        let id = SessionId(0xdead_beef_0123_4567_89ab_cdef_0000_0001);
        assert_eq!(format!("{id:?}"), "sdeadbeee", "too little to resume with, and two differ");
        assert_eq!(format!("{:?} {:?}", SessionId(1), InstanceId(0x2a)), "s00000001 i2a");
    }
}
