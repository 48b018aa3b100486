//! Memory that is free and was not given back to the system.
//!
//! The allocator keeps what a burst of work needed, in case there is another one; a server that
//! rests for hours should not hold what it used for a second.

/// Gives back what is free; takes some tenths of a millisecond.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: the function takes a number, and is safe to call from any thread at any time.
    unsafe {
        libc::malloc_trim(0);
    }
    // Other allocators do so by themselves.
}
