//! Captures played on one worker, as its tests in the modules below need them.

use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::capture::file::{Files, Options};
use crate::record::Redaction;
use crate::wire::Wire;

fn fixture(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// The segments of a fixture, and their payload.
pub(super) fn segments(name: &str) -> Vec<(Packed, Vec<u8>)> {
    let mut files = Files::open(&[fixture(name)], &Options::default()).expect("no filter");
    let (mut wire, mut segments, mut ordinal) = (Wire::new(1 << 20), Vec::new(), 0);
    while let Some((located, block)) = files.next() {
        let block = Arc::clone(block);
        let frame = located.frame(&block);
        ordinal += 1;
        let stamp = Stamp { time: frame.time, clock: frame.time };
        wire.push(frame.time, &frame, |segment| {
            let packed = Packed::new(stamp, ordinal, segment.flow.hash(1), 0, &segment);
            segments.push((packed, segment.payload.to_vec()));
        });
    }
    segments
}

/// A worker that waits for secrets.
pub(super) fn worker(memory_max: usize) -> Worker {
    let duties = Duties { analysis: false, calls: true, connections: true, memory_max, part_ns: u64::MAX };
    let fingerprinter = Fingerprinter::new(&[7; 32]);
    Worker::new(Writer::new("test", Redaction::None, fingerprinter.clone(), None), fingerprinter, duties)
        .with_secrets(None, Hold::new(8 << 20, 1 << 20), true)
}

/// The secrets of a key log, or of some of its lines.
pub(super) fn keys(name: &str, take: impl Fn(&str) -> bool) -> Keys {
    let text = std::fs::read_to_string(fixture(name)).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| take(line)).collect();
    let mut keys = Keys::default();
    keys.take(lines.join("\n").as_bytes());
    keys
}

/// The secrets of a key log behind all frames.
pub(super) fn given(name: &str, clock: Timestamp) -> Given {
    Given { ordinal: 1_000_000, clock, keys: Arc::new(keys(name, |_| true)) }
}

/// The lines that were told since this was last asked.
pub(super) fn told(worker: &mut Worker) -> Vec<String> {
    let lines = worker.swap_lines(Lines::default());
    String::from_utf8(lines.text).unwrap().lines().map(str::to_owned).collect()
}
