//! What a host's checksum tool should say of a file.

use std::io::{self, Read};

use sha2::{Digest, Sha256};

/// As POSIX has it, but for the length that comes after the bytes.
const CKSUM: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_CKSUM);

/// The tools that the script on the host knows, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tool {
    Sha256(&'static str),
    Cksum,
    /// Nothing better is there.
    Size,
}

impl Tool {
    /// By its name.
    pub(super) fn named(name: &str) -> Option<Self> {
        let sha256 = ["sha256sum", "shasum", "openssl"].into_iter().find(|tool| *tool == name);
        match (sha256, name) {
            (Some(tool), _) => Some(Tool::Sha256(tool)),
            (None, "cksum") => Some(Tool::Cksum),
            (None, "wc") => Some(Tool::Size),
            (None, _) => None,
        }
    }

    /// What an install says that it was checked with.
    pub(super) fn name(self) -> &'static str {
        match self {
            Tool::Sha256(name) => name,
            Tool::Cksum => "cksum",
            Tool::Size => "its size alone: that host has no checksum tool",
        }
    }

    /// What it should say.
    ///
    /// # Errors
    ///
    /// Those of the reader.
    pub(super) fn sum(self, mut file: impl Read) -> io::Result<String> {
        let mut sha256 = Sha256::new();
        let mut crc = CKSUM.digest();
        let mut bytes = vec![0; 64 << 10];
        let mut size = 0;
        loop {
            let count = file.read(&mut bytes)?;
            if count == 0 {
                break;
            }
            size += count;
            match self {
                Tool::Sha256(_) => sha256.update(&bytes[..count]),
                Tool::Cksum => crc.update(&bytes[..count]),
                Tool::Size => {}
            }
        }
        Ok(match self {
            Tool::Sha256(_) => sha256.finalize().iter().map(|byte| format!("{byte:02x}")).collect(),
            Tool::Cksum => {
                let length = size.to_le_bytes();
                let used = length.len() - length.iter().rev().take_while(|byte| **byte == 0).count();
                crc.update(&length[..used]);
                crc.finalize().to_string()
            }
            Tool::Size => size.to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::process::{Command, Stdio};

    #[test]
    fn says_what_the_tools_say() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for bytes in [vec![], b"a".to_vec(), (0..=255).cycle().take(100_000).collect::<Vec<u8>>()] {
            std::fs::write(file.path(), &bytes).unwrap();
            for (name, words) in [("sha256sum", &[][..]), ("cksum", &[]), ("shasum", &["-a", "256"])] {
                let input = Stdio::from(File::open(file.path()).unwrap());
                let Ok(output) = Command::new(name).args(words).stdin(input).output() else { continue };
                let said = String::from_utf8(output.stdout).unwrap();
                let said = said.split_whitespace().next().unwrap();
                assert_eq!(Tool::named(name).unwrap().sum(&bytes[..]).unwrap(), said, "{name}");
            }
        }
        assert_eq!(Tool::named("md5sum"), None);
    }
}
