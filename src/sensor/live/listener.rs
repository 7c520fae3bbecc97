//! One worker and its socket: from the ring to the finished lines, slot after slot.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};

use super::mail::{Mail, Slit};
use super::outbox::Outbox;
use super::sessions::Sessions;
use super::{Heard, Report};
use crate::capture::Frame;
use crate::capture::live::{Fanout, ReadError, Socket};
use crate::flow::Stamp;
use crate::limits::{FRAGMENT_BYTES_MAX, KEYLOG_LAST_LOOK_MS, REPORT_NS};
use crate::sensor::pipeline::{Answered, stopped};
use crate::sensor::report::WorkerBooks;
use crate::time::Timestamp;
use crate::tls::Keys;
use crate::wire::{Direction, Wire};
use crate::worker::{Given, Lines, Packed, Worker};

/// What connects a listener with the other threads.
pub(super) struct Ways {
    /// The newest frame time that any worker saw, in nanoseconds.
    pub(super) newest: Arc<AtomicU64>,
    pub(super) stop: Arc<AtomicBool>,
    /// The mailboxes of all workers.
    pub(super) others: Vec<Slit>,
    pub(super) answer: Sender<(usize, Answered)>,
    pub(super) report: Sender<(usize, Report)>,
    /// Secrets from key logs, until the last look at them.
    pub(super) keylogs: Receiver<Arc<Keys>>,
    /// Sessions of TLS that another worker learned.
    pub(super) learned: Receiver<Arc<Keys>>,
    /// The ways of such sessions to all workers.
    pub(super) sessions: Sessions,
    /// Emptied lines that come back.
    pub(super) spare: Receiver<Lines>,
}

impl Drop for Ways {
    /// However a listener ends, the others end with it.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// A worker and its socket.
pub(super) struct Listener {
    index: usize,
    socket: Socket,
    wire: Wire,
    /// The newest frame of this socket, for fragments.
    clock: Timestamp,
    desk: Desk,
    ways: Ways,
    outbox: Outbox,
    /// When it tells of itself next.
    report_at: Timestamp,
}

/// What takes a segment: the worker at once, its mail, or the owner's mailbox.
struct Desk {
    worker: Worker,
    mail: Mail,
    /// The capture clock of what the worker was given.
    clock: Timestamp,
    heard: Heard,
    seed: u64,
}

impl Listener {
    pub(super) fn new(
        index: usize,
        worker: Worker,
        socket: Socket,
        mail: Mail,
        ways: Ways,
        seed: u64,
    ) -> Self {
        let desk = Desk { worker, mail, clock: Timestamp::ZERO, heard: Heard::default(), seed };
        Self {
            index,
            socket,
            wire: Wire::new(FRAGMENT_BYTES_MAX),
            clock: Timestamp::ZERO,
            desk,
            ways,
            outbox: Outbox::default(),
            report_at: Timestamp::ZERO,
        }
    }

    pub(super) fn listen(mut self) -> (Report, Option<ReadError>) {
        let mut error = None;
        while !stopped(&self.ways.stop) && error.is_none() {
            error = self.slot().err();
        }
        // what the kernel took before the end was asked for is still told; an interface that is gone is gone for all
        self.ways.stop.store(true, Ordering::Relaxed);
        error = error.or_else(|| self.take_the_rest().err());
        self.ways.others.clear();
        self.desk.empty_mail();
        self.take_last_secrets();
        self.desk.worker.close_round(self.desk.clock.max(self.newest()), true);
        let lines = self.desk.worker.swap_lines(Lines::default());
        let lines = std::mem::take(&mut self.outbox).close(lines);
        let clock = self.desk.clock.max(self.clock);
        let answered = Answered { lines, clock, last: true };
        // the merge has gone only if it failed, and then that is told
        drop(self.ways.answer.send((self.index, answered)));
        let mut report = self.report();
        if error.is_none() {
            // then everything was read, and the equation has to hold without it
            report.heard.read.left_in_ring = 0;
        }
        (report, error)
    }

    /// One slot: what the ring has, what others handed over, what is due.
    fn slot(&mut self) -> Result<(), ReadError> {
        let frames = self.take_frames()?;
        if frames > 0 {
            self.ways.newest.fetch_max(self.clock.as_nanos(), Ordering::Relaxed);
        } else {
            // Only who has read all that there was may go by the time of the others.
            self.clock = self.clock.max(self.newest());
        }
        self.take_secrets();
        self.wire.advance(self.clock);
        self.desk.open_mail();
        if frames == 0 && self.desk.mail.is_empty() {
            self.desk.clock = self.desk.clock.max(self.clock);
        }
        self.desk.worker.close_round(self.desk.clock, false);
        self.send();
        self.tell_of_itself();
        Ok(())
    }

    fn take_secrets(&mut self) {
        let Self { desk, ways, .. } = self;
        ways.sessions.send(desk.worker.take_learned());
        ways.keylogs.try_iter().chain(ways.learned.try_iter()).for_each(|keys| desk.take(keys));
    }

