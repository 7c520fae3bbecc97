//! The `endpoint` record: the current state of one operation of the inventory.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::text::json;
use crate::time::Timestamp;

/// The current state of one operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Hash of service, method and template.
    pub id: u128,
    /// Grows with each sending.
    pub rev: u64,
    /// When this version was written, in event time.
    pub time: Timestamp,
    /// Host name without port, or the server's address.
    pub service: Arc<str>,
    /// As on the wire.
    pub method: Arc<str>,
    /// The path's template.
    pub template: Arc<str>,
    /// First call.
    pub first_seen: Timestamp,
    /// Last call.
    pub last_seen: Timestamp,
    /// How many, answered or not.
    pub calls: u64,
    /// Answers by the first digit of their status, from 1 to 5.
    pub status: [u64; 5],
    /// From the request's first byte to the answer's last.
    pub latency: Latency,
    /// Bodies of requests.
    pub request: Size,
    /// Bodies of answers.
    pub response: Size,
    /// Calls by the kind of their credential, sorted by kind.
    pub credential_kinds: Vec<(String, u64)>,
    /// Calls of which it is known that they had none.
    pub without_credential: u64,
    /// Distinct client addresses.
    pub clients: u64,
    /// There are so many clients that their number is estimated.
    pub clients_estimated: bool,
}

/// Percentiles in microseconds, within 1 %.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Latency {
    /// Calls whose duration is known.
    pub n: u64,
    pub p50: u64,
    pub p90: u64,
    pub p95: u64,
    pub p99: u64,
    pub max: u64,
}

/// Sizes of bodies in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Size {
    /// All together.
    pub sum: u64,
    /// The largest.
    pub max: u64,
}

/// Appends one JSON object without a line break.
pub fn write(endpoint: &Endpoint, sensor: &str, out: &mut Vec<u8>) {
    let classes = ["1xx", "2xx", "3xx", "4xx", "5xx"].into_iter().zip(endpoint.status);
    let line = Line {
        kind: "endpoint",
        v: 1,
        sensor,
        id: format!("{:032x}", endpoint.id),
        rev: endpoint.rev,
        time: endpoint.time.to_string(),
        service: &endpoint.service,
        method: &endpoint.method,
        template: &endpoint.template,
        first_seen: endpoint.first_seen.to_string(),
        last_seen: endpoint.last_seen.to_string(),
        calls: endpoint.calls,
        status: classes.filter(|(_, count)| *count > 0).collect(),
        latency_us: (endpoint.latency.n > 0).then_some(endpoint.latency),
        request_bytes: endpoint.request,
        response_bytes: endpoint.response,
        credential_kinds: endpoint
            .credential_kinds
            .iter()
            .map(|(kind, count)| (kind.as_str(), *count))
            .collect(),
        without_credential: endpoint.without_credential,
        clients: endpoint.clients,
        clients_estimated: endpoint.clients_estimated.then_some(true),
    };
    json(out, &line);
}

#[derive(Serialize)]
struct Line<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    v: u32,
    sensor: &'a str,
    id: String,
    rev: u64,
    time: String,
    service: &'a str,
    method: &'a str,
    template: &'a str,
    first_seen: String,
    last_seen: String,
    calls: u64,
    status: BTreeMap<&'static str, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_us: Option<Latency>,
    request_bytes: Size,
    response_bytes: Size,
    credential_kinds: BTreeMap<&'a str, u64>,
    without_credential: u64,
    clients: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    clients_estimated: Option<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_as_it_is_read() {
        let endpoint = Endpoint {
            id: 0xfeed,
            rev: 2,
            time: Timestamp::from_nanos(3_000_000_000),
            service: "h.test".into(),
            method: "GET".into(),
            template: "/users/{integer}".into(),
            first_seen: Timestamp::from_nanos(1),
            last_seen: Timestamp::from_nanos(2),
            calls: 7,
            status: [0, 5, 0, 1, 0],
            latency: Latency { n: 6, p50: 1, p90: 2, p95: 3, p99: 4, max: 5 },
            request: Size { sum: 0, max: 0 },
            response: Size { sum: 10, max: 4 },
            credential_kinds: vec![("jwt".into(), 4)],
            without_credential: 2,
            clients: 3,
            clients_estimated: false,
        };
        let mut out = b"before".to_vec();
        write(&endpoint, "s1", &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            concat!(
                r#"before{"type":"endpoint","v":1,"sensor":"s1","id":"0000000000000000000000000000feed","rev":2,"#,
                r#""time":"1970-01-01T00:00:03.000000000Z","service":"h.test","method":"GET","template":"/users/{integer}","#,
                r#""first_seen":"1970-01-01T00:00:00.000000001Z","last_seen":"1970-01-01T00:00:00.000000002Z","calls":7,"#,
                r#""status":{"2xx":5,"4xx":1},"latency_us":{"n":6,"p50":1,"p90":2,"p95":3,"p99":4,"max":5},"#,
                r#""request_bytes":{"sum":0,"max":0},"response_bytes":{"sum":10,"max":4},"credential_kinds":{"jwt":4},"#,
                r#""without_credential":2,"clients":3}"#
            )
        );
        out = Vec::new();
        write(&Endpoint { latency: Latency::default(), clients_estimated: true, ..endpoint }, "s1", &mut out);
        let text = String::from_utf8(out).unwrap();
        assert!(!text.contains("latency_us") && text.ends_with(r#""clients_estimated":true}"#));
    }
}
