//! One test for each bug that was found in the wild, with as few bytes as show it. The numbers stay.

mod harness;
#[path = "regression/tap.rs"]
mod tap;

use serde_json::Value;
use tap::{BEGIN, Tap};

/// What the sensor says of a capture: each call in one line, and the protocols of connections without calls.
fn told(tap: &Tap) -> Vec<String> {
    let outcome = harness::replay_stdin(&["--redact", "none"], &tap.capture());
    assert!(matches!(outcome.code, 0 | 1), "{}", outcome.stderr);
    assert_eq!(harness::unbalanced(&outcome.sensor()), Vec::<String>::new());
    let connections = outcome.records("connections");
    let named = connections.iter().map(|record| format!("connection {}", text(&record["protocol"])));
    outcome.records("calls").iter().map(line).chain(named).collect()
}

/// `http/1.1 GET host /path -> 200 12`, then causes and anomalies; `-` for what is not known.
fn line(call: &Value) -> String {
    let odd = [&call["causes"], &call["anomalies"]].into_iter().filter_map(Value::as_array).flatten();
    let mut line = format!(
        "{} {} {} {} -> {} {}",
        text(&call["protocol"]),
        text(&call["method"]),
        text(&call["authority"]),
        text(&call["path"]),
        text(&call["status"]),
        text(&call["response"]["body_bytes"])
    );
    odd.for_each(|name| line.push_str(&format!(" {}", text(name))));
    line
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// One request and one answer, then the connection is closed.
fn one_call(request: &[u8], answer: &[u8]) -> Vec<String> {
    told(Tap::connected().client(request).server(answer).close())
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn r001_a_version_that_does_not_exist() {
    for (version, protocol) in [
        ("HTTP/1.0.8", "http/1.0"),
        ("HTTP/1.", "http/1.1"),
        ("http/1.1", "http/1.1"),
        ("HTTP/7", "http/1.1"),
    ] {
        let request = format!("GET /a {version}\r\nHost: h\r\n\r\n");
        let expected = format!("{protocol} GET h /a -> 200 2 invalid_start_line");
        assert_eq!(one_call(request.as_bytes(), OK), [expected], "{version}");
    }
}

#[test]
fn r002_the_preface_of_http2_is_no_request() {
    let told = one_call(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", b"\0\0\0\x04\0\0\0\0\0");
    assert_eq!(told, ["connection h2"]);
}

#[test]
fn r003_a_request_line_without_a_version_before_header_lines() {
    for (line, method, path) in [
        ("GET /HTTP/1.1", "GET", "/HTTP/1.1"),
        ("POST /HTTP/1.1", "POST", "/HTTP/1.1"),
        ("OPTIONS HTTP/1.1", "OPTIONS", "HTTP/1.1"),
        ("CCM_POST /a", "CCM_POST", "/a"),
    ] {
        let request = format!("{line}\r\nHost: h\r\n\r\n");
        let expected = format!("http/0.9 {method} h {path} -> 200 2 invalid_start_line");
        assert_eq!(one_call(request.as_bytes(), OK), [expected], "{line}");
    }
}

#[test]
fn r004_commands_of_other_protocols_are_no_requests() {
    for command in ["GET key\r\n", "DELETE mail 3\r\n", "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n"] {
        let told = one_call(command.as_bytes(), b"$5\r\nvalue\r\n");
        assert!(told.iter().all(|line| line.starts_with("connection ")), "{command:?}: {told:?}");
    }
}

#[test]
fn r005_http09_is_answered_by_bytes_without_a_head() {
    let body = b"\r\n<html>hello</html>";
    assert_eq!(one_call(b"GET /old\r\n", body), ["http/0.9 GET - /old -> - 20"]);
    let mut tap = Tap::connected();
    tap.client(b"GET /old\r\n").server(b"HT").server(b"ML is not what this is").close();
    assert_eq!(told(&tap), ["http/0.9 GET - /old -> - 24"]);
    assert_eq!(one_call(b"GET /new\r\n", OK), ["http/0.9 GET - /new -> 200 2"], "a newer server");
}

#[test]
fn r006_status_lines_that_are_odd() {
    for (line, expected) in [
        ("HTTP/1.1 000 ok", "0 2 invalid_start_line"),
        ("http/1.1 200 ok", "200 2 invalid_start_line"),
        ("HTTP/1.1 \t200 ok", "200 2 invalid_start_line"),
        ("HTTP/1.10 404", "404 2 invalid_start_line"),
        ("ICY 200 OK", "200 2 invalid_start_line"),
        ("HTTP/1.1 299", "299 2"),
    ] {
        let answer = format!("{line}\r\nContent-Length: 2\r\n\r\nok");
        let expected = format!("http/1.1 GET h / -> {expected}");
        assert_eq!(one_call(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", answer.as_bytes()), [expected], "{line}");
    }
}

#[test]
fn r007_a_form_feed_is_no_white_space() {
    let chunks = "2\r\nok\r\n0\r\n\r\n";
    for (field, size, odd) in [
        ("Transfer-Encoding\t: chunked", 2, " space_before_colon"),
        ("Transfer-Encoding\x0c: chunked", chunks.len(), " invalid_header control_character"),
        ("Transfer-Encoding: \x0cchunked", chunks.len(), " odd_transfer_encoding control_character"),
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\n{field}\r\n\r\n{chunks}");
        let expected = format!("http/1.1 GET h / -> 200 {size}{odd}");
        assert_eq!(
            one_call(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", answer.as_bytes()),
            [expected],
            "{field:?}"
        );
    }
}

#[test]
fn r008_lists_of_transfer_codings() {
    let chunks = "2\r\nok\r\n0\r\n\r\n";
    for (value, size, odd) in [
        ("chunked,", 2, ""),
        (" , chunked ,", 2, ""),
        ("chunked, identity", chunks.len(), " odd_transfer_encoding"),
        ("identity", chunks.len(), " odd_transfer_encoding"),
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: {value}\r\n\r\n{chunks}");
        let expected = format!("http/1.1 GET h / -> 200 {size}{odd}");
        assert_eq!(
            one_call(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", answer.as_bytes()),
            [expected],
            "{value:?}"
        );
    }
}

#[test]
fn r009_an_end_that_was_forged_before_the_handshake() {
    let [client, server] = BEGIN;
    for forged in [0, server] {
        for wait in [0, 2_000_000] {
            let mut tap = Tap::default();
            tap.segment(0, "S", client - 1, 0, b"");
            tap.segment(1, "RA", forged, client, b"").segment(1, "FA", forged, client, b"").wait(wait);
            tap.segment(0, "R", client, 0, b"");
            tap.segment(1, "SA", server - 1, client, b"").segment(0, "A", client, server, b"");
            let request = b"GET /evil HTTP/1.1\r\nHost: h\r\n\r\n";
            let end = client + request.len() as u32;
            tap.segment(0, "PA", client, server, request).segment(1, "PA", server, end, OK);
            tap.segment(0, "A", end, server + OK.len() as u32, b"");
            let told = told(&tap);
            assert_eq!(told, ["http/1.1 GET h /evil -> 200 2"], "forged at {forged}, {wait} µs before");
        }
    }
}

#[test]
fn r010_numbers_that_were_left_at_zero() {
    let mut tap = Tap::default();
    tap.segment(0, "PA", 0, 0, b"GET / HTTP/1.0\r\nHost: h\r\n\r\n").segment(1, "PA", 0, 0, OK);
    assert_eq!(told(&tap), ["http/1.0 GET h / -> 200 2"]);
}

#[test]
fn r011_the_binary_header_of_the_proxy_protocol() {
    let header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x0a\0\0\x09\x0a\0\0\x02\x30\x39\0\x50";
    let request = b"GET /behind HTTP/1.1\r\nHost: h\r\n\r\n";
    let expected = ["http/1.1 GET h /behind -> 200 2"];
    assert_eq!(one_call(&[&header[..], request].concat(), OK), expected);
    for cut in 1..header.len() {
        let mut tap = Tap::connected();
        tap.client(&header[..cut]).client(&header[cut..]).client(request).server(OK).close();
        assert_eq!(told(&tap), expected, "cut at {cut}");
    }
}

#[test]
fn r012_blank_lines_before_the_first_request() {
    let expected = ["http/1.1 GET h / -> 200 2"];
    assert_eq!(one_call(b"\r\n\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", OK), expected);
    let mut tap = Tap::connected();
    tap.client(b"\r\n").client(b"\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n").server(OK).close();
    assert_eq!(told(&tap), expected);
    let mut tunnel = Tap::connected();
    tunnel.client(b"CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n\n");
    tunnel
        .server(b"HTTP/1.1 200 OK\r\n\r\n\n")
        .client(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        .server(OK)
        .close();
    assert_eq!(told(&tunnel), ["http/1.1 CONNECT h:443 h:443 -> 200 0", expected[0]]);
}

#[test]
fn r013_icap_carries_heads_that_nobody_sent() {
    let mut tap = Tap::connected();
    tap.client(
        b"REQMOD icap://filter/req ICAP/1.0\r\nHost: filter\r\nEncapsulated: req-hdr=0, null-body=40\r\n\r\n",
    );
    tap.client(b"GET http://origin/ HTTP/1.1\r\nHost: origin\r\n\r\n");
    tap.server(b"ICAP/1.0 204 No Content\r\n\r\n").close();
    assert_eq!(told(&tap), ["connection icap"]);
}

#[test]
fn r014_a_call_that_became_a_websocket_says_so() {
    let request = b"GET /chat HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let answer =
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n\x81\x02hi";
    assert_eq!(
        one_call(request, answer),
        ["http/1.1 GET h /chat -> 101 0", "websocket - h /chat -> - - connection_closed"]
    );
}

#[test]
fn r015_an_injected_answer_was_not_asked_for() {
    let [client, server] = BEGIN;
    let request = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    let injected = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nBANG!";
    let mut tap = Tap::connected();
    tap.client(request).segment(1, "PA", server, client, injected).close();
    let told = told(&tap);
    assert!(told.iter().any(|line| line == "http/1.1 - - - -> 200 5 unsolicited_response"), "{told:?}");
    assert!(told.iter().any(|line| line.starts_with("http/1.1 GET h / -> - -")), "{told:?}");
}

#[test]
fn r016_an_acknowledgement_of_nonsense_does_not_say_where_the_server_stands() {
    let (client, server) = (BEGIN[0], 3_000_000_000_u32);
    let request = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    let end = client + request.len() as u32;
    let mut tap = Tap::default();
    tap.segment(0, "S", client - 1, 0, b"").segment(0, "PA", client, server - 0x5000_0000, request);
    tap.segment(1, "A", server, end, b"").segment(1, "PA", server, end, OK);
    tap.segment(0, "A", end, server + OK.len() as u32, b"");
    assert_eq!(told(&tap), ["http/1.1 GET h / -> 200 2"]);
}

#[test]
fn r017_times_at_the_end_of_what_can_be_counted() {
    let mut tap = Tap::connected();
    tap.client(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").server(OK);
    let outcome = harness::replay_stdin(&["--redact", "none"], &tap.capture_at_the_end_of_time());
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert_eq!(harness::unbalanced(&outcome.sensor()), Vec::<String>::new());
    let calls = outcome.records("calls");
    assert_eq!(calls.iter().map(line).collect::<Vec<_>>(), ["http/1.1 GET h / -> 200 2"]);
    assert!(text(&calls[0]["time"]).starts_with("2518-"), "{}", calls[0]["time"]);
}
