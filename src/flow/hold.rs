//! Bytes that came before their turn: disjoint pieces in the order of their positions, the first copy of a byte
//! wins.

use crate::time::Timestamp;

/// A piece of a stream that waits, with what is known of the segment that brought it.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    /// Position of its first byte.
    pub(super) start: u64,
    /// The captured bytes.
    pub(super) bytes: Vec<u8>,
    /// Bytes behind them that the snap length cut off.
    pub(super) missing: u32,
    /// When its packet came.
    pub(super) time: Timestamp,
    /// What its packet acknowledged, as a position of the other direction.
    pub(super) ack: Option<u64>,
    /// Its first byte was the first of a segment.
    pub(super) boundary: bool,
    /// The flow's frame that brought it, counted from 1.
    pub(super) frame: u32,
    /// The capture clock when it came.
    pub(super) since: Timestamp,
}

impl Piece {
    /// Behind its last byte, cut ones included.
    pub(super) fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64 + u64::from(self.missing)
    }

    /// Drops everything before `position`; returns how many captured bytes that were.
    pub(super) fn trim_front(&mut self, position: u64) -> u64 {
        let Some(cut) = position.checked_sub(self.start).filter(|cut| *cut > 0) else { return 0 };
        let of_bytes = cut.min(self.bytes.len() as u64);
        self.bytes.drain(..of_bytes as usize);
        self.missing = self.missing.saturating_sub((cut - of_bytes) as u32);
        self.start = position;
        self.boundary = false;
        of_bytes
    }

    /// Splits off everything from `position` on.
    fn split_at(&mut self, position: u64) -> Self {
        let keep = position - self.start;
        let of_bytes = keep.min(self.bytes.len() as u64);
        let rest = self.bytes.split_off(of_bytes as usize);
        let missing_kept = (keep - of_bytes) as u32;
        let missing = self.missing - missing_kept;
        self.missing = missing_kept;
        Self { start: position, bytes: rest, missing, boundary: false, ..self.clone_facts() }
    }

    fn clone_facts(&self) -> Self {
        Self { bytes: Vec::new(), ..*self }
    }
}

/// What became of a piece that was put in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Put {
    /// Bytes that were there before.
    pub(super) duplicate: u64,
    /// One of these differed from the first copy.
    pub(super) rewritten: bool,
}

/// The pieces of one direction.
#[derive(Debug, Default)]
pub(super) struct Hold {
    pieces: std::collections::VecDeque<Piece>,
    bytes: usize,
}

impl Hold {
    /// No piece is held.
    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Captured bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What it takes: the bytes and the pieces around them.
    pub(super) fn memory(&self) -> usize {
        self.bytes + self.pieces.len() * size_of::<Piece>()
    }

    /// The piece with the lowest position.
    pub(super) fn first(&self) -> Option<&Piece> {
        self.pieces.front()
    }

    /// Takes the piece with the lowest position.
    pub(super) fn take_first(&mut self) -> Option<Piece> {
        let piece = self.pieces.pop_front()?;
        self.bytes -= piece.bytes.len();
        if self.pieces.is_empty() {
            self.pieces = std::collections::VecDeque::new();
        }
        Some(piece)
    }

    /// Drops all; returns how many bytes that were.
    pub(super) fn clear(&mut self) -> u64 {
        let bytes = self.bytes as u64;
        *self = Self::default();
        bytes
    }

    /// Puts a piece in its place. What is there already stays; only the rest of the new piece is kept.
    pub(super) fn put(&mut self, mut piece: Piece) -> Put {
        let mut put = Put::default();
        let mut at = self.pieces.partition_point(|held| held.end() <= piece.start);
        while let Some(held) = self.pieces.get(at).filter(|held| held.start < piece.end()) {
            let (held_start, held_end) = (held.start, held.end());
            put.rewritten |= differ(held, &piece);
            let behind = (piece.end() > held_end).then(|| piece.split_at(held_end.max(piece.start)));
            if piece.start < held_start {
                put.duplicate += piece.split_at(held_start).bytes.len() as u64;
                self.insert(at, piece);
                at += 1;
            } else {
                put.duplicate += piece.bytes.len() as u64;
            }
            at += 1;
            match behind {
                Some(rest) => piece = rest,
                None => return put,
            }
        }
        self.insert(at, piece);
        put
    }

    fn insert(&mut self, at: usize, piece: Piece) {
        if piece.end() > piece.start {
            self.bytes += piece.bytes.len();
            self.pieces.insert(at, piece);
        }
    }
}

/// Whether two pieces say different things of a byte that both have.
fn differ(held: &Piece, new: &Piece) -> bool {
    differs_at(held.start, &held.bytes, new.start, &new.bytes)
}

/// Whether two runs of bytes differ where their positions overlap.
pub(super) fn differs_at(a_start: u64, a: &[u8], b_start: u64, b: &[u8]) -> bool {
    let start = a_start.max(b_start);
    let end = (a_start + a.len() as u64).min(b_start + b.len() as u64);
    if start >= end {
        return false;
    }
    let part = |from: u64, bytes: &'_ [u8]| -> Option<std::ops::Range<usize>> {
        let range = (start - from) as usize..(end - from) as usize;
        bytes.get(range.clone()).map(|_| range)
    };
    match (part(a_start, a), part(b_start, b)) {
        (Some(of_a), Some(of_b)) => a.get(of_a) != b.get(of_b),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(start: u64, bytes: &[u8], missing: u32) -> Piece {
        let (time, since) = (Timestamp::ZERO, Timestamp::ZERO);
        Piece { start, bytes: bytes.to_vec(), missing, time, ack: None, boundary: true, frame: 1, since }
    }

    fn drain(hold: &mut Hold) -> Vec<(u64, Vec<u8>, u32)> {
        std::iter::from_fn(|| hold.take_first()).map(|p| (p.start, p.bytes, p.missing)).collect()
    }

    #[test]
    fn the_first_copy_wins_and_a_different_one_is_told() {
        let mut hold = Hold::default();
        assert_eq!(hold.put(piece(10, b"bbb", 0)), Put::default());
        assert_eq!(hold.put(piece(16, b"dd", 0)), Put::default());
        let put = hold.put(piece(8, b"aa???ccc??ee", 0));
        assert_eq!(put, Put { duplicate: 5, rewritten: true });
        assert_eq!(hold.bytes(), 12);
        let all: Vec<u8> = drain(&mut hold).into_iter().flat_map(|(_, bytes, _)| bytes).collect();
        assert_eq!(all, b"aabbbcccddee");
    }

    #[test]
    fn cut_bytes_keep_their_place() {
        let mut hold = Hold::default();
        hold.put(piece(0, b"ab", 8));
        let put = hold.put(piece(4, b"efghijkl", 0));
        assert_eq!(put.duplicate, 6);
        assert_eq!(drain(&mut hold), [(0, b"ab".to_vec(), 8), (10, b"kl".to_vec(), 0)]);
    }

    #[test]
    fn trimming_counts_captured_bytes_only() {
        let mut cut = piece(0, b"abcd", 4);
        assert_eq!(cut.trim_front(6), 4);
        assert_eq!((cut.start, cut.bytes.len(), cut.missing), (6, 0, 2));
        assert!(!cut.boundary);
    }
}
