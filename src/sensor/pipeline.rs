//! The threads behind the capture: workers, merge with analysis, publisher, and the bounded channels between them.
//!
//! ```text
//!   reader ══▶ worker 0 … N ══▶ merge + analysis ══▶ publisher
//!      ▲──────── used batches ────────▲─────────────────┘
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::publisher::Publisher;
use super::report::WorkerBooks;
use crate::analysis::Analysis;
use crate::limits::{LINES_SPARE_BYTES_MAX, ROUND_FRAMES, ROUNDS_QUEUED, SESSION_ROUNDS};
use crate::merge::{Merge, Merged};
use crate::time::Timestamp;
use crate::tls::Keys;
use crate::worker::{Given, Lines, Segments, Worker};

/// What a worker answers to a round.
pub(super) struct Answered {
    pub(super) lines: Lines,
    pub(super) clock: Timestamp,
    pub(super) last: bool,
}

/// Channels from and to the workers of a replay.
pub(super) struct Workers {
    pub(super) inputs: Vec<Sender<Segments>>,
    pub(super) used: Receiver<Segments>,
    pub(super) answers: Vec<Receiver<Answered>>,
    /// Where the merge says which sessions of TLS became known in each round.
    pub(super) sessions: Vec<Sender<Arc<Keys>>>,
    pub(super) lines_back: Vec<Sender<Lines>>,
    pub(super) threads: Vec<JoinHandle<WorkerBooks>>,
}

impl Workers {
    /// Starts one thread for each worker.
    pub(super) fn start(workers: Vec<Worker>) -> std::io::Result<Self> {
        let (give_back, used) = bounded(ROUNDS_QUEUED * workers.len());
        let mut all = Self {
            inputs: Vec::new(),
            used,
            answers: Vec::new(),
            sessions: Vec::new(),
            lines_back: Vec::new(),
            threads: Vec::new(),
        };
        for (index, worker) in workers.into_iter().enumerate() {
            let (input, rounds) = bounded(ROUNDS_QUEUED);
            let (answer, answers) = bounded(ROUNDS_QUEUED);
            let (back, spare) = bounded(ROUNDS_QUEUED);
            // a worker takes one for each round that it answers, so many rounds behind: there is always room
            let (session, sessions) = bounded(SESSION_ROUNDS as usize);
            let give_back = give_back.clone();
            let thread = std::thread::Builder::new()
                .name(format!("worker-{index}"))
                .spawn(move || work(worker, &rounds, &answer, (&spare, &sessions), &give_back))?;
            all.sessions.push(session);
            all.inputs.push(input);
            all.answers.push(answers);
            all.lines_back.push(back);
            all.threads.push(thread);
        }
        Ok(all)
    }
}

fn work(
    mut worker: Worker,
    rounds: &Receiver<Segments>,
    answer: &Sender<Answered>,
    (spare, sessions): (&Receiver<Lines>, &Receiver<Arc<Keys>>),
    give_back: &Sender<Segments>,
) -> WorkerBooks {
    let (mut round, mut clock) = (0, Timestamp::ZERO);
    while let Ok(mut batch) = rounds.recv() {
        // where the merge has gone, the run has failed, and that is told
        if round >= SESSION_ROUNDS
            && let Ok(keys) = sessions.recv()
            && !keys.is_empty()
        {
            batch.secrets.insert(0, Given { ordinal: round * ROUND_FRAMES, clock, keys });
        }
        (round, clock) = (round + 1, batch.clock);
        let lines = worker.round(&batch, spare.try_recv().unwrap_or_default());
        let answered = Answered { lines, clock: batch.clock, last: batch.last };
        batch.blocks.clear();
        batch.segments.clear();
        batch.secrets.clear();
        // the reader may have gone already, or have enough: then nobody needs the memory again
        drop(give_back.try_send(batch));
        if answer.send(answered).is_err() {
            break;
        }
    }
    WorkerBooks::of(&worker)
}

/// Starts the publisher. `beside` is done after each round, and when none comes.
pub(super) fn start_publisher(
    mut publisher: Publisher,
    rounds: Receiver<Merged>,
    lines_back: Vec<Sender<Lines>>,
    mut beside: impl FnMut(&mut Publisher) + Send + 'static,
) -> std::io::Result<JoinHandle<Publisher>> {
    const IDLE: Duration = Duration::from_millis(100);
    std::thread::Builder::new().name("publisher".to_owned()).spawn(move || {
        loop {
            match rounds.recv_timeout(IDLE) {
                Ok(mut merged) => {
                    publisher.publish(&mut merged);
                    for (mut lines, back) in merged.batches.into_iter().zip(&lines_back) {
                        // no memory to give back, or so much that a stall must have made it
                        if lines.lines.capacity() > 0 && lines.text.capacity() <= LINES_SPARE_BYTES_MAX {
                            lines.clear();
                            // a worker that has enough, or has gone, needs it no more
                            drop(back.try_send(lines));
                        }
                    }
                }
                Err(RecvTimeoutError::Timeout) => publisher.idle(),
                Err(RecvTimeoutError::Disconnected) => return publisher,
            }
            beside(&mut publisher);
        }
    })
}

/// Starts the merge of a replay: it takes each round from all workers.
pub(super) fn start_merge(
    analysis: Option<Analysis>,
    answers: Vec<Receiver<Answered>>,
    sessions: Vec<Sender<Arc<Keys>>>,
    rounds: Sender<Merged>,
) -> std::io::Result<JoinHandle<Option<crate::analysis::Counters>>> {
    std::thread::Builder::new().name("merge".to_owned()).spawn(move || {
        let mut merge = Merge::new(analysis);
        loop {
            let answered: Result<Vec<Answered>, _> = answers.iter().map(Receiver::recv).collect();
            let Ok(mut answered) = answered else { break };
            let mut learned = Keys::default();
            answered.iter_mut().for_each(|one| learned.merge(&std::mem::take(&mut one.lines.learned)));
            let learned = Arc::new(learned);
            for worker in &sessions {
                // one that has gone needs none
                drop(worker.send(Arc::clone(&learned)));
            }
            let (clock, last) =
                answered.first().map_or((Timestamp::ZERO, true), |first| (first.clock, first.last));
            let batches = answered.into_iter().map(|one| one.lines).collect();
            if rounds.send(merge.round(batches, clock, last)).is_err() || last {
                break;
            }
        }
        merge.counters()
    })
}

/// Whether the run is to end early.
pub(super) fn stopped(stop: &Arc<AtomicBool>) -> bool {
    stop.load(Ordering::Relaxed)
}
