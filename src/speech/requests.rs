//! Requests that wait for their answers.

use std::collections::BTreeMap;
use std::fmt;

use crate::proto::limits::{OPEN_REQUESTS_MAX, REQUEST_ID_BYTES_MAX};

/// A request's id: a number or a string, as JSON has it. Two that mean the same are equal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RequestId(String);

impl RequestId {
    /// Reads a JSON value; `None` if it is neither, or too long.
    pub(super) fn parse(value: &[u8]) -> Option<Self> {
        if value.len() > REQUEST_ID_BYTES_MAX {
            return None;
        }
        let text = std::str::from_utf8(value).ok()?;
        match serde_json::from_str(text).ok()? {
            serde_json::Value::String(text) => Some(RequestId(serde_json::Value::from(text).to_string())),
            // One that is no i64 stays as it is written.
            serde_json::Value::Number(number) => Some(RequestId(match (number.as_i64(), number.as_f64()) {
                (Some(whole), _) => whole.to_string(),
                (None, Some(float)) if float.fract() == 0.0 && float.abs() < 9e15 => format!("{float:.0}"),
                (None, _) => text.to_owned(),
            })),
            serde_json::Value::Null
            | serde_json::Value::Bool(_)
            | serde_json::Value::Array(_)
            | serde_json::Value::Object(_) => None,
        }
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What an answer is the answer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// A request that was open.
    Open,
    /// One that we have answered ourselves.
    Settled,
    /// None that is known.
    Never,
}

/// Those that are open, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Requests {
    /// By id and place, because an editor may use an id twice; with the batch that they came in.
    open: BTreeMap<(RequestId, u64), Option<u64>>,
    /// Those that we have answered, and an answer may still come; how many of each.
    settled: BTreeMap<RequestId, u64>,
    places: u64,
}

impl Requests {
    /// Notes requests that came together; false if there are too many to follow.
    pub(super) fn ask(&mut self, ids: impl IntoIterator<Item = RequestId>, is_batch: bool) -> bool {
        let batch = is_batch.then_some(self.places);
        for id in ids {
            if self.open.len() + self.settled.len() >= OPEN_REQUESTS_MAX {
                return false;
            }
            self.open.insert((id, self.places), batch);
            self.places += 1;
        }
        true
    }

    /// Notes an answer.
    pub(super) fn answer(&mut self, id: &RequestId) -> Asked {
        // The oldest first: whoever uses an id twice is answered in order.
        if let Some(count) = self.settled.get_mut(id) {
            *count -= 1;
            if *count == 0 {
                self.settled.remove(id);
            }
            return Asked::Settled;
        }
        let range = (id.clone(), 0)..=(id.clone(), u64::MAX);
        match self.open.range(range).next().map(|(key, _)| key.clone()) {
            Some(key) => {
                self.open.remove(&key);
                Asked::Open
            }
            None => Asked::Never,
        }
    }

    /// Whether none is open.
    pub(super) fn are_settled(&self) -> bool {
        self.open.is_empty()
    }

    /// Settles all that are open: their ids, those of a batch together.
    pub(super) fn settle(&mut self) -> Vec<Group> {
        let open = std::mem::take(&mut self.open);
        let mut open: Vec<_> = open.into_iter().map(|((id, place), batch)| (place, id, batch)).collect();
        open.sort();
        let mut groups: Vec<Group> = Vec::new();
        for (_, id, batch) in open {
            *self.settled.entry(id.clone()).or_default() += 1;
            match groups.last_mut() {
                Some(last) if batch.is_some() && last.batch == batch => last.ids.push(id),
                Some(_) | None => groups.push(Group { batch, ids: vec![id] }),
            }
        }
        groups
    }
}

/// What is answered together.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) batch: Option<u64>,
    pub(super) ids: Vec<RequestId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> RequestId {
        RequestId::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn ids_are_the_same_if_they_mean_the_same() {
        for (one, other) in [("1", "1.0"), ("1", "1e0"), ("-2", "-2.00"), (r#""a""#, r#""\u0061""#)] {
            assert_eq!(id(one), id(other));
        }
        for (one, other) in [("1", r#""1""#), ("1", "2"), ("1.5", "1"), ("18446744073709551616", "1")] {
            assert_ne!(id(one), id(other));
        }
        assert_eq!(id("18446744073709551616").to_string(), "18446744073709551616");
        for none in ["null", "true", "[1]", "{}", "", "x", "\"", "-"] {
            assert_eq!(RequestId::parse(none.as_bytes()), None, "{none}");
        }
    }

    #[test]
    fn an_id_that_is_used_twice_is_open_twice() {
        let mut requests = Requests::default();
        assert!(requests.ask([id("1")], false) && requests.ask([id("1")], false));
        assert_eq!(requests.answer(&id("1")), Asked::Open);
        assert_eq!(requests.settle().len(), 1);
        assert_eq!(requests.answer(&id("1")), Asked::Settled);
        assert_eq!(requests.answer(&id("1")), Asked::Never);
    }

    #[test]
    fn requests_are_settled_in_their_order_and_batches_together() {
        let mut requests = Requests::default();
        requests.ask([id("9")], false);
        requests.ask([id("5"), id("3"), id("4")], true);
        requests.ask([id("1")], false);
        requests.answer(&id("3"));
        let groups: Vec<Vec<String>> = requests
            .settle()
            .into_iter()
            .map(|group| group.ids.iter().map(RequestId::to_string).collect())
            .collect();
        assert_eq!(groups, [vec!["9"], vec!["5", "4"], vec!["1"]]);
        assert_eq!(requests.settle(), []);
    }

    #[test]
    fn there_is_a_bound() {
        let mut requests = Requests::default();
        for number in 0..OPEN_REQUESTS_MAX {
            assert!(requests.ask([id(&number.to_string())], false));
        }
        assert!(!requests.ask([id("\"one more\"")], false));
    }
}
