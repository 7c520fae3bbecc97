//! Segment → Chunk: one TCP connection, both directions, each byte once and in order, holes said aloud.
//!
//! Bytes that come in order pass through without a copy. Delivery keeps **cause before effect** over both
//! directions: bytes whose packet acknowledges bytes of the other side that were not delivered yet wait until these
//! came or are given up, so that a request is always told before its answer, however the mirror mixed them.
//!
//! A hole becomes a [`Gap`] when the other side acknowledged past it *and* a number of further frames of the flow
//! or some time passed, when the hold is full, when it is old, or at the end. First copy of a byte wins.

mod arbitrary;
mod deliver;
mod hold;
mod stream;
pub mod table;
#[cfg(test)]
mod tests;

use crate::counters;
use crate::limits::RESET_WINDOW_BYTES;
use crate::time::Timestamp;
use crate::wire::{Direction, Segment, TcpFlags};
use hold::Piece;
use stream::{State, Stream};

pub use arbitrary::read_arbitrary;

/// What a segment changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// Nothing but an acknowledgement or a count: no chunk, no memory, no deadline.
    Nothing,
    /// Perhaps all of these.
    Something,
}

/// When a frame came: its own time and the capture clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// The frame's own time.
    pub time: Timestamp,
    /// Running maximum of the frame times: never runs back.
    pub clock: Timestamp,
}

/// What one direction of a connection says, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunk<'a> {
    /// The first chunk of a direction.
    Start(Start),
    /// The next bytes.
    Data(Data<'a>),
    /// Bytes that are not in the capture.
    Gap(Gap),
    /// A byte of this direction came once more, and was another one (the first one counts).
    Rewritten,
    /// Nothing more comes from this direction.
    End(End),
}

/// What is known of where a direction begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// Position of the first byte or of the first gap.
    pub offset: u64,
    /// It is the first byte of the connection; otherwise the capture began in its middle.
    pub known: bool,
    /// The direction of the end that opened the connection, if that was seen.
    pub opener: Option<Direction>,
}

/// Bytes of one segment, or the part of them that is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Data<'a> {
    /// Position in the stream; its lower 32 bits are the raw sequence number.
    pub offset: u64,
    /// The bytes.
    pub bytes: &'a [u8],
    /// When their packet came.
    pub time: Timestamp,
    /// Position of the other direction up to which their packet acknowledges.
    pub ack: Option<u64>,
    /// The first byte was the first of a segment: messages begin at such places.
    pub boundary: bool,
}

/// A hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Position of the first missing byte.
    pub offset: u64,
    /// How many are missing.
    pub len: u64,
    /// Why.
    pub cause: GapCause,
}

impl Gap {
    /// The length of a hole that nobody knows: one in the plaintext of TLS. It is longer than any stream.
    pub const UNKNOWN: u64 = 1 << 62;
}

/// Why bytes are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GapCause {
    /// Their packet is not in the capture.
    Lost,
    /// The snap length cut them off.
    SnapLength,
}

/// The end of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// Position behind the last byte.
    pub offset: u64,
    /// When it was known.
    pub time: Timestamp,
    /// Why.
    pub reason: EndReason,
}

/// Why a direction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// The sender said so.
    Fin,
    /// One side reset the connection.
    Reset,
    /// A new connection took the place between the same sockets.
    Replaced,
    /// Nothing came for too long.
    Expired,
    /// The memory budget needed the place.
    Evicted,
    /// The input ended.
    InputEnded,
}

