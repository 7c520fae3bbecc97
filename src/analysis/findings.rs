//! Open findings: calls that support one finding fold into it; what has grown is sent again.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::{Xxh3Default, xxh3_64};

use super::{Emitted, Labels, Observation};
use crate::detect::{Report, Rule, Signal};
use crate::limits::{FINDING_CALLS_MAX, FINDING_EVIDENCE_MAX, FINDING_QUIET_NS, FINDINGS_OPEN_MAX};
use crate::record::finding::{Evidence, Finding, Severity};
use crate::time::Timestamp;

/// What a finding that was withdrawn is still worth.
const WITHDRAWN_CONFIDENCE: u8 = 5;

/// Everything that is open.
pub(super) struct Findings {
    strict: bool,
    open: BTreeMap<u128, Open>,
    /// How many were opened.
    pub(super) opened: u64,
    /// Support for findings that could not be opened.
    pub(super) refused: u64,
    /// Values that a detector did not judge.
    pub(super) not_judged: u64,
}

struct Open {
    /// As it would be sent now, but for `rev` and `time`.
    finding: Finding,
    /// Route of the first call, as long as all came by it or from its address.
    route: u64,
    changed: bool,
}

impl Findings {
    pub(super) const fn new(strict: bool) -> Self {
        Self { strict, open: BTreeMap::new(), opened: 0, refused: 0, not_judged: 0 }
    }

    /// Takes in what a detector says of a call. A finding that it opens is sent at once.
    pub(super) fn take(
        &mut self,
        rule: &Rule,
        call: &Observation,
        labels: &Labels,
        now: Timestamp,
        report: Report,
        emit: &mut dyn FnMut(Emitted),
    ) {
        let signal = match report {
            Report::Withdraw { field, fact } => {
                if let Some(open) = self.open.get_mut(&key_of(rule, call, labels, &field)) {
                    open.changed = true;
                    (open.finding.severity, open.finding.confidence) = (Severity::Info, WITHDRAWN_CONFIDENCE);
                    let [.., last] = &mut open.finding.facts;
                    *last = fact;
                }
                return;
            }
            Report::NotJudged => {
                self.not_judged += 1;
                return;
            }
            Report::Support(signal) => signal,
        };
        let strict = self.strict;
        let evidence = signal.evidence.iter().cloned().map(|one| if strict { hide(one) } else { one });
        let key = key_of(rule, call, labels, &signal.field);
        if let Some(open) = self.open.get_mut(&key) {
            open.grow(call, &signal, evidence);
        } else if self.open.len() >= FINDINGS_OPEN_MAX {
            self.refused += 1;
        } else {
            let evidence = evidence.take(FINDING_EVIDENCE_MAX).collect();
            let mut open = open(rule, key, call, labels, *signal, evidence);
            emit(open.send(now));
            self.open.insert(key, open);
            self.opened += 1;
        }
    }

    /// Sends what has grown, in the order of first calls.
    pub(super) fn send_changed(&mut self, now: Timestamp, emit: &mut dyn FnMut(Emitted)) {
        let mut changed: Vec<_> = self.open.values_mut().filter(|open| open.changed).collect();
        changed.sort_by_key(|open| (open.finding.first_seen, open.finding.rule, open.finding.id));
        changed.into_iter().for_each(|open| emit(open.send(now)));
    }

    /// Closes what nothing supported for long; what had grown is sent a last time.
    pub(super) fn end_quiet(&mut self, now: Timestamp, emit: &mut dyn FnMut(Emitted)) {
        let is_quiet = |open: &Open| now.since(open.finding.last_seen) >= FINDING_QUIET_NS;
        if !self.open.values().any(is_quiet) {
            return;
        }
        let (quiet, open) = std::mem::take(&mut self.open).into_iter().partition(|(_, open)| is_quiet(open));
        self.open = quiet;
        self.send_changed(now, emit);
        self.open = open;
    }
}

