//! Record → Kafka, NDJSON files, or a summary for a person.

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
