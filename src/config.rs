//! What is meant: the options of the command line and the configuration file, checked, with units in their types.
//!
//! Everything that can be known to be wrong before a packet is read is an error here, with one sentence that says
//! what would be right. Whoever runs gets values only.

mod error;
mod file;
mod kafka;
mod outputs;
mod show;
mod units;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use error::ConfigError;
pub use kafka::KafkaConfig;
pub use outputs::Outputs;
pub use units::{Bytes, Output, Period, Redact, UnitError};

use crate::cli::{Command, Given, LiveOptions, Options, OutputOptions};
use crate::limits;

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Task {
    /// Read captures.
    Replay(ReplayConfig),
    /// Listen on an interface.
    Capture(CaptureConfig),
    /// Say what would be done.
    Check(CheckConfig),
    /// Print the schemas.
    Schema,
}

/// What replay and capture share.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// BPF expression that frames must match. Whether it is one, libpcap says when it is compiled.
    pub filter: Option<String>,
    /// What stands in the records in the clear.
    pub redact: Redact,
    /// Worker threads, from 1.
    pub workers: usize,
    /// Memory that all workers together may hold, in bytes.
    pub memory_bytes: u64,
    /// Name of this sensor in the records.
    pub sensor: String,
    /// Key of the fingerprints; none: the one of this host.
    pub fingerprint_key: Option<PathBuf>,
    /// TLS key logs and directories of them, each readable.
    pub keylogs: Vec<PathBuf>,
    /// RSA private keys, each readable.
    pub private_keys: Vec<PathBuf>,
    /// Ciphertext of all workers that may wait for secrets, in bytes.
    pub tls_hold_bytes: u64,
    /// How long a call of messages lasts until it is told in parts, and how long each part is.
    pub call_max: Duration,
    /// Files and standard output.
    pub outputs: Outputs,
    /// Whether inventory and findings are made.
    pub analysis: bool,
    /// Kafka, if records go there.
    pub kafka: Option<KafkaConfig>,
}

/// `eaves replay`.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplayConfig {
    /// Files and directories, at least one; `-` is standard input.
    pub files: Vec<PathBuf>,
    /// The rest.
    pub shared: Config,
}

/// `eaves capture`.
#[derive(Clone, Debug, PartialEq)]
pub struct CaptureConfig {
    /// Name of the interface.
    pub interface: String,
    /// How to listen on it.
    pub live: LiveConfig,
    /// The rest.
    pub shared: Config,
}

/// How to listen on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveConfig {
    /// Bytes kept of each frame.
    pub snaplen_bytes: u32,
    /// Size of each worker's ring in the kernel.
    pub ring_bytes: u32,
    /// Frames for others are wanted too.
    pub promiscuous: bool,
}

/// `eaves check`: as [`CaptureConfig`], but the interface may be missing.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckConfig {
    /// Name of the interface.
    pub interface: Option<String>,
    /// How to listen on it.
    pub live: LiveConfig,
    /// The rest.
    pub shared: Config,
}

/// From what was typed to what is meant.
pub fn resolve(command: Command) -> Result<Task, ConfigError> {
    match command {
        Command::Replay { files, options, output } => {
            let given =
                with_file(Given { live: LiveOptions::default(), options: *options, output: *output })?;
            let shared = shared(given.options, given.output, Some(REPLAY_SENSOR))?;
            outputs::check_inputs(&files, &shared.outputs)?;
            Ok(Task::Replay(ReplayConfig { files, shared }))
        }
        Command::Capture(given) => {
            let (interface, live, shared) = listening(*given)?;
            let interface = interface.ok_or(ConfigError::NoInterface)?;
            Ok(Task::Capture(CaptureConfig { interface, live, shared }))
        }
        Command::Check(given) => {
            let (interface, live, shared) = listening(*given)?;
            check_filter(&shared)?;
            Ok(Task::Check(CheckConfig { interface, live, shared }))
        }
        Command::Schema => Ok(Task::Schema),
    }
}

/// A replay's sensor has this name unless another is given: with the host's name, one capture would give different
/// records on different machines. Ids don't contain it, so what two machines replayed can still be told apart or
/// folded together.
const REPLAY_SENSOR: &str = "replay";

fn with_file(flags: Given) -> Result<Given, ConfigError> {
    match flags.options.config.clone() {
        Some(path) => Ok(flags.or(file::read(&path)?)),
        None => Ok(flags),
    }
}

fn listening(given: Given) -> Result<(Option<String>, LiveConfig, Config), ConfigError> {
    let given = with_file(given)?;
    let live = live(&given.live)?;
    let shared = shared(given.options, given.output, None)?;
    if given.live.interface.as_ref().is_some_and(String::is_empty) {
        return Err(ConfigError::Empty { option: "interface" });
    }
    Ok((given.live.interface, live, shared))
}

fn live(options: &LiveOptions) -> Result<LiveConfig, ConfigError> {
    let sized = |option, given: Option<Bytes>, default: u32, min: u32, max: u32| {
        let bytes = given.map_or(u64::from(default), |bytes| bytes.0);
        let in_range = u32::try_from(bytes).ok().filter(|bytes| (min..=max).contains(bytes));
        in_range.ok_or_else(|| ConfigError::OutOfRange {
            option,
            value: Bytes(bytes).to_string(),
            allowed: format!("{} to {}", Bytes(min.into()), Bytes(max.into())),
        })
    };
    Ok(LiveConfig {
        snaplen_bytes: sized(
            "snaplen",
            options.snaplen,
            limits::SNAPLEN_BYTES_MAX,
            limits::SNAPLEN_BYTES_MIN,
            limits::SNAPLEN_BYTES_MAX,
        )?,
        ring_bytes: sized(
            "ring",
            options.ring,
            limits::RING_BYTES_DEFAULT,
            limits::RING_BYTES_MIN,
            limits::RING_BYTES_MAX,
        )?,
        promiscuous: !options.no_promiscuous.unwrap_or(false),
    })
}

