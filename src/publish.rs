//! Record → Kafka, NDJSON files, or a summary for a person.
//!
//! A [`Sink`] takes finished records and keeps books over each: what was emitted is delivered, still on its way, or
//! dropped by name. Sinks are driven by one thread, the publisher, and are the only stage that may wait.

pub mod kafka;
pub mod ndjson;
pub mod printable;
pub mod progress;
pub mod summary;
mod tally;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

pub use tally::{Account, Dropped, Tally};

use crate::time::Timestamp;

/// Which record: its topic, its file and its CloudEvents type follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// One call.
    Call,
    /// A connection that was not turned into calls.
    Connection,
    /// The state of one operation.
    Endpoint,
    /// A finding.
    Finding,
    /// Counters and equations.
    Sensor,
}

impl Kind {
    /// Every kind, in the order of [`Kind::index`].
    pub const ALL: [Self; 5] = [Self::Call, Self::Connection, Self::Endpoint, Self::Finding, Self::Sensor];

    /// As in the record's field `type`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Connection => "connection",
            Self::Endpoint => "endpoint",
            Self::Finding => "finding",
            Self::Sensor => "sensor",
        }
    }

    /// The Kafka topic.
    #[must_use]
    pub const fn topic(self) -> &'static str {
        match self {
            Self::Call => "eaves.calls",
            Self::Connection => "eaves.connections",
            Self::Endpoint => "eaves.inventory",
            Self::Finding => "eaves.findings",
            Self::Sensor => "eaves.sensor",
        }
    }

    /// The file's name in an output directory.
    #[must_use]
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Call => "calls.ndjson",
            Self::Connection => "connections.ndjson",
            Self::Endpoint => "inventory.ndjson",
            Self::Finding => "findings.ndjson",
            Self::Sensor => "sensor.ndjson",
        }
    }

    /// The type attribute of the record as a CloudEvent.
    #[must_use]
    pub const fn ce_type(self) -> &'static str {
        match self {
            Self::Call => "io.eaves.call.v1",
            Self::Connection => "io.eaves.connection.v1",
            Self::Endpoint => "io.eaves.endpoint.v1",
            Self::Finding => "io.eaves.finding.v1",
            Self::Sensor => "io.eaves.sensor.v1",
        }
    }

    /// Place in an array that has one entry per kind.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// One record on its way out: the finished JSON line and what a sink must know besides.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// What it is.
    pub kind: Kind,
    /// Its id.
    pub id: &'a str,
    /// Which version of it, for records that are sent again.
    pub rev: Option<u64>,
    /// Event time, for `ce_time`.
    pub time: Timestamp,
    /// The partition key in Kafka.
    pub key: &'a str,
    /// Id of the operation, for `ce_subject`.
    pub subject: Option<&'a str>,
    /// One JSON object without a line break.
    pub json: &'a [u8],
}

/// Where records go. Every record that is given to it stands in its [`Tally`], whatever became of it.
pub trait Sink {
    /// What it is called in the summary and in counters.
    fn name(&self) -> &'static str;

    /// Takes one record; waits where the destination is slow. An error is told once, by the call that met it: after
    /// it the sink still takes records, and counts each as dropped.
    fn write(&mut self, record: &Outgoing<'_>) -> Result<(), SinkError>;

    /// Passes on what is only held back for a larger write, without waiting: for when nothing comes in.
    fn idle(&mut self) -> Result<(), SinkError>;

    /// Delivers what is left and closes the books: after it nothing is on its way any more.
    fn finish(&mut self) -> Result<(), SinkError>;

    /// The books as they stand.
    fn tally(&self) -> Tally;
}

/// Why a sink can't go on.
#[derive(Debug)]
pub enum SinkError {
    /// Whoever read standard output has gone. That is how `| head` ends a run, so nothing is to be said about it.
    Closed,
    /// A file or a directory can't be made.
    Create {
        /// Which.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A file can't be written any more.
    Write {
        /// Which.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The settings of the Kafka client contradict each other or have no meaning.
    Settings {
        /// What the client library says.
        reason: String,
    },
    /// Kafka acknowledged nothing for as long as it may take.
    Unreachable {
        /// The brokers as they were given.
        brokers: String,
        /// For how long nothing happened.
        waited: Duration,
        /// The last trouble that the client library had.
        reason: Option<String>,
    },
    /// The Kafka client met an error after which it can't keep order and uniqueness, and ended.
    Fatal {
        /// What the client library says.
        reason: String,
    },
}

impl fmt::Display for SinkError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => formatter.write_str("standard output was closed"),
            Self::Create { path, error } => write!(formatter, "cannot create {}: {error}", path.display()),
            Self::Write { path, error } => write!(formatter, "cannot write {}: {error}", path.display()),
            Self::Settings { reason } => write!(formatter, "Kafka settings: {}", printable::escape(reason)),
            Self::Unreachable { brokers, waited, reason } => {
                let brokers = printable::escape(brokers);
                write!(
                    formatter,
                    "Kafka at {brokers} acknowledged nothing for {:.1} s",
                    waited.as_secs_f64()
                )?;
                match reason {
                    Some(reason) => write!(formatter, ": {}", printable::escape(reason)),
                    None => Ok(()),
                }
            }
            Self::Fatal { reason } => write!(formatter, "Kafka client ended: {}", printable::escape(reason)),
        }
    }
}

impl std::error::Error for SinkError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Create { error, .. } | Self::Write { error, .. } => Some(error),
            Self::Closed | Self::Settings { .. } | Self::Unreachable { .. } | Self::Fatal { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_place() {
        for (place, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind.index(), place);
            assert_eq!(kind.ce_type(), format!("io.eaves.{}.v1", kind.name()));
            assert_eq!(format!("eaves.{}", kind.file_name().trim_end_matches(".ndjson")), kind.topic());
        }
    }
}
