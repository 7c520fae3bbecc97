//! `eaves capture`: an interface in, records out. One socket and one worker a thread; a round is a slot of 20 ms.
//!
//! A worker runs from the ring to the finished line. Frames whose inner flow the kernel could not see (fragments,
//! tunnels) all reach the first socket; their segments are handed to the owner of the inner flow. Nothing behind
//! the ring ever stops a worker: what the merge has no room for waits with the worker, and is dropped by count
//! when that grows too large.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, unbounded};

use super::pipeline::{Answered, start_publisher, stopped};
use super::report::{Read, WorkerBooks};
use super::{Failure, Parts, prepare};
use crate::analysis::Analysis;
use crate::capture::Frame;
use crate::capture::live::{self, ReadError, Socket, Stats};
use crate::config::CaptureConfig;
use crate::flow::Stamp;
use crate::limits::{
    FRAGMENT_BYTES_MAX, HANDED_OVER_MAX, LINES_BEHIND_BYTES_MAX, ROUNDS_QUEUED, SLOTS_QUEUED,
};
use crate::merge::{Merge, Merged};
use crate::publish::progress::Progress;
use crate::time::Timestamp;
use crate::wire::{Direction, Segment, Wire};
use crate::worker::{Lines, Packed, Worker};

/// Listens until it is asked to stop, or the interface is gone.
pub(super) fn run(config: &CaptureConfig) -> Result<ExitCode, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    super::stop_on_signals(&stop).map_err(Failure::System)?;
    let progress = Progress::hidden();
    let Parts { workers, analysis, publisher, mut books } = prepare(&config.shared, true, &stop, &progress)?;
    let options = live::Options {
        snaplen_bytes: config.live.snaplen_bytes,
        ring_bytes: config.live.ring_bytes,
        promiscuous: config.live.promiscuous,
        filter: config.shared.filter.clone(),
        sockets: workers.len(),
    };
    let sockets = live::open(&config.interface, &options).map_err(Failure::Live)?;
    super::say(&format!("listening on {} with {} workers", config.interface, sockets.len()));
    let (answer, answers) = bounded(SLOTS_QUEUED);
    let (rounds, merged) = bounded(ROUNDS_QUEUED);
    let mut lines_back = Vec::new();
    let newest = Arc::new(AtomicU64::new(0));
    let (handed_over, mailboxes): (Vec<_>, Vec<_>) = workers.iter().map(|_| bounded(HANDED_OVER_MAX)).unzip();
    let mut threads = Vec::new();
    for (((index, worker), socket), mailbox) in workers.into_iter().enumerate().zip(sockets).zip(mailboxes) {
        let (back, spare) = unbounded();
        lines_back.push(back);
        let listener = Listener {
            index,
            worker,
            socket,
            wire: Wire::new(FRAGMENT_BYTES_MAX),
            seed: books.seed,
            clock: Timestamp::ZERO,
            newest: Arc::clone(&newest),
            stop: Arc::clone(&stop),
            others: handed_over.clone(),
            mailbox,
            answer: answer.clone(),
            spare,
            waiting: Lines::default(),
            heard: Heard::default(),
        };
        let name = format!("worker-{index}");
        threads.push(
            std::thread::Builder::new()
                .name(name)
                .spawn(move || listener.listen())
                .map_err(Failure::System)?,
        );
    }
    drop((answer, handed_over));
    let merge = start_merge(analysis, answers, rounds).map_err(Failure::System)?;
    let publisher = start_publisher(publisher, merged, lines_back).map_err(Failure::System)?;
    let (read, stats, lost) = join(threads, &mut books)?;
    books.analysis = merge.join().map_err(|_| Failure::Thread)?;
    let publisher = publisher.join().map_err(|_| Failure::Thread)?;
    books.read_live(config, read, &stats);
    if let Some(error) = lost {
        books.problem(error.to_string());
    }
    books.conclude(publisher, &config.shared)
}

/// What one worker heard.
#[derive(Default)]
struct Heard {
    read: Read,
    stats: Stats,
    error: Option<ReadError>,
    lines_dropped: u64,
    segments_dropped: u64,
}

/// A segment for the owner of its flow, with its payload.
struct HandedOver {
    packed: Packed,
    payload: Vec<u8>,
}

/// A worker and its socket.
struct Listener {
    index: usize,
    worker: Worker,
    socket: Socket,
    wire: Wire,
    seed: u64,
    clock: Timestamp,
    /// The newest frame time that any worker saw, in nanoseconds.
    newest: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    others: Vec<Sender<HandedOver>>,
    mailbox: Receiver<HandedOver>,
    answer: Sender<(usize, Answered)>,
    spare: Receiver<Lines>,
    /// Lines that the merge had no room for yet.
    waiting: Lines,
    heard: Heard,
}

impl Listener {
    fn listen(mut self) -> (WorkerBooks, Heard) {
        while !stopped(&self.stop) {
            if let Err(error) = self.slot() {
                self.heard.error = Some(error);
                // the others end with this one: an interface that is gone is gone for all
                self.stop.store(true, Ordering::Relaxed);
            }
        }
        // what the ring holds already was captured before the end was asked for
        if self.heard.error.is_none() {
            self.drain_ring();
        }
        self.others.clear();
        self.open_mail(true);
        self.worker.close_round(self.clock.max(self.newest()), true);
        let lines = self.worker.swap_lines(Lines::default());
        self.waiting.append(lines);
        let answered = Answered { lines: std::mem::take(&mut self.waiting), clock: self.clock, last: true };
        // the merge has gone only if it failed, and then that is told
        drop(self.answer.send((self.index, answered)));
        self.heard.stats = self.socket.stats().unwrap_or_default();
        self.heard.read.wire = *self.wire.counters();
        self.heard.read.clock = self.clock;
        (WorkerBooks::of(&self.worker), self.heard)
    }

