//! Datagrams put together from fragments, IPv4 (RFC 791 §3.2) and IPv6 (RFC 8200 §4.5), within bounds.
//!
//! The first copy of a byte wins; a later one that differs is counted as conflicting. Hosts disagree here (Linux
//! drops the whole datagram since 2018, as RFC 5722 §3 asks for IPv6; others take the last copy), so a conflict is
//! told rather than guessed about.
//!
//! A datagram is identified as the RFCs say, plus the network id of the tunnel around it; not by VLAN or by outer
//! addresses, because a mirror may show fragments under several, nor by ids that a tunnel uses per direction.
//!
//! A fragment that the snap length cut leaves a hole that nothing will fill. The datagram is still completed; what
//! lies before the hole can be used, and the rest counts as missing.

use std::collections::{HashMap, VecDeque};

use xxhash_rust::xxh3::xxh3_64;

use super::outcome::{Counters, Undecodable};
use super::view::{Ends, View};
use crate::limits;
use crate::time::Timestamp;

/// What a fragment's headers say; its bytes are what the view shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fragment {
    /// Which datagram it belongs to.
    pub(super) identity: Identity,
    /// Protocol of the payload; of IPv6 the first fragment's counts.
    pub(super) protocol: u8,
    /// Where its bytes belong.
    pub(super) offset: usize,
    /// It is not the last one.
    pub(super) more: bool,
}

/// What the fragments of one datagram share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    /// Source and target.
    pub(super) ends: Ends,
    /// Identification field.
    pub(super) id: u32,
    /// Of IPv4 only: the protocol is part of the identity (RFC 791 §2.3); zero for IPv6.
    pub(super) protocol: u8,
    /// The tunnel's network.
    pub(super) vni: Option<u32>,
}

/// A datagram that is complete.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Datagram {
    /// Its payload, up to the first byte that was not captured.
    pub(super) bytes: Vec<u8>,
    /// How long the payload was on the wire.
    pub(super) whole: usize,
    /// What it carries.
    pub(super) protocol: u8,
    /// Between whom.
    pub(super) ends: Ends,
}

/// All datagrams of which a part is here.
#[derive(Debug)]
pub(super) struct Fragments {
    open: HashMap<Identity, Partial>,
    /// In the order of their first fragments, which is that of their deadlines. Entries outlive their datagram.
    deadlines: VecDeque<(Timestamp, Identity, u64)>,
    done: HashMap<Identity, Done>,
    done_deadlines: VecDeque<(Timestamp, Identity, u64)>,
    serial: u64,
    bytes: usize,
    bytes_max: usize,
}

