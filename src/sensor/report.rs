//! The books of a run: what every stage counted, the equations that must hold, the sensor's own record, the summary
//! and the exit code.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::process::ExitCode;

use serde_json::{Map, Value, json};

use super::live::Report;
use super::publisher::{Publisher, sensor_record};
use super::{Failure, say, secrets};
use crate::capture::file::Files;
use crate::capture::live::Stats;
use crate::config::{Config, ReplayConfig};
use crate::publish::{Kind, SinkError};
use crate::time::Timestamp;
use crate::worker::{self, Worker};
use crate::{flow, quic, tls, wire};

mod overview;

/// What one worker counted.
pub(super) struct WorkerBooks {
    calls: worker::Counters,
    flow: flow::Counters,
    datagrams: quic::Counters,
    secrets: tls::Counters,
    /// Bytes that wait for their turn.
    held: u64,
    /// Calls that are open.
    open: u64,
    given_up: BTreeMap<&'static str, worker::GivenUp>,
    undecrypted: BTreeMap<worker::Undecrypted, worker::GivenUp>,
    reached_budget: bool,
}

impl WorkerBooks {
    pub(super) fn of(worker: &Worker) -> Self {
        let (calls, flow) = worker.counters();
        let reached_budget = worker.reached_budget();
        Self {
            calls: *calls,
            flow: *flow,
            datagrams: *worker.datagrams(),
            secrets: worker.secrets_counters(),
            held: worker.held_bytes(),
            open: worker.open_calls(),
            given_up: worker.given_up().clone(),
            undecrypted: worker.undecrypted().clone(),
            reached_budget,
        }
    }
}

/// What was read.
#[derive(Clone, Debug, Default)]
pub(super) struct Read {
    /// Frames that the file has, or that the kernel counted.
    pub(super) received: u64,
    /// Those that were read.
    pub(super) frames: u64,
    pub(super) bytes: u64,
    pub(super) first: Option<Timestamp>,
    pub(super) clock: Timestamp,
    pub(super) wire: wire::Counters,
    pub(super) kernel_dropped: u64,
    /// Frames that the kernel counted and nobody read yet.
    pub(super) left_in_ring: u64,
}

impl Read {
    /// Adds what another socket read.
    pub(super) fn add(&mut self, other: &Self) {
        self.received += other.received;
        self.frames += other.frames;
        self.bytes += other.bytes;
        self.first = [self.first, other.first].into_iter().flatten().min();
        self.clock = self.clock.max(other.clock);
        self.wire.add(&other.wire);
        self.kernel_dropped += other.kernel_dropped;
        self.left_in_ring += other.left_in_ring;
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
    pub(super) key_id: String,
    pub(super) analysis: Option<crate::analysis::Counters>,
    /// What key logs gave, where there may be any.
    pub(super) keylogs: Option<secrets::counters::Counters>,
    inputs: Vec<String>,
    read: Read,
    capture: Map<String, Value>,
    calls: worker::Counters,
    flow: flow::Counters,
    datagrams: quic::Counters,
    secrets: tls::Counters,
    held: u64,
    /// Calls that are open.
    open: u64,
    given_up: BTreeMap<&'static str, worker::GivenUp>,
    undecrypted: BTreeMap<worker::Undecrypted, worker::GivenUp>,
    /// What could not be read: where, and why.
    problems: Vec<String>,
    reached_budget: bool,
    /// There are frames, and none could be read.
    nothing_read: bool,
    /// An equation does not hold.
    faulty: bool,
    /// Lines that the queue to the merge had no room for.
    lines_dropped: u64,
    /// Segments that the owner of their flow had no room for.
    segments_dropped: u64,
}

impl Books {
    pub(super) fn new(seed: u64, key_id: String) -> Self {
        Self {
            seed,
            key_id,
            analysis: None,
            keylogs: None,
            inputs: Vec::new(),
            read: Read::default(),
            capture: Map::new(),
            calls: worker::Counters::default(),
            flow: flow::Counters::default(),
            datagrams: quic::Counters::default(),
            secrets: tls::Counters::default(),
            held: 0,
            open: 0,
            given_up: BTreeMap::new(),
            undecrypted: BTreeMap::new(),
            problems: Vec::new(),
            reached_budget: false,
            nothing_read: false,
            faulty: false,
            lines_dropped: 0,
            segments_dropped: 0,
        }
    }

