//! What a server must not inherit: whatever else its starter has open.
//!
//! ssh waits for its pipes to be closed by everybody, so one descriptor that leaks into the server
//! keeps the user's ssh from ending.

use std::os::fd::{BorrowedFd, RawFd};

use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};

use crate::proto::limits::DESCRIPTORS_TRIED_MAX;

/// Where the system lists our open descriptors.
const LISTS: [&str; 2] = ["/proc/self/fd", "/dev/fd"];

/// Keeps children from inheriting any descriptor but the standard streams.
pub fn keep_to_ourselves() {
    for number in open(&LISTS) {
        keep(number);
    }
}

fn open(lists: &[&str]) -> Vec<RawFd> {
    let list = lists.iter().find_map(|list| std::fs::read_dir(list).ok());
    let Some(list) = list else {
        return (3..DESCRIPTORS_TRIED_MAX).collect();
    };
    let numbers = list.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    numbers.filter(|number| *number > 2).collect()
}

fn keep(number: RawFd) {
    // SAFETY: the descriptor is only borrowed for two calls that neither read, write nor close it.
    // If it is not open (the list's own is closed by now), they fail and nothing happens; if another
    // thread opens it meanwhile, it is marked as everything that Rust opens is marked anyway.
    let fd = unsafe { BorrowedFd::borrow_raw(number) };
    if let Ok(flags) = fcntl_getfd(fd) {
        let _ = fcntl_setfd(fd, flags | FdFlags::CLOEXEC);
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn finds_what_is_open_by_either_list() {
        let (reader, _writer) = rustix::pipe::pipe().unwrap();
        for lists in [&LISTS[..1], &LISTS[1..], &[]] {
            let found = open(lists);
            assert!(lists.is_empty() || found.contains(&reader.as_raw_fd()), "{lists:?}");
            assert!(found.iter().all(|number| *number > 2));
        }
    }

    #[test]
    fn marks_what_a_shell_left_open() {
        // As if inherited: without the mark.
        let (reader, _writer) = rustix::pipe::pipe().unwrap();
        assert!(!fcntl_getfd(&reader).unwrap().contains(FdFlags::CLOEXEC));
        keep(reader.as_raw_fd());
        assert!(fcntl_getfd(&reader).unwrap().contains(FdFlags::CLOEXEC));
        // Closed ones are left alone.
        keep(DESCRIPTORS_TRIED_MAX + 100_000);
    }
}
