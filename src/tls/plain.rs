//! The plaintext of one direction as a stream of its own: positions, times, acknowledgements, holes.
//!
//! Positions begin at the raw position of the direction's first byte and count plaintext; behind a hole of unknown
//! length they go on at the raw position of the record. Plaintext is shorter than its records, so they never run back,
//! and two readings of the same packets agree on them.

use std::collections::VecDeque;

use super::record::{HEADER_BYTES, Record};
use crate::flow::{Data, Gap, GapCause};
use crate::limits::RECORD_ENDS_MAX;

#[derive(Debug, Default)]
pub(super) struct Plain {
    start: u64,
    next: u64,
    /// Raw and plain positions behind the newest records: their low halves, which say all in the last 4 GiB.
    ends: VecDeque<[u32; 2]>,
    /// Those behind the newest of them, whole.
    raw: u64,
    plain: u64,
    /// Older ends were forgotten.
    forgot: bool,
    in_gap: bool,
}

impl Plain {
    /// The direction begins at this raw position.
    pub(super) const fn begin(&mut self, offset: u64) {
        (self.start, self.next) = (offset, offset);
    }

    pub(super) const fn has_begun(&self) -> bool {
        self.start != 0
    }

    pub(super) const fn start(&self) -> u64 {
        self.start
    }

    /// Position behind the last byte.
    pub(super) const fn next(&self) -> u64 {
        self.next
    }

    pub(super) fn memory(&self) -> usize {
        self.ends.capacity() * size_of::<[u32; 2]>()
    }

    /// The plaintext of a record, in one piece for each packet. `other` is the direction that its packets acknowledge.
    pub(super) fn record(
        &mut self,
        record: &Record<'_>,
        prefix_bytes: u64,
        plaintext: &[u8],
        other: &Self,
        mut deliver: impl FnMut(Data<'_>),
    ) {
        if plaintext.is_empty() {
            return;
        }
        if std::mem::take(&mut self.in_gap) {
            self.next = self.next.max(record.offset);
        }
        let first = record.offset + HEADER_BYTES as u64 + prefix_bytes;
        let place = |offset: u64| (offset.saturating_sub(first) as usize).min(plaintext.len());
        let (mut begin, mut boundary) = (0, true);
        for (index, packet) in record.packets.iter().enumerate() {
            let end = record.packets.get(index + 1).map_or(plaintext.len(), |next| place(next.offset));
            let bytes = plaintext.get(begin..end).unwrap_or_default();
            if bytes.is_empty() {
                continue;
            }
            let ack = packet.ack.and_then(|ack| other.translate(ack));
            deliver(Data { offset: self.next, bytes, time: packet.time, ack, boundary });
            self.next += bytes.len() as u64;
            (begin, boundary) = (end, false);
        }
        self.remember(record.end());
    }

    /// A hole; who acknowledges `raw_end` acknowledges what is in it. `None` as a length: it is not known. That is told
    /// once, whatever else is lost before the next record.
    pub(super) fn gap(&mut self, length: Option<u64>, raw_end: u64, cause: GapCause) -> Option<Gap> {
        if self.in_gap {
            return None;
        }
        let offset = self.next;
        let len = match length {
            Some(0) => return None,
            Some(length) => {
                self.next += length;
                length
            }
            None => {
                self.in_gap = true;
                self.next += 1;
                Gap::UNKNOWN
            }
        };
        self.remember(raw_end);
        Some(Gap { offset, len, cause })
    }

    /// Where the plaintext ends of which a raw position acknowledges all records.
    fn translate(&self, raw: u64) -> Option<u64> {
        let known = self.ends.iter().rev().find(|[end, _]| back(self.raw, *end) <= raw);
        let known = known.map(|[_, plain]| back(self.plain, *plain));
        known.or((!self.forgot).then_some(self.start))
    }

    fn remember(&mut self, raw: u64) {
        let raw = raw.max(self.raw);
        let is_near = |from: u64, to: u64| to.saturating_sub(from) <= u64::from(u32::MAX);
        while let Some([end, plain]) = self.ends.front()
            && (self.ends.len() >= RECORD_ENDS_MAX
                || !is_near(back(self.raw, *end), raw)
                || !is_near(back(self.plain, *plain), self.next))
        {
            self.ends.pop_front();
            self.forgot = true;
        }
        (self.raw, self.plain) = (raw, self.next);
        self.ends.push_back([raw as u32, self.next as u32]);
    }
}

/// The position with that low half that is `position` or the last one before it.
const fn back(position: u64, low: u32) -> u64 {
    position.saturating_sub((position as u32).wrapping_sub(low) as u64)
}
