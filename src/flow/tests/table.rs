//! The table: what it fires when, what it evicts first, what it remembers.

use super::*;
use crate::flow::table::{Host, Table};
use crate::limits::{CLOSED_NS, DEADLINES_SPARE, EMPTY_NS_MAX, IDLE_NS_MAX};

/// Writes down what happens.
#[derive(Default)]
struct Notes {
    log: Vec<String>,
    at: u64,
    /// The flow of this port has had enough after its first byte.
    bored_of: u16,
    /// Panics on data of this port.
    fails_on: u16,
}

fn port(key: &FlowKey) -> u16 {
    key.sender(Direction::Up).port()
}

impl Host for Notes {
    type Beside = (u16, bool);

    fn open(&mut self, key: &FlowKey, _: Stamp, _: &Segment<'_>) -> (u16, bool) {
        self.log.push(format!("{} opens", port(key)));
        (port(key), false)
    }

    fn deadline(&mut self, at: Timestamp) {
        self.at = at.as_nanos();
    }

    fn segment(&mut self, _: &mut (u16, bool), stamp: Stamp, _: &Segment<'_>) {
        self.at = stamp.clock.as_nanos();
    }

    fn chunk(&mut self, _: &FlowKey, beside: &mut (u16, bool), direction: Direction, chunk: Chunk<'_>) {
        assert!(!(self.fails_on == beside.0 && matches!(chunk, Chunk::Data(_))), "asked for by the test");
        beside.1 |= beside.0 == self.bored_of;
        self.log.push(format!("{} {}", beside.0, said(direction, chunk)));
    }

    fn close(&mut self, _: &FlowKey, beside: &mut (u16, bool), reason: EndReason, time: Timestamp) {
        self.log.push(format!("{} closes {reason:?} at {}", beside.0, time.as_nanos()));
    }

    fn has_given_up(&self, beside: &(u16, bool)) -> bool {
        beside.1
    }

    fn memory(&self, _: &(u16, bool)) -> usize {
        0
    }
}

struct Bench {
    table: Table<(u16, bool)>,
    notes: Notes,
}

impl Bench {
    fn new(memory_max: usize) -> Self {
        Self { table: Table::new(memory_max), notes: Notes::default() }
    }

