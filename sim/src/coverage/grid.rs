//! Named rows and columns, and counts where they meet.

use std::fmt;
use std::marker::PhantomData;

/// The name of a row or a column.
pub trait Label: Copy + Eq + fmt::Debug + 'static {
    /// All of them, in the order in which they are shown.
    const ALL: &'static [Self];

    /// The name, as people read it.
    fn name(self) -> &'static str;

    /// The name over a column, where that is shorter.
    fn heading(self) -> &'static str {
        self.name()
    }

    /// Its place among all.
    fn place(self) -> usize;
}

/// Declares labels: a fieldless enum, its names, and shorter headings where there are any.
macro_rules! labels {
    ($(#[$doc:meta])* $label:ident { $($variant:ident $name:literal $(as $heading:literal)?,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum $label {
            $(#[doc = $name] $variant,)*
        }

        impl crate::coverage::grid::Label for $label {
            const ALL: &'static [Self] = &[$($label::$variant,)*];

            fn name(self) -> &'static str {
                match self {
                    $($label::$variant => $name,)*
                }
            }

            fn heading(self) -> &'static str {
                match self {
                    $($(Self::$variant => $heading,)?)*
                    #[allow(unreachable_patterns, reason = "every one may have a heading of its own")]
                    other => other.name(),
                }
            }

            fn place(self) -> usize {
                self as usize
            }
        }
    };
}
pub(super) use labels;

/// Counts, by row and column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grid<R, C> {
    counts: Vec<u64>,
    labels: PhantomData<(R, C)>,
}

impl<R: Label, C: Label> Default for Grid<R, C> {
    fn default() -> Self {
        Grid { counts: vec![0; R::ALL.len() * C::ALL.len()], labels: PhantomData }
    }
}

impl<R: Label, C: Label> Grid<R, C> {
    /// Counts one more.
    pub fn hit(&mut self, row: R, column: C) {
        self.counts[row.place() * C::ALL.len() + column.place()] += 1;
    }

    /// How often they met.
    pub fn count(&self, row: R, column: C) -> u64 {
        self.counts[row.place() * C::ALL.len() + column.place()]
    }

    /// How often a row was met at all.
    pub fn row(&self, row: R) -> u64 {
        C::ALL.iter().map(|column| self.count(row, *column)).sum()
    }

    /// Adds the counts of another.
    pub fn add(&mut self, other: &Self) {
        for (sum, count) in self.counts.iter_mut().zip(&other.counts) {
            *sum += count;
        }
    }

    /// Every pair, row by row.
    pub fn pairs(&self) -> impl Iterator<Item = (R, C, u64)> + '_ {
        let all = R::ALL.iter().flat_map(|row| C::ALL.iter().map(move |column| (*row, *column)));
        all.map(|(row, column)| (row, column, self.count(row, column)))
    }
}
