//! One API call as it was seen: the request, its answer, and how much of both was there.
//!
//! A [`Call`] owns one buffer with both heads as they lay on the wire and spans into it, so that building it
//! copies each head once. What stands in it is what was seen: a field is known, known to be absent, or unknown,
//! and nothing is ever filled in by guessing.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::time::Timestamp;
use crate::tls::Session;

/// Known, none, unknown: three different things. A rule that reasons from absence needs `None`, never `Unknown`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Seen<T> {
    /// It was seen, and this is it. In JSON: the value.
    Known(T),
    /// It was looked for where it would stand, and it is not there. In JSON: `null`.
    None,
    /// The place where it would stand was not seen. In JSON: absent.
    #[default]
    Unknown,
}

impl<T> Seen<T> {
    /// The value, if it was seen.
    pub fn known(self) -> Option<T> {
        match self {
            Self::Known(value) => Some(value),
            Self::None | Self::Unknown => None,
        }
    }

    /// The same knowledge of something derived.
    pub fn map<U>(self, derive: impl FnOnce(T) -> U) -> Seen<U> {
        match self {
            Self::Known(value) => Seen::Known(derive(value)),
            Self::None => Seen::None,
            Self::Unknown => Seen::Unknown,
        }
    }

    /// Borrows the value.
    pub const fn as_ref(&self) -> Seen<&T> {
        match self {
            Self::Known(value) => Seen::Known(value),
            Self::None => Seen::None,
            Self::Unknown => Seen::Unknown,
        }
    }
}

/// A range of a call's buffer, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// Behind the last byte.
    pub end: u32,
}

impl Span {
    /// Of something that was there and is not known: names nothing.
    pub const UNKNOWN: Self = Self { start: u32::MAX, end: 0 };

    /// What it names was seen.
    #[must_use]
    #[inline]
    pub const fn is_known(self) -> bool {
        self.start <= self.end
    }

    /// The bytes of `buffer` that the span names; nothing if the span lies outside.
    #[must_use]
    pub fn of(self, buffer: &[u8]) -> &[u8] {
        buffer.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// The same range of a buffer in which `by` bytes were put in front.
    #[must_use]
    pub const fn shifted(self, by: u32) -> Self {
        if self.is_known() { Self { start: self.start + by, end: self.end + by } } else { self }
    }
}

/// One header line: name and value, in the order and spelling of the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeaderSpan {
    /// The field name.
    pub name: Span,
    /// The value without white space around it; a folded value keeps its line breaks.
    pub value: Span,
}

impl HeaderSpan {
    /// A field was sent here, and neither its name nor its value is known (HPACK under loss).
    pub const UNKNOWN: Self = Self { name: Span::UNKNOWN, value: Span::UNKNOWN };
}

/// How a call's messages were framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// HTTP/0.9 (RFC 1945 §4): a bare `GET`, answered by bytes without a head.
    Http09,
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
    /// The messages of WebSocket behind the call that asked for it (RFC 6455 §5, RFC 8441).
    WebSocket,
    /// HTTP/2 (RFC 9113).
    H2,
    /// gRPC over HTTP/2.
    Grpc,
}

impl Protocol {
    /// As in the record's field `protocol`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http09 => "http/0.9",
            Self::Http10 => "http/1.0",
            Self::Http11 => "http/1.1",
            Self::WebSocket => "websocket",
            Self::H2 => "h2",
            Self::Grpc => "grpc",
        }
    }
}

