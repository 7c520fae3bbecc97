//! TLS connections whose secrets have not come: found by client random when they do, and kept for a while after their end.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::books::Failed;
use super::{Beside, Given, Office, Worker};
use crate::connection::Connection;
use crate::flow::table::Host;
use crate::flow::{EndReason, Stamp};
use crate::limits::{TLS_WAIT_NS, TLS_WAITING_MAX};
use crate::record::Memo;
use crate::time::Timestamp;
use crate::tls::{Counters, Keys};
use crate::wire::FlowKey;

/// The connections of one worker that wait.
#[derive(Default)]
pub(super) struct Waiting {
    /// By name: the client chooses it, so any number may have the same. With the hash by which the table finds each.
    open: HashMap<[u8; 32], BTreeMap<FlowKey, u64>>,
    /// Those that have ended, in the order in which they are given up.
    ended: BTreeMap<(Timestamp, FlowKey, u64), Ended>,
    by_random: HashMap<[u8; 32], BTreeSet<(Timestamp, FlowKey, u64)>>,
    /// Number of the next one that ends.
    number: u64,
    /// What those that have ended take.
    memory: usize,
}

impl Waiting {
    /// What those that have ended take, in bytes.
    pub(super) const fn memory(&self) -> usize {
        self.memory
    }

    /// Calls of connections that have ended, which are told when these are.
    pub(super) fn open_calls(&self) -> u64 {
        self.ended.values().map(|ended| ended.beside.connection.open_calls()).sum()
    }

    fn insert(&mut self, place: (Timestamp, FlowKey, u64), mut ended: Ended) {
        ended.names = ended.beside.connection.wanted();
        for name in &ended.names {
            self.by_random.entry(*name).or_default().insert(place);
        }
        let Beside { connection, memo, .. } = &ended.beside;
        // a name stands in two lists and in a map
        let names = ended.names.len() * (3 * size_of::<[u8; 32]>() + 2 * size_of_val(&place));
        ended.bytes = size_of_val(&place) + size_of::<Ended>() + connection.memory() + memo.memory() + names;
        self.memory += ended.bytes;
        self.ended.insert(place, ended);
    }

    fn take(&mut self, place: (Timestamp, FlowKey, u64)) -> Option<Ended> {
        let ended = self.ended.remove(&place)?;
        self.memory -= ended.bytes;
        for name in &ended.names {
            if let Some(places) = self.by_random.get_mut(name) {
                places.remove(&place);
                if places.is_empty() {
                    self.by_random.remove(name);
                }
            }
        }
        Some(ended)
    }

    fn first(&self) -> Option<(Timestamp, FlowKey, u64)> {
        self.ended.first_key_value().map(|(place, _)| *place)
    }
}

struct Ended {
    beside: Beside,
    reason: EndReason,
    /// The names that lead to it.
    names: Vec<[u8; 32]>,
    bytes: usize,
}

/// Where secrets stand among the lines of one frame: behind those of the frame itself.
const BEHIND_FRAME: u32 = 1 << 31;

impl Worker {
    /// Secrets come in between the frames: connections that waited for them are read. One on which the sensor fails is lost,
    /// no more.
    pub fn secrets(&mut self, given: &Given) {
        self.take_secrets(given);
        let mut names: Vec<[u8; 32]> = given.keys.names().copied().collect();
        names.sort_unstable();
        for name in names {
            for (key, hash) in self.office.waiting.open.remove(&name).unwrap_or_default() {
                if catch_unwind(AssertUnwindSafe(|| self.retry_open(hash, &key, given.clock))).is_err() {
                    self.forget_failed(Failed::InHand);
                }
            }
            for place in self.office.waiting.by_random.get(&name).cloned().unwrap_or_default() {
                if catch_unwind(AssertUnwindSafe(|| self.retry_ended(place, given.clock))).is_err() {
                    self.forget_failed(Failed::Apart);
                }
            }
        }
    }

    /// Sessions that connections of this worker made known since this was last asked.
    pub fn take_learned(&mut self) -> Keys {
        self.office.desk.as_mut().map(|desk| std::mem::take(&mut desk.tls.learned)).unwrap_or_default()
    }

    /// What was known of secrets and is not any more.
    #[must_use]
    pub fn secrets_counters(&self) -> Counters {
        let keys = self.office.secrets.keys.as_ref();
        let (secrets_evicted, sessions_evicted) = keys.map_or((0, 0), |keys| keys.evicted());
        let session_names_evicted = self.office.session_names_evicted;
        Counters { secrets_evicted, sessions_evicted, session_names_evicted }
    }

    fn take_secrets(&mut self, given: &Given) {
        let office = &mut self.office;
        let mut keys = office.secrets.keys.take().unwrap_or_default();
        // the desk holds the other copy
        if let Some(desk) = &mut office.desk {
            desk.tls.keys = None;
        }
        std::sync::Arc::make_mut(&mut keys).merge(&given.keys);
        if let Some(desk) = &mut office.desk {
            desk.tls.keys = Some(std::sync::Arc::clone(&keys));
        }
        office.secrets.keys = Some(keys);
        let index =
            if (office.clock, office.ordinal) == (given.clock, given.ordinal) { office.index } else { 0 };
        (office.clock, office.ordinal) = (given.clock, given.ordinal);
        office.index = index.max(BEHIND_FRAME);
    }

