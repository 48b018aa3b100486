//! What something cost in memory at its peak, above what was held before.
//!
//! Which costs are right is left to the tests.

use crate::MEMORY;

/// What the test harness itself may take or give back meanwhile.
pub(crate) const SLACK: usize = 64 << 10;

/// Does `work` and gives its result, and the most bytes that were held at once because of it.
pub(crate) fn peak_of<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let result = work();
    (result, MEMORY.peak_usage().saturating_sub(before))
}

/// What is held now.
pub(crate) fn held_bytes() -> usize {
    MEMORY.current_usage()
}
