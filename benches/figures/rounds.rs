//! Measurements of the same thing, ours and a baseline's, taken in turns.

/// One side's measurements, a round each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rounds(Vec<f64>);

impl Rounds {
    pub(crate) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        match (sorted.len(), sorted.len() / 2) {
            (0, _) => f64::NAN,
            (length, middle) if length % 2 == 1 => sorted[middle],
            (_, middle) => f64::midpoint(sorted[middle - 1], sorted[middle]),
        }
    }

    /// The same rounds' ratios to another side's.
    pub(crate) fn over(&self, baseline: &Rounds) -> Rounds {
        Rounds(self.0.iter().zip(&baseline.0).map(|(own, other)| own / other).collect())
    }

    /// The same rounds' ratios to a fixed bound.
    pub(crate) fn over_bound(&self, bound: f64) -> Rounds {
        Rounds(self.0.iter().map(|own| own / bound).collect())
    }

    /// The least and the greatest, if there are several.
    pub(crate) fn spread(&self) -> Option<(f64, f64)> {
        let least = self.0.iter().copied().reduce(f64::min)?;
        let greatest = self.0.iter().copied().reduce(f64::max)?;
        (self.0.len() > 1).then_some((least, greatest))
    }
}
