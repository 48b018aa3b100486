//! States whose turn has not come, packed one behind the other: there may be millions.

use std::collections::VecDeque;

/// Words of a page: a page is given back as a whole.
const PAGE_WORDS: usize = 1 << 16;

/// First in, first out.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiting {
    /// Each state's number of words, and then they.
    pages: VecDeque<Vec<u64>>,
    /// Words of the first page that were taken.
    taken: usize,
    len: usize,
}

impl Waiting {
    /// A packed state comes last.
    pub(super) fn push(&mut self, words: &[u64]) {
        let has_room = |page: &Vec<u64>| page.len() + words.len() < PAGE_WORDS;
        if !self.pages.back().is_some_and(has_room) {
            self.pages.push_back(Vec::with_capacity(PAGE_WORDS));
        }
        let page = self.pages.back_mut().expect("one was added if there was none");
        page.push(words.len() as u64);
        page.extend_from_slice(words);
        self.len += 1;
    }

    /// Takes the first.
    pub(super) fn pop<T>(&mut self, take: impl FnOnce(&[u64]) -> T) -> Option<T> {
        if self.pages.front()?.len() == self.taken {
            self.pages.pop_front();
            self.taken = 0;
        }
        let page = self.pages.front()?;
        let start = self.taken + 1;
        self.taken = start + page[self.taken] as usize;
        self.len -= 1;
        Some(take(&page[start..self.taken]))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_out_as_it_went_in_over_many_pages() {
        let mut waiting = Waiting::default();
        let state = |number: u64| vec![number; (number % 30) as usize];
        let mut taken = 0;
        for number in 0..50_000 {
            waiting.push(&state(number));
            if number % 3 == 0 {
                assert_eq!(waiting.pop(<[u64]>::to_vec), Some(state(taken)));
                taken += 1;
            }
        }
        assert_eq!(waiting.len() as u64, 50_000 - taken);
        while let Some(words) = waiting.pop(<[u64]>::to_vec) {
            assert_eq!(words, state(taken));
            taken += 1;
        }
        assert_eq!((taken, waiting.len()), (50_000, 0));
    }
}
