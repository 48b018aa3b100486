//! What makes two states of a machine the same: the words that its derived `Hash` writes, with
//! what only ever grows replaced by what matters about it.
//!
//! Times are distances from the process's own clock; numbers of transports are the order in which
//! they are mentioned; numbers of attempts are left out, because who is older is the world's to know. Machines
//! are handed such numbers out of ranges that nothing else comes near, so that they can be
//! recognised among the words.

use std::hash::{Hash, Hasher};
use std::time::Duration;

use reattach::proto::limits::STABLE_AFTER;
use reattach::session::Time;

/// Where every clock starts.
pub(super) const CLOCKS: Time = Time(1 << 62);

/// The first number of a transport.
pub(super) const TRANSPORTS: u64 = 1 << 61;

/// The attempts that a server hears of are above this.
pub(super) const ATTEMPTS: u64 = 1 << 60;

/// Width of each range.
const SPAN: u64 = 1 << 50;

/// How far back a time makes a difference: no machine looks further than a stable session is long.
const PAST_MAX: Duration = STABLE_AFTER;

/// Records what a derived `Hash` writes.
#[derive(Clone, Debug, Default)]
pub(super) struct Words(pub(super) Vec<u64>);

impl Words {
    /// The words of one value.
    pub(super) fn of(value: &impl Hash) -> Vec<u64> {
        let mut words = Words::default();
        value.hash(&mut words);
        words.0
    }

    /// Makes what was recorded comparable with what is recorded at other times. The transports that
    /// are mentioned are added to `seats`, in order.
    pub(super) fn canonise(&mut self, now: Time, seats: &mut Vec<u64>) {
        for word in &mut self.0 {
            *word = canonical(*word, now, seats);
        }
    }
}

fn canonical(word: u64, now: Time, seats: &mut Vec<u64>) -> u64 {
    let near = |start: u64| word.wrapping_sub(start) < SPAN;
    if near(CLOCKS.0) {
        let past = u64::try_from(PAST_MAX.as_micros()).expect("seconds");
        let since = word.max(now.0.saturating_sub(past)) - now.0.saturating_sub(past);
        CLOCKS.0 + since
    } else if near(TRANSPORTS) {
        let seat = seats.iter().position(|transport| *transport == word).unwrap_or_else(|| {
            seats.push(word);
            seats.len() - 1
        });
        TRANSPORTS + seat as u64
    } else if near(ATTEMPTS) {
        ATTEMPTS
    } else {
        word
    }
}

impl Hasher for Words {
    fn write(&mut self, bytes: &[u8]) {
        self.0.push(bytes.len() as u64);
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0.push(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, word: u8) {
        self.0.push(word.into());
    }

    fn write_u16(&mut self, word: u16) {
        self.0.push(word.into());
    }

    fn write_u32(&mut self, word: u32) {
        self.0.push(word.into());
    }

    fn write_u64(&mut self, word: u64) {
        self.0.push(word);
    }

    fn write_u128(&mut self, word: u128) {
        self.0.extend([word as u64, (word >> 64) as u64]);
    }

    fn write_usize(&mut self, word: usize) {
        self.0.push(word as u64);
    }

    fn write_i32(&mut self, word: i32) {
        self.0.push(word as u64);
    }

    fn write_isize(&mut self, word: isize) {
        self.0.push(word as u64);
    }

    fn finish(&self) -> u64 {
        unreachable!("own bug: words are recorded, not summed up")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(value: &impl Hash, now: Time) -> Vec<u64> {
        let mut words = Words(Words::of(value));
        words.canonise(now, &mut Vec::new());
        words.0
    }

    #[test]
    fn the_same_distance_is_the_same_word() {
        let second = Duration::from_secs(1);
        let (early, late) = (CLOCKS + second, CLOCKS + 500 * second);
        assert_eq!(words(&(early + second), early), words(&(late + second), late));
        assert_ne!(words(&(early + second), early), words(&(late + 2 * second), late));
        assert_eq!(words(&CLOCKS, late), words(&(late - 10 * second), late), "long ago is long ago");
        assert_ne!(words(&late, late), words(&(late - second), late));
    }

    #[test]
    fn transports_are_the_order_in_which_they_are_mentioned() {
        let pair = |one: u64, two: u64| words(&(TRANSPORTS + one, TRANSPORTS + two), CLOCKS);
        assert_eq!(pair(1, 2), pair(9, 4));
        assert_ne!(pair(1, 2), pair(3, 3));
    }

    #[test]
    fn plain_numbers_stay_what_they_are() {
        assert_eq!(words(&(5u64, 7u8, 1u128 << 64), CLOCKS), [5, 7, 0, 1]);
        assert_ne!(words(&"ab", CLOCKS), words(&"abc", CLOCKS));
    }
}
