//! Captures from the test suites of other projects: none of them crashes the sensor, none unbalances its books, and
//! its calls are those that tshark finds.
//!
//! The corpus is not part of the repository. It is looked for in `$EAVES_SHARED/corpus`, or in `../shared/corpus`
//! beside the checkout; where there is none, the tests say that they are skipped.
#![allow(clippy::unwrap_used, reason = "a test ends where something is missing")]

#[path = "corpus/exceptions.rs"]
mod exceptions;
mod harness;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use exceptions::EXCEPTIONS;
use harness::{eaves, records, unbalanced};
use serde_json::Value;

/// Address space of one run, threads and libraries included: a capture that makes the sensor ask for more has found
/// a bound that is missing.
const ADDRESS_SPACE_KIB: u32 = 1 << 20;
/// The largest capture has 8 MB; a minute is for the slowest machine.
const SECONDS_MAX: u32 = 60;

fn corpus() -> Option<PathBuf> {
    let shared = std::env::var_os("EAVES_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let corpus = shared.join("corpus");
    if corpus.join("manifest.json").exists() {
        return Some(corpus);
    }
    harness::say(&format!("corpus: skipped, there is none at {}", corpus.display()));
    None
}

fn captures(corpus: &Path) -> Vec<String> {
    let manifest: Value = serde_json::from_slice(&fs::read(corpus.join("manifest.json")).unwrap()).unwrap();
    manifest.as_array().unwrap().iter().map(|entry| entry["file"].as_str().unwrap().to_owned()).collect()
}

/// Replays one capture into `out`; what went wrong.
fn replay(corpus: &Path, name: &str, out: &Path) -> Vec<String> {
    let program = eaves();
    let calls = out.join(format!("{name}.ndjson"));
    let sensor = out.join(format!("{name}.sensor"));
    let mut command = Command::new("bash");
    command.args([
        "-c",
        &format!("ulimit -v {ADDRESS_SPACE_KIB}; exec timeout {SECONDS_MAX} \"$@\""),
        "bash",
    ]);
    command.arg(program.get_program()).args(["replay", "--redact", "none", "--workers", "2", "--calls-out"]);
    command.arg(&calls).arg("--sensor-out").arg(&sensor).arg(corpus.join(name));
    for (option, end) in [("--keylog", "keylog"), ("--private-key", "rsa.pem")] {
        let secrets = corpus.join(format!("{name}.{end}"));
        if secrets.exists() {
            command.arg(option).arg(secrets);
        }
    }
    command.envs(program.get_envs().filter_map(|(key, value)| Some((key, value?))));
    let done = command.output().expect("bash runs");
    let stderr = String::from_utf8_lossy(&done.stderr).trim().to_owned();
    let code = done.status.code().unwrap_or(-1);
    if !matches!(code, 0..=2) || stderr.contains("panicked") {
        return vec![format!("{name}: exit code {code}: {stderr}")];
    }
    if code == 2 {
        let said = stderr.lines().count() == 1 && stderr.contains(name);
        return if said {
            Vec::new()
        } else {
            vec![format!("{name}: exit code 2 without one clear sentence: {stderr}")]
        };
    }
    let mut faults = Vec::new();
    match fs::read(&sensor).map(|bytes| records(&bytes)) {
        Ok(records) if records.len() == 1 => faults.extend(unbalanced(&records[0])),
        other => faults.push(format!("one sensor record was asked for, not {other:?}")),
    }
    if !calls.exists() {
        faults.push("no file of calls".to_owned());
    }
    faults.into_iter().map(|fault| format!("{name}: {fault}")).collect()
}

/// Replays all captures on all cores; the faults, sorted.
fn replay_all(corpus: &Path, names: &[String], out: &Path) -> Vec<String> {
    let (next, faults) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = replay(corpus, name, out);
                    faults.lock().unwrap().extend(found);
                }
            });
        }
    });
    let mut faults = faults.into_inner().unwrap();
    faults.sort();
    faults
}

/// Suites of TLS that are not read: RC4, DES, 3DES, IDEA, SEED, Camellia, ARIA.
const NOT_READ: &[&str] = &[
    "0x0003", "0x0004", "0x0005", "0x0006", "0x0007", "0x0008", "0x0009", "0x000a", "0x0011", "0x0012",
    "0x0013", "0x0014", "0x0015", "0x0016", "0x0041", "0x0044", "0x0045", "0x0084", "0x0087", "0x0088",
    "0x0096", "0x0099", "0x009a", "0xc002", "0xc003", "0xc007", "0xc008", "0xc00c", "0xc00d", "0xc011",
    "0xc012", "0xc050", "0xc061",
];