impl Fragments {
    /// Nothing yet; at most `bytes_max` bytes are held.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            open: HashMap::new(),
            deadlines: VecDeque::new(),
            done: HashMap::new(),
            done_deadlines: VecDeque::new(),
            serial: 0,
            bytes: 0,
            bytes_max,
        }
    }

    /// The next moment at which something expires.
    pub(super) fn next_deadline(&self) -> Timestamp {
        let first = |queue: &VecDeque<(Timestamp, Identity, u64)>| {
            queue.front().map_or(Timestamp::MAX, |(deadline, ..)| *deadline)
        };
        first(&self.deadlines).min(first(&self.done_deadlines))
    }

    /// Gives up what waited too long.
    pub(super) fn advance(&mut self, clock: Timestamp, counters: &mut Counters) {
        while self.deadlines.front().is_some_and(|(deadline, ..)| *deadline <= clock) {
            self.drop_oldest(counters);
        }
        while self.done_deadlines.front().is_some_and(|(deadline, ..)| *deadline <= clock) {
            self.forget_oldest();
        }
    }

    /// Takes one fragment. If it completes its datagram, that is what the frame became; else the frame is booked
    /// here.
    pub(super) fn push(
        &mut self,
        clock: Timestamp,
        fragment: &Fragment,
        view: View<'_>,
        counters: &mut Counters,
    ) -> Option<Datagram> {
        let end = fragment.offset + view.whole();
        if view.whole() == 0 || end > DATAGRAM_BYTES_MAX || fragment.more && !view.whole().is_multiple_of(8) {
            *Undecodable::BadFragment.of(counters) += 1;
            return None;
        }
        let check = Check::new(fragment, view);
        if self.is_late_copy(&fragment.identity, check) {
            counters.fragments_joined += 1;
            counters.fragments_duplicate += 1;
            return None;
        }
        // Another datagram under the same identification has begun.
        self.done.remove(&fragment.identity);
        let partial = self.open.entry(fragment.identity).or_insert_with(|| {
            self.serial += 1;
            self.deadlines.push_back((clock.plus(limits::FRAGMENT_WAIT_NS), fragment.identity, self.serial));
            self.bytes += DATAGRAM_OVERHEAD_BYTES;
            Partial::new(self.serial)
        });
        let before = partial.cost;
        partial.add(fragment, view, check, counters);
        self.bytes += partial.cost - before;
        if partial.is_complete() {
            return self.complete(clock, fragment.identity, counters);
        }
        partial.frames += 1;
        counters.fragments_held += 1;
        while self.is_over() && !self.deadlines.is_empty() {
            let evicted = self.drop_oldest(counters);
            counters.fragments_evicted += evicted;
        }
        None
    }

    fn is_over(&self) -> bool {
        self.bytes > self.bytes_max || self.open.len() > limits::FRAGMENTED_DATAGRAMS_MAX
    }

    fn is_late_copy(&self, identity: &Identity, check: Check) -> bool {
        !self.open.contains_key(identity)
            && self.done.get(identity).is_some_and(|done| done.checks.contains(&check))
    }

    fn complete(
        &mut self,
        clock: Timestamp,
        identity: Identity,
        counters: &mut Counters,
    ) -> Option<Datagram> {
        let partial = self.open.remove(&identity)?;
        self.bytes -= DATAGRAM_OVERHEAD_BYTES + partial.cost;
        counters.fragments_held -= partial.frames;
        counters.fragments_joined += partial.frames;
        let (bytes, whole) = partial.assemble();
        self.done.insert(identity, Done { serial: partial.serial, checks: partial.checks });
        self.done_deadlines.push_back((clock.plus(limits::FRAGMENT_COPY_NS), identity, partial.serial));
        if self.done_deadlines.len() > limits::FRAGMENTED_DATAGRAMS_MAX {
            self.forget_oldest();
        }
        if self.deadlines.len() > 2 * limits::FRAGMENTED_DATAGRAMS_MAX {
            let open = &self.open;
            self.deadlines.retain(|(_, at, serial)| open.get(at).is_some_and(|left| left.serial == *serial));
        }
        Some(Datagram { bytes, whole, protocol: partial.protocol, ends: identity.ends })
    }

    /// Drops the datagram that waits longest and returns the number of its fragments.
    fn drop_oldest(&mut self, counters: &mut Counters) -> u64 {
        let Some((_, identity, serial)) = self.deadlines.pop_front() else { return 0 };
        if self.open.get(&identity).is_none_or(|partial| partial.serial != serial) {
            return 0;
        }
        let Some(partial) = self.open.remove(&identity) else { return 0 };
        self.bytes -= DATAGRAM_OVERHEAD_BYTES + partial.cost;
        counters.fragments_held -= partial.frames;
        counters.fragments_expired += partial.frames;
        partial.frames
    }

    fn forget_oldest(&mut self) {
        let Some((_, identity, serial)) = self.done_deadlines.pop_front() else { return };
        if self.done.get(&identity).is_some_and(|done| done.serial == serial) {
            self.done.remove(&identity);
        }
    }
}

/// Offsets have 13 bits in units of eight bytes, lengths 16 bits: no datagram is longer (RFC 791 §3.1).
const DATAGRAM_BYTES_MAX: usize = 65_535;
/// What an open datagram costs beside its bytes.
const DATAGRAM_OVERHEAD_BYTES: usize = 512;
/// What a piece costs beside its bytes.
const PIECE_OVERHEAD_BYTES: usize = 64;

