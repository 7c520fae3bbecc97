//! The entry of the fuzz target `tls` and of the stored inputs: any bytes as a key log and the chunks of one connection.

use std::sync::Arc;

use super::{Bench, Event, Hold, Keys, Tls};
use crate::flow::{Chunk, Data, End, EndReason, Gap, GapCause, Start};
use crate::limits::{
    HANDSHAKE_BYTES_MAX, RECORD_ENDS_MAX, TLS_HOLD_FLOW_BYTES_MAX, TLS_RECORD_BYTES_MAX, TRANSCRIPT_BYTES_MAX,
};
use crate::time::Timestamp;
use crate::wire::Direction;

/// What waits, a record and a message in hand each way, the ends of records, and what a chunk of this entry may add.
const MEMORY_MAX: usize = TLS_HOLD_FLOW_BYTES_MAX
    + 2 * (4 * TLS_RECORD_BYTES_MAX + 2 * HANDSHAKE_BYTES_MAX + 64 * RECORD_ENDS_MAX + (128 << 10))
    + 2 * TRANSCRIPT_BYTES_MAX
    + (64 << 10);

/// Reads any bytes as a connection, and tells how many bytes of plaintext it had. Positions never run back, nothing is told
/// before it was opened or behind an end, and memory is bounded.
///
/// ```text
/// | length of the key log: 2 bytes, LE | key log … | then: | what, direction | length: 2 bytes, LE | bytes … |
/// ```
///
/// # Panics
/// If one of these promises is broken.
#[must_use]
pub fn read_arbitrary(input: &[u8]) -> u64 {
    let Some((&[low, high], rest)) = input.split_first_chunk() else { return 0 };
    let length = usize::from(u16::from_le_bytes([low, high])).min(rest.len());
    let (log, mut rest) = rest.split_at(length);
    let mut keys = Keys::default();
    let _ = keys.take(log);
    let keys = Some(Arc::new(keys));
    let mut feed = Feed::new();
    while let Some((&[what, low, high], behind)) = rest.split_first_chunk() {
        let wanted = u64::from(u16::from_le_bytes([low, high]));
        let direction = if what & 1 == 0 { Direction::Up } else { Direction::Down };
        rest = behind;
        match what >> 5 {
            0..=4 => {
                let (bytes, behind) = behind.split_at((wanted as usize).min(behind.len()));
                rest = behind;
                feed.data(direction, bytes);
            }
            5 => feed.gap(direction, wanted + 1),
            6 => feed.give(keys.clone()),
            _ => feed.end(direction),
        }
    }
    feed.give(keys);
    feed.heard.bytes
}

struct Feed {
    tls: Tls,
    bench: Bench,
    next: [u64; 2],
    ended: [bool; 2],
    heard: Heard,
}

#[derive(Default)]
struct Heard {
    opened: bool,
    next: [u64; 2],
    ended: [bool; 2],
    bytes: u64,
}

impl Feed {
    fn new() -> Self {
        let hold = Some(Arc::new(Hold::new(TLS_HOLD_FLOW_BYTES_MAX, TLS_HOLD_FLOW_BYTES_MAX)));
        let mut feed = Self {
            tls: Tls::new(Direction::Up, None),
            bench: Bench { hold, late: true, ..Bench::default() },
            next: [1000, (1 << 32) - 10],
            ended: [false; 2],
            heard: Heard::default(),
        };
        for direction in [Direction::Up, Direction::Down] {
            let offset = feed.next[direction.index()];
            feed.push(direction, &Chunk::Start(Start { offset, known: true, opener: None }));
        }
        feed
    }

    fn data(&mut self, direction: Direction, bytes: &[u8]) {
        let index = direction.index();
        if self.ended[index] || bytes.is_empty() {
            return;
        }
        let offset = self.next[index];
        self.next[index] += bytes.len() as u64;
        let (time, ack) = (Timestamp::from_nanos(offset), Some(self.next[1 - index]));
        self.push(direction, &Chunk::Data(Data { offset, bytes, time, ack, boundary: true }));
    }

    fn gap(&mut self, direction: Direction, len: u64) {
        let index = direction.index();
        if !self.ended[index] {
            let offset = self.next[index];
            self.next[index] += len;
            self.push(direction, &Chunk::Gap(Gap { offset, len, cause: GapCause::Lost }));
        }
    }

    fn end(&mut self, direction: Direction) {
        let index = direction.index();
        if !std::mem::replace(&mut self.ended[index], true) {
            let (offset, time) = (self.next[index], Timestamp::ZERO);
            self.push(direction, &Chunk::End(End { offset, time, reason: EndReason::Fin }));
        }
    }

    fn give(&mut self, keys: Option<Arc<Keys>>) {
        let Self { tls, bench, heard, .. } = self;
        bench.keys = keys;
        tls.retry(bench, &mut |event| heard.hear(&event));
        self.check();
    }

    fn push(&mut self, direction: Direction, chunk: &Chunk<'_>) {
        let Self { tls, bench, heard, .. } = self;
        tls.push(direction, chunk, bench, &mut |event| heard.hear(&event));
        self.check();
    }

    fn check(&self) {
        let memory = self.tls.memory();
        assert!(memory <= MEMORY_MAX, "{memory} bytes");
        assert!(!self.tls.waits() || self.tls.reason().is_some(), "what waits has a reason");
    }
}

impl Heard {
    fn hear(&mut self, event: &Event<'_>) {
        let (direction, chunk) = match event {
            Event::Opened(_) => {
                assert!(!std::mem::replace(&mut self.opened, true), "opened twice");
                return;
            }
            Event::Chunk(direction, chunk) => (direction, chunk),
        };
        let index = direction.index();
        assert!(self.opened && !self.ended[index], "{chunk:?} at the wrong time");
        match *chunk {
            Chunk::Start(start) => self.next[index] = start.offset,
            Chunk::Data(data) => {
                assert!(data.offset >= self.next[index] && !data.bytes.is_empty(), "{data:?} runs back");
                self.next[index] = data.offset + data.bytes.len() as u64;
                self.bytes += data.bytes.len() as u64;
            }
            Chunk::Gap(gap) => {
                assert!(gap.offset >= self.next[index] && gap.len > 0, "{gap:?} runs back");
                self.next[index] = if gap.len == Gap::UNKNOWN { gap.offset } else { gap.offset + gap.len };
            }
            Chunk::Rewritten => {}
            Chunk::End(end) => {
                assert!(end.offset >= self.next[index], "{end:?} runs back");
                self.ended[index] = true;
            }
        }
    }
}
