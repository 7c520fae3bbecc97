//! Heads: tables of what is odd about them, and what another reader says of the ones that are not.

use super::head::{Coding, Length, StartLine, Version};
use super::*;

/// Reads a whole head at once.
fn read(kind: Kind, head: &[u8]) -> (Progress, Lines) {
    let mut lines = Lines::new(kind);
    lines.begin(true);
    let progress = lines.advance(head);
    if let Progress::Whole(len) = progress {
        lines.inspect(&head[..len]);
    }
    (progress, lines)
}

fn anomalies(kind: Kind, head: &str) -> Vec<&'static str> {
    let (progress, lines) = read(kind, head.as_bytes());
    assert_eq!(progress, Progress::Whole(head.len()), "{head:?}");
    lines.anomalies.names().collect()
}

#[test]
fn what_is_odd_about_a_request_is_named() {
    for (head, expected) in [
        ("GET / HTTP/1.1\r\nHost: h\r\n\r\n", &[][..]),
        ("GET / HTTP/1.0\r\n\r\n", &[]),
        ("GET / HTTP/1.1\r\n\r\n", &["host_count"]),
        ("GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n", &["host_count"]),
        ("GET / HTTP/1.1\nHost: h\r\n\r\n", &["bare_lf"]),
        ("GET / HTTP/1.1\r\nHost: h\r\nA: b\rc\r\n\r\n", &["bare_cr"]),
        ("GET / HTTP/1.1\r\nHost : h\r\n\r\n", &["space_before_colon"]),
        ("GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n c\r\n\r\n", &["folded_header"]),
        ("GET / HTTP/1.1\r\n A: b\r\nHost: h\r\n\r\n", &["folded_header", "invalid_header"]),
        ("GET / HTTP/1.1\r\nHost: h\r\nno colon\r\n\r\n", &["invalid_header"]),
        ("GET / HTTP/1.1\r\nHost: h\r\n: empty\r\n\r\n", &["invalid_header"]),
        ("GET / HTTP/1.1\r\nHost: h\r\nA(b): c\r\n\r\n", &["invalid_header"]),
        ("GET / HTTP/1.1\r\nHost: h\r\nA: b\0c\r\n\r\n", &["control_character"]),
        ("GET  / HTTP/1.1\r\nHost: h\r\n\r\n", &["invalid_start_line"]),
        ("GET /a b HTTP/1.1\r\nHost: h\r\n\r\n", &["invalid_start_line"]),
        (
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
            &["duplicate_length"],
        ),
        ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1, 1\r\n\r\n", &["duplicate_length"]),
        (
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\ncontent-length: 2\r\n\r\n",
            &["conflicting_length"],
        ),
        ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +1\r\n\r\n", &["invalid_length"]),
        ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0x1\r\n\r\n", &["invalid_length"]),
        ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n\r\n", &["invalid_length"]),
        (
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            &["length_and_chunked"],
        ),
        (
            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
            &["odd_transfer_encoding"],
        ),
        ("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n", &["odd_transfer_encoding"]),
        (
            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            &["odd_transfer_encoding"],
        ),
        ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", &["chunked_in_http10"]),
    ] {
        assert_eq!(anomalies(Kind::Request, head), expected, "{head:?}");
    }
}

#[test]
fn a_head_that_is_too_long_is_named() {
    let many = "A: b\r\n".repeat(crate::limits::HEADER_LINES_MAX + 1);
    let head = format!("GET / HTTP/1.1\r\nHost: h\r\n{many}\r\n");
    assert_eq!(anomalies(Kind::Request, &head), ["head_too_long"]);
}

#[test]
fn what_is_no_head_is_none() {
    for text in ["GET/ HTTP/1.1\r\n\r\n", "G@T / HTTP/1.1\r\n\r\n", "GET  HTTP/1.1\r\n\r\n", "\x16\x03\x01"] {
        assert_eq!(read(Kind::Request, text.as_bytes()).0, Progress::NotHttp, "{text:?}");
    }
    for text in ["HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1200 OK\r\n\r\n"] {
        assert_eq!(read(Kind::Response, text.as_bytes()).0, Progress::NotHttp, "{text:?}");
    }
}

