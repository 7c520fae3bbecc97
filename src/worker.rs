//! One worker end to end: it owns its flows from the segment to the finished JSON line.
//!
//! A worker runs to completion. It takes one batch of segments a round and answers with exactly one batch of
//! lines, perhaps empty, so that the merge never waits for a watermark. A flow on which the sensor itself fails is
//! lost and counted; the worker goes on.

mod bodies;
mod books;
mod datagrams;
#[cfg(test)]
mod tests;
mod undecrypted;
mod waiting;

use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::analysis::Observation;
use crate::call::{Call, Connection as Unparsed, Message, Protocol};
use crate::capture::file::Block;
use crate::connection::Connection;
use crate::credential::Fingerprinter;
use crate::exchange::{Desk, Finished};
use crate::flow::table::{Host, Table};
use crate::flow::{Chunk, EndReason, Stamp};
use crate::publish::Kind;
use crate::quic;
use crate::record::text::Hex;
use crate::record::{Memo, Writer};
use crate::time::Timestamp;
use crate::tls::{Hold, Keys};
use crate::wire::{Direction, FlowKey, Segment, TcpFlags, Transport};
use bodies::{body_facts, request_facts, wants_body};
use books::Failed;
use waiting::Waiting;

pub use books::{Counters, GivenUp};
pub use undecrypted::Undecrypted;

/// A segment on its way to the owner of its flow: plain values, and the place of its payload in a shared block.
#[derive(Clone, Copy, Debug)]
pub struct Packed {
    /// When its frame came.
    pub stamp: Stamp,
    /// Number of the frame in the whole input, from 1.
    pub ordinal: u64,
    /// Hash of the flow key.
    pub hash: u64,
    /// The flow.
    pub flow: FlowKey,
    /// Direction in it.
    pub direction: Direction,
    /// What carries the payload.
    pub transport: Transport,
    /// Flags.
    pub flags: TcpFlags,
    /// Index of the payload's block in the batch.
    pub block: u16,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number.
    pub ack: u32,
    /// Payload bytes that the snap length cut off.
    pub missing: u32,
    /// Interface of the capture.
    pub interface: u32,
    /// First byte of the payload in its block.
    pub start: u32,
    /// Length of the payload.
    pub len: u32,
}

impl Packed {
    /// A segment whose frame came at `stamp` as number `ordinal`; its payload is handed on beside it.
    #[inline]
    #[must_use]
    pub fn new(stamp: Stamp, ordinal: u64, hash: u64, interface: u32, segment: &Segment<'_>) -> Self {
        Self {
            stamp,
            ordinal,
            hash,
            flow: segment.flow,
            direction: segment.direction,
            transport: segment.transport,
            flags: segment.flags,
            block: 0,
            seq: segment.seq,
            ack: segment.ack,
            missing: segment.missing,
            interface,
            start: 0,
            len: segment.payload.len() as u32,
        }
    }
}

/// The segments of one round for one worker.
#[derive(Debug, Default)]
pub struct Segments {
    /// The blocks that the segments lie in.
    pub blocks: Vec<Arc<Block>>,
    /// The segments, in the order of their frames.
    pub segments: Vec<Packed>,
    /// Secrets that came in between, in their order.
    pub secrets: Vec<Given>,
    /// The capture clock at the end of the round.
    pub clock: Timestamp,
    /// The input ends with this round.
    pub last: bool,
}

/// Secrets of TLS, and where they stand among the frames.
#[derive(Clone, Debug)]
pub struct Given {
    /// Number of the frame that they follow.
    pub ordinal: u64,
    /// The capture clock there.
    pub clock: Timestamp,
    /// What they are.
    pub keys: Arc<Keys>,
}

/// Where a line stands among all lines: it is told when the capture clock stood there, at that frame (0: at a
/// deadline), for that flow, as its so-manieth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Emission {
    clock: Timestamp,
    ordinal: u64,
    flow: FlowKey,
    index: u32,
}

