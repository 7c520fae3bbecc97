//! A large block of capture bytes, read once and shared with whoever needs its frames.
//!
//! A reader fills a block, hands out places in it, and moves on; workers hold it by `Arc` until their batch is
//! done. Blocks that nobody holds any more are filled again, so that a steady run allocates nothing.

use std::io::{ErrorKind, Read};
use std::sync::Arc;

use crate::capture::{Frame, LinkType};
use crate::limits;
use crate::time::Timestamp;

/// A large block of capture bytes.
#[derive(Debug, Default)]
pub struct Block {
    bytes: Vec<u8>,
    /// How many of `bytes` were read; those behind are free space, kept initialised.
    filled: usize,
}

impl Block {
    /// A block of bytes that do not come from a file as they lie: a datagram put together from fragments.
    #[must_use]
    pub fn from_vec(bytes: Vec<u8>) -> Self {
        let filled = bytes.len();
        Self { bytes, filled }
    }

    /// What was read.
    #[must_use]
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.filled).unwrap_or_default()
    }

    /// Starts anew with `tail` in front, with room for `size` bytes in all.
    pub(super) fn restart(&mut self, tail: &[u8], size: usize) {
        self.filled = 0;
        self.make_room(size.max(tail.len()));
        if let Some(front) = self.bytes.get_mut(..tail.len()) {
            front.copy_from_slice(tail);
        }
        self.filled = tail.len();
    }

    /// As [`Block::restart`], with this block's own bytes from `keep` on.
    pub(super) fn restart_in_place(&mut self, keep: usize, size: usize) {
        let keep = keep.min(self.filled);
        self.bytes.copy_within(keep..self.filled, 0);
        self.filled -= keep;
        self.make_room(size);
    }

    /// Grows to `size`, or shrinks to it after one long frame made the block larger than usual.
    fn make_room(&mut self, size: usize) {
        if self.bytes.len() < size {
            self.bytes.resize(size, 0);
        } else if self.bytes.len() > limits::BLOCK_BYTES {
            self.bytes.truncate(size.max(self.filled).max(limits::BLOCK_BYTES));
            self.bytes.shrink_to_fit();
        }
    }

    /// Reads until the block is full or the stream ends; `Ok(true)` says that it ended. A pipe is waited for, so
    /// that where blocks end depends on the bytes alone. An error leaves what was read before it.
    pub(super) fn fill(&mut self, stream: &mut (impl Read + ?Sized)) -> Result<bool, std::io::Error> {
        while let Some(space) = self.bytes.get_mut(self.filled..).filter(|space| !space.is_empty()) {
            let room = space.len();
            match stream.read(space) {
                Ok(0) => return Ok(true),
                Ok(read) => self.filled += read.min(room),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    fn room(&self) -> usize {
        self.bytes.len()
    }
}

/// A frame's place in its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Located {
    /// When it was captured.
    pub time: Timestamp,
    /// Which interface, counted from 0 within its section of its file: so that splitting a file shows nowhere.
    pub interface: u32,
    /// How to read its first header.
    pub link: LinkType,
    /// How long it was on the wire.
    pub original_len: u32,
    /// Where its captured bytes begin in the block.
    pub start: u32,
    /// How many bytes were captured.
    pub len: u32,
}

impl Located {
    /// The frame itself.
    #[must_use]
    #[inline]
    pub fn frame<'a>(&self, block: &'a Block) -> Frame<'a> {
        let start = self.start as usize;
        let bytes = block.bytes().get(start..start + self.len as usize).unwrap_or_default();
        let Self { time, interface, link, original_len, .. } = *self;
        Frame { time, interface, link, original_len, bytes }
    }
}

/// Blocks that were handed out: those that came free are filled again.
#[derive(Debug, Default)]
pub(super) struct Pool {
    out: Vec<Arc<Block>>,
}

impl Pool {
    /// A block that nobody holds, with room for at least `size` bytes.
    pub(super) fn take(&mut self, size: usize) -> Block {
        let free = |block: &Arc<Block>| Arc::strong_count(block) == 1 && block.room() >= size;
        let found = self.out.iter().position(free);
        found.and_then(|index| Arc::into_inner(self.out.swap_remove(index))).unwrap_or_default()
    }

    /// Gives a block back that others may still hold.
    pub(super) fn put(&mut self, block: Arc<Block>) {
        let usual = (1..=limits::BLOCK_BYTES).contains(&block.room());
        if usual && self.out.len() < limits::BLOCKS_POOLED_MAX {
            self.out.push(block);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_comes_back_only_when_nobody_holds_it() {
        let mut pool = Pool::default();
        let mut block = pool.take(64);
        block.restart(b"ab", 64);
        let (shared, place) = (Arc::new(block), |pool: &Pool| pool.out.len());
        let held = shared.clone();
        pool.put(shared);
        assert_eq!((pool.take(64).room(), place(&pool)), (0, 1), "held: a new one");
        drop(held);
        assert_eq!((pool.take(65).room(), place(&pool)), (0, 1), "too small: a new one");
        assert_eq!((pool.take(64).room(), place(&pool)), (64, 0), "free: the same");
    }

    #[test]
    fn oversized_blocks_are_not_kept() {
        let mut pool = Pool::default();
        pool.put(Arc::new(Block::from_vec(vec![0; limits::BLOCK_BYTES + 1])));
        pool.put(Arc::new(Block::default()));
        assert!(pool.out.is_empty());
    }

    #[test]
    fn the_tail_moves_to_the_front() {
        let mut block = Block::from_vec(b"0123456789".to_vec());
        block.restart_in_place(7, 12);
        assert_eq!(block.bytes(), b"789");
        assert!(!block.fill(&mut &b"abcdefghijkl"[..]).unwrap());
        assert_eq!(block.bytes(), b"789abcdefghi");
        let mut other = Block::default();
        other.restart(&block.bytes()[10..], 4);
        assert!(other.fill(&mut &b"Z"[..]).unwrap());
        assert_eq!(other.bytes(), b"hiZ");
    }

    #[test]
    fn a_place_outside_the_block_is_an_empty_frame() {
        let block = Block::from_vec(vec![1, 2, 3]);
        let mut located = Located {
            time: Timestamp::ZERO,
            interface: 0,
            link: LinkType(1),
            original_len: 9,
            start: 1,
            len: 2,
        };
        assert_eq!(located.frame(&block).bytes, [2, 3]);
        located.len = 3;
        assert!(located.frame(&block).bytes.is_empty());
    }
}
