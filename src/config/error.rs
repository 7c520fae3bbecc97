//! What can be wrong with a configuration, in one sentence each: what, where, and what would be right.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why nothing was run.
#[derive(Debug)]
pub enum ConfigError {
    /// A file that an option names can't be read.
    Unreadable {
        /// The option's name.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The configuration file is no TOML, or a value in it has the wrong form.
    Toml {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        reason: String,
    },
    /// The configuration file has a key that no option has.
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The key.
        key: String,
        /// The keys that there are.
        allowed: Vec<String>,
    },
    /// A number outside its range.
    OutOfRange {
        /// The option's name.
        option: &'static str,
        /// What was given.
        value: String,
        /// The range.
        allowed: String,
    },
    /// A value that is empty.
    Empty {
        /// The option's name.
        option: &'static str,
    },
    /// A sensor's name with other characters than those of host names.
    SensorName {
        /// What was given.
        name: String,
    },
    /// The host's name is unknown or not usable, and no other was given.
    NoHostName,
    /// No interface was given.
    NoInterface,
    /// Two options that contradict each other.
    Conflict {
        /// One.
        one: &'static str,
        /// The other.
        other: &'static str,
        /// Why they do.
        reason: &'static str,
    },
    /// An option that means nothing without another.
    Needs {
        /// The option.
        option: &'static str,
        /// What it needs.
        needed: &'static str,
    },
    /// Two outputs go to one place.
    SameOutput {
        /// One option.
        one: &'static str,
        /// The other.
        other: &'static str,
        /// The place.
        place: String,
    },
    /// An output would overwrite what is to be read.
    OutputIsInput {
        /// The output's option.
        option: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// The same input was given twice, and each call would be counted twice.
    SameInput {
        /// The input.
        path: PathBuf,
    },
    /// The place for all outputs is something other than a directory.
    NotADirectory {
        /// The path.
        path: PathBuf,
    },
    /// Kafka brokers that are not a list of HOST or HOST:PORT.
    Brokers {
        /// The entry that is none.
        entry: String,
    },
    /// A Kafka setting without '='.
    KafkaSetting {
        /// What was given.
        text: String,
    },
    /// The filter is no BPF expression.
    Filter {
        /// The expression.
        expression: String,
        /// What libpcap says.
        reason: String,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { option, path, error } => {
                write!(formatter, "--{option} {}: can't be read: {error}", path.display())
            }
            Self::Toml { path, line, reason } => write!(formatter, "{}:{line}: {reason}", path.display()),
            Self::UnknownKey { path, line, key, allowed } => {
                let (path, allowed) = (path.display(), allowed.join(", "));
                write!(formatter, "{path}:{line}: there is no key '{key}'; allowed are {allowed}")
            }
            Self::OutOfRange { option, value, allowed } => {
                write!(formatter, "--{option} {value}: must be {allowed}")
            }
            Self::Empty { option } => write!(formatter, "--{option}: the value is empty"),
            Self::SensorName { name } => write!(
                formatter,
                "--sensor '{name}': a name has 1 to {} letters, digits, '.', '-' or '_'",
                crate::limits::SENSOR_NAME_BYTES_MAX
            ),
            Self::NoHostName => formatter.write_str("this host has no usable name: say --sensor NAME"),
            Self::NoInterface => formatter.write_str("no interface to listen on: say -i IFACE"),
            Self::Conflict { one, other, reason } => {
                write!(formatter, "--{one} and --{other} contradict each other: {reason}")
            }
            Self::Needs { option, needed } => {
                write!(formatter, "--{option} means nothing without --{needed}")
            }
            Self::SameOutput { one, other, place } => {
                write!(
                    formatter,
                    "--{one} and --{other} both write to {place}: each needs a place of its own"
                )
            }
            Self::OutputIsInput { option, path } => {
                write!(
                    formatter,
                    "--{option} {}: would overwrite a capture that is to be read",
                    path.display()
                )
            }
            Self::SameInput { path } => {
                write!(formatter, "{}: given twice, every call would be counted twice", path.display())
            }
            Self::NotADirectory { path } => write!(formatter, "--out {}: is not a directory", path.display()),
            Self::Brokers { entry } => {
                write!(
                    formatter,
                    "--brokers: '{entry}' is not HOST or HOST:PORT (several are separated by commas)"
                )
            }
            Self::KafkaSetting { text } => {
                write!(formatter, "--kafka-config '{text}': must be KEY=VALUE, such as security.protocol=ssl")
            }
            Self::Filter { expression, reason } => write!(formatter, "--filter '{expression}': {reason}"),
        }
    }
}

impl std::error::Error for ConfigError {}