    fn retry_open(&mut self, hash: u64, key: &FlowKey, clock: Timestamp) {
        self.table.with_beside(&mut self.office, (hash, key), clock, |office, beside| {
            office.forget_waiting(key, beside);
            office.retry(key, beside);
            office.hash = hash;
            office.note_waiting(key, beside);
        });
    }

    fn retry_ended(&mut self, place: (Timestamp, FlowKey, u64), clock: Timestamp) {
        let Some(mut ended) = self.office.waiting.take(place) else { return };
        let (_, key, _) = place;
        self.office.retry(&key, &mut ended.beside);
        if ended.beside.connection.wanted().is_empty() {
            self.office.close(&key, &mut ended.beside, ended.reason, clock);
        } else {
            // for another secret of its own, or for that of TLS inside it
            self.office.waiting.insert(place, ended);
        }
    }

    /// Connections that have ended and wait give way first, the oldest before the others, where the flows need the memory.
    #[inline]
    pub(super) fn bound_waiting(&mut self) {
        if self.office.waiting.memory() > 0
            && self.office.waiting.memory() + self.table.memory() > self.office.duties.memory_max
        {
            self.make_room();
        }
    }

    #[cold]
    fn make_room(&mut self) {
        while self.office.waiting.memory() + self.table.memory() > self.office.duties.memory_max
            && let Some(place) = self.office.waiting.first()
        {
            self.office.counters.waits_cut_short += 1;
            if catch_unwind(AssertUnwindSafe(|| self.office.give_up(place))).is_err() {
                self.forget_failed(Failed::Apart);
            }
        }
    }

    /// Gives up the ended connections that have waited for long enough. One on which the sensor fails is lost, no more.
    pub(super) fn close_waiting(&mut self, clock: Timestamp) {
        while catch_unwind(AssertUnwindSafe(|| self.close_due(clock))).is_err() {
            self.forget_failed(Failed::Apart);
        }
    }

    fn close_due(&mut self, clock: Timestamp) {
        while let Some(place) = self.office.waiting.first()
            && place.0 <= clock
        {
            if clock != Timestamp::MAX {
                self.office.deadline(place.0);
            }
            self.office.give_up(place);
        }
    }
}

impl Office {
    /// Notes a connection that waits for secrets.
    pub(super) fn note_waiting(&mut self, key: &FlowKey, beside: &mut Beside) {
        beside.waits = beside.connection.wanted();
        for name in &beside.waits {
            self.waiting.open.entry(*name).or_default().insert(*key, self.hash);
        }
    }

    fn forget_waiting(&mut self, key: &FlowKey, beside: &mut Beside) {
        for name in std::mem::take(&mut beside.waits) {
            if let Some(open) = self.waiting.open.get_mut(&name) {
                open.remove(key);
                if open.is_empty() {
                    self.waiting.open.remove(&name);
                }
            }
        }
    }

    fn retry(&mut self, key: &FlowKey, beside: &mut Beside) {
        let Beside { connection, memo, .. } = beside;
        self.with_desk(|office, desk| {
            #[cfg(test)]
            office.fail_if_asked(key, &crate::flow::Chunk::Rewritten);
            connection.retry(key, desk, &mut |mut finished| office.tell_call(key, memo, &mut finished));
        });
    }

    /// An ended connection waits no longer.
    fn give_up(&mut self, place: (Timestamp, FlowKey, u64)) {
        if let Some(mut ended) = self.waiting.take(place) {
            self.finish(&place.1, &mut ended.beside, ended.reason);
        }
    }

    /// Tells what is left to tell of a connection: first of all what can be read without the secrets that did not come.
    pub(super) fn finish(&mut self, key: &FlowKey, beside: &mut Beside, reason: EndReason) {
        let Beside { connection, memo, .. } = beside;
        let told = self.with_desk(|office, desk| {
            if !connection.wanted().is_empty() {
                let late = std::mem::replace(&mut desk.tls.late, false);
                connection.retry(key, desk, &mut |mut finished| office.tell_call(key, memo, &mut finished));
                desk.tls.late = late;
            }
            connection.close(key, desk, reason, &mut |mut finished| {
                office.tell_call(key, memo, &mut finished);
            })
        });
        beside.memo = Memo::default();
        if let Some(told) = told {
            self.tell_connection(key, &told);
        }
    }

    /// Keeps a connection that has ended and still waits. False: it waits for nothing, or there is no room.
    pub(super) fn keep_waiting(
        &mut self,
        key: &FlowKey,
        beside: &mut Beside,
        reason: EndReason,
        time: Timestamp,
    ) -> bool {
        self.forget_waiting(key, beside);
        if self.secrets.over || beside.connection.wanted().is_empty() {
            return false;
        }
        if reason == EndReason::Evicted || self.waiting.ended.len() >= TLS_WAITING_MAX {
            self.counters.waits_cut_short += 1;
            return false;
        }
        let empty = Beside {
            connection: Connection::new(key, self.interface, Stamp { time, clock: time }),
            memo: Memo::default(),
            waits: Vec::new(),
        };
        let beside = std::mem::replace(beside, empty);
        let place = (time.plus(TLS_WAIT_NS), *key, self.waiting.number);
        self.waiting.number += 1;
        self.waiting.insert(place, Ended { beside, reason, names: Vec::new(), bytes: 0 });
        true
    }
}
