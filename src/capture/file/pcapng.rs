//! pcapng: blocks of a type and a length, in sections with their own byte order and interfaces.
//!
//! ```text
//! type │ total length │ body … │ total length        draft-ietf-opsawg-pcapng §3.1, lengths in multiples of 4
//! ```
//!
//! Blocks that say nothing about packets are skipped by their length. A section's own length is not needed.

use super::block::Located;
use super::decode::{Order, Skipped, Step, u16_at, u32_at};
use super::interface::Interface;
use super::problem::{Fault, Part};
use crate::capture::LinkType;
use crate::limits;
use crate::time::Timestamp;

/// Type of a section header block: the same in both byte orders (§4.1).
pub(super) const SECTION_HEADER: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
const INTERFACE: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const NAMES: u32 = 4;
const STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;
const SECRETS: u32 = 10;
const CUSTOM: [u32; 2] = [0x0000_0bad, 0x4000_0bad];

/// Type and total length in front.
const HEAD_BYTES: usize = 8;
/// A block without a body: type, length, length.
const BLOCK_BYTES_MIN: u32 = 12;
/// A block with a packet: beside the packet there are options, comments mostly.
const PACKET_BLOCK_BYTES_MAX: usize = limits::FRAME_BYTES_MAX + limits::PACKET_OPTIONS_BYTES_MAX;
/// A block that is skipped must have equal lengths in front and behind if it is no longer than this. What is
/// longer is not waited for.
const SKIPPED_WHOLE_BYTES_MAX: usize = 16 << 10;

/// The state of a pcapng file: the current section.
#[derive(Clone, Debug, Default)]
pub(super) struct Pcapng {
    order: Order,
    interfaces: Vec<Interface>,
    /// Time of the last packet. A simple packet block has none of its own (§4.4): it stays beside its neighbour.
    last: Timestamp,
    /// A section header was read.
    pub(super) begun: bool,
}

impl Pcapng {
    /// The packet at `at`, and where the next block begins, if it is an enhanced packet block (§4.3), all of it is
    /// there, and it is sound: the way of nearly all packets.
    #[inline]
    pub(super) fn packet(&mut self, bytes: &[u8], at: usize) -> Option<(Located, usize)> {
        let header: &[u8; 28] = bytes.get(at..)?.first_chunk()?;
        let word = |index: usize| u32_at(header, 4 * index, self.order);
        let (len, captured) = (word(1)?, word(5)?);
        let (start, end) = (at + 28, at + len as usize);
        if word(0)? != ENHANCED_PACKET || !len.is_multiple_of(4) || len as usize > PACKET_BLOCK_BYTES_MAX {
            return None;
        }
        let behind = bytes.get(..end)?.last_chunk()?;
        if self.order.u32(*behind) != len || start + captured as usize + 4 > end {
            return None;
        }
        let id = word(2)?;
        let interface = self.interfaces.get(id as usize)?;
        self.last = interface.time(u64::from(word(3)?) << 32 | u64::from(word(4)?));
        let located = Located {
            time: self.last,
            interface: id,
            link: interface.link,
            original_len: word(6)?,
            start: start as u32,
            len: captured,
        };
        Some((located, end))
    }

    /// The link type of the interface that was described last.
    pub(super) fn described(&self) -> Option<LinkType> {
        self.interfaces.last().map(|interface| interface.link)
    }

    /// The block at `at`.
    pub(super) fn step(&mut self, bytes: &[u8], at: usize) -> Step {
        let rest = bytes.get(at..).unwrap_or_default();
        let Some(kind) = rest.first_chunk::<4>() else {
            return Step::More { need: HEAD_BYTES, inside: Part::Block };
        };
        if *kind == SECTION_HEADER {
            return self.section(rest);
        }
        let kind = self.order.u32(*kind);
        let Some(len) = u32_at(rest, 4, self.order) else {
            return Step::More { need: HEAD_BYTES, inside: Part::Block };
        };
        let max = match kind {
            INTERFACE | OBSOLETE_PACKET | SIMPLE_PACKET | ENHANCED_PACKET => PACKET_BLOCK_BYTES_MAX,
            _ => u32::MAX as usize,
        };
        let whole = padded(len);
        if len < BLOCK_BYTES_MIN || whole > max {
            return Step::Damaged(Fault::Length { of: Part::Block, says: len.into() });
        }
        if let Some(skipped) = skipped(kind, whole) {
            return Step::Skip(whole as u64, skipped);
        }
        let inside = match kind {
            OBSOLETE_PACKET | SIMPLE_PACKET | ENHANCED_PACKET => Part::Packet,
            _ => Part::Block,
        };
        let Some(block) = rest.get(..whole) else {
            return Step::More { need: whole, inside };
        };
        if let Some(damage) = self.lengths_differ(block, len) {
            return damage;
        }
        let body = block.get(..block.len() - 4).unwrap_or_default();
        match kind {
            ENHANCED_PACKET => self.enhanced(body, at, block.len()),
            OBSOLETE_PACKET => self.obsolete(body, at, block.len()),
            SIMPLE_PACKET => self.simple(body, at, block.len()),
            INTERFACE => self.describe(body, block.len()),
            SECRETS => self.secrets(body, block.len()),
            other => Step::Skip(whole as u64, name(other)),
        }
    }

