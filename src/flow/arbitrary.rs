//! The entry of the fuzz target and of the stored inputs: any bytes as segments of a few flows in one table.

use std::net::{Ipv4Addr, SocketAddr};

use super::table::{Host, Table};
use super::{Chunk, Counters, EndReason, Stamp};
use crate::time::Timestamp;
use crate::wire::{Direction, FlowKey, Segment, TcpFlags, Transport};

/// So little that a hold or a few flows reach it.
const MEMORY_MAX: usize = 64 << 10;
/// Longer than any payload that a record asks for.
const PATTERN_BYTES: usize = 1 << 13;

/// Reads any bytes as a row of segments and pushes them. What is told is in order and without holes that nobody
/// mentions, and every byte is in the books.
///
/// ```text
/// | flow, direction, how far | flags | seq: 2 bytes, LE | ack: 2 bytes, LE | payload in units of 16 | time step |
/// ```
///
/// # Panics
/// If one of these promises is broken.
#[must_use]
pub fn read_arbitrary(mut input: &[u8]) -> Counters {
    let pattern: Vec<u8> = (0..PATTERN_BYTES).map(|at| (at * 7 + at / 251) as u8).collect();
    let mut table: Table<Told> = Table::new(MEMORY_MAX);
    let mut books = Books::default();
    let mut clock = Timestamp::from_nanos(1_000_000_000);
    while let Some((record, rest)) = input.split_first_chunk::<8>() {
        input = rest;
        let step = record[7];
        let time = Timestamp::from_nanos(clock.as_nanos() - u64::from(step & 0x80) * 1_000);
        clock = clock.plus((1_u64 << (step & 0x3f).min(44)) - 1);
        if step & 0x40 != 0 {
            table.advance(&mut books, clock);
        }
        let segment = segment(record, &pattern);
        let hash = segment.flow.hash(1);
        table.push(&mut books, hash, Stamp { time, clock }, &segment);
    }
    table.finish(&mut books, clock);
    assert!(table.is_empty() && table.memory() == 0, "a finished table holds nothing");
    assert_eq!(books.delivered, table.counters.bytes_delivered, "what is told is what is counted");
    assert_eq!(books.opened, books.closed, "each flow ends once");
    assert!(table.counters.balances(), "{:?}", table.counters);
    table.counters
}

fn segment<'a>(record: &[u8; 8], pattern: &'a [u8]) -> Segment<'a> {
    let [who, flags, seq_low, seq_high, ack_low, ack_high, len, _] = *record;
    let host = |last: u8, port: u16| SocketAddr::from((Ipv4Addr::new(10, 0, 0, last), port));
    let (client, server) = (host(1, 40_000 + u16::from(who & 3)), host(2, 80));
    let (from, to) = if who & 4 == 0 { (client, server) } else { (server, client) };
    let (flow, direction) = FlowKey::new(from, to, None);
    // near positions wrap around the end of the sequence numbers; far ones are out of every window
    let number = |low: u8, high: u8, far: bool| {
        let near = u32::from(u16::from_le_bytes([low, high]));
        if far { near << 16 } else { near.wrapping_sub(0x4000) }
    };
    let seq = number(seq_low, seq_high, who & 8 != 0);
    let length = usize::from(len) * 16;
    let at = (seq as usize % 4096 + usize::from(who >> 7)) % (PATTERN_BYTES - 4096);
    Segment {
        flow,
        direction,
        seq,
        ack: number(ack_low, ack_high, who & 16 != 0),
        flags: TcpFlags(flags),
        payload: pattern.get(at..at + length).unwrap_or_default(),
        missing: if who & 32 != 0 { 100 } else { 0 },
        reassembled: false,
        transport: Transport::Tcp,
    }
}

/// What one flow told.
#[derive(Debug, Default)]
struct Told {
    next: [Option<u64>; 2],
    ended: [bool; 2],
    closed: bool,
}

#[derive(Debug, Default)]
struct Books {
    delivered: u64,
    opened: u64,
    closed: u64,
}

impl Host for Books {
    type Beside = Told;

    fn open(&mut self, _: &FlowKey, _: Stamp, _: &Segment<'_>) -> Told {
        self.opened += 1;
        Told::default()
    }

    fn deadline(&mut self, _: Timestamp) {}

    fn segment(&mut self, _: &mut Told, _: Stamp, _: &Segment<'_>) {}

    fn chunk(&mut self, _: &FlowKey, told: &mut Told, direction: Direction, chunk: Chunk<'_>) {
        assert!(!told.closed, "nothing follows the end of a flow");
        let (Some(next), Some(ended)) =
            (told.next.get_mut(direction.index()), told.ended.get_mut(direction.index()))
        else {
            return;
        };
        assert!(!*ended || chunk == Chunk::Rewritten, "nothing follows the end of a direction");
        let mut go_on = |offset: u64, len: u64| {
            assert_eq!(*next, Some(offset), "each chunk begins where the one before it ended");
            *next = Some(offset + len);
        };
        match chunk {
            Chunk::Start(start) => assert_eq!(next.replace(start.offset), None, "a direction starts once"),
            Chunk::Data(data) => {
                assert!(!data.bytes.is_empty(), "data has bytes");
                go_on(data.offset, data.bytes.len() as u64);
                self.delivered += data.bytes.len() as u64;
            }
            Chunk::Gap(gap) => {
                assert!(gap.len > 0, "a gap has bytes");
                go_on(gap.offset, gap.len);
            }
            Chunk::Rewritten => {}
            Chunk::End(end) => {
                go_on(end.offset, 0);
                *ended = true;
            }
        }
    }

    fn close(&mut self, _: &FlowKey, told: &mut Told, _: EndReason, _: Timestamp) {
        assert!(!told.closed, "a flow is closed once");
        told.closed = true;
        self.closed += 1;
    }

    fn has_given_up(&self, told: &Told) -> bool {
        // far enough that some flows get there
        told.next[0].is_some_and(|next| next as u32 % 0x4000 > 0x3800)
    }

    fn memory(&self, _: &Told) -> usize {
        0
    }
}
