//! Whether the system gives this process what it cannot do without.

use rustix::process::{Resource, getrlimit};

use crate::proto::limits::DESCRIPTORS_MIN;

/// Looks at the limit of open files, before something deep inside fails without a sentence.
///
/// # Errors
///
/// That sentence, if the limit is too low.
pub fn for_open_files() -> Result<(), String> {
    match getrlimit(Resource::Nofile).current {
        Some(limit) if limit < DESCRIPTORS_MIN => Err(format!(
            "the limit of open files (ulimit -n) is {limit}; at least {DESCRIPTORS_MIN} are needed"
        )),
        Some(_) | None => Ok(()),
    }
}