    /// One slot: what the ring has, what others handed over, what is due.
    fn slot(&mut self) -> Result<(), ReadError> {
        let round = self.take_frames()?;
        self.open_mail(false);
        if round > 0 {
            self.newest.fetch_max(self.clock.as_nanos(), Ordering::Relaxed);
        }
        self.clock = self.clock.max(self.newest());
        self.wire.advance(self.clock);
        self.worker.close_round(self.clock, false);
        self.send();
        Ok(())
    }

    fn newest(&self) -> Timestamp {
        Timestamp::from_nanos(self.newest.load(Ordering::Relaxed))
    }

    fn take_frames(&mut self) -> Result<u64, ReadError> {
        let Self { socket, wire, worker, clock, heard, others, index, seed, .. } = self;
        let fanout = socket.fanout();
        let round = socket.round(|frame| {
            heard.read.frames += 1;
            heard.read.bytes += frame.bytes.len() as u64;
            heard.read.first = heard.read.first.or(Some(frame.time));
            *clock = (*clock).max(frame.time);
            let ordinal = heard.read.frames;
            wire.push(*clock, &frame, |segment| {
                let packed = pack(*clock, ordinal, &frame, &segment, *seed);
                let [one, other] = [Direction::Up, Direction::Down].map(|side| segment.flow.sender(side));
                let owner = fanout.flow_owner(one, other, others.len());
                if owner == *index || others.is_empty() {
                    worker.live_segment(&packed, segment.payload);
                } else if let Some(other) = others.get(owner) {
                    let handed = HandedOver { packed, payload: segment.payload.to_vec() };
                    heard.segments_dropped += u64::from(other.try_send(handed).is_err());
                }
            });
        })?;
        Ok(round.frames)
    }

    fn drain_ring(&mut self) {
        while matches!(self.take_frames(), Ok(frames) if frames > 0) {}
    }

    /// Segments that the first worker saw for flows of this one. At the end all of them, once it has gone.
    fn open_mail(&mut self, to_the_end: bool) {
        loop {
            let handed = if to_the_end { self.mailbox.recv().ok() } else { self.mailbox.try_recv().ok() };
            let Some(HandedOver { mut packed, payload }) = handed else { return };
            self.clock = self.clock.max(packed.stamp.clock);
            packed.stamp.clock = self.clock;
            self.worker.live_segment(&packed, &payload);
        }
    }

    fn send(&mut self) {
        let spare = self.spare.try_recv().unwrap_or_default();
        let lines = self.worker.swap_lines(spare);
        self.waiting.append(lines);
        if self.waiting.lines.is_empty() {
            return;
        }
        let answered = Answered { lines: std::mem::take(&mut self.waiting), clock: self.clock, last: false };
        if let Err(TrySendError::Full((_, answered)) | TrySendError::Disconnected((_, answered))) =
            self.answer.try_send((self.index, answered))
        {
            self.waiting = answered.lines;
            if self.waiting.text.len() > LINES_BEHIND_BYTES_MAX {
                self.heard.lines_dropped += self.waiting.lines.len() as u64;
                self.waiting.clear();
            }
        }
    }
}

fn pack(clock: Timestamp, ordinal: u64, frame: &Frame<'_>, segment: &Segment<'_>, seed: u64) -> Packed {
    Packed {
        stamp: Stamp { time: frame.time, clock },
        ordinal,
        hash: segment.flow.hash(seed),
        flow: segment.flow,
        direction: segment.direction,
        flags: segment.flags,
        block: 0,
        seq: segment.seq,
        ack: segment.ack,
        missing: segment.missing,
        interface: frame.interface,
        start: 0,
        len: segment.payload.len() as u32,
    }
}

/// The merge of a live capture: slots as they come. When it is behind, calls go on without what the analysis would
/// say of them.
fn start_merge(
    analysis: Option<Analysis>,
    answers: Receiver<(usize, Answered)>,
    rounds: Sender<Merged>,
) -> std::io::Result<JoinHandle<Option<crate::analysis::Counters>>> {
    std::thread::Builder::new().name("merge".to_owned()).spawn(move || {
        let mut merge = Merge::new(analysis);
        let mut clock = Timestamp::ZERO;
        for (worker, answered) in &answers {
            clock = clock.max(answered.clock);
            let mut batches: Vec<Lines> = (0..worker).map(|_| Lines::default()).collect();
            batches.push(answered.lines);
            let behind = answers.len() > SLOTS_QUEUED / 2;
            if rounds.send(merge.live_round(batches, clock, behind)).is_err() {
                break;
            }
        }
        // nobody reads on only if the publisher failed, and then that is told
        drop(rounds.send(merge.round(Vec::new(), clock, true)));
        merge.counters()
    })
}

fn join(
    threads: Vec<JoinHandle<(WorkerBooks, Heard)>>,
    books: &mut super::report::Books,
) -> Result<(Read, Stats, Option<ReadError>), Failure> {
    let (mut read, mut stats, mut error) = (Read::default(), Stats::default(), None);
    for thread in threads {
        let (worker, heard) = thread.join().map_err(|_| Failure::Thread)?;
        books.add_worker(worker);
        books.lines_dropped += heard.lines_dropped;
        read.add(&heard.read);
        stats.received += heard.stats.received;
        stats.dropped += heard.stats.dropped;
        stats.interface_dropped = stats.interface_dropped.max(heard.stats.interface_dropped);
        books.segments_dropped += heard.segments_dropped;
        error = error.or(heard.error);
    }
    read.kernel_dropped = stats.dropped;
    Ok((read, stats, error))
}
