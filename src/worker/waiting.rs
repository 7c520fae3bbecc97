//! TLS connections whose secrets have not come: found by client random when they do, and kept for a while after their end.

use std::collections::{BTreeMap, HashMap};
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
    open: HashMap<[u8; 32], Vec<(u64, FlowKey)>>,
    /// Those that have ended, in the order in which they are given up.
    ended: BTreeMap<(Timestamp, FlowKey, u64), Ended>,
    by_random: HashMap<[u8; 32], Vec<(Timestamp, FlowKey, u64)>>,
    /// Number of the next one that ends.
    number: u64,
}

impl Waiting {
    /// An ended connection does not wait any more.
    fn forget(&mut self, names: &[[u8; 32]], place: (Timestamp, FlowKey, u64)) {
        for name in names {
            if let Some(places) = self.by_random.get_mut(name) {
                places.retain(|other| *other != place);
                if places.is_empty() {
                    self.by_random.remove(name);
                }
            }
        }
    }
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
            self.forget_failed(Failed::InHand);
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
        let mut randoms: Vec<[u8; 32]> = given.keys.names().copied().collect();
        randoms.sort_unstable();
        for random in randoms {
            for (hash, key) in self.office.waiting.open.remove(&random).unwrap_or_default() {
                if let Some(beside) = self.table.beside_mut(hash, &key) {
                    self.office.forget_waiting(&key, beside);
                    self.office.retry(&key, beside);
                    self.office.hash = hash;
                    self.office.note_waiting(&key, beside);
                }
            }
            for place in self.office.waiting.by_random.remove(&random).unwrap_or_default() {
                let Some(mut ended) = self.office.waiting.ended.remove(&place) else { continue };
                let (_, key, _) = place;
                let before = ended.beside.connection.wanted();
                self.office.retry(&key, &mut ended.beside);
                let wanted = ended.beside.connection.wanted();
                if wanted.contains(&random) {
                    // the other names still lead there
                    self.office.waiting.by_random.entry(random).or_default().push(place);
                    self.office.waiting.ended.insert(place, ended);
                } else {
                    self.office.waiting.forget(&before, place);
                    self.office.close(&key, &mut ended.beside, ended.reason, given.clock);
                }
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
        while let Some(first) = self.office.waiting.ended.first_entry()
            && first.key().0 <= clock
        {
            let (place, mut ended) = first.remove_entry();
            let (due, key, _) = place;
            if clock != Timestamp::MAX {
                self.office.deadline(due);
            }
            let names = ended.beside.connection.wanted();
            self.office.waiting.forget(&names, place);
            self.office.finish(&key, &mut ended.beside, ended.reason);
        }
    }
}

impl Office {
    /// Notes a connection that waits for secrets.
    pub(super) fn note_waiting(&mut self, key: &FlowKey, beside: &mut Beside) {
        beside.waits = beside.connection.wanted();
        for name in &beside.waits {
            self.waiting.open.entry(*name).or_default().push((self.hash, *key));
        }
    }

    fn forget_waiting(&mut self, key: &FlowKey, beside: &mut Beside) {
        for name in std::mem::take(&mut beside.waits) {
            if let Some(open) = self.waiting.open.get_mut(&name) {
                open.retain(|(_, other)| other != key);
                if open.is_empty() {
                    self.waiting.open.remove(&name);
                }
            }
        }
    }

    fn retry(&mut self, key: &FlowKey, beside: &mut Beside) {
        let Beside { connection, memo, .. } = beside;
        self.with_desk(|office, desk| {
            connection.retry(key, desk, &mut |mut finished| office.tell_call(key, memo, &mut finished));
        });
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
        let wanted = beside.connection.wanted();
        if wanted.is_empty() {
            return false;
        }
        if self.secrets.over || self.waiting.ended.len() >= TLS_WAITING_MAX {
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
        for name in wanted {
            self.waiting.by_random.entry(name).or_default().push(place);
        }
        self.waiting.ended.insert(place, Ended { beside, reason });
        true
    }
}