/// One finished line of a batch.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its place among all lines.
    pub emission: Emission,
    /// Call or connection.
    pub kind: Kind,
    /// Its id.
    pub id: u128,
    /// Time of the event.
    pub time: Timestamp,
    /// The key of its partition.
    pub key: Hex<16>,
    /// Its bytes in the batch, with the line break. Empty for a call that only the analysis asked for.
    pub range: Range<usize>,
    /// What the analysis sees of it, as an index into the batch.
    pub observation: Option<u32>,
}

/// What a worker answers to one round.
#[derive(Debug, Default)]
pub struct Lines {
    /// The text of all lines.
    pub text: Vec<u8>,
    /// Where each stands.
    pub lines: Vec<Line>,
    /// What the analysis sees.
    pub observations: Vec<Observation>,
    /// Sessions of TLS that other connections may resume.
    pub learned: Keys,
}

impl Lines {
    /// Puts the lines of a later batch behind these.
    pub fn append(&mut self, later: Self) {
        if self.lines.is_empty() {
            *self = later;
            return;
        }
        let (text, observations) = (self.text.len(), self.observations.len() as u32);
        self.text.extend_from_slice(&later.text);
        self.learned.merge(&later.learned);
        self.observations.extend(later.observations);
        self.lines.extend(later.lines.into_iter().map(|line| Line {
            range: line.range.start + text..line.range.end + text,
            observation: line.observation.map(|index| index + observations),
            ..line
        }));
    }

    /// Bytes that it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let observed: usize = self.observations.iter().map(Observation::bytes).sum();
        self.text.len() + self.lines.len() * size_of::<Line>() + observed
    }

    /// Empties it, keeping its memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.lines.clear();
        self.observations.clear();
    }
}

/// What a worker does besides: settings that are the same for all workers.
#[derive(Clone, Debug)]
pub struct Duties {
    /// Observations for the analysis are made, bodies inspected.
    pub analysis: bool,
    /// Calls are written. Else only the analysis sees them.
    pub calls: bool,
    /// Connection records are written.
    pub connections: bool,
    /// Memory budget of this worker, in bytes.
    pub memory_max: usize,
    /// How long a call lasts until it is told in parts, and how long each part is, in nanoseconds.
    pub part_ns: u64,
}

/// One worker.
pub struct Worker {
    table: Table<Beside>,
    quic: quic::Flows,
    office: Office,
}

/// What stands beside each flow.
pub struct Beside {
    connection: Connection,
    memo: Memo,
    /// The names under which it waits for secrets of TLS.
    waits: Vec<[u8; 32]>,
}

/// What decrypts.
#[derive(Clone, Debug, Default)]
struct Secrets {
    keys: Option<Arc<Keys>>,
    hold: Option<Arc<Hold>>,
    late: bool,
    /// The input has ended: none come any more.
    over: bool,
}

/// All of a worker but its flows.
struct Office {
    /// Away while a connection is told something, and made anew if that failed.
    desk: Option<Box<Desk>>,
    writer: Writer,
    fingerprinter: Fingerprinter,
    duties: Duties,
    lines: Lines,
    clock: Timestamp,
    ordinal: u64,
    interface: u32,
    index: u32,
    counters: Counters,
    given_up: BTreeMap<&'static str, GivenUp>,
    undecrypted: BTreeMap<Undecrypted, GivenUp>,
    secrets: Secrets,
    /// Of connections that had more names than are kept until their secret is known.
    session_names_evicted: u64,
    waiting: Waiting,
    /// Hash of the flow of the segment in hand.
    hash: u64,
    #[cfg(test)]
    fail_on: Option<(u16, Chunk<'static>)>,
}

impl Worker {
    /// A worker that writes with `writer`.
    #[must_use]
    pub fn new(writer: Writer, fingerprinter: Fingerprinter, duties: Duties) -> Self {
        Self {
            table: Table::new(duties.memory_max),
            quic: quic::Flows::default(),
            office: Office {
                desk: None,
                writer,
                fingerprinter,
                duties,
                lines: Lines::default(),
                clock: Timestamp::ZERO,
                ordinal: 0,
                interface: 0,
                index: 0,
                counters: Counters::default(),
                given_up: BTreeMap::new(),
                undecrypted: BTreeMap::new(),
                secrets: Secrets::default(),
                session_names_evicted: 0,
                waiting: Waiting::default(),
                hash: 0,
                #[cfg(test)]
                fail_on: None,
            },
        }
    }