    pub(super) fn add_worker(&mut self, books: WorkerBooks) {
        self.calls.add(&books.calls);
        self.flow.add(&books.flow);
        self.datagrams.add(&books.datagrams);
        self.secrets.add_worker(&books.secrets);
        self.held += books.held;
        self.open += books.open;
        self.reached_budget |= books.reached_budget;
        for (protocol, count) in books.given_up {
            self.given_up.entry(protocol).or_default().add(&count);
        }
        for (kind, count) in books.undecrypted {
            self.undecrypted.entry(kind).or_default().add(&count);
        }
    }

    pub(super) fn read_files(&mut self, config: &ReplayConfig, files: &Files, read: Read) {
        self.inputs = config.files.iter().map(|path| path.display().to_string()).collect();
        self.problems = files.problems().iter().map(ToString::to_string).collect();
        let unread = read.wire.undecodable_unknown_link_type;
        if unread > 0 {
            let unknown = files.link_types().filter(|(link, _)| !wire::reads(*link));
            self.problems.extend(unknown.map(|(_, problem)| problem.to_string()));
        }
        self.nothing_read = unread > 0 && unread == read.frames;
        files.counters.each(|name, count| drop(self.capture.insert(name.to_owned(), count.into())));
        self.read = read;
    }

    /// What the workers of a live capture tell of themselves.
    pub(super) fn read_live(&mut self, interface: &str, reports: impl IntoIterator<Item = Report>) {
        self.inputs = vec![interface.to_owned()];
        let mut stats = Stats::default();
        for Report { worker, heard } in reports {
            self.add_worker(worker);
            self.read.add(&heard.read);
            stats.received += heard.stats.received;
            stats.dropped += heard.stats.dropped;
            stats.interface_dropped = stats.interface_dropped.max(heard.stats.interface_dropped);
            self.lines_dropped += heard.lines_dropped;
            self.segments_dropped += heard.segments_dropped;
        }
        let mut count = |name: &str, count: u64| drop(self.capture.insert(name.to_owned(), count.into()));
        stats.each(&mut count);
        count("frames", self.read.frames);
        count("bytes", self.read.bytes);
        count("segments_not_handed_over", self.segments_dropped);
        count("lines_dropped", self.lines_dropped);
    }

    /// Sends the sensor's record in the middle of a run.
    pub(super) fn tell(&self, publisher: &mut Publisher, config: &Config) {
        let mut equations = self.equations();
        equations.extend(self.record_equations(publisher));
        self.send(publisher, config, &equations);
    }

    fn send(&self, publisher: &mut Publisher, config: &Config, equations: &[Equation]) {
        let id = format!("{}.{}.{}", config.sensor, self.read.clock.as_nanos(), publisher.sensor_records);
        publisher.sensor_records += 1;
        let json = self.sensor_json(&id, config, equations).to_string();
        publisher.write(&sensor_record(&id, &config.sensor, self.read.clock, json.as_bytes()));
    }

    /// Something that a person must know and that makes the run end with 1.
    pub(super) fn problem(&mut self, text: String) {
        self.problems.push(text);
    }

