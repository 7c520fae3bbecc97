//! The corners of TCP on connections whose beginning was seen.

use super::*;
use crate::limits::{CLOSING_NS, GAP_NS, HOLD_BYTES_MAX, HOLE_NS_MAX, RESET_WINDOW_BYTES};

const BOTH_OPEN: [&str; 2] = ["up 1002 end InputEnded", "down 5002 end InputEnded"];

/// A request and its answer, so that both directions have started.
fn talking() -> Tap {
    let mut tap = Tap::connected();
    tap.up("AP", 1000, 5000, "rq").down("AP", 5000, 1002, "an");
    tap.says(&["up start 1000", "up 1000 rq", "down start 5000", "down 5000 an"]);
    tap
}

#[test]
fn sequence_numbers_wrap() {
    let mut tap = Tap::default();
    tap.up("S", u32::MAX - 3, 0, "").down("SA", u32::MAX, u32::MAX - 2, "");
    tap.up("A", u32::MAX - 2, 0, "abcd").down("A", 0, 1, "x").up("A", 1, 1, "ef");
    tap.says(&["up start 4294967293", "up 4294967293 abcd", "down start 0", "down 0 x", "up 1 ef"]);
    // once more, out of order
    tap.up("A", 5, 1, "ij").up("A", 3, 1, "gh").says(&["up 3 gh", "up 5 ij"]);
    tap.finish(&["up 7 end InputEnded", "down 1 end InputEnded"]);
}

#[test]
fn bytes_over_four_gibibytes_are_one_stream() {
    let mut tap = talking();
    let piece = "x".repeat(1 << 20);
    let mut seq = 1002_u32;
    for _ in 0..4097 {
        tap.up("A", seq, 5002, &piece);
        seq = seq.wrapping_add(1 << 20);
        tap.down("A", 5002, seq, "");
        tap.log.clear();
    }
    assert_eq!(tap.counters.gaps, 0);
    assert_eq!(tap.counters.bytes_delivered, 4 + (4097 << 20));
    assert!(tap.flow.memory() < 64 << 10, "{}", tap.flow.memory());
}

#[test]
fn keep_alive_probes_are_counted_and_say_nothing() {
    let mut tap = talking();
    tap.up("A", 1001, 5002, "").down("A", 5002, 1002, "");
    tap.up("A", 1001, 5002, "q").down("A", 5002, 1002, "");
    // one garbage byte, as RFC 1122 §4.2.3.6 allows, is no rewriting once it was acknowledged
    tap.up("A", 1002, 5002, "").up("A", 1001, 5002, "\0");
    tap.says(&[]);
    let counters = tap.finish(&BOTH_OPEN);
    assert_eq!((counters.keepalives, counters.bytes_duplicate, counters.segments_rewritten), (3, 2, 0));
}

#[test]
fn zero_window_probes_bring_one_byte_each() {
    let mut tap = talking();
    // the probe's byte is new; the receiver has no room and does not acknowledge it, so it comes again
    tap.up("A", 1002, 5002, "b").down("A", 5002, 1002, "").says(&["up 1002 b"]);
    tap.up("A", 1002, 5002, "b").down("A", 5002, 1002, "").says(&[]);
    tap.down("A", 5002, 1002, "").up("AP", 1002, 5002, "body").says(&["up 1003 ody"]);
    assert_eq!(tap.finish(&["up 1006 end InputEnded", "down 5002 end InputEnded"]).bytes_duplicate, 2);
}

#[test]
fn data_in_the_syn_comes_first() {
    let mut tap = Tap::default();
    tap.up("S", 999, 0, "GET").down("SA", 4999, 1003, "20").up("A", 1003, 5002, " /");
    tap.says(&["up start 1000", "up 1000 GET", "down start 5000", "down 5000 20", "up 1003  /"]);
    tap.finish(&["up 1005 end InputEnded", "down 5002 end InputEnded"]);
}

#[test]
fn data_in_the_syn_that_was_not_accepted_comes_again() {
    let mut tap = Tap::default();
    tap.up("S", 999, 0, "GET").down("SA", 4999, 1000, "").up("A", 1000, 5000, "GET /");
    tap.says(&["up start 1000", "up 1000 GET", "up 1003  /"]);
    assert_eq!(
        tap.finish(&["up 1005 end InputEnded", "down start 5000", "down 5000 end InputEnded"])
            .bytes_duplicate,
        3
    );
}

