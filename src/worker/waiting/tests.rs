//! Connections that wait for secrets: which one is lost when the sensor fails on it, and what they cost.

use super::*;
use crate::flow::Chunk;
use crate::worker::Packed;
use crate::worker::tests::{given, segments, told, worker};

/// Lines of the connections of other ports.
fn without(lines: &[String], port: u16) -> Vec<String> {
    lines.iter().filter(|line| !line.contains(&format!("\"port\":{port}}}"))).cloned().collect()
}

#[test]
fn a_failure_on_secrets_costs_the_connection_that_waited_for_them() {
    let segments = segments("tls.pcap");
    let clock = segments.last().unwrap().0.stamp.clock;
    let port = |packed: &Packed| {
        let sender = packed.flow.sender(packed.direction).port();
        if sender == 443 { packed.flow.sender(packed.direction.reverse()).port() } else { sender }
    };
    let mut ports: Vec<u16> = segments.iter().map(|(packed, _)| port(packed)).collect();
    ports.dedup();
    // connections that have ended, and one that has not: the others come whole, of the last one only a part
    let last = *ports.last().unwrap();
    let most = segments.iter().filter(|(packed, _)| port(packed) == last).count() * 3 / 4;
    let play = |fails: Option<u16>| {
        let mut worker = worker(1 << 30);
        let mut of_last = 0;
        for (packed, payload) in &segments {
            of_last += usize::from(port(packed) == last);
            if port(packed) != last || of_last <= most {
                worker.segment(packed, payload);
            }
        }
        assert!(!worker.office.waiting.ended.is_empty() && !worker.office.waiting.open.is_empty());
        if let Some(port) = fails {
            worker.fail_on(port, Chunk::Rewritten);
        }
        let ended = worker.office.waiting.ended.len();
        worker.secrets(&given("tls.pcap.keylog", clock));
        assert!(worker.office.waiting.ended.is_empty() && worker.office.waiting.by_random.is_empty());
        assert!(worker.office.waiting.open.is_empty());
        assert_eq!(worker.office.waiting.memory, 0);
        let (calls, _) = worker.counters();
        let booked = calls.calls_complete + calls.calls_partial + calls.calls_failed + worker.open_calls();
        assert_eq!(calls.calls_opened, booked);
        assert_eq!(calls.flows_failed, u64::from(fails.is_some()));
        worker.close_round(Timestamp::MAX, true);
        (ended, told(&mut worker))
    };
    let (ended, whole) = play(None);
    assert!(ended > 1 && whole.len() > ended, "{ended} have ended, {} lines", whole.len());
    for fails in [ports[0], ports[1], last] {
        let (_, lines) = play(Some(fails));
        assert_eq!(lines, without(&whole, fails), "failed on {fails}");
        assert!(lines.len() < whole.len());
    }
}

#[test]
fn connections_that_have_ended_and_wait_stand_in_the_memory_budget() {
    let segments = segments("tls.pcap");
    let run = |memory_max| {
        let mut worker = worker(memory_max);
        let mut most = 0;
        for (packed, payload) in &segments {
            worker.segment(packed, payload);
            most = worker.memory().max(most);
        }
        (worker, most)
    };
    let (mut roomy, most) = run(1 << 30);
    assert_eq!(roomy.counters().0.waits_cut_short, 0);
    assert_eq!(told(&mut roomy), [""; 0]);
    let (ended, waiting) = (roomy.office.waiting.ended.len() as u64, roomy.office.waiting.memory);
    assert!(waiting > most / 4, "{waiting} of {most} bytes wait");

    let bound = most - waiting / 2;
    let (mut tight, most) = run(bound);
    assert!(most <= bound, "{most} bytes, of {bound}");
    let (calls, _) = tight.counters();
    assert!((1..ended).contains(&calls.waits_cut_short), "{} of {ended}", calls.waits_cut_short);
    assert_eq!(calls.connections, calls.waits_cut_short);
    let lines = told(&mut tight);
    assert_eq!(lines.len() as u64, tight.counters().0.waits_cut_short);
    assert!(lines.iter().all(|line| line.contains("\"reason\":\"no_key\"")), "{lines:?}");
}
