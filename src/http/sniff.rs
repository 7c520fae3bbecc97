//! What a connection speaks, told from the first bytes of one of its directions.

use super::h1::head::is_token;

/// What the first bytes look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sniffed {
    /// The start line of a request.
    Request,
    /// The start line of a response.
    Response,
    /// Another protocol.
    Named(&'static str),
    /// A protocol that other protocols are carried in: what follows may be HTTP.
    Carrier(&'static str),
    /// Too few bytes to tell.
    Short,
    /// Nothing known.
    Unknown,
}

/// Methods that only HTTP has; with one of these any target is believed until the line ends.
const METHODS: [&[u8]; 12] = [
    b"GET",
    b"POST",
    b"HEAD",
    b"PUT",
    b"DELETE",
    b"PATCH",
    b"OPTIONS",
    b"CONNECT",
    b"TRACE",
    b"PROPFIND",
    b"REPORT",
    b"MKCOL",
];

/// First bytes that a protocol always has, and its name.
const PREFIXES: [(&[u8], &str); 38] = [
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "h2"),
    (b"SSH-", "ssh"),
    (b"\x13BitTorrent protocol", "bittorrent"),
    (b"AMQP", "amqp"),
    (b"RFB ", "vnc"),
    (b"+OK", "pop3"),
    (b"* OK", "imap"),
    (b"EHLO ", "smtp"),
    (b"HELO ", "smtp"),
    (b"220 ", "smtp-or-ftp"),
    (b"220-", "smtp-or-ftp"),
    (b"NICK ", "irc"),
    (b"<?xml", "xml-stream"),
    (b"<stream:", "xmpp"),
    (b"RTSP/1.0", "rtsp"),
    (b"ICAP/1.0", "icap"),
    (b"SIP/2.0", "sip"),
    (b"INVITE sip:", "sip"),
    (b"REGISTER sip:", "sip"),
    (b"\xffSMB", "smb"),
    (b"\0\0\0\x08\x04\xd2\x16\x2f", "postgresql"),
    (b"\0\0\0\x08\x04\xd2\x16\x2e", "postgresql"),
    (b"\0\x03\0\0user\0", "postgresql"),
    (b"*1\r\n$", "redis"),
    (b"*2\r\n$", "redis"),
    (b"*3\r\n$", "redis"),
    (b"+PONG\r\n", "redis"),
    (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "bgp"),
    (b"\xff\xfb", "telnet"),
    (b"\xff\xfd", "telnet"),
    (b"\xff\xfe", "telnet"),
    (b"CONNECTED\n", "stomp"),
    (b"l\x01\0\x01", "dbus"),
    (b"GIOP", "giop"),
    (b"JRMI", "java-rmi"),
    (b"\x03\0\0", "tpkt"),
    (b"NATS ", "nats"),
    (b"INFO {", "nats"),
];

/// Looks at the first bytes of a direction, or of a segment in it.
#[must_use]
pub fn sniff(bytes: &[u8]) -> Sniffed {
    if bytes.len() < 7 && b"HTTP/1.".starts_with(bytes) {
        return Sniffed::Short;
    }
    // SHOUTcast servers answer HTTP with `ICY 200 OK`
    if begins_status_line(bytes) || bytes.starts_with(b"ICY 200") {
        return Sniffed::Response;
    }
    if let Some((_, name)) = PREFIXES.iter().find(|(prefix, _)| bytes.starts_with(prefix)) {
        return Sniffed::Named(name);
    }
    if PREFIXES.iter().any(|(prefix, _)| prefix.starts_with(bytes)) {
        return Sniffed::Short;
    }
    match request(bytes) {
        Sniffed::Unknown => binary(bytes),
        told => told,
    }
}

/// Whether bytes at a place that need not be the beginning of a message look like one nevertheless. Only methods that
/// are known are believed there: of `GET /`, cut in its first word, `ET /` would be left.
#[must_use]
pub fn begins_request(bytes: &[u8]) -> bool {
    let method = bytes.split(|byte| *byte == b' ').next().unwrap_or_default();
    METHODS.contains(&method) && sniff(bytes) == Sniffed::Request
}

/// RFC 9112 §4, as far as it came: the version alone also ends every request line.
fn begins_status_line(bytes: &[u8]) -> bool {
    let Some(rest) = bytes.strip_prefix(b"HTTP/1.").or_else(|| bytes.strip_prefix(b"HTTP/0.")) else {
        return false;
    };
    let fits = |at: usize, fit: fn(u8) -> bool| rest.get(at).is_none_or(|byte| fit(*byte));
    fits(0, |byte| byte.is_ascii_digit())
        && fits(1, |byte| byte == b' ')
        && fits(2, |byte| byte.is_ascii_digit() || byte == b' ')
}

