//! Tests of the whole stage: what is written is what the schema says, reads back as what the analysis sees, and has no
//! secret in it.

use super::*;
use crate::analysis::{Labels, Observation};
use crate::call::{Anomalies, Call, Causes, Facts, HeaderSpan, Leaf, Message, Part, Protocol, Seen, Span};
use crate::credential::{Fingerprinter, jwt_for_tests, of_request};
use crate::limits::{REMEMBERED_BYTES_MAX, REMEMBERED_VALUES_MAX};
use crate::time::Timestamp;

/// A complete call from its two heads, lines ended by CR LF.
fn call_of(request: &[u8], response: &[u8]) -> Call {
    let mut call = Call {
        id: 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef,
        connection: 7,
        interface: 0,
        vni: None,
        client: "10.0.0.1:40000".parse().unwrap(),
        server: "10.0.0.2:80".parse().unwrap(),
        time: Timestamp::from_nanos(1_700_000_000_123_456_789),
        duration_ns: Some(1_234_567),
        ttfb_ns: Some(999),
        protocol: Protocol::Http11,
        tls: None,
        buffer: Vec::new(),
        headers: Vec::new(),
        method: None,
        target: None,
        authority: None,
        grpc_status: None,
        grpc_message: None,
        part: None,
        stream_id: None,
        status: None,
        request: Message::default(),
        response: Message::default(),
        causes: Causes::EMPTY,
        anomalies: Anomalies::EMPTY,
    };
    let words = add_head(&mut call, request);
    call.method = words.first().copied();
    call.target = words.get(1).copied();
    call.request = half_of(request, 0..call.headers.len());
    let from = call.headers.len();
    let words = add_head(&mut call, response);
    call.status = words.get(1).map(|span| String::from_utf8_lossy(span.of(&call.buffer)).parse().unwrap());
    call.response = half_of(response, from..call.headers.len());
    call
}

fn half_of(head: &[u8], headers: std::ops::Range<usize>) -> Message {
    let head_bytes = Some(head.len() as u64);
    Message {
        seen: true,
        headers,
        head_whole: true,
        head_bytes,
        body_bytes: Some(0),
        plain: false,
        facts: None,
        messages: None,
    }
}

/// Copies a head into the buffer; gives back the words of its start line.
fn add_head(call: &mut Call, head: &[u8]) -> Vec<Span> {
    let mut words = Vec::new();
    let mut at = call.buffer.len();
    call.buffer.extend_from_slice(head);
    let span = |start: usize, end: usize| Span { start: start as u32, end: end as u32 };
    for (index, line) in head.split(|&byte| byte == b'\n').enumerate() {
        let text = line.strip_suffix(b"\r").unwrap_or(line);
        if index == 0 {
            let mut start = at;
            for word in text.split(|&byte| byte == b' ') {
                words.push(span(start, start + word.len()));
                start += word.len() + 1;
            }
        } else if text.starts_with(b" ") {
            call.headers.last_mut().unwrap().value.end = (at + text.len()) as u32;
        } else if !text.is_empty() && !text.contains(&b':') {
            let end = at + text.len();
            call.headers.push(HeaderSpan { name: span(at, end), value: span(end, end) });
        } else if let Some(colon) = text.iter().position(|&byte| byte == b':') {
            let value = text[colon + 1..].trim_ascii();
            let value_at =
                at + colon + 1 + text[colon + 1..].len() - text[colon + 1..].trim_ascii_start().len();
            call.headers.push(HeaderSpan {
                name: span(at, at + colon),
                value: span(value_at, value_at + value.len()),
            });
        }
        at += line.len() + 1;
    }
    words
}

fn writer(redaction: Redaction) -> Writer {
    Writer::new("test", redaction, Fingerprinter::new(&[7; 32]), Some(SecretFinder(planted_keys)))
}

