//! Records beside what is known of their calls: six faults, none of which a sensor may have.
//!
//! ```text
//! mispaired   a record has the request of one call and the response of another
//! wrong       a field is there and false, or a record tells of a call of which nothing is left
//! twice       one call has two records
//! missing     no record, although what is left proves the call
//! inexact     a field is absent although it is known, or a call is called partial of which nothing is missing
//! dishonest   a call is called complete although something of it is missing
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

use crate::observer::{Complete, Exists, Field, Known};
use crate::traffic::{Call, MARK};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    Mispaired,
    Wrong,
    Twice,
    Missing,
    Inexact,
    Dishonest,
}

/// A fault, and where.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) fault: Fault,
    stream: Option<u64>,
    why: String,
}

impl fmt::Display for Found {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stream = self.stream.map_or("none".to_owned(), |stream| stream.to_string());
        write!(formatter, "{:?}, stream {stream}: {}", self.fault, self.why)
    }
}

/// All faults of these records.
pub(crate) fn faults(known: &[Known], records: &[Value]) -> Vec<Found> {
    let mut found = Vec::new();
    let by_stream: BTreeMap<u64, &Known> = known.iter().map(|one| (one.call.stream.into(), one)).collect();
    let mut told = BTreeSet::new();
    for record in records {
        let stream = record["stream_id"].as_u64();
        let mut note = |fault, why: String| found.push(Found { fault, stream, why });
        match stream.and_then(|stream| by_stream.get(&stream)) {
            Some(known) if known.exists == Exists::No => {
                note(Fault::Wrong, format!("nothing of it is left: {record}"))
            }
            Some(_) if !told.insert(stream) => note(Fault::Twice, record.to_string()),
            Some(known) => compare(known, record, note),
            None => note(Fault::Wrong, format!("no call: {record}")),
        }
    }
    for one in known.iter().filter(|one| one.exists == Exists::Required) {
        let stream = Some(one.call.stream.into());
        if !told.contains(&stream) {
            found.push(Found { fault: Fault::Missing, stream, why: format!("known: {:?}", one.fields) });
        }
    }
    found
}

/// The faults of one record.
fn compare(known: &Known, record: &Value, mut note: impl FnMut(Fault, String)) {
    let told = told(record);
    let [request, response] = [Field::RequestMark, Field::ResponseMark].map(|mark| told.get(&mark));
    if request.is_some() && response.is_some() && request != response {
        note(Fault::Mispaired, format!("the marks are {request:?} and {response:?}"));
        return;
    }
    for (field, value) in &told {
        let right = truth(&known.call, *field);
        if right.as_ref() != Some(value) {
            note(Fault::Wrong, format!("{field:?} is {right:?}, not {value}"));
        }
    }
    let said = format!("{} {}", record["quality"], record["causes"]);
    for field in known.fields.iter().filter(|field| !told.contains_key(field)) {
        note(Fault::Inexact, format!("{field:?} is absent, though it is known; {said}"));
    }
    match (record["quality"].as_str(), known.complete) {
        (Some("complete"), Complete::Refused) => {
            note(Fault::Dishonest, format!("it says complete; known is {:?}", known.fields));
        }
        (Some("complete"), _) | (Some("partial"), Complete::Refused | Complete::Either) => {}
        (_, _) => note(Fault::Inexact, format!("nothing is missing, and it says {said}")),
    }
}

/// What the record says.
fn told(record: &Value) -> BTreeMap<Field, String> {
    let mark = |message: &str| {
        let headers = record[message]["headers"].as_array().into_iter().flatten();
        headers.filter(|header| header[0] == MARK).map(|header| header[1].clone()).find(Value::is_string)
    };
    let text = |value: Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    };
    let fields = [
        (Field::Method, Some(record["method"].clone())),
        (Field::Authority, Some(record["authority"].clone())),
        (Field::Path, Some(record["path"].clone())),
        (Field::Status, Some(record["status"].clone())),
        (Field::RequestMark, mark("request")),
        (Field::ResponseMark, mark("response")),
        (Field::RequestBody, Some(record["request"]["body_bytes"].clone())),
        (Field::ResponseBody, Some(record["response"]["body_bytes"].clone())),
    ];
    fields.into_iter().filter_map(|(field, value)| Some((field, text(value?)?))).collect()
}

fn truth(call: &Call, field: Field) -> Option<String> {
    let [request, response] = call.body_bytes.map(|bytes| bytes.map(|bytes| bytes.to_string()));
    match field {
        Field::Method => Some(call.method.clone()),
        Field::Authority => Some(call.authority.clone()),
        Field::Path => Some(call.path.clone()),
        Field::Status => call.status.map(|status| status.to_string()),
        Field::RequestMark => Some(call.mark.clone()),
        Field::ResponseMark => call.status.map(|_| call.mark.clone()),
        Field::RequestBody => request,
        Field::ResponseBody => response,
    }
}