impl Open {
    fn send(&mut self, now: Timestamp) -> Emitted {
        self.changed = false;
        let sent = Finding { time: now, ..self.finding.clone() };
        self.finding.rev += 1;
        Emitted::Finding(Box::new(sent))
    }

    fn grow(&mut self, call: &Observation, signal: &Signal, evidence: impl Iterator<Item = Evidence>) {
        self.changed = true;
        let finding = &mut self.finding;
        // One call supports a finding once, however many values in it do.
        if finding.calls.last() != Some(&call.id) {
            finding.count += 1;
            if finding.calls.len() < FINDING_CALLS_MAX {
                finding.calls.push(call.id);
            }
        }
        finding.first_seen = finding.first_seen.min(call.time);
        finding.last_seen = finding.last_seen.max(call.time);
        if signal.severity > finding.severity || signal.confidence > finding.confidence {
            finding.severity = finding.severity.max(signal.severity);
            finding.confidence = finding.confidence.max(signal.confidence);
            finding.title.clone_from(&signal.title);
            finding.facts.clone_from(&signal.facts);
        }
        if finding.client != signal.client && self.route != xxh3_64(call.route.as_bytes()) {
            finding.client = None;
        }
        for one in evidence {
            let known = finding
                .evidence
                .iter()
                .any(|old| (&old.place, &old.value_masked) == (&one.place, &one.value_masked));
            if !known && finding.evidence.len() < FINDING_EVIDENCE_MAX {
                finding.evidence.push(one);
            }
        }
    }
}

fn open(
    rule: &Rule,
    key: u128,
    call: &Observation,
    labels: &Labels,
    signal: Signal,
    evidence: Vec<Evidence>,
) -> Open {
    let finding = Finding {
        id: hash(&[&key.to_be_bytes(), &call.id.to_be_bytes()]),
        rev: 0,
        rule: rule.id,
        time: call.time,
        first_seen: call.time,
        last_seen: call.time,
        count: 1,
        severity: signal.severity,
        confidence: signal.confidence,
        title: signal.title,
        service: labels.service.clone(),
        method: call.method.as_deref().map(Into::into),
        template: labels.template.clone(),
        client: signal.client,
        evidence,
        baseline: signal.baseline,
        facts: signal.facts,
        owasp: rule.owasp,
        cwe: rule.cwe,
        remediation: rule.remediation,
        calls: vec![call.id],
        incident: incident(rule, call, labels),
    };
    Open { finding, route: xxh3_64(call.route.as_bytes()), changed: false }
}

/// The same finding: rule, operation and field.
fn key_of(rule: &Rule, call: &Observation, labels: &Labels, field: &str) -> u128 {
    hash(&[rule.id.as_bytes(), &operation(call, labels).to_be_bytes(), field.as_bytes()])
}

/// The same cause: operation, family of the rule, hour of the first call.
fn incident(rule: &Rule, call: &Observation, labels: &Labels) -> u128 {
    let family = rule.id.split('.').next().unwrap_or_default();
    let hour = call.time.as_nanos() / 3_600_000_000_000;
    hash(&[family.as_bytes(), &operation(call, labels).to_be_bytes(), &hour.to_be_bytes()])
}

fn operation(call: &Observation, labels: &Labels) -> u128 {
    let text = |part: Option<&str>| part.unwrap_or_default().to_owned();
    crate::inventory::operation_id(
        &text(labels.service.as_deref()),
        &text(call.method.as_deref()),
        &text(labels.template.as_deref()),
    )
}

/// Without a seed: the ids are the same in every reading and on every sensor.
fn hash(parts: &[&[u8]]) -> u128 {
    let mut hash = Xxh3Default::new();
    for part in parts {
        hash.update(&(part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.digest128()
}

/// Leaves of a masked value what it is: `… (aws-access-key-id)`.
fn hide(evidence: Evidence) -> Evidence {
    let class = evidence
        .value_masked
        .rfind('(')
        .and_then(|start| evidence.value_masked.get(start..))
        .unwrap_or_default();
    Evidence { value_masked: format!("… {class}"), ..evidence }
}
