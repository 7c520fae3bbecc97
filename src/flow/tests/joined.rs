//! Connections that were under way when the capture began, and captures that show one direction alone.

use super::*;
use crate::limits::{JOIN_FRAMES, JOIN_NS};

#[test]
fn a_flow_that_is_joined_waits_for_earlier_bytes() {
    let mut tap = Tap::default();
    tap.up("A", 1004, 5000, "ef").up("A", 1000, 5000, "abcd").says(&[]);
    tap.wait(JOIN_NS + 1_000).says(&["up start 1000 midstream", "up 1000 abcd", "up 1004 ef"]);
    let ends = ["up 1006 end InputEnded", "down start 5000 midstream", "down 5000 end InputEnded"];
    assert_eq!(tap.finish(&ends).flows_joined_midstream, 1);
}

#[test]
fn a_flow_that_is_joined_settles_after_some_frames() {
    let mut tap = Tap::default();
    tap.up("A", 1000, 5000, "ab").chatter(JOIN_FRAMES - 2, Direction::Down, 5000, 1002).says(&[]);
    tap.down("A", 5000, 1002, "").says(&["up start 1000 midstream", "up 1000 ab"]);
    // what is earlier still is told of no more
    tap.up("A", 990, 5000, "earlier...").says(&[]);
    let counters =
        tap.finish(&["up 1002 end InputEnded", "down start 5000 midstream", "down 5000 end InputEnded"]);
    assert_eq!(counters.bytes_duplicate + counters.bytes_discarded_before_start, 10);
}

#[test]
fn bytes_that_were_acknowledged_before_are_not_missed() {
    let mut tap = Tap::default();
    tap.down("A", 5000, 1000, "answer").up("A", 1000, 5006, "next").wait(JOIN_NS);
    tap.says(&["down start 5000 midstream", "down 5000 answer", "up start 1000 midstream", "up 1000 next"]);
    assert_eq!(tap.finish(&["up 1004 end InputEnded", "down 5006 end InputEnded"]).gaps, 0);
}

#[test]
fn a_late_syn_far_before_what_was_acknowledged_leaves_a_hole() {
    let mut tap = Tap::default();
    tap.up("A", 1000, 5100, "next").down("SA", 4999, 1000, "").wait(10_000_000_000);
    tap.says(&["down start 5000", "down 5000 lost 100", "up start 1000 midstream", "up 1000 next"]);
    tap.finish(&["up 1004 end InputEnded", "down 5100 end InputEnded"]);
}

#[test]
fn one_direction_alone_is_told_at_once() {
    let mut tap = Tap::default();
    tap.down("SA", 4999, 1000, "");
    // every answer acknowledges a request that the tap never sees
    let mut said = 0;
    for call in 0..200_u32 {
        tap.clock += 10_000_000;
        tap.down("AP", 5000 + call * 6, 1000 + (call + 1) * 4, "answer");
        let answers = tap.log.iter().filter(|line| line.ends_with("answer")).count();
        said += answers;
        tap.log.clear();
        let waits = call as usize + 1 - said;
        assert!(waits <= 64, "answer {call} waits for what never comes: {waits}");
        assert!(
            call < 130 || waits == 0,
            "by now it is clear that the requests don't come: {waits} at {call}"
        );
    }
    assert_eq!(said, 200);
}

#[test]
fn a_mirror_of_one_direction_joined_in_the_middle() {
    let mut tap = Tap::default();
    let mut waits = 0_i32;
    for call in 0..200_u32 {
        tap.clock += 10_000_000;
        tap.up("AP", 1000 + call * 4, 5000 + call * 6, "call");
        waits += 1 - tap.log.iter().filter(|line| line.ends_with("call")).count() as i32;
        tap.log.clear();
        assert!(call < 130 || waits == 0, "{waits} at {call}");
    }
    let counters = tap.finish(&["up 1800 end InputEnded", "down 6194 end InputEnded"]);
    assert_eq!(counters.bytes_delivered, 800);
}
