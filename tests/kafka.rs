//! The Kafka sink against a real Apache Kafka (`tests/kafka.sh`): what arrives, in which order, and what becomes of the
//! books when the broker is stopped, killed or hangs in mid-run. Where Java or Maven is missing the tests say that they
//! are skipped.

#![expect(clippy::unwrap_used, reason = "a test may fail")]
#![expect(clippy::disallowed_methods, reason = "outages are measured by the clock on the wall")]

mod broker;

use std::collections::HashMap;
use std::thread;
use std::time::{Duration, Instant};

use broker::{Broker, Received, address, script};
use eaves::publish::kafka::{Kafka, Notice};
use eaves::publish::{Kind, Outgoing, Sink, SinkError};
use eaves::time::Timestamp;
use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;

const KEYS: u64 = 17;

/// Writes call number `number`, about 600 bytes.
fn write(sink: &mut Kafka, number: u64) -> Result<(), SinkError> {
    let (id, key) = (number.to_string(), format!("route-{}", number % KEYS));
    let json = format!("{{\"type\":\"call\",\"n\":{number},\"pad\":\"{}\"}}", "x".repeat(560));
    sink.write(&Outgoing {
        kind: Kind::Call,
        id: &id,
        rev: None,
        time: Timestamp::from_nanos(1_700_000_000_000_000_000 + number),
        key: &key,
        subject: Some("op"),
        json: json.as_bytes(),
    })
}

/// Calls 0 to `count`, each once, and those of one key in one partition in order.
fn assert_whole(received: &[Received], count: u64) {
    let mut last: HashMap<&str, (i32, u64)> = HashMap::new();
    let mut seen = vec![false; count as usize];
    for message in received {
        let number = message.number();
        assert!(!std::mem::replace(&mut seen[number as usize], true), "{number} came twice");
        assert_eq!(message.key, format!("route-{}", number % KEYS));
        if let Some((partition, before)) = last.insert(&message.key, (message.partition, number)) {
            assert_eq!(partition, message.partition, "{} is in two partitions", message.key);
            assert!(before < number, "{number} came after {before}");
        }
    }
    assert_eq!(seen.iter().filter(|seen| !**seen).count(), 0, "lost");
}

