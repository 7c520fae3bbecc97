//! The summary for a person at the end of a run: what was read, the calls, the busiest operations, the findings, what
//! was not turned into calls or could not be read, what was lost, and whether the books balance.
//!
//! It is filled by whoever ran the stages and only written here. Names come from traffic: everything that is shown
//! passes [`printable`](super::printable).

mod page;
mod quantity;
mod sections;
mod table;

use std::io::{self, Write};

use self::page::Page;
use super::Account;
use crate::time::Timestamp;

/// How to show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Columns of the terminal.
    pub width: usize,
    /// With colours.
    pub colours: bool,
}

/// What a run did.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// What was read, in order.
    pub inputs: Vec<Input>,
    /// The calls that came out.
    pub calls: Calls,
    /// The busiest operations, the busiest first.
    pub operations: Vec<Operation>,
    /// How many operations there are, shown or not.
    pub operations_total: u64,
    /// Findings, the worst first.
    pub findings: Vec<Finding>,
    /// How many findings there are, shown or not.
    pub findings_total: u64,
    /// What connections spoke that was not turned into calls.
    pub given_up: Vec<GivenUp>,
    /// TLS that was not decrypted: server, version, suite, reason.
    pub undecrypted: Vec<GivenUp>,
    /// What could not be read.
    pub problems: Vec<Problem>,
    /// What was lost, by place.
    pub losses: Vec<Loss>,
    /// The equations of conservation.
    pub equations: Vec<Equation>,
    /// What became of the records.
    pub deliveries: Vec<Delivery>,
}

/// A capture file or an interface.
#[derive(Clone, Debug, Default)]
pub struct Input {
    /// As it was given.
    pub name: String,
    /// Frames read.
    pub frames: u64,
    /// Captured bytes of these frames.
    pub bytes: u64,
    /// Time of its earliest frame.
    pub first: Option<Timestamp>,
    /// Time of its latest frame.
    pub last: Option<Timestamp>,
}

/// Calls by quality.
#[derive(Clone, Debug, Default)]
pub struct Calls {
    /// Nothing of them is missing.
    pub complete: u64,
    /// Something is.
    pub partial: u64,
    /// How many of the partial ones have that cause; a call may have several.
    pub causes: Vec<(String, u64)>,
}

/// One operation.
#[derive(Clone, Debug, Default)]
pub struct Operation {
    /// As on the wire.
    pub method: String,
    /// Host name or address.
    pub service: String,
    /// Template of the path.
    pub template: String,
    /// Calls in all.
    pub calls: u64,
    /// Of these, answered with 1xx, 2xx … 5xx.
    pub classes: [u64; 5],
    /// Median duration in microseconds.
    pub p50_us: Option<u64>,
    /// 95th percentile of the durations in microseconds.
    pub p95_us: Option<u64>,
}

/// One finding.
#[derive(Clone, Debug, Default)]
pub struct Finding {
    /// As in the record: `info`, `low`, `medium`, `high`, `critical`.
    pub severity: String,
    /// One sentence.
    pub title: String,
    /// Method, service and template; empty where it has none.
    pub operation: String,
    /// Calls that support it.
    pub count: u64,
    /// Masked evidence; empty where there is none.
    pub evidence: String,
}

/// Connections that were given up by name.
#[derive(Clone, Debug, Default)]
pub struct GivenUp {
    /// `tls`, `ssh`, `unknown` …
    pub protocol: String,
    /// How many.
    pub connections: u64,
    /// Their payload.
    pub bytes: u64,
}

/// Something that could not be read.
#[derive(Clone, Debug, Default)]
pub struct Problem {
    /// Which file or interface, and where in it.
    pub place: String,
    /// Why.
    pub reason: String,
}

/// Where something was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// An acknowledgement was seen for bytes that never came by.
    BeforeTheTap,
    /// The kernel or the ring had no room.
    Kernel,
    /// A queue or a cap of the sensor.
    Sensor,
}

/// One kind of loss.
#[derive(Clone, Debug)]
pub struct Loss {
    /// Where.
    pub place: Place,
    /// The counter's name.
    pub name: String,
    /// How many.
    pub count: u64,
    /// Of what: `bytes`, `frames`, `flows` …
    pub unit: &'static str,
}

/// One equation of conservation.
#[derive(Clone, Debug, Default)]
pub struct Equation {
    /// What is conserved: `frames received`.
    pub name: String,
    /// How many of them.
    pub left: u64,
    /// What became of them.
    pub right: Vec<(String, u64)>,
}

impl Equation {
    /// Both sides are equal.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.left == self.right_side()
    }

    fn right_side(&self) -> u64 {
        self.right.iter().fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }
}

/// What became of the records that went to one place.
#[derive(Clone, Debug, Default)]
pub struct Delivery {
    /// A file's path, or `Kafka` and the topic.
    pub place: String,
    /// `written` or `acknowledged`.
    pub verb: &'static str,
    /// The books.
    pub account: Account,
}

impl Summary {
    /// Writes it.
    pub fn write(&self, look: Look, out: &mut dyn Write) -> io::Result<()> {
        let mut page = Page::new(look, out);
        sections::inputs(&mut page, &self.inputs)?;
        sections::calls(&mut page, &self.calls)?;
        sections::operations(&mut page, &self.operations, self.operations_total)?;
        sections::findings(&mut page, &self.findings, self.findings_total)?;
        sections::given_up(&mut page, "Not turned into calls", &self.given_up)?;
        sections::given_up(&mut page, "Not decrypted", &self.undecrypted)?;
        sections::problems(&mut page, &self.problems)?;
        sections::losses(&mut page, &self.losses)?;
        sections::equations(&mut page, &self.equations)?;
        sections::deliveries(&mut page, &self.deliveries)
    }
}

#[cfg(test)]
mod tests;
