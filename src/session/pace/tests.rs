//! Links and consumers of every kind, and how much is on its way over them.

use std::collections::VecDeque;

use super::super::inbox::Inbox;
use super::*;
use crate::proto::Seq;
use crate::proto::limits::{FAST_BYTES_MIN, NARROW_PIPE_BYTES};

const KIB: usize = 1 << 10;
const AHEAD: Duration = Duration::from_millis(500);

/// Bytes that arrive at once or not at all: a packet of ssh, and a chunk of ours.
const PACKET_BYTES: usize = 32 * KIB;

/// A link that carries so many bytes a second with that round trip, a consumer at its end that acknowledges as
/// ours do, and a producer that always has more.
struct Link {
    pace: Pace,
    inbox: Inbox,
    now: Time,
    /// Packets that were given, and when they are consumed.
    there: VecDeque<(usize, Time)>,
    /// Their sizes, from the first that is not acknowledged; and the number of that.
    left: VecDeque<usize>,
    left_bytes: usize,
    first: Seq,
    /// Acknowledgements, and when they come.
    back: VecDeque<(Seq, Time)>,
    free_at: Time,
    bytes_a_second: usize,
    round_trip: Duration,
    /// The consumer takes nothing before.
    stalls_until: Time,
    consumes_a_second: usize,
    /// All that was consumed.
    carried: usize,
}

impl Link {
    fn new(bytes_a_second: usize, round_trip_ms: u64) -> Self {
        let config = WindowConfig::default();
        let now = Time(1);
        Link {
            pace: Pace::new(&config),
            inbox: Inbox::new(&config),
            now,
            there: VecDeque::new(),
            left: VecDeque::new(),
            left_bytes: 0,
            first: 1,
            back: VecDeque::new(),
            free_at: now,
            bytes_a_second,
            round_trip: ms(round_trip_ms),
            stalls_until: now,
            consumes_a_second: usize::MAX,
            carried: 0,
        }
    }

    /// Gives away as much as may be for a time; what was consumed meanwhile.
    fn flood(&mut self, time: Duration) -> usize {
        let (until, before) = (self.now + time, self.carried);
        loop {
            while self.left_bytes < self.pace.bytes() {
                // What a hosted program's pipe holds.
                let narrow =
                    if self.pace.bytes() < FAST_BYTES_MIN { NARROW_PIPE_BYTES } else { PACKET_BYTES };
                self.give((self.pace.bytes() - self.left_bytes).min(narrow));
            }
            if !self.goes_on(until) {
                self.now = until;
                return self.carried - before;
            }
        }
    }

    /// What was given is consumed, and nothing more is given.
    fn drain(&mut self) {
        while self.goes_on(Time(u64::MAX)) {}
    }

    fn give(&mut self, bytes: usize) {
        let speed = self.bytes_a_second.min(self.consumes_a_second);
        self.free_at = self.free_at.max(self.now).max(self.stalls_until) + takes(bytes, speed);
        self.there.push_back((bytes, self.free_at + self.round_trip / 2));
        self.left.push_back(bytes);
        self.left_bytes += bytes;
        self.pace.given(self.now, self.left_bytes);
    }

    /// The next that happens; false if that is not before then.
    fn goes_on(&mut self, until: Time) -> bool {
        let next = [
            self.there.front().map(|(_, at)| *at),
            self.inbox.ack_at(),
            self.back.front().map(|(_, at)| *at),
        ];
        let Some(at) = next.into_iter().flatten().min().filter(|at| *at < until) else {
            return false;
        };
        self.now = self.now.max(at);
        if next[2] == Some(at) {
            let (seq, _) = self.back.pop_front().expect("it comes now");
            let mut bytes = 0;
            while self.first <= seq {
                bytes += self.left.pop_front().expect("what was acknowledged was given");
                self.first += 1;
            }
            self.left_bytes -= bytes;
            self.pace.consumed(self.now, bytes, self.left_bytes);
            return true;
        }
        if next[0] == Some(at) {
            let (bytes, _) = self.there.pop_front().expect("it is there now");
            self.inbox.accept(self.inbox.received() + 1, bytes).expect("it is the next");
            self.inbox.consume(self.now, 1);
            self.carried += bytes;
        }
        self.inbox.handle_timeout(self.now);
        if let Some(seq) = self.inbox.take_ack(false) {
            self.back.push_back((seq, self.now + self.round_trip / 2));
        }
        true
    }

