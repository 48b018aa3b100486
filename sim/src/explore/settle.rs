//! Whether everything can still come to rest: from every state there must be a way to one in which all
//! sessions are settled, on which nothing goes wrong and no user acts.
//!
//! Found backwards: what leads to a settled state is fine, and what leads to that, until nothing is added.

/// The ways between the states of a search.
#[derive(Clone, Debug, Default)]
pub(super) struct Ways {
    /// Where the helpful ways of all states lead, state after state.
    targets: Vec<u32>,
    /// Where each state's ways end in `targets`.
    ends: Vec<u32>,
    fine: Vec<bool>,
}

impl Ways {
    /// A new state, and whether all is settled in it.
    pub(super) fn arrive(&mut self, settled: bool) {
        self.fine.push(settled);
    }

    /// A helpful way leads from the state whose turn it is to this one.
    pub(super) fn lead_to(&mut self, target: usize) {
        self.targets.push(u32::try_from(target).expect("the bound is far below four billion"));
    }

    /// The turn of a state is over.
    pub(super) fn end_of_state(&mut self) {
        self.ends.push(u32::try_from(self.targets.len()).expect("the bound is far below four billion"));
    }

    /// The first state from which nothing leads to a settled one, if there is one.
    pub(super) fn stuck(&mut self) -> Option<usize> {
        // States were met in order, and most ways lead on: few rounds from the back are enough.
        loop {
            let mut changed = false;
            for state in (0..self.ends.len()).rev() {
                let start = if state == 0 { 0 } else { self.ends[state - 1] };
                let ways = start as usize..self.ends[state] as usize;
                if !self.fine[state] && self.targets[ways].iter().any(|to| self.fine[*to as usize]) {
                    self.fine[state] = true;
                    changed = true;
                }
            }
            if !changed {
                return self.fine.iter().position(|fine| !fine);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ways(settled: &[bool], leads: &[&[usize]]) -> Ways {
        let mut ways = Ways::default();
        for settled in settled {
            ways.arrive(*settled);
        }
        for targets in leads {
            for target in *targets {
                ways.lead_to(*target);
            }
            ways.end_of_state();
        }
        ways
    }

    #[test]
    fn a_way_back_and_forth_to_rest_is_a_way() {
        assert_eq!(ways(&[false, false, true], &[&[1], &[0, 2], &[]]).stuck(), None);
        assert_eq!(ways(&[false, true, false, false], &[&[3], &[0], &[1], &[2]]).stuck(), None);
    }

    #[test]
    fn a_dead_end_and_a_circle_are_none() {
        assert_eq!(ways(&[false, true, false], &[&[1, 2], &[1], &[]]).stuck(), Some(2));
        assert_eq!(ways(&[false, true, false, false], &[&[1, 2], &[], &[3], &[2]]).stuck(), Some(2));
    }
}
