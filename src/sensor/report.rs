//! The books of a run: what every stage counted, the equations that must hold, the sensor's own record, the summary
//! and the exit code.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::process::ExitCode;

use serde_json::{Map, Value, json};

use super::publisher::{Publisher, sensor_record};
use super::{Failure, say};
use crate::capture::file::Files;
use crate::config::{CaptureConfig, Config, ReplayConfig};
use crate::publish::{Kind, SinkError};
use crate::time::Timestamp;
use crate::worker::{self, Worker};
use crate::{flow, wire};

mod overview;

/// What one worker counted.
pub(super) struct WorkerBooks {
    calls: worker::Counters,
    flow: flow::Counters,
    given_up: BTreeMap<&'static str, worker::GivenUp>,
    reached_budget: bool,
}

impl WorkerBooks {
    pub(super) fn of(worker: &Worker) -> Self {
        let (calls, flow) = worker.counters();
        let reached_budget = worker.reached_budget();
        Self { calls: *calls, flow: *flow, given_up: worker.given_up().clone(), reached_budget }
    }
}

/// What was read.
#[derive(Clone, Debug, Default)]
pub(super) struct Read {
    pub(super) frames: u64,
    pub(super) bytes: u64,
    pub(super) first: Option<Timestamp>,
    pub(super) clock: Timestamp,
    pub(super) wire: wire::Counters,
    pub(super) kernel_dropped: u64,
}

impl Read {
    /// Adds what another socket read.
    pub(super) fn add(&mut self, other: &Self) {
        self.frames += other.frames;
        self.bytes += other.bytes;
        self.first = [self.first, other.first].into_iter().flatten().min();
        self.clock = self.clock.max(other.clock);
        self.wire.add(&other.wire);
    }
}

/// One equation of conservation.
pub(super) struct Equation {
    pub(super) name: String,
    pub(super) left: u64,
    pub(super) right: Vec<(String, u64)>,
}

impl Equation {
    fn holds(&self) -> bool {
        self.left == self.sum()
    }

    fn sum(&self) -> u64 {
        self.right.iter().map(|(_, count)| count).sum()
    }
}

/// The books of a run.
pub(super) struct Books {
    pub(super) seed: u64,
    key_id: String,
    pub(super) analysis: Option<crate::analysis::Counters>,
    inputs: Vec<String>,
    read: Read,
    capture: Map<String, Value>,
    calls: worker::Counters,
    flow: flow::Counters,
    given_up: BTreeMap<&'static str, worker::GivenUp>,
    /// What could not be read: where, and why.
    problems: Vec<String>,
    reached_budget: bool,
    /// Something was lost inside the sensor, or the capture ended against its will.
    pub(super) faulty: bool,
    /// Lines that the queue to the merge had no room for.
    pub(super) lines_dropped: u64,
    /// Segments that the owner of their flow had no room for.
    pub(super) segments_dropped: u64,
}

impl Books {
    pub(super) fn new(seed: u64, key_id: String) -> Self {
        Self {
            seed,
            key_id,
            analysis: None,
            inputs: Vec::new(),
            read: Read::default(),
            capture: Map::new(),
            calls: worker::Counters::default(),
            flow: flow::Counters::default(),
            given_up: BTreeMap::new(),
            problems: Vec::new(),
            reached_budget: false,
            faulty: false,
            lines_dropped: 0,
            segments_dropped: 0,
        }
    }

    pub(super) fn add_worker(&mut self, books: WorkerBooks) {
        self.calls.add(&books.calls);
        self.flow.add(&books.flow);
        self.reached_budget |= books.reached_budget;
        for (protocol, count) in books.given_up {
            self.given_up.entry(protocol).or_default().add(&count);
        }
    }

    pub(super) fn read_files(&mut self, config: &ReplayConfig, files: &Files, read: Read) {
        self.inputs = config.files.iter().map(|path| path.display().to_string()).collect();
        self.problems = files.problems().iter().map(ToString::to_string).collect();
        files.counters.each(|name, count| drop(self.capture.insert(name.to_owned(), count.into())));
        self.read = read;
    }

    pub(super) fn read_live(
        &mut self,
        config: &CaptureConfig,
        read: Read,
        stats: &crate::capture::live::Stats,
    ) {
        self.inputs = vec![config.interface.clone()];
        stats.each(|name, count| drop(self.capture.insert(name.to_owned(), count.into())));
        self.read = read;
    }

    /// Something that a person must know and that makes the run end with 1.
    pub(super) fn problem(&mut self, text: String) {
        self.problems.push(text);
    }

    /// Sends the sensor's record, closes the books of the sinks, says what is to be said.
    pub(super) fn conclude(mut self, mut publisher: Publisher, config: &Config) -> Result<ExitCode, Failure> {
        let mut equations = self.equations();
        equations.extend(self.record_equations(&publisher));
        let record = self.sensor_json(config, &equations);
        let id = config.sensor.clone();
        publisher.write(&sensor_record(&id, &config.sensor, self.read.clock, record.to_string().as_bytes()));
        publisher.finish();
        for problem in &self.problems {
            say(problem);
        }
        for equation in equations.iter().filter(|equation| !equation.holds()) {
            let (name, left, right) = (&equation.name, equation.left, equation.sum());
            say(&format!("the books do not balance: {name}: {left} against {right}; please report it"));
            self.faulty = true;
        }
        if self.reached_budget {
            say("the memory budget was reached: flows were evicted (--memory sets it)");
        }
        if config.outputs.is_empty() && config.kafka.is_none() {
            self.overview(&equations, &publisher, config).map_err(|error| {
                Failure::Sink(match error.kind() {
                    std::io::ErrorKind::BrokenPipe => SinkError::Closed,
                    _ => SinkError::Write { path: "standard output".into(), error },
                })
            })?;
        }
        self.exit_code(&mut publisher)
    }

