//! Which system and processor a program is for, and a host has.
//!
//! What a program file says of itself is in its first bytes; nothing is run for it.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::proto::limits::PROGRAM_HEAD_BYTES_MAX;

/// A system and a processor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Platform {
    /// As `uname -s` says.
    system: String,
    /// As Rust calls it.
    processor: String,
}

/// What a program is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Built {
    pub(super) platform: Platform,
    /// It needs no library of the host's.
    pub(super) is_static: bool,
}

impl Platform {
    /// From the words of `uname`.
    pub(super) fn new(system: &str, processor: &str) -> Self {
        let processor = match processor {
            "amd64" | "x86-64" => "x86_64",
            "arm64" => "aarch64",
            other => other,
        };
        Platform { system: system.to_owned(), processor: processor.to_owned() }
    }

    /// What Rust calls programs for it, the best first.
    pub(super) fn targets(&self) -> Vec<String> {
        let processor = &self.processor;
        let vendors: &[&str] = match self.system.as_str() {
            "Linux" => &["unknown-linux-musl", "unknown-linux-gnu"],
            "Darwin" => &["apple-darwin"],
            "FreeBSD" => &["unknown-freebsd"],
            _ => &[],
        };
        vendors.iter().map(|vendor| format!("{processor}-{vendor}")).collect()
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.system, self.processor)
    }
}

impl Built {
    /// Reads a file; `None` if it is no program of a kind that is known here.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub(super) fn of(path: &Path) -> io::Result<Option<Self>> {
        let mut head = Vec::new();
        File::open(path)?.take(PROGRAM_HEAD_BYTES_MAX).read_to_end(&mut head)?;
        Ok(elf(&head).or_else(|| mach_o(&head)))
    }
}

/// <https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html>, of 64 bits and with the small end first.
fn elf(head: &[u8]) -> Option<Built> {
    const INTERPRETER: u32 = 3;
    if !head.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let system = match head.get(7)? {
        0 | 3 => "Linux",
        9 => "FreeBSD",
        _ => return None,
    };
    let processor = match number::<2>(head, 18)? {
        62 => "x86_64",
        183 => "aarch64",
        243 => "riscv64",
        _ => return None,
    };
    let (table, entry, count) = (number::<8>(head, 32)?, number::<2>(head, 54)?, number::<2>(head, 56)?);
    let kinds = (0..count).map(|index| number::<4>(head, table.checked_add(entry * index)?));
    let is_static = kinds.collect::<Option<Vec<_>>>()?.iter().all(|kind| *kind != u64::from(INTERPRETER));
    Some(Built { platform: Platform::new(system, processor), is_static })
}

/// As `mach-o/loader.h` has it.
fn mach_o(head: &[u8]) -> Option<Built> {
    if !head.starts_with(&[0xcf, 0xfa, 0xed, 0xfe]) {
        return None;
    }
    let processor = match number::<4>(head, 4)? {
        0x0100_0007 => "x86_64",
        0x0100_000c => "aarch64",
        _ => return None,
    };
    // The system's own library is always there.
    Some(Built { platform: Platform::new("Darwin", processor), is_static: true })
}

/// A number of so many bytes, the small end first.
fn number<const BYTES: usize>(head: &[u8], at: u64) -> Option<u64> {
    let at = usize::try_from(at).ok()?;
    let bytes = head.get(at..at.checked_add(BYTES)?)?;
    Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_called_as_rust_calls_them() {
        assert_eq!(
            Platform::new("Linux", "amd64").targets(),
            ["x86_64-unknown-linux-musl", "x86_64-unknown-linux-gnu"]
        );
        assert_eq!(Platform::new("Darwin", "arm64").targets(), ["aarch64-apple-darwin"]);
        assert!(Platform::new("Plan9", "mips").targets().is_empty());
        assert_eq!(Platform::new("Linux", "arm64").to_string(), "Linux on aarch64");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_program_is_for_this_machine() {
        let built = Built::of(&std::env::current_exe().unwrap()).unwrap().unwrap();
        assert_eq!(built.platform, Platform::new("Linux", std::env::consts::ARCH));
    }

    #[test]
    fn whatever_is_cut_off_or_garbled_is_no_program() {
        let whole = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        for length in 0..200 {
            let _ = elf(&whole[..length]);
            let mut garbled = whole[..4096].to_vec();
            garbled[length] ^= 0xff;
            let _ = elf(&garbled);
        }
        assert_eq!(elf(&whole[..50]), None);
        assert_eq!(elf(b"#!/bin/sh\n"), None);
        let mut mac = vec![0xcf, 0xfa, 0xed, 0xfe, 0x0c, 0, 0, 1];
        assert_eq!(mach_o(&mac).unwrap().platform.targets(), ["aarch64-apple-darwin"]);
        mac.truncate(6);
        assert_eq!(mach_o(&mac), None);
    }
}
