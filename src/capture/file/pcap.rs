//! The classic pcap file: a header of 24 bytes, then packets, each behind a header of 16 (or 24) bytes.
//!
//! ```text
//! magic │ major │ minor │ thiszone │ sigfigs │ snaplen │ linktype        draft-ietf-opsawg-pcap §4
//! seconds │ fraction │ captured length │ original length │ bytes …       §5
//! ```
//!
//! The magic tells the byte order and whether the fraction counts micro- or nanoseconds. `thiszone` was never used;
//! libpcap ignores it, so this does.

use super::block::Located;
use super::decode::{Order, Step, u32_at};
use super::problem::{Fault, Part};
use crate::capture::LinkType;
use crate::limits;
use crate::time::Timestamp;

/// Length of the file header.
pub(super) const HEADER_BYTES: usize = 24;
/// A snap length below this is no reason to call a longer packet corrupt: libpcap's `MAXIMUM_SNAPLEN`.
const SNAPLEN_TRUSTED_MIN: u32 = 262_144;

/// What the header of a pcap file says about its packets.
#[derive(Clone, Debug)]
pub(super) struct Pcap {
    order: Order,
    link: LinkType,
    /// Nanoseconds of one unit of the fraction.
    unit_ns: u64,
    packet_header: usize,
    captured_max: u32,
    lengths: Lengths,
}

/// Which of the two lengths stands first. Before version 2.3 it was the original one; 2.3 was written both ways
/// (libpcap, `sf-pcap.c`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lengths {
    CapturedFirst,
    OriginalFirst,
    SmallerIsCaptured,
}

/// The magic of a pcap file: byte order, nanoseconds of a unit, length of a packet's header.
pub(super) fn magic(bytes: [u8; 4]) -> Option<(Order, u64, usize)> {
    [Order::Little, Order::Big].into_iter().find_map(|order| match order.u32(bytes) {
        0xa1b2_c3d4 => Some((order, 1_000, 16)),
        0xa1b2_3c4d => Some((order, 1, 16)),
        // Kuznetsov's libpcap: interface, protocol and packet type (8 bytes) follow the lengths.
        0xa1b2_cd34 => Some((order, 1_000, 24)),
        _ => None,
    })
}

impl Pcap {
    /// Reads the header; `None` if these are not its first bytes.
    pub(super) fn new(header: &[u8]) -> Option<Result<Self, Fault>> {
        let (order, unit_ns, packet_header) = magic(*header.first_chunk()?)?;
        let version = u32_at(header, 4, order)?;
        let (major, minor) = match order {
            Order::Little => (version as u16, (version >> 16) as u16),
            Order::Big => ((version >> 16) as u16, version as u16),
        };
        let lengths = match (major, minor) {
            (2, 3) => Lengths::SmallerIsCaptured,
            (2, 0..=2) | (543, _) => Lengths::OriginalFirst,
            (2, _) => Lengths::CapturedFirst,
            _ => return Some(Err(Fault::Version { major, minor })),
        };
        let frame_max = u32::try_from(limits::FRAME_BYTES_MAX).unwrap_or(u32::MAX);
        let captured_max = match u32_at(header, 16, order)? {
            0 => frame_max,
            snaplen => snaplen.clamp(SNAPLEN_TRUSTED_MIN, frame_max),
        };
        // The upper bits carry the length of the frame check sequence (§4), which `wire` does not need.
        let link = LinkType(u32_at(header, 20, order)? & 0xffff);
        Some(Ok(Self { order, link, unit_ns, packet_header, captured_max, lengths }))
    }

    /// How to read the first header of all frames.
    pub(super) const fn link(&self) -> LinkType {
        self.link
    }

    /// The packet at `at`, and where the next one begins, if all of it is there and sound.
    #[inline]
    pub(super) fn packet(&self, bytes: &[u8], at: usize) -> Option<(Located, usize)> {
        let header: &[u8; 16] = bytes.get(at..)?.first_chunk()?;
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *header;
        let seconds = self.order.u32([a, b, c, d]);
        let fraction = self.order.u32([e, f, g, h]);
        let (captured, original) = self.lengths(self.order.u32([i, j, k, l]), self.order.u32([m, n, o, p]));
        let start = at + self.packet_header;
        let end = start + captured as usize;
        if captured > self.captured_max || end > bytes.len() {
            return None;
        }
        // A fraction of a second or more is added as it stands, as libpcap's readers do.
        let nanos = u64::from(seconds) * 1_000_000_000 + u64::from(fraction) * self.unit_ns;
        let located = Located {
            time: Timestamp::from_nanos(nanos),
            interface: 0,
            link: self.link,
            original_len: original,
            start: start as u32,
            len: captured,
        };
        Some((located, end))
    }

