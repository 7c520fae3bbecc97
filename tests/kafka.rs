//! The Kafka sink against a real Apache Kafka (`tests/kafka.sh`): what arrives, in which order, and what becomes of the
//! books when the broker is stopped, killed or hangs in mid-run. Where Java or Maven is missing the tests say that they
//! are skipped.

#![expect(clippy::unwrap_used, reason = "a test may fail")]
#![expect(clippy::disallowed_methods, reason = "outages are measured by the clock on the wall")]

mod harness;

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use eaves::publish::kafka::{Kafka, Notice, Settings};
use eaves::publish::{Kind, Outgoing, Sink, SinkError};
use eaves::time::Timestamp;
use harness::schema::assert_all_valid;
use harness::{Outcome, eaves, fixture, pcap, replay};
use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::Value;

/// One broker for all tests of this file; each has it for itself while it runs.
struct Broker {
    directory: PathBuf,
    address: String,
}

/// As the script sets it.
const PARTITIONS: i32 = 4;
/// The script's exit code for "something is missing on this machine".
const MISSING: i32 = 3;

impl Broker {
    /// Starts it on first use; the script ends it when this process has ended.
    fn shared() -> Option<MutexGuard<'static, Self>> {
        static BROKER: OnceLock<Option<Mutex<Broker>>> = OnceLock::new();
        let broker = BROKER.get_or_init(|| {
            let name = format!("eaves-kafka-{}", std::process::id());
            let directory = std::env::temp_dir().join(name);
            let output = script("start", &directory);
            if output.status.code() == Some(MISSING) {
                eprintln!("SKIPPED, no Kafka here: {}", String::from_utf8_lossy(&output.stderr).trim());
                return None;
            }
            Some(Mutex::new(Self { address: address(output), directory }))
        });
        Some(broker.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn tell(&self, command: &str) {
        let output = script(command, &self.directory);
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn sink(&self, sensor: &str, timeout: Duration) -> (Kafka, Receiver<Notice>) {
        let (sender, notices) = mpsc::channel();
        let settings = Settings {
            brokers: self.address.clone(),
            sensor: sensor.to_owned(),
            timeout,
            stop: Arc::default(),
            properties: Vec::new(),
        };
        let sink = Kafka::new(settings, move |notice| sender.send(notice).unwrap()).unwrap();
        (sink, notices)
    }

    /// Where the partitions of a topic end, added up.
    fn end(&self, kind: Kind) -> i64 {
        let consumer: BaseConsumer =
            ClientConfig::new().set("bootstrap.servers", &self.address).create().unwrap();
        let patience = Duration::from_secs(10);
        let end = |partition| {
            consumer.fetch_watermarks(kind.topic(), partition, patience).map_or(0, |(_, end)| end)
        };
        (0..PARTITIONS).map(end).sum()
    }

    /// Everything of one sensor in a topic, partition by partition, in order.
    fn read(&self, kind: Kind, sensor: &str) -> Vec<Received> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &self.address)
            .set("group.id", "tests")
            .set("enable.auto.commit", "false")
            .create()
            .unwrap();
        let patience = Duration::from_secs(10);
        let metadata = consumer.fetch_metadata(Some(kind.topic()), patience).unwrap();
        let source = format!("/eaves/{sensor}");
        let mut received = Vec::new();
        for partition in metadata.topics()[0].partitions() {
            let (low, high) = consumer.fetch_watermarks(kind.topic(), partition.id(), patience).unwrap();
            let mut assignment = TopicPartitionList::new();
            assignment.add_partition_offset(kind.topic(), partition.id(), Offset::Offset(low)).unwrap();
            consumer.assign(&assignment).unwrap();
            let mut next = low;
            while next < high {
                let message = consumer.poll(patience).expect("a message below the high watermark").unwrap();
                next = message.offset() + 1;
                let message = Received::new(&message);
                if message.headers["ce_source"] == source {
                    received.push(message);
                }
            }
        }
        received
    }
}

