//! The real binary, run on a capture, and what came out of it.
#![allow(dead_code, reason = "each test binary uses its part")]

pub(crate) mod pcap;
pub(crate) mod schema;
pub(crate) mod truth;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use serde_json::Value;
use tempfile::TempDir;

/// The key of the fingerprints is made once per test binary, so that runs can be compared.
static STATE: LazyLock<TempDir> = LazyLock::new(|| {
    let state = tempfile::tempdir().expect("a scratch folder");
    let empty = state.path().join("first.pcap");
    fs::write(&empty, pcap::HEADER).expect("the scratch folder can be written");
    Command::new(env!("CARGO_BIN_EXE_eaves"))
        .args(["replay", "--out"])
        .arg(state.path().join("first"))
        .arg(&empty)
        .env("XDG_STATE_HOME", state.path())
        .output()
        .expect("the binary runs");
    state
});

/// The binary, with a state folder of its own.
pub(crate) fn eaves() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_eaves"));
    command.env("XDG_STATE_HOME", STATE.path()).env_remove("EAVES_CONFIG");
    command
}

/// Says something past the test runner, which swallows what passing tests print.
pub(crate) fn say(text: &str) {
    writeln!(std::io::stderr(), "{text}").expect("standard error is open");
}

/// A capture of fixtures/, or what lies beside it.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// What a replay left behind.
pub(crate) struct Outcome {
    /// The exit code; -1 for a signal.
    pub(crate) code: i32,
    pub(crate) stderr: String,
    /// The bytes of each kind of record, by the file's name without ending.
    pub(crate) files: BTreeMap<String, Vec<u8>>,
}

impl Outcome {
    /// The records of one kind, in order.
    pub(crate) fn records(&self, kind: &str) -> Vec<Value> {
        let bytes = self.files.get(kind).unwrap_or_else(|| panic!("no {kind} were written: {}", self.stderr));
        records(bytes)
    }

    /// The one record about the sensor itself.
    pub(crate) fn sensor(&self) -> Value {
        let mut records = self.records("sensor");
        assert_eq!(records.len(), 1, "a replay has one sensor record");
        records.remove(0)
    }

    /// The same bytes in each of these files.
    pub(crate) fn assert_same(&self, other: &Self, kinds: &[&str], what: &str) {
        for kind in kinds {
            let (ours, theirs) = (self.files.get(*kind), other.files.get(*kind));
            assert!(ours.is_some(), "no {kind}: {}", self.stderr);
            if ours != theirs {
                panic!("{what}: {kind} differ: {}", first_difference(ours, theirs));
            }
        }
    }
}

fn first_difference(ours: Option<&Vec<u8>>, theirs: Option<&Vec<u8>>) -> String {
    let lines = |bytes: Option<&Vec<u8>>| -> Vec<String> {
        let text = String::from_utf8_lossy(bytes.map_or(&[], |bytes| bytes)).into_owned();
        text.lines().map(str::to_owned).collect()
    };
    let (ours, theirs) = (lines(ours), lines(theirs));
    let at = ours.iter().zip(&theirs).position(|(a, b)| a != b).unwrap_or(ours.len().min(theirs.len()));
    format!(
        "{} and {} lines, the first that differs is {}:\n{:?}\n{:?}",
        ours.len(),
        theirs.len(),
        at + 1,
        ours.get(at),
        theirs.get(at)
    )
}

/// NDJSON → values.
pub(crate) fn records(bytes: &[u8]) -> Vec<Value> {
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).expect("a record is JSON")).collect()
}

/// Replays with all records to a scratch folder.
pub(crate) fn replay(options: &[&str], inputs: &[impl AsRef<OsStr>]) -> Outcome {
    run(options, inputs, None)
}

/// The same, with the capture on standard input.
pub(crate) fn replay_stdin(options: &[&str], capture: &[u8]) -> Outcome {
    run(options, &["-"], Some(capture))
}

fn run(options: &[&str], inputs: &[impl AsRef<OsStr>], stdin: Option<&[u8]>) -> Outcome {
    let out = tempfile::tempdir().expect("a scratch folder");
    let mut command = eaves();
    command.arg("replay").args(options).arg("--out").arg(out.path()).args(inputs);
    command.stdin(if stdin.is_some() { Stdio::piped() } else { Stdio::null() });
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
    if let Some(capture) = stdin {
        let mut pipe = child.stdin.take().expect("a pipe was asked for");
        if let Err(error) = pipe.write_all(capture) {
            // It reads no further than the first damage.
            assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
        }
    }
    let done = child.wait_with_output().expect("the binary ends");
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(out.path()).expect("the scratch folder can be read") {
        let path = entry.expect("an entry can be read").path();
        let kind = path.file_stem().expect("a name").to_string_lossy().into_owned();
        files.insert(kind, fs::read(&path).expect("an output can be read"));
    }
    let stderr = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(!stderr.contains("panicked"), "{stderr}");
    Outcome { code: done.status.code().unwrap_or(-1), stderr, files }
}

/// What the books of a sensor record say wrongly.
pub(crate) fn unbalanced(sensor: &Value) -> Vec<String> {
    let equations = sensor["equations"].as_array().cloned().unwrap_or_default();
    if equations.len() < 3 {
        return vec![format!("only {} equations", equations.len())];
    }
    let wrong = equations.iter().filter(|equation| {
        equation["holds"] != true || equation["left"] != equation["right"] || !equation["left"].is_u64()
    });
    wrong.map(ToString::to_string).collect()
}
