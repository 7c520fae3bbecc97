//! `eaves capture` on a mirror port made of network namespaces: every call that clients made and nothing else, the same
//! as a replay of what tcpdump wrote beside it, and an end in order however it comes. Needs root; where the mirror
//! can't be made the tests say that they are skipped.
#![allow(clippy::unwrap_used, reason = "a test ends where something is missing")]
#![expect(clippy::disallowed_methods, reason = "how long an end takes is told by the clock on the wall")]

mod harness;
#[allow(dead_code, reason = "each test binary uses its part")]
mod mirror;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use harness::schema::assert_valid;
use harness::{eaves, fixture, pcap, records, replay, unbalanced};
use mirror::{Mirror, Running, TRAFFIC, has, run, settle, settled};
use serde_json::Value;
use tempfile::TempDir;

/// The sensor at work.
struct Sensor {
    child: Child,
    said: JoinHandle<String>,
    out: TempDir,
}

/// What it left.
struct Told {
    code: Option<i32>,
    said: String,
    calls: Vec<Value>,
    sensor: Vec<Value>,
}

impl Sensor {
    /// Starts it and waits until it listens.
    fn start(mirror: &Mirror, options: &[&str]) -> Self {
        let out = tempfile::tempdir().unwrap();
        let mut command = eaves();
        command
            .args(["capture", "-i", &mirror.tap, "--redact", "none", "--out"])
            .arg(out.path())
            .args(options);
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut first = String::new();
        stderr.read_line(&mut first).unwrap();
        assert!(first.starts_with(&format!("eaves: listening on {} with ", mirror.tap)), "{first}");
        let said = thread::spawn(move || {
            let mut said = String::new();
            stderr.read_to_string(&mut said).unwrap();
            said
        });
        Self { child, said, out }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Asks it to end, and waits for that.
    fn stop(self, signal: &str) -> Told {
        self.signal(signal);
        self.ended()
    }

    fn ended(mut self) -> Told {
        let start = Instant::now();
        let code = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status.code();
            }
            if start.elapsed() > Duration::from_secs(30) {
                self.child.kill().unwrap();
                panic!("it does not end");
            }
            thread::sleep(Duration::from_millis(10));
        };
        let read = |kind: &str| {
            let found = records(&fs::read(self.out.path().join(format!("{kind}.ndjson"))).unwrap());
            assert_valid(&found, kind);
            found
        };
        let said = self.said.join().unwrap();
        assert!(!said.contains("panicked"), "{said}");
        read("connections");
        read("inventory");
        read("findings");
        let told = Told { code, said, calls: read("calls"), sensor: read("sensor") };
        for sensor in &told.sensor {
            assert_eq!(unbalanced(sensor), Vec::<String>::new(), "{}", told.said);
        }
        told
    }
}

impl Told {
    fn counter(&self, stage: &str, name: &str) -> u64 {
        let sensor = self.sensor.last().unwrap();
        sensor["counters"][stage][name].as_u64().unwrap_or_else(|| panic!("no {stage}.{name} in {sensor}"))
    }
}

/// A call without what the moment of a reading decides. The kernel stamps a frame once for each socket, and tcpdump
/// writes microseconds: so times differ a little, and with them the ids, which are made of them. Templates come from
/// the calls before, and live there is no order between workers.
fn timeless(calls: &[Value]) -> Vec<String> {
    let mut all: Vec<_> = calls
        .iter()
        .map(|call| {
            let mut call = call.clone();
            let fields = call.as_object_mut().unwrap();
            for field in
                ["id", "connection", "time", "duration_us", "ttfb_us", "sensor", "template", "operation"]
            {
                fields.remove(field);
            }
            call.to_string()
        })
        .collect();
    all.sort();
    all
}

fn assert_same_calls(ours: &[Value], theirs: &[Value], what: &str) {
    let (ours, theirs) = (timeless(ours), timeless(theirs));
    let extra = ours.iter().find(|call| !theirs.contains(call));
    let missing = theirs.iter().find(|call| !ours.contains(call));
    assert!(
        ours == theirs,
        "{what}: {} and {} calls\nextra: {extra:?}\nmissing: {missing:?}",
        ours.len(),
        theirs.len()
    );
}

fn make_calls(mirror: &Mirror, connections: usize, calls: usize) {
    run(mirror.client(&["python3", TRAFFIC, "call", &connections.to_string(), &calls.to_string()]));
}

