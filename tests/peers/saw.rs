//! What a client saw in one combination, and how the records are held against it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::slice::from_ref;

use serde_json::{Value, json};

use crate::harness::{Outcome, unbalanced};
use crate::lab::Lab;

/// A combination: a client, a server, and what they do.
pub(crate) struct Case {
    pub(crate) name: String,
    /// What is not on this machine.
    pub(crate) lacks: Option<String>,
    pub(crate) play: Box<dyn Fn(&Lab) -> Saw + Send + Sync>,
}

impl Case {
    pub(crate) fn new(name: impl Into<String>, play: impl Fn(&Lab) -> Saw + Send + Sync + 'static) -> Self {
        Self { name: name.into(), lacks: None, play: Box::new(play) }
    }
}

/// What opens the connections of a combination.
pub(crate) enum Secrets {
    None,
    Log(PathBuf),
    Private(PathBuf),
}

impl Secrets {
    /// The option of a replay, and its value.
    pub(crate) fn option(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::None => None,
            Self::Log(file) => Some(("--keylog", file.to_str().expect("a path is text"))),
            Self::Private(file) => Some(("--private-key", file.to_str().expect("a path is text"))),
        }
    }
}

/// What the client saw.
pub(crate) struct Saw {
    /// The server's port, which no other combination uses.
    pub(crate) port: u16,
    pub(crate) secrets: Secrets,
    /// As much of each record as the client knows, with its number as `call`: the value of the header `X-Call`, or the
    /// path of a request that has none because a server promised it.
    pub(crate) calls: Vec<Value>,
}

impl Saw {
    /// What a replay tells otherwise.
    pub(crate) fn faults(&self, outcome: &Outcome) -> Vec<String> {
        let mut faults = unbalanced(&outcome.sensor());
        if outcome.code != 0 {
            faults.push(format!("exit code {}: {}", outcome.code, outcome.stderr));
        }
        for connection in outcome.records("connections") {
            faults.push(format!("not told as calls: {connection}"));
        }
        if self.calls.is_empty() {
            faults.push("the client made no call".to_owned());
        }
        let mut missing: BTreeMap<String, &Value> = BTreeMap::new();
        for call in &self.calls {
            if missing.insert(key_of_truth(call), call).is_some() {
                faults.push(format!("the client made call {} twice", call["call"]));
            }
        }
        for record in outcome.records("calls") {
            match missing.remove(&key_of_record(&record)) {
                Some(call) => compare(call, &record, &mut faults),
                None => faults.push(format!("nobody made the call {record}")),
            }
        }
        faults.extend(missing.values().map(|call| format!("not told: {call}")));
        faults
    }
}

/// What sets apart the records of one request: one that changes the protocol is a call itself, and so is what follows.
fn kind(call: &Value) -> &'static str {
    match (call["protocol"].as_str(), call["status"].as_u64()) {
        (Some("websocket"), _) => "the messages of",
        (_, Some(101)) => "the upgrade of",
        _ => "",
    }
}

fn key_of_truth(call: &Value) -> String {
    format!("{} {}", kind(call), call["call"].as_str().expect("a call has a number"))
}

fn key_of_record(record: &Value) -> String {
    let headers = record["request"]["headers"].as_array().into_iter().flatten();
    let mut marks =
        headers.filter(|pair| pair[0].as_str().is_some_and(|name| name.eq_ignore_ascii_case("x-call")));
    let key = marks.next().map_or(&record["path"], |pair| &pair[1]);
    format!("{} {}", kind(record), key.as_str().unwrap_or("?"))
}

/// The request that asked for HTTP/2 on a connection of HTTP/1.1, of which the client saw this answer.
pub(crate) fn upgrade_of(call: &Value) -> Value {
    let mut upgrade = call.clone();
    upgrade["protocol"] = "http/1.1".into();
    upgrade["status"] = 101.into();
    upgrade["response"]["body_bytes"] = 0.into();
    upgrade
}

fn compare(call: &Value, record: &Value, faults: &mut Vec<String>) {
    let number = &call["call"];
    for (field, truth) in call.as_object().expect("a call is an object") {
        if field != "call" && !tells(record.get(field), truth) {
            faults.push(format!(
                "call {number}: {field} is {}, was {truth}",
                record.get(field).unwrap_or(&Value::Null)
            ));
        }
    }
    if record["quality"] != "complete" {
        faults.push(format!("call {number}: quality is {}, causes {}", record["quality"], record["causes"]));
    }
    if let Some(anomalies) = record.get("anomalies") {
        faults.push(format!("call {number}: anomalies {anomalies}"));
    }
}

/// A record tells this value, or of an object each member of it. What can have no body has one of no size.
fn tells(seen: Option<&Value>, truth: &Value) -> bool {
    match (seen, truth) {
        (None | Some(Value::Null), truth) => truth.is_null() || *truth == 0,
        (Some(seen), Value::Object(members)) => {
            members.iter().all(|(name, truth)| tells(seen.get(name), truth))
        }
        (Some(seen), truth) => seen == truth,
    }
}

#[test]
fn the_comparison_finds_what_is_wrong() {
    let tls = json!({ "version": "1.3", "cipher": "TLS_AES_128_GCM_SHA256" });
    let call = json!({
        "call": "1", "protocol": "h2", "status": 200, "tls": tls, "request": { "body_bytes": 0 },
        "response": { "body_bytes": 7 },
    });
    let saw = Saw { port: 1, secrets: Secrets::None, calls: vec![call] };
    let record = json!({
        "protocol": "h2", "status": 200, "tls": tls, "quality": "complete",
        "request": { "headers": [["x-call", "1"]], "body_bytes": null }, "response": { "body_bytes": 7 },
    });
    let equation = json!({ "holds": true, "left": 1, "right": 1 });
    let outcome = |records: &[Value]| {
        let lines: String = records.iter().map(|record| format!("{record}\n")).collect();
        let sensor = json!({ "equations": [equation, equation, equation] }).to_string();
        let files = [("calls", lines), ("connections", String::new()), ("sensor", sensor)];
        let files = files.map(|(name, text)| (name.to_owned(), text.into_bytes()));
        Outcome { code: 0, stderr: String::new(), files: files.into() }
    };
    assert_eq!(saw.faults(&outcome(from_ref(&record))), Vec::<String>::new());
    assert_eq!(saw.faults(&outcome(&[])).len(), 1, "missing");
    assert_eq!(saw.faults(&outcome(&[record.clone(), record.clone()])).len(), 1, "told twice");
    let wrong = [
        ("/protocol", json!("http/1.1")),
        ("/status", json!(404)),
        ("/tls/cipher", json!("TLS_AES_256_GCM_SHA384")),
        ("/tls/version", Value::Null),
        ("/request/body_bytes", json!(1)),
        ("/response/body_bytes", json!(8)),
        ("/quality", json!("partial")),
    ];
    for (place, value) in wrong {
        let mut other = record.clone();
        *other.pointer_mut(place).expect("a member") = value;
        assert_eq!(saw.faults(&outcome(&[other])).len(), 1, "{place}");
    }
    let mut other = record.clone();
    other["anomalies"] = json!(["invalid_frame"]);
    assert_eq!(saw.faults(&outcome(&[other])).len(), 1, "anomalies");
    let failed = Outcome { code: 1, ..outcome(&[record]) };
    assert_eq!(saw.faults(&failed).len(), 1, "exit code");
}
