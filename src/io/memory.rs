//! Memory that is free and was not given back to the system.
//!
//! The allocator keeps what a burst of work needed, in case there is another one; a server that
//! rests for hours should not hold what it used for a second.

use crate::proto::limits::FREE_BYTES_MAX;

/// Keeps what is free for the next read while there is bulk: the system clears each page that it hands out,
/// which takes a tenth of the time of a local bulk. For programs whose reads all end in
/// [`give_back`], and which are nobody else's.
pub fn keep() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        let bytes = i32::try_from(FREE_BYTES_MAX).expect("some MiB");
        // SAFETY: the function takes numbers. A refusal costs speed only.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, bytes);
            libc::mallopt(libc::M_TRIM_THRESHOLD, bytes);
        }
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    let _ = FREE_BYTES_MAX;
}

/// Gives back what is free; takes some tenths of a millisecond.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: the function takes a number, and is safe to call from any thread at any time.
    unsafe {
        libc::malloc_trim(0);
    }
    // Other allocators do so by themselves.
}
