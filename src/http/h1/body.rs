//! Where a body ends: by length, by chunks, or by the end of the connection (RFC 9112 §6.3).

use super::head::{Coding, Kind, Length, Lines};
use crate::call::Anomalies;
use crate::flow::{EndReason, Gap};
use crate::http::Expect;
use crate::limits::CHUNK_LINE_BYTES_MAX;

/// What the next bytes of a body are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Take {
    /// So many bytes of data.
    Data(usize),
    /// So many bytes of chunk framing.
    Framing(usize),
    /// They can't be.
    Malformed,
}

/// What is known of a body when its connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Closed {
    pub(super) body_bytes: Option<u64>,
    /// The end of the connection is the end of the body.
    pub(super) whole: bool,
    /// Where the message ends is known.
    pub(super) known: bool,
}

/// A body on its way.
#[derive(Clone, Debug)]
pub(super) enum Body {
    None,
    Length { left: u64, total: u64 },
    Chunked(Chunks),
    UntilClose { total: u64 },
}

/// A chunked body (RFC 9112 §7.1).
///
/// ```text
///   Size ──CRLF──▶ Data ──all──▶ AfterData ──CRLF──▶ Size
///     └──"0"CRLF──▶ Trailer ──empty line──▶ Done
/// ```
#[derive(Clone, Debug)]
pub(super) struct Chunks {
    state: ChunkState,
    decoded: u64,
    anomalies: Anomalies,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ChunkState {
    /// In the size line: digits so far, their value, where in the line.
    Size {
        digits: u8,
        value: u64,
        part: SizePart,
    },
    Data {
        left: u64,
    },
    /// Behind the data: a CR was seen or not.
    AfterData {
        cr: bool,
    },
    /// In a trailer line of this length so far; its last byte was a CR.
    Trailer {
        length: u32,
        cr: bool,
    },
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SizePart {
    Digits,
    /// White space behind the digits.
    Padding,
    /// A chunk extension of this length so far.
    Extension(u32),
    /// A CR; LF must follow.
    Cr,
}

const SIZE: ChunkState = ChunkState::Size { digits: 0, value: 0, part: SizePart::Digits };

impl Body {
    /// The body that follows a head.
    pub(super) fn after(lines: &Lines, expect: Expect) -> Self {
        if expect == Expect::NoBody || expect == Expect::Switch || lines.never_has_body() {
            return Self::None;
        }
        match (lines.coding(), lines.length()) {
            (Coding::Chunked, _) => {
                Self::Chunked(Chunks { state: SIZE, decoded: 0, anomalies: Anomalies::EMPTY })
            }
            // a response with an unknown coding, or with lengths that contradict each other, ends with its connection
            (Coding::Other, _) | (Coding::None, Length::Invalid) => Self::UntilClose { total: 0 },
            (Coding::None, Length::Value(length)) => Self::Length { left: length, total: length },
            (Coding::None, Length::Absent) => match lines.kind() {
                Kind::Request => Self::None,
                Kind::Response => Self::UntilClose { total: 0 },
            },
        }
    }

    #[inline]
    pub(super) fn is_at_end(&self) -> bool {
        match self {
            Self::None => true,
            Self::Length { left, .. } => *left == 0,
            Self::Chunked(chunks) => chunks.state == ChunkState::Done,
            Self::UntilClose { .. } => false,
        }
    }

    /// Size of the body so far, the transfer coding undone.
    pub(super) fn decoded(&self) -> u64 {
        match self {
            Self::None => 0,
            Self::Length { total, left } => total - left,
            Self::Chunked(chunks) => chunks.decoded,
            Self::UntilClose { total } => *total,
        }
    }

    pub(super) fn anomalies(&self) -> Anomalies {
        match self {
            Self::Chunked(chunks) => chunks.anomalies,
            _ => Anomalies::EMPTY,
        }
    }

    /// Takes from the front of `bytes`, which is not empty.
    #[inline]
    pub(super) fn take(&mut self, bytes: &[u8]) -> Take {
        match self {
            Self::None => Take::Framing(0),
            Self::Length { left, .. } => {
                let count = (bytes.len() as u64).min(*left);
                *left -= count;
                Take::Data(count as usize)
            }
            Self::UntilClose { total } => {
                *total += bytes.len() as u64;
                Take::Data(bytes.len())
            }
            Self::Chunked(chunks) => chunks.take(bytes),
        }
    }

    /// Passes over `len` missing bytes. Returns how many of them belong to the body, or `None` if the end of the
    /// body can't be known any more.
    pub(super) fn skip(&mut self, len: u64) -> Option<u64> {
        match self {
            Self::None => Some(0),
            Self::Length { left, .. } => {
                let skipped = len.min(*left);
                *left -= skipped;
                Some(skipped)
            }
            Self::UntilClose { .. } if len >= Gap::UNKNOWN => None,
            Self::UntilClose { total } => {
                *total += len;
                Some(len)
            }
            Self::Chunked(chunks) => match &mut chunks.state {
                ChunkState::Data { left } if len <= *left => {
                    *left -= len;
                    chunks.decoded += len;
                    if *left == 0 {
                        chunks.state = ChunkState::AfterData { cr: false };
                    }
                    Some(len)
                }
                _ => None,
            },
        }
    }

    /// The connection ends here.
    pub(super) fn close(&self, reason: EndReason) -> Closed {
        let fin = reason == EndReason::Fin;
        match self {
            Self::None => Closed { body_bytes: Some(0), whole: true, known: true },
            // what was announced is not what was sent, where the sender itself ended
            Self::Length { left, total } => match reason {
                EndReason::Fin => Closed { body_bytes: Some(total - left), whole: false, known: true },
                EndReason::Reset | EndReason::Replaced => {
                    Closed { body_bytes: None, whole: false, known: false }
                }
                EndReason::Expired | EndReason::Evicted | EndReason::InputEnded => {
                    Closed { body_bytes: Some(*total), whole: false, known: false }
                }
            },
            Self::UntilClose { total } => {
                Closed { body_bytes: fin.then_some(*total), whole: fin, known: fin }
            }
            Self::Chunked(_) => Closed { body_bytes: None, whole: false, known: false },
        }
    }
}

impl Chunks {
    fn take(&mut self, bytes: &[u8]) -> Take {
        if let ChunkState::Data { left } = &mut self.state {
            let count = (bytes.len() as u64).min(*left);
            *left -= count;
            self.decoded += count;
            if *left == 0 {
                self.state = ChunkState::AfterData { cr: false };
            }
            return Take::Data(count as usize);
        }
        for (index, byte) in bytes.iter().enumerate() {
            match self.step(*byte) {
                Some(ChunkState::Data { left: 0 }) | None => {
                    self.anomalies.insert(Anomalies::INVALID_CHUNK);
                    return Take::Malformed;
                }
                Some(next) => self.state = next,
            }
            if matches!(self.state, ChunkState::Data { .. } | ChunkState::Done) {
                return Take::Framing(index + 1);
            }
        }
        Take::Framing(bytes.len())
    }

    /// The state behind one byte of framing, or `None` if it can't stand there.
    fn step(&mut self, byte: u8) -> Option<ChunkState> {
        match self.state {
            ChunkState::Size { digits, value, part } => self.step_size(digits, value, part, byte),
            ChunkState::AfterData { cr } => match byte {
                b'\r' if !cr => Some(ChunkState::AfterData { cr: true }),
                b'\n' => {
                    self.note_bare_lf(cr);
                    Some(SIZE)
                }
                _ => None,
            },
            ChunkState::Trailer { length, cr } => match byte {
                b'\n' if length == 0 => {
                    self.note_bare_lf(cr);
                    Some(ChunkState::Done)
                }
                b'\n' => {
                    self.note_bare_lf(cr);
                    Some(ChunkState::Trailer { length: 0, cr: false })
                }
                b'\r' if !cr => Some(ChunkState::Trailer { length, cr: true }),
                _ if length < CHUNK_LINE_BYTES_MAX => {
                    Some(ChunkState::Trailer { length: length + 1, cr: byte == b'\r' })
                }
                _ => None,
            },
            ChunkState::Data { .. } | ChunkState::Done => None,
        }
    }

    fn step_size(&mut self, digits: u8, value: u64, part: SizePart, byte: u8) -> Option<ChunkState> {
        let stay = |part| Some(ChunkState::Size { digits, value, part });
        match (part, byte) {
            (SizePart::Digits, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') if digits < 16 => {
                let digit = (byte as char).to_digit(16)?;
                let value = value << 4 | u64::from(digit);
                Some(ChunkState::Size { digits: digits + 1, value, part })
            }
            (_, _) if digits == 0 => None,
            (SizePart::Digits | SizePart::Padding, b' ' | b'\t') => {
                self.anomalies.insert(Anomalies::INVALID_CHUNK);
                stay(SizePart::Padding)
            }
            (SizePart::Digits | SizePart::Padding, b';') => {
                self.anomalies.insert(Anomalies::CHUNK_EXTENSION);
                stay(SizePart::Extension(0))
            }
            (SizePart::Cr, b'\n') => Some(Self::behind_size(value)),
            (SizePart::Cr, _) => None,
            (_, b'\r') => stay(SizePart::Cr),
            (_, b'\n') => {
                self.note_bare_lf(false);
                Some(Self::behind_size(value))
            }
            (SizePart::Extension(length), _) if length < CHUNK_LINE_BYTES_MAX => {
                stay(SizePart::Extension(length + 1))
            }
            _ => None,
        }
    }

    const fn behind_size(value: u64) -> ChunkState {
        match value {
            0 => ChunkState::Trailer { length: 0, cr: false },
            left => ChunkState::Data { left },
        }
    }

    const fn note_bare_lf(&mut self, cr: bool) {
        if !cr {
            self.anomalies.insert(Anomalies::BARE_LF);
        }
    }
}
