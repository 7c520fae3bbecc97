//! The oracle can fail: each fault, made on purpose in honest records, is found and nothing else; and what the observer knows
//! of damage that is made by hand is what follows from the bytes.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::faults::{Fault, faults};
use crate::observer::{Complete, Exists, Field, Known, known};
use crate::plan::Plan;
use crate::tcp::{End, Left};
use crate::traffic::{Frame, Traffic, flag, kind};

const EVERYTHING: [Field; 8] = [
    Field::Method,
    Field::Authority,
    Field::Path,
    Field::Status,
    Field::RequestMark,
    Field::ResponseMark,
    Field::RequestBody,
    Field::ResponseBody,
];

fn traffic() -> Traffic {
    Traffic::of(&Plan { seed: 5, calls: 12, parallel: 3, body_bytes_max: 3_000, ..Plan::default() })
}

/// All is left but these bytes of one end.
fn without(traffic: &Traffic, holes: &[(End, usize, usize)]) -> Vec<Known> {
    let mut left = End::BOTH.map(|end| Left::all(traffic.wire.streams[end.index()].len()));
    for (end, from, to) in holes {
        left[end.index()] = left[end.index()].clone().without(*from, *to);
    }
    known(&traffic.calls, &traffic.said, &left)
}

/// The record of a call of which everything is told.
fn honest(one: &Known) -> Value {
    let call = &one.call;
    let message = |bytes: Option<usize>| json!({ "headers": [["x-call", call.mark]], "body_bytes": bytes });
    json!({
        "stream_id": call.stream,
        "method": call.method,
        "authority": call.authority,
        "path": call.path,
        "status": call.status,
        "request": message(call.body_bytes[0]),
        "response": message(call.body_bytes[1]),
        "quality": "complete",
    })
}

fn found(known: &[Known], records: &[Value]) -> Vec<Fault> {
    faults(known, records).iter().map(|found| found.fault).collect()
}

/// The frame of one end that is of that type, the first for which `wanted` holds.
fn frame(traffic: &Traffic, end: End, kind: u8, wanted: impl Fn(&Frame) -> bool) -> Frame {
    let frames = &traffic.said[end.index()].frames;
    *frames.iter().find(|frame| frame.kind == kind && wanted(frame)).unwrap()
}

fn of_stream(known: &[Known], stream: u32) -> &Known {
    known.iter().find(|one| one.call.stream == stream).unwrap()
}

#[test]
fn each_fault_is_found_and_no_other() {
    let known = without(&traffic(), &[]);
    let honest: Vec<Value> = known.iter().map(honest).collect();
    assert_eq!(found(&known, &honest), []);
    let doctored = |change: &dyn Fn(&mut Vec<Value>)| {
        let mut records = honest.clone();
        change(&mut records);
        found(&known, &records)
    };
    let other = honest[5]["response"].clone();
    assert_eq!(doctored(&|records| records[3]["response"] = other.clone()), [Fault::Mispaired]);
    for (field, value) in [("status", json!(299)), ("path", json!("/v1/else")), ("method", json!("PATCH"))] {
        assert_eq!(doctored(&|records| records[3][field] = value.clone()), [Fault::Wrong], "{field}");
    }
    assert_eq!(doctored(&|records| records[3]["response"]["body_bytes"] = json!(70_000)), [Fault::Wrong]);
    assert_eq!(doctored(&|records| records.push(json!({ "stream_id": 4_001 }))), [Fault::Wrong]);
    assert_eq!(doctored(&|records| records.push(json!({ "status": 200 }))), [Fault::Wrong]);
    assert_eq!(doctored(&|records| records.push(records[7].clone())), [Fault::Twice]);
    assert_eq!(doctored(&|records| drop(records.remove(2))), [Fault::Missing]);
    for field in ["status", "path", "method", "authority"] {
        assert_eq!(doctored(&|records| records[3][field] = Value::Null), [Fault::Inexact], "{field}");
    }
    assert_eq!(
        doctored(&|records| records[3]["request"]["headers"] = json!([[null, null]])),
        [Fault::Inexact]
    );
    assert_eq!(doctored(&|records| records[3]["quality"] = json!("partial")), [Fault::Inexact]);
}