#[test]
fn start_lines_are_read() {
    let status = |line: &str| match read(Kind::Response, format!("{line}\r\n\r\n").as_bytes()).1.start {
        StartLine::Response { status, version } => Some((status, version)),
        StartLine::Unread | StartLine::Request { .. } => None,
    };
    assert_eq!(status("HTTP/1.1 200 OK"), Some((200, Version::V11)));
    assert_eq!(status("HTTP/1.1 200"), Some((200, Version::V11)));
    assert_eq!(status("HTTP/1.0 999 ?"), Some((999, Version::V10)));
    assert_eq!(status("HTTP/1.2 404 "), Some((404, Version::V11)));
    let (_, lines) = read(Kind::Request, b"PATCH http://h/a?b#c HTTP/1.0\r\n\r\n");
    let StartLine::Request { method, target, version } = lines.start else { panic!("{:?}", lines.start) };
    let head = b"PATCH http://h/a?b#c HTTP/1.0\r\n\r\n";
    assert_eq!(
        (method.of(head), target.of(head), version),
        (&b"PATCH"[..], &b"http://h/a?b#c"[..], Version::V10)
    );
}

#[test]
fn lengths_and_codings_decide_where_a_body_ends() {
    let framing = |fields: &str| {
        let head = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
        let (_, lines) = read(Kind::Response, head.as_bytes());
        (lines.length(), lines.coding())
    };
    assert_eq!(framing(""), (Length::Absent, Coding::None));
    assert_eq!(framing("Content-Length:7\r\n"), (Length::Value(7), Coding::None));
    assert_eq!(framing("Content-Length: 007\r\n"), (Length::Value(7), Coding::None));
    assert_eq!(framing("Content-Length: 7, 7\r\nContent-Length: 7\r\n"), (Length::Value(7), Coding::None));
    assert_eq!(framing("Content-Length: 7, 8\r\n"), (Length::Invalid, Coding::None));
    assert_eq!(framing("Content-Length: \r\n"), (Length::Invalid, Coding::None));
    assert_eq!(framing("Transfer-Encoding: CHUNKED\r\n"), (Length::Absent, Coding::Chunked));
    assert_eq!(framing("Transfer-Encoding: gzip , chunked\r\n"), (Length::Absent, Coding::Chunked));
    assert_eq!(
        framing("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n"),
        (Length::Absent, Coding::Chunked)
    );
    assert_eq!(framing("Transfer-Encoding: chunked, gzip\r\n"), (Length::Absent, Coding::Other));
    assert_eq!(framing("Transfer-Encoding: identity\r\n"), (Length::Absent, Coding::None));
}