#[test]
fn data_comes_with_the_fin() {
    let mut tap = talking();
    tap.up("AF", 1002, 5002, "bye").says(&["up 1002 bye", "up 1005 end Fin"]);
    tap.down("AF", 5002, 1006, "ok").says(&["down 5002 ok", "down 5004 end Fin"]);
    assert!(tap.flow.is_over());
    tap.up("A", 1006, 5005, "").says(&[]);
    assert_eq!(tap.finish(&[]).flows_closed, 1);
}

#[test]
fn a_fin_before_its_data_waits() {
    let mut tap = talking();
    tap.up("AF", 1005, 5002, "").says(&[]);
    tap.up("A", 1002, 5002, "bye").says(&["up 1002 bye", "up 1005 end Fin"]);
    // the other half stays open for as long as it likes (RFC 9293 §3.6, half-closed)
    tap.down("A", 5002, 1006, "more").says(&["down 5002 more"]);
    tap.finish(&["down 5006 end InputEnded"]);
}

#[test]
fn both_ends_close_at_the_same_time() {
    let mut tap = talking();
    tap.up("AF", 1002, 5002, "").down("AF", 5002, 1002, "");
    tap.up("A", 1003, 5003, "").down("A", 5003, 1003, "");
    tap.says(&["up 1002 end Fin", "down 5002 end Fin"]);
    assert!(tap.flow.is_over());
    assert_eq!(tap.finish(&[]).flows_closed, 1);
}

#[test]
fn both_ends_open_at_the_same_time() {
    let mut tap = Tap::default();
    tap.up("S", 999, 0, "").down("S", 4999, 0, "").up("SA", 999, 5000, "").down("SA", 4999, 1000, "");
    tap.up("A", 1000, 5000, "a").down("A", 5000, 1001, "b");
    tap.says(&["up start 1000", "up 1000 a", "down start 5000", "down 5000 b"]);
    assert_eq!(tap.finish(&["up 1001 end InputEnded", "down 5001 end InputEnded"]).flows_joined_midstream, 0);
}

#[test]
fn a_reset_in_the_window_ends_both_directions_after_late_bytes() {
    let mut tap = talking();
    tap.down("R", 5004, 0, "").says(&[]);
    tap.down("A", 5002, 1002, "la").says(&["down 5002 la"]);
    tap.wait(CLOSING_NS).says(&["up 1002 end Reset", "down 5004 end Reset"]);
    assert!(tap.flow.is_over());
    assert_eq!(tap.finish(&[]).flows_reset, 1);
}

#[test]
fn a_reset_with_text_in_it_is_no_data() {
    let mut tap = talking();
    tap.down("RA", 5002, 1002, "no such service").says(&[]);
    tap.wait(CLOSING_NS).says(&["up 1002 end Reset", "down 5002 end Reset"]);
    assert_eq!(tap.finish(&[]).bytes_discarded_after_end, 15);
}

#[test]
fn a_reset_out_of_the_window_is_ignored() {
    let mut tap = talking();
    tap.down("R", 5002 + RESET_WINDOW_BYTES + 1, 0, "").wait(CLOSING_NS).says(&[]);
    tap.down("A", 5002, 1002, "on").says(&["down 5002 on"]);
    assert_eq!(tap.finish(&["up 1002 end InputEnded", "down 5004 end InputEnded"]).resets_ignored, 1);
}

#[test]
fn a_forged_reset_does_not_blind_if_data_goes_on() {
    let mut tap = talking();
    tap.down("R", 5002, 0, "").down("A", 5002, 1002, "on").wait(CLOSING_NS).says(&["down 5002 on"]);
    assert_eq!(tap.finish(&["up 1002 end InputEnded", "down 5004 end InputEnded"]).resets_ignored, 1);
}

#[test]
fn ports_are_used_again() {
    let tap = talking();
    let syn = |seq: u32, letters: &str| Segment {
        flow: key(40_000),
        direction: Direction::Up,
        seq,
        ack: 0,
        flags: flags(letters),
        payload: b"",
        missing: 0,
        reassembled: false,
        transport: crate::wire::Transport::Tcp,
    };
    assert!(tap.flow.is_replaced_by(&syn(77, "S")), "another number: another connection");
    assert!(!tap.flow.is_replaced_by(&syn(999, "S")), "the same SYN once more");
    assert!(!tap.flow.is_replaced_by(&syn(77, "SR")), "no SYN at all");
    assert!(!tap.flow.is_replaced_by(&syn(77, "A")));
}