fn request(bytes: &[u8]) -> Sniffed {
    let method_end = bytes.iter().take(33).take_while(|byte| is_token(**byte)).count();
    let Some(method) = bytes.get(..method_end).filter(|method| !method.is_empty() && method_end <= 32) else {
        return Sniffed::Unknown;
    };
    match bytes.get(method_end..) {
        None | Some([]) => {
            let may_be = method.iter().all(u8::is_ascii_uppercase) && method.len() < 24;
            if may_be { Sniffed::Short } else { Sniffed::Unknown }
        }
        Some([b' ']) => Sniffed::Short,
        Some([b' ', target @ ..]) => by_target(method, target),
        Some(_) => Sniffed::Unknown,
    }
}

/// The target tells what the method can't: RTSP and SIP have the same start lines.
fn by_target(method: &[u8], target: &[u8]) -> Sniffed {
    // an ICAP message carries heads of HTTP that nobody sent on this connection (RFC 3507 §4.4)
    for (prefix, name) in [
        (&b"rtsp:"[..], "rtsp"),
        (b"rtspu:", "rtsp"),
        (b"sip:", "sip"),
        (b"sips:", "sip"),
        (b"icap:", "icap"),
        (b"icaps:", "icap"),
    ] {
        if target.starts_with(prefix) {
            return Sniffed::Named(name);
        }
        if prefix.starts_with(target) {
            return Sniffed::Short;
        }
    }
    if method == b"PROXY" && (b"TCP4".starts_with(target) || b"UNKNOWN".starts_with(target)) {
        return Sniffed::Short;
    }
    if method == b"PROXY" && (target.starts_with(b"TCP") || target.starts_with(b"UNKNOWN")) {
        return Sniffed::Carrier("proxy-protocol");
    }
    let known = METHODS.contains(&method);
    let absolute = target.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"http"));
    let usual = matches!(target.first(), Some(b'/' | b'*')) || absolute;
    if known || usual {
        Sniffed::Request
    } else if target.len() < 4 && b"http".starts_with(&target.to_ascii_lowercase()) {
        Sniffed::Short
    } else {
        Sniffed::Unknown
    }
}

/// Protocols whose first bytes are numbers.
fn binary(bytes: &[u8]) -> Sniffed {
    match bytes {
        // TLS record: handshake, alert or data of a version that exists (RFC 8446 §5.1)
        [0x14..=0x18, 3, 0..=4, ..] => Sniffed::Named("tls"),
        // SSL 2.0 ClientHello in a two-byte record (RFC 5246 appendix E.2)
        [length, _, 1, 3, 0..=3, ..] if length & 0x80 != 0 => Sniffed::Named("tls"),
        [length, _, 1, 0, 2, ..] if length & 0x80 != 0 => Sniffed::Named("tls"),
        // NetBIOS session message with SMB in it
        [0, _, _, _, 0xfe | 0xff, b'S', b'M', b'B', ..] => Sniffed::Named("smb"),
        // MySQL: protocol version 10, server greeting, sequence 0
        [_, _, 0, 0, 10, b'3'..=b'9', ..] => Sniffed::Named("mysql"),
        // PostgreSQL: length, protocol 3.0
        [0, 0, _, _, 0, 3, 0, 0, ..] => Sniffed::Named("postgresql"),
        // MQTT CONNECT: protocol name behind the remaining length
        [0x10, _, 0, 4, b'M', b'Q', b'T', b'T', ..] => Sniffed::Named("mqtt"),
        [0x10, _, 0, 6, b'M', b'Q', b'I', b's', ..] => Sniffed::Named("mqtt"),
        // SOCKS 4 (CONNECT or BIND) and SOCKS 5 (RFC 1928 §3)
        [4, 1 | 2, ..] if bytes.len() >= 9 => Sniffed::Carrier("socks"),
        [5, methods @ 1..=8, ..] if bytes.len() == 2 + *methods as usize => Sniffed::Carrier("socks"),
        [5, 0 | 2 | 0xff] => Sniffed::Carrier("socks"),
        _ if bytes.len() < 9 && bytes.iter().any(u8::is_ascii_control) => Sniffed::Short,
        _ if bytes.len() < 3 => Sniffed::Short,
        _ => Sniffed::Unknown,
    }
}