    /// As [`Pcap::packet`], saying why there is none.
    pub(super) fn step(&self, bytes: &[u8], at: usize) -> Step {
        if let Some((located, end)) = self.packet(bytes, at) {
            return Step::Frame(located, end - at);
        }
        let rest = bytes.get(at..).unwrap_or_default();
        let (Some(first), Some(second)) = (u32_at(rest, 8, self.order), u32_at(rest, 12, self.order)) else {
            return Step::More { need: self.packet_header, inside: Part::PacketHeader };
        };
        let (captured, _) = self.lengths(first, second);
        if captured > self.captured_max {
            return Step::Damaged(Fault::Length { of: Part::Packet, says: captured.into() });
        }
        Step::More { need: self.packet_header + captured as usize, inside: Part::Packet }
    }

    #[inline]
    fn lengths(&self, first: u32, second: u32) -> (u32, u32) {
        match self.lengths {
            Lengths::CapturedFirst => (first, second),
            Lengths::OriginalFirst => (second, first),
            Lengths::SmallerIsCaptured => (first.min(second), first.max(second)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(magic: [u8; 4], words: [u32; 5], order: Order) -> Vec<u8> {
        let mut bytes = magic.to_vec();
        for word in words {
            bytes.extend(order.bytes(word));
        }
        bytes
    }

    #[test]
    fn magics() {
        for (bytes, expected) in [
            ([0xd4, 0xc3, 0xb2, 0xa1], Some((Order::Little, 1_000, 16))),
            ([0xa1, 0xb2, 0xc3, 0xd4], Some((Order::Big, 1_000, 16))),
            ([0x4d, 0x3c, 0xb2, 0xa1], Some((Order::Little, 1, 16))),
            ([0xa1, 0xb2, 0x3c, 0x4d], Some((Order::Big, 1, 16))),
            ([0x34, 0xcd, 0xb2, 0xa1], Some((Order::Little, 1_000, 24))),
            ([0xa1, 0xb2, 0xcd, 0x34], Some((Order::Big, 1_000, 24))),
            (*b"GET ", None),
        ] {
            assert_eq!(magic(bytes), expected);
        }
    }

    #[test]
    fn versions_tell_the_order_of_the_lengths() {
        let little = [0xd4, 0xc3, 0xb2, 0xa1];
        for (major, minor, expected) in [
            (2, 4, Ok((40, 60))),
            (2, 9, Ok((40, 60))),
            (2, 3, Ok((40, 60))),
            (2, 2, Ok((60, 40))),
            (543, 0, Ok((60, 40))),
            (1, 0, Err(Fault::Version { major: 1, minor: 0 })),
            (3, 0, Err(Fault::Version { major: 3, minor: 0 })),
        ] {
            let version = major | minor << 16;
            let pcap = Pcap::new(&header(little, [version, 0, 0, 65535, 1], Order::Little)).unwrap();
            assert_eq!(pcap.map(|pcap| pcap.lengths(40, 60)), expected, "{major}.{minor}");
        }
    }

    #[test]
    fn the_linktype_is_in_the_lower_half() {
        let bytes = header([0xa1, 0xb2, 0xc3, 0xd4], [0x0002_0004, 0, 0, 96, 0x2400_0071], Order::Big);
        assert_eq!(Pcap::new(&bytes).unwrap().unwrap().link, LinkType(0x71));
    }

    #[test]
    fn absurd_lengths_are_damage_and_plausible_ones_are_not() {
        let cases = [
            (96, 262_144, false), // beyond the snap length, as some writers do
            (96, 262_145, true),
            (0, 16 << 20, false),
            (0, (16 << 20) + 1, true),
            (u32::MAX, 16 << 20, false),
            (u32::MAX, u32::MAX, true),
            (1 << 20, 1 << 20, false),
            (1 << 20, (1 << 20) + 1, true),
        ];
        for (snaplen, captured, damaged) in cases {
            let bytes = header([0xd4, 0xc3, 0xb2, 0xa1], [0x0004_0002, 0, 0, snaplen, 1], Order::Little);
            let pcap = Pcap::new(&bytes).unwrap().unwrap();
            let packet: Vec<u8> = [0, 0, captured, captured].into_iter().flat_map(u32::to_le_bytes).collect();
            let step = pcap.step(&packet, 0);
            assert_eq!(matches!(step, Step::Damaged(_)), damaged, "{snaplen} {captured}: {step:?}");
        }
    }

    #[test]
    fn time_is_exact_and_a_full_second_in_the_fraction_is_added() {
        let bytes = header([0xd4, 0xc3, 0xb2, 0xa1], [0x0004_0002, 0, 0, 0, 1], Order::Little);
        let pcap = Pcap::new(&bytes).unwrap().unwrap();
        for (seconds, micros, nanos) in [
            (1, 7, 1_000_007_000),
            (1, 1_500_000, 2_500_000_000),
            (u32::MAX, u32::MAX, 4_294_967_295_000_000_000 + 4_294_967_295_000),
        ] {
            let packet: Vec<u8> = [seconds, micros, 0, 0].into_iter().flat_map(u32::to_le_bytes).collect();
            let (located, end) = pcap.packet(&packet, 0).unwrap();
            assert_eq!((located.time.as_nanos(), end), (nanos, 16));
        }
    }
}