/// A message read back.
struct Received {
    partition: i32,
    key: String,
    json: String,
    headers: HashMap<String, String>,
}

impl Received {
    fn new(message: &BorrowedMessage<'_>) -> Self {
        let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap().to_vec()).unwrap();
        let headers = message.headers().unwrap();
        Self {
            partition: message.partition(),
            key: text(message.key()),
            json: text(message.payload()),
            headers: headers.iter().map(|header| (header.key.to_owned(), text(header.value))).collect(),
        }
    }

    /// The number that [`write`] gave to it.
    fn number(&self) -> u64 {
        self.headers["ce_id"].parse().unwrap()
    }
}

fn script(command: &str, directory: &Path) -> Output {
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kafka.sh"))
        .arg(command)
        .arg(directory)
        .arg(std::process::id().to_string())
        .output()
        .unwrap()
}

fn address(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

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

/// The file of a kind, as lines.
fn lines(outcome: &Outcome, kind: Kind) -> Vec<String> {
    let name = kind.file_name().trim_end_matches(".ndjson");
    String::from_utf8(outcome.files[name].clone()).unwrap().lines().map(str::to_owned).collect()
}

/// A topic holds what the file holds: as many records, the same JSON, those of one key in order, each with its headers.
fn assert_same_as_files(broker: &Broker, sensor: &str, outcome: &Outcome) {
    for kind in Kind::ALL {
        let (written, received) = (lines(outcome, kind), broker.read(kind, sensor));
        assert_eq!(received.len(), written.len(), "{kind:?}");
        let place: HashMap<&str, usize> =
            written.iter().enumerate().map(|(place, line)| (line.as_str(), place)).collect();
        let (mut last, mut ids) = (HashMap::new(), HashSet::new());
        for message in &received {
            let place =
                place.get(message.json.as_str()).unwrap_or_else(|| panic!("nobody wrote {}", message.json));
            if let Some((partition, before)) = last.insert(&message.key, (message.partition, place)) {
                assert!(partition == message.partition && before < place, "{kind:?}: {}", message.key);
            }
            assert!(ids.insert(&message.headers["ce_id"]), "{} came twice", message.headers["ce_id"]);
            let record: Value = serde_json::from_str(&message.json).unwrap();
            assert_headers(kind, sensor, &record, message);
        }
    }
}

fn assert_headers(kind: Kind, sensor: &str, record: &Value, message: &Received) {
    let text = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
    let id = match record["rev"].as_u64() {
        Some(rev) => format!("{}.{rev}", text("id")),
        None => text("id"),
    };
    let expected = [
        ("ce_specversion", "1.0".to_owned()),
        ("ce_id", id),
        ("ce_source", format!("/eaves/{sensor}")),
        ("ce_type", format!("io.eaves.{}.v1", text("type"))),
        ("content-type", "application/json".to_owned()),
    ];
    for (name, value) in expected {
        assert_eq!(message.headers[name], value, "{name} of {record}");
    }
    assert_eq!(record["type"], kind.name());
    assert!(message.headers["ce_time"].starts_with(&text("time")[..19]), "{record}");
    let key = match kind {
        Kind::Call => text("route"),
        Kind::Sensor => sensor.to_owned(),
        Kind::Connection => text("id")[..16].to_owned(),
        Kind::Endpoint => text("id"),
        Kind::Finding => text("incident"),
    };
    assert_eq!(message.key, key, "{record}");
    let subject = message.headers.get("ce_subject").map(String::as_str);
    match kind {
        Kind::Call => assert_eq!(subject, record["operation"].as_str()),
        Kind::Endpoint => assert_eq!(subject, Some(text("id").as_str())),
        Kind::Finding => assert!(subject.is_some()),
        Kind::Connection | Kind::Sensor => assert_eq!(subject, None),
    }
}

#[test]
fn the_binary_sends_what_its_files_hold() {
    let Some(broker) = Broker::shared() else { return };
    for (sensor, capture, config) in [
        ("shop", "shop.pcap", "compression.type=lz4"),
        ("loss", "shop-loss.pcap", "linger.ms=5"),
        ("tls", "tls.pcap", "batch.num.messages=3"),
    ] {
        let options = ["--sensor", sensor, "--brokers", &broker.address, "--kafka-config", config];
        let outcome = replay(&options, &[fixture(capture)]);
        assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
        assert_all_valid(&outcome, capture);
        assert_same_as_files(&broker, sensor, &outcome);
    }
    // The same by a client of somebody else.
    let kcat =
        Command::new("kcat").args(["-C", "-e", "-q", "-b", &broker.address, "-t", "eaves.calls"]).output();
    let Ok(kcat) = kcat else { return harness::say("SKIPPED: kcat is not installed") };
    let read = String::from_utf8(kcat.stdout).unwrap();
    let shop = read.lines().filter(|line| line.contains("\"sensor\":\"shop\""));
    assert_eq!(shop.count(), 178, "{}", String::from_utf8_lossy(&kcat.stderr));
}

/// Copies of the shop, an hour apart.
fn long(copies: u32) -> Vec<u8> {
    let shop = fs::read(fixture("shop.pcap")).unwrap();
    let mut bytes = pcap::HEADER.to_vec();
    for copy in 0..copies {
        for frame in pcap::frames(&shop) {
            let start = bytes.len();
            bytes.extend_from_slice(frame);
            let seconds = u32::from_le_bytes(frame[..4].try_into().unwrap()) + 3600 * copy;
            bytes[start..start + 4].copy_from_slice(&seconds.to_le_bytes());
        }
    }
    bytes
}

/// A replay of standard input that is under way.
fn start(options: &[&str], out: &Path) -> Child {
    let mut command = eaves();
    command.arg("replay").args(options).arg("--out").arg(out).arg("-");
    command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn outcome(child: Child, out: &Path) -> Outcome {
    let done = child.wait_with_output().unwrap();
    let files = fs::read_dir(out).unwrap().map(|entry| {
        let path = entry.unwrap().path();
        (path.file_stem().unwrap().to_string_lossy().into_owned(), fs::read(path).unwrap())
    });
    let stderr = String::from_utf8_lossy(&done.stderr).into_owned();
    Outcome { code: done.status.code().unwrap_or(-1), stderr, files: files.collect() }
}

#[test]
fn the_binary_waits_for_a_broker_that_is_away_for_ten_seconds() {
    let Some(broker) = Broker::shared() else { return };
    let out = tempfile::tempdir().unwrap();
    let before = broker.end(Kind::Call);
    let mut child = start(&["--sensor", "away", "--brokers", &broker.address], out.path());
    let mut pipe = child.stdin.take().unwrap();
    let capture = long(60);
    let (first, second) = capture.split_at(capture.len() / 2);
    pipe.write_all(first).unwrap();
    let patience = Instant::now();
    while broker.end(Kind::Call) - before < 1_000 {
        assert!(patience.elapsed() < Duration::from_secs(20), "nothing arrives");
    }
    broker.tell("stop");
    pipe.write_all(second).unwrap();
    drop(pipe);
    thread::sleep(Duration::from_secs(10));
    assert_eq!(child.try_wait().unwrap(), None, "it did not wait");
    address(script("start", &broker.directory));
    let outcome = outcome(child, out.path());
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let told = format!("eaves: Kafka at {} does not answer, waiting up to 60 s", broker.address);
    assert!(outcome.stderr.contains(&told), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("eaves: Kafka answers again\n"), "{}", outcome.stderr);
    assert_eq!(lines(&outcome, Kind::Call).len(), 60 * 178);
    assert_same_as_files(&broker, "away", &outcome);
}

/// Nobody listens at port 9 (discard).
const NOBODY: &str = "127.0.0.1:9";

#[test]
fn without_a_broker_files_are_whole_and_what_is_not_delivered_is_counted() {
    let plain = replay(&[], &[fixture("shop.pcap")]);
    let start = Instant::now();
    let options = ["--brokers", NOBODY, "--kafka-timeout", "3s"];
    let outcome = replay(&options, &[fixture("shop.pcap")]);
    assert!((3..8).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    assert_eq!(outcome.code, 1, "{}", outcome.stderr);
    outcome.assert_same(&plain, &["calls", "connections", "inventory", "findings"], "with and without Kafka");
    let records: usize = Kind::ALL.iter().map(|kind| lines(&outcome, *kind).len()).sum();
    let said: Vec<_> = outcome.stderr.lines().collect();
    assert_eq!(said.len(), 3, "{}", outcome.stderr);
    assert!(
        said[0].starts_with("eaves: Kafka at 127.0.0.1:9 does not answer, waiting up to 3 s"),
        "{}",
        said[0]
    );
    assert!(said[1].starts_with("eaves: Kafka at 127.0.0.1:9 acknowledged nothing for 3."), "{}", said[1]);
    assert!(said[1].contains("refused"), "{}", said[1]);
    assert_eq!(said[2], format!("eaves: {records} records were not delivered"));

    // Without files there is nothing to go on for.
    let done = eaves()
        .args(["replay", "--brokers", NOBODY, "--kafka-timeout", "1s"])
        .arg(fixture("shop.pcap"))
        .output();
    let done = done.unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(1), "{said}");
    assert!(said.contains("records were not delivered"), "{said}");
}

#[test]
fn settings_that_kafka_does_not_know_are_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let calls = folder.path().join("calls.ndjson");
    fs::write(&calls, "earlier\n").unwrap();
    for (setting, words) in [
        ("no.such.property=1", "Kafka settings: No such configuration property"),
        ("acks=1", "`acks` must be set to `all`"),
        ("security.protocol=psst", "security.protocol"),
        ("acks", "--kafka-config 'acks': must be KEY=VALUE"),
        ("bootstrap.servers=x:1", "the brokers are given twice"),
    ] {
        let mut command = eaves();
        command.args(["replay", "--brokers", NOBODY, "--kafka-config", setting, "--out"]).arg(folder.path());
        let done = command.arg(fixture("shop.pcap")).output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), Some(2), "{setting}: {said}");
        assert!(said.lines().count() == 1 && said.starts_with("eaves: ") && said.contains(words), "{said}");
        assert_eq!(fs::read_to_string(&calls).unwrap(), "earlier\n");
    }
}

