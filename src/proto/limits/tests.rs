//! The bounds among each other, and with the pages that name them.

use super::*;

/// As people read it.
fn with_commas(number: usize) -> String {
    match number / 1000 {
        0 => number.to_string(),
        thousands => format!("{},{:03}", with_commas(thousands), number % 1000),
    }
}

#[test]
fn the_protocols_page_says_the_same_numbers() {
    let page = include_str!("../../../PROTOCOL.md");
    let numbers =
        [FRAME_BYTES_MAX, PAYLOAD_BYTES_MAX, HANDSHAKE_BYTES_MAX, NOISE_BYTES_MAX, UNCONSUMED_FRAMES_MAX];
    for number in numbers {
        assert!(page.contains(&with_commas(number)), "{}", with_commas(number));
    }
    assert!(page.contains(&format!("keeps no more than {} unack", with_commas(UNACKED_FRAMES_MAX))));
    let frames = with_commas(usize::try_from(ACK_FRAMES).unwrap());
    assert!(page.contains(&format!("after {} KiB or {frames} frames", ACK_BYTES >> 10)));
}

#[test]
fn whatever_a_frame_holds_fits_into_it() {
    let json_sentence = 6 * SENTENCE_BYTES_MAX;
    assert!(json_sentence + 400 < HANDSHAKE_BYTES_MAX);
    assert!(HANDSHAKE_BYTES_MAX <= CHUNK_BYTES && CHUNK_BYTES <= PAYLOAD_BYTES_MAX);
    assert_eq!(FRAME_HEADER_BYTES + 1 + 8 + PAYLOAD_BYTES_MAX, 4 + FRAME_BYTES_MAX);
    assert!(json_sentence < LINE_BYTES_MAX, "a proxy's line holds its sentence");
    assert!(READY_LINE_BYTES_MAX >= 2 * 4096 + SENTENCE_BYTES_MAX, "two paths and what is wrong");
    assert!(6 * RECORD_COMMAND_BYTES_MAX < RECORD_BYTES_MAX, "a record holds its command line");
    assert!(RECORD_COMMAND_BYTES_MAX >= 1 << 10, "and enough of it to recognise it by");
    assert!(LOG_TAIL_BYTES >= LINE_BYTES_MAX as u64 && LOG_TAIL_BYTES < LOG_BYTES_MAX);
}

#[test]
fn windows_keep_a_link_busy_and_memory_bounded() {
    assert!(8 * UNACKED_BYTES_MAX >= 640_000_000 / 10, "640 Mbit/s at 100 ms");
    assert!(8 * FRAME_BYTES_MAX <= UNACKED_BYTES_MAX, "a frame never stands for a window");
    assert_eq!((32 * ACK_BYTES, 32 * ACK_FRAMES), (UNACKED_BYTES_MAX, UNACKED_FRAMES_MAX as u64));
    assert!(2 * ACK_BYTES_MIN <= AHEAD_BYTES_MIN && AHEAD_BYTES_MIN < AHEAD_BYTES_FIRST);
    assert_eq!((3 * AHEAD_BYTES_MIN, 4 * PIPE_BYTES), (AHEAD_BYTES_FIRST, FAST_BYTES_MIN));
    assert!(
        ACK_DELAY_BULK * 10 <= ACK_DELAY && ACK_BYTES <= BURST_BYTES_MAX && 2 * CHUNK_BYTES < BURST_BYTES_MAX
    );
    assert!(ACK_DELAY * 4 < AHEAD_TIME && AHEAD_TIME < ROUND_TRIP_MAX && FAST_BYTES_MIN < UNACKED_BYTES_MAX);
    assert!(NARROW_PIPE_BYTES <= AHEAD_BYTES_MIN && AHEAD_BYTES_MIN < 20_000, "a second at 20 kB/s");
    assert_eq!(UNCONSUMED_FRAMES_MAX, 2 * UNACKED_FRAMES_MAX);
    assert!(64 * UNACKED_FRAMES_MAX <= UNACKED_BYTES_MAX, "bookkeeping costs no more than what is kept");
    assert_eq!(HEARTBEAT_INTERVAL_MAX * 3, SILENCE_MAX);
    assert_eq!(WRITE_BYTES_MAX, READ_BYTES, "a call");
    assert_eq!(FREE_BYTES_MAX, UNACKED_BYTES_MAX + UNACKED_BYTES_MAX, "a window each way");
    assert_eq!(PIPE_BYTES, 2 * READ_BYTES, "one is worked on, one is filled");
    assert!((FILLS_MAX - 1) * READ_BYTES > PIPE_HELD_BYTES_MAX, "the first read is a small one");
    assert_eq!(FRAMES_MAX as u64, ACK_FRAMES);
    assert!(0 < READ_BYTES_MIN && READ_BYTES_MIN < READ_BYTES && PIPE_BYTES < PIPE_HELD_BYTES_MAX);
}

#[test]
fn who_waits_for_another_waits_longer() {
    let dead_link = HEARTBEAT_INTERVAL * (1 + HEARTBEAT_MISSES_MAX);
    assert_eq!((dead_link, SILENCE_MAX), (Duration::from_secs(15), 2 * dead_link));
    assert!(CHUNK_BYTES as u64 / 2200 < dead_link.as_secs(), "the slowest link makes progress");
    assert!(APP_GRACE < STOP_GRACE && STOP_GRACE + KILL_WAIT + READY_TIMEOUT < STARTER_WAIT);
    let attempts = BACKOFF_MIN * 4;
    assert!(attempts + ATTACH_TIMEOUT * ATTEMPTS_MAX < UNMET_LIFETIME);
    assert!(NETWORK_PROBE_TIMEOUT < PROBE_TIMEOUT && PROBE_TIMEOUT < HEARTBEAT_INTERVAL);
    assert!(OPEN_TIMEOUT_MIN * 7 < OPEN_TIMEOUT, "three of an outage are over before one long one is");
    assert!(PATIENCE_MAX + PATIENCE_MAX / 4 < Duration::from_secs(40), "the product's promise");
    assert!(HINT_GRACE < ACTIVITY_PACE && ACTIVITY_PACE < BACKOFF_MIN - BACKOFF_MIN / 4);
    assert!(ACTIVITY_PACE < ACTIVITY_GRACE && ACTIVITY_GRACE < OPEN_TIMEOUT_MIN);
    assert!(FIRST_RETRY_SPREAD < HINT_GRACE && BACKOFF_MIN < ALLOWANCE_EVERY);
    assert_eq!(IDLE_LIFETIME, Duration::from_secs(86_400));
    assert!(HALF_END_WAIT + HALF_END_ANSWER + 2 * SUSPENSION_MIN < RELAY_GRACE, "however busy it is");
    assert!(HALF_END_WAIT >= SUSPENSION_MIN && HALF_END_ANSWER >= PROBE_TIMEOUT);
    assert!(attempts < ORPHAN_LIFETIME && ORPHAN_LIFETIME < UNMET_LIFETIME);
    assert_eq!(LEFTOVERS_LIFETIME, 7 * IDLE_LIFETIME);
}