    fn up(&mut self, clock: u64, port: u16, letters: &str, seq: u32, payload: &str) -> &mut Self {
        self.push(clock, port, Direction::Up, letters, seq, 5000, payload)
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of a segment")]
    fn push(
        &mut self,
        clock: u64,
        port: u16,
        direction: Direction,
        letters: &str,
        seq: u32,
        ack: u32,
        payload: &str,
    ) -> &mut Self {
        let now = Timestamp::from_nanos(clock);
        let segment = Segment {
            flow: key(port),
            direction,
            seq,
            ack,
            flags: flags(letters),
            payload: payload.as_bytes(),
            missing: 0,
            reassembled: false,
            transport: crate::wire::Transport::Tcp,
        };
        let stamp = Stamp { time: now, clock: now };
        self.table.push(&mut self.notes, segment.flow.hash(1), stamp, &segment);
        self
    }

    fn advance(&mut self, clock: u64) -> &mut Self {
        self.table.advance(&mut self.notes, Timestamp::from_nanos(clock));
        self
    }

    fn says(&mut self, expected: &[&str]) -> &mut Self {
        assert_eq!(self.notes.log, expected);
        self.notes.log.clear();
        self
    }

    fn closings(&mut self) -> Vec<String> {
        let log = std::mem::take(&mut self.notes.log);
        log.into_iter().filter(|line| line.contains("closes")).collect()
    }
}

#[test]
fn a_silent_flow_expires_at_its_own_time() {
    let mut bench = Bench::new(1 << 20);
    bench.up(1_000, 9, "S", 999, "").up(2_000, 9, "A", 1000, "x").advance(IDLE_NS_MAX);
    bench.says(&["9 opens", "9 up start 1000", "9 up 1000 x"]);
    bench.advance(IDLE_NS_MAX + 1_000_000).says(&[
        "9 up 1001 end Expired",
        "9 down start 5000 midstream",
        "9 down 5000 end Expired",
        &format!("9 closes Expired at {}", IDLE_NS_MAX + 2_000),
    ]);
    assert!(bench.table.is_empty());
    assert_eq!(bench.table.memory(), 0);
}

#[test]
fn a_flow_without_payload_expires_soon() {
    let mut bench = Bench::new(1 << 20);
    bench.up(0, 9, "S", 999, "").advance(EMPTY_NS_MAX - 1);
    assert_eq!(bench.table.len(), 1);
    bench.advance(EMPTY_NS_MAX);
    assert!(bench.table.is_empty());
    assert_eq!(bench.closings(), [format!("9 closes Expired at {EMPTY_NS_MAX}")]);
}

#[test]
fn deadlines_fire_before_the_frame_that_is_later() {
    // with a sweep in between or without one: the same is said
    let runs = [false, true].map(|swept| {
        let mut bench = Bench::new(1 << 20);
        bench.up(0, 9, "S", 999, "").up(1_000, 9, "A", 1001, "y");
        if swept {
            bench.advance(10_000_000_000).advance(40_000_000_000).advance(IDLE_NS_MAX + 1_000);
        }
        bench.up(IDLE_NS_MAX + 5_000, 9, "A", 1002, "z");
        bench.table.finish(&mut bench.notes, Timestamp::from_nanos(IDLE_NS_MAX + 5_000));
        (bench.notes.log, bench.table.counters)
    });
    assert_eq!(runs[0], runs[1]);
    assert!(runs[0].0.contains(&"9 up 1000 lost 1".to_owned()));
    assert_eq!(runs[0].1.flows, 2);
}

#[test]
fn a_closed_flow_is_remembered_for_a_while() {
    let mut bench = Bench::new(1 << 20);
    bench.up(0, 9, "S", 999, "").push(0, 9, Direction::Down, "SA", 4999, 1000, "").up(1, 9, "AF", 1000, "");
    bench.push(2, 9, Direction::Down, "AF", 5000, 1001, "");
    assert_eq!(bench.closings(), ["9 closes Fin at 2"]);
    // a late copy opens nothing
    bench.up(CLOSED_NS, 9, "AF", 1000, "").says(&[]);
    bench.advance(2 + CLOSED_NS).says(&[]);
    assert!(bench.table.is_empty());
    bench.up(3 + CLOSED_NS, 9, "A", 1001, "").says(&["9 opens"]);
}

#[test]
fn a_new_connection_takes_the_place_of_the_old_one() {
    let mut bench = Bench::new(1 << 20);
    bench.up(0, 9, "S", 999, "").up(1, 9, "A", 1000, "old").says(&[
        "9 opens",
        "9 up start 1000",
        "9 up 1000 old",
    ]);
    bench.up(2, 9, "S", 77_000, "").up(3, 9, "A", 77_001, "new").says(&[
        "9 up 1003 end Replaced",
        "9 down start 5000 midstream",
        "9 down 5000 end Replaced",
        "9 closes Replaced at 2",
        "9 opens",
        "9 up start 77001",
        "9 up 77001 new",
    ]);
    assert_eq!((bench.table.len(), bench.table.counters.flows_replaced), (1, 1));
}

#[test]
fn the_same_syn_again_takes_no_place() {
    let mut bench = Bench::new(1 << 20);
    bench.up(0, 9, "S", 999, "").up(1, 9, "S", 999, "").up(2, 9, "A", 1000, "x");
    bench.says(&["9 opens", "9 up start 1000", "9 up 1000 x"]);
}

#[test]
fn eviction_takes_the_least_valuable_first() {
    let mut probe = Bench::new(1 << 20);
    probe.up(0, 1, "S", 999, "");
    let one = probe.table.memory();
    // room for eight flows; the ninth takes the budget beyond it, and an eighth of it is made free
    let mut bench = Bench::new(one * 8 + 64);
    bench.notes.bored_of = 3;
    bench.up(1, 1, "S", 999, "").up(2, 1, "A", 1000, "busy");
    bench.up(3, 2, "S", 999, "").up(4, 2, "A", 1000, "older");
    bench.up(5, 3, "S", 999, "").up(6, 3, "A", 1000, "bored");
    bench.up(7, 4, "S", 999, "").push(7, 4, Direction::Down, "SA", 4999, 1000, "").up(8, 4, "AF", 1000, "");
    bench.push(9, 4, Direction::Down, "AF", 5000, 1001, "");
    bench.up(10, 5, "S", 999, "").up(11, 1, "A", 1004, "now");
    assert_eq!(bench.closings(), ["4 closes Fin at 9"]);
    assert!(!bench.table.reached_budget());
    let mut order = Vec::new();
    for port in 100..112 {
        bench.up(u64::from(port), port, "S", 999, "x");
        order.extend(bench.closings());
    }
    let order: Vec<&str> = order.iter().map(|line| line.split(" at").next().unwrap_or_default()).collect();
    // the closed one goes in silence, then the one that was given up, the one without payload, then by silence
    let expected: Vec<String> =
        ["3", "5", "2", "1", "100", "101"].iter().map(|port| format!("{port} closes Evicted")).collect();
    assert_eq!(order[..expected.len()], expected);
    assert!(bench.table.reached_budget());
    assert!(bench.table.memory() <= one * 8 + 64);
    assert_eq!(bench.table.counters.flows_evicted as usize, order.len());
}

#[test]
fn ten_thousand_idle_connections_take_what_their_structs_take() {
    let mut bench = Bench::new(1 << 30);
    for round in 0..3_u64 {
        for port in 1..=10_000_u16 {
            let base = round * 1_000_000_000 + u64::from(port);
            let (client, server) = (1000 + round as u32 * 5, 5000 + round as u32 * 7);
            if round == 0 {
                bench.up(base, port, "S", 999, "");
                bench.push(base, port, Direction::Down, "SA", 4999, 1000, "");
            }
            bench.push(base, port, Direction::Up, "AP", client, server, "GET /");
            bench.push(base, port, Direction::Down, "AP", server, client + 5, "200 OK.");
            bench.push(base, port, Direction::Up, "A", client + 5, server + 7, "");
            bench.notes.log.clear();
        }
        let each = bench.table.memory() / bench.table.len();
        assert!(each < 1_024, "{each} bytes for an idle connection");
    }
    assert_eq!(bench.table.len(), 10_000);
    assert_eq!(bench.table.counters.flows, 10_000);
}

#[test]
fn deadlines_that_nothing_waits_for_any_more_are_taken_out() {
    let mut bench = Bench::new(1 << 20);
    let second = 1_000_000_000;
    bench.up(0, 9, "S", 999, "").push(0, 9, Direction::Down, "SA", 4999, 1000, "");
    let (mut clock, mut seq) = (second, 1000);
    // each hole is filled before its time, and the sweep then queues the end of the silence once more
    for _ in 0..2 * DEADLINES_SPARE {
        bench.up(clock, 9, "A", seq + 1, "b").push(clock, 9, Direction::Down, "A", 5000, seq + 2, "");
        bench.up(clock + 1, 9, "A", seq, "a");
        (clock, seq) = (clock + second * 11 / 10, seq + 2);
        bench.advance(clock);
        assert!(bench.table.deadlines() <= 2 + DEADLINES_SPARE, "{}", bench.table.deadlines());
    }
    assert!(bench.closings().is_empty());
    bench.advance(clock + 2 * IDLE_NS_MAX);
    assert_eq!(bench.closings().len(), 1, "the flow still ends at its time");
}

#[test]
fn a_host_that_fails_loses_that_flow_alone() {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    let mut bench = Bench::new(1 << 20);
    bench.notes.fails_on = 7;
    bench.up(0, 7, "S", 999, "").up(1, 8, "S", 999, "").up(2, 8, "A", 1000, "fine");
    bench.up(3, 7, "A", 1002, "held");
    let failed = catch_unwind(AssertUnwindSafe(|| {
        bench.up(4, 7, "A", 1000, "xy");
    }));
    assert!(failed.is_err());
    bench.table.abandon(Timestamp::from_nanos(4));
    bench.notes.log.clear();
    bench.up(5, 7, "A", 1006, "more").up(6, 8, "A", 1004, "still").says(&["8 up 1004 still"]);
    // a hole that is given up at a deadline is where the other one fails
    bench.notes.fails_on = 8;
    bench.up(7, 8, "A", 1010, "z");
    let failed = catch_unwind(AssertUnwindSafe(|| {
        bench.advance(CLOSED_NS * 5);
    }));
    assert!(failed.is_err());
    bench.table.abandon(Timestamp::from_nanos(CLOSED_NS * 5));
    bench.advance(CLOSED_NS * 6 + 1);
    assert!(bench.table.is_empty(), "what failed is forgotten like what was closed");
    assert!(bench.table.counters.balances(), "{:?}", bench.table.counters);
}