#[test]
fn a_signal_ends_the_waiting_soon_and_a_second_one_at_once() {
    for (signals, code, at_most) in [(1, 1, 9), (2, 2, 2)] {
        let out = tempfile::tempdir().unwrap();
        let mut child = start(&["--brokers", NOBODY, "--kafka-timeout", "2m"], out.path());
        let mut pipe = child.stdin.take().unwrap();
        pipe.write_all(&fs::read(fixture("shop.pcap")).unwrap()).unwrap();
        drop(pipe);
        // Until it says that it waits.
        let mut stderr = child.stderr.take().unwrap();
        let mut said = Vec::new();
        while !String::from_utf8_lossy(&said).contains("waiting up to 120 s") {
            let mut byte = [0];
            stderr.read_exact(&mut byte).unwrap();
            said.push(byte[0]);
        }
        let start = Instant::now();
        for _ in 0..signals {
            let pid = child.id().to_string();
            assert!(Command::new("kill").args(["-s", "INT", &pid]).status().unwrap().success());
            thread::sleep(Duration::from_millis(100));
        }
        let status = child.wait().unwrap();
        assert_eq!(status.code(), Some(code));
        assert!(start.elapsed() < Duration::from_secs(at_most), "{:?}", start.elapsed());
        let mut rest = String::new();
        stderr.read_to_string(&mut rest).unwrap();
        if signals == 1 {
            assert!(rest.contains(" records were not delivered"), "{rest}");
            let calls = fs::read_to_string(out.path().join("calls.ndjson")).unwrap();
            assert_eq!(calls.lines().count(), 178, "the files are whole");
        }
    }
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
