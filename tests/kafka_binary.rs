//! The binary and a real Apache Kafka (`tests/kafka.sh`): what its files hold is what arrives, whatever the broker does;
//! without a broker the files are whole and the rest is counted. Where Java or Maven is missing the tests that need a
//! broker say that they are skipped.

#![expect(clippy::unwrap_used, reason = "a test may fail")]
#![expect(clippy::disallowed_methods, reason = "outages are measured by the clock on the wall")]

mod broker;
mod harness;

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use broker::{Broker, Received, address, script};
use eaves::publish::Kind;
use harness::schema::assert_all_valid;
use harness::{Outcome, eaves, fixture, pcap, replay};
use serde_json::Value;

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
fn a_signal_ends_the_waiting_soon_and_a_later_one_at_once() {
    // `timeout` sends its signal twice
    for (signals, pause_ms, code, at_most) in [(1, 0, 1, 9), (2, 1, 1, 9), (2, 1_200, 2, 4)] {
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
            thread::sleep(Duration::from_millis(pause_ms));
        }
        let status = child.wait().unwrap();
        assert_eq!(status.code(), Some(code));
        assert!(start.elapsed() < Duration::from_secs(at_most), "{:?}", start.elapsed());
        let mut rest = String::new();
        stderr.read_to_string(&mut rest).unwrap();
        if code == 1 {
            assert!(rest.contains(" records were not delivered"), "{rest}");
            let calls = fs::read_to_string(out.path().join("calls.ndjson")).unwrap();
            assert_eq!(calls.lines().count(), 178, "the files are whole");
        }
    }
}
