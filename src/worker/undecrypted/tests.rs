//! What is said of TLS that was not decrypted, of real connections.

use std::sync::Arc;

use super::*;
use crate::call::{Anomalies, Roles};
use crate::time::Timestamp;
use crate::tls::{Hold, Keys, Session};
use crate::worker::tests::{keys, segments, told, worker};
use crate::worker::{Packed, Worker};

/// Plays a capture on a worker whose secrets are known from the beginning.
fn play(keys: Option<Keys>, segments: &[(Packed, Vec<u8>)]) -> (Worker, Vec<String>) {
    let mut worker = worker(1 << 30).with_secrets(keys.map(Arc::new), Hold::new(8 << 20, 1 << 20), false);
    for (packed, payload) in segments {
        worker.segment(packed, payload);
    }
    worker.close_round(Timestamp::MAX, true);
    let lines = told(&mut worker);
    (worker, lines)
}

/// What is counted: name, version, suite, reason, connections.
fn counted(worker: &Worker) -> Vec<String> {
    let line = |(kind, count): (&Undecrypted, &GivenUp)| {
        assert!(count.bytes > 0);
        let text = |text: Option<&str>| text.unwrap_or("-").to_owned();
        let (name, version, cipher) =
            (text(kind.server_name.as_deref()), text(kind.version.as_deref()), text(kind.cipher.as_deref()));
        format!("{name} {version} {cipher} {} {}", kind.reason, count.connections)
    };
    worker.undecrypted().iter().map(line).collect()
}

/// A segment that brings the first message of the handshake of that type.
fn brings(payload: &[u8], message: u8) -> bool {
    matches!(payload, [22, 3, _, _, _, kind, ..] if *kind == message)
}

#[test]
fn connections_are_counted_by_name_version_suite_and_reason() {
    let segments = segments("tls.pcap");
    let (worker, lines) = play(None, &segments);
    let kinds = counted(&worker);
    let [old, new] = &kinds[..] else { panic!("{kinds:?}") };
    assert!(old.starts_with("api.shop.test 1.2 TLS_ECDHE_") && new.starts_with("api.shop.test 1.3 TLS_AES_"));
    assert!(kinds.iter().all(|kind| kind.contains(" no_key ")));
    let connections: u64 = worker.undecrypted().values().map(|count| count.connections).sum();
    assert_eq!(connections, lines.len() as u64);
    let bytes: u64 = worker.undecrypted().values().map(|count| count.bytes).sum();
    assert_eq!(bytes, segments.iter().map(|(packed, _)| u64::from(packed.len)).sum::<u64>());
    // of what is decrypted nothing is counted
    let (worker, _) = play(Some(keys("tls.pcap.keylog", |_| true)), &segments);
    assert_eq!(counted(&worker), [""; 0]);
}

#[test]
fn of_more_kinds_than_are_kept_the_reason_alone_is_counted() {
    let ends = [([10, 0, 0, 1], 40_000).into(), ([10, 0, 0, 2], 443).into()];
    let connection = |name: String| Connection {
        id: 1,
        interface: 0,
        vni: None,
        client: ends[0],
        server: ends[1],
        roles: Roles::Content,
        time: Timestamp::ZERO,
        duration_ns: 0,
        protocol: "tls",
        reason: "no_key",
        packets: [1, 1],
        bytes: [1, 2],
        calls: 0,
        tls: Some(Session { server_name: Some(name), ..Session::default() }),
        quic_version: None,
        anomalies: Anomalies::EMPTY,
    };
    let mut all = BTreeMap::new();
    for number in 0..UNDECRYPTED_MAX + 10 {
        Undecrypted::count(&mut all, &connection(format!("{number}.test")));
    }
    Undecrypted::count(&mut all, &connection("0.test".to_owned()));
    assert_eq!(all.len(), UNDECRYPTED_MAX + 1);
    let without_name = Undecrypted { reason: "no_key", ..Undecrypted::default() };
    assert_eq!(all.get(&without_name), Some(&GivenUp { connections: 10, bytes: 30 }));
    let known = Undecrypted { server_name: Some("0.test".to_owned()), ..without_name };
    assert_eq!(all.get(&known), Some(&GivenUp { connections: 2, bytes: 6 }));
}