/// A datagram that was completed a moment ago, kept to know the second copies that a mirror shows.
#[derive(Debug)]
struct Done {
    serial: u64,
    checks: Vec<Check>,
}

/// A fragment's place and bytes, hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Check(u64);

impl Check {
    fn new(fragment: &Fragment, view: View<'_>) -> Self {
        let place = (fragment.offset as u64) << 1 | u64::from(fragment.more);
        Self(xxh3_64(view.bytes()) ^ place.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }
}

/// A datagram of which fragments are still missing.
#[derive(Debug)]
struct Partial {
    serial: u64,
    frames: u64,
    protocol: u8,
    /// In order, and none overlaps another.
    pieces: Vec<Piece>,
    covered: usize,
    total: Option<usize>,
    checks: Vec<Check>,
    cost: usize,
}

/// A range of the datagram; the bytes are fewer where the snap length cut them.
#[derive(Debug)]
struct Piece {
    start: usize,
    end: usize,
    bytes: Box<[u8]>,
}

impl Partial {
    fn new(serial: u64) -> Self {
        Self {
            serial,
            frames: 0,
            protocol: 0,
            pieces: Vec::new(),
            covered: 0,
            total: None,
            checks: Vec::new(),
            cost: 0,
        }
    }

    fn add(&mut self, fragment: &Fragment, view: View<'_>, check: Check, counters: &mut Counters) {
        let mut end = fragment.offset + view.whole();
        let mut conflicting = false;
        if !fragment.more {
            let reached = self.pieces.last().map_or(0, |piece| piece.end);
            match self.total {
                None if reached <= end => self.total = Some(end),
                known => conflicting = known != Some(end),
            }
        }
        if let Some(total) = self.total
            && end > total
        {
            conflicting = true;
            end = total.max(fragment.offset);
        }
        if fragment.offset == 0 && self.pieces.first().is_none_or(|piece| piece.start > 0) {
            self.protocol = fragment.protocol;
        }
        if self.checks.len() < limits::FRAGMENT_COPIES_MAX {
            self.checks.push(check);
        }
        let (fresh, agrees) = self.place(fragment.offset, end, view.bytes());
        counters.fragments_duplicate += u64::from(fresh == 0 && agrees && !conflicting);
        counters.fragments_conflicting += u64::from(conflicting || !agrees);
    }

    /// Fills the holes in `start..end`; returns how much was new, and whether the rest says the same as before.
    fn place(&mut self, start: usize, end: usize, bytes: &[u8]) -> (usize, bool) {
        let part = |from: usize, to: usize| {
            let (from, to) = ((from - start).min(bytes.len()), (to - start).min(bytes.len()));
            bytes.get(from..to).unwrap_or_default()
        };
        let (mut at, mut fresh, mut agrees) = (start, 0, true);
        let mut index = self.pieces.partition_point(|piece| piece.end <= start);
        while at < end {
            let next = self.pieces.get(index).map_or(end, |piece| piece.start.min(end));
            if at < next {
                let bytes = Box::<[u8]>::from(part(at, next));
                self.cost += bytes.len() + PIECE_OVERHEAD_BYTES;
                self.pieces.insert(index, Piece { start: at, end: next, bytes });
                fresh += next - at;
                index += 1;
            }
            let Some(old) = self.pieces.get(index).filter(|piece| piece.start < end) else { break };
            let from = at.max(old.start);
            let to = end.min(old.end);
            let kept = old.bytes.get(from - old.start..).unwrap_or_default();
            agrees &= kept.iter().zip(part(from, to)).all(|(first, second)| first == second);
            at = old.end;
            index += 1;
        }
        self.covered += fresh;
        (fresh, agrees)
    }

    fn is_complete(&self) -> bool {
        self.total == Some(self.covered)
    }

    /// The bytes up to the first that was not captured, and the length on the wire.
    fn assemble(&self) -> (Vec<u8>, usize) {
        let mut all = Vec::with_capacity(self.covered);
        for piece in &self.pieces {
            all.extend_from_slice(&piece.bytes);
            if piece.bytes.len() < piece.end - piece.start {
                break;
            }
        }
        (all, self.covered)
    }
}