/// A set of small named things, written as the list of their names. The names are the labels of the metrics too.
#[macro_export]
macro_rules! names {
    ($(#[$outer:meta])* pub struct $name:ident($int:ty) { $($(#[$inner:meta])* $constant:ident = $bit:literal, $label:literal;)* }) => {
        $(#[$outer])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name($int);

        impl $name {
            $($(#[$inner])* pub const $constant: Self = Self(1 << $bit);)*
            const ALL: &'static [(Self, &'static str)] = &[$((Self::$constant, $label)),*];

            /// None of them.
            pub const EMPTY: Self = Self(0);

            /// Adds all of `other`.
            pub const fn insert(&mut self, other: Self) {
                self.0 |= other.0;
            }

            /// Both sets together.
            #[must_use]
            pub const fn union(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }

            /// All of `other` are in it.
            #[must_use]
            pub const fn has(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// Nothing is in it.
            #[must_use]
            pub const fn is_empty(self) -> bool {
                self.0 == 0
            }

            /// The names of what is in it, in the order of declaration.
            pub fn names(self) -> impl Iterator<Item = &'static str> {
                Self::ALL.iter().filter(move |(one, _)| self.has(*one)).map(|(_, label)| *label)
            }

            /// The set's member of that name.
            #[must_use]
            pub fn named(label: &str) -> Option<Self> {
                Self::ALL.iter().find(|(_, known)| *known == label).map(|(one, _)| *one)
            }

            /// Every name there is, for schemas and counters.
            pub fn all_names() -> impl Iterator<Item = &'static str> {
                Self::ALL.iter().map(|(_, label)| *label)
            }
        }
    };
}

names! {
    /// Why a call is partial.
    pub struct Causes(u16) {
        /// Bytes of the request were not in the capture.
        GAP_IN_REQUEST = 0, "gap_in_request";
        /// Bytes of the response were not in the capture.
        GAP_IN_RESPONSE = 1, "gap_in_response";
        /// The capture began when the connection was under way.
        JOINED_MIDSTREAM = 2, "joined_midstream";
        /// The snap length cut bytes off.
        TRUNCATED_CAPTURE = 3, "truncated_capture";
        /// The connection was reset before the end.
        CONNECTION_RESET = 4, "connection_reset";
        /// Nothing came for too long.
        EXPIRED = 5, "expired";
        /// The memory budget needed the place.
        EVICTED = 6, "evicted";
        /// The input ended first.
        STILL_OPEN = 7, "still_open";
        /// The sender closed the connection before the end of the message, or never answered.
        CONNECTION_CLOSED = 8, "connection_closed";
        /// The framing is broken: where the message ends can't be known.
        MALFORMED = 9, "malformed";
        /// A field hangs on an entry of the HPACK table that was not seen.
        HPACK_UNKNOWN = 10, "hpack_unknown";
        /// One end ended the stream before the messages had ended (RFC 9113 §6.4).
        STREAM_RESET = 11, "stream_reset";
        /// The TLS around it can't be decrypted from some place on.
        UNDECRYPTED = 12, "undecrypted";
    }
}

names! {
    /// What was odd about a call's framing. Request smuggling starts there (RFC 9112 §11.2).
    pub struct Anomalies(u32) {
        /// Content-Length and Transfer-Encoding in one head (RFC 9112 §6.1).
        LENGTH_AND_CHUNKED = 0, "length_and_chunked";
        /// More than one Content-Length, all alike (RFC 9110 §8.6).
        DUPLICATE_LENGTH = 1, "duplicate_length";
        /// Content-Lengths that differ.
        CONFLICTING_LENGTH = 2, "conflicting_length";
        /// A Content-Length that is no number.
        INVALID_LENGTH = 3, "invalid_length";
        /// A Transfer-Encoding whose last coding is not chunked, or that is spelt oddly.
        ODD_TRANSFER_ENCODING = 4, "odd_transfer_encoding";
        /// A line ends with LF alone (RFC 9112 §2.2).
        BARE_LF = 5, "bare_lf";
        /// A CR that no LF follows.
        BARE_CR = 6, "bare_cr";
        /// White space between a field name and its colon (RFC 9112 §5.1).
        SPACE_BEFORE_COLON = 7, "space_before_colon";
        /// A field value continued on the next line (RFC 9112 §5.2).
        FOLDED_HEADER = 8, "folded_header";
        /// A header line without a colon, or whose name is no token.
        INVALID_HEADER = 9, "invalid_header";
        /// More than one Host, or none in HTTP/1.1 (RFC 9112 §3.2).
        HOST_COUNT = 10, "host_count";
        /// A chunk extension (RFC 9112 §7.1.1): hardly anybody sends one.
        CHUNK_EXTENSION = 11, "chunk_extension";
        /// A chunk size or the line behind a chunk is malformed.
        INVALID_CHUNK = 12, "invalid_chunk";
        /// Bytes that belong to no message stand between messages.
        BYTES_BETWEEN_MESSAGES = 13, "bytes_between_messages";
        /// The start line is not of the form that RFC 9112 §3 and §4 give.
        INVALID_START_LINE = 14, "invalid_start_line";
        /// The head is longer than the sensor keeps.
        HEAD_TOO_LONG = 15, "head_too_long";
        /// An answer came before its request had ended.
        EARLY_RESPONSE = 16, "early_response";
        /// An answer that nobody asked for.
        UNSOLICITED_RESPONSE = 17, "unsolicited_response";
        /// Transfer-Encoding in an HTTP/1.0 message (RFC 9112 §6.1).
        CHUNKED_IN_HTTP10 = 18, "chunked_in_http10";
        /// A NUL byte or another control character in a head.
        CONTROL_CHARACTER = 19, "control_character";
        /// A later TCP copy of a byte of this connection differs from the first.
        SEGMENT_REWRITTEN = 20, "segment_rewritten";
        /// A body where the method or the status allows none.
        UNEXPECTED_BODY = 21, "unexpected_body";
        /// A frame that HTTP/2 or WebSocket has not: its size, its stream, its bits or its place can't be (RFC 9113 §4, §6;
        /// RFC 6455 §5); in a body of gRPC, a message without its prefix.
        INVALID_FRAME = 22, "invalid_frame";
        /// A header block that is not HPACK (RFC 7541).
        INVALID_HPACK = 23, "invalid_hpack";
        /// A header block in more pieces than anybody needs.
        CONTINUATION_FLOOD = 24, "continuation_flood";
        /// Streams that are opened and reset at once, again and again (CVE-2023-44487).
        RESET_FLOOD = 25, "reset_flood";
        /// The client lets the server send a few bytes at a time, again and again, so that its answers wait in memory
        /// (CVE-2019-9511).
        WINDOW_ABUSE = 26, "window_abuse";
    }
}

/// One half of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Whether anything of it was seen. Without it the other fields are unknown.
    pub seen: bool,
    /// Where its header lines stand in [`Call::headers`].
    pub headers: std::ops::Range<usize>,
    /// The blank line behind the headers was reached: a header that is not in the list was not sent.
    pub head_whole: bool,
    /// No byte of the head needs escaping in JSON.
    pub plain: bool,
    /// Size of the head with start line and blank line, in bytes.
    pub head_bytes: Option<u64>,
    /// Size of the body after the transfer coding was undone; known also when bytes of it are missing but the
    /// framing determines it. Zero where the rules of the protocol say that there is none.
    pub body_bytes: Option<u64>,
    /// What the body's values say; absent when the body was not inspected.
    pub facts: Option<Facts>,
    /// The messages that it consists of, where the protocol has any.
    pub messages: Option<Box<Messages>>,
}