#[test]
fn without_its_first_message_a_handshake_has_a_hole_or_was_joined() {
    let all = segments("tls.pcap");
    let holed: Vec<_> = all.iter().filter(|(_, payload)| !brings(payload, 1)).cloned().collect();
    let log = || Some(keys("tls.pcap.keylog", |_| true));
    for keys in [None, log()] {
        let (worker, lines) = play(keys, &holed);
        assert!(!lines.is_empty());
        for line in &lines {
            assert!(
                line.contains("\"protocol\":\"tls\"") && line.contains("\"reason\":\"gap_in_handshake\""),
                "{line}"
            );
            assert!(line.contains("\"server\":{\"ip\":\"10.20.0.2\",\"port\":443}"), "{line}");
        }
        assert_eq!(counted(&worker), [format!("- - - gap_in_handshake {}", lines.len())]);
    }
    // the capture begins with the answer: what came before it is not known
    let first = &all.iter().find(|(_, payload)| brings(payload, 1)).unwrap().0.flow;
    let joined: Vec<_> = all
        .iter()
        .filter(|(packed, _)| packed.flow == *first)
        .skip_while(|(_, payload)| !brings(payload, 2))
        .cloned()
        .collect();
    for keys in [None, log()] {
        let (worker, lines) = play(keys, &joined);
        assert_eq!(lines.len(), 1);
        assert!(lines[0].contains("\"reason\":\"joined_midstream\""), "{lines:?}");
        assert_eq!(counted(&worker), ["- - - joined_midstream 1"]);
    }
}

#[test]
fn of_tls_inside_tls_the_one_that_is_not_decrypted_is_told() {
    let segments = segments("tls-proxy.pcap");
    let all = "tls-proxy.pcap.keylog";
    let (worker, lines) = play(Some(keys(all, |_| true)), &segments);
    let calls: Vec<_> =
        lines.iter().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()).collect();
    let said: Vec<_> = calls
        .iter()
        .map(|call| {
            let text = |value: &serde_json::Value| value.as_str().unwrap_or("-").to_owned();
            (
                text(&call["method"]),
                text(&call["path"]),
                text(&call["tls"]["server_name"]),
                text(&call["quality"]),
            )
        })
        .collect();
    let expected = [
        ("CONNECT", "-", "proxy.live.test"),
        ("GET", "/inner/one", "api.live.test"),
        ("GET", "/inner/two", "api.live.test"),
    ];
    assert_eq!(said.len(), expected.len(), "{lines:?}");
    for (said, (method, path, name)) in said.iter().zip(expected) {
        assert_eq!((&*said.0, &*said.2, &*said.3), (method, name, "complete"));
        assert!(path == "-" || said.1 == path, "{said:?}");
    }
    assert_eq!(counted(&worker), [""; 0]);

    // the secrets of the outer one alone: those whose client random comes first
    let first = keys(all, |_| true).names().next().copied().unwrap();
    let hex: String = first.iter().map(|byte| format!("{byte:02x}")).collect();
    let (worker, lines) = play(Some(keys(all, |line| line.contains(&hex))), &segments);
    assert_eq!(counted(&worker), ["api.live.test 1.3 TLS_AES_256_GCM_SHA384 no_key 1"], "{lines:?}");
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("\"method\":\"CONNECT\"") && lines[0].contains("proxy.live.test"));
    assert!(lines[1].contains("\"server_name\":\"api.live.test\""), "{lines:?}");

    // none
    let (worker, lines) = play(None, &segments);
    assert_eq!(counted(&worker), ["proxy.live.test 1.3 TLS_AES_256_GCM_SHA384 no_key 1"]);
    assert_eq!(lines.len(), 1);
}
