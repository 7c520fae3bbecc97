//! Packets with a long header (RFC 9000 §17.2) and the frames of an Initial packet.

use crate::tls::Cursor;

/// The longest connection id (RFC 9000 §17.2).
const ID_BYTES_MAX: usize = 20;

/// A version whose long headers are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// RFC 9000.
    V1,
    /// RFC 9369.
    V2,
    /// One of the drafts of RFC 9000, from 23 on: before that, packets were protected in another way.
    Draft(u8),
}

impl Version {
    const fn of(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::V1),
            0x6b33_43cf => Some(Self::V2),
            0xff00_0017..=0xff00_0022 => Some(Self::Draft(number as u8)),
            _ => None,
        }
    }

    pub(super) fn name(self) -> String {
        match self {
            Self::V1 => "1".to_owned(),
            Self::V2 => "2".to_owned(),
            Self::Draft(number) => format!("draft-{number}"),
        }
    }
}

/// What a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Initial,
    ZeroRtt,
    Handshake,
    Retry,
}

/// A packet with a long header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Long<'a> {
    pub(super) version: Version,
    pub(super) kind: Kind,
    /// The connection id of whom it is sent to.
    pub(super) target: &'a [u8],
    /// All of it.
    pub(super) bytes: &'a [u8],
    /// Where the packet number stands, which is protected.
    pub(super) number_at: usize,
}

impl<'a> Long<'a> {
    /// It is long enough for the bytes that unmask its number (RFC 9001 §5.4.2).
    pub(super) const fn has_sample(&self) -> bool {
        const SAMPLE_END: usize = 4 + 16;
        self.bytes.len() >= self.number_at + SAMPLE_END
    }

    /// The packet that the bytes begin with, and those behind it. `None`: none that is known, or not all of one.
    pub(super) fn read(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        const LONG: u8 = 0x80;
        const FIXED: u8 = 0x40;
        let mut cursor = Cursor::new(bytes);
        let first = cursor.u8()?;
        if first & (LONG | FIXED) != LONG | FIXED {
            return None;
        }
        let version = Version::of(u32::from_be_bytes(cursor.array()?))?;
        let (target, source) = (cursor.short()?, cursor.short()?);
        if target.len() > ID_BYTES_MAX || source.len() > ID_BYTES_MAX {
            return None;
        }
        // RFC 9369 §3.2: the types of version 2 are turned by one
        let kind = match (first >> 4 & 3, version) {
            (0, Version::V1 | Version::Draft(_)) | (1, Version::V2) => Kind::Initial,
            (1, Version::V1 | Version::Draft(_)) | (2, Version::V2) => Kind::ZeroRtt,
            (2, Version::V1 | Version::Draft(_)) | (3, Version::V2) => Kind::Handshake,
            _ => Kind::Retry,
        };
        if kind == Kind::Retry {
            let packet = Self { version, kind, target, bytes, number_at: bytes.len() };
            return Some((packet, &[]));
        }
        if kind == Kind::Initial {
            let token = usize::try_from(number(&mut cursor)?).ok()?;
            cursor.take(token)?;
        }
        let length = usize::try_from(number(&mut cursor)?).ok()?;
        let number_at = bytes.len() - cursor.rest().len();
        let (bytes, behind) = bytes.split_at_checked(number_at.checked_add(length)?)?;
        Some((Self { version, kind, target, bytes, number_at }, behind))
    }
}

/// A number of variable length (RFC 9000 §16).
fn number(cursor: &mut Cursor<'_>) -> Option<u64> {
    let first = cursor.u8()?;
    let behind = cursor.take((1 << (first >> 6)) - 1)?;
    Some(behind.iter().fold(u64::from(first & 0x3f), |number, byte| number << 8 | u64::from(*byte)))
}

/// Visits the CRYPTO frames of an Initial packet, with their places. It ends at what has no place in one (RFC 9000 §12.4).
pub(super) fn each_crypto(payload: &[u8], mut visit: impl FnMut(u64, &[u8])) {
    let mut cursor = Cursor::new(payload);
    while frame(&mut cursor, &mut visit).is_some() {}
}

fn frame(cursor: &mut Cursor<'_>, visit: &mut impl FnMut(u64, &[u8])) -> Option<()> {
    const PADDING: u64 = 0;
    const PING: u64 = 1;
    const ACK: u64 = 2;
    const ACK_ECN: u64 = 3;
    const CRYPTO: u64 = 6;
    match number(cursor)? {
        PADDING | PING => {}
        kind @ (ACK | ACK_ECN) => {
            number(cursor)?; // largest
            number(cursor)?; // delay
            let ranges = number(cursor)?;
            number(cursor)?; // first range
            for _ in 0..ranges {
                number(cursor)?;
                number(cursor)?;
            }
            for _ in 0..if kind == ACK_ECN { 3 } else { 0 } {
                number(cursor)?;
            }
        }
        CRYPTO => {
            let offset = number(cursor)?;
            let length = usize::try_from(number(cursor)?).ok()?;
            visit(offset, cursor.take(length)?);
        }
        _ => return None,
    }
    Some(())
}