    /// The secrets that were written while the last frames came: the key logs are looked at once more.
    fn take_last_secrets(&mut self) {
        let patience = Duration::from_millis(KEYLOG_LAST_LOOK_MS);
        while let Ok(keys) = self.ways.keylogs.recv_timeout(patience) {
            self.desk.take(keys);
        }
        self.take_secrets();
    }

    /// Now and then, in the time of the capture: the first time when that much has passed.
    fn tell_of_itself(&mut self) {
        if self.clock < self.report_at || self.clock == Timestamp::ZERO {
            return;
        }
        let first = self.report_at == Timestamp::ZERO;
        self.report_at = self.clock.plus(REPORT_NS);
        if !first {
            let report = self.report();
            // one that finds no room is replaced by the next
            drop(self.ways.report.try_send((self.index, report)));
        }
    }

    fn take_frames(&mut self) -> Result<u64, ReadError> {
        let Self { socket, wire, clock, desk, ways, index, .. } = self;
        let fanout = socket.fanout();
        let round = socket.round(|frame| take(&frame, wire, clock, desk, (fanout, *index, &ways.others)))?;
        Ok(round.frames)
    }

    fn take_the_rest(&mut self) -> Result<(), ReadError> {
        let Self { socket, wire, clock, desk, ways, index, .. } = self;
        let fanout = socket.fanout();
        socket.finish(|frame| take(&frame, wire, clock, desk, (fanout, *index, &ways.others)))
    }

    fn newest(&self) -> Timestamp {
        Timestamp::from_nanos(self.ways.newest.load(Ordering::Relaxed))
    }

    fn send(&mut self) {
        let spare = self.ways.spare.try_recv().unwrap_or_default();
        let lines = self.desk.worker.swap_lines(spare);
        let Ways { answer, stop, .. } = &self.ways;
        let dropped = self.outbox.send(lines, self.desk.clock, self.index, answer, stop);
        self.desk.heard.lines_dropped += dropped;
    }

    /// The books as they stand.
    fn report(&mut self) -> Report {
        let mut heard = self.desk.heard.clone();
        heard.stats = self.socket.stats().unwrap_or_default();
        let read = &mut heard.read;
        read.wire = *self.wire.counters();
        read.clock = self.clock;
        (read.received, read.kernel_dropped) = (heard.stats.received, heard.stats.dropped);
        read.left_in_ring = read.received.saturating_sub(read.kernel_dropped + read.frames);
        Report { worker: WorkerBooks::of(&self.desk.worker), heard }
    }
}

/// A frame goes to its owner: mostly the one whose socket got it.
fn take(
    frame: &Frame<'_>,
    wire: &mut Wire,
    clock: &mut Timestamp,
    desk: &mut Desk,
    (fanout, index, others): (Fanout, usize, &[Slit]),
) {
    let read = &mut desk.heard.read;
    read.frames += 1;
    read.bytes += frame.bytes.len() as u64;
    read.first = read.first.or(Some(frame.time));
    *clock = (*clock).max(frame.time);
    wire.push(*clock, frame, |segment| {
        let (ordinal, hash) = (desk.heard.read.frames, segment.flow.hash(desk.seed));
        let stamp = Stamp { time: frame.time, clock: *clock };
        let packed = Packed::new(stamp, ordinal, hash, frame.interface, &segment);
        // what the kernel could see into reached its owner; the rest all reaches the first socket
        let owner = if index == 0 && others.len() > 1 {
            let (one, other) = (segment.flow.sender(Direction::Up), segment.flow.sender(Direction::Down));
            fanout.flow_owner(one, other, others.len())
        } else {
            index
        };
        match others.get(owner) {
            Some(owner_mail) if owner != index => {
                desk.heard.segments_dropped += u64::from(!owner_mail.put(packed, segment.payload));
            }
            _ => desk.own(packed, segment.payload),
        }
    });
}

impl Desk {
    fn take(&mut self, keys: Arc<Keys>) {
        let given = Given { ordinal: self.heard.read.frames, clock: self.clock, keys };
        self.worker.secrets(&given);
    }

    /// A segment of this socket and this worker.
    fn own(&mut self, packed: Packed, payload: &[u8]) {
        let Self { worker, mail, clock, .. } = self;
        if mail.active() {
            mail.keep(packed, payload, |packed, payload| push(worker, clock, packed, payload));
        } else {
            *clock = (*clock).max(packed.stamp.clock);
            worker.live_segment(&packed, payload);
        }
    }

    fn open_mail(&mut self) {
        let Self { worker, mail, clock, .. } = self;
        mail.open(|packed, payload| push(worker, clock, packed, payload));
    }

    fn empty_mail(&mut self) {
        let Self { worker, mail, clock, .. } = self;
        mail.empty(|packed, payload| push(worker, clock, packed, payload));
    }
}

fn push(worker: &mut Worker, clock: &mut Timestamp, packed: &Packed, payload: &[u8]) {
    *clock = (*clock).max(packed.stamp.time);
    let stamp = Stamp { clock: *clock, ..packed.stamp };
    worker.live_segment(&Packed { stamp, ..*packed }, payload);
}
