//! The entry of the fuzz target and of the tests over mutated bytes.

use super::{Counters, Wire, link};
use crate::capture::{Frame, LinkType};
use crate::time::Timestamp;

/// Reads any bytes as a row of frames and pushes them: never panics, and the books of the answer balance.
///
/// ```text
/// | link type, as index | seconds since the last frame | original − captured | captured: 2 bytes, LE | bytes … |
/// ```
#[must_use]
pub fn read_arbitrary(mut input: &[u8]) -> Counters {
    const FRAGMENT_BYTES_MAX: usize = 64 << 10;
    let mut wire = Wire::new(FRAGMENT_BYTES_MAX);
    let mut clock = Timestamp::ZERO;
    while let Some((&[link, seconds, cut, low, high], rest)) = input.split_first_chunk() {
        let length = usize::from(u16::from_le_bytes([low, high])).min(rest.len());
        let (bytes, rest) = rest.split_at(length);
        input = rest;
        clock = clock.plus(u64::from(seconds) * 1_000_000_000);
        // One index beyond the known ones stands for a link type that isn't.
        let link = link::KNOWN.get(usize::from(link) % (link::KNOWN.len() + 1)).copied().unwrap_or(u32::MAX);
        let frame = Frame {
            time: clock,
            interface: 0,
            link: LinkType(link),
            original_len: length as u32 + u32::from(cut),
            bytes,
        };
        wire.push(clock, &frame, |segment| {
            debug_assert!(segment.payload.len() <= 65_535 || !segment.reassembled);
        });
    }
    *wire.counters()
}
