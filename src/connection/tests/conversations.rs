//! Conversations with every feature of framing, and what calls they are.
//!
//! Targets are unique in each, and each response names its request in `N`, so that a wrong pair is seen.

/// A conversation that ends with FIN on both sides.
pub(super) struct Conversation {
    pub(super) name: &'static str,
    pub(super) turns: &'static [(char, &'static str)],
    /// Its calls in one line each.
    pub(super) calls: &'static [&'static str],
    /// Name and reason of what is said of the connection besides.
    pub(super) rest: Option<(&'static str, &'static str)>,
}

const fn of(
    name: &'static str,
    turns: &'static [(char, &'static str)],
    calls: &'static [&'static str],
) -> Conversation {
    Conversation { name, turns, calls, rest: None }
}

pub(super) const ALL: &[Conversation] = &[
    of(
        "two calls, one after the other",
        &[
            ('>', "GET /1 HTTP/1.1\r\nHost: h\r\n\r\n"),
            ('<', "HTTP/1.1 200 OK\r\nN: /1\r\nContent-Length: 5\r\n\r\nhello"),
            ('>', "POST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"),
            ('<', "HTTP/1.1 201 Created\r\nN: /2\r\nContent-Length: 0\r\n\r\n"),
        ],
        &["GET /1 -> 200", "POST /2 -> 201"],
    ),
    of(
        "chunks, with extensions and trailers",
        &[
            ('>', "POST /1 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
            (
                '<',
                "HTTP/1.1 200 OK\r\nN: /1\r\nTransfer-Encoding: chunked\r\n\r\n5;a=\"b\"\r\nhello\r\n1A\r\n\
                 abcdefghijklmnopqrstuvwxyz\r\n0\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n",
            ),
            ('>', "GET /2 HTTP/1.1\r\nHost: h\r\n\r\n"),
            ('<', "HTTP/1.1 204 No Content\r\nN: /2\r\n\r\n"),
        ],
        &["POST /1 -> 200 chunk_extension", "GET /2 -> 204"],
    ),
    of(
        "lines end with LF alone",
        &[
            ('>', "POST /1 HTTP/1.1\nHost: h\nContent-Length: 2\n\nab"),
            ('<', "HTTP/1.1 200 OK\nN: /1\nTransfer-Encoding: chunked\n\n2\nab\n0\n\n"),
        ],
        &["POST /1 -> 200 bare_lf"],
    ),
    of(
        "folded headers",
        &[
            ('>', "GET /1 HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\tc\r\n\r\n"),
            ('<', "HTTP/1.1 200 OK\r\nN: /1\r\nX: a\r\n  b\r\nContent-Length: 1\r\n\r\nx"),
        ],
        &["GET /1 -> 200 folded_header"],
    ),
    of(
        "interim responses",
        &[
            ('>', "PUT /1 HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"),
            ('<', "HTTP/1.1 100 Continue\r\n\r\n"),
            ('>', "body"),
            (
                '<',
                "HTTP/1.1 103 Early Hints\r\nLink: </s>\r\n\r\nHTTP/1.1 200 OK\r\nN: /1\r\nContent-Length: 2\r\n\r\nok",
            ),
            ('>', "GET /2 HTTP/1.1\r\nHost: h\r\n\r\n"),
            ('<', "HTTP/1.1 404 Not Found\r\nN: /2\r\nContent-Length: 2\r\n\r\nno"),
        ],
        &["PUT /1 -> 200", "GET /2 -> 404"],
    ),
    of(
        "answers without a body, whatever their lengths say",
        &[
            ('>', "HEAD /1 HTTP/1.1\r\nHost: h\r\n\r\n"),
            ('<', "HTTP/1.1 200 OK\r\nN: /1\r\nContent-Length: 4711\r\n\r\n"),
            ('>', "GET /2 HTTP/1.1\r\nHost: h\r\nIf-None-Match: x\r\n\r\n"),
            ('<', "HTTP/1.1 304 Not Modified\r\nN: /2\r\nContent-Length: 4711\r\n\r\n"),
            ('>', "DELETE /3 HTTP/1.1\r\nHost: h\r\n\r\n"),
            ('<', "HTTP/1.1 204 No Content\r\nN: /3\r\n\r\n"),
            ('>', "GET /4 HTTP/1.1\r\nHost: h\r\n\r\n"),
            ('<', "HTTP/1.1 200 OK\r\nN: /4\r\nContent-Length: 1\r\n\r\n4"),
        ],
        &["HEAD /1 -> 200", "GET /2 -> 304", "DELETE /3 -> 204", "GET /4 -> 200"],
    ),
    of(
        "a tunnel with HTTP in it",
        &[
            ('>', "CONNECT in.test:80 HTTP/1.1\r\nHost: in.test:80\r\n\r\n"),
            ('<', "HTTP/1.1 200 Connection established\r\nN: in.test:80\r\n\r\n"),
            ('>', "GET /1 HTTP/1.1\r\nHost: in.test\r\n\r\n"),
            ('<', "HTTP/1.1 200 OK\r\nN: /1\r\nContent-Length: 2\r\n\r\nin"),
        ],
        &["CONNECT in.test:80 -> 200", "GET /1 -> 200"],
    ),
    of(
        "a tunnel that was refused",
        &[
            ('>', "CONNECT in.test:80 HTTP/1.1\r\nHost: in.test:80\r\n\r\n"),
            ('<', "HTTP/1.1 407 Who\r\nN: in.test:80\r\nContent-Length: 3\r\n\r\nwho"),
            ('>', "CONNECT in.test:81 HTTP/1.1\r\nHost: in.test:81\r\nProxy-Authorization: x\r\n\r\n"),
            ('<', "HTTP/1.1 502 No\r\nN: in.test:81\r\nContent-Length: 0\r\n\r\n"),
        ],
        &["CONNECT in.test:80 -> 407", "CONNECT in.test:81 -> 502"],
    ),
    Conversation {
        name: "an upgrade",
        turns: &[
            ('>', "GET /1 HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
            ('<', "HTTP/1.1 101 Switching Protocols\r\nN: /1\r\nUpgrade: websocket\r\n\r\n\x01\x02frame"),
            ('>', "\x01\x02GET /not-a-call HTTP/1.1\r\n\r\n"),
        ],
        calls: &["GET /1 -> 101"],
        rest: None,
    },
    of(
        "an upgrade that was refused",
        &[
            ('>', "GET /1 HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"),
            ('<', "HTTP/1.1 200 OK\r\nN: /1\r\nContent-Length: 2\r\n\r\nno"),
            ('>', "GET /2 HTTP/1.1\r\nHost: h\r\n\r\n"),
            ('<', "HTTP/1.1 200 OK\r\nN: /2\r\nContent-Length: 2\r\n\r\nok"),
        ],
        &["GET /1 -> 200", "GET /2 -> 200"],
    ),
    of(
        "pipelined requests",
        &[
            (
                '>',
                "GET /1 HTTP/1.1\r\nHost: h\r\n\r\nPOST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nxGET /3 HTTP/1.1\r\nHost: h\r\n\r\n",
            ),
            (
                '<',
                "HTTP/1.1 200 OK\r\nN: /1\r\nContent-Length: 1\r\n\r\n1HTTP/1.1 201 Made\r\nN: /2\r\nContent-Length: 1\r\n\r\n2",
            ),
            ('<', "HTTP/1.1 404 No\r\nN: /3\r\nContent-Length: 1\r\n\r\n3"),
        ],
        &["GET /1 -> 200", "POST /2 -> 201", "GET /3 -> 404"],
    ),
    of(
        "an answer before the request has ended",
        &[
            ('>', "POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n12345"),
            ('<', "HTTP/1.1 413 Too Large\r\nN: /1\r\nContent-Length: 3\r\n\r\nbig"),
            ('>', "67890GET /2 HTTP/1.1\r\nHost: h\r\n\r\n"),
            ('<', "HTTP/1.1 200 OK\r\nN: /2\r\nContent-Length: 2\r\n\r\nok"),
        ],
        &["POST /1 -> 413 early_response", "GET /2 -> 200"],
    ),
    of(
        "a body that the end of the connection ends",
        &[('>', "GET /1 HTTP/1.0\r\n\r\n"), ('<', "HTTP/1.0 200 OK\r\nN: /1\r\n\r\nall of"), ('<', " this")],
        &["GET /1 -> 200"],
    ),
    of(
        "HTTP/1.0 that keeps its connection",
        &[
            ('>', "GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
            ('<', "HTTP/1.0 200 OK\r\nN: /1\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\n1"),
            ('>', "GET /2 HTTP/1.0\r\n\r\n"),
            ('<', "HTTP/1.0 200 OK\r\nN: /2\r\n\r\n2"),
        ],
        &["GET /1 -> 200", "GET /2 -> 200"],
    ),
    of(
        "codings and lengths that contradict each other",
        &[
            (
                '>',
                "POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
            ),
            ('<', "HTTP/1.1 200 OK\r\nN: /1\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok"),
            ('>', "GET /2 HTTP/1.1\r\nHost: h\r\n\r\n"),
            ('<', "HTTP/1.1 200 OK\r\nN: /2\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nzz\r\n0\r\n\r\n"),
        ],
        &["POST /1 -> 200 length_and_chunked duplicate_length", "GET /2 -> 200"],
    ),
    of(
        "blank lines between messages, and a body that looks like heads",
        &[
            ('>', "\r\nPOST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 22\r\n\r\nGET /no HTTP/1.1\r\n\r\nHT"),
            ('<', "HTTP/1.1 200 OK\r\nN: /1\r\nContent-Length: 19\r\n\r\nHTTP/1.1 500 No\r\n\r\n"),
            ('>', "\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n"),
            ('<', "HTTP/1.1 200 OK\r\nN: /2\r\nContent-Length: 0\r\n\r\n"),
        ],
        &["POST /1 -> 200", "GET /2 -> 200"],
    ),
];
