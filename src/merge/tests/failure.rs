//! The sensor fails on one flow: that flow is lost and counted, all others are told as ever.

use super::*;
use crate::analysis::Observation;
use crate::flow::{Chunk, Data, End, EndReason};

const DATA: Chunk<'static> =
    Chunk::Data(Data { offset: 0, bytes: b"", time: Timestamp::ZERO, ack: None, boundary: false });
const END: Chunk<'static> =
    Chunk::End(End { offset: 0, time: Timestamp::ZERO, reason: EndReason::InputEnded });

const SECRET: &str = "{\"key\": \"AKIAQ3EGRIDF7C2XNM4T\"}";

fn frames(count: u16) -> Vec<Frame> {
    let mut random = fastrand::Rng::with_seed(1);
    let talk = |number: u16| {
        let mut talk = Talk::new(20_000 + number);
        for call in 0..4 {
            talk.call(&format!("/{number}/{call}"), SECRET);
        }
        talk
    };
    mix((0..count).map(talk).collect(), &mut random, |_| 1_000_000)
}

/// The lines of one run, without those of one flow.
fn lines_without(answers: Vec<Vec<Lines>>, port: u16) -> Vec<Vec<u8>> {
    let mark = format!("\"port\":{port}}}");
    let mut lines = Vec::new();
    for batch in answers.into_iter().flatten() {
        lines.extend(batch.text.split(|byte| *byte == b'\n').map(<[u8]>::to_vec));
    }
    lines.retain(|line| !line.is_empty() && !String::from_utf8_lossy(line).contains(&mark));
    lines
}

#[test]
fn the_other_flows_are_told_as_ever() {
    let frames = frames(8);
    for (at, calls_lost) in [(DATA, 4), (END, 0)] {
        let mut sound = [worker(Redaction::None)];
        let expected = lines_without(rounds(&mut sound, &frames, 16), 20_003);
        let mut failing = [worker(Redaction::None)];
        failing[0].fail_on(20_003, at);
        let told = lines_without(rounds(&mut failing, &frames, 16), 20_003);
        assert_eq!(told.len(), 28);
        assert_eq!(told, expected);
        let (calls, _) = books(&failing);
        assert_eq!((calls.flows_failed, calls.calls_opened), (1, 32 - calls_lost));
        assert_eq!(failing[0].flows(), 0);
    }
}

#[test]
fn bodies_are_inspected_after_a_failure() {
    let mut failing = [worker(Redaction::None)];
    failing[0].fail_on(20_000, DATA);
    let answers = rounds(&mut failing, &frames(4), 8);
    let lines = answers.into_iter().flatten();
    let observations: Vec<Observation> = lines.flat_map(|lines| lines.observations).collect();
    assert_eq!(observations.len(), 12);
    let told = observations.iter().filter(|one| format!("{one:?}").contains("aws-access-key-id"));
    assert_eq!(told.count(), 12, "each body had one secret");
}

#[test]
fn a_failure_at_a_deadline_is_one_too() {
    let mut frames = frames(3);
    let Some(mut late) = frames.last().cloned() else { return };
    // hours later, everybody is idle; one of them fails when it ends
    late.packed.stamp.clock = late.packed.stamp.clock.plus(7_200_000_000_000);
    late.packed.stamp.time = late.packed.stamp.clock;
    late.packed.ordinal += 1;
    let other = Talk::new(9).frames.into_iter().take(1);
    let (stamp, ordinal) = (late.packed.stamp, late.packed.ordinal);
    frames.extend(other.map(|frame| Frame { packed: Packed { stamp, ordinal, ..frame.packed }, ..frame }));
    let mut failing = [worker(Redaction::None)];
    failing[0].fail_on(20_001, END);
    rounds(&mut failing, &frames, 8);
    let (calls, bytes) = books(&failing);
    assert_eq!((calls.flows_failed, calls.calls_complete), (1, 12));
    assert_eq!((bytes.flows, failing[0].flows()), (4, 0));
}
