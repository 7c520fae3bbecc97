//! The `finding` record: what a rule concluded, with what supports it.

use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;

use super::text::json;
use crate::time::Timestamp;

/// How bad it is if it is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Severity {
    Info,
    Low,
    Medium,
    High,
    Critical,
}

impl Severity {
    /// As in the record.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// One finding in one version.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Hash of rule, operation, field and first call.
    pub id: u128,
    /// Grows with each sending.
    pub rev: u64,
    /// The rule's id.
    pub rule: &'static str,
    /// When this version was decided, in event time.
    pub time: Timestamp,
    /// The first call that supports it.
    pub first_seen: Timestamp,
    /// The last one.
    pub last_seen: Timestamp,
    /// How many there are.
    pub count: u64,
    /// How bad it is if it is true.
    pub severity: Severity,
    /// How sure it is, from 0 to 100.
    pub confidence: u8,
    /// One sentence that a developer understands who never saw Eaves.
    pub title: String,
    /// Host name without port.
    pub service: Option<Arc<str>>,
    /// As on the wire.
    pub method: Option<Arc<str>>,
    /// The path's template.
    pub template: Option<Arc<str>>,
    /// Address of the one client whose calls support it; absent when there are several or when it is about the operation.
    pub client: Option<IpAddr>,
    /// What shows it.
    pub evidence: Vec<Evidence>,
    /// What it was compared with.
    pub baseline: Option<Compared>,
    /// What made the score.
    pub facts: [Fact; 3],
    /// Category of OWASP's API list.
    pub owasp: &'static str,
    /// Number of the weakness.
    pub cwe: u32,
    /// What a developer should change.
    pub remediation: &'static str,
    /// Supporting calls.
    pub calls: Vec<u128>,
    /// Hash that findings of one cause share.
    pub incident: u128,
}

/// One piece of what shows a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The call it is from.
    pub call: u128,
    /// What it is.
    pub what: String,
    /// `request` or `response` and the place: `response body /debug/key`.
    pub place: String,
    /// The value, masked.
    pub value_masked: String,
}

/// What was usual, and what was seen instead.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    /// The measure.
    pub name: &'static str,
    /// Its value before.
    pub usual: f64,
    /// Its value now.
    pub observed: f64,
    /// From so many calls.
    pub n: u64,
    /// From then on.
    pub since: Timestamp,
}

/// One of the reasons for a score.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fact {
    /// What was looked at.
    pub text: &'static str,
    /// How it mostly is.
    pub usual: String,
    /// How it was here.
    pub observed: String,
}

/// Appends one JSON object without a line break.
pub fn write(finding: &Finding, sensor: &str, out: &mut Vec<u8>) {
    let hex = |id: u128| format!("{id:032x}");
    let operation = finding.method.as_deref().zip(finding.template.as_deref());
    let line = Line {
        kind: "finding",
        v: 1,
        rev: finding.rev,
        sensor,
        id: hex(finding.id),
        rule: finding.rule,
        time: finding.time.to_string(),
        first_seen: finding.first_seen.to_string(),
        last_seen: finding.last_seen.to_string(),
        count: finding.count,
        severity: finding.severity.name(),
        confidence: finding.confidence,
        title: &finding.title,
        service: finding.service.as_deref(),
        operation: operation.map(|(method, template)| Operation { method, template }),
        client: finding.client.map(|ip| Client { ip: ip.to_string() }),
        evidence: finding.evidence.iter().map(Shown::of).collect(),
        baseline: finding.baseline.as_ref().map(|compared| Baseline {
            name: compared.name,
            usual: compared.usual,
            observed: compared.observed,
            n: compared.n,
            since: compared.since.to_string(),
        }),
        facts: &finding.facts,
        owasp: finding.owasp,
        cwe: finding.cwe,
        remediation: finding.remediation,
        calls: finding.calls.iter().map(|call| hex(*call)).collect(),
        incident: hex(finding.incident),
    };
    json(out, &line);
}

#[derive(Serialize)]
struct Line<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    v: u32,
    rev: u64,
    sensor: &'a str,
    id: String,
    rule: &'a str,
    time: String,
    first_seen: String,
    last_seen: String,
    count: u64,
    severity: &'a str,
    confidence: u8,
    title: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<Operation<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<Client>,
    evidence: Vec<Shown<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    baseline: Option<Baseline<'a>>,
    facts: &'a [Fact],
    owasp: &'a str,
    cwe: u32,
    remediation: &'a str,
    calls: Vec<String>,
    incident: String,
}

#[derive(Serialize)]
struct Operation<'a> {
    method: &'a str,
    template: &'a str,
}

#[derive(Serialize)]
struct Client {
    ip: String,
}

#[derive(Serialize)]
struct Shown<'a> {
    call: String,
    what: &'a str,
    #[serde(rename = "where")]
    place: &'a str,
    value_masked: &'a str,
}

impl<'a> Shown<'a> {
    fn of(evidence: &'a Evidence) -> Self {
        Self {
            call: format!("{:032x}", evidence.call),
            what: &evidence.what,
            place: &evidence.place,
            value_masked: &evidence.value_masked,
        }
    }
}

#[derive(Serialize)]
struct Baseline<'a> {
    name: &'a str,
    usual: f64,
    observed: f64,
    n: u64,
    since: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_as_it_is_read() {
        let fact = |text| Fact { text, usual: "a \"b\"".into(), observed: "c".into() };
        let finding = Finding {
            id: 1,
            rev: 3,
            rule: "data.secret-leak",
            time: Timestamp::from_nanos(3),
            first_seen: Timestamp::from_nanos(1),
            last_seen: Timestamp::from_nanos(2),
            count: 5,
            severity: Severity::Critical,
            confidence: 95,
            title: "T".into(),
            service: Some("h.test".into()),
            method: Some("GET".into()),
            template: Some("/a".into()),
            client: Some([192, 0, 2, 1].into()),
            evidence: vec![Evidence {
                call: 9,
                what: "w".into(),
                place: "response body /k".into(),
                value_masked: "AK…7Q".into(),
            }],
            baseline: Some(Compared { name: "n", usual: 0.0, observed: 1.0, n: 4, since: Timestamp::ZERO }),
            facts: [fact("x"), fact("y"), fact("z")],
            owasp: "API3:2023",
            cwe: 200,
            remediation: "R",
            calls: vec![9],
            incident: 7,
        };
        let mut out = Vec::new();
        write(&finding, "s1", &mut out);
        let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(json["type"], "finding");
        assert_eq!(json["id"], "00000000000000000000000000000001");
        assert_eq!(json["operation"], serde_json::json!({"method": "GET", "template": "/a"}));
        assert_eq!(json["client"]["ip"], "192.0.2.1");
        assert_eq!(json["evidence"][0]["where"], "response body /k");
        assert_eq!(json["evidence"][0]["call"], "00000000000000000000000000000009");
        assert_eq!(json["baseline"]["since"], "1970-01-01T00:00:00.000000000Z");
        assert_eq!(json["facts"].as_array().map(Vec::len), Some(3));
        assert_eq!(json["last_seen"], "1970-01-01T00:00:00.000000002Z");
        assert!(!out.contains(&b'\n') && json.get("principal").is_none());
        out.clear();
        write(
            &Finding { service: None, method: None, client: None, baseline: None, ..finding },
            "s1",
            &mut out,
        );
        let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert!(
            ["service", "operation", "client", "baseline"].iter().all(|absent| json.get(absent).is_none())
        );
    }
}
