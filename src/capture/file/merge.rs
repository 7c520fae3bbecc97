//! The order of several inputs: which one has the next frame.
//!
//! Each input has a *rank*: its place by the time of its first packet, then by the order in which it was named. The
//! next frame is the one with the lowest (time, rank) among the inputs' current heads. So:
//!
//! - The frames of one input keep the order in which they lie, whatever their times.
//! - Consecutive pieces of one capture come out as the whole, in whatever order they are named, as long as no frame
//!   of a later piece is older than the frames of an earlier one: frames of equal time on both sides of a border are
//!   told apart by rank.
//! - If time steps back within a piece, nothing changes by that: a frame is due no later than a step back that
//!   lies behind it in its block (`Reader::due`), so that the later piece does not overtake.
//! - If time steps back exactly across a border, the two pieces overlap as those of two taps do, and nothing in the
//!   files tells which is meant. They are merged by time, so the few frames within the overlap change places.
//!
//! An input is opened when its first frame is due and closed at its end: only inputs that overlap in time are open
//! together.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};
use std::path::PathBuf;

use super::block::Located;
use super::reader::Reader;
use crate::time::Timestamp;

/// When a frame is due: time first, then rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) time: Timestamp,
    pub(super) rank: u32,
}

impl Key {
    /// Later than every frame.
    pub(super) const NEVER: Self = Self { time: Timestamp::MAX, rank: u32::MAX };
}

/// An input that has not begun.
pub(super) enum Pending {
    /// A file to open when it is due.
    Closed(PathBuf),
    /// A pipe, which can't be opened twice, with its first frame.
    Open(Box<Reader>, Option<Located>),
}

/// An input whose next frame waits.
pub(super) struct Waiting {
    pub(super) key: Key,
    pub(super) head: Located,
    pub(super) reader: Box<Reader>,
}

impl Ord for Waiting {
    /// The heap gives the greatest first: that is the one due first.
    fn cmp(&self, other: &Self) -> Ordering {
        other.key.cmp(&self.key)
    }
}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Waiting {}

/// All inputs but the one that is being read.
#[derive(Default)]
pub(super) struct Queue {
    pending: VecDeque<(Key, Pending)>,
    waiting: BinaryHeap<Waiting>,
}

/// What comes next.
pub(super) enum Next {
    /// An input begins.
    Begin(u32, Pending),
    /// The frame of an input that waited.
    Frame(Waiting),
}

impl Queue {
    /// Inputs by the time of their first frame; without one they come first, to be told of. Ranks follow.
    pub(super) fn new(mut inputs: Vec<(Timestamp, Pending)>) -> Self {
        inputs.sort_by_key(|(time, _)| *time);
        let ranked = (0..).zip(inputs).map(|(rank, (time, input))| (Key { time, rank }, input));
        Self { pending: ranked.collect(), waiting: BinaryHeap::new() }
    }

    /// Puts an input aside whose next frame is not due yet.
    pub(super) fn wait(&mut self, waiting: Waiting) {
        self.waiting.push(waiting);
    }

    /// Until when whoever is being read may go on.
    pub(super) fn bound(&self) -> Key {
        let pending = self.pending.front().map_or(Key::NEVER, |(key, _)| *key);
        let waiting = self.waiting.peek().map_or(Key::NEVER, |waiting| waiting.key);
        pending.min(waiting)
    }

    /// The input that is due next.
    pub(super) fn next(&mut self) -> Option<Next> {
        let begin = match (self.pending.front(), self.waiting.peek()) {
            (Some((pending, _)), Some(waiting)) => *pending < waiting.key,
            (pending, _) => pending.is_some(),
        };
        if begin {
            return self.pending.pop_front().map(|(key, input)| Next::Begin(key.rank, input));
        }
        self.waiting.pop().map(Next::Frame)
    }

    /// How many inputs are open here.
    pub(super) fn open(&self) -> usize {
        self.waiting.len()
    }

    /// Bytes that were read of the inputs here.
    pub(super) fn position_bytes(&self) -> u64 {
        let pending = self.pending.iter().map(|(_, input)| match input {
            Pending::Open(reader, _) => reader.position(),
            Pending::Closed(_) => 0,
        });
        pending.chain(self.waiting.iter().map(|waiting| waiting.reader.position())).sum()
    }
}
