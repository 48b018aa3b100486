//! A set of fingerprints, each with its place in the order of arrival: open addressing, one word
//! a slot.
//!
//! What a fingerprint stands for is left to the caller, who may ask for more proof than 64 equal bits.

use std::hash::{Hash, Hasher};

/// Slots of an empty table; a power of two.
const SLOTS_MIN: usize = 64;

/// Fingerprints in the order in which they came.
#[derive(Clone, Debug)]
pub(super) struct Table {
    /// Upper half: the fingerprint's upper half. Lower half: its place, counted from 1.
    slots: Vec<u64>,
    prints: Vec<u64>,
}

impl Default for Table {
    fn default() -> Self {
        Table { slots: vec![0; SLOTS_MIN], prints: Vec::new() }
    }
}

impl Table {
    /// The place of a fingerprint whose owner is `same`, and whether it is new.
    pub(super) fn place(&mut self, print: u64, same: impl Fn(usize) -> bool) -> (usize, bool) {
        let mask = self.slots.len() - 1;
        let mut slot = print as usize & mask;
        while self.slots[slot] != 0 {
            let place = (self.slots[slot] as u32 - 1) as usize;
            if self.slots[slot] >> 32 == print >> 32 && self.prints[place] == print && same(place) {
                return (place, false);
            }
            slot = (slot + 1) & mask;
        }
        let place = self.prints.len();
        let counted = u32::try_from(place + 1).expect("the caller's bound is far below four billion");
        self.slots[slot] = print >> 32 << 32 | u64::from(counted);
        self.prints.push(print);
        if self.prints.len() * 3 > self.slots.len() * 2 {
            self.grow();
        }
        (place, true)
    }

    fn grow(&mut self) {
        let mask = self.slots.len() * 2 - 1;
        let mut slots = vec![0; mask + 1];
        for (place, print) in self.prints.iter().enumerate() {
            let mut slot = *print as usize & mask;
            while slots[slot] != 0 {
                slot = (slot + 1) & mask;
            }
            slots[slot] = print >> 32 << 32 | (place as u64 + 1);
        }
        self.slots = slots;
    }
}

/// A fast hash whose every bit depends on every bit that was written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mix(u64);

impl Default for Mix {
    fn default() -> Self {
        Mix(0x9e37_79b9_7f4a_7c15)
    }
}

impl Mix {
    /// The fingerprint of some words.
    pub(super) fn of(words: &[u64]) -> u64 {
        let mut mix = Mix::default();
        for word in words {
            mix.write_u64(*word);
        }
        mix.finish()
    }

    /// The fingerprint of a value.
    pub(super) fn of_value(value: &impl Hash) -> u64 {
        let mut mix = Mix::default();
        value.hash(&mut mix);
        mix.finish()
    }
}

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    #[inline]
    fn write_u64(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word) * 0x9fb2_1c65_1e98_df25;
        let folded = product as u64 ^ (product >> 64) as u64;
        self.0 = folded.rotate_left(23).wrapping_add(0xa076_1d64_78bd_642f);
    }

    #[inline]
    fn write_u8(&mut self, word: u8) {
        self.write_u64(word.into());
    }

    #[inline]
    fn write_u16(&mut self, word: u16) {
        self.write_u64(word.into());
    }

    #[inline]
    fn write_u32(&mut self, word: u32) {
        self.write_u64(word.into());
    }

    #[inline]
    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    #[inline]
    fn write_isize(&mut self, word: isize) {
        self.write_u64(word as u64);
    }

    fn finish(&self) -> u64 {
        let mixed = (self.0 ^ self.0 >> 32).wrapping_mul(0xe703_7ed1_a0b4_28db);
        mixed ^ mixed >> 29
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_what_it_has_seen_through_all_its_growth() {
        let mut table = Table::default();
        for round in 0..2 {
            for number in 0..10_000u64 {
                let (place, new) = table.place(Mix::of(&[number]), |_| true);
                assert_eq!((place as u64, new), (number, round == 0));
            }
        }
        assert_eq!(table.prints.len(), 10_000);
    }

    #[test]
    fn equal_fingerprints_of_different_owners_are_kept_apart() {
        let mut table = Table::default();
        assert_eq!(table.place(7, |_| true), (0, true));
        assert_eq!(table.place(7, |_| false), (1, true));
        assert_eq!(table.place(7, |place| place == 1), (1, false));
    }
}