    /// The time of the packet whose block stands at `at`, if there is one and it has one, and where the next block
    /// begins; `None` where looking ahead ends. Nothing changes by it.
    pub(super) fn peek(&self, bytes: &[u8], at: usize) -> Option<(Option<Timestamp>, usize)> {
        let rest = bytes.get(at..)?;
        let (kind, len) = (u32_at(rest, 0, self.order)?, u32_at(rest, 4, self.order)?);
        let next = at + padded(len.max(BLOCK_BYTES_MIN));
        let interface = match kind {
            ENHANCED_PACKET => u32_at(rest, HEAD_BYTES, self.order)?,
            OBSOLETE_PACKET => u16_at(rest, HEAD_BYTES, self.order)?.into(),
            // A section header reads the same in both byte orders.
            INTERFACE | 0x0a0d_0d0a => return None,
            _ => return (next <= bytes.len()).then_some((None, next)),
        };
        let (high, low) = (u32_at(rest, 12, self.order)?, u32_at(rest, 16, self.order)?);
        let time = self.interfaces.get(interface as usize)?.time(u64::from(high) << 32 | u64::from(low));
        (next <= bytes.len()).then_some((Some(time), next))
    }

    /// Section header (§4.1): `type │ length │ byte-order magic │ major │ minor │ section length (8) │ options`.
    fn section(&mut self, rest: &[u8]) -> Step {
        let (Some(magic), Some(len)) = (rest.get(8..).and_then(<[u8]>::first_chunk), rest.get(4..8)) else {
            return Step::More { need: 12, inside: Part::Block };
        };
        let order = match *magic {
            [0x4d, 0x3c, 0x2b, 0x1a] => Order::Little,
            [0x1a, 0x2b, 0x3c, 0x4d] => Order::Big,
            _ => return Step::Damaged(Fault::ByteOrder),
        };
        let len = u32_at(len, 0, order).unwrap_or_default();
        if len < 28 || padded(len) > PACKET_BLOCK_BYTES_MAX {
            return Step::Damaged(Fault::Length { of: Part::Block, says: len.into() });
        }
        let Some(block) = rest.get(..padded(len)) else {
            return Step::More { need: padded(len), inside: Part::Block };
        };
        self.order = order;
        if let Some(damage) = self.lengths_differ(block, len) {
            return damage;
        }
        // Another major version may mean another format; minor ones don't (§4.1).
        if let (Some(major), Some(minor)) = (u16_at(block, 12, order), u16_at(block, 14, order))
            && major != 1
        {
            return Step::Damaged(Fault::Version { major, minor });
        }
        self.interfaces.clear();
        self.begun = true;
        Step::Skip(block.len() as u64, Skipped::Head)
    }

    fn lengths_differ(&self, block: &[u8], before: u32) -> Option<Step> {
        let behind = u32_at(block, block.len().checked_sub(4)?, self.order)?;
        (behind != before).then_some(Step::Damaged(Fault::Lengths { before, behind }))
    }

    /// Interface description (§4.2): `linktype (2) │ reserved (2) │ snaplen │ options`.
    fn describe(&mut self, body: &[u8], len: usize) -> Step {
        let Some(interface) = Interface::new(body.get(HEAD_BYTES..).unwrap_or_default(), self.order) else {
            return Step::Damaged(Fault::Length { of: Part::Block, says: len as u64 });
        };
        if self.interfaces.len() >= limits::INTERFACES_MAX {
            return Step::Skip(len as u64, Skipped::Other);
        }
        self.interfaces.push(interface);
        Step::Skip(len as u64, Skipped::Head)
    }

