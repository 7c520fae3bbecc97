//! From bytes to the next step: the file's kind is told from its first bytes, then its decoder goes on.
//!
//! A decoder sees the bytes of a block from a place on and says what is there, without reading or allocating.

use super::block::Located;
use super::pcap::{self, Pcap};
use super::pcapng::{self, Pcapng};
use super::problem::{Fault, Part};
use crate::capture::LinkType;
use crate::time::Timestamp;

/// What a decoder found at a place. Each length counts from there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A frame, and the length of all that belongs to it.
    Frame(Located, usize),
    /// Nothing to hand out in that many bytes.
    Skip(u64, Skipped),
    /// Decryption secrets of a kind: `secret` is their place from here, `len` the length of the block.
    Secrets {
        /// Secrets type of the block.
        kind: u32,
        /// Where they begin.
        start: usize,
        /// How many bytes they are.
        bytes: usize,
        /// Length of the block.
        len: usize,
    },
    /// A packet whose interface is not described, and the length of its block.
    Unplaced(u32, usize),
    /// Not all of it is here yet: `need` bytes, or as many as can be told so far.
    More {
        /// Bytes wanted.
        need: usize,
        /// What the file ends in if they do not come.
        inside: Part,
    },
    /// From here on nothing can be read.
    Damaged(Fault),
}

/// What was skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Skipped {
    /// The header of a file or section, or the description of an interface.
    Head,
    /// Names and addresses.
    Names,
    /// Statistics of an interface.
    Statistics,
    /// A vendor's own block.
    Custom,
    /// Secrets that are longer than what is kept.
    Secrets,
    /// A block of another type.
    Other,
}

/// The decoder of one file.
#[derive(Clone, Debug)]
pub(super) enum Decoder {
    /// Nothing was seen yet.
    Unknown,
    /// pcap.
    Pcap(Pcap),
    /// pcapng.
    Pcapng(Pcapng),
}

impl Decoder {
    /// What stands at `at`.
    pub(super) fn step(&mut self, bytes: &[u8], at: usize) -> Step {
        match self {
            Self::Pcap(pcap) => pcap.step(bytes, at),
            Self::Pcapng(pcapng) => pcapng.step(bytes, at),
            Self::Unknown => self.begin(bytes.get(at..).unwrap_or_default()),
        }
    }

    /// The time of the frame at `at`, if what stands there is one, and where the next thing begins; `None` where
    /// looking ahead ends. Nothing changes by it.
    pub(super) fn peek(&self, bytes: &[u8], at: usize) -> Option<(Option<Timestamp>, usize)> {
        match self {
            Self::Pcap(pcap) => pcap.packet(bytes, at).map(|(located, end)| (Some(located.time), end)),
            Self::Pcapng(pcapng) => pcapng.peek(bytes, at),
            Self::Unknown => None,
        }
    }

    /// The link type that the header which was just read gives to frames behind it.
    pub(super) fn described(&self) -> Option<LinkType> {
        match self {
            Self::Pcap(pcap) => Some(pcap.link()),
            Self::Pcapng(pcapng) => pcapng.described(),
            Self::Unknown => None,
        }
    }

    fn begin(&mut self, bytes: &[u8]) -> Step {
        let Some(&magic) = bytes.first_chunk() else {
            return Step::More { need: 4, inside: Part::FileHeader };
        };
        if pcapng::SECTION_HEADER == magic {
            *self = Self::Pcapng(Pcapng::default());
            return Step::Skip(0, Skipped::Head);
        }
        if pcap::magic(magic).is_none() {
            return Step::Damaged(Fault::NotACapture);
        }
        match bytes.get(..pcap::HEADER_BYTES).and_then(Pcap::new) {
            None => Step::More { need: pcap::HEADER_BYTES, inside: Part::FileHeader },
            Some(Err(fault)) => Step::Damaged(fault),
            Some(Ok(pcap)) => {
                *self = Self::Pcap(pcap);
                Step::Skip(pcap::HEADER_BYTES as u64, Skipped::Head)
            }
        }
    }
}

/// In which order the bytes of a number stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Order {
    /// The lowest first.
    #[default]
    Little,
    /// The highest first.
    Big,
}

impl Order {
    #[inline]
    pub(super) fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        }
    }

    #[inline]
    pub(super) fn u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        }
    }

    #[cfg(test)]
    pub(super) fn bytes(self, value: u32) -> [u8; 4] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }
}

/// The number at `at`, if it is there.
#[inline]
pub(super) fn u32_at(bytes: &[u8], at: usize, order: Order) -> Option<u32> {
    Some(order.u32(*bytes.get(at..)?.first_chunk()?))
}

/// The number at `at`, if it is there.
#[inline]
pub(super) fn u16_at(bytes: &[u8], at: usize, order: Order) -> Option<u16> {
    Some(order.u16(*bytes.get(at..)?.first_chunk()?))
}