#[test]
fn what_comes_before_its_turn_waits_and_a_hole_is_filled() {
    let mut tap = talking();
    tap.up("A", 1004, 5002, "cd").up("A", 1006, 5002, "ef").says(&[]);
    tap.up("A", 1002, 5002, "ab").says(&["up 1002 ab", "up 1004 cd", "up 1006 ef"]);
    assert_eq!(tap.finish(&["up 1008 end InputEnded", "down 5002 end InputEnded"]).gaps, 0);
}

#[test]
fn a_hole_that_was_acknowledged_becomes_a_gap_after_some_frames() {
    let mut tap = talking();
    tap.up("A", 1004, 5002, "cd").down("A", 5002, 1006, "");
    tap.chatter(GAP_FRAMES_LEFT, Direction::Down, 5002, 1006).says(&[]);
    tap.chatter(2, Direction::Down, 5002, 1006).says(&["up 1002 lost 2", "up 1004 cd"]);
    let counters = tap.finish(&["up 1006 end InputEnded", "down 5002 end InputEnded"]);
    assert_eq!((counters.gaps, counters.gap_bytes, counters.gap_bytes_acknowledged), (1, 2, 2));
}

/// Frames that a hole outlives, counted from the first piece behind it.
const GAP_FRAMES_LEFT: u32 = crate::limits::GAP_FRAMES - 2;

#[test]
fn a_hole_that_was_acknowledged_becomes_a_gap_after_some_time() {
    let mut tap = talking();
    tap.up("A", 1004, 5002, "cd").down("A", 5002, 1006, "");
    tap.wait(GAP_NS - 10_000).says(&[]).wait(20_000).says(&["up 1002 lost 2", "up 1004 cd"]);
}

#[test]
fn a_hole_that_nobody_acknowledged_becomes_a_gap_when_it_is_old() {
    let mut tap = talking();
    tap.up("A", 1004, 5002, "cd").chatter(200, Direction::Down, 5002, 1002).says(&[]);
    tap.wait(HOLE_NS_MAX - 1_000_000).says(&[]).wait(1_000_000).says(&["up 1002 lost 2", "up 1004 cd"]);
    assert_eq!(tap.counters.gap_bytes_acknowledged, 0);
}

#[test]
fn a_hole_becomes_a_gap_when_the_hold_is_full() {
    let mut tap = talking();
    let piece = "x".repeat(64 << 10);
    let mut seq = 1010_u32;
    while tap.log.is_empty() {
        assert!(tap.flow.memory() <= HOLD_BYTES_MAX + (128 << 10));
        tap.up("A", seq, 5002, &piece);
        seq += piece.len() as u32;
    }
    assert_eq!(tap.log[0], "up 1002 lost 8");
    assert!(seq as usize > HOLD_BYTES_MAX);
    assert!(tap.flow.memory() < 64 << 10, "what was told is not held: {}", tap.flow.memory());
}

#[test]
fn an_acknowledgement_may_come_before_its_bytes() {
    let mut tap = Tap::connected();
    tap.down("A", 5000, 1002, "answer").says(&[]);
    tap.up("A", 1000, 5000, "rq");
    tap.says(&["up start 1000", "up 1000 rq", "down start 5000", "down 5000 answer"]);
    assert_eq!(tap.finish(&["up 1002 end InputEnded", "down 5006 end InputEnded"]).gaps, 0);
}

#[test]
fn an_acknowledgement_may_come_before_its_bytes_of_an_end_that_was_silent() {
    let mut tap = talking();
    tap.chatter(3 * crate::limits::GAP_FRAMES, Direction::Down, 5002, 1002).says(&[]);
    tap.down("A", 5002, 1004, "answer").says(&[]);
    tap.up("A", 1002, 5002, "rq").says(&["up 1002 rq", "down 5002 answer"]);
    // what was waited for once in vain is not waited for again, until something comes
    tap.down("A", 5008, 1006, "").chatter(GAP_FRAMES_LEFT + 1, Direction::Down, 5008, 1006).says(&[]);
    tap.chatter(1, Direction::Down, 5008, 1006).says(&["up 1004 lost 2"]);
    tap.down("A", 5008, 1008, "next").says(&["up 1006 lost 2", "down 5008 next"]);
    tap.up("A", 1008, 5012, "rq").says(&["up 1008 rq"]);
    tap.down("A", 5012, 1012, "answer").says(&[]);
    tap.up("A", 1010, 5012, "rq").says(&["up 1010 rq", "down 5012 answer"]);
}

