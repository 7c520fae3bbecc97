//! The summary as a person sees it, as golden text.

use super::*;
use crate::publish::Dropped;

const DAY: u64 = 1_741_340_467_120_000_000;

fn operation(method: &str, template: &str, calls: u64, classes: [u64; 5], latencies: [u64; 2]) -> Operation {
    Operation {
        method: method.to_owned(),
        service: "shop.example".to_owned(),
        template: template.to_owned(),
        calls,
        classes,
        p50_us: Some(latencies[0]),
        p95_us: Some(latencies[1]),
    }
}

fn named(counts: &[(&str, u64)]) -> Vec<(String, u64)> {
    counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

fn input(name: &str, frames: u64, bytes: u64, seconds: [u64; 2]) -> Input {
    let [first, last] = seconds.map(|second| Some(Timestamp::from_nanos(DAY + second * 1_000_000_000)));
    Input { name: name.to_owned(), frames, bytes, first, last }
}

fn sample() -> Summary {
    Summary {
        inputs: vec![
            input("captures/shop-monday.pcap", 1_200_000, 430_000_000, [0, 200]),
            input("captures/shop-tuesday.pcapng.zst", 1, 66, [201, 245]),
        ],
        calls: Calls {
            complete: 199_990,
            partial: 10,
            causes: named(&[("gap_in_response", 7), ("expired", 0), ("still_open", 4)]),
        },
        operations: vec![
            operation("GET", "/v1/items/{int}", 180_000, [0, 179_000, 0, 1_000, 0], [850, 12_300]),
            operation(
                "POST",
                "/v1/baskets/{uuid}/items",
                19_999,
                [0, 19_000, 0, 988, 1],
                [99_999, 1_204_000],
            ),
        ],
        operations_total: 48,
        findings: vec![Finding {
            severity: "high".to_owned(),
            title: "An answer carries a secret key that opens a cloud account".to_owned(),
            operation: "GET shop.example/v1/config".to_owned(),
            count: 12,
            evidence: "AK…7Q (aws-access-key-id)".to_owned(),
        }],
        findings_total: 1,
        undecrypted: Vec::new(),
        given_up: vec![
            GivenUp { protocol: "tls".to_owned(), connections: 12, bytes: 3_400_000 },
            GivenUp { protocol: "ssh".to_owned(), connections: 1, bytes: 999 },
        ],
        problems: vec![Problem {
            place: "captures/shop-monday.pcap at byte 430000040".to_owned(),
            reason: "the last frame is cut off: 66 bytes were announced, 12 are there".to_owned(),
        }],
        losses: vec![
            Loss { place: Place::BeforeTheTap, name: "gaps".to_owned(), count: 14_600, unit: "bytes" },
            Loss { place: Place::Kernel, name: "ring full".to_owned(), count: 0, unit: "frames" },
        ],
        equations: vec![
            Equation {
                name: "frames received".to_owned(),
                left: 1_200_001,
                right: named(&[("segments", 1_199_001), ("fragments joined", 0), ("other traffic", 1_000)]),
            },
            Equation { name: "calls opened".to_owned(), left: 5, right: named(&[("complete", 2)]) },
        ],
        deliveries: vec![
            Delivery {
                place: "out/calls.ndjson".to_owned(),
                verb: "written",
                account: Account { emitted: 200_000, delivered: 200_000, dropped: Dropped::default() },
            },
            Delivery {
                place: "Kafka eaves.calls".to_owned(),
                verb: "acknowledged",
                account: Account {
                    emitted: 200_000,
                    delivered: 199_000,
                    dropped: Dropped { timed_out: 900, unacknowledged: 100, ..Dropped::default() },
                },
            },
        ],
    }
}

fn text(summary: &Summary, width: usize, colours: bool) -> String {
    let mut out = Vec::new();
    summary.write(Look { width, colours }, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn at_a_hundred_columns() {
    assert_eq!(text(&sample(), 100, false), include_str!("golden_100.txt"));
}

#[test]
fn on_a_narrow_terminal() {
    let shown = text(&sample(), 60, false);
    assert_eq!(shown, include_str!("golden_60.txt"));
    // The narrowest table that holds its numbers is wider than some terminals; text never is.
    assert!(shown.lines().all(|line| line.chars().count() <= 78), "{shown}");
}

#[test]
fn colours_change_nothing_but_colours() {
    let coloured = text(&sample(), 100, true);
    assert!(coloured.contains("\x1b[1mRead\x1b[0m"), "{coloured}");
    assert_eq!(anstream::adapter::strip_str(&coloured).to_string(), text(&sample(), 100, false));
}

#[test]
fn a_run_that_saw_nothing_says_so() {
    assert_eq!(
        text(&Summary::default(), 80, false),
        "Read  nothing\n\nCalls  none\n\nFindings  none\n\nLost  nothing\n"
    );
}

#[test]
fn names_from_traffic_do_not_reach_the_terminal_as_they_are() {
    let mut summary = sample();
    summary.operations[0].template = "/\x1b[2J\r\n".to_owned();
    summary.findings[0].title = "\x1b]0;owned\x07".to_owned();
    summary.given_up[0].protocol = "a\u{202e}b".to_owned();
    let shown = text(&summary, 100, false);
    assert!(!shown.contains(['\x1b', '\r', '\x07', '\u{202e}']), "{shown}");
    assert!(shown.contains("/\\u{1b}[2J\\u{d}\\u{a}"), "{shown}");
}

#[test]
fn long_lists_end_with_how_many_more() {
    let mut summary = sample();
    summary.operations = vec![summary.operations[0].clone(); crate::limits::SUMMARY_ROWS_MAX + 5];
    let shown = text(&summary, 100, false);
    assert_eq!(shown.matches("/v1/items/{int}").count(), crate::limits::SUMMARY_ROWS_MAX);
    assert!(shown.contains("\n  and 28 more\n"), "{shown}");
}
