//! The bounds of the way to a host: of ssh, of who looks for a server there, and of who installs one.

use std::time::Duration;

use super::NOISE_BYTES_MAX;

/// Time for ssh to say its version, which takes some milliseconds, once. Whoever takes longer is some
/// wrapper, and is told only what every ssh knows.
pub const SSH_VERSION_WAIT: Duration = Duration::from_secs(1);

/// Bytes of a word of a transport's command that is shown in a log: any path or option, and no script.
pub const LOGGED_WORD_BYTES_MAX: usize = 500;

/// Bytes of a program file that say what it is for: its header and the table of its parts, which stands right
/// behind it in whatever a linker makes.
pub const PROGRAM_HEAD_BYTES_MAX: u64 = 64 << 10;

/// Bytes that a host may write before it says what it is, and that ssh may say of itself: what a login shell
/// prints, as before a server's preamble.
pub const INSTALL_WORDS_BYTES_MAX: u64 = NOISE_BYTES_MAX as u64;
