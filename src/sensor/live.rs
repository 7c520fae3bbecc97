//! `eaves capture`: an interface in, records out. One socket and one worker a thread; a round is a slot of 20 ms.
//!
//! Nothing behind the ring ever stops a worker: what the merge has no room for waits with the worker, and is dropped
//! by count when that grows too large. When any thread ends, all end: a capture that hears half is no capture.

mod keylogs;
mod listener;
mod mail;
mod outbox;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use super::pipeline::{Answered, start_publisher};
use super::publisher::Publisher;
use super::report::{Books, Read, WorkerBooks};
use super::{Failure, Parts, prepare};
use crate::analysis::Analysis;
use crate::capture::live::{self, Stats};
use crate::config::CaptureConfig;
use crate::limits::{ROUNDS_QUEUED, SLOTS_QUEUED};
use crate::merge::{Merge, Merged};
use crate::publish::progress::Progress;
use crate::time::Timestamp;
use crate::tls::Keys;
use crate::worker::Lines;
use keylogs::Follower;
use listener::{Listener, Ways};
use mail::Mail;

/// Listens until it is asked to stop, or the interface is gone.
pub(super) fn run(config: &CaptureConfig) -> Result<ExitCode, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    super::stop_on_signals(&stop).map_err(Failure::System)?;
    let options = live::Options {
        snaplen_bytes: config.live.snaplen_bytes,
        ring_bytes: config.live.ring_bytes,
        promiscuous: config.live.promiscuous,
        filter: config.shared.filter.clone(),
        sockets: config.shared.workers,
    };
    // before any output is made: an interface that can't be had must not cost the records of an earlier run
    let sockets = live::open(&config.interface, &options).map_err(Failure::Live)?;
    let progress = Progress::hidden();
    let Parts { workers, analysis, publisher, mut books } =
        prepare(&config.shared, true, !config.shared.keylogs.is_empty(), &stop, &progress)?;
    super::say(&format!("listening on {} with {} worker(s)", config.interface, sockets.len()));
    let slots = SLOTS_QUEUED * workers.len();
    let (answer, answers) = bounded(slots);
    let (rounds, merged) = bounded(ROUNDS_QUEUED);
    let (report, reports) = bounded(2 * workers.len());
    let newest = Arc::new(AtomicU64::new(0));
    let (slits, mails): (Vec<_>, Vec<_>) = workers.iter().map(|_| Mail::new()).unzip();
    let (mut lines_back, mut threads) = (Vec::new(), Vec::new());
    let (secrets_ways, secrets): (Vec<_>, Vec<_>) = workers.iter().map(|_| unbounded()).unzip();
    let parts = workers.into_iter().enumerate().zip(sockets).zip(mails).zip(secrets);
    for ((((index, worker), socket), mail), secrets) in parts {
        let (back, spare) = unbounded();
        lines_back.push(back);
        let ways = Ways {
            secrets,
            sessions: secrets_ways.clone(),
            newest: Arc::clone(&newest),
            stop: Arc::clone(&stop),
            others: slits.clone(),
            answer: answer.clone(),
            report: report.clone(),
            spare,
        };
        let listener = Listener::new(index, worker, socket, mail, ways, books.seed);
        let thread = std::thread::Builder::new().name(format!("worker-{index}"));
        threads.push(thread.spawn(move || listener.listen()).map_err(Failure::System)?);
    }
    drop((answer, slits, report));
    let follower = follow(config, secrets_ways, &stop).map_err(Failure::System)?;
    let merge = start_merge(analysis, answers, rounds, slots).map_err(Failure::System)?;
    let mut reporter = Reporter::new(config, &books, reports, threads.len());
    let publisher = start_publisher(publisher, merged, lines_back, move |publisher| reporter.look(publisher))
        .map_err(Failure::System)?;
    let threads: Vec<_> = threads.into_iter().map(JoinHandle::join).collect();
    // the listeners have set the sign to stop
    follower.map(JoinHandle::join).transpose().map_err(|_| Failure::Thread)?;
    books.analysis = merge.join().map_err(|_| Failure::Thread)?;
    let publisher = publisher.join().map_err(|_| Failure::Thread)?;
    let mut reports = Vec::new();
    let mut ended_by = None;
    for thread in threads {
        let (report, error) = thread.map_err(|_| Failure::Thread)?;
        reports.push(report);
        ended_by = ended_by.or(error);
    }
    // all sockets lose an interface at the same time: it is told once
    if let Some(error) = ended_by {
        books.problem(error.to_string());
    }
    books.read_live(&config.interface, reports);
    books.conclude(publisher, &config.shared)
}

