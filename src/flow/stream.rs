//! One direction of a TCP connection: where the next byte stands, what waits, what the other side confirmed.
//!
//! Positions are 64 bits wide and their lower half is the sequence number on the wire, so that a connection may
//! live for weeks: `position as u32` is the raw number, and a raw number is widened by its distance from a
//! position nearby (RFC 9293 §3.4: sequence arithmetic is modulo 2^32).

use super::hold::{Hold, Piece, differs_at};
use crate::limits::{GAP_FRAMES, HISTORY_BYTES_KEPT, HISTORY_BYTES_MAX};
use crate::time::Timestamp;

/// What is known of where a direction begins.
///
/// ```text
///   Unseen ──SYN, or an acknowledgement of one──▶ Open ──FIN or RST reached──▶ Ended
///      └─────any other segment──▶ Joining ──settled──▶ Open
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing of it was seen, nor acknowledged.
    #[default]
    Unseen,
    /// The capture began in its middle, and earlier bytes may still be on their way through the mirror.
    Joining,
    /// `next` is the position of the next byte.
    Open,
    /// Nothing more is delivered.
    Ended,
}

/// Positions start here, so that bytes before the first one seen have positions too.
const ORIGIN: u64 = 1 << 32;
/// Farther away than this a sequence number belongs to something else: the largest window is 1 GiB (RFC 7323 §2.2).
const WINDOW: i64 = 1 << 30;
/// Packets that are mostly under way at once: the room for their bytes is taken with the first.
const HISTORY_PACKETS: usize = 6;

/// One direction. What the plain case needs stands first, in one line of the cache.
#[derive(Debug, Default)]
#[repr(C)]
pub(super) struct Stream {
    /// Position of the next byte to deliver.
    pub(super) next: u64,
    /// Highest position that the other side acknowledged.
    pub(super) acked: u64,
    history: Vec<u8>,
    history_start: u64,
    /// The flow's last frame that this side sent.
    pub(super) last_frame: u32,
    pub(super) state: State,
    /// Open, told of, and nothing about it waits: the next bytes can pass as they come.
    pub(super) in_order: bool,
    /// The beginning of the stream was seen: `next` counts from the SYN.
    pub(super) from_start: bool,
    /// Position of the SYN, where one was seen.
    pub(super) syn: Option<u64>,
    /// Position of the first byte that was told.
    pub(super) first: Option<u64>,
    /// Since when `acked` is beyond `next`: the flow's frame and the capture clock.
    pub(super) acked_beyond: Option<(u32, Timestamp)>,
    /// The flow's frame at which a hole was given up last.
    pub(super) gap_frame: Option<u32>,
    /// Position of the FIN.
    pub(super) fin: Option<u64>,
    /// When the FIN came.
    pub(super) fin_time: Timestamp,
    /// What waits.
    pub(super) hold: Hold,
}

impl Stream {
    /// Puts the first byte at the raw sequence number `seq`.
    pub(super) fn place(&mut self, seq: u32, state: State) {
        self.next = ORIGIN | u64::from(seq);
        self.state = state;
        (self.acked, self.acked_beyond) = (0, None);
    }

    /// A SYN says that the first byte has the raw number `begin`. It is not believed where bytes before that are held:
    /// then it belongs to something else. An end before it, without bytes, was forged: nobody closes what is not open.
    pub(super) fn open(&mut self, begin: u32) -> bool {
        if self.fin.is_some() && self.hold.is_empty() {
            (self.fin, self.state) = (None, State::Unseen);
        }
        let joining = self.state == State::Joining;
        let first = self.hold.first().filter(|_| joining);
        if first.is_some_and(|piece| (piece.start as u32).wrapping_sub(begin).cast_signed() < 0) {
            return false;
        }
        match self.position(begin) {
            Some(position) if joining => self.next = position,
            _ => self.place(begin, State::Open),
        }
        (self.state, self.from_start, self.syn) = (State::Open, true, Some(self.next - 1));
        true
    }

    /// Where it stands is known from an acknowledgement alone.
    pub(super) fn is_supposed(&self) -> bool {
        self.state == State::Joining && self.first.is_none() && self.hold.is_empty()
    }

    /// The position of a raw sequence number, or `None` if it is too far from what is known.
    pub(super) fn position(&self, seq: u32) -> Option<u64> {
        let distance = i64::from(seq.wrapping_sub(self.next as u32) as i32);
        if distance.abs() > WINDOW { None } else { self.next.checked_add_signed(distance) }
    }

    /// Keeps `in_order` true to the rest.
    pub(super) fn note_order(&mut self) {
        self.in_order = self.state == State::Open
            && self.first.is_some()
            && self.fin.is_none()
            && self.hold.is_empty()
            && self.acked <= self.next;
    }

    /// The hole at `next`: its end, if one is there; what waits, was acknowledged or is the FIN shows it. A piece that waits at `next` for its cause leaves none.
    pub(super) fn hole_end(&self) -> Option<u64> {
        let held = self.hold.first().map(|piece| piece.start);
        let acked = (self.acked > self.next).then_some(self.acked);
        let fin = self.fin.filter(|fin| *fin > self.next);
        let end = [held, acked, fin].into_iter().flatten().min();
        end.filter(|end| self.state == State::Open && *end > self.next)
    }

