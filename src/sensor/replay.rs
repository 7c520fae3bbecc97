//! `eaves replay`: captures in, records out. The reader runs `wire` and sends plain segments to the owners of their
//! flows; it never copies a payload that lies in a block.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crossbeam_channel::bounded;
use zeroize::Zeroizing;

use super::pipeline::{Workers, start_merge, start_publisher, stopped};
use super::report::Read;
use super::secrets::ledger::Ledger;
use super::secrets::{read_block, say_all};
use super::{Failure, Parts, dumps, prepare};
use crate::capture::file::{Block, Files, Located, Options};
use crate::config::{Config, ReplayConfig};
use crate::flow::Stamp;
use crate::limits::{FRAGMENT_BYTES_MAX, ROUND_FRAMES, ROUNDS_QUEUED, SESSION_CHAIN_MAX, SESSION_ROUNDS};
use crate::publish::progress::Progress;
use crate::time::Timestamp;
use crate::wire::{Segment, Wire};
use crate::worker::{Given, Packed, Segments};

/// Reads captures to their end.
pub(super) fn run(config: &ReplayConfig) -> Result<ExitCode, Failure> {
    let options = Options { filter: config.shared.filter.clone() };
    let mut files = Files::open(&config.files, &options).map_err(Failure::Open)?;
    if files.opened() == 0 {
        // what is wrong with a file is said when it is read
        while files.next().is_some() {}
        for problem in files.problems() {
            super::say(&problem.to_string());
        }
        return Ok(ExitCode::from(2));
    }
    let progress = Progress::new(files.total_bytes());
    let stop = Arc::new(AtomicBool::new(false));
    super::stop_on_signals(&stop).map_err(Failure::System)?;
    let Parts { workers, analysis, publisher, mut books, ledger } =
        prepare(&config.shared, false, files.may_have_secrets(), &stop, &progress)?;
    let workers = Workers::start(workers).map_err(Failure::System)?;
    let (rounds, merged) = bounded(ROUNDS_QUEUED);
    let merge = start_merge(analysis, workers.answers, workers.sessions, rounds).map_err(Failure::System)?;
    let publisher =
        start_publisher(publisher, merged, workers.lines_back, |_| ()).map_err(Failure::System)?;

    let Config { keylogs, private_keys, .. } = &config.shared;
    let decrypts = !keylogs.is_empty() || !private_keys.is_empty() || files.may_have_secrets();
    let mut reader = Reader { decrypts, ledger, ..Reader::new(workers.inputs.len(), books.seed) };
    let to_the_end = reader.read(&mut files, &workers.inputs, &workers.used, &stop, &progress);
    drop(workers.inputs);
    for thread in workers.threads {
        books.add_worker(thread.join().map_err(|_| Failure::Thread)?);
    }
    books.analysis = merge.join().map_err(|_| Failure::Thread)?;
    let publisher = publisher.join().map_err(|_| Failure::Thread)?;
    progress.finish();
    books.keylogs = reader.decrypts.then_some(reader.ledger.counters);
    books.read_files(config, &files, reader.summary(&files));
    // an output that can't be written ends the run too, and says so itself
    if !to_the_end && publisher.failure.is_none() {
        let read = files.counters.frames;
        books.problem(format!("stopped before the end of the input, after {read} frames"));
    }
    books.conclude(publisher, &config.shared)
}

/// Type of a block of secrets that is a TLS key log (draft-ietf-opsawg-pcapng §4.7).
const TLS_KEY_LOG: u32 = 0x544c_534b;

/// The reader: frames to segments to batches.
struct Reader {
    wire: Wire,
    seed: u64,
    batches: Vec<Segments>,
    /// Per worker: the block that was put into its batch last.
    current: Vec<Option<Arc<Block>>>,
    ordinal: u64,
    clock: Timestamp,
    first: Option<Timestamp>,
    /// There are, or may come, secrets of TLS.
    decrypts: bool,
    ledger: Ledger,
    /// Secrets blocks that were read.
    secrets_blocks: u64,
}

impl Reader {
    fn new(workers: usize, seed: u64) -> Self {
        Self {
            wire: Wire::new(FRAGMENT_BYTES_MAX),
            seed,
            batches: (0..workers).map(|_| Segments::default()).collect(),
            current: vec![None; workers],
            ordinal: 0,
            clock: Timestamp::ZERO,
            first: None,
            decrypts: false,
            ledger: Ledger::default(),
            secrets_blocks: 0,
        }
    }