/// Messages that one end sent in a call, and bytes of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Those that began.
    pub count: u64,
    /// Bytes of their payload as they were sent.
    pub bytes: u64,
}

impl Tally {
    const fn add(&mut self, other: Self) {
        self.count += other.count;
        self.bytes += other.bytes;
    }
}

/// The messages that one end sent in a call (gRPC, WebSocket).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Messages {
    /// Those that began.
    pub count: u64,
    /// Bytes of their payload as they were sent, compressed or not.
    pub bytes: u64,
    /// Those that are compressed.
    pub compressed: u64,
    /// What kinds of frames of WebSocket.
    pub opcodes: Option<Opcodes>,
}

/// Messages of WebSocket by kind (RFC 6455 §11.8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Opcodes {
    /// Text messages.
    pub text: Tally,
    /// Binary messages.
    pub binary: Tally,
    /// Frames that close.
    pub close: Tally,
    /// Pings.
    pub ping: Tally,
    /// Pongs.
    pub pong: Tally,
    /// Why it was closed (RFC 6455 §7.4).
    pub close_code: Option<u16>,
}

impl Messages {
    /// Adds what was counted later.
    pub fn add(&mut self, later: &Self) {
        self.count += later.count;
        self.bytes += later.bytes;
        self.compressed += later.compressed;
        if let Some(later) = &later.opcodes {
            let opcodes = self.opcodes.get_or_insert_default();
            opcodes.text.add(later.text);
            opcodes.binary.add(later.binary);
            opcodes.close.add(later.close);
            opcodes.ping.add(later.ping);
            opcodes.pong.add(later.pong);
            opcodes.close_code = opcodes.close_code.or(later.close_code);
        }
    }
}

/// One of the parts that a long call is told in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// From 0.
    pub number: u32,
    /// Id of the first part.
    pub first: u128,
    /// No other part follows.
    pub is_last: bool,
}