/// Starts the thread that follows the key logs, if there are any.
fn follow(
    config: &CaptureConfig,
    workers: Vec<Sender<Arc<Keys>>>,
    stop: &Arc<AtomicBool>,
) -> std::io::Result<Option<JoinHandle<()>>> {
    if config.shared.keylogs.is_empty() {
        return Ok(None);
    }
    let (follower, stop) = (Follower::new(&config.shared.keylogs), Arc::clone(stop));
    let thread = std::thread::Builder::new().name("keylogs".to_owned());
    thread.spawn(move || follower.follow(&workers, &stop)).map(Some)
}

/// What one worker and its socket counted.
#[derive(Clone, Default)]
pub(super) struct Heard {
    pub(super) read: Read,
    pub(super) stats: Stats,
    pub(super) lines_dropped: u64,
    pub(super) segments_dropped: u64,
}

/// What one worker tells of itself, at the end and now and then before.
pub(super) struct Report {
    pub(super) worker: WorkerBooks,
    pub(super) heard: Heard,
}

/// Sends the sensor's record when each worker has told of itself.
struct Reporter {
    config: CaptureConfig,
    seed: u64,
    key_id: String,
    reports: Receiver<(usize, Report)>,
    latest: Vec<Option<Report>>,
}

impl Reporter {
    fn new(
        config: &CaptureConfig,
        books: &Books,
        reports: Receiver<(usize, Report)>,
        workers: usize,
    ) -> Self {
        let latest = (0..workers).map(|_| None).collect();
        Self { config: config.clone(), seed: books.seed, key_id: books.key_id.clone(), reports, latest }
    }

    fn look(&mut self, publisher: &mut Publisher) {
        for (worker, report) in self.reports.try_iter() {
            if let Some(latest) = self.latest.get_mut(worker) {
                *latest = Some(report);
            }
        }
        if self.latest.iter().all(Option::is_some) {
            let mut books = Books::new(self.seed, self.key_id.clone());
            books.read_live(&self.config.interface, self.latest.iter_mut().filter_map(Option::take));
            books.tell(publisher, &self.config.shared);
        }
    }
}

/// The merge of a live capture: slots as they come. When it is the analysis that is behind, calls go on without what
/// it would say of them.
fn start_merge(
    analysis: Option<Analysis>,
    answers: Receiver<(usize, Answered)>,
    rounds: Sender<Merged>,
    slots: usize,
) -> std::io::Result<JoinHandle<Option<crate::analysis::Counters>>> {
    std::thread::Builder::new().name("merge".to_owned()).spawn(move || {
        let mut merge = Merge::new(analysis);
        let mut clock = Timestamp::ZERO;
        for (worker, answered) in &answers {
            clock = clock.max(answered.clock);
            let mut batches: Vec<Lines> = (0..worker).map(|_| Lines::default()).collect();
            batches.push(answered.lines);
            let behind = answers.len() > slots / 2 && !rounds.is_full();
            if rounds.send(merge.live_round(batches, clock, behind)).is_err() {
                return merge.counters();
            }
        }
        // nobody reads on only if the publisher failed, and then that is told
        drop(rounds.send(merge.round(Vec::new(), clock, true)));
        merge.counters()
    })
}