#[test]
fn a_lost_fin_ends_with_the_input() {
    let mut tap = talking();
    // the answer acknowledges the FIN that nobody saw; it stands where a byte would
    tap.down("AF", 5002, 1003, "").wait(GAP_NS);
    tap.says(&["down 5002 end Fin", "up 1002 lost 1"]);
    tap.finish(&["up 1003 end InputEnded"]);
}

#[test]
fn a_late_syn_is_taken_back_in() {
    let mut tap = Tap::default();
    tap.up("A", 1000, 5000, "rq").says(&[]);
    tap.down("SA", 4999, 1000, "").up("S", 999, 0, "").says(&["up start 1000", "up 1000 rq"]);
    tap.down("A", 5000, 1002, "an").says(&["down start 5000", "down 5000 an"]);
}

#[test]
fn the_snap_length_cuts_payload() {
    let mut tap = talking();
    tap.push(Direction::Up, "A", 1002, 5002, "ab", 10).up("A", 1014, 5002, "cd");
    tap.says(&["up 1002 ab", "up 1004 cut 10", "up 1014 cd"]);
    let counters = tap.finish(&["up 1016 end InputEnded", "down 5002 end InputEnded"]);
    assert_eq!((counters.snaplen_bytes, counters.gaps), (10, 0));
}

#[test]
fn a_later_copy_with_other_bytes_is_told_and_loses() {
    let mut tap = talking();
    tap.up("A", 1002, 5002, "true").up("A", 1002, 5002, "fake").says(&["up 1002 true", "up rewritten"]);
    // while it waits behind a hole
    tap.up("A", 1008, 5002, "true").up("A", 1007, 5002, "xfakey").says(&["up rewritten"]);
    tap.up("A", 1006, 5002, ".").says(&["up 1006 .", "up 1007 x", "up 1008 true", "up 1012 y"]);
    assert_eq!(tap.finish(&["up 1013 end InputEnded", "down 5002 end InputEnded"]).segments_rewritten, 2);
}

#[test]
fn numbers_that_fit_to_nothing_are_counted() {
    let mut tap = talking();
    tap.up("A", 0x9000_0000, 5002, "stray").says(&[]);
    assert_eq!(tap.finish(&BOTH_OPEN).bytes_discarded_out_of_window, 5);
}

#[test]
fn a_flow_that_was_given_up_counts_on_and_ends() {
    let mut tap = talking();
    tap.up("A", 1010, 5002, "held");
    let Tap { flow, counters, .. } = &mut tap;
    flow.give_up(counters);
    assert_eq!((flow.memory(), flow.deadline()), (0, Timestamp::MAX));
    tap.up("A", 1002, 5002, "more").up("AF", 1006, 5002, "").down("AF", 5002, 1007, "").says(&[]);
    assert!(tap.flow.is_over());
    assert_eq!(tap.finish(&[]).bytes_discarded_given_up, 8);
}

#[test]
fn bytes_behind_the_end_are_counted() {
    let mut tap = talking();
    tap.up("AF", 1002, 5002, "").says(&["up 1002 end Fin"]);
    tap.up("A", 1003, 5002, "late").up("A", 1000, 5002, "rq").says(&[]);
    let counters = tap.finish(&["down 5002 end InputEnded"]);
    assert_eq!((counters.bytes_discarded_after_end, counters.bytes_duplicate), (4, 2));
}

#[test]
fn a_million_calls_leave_nothing_behind() {
    let mut tap = talking();
    let (mut client, mut server) = (1002_u32, 5002_u32);
    let mut most = 0;
    for _ in 0..1_000_000 {
        tap.up("AP", client, server, "GET /").down("AP", server, client.wrapping_add(5), "200 OK.");
        (client, server) = (client.wrapping_add(5), server.wrapping_add(7));
        tap.log.clear();
        most = most.max(tap.flow.memory());
    }
    assert!(most <= 256, "an unacknowledged answer is all that is remembered: {most}");
    assert_eq!((tap.counters.gaps, tap.counters.bytes_delivered), (0, 12_000_004));
}
