//! The seam of the analysis: it finds the same in the records of real calls as it finds in the calls themselves.

use super::*;
use crate::analysis::{Emitted, Labels, Observation};
use crate::capture::file::Files;
use crate::limits::FRAGMENT_BYTES_MAX;
use crate::record::{SecretFinder, parse};
use crate::sensitive::secret;
use crate::wire::Wire;

/// The calls of a capture through the real stages: what the worker observed and what it wrote.
fn observed(capture: &'static [u8], redaction: Redaction) -> Vec<(Observation, Vec<u8>)> {
    let fingerprinter = Fingerprinter::new(&[7; 32]);
    let finder = SecretFinder(|bytes, found| secret::find(bytes, |range, class| found(range, class.name())));
    let writer = Writer::new("test", redaction, fingerprinter.clone(), Some(finder));
    let mut worker = Worker::new(writer, fingerprinter, duties());
    let mut files = Files::from_stream(std::io::Cursor::new(capture));
    let (mut wire, mut clock, mut ordinal) = (Wire::new(FRAGMENT_BYTES_MAX), Timestamp::ZERO, 0);
    while let Some((located, block)) = files.next() {
        let frame = located.frame(block);
        ordinal += 1;
        clock = clock.max(frame.time);
        wire.push(clock, &frame, |segment| {
            let stamp = Stamp { time: frame.time, clock };
            let packed = Packed::new(stamp, ordinal, segment.flow.hash(9), frame.interface, &segment);
            worker.segment(&packed, segment.payload);
        });
    }
    worker.close_round(clock, true);
    let lines = worker.swap_lines(Lines::default());
    let calls = lines.lines.iter().filter_map(|line| Some((line.observation? as usize, line.range.clone())));
    calls.map(|(at, range)| (lines.observations[at].clone(), lines.text[range].to_vec())).collect()
}

fn analyse<'a>(calls: impl Iterator<Item = &'a Observation>) -> (Vec<Labels>, Vec<Emitted>) {
    let (mut analysis, mut emitted) = (analysis(), Vec::new());
    let labels = calls.map(|call| analysis.observe(call, &mut |one| emitted.push(one))).collect();
    analysis.finish(&mut |one| emitted.push(one));
    (labels, emitted)
}

#[test]
fn records_of_real_calls_say_what_the_calls_said() {
    let capture = include_bytes!("../../../fixtures/shop.pcap");
    for redaction in [Redaction::None, Redaction::Standard] {
        let calls = observed(capture, redaction);
        assert!(calls.len() > 50, "{}", calls.len());
        let parsed: Vec<Observation> = calls.iter().map(|(_, line)| parse::call(line).unwrap()).collect();
        for ((observation, line), parsed) in calls.iter().zip(&parsed) {
            assert_eq!(parsed, observation, "{}", String::from_utf8_lossy(line));
        }
        let (labels, emitted) = analyse(calls.iter().map(|(observation, _)| observation));
        let (labels_of_records, emitted_of_records) = analyse(parsed.iter());
        assert_eq!(labels, labels_of_records);
        assert_eq!(emitted, emitted_of_records);
        let findings = emitted.iter().filter(|one| matches!(one, Emitted::Finding(_))).count();
        assert!(findings > 0, "the shop leaks, and that is found");
        assert!(labels.iter().any(|labels| labels.operation.is_some()));
    }
}