counters! {
    /// What became of the bytes of all streams, and of the flows.
    pub struct Counters {
        /// Flows that were opened.
        flows,
        /// Flows whose beginning was not in the capture.
        flows_joined_midstream,
        /// Payload bytes that came.
        bytes_seen,
        /// Payload bytes that were handed on, in order.
        bytes_delivered,
        /// Payload bytes that had come before.
        bytes_duplicate,
        /// Payload bytes of flows that had been given up.
        bytes_discarded_given_up,
        /// Payload bytes behind the end of their stream.
        bytes_discarded_after_end,
        /// Payload bytes whose sequence number fits to nothing.
        bytes_discarded_out_of_window,
        /// Payload bytes before the place where the stream was joined.
        bytes_discarded_before_start,
        /// Payload bytes that a worker had in hand when it failed.
        bytes_discarded_failed,
        /// Holes that were given up.
        gaps,
        /// Bytes in them.
        gap_bytes,
        /// Bytes in them that the other side had acknowledged: lost before the tap.
        gap_bytes_acknowledged,
        /// Bytes that the snap length cut off.
        snaplen_bytes,
        /// Segments of which a byte differed from its first copy.
        segments_rewritten,
        /// Keep-alive probes (RFC 9293 §3.8.4).
        keepalives,
        /// RST segments that did not end anything.
        resets_ignored,
        /// Flows that ended with FIN in both directions.
        flows_closed,
        /// Flows that ended with RST.
        flows_reset,
        /// Flows that another one between the same sockets replaced.
        flows_replaced,
        /// Flows on which nothing came for too long.
        flows_expired,
        /// Flows that the memory budget needed the place of.
        flows_evicted,
        /// Flows that were open when the input ended.
        flows_open_at_end,
    }
}

impl Counters {
    /// Every byte that came is accounted for. True once nothing is held any more.
    #[must_use]
    pub const fn balances(&self) -> bool {
        self.bytes_seen == self.bytes_booked()
    }

    /// Bytes of which it is known what became of them.
    const fn bytes_booked(&self) -> u64 {
        let discarded = self.bytes_discarded_given_up
            + self.bytes_discarded_after_end
            + self.bytes_discarded_out_of_window
            + self.bytes_discarded_before_start
            + self.bytes_discarded_failed;
        self.bytes_delivered + self.bytes_duplicate + discarded
    }
}

/// Where a flow stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Open.
    Alive,
    /// A RST came; late bytes may still come.
    Closing(Closing),
    /// Both directions have ended.
    Over,
    /// Nobody listens any more: bytes are counted only.
    GivenUp,
}

/// A RST that was believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Closing {
    since: Timestamp,
    frame: u32,
    direction: Direction,
    seq: u32,
}

/// One connection.
#[derive(Debug)]
#[repr(C)]
pub struct Flow {
    frames: u32,
    phase: Phase,
    deadline: Timestamp,
    joined_at: Timestamp,
    opener: Option<Direction>,
    /// Its numbers begin with 0 at 0, which no host does: somebody wrote them.
    is_made_up: bool,
    streams: [Stream; 2],
}

impl Default for Flow {
    fn default() -> Self {
        Self {
            streams: [Stream::default(), Stream::default()],
            phase: Phase::Alive,
            frames: 0,
            joined_at: Timestamp::ZERO,
            deadline: Timestamp::MAX,
            opener: None,
            is_made_up: false,
        }
    }
}

