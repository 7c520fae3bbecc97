//! `eaves capture`: an interface in, records out. One socket and one worker a thread; a round is a slot of 20 ms.
//!
//! Nothing behind the ring ever stops a worker: what the merge has no room for waits with the worker, and is dropped
//! by count when that grows too large. When any thread ends, all end: a capture that hears half is no capture.

mod keylogs;
mod listener;
mod mail;
mod outbox;
mod sessions;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::pipeline::{Answered, start_publisher};
use super::publisher::Publisher;
use super::report::{Books, Read, WorkerBooks};
use super::secrets::counters::Counters;
use super::{Failure, Parts, prepare};
use crate::analysis::Analysis;
use crate::capture::live::{self, ReadError, Stats};
use crate::config::CaptureConfig;
use crate::limits::{KEYLOG_PIECES_QUEUED, ROUNDS_QUEUED, SESSIONS_QUEUED, SLOTS_QUEUED};
use crate::merge::{Merge, Merged};
use crate::publish::progress::Progress;
use crate::time::Timestamp;
use crate::worker::Lines;
use keylogs::Following;
use listener::{Listener, Ways};
use mail::Mail;
use sessions::Sessions;

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
    let Parts { workers, analysis, publisher, mut books, .. } =
        prepare(&config.shared, true, !config.shared.keylogs.is_empty(), &stop, &progress)?;
    super::say(&format!("listening on {} with {} worker(s)", config.interface, sockets.len()));
    let slots = SLOTS_QUEUED * workers.len();
    let (answer, answers) = bounded(slots);
    let (rounds, merged) = bounded(ROUNDS_QUEUED);
    let (report, reports) = bounded(2 * workers.len());
    let newest = Arc::new(AtomicU64::new(0));
    let (slits, mails): (Vec<_>, Vec<_>) = workers.iter().map(|_| Mail::new()).unzip();
    let (mut lines_back, mut threads) = (Vec::new(), Vec::new());
    let (keylog_ways, keylogs): (Vec<_>, Vec<_>) =
        workers.iter().map(|_| bounded(KEYLOG_PIECES_QUEUED)).unzip();
    let (session_ways, learned): (Vec<_>, Vec<_>) = workers.iter().map(|_| bounded(SESSIONS_QUEUED)).unzip();
    let parts = workers.into_iter().enumerate().zip(sockets).zip(mails).zip(keylogs.into_iter().zip(learned));
    for ((((index, worker), socket), mail), (keylogs, learned)) in parts {
        let (back, spare) = bounded(SLOTS_QUEUED);
        lines_back.push(back);
        let ways = Ways {
            keylogs,
            learned,
            sessions: Sessions::new(session_ways.clone()),
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
    let keylogs = match &config.shared.keylogs[..] {
        [] => None,
        paths => Some(Following::start(paths, keylog_ways, &stop).map_err(Failure::System)?),
    };
    let merge = start_merge(analysis, answers, rounds, slots).map_err(Failure::System)?;
    let counts = keylogs.as_ref().map(Following::counts);
    let mut reporter = Reporter::new(config, &books, reports, counts, threads.len());
    let publisher = start_publisher(publisher, merged, lines_back, move |publisher| reporter.look(publisher))
        .map_err(Failure::System)?;
    let threads: Vec<_> = threads.into_iter().map(JoinHandle::join).collect();
    // the listeners have set the sign to stop
    if let Some(keylogs) = keylogs {
        books.keylogs = keylogs.end()?;
        if books.keylogs.is_none() {
            books.problem(
                "the key logs can't be read to their end: their file system does not answer".to_owned(),
            );
        }
    }
    books.analysis = merge.join().map_err(|_| Failure::Thread)?;
    let publisher = publisher.join().map_err(|_| Failure::Thread)?;
    read_listeners(&mut books, &config.interface, threads)?;
    books.conclude(publisher, &config.shared)
}

/// What the listeners told at their end.
fn read_listeners(
    books: &mut Books,
    interface: &str,
    threads: Vec<std::thread::Result<(Report, Option<ReadError>)>>,
) -> Result<(), Failure> {
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
    books.read_live(interface, reports);
    Ok(())
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
    /// What key logs gave so far, where they are followed.
    counts: Option<Receiver<Counters>>,
    secrets: Option<Counters>,
}

impl Reporter {
    fn new(
        config: &CaptureConfig,
        books: &Books,
        reports: Receiver<(usize, Report)>,
        counts: Option<Receiver<Counters>>,
        workers: usize,
    ) -> Self {
        Self {
            config: config.clone(),
            seed: books.seed,
            key_id: books.key_id.clone(),
            reports,
            latest: (0..workers).map(|_| None).collect(),
            secrets: counts.as_ref().map(|_| Counters::default()),
            counts,
        }
    }

    fn look(&mut self, publisher: &mut Publisher) {
        for (worker, report) in self.reports.try_iter() {
            if let Some(latest) = self.latest.get_mut(worker) {
                *latest = Some(report);
            }
        }
        self.secrets = self.counts.iter().flat_map(Receiver::try_iter).last().or(self.secrets);
        if self.latest.iter().all(Option::is_some) {
            let mut books = Books::new(self.seed, self.key_id.clone());
            books.keylogs = self.secrets;
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
