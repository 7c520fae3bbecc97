//! What waits for secrets or for the other direction: a journal of both directions, within a bound for each connection
//! and one for all of them, read through the same entry when it may go on.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::flow::{Chunk, Data};
use crate::wire::Direction;

/// The room for all connections of one worker.
#[derive(Debug, Default)]
pub struct Hold {
    bytes: AtomicUsize,
    bytes_max: usize,
    flow_bytes_max: usize,
}

impl Hold {
    /// Room for so many bytes, and for so many of one connection.
    #[must_use]
    pub fn new(bytes_max: usize, flow_bytes_max: usize) -> Self {
        Self { bytes: AtomicUsize::new(0), bytes_max, flow_bytes_max }
    }
}

/// The journal of one connection.
#[derive(Debug, Default)]
pub(super) struct Journal {
    entries: VecDeque<(Direction, Held)>,
    bytes: usize,
    hold: Option<Arc<Hold>>,
}

/// One chunk that waits.
#[derive(Debug)]
pub(super) enum Held {
    Data(Data<'static>, Vec<u8>),
    Other(Chunk<'static>),
}

impl Held {
    /// A copy of a chunk.
    pub(super) fn new(chunk: &Chunk<'_>) -> Self {
        match *chunk {
            Chunk::Data(data) => Self::of(&data, data.bytes),
            Chunk::Start(start) => Self::Other(Chunk::Start(start)),
            Chunk::Gap(gap) => Self::Other(Chunk::Gap(gap)),
            Chunk::Rewritten => Self::Other(Chunk::Rewritten),
            Chunk::End(end) => Self::Other(Chunk::End(end)),
        }
    }

    /// The last bytes of a chunk.
    pub(super) fn of(data: &Data<'_>, rest: &[u8]) -> Self {
        let before = (data.bytes.len() - rest.len()) as u64;
        let place = Data { offset: data.offset + before, bytes: &[], boundary: before == 0, ..*data };
        Self::Data(place, rest.to_vec())
    }

    pub(super) fn chunk(&self) -> Chunk<'_> {
        match self {
            Self::Data(place, bytes) => Chunk::Data(Data { bytes, ..*place }),
            Self::Other(chunk) => *chunk,
        }
    }

    fn cost(&self) -> usize {
        size_of::<(Direction, Self)>() + if let Self::Data(_, bytes) = self { bytes.len() } else { 0 }
    }
}

impl Journal {
    pub(super) const fn memory(&self) -> usize {
        self.bytes
    }

    /// Adds a chunk at the end. False: there is no room.
    pub(super) fn push(&mut self, direction: Direction, held: Held, hold: &Arc<Hold>) -> bool {
        let cost = held.cost();
        let all = hold.bytes.load(Ordering::Relaxed);
        if self.bytes + cost > hold.flow_bytes_max || all + cost > hold.bytes_max {
            return false;
        }
        hold.bytes.fetch_add(cost, Ordering::Relaxed);
        self.hold.get_or_insert_with(|| Arc::clone(hold));
        self.bytes += cost;
        self.entries.push_back((direction, held));
        true
    }

    pub(super) fn pop(&mut self) -> Option<(Direction, Held)> {
        let (direction, held) = self.entries.pop_front()?;
        self.release(held.cost());
        Some((direction, held))
    }

    /// Puts chunks back in front.
    pub(super) fn put_back(&mut self, before: VecDeque<(Direction, Held)>) {
        let cost: usize = before.iter().map(|(_, held)| held.cost()).sum();
        if let Some(hold) = &self.hold {
            hold.bytes.fetch_add(cost, Ordering::Relaxed);
        }
        self.bytes += cost;
        let behind = std::mem::replace(&mut self.entries, before);
        self.entries.extend(behind);
    }

    fn release(&mut self, bytes: usize) {
        self.bytes -= bytes;
        if let Some(hold) = &self.hold {
            hold.bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.release(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    fn held(bytes: usize) -> Held {
        let place = Data { offset: 0, bytes: &[], time: Timestamp::ZERO, ack: None, boundary: true };
        Held::Data(place, vec![0; bytes])
    }

    #[test]
    fn a_connection_and_all_together_have_a_bound_and_give_their_room_back() {
        let hold = Arc::new(Hold::new(2_500, 1_000));
        let push = |journal: &mut Journal| journal.push(Direction::Up, held(700), &hold);
        let mut journals: Vec<Journal> = (0..4).map(|_| Journal::default()).collect();
        // one of 700 bytes and what it costs beside; a second one of a connection is too many, and so is a fourth
        let pushed: Vec<bool> = journals.iter_mut().map(push).collect();
        assert_eq!(pushed, [true, true, true, false]);
        assert!(!push(&mut journals[0]));
        assert!(journals[0].pop().is_some() && push(&mut journals[3]));
        journals.clear();
        assert_eq!(hold.bytes.load(Ordering::Relaxed), 0);
    }
}
