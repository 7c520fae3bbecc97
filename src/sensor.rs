//! The run: from what is meant to one exit code. Here and below threads are started; nowhere else.

mod dumps;
mod foremost;
mod live;
mod pipeline;
mod publisher;
mod replay;
mod report;
mod secrets;

use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::analysis::{Analysis, Settings};
use crate::capture::file::OpenError;
use crate::config::{Config, Output, Redact, Task};
use crate::limits::{SAME_SIGNAL_MS, TLS_HOLD_FLOW_BYTES_MAX, TLS_HOLD_FLOWS_MIN};
use crate::publish::kafka::{self, Kafka};
use crate::publish::ndjson::Ndjson;
use crate::publish::progress::Progress;
use crate::publish::{Kind, SinkError};
use crate::record::key::{self, KeyError};
use crate::record::{Redaction, SecretFinder, Writer};
use crate::sensitive::secret;
use crate::tls::Hold;
use crate::worker::{Duties, Worker};
use publisher::{Publisher, Sinks};
use report::Books;
use secrets::ledger::Ledger;

/// Why a run could not be, or ended.
#[derive(Debug)]
pub enum Failure {
    /// The inputs can't be opened as asked.
    Open(OpenError),
    /// The interface can't be opened.
    Live(crate::capture::live::OpenError),
    /// The fingerprint key can't be had.
    Key(KeyError),
    /// An output can't be made.
    Sink(SinkError),
    /// The system refuses a thread or a signal.
    System(std::io::Error),
    /// A key log or private key can't be read.
    Secrets(secrets::SecretsError),
    /// The run was asked to end while key logs were read.
    StoppedAtSecrets,
    /// A thread failed.
    Thread,
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(error) => error.fmt(formatter),
            Self::Live(error) => error.fmt(formatter),
            Self::Key(error) => error.fmt(formatter),
            Self::Sink(error) => error.fmt(formatter),
            Self::System(error) => {
                write!(formatter, "the system refuses a thread or a signal handler: {error}")
            }
            Self::Secrets(error) => error.fmt(formatter),
            Self::StoppedAtSecrets => {
                formatter.write_str("stopped before the key logs and private keys were read")
            }
            Self::Thread => formatter.write_str("a thread of the sensor failed; please report what it said"),
        }
    }
}

impl std::error::Error for Failure {}

/// Does what is meant. What went wrong is said on standard error.
#[must_use]
pub fn run(task: &Task) -> ExitCode {
    let result = match task {
        Task::Replay(config) => replay::run(config),
        Task::Capture(config) => live::run(config),
        Task::Check(config) => return print(&config.to_string()),
        Task::Schema => return print(crate::record::schema()),
    };
    result.unwrap_or_else(|failure| {
        if !matches!(failure, Failure::Sink(SinkError::Closed)) {
            say(&failure.to_string());
        }
        ExitCode::from(2)
    })
}

/// What a run is made of.
struct Parts {
    workers: Vec<Worker>,
    analysis: Option<Analysis>,
    publisher: Publisher,
    books: Books,
    /// What was counted of secrets so far.
    ledger: Ledger,
}