    /// With secrets of TLS, and room for ciphertext that waits. `late`: more secrets may come.
    #[must_use]
    pub fn with_secrets(mut self, keys: Option<Arc<Keys>>, hold: Hold, late: bool) -> Self {
        self.office.secrets = Secrets { keys, hold: Some(Arc::new(hold)), late, over: false };
        self.office.desk = None;
        self
    }

    /// The segments of one round in, its lines out. `lines` is empty and lends its memory.
    pub fn round(&mut self, batch: &Segments, lines: Lines) -> Lines {
        self.office.lines = lines;
        let (mut next, mut given) = (0, batch.secrets.iter().peekable());
        while next < batch.segments.len() {
            let result = catch_unwind(AssertUnwindSafe(|| {
                while let Some(packed) = batch.segments.get(next) {
                    while let Some(secrets) = given.next_if(|secrets| secrets.ordinal < packed.ordinal) {
                        self.secrets(secrets);
                    }
                    next += 1;
                    let block = batch.blocks.get(packed.block as usize);
                    let range = packed.start as usize..packed.start as usize + packed.len as usize;
                    let payload = block.and_then(|block| block.bytes().get(range)).unwrap_or_default();
                    self.segment(packed, payload);
                }
            }));
            if result.is_err() {
                self.forget_failed(Failed::InHand);
            }
        }
        for secrets in given {
            self.secrets(secrets);
        }
        self.close_round(batch.clock, batch.last);
        let mut lines = std::mem::take(&mut self.office.lines);
        lines.learned = self.take_learned();
        lines
    }

    /// One segment.
    #[inline]
    pub fn segment(&mut self, packed: &Packed, payload: &[u8]) {
        let Packed { stamp, transport, flow, direction, seq, ack, flags, missing, .. } = *packed;
        let segment =
            Segment { transport, flow, direction, seq, ack, flags, payload, missing, reassembled: false };
        (self.office.ordinal, self.office.interface) = (packed.ordinal, packed.interface);
        if transport == Transport::Udp {
            return self.datagram(stamp, &segment);
        }
        self.office.hash = packed.hash;
        self.table.push(&mut self.office, packed.hash, stamp, &segment);
        self.bound_waiting();
    }

    /// One segment of a live capture: a flow on which the sensor fails is lost, no more.
    pub fn live_segment(&mut self, packed: &Packed, payload: &[u8]) {
        if catch_unwind(AssertUnwindSafe(|| self.segment(packed, payload))).is_err() {
            self.forget_failed(Failed::InHand);
        }
    }

    /// Deadlines of flows that no frame touched; at the end of the input, all that is still open.
    pub fn close_round(&mut self, clock: Timestamp, last: bool) {
        while catch_unwind(AssertUnwindSafe(|| self.table.advance(&mut self.office, clock))).is_err() {
            self.forget_failed(Failed::InHand);
        }
        self.close_waiting(clock);
        self.bound_waiting();
        self.close_datagrams(clock);
        if last {
            self.office.deadline(clock);
            self.office.ordinal = u64::MAX;
            while catch_unwind(AssertUnwindSafe(|| self.table.finish(&mut self.office, clock))).is_err() {
                self.forget_failed(Failed::InHand);
            }
            self.office.secrets.over = true;
            self.close_waiting(Timestamp::MAX);
            self.finish_datagrams(clock);
        }
    }

    /// Lines told since they were last taken, for a caller that feeds segments one by one.
    pub fn swap_lines(&mut self, lines: Lines) -> Lines {
        std::mem::replace(&mut self.office.lines, lines)
    }