#[test]
fn records_of_every_kind_arrive() {
    let Some(broker) = Broker::shared() else { return };
    let (mut sink, notices) = broker.sink("kinds", Duration::from_secs(20));
    for number in 0..5000 {
        write(&mut sink, number).unwrap();
    }
    for kind in [Kind::Connection, Kind::Endpoint, Kind::Finding, Kind::Sensor] {
        let json = format!("{{\"type\":\"{}\"}}", kind.name());
        let time = Timestamp::from_nanos(1_000_000_000);
        let json = json.as_bytes();
        sink.write(&Outgoing { kind, id: "a1", rev: Some(7), time, key: "k", subject: None, json }).unwrap();
    }
    sink.finish().unwrap();
    let tally = sink.tally();
    assert!(tally.closed());
    assert_eq!((tally.of(Kind::Call).delivered, tally.total().delivered), (5000, 5004));
    assert_eq!(notices.try_iter().collect::<Vec<_>>(), []);

    let calls = broker.read(Kind::Call, "kinds");
    assert_whole(&calls, 5000);
    let call = calls.iter().find(|call| call.number() == 42).unwrap();
    assert!(call.json.starts_with("{\"type\":\"call\",\"n\":42,"));
    let expected = [
        ("ce_specversion", "1.0"),
        ("ce_id", "42"),
        ("ce_source", "/eaves/kinds"),
        ("ce_type", "io.eaves.call.v1"),
        ("ce_subject", "op"),
        ("ce_time", "2023-11-14T22:13:20.000000042Z"),
        ("content-type", "application/json"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(call.headers, HashMap::from(expected));
    for kind in [Kind::Connection, Kind::Endpoint, Kind::Finding, Kind::Sensor] {
        let received = broker.read(kind, "kinds");
        assert_eq!(received.len(), 1, "{kind:?}");
        assert_eq!(received[0].json, format!("{{\"type\":\"{}\"}}", kind.name()));
        assert_eq!((received[0].key.as_str(), received[0].headers["ce_id"].as_str()), ("k", "a1.7"));
        assert_eq!(received[0].headers.get("ce_subject"), None);
    }
    assert_eq!(cleanup_policy(&broker, Kind::Endpoint), "compact");
    assert_eq!(cleanup_policy(&broker, Kind::Call), "delete");
}

fn cleanup_policy(broker: &Broker, kind: Kind) -> String {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", &broker.address).create().unwrap();
    let (topic, options) = ([ResourceSpecifier::Topic(kind.topic())], AdminOptions::new());
    let mut future = Box::pin(admin.describe_configs(&topic, &options));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let results = loop {
        match future.as_mut().poll(&mut context) {
            std::task::Poll::Ready(results) => break results.unwrap(),
            std::task::Poll::Pending => thread::sleep(Duration::from_millis(10)),
        }
    };
    results[0].as_ref().unwrap().get("cleanup.policy").unwrap().value.clone().unwrap()
}

#[test]
fn a_broker_that_is_away_for_ten_seconds_loses_nothing() {
    let Some(broker) = Broker::shared() else { return };
    let (mut sink, notices) = broker.sink("stopped", Duration::from_secs(40));
    let start = Instant::now();
    let mut number = 0;
    let mut write_some = |sink: &mut Kafka, count: u64| {
        for _ in 0..count {
            write(sink, number).unwrap();
            number += 1;
        }
    };
    write_some(&mut sink, 20_000);
    thread::scope(|scope| {
        // Far more than the queue holds, so that the sink has to wait.
        let outage = scope.spawn(|| {
            broker.tell("stop");
            let stopped = start.elapsed();
            thread::sleep(Duration::from_secs(10));
            address(script("start", &broker.directory));
            (stopped, start.elapsed())
        });
        write_some(&mut sink, 150_000);
        sink.finish().unwrap();
        let (stopped, answered) = outage.join().unwrap();
        assert!(answered - stopped >= Duration::from_secs(10));
        assert!(start.elapsed() >= stopped + Duration::from_secs(10), "it did not have to wait");
    });
    let told: Vec<_> = notices.try_iter().collect();
    assert!(matches!(told[..], [Notice::Waiting { .. }, Notice::Resumed]), "{told:?}");
    assert_eq!(sink.tally().of(Kind::Call).delivered, 170_000);
    assert!(sink.tally().closed());
    assert_whole(&broker.read(Kind::Call, "stopped"), 170_000);
}

#[test]
fn a_broker_that_is_killed_brings_no_duplicates() {
    let Some(broker) = Broker::shared() else { return };
    let (mut sink, _notices) = broker.sink("killed", Duration::from_secs(40));
    for number in 0..30_000 {
        write(&mut sink, number).unwrap();
        if number % 10_000 == 9_999 && number < 20_000 {
            // In the middle of batches that are sent and not yet acknowledged.
            broker.tell("kill");
            address(script("start", &broker.directory));
        }
    }
    sink.finish().unwrap();
    assert_eq!(sink.tally().of(Kind::Call).delivered, 30_000);
    assert_whole(&broker.read(Kind::Call, "killed"), 30_000);
}

#[test]
fn a_broker_that_hangs_ends_the_run_with_exact_books() {
    let Some(broker) = Broker::shared() else { return };
    let (mut sink, notices) = broker.sink("hanging", Duration::from_secs(4));
    for number in 0..2_000 {
        write(&mut sink, number).unwrap();
    }
    while sink.tally().of(Kind::Call).delivered == 0 {
        sink.idle().unwrap();
        thread::sleep(Duration::from_millis(5));
    }
    broker.tell("pause");
    for number in 2_000..6_000 {
        write(&mut sink, number).unwrap();
    }
    let start = Instant::now();
    let error = sink.finish().unwrap_err();
    assert!(matches!(error, SinkError::Unreachable { .. }), "{error}");
    assert!((4..9).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    write(&mut sink, 6_000).unwrap();
    sink.finish().unwrap();
    broker.tell("cont");

    assert!(matches!(notices.try_iter().collect::<Vec<_>>()[..], [Notice::Waiting { .. }]));
    let tally = sink.tally();
    let calls = tally.of(Kind::Call);
    assert!(tally.closed(), "{calls:?}");
    assert_eq!((calls.emitted, calls.dropped.gave_up), (6_001, 1));
    assert!(calls.dropped.timed_out + calls.dropped.unacknowledged >= 4_000, "{calls:?}");
    drop(sink);
    // What the broker had already received it stores now: those are the ones of which the books say "perhaps".
    thread::sleep(Duration::from_secs(1));
    let stored = broker.read(Kind::Call, "hanging").len() as u64;
    assert!(
        (calls.delivered..=calls.delivered + calls.dropped.unacknowledged).contains(&stored),
        "{stored} {calls:?}"
    );
}

#[test]
fn a_record_that_is_too_large_is_counted_by_that_name() {
    let Some(broker) = Broker::shared() else { return };
    let (mut sink, _notices) = broker.sink("large", Duration::from_secs(20));
    let large = vec![b'x'; 2 << 20];
    let record = Outgoing {
        kind: Kind::Sensor,
        id: "1",
        rev: None,
        time: Timestamp::ZERO,
        key: "k",
        subject: None,
        json: &large,
    };
    sink.write(&record).unwrap();
    sink.write(&Outgoing { json: b"{}", ..record }).unwrap();
    sink.finish().unwrap();
    let tally = sink.tally();
    let records = tally.of(Kind::Sensor);
    assert_eq!((records.emitted, records.delivered, records.dropped.too_large), (2, 1, 1));
    assert!(tally.closed());
    assert!(sink.refusal().unwrap().contains("too large"), "{:?}", sink.refusal());
}

/// Not a test but a measurement: `cargo test --test kafka -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn throughput() {
    let Some(broker) = Broker::shared() else { return };
    let (mut sink, _notices) = broker.sink("speed", Duration::from_secs(20));
    // Lines that compress about as records do: fields that repeat, ids that don't.
    let lines: Vec<String> = (0..200_000_u64)
        .map(|number| {
            let id = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let header = format!("[\"x-request-id\",\"{id:016x}\"],[\"user-agent\",\"okhttp/4.12.0\"],");
            format!("{{\"type\":\"call\",\"id\":\"{id:016x}\",\"headers\":[{}]}}", header.repeat(24))
        })
        .collect();
    let bytes: usize = lines.iter().map(String::len).sum();
    let start = Instant::now();
    for (number, line) in lines.iter().enumerate() {
        let (id, key) = (number.to_string(), format!("{:016x}", number % 500));
        sink.write(&Outgoing {
            kind: Kind::Call,
            id: &id,
            rev: None,
            time: Timestamp::from_nanos(number as u64),
            key: &key,
            subject: Some("0123456789abcdef"),
            json: line.as_bytes(),
        })
        .unwrap();
    }
    let handed_over = start.elapsed();
    sink.finish().unwrap();
    let seconds = start.elapsed().as_secs_f64();
    assert_eq!(sink.tally().of(Kind::Call).delivered, 200_000);
    println!(
        "{} bytes a record, {handed_over:?} to hand over, {seconds:.2} s to the last acknowledgement: {:.0} records/s, {:.0} MB/s",
        bytes / 200_000,
        200_000.0 / seconds,
        bytes as f64 / seconds / 1e6
    );
}