    /// Its packets don't come any more: a hole was waited for in vain, and nothing came since. Silence alone says nothing,
    /// for whoever asked for much has little to say, and an acknowledgement may come before its bytes.
    pub(super) fn has_vanished(&self) -> bool {
        self.gap_frame.is_some_and(|gap| gap.wrapping_sub(self.last_frame).cast_signed() >= GAP_FRAMES as i32)
    }

    /// Notes what the other side acknowledged.
    pub(super) fn acknowledge(&mut self, position: u64, frame: u32, clock: Timestamp) {
        self.acked = self.acked.max(position);
        self.note_progress(frame, clock);
    }

    /// Keeps `acked_beyond` true to `acked` and `next`: the age of the hole that is first now. A hole before a held
    /// piece is as old as that piece.
    pub(super) fn note_progress(&mut self, frame: u32, clock: Timestamp) {
        if self.acked <= self.next {
            self.acked_beyond = None;
        } else if let Some(first) = self.hold.first() {
            self.acked_beyond = Some((first.frame, first.since));
        } else if self.acked_beyond.is_none() {
            self.acked_beyond = Some((frame, clock));
        }
    }

    /// Remembers delivered bytes until they are acknowledged, so that another copy can be compared with them.
    pub(super) fn remember(&mut self, start: u64, bytes: &[u8]) {
        let end = self.history_start + self.history.len() as u64;
        if end != start || self.acked >= end || self.history.len() + bytes.len() > HISTORY_BYTES_MAX {
            self.history.clear();
            self.history_start = start;
        }
        if bytes.len() <= HISTORY_BYTES_MAX {
            if self.history.capacity() == 0 && bytes.len() > HISTORY_BYTES_KEPT {
                // what follows before it is acknowledged finds room at once
                self.history.reserve_exact((HISTORY_PACKETS * bytes.len()).min(HISTORY_BYTES_MAX));
            }
            self.history.extend_from_slice(bytes);
        } else {
            self.history_start = start + bytes.len() as u64;
        }
    }

    /// Whether bytes that come again differ from their first copy, as far as that is still remembered. Nobody takes
    /// another copy of what was acknowledged; the garbage byte of a keep-alive probe stands there
    /// (RFC 9293 §3.8.4).
    pub(super) fn differs_from_history(&self, start: u64, bytes: &[u8]) -> bool {
        let acked = self.acked.saturating_sub(start).min(bytes.len() as u64);
        let open = bytes.get(acked as usize..).unwrap_or_default();
        differs_at(self.history_start, &self.history, start + acked, open)
    }

    /// Gives the memory of delivered bytes back once all of them are acknowledged, if it is much.
    #[inline]
    pub(super) fn release(&mut self) {
        if self.acked >= self.next && self.history.capacity() > HISTORY_BYTES_KEPT {
            self.history = Vec::new();
        }
    }

    /// Gives memory back that an idle direction does not need.
    pub(super) fn forget(&mut self) {
        self.history = Vec::new();
    }

    /// Bytes of memory beside the struct itself.
    pub(super) fn memory(&self) -> usize {
        self.hold.memory() + self.history.capacity()
    }

    /// Starts at the lowest position seen: what came before is not in the capture.
    pub(super) fn settle(&mut self) {
        if self.state != State::Joining {
            return;
        }
        self.state = State::Open;
        let held = self.hold.first().map(|piece| piece.start);
        self.next = held.into_iter().chain(self.fin).fold(self.next, u64::min);
    }

    /// Takes the next piece if it is its turn and its cause was told: what its packet acknowledges lies before
    /// `cause`. What it repeats of delivered bytes is cut off and counted.
    pub(super) fn take_ready(&mut self, cause: Option<u64>, duplicate: &mut u64) -> Option<Piece> {
        let first = self.hold.first()?;
        let caused = first.ack.zip(cause).is_none_or(|(ack, cause)| ack <= cause);
        if self.state != State::Open || first.start > self.next || !caused {
            return None;
        }
        let mut piece = self.hold.take_first()?;
        *duplicate += piece.trim_front(self.next);
        Some(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_numbers_are_widened_across_the_wrap() {
        let mut stream = Stream::default();
        stream.place(0xFFFF_FF00, State::Open);
        let start = stream.next;
        assert_eq!(stream.position(0x10), Some(start + 0x110));
        assert_eq!(stream.position(0xFFFF_FE00), Some(start - 0x100));
        assert_eq!(stream.position(0x7000_0000), None);
    }

    #[test]
    fn a_copy_is_compared_until_it_is_acknowledged() {
        let mut stream = Stream::default();
        stream.place(0, State::Open);
        let start = stream.next;
        stream.remember(start, b"GET /a");
        assert!(!stream.differs_from_history(start + 4, b"/a"));
        assert!(stream.differs_from_history(start + 4, b"/b"));
        stream.acked = start + 6;
        stream.remember(start + 6, b"more");
        assert!(
            !stream.differs_from_history(start + 4, b"/b"),
            "what was acknowledged can't be replaced any more"
        );
    }
}
