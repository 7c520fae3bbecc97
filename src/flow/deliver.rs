//! What of a flow may be told now: bytes in their turn, holes that are given up, ends.

use super::stream::State;
use super::{Chunk, Counters, Data, End, EndReason, Flow, Gap, GapCause, Phase, Stamp, Start};
use crate::limits::{CLOSING_NS, GAP_FRAMES, GAP_NS, HOLD_BYTES_MAX, HOLE_NS_MAX, JOIN_FRAMES, JOIN_NS};
use crate::time::Timestamp;
use crate::wire::{Direction, Segment, TcpFlags};

const BOTH: [Direction; 2] = [Direction::Up, Direction::Down];

/// Whether a hole may still be filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Patience {
    /// As the limits say.
    Usual,
    /// The flow ends: everything that is held is told now.
    None,
}

impl Flow {
    /// When something is due although no frame comes; [`Timestamp::MAX`] if nothing is.
    #[must_use]
    #[inline]
    pub fn deadline(&self) -> Timestamp {
        self.deadline
    }

    /// Both directions have ended.
    #[must_use]
    #[inline]
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// Nobody listens any more.
    #[must_use]
    pub fn is_given_up(&self) -> bool {
        self.phase == Phase::GivenUp
    }

    /// Bytes of memory beside the struct itself.
    #[must_use]
    #[inline]
    pub fn memory(&self) -> usize {
        let [up, down] = &self.streams;
        up.memory() + down.memory()
    }

    /// A SYN that belongs to another connection than the one that is known: the ports are used again.
    #[must_use]
    pub fn is_replaced_by(&self, segment: &Segment<'_>) -> bool {
        if !segment.flags.has(TcpFlags::SYN) || segment.flags.has(TcpFlags::RST) {
            return false;
        }
        let stream = self.stream(segment.direction);
        let known = match (stream.syn, stream.state) {
            (Some(syn), _) => Some(syn as u32),
            (None, State::Unseen | State::Joining) => None,
            (None, State::Open | State::Ended) => stream.first.map(|first| (first as u32).wrapping_sub(1)),
        };
        let acknowledges = segment.flags.has(TcpFlags::ACK);
        // who only opens now never closed what was not open: that end was forged, the connection begins here
        let ended_unopened = stream.state == State::Ended
            && stream.syn.is_none()
            && stream.first.is_some_and(|first| first + 1 == stream.next);
        ended_unopened
            || known.is_some_and(|known| known != segment.seq)
            || (self.phase == Phase::Over && !acknowledges && known.is_none())
    }

    /// Nobody listens any more: what is held is dropped, what comes is counted only.
    pub fn give_up(&mut self, counters: &mut Counters) {
        for stream in &mut self.streams {
            counters.bytes_discarded_given_up += stream.hold.clear();
            stream.forget();
        }
        if self.phase != Phase::Over {
            self.phase = Phase::GivenUp;
        }
        self.deadline = Timestamp::MAX;
    }

    /// Gives the memory of delivered bytes back: nobody compares with them any more.
    pub fn forget(&mut self) {
        for stream in &mut self.streams {
            stream.forget();
        }
    }