/// Stands for the finder of checkable secrets.
fn planted_keys(bytes: &[u8], found: &mut dyn FnMut(std::ops::Range<usize>, &'static str)) {
    for at in memchr::memmem::find_iter(bytes, b"AKIAPLANTED") {
        found(at..bytes.len().min(at + 20), "aws-access-key-id");
    }
}

fn record(redaction: Redaction, call: &Call) -> serde_json::Value {
    let mut line = Vec::new();
    writer(redaction).call(&mut line, call, &mut Memo::default());
    checked(&line)
}

fn request(head: &str) -> Call {
    call_of(
        head.replace('\n', "\r\n").as_bytes(),
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n",
    )
}

const PLAIN: &str = "POST /a/b?x=1&_method=delete HTTP/1.1\nHost: api.test\nX-Api-Key: k3y\nContent-Encoding: gzip\n\
    X-Note: \"quoted\"\ncontent-encoding: br\n\n";

#[test]
fn a_call_in_the_clear() {
    let mut line = Vec::new();
    let written = writer(Redaction::None).call(&mut line, &request(PLAIN), &mut Memo::default());
    let record = checked(&line);
    let key = Fingerprinter::new(&[7; 32]);
    let fingerprint = format!("{:016x}", key.value(b"k3y"));
    assert_eq!(written.id.as_str(), "0123456789abcdef0123456789abcdef");
    assert_eq!(written.route.as_str(), fingerprint);
    let expected = format!(
        r#"{{"type":"call","v":1,"id":"0123456789abcdef0123456789abcdef","sensor":"test","interface":0,"connection":"00000000000000000000000000000007","route":"{fingerprint}","time":"2023-11-14T22:13:20.123456789Z","duration_us":1234,"ttfb_us":0,"client":{{"ip":"10.0.0.1","port":40000}},"server":{{"ip":"10.0.0.2","port":80}},"protocol":"http/1.1","method":"POST","effective_method":"DELETE","authority":"api.test","path":"/a/b?x=1&_method=delete","status":200,"request":{{"head_bytes":137,"body_bytes":0,"media_type":null,"coding":"gzip, br","headers":[["Host","api.test"],["X-Api-Key","k3y"],["Content-Encoding","gzip"],["X-Note","\"quoted\""],["content-encoding","br"]]}},"response":{{"head_bytes":51,"body_bytes":0,"media_type":"application/json","coding":null,"headers":[["Content-Type","application/json"]]}},"credential":{{"kind":"api-key","fingerprint":"{fingerprint}"}},"quality":"complete"}}"#
    );
    assert_eq!(String::from_utf8(line).unwrap(), expected);
    assert_eq!(record["request"]["headers"][3][1], "\"quoted\"");
}

#[test]
fn known_none_and_unknown_are_three_things() {
    let mut call = request("GET / HTTP/1.1\nAccept: */*\n\n");
    let whole = record(Redaction::Standard, &call);
    for name in ["authority", "effective_method", "credential"] {
        assert_eq!(whole.get(name), Some(&serde_json::Value::Null), "{name}");
    }
    assert_eq!(whole["request"]["media_type"], serde_json::Value::Null);
    call.request.head_whole = false;
    call.request.head_bytes = None;
    call.causes = Causes::GAP_IN_REQUEST;
    let cut = record(Redaction::Standard, &call);
    for name in ["authority", "effective_method", "credential"] {
        assert_eq!(cut.get(name), None, "{name}");
    }
    assert_eq!(
        (cut["quality"].as_str(), &cut["causes"]),
        (Some("partial"), &serde_json::json!(["gap_in_request"]))
    );
    assert_eq!(cut["request"].get("head_bytes"), None);
    assert_eq!(cut["request"].get("media_type"), None);

    call.request = Message::default();
    (call.method, call.target, call.vni) = (None, None, Some(9));
    let lost = record(Redaction::None, &call);
    for name in ["request", "method", "path", "credential"] {
        assert_eq!(lost.get(name), None, "{name}");
    }
    assert_eq!((&lost["vni"], &lost["status"]), (&9.into(), &200.into()));
}

#[test]
fn a_token_shows_its_claims_and_routes_by_its_subject() {
    let token = |exp: u64, signature: &str| {
        let payload =
            format!(r#"{{"iss":"https://id.test","sub":"1121","exp":{exp},"scope":"a b","roles":"admin"}}"#);
        jwt_for_tests(r#"{"alg":"RS256","kid":"k1"}"#, &payload, signature)
    };
    let call = |token: &str| request(&format!("GET / HTTP/1.1\nAuthorization: Bearer {token}\n\n"));
    let (first, renewed) = (call(&token(1, "c2ln")), call(&token(2, "")));
    let (one, two) = (record(Redaction::Standard, &first), record(Redaction::Standard, &renewed));
    assert_eq!(one["route"], two["route"]);
    let (jwt, other) = (&one["credential"]["jwt"], &two["credential"]["jwt"]);
    assert_ne!(
        (&one["credential"]["fingerprint"], &jwt["signed"]),
        (&two["credential"]["fingerprint"], &other["signed"])
    );
    assert_eq!(
        (&one["credential"]["kind"], &jwt["sub"], &jwt["exp"]),
        (&"jwt".into(), &"1121".into(), &1.into())
    );
    assert_eq!(
        (&jwt["scope"], &jwt["roles"]),
        (&serde_json::json!(["a", "b"]), &serde_json::json!(["admin"]))
    );
    assert_eq!(
        (jwt.get("iat"), jwt.get("aud"), &other["signature"]),
        (Some(&().into()), Some(&().into()), &().into())
    );
    assert_eq!(record(Redaction::Strict, &first)["credential"]["jwt"].get("sub"), None);
    let shown = one["request"]["headers"][0][1].as_str().unwrap();
    assert_eq!(shown, format!("{{jwt {}}}", one["credential"]["fingerprint"].as_str().unwrap()));
}

#[test]
fn without_a_credential_the_route_is_the_clients_address() {
    let (mut one, mut two) = (request("GET / HTTP/1.1\n\n"), request("GET /b HTTP/1.1\n\n"));
    two.client.set_port(9);
    assert_eq!(record(Redaction::None, &one)["route"], record(Redaction::None, &two)["route"]);
    one.client = "10.0.0.9:9".parse().unwrap();
    assert_ne!(record(Redaction::None, &one)["route"], record(Redaction::None, &two)["route"]);
}

#[test]
fn labels_stand_last() {
    let mut line = Vec::new();
    writer(Redaction::Standard).call(&mut line, &request(PLAIN), &mut Memo::default());
    let mut lagging = line.clone();
    append_labels(&mut lagging, None);
    assert_eq!(checked(&lagging)["analysed"], false);
    let labels =
        Labels { service: Some("api.test".into()), template: Some("/a/\"{b}\"".into()), operation: None };
    append_labels(&mut line, Some(&labels));
    let record = checked(&line);
    assert_eq!((&record["service"], &record["template"]), (&"api.test".into(), &"/a/\"{b}\"".into()));
    assert!(record.get("operation").is_none());
    assert!(line.ends_with(br#","analysed":true}"#));
}

/// Every place where a secret may stand, `SECRET` in its place.
const PLANTED: &str = "POST http://root:SECRET@h.test/p;jsessionid=SECRET/AKIAPLANTEDSECRET?api_key=SECRET&a=1&access%5Ftoken=SECRET\
&user[password]=SECRET;sid=SECRET&next=https%3A%2F%2Fu%3ASECRET%40h%2F%3Ftoken%3DSECRET%26b%3D1&X-Amz-Signature=SECRET#access_token=SECRET HTTP/1.1
Host: SECRET@h.test
Authorization: Bearer SECRET
authorization: SECRET
Authorization: SECRET SECRET
Authorization: Basic SECRET
Authorization: Digest username=\"SECRET\", realm=\"r\", response=\"SECRET\"
Authorization: AWS4-HMAC-SHA256 Credential=SECRET/20150830/x/y, Signature=SECRET
Proxy-Authorization: Basic SECRET
Cookie: sid=SECRET; theme=SECRET; SECRET; x=\"SECRET\";y=SECRET=SECRET
X-Api-Key: SECRET
X-Acme-Secret: SECRET
X-Session-Token: SECRET
X-CSRF-Token: SECRET
X-Forwarded-Authorization: Bearer SECRET
X-Debug: Bearer SECRET
X-Note: Basic SECRET
Referer: https://u:SECRET@h.test/a?token=SECRET&b=2#id_token=SECRET
X-Original-URL: /a?client_secret=SECRET
X-Config: password=\"SECRET\", user=x
X-Key: AKIAPLANTEDSECRET
Content-Type: text/plain; token=SECRET
Authorization Bearer SECRET
Cookie sid=SECRET
SECRET
X-SECRET\tY
Authorization user-SECRET:SECRET
X SECRET: Y
 SECRET
A: b
 Authorization: Bearer SECRET
A: b
 c
 \t;Cookie : sid=SECRET
 SECRET
A: b
 X-Api-Key SECRET
A: b
 X-Debug: Basic SECRET
A:
 Bearer SECRET
A: b
 Authorization:
 SECRET
X-Debug: Bearer
 SECRET
Cookie: a=b;
 Authorization: SECRET x=y

";

const PLANTED_ANSWER: &str = "HTTP/1.1 302 Found
Set-Cookie: sid=SECRET; Path=/; HttpOnly
Set-Cookie: \"SECRET\"; Path=/
Location: https://h.test/cb?code=SECRETSECRETSECRET&state=1#access_token=SECRET
Link: <https://h.test/?api_key=SECRET>; rel=next
Refresh: 0; url=https://h.test/?session=SECRET
Authentication-Info: nextnonce=\"SECRET\"
X-Auth-Token: SECRET
WWW-Authenticate: Bearer realm=\"shop\"
 Authorization: Bearer SECRET
Set-Cookie: a=b; Path=/
 Cookie: SECRET
Content-Type: text/plain
 Authorization: Bearer SECRET
Content-Encoding: gzip
 X-Auth-Token: SECRET
Set-Cookie sid=SECRET

";

#[test]
fn no_secret_stands_in_the_clear() {
    let heads = [PLANTED, PLANTED_ANSWER].map(|head| head.replace('\n', "\r\n"));
    let mut call = call_of(heads[0].as_bytes(), heads[1].as_bytes());
    call.request.facts = Some(Facts {
        leaves: vec![Leaf {
            at: "header Cookie sid=SECRET".into(),
            len: 6,
            classes: vec!["email".into()],
            fingerprint: 1,
            masked: "a…b (email)".into(),
        }],
    });
    for redaction in [Redaction::Standard, Redaction::Strict] {
        let (mut writer, mut memo) = (writer(redaction), Memo::default());
        for round in 0..3 {
            let mut line = Vec::new();
            writer.call(&mut line, &call, &mut memo);
            checked(&line);
            let text = String::from_utf8(line).unwrap();
            let places: Vec<_> =
                text.match_indices("SECRET").map(|(at, _)| &text[at.saturating_sub(60)..at + 9]).collect();
            assert!(places.is_empty(), "{redaction}, round {round}: {places:#?}");
            let seen = format!("{:?}", writer.observation(&call, &mut memo));
            assert!(!seen.contains("SECRET"), "{redaction}: {seen}");
        }
    }
    let clear = record(Redaction::None, &call).to_string();
    let planted = heads.iter().map(|head| head.matches("SECRET").count()).sum::<usize>();
    assert!(clear.matches("SECRET").count() + 1 >= planted, "what is asked for in the clear is in the clear");
}

#[test]
fn what_is_no_secret_stays() {
    let answer = "HTTP/1.1 302 Found\r\nSet-Cookie: sid=s3cret; Path=/a; HttpOnly\r\nWWW-Authenticate: Bearer realm=\"shop\"\r\n\r\n";
    let head = "GET /a;v=2/b?page=2&key=name&api_key=k HTTP/1.1\r\nCookie: sid=s3cret; theme=dark\r\n\
        Accept: text/html;q=0.9\r\nReferer: https://h.test/x?page=3&token=t#top\r\n\r\n";
    let call = call_of(head.as_bytes(), answer.as_bytes());
    let shown = record(Redaction::Standard, &call);
    let key = Fingerprinter::new(&[7; 32]);
    let mask = |kind: &str, value: &str| format!("{{{kind} {:016x}}}", key.value(value.as_bytes()));
    assert_eq!(shown["path"], format!("/a;v=2/b?page=2&key=name&api_key={}", mask("api-key", "k")));
    let headers = &shown["request"]["headers"];
    assert_eq!(headers[0][1], format!("sid={}; theme={}", mask("cookie", "s3cret"), mask("cookie", "dark")));
    assert_eq!(headers[1][1], "text/html;q=0.9");
    assert_eq!(headers[2][1], format!("https://h.test/x?page=3&token={}#top", mask("token", "t")));
    let answers = &shown["response"]["headers"];
    assert_eq!(answers[0][1], format!("sid={}; Path=/a; HttpOnly", mask("cookie", "s3cret")));
    assert_eq!(answers[1][1], "Bearer realm=\"shop\"");
}

#[test]
fn what_is_no_header_is_masked_whole() {
    let call = request("GET / HTTP/1.1\nHost: h\nCookie sid=s\nB c: d\nalone\nEmpty:\nA: b\n c: d\n\n");
    let key = Fingerprinter::new(&[7; 32]);
    let mask = |value: &str| format!("{{other {:016x}}}", key.value(value.as_bytes()));
    let (line, name, value, alone) = (mask("Cookie sid=s"), mask("B c"), mask("d"), mask("alone"));
    let standard = serde_json::json!([
        ["Host", "h"],
        [line, ""],
        [name, value],
        [alone, ""],
        ["Empty", ""],
        ["A", "b\r\n c: d"]
    ]);
    assert_eq!(record(Redaction::Standard, &call)["request"]["headers"], standard);
    let strict = serde_json::json!([["Host"], [line], [name], [alone], ["Empty"], ["A"]]);
    assert_eq!(record(Redaction::Strict, &call)["request"]["headers"], strict);
    let clear = &record(Redaction::None, &call)["request"]["headers"];
    assert_eq!(clear[1], serde_json::json!(["Cookie sid=s", ""]));
}

#[test]
fn strict_shows_names_and_media_types() {
    let call = request(
        "POST /users/42?x=1 HTTP/1.1\nHost: api.test\nContent-Type: text/plain; secret=42\nX-User: bob\n\n",
    );
    let shown = record(Redaction::Strict, &call);
    assert_eq!(shown.get("path"), None);
    assert_eq!(shown["authority"], "api.test");
    assert_eq!(shown["request"]["headers"], serde_json::json!([["Host"], ["Content-Type"], ["X-User"]]));
    assert_eq!(shown["request"]["media_type"], "text/plain");
    let seen = writer(Redaction::Strict).observation(&call, &mut Memo::default());
    assert_eq!(seen.path.as_deref(), Some("/users/42?x=1"));
}

/// A call of random parts: odd bytes, missing halves, heads that are not whole.
fn random_call(random: &mut fastrand::Rng, token: &str) -> Call {
    let names = [
        "Host",
        "Authorization",
        "Cookie",
        "X-Api-Key",
        "Content-Type",
        "Content-Encoding",
        "Referer",
        "X-HTTP-Method-Override",
        "Set-Cookie",
        "Location",
        "X",
        "Accept",
        "X-Some-Token",
    ];
    let values = [
        "",
        "api.test",
        "Bearer abc",
        token,
        "sid=1; a=b",
        "text/html; charset=utf-8",
        "/a?token=x&b=\"c\"",
        "patch",
        "{not json",
        "Digest username=\"u\", realm=\"r\"",
        "http://u:p@h/%3Ftoken%3Dx",
        "AKIAPLANTED12345678",
    ];
    let targets =
        ["/", "/a?b=c", "*", "http://u:p@h.test", "h:1", "/x?_method=put&sid=1", "/AKIAPLANTED12345678/é\\"];
    let odd = |random: &mut fastrand::Rng, text: &str| {
        let mut bytes = text.as_bytes().to_vec();
        for _ in 0..random.usize(0..3) {
            let at = random.usize(0..=bytes.len());
            bytes.insert(at, *random.choice(b"\0\x01\x7f\x80\xc3\xe9\xff\"\\%=@;&?\t".as_slice()).unwrap());
        }
        bytes
    };
    let mut head = |start: Vec<u8>| {
        let mut head = start;
        for _ in 0..random.usize(0..9) {
            head.extend_from_slice(b"\r\n");
            head.extend(random.choice(names).unwrap().bytes());
            head.extend_from_slice(b": ");
            let value = random.choice(values).unwrap();
            head.extend(odd(random, value));
        }
        head.extend_from_slice(b"\r\n\r\n");
        (head, random.bool(), random.u8(..8))
    };
    let (answer, answer_whole, answer_lost) = head(b"HTTP/1.1 404 No".to_vec());
    let (ask, ask_whole, ask_lost) = head(Vec::new());
    let method = random.choice(["GET", "CONNECT", "OPTIONS", "B\"D"]).unwrap();
    let target = random.choice(targets).unwrap();
    let target = odd(random, target);
    let mut call = call_of(&[method.as_bytes(), b" ", &target, b" HTTP/1.1", &ask].concat(), &answer);
    (call.request.head_whole, call.response.head_whole) = (ask_whole, answer_whole);
    vary(&mut call, random);
    if ask_lost == 0 {
        call.request = Message::default();
        (call.method, call.target) = (None, None);
    }
    if answer_lost == 0 {
        (call.response, call.status) = (Message::default(), None);
        call.causes = Causes::STILL_OPEN;
    }
    call
}

/// What does not stand in the heads.
fn vary(call: &mut Call, random: &mut fastrand::Rng) {
    (call.id, call.time) = (random.u128(..), Timestamp::from_nanos(random.u64(..)));
    call.duration_ns = random.bool().then(|| random.u64(..));
    call.response.body_bytes = random.bool().then(|| random.u64(..));
    call.protocol = random.choice([Protocol::Http11, Protocol::Grpc, Protocol::WebSocket]).unwrap();
    let number = random.u32(..3);
    call.part = random.bool().then(|| Part { number, first: random.u128(..), is_last: random.bool() });
    if random.bool() {
        call.client = "[2001:db8::1]:9".parse().unwrap();
        let leaf = Leaf {
            at: "body /a\"\\b?token=x".into(),
            len: 5,
            classes: vec!["aws-access-key-id".into()],
            fingerprint: random.u64(..),
            masked: "AK…7Q (aws-access-key-id)".into(),
        };
        call.response.facts = Some(Facts { leaves: vec![leaf; random.usize(0..3)] });
    }
}

#[test]
fn what_is_written_reads_back_as_what_is_observed() {
    let token = jwt_for_tests(r#"{"alg":"HS256"}"#, r#"{"iss":"i","sub":"s\u0001","aud":["a\"b"]}"#, "x");
    let token = format!("Bearer {token}");
    for redaction in [Redaction::None, Redaction::Standard, Redaction::Strict] {
        let mut random = fastrand::Rng::with_seed(5);
        let (mut writer, mut memo) = (writer(redaction), Memo::default());
        for round in 0..4_000 {
            let call = random_call(&mut random, &token);
            let mut line = Vec::new();
            let written = writer.call(&mut line, &call, &mut memo);
            if round % 4 == 0 {
                checked(&line);
            }
            let parsed = parse::call(&line).unwrap();
            // A memory that was never used before must not change what is seen.
            let mut observed = writer.observation(&call, &mut Memo::default());
            let path = (redaction == Redaction::Strict).then(|| observed.path.take());
            assert_eq!(parsed, observed, "{}", String::from_utf8_lossy(&line));
            assert_eq!(written.route.as_str(), parsed.route);
            assert_eq!(path.is_some(), redaction == Redaction::Strict);
            agrees_with_the_core(&call, &parsed);
        }
    }
}

/// The credential that the record names is the one that the core finds without a record.
fn agrees_with_the_core(call: &Call, parsed: &Observation) {
    let key = Fingerprinter::new(&[7; 32]);
    let found = of_request(call).map(|found| found.fingerprint(&key));
    assert_eq!(parsed.credential.as_ref().map(|found| found.fingerprint), found);
    if let Seen::None = found {
        assert_eq!(parsed.route, format!("{:016x}", key.address(call.client.ip())));
    }
}

#[test]
fn what_a_connection_remembers_is_bounded() {
    let (mut writer, mut memo) = (writer(Redaction::Standard), Memo::default());
    for round in 0..200 {
        let long = "x".repeat(round * 100);
        let head = format!(
            "GET / HTTP/1.1\nAuthorization: Bearer {long}{round}\nCookie: sid={long}\nX-Api-Key: {round}\n\n"
        );
        writer.call(&mut Vec::new(), &request(&head), &mut memo);
        assert!(memo.remembered_bytes() <= (2 * REMEMBERED_VALUES_MAX + 4) * REMEMBERED_BYTES_MAX, "{round}");
    }
}