/// Every call of [`make_calls`] as the client saw it, and no other.
fn assert_made(calls: &[Value], connections: usize, each: usize) {
    assert_eq!(calls.len(), connections * each);
    for connection in 0..connections {
        for index in 0..each {
            let path = format!("/connections/{connection}/calls/{index}");
            let mut found = calls.iter().filter(|call| call["path"] == path.as_str());
            let call = found.next().unwrap_or_else(|| panic!("{path} is missing"));
            assert!(found.next().is_none(), "{path} came twice");
            let (server, client, host) = match connection % 2 {
                0 => ("10.99.0.2", "10.99.0.1", "10.99.0.2"),
                _ => ("fd99::2", "fd99::1", "[fd99::2]"),
            };
            let length = (path.len() * 500).to_string();
            assert_eq!((&call["server"]["ip"], &call["server"]["port"]), (&server.into(), &80.into()));
            assert_eq!((&call["client"]["ip"], &call["authority"]), (&client.into(), &host.into()));
            assert_eq!((&call["method"], &call["status"]), (&"GET".into(), &200.into()));
            assert_eq!((&call["protocol"], &call["quality"]), (&"http/1.1".into(), &"complete".into()));
            let sent = serde_json::json!([["Host", host], ["Accept-Encoding", "identity"]]);
            assert_eq!(call["request"]["headers"], sent);
            assert_eq!(call["response"]["body_bytes"].as_u64().unwrap(), path.len() as u64 * 500);
            let got = call["response"]["headers"].as_array().unwrap();
            assert!(got.contains(&serde_json::json!(["Content-Length", length])), "{got:?}");
        }
    }
}

fn tools(all: &[&str]) -> bool {
    all.iter().all(|tool| has(tool))
}

#[test]
fn every_call_of_the_clients_and_the_same_as_a_replay() {
    if !tools(&["tcpdump", "python3"]) {
        return;
    }
    let Some(mirror) = Mirror::up("evk") else { return };
    let server = Running::until(mirror.server(&["python3", TRAFFIC, "serve"]), "ready");
    for (workers, signal) in [("2", "TERM"), ("1", "INT"), ("5", "TERM")] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("beside.pcap");
        let tcpdump = Running::tcpdump(&mirror.tap, &file);
        let sensor = Sensor::start(&mirror, &["--workers", workers]);
        make_calls(&mirror, 40, 5);
        // No pause: what the kernel took before the signal is told all the same.
        let told = sensor.stop(signal);
        settled(&file);
        tcpdump.end();
        assert_eq!((told.code, told.said.as_str()), (Some(0), ""));
        assert_made(&told.calls, 40, 5);
        assert!(told.calls.iter().all(|call| call["analysed"] == true));
        let beside = replay(&["--redact", "none"], &[&file]);
        assert_same_calls(&told.calls, &beside.records("calls"), workers);
        assert_eq!(told.counter("capture", "received"), told.counter("capture", "frames"));
        assert_eq!(told.counter("capture", "dropped"), 0);
    }
    server.end();
}

/// A capture with the IPv4 packets of TCP cut into fragments of at most 256 bytes.
fn fragmented(capture: &[u8]) -> (Vec<u8>, usize) {
    const PART: usize = 256;
    let (mut bytes, mut cut) = (pcap::HEADER.to_vec(), 0);
    for (number, record) in pcap::frames(capture).into_iter().enumerate() {
        let (head, frame) = record.split_at(16);
        let packet = &frame[14..];
        let whole = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
        if frame[12..14] != [8, 0] || packet[0] != 0x45 || packet[9] != 6 || whole <= 20 + PART {
            bytes.extend_from_slice(record);
            continue;
        }
        cut += 1;
        let parts = packet[20..whole].chunks(PART);
        let last = parts.len() - 1;
        for (index, part) in parts.enumerate() {
            let mut fragment = frame[..34].to_vec();
            let offset = (index * PART / 8) as u16 | if index < last { 0x2000 } else { 0 };
            fragment[16..18].copy_from_slice(&(20 + part.len() as u16).to_be_bytes());
            fragment[18..20].copy_from_slice(&(number as u16).to_be_bytes());
            fragment[20..22].copy_from_slice(&offset.to_be_bytes());
            fragment.extend_from_slice(part);
            bytes.extend_from_slice(&head[..8]);
            bytes.extend_from_slice(&(fragment.len() as u32).to_le_bytes().repeat(2));
            bytes.extend_from_slice(&fragment);
        }
    }
    (bytes, cut)
}