/// Makes the workers, the analysis and the sinks.
fn prepare(
    config: &Config,
    live: bool,
    late_secrets: bool,
    stop: &Arc<AtomicBool>,
    progress: &Progress,
) -> Result<Parts, Failure> {
    let fingerprinter = key::fingerprinter(config.fingerprint_key.as_deref()).map_err(Failure::Key)?;
    let redaction = match config.redact {
        Redact::None => Redaction::None,
        Redact::Standard => Redaction::Standard,
        Redact::Strict => Redaction::Strict,
    };
    let sinks = sinks(config, stop, progress).map_err(Failure::Sink)?;
    let takes = |kind| sinks.kafka.is_some() || sinks.files.as_ref().is_some_and(|files| files.takes(kind));
    let duties = Duties {
        analysis: config.analysis,
        calls: takes(Kind::Call),
        connections: takes(Kind::Connection),
        memory_max: config.memory_bytes as usize / config.workers,
        part_ns: u64::try_from(config.call_max.as_nanos()).unwrap_or(u64::MAX),
    };
    let finder = SecretFinder(|bytes, found| secret::find(bytes, |range, class| found(range, class.name())));
    let finder = (redaction != Redaction::None).then_some(finder);
    let writer = Writer::new(&config.sensor, redaction, fingerprinter.clone(), finder);
    let (keys, ledger) = secrets::read(config, live, stop)?;
    let hold_bytes_max = config.tls_hold_bytes as usize;
    let flow_bytes_max = (hold_bytes_max / TLS_HOLD_FLOWS_MIN).max(TLS_HOLD_FLOW_BYTES_MAX);
    let worker = |_| {
        Worker::new(writer.clone(), fingerprinter.clone(), duties.clone()).with_secrets(
            keys.clone(),
            Hold::new(hold_bytes_max / config.workers, flow_bytes_max),
            late_secrets,
        )
    };
    let seed = fingerprinter.seed();
    let analysis = config.analysis.then(|| {
        let strict = redaction == Redaction::Strict;
        Analysis::new(Settings { sensor: config.sensor.clone(), strict, seed, live })
    });
    let publisher =
        Publisher::new(sinks, &config.sensor, config.analysis, Arc::clone(stop), progress.clone());
    Ok(Parts {
        workers: (0..config.workers).map(worker).collect(),
        analysis,
        publisher,
        books: Books::new(seed, fingerprinter.key_id()),
        ledger,
    })
}

fn sinks(config: &Config, stop: &Arc<AtomicBool>, progress: &Progress) -> Result<Sinks, SinkError> {
    let outputs = &config.outputs;
    let of_kind = |kind, output: &Option<Output>| {
        output.as_ref().map(|output| match output {
            Output::Stdout => (kind, PathBuf::from("-")),
            Output::File(path) => (kind, path.clone()),
        })
    };
    let files: Vec<(Kind, PathBuf)> = [
        of_kind(Kind::Call, &outputs.calls),
        of_kind(Kind::Connection, &outputs.connections),
        of_kind(Kind::Endpoint, &outputs.inventory),
        of_kind(Kind::Finding, &outputs.findings),
        of_kind(Kind::Sensor, &outputs.sensor),
    ]
    .into_iter()
    .flatten()
    .collect();
    let kafka = match &config.kafka {
        None => None,
        Some(given) => {
            let settings = kafka::Settings {
                brokers: given.brokers.clone(),
                sensor: config.sensor.clone(),
                timeout: given.timeout,
                stop: Arc::clone(stop),
                properties: given.settings.clone(),
            };
            let progress = progress.clone();
            Some(Kafka::new(settings, move |notice| progress.say(&format!("eaves: {notice}")))?)
        }
    };
    // after Kafka: settings that make no sense must not cost the records of an earlier run
    if let Some(directory) = &config.outputs.directory {
        Ndjson::directory(directory)?;
    }
    let files = if files.is_empty() { None } else { Some(Ndjson::create(&files)?) };
    Ok(Sinks { files, kafka })
}

/// SIGINT and SIGTERM ask for the end; one that comes later ends at once.
#[expect(clippy::disallowed_methods, reason = "signals come by the clock of the host")]
fn stop_on_signals(stop: &Arc<AtomicBool>) -> std::io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let stop = Arc::clone(stop);
    let listen = move || {
        let mut first = None;
        for _ in signals.forever() {
            stop.store(true, Ordering::Relaxed);
            if first.get_or_insert_with(Instant::now).elapsed().as_millis() > u128::from(SAME_SIGNAL_MS) {
                std::process::exit(2);
            }
        }
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(listen).map(drop)
}

/// One sentence on standard error.
fn say(text: &str) {
    // Where standard error is closed nobody is there to be told.
    drop(writeln!(std::io::stderr(), "eaves: {text}"));
}

/// Standard output, whole. A reader that has gone is no error worth a word.
fn print(text: &str) -> ExitCode {
    let mut out = std::io::stdout().lock();
    match out
        .write_all(text.as_bytes())
        .and_then(|()| if text.ends_with('\n') { Ok(()) } else { out.write_all(b"\n") })
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::from(2),
        Err(error) => {
            say(&format!("cannot write to standard output: {error}"));
            ExitCode::from(2)
        }
    }
}
