//! The books of a sink: for each kind of record, emitted = delivered + dropped{reason} + on its way.

use super::Kind;
use crate::counters;

counters! {
    /// Records that a sink could not deliver, by reason.
    pub struct Dropped {
        /// The file could not be written any more: disk full, pipe closed.
        write_failed,
        /// Kafka did not take it within the time that it may wait; it was never sent.
        timed_out,
        /// It was sent and its acknowledgement never came: it may stand in the topic or not.
        unacknowledged,
        /// It is longer than Kafka takes (`message.max.bytes` here or at the broker).
        too_large,
        /// Kafka did not let this client write to the topic.
        not_authorised,
        /// The topic does not exist, and could not be made.
        no_topic,
        /// Kafka refused it for another reason.
        refused,
        /// It came when the sink had already given up.
        gave_up,
    }
}

impl Dropped {
    /// Dropped for whatever reason.
    #[must_use]
    pub fn total(&self) -> u64 {
        let mut total = 0;
        self.each(|_, count| total += count);
        total
    }
}

/// The books of one kind of record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Records that the sink was given.
    pub emitted: u64,
    /// Records that the file holds, or that Kafka acknowledged.
    pub delivered: u64,
    /// Records that were lost, by reason.
    pub dropped: Dropped,
}

impl Account {
    /// Records of which it is not yet known what becomes of them; none once the sink has finished.
    #[must_use]
    pub fn on_the_way(&self) -> u64 {
        self.emitted.saturating_sub(self.delivered + self.dropped.total())
    }

    /// emitted = delivered + dropped{reason}, and nothing on its way.
    #[must_use]
    pub fn closed(&self) -> bool {
        self.emitted == self.delivered + self.dropped.total()
    }

    fn add(&mut self, other: &Self) {
        self.emitted += other.emitted;
        self.delivered += other.delivered;
        self.dropped.add(&other.dropped);
    }
}

/// The books of one sink.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    accounts: [Account; Kind::ALL.len()],
}

impl Tally {
    /// The books of one kind.
    #[must_use]
    pub fn of(&self, kind: Kind) -> &Account {
        &self.accounts[kind.index()]
    }

    /// The books of all kinds together.
    #[must_use]
    pub fn total(&self) -> Account {
        let mut total = Account::default();
        self.accounts.iter().for_each(|account| total.add(account));
        total
    }

    /// The equation holds for each kind.
    #[must_use]
    pub fn closed(&self) -> bool {
        self.accounts.iter().all(Account::closed)
    }

    pub(super) fn account(&mut self, kind: Kind) -> &mut Account {
        &mut self.accounts[kind.index()]
    }
}