    /// The link is another one from now on, for what is on its way, too.
    fn becomes(&mut self, bytes_a_second: usize, round_trip_ms: u64) {
        (self.bytes_a_second, self.round_trip) = (bytes_a_second, ms(round_trip_ms));
        let mut free_at = self.now;
        for (bytes, at) in &mut self.there {
            free_at += takes(*bytes, bytes_a_second);
            *at = free_at + self.round_trip / 2;
        }
        self.free_at = free_at;
    }

    /// The consumer takes nothing for a time, not even what has come.
    fn stalls(&mut self, time: Duration) {
        self.stalls_until = self.now + time;
        for (_, at) in &mut self.there {
            *at = (*at).max(self.stalls_until);
        }
    }

    /// How long what is given away now would take to be consumed.
    fn wait(&self) -> Duration {
        self.there.back().map_or(Duration::ZERO, |(_, at)| at.since(self.now))
    }
}

fn takes(bytes: usize, a_second: usize) -> Duration {
    Duration::from_nanos((bytes as u128 * 1_000_000_000 / a_second as u128) as u64)
}

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

#[test]
fn a_flood_over_a_slow_link_is_never_long_on_its_way_not_even_at_its_beginning() {
    for (bytes_a_second, round_trip_ms, most_ms) in [
        (20_000, 20, 2_700),
        (20_000, 300, 2_700),
        (100_000, 20, 1_050),
        (100_000, 600, 1_900),
        (1_000_000, 20, 800),
        (1_000_000, 300, 1_100),
    ] {
        let mut link = Link::new(bytes_a_second, round_trip_ms);
        for _ in 0..400 {
            link.flood(ms(50));
            let wait = link.wait();
            assert!(wait <= ms(most_ms), "{wait:?} at {bytes_a_second} B/s and {round_trip_ms} ms");
        }
    }
}

#[test]
fn a_slow_link_never_runs_dry() {
    for (bytes_a_second, round_trip_ms) in
        [(20_000, 20), (20_000, 300), (100_000, 20), (100_000, 600), (1_000_000, 20), (1_000_000, 300)]
    {
        let mut link = Link::new(bytes_a_second, round_trip_ms);
        link.flood(ms(3_000));
        let carried = link.flood(ms(20_000));
        assert!(carried >= 19 * bytes_a_second, "{carried} at {bytes_a_second} B/s and {round_trip_ms} ms");
    }
}

#[test]
fn a_fast_link_is_given_the_whole_window_at_once_and_never_less_again() {
    // A unix socket, a LAN, a continent, and a continent with just enough for a window in half a second.
    for (bytes_a_second, round_trip_ms, round_trips) in
        [(500_000_000, 0, 0), (100_000_000, 1, 10), (50_000_000, 100, 5), (20_000_000, 100, 6)]
    {
        let mut link = Link::new(bytes_a_second, round_trip_ms);
        // And the time that as many bytes take.
        link.flood(link.round_trip * round_trips + takes(16 << 20, bytes_a_second));
        assert!(link.pace.is_most(), "{} bytes at {bytes_a_second} B/s", link.pace.bytes());
        for _ in 0..1000 {
            link.flood(ms(10));
            assert!(link.pace.is_most(), "{} bytes at {bytes_a_second} B/s", link.pace.bytes());
        }
    }
}

#[test]
fn a_satellite_is_filled_though_its_round_trip_is_longer_than_what_may_wait() {
    let mut link = Link::new(5_000_000, 700);
    link.flood(ms(10_000));
    let carried = link.flood(ms(10_000));
    assert!(carried >= 45_000_000, "{carried} bytes");
}

#[test]
fn a_link_that_becomes_slow_is_given_no_more_after_a_second() {
    let mut link = Link::new(50_000_000, 20);
    link.flood(ms(5_000));
    assert!(link.pace.is_most());
    link.becomes(100_000, 20);
    link.flood(ms(1_500));
    assert!(link.pace.bytes() < 100 * KIB, "{} bytes", link.pace.bytes());
    // What was given before has to go.
    link.flood(ms(90_000));
    for _ in 0..100 {
        link.flood(ms(100));
        assert!(link.wait() < ms(1_100), "{:?}", link.wait());
    }
}

#[test]
fn a_link_that_becomes_fast_again_has_the_whole_window_within_some_round_trips() {
    for round_trip_ms in [1, 20, 100] {
        let mut link = Link::new(100_000, round_trip_ms);
        link.flood(ms(20_000));
        link.becomes(50_000_000, round_trip_ms);
        // What is on its way comes first.
        link.flood(link.wait() + link.round_trip * 5 + takes(16 << 20, 50_000_000));
        assert!(link.pace.is_most(), "{} bytes at {round_trip_ms} ms", link.pace.bytes());
    }
}