/// Writes the truth without calls in suites that are not read. A capture that has only such calls has none for it. False
/// if there is no truth.
fn write_truth(corpus: &Path, name: &str, folder: &Path) -> bool {
    let text = fs::read(corpus.join(format!("{name}.truth.json"))).unwrap();
    let mut truth: Value = serde_json::from_slice(&text).unwrap();
    let unread: Vec<Value> = truth["tls_streams"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|stream| stream["cipher"].as_str().is_some_and(|cipher| NOT_READ.contains(&cipher)))
        .map(|stream| stream["tcp_stream"].clone())
        .collect();
    let is_read = |call: &Value| !(call["tls"] == true && unread.contains(&call["tcp_stream"]));
    truth["calls"].as_array_mut().unwrap().retain(is_read);
    fs::write(folder.join(format!("{name}.truth.json")), truth.to_string()).unwrap();
    truth["error"].is_null()
}

/// How the calls of one capture differ from the truth.
#[derive(Debug, Default, PartialEq, Eq)]
struct Differences {
    missing: usize,
    extra: usize,
    fields: usize,
    /// Each of them, as compare.py says it.
    lines: Vec<String>,
}

/// What compare.py says of each capture.
fn differences(truth: &Path, corpus: &Path, calls: &Path) -> BTreeMap<String, Differences> {
    let json = truth.join("scores");
    let mut command = Command::new("python3");
    command.arg(corpus.join("compare.py")).args(["-v", "--corpus"]).arg(truth).arg("--calls").arg(calls);
    let done = command.arg("--json").arg(&json).output().expect("python3 runs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let scores: Value = serde_json::from_slice(&fs::read(json).unwrap()).unwrap();
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    // the names are cut there, but they come in the same order
    let mut blocks: Vec<Vec<String>> = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix("    "), blocks.last_mut()) {
            (Some(call), Some(block)) => {
                block.push(call.split_whitespace().collect::<Vec<_>>().join(" "));
            }
            _ if line.contains(" truth ") && line.contains(" ours ") => blocks.push(Vec::new()),
            _ => {}
        }
    }
    // The truth names the call that asks for WebSocket by what it leads to. Its record names the version that it was
    // asked in, and `websocket` is a record of its own: the messages behind it.
    let is_upgrade = |line: &str| line.ends_with(r#" -> 101 {"protocol": ["websocket", "http/1.1"]}"#);
    let files = scores["files"].as_array().unwrap();
    assert_eq!(files.len(), blocks.len(), "one block of lines for each capture");
    let count = |entry: &Value, field: &str| entry[field].as_u64().unwrap() as usize;
    let differ = |(entry, mut lines): (&Value, Vec<String>)| {
        let all = lines.len();
        lines.retain(|line| !is_upgrade(line));
        let fields = count(entry, "diffs") - (all - lines.len());
        let name = entry["file"].as_str().unwrap().to_owned();
        let (missing, extra) = (count(entry, "missing"), count(entry, "extra"));
        (name, Differences { missing, extra, fields, lines })
    };
    files.iter().zip(blocks).map(differ).collect()
}

/// What is wrong with the differences of a capture: each must be one of its exceptions, each exception must occur.
fn not_excepted(name: &str, found: &Differences) -> Vec<String> {
    let exception = EXCEPTIONS.iter().find(|exception| exception.capture == name);
    let (calls, allowed) = exception.map_or((&[][..], [0; 3]), |one| (one.calls, one.differences));
    let mut wrong = Vec::new();
    if [found.missing, found.extra, found.fields] != allowed {
        wrong.push(format!("{name}: {found:#?}, not {allowed:?}"));
    }
    for line in found.lines.iter().filter(|line| !calls.iter().any(|call| line.starts_with(call))) {
        wrong.push(format!("{name}: {line}"));
    }
    for call in calls.iter().filter(|call| !found.lines.iter().any(|line| line.starts_with(**call))) {
        wrong.push(format!("{name}: an exception that does not occur: {call}"));
    }
    wrong
}

#[test]
fn captures_of_other_projects() {
    let Some(corpus) = corpus() else { return };
    let out = tempfile::tempdir().unwrap();
    let names = captures(&corpus);
    assert!(names.len() > 400, "only {} captures", names.len());
    let faults = replay_all(&corpus, &names, out.path());
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));

    let truth = tempfile::tempdir().unwrap();
    let compared: Vec<&String> =
        names.iter().filter(|name| write_truth(&corpus, name, truth.path())).collect();
    assert!(compared.len() > 480, "only {} captures have a truth", compared.len());
    let differences = differences(truth.path(), &corpus, out.path());
    let wrong: Vec<String> = compared
        .into_iter()
        .flat_map(|name| match differences.get(name) {
            Some(found) => not_excepted(name, found),
            None => vec![format!("{name}: not compared")],
        })
        .collect();
    assert!(wrong.is_empty(), "{} differences from the truth:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn exceptions_are_of_captures_that_exist() {
    let Some(corpus) = corpus() else { return };
    let names = captures(&corpus);
    for exception in EXCEPTIONS {
        assert!(names.iter().any(|name| name == exception.capture), "{}", exception.capture);
        assert!(exception.reason.len() > 80, "{}: a reason from the bytes is asked for", exception.capture);
    }
}
