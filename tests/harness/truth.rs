//! What the clients saw, and how records are held against it.

use std::collections::HashMap;
use std::fs;

use serde_json::Value;

use super::fixture;

/// How much of a call a record may leave out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Asked {
    /// Everything is there and right.
    All,
    /// What is there is right.
    NothingWrong,
}

/// The calls of a scene, in the order in which the clients made them.
pub(crate) fn truth(name: &str) -> Vec<Value> {
    let text = fs::read(fixture(&format!("{name}.calls.json"))).expect("a capture has its truth beside it");
    let value: Value = serde_json::from_slice(&text).expect("the truth is JSON");
    value["calls"].as_array().expect("a list of calls").clone()
}

/// The X-Request-Id in one half, if that header was seen.
pub(crate) fn request_id(half: &Value) -> Option<&str> {
    let headers = half["headers"].as_array()?;
    let found = headers
        .iter()
        .find(|pair| pair[0].as_str().is_some_and(|name| name.eq_ignore_ascii_case("x-request-id")));
    found?[1].as_str()
}

/// The connection's two ends.
pub(crate) fn ends(call: &Value) -> String {
    let end = |side: &str| format!("{} {}", call[side]["ip"].as_str().unwrap_or("?"), call[side]["port"]);
    format!("{} > {}", end("client"), end("server"))
}

/// What in `record` is not as the client saw it.
pub(crate) fn faults(truth: &Value, record: &Value, asked: Asked) -> Vec<String> {
    let mut faults = Vec::new();
    for field in ["client", "server", "method", "authority", "path", "status"] {
        compare(field, &truth[field], record.get(field), asked, &mut faults);
    }
    // The client knows the version that it asked in. Of an answer alone the record tells that of its status line, and
    // nginx answers HTTP/1.1 to HTTP/1.0.
    if record.get("request").is_some() {
        compare("protocol", &truth["protocol"], record.get("protocol"), asked, &mut faults);
    }
    for half in ["request", "response"] {
        let Some(seen) = record.get(half) else {
            if asked == Asked::All {
                faults.push(format!("{half} is missing"));
            }
            continue;
        };
        for field in ["head_bytes", "body_bytes"] {
            let name = format!("{half}.{field}");
            // A message that can have no body has a body of no size.
            let no_body = field == "body_bytes"
                && truth[half][field] == 0
                && seen.get(field).is_none_or(Value::is_null);
            if !no_body {
                compare(&name, &truth[half][field], seen.get(field), asked, &mut faults);
            }
        }
        headers(half, &truth[half]["headers"], &seen["headers"], asked, &mut faults);
    }
    if asked == Asked::All && record["quality"] != "complete" {
        faults.push(format!("quality is {}, causes {}", record["quality"], record["causes"]));
    }
    faults
}

fn compare(name: &str, truth: &Value, seen: Option<&Value>, asked: Asked, faults: &mut Vec<String>) {
    match seen {
        Some(seen) if seen == truth => {}
        None if asked == Asked::NothingWrong => {}
        _ => faults.push(format!("{name} is {}, was {truth}", seen.unwrap_or(&Value::Null))),
    }
}

/// Each header line that is told was sent, in this order; with [`Asked::All`] none is left out.
fn headers(half: &str, truth: &Value, seen: &Value, asked: Asked, faults: &mut Vec<String>) {
    if asked == Asked::All && truth != seen {
        faults.push(format!("{half}.headers are {seen}, were {truth}"));
    }
    let mut sent = truth.as_array().into_iter().flatten();
    for pair in seen.as_array().into_iter().flatten().filter(|pair| !(pair.is_array() && pair[0].is_null())) {
        let same = |line: &Value| pair[0] == line[0] && (pair[1].is_null() || pair[1] == line[1]);
        if !sent.any(same) {
            faults.push(format!("{half} has the header {pair}, which was not sent there"));
        }
    }
}

/// Records of a capture without loss: of each connection all calls, in order, with equal fields.
pub(crate) fn all_equal(truth: &[Value], records: &[Value]) -> Vec<String> {
    let by_ends = |calls: &[Value]| {
        let mut map: HashMap<String, Vec<Value>> = HashMap::new();
        calls.iter().for_each(|call| map.entry(ends(call)).or_default().push(call.clone()));
        map
    };
    let (expected, mut found) = (by_ends(truth), by_ends(records));
    let mut all = Vec::new();
    for (connection, calls) in expected {
        let ours = found.remove(&connection).unwrap_or_default();
        if ours.len() != calls.len() {
            all.push(format!("{connection}: {} calls, were {}", ours.len(), calls.len()));
        }
        for (call, record) in calls.iter().zip(&ours) {
            let what = format!("{connection} {} {}", call["method"], call["path"]);
            all.extend(faults(call, record, Asked::All).into_iter().map(|fault| format!("{what}: {fault}")));
        }
    }
    all.extend(
        found.into_iter().map(|(connection, calls)| format!("{connection}: {} calls of nobody", calls.len())),
    );
    all
}

/// Records of a capture with loss: whatever is told is true of one call, and no half of a call is told twice.
pub(crate) fn nothing_wrong(truth: &[Value], records: &[Value]) -> Vec<String> {
    let mut all = Vec::new();
    let mut told: HashMap<(&str, &str), usize> = HashMap::new();
    for record in records {
        let asked = if record["quality"] == "complete" { Asked::All } else { Asked::NothingWrong };
        let (asked_by, answered) = (request_id(&record["request"]), request_id(&record["response"]));
        if let (Some(request), Some(response)) = (asked_by, answered)
            && request != response
        {
            all.push(format!("the request {request} has the answer of {response}"));
        }
        asked_by.into_iter().for_each(|id| *told.entry((id, "request")).or_default() += 1);
        answered.into_iter().for_each(|id| *told.entry((id, "response")).or_default() += 1);
        let Some(id) = asked_by.or(answered) else {
            if !truth.iter().any(|call| faults(call, record, asked).is_empty()) {
                all.push(format!("no client made the call {record}"));
            }
            continue;
        };
        match truth.iter().find(|call| request_id(&call["request"]) == Some(id)) {
            Some(call) => {
                all.extend(faults(call, record, asked).into_iter().map(|fault| format!("{id}: {fault}")))
            }
            None => all.push(format!("nobody sent {id}")),
        }
    }
    all.extend(
        told.iter()
            .filter(|(_, times)| **times > 1)
            .map(|((id, half), n)| format!("the {half} of {id} is told {n} times")),
    );
    all.sort();
    all
}