#[test]
fn a_slow_consumer_is_given_no_more_than_it_takes_soon_and_is_never_kept_waiting() {
    let mut link = Link::new(50_000_000, 20);
    link.consumes_a_second = 200_000;
    for _ in 0..200 {
        link.flood(ms(100));
        assert!(link.wait() < ms(1_000), "{:?}", link.wait());
    }
    let carried = link.flood(ms(10_000));
    assert!(carried >= 1_900_000, "{carried}");
}

#[test]
fn a_consumer_that_stalled_costs_a_fast_link_nothing_once_it_goes_on() {
    for stall_ms in [300, 700, 3_000, 60_000] {
        let mut link = Link::new(50_000_000, 100);
        link.flood(ms(5_000));
        link.stalls(ms(stall_ms));
        link.flood(ms(stall_ms));
        let carried = link.flood(ms(2_000));
        // What has come by then is consumed at once, and one round trip is for the first word of that.
        assert!(carried >= 50_000_000 * 18 / 10, "{carried} bytes after {stall_ms} ms");
        assert!(link.pace.is_most());
    }
}

#[test]
fn a_consumer_that_stalls_before_anything_is_known_is_given_the_least() {
    let mut pace = Pace::new(&WindowConfig::default());
    pace.given(Time(0), pace.bytes());
    pace.consumed(Time(0) + Duration::from_secs(60), 8 * KIB, 24 * KIB);
    assert!(pace.is_least() && !pace.is_most());
}

#[test]
fn a_way_that_has_become_longer_is_no_queue_for_long() {
    // Others fill the link's buffer, or there is another way: two seconds, whatever we give.
    let mut link = Link::new(5_000_000, 20);
    link.flood(ms(5_000));
    link.becomes(5_000_000, 2_000);
    link.flood(ms(30_000));
    let carried = link.flood(ms(10_000));
    assert!(carried >= 25_000_000, "{carried} bytes");
    link.becomes(5_000_000, 20);
    link.flood(ms(10_000));
    // As long as it is flooded nothing tells that the way is short again.
    assert!(link.wait() < ms(2_500), "{:?}", link.wait());
}

#[test]
fn a_burst_that_a_buffer_swallows_is_worth_some_times_as_much() {
    let mut pace = Pace::new(&WindowConfig::default());
    let first = pace.bytes();
    pace.given(Time(0), first);
    pace.consumed(Time(10), first, 0);
    assert_eq!(pace.bytes(), Pace::GROWTH * first);
}

#[test]
fn who_says_little_changes_nothing() {
    let mut pace = Pace::new(&WindowConfig::default());
    let before = pace.clone();
    for round in 0..100 {
        let now = Time(round * 1_000_000);
        pace.given(now, 100);
        pace.consumed(now + ms(900), 100, 0);
    }
    assert_eq!(pace, before);
}

#[test]
fn messages_of_an_editor_say_of_a_fast_link_that_it_is_slow_no_more() {
    let mut link = Link::new(50_000_000, 20);
    link.flood(ms(1_000));
    link.drain();
    link.becomes(20_000, 20);
    link.give(PACKET_BYTES);
    link.give(PACKET_BYTES);
    link.drain();
    assert!(link.pace.bytes() <= WindowConfig::default().ahead_bytes_first, "{} bytes", link.pace.bytes());
}

#[test]
fn a_transport_starts_anew_with_a_short_round() {
    let config = WindowConfig::default();
    let mut link = Link::new(100_000_000, 1);
    link.flood(ms(1_000));
    let mut pace = link.pace;
    pace.start(link.now, config.unacked_bytes_max);
    assert_eq!(pace.bytes(), config.ahead_bytes_first);
    pace.consumed(link.now + AHEAD, config.ahead_bytes_first / 4, config.ahead_bytes_first);
    assert_eq!(pace.bytes(), config.ahead_bytes_first, "it did not take too long");
    assert_eq!(pace.round_trip, AHEAD);
}

#[test]
fn a_window_below_the_least_is_one() {
    for unacked_bytes_max in [0, 1, 100] {
        let pace = Pace::new(&WindowConfig { unacked_bytes_max, ..WindowConfig::default() });
        assert_eq!(pace.bytes(), unacked_bytes_max.max(1));
        assert!(pace.is_least() && pace.is_most());
    }
}