    /// Whether it came to the end.
    fn read(
        &mut self,
        files: &mut Files,
        inputs: &[crossbeam_channel::Sender<Segments>],
        used: &crossbeam_channel::Receiver<Segments>,
        stop: &Arc<AtomicBool>,
        progress: &Progress,
    ) -> bool {
        let (mut position, mut to_the_end) = (0, true);
        while let Some((located, block)) = files.next() {
            let block = Arc::clone(block);
            self.give_secrets(files);
            let block = &block;
            self.frame(&located, block);
            if self.ordinal.is_multiple_of(ROUND_FRAMES) {
                if !self.send(inputs, used, false) || stopped(stop) {
                    to_the_end = false;
                    break;
                }
                let now = files.position_bytes();
                progress.advance(now.saturating_sub(position));
                position = now;
            }
        }
        self.give_secrets(files);
        self.wire.advance(self.clock);
        // what became known in the last rounds is still of use
        for _ in 0..if self.decrypts { SESSION_ROUNDS * SESSION_CHAIN_MAX } else { 0 } {
            self.send(inputs, used, false);
        }
        self.send(inputs, used, true);
        to_the_end
    }

    /// Secrets that stand in the capture go to every worker, at their place among the frames.
    fn give_secrets(&mut self, files: &mut Files) {
        for secrets in files.secrets().filter(|secrets| secrets.kind == TLS_KEY_LOG) {
            if self.secrets_blocks == 0 {
                dumps::leave_none();
            }
            self.secrets_blocks += 1;
            let bytes = Zeroizing::new(secrets.bytes);
            let keys = read_block(self.secrets_blocks, &bytes, &mut self.ledger);
            say_all(&mut self.ledger);
            let given = Given { ordinal: secrets.ordinal, clock: self.clock, keys: Arc::new(keys) };
            for batch in &mut self.batches {
                batch.secrets.push(given.clone());
            }
        }
    }

    #[inline]
    fn frame(&mut self, located: &Located, block: &Arc<Block>) {
        self.ordinal += 1;
        self.first = self.first.or(Some(located.time));
        self.clock = self.clock.max(located.time);
        let frame = located.frame(block);
        let stamp = Stamp { time: frame.time, clock: self.clock };
        let (ordinal, interface, seed) = (self.ordinal, frame.interface, self.seed);
        let (batches, current) = (&mut self.batches, &mut self.current);
        self.wire.push(self.clock, &frame, |segment| {
            let hash = segment.flow.hash(seed);
            let owner = (((hash >> 32) * batches.len() as u64) >> 32) as usize;
            let (Some(batch), Some(current)) = (batches.get_mut(owner), current.get_mut(owner)) else {
                return;
            };
            let (block, start) = place(batch, current, block, &segment);
            let packed = Packed::new(stamp, ordinal, hash, interface, &segment);
            batch.segments.push(Packed { block, start, ..packed });
        });
    }

    /// Every worker gets exactly one batch a round, perhaps an empty one. False: nobody takes it.
    fn send(
        &mut self,
        inputs: &[crossbeam_channel::Sender<Segments>],
        used: &crossbeam_channel::Receiver<Segments>,
        last: bool,
    ) -> bool {
        self.current.fill(None);
        for (batch, input) in self.batches.iter_mut().zip(inputs) {
            (batch.clock, batch.last) = (self.clock, last);
            let next = used.try_recv().unwrap_or_default();
            if input.send(std::mem::replace(batch, next)).is_err() {
                return false;
            }
        }
        true
    }

    fn summary(&self, files: &Files) -> Read {
        Read {
            received: files.counters.frames,
            frames: files.counters.frames,
            bytes: files.counters.bytes,
            first: self.first,
            clock: self.clock,
            wire: *self.wire.counters(),
            kernel_dropped: 0,
            left_in_ring: 0,
        }
    }
}

/// Where the payload lies: in the frame's block, or in a datagram that was put together, which becomes a block.
#[inline]
fn place(
    batch: &mut Segments,
    current: &mut Option<Arc<Block>>,
    block: &Arc<Block>,
    segment: &Segment<'_>,
) -> (u16, u32) {
    if segment.reassembled {
        *current = None;
        batch.blocks.push(Arc::new(Block::from_vec(segment.payload.to_vec())));
        return ((batch.blocks.len() - 1) as u16, 0);
    }
    if !current.as_ref().is_some_and(|known| Arc::ptr_eq(known, block)) {
        *current = Some(Arc::clone(block));
        batch.blocks.push(Arc::clone(block));
    }
    // the payload is a part of the block's bytes: the distance of the two addresses is its place there
    let start = (segment.payload.as_ptr() as usize).wrapping_sub(block.bytes().as_ptr() as usize);
    let start = if segment.payload.is_empty() { 0 } else { start };
    ((batch.blocks.len() - 1) as u16, start as u32)
}