/// A random head, mostly well made.
fn random_head(kind: Kind, random: &mut fastrand::Rng) -> Vec<u8> {
    let mut pick = |words: &[&'static str]| words[random.usize(..words.len())];
    let mut head = match kind {
        Kind::Request => format!(
            "{} {} {}\r\n",
            pick(&["GET", "POST", "M-SEARCH", "X!#", "OPTIONS"]),
            pick(&["/", "/a?b=c&d", "*", "http://h/%20", "/\u{e9}", "/a\"b"]),
            pick(&["HTTP/1.1", "HTTP/1.0"]),
        ),
        Kind::Response => format!(
            "{} {}\r\n",
            pick(&["HTTP/1.1", "HTTP/1.0"]),
            pick(&["200 OK", "404 Not Found", "100 Continue", "599 ", "204"]),
        ),
    };
    for _ in 0..random.usize(..8) {
        let mut pick = |words: &[&'static str]| words[random.usize(..words.len())];
        let name = pick(&["Host", "Content-Length", "X-A", "a", "X_b~", "Transfer-Encoding"]);
        let (before, after) = (pick(&["", " ", "  ", "\t"]), pick(&["", " ", "\t "]));
        let value = pick(&["", "h", "7", "a b\tc", "chunked", "\u{fc}", "a,b;c=\"d\""]);
        head.push_str(&format!("{name}:{before}{value}{after}\r\n"));
    }
    head.push_str("\r\n");
    let mut head = head.into_bytes();
    if random.u8(..4) == 0 {
        let at = random.usize(..head.len());
        head[at] = random.u8(..);
    }
    head
}

#[test]
fn another_reader_says_the_same_of_heads_that_it_accepts() {
    let mut random = fastrand::Rng::with_seed(9);
    let mut accepted = 0;
    for _ in 0..40_000 {
        let kind = if random.bool() { Kind::Request } else { Kind::Response };
        let head = random_head(kind, &mut random);
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let (start, parsed, fields) = match kind {
            Kind::Request => {
                let mut request = httparse::Request::new(&mut fields);
                let parsed = request.parse(&head);
                let start = (
                    request.method.map(str::to_owned),
                    request.path.map(str::to_owned),
                    request.version,
                    None,
                );
                (start, parsed, request.headers)
            }
            Kind::Response => {
                let mut response = httparse::Response::new(&mut fields);
                let parsed = response.parse(&head);
                ((None, None, response.version, response.code), parsed, response.headers)
            }
        };
        let Ok(httparse::Status::Complete(len)) = parsed else { continue };
        if matches!(head.first(), Some(b'\r' | b'\n')) {
            continue; // blank lines in front are passed over before a head begins
        }
        accepted += 1;
        let text = String::from_utf8_lossy(&head);
        let (progress, lines) = read(kind, &head);
        // versions and methods that httparse knows less of are the only difference
        assert_eq!(progress, Progress::Whole(len), "{text:?}");
        let string = |span: crate::call::Span| String::from_utf8_lossy(span.of(&head)).into_owned();
        let of_version = |version| Some(u8::from(version == Version::V11));
        let mine = match lines.start {
            StartLine::Request { method, target, version } => {
                (Some(string(method)), Some(string(target)), of_version(version), None)
            }
            StartLine::Response { status, version } => (None, None, of_version(version), Some(status)),
            StartLine::Unread => panic!("{text:?}"),
        };
        assert_eq!(mine, start, "{text:?}");
        let mine: Vec<(String, Vec<u8>)> = lines
            .headers
            .iter()
            .map(|header| (string(header.name), header.value.of(&head).to_vec()))
            .collect();
        let theirs: Vec<(String, Vec<u8>)> =
            fields.iter().map(|field| (field.name.to_owned(), field.value.to_vec())).collect();
        assert_eq!(mine, theirs, "{text:?}");
    }
    assert!(accepted > 20_000, "{accepted}");
}

#[test]
fn chunks_are_undone_and_named() {
    let read = |body: &str| {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let mut side = Side::new(Kind::Response, true);
        let (mut decoded, mut ends) = (Vec::new(), Vec::new());
        let text = format!("{head}{body}");
        let data =
            Data { offset: 0, bytes: text.as_bytes(), time: Timestamp::ZERO, ack: None, boundary: true };
        side.data(&data, &mut |event| {
            match event {
                HttpEvent::Body { bytes, .. } => decoded.extend_from_slice(bytes),
                HttpEvent::End(end) => ends.push((end.cut, end.anomalies.names().collect::<Vec<_>>())),
                _ => {}
            }
            Expect::Framing
        });
        (String::from_utf8_lossy(&decoded).into_owned(), ends)
    };
    let whole = |anomalies: &[&'static str]| vec![(None, anomalies.to_vec())];
    let broken = |anomalies: &[&'static str]| vec![(Some(Cut::Malformed), anomalies.to_vec())];
    assert_eq!(read("3\r\nabc\r\n0\r\n\r\n"), ("abc".into(), whole(&[])));
    assert_eq!(read("A\r\n0123456789\r\n00\r\nX: y\r\n\r\n"), ("0123456789".into(), whole(&[])));
    assert_eq!(read("1;x=y\r\na\r\n0\r\n\r\n"), ("a".into(), whole(&["chunk_extension"])));
    assert_eq!(read("1 \r\na\r\n0\r\n\r\n"), ("a".into(), whole(&["invalid_chunk"])));
    assert_eq!(read("1\na\r\n0\r\n\r\n"), ("a".into(), whole(&["bare_lf"])));
    assert_eq!(read("g\r\n"), (String::new(), broken(&["invalid_chunk"])));
    assert_eq!(read("-1\r\na\r\n"), (String::new(), broken(&["invalid_chunk"])));
    assert_eq!(read("1\r\nab\r\n"), ("a".into(), broken(&["invalid_chunk"])));
    assert_eq!(read("fffffffffffffffff\r\n"), (String::new(), broken(&["invalid_chunk"])));
    assert_eq!(read("1\rx"), (String::new(), broken(&["invalid_chunk"])));
}