#[test]
fn a_hole_in_a_body_costs_its_bytes_and_the_word_complete() {
    let traffic = traffic();
    let data = frame(&traffic, End::Server, kind::DATA, |frame| frame.end - frame.start > 500);
    let (start, end) = data.content();
    let known = without(&traffic, &[(End::Server, start + 10, end - 10)]);
    for one in &known {
        let is_hit = one.call.stream == data.stream;
        assert_eq!(one.fields, BTreeSet::from(EVERYTHING));
        assert_eq!(one.complete, if is_hit { Complete::Refused } else { Complete::Required });
    }
    let mut records: Vec<Value> = known.iter().map(honest).collect();
    assert_eq!(found(&known, &records), [Fault::Dishonest]);
    let hit = records.iter_mut().find(|record| record["stream_id"] == data.stream).unwrap();
    hit["quality"] = json!("partial");
    assert_eq!(found(&known, &records), []);
}

#[test]
fn behind_a_hidden_head_sizes_are_unknown_and_so_is_the_table() {
    let traffic = traffic();
    let data = frame(&traffic, End::Server, kind::DATA, |frame| !frame.has(flag::END_STREAM));
    let known = without(&traffic, &[(End::Server, data.start + 3, data.start + 20)]);
    let hit = of_stream(&known, data.stream);
    assert!(hit.fields.contains(&Field::Status) && hit.fields.contains(&Field::RequestBody));
    assert!(!hit.fields.contains(&Field::ResponseBody), "{:?}", hit.fields);
    assert_eq!((hit.exists, hit.complete), (Exists::Required, Complete::Refused));
    let blocks =
        traffic.said[1].frames.iter().filter(|frame| frame.block.is_some() && frame.start > data.start);
    let (mut clear, mut unknown) = (0, 0);
    for frame in blocks {
        let items = &traffic.said[1].blocks[frame.block.unwrap().0].items;
        let one = of_stream(&known, frame.stream);
        if items[0].needs.is_none() {
            clear += usize::from(one.fields.contains(&Field::Status));
        } else {
            unknown += usize::from(!one.fields.contains(&Field::Status));
        }
    }
    assert!(clear > 0 && unknown > 0, "{clear} and {unknown}");
}

#[test]
fn a_block_that_breaks_off_gives_the_fields_before() {
    let traffic = traffic();
    let head = frame(&traffic, End::Client, kind::HEADERS, |frame| frame.stream > 1);
    let items = &traffic.said[0].blocks[head.block.unwrap().0].items;
    let path_ends = head.content().0 + items.iter().find(|item| item.name == ":path").unwrap().end;
    let known = without(&traffic, &[(End::Client, path_ends, head.end)]);
    let hit = of_stream(&known, head.stream);
    let told = [Field::Method, Field::Authority, Field::Path, Field::RequestBody];
    assert!(told.iter().all(|field| hit.fields.contains(field)), "{:?}", hit.fields);
    assert!(!hit.fields.contains(&Field::RequestMark) && hit.complete == Complete::Refused);
}

#[test]
fn of_what_is_gone_nothing_is_known() {
    let traffic = traffic();
    let last = traffic.calls.last().unwrap().stream;
    let holes = End::BOTH.map(|end| {
        let first = traffic.said[end.index()].frames.iter().find(|frame| frame.stream == last).unwrap();
        (end, first.start, traffic.wire.streams[end.index()].len())
    });
    let known = without(&traffic, &holes);
    let gone = of_stream(&known, last);
    assert_eq!((gone.exists, gone.complete, gone.fields.len()), (Exists::No, Complete::Refused, 0));
    let record = honest(gone);
    assert_eq!(found(std::slice::from_ref(gone), &[record]), [Fault::Wrong]);
    assert_eq!(found(std::slice::from_ref(gone), &[]), []);
}
