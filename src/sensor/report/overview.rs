//! The summary of a run for a person.

use std::io::{self, Write};

use super::{Books, Equation, Publisher, colours};
use crate::call::Causes;
use crate::config::Config;
use crate::publish::summary::{
    Calls, Equation as Shown, Finding, GivenUp, Input, Look, Loss, Operation, Place, Problem, Summary,
};

/// Operations and findings that are shown; the files have all.
const ROWS_MAX: usize = 15;
/// Columns where the terminal does not say how many it has.
const WIDTH: usize = 110;

impl Books {
    pub(super) fn overview(
        &self,
        equations: &[Equation],
        publisher: &Publisher,
        _: &Config,
    ) -> io::Result<()> {
        let width = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).unwrap_or(WIDTH);
        let mut out = Vec::new();
        self.summary(equations, publisher).write(Look { width, colours: colours() }, &mut out)?;
        let mut stdout = io::stdout().lock();
        stdout.write_all(&out)?;
        stdout.flush()
    }

    fn summary(&self, equations: &[Equation], publisher: &Publisher) -> Summary {
        Summary {
            inputs: vec![Input {
                name: self.inputs.join(", "),
                frames: self.read.frames,
                bytes: self.read.bytes,
                first: self.read.first,
                last: self.read.first.map(|_| self.read.clock),
            }],
            calls: Calls {
                complete: self.calls.calls_complete,
                partial: self.calls.calls_partial,
                causes: self.causes(),
            },
            operations: operations(publisher),
            operations_total: publisher.endpoints.total(),
            findings: findings(publisher),
            findings_total: publisher.findings.total(),
            given_up: self
                .given_up
                .iter()
                .map(|(protocol, count)| GivenUp {
                    protocol: (*protocol).to_owned(),
                    connections: count.connections,
                    bytes: count.bytes,
                })
                .collect(),
            undecrypted: self
                .undecrypted
                .iter()
                .map(|(kind, count)| {
                    let parts =
                        [kind.server_name.as_deref(), kind.version.as_deref(), kind.cipher.as_deref()];
                    let mut parts: Vec<&str> = parts.into_iter().flatten().collect();
                    parts.push(kind.reason);
                    GivenUp { protocol: parts.join(", "), connections: count.connections, bytes: count.bytes }
                })
                .collect(),
            problems: self
                .problems
                .iter()
                .map(|problem| Problem { place: String::new(), reason: problem.clone() })
                .collect(),
            losses: self.losses(),
            equations: equations
                .iter()
                .map(|one| Shown { name: one.name.clone(), left: one.left, right: one.right.clone() })
                .collect(),
            deliveries: Vec::new(),
        }
    }

    fn causes(&self) -> Vec<(String, u64)> {
        let mut causes = Vec::new();
        self.calls.each(|name, count| {
            if let Some(cause) = name.strip_prefix("calls_").filter(|cause| Causes::named(cause).is_some())
                && count > 0
            {
                causes.push((cause.to_owned(), count));
            }
        });
        causes
    }

    fn losses(&self) -> Vec<Loss> {
        let loss = |place, name: &str, count, unit| Loss { place, name: name.to_owned(), count, unit };
        [
            loss(
                Place::BeforeTheTap,
                "acknowledged but never seen",
                self.flow.gap_bytes_acknowledged,
                "bytes",
            ),
            loss(Place::BeforeTheTap, "cut off by the snap length", self.flow.snaplen_bytes, "bytes"),
            loss(Place::Kernel, "dropped", self.read.kernel_dropped, "frames"),
            loss(Place::Sensor, "evicted for memory", self.flow.flows_evicted, "flows"),
            loss(Place::Sensor, "failed", self.calls.flows_failed, "flows"),
            loss(Place::Sensor, "no room in the queue", self.lines_dropped, "records"),
        ]
        .into_iter()
        .filter(|loss| loss.count > 0)
        .collect()
    }
}

fn operations(publisher: &Publisher) -> Vec<Operation> {
    let all = publisher.endpoints.ranked();
    all.into_iter()
        .take(ROWS_MAX)
        .map(|endpoint| Operation {
            method: endpoint.method.to_string(),
            service: endpoint.service.to_string(),
            template: endpoint.template.to_string(),
            calls: endpoint.calls,
            classes: endpoint.status,
            p50_us: (endpoint.latency.n > 0).then_some(endpoint.latency.p50),
            p95_us: (endpoint.latency.n > 0).then_some(endpoint.latency.p95),
        })
        .collect()
}

fn findings(publisher: &Publisher) -> Vec<Finding> {
    let all = publisher.findings.ranked();
    all.into_iter()
        .take(ROWS_MAX)
        .map(|finding| {
            let part = |part: &Option<std::sync::Arc<str>>| part.as_deref().unwrap_or_default().to_owned();
            let operation =
                [part(&finding.method), part(&finding.service) + &part(&finding.template)].join(" ");
            let evidence = finding.evidence.first();
            Finding {
                severity: finding.severity.name().to_owned(),
                title: finding.title.clone(),
                operation: operation.trim().to_owned(),
                count: finding.count,
                evidence: evidence
                    .map(|one| format!("{}: {}", one.place, one.value_masked))
                    .unwrap_or_default(),
            }
        })
        .collect()
}
