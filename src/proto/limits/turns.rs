//! How long one task works before the others have their turn.

/// Reads of one transport in a row before the others, the alarm and the writes get their turn: more
/// than a pipe holds, so that what was written to one before its lender ended is read in one turn.
pub const FILLS_MAX: usize = 8;

/// Frames of one transport in a row before the others, the alarm and the writes get their turn: the smallest
/// cost more than their bytes, together some tenths of a millisecond. As many as are acknowledged together,
/// so that no acknowledgement is later for it.
pub const FRAMES_MAX: usize = 4 << 10;

/// Rounds of reads, effects and writes that a driver makes in a row before the tasks beside it get
/// their turn: some 10 ms of bulk, or 2 ms of the smallest frames. What the user wants of the process is
/// looked at before each turn. One round each makes lines in bulk a sixth slower.
pub const ROUNDS_MAX: usize = 4;

/// Deliveries that are moved in a row before other tasks get their turn: as many as a driver makes in one
/// of its own, so that it gets no farther ahead.
pub const DELIVERIES_MAX: usize = ROUNDS_MAX * FRAMES_MAX;

/// Turns of all tasks in a row after which descriptors and timers are looked at, though there is more
/// to do: more than one message takes, so that it costs no further system call.
pub const TURNS_MAX: usize = 16;