    /// Enhanced packet (§4.3): `interface │ time (high, low) │ captured │ original │ bytes │ options`.
    fn enhanced(&mut self, body: &[u8], at: usize, len: usize) -> Step {
        let word = |index: usize| u32_at(body, HEAD_BYTES + 4 * index, self.order);
        let (Some(id), Some(high), Some(low), Some(captured), Some(original)) =
            (word(0), word(1), word(2), word(3), word(4))
        else {
            return Step::Damaged(Fault::Length { of: Part::Block, says: len as u64 });
        };
        let place = Place { interface: id, captured, original, start: 28 };
        self.place(place, Some((high, low)), body, at, len)
    }

    /// The obsolete packet block (appendix A): `interface (2) │ drops (2) │ time │ captured │ original │ …`.
    fn obsolete(&mut self, body: &[u8], at: usize, len: usize) -> Step {
        let word = |index: usize| u32_at(body, HEAD_BYTES + 4 * index, self.order);
        let id = u16_at(body, HEAD_BYTES, self.order);
        let (Some(id), Some(high), Some(low), Some(captured), Some(original)) =
            (id, word(1), word(2), word(3), word(4))
        else {
            return Step::Damaged(Fault::Length { of: Part::Block, says: len as u64 });
        };
        let place = Place { interface: id.into(), captured, original, start: 28 };
        self.place(place, Some((high, low)), body, at, len)
    }

    /// Simple packet (§4.4): `original │ bytes`, on interface 0, cut at its snap length.
    fn simple(&mut self, body: &[u8], at: usize, len: usize) -> Step {
        let Some(original) = u32_at(body, HEAD_BYTES, self.order) else {
            return Step::Damaged(Fault::Length { of: Part::Block, says: len as u64 });
        };
        let snaplen = self.interfaces.first().map_or(0, |interface| interface.snaplen);
        let cut = if snaplen == 0 { original } else { original.min(snaplen) };
        let room = body.len().saturating_sub(12) as u32;
        let place = Place { interface: 0, captured: cut.min(room), original, start: 12 };
        self.place(place, None, body, at, len)
    }

    fn place(&mut self, place: Place, time: Option<(u32, u32)>, body: &[u8], at: usize, len: usize) -> Step {
        if place.start + place.captured as usize > body.len() {
            return Step::Damaged(Fault::Length { of: Part::Packet, says: place.captured.into() });
        }
        let Some(interface) = self.interfaces.get(place.interface as usize) else {
            return Step::Unplaced(place.interface, len);
        };
        if let Some((high, low)) = time {
            self.last = interface.time(u64::from(high) << 32 | u64::from(low));
        }
        let located = Located {
            time: self.last,
            interface: place.interface,
            link: interface.link,
            original_len: place.original,
            start: (at + place.start) as u32,
            len: place.captured,
        };
        Step::Frame(located, len)
    }

    /// Decryption secrets (§4.7): `secrets type │ secrets length │ secrets`.
    fn secrets(&self, body: &[u8], len: usize) -> Step {
        let (kind, bytes) = (u32_at(body, 8, self.order), u32_at(body, 12, self.order));
        match (kind, bytes) {
            (Some(kind), Some(bytes)) if 16 + bytes as usize <= body.len() => {
                Step::Secrets { kind, start: 16, bytes: bytes as usize, len }
            }
            _ => Step::Damaged(Fault::Length { of: Part::Block, says: bytes.unwrap_or_default().into() }),
        }
    }
}

/// How long a block is. Its length should count the padding of its body; old writers left that out, and no other
/// reading of their files makes sense.
fn padded(len: u32) -> usize {
    (len as usize).next_multiple_of(4)
}

/// Where a packet stands in its block.
#[derive(Clone, Copy)]
struct Place {
    interface: u32,
    captured: u32,
    original: u32,
    start: usize,
}

/// Whether a block is passed over by its length alone, without waiting for all of it.
fn skipped(kind: u32, len: usize) -> Option<Skipped> {
    match kind {
        INTERFACE | OBSOLETE_PACKET | SIMPLE_PACKET | ENHANCED_PACKET => None,
        SECRETS => (len > limits::SECRETS_BYTES_MAX).then_some(Skipped::Secrets),
        other => (len > SKIPPED_WHOLE_BYTES_MAX).then_some(name(other)),
    }
}

fn name(kind: u32) -> Skipped {
    match kind {
        NAMES => Skipped::Names,
        STATISTICS => Skipped::Statistics,
        kind if CUSTOM.contains(&kind) => Skipped::Custom,
        _ => Skipped::Other,
    }
}
