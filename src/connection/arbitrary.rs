//! The entry of the fuzz target `h1` and of the stored inputs: any bytes as the chunks of one connection.

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr};

use super::Connection;
use crate::call::{Anomalies, Call, HeaderSpan, Protocol};
use crate::exchange::{Desk, Finished};
use crate::flow::{Chunk, Data, End, EndReason, Gap, GapCause, Stamp, Start};
use crate::limits::{BODY_INSPECTED_BYTES_MAX, HEAD_BYTES_MAX, PIPELINE_MAX, VERDICT_BYTES_MAX};
use crate::time::Timestamp;
use crate::wire::{Direction, FlowKey};

/// Both sides in the middle of the longest head, both waiting for a verdict, a full pipeline, a body each way.
const MEMORY_MAX: usize = 4 * HEAD_BYTES_MAX
    + 2 * VERDICT_BYTES_MAX
    + 2 * BODY_INSPECTED_BYTES_MAX
    + PIPELINE_MAX * (4096 + size_of::<usize>());

const ENDS: [EndReason; 6] = [
    EndReason::Fin,
    EndReason::Reset,
    EndReason::Replaced,
    EndReason::Expired,
    EndReason::Evicted,
    EndReason::InputEnded,
];

/// Reads any bytes as chunks of both directions, in any mixture, and tells how many calls they held. What is told of
/// each is consistent, no call is told twice, and none is left behind.
///
/// ```text
/// | how both directions begin | then: | what, direction, boundary, acknowledgement | length: 2 bytes, LE | bytes … |
/// ```
///
/// # Panics
/// If one of these promises is broken.
#[must_use]
pub fn read_arbitrary(input: &[u8]) -> u64 {
    let Some((&begin, mut rest)) = input.split_first() else { return 0 };
    let mut feed = Feed::new(begin);
    while let Some((&[what, low, high], behind)) = rest.split_first_chunk() {
        let wanted = u64::from(u16::from_le_bytes([low, high]));
        let direction = if what & 1 == 0 { Direction::Up } else { Direction::Down };
        let len = (wanted as usize).min(behind.len());
        rest = behind;
        match what >> 5 {
            0..=4 => {
                let (bytes, behind) = behind.split_at(len);
                rest = behind;
                feed.data(what, direction, bytes);
            }
            5 => feed.gap(direction, wanted + 1, GapCause::Lost),
            6 => feed.gap(direction, wanted + 1, GapCause::SnapLength),
            _ if what & 2 != 0 => feed.tell(direction, Chunk::Rewritten),
            _ => feed.end(direction, ENDS[usize::from(what >> 2) % ENDS.len()]),
        }
    }
    feed.finish()
}

/// Calls of messages are told in parts of so many nanoseconds; each piece of input takes a thousand.
const PART_NS: u64 = 20_000;

struct Feed {
    key: FlowKey,
    connection: Connection,
    desk: Desk,
    time: Timestamp,
    next: [u64; 2],
    ended: [bool; 2],
    ids: HashSet<u128>,
    told: u64,
    /// Bytes of messages of WebSocket.
    messages_bytes: u64,
}

impl Feed {
    fn new(begin: u8) -> Self {
        let host = |last: u8, port: u16| SocketAddr::from((Ipv4Addr::new(10, 0, 0, last), port));
        let (key, _) = FlowKey::new(host(1, 40_000), host(2, 80), None);
        let time = Timestamp::from_nanos(1_000_000_000);
        let mut feed = Self {
            key,
            connection: Connection::new(&key, 0, Stamp { time, clock: time }),
            desk: Desk::new(Some(|_, message| message.head_whole), PART_NS),
            time,
            next: [1 << 32; 2],
            ended: [false; 2],
            ids: HashSet::new(),
            told: 0,
            messages_bytes: 0,
        };
        for direction in [Direction::Up, Direction::Down] {
            let known = begin >> direction.index() & 1 == 0;
            let opener = (begin & 4 == 0).then_some(Direction::Up);
            let offset = feed.next[direction.index()];
            feed.tell(direction, Chunk::Start(Start { offset, known, opener }));
        }
        feed
    }

    fn data(&mut self, what: u8, direction: Direction, bytes: &[u8]) {
        let index = direction.index();
        if self.ended[index] || bytes.is_empty() {
            return;
        }
        let heard = self.next[1 - index];
        let ack = match what >> 2 & 3 {
            0 | 1 => Some(heard),
            2 => Some(heard.saturating_sub(bytes.len() as u64)),
            _ => None,
        };
        let (offset, time, boundary) = (self.next[index], self.time, what & 2 == 0);
        self.next[index] += bytes.len() as u64;
        self.tell(direction, Chunk::Data(Data { offset, bytes, time, ack, boundary }));
    }