    /// Stands for a mistake in the layers above: they fail on chunks of this kind (`Rewritten`: and
    /// on secrets) of that port's flow.
    #[cfg(test)]
    pub(crate) fn fail_on(&mut self, port: u16, chunk: Chunk<'static>) {
        self.office.fail_on = Some((port, chunk));
    }

    /// The memory budget was reached.
    #[must_use]
    pub const fn reached_budget(&self) -> bool {
        self.table.reached_budget()
    }

    /// Bytes that the flows take, of those that the budget bounds.
    #[cfg(test)]
    pub(crate) fn memory(&self) -> usize {
        self.table.memory() + self.office.waiting.memory()
    }

    /// Flows in the table.
    #[must_use]
    pub fn flows(&self) -> usize {
        self.table.len()
    }

    /// Captured bytes that wait for their turn in the flows; none at the end.
    #[must_use]
    pub fn held_bytes(&self) -> u64 {
        self.table.held_bytes()
    }

    /// Connections that were given up, by protocol.
    #[must_use]
    pub const fn given_up(&self) -> &BTreeMap<&'static str, GivenUp> {
        &self.office.given_up
    }

    /// TLS that was not decrypted.
    #[must_use]
    pub const fn undecrypted(&self) -> &BTreeMap<Undecrypted, GivenUp> {
        &self.office.undecrypted
    }

    /// Calls that were opened and have not ended.
    #[must_use]
    pub fn open_calls(&self) -> u64 {
        let flows: u64 = self.table.besides().map(|beside| beside.connection.open_calls()).sum();
        flows + self.office.waiting.open_calls()
    }

    /// Counts of calls and of streams.
    #[must_use]
    pub const fn counters(&self) -> (&Counters, &crate::flow::Counters) {
        (&self.office.counters, &self.table.counters)
    }
}

impl Office {
    /// Does something for which the desk is needed beside all else.
    #[inline]
    fn with_desk<R>(&mut self, work: impl FnOnce(&mut Self, &mut Desk) -> R) -> R {
        let mut desk = self.desk.take().unwrap_or_else(|| desk(&self.duties, &self.secrets));
        let done = work(self, &mut desk);
        self.counters.calls_opened += desk.take_opened();
        self.session_names_evicted += std::mem::take(&mut desk.tls.session_names_evicted);
        self.desk = Some(desk);
        done
    }

    /// Stands for a mistake in the layers above.
    #[cfg(test)]
    fn fail_if_asked(&self, key: &FlowKey, chunk: &Chunk<'_>) {
        let ports = [Direction::Up, Direction::Down].map(|direction| key.sender(direction).port());
        if let Some((port, at)) = self.fail_on
            && ports.contains(&port)
            && std::mem::discriminant(&at) == std::mem::discriminant(chunk)
        {
            panic!("asked for by a test");
        }
    }

    fn tell_call(&mut self, key: &FlowKey, memo: &mut Memo, finished: &mut Finished<'_>) {
        let call = &mut *finished.call;
        self.counters.call(call.causes, call.part);
        if !self.duties.calls && !self.duties.analysis {
            return;
        }
        if self.duties.analysis {
            let fingerprint = |bytes: &[u8]| self.fingerprinter.value(bytes);
            // what follows an upgrade has the heads of the call that asked for it, which told these facts
            if call.protocol != Protocol::WebSocket {
                call.request.facts = request_facts(call, finished.request_body, &fingerprint);
            }
            call.response.facts =
                finished.response_body.and_then(|body| body_facts(call, &call.response, body, &fingerprint));
        }
        let start = self.lines.text.len();
        // where no output takes calls nobody asks for the partition, nor for the text
        let partition = if self.duties.calls {
            let written = self.writer.call(&mut self.lines.text, call, memo);
            self.lines.text.push(b'\n');
            written.route
        } else {
            Hex::of_64((call.id >> 64) as u64)
        };
        let observation = self.duties.analysis.then(|| {
            self.lines.observations.push(self.writer.observation(call, memo));
            (self.lines.observations.len() - 1) as u32
        });
        let (id, time) = (call.id, call.time);
        self.tell_line(key, Kind::Call, id, time, partition, start, observation);
    }

