//! The flows that a worker owns: looked up by key, fired at their deadlines, evicted by least value.
//!
//! The table carries a value beside each flow (the stack of layers above it) and says through [`Host`] what
//! happens to it, so that it can be tested alone.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use hashbrown::HashTable;

use super::{Chunk, Counters, EndReason, Flow, Pushed, Stamp};
use crate::limits::{CLOSED_NS, DEADLINES_SPARE, EMPTY_NS_MAX, IDLE_NS_MAX};
use crate::time::Timestamp;
use crate::wire::{Direction, FlowKey, Segment};

/// What listens to the flows of a table.
pub trait Host {
    /// What it keeps beside each flow.
    type Beside;

    /// A flow begins with this segment.
    fn open(&mut self, key: &FlowKey, stamp: Stamp, segment: &Segment<'_>) -> Self::Beside;

    /// A deadline fires at this clock; called before what it leads to.
    fn deadline(&mut self, at: Timestamp);

    /// A segment of the flow came; called before its chunks.
    fn segment(&mut self, beside: &mut Self::Beside, stamp: Stamp, segment: &Segment<'_>);

    /// What the flow says.
    fn chunk(&mut self, key: &FlowKey, beside: &mut Self::Beside, direction: Direction, chunk: Chunk<'_>);

    /// The flow has ended, all its chunks were told.
    fn close(&mut self, key: &FlowKey, beside: &mut Self::Beside, reason: EndReason, time: Timestamp);

    /// When something is to be told of the flow although no frame of it comes.
    fn due(&self, _beside: &Self::Beside) -> Timestamp {
        Timestamp::MAX
    }

    /// It is to be told: that time has come.
    fn fire(&mut self, _key: &FlowKey, _beside: &mut Self::Beside, _at: Timestamp) {}

    /// Nothing more is wanted from the flow.
    fn has_given_up(&self, beside: &Self::Beside) -> bool;

    /// Bytes of memory that it keeps beside the flow.
    fn memory(&self, beside: &Self::Beside) -> usize;
}

/// What every frame of the flow touches stands first.
#[repr(C)]
struct Slot<B> {
    key: FlowKey,
    has_payload: bool,
    hash: u64,
    last: Timestamp,
    over_since: Option<Timestamp>,
    /// When the host has something to tell.
    host_due: Timestamp,
    flow: Flow,
    beside: B,
    first: Timestamp,
    /// The earliest entry of the queue that will look at this slot.
    queued: Timestamp,
    memory: usize,
    generation: u32,
}

/// What the queue takes for each flow: two entries, because it is tidied when there are more.
const QUEUED_BYTES: usize = 2 * size_of::<Reverse<(Timestamp, u32, u32)>>();

/// All flows of one worker.
pub struct Table<B> {
    places: HashTable<u32>,
    slots: Vec<Option<Slot<B>>>,
    free: Vec<u32>,
    queue: BinaryHeap<Reverse<(Timestamp, u32, u32)>>,
    memory: usize,
    memory_max: usize,
    generation: u32,
    /// The slot that was last worked on: if the host fails, it failed on this one.
    touched: u32,
    reached_budget: bool,
    /// What became of bytes and flows.
    pub counters: Counters,
}

impl<B> Table<B> {
    /// A table within a memory budget, in bytes.
    #[must_use]
    pub fn new(memory_max: usize) -> Self {
        Self {
            places: HashTable::new(),
            slots: Vec::new(),
            free: Vec::new(),
            queue: BinaryHeap::new(),
            memory: 0,
            memory_max,
            generation: 0,
            touched: u32::MAX,
            reached_budget: false,
            counters: Counters::default(),
        }
    }

    /// The memory budget was reached: what was evicted depends on the number of workers.
    #[must_use]
    pub const fn reached_budget(&self) -> bool {
        self.reached_budget
    }

    /// Captured bytes of all flows that wait for their turn.
    #[must_use]
    pub fn held_bytes(&self) -> u64 {
        self.slots.iter().flatten().map(|slot| slot.flow.held_bytes()).sum()
    }

    /// Bytes that its flows take, with what stands beside them.
    #[must_use]
    pub const fn memory(&self) -> usize {
        self.memory
    }

    /// Entries of the queue of deadlines.
    #[cfg(test)]
    pub(super) fn deadlines(&self) -> usize {
        self.queue.len()
    }

    /// Flows that are in the table.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// No flow is in the table.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// One segment: its flow's deadlines fire first, then it is pushed. `hash` is the key's.
    #[inline]
    pub fn push(&mut self, host: &mut impl Host<Beside = B>, hash: u64, stamp: Stamp, segment: &Segment<'_>) {
        let found = self.find(hash, &segment.flow);
        let index = match found {
            Some(index) => self.prepare(host, index, hash, stamp, segment),
            None => self.open(host, hash, stamp, segment),
        };
        self.touched = index;
        let Some(Some(slot)) = self.slots.get_mut(index as usize) else { return };
        slot.last = stamp.clock;
        slot.has_payload |= !segment.payload.is_empty();
        host.segment(&mut slot.beside, stamp, segment);
        let (key, beside) = (&slot.key, &mut slot.beside);
        let pushed = slot.flow.push(stamp, segment, &mut self.counters, &mut |direction, chunk| {
            host.chunk(key, beside, direction, chunk);
        });
        if pushed == Pushed::Something {
            self.settle(host, index, stamp.clock);
        }
    }

    /// Fires what is due up to `clock` on flows that no frame touches.
    pub fn advance(&mut self, host: &mut impl Host<Beside = B>, clock: Timestamp) {
        while let Some(Reverse((due, index, generation))) = self.queue.peek().copied() {
            if due > clock {
                break;
            }
            self.queue.pop();
            let Some(Some(slot)) = self.slots.get_mut(index as usize) else { continue };
            if slot.generation == generation && slot.queued == due {
                slot.queued = Timestamp::MAX;
                self.fire_until(host, index, clock);
            }
        }
    }

    /// What stands beside the flows that have not ended.
    pub fn besides(&self) -> impl Iterator<Item = &B> {
        self.slots.iter().flatten().filter(|slot| slot.over_since.is_none()).map(|slot| &slot.beside)
    }

    /// Works on what stands beside a flow that has not ended.
    pub fn with_beside<H: Host<Beside = B>>(
        &mut self,
        host: &mut H,
        (hash, key): (u64, &FlowKey),
        clock: Timestamp,
        work: impl FnOnce(&mut H, &mut B),
    ) {
        let Some(index) = self.find(hash, key) else { return };
        self.touched = index;
        let Some(Some(slot)) = self.slots.get_mut(index as usize) else { return };
        if slot.over_since.is_none() {
            work(host, &mut slot.beside);
            self.settle(host, index, clock);
        }
    }

    /// Ends every flow, in the order of their keys, so that the order does not depend on the number of workers.
    pub fn finish(&mut self, host: &mut impl Host<Beside = B>, clock: Timestamp) {
        let mut order: Vec<(FlowKey, u32)> = self
            .slots
            .iter()
            .zip(0..)
            .filter_map(|(slot, index)| Some((slot.as_ref()?.key, index)))
            .collect();
        order.sort_unstable();
        for (_, index) in order {
            self.end(host, index, EndReason::InputEnded, clock);
            self.remove(index);
        }
    }

    /// After the host failed: the flow that it failed on is lost. What is known of it can't be trusted any more, so
    /// nothing is told of it, not even its end; the bytes that it had in hand are booked.
    #[cold]
    pub fn abandon(&mut self, clock: Timestamp) {
        let touched = self.touched as usize;
        if let Some(Some(slot)) = self.slots.get_mut(touched) {
            slot.flow.give_up(&mut self.counters);
            slot.over_since = Some(clock);
            slot.queued = due(slot);
            let entry = (slot.queued, self.touched, slot.generation);
            self.wake(entry);
        }
        let lost = self.counters.bytes_seen.saturating_sub(self.counters.bytes_booked() + self.held_bytes());
        self.counters.bytes_discarded_failed += lost;
    }

    #[inline]
    fn find(&self, hash: u64, key: &FlowKey) -> Option<u32> {
        let slots = &self.slots;
        let same = |index: &u32| matches!(slots.get(*index as usize), Some(Some(slot)) if slot.key == *key);
        self.places.find(hash, same).copied()
    }

    /// Fires the deadlines of a flow that gets a frame; begins a new flow if the frame says so.
    #[inline]
    fn prepare(
        &mut self,
        host: &mut impl Host<Beside = B>,
        index: u32,
        hash: u64,
        stamp: Stamp,
        segment: &Segment<'_>,
    ) -> u32 {
        let Some(Some(slot)) = self.slots.get(index as usize) else { return index };
        if stamp.clock >= due(slot) {
            self.fire_until(host, index, stamp.clock);
        }
        match self.slots.get(index as usize) {
            Some(Some(slot)) if slot.key == segment.flow => {
                if slot.flow.is_replaced_by(segment) {
                    self.end(host, index, EndReason::Replaced, stamp.clock);
                    self.remove(index);
                    return self.open(host, hash, stamp, segment);
                }
                index
            }
            _ => self.open(host, hash, stamp, segment),
        }
    }

    #[cold]
    fn open(
        &mut self,
        host: &mut impl Host<Beside = B>,
        hash: u64,
        stamp: Stamp,
        segment: &Segment<'_>,
    ) -> u32 {
        self.counters.flows += 1;
        self.generation = self.generation.wrapping_add(1);
        let slot = Slot {
            key: segment.flow,
            hash,
            flow: Flow::default(),
            beside: host.open(&segment.flow, stamp, segment),
            first: stamp.clock,
            last: stamp.clock,
            over_since: None,
            host_due: Timestamp::MAX,
            has_payload: false,
            queued: Timestamp::MAX,
            memory: 0,
            generation: self.generation,
        };
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                self.slots.push(None);
                (self.slots.len() - 1) as u32
            }
        };
        if let Some(place) = self.slots.get_mut(index as usize) {
            *place = Some(slot);
        }
        let slots = &self.slots;
        let rehash = |index: &u32| match slots.get(*index as usize) {
            Some(Some(slot)) => slot.hash,
            _ => 0,
        };
        self.places.insert_unique(hash, index, rehash);
        index
    }

    /// After a flow was touched: books its memory, its end, its next deadline.
    #[inline]
    fn settle(&mut self, host: &mut impl Host<Beside = B>, index: u32, clock: Timestamp) {
        let Some(Some(slot)) = self.slots.get_mut(index as usize) else { return };
        if slot.over_since.is_none() {
            if slot.flow.is_over() {
                slot.over_since = Some(clock);
                slot.flow.forget();
                host.close(&slot.key, &mut slot.beside, EndReason::Fin, clock);
            } else if !slot.flow.is_given_up() && host.has_given_up(&slot.beside) {
                slot.flow.give_up(&mut self.counters);
            }
        }
        let memory = slot.flow.memory() + host.memory(&slot.beside) + size_of::<Slot<B>>() + QUEUED_BYTES;
        self.memory = self.memory + memory - slot.memory;
        slot.memory = memory;
        slot.host_due = host.due(&slot.beside);
        let due = due(slot);
        if due < slot.queued {
            slot.queued = due;
            let entry = (due, index, slot.generation);
            self.wake(entry);
        }
        if self.memory > self.memory_max {
            self.evict(host, clock);
        }
    }

    /// Queues a deadline. Entries that an earlier deadline or the end of their flow overtook are taken out when they
    /// have become more than the flows: each hole that is filled leaves one, for up to an hour.
    fn wake(&mut self, entry: (Timestamp, u32, u32)) {
        self.queue.push(Reverse(entry));
        let entries_max = 2 * self.places.len() + DEADLINES_SPARE;
        if self.queue.len() <= entries_max {
            return;
        }
        let slots = &self.slots;
        let mut entries = std::mem::take(&mut self.queue).into_vec();
        entries.retain(|Reverse((due, index, generation))| {
            matches!(slots.get(*index as usize), Some(Some(slot))
                if slot.generation == *generation && slot.queued == *due)
        });
        entries.sort_unstable();
        entries.dedup();
        entries.shrink_to(entries_max);
        self.queue = entries.into();
    }

    /// Fires the deadlines of one flow up to `clock`, each at its own time.
    #[cold]
    fn fire_until(&mut self, host: &mut impl Host<Beside = B>, index: u32, clock: Timestamp) {
        loop {
            let Some(Some(slot)) = self.slots.get_mut(index as usize) else { return };
            let at = due(slot);
            if at > clock {
                break;
            }
            if slot.over_since.is_some() {
                self.remove(index);
                return;
            }
            self.touched = index;
            host.deadline(at);
            if slot.flow.deadline() <= at {
                let (key, beside) = (&slot.key, &mut slot.beside);
                slot.flow.fire(at, &mut self.counters, &mut |direction, chunk| {
                    host.chunk(key, beside, direction, chunk);
                });
                self.settle(host, index, at);
            } else if slot.host_due <= at {
                host.fire(&slot.key, &mut slot.beside, at);
                self.settle(host, index, at);
            } else {
                self.end(host, index, EndReason::Expired, at);
                self.remove(index);
                return;
            }
        }
        self.settle(host, index, clock);
    }

    fn end(&mut self, host: &mut impl Host<Beside = B>, index: u32, reason: EndReason, at: Timestamp) {
        let Some(Some(slot)) = self.slots.get_mut(index as usize) else { return };
        if slot.over_since.is_some() {
            return;
        }
        self.touched = index;
        let (key, beside) = (&slot.key, &mut slot.beside);
        slot.flow.finish(reason, at, &mut self.counters, &mut |direction, chunk| {
            host.chunk(key, beside, direction, chunk);
        });
        slot.over_since = Some(at);
        host.close(key, beside, reason, at);
    }

    fn remove(&mut self, index: u32) {
        let Some(place) = self.slots.get_mut(index as usize) else { return };
        let Some(slot) = place.take() else { return };
        self.memory -= slot.memory;
        self.free.push(index);
        if let Ok(entry) = self.places.find_entry(slot.hash, |known| *known == index) {
            entry.remove();
        }
    }

    /// Makes room: closed flows first, then those that were given up, then the ones that were silent for longest.
    #[cold]
    fn evict(&mut self, host: &mut impl Host<Beside = B>, clock: Timestamp) {
        self.reached_budget = true;
        let mut order: Vec<(u8, Timestamp, u32)> = self
            .slots
            .iter()
            .zip(0..)
            .filter_map(|(slot, index)| {
                let slot = slot.as_ref()?;
                let value = match slot.over_since {
                    Some(_) => 0,
                    None if slot.flow.is_given_up() || !slot.has_payload => 1,
                    None => 2,
                };
                Some((value, slot.last, index))
            })
            .collect();
        order.sort_unstable();
        for (_, _, index) in order {
            if self.memory <= self.memory_max / 8 * 7 {
                break;
            }
            self.end(host, index, EndReason::Evicted, clock);
            self.remove(index);
        }
    }
}

/// When a slot must be looked at although no frame comes.
#[inline]
fn due<B>(slot: &Slot<B>) -> Timestamp {
    match slot.over_since {
        Some(since) => since.plus(CLOSED_NS),
        None => {
            let idle_ns = if slot.has_payload { IDLE_NS_MAX } else { EMPTY_NS_MAX };
            slot.flow.deadline().min(slot.host_due).min(slot.last.max(slot.first).plus(idle_ns))
        }
    }
}
