//! Captures from the test suites of other projects: none of them crashes the sensor, none unbalances its books, and
//! its calls are those that tshark finds.
//!
//! The corpus is not part of the repository. It is looked for in `$EAVES_SHARED/corpus`, or in `../shared/corpus`
//! beside the checkout; where there is none, the tests say that they are skipped.
#![allow(clippy::unwrap_used, reason = "a test ends where something is missing")]

mod harness;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use harness::{eaves, records, unbalanced};
use serde_json::Value;

/// Address space of one run, threads and libraries included: a capture that makes the sensor ask for more has found
/// a bound that is missing.
const ADDRESS_SPACE_KIB: u32 = 1 << 20;
/// The largest capture has 8 MB; a minute is for the slowest machine.
const SECONDS_MAX: u32 = 60;

/// Where the sensor and the truth differ, and the sensor is right: argued from the bytes.
struct Exception {
    capture: &'static str,
    missing: u64,
    extra: u64,
    diffs: u64,
    reason: &'static str,
}

const EXCEPTIONS: &[Exception] = &[];

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

/// The truth says that all calls of the capture lie in the clear and are HTTP/1; captures without any are such too.
fn is_clear_http1(corpus: &Path, name: &str) -> bool {
    let text = fs::read(corpus.join(format!("{name}.truth.json"))).unwrap();
    let truth: Value = serde_json::from_slice(&text).unwrap();
    let clear = |call: &Value| {
        call["tls"] != true && call["protocol"].as_str().is_some_and(|p| p.starts_with("http/"))
    };
    truth["error"].is_null() && truth["calls"].as_array().unwrap().iter().all(clear)
}

/// What compare.py says of each capture: missing, extra and differing calls.
fn scores(corpus: &Path, out: &Path) -> BTreeMap<String, [u64; 3]> {
    let json = out.join("scores.json");
    let done = Command::new("python3")
        .arg(corpus.join("compare.py"))
        .arg("--corpus")
        .arg(corpus)
        .arg("--calls")
        .arg(out)
        .arg("--json")
        .arg(&json)
        .output()
        .expect("python3 runs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let scores: Value = serde_json::from_slice(&fs::read(json).unwrap()).unwrap();
    let file = |entry: &Value| {
        let counts = ["missing", "extra", "diffs"].map(|field| entry[field].as_u64().unwrap());
        (entry["file"].as_str().unwrap().to_owned(), counts)
    };
    scores["files"].as_array().unwrap().iter().map(file).collect()
}

#[test]
fn captures_of_other_projects() {
    let Some(corpus) = corpus() else { return };
    let out = tempfile::tempdir().unwrap();
    let names = captures(&corpus);
    assert!(names.len() > 400, "only {} captures", names.len());
    let faults = replay_all(&corpus, &names, out.path());
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));

    let scores = scores(&corpus, out.path());
    let mut wrong = Vec::new();
    let mut compared = 0;
    for name in names.iter().filter(|name| is_clear_http1(&corpus, name)) {
        let allowed = EXCEPTIONS.iter().find(|exception| exception.capture == name);
        let allowed = allowed.map_or([0; 3], |one| [one.missing, one.extra, one.diffs]);
        compared += 1;
        match scores.get(name) {
            Some(found) if *found == allowed => {}
            found => wrong.push(format!("{name}: missing, extra, differing are {found:?}, not {allowed:?}")),
        }
    }
    assert!(compared > 400, "only {compared} captures were compared");
    assert!(wrong.is_empty(), "{} captures differ from the truth:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn exceptions_are_of_captures_that_exist() {
    let Some(corpus) = corpus() else { return };
    let names = captures(&corpus);
    for exception in EXCEPTIONS {
        assert!(names.iter().any(|name| name == exception.capture), "{}", exception.capture);
        assert!(exception.reason.len() > 40, "{}: a reason from the bytes is asked for", exception.capture);
    }
}