    fn tell_connection(&mut self, key: &FlowKey, connection: &Unparsed) {
        self.counters.connections += 1;
        let bytes = connection.bytes.iter().sum();
        self.given_up.entry(connection.protocol).or_default().add(&GivenUp { connections: 1, bytes });
        Undecrypted::count(&mut self.undecrypted, connection);
        if !self.duties.connections {
            return;
        }
        let start = self.lines.text.len();
        self.writer.connection(&mut self.lines.text, connection);
        self.lines.text.push(b'\n');
        let partition = Hex::of_64((connection.id >> 64) as u64);
        self.tell_line(key, Kind::Connection, connection.id, connection.time, partition, start, None);
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of one line")]
    fn tell_line(
        &mut self,
        key: &FlowKey,
        kind: Kind,
        id: u128,
        time: Timestamp,
        partition: Hex<16>,
        start: usize,
        observation: Option<u32>,
    ) {
        self.counters.lines_told += 1;
        let emission = Emission { clock: self.clock, ordinal: self.ordinal, flow: *key, index: self.index };
        self.index = self.index.wrapping_add(1);
        let range = start..self.lines.text.len();
        self.lines.lines.push(Line { emission, kind, id, time, key: partition, range, observation });
    }
}

impl Host for Office {
    type Beside = Beside;

    fn open(&mut self, key: &FlowKey, stamp: Stamp, _: &Segment<'_>) -> Beside {
        Beside {
            connection: Connection::new(key, self.interface, stamp),
            memo: Memo::default(),
            waits: Vec::new(),
        }
    }

    fn deadline(&mut self, at: Timestamp) {
        (self.clock, self.ordinal, self.index) = (at, 0, 0);
    }

    #[inline]
    fn segment(&mut self, beside: &mut Beside, stamp: Stamp, segment: &Segment<'_>) {
        (self.clock, self.index) = (stamp.clock, 0);
        beside.connection.segment(stamp, segment);
    }

    #[inline]
    fn chunk(&mut self, key: &FlowKey, beside: &mut Beside, direction: Direction, chunk: Chunk<'_>) {
        let Beside { connection, memo, .. } = beside;
        self.with_desk(|office, desk| {
            #[cfg(test)]
            office.fail_if_asked(key, &chunk);
            connection.chunk(key, desk, direction, chunk, &mut |mut finished| {
                office.tell_call(key, memo, &mut finished);
            });
        });
        if beside.waits.is_empty() {
            self.note_waiting(key, beside);
        }
    }

    fn close(&mut self, key: &FlowKey, beside: &mut Beside, reason: EndReason, time: Timestamp) {
        if !self.keep_waiting(key, beside, reason, time) {
            self.finish(key, beside, reason);
        }
    }

    fn due(&self, beside: &Beside) -> Timestamp {
        beside.connection.due()
    }

    fn fire(&mut self, key: &FlowKey, beside: &mut Beside, at: Timestamp) {
        let Beside { connection, memo, .. } = beside;
        self.with_desk(|office, desk| {
            connection.tell_parts(desk, at, &mut |mut finished| office.tell_call(key, memo, &mut finished));
        });
    }

    fn has_given_up(&self, beside: &Beside) -> bool {
        beside.connection.has_given_up()
    }

    fn memory(&self, beside: &Beside) -> usize {
        // a name stands here, and with the flow's key in a map
        let waits = beside.waits.capacity() * (2 * size_of::<[u8; 32]>() + size_of::<(FlowKey, u64)>());
        beside.connection.memory() + beside.memo.memory() + waits
    }
}

fn desk(duties: &Duties, secrets: &Secrets) -> Box<Desk> {
    let wants_body = duties.analysis.then_some(wants_body as fn(&Call, &Message) -> bool);
    let mut desk = Box::new(Desk::new(wants_body, duties.part_ns));
    (desk.tls.keys, desk.tls.hold) = (secrets.keys.clone(), secrets.hold.clone());
    desk.tls.late = secrets.late;
    desk
}
