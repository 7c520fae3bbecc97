//! Inputs that once went wrong, through the same functions of the library as the fuzz targets call: nothing panics.

use std::fs;
use std::path::Path;

/// Every file of one target's folder; an empty input and one of zeros go with them.
fn inputs(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/regressions").join(target);
    let mut inputs = vec![Vec::new(), vec![0; 1 << 10]];
    for entry in fs::read_dir(folder).expect("each target has its folder") {
        inputs.push(fs::read(entry.expect("an entry can be read").path()).expect("an input can be read"));
    }
    inputs
}

#[test]
fn capture_file() {
    let frames: u64 =
        inputs("capture_file").iter().map(|bytes| eaves::capture::file::read_arbitrary(bytes).frames).sum();
    assert!(frames > 0, "the stored captures hold frames");
}

#[test]
fn wire() {
    let frames: u64 = inputs("wire").iter().map(|bytes| eaves::wire::read_arbitrary(bytes).frames).sum();
    assert!(frames > 0, "the stored rows of frames hold some");
}

#[test]
fn flow() {
    for bytes in inputs("flow") {
        let counters = eaves::flow::read_arbitrary(&bytes);
        assert!(counters.bytes_delivered <= counters.bytes_seen);
    }
}

#[test]
fn h1() {
    for bytes in inputs("h1") {
        let calls = eaves::connection::read_arbitrary(&bytes);
        assert!(calls <= bytes.len() as u64, "a call takes at least one byte");
    }
}