    fn gap(&mut self, direction: Direction, len: u64, cause: GapCause) {
        let index = direction.index();
        if !self.ended[index] {
            let offset = self.next[index];
            self.next[index] += len;
            self.tell(direction, Chunk::Gap(Gap { offset, len, cause }));
        }
    }

    fn end(&mut self, direction: Direction, reason: EndReason) {
        let index = direction.index();
        if !self.ended[index] {
            self.ended[index] = true;
            let (offset, time) = (self.next[index], self.time);
            self.tell(direction, Chunk::End(End { offset, time, reason }));
        }
    }

    fn tell(&mut self, direction: Direction, chunk: Chunk<'_>) {
        self.time = self.time.plus(1_000);
        let Self { key, connection, desk, ids, told, messages_bytes, .. } = self;
        connection.chunk(key, desk, direction, chunk, &mut |finished| {
            *told += u64::from(finished.call.part.is_none_or(|part| part.is_last));
            *messages_bytes += check(&finished, ids);
        });
        assert!(self.connection.memory() <= MEMORY_MAX + self.bodies_max(), "{}", self.connection.memory());
    }

    /// What a pipeline of bodies may hold: no more than came.
    fn bodies_max(&self) -> usize {
        self.next.iter().map(|next| 2 * (next - (1 << 32)) as usize).sum()
    }

    fn finish(mut self) -> u64 {
        for direction in [Direction::Up, Direction::Down] {
            self.end(direction, EndReason::InputEnded);
        }
        let Self { key, connection, desk, ids, told, messages_bytes, .. } = &mut self;
        let record = connection.close(key, desk, EndReason::InputEnded, &mut |finished| {
            *told += u64::from(finished.call.part.is_none_or(|part| part.is_last));
            *messages_bytes += check(&finished, ids);
        });
        let passed: u64 = self.next.iter().map(|next| next - (1 << 32)).sum();
        assert!(self.messages_bytes <= passed, "no more is counted than went by");
        if let Some(record) = record {
            assert_eq!(record.calls, self.told, "the connection's books");
        }
        self.told
    }
}

/// What holds of every call, whatever came; the bytes of its messages.
fn check(finished: &Finished<'_>, ids: &mut HashSet<u128>) -> u64 {
    let call: &Call = finished.call;
    assert!(ids.insert(call.id), "a call is told once");
    let messages = [&call.request, &call.response].map(|message| message.messages.as_deref().copied());
    let bytes: u64 = messages.iter().flatten().map(|messages| messages.bytes).sum();
    if call.protocol == Protocol::WebSocket {
        assert!(call.method.is_none() && call.status.is_none() && call.response.seen);
        for messages in messages {
            let messages = messages.expect("both ends of a conversation are counted");
            let opcodes = messages.opcodes.expect("by kind");
            assert_eq!(messages.count, opcodes.text.count + opcodes.binary.count);
            assert!(messages.compressed <= messages.count);
            assert!(messages.bytes >= opcodes.text.bytes + opcodes.binary.bytes);
        }
        return bytes;
    }
    // in HTTP/2 data, trailers or an interim answer tell that there was a call, though both heads may be missing
    let headless = call.stream_id.is_some() && !call.causes.is_empty();
    assert!(call.request.seen || call.response.seen || headless, "something of a call was seen: {call:?}");
    let simple = call.protocol == Protocol::Http09;
    // in HTTP/2 it may hang on an entry that was not seen
    let unknown = call.stream_id.is_some() && call.response.seen && !call.causes.is_empty();
    assert!(call.status.is_some() == call.response.seen || simple || unknown, "a status: {call:?}");
    let inside = |span: crate::call::Span| span.start <= span.end && span.end as usize <= call.buffer.len();
    let mut known = call.headers.iter().filter(|header| **header != HeaderSpan::UNKNOWN);
    assert!(known.all(|header| inside(header.name) && inside(header.value)));
    assert!(call.method.into_iter().chain(call.target).all(inside));
    assert!(call.request.headers.end.max(call.response.headers.end) <= call.headers.len());
    if call.causes.is_empty() {
        let whole = call.request.seen && call.response.seen && call.duration_ns.is_some();
        let alone = call.response.seen && call.anomalies.has(Anomalies::UNSOLICITED_RESPONSE);
        assert!(whole || alone, "a complete call has all: {call:?}");
        for message in [&call.request, &call.response].into_iter().filter(|message| message.seen) {
            // an answer that nobody asked for may be to a HEAD: then nobody knows about its body
            assert!((message.head_whole || simple) && (message.body_bytes.is_some() || alone), "{call:?}");
        }
    }
    for (message, body) in [(&call.request, finished.request_body), (&call.response, finished.response_body)]
    {
        let Some(body) = body else { continue };
        assert_eq!(message.body_bytes, Some(body.len() as u64), "a body that is handed on is whole");
    }
    bytes
}
