//! The look at what a connection speaks, and what is said of what it is not.

use super::*;

/// Plays bytes of the client, then of the server; the name and the reason.
fn name_of(turns: &[(char, &[u8])]) -> Option<(&'static str, &'static str)> {
    let mut at = [0; 2];
    let mut parts = Vec::new();
    for (turn, (who, bytes)) in turns.iter().enumerate() {
        let direction = if *who == '>' { Direction::Up } else { Direction::Down };
        let at = &mut at[direction.index()];
        parts.push(Part { direction, at: *at, what: Ok(bytes.to_vec()), turn });
        *at += bytes.len();
    }
    let (told, record) = play(&parts, Setting::default());
    assert!(told.is_empty(), "{:?}", lines(&told));
    record.map(|record| (record.protocol, record.reason))
}

#[test]
fn other_protocols_are_given_up_by_name() {
    let table: &[(&str, char, &[u8])] = &[
        ("tls", '>', b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
        ("ssh", '<', b"SSH-2.0-OpenSSH_9.6\r\n"),
        ("smtp-or-ftp", '<', b"220 mail.test ESMTP\r\n"),
        ("redis", '>', b"*1\r\n$4\r\nPING\r\n"),
        ("postgresql", '>', b"\0\0\0\x08\x04\xd2\x16\x2f"),
        ("postgresql", '>', b"\0\0\0\x29\0\x03\0\0user\0bob\0"),
        ("mysql", '<', b"\x4a\0\0\0\x0a8.0.36\0"),
        ("mqtt", '>', b"\x10\x10\0\x04MQTT\x04\x02\0\x3c\0\x04test"),
        ("rtsp", '>', b"DESCRIBE rtsp://h/a RTSP/1.0\r\n\r\n"),
        ("sip", '>', b"OPTIONS sip:a@h SIP/2.0\r\n\r\n"),
        ("bittorrent", '>', b"\x13BitTorrent protocol\0\0\0\0\0\0\0\0"),
        ("smb", '>', b"\0\0\0\x40\xfeSMB\x40\0"),
        ("amqp", '>', b"AMQP\0\0\x09\x01"),
        ("imap", '<', b"* OK ready\r\n"),
        ("pop3", '<', b"+OK ready\r\n"),
    ];
    for (name, who, bytes) in table {
        let reason = if *name == "tls" { "ended_before_known" } else { "not_http" };
        assert_eq!(name_of(&[(*who, bytes)]), Some((*name, reason)), "{name}");
        // and byte by byte
        let pieces: Vec<(char, &[u8])> = bytes.chunks(1).map(|byte| (*who, byte)).collect();
        assert_eq!(name_of(&pieces), Some((*name, reason)), "{name}, byte by byte");
    }
}

#[test]
fn what_nobody_knows_is_given_up_after_a_bounded_look() {
    let turns: Vec<(char, &[u8])> = (0..40).map(|_| ('>', &b"\x7fnobody knows this"[..])).collect();
    assert_eq!(name_of(&turns), Some(("unknown", "not_http")));
    assert_eq!(name_of(&turns[..2]), Some(("unknown", "ended_before_known")));
    assert_eq!(name_of(&[]), None, "a connection without a byte is not told of");
}

#[test]
fn http_behind_a_proxys_greeting_is_found() {
    let get = "GET /1 HTTP/1.1\r\nHost: h\r\n\r\n";
    let ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let line = format!("PROXY TCP4 10.0.0.9 10.0.0.2 50000 80\r\n{get}");
    for turns in [
        vec![('>', line.as_str()), ('<', ok)],
        vec![('>', "PROXY TCP4 10.0.0.9 10.0.0.2 50000 80\r\n"), ('>', get), ('<', ok)],
        vec![('>', "PROXY UNKN"), ('>', "OWN\r\nGET /1 HT"), ('>', "TP/1.1\r\nHost: h\r\n\r\n"), ('<', ok)],
        vec![('>', "\x05\x01\0"), ('<', "\x05\0"), ('>', get), ('<', ok)],
    ] {
        let (told, _) = play(&parts(&turns), Setting::default());
        assert_eq!(lines(&told), ["GET /1 -> 200"], "{turns:?}");
    }
}

#[test]
fn http_in_a_connection_that_was_joined_in_a_body_is_found() {
    let setting = Setting { known: [false; 2], opener: None, ..Setting::default() };
    let body = "x".repeat(1_400);
    let mut turns: Vec<(char, &str)> = (0..100).map(|_| ('<', body.as_str())).collect();
    turns.push(('>', "GET /1 HTTP/1.1\r\nHost: h\r\n\r\n"));
    turns.push(('<', "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    let (told, _) = play(&parts(&turns), setting);
    assert_eq!(lines(&told), ["GET /1 -> 200"]);
}

#[test]
fn what_a_tunnel_carries_is_named() {
    let connect = "CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n";
    let open = "HTTP/1.1 200 OK\r\n\r\n";
    let hello = "\x16\x03\x01\x02\0\x01\0\x01\u{7c}";
    for turns in [
        vec![('>', connect), ('<', open), ('>', hello)],
        // an eager client does not wait for the answer
        vec![('>', connect), ('>', hello), ('<', open)],
    ] {
        let (told, record) = play(&parts(&turns), Setting::default());
        assert_eq!(lines(&told), ["CONNECT h:443 -> 200"]);
        let record = record.unwrap();
        assert_eq!((record.protocol, record.reason, record.calls), ("tls", "ended_before_known", 1));
    }
}

#[test]
fn upgrades_are_handed_on_by_name() {
    for (wish, name) in [("TLS/1.2", "tls"), ("x-mine", "upgraded")] {
        let ask = format!("GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: {wish}\r\n\r\n");
        let switch = format!("HTTP/1.1 101 Switching Protocols\r\nUpgrade: {wish}\r\n\r\n");
        let (told, record) = play(&parts(&[('>', &ask), ('<', &switch), ('<', "bytes")]), Setting::default());
        assert_eq!(lines(&told), ["GET / -> 101"]);
        let record = record.unwrap();
        assert_eq!((record.protocol, record.reason, record.calls), (name, "upgraded", 1));
    }
}

#[test]
fn a_rewritten_byte_is_an_anomaly_of_the_connection() {
    let (client, server): (SocketAddr, SocketAddr) = (([10, 0, 0, 1], 9).into(), ([10, 0, 0, 2], 80).into());
    let key = FlowKey::new(client, server, None).0;
    let mut connection = Connection::new(&key, 0, Stamp::default());
    let mut desk = Desk::new(None, u64::MAX);
    connection.chunk(&key, &mut desk, Direction::Up, Chunk::Rewritten, &mut |_| {});
    connection.segment(
        Stamp::default(),
        &Segment {
            flow: key,
            direction: Direction::Up,
            seq: 0,
            ack: 0,
            flags: crate::wire::TcpFlags(0),
            payload: b"?",
            missing: 0,
            reassembled: false,
            transport: crate::wire::Transport::Tcp,
        },
    );
    let record = connection.close(&key, &mut desk, EndReason::Fin, &mut |_| {}).unwrap();
    assert!(record.anomalies.has(Anomalies::SEGMENT_REWRITTEN));
}