/// One request with its answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Hash of what cannot change between two readings of the same packets.
    pub id: u128,
    /// The connection it was on.
    pub connection: u128,
    /// Interface of the capture on which the first packet of the connection came.
    pub interface: u32,
    /// Network id of the tunnel around it.
    pub vni: Option<u32>,
    /// Who asked.
    pub client: SocketAddr,
    /// Who was asked.
    pub server: SocketAddr,
    /// First byte of the request; of the response where the request is lost.
    pub time: Timestamp,
    /// From the first byte of the request to the last of the response, when both were seen.
    pub duration_ns: Option<u64>,
    /// From the last byte of the request to the first of the response, when both were seen; zero for an early
    /// response.
    pub ttfb_ns: Option<u64>,
    /// Version of the request; of the response where the request is lost.
    pub protocol: Protocol,
    /// The stream it was on (HTTP/2).
    pub stream_id: Option<u32>,
    /// The TLS that it came in; none: in clear text.
    pub tls: Option<Arc<Session>>,
    /// Both heads as they lay.
    pub buffer: Vec<u8>,
    /// Header lines of both heads.
    pub headers: Vec<HeaderSpan>,
    /// The method as it stands on the wire.
    pub method: Option<Span>,
    /// The request target as it stands on the wire (RFC 9112 §3.2).
    pub target: Option<Span>,
    /// `:authority`, where the protocol has it beside the headers (RFC 9113 §8.3.1).
    pub authority: Option<Span>,
    /// Three digits.
    pub status: Option<u16>,
    /// `grpc-status`, if this is gRPC.
    pub grpc_status: Option<u32>,
    /// `grpc-message`: what went wrong, percent-encoded.
    pub grpc_message: Option<Span>,
    /// Which part of a call it is that is told in parts.
    pub part: Option<Part>,
    /// The request.
    pub request: Message,
    /// The response.
    pub response: Message,
    /// Why it is partial; empty: complete.
    pub causes: Causes,
    /// What was odd about it.
    pub anomalies: Anomalies,
}

impl Call {
    /// Names and values of one half's headers, in order, but those that are not known.
    pub fn headers_of<'a>(&'a self, message: &Message) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let spans = self.headers.get(message.headers.clone()).unwrap_or_default();
        spans
            .iter()
            .filter(|span| span.name.is_known())
            .map(|span| (span.name.of(&self.buffer), span.value.of(&self.buffer)))
    }

    /// The first header of that name (in lower case) in one half: known, none, or unknown.
    #[must_use]
    pub fn header<'a>(&'a self, message: &Message, name: &str) -> Seen<&'a [u8]> {
        let found = self.headers_of(message).find(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes()));
        match found {
            Some((_, value)) => Seen::Known(value),
            None if message.head_whole => Seen::None,
            None => Seen::Unknown,
        }
    }
}

/// What the analysis may know of a body or of parameters, so that it never needs the body itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Values that matched a data class, in the order in which they stand.
    pub leaves: Vec<Leaf>,
}

/// One value of a body or one parameter, told without the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Where: `body /json/pointer`, `body` for plain text, `query NAME`, `path N` (from 1), `header NAME`.
    pub at: String,
    /// Its length in bytes.
    pub len: u64,
    /// The data classes it matched, such as `aws-access-key-id`.
    pub classes: Vec<String>,
    /// Keyed fingerprint of the value.
    pub fingerprint: u64,
    /// At most its first and last two characters and the class: `AK…7Q (aws-access-key-id)`.
    pub masked: String,
}

/// How it is known which end of a connection is the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Roles {
    /// The other end sent the SYN.
    Handshake,
    /// The ends speak like that.
    Content,
    /// It is only supposed, because the lower port is mostly the server's.
    Ports,
}

impl Roles {
    /// As in the record's field `roles`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::Content => "content",
            Self::Ports => "ports",
        }
    }
}

/// A connection, or the part of one, that was not turned into calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Hash of the flow key and the time of the first packet.
    pub id: u128,
    /// Interface of the capture on which its first packet came.
    pub interface: u32,
    /// Network id of the tunnel around it.
    pub vni: Option<u32>,
    /// Who opened it.
    pub client: SocketAddr,
    /// Who was connected to.
    pub server: SocketAddr,
    /// How these two are known.
    pub roles: Roles,
    /// First packet.
    pub time: Timestamp,
    /// From the first packet to the last.
    pub duration_ns: u64,
    /// What it speaks: `tls`, `ssh`, `websocket`, `unknown` …
    pub protocol: &'static str,
    /// Why it was not turned into calls, or how it ended.
    pub reason: &'static str,
    /// Frames from the client and from the server.
    pub packets: [u64; 2],
    /// Payload bytes from the client and from the server, duplicates included.
    pub bytes: [u64; 2],
    /// Calls that it had before it was given up.
    pub calls: u64,
    /// What was seen of its TLS; none: it is not TLS.
    pub tls: Option<Session>,
    /// Version of its QUIC: `1`, `2`, `draft-29`.
    pub quic_version: Option<String>,
    /// Anomalies that belong to no call.
    pub anomalies: Anomalies,
}