    fn exit_code(&self, publisher: &mut Publisher) -> Result<ExitCode, Failure> {
        if let Some(error) = publisher.failure.take() {
            return Err(Failure::Sink(error));
        }
        if publisher.undelivered {
            let lost: u64 = publisher.tallies().map(|(_, tally)| tally.total().dropped.total()).sum();
            say(&format!("{lost} records were not delivered"));
        }
        let lossy = self.faulty
            || publisher.undelivered
            || !self.problems.is_empty()
            || self.calls.flows_failed > 0
            || self.lines_dropped + self.segments_dropped > 0
            || self.read.kernel_dropped > 0
            || self.reached_budget;
        Ok(ExitCode::from(u8::from(lossy)))
    }

    /// Each holds exactly at the end of every run.
    fn equations(&self) -> Vec<Equation> {
        let (wire, flow, calls) = (&self.read.wire, &self.flow, &self.calls);
        let equation = |name: &str, left, right: &[(&str, u64)]| Equation {
            name: name.to_owned(),
            left,
            right: right.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect(),
        };
        vec![
            equation(
                "frames received",
                self.read.frames + self.read.kernel_dropped,
                &[
                    ("segments", wire.segments),
                    ("fragments joined", wire.fragments_joined),
                    ("fragments expired", wire.fragments_expired),
                    ("fragments held", wire.fragments_held),
                    ("other traffic", wire.other()),
                    ("undecodable", wire.undecodable()),
                    ("dropped in the kernel", self.read.kernel_dropped),
                ],
            ),
            equation(
                "stream bytes seen",
                flow.bytes_seen,
                &[
                    ("delivered", flow.bytes_delivered),
                    ("duplicate", flow.bytes_duplicate),
                    ("of flows given up", flow.bytes_discarded_given_up),
                    ("behind the end", flow.bytes_discarded_after_end),
                    ("out of window", flow.bytes_discarded_out_of_window),
                    ("before the start", flow.bytes_discarded_before_start),
                    ("of failed flows", flow.bytes_discarded_failed),
                ],
            ),
            equation(
                "calls opened",
                calls.calls_opened,
                &[("complete", calls.calls_complete), ("partial", calls.calls_partial)],
            ),
        ]
    }

    fn record_equations(&self, publisher: &Publisher) -> Vec<Equation> {
        let mut all = Vec::new();
        for (sink, tally) in publisher.tallies() {
            for kind in Kind::ALL {
                let account = tally.of(kind);
                if account.emitted > 0 {
                    all.push(Equation {
                        name: format!("{} records to {sink}", kind.name()),
                        left: account.emitted,
                        right: vec![
                            ("delivered".to_owned(), account.delivered),
                            ("on the way".to_owned(), account.on_the_way()),
                            ("dropped".to_owned(), account.dropped.total()),
                        ],
                    });
                }
            }
        }
        all
    }

    fn sensor_json(&self, config: &Config, equations: &[Equation]) -> Value {
        let mut counters = Map::new();
        counters.insert("capture".to_owned(), Value::Object(self.capture.clone()));
        counters.insert("wire".to_owned(), counted(|visit| self.read.wire.each(visit)));
        counters.insert("flow".to_owned(), counted(|visit| self.flow.each(visit)));
        counters.insert("calls".to_owned(), counted(|visit| self.calls.each(visit)));
        if let Some(analysis) = &self.analysis {
            counters.insert("analysis".to_owned(), counted(|visit| analysis.each(visit)));
        }
        let equations: Vec<Value> = equations
            .iter()
            .map(|one| json!({"name": one.name, "left": one.left, "right": one.sum(), "holds": one.holds()}))
            .collect();
        let gave_up: Map<String, Value> = self
            .given_up
            .iter()
            .map(|(protocol, count)| ((*protocol).to_owned(), count.connections.into()))
            .collect();
        json!({
            "type": "sensor", "v": 1, "id": config.sensor, "sensor": config.sensor,
            "time": self.read.clock.to_string(), "version": env!("CARGO_PKG_VERSION"), "key_id": self.key_id,
            "counters": counters, "equations": equations,
            "loss": {
                "before_tap": self.flow.gap_bytes_acknowledged,
                "kernel": self.read.kernel_dropped,
                "sensor": self.lines_dropped + self.segments_dropped + self.calls.flows_failed + self.flow.flows_evicted,
            },
            "gave_up": gave_up, "problems": self.problems,
        })
    }
}

fn counted(each: impl FnOnce(&mut dyn FnMut(&'static str, u64))) -> Value {
    let mut all = Map::new();
    each(&mut |name, count| drop(all.insert(name.to_owned(), count.into())));
    Value::Object(all)
}

/// Whether standard output shows colours.
fn colours() -> bool {
    std::io::stdout().is_terminal()
        && anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never
}