    /// Sends the sensor's record, closes the books of the sinks, says what is to be said.
    pub(super) fn conclude(mut self, mut publisher: Publisher, config: &Config) -> Result<ExitCode, Failure> {
        let mut equations = self.equations();
        equations.extend(self.record_equations(&publisher));
        equations.push(Equation {
            name: "lines told".to_owned(),
            left: self.calls.lines_told,
            right: vec![
                ("published".to_owned(), publisher.lines),
                ("dropped in a queue".to_owned(), self.lines_dropped),
            ],
        });
        self.send(&mut publisher, config, &equations);
        publisher.finish();
        for (sink, tally) in publisher.tallies().filter(|(_, tally)| !tally.closed()) {
            let total = tally.total();
            say(&format!(
                "the books do not balance: records to {sink}: {} against {}; please report it",
                total.emitted,
                total.delivered + total.dropped.total()
            ));
            self.faulty = true;
        }
        for problem in &self.problems {
            say(problem);
        }
        for equation in equations.iter().filter(|equation| !equation.holds()) {
            let (name, left, right) = (&equation.name, equation.left, equation.sum());
            say(&format!("the books do not balance: {name}: {left} against {right}; please report it"));
            self.faulty = true;
        }
        self.say_losses();
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

    /// What was lost inside the sensor or before it, and what helps.
    fn say_losses(&self) {
        for (count, what) in [
            (
                self.read.kernel_dropped,
                "frames were dropped by the kernel: a larger ring helps (--ring), or a filter",
            ),
            (
                self.segments_dropped,
                "segments of tunnels or fragments were dropped: their worker had no time for them",
            ),
            (self.lines_dropped, "records were dropped before they were published: the outputs are too slow"),
            (
                self.calls.waits_cut_short,
                "connections of TLS could not wait for their secrets: there was no room (--memory sets it)",
            ),
            (self.calls.flows_failed, "connections were lost to a fault of the sensor: please report it"),
        ] {
            if count > 0 {
                say(&format!("{count} {what}"));
            }
        }
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
            || self.calls.flows_failed + self.calls.waits_cut_short > 0
            || self.lines_dropped + self.segments_dropped > 0
            || self.read.kernel_dropped > 0
            || self.reached_budget;
        Ok(ExitCode::from(if self.nothing_read { 2 } else { u8::from(lossy) }))
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
                self.read.received,
                &[
                    ("segments", wire.segments),
                    ("datagrams", wire.datagrams),
                    ("fragments joined", wire.fragments_joined),
                    ("fragments expired", wire.fragments_expired),
                    ("fragments held", wire.fragments_held),
                    ("other traffic", wire.other()),
                    ("undecodable", wire.undecodable()),
                    ("dropped in the kernel", self.read.kernel_dropped),
                    ("not read", self.read.left_in_ring),
                ],
            ),
            equation(
                "datagrams seen",
                self.datagrams.datagrams,
                &[
                    ("of QUIC", self.datagrams.datagrams_quic),
                    ("other", self.datagrams.datagrams_other),
                    ("beyond the room", self.datagrams.datagrams_beyond_flows_max),
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
                    ("held", self.held),
                ],
            ),
            equation(
                "calls opened",
                calls.calls_opened,
                &[
                    ("complete", calls.calls_complete),
                    ("partial", calls.calls_partial),
                    ("open", self.open),
                    ("of failed flows", calls.calls_failed),
                ],
            ),
        ]
    }

    fn record_equations(&self, publisher: &Publisher) -> Vec<Equation> {
        let mut all = Vec::new();
        all.extend(self.keylogs.filter(|counters| counters.keylog_lines > 0).map(|counters| Equation {
            name: "lines of key logs".to_owned(),
            left: counters.keylog_lines,
            right: vec![
                ("secrets".to_owned(), counters.keylog_secrets),
                ("without use".to_owned(), counters.keylog_lines_without_use),
                ("broken".to_owned(), counters.keylog_lines_broken),
            ],
        }));
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

    fn sensor_json(&self, id: &str, config: &Config, equations: &[Equation]) -> Value {
        let mut counters = Map::new();
        counters.insert("capture".to_owned(), Value::Object(self.capture.clone()));
        counters.insert("wire".to_owned(), counted(|visit| self.read.wire.each(visit)));
        counters.insert("flow".to_owned(), counted(|visit| self.flow.each(visit)));
        counters.insert("datagrams".to_owned(), counted(|visit| self.datagrams.each(visit)));
        if let Some(keylogs) = &self.keylogs {
            counters.insert("keylogs".to_owned(), counted(|visit| keylogs.each(visit)));
        }
        counters.insert("secrets".to_owned(), counted(|visit| self.secrets.each(visit)));
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
        let undecrypted: Vec<Value> = self
            .undecrypted
            .iter()
            .map(|(kind, count)| {
                json!({
                    "server_name": kind.server_name, "version": kind.version, "cipher": kind.cipher,
                    "reason": kind.reason, "connections": count.connections, "bytes": count.bytes,
                })
            })
            .collect();
        json!({
            "type": "sensor", "v": 1, "id": id, "sensor": config.sensor,
            "time": self.read.clock.to_string(), "version": env!("CARGO_PKG_VERSION"), "key_id": self.key_id,
            "counters": counters, "equations": equations,
            "loss": {
                "before_tap": self.flow.gap_bytes_acknowledged,
                "kernel": self.read.kernel_dropped,
                "sensor": self.lines_dropped + self.segments_dropped + self.calls.flows_failed + self.flow.flows_evicted,
            },
            "gave_up": gave_up, "undecrypted": undecrypted, "problems": self.problems,
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
