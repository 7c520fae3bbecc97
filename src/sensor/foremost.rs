//! What the overview at the end of a run may show: the foremost of many records, each in its latest version.
//!
//! Where nothing is written a run may go on for months. So no more is kept than can come to the top, and the rest is
//! counted.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::limits::FOREMOST_MAX;
use crate::record::endpoint::Endpoint;
use crate::record::finding::Finding;

/// A record that comes again in later versions.
pub(super) trait Ranked {
    /// What its versions share.
    fn id(&self) -> u128;

    /// Zero the first time.
    fn rev(&self) -> u64;

    /// The one to be shown first is the lesser.
    fn rank(&self, other: &Self) -> Ordering;
}

impl Ranked for Endpoint {
    fn id(&self) -> u128 {
        self.id
    }

    fn rev(&self) -> u64 {
        self.rev
    }

    fn rank(&self, other: &Self) -> Ordering {
        (other.calls, &self.service, &self.template, &self.method).cmp(&(
            self.calls,
            &other.service,
            &other.template,
            &other.method,
        ))
    }
}

impl Ranked for Finding {
    fn id(&self) -> u128 {
        self.id
    }

    fn rev(&self) -> u64 {
        self.rev
    }

    fn rank(&self, other: &Self) -> Ordering {
        (other.severity, other.confidence, self.id).cmp(&(self.severity, self.confidence, other.id))
    }
}

/// The foremost records of one kind.
pub(super) struct Foremost<T> {
    kept: BTreeMap<u128, Box<T>>,
    total: u64,
}

impl<T> Default for Foremost<T> {
    fn default() -> Self {
        Self { kept: BTreeMap::new(), total: 0 }
    }
}

impl<T: Ranked> Foremost<T> {
    /// Takes in a record or a new version of one. One that was dropped comes again when it changes.
    pub(super) fn take(&mut self, record: Box<T>) {
        self.total += u64::from(record.rev() == 0);
        self.kept.insert(record.id(), record);
        // twice as many before any is dropped: the order is made once for each thousand
        if self.kept.len() > 2 * FOREMOST_MAX {
            let mut all: Vec<Box<T>> = std::mem::take(&mut self.kept).into_values().collect();
            all.sort_unstable_by(|one, other| one.rank(other));
            all.truncate(FOREMOST_MAX);
            self.kept = all.into_iter().map(|record| (record.id(), record)).collect();
        }
    }

    /// What is kept, in the order in which it is shown.
    pub(super) fn ranked(&self) -> Vec<&T> {
        let mut all: Vec<&T> = self.kept.values().map(|record| &**record).collect();
        all.sort_unstable_by(|one, other| one.rank(other));
        all
    }

    /// How many records there are, kept or not.
    pub(super) const fn total(&self) -> u64 {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls, id, rev.
    struct Row(u64, u128, u64);

    impl Ranked for Row {
        fn id(&self) -> u128 {
            self.1
        }

        fn rev(&self) -> u64 {
            self.2
        }

        fn rank(&self, other: &Self) -> Ordering {
            (other.0, self.1).cmp(&(self.0, other.1))
        }
    }

    #[test]
    fn what_is_kept_is_bounded_and_what_is_shown_is_what_all_would_show() {
        let mut random = fastrand::Rng::with_seed(1);
        let (mut foremost, mut all) = (Foremost::default(), BTreeMap::<u128, Row>::new());
        for _ in 0..40_000 {
            let id = random.u128(..8_000);
            let (calls, rev) = all.get(&id).map_or((1, 0), |row| (row.0 + random.u64(1..50), row.2 + 1));
            all.insert(id, Row(calls, id, rev));
            foremost.take(Box::new(Row(calls, id, rev)));
            assert!(foremost.kept.len() <= 2 * FOREMOST_MAX);
        }
        assert_eq!(foremost.total(), all.len() as u64);
        let mut expected: Vec<&Row> = all.values().collect();
        expected.sort_unstable_by(|one, other| one.rank(other));
        let first = |rows: &[&Row]| rows.iter().take(20).map(|row| (row.0, row.1)).collect::<Vec<_>>();
        assert_eq!(first(&foremost.ranked()), first(&expected));
    }
}