/// Sends a capture into the tap.
fn send(mirror: &Mirror, file: &Path) {
    let into = format!("--intf1={}", mirror.behind_tap());
    let file = file.to_str().unwrap();
    let mut command = mirror.server(&["tcpreplay", "--quiet", "--preload-pcap", "--pps=4000", &into, file]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    run(command);
}

#[test]
fn what_the_kernel_can_not_see_into_reaches_the_owner_of_the_flow() {
    if !tools(&["tcpreplay"]) {
        return;
    }
    let Some(mirror) = Mirror::up("evf") else { return };
    let folder = tempfile::tempdir().unwrap();
    let (capture, cut) = fragmented(&fs::read(fixture("shop.pcap")).unwrap());
    assert!(cut > 100, "{cut}");
    let file = folder.path().join("fragments.pcap");
    fs::write(&file, capture).unwrap();
    for (what, file, same_as) in [
        ("fragments", file.as_path(), fixture("shop.pcap")),
        ("VXLAN", &fixture("vxlan.pcap"), fixture("vxlan.pcap")),
        ("VLANs, each packet twice", &fixture("trunk.pcap"), fixture("trunk.pcap")),
    ] {
        let expected = replay(&["--redact", "none"], &[same_as]).records("calls");
        let offline = replay(&["--redact", "none"], &[file]).records("calls");
        assert_same_calls(&offline, &expected, &format!("{what}, from the file"));
        for workers in ["1", "3"] {
            let sensor = Sensor::start(&mirror, &["--workers", workers]);
            send(&mirror, file);
            let told = sensor.stop("TERM");
            assert_eq!((told.code, told.said.as_str()), (Some(0), ""), "{what}");
            assert_same_calls(&told.calls, &expected, &format!("{what}, {workers} workers"));
            assert!(told.calls.iter().all(|call| call["quality"] == "complete"));
            assert_eq!(told.counter("capture", "segments_not_handed_over"), 0);
        }
    }
}

#[test]
fn it_tells_of_itself_every_ten_seconds() {
    if !tools(&["python3"]) {
        return;
    }
    let Some(mirror) = Mirror::up("evs") else { return };
    let server = Running::until(mirror.server(&["python3", TRAFFIC, "serve"]), "ready");
    let sensor = Sensor::start(&mirror, &["--workers", "2"]);
    make_calls(&mirror, 4, 3);
    thread::sleep(Duration::from_millis(10_500));
    make_calls(&mirror, 4, 3);
    settle();
    let told = sensor.stop("TERM");
    server.end();
    assert_eq!(told.code, Some(0), "{}", told.said);
    assert_eq!((told.calls.len(), told.sensor.len()), (24, 2));
    let made = |sensor: &Value| sensor["counters"]["calls"]["calls_complete"].as_u64().unwrap();
    assert!((12..=24).contains(&made(&told.sensor[0])) && made(&told.sensor[1]) == 24);
    assert_ne!(told.sensor[0]["id"], told.sensor[1]["id"]);
}

/// However busy the port is, the sensor ends when it is asked to, and its books close.
#[test]
fn an_end_in_full_traffic_is_an_end_in_order() {
    if !tools(&["python3"]) {
        return;
    }
    let Some(mirror) = Mirror::up("evt") else { return };
    let words = ["python3", TRAFFIC, "frames", &mirror.behind_tap(), "5", "3000000"];
    let _traffic = Running::until(mirror.server(&words), "sending");
    let sensor = Sensor::start(&mirror, &["--workers", "2"]);
    thread::sleep(Duration::from_secs(1));
    let start = Instant::now();
    let told = sensor.stop("TERM");
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    let dropped = told.counter("capture", "dropped");
    assert_eq!(told.code, Some(i32::from(dropped > 0)), "{}", told.said);
    assert_eq!(told.counter("capture", "received"), told.counter("capture", "frames") + dropped);
    assert!(told.counter("capture", "frames") > 1_000);
}

#[test]
fn what_the_kernel_drops_is_told() {
    if !tools(&["python3"]) {
        return;
    }
    let Some(mirror) = Mirror::up("evl") else { return };
    let sensor = Sensor::start(&mirror, &["--workers", "1", "--ring", "1MiB"]);
    sensor.signal("STOP");
    run(mirror.server(&["python3", TRAFFIC, "frames", &mirror.behind_tap(), "9", "30000"]));
    sensor.signal("CONT");
    let told = sensor.stop("TERM");
    let lost = told.sensor.last().unwrap()["loss"]["kernel"].as_u64().unwrap();
    assert!(lost > 10_000, "{lost}");
    assert_eq!(told.code, Some(1));
    assert!(told.said.contains(&format!("eaves: {lost} frames were dropped by the kernel")), "{}", told.said);
}

#[test]
fn an_interface_that_goes_ends_the_capture_and_costs_no_call() {
    if !tools(&["python3"]) {
        return;
    }
    let Some(mirror) = Mirror::up("evr") else { return };
    let server = Running::until(mirror.server(&["python3", TRAFFIC, "serve"]), "ready");
    let sensor = Sensor::start(&mirror, &["--workers", "2"]);
    make_calls(&mirror, 10, 2);
    settle();
    let mut delete = Command::new("ip");
    delete.args(["link", "delete", &mirror.tap]);
    run(delete);
    let told = sensor.ended();
    server.end();
    assert_eq!(told.code, Some(1));
    assert_eq!(told.said, format!("eaves: {}: the interface was removed\n", mirror.tap));
    assert_made(&told.calls, 10, 2);
    let problems = told.sensor.last().unwrap()["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 1);
}

#[test]
fn a_filter_that_is_none_is_refused() {
    let Some(mirror) = Mirror::up("evx") else { return };
    let done = eaves().args(["capture", "-i", &mirror.tap, "--filter", "tcp and and"]).output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(2));
    assert!(said.starts_with("eaves: filter 'tcp and and': "), "{said}");
}