impl Flow {
    /// One segment in, chunks of either direction out.
    #[inline]
    pub fn push(
        &mut self,
        stamp: Stamp,
        segment: &Segment<'_>,
        counters: &mut Counters,
        deliver: &mut impl FnMut(Direction, Chunk<'_>),
    ) -> Pushed {
        counters.bytes_seen += segment.payload.len() as u64;
        self.frames = self.frames.wrapping_add(1);
        if self.phase == Phase::GivenUp {
            counters.bytes_discarded_given_up += segment.payload.len() as u64;
            self.watch_end(segment);
            return if self.phase == Phase::GivenUp { Pushed::Nothing } else { Pushed::Something };
        }
        if !self.pass_in_order(stamp, segment, counters, deliver) {
            self.push_slowly(stamp, segment, counters, deliver);
        } else if segment.payload.is_empty() {
            return Pushed::Nothing;
        }
        Pushed::Something
    }

    /// The plain case, without a copy: an open flow, nothing waits, the next bytes, no flag but ACK and PSH.
    #[inline]
    fn pass_in_order(
        &mut self,
        stamp: Stamp,
        segment: &Segment<'_>,
        counters: &mut Counters,
        deliver: &mut impl FnMut(Direction, Chunk<'_>),
    ) -> bool {
        let plain = segment.flags.0 & !TcpFlags::PSH.0 == TcpFlags::ACK.0;
        if !plain || segment.missing > 0 || self.phase != Phase::Alive {
            return false;
        }
        let frame = self.frames;
        let (this, other) = self.pair(segment.direction);
        // an acknowledgement of 0 may be none, see `acknowledgement`
        let expected = this.in_order && this.next as u32 == segment.seq && segment.ack != 0;
        let causal = other.in_order && segment.ack.wrapping_sub(other.next as u32) as i32 <= 0;
        if !expected || !causal {
            return false;
        }
        let Some(ack) = other.position(segment.ack) else { return false };
        other.acked = other.acked.max(ack);
        other.release();
        this.last_frame = frame;
        let (offset, bytes) = (this.next, segment.payload);
        if bytes.is_empty() {
            return true;
        }
        this.remember(offset, bytes);
        this.next += bytes.len() as u64;
        counters.bytes_delivered += bytes.len() as u64;
        let data = Data { offset, bytes, time: stamp.time, ack: Some(ack), boundary: true };
        deliver(segment.direction, Chunk::Data(data));
        true
    }

    #[cold]
    fn push_slowly(
        &mut self,
        stamp: Stamp,
        segment: &Segment<'_>,
        counters: &mut Counters,
        deliver: &mut impl FnMut(Direction, Chunk<'_>),
    ) {
        if self.phase == Phase::Over {
            counters.bytes_discarded_after_end += segment.payload.len() as u64;
            return;
        }
        self.place_streams(stamp, segment, counters);
        self.take_acknowledgement(stamp, segment);
        if segment.flags.has(TcpFlags::RST) {
            counters.bytes_discarded_after_end += segment.payload.len() as u64;
            self.take_reset(stamp, segment, counters);
        } else {
            self.doubt_reset(segment, counters);
            if self.take_payload(stamp, segment, counters) {
                counters.segments_rewritten += 1;
                deliver(segment.direction, Chunk::Rewritten);
            }
        }
        self.deliver_ready(stamp, counters, deliver);
        self.set_deadline();
    }

    /// Captured bytes that wait for their turn.
    #[must_use]
    pub fn held_bytes(&self) -> u64 {
        self.streams.iter().map(|stream| stream.hold.bytes() as u64).sum()
    }

    fn stream(&self, direction: Direction) -> &Stream {
        let [up, down] = &self.streams;
        match direction {
            Direction::Up => up,
            Direction::Down => down,
        }
    }

    fn pair(&mut self, direction: Direction) -> (&mut Stream, &mut Stream) {
        let [up, down] = &mut self.streams;
        match direction {
            Direction::Up => (up, down),
            Direction::Down => (down, up),
        }
    }

    /// Learns where the streams begin.
    fn place_streams(&mut self, stamp: Stamp, segment: &Segment<'_>, counters: &mut Counters) {
        let first = self.streams.iter().all(|stream| stream.state == State::Unseen);
        self.is_made_up |= first
            && (segment.seq, segment.ack) == (0, 0)
            && !segment.flags.has(TcpFlags::SYN)
            && !segment.payload.is_empty();
        let made_up = self.is_made_up;
        let acknowledged = self.acknowledgement(segment);
        let (frame, mut forged_reset) = (self.frames, false);
        let closing = matches!(self.phase, Phase::Closing(closing) if closing.direction == segment.direction);
        let (this, other) = self.pair(segment.direction);
        // its own numbers count for more than what the other side makes of them
        let misplaced = this.last_frame == 0 && this.is_supposed() && this.position(segment.seq).is_none();
        this.last_frame = frame;
        let syn = segment.flags.has(TcpFlags::SYN);
        let answers = segment.flags.has(TcpFlags::ACK);
        let begin = segment.seq.wrapping_add(u32::from(syn));
        if syn && matches!(this.state, State::Unseen | State::Joining) {
            forged_reset = this.open(begin) && closing;
            this.note_progress(frame, stamp.clock);
        } else if this.state == State::Unseen || misplaced {
            // who makes a connection up begins with its first byte
            this.place(begin, if made_up { State::Open } else { State::Joining });
            this.from_start = made_up;
        }
        if let Some(acknowledged) = acknowledged
            && !segment.flags.has(TcpFlags::RST)
            && other.state == State::Unseen
        {
            other.place(acknowledged, if syn { State::Open } else { State::Joining });
            other.from_start = syn;
        }
        if forged_reset {
            self.phase = Phase::Alive;
            counters.resets_ignored += 1;
        }
        if syn && self.opener.is_none() {
            self.opener = Some(if answers { segment.direction.reverse() } else { segment.direction });
        }
        if first {
            self.joined_at = stamp.clock;
            counters.flows_joined_midstream += u64::from(!syn);
        }
    }

    /// What a segment acknowledges. Captures that are made up leave the number at 0, and then it says nothing.
    fn acknowledgement(&self, segment: &Segment<'_>) -> Option<u32> {
        let says = segment.flags.has(TcpFlags::ACK) && !(self.is_made_up && segment.ack == 0);
        says.then_some(segment.ack)
    }

    fn take_acknowledgement(&mut self, stamp: Stamp, segment: &Segment<'_>) {
        let Some(acknowledged) = self.acknowledgement(segment).filter(|_| !segment.flags.has(TcpFlags::RST))
        else {
            return;
        };
        let frame = self.frames;
        let (_, other) = self.pair(segment.direction);
        let Some(position) = other.position(acknowledged) else { return };
        other.acknowledge(position, frame, stamp.clock);
    }

    /// A RST ends both directions, but only if its number is near what the sender would send (RFC 9293 §3.5.3):
    /// a forged one must not blind the sensor.
    fn take_reset(&mut self, stamp: Stamp, segment: &Segment<'_>, counters: &mut Counters) {
        let (this, _) = self.pair(segment.direction);
        let near = match this.state {
            State::Unseen | State::Ended => true,
            State::Joining | State::Open => {
                (segment.seq.wrapping_sub(this.next as u32) as i32).unsigned_abs() <= RESET_WINDOW_BYTES
            }
        };
        if !near {
            counters.resets_ignored += 1;
        } else if self.phase == Phase::Alive {
            let (since, frame) = (stamp.clock, self.frames);
            self.phase =
                Phase::Closing(Closing { since, frame, direction: segment.direction, seq: segment.seq });
        }
    }

    /// Who goes on sending behind its own RST never sent it.
    fn doubt_reset(&mut self, segment: &Segment<'_>, counters: &mut Counters) {
        if let Phase::Closing(closing) = self.phase
            && closing.direction == segment.direction
            && !segment.payload.is_empty()
            && segment.seq.wrapping_sub(closing.seq) as i32 >= 0
        {
            self.phase = Phase::Alive;
            counters.resets_ignored += 1;
        }
    }

    /// Holds what is new; returns whether a byte that came before differs.
    fn take_payload(&mut self, stamp: Stamp, segment: &Segment<'_>, counters: &mut Counters) -> bool {
        let len = segment.payload.len() as u64;
        let (frame, acknowledged) = (self.frames, self.acknowledgement(segment));
        let (this, other) = self.pair(segment.direction);
        let syn = segment.flags.has(TcpFlags::SYN);
        let Some(start) = this.position(segment.seq.wrapping_add(u32::from(syn))) else {
            counters.bytes_discarded_out_of_window += len;
            return false;
        };
        let end = start + len + u64::from(segment.missing);
        if this.state == State::Ended || this.fin.is_some_and(|fin| start >= fin && len > 0) {
            let again = this.fin.is_some_and(|fin| end <= fin);
            *(if again { &mut counters.bytes_duplicate } else { &mut counters.bytes_discarded_after_end }) +=
                len;
            return false;
        }
        let joining = this.state == State::Joining;
        if segment.flags.has(TcpFlags::FIN) && this.fin.is_none() && (end >= this.next || joining) {
            (this.fin, this.fin_time) = (Some(end), stamp.time);
        }
        let ack = acknowledged.and_then(|number| other.position(number));
        let mut piece = Piece {
            start,
            bytes: Vec::new(),
            missing: segment.missing,
            time: stamp.time,
            ack,
            boundary: true,
            frame,
            since: stamp.clock,
        };
        let mut rewritten = false;
        if start < this.next && !joining {
            // a keep-alive probe repeats the byte before the next one (RFC 9293 §3.8.4)
            counters.keepalives += u64::from(len <= 1 && start + 1 == this.next);
            rewritten = this.differs_from_history(start, segment.payload);
        }
        if end > this.next || joining {
            piece.bytes.extend_from_slice(segment.payload);
            counters.bytes_duplicate += if joining { 0 } else { piece.trim_front(this.next) };
            let put = this.hold.put(piece);
            counters.bytes_duplicate += put.duplicate;
            rewritten |= put.rewritten;
        } else {
            counters.bytes_duplicate += len;
        }
        rewritten
    }
}
