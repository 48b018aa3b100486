//! How much is given away ahead, and how soon it is acknowledged.

use std::time::Duration;

use super::{PIPE_BYTES, READ_BYTES};

/// Time that what is given away ahead may take, beyond a round trip: whatever comes behind it, a
/// signal or a keystroke's answer, waits as long.
///
/// Half a second is felt and not yet taken for a hang; and it is long enough that acknowledgements, which
/// come every [`ACK_DELAY`] at worst, measure it.
pub const AHEAD_TIME: Duration = Duration::from_millis(500);

/// Bytes that are given away ahead however slow the link is: below a second at 20 kB/s, and twice what an
/// acknowledgement waits for, so that bytes are on their way while it is.
pub const AHEAD_BYTES_MIN: usize = 16 << 10;

/// Bytes that are given away ahead on a link of which nothing is known: some messages of an editor at
/// once, and three times what TCP begins with; 2.5 s at 20 kB/s, once.
pub const AHEAD_BYTES_FIRST: usize = 48 << 10;

/// Bytes that may be consumed at one go on a link that is slow: what waits there for its last byte is a
/// packet of ssh (32 KiB), and a read of ours; and what waits for a consumer is no more. More than that
/// at one go was carried so fast.
pub const BURST_BYTES_MAX: usize = 2 * READ_BYTES;

/// The longest round trip that is taken for one: a satellite's, and an acknowledgement's delay. What
/// lasts longer has waited.
pub const ROUND_TRIP_MAX: Duration = Duration::from_millis(750);

/// Bytes that may be given away ahead from which on a link is fast: 4 MB/s. Only then a hosted program's
/// pipe is widened, which holds an eighth of a second's then.
pub const FAST_BYTES_MIN: usize = 4 * PIPE_BYTES;

/// Bytes that a hosted program's output may hold before it is known how fast the link is: what is in
/// it is on its way, too. A quarter of what Linux gives; longer writes than that are rare, and wait for us only.
pub const NARROW_PIPE_BYTES: usize = 16 << 10;

/// Consumed bytes after which an acknowledgement is due at once, as long as bulk goes on.
///
/// A thirty-second of the window: the sender never waits for it, and in bulk it costs nothing.
pub const ACK_BYTES: usize = 256 << 10;

/// Consumed bytes after which an acknowledgement is due at once when bulk begins; a quarter more with each,
/// up to [`ACK_BYTES`]. So a sender who gives little ahead hears as often as it needs.
pub const ACK_BYTES_MIN: usize = 8 << 10;

/// Consumed frames after which an acknowledgement is due at once: a thirty-second of
/// [`UNACKED_FRAMES_MAX`](super::UNACKED_FRAMES_MAX), so that small messages never wait for it either.
pub const ACK_FRAMES: u64 = 4 << 10;

/// Time after which consumed bytes are acknowledged when nothing else is on its way.
///
/// Nobody waits for an acknowledgement below the window, so it may be lazy; it also bounds how
/// much is sent twice after a loss, and it is the sign of life that a slow upload needs.
pub const ACK_DELAY: Duration = Duration::from_millis(100);

/// The same for half of [`ACK_BYTES_MIN`] and more, with which a piece of bulk ends: what it has shown the
/// link to carry is how much may follow it. A hundred acknowledgements a second cost nothing that is felt.
pub const ACK_DELAY_BULK: Duration = Duration::from_millis(10);