    /// Fires what is due at `clock`.
    pub fn fire(
        &mut self,
        clock: Timestamp,
        counters: &mut Counters,
        deliver: &mut impl FnMut(Direction, Chunk<'_>),
    ) {
        let stamp = Stamp { time: clock, clock };
        self.deliver_ready(stamp, counters, deliver);
        self.set_deadline();
        if self.deadline <= clock {
            // what fired must be over, or it would fire for ever
            self.drain(Patience::None, stamp, counters, deliver);
            self.set_deadline();
        }
    }

    /// Tells everything that is held, then the end.
    pub fn finish(
        &mut self,
        reason: EndReason,
        time: Timestamp,
        counters: &mut Counters,
        deliver: &mut impl FnMut(Direction, Chunk<'_>),
    ) {
        match (self.phase, reason) {
            (Phase::Over, _) => return,
            (Phase::Closing(_), _) | (_, EndReason::Reset) => counters.flows_reset += 1,
            (_, EndReason::Fin) => counters.flows_closed += 1,
            (_, EndReason::Replaced) => counters.flows_replaced += 1,
            (_, EndReason::Expired) => counters.flows_expired += 1,
            (_, EndReason::Evicted) => counters.flows_evicted += 1,
            (_, EndReason::InputEnded) => counters.flows_open_at_end += 1,
        }
        let reason = if matches!(self.phase, Phase::Closing(_)) { EndReason::Reset } else { reason };
        if self.phase != Phase::GivenUp {
            self.settle();
            self.drain(Patience::None, Stamp { time, clock: time }, counters, deliver);
            for direction in BOTH {
                self.end_stream(direction, time, reason, counters, deliver);
            }
        }
        self.phase = Phase::Over;
        self.deadline = Timestamp::MAX;
    }

    /// A flow that was given up still ends.
    pub(super) fn watch_end(&mut self, segment: &Segment<'_>) {
        if segment.flags.has(TcpFlags::RST) {
            self.phase = Phase::Over;
        } else if segment.flags.has(TcpFlags::FIN) {
            self.pair(segment.direction).0.state = State::Ended;
            if self.streams.iter().all(|stream| stream.state == State::Ended) {
                self.phase = Phase::Over;
            }
        }
    }

    pub(super) fn deliver_ready(
        &mut self,
        stamp: Stamp,
        counters: &mut Counters,
        deliver: &mut impl FnMut(Direction, Chunk<'_>),
    ) {
        if self.frames >= JOIN_FRAMES || stamp.clock >= self.joined_at.plus(JOIN_NS) {
            self.settle();
        }
        self.drain(Patience::Usual, stamp, counters, deliver);
        if let Phase::Closing(closing) = self.phase
            && (stamp.clock >= closing.since.plus(CLOSING_NS)
                || self.frames.wrapping_sub(closing.frame) >= GAP_FRAMES)
        {
            self.finish(EndReason::Reset, stamp.clock, counters, deliver);
        }
    }

    fn settle(&mut self) {
        for stream in &mut self.streams {
            stream.settle();
        }
    }

    /// Tells what is ready, again and again: what one direction tells lets the other one go on.
    fn drain(
        &mut self,
        patience: Patience,
        stamp: Stamp,
        counters: &mut Counters,
        deliver: &mut impl FnMut(Direction, Chunk<'_>),
    ) {
        loop {
            let mut progress = false;
            for direction in BOTH {
                progress |= self.deliver_pieces(direction, stamp, counters, deliver);
                progress |= self.deliver_fin(direction, counters, deliver);
            }
            if progress {
                continue;
            }
            let due = BOTH.into_iter().find_map(|d| Some((d, self.due_gap(d, patience, stamp)?)));
            if let Some((direction, end)) = due {
                self.tell_gap(direction, end, stamp, counters, deliver);
            } else if !self.break_circle(patience, stamp, counters, deliver) {
                break;
            }
        }
        if self.phase == Phase::Alive && self.streams.iter().all(|stream| stream.state == State::Ended) {
            self.phase = Phase::Over;
            counters.flows_closed += 1;
            self.streams.iter_mut().for_each(super::stream::Stream::forget);
        }
    }

    /// Up to which position of the other direction causes were told; `None` where there is nothing to wait for.
    fn told_cause(&self, direction: Direction) -> Option<u64> {
        let other = self.stream(direction.reverse());
        match other.state {
            State::Unseen | State::Ended => None,
            State::Joining | State::Open => Some(other.next),
        }
    }

    fn deliver_pieces(
        &mut self,
        direction: Direction,
        stamp: Stamp,
        counters: &mut Counters,
        deliver: &mut impl FnMut(Direction, Chunk<'_>),
    ) -> bool {
        let mut progress = false;
        loop {
            let cause = self.told_cause(direction);
            let (this, _) = self.pair(direction);
            let Some(piece) = this.take_ready(cause, &mut counters.bytes_duplicate) else { return progress };
            self.tell_piece(direction, &piece, counters, deliver);
            let frame = self.frames;
            self.pair(direction).0.note_progress(frame, stamp.clock);
            progress = true;
        }
    }

    fn tell_piece(
        &mut self,
        direction: Direction,
        piece: &super::hold::Piece,
        counters: &mut Counters,
        deliver: &mut impl FnMut(Direction, Chunk<'_>),
    ) {
        self.tell_start(direction, deliver);
        let (this, _) = self.pair(direction);
        let offset = this.next;
        this.next = offset.max(piece.end());
        if !piece.bytes.is_empty() {
            this.remember(offset, &piece.bytes);
            counters.bytes_delivered += piece.bytes.len() as u64;
            let (bytes, time, ack) = (&piece.bytes[..], piece.time, piece.ack);
            deliver(direction, Chunk::Data(Data { offset, bytes, time, ack, boundary: piece.boundary }));
        }
        if piece.missing > 0 {
            counters.snaplen_bytes += u64::from(piece.missing);
            let (offset, len) = (offset + piece.bytes.len() as u64, u64::from(piece.missing));
            deliver(direction, Chunk::Gap(Gap { offset, len, cause: GapCause::SnapLength }));
        }
    }

    /// The first chunk of a direction says what is known of its beginning.
    fn tell_start(&mut self, direction: Direction, deliver: &mut impl FnMut(Direction, Chunk<'_>)) {
        let opener = self.opener;
        let (this, _) = self.pair(direction);
        if this.first.is_none() {
            let offset = this.next;
            this.first = Some(offset);
            deliver(direction, Chunk::Start(Start { offset, known: this.from_start, opener }));
        }
    }

    fn deliver_fin(
        &mut self,
        direction: Direction,
        counters: &mut Counters,
        deliver: &mut impl FnMut(Direction, Chunk<'_>),
    ) -> bool {
        let (this, _) = self.pair(direction);
        if this.state != State::Open || this.fin != Some(this.next) {
            return false;
        }
        let time = this.fin_time;
        self.end_stream(direction, time, EndReason::Fin, counters, deliver);
        true
    }

    fn end_stream(
        &mut self,
        direction: Direction,
        time: Timestamp,
        reason: EndReason,
        counters: &mut Counters,
        deliver: &mut impl FnMut(Direction, Chunk<'_>),
    ) {
        let (this, _) = self.pair(direction);
        if this.state == State::Ended {
            return;
        }
        counters.bytes_discarded_after_end += this.hold.clear();
        self.tell_start(direction, deliver);
        let (this, _) = self.pair(direction);
        this.state = State::Ended;
        let offset = this.next;
        this.next += 1;
        deliver(direction, Chunk::End(End { offset, time, reason }));
    }

    /// The end of the hole of this direction, if it is to be given up now.
    fn due_gap(&self, direction: Direction, patience: Patience, stamp: Stamp) -> Option<u64> {
        let (this, other) = (self.stream(direction), self.stream(direction.reverse()));
        let end = this.hole_end()?;
        let full = this.hold.memory().max(other.hold.memory()) > HOLD_BYTES_MAX;
        let acked = this.acked_beyond.is_some_and(|(frame, since)| {
            self.frames.wrapping_sub(frame) >= GAP_FRAMES || stamp.clock >= since.plus(GAP_NS)
        });
        let old = this.hold.first().is_some_and(|piece| stamp.clock >= piece.since.plus(HOLE_NS_MAX));
        let vain = this.acked_beyond.is_some() && this.has_vanished();
        (patience == Patience::None || full || acked || vain || old).then_some(end)
    }

    fn tell_gap(
        &mut self,
        direction: Direction,
        end: u64,
        stamp: Stamp,
        counters: &mut Counters,
        deliver: &mut impl FnMut(Direction, Chunk<'_>),
    ) {
        let frame = self.frames;
        self.tell_start(direction, deliver);
        let (this, _) = self.pair(direction);
        let (offset, len) = (this.next, end - this.next);
        counters.gaps += 1;
        counters.gap_bytes += len;
        counters.gap_bytes_acknowledged += this.acked.min(end).saturating_sub(offset);
        (this.next, this.gap_frame) = (end, Some(frame));
        this.note_progress(frame, stamp.clock);
        deliver(direction, Chunk::Gap(Gap { offset, len, cause: GapCause::Lost }));
    }

    /// Two pieces that name each other as their cause: no honest pair of hosts sends that. The older one goes first.
    fn break_circle(
        &mut self,
        patience: Patience,
        stamp: Stamp,
        counters: &mut Counters,
        deliver: &mut impl FnMut(Direction, Chunk<'_>),
    ) -> bool {
        if self.streams.iter().any(|stream| stream.hole_end().is_some()) {
            return false;
        }
        let waits = |direction: &Direction| {
            let first = self.stream(*direction).hold.first()?;
            let due = patience == Patience::None
                || self.frames.wrapping_sub(first.frame) >= GAP_FRAMES
                || stamp.clock >= first.since.plus(HOLE_NS_MAX);
            (self.stream(*direction).state == State::Open && due).then_some(first.frame)
        };
        let oldest = BOTH.into_iter().filter(|d| waits(d).is_some()).min_by_key(waits);
        let Some(direction) = oldest else { return false };
        let (this, _) = self.pair(direction);
        let Some(piece) = this.take_ready(None, &mut counters.bytes_duplicate) else { return false };
        self.tell_piece(direction, &piece, counters, deliver);
        true
    }

    pub(super) fn set_deadline(&mut self) {
        self.streams.iter_mut().for_each(super::stream::Stream::note_order);
        let mut deadline = Timestamp::MAX;
        for stream in &self.streams {
            if stream.state == State::Joining {
                deadline = deadline.min(self.joined_at.plus(JOIN_NS));
            }
            if stream.hole_end().is_some()
                && let Some((_, since)) = stream.acked_beyond
            {
                deadline = deadline.min(since.plus(GAP_NS));
            }
            if let Some(first) = stream.hold.first() {
                deadline = deadline.min(first.since.plus(HOLE_NS_MAX));
            }
        }
        if let Phase::Closing(closing) = self.phase {
            deadline = deadline.min(closing.since.plus(CLOSING_NS));
        }
        self.deadline =
            if matches!(self.phase, Phase::Over | Phase::GivenUp) { Timestamp::MAX } else { deadline };
    }
}