/// Checks what replay and capture share. Without `sensor` the default name is the host's.
fn shared(options: Options, output: OutputOptions, sensor: Option<&str>) -> Result<Config, ConfigError> {
    if options.filter.as_ref().is_some_and(|filter| filter.trim().is_empty()) {
        return Err(ConfigError::Empty { option: "filter" });
    }
    for (option, paths) in [("keylog", &options.keylog), ("private-key", &options.private_key)] {
        // a capture waits for a key log that is not there yet
        let waited_for = |path: &&PathBuf| sensor.is_some() || option != "keylog" || path.exists();
        paths.iter().filter(waited_for).try_for_each(|path| readable(option, path))?;
    }
    if let Some(path) = &options.fingerprint_key {
        readable("fingerprint-key", path)?;
    }
    let analysis = !output.no_analysis.unwrap_or(false);
    Ok(Config {
        filter: options.filter,
        redact: options.redact.unwrap_or_default(),
        workers: workers(options.workers)?,
        memory_bytes: memory(options.memory)?,
        sensor: sensor_name(options.sensor, sensor)?,
        fingerprint_key: options.fingerprint_key,
        keylogs: options.keylog,
        private_keys: options.private_key,
        tls_hold_bytes: options.tls_hold.map_or(limits::TLS_HOLD_BYTES_DEFAULT, |bytes| bytes.0),
        call_max: call_max(options.call_max)?,
        outputs: outputs::resolve(&output, analysis)?,
        analysis,
        kafka: kafka::resolve(output)?,
    })
}

fn call_max(given: Option<Period>) -> Result<Duration, ConfigError> {
    let least = Duration::from_secs(limits::CALL_MAX_S_MIN);
    let given = given.map_or(Duration::from_secs(limits::CALL_MAX_S_DEFAULT), |period| period.0);
    if given < least {
        let allowed = format!("at least {}", Period(least));
        return Err(ConfigError::OutOfRange {
            option: "call-max",
            value: Period(given).to_string(),
            allowed,
        });
    }
    Ok(given)
}

fn workers(given: Option<usize>) -> Result<usize, ConfigError> {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from).min(limits::WORKERS_MAX);
    let workers = given.unwrap_or_else(cores);
    if (1..=limits::WORKERS_MAX).contains(&workers) {
        return Ok(workers);
    }
    let allowed = format!("1 to {}", limits::WORKERS_MAX);
    Err(ConfigError::OutOfRange { option: "workers", value: workers.to_string(), allowed })
}

fn memory(given: Option<Bytes>) -> Result<u64, ConfigError> {
    let memory = given.unwrap_or(Bytes(limits::MEMORY_BYTES_DEFAULT));
    if memory.0 >= limits::MEMORY_BYTES_MIN {
        return Ok(memory.0);
    }
    let allowed = format!("at least {}", Bytes(limits::MEMORY_BYTES_MIN));
    Err(ConfigError::OutOfRange { option: "memory", value: memory.to_string(), allowed })
}

fn sensor_name(given: Option<String>, default: Option<&str>) -> Result<String, ConfigError> {
    // The name becomes a segment of a URI reference (`ce_source`), so it keeps to what needs no escaping there.
    let usable = |name: &str| {
        (1..=limits::SENSOR_NAME_BYTES_MAX).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
    };
    match (given, default) {
        (Some(name), _) if usable(&name) => Ok(name),
        (Some(name), _) => Err(ConfigError::SensorName { name }),
        (None, Some(name)) => Ok(name.to_owned()),
        (None, None) => {
            let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
            let name = name.trim();
            if usable(name) { Ok(name.to_owned()) } else { Err(ConfigError::NoHostName) }
        }
    }
}

fn readable(option: &'static str, path: &Path) -> Result<(), ConfigError> {
    // A pipe is not opened: that would wait for its writer.
    let opened = path.metadata().and_then(|meta| match meta.is_dir() {
        true if option == "keylog" => path.read_dir().map(drop),
        true => Err(std::io::ErrorKind::IsADirectory.into()),
        false if meta.is_file() => File::open(path).map(drop),
        false => Ok(()),
    });
    opened.map_err(|error| ConfigError::Unreadable { option, path: path.into(), error })
}

/// Compiles the filter as it would be for Ethernet. A run compiles it for the link that it finds.
fn check_filter(shared: &Config) -> Result<(), ConfigError> {
    let Some(expression) = &shared.filter else { return Ok(()) };
    let compiled =
        pcap::Capture::dead(pcap::Linktype::ETHERNET).and_then(|dead| dead.compile(expression, true));
    compiled.map(drop).map_err(|error| {
        let reason = match error {
            pcap::Error::PcapError(reason) => reason,
            other => other.to_string(),
        };
        ConfigError::Filter { expression: expression.clone(), reason }
    })
}

#[cfg(test)]
mod tests;
