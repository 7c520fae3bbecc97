//! TLS connections whose secrets have not come: found by client random when they do, and kept for a while after their end.

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{Beside, Given, Office, Worker};
use crate::connection::Connection;
use crate::flow::table::Host;
use crate::flow::{EndReason, Stamp};
use crate::limits::{TLS_WAIT_NS, TLS_WAITING_MAX};
use crate::record::Memo;
use crate::time::Timestamp;
use crate::wire::FlowKey;

/// The connections of one worker that wait.
#[derive(Default)]
pub(super) struct Waiting {
    open: HashMap<[u8; 32], Vec<(u64, FlowKey)>>,
    /// Those that have ended, in the order in which they are given up.
    ended: BTreeMap<(Timestamp, FlowKey, u64), Ended>,
    by_random: HashMap<[u8; 32], Vec<(Timestamp, FlowKey, u64)>>,
    /// Number of the next one that ends.
    number: u64,
}

struct Ended {
    beside: Beside,
    reason: EndReason,
}

/// Where secrets stand among the lines of one frame: behind those of the frame itself.
const BEHIND_FRAME: u32 = 1 << 31;

impl Worker {
    /// Secrets come in between the frames: connections that waited for them are read.
    pub fn secrets(&mut self, given: &Given) {
        if catch_unwind(AssertUnwindSafe(|| self.take_secrets(given))).is_err() {
            self.recover();
        }
    }

    fn take_secrets(&mut self, given: &Given) {
        let office = &mut self.office;
        let mut keys = office.secrets.keys.take().unwrap_or_default();
        // the desk holds the other copy
        office.desk.tls.keys = None;
        std::sync::Arc::make_mut(&mut keys).merge(&given.keys);
        office.desk.tls.keys = Some(std::sync::Arc::clone(&keys));
        office.secrets.keys = Some(keys);
        let index =
            if (office.clock, office.ordinal) == (given.clock, given.ordinal) { office.index } else { 0 };
        (office.clock, office.ordinal) = (given.clock, given.ordinal);
        office.index = index.max(BEHIND_FRAME);
        let mut randoms: Vec<[u8; 32]> = given.keys.randoms().copied().collect();
        randoms.sort_unstable();
        for random in randoms {
            for (hash, key) in self.office.waiting.open.remove(&random).unwrap_or_default() {
                if let Some(beside) = self.table.beside_mut(hash, &key) {
                    beside.waits = None;
                    self.office.retry(&key, beside);
                    self.office.hash = hash;
                    self.office.note_waiting(&key, beside);
                }
            }
            for place in self.office.waiting.by_random.remove(&random).unwrap_or_default() {
                let Some(mut ended) = self.office.waiting.ended.remove(&place) else { continue };
                let (_, key, _) = place;
                self.office.retry(&key, &mut ended.beside);
                if ended.beside.connection.wanted() == Some(random) {
                    self.office.waiting.by_random.entry(random).or_default().push(place);
                    self.office.waiting.ended.insert(place, ended);
                } else {
                    self.office.close(&key, &mut ended.beside, ended.reason, given.clock);
                }
            }
        }
    }

    /// Gives up the ended connections that have waited for long enough.
    pub(super) fn close_waiting(&mut self, clock: Timestamp) {
        while let Some(first) = self.office.waiting.ended.first_entry()
            && first.key().0 <= clock
        {
            let ((due, key, _), mut ended) = first.remove_entry();
            if clock != Timestamp::MAX {
                self.office.deadline(due);
            }
            if let Some(random) = ended.beside.connection.wanted() {
                self.office.waiting.by_random.remove(&random);
            }
            self.office.finish(&key, &mut ended.beside, ended.reason);
        }
    }
}

impl Office {
    /// Notes a connection that waits for secrets.
    pub(super) fn note_waiting(&mut self, key: &FlowKey, beside: &mut Beside) {
        beside.waits = beside.connection.wanted();
        if let Some(random) = beside.waits {
            self.waiting.open.entry(random).or_default().push((self.hash, *key));
        }
    }

    fn retry(&mut self, key: &FlowKey, beside: &mut Beside) {
        let mut desk = std::mem::take(&mut self.desk);
        let Beside { connection, memo, .. } = beside;
        connection.retry(key, &mut desk, &mut |mut finished| self.tell_call(key, memo, &mut finished));
        self.counters.calls_opened += desk.take_opened();
        self.desk = desk;
    }

    /// Keeps a connection that has ended and still waits. False: it waits for nothing, or there is no room.
    pub(super) fn keep_waiting(
        &mut self,
        key: &FlowKey,
        beside: &mut Beside,
        reason: EndReason,
        time: Timestamp,
    ) -> bool {
        if let Some(random) = beside.waits.take()
            && let Some(open) = self.waiting.open.get_mut(&random)
        {
            open.retain(|(_, other)| other != key);
            if open.is_empty() {
                self.waiting.open.remove(&random);
            }
        }
        let Some(random) = beside.connection.wanted() else { return false };
        if !self.secrets.late || self.waiting.ended.len() >= TLS_WAITING_MAX {
            return false;
        }
        let empty = Beside {
            connection: Connection::new(key, self.interface, Stamp { time, clock: time }),
            memo: Memo::default(),
            waits: None,
        };
        let beside = std::mem::replace(beside, empty);
        let place = (time.plus(TLS_WAIT_NS), *key, self.waiting.number);
        self.waiting.number += 1;
        self.waiting.by_random.entry(random).or_default().push(place);
        self.waiting.ended.insert(place, Ended { beside, reason });
        true
    }
}
