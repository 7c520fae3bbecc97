//! Heads, line by line: what a start line and headers say, and what is odd about them.
//!
//! One reader for whole heads and for cut ones, because a head whose end is missing still says all that its whole
//! lines say; and because what a strict reader rejects or mends in silence (a bare LF, a folded line, a space
//! before the colon) is what request smuggling is made of, so it is read *and* named. It resumes at the line where
//! it stopped, so a head that comes byte by byte costs no more than one that comes at once.

use memchr::memchr;

use crate::call::{Anomalies, HeaderSpan, Span};
use crate::http::sniff::{Sniffed, begins_request, sniff};
use crate::limits::HEADER_LINES_MAX;

/// Which messages a direction sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Requests.
    Request,
    /// Responses.
    Response,
}

/// Version in a start line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// No version: HTTP/0.9 (RFC 1945 §4.1, Simple-Request).
    V09,
    /// 1.0, or an older one.
    V10,
    /// 1.1, or a newer 1.x.
    V11,
}

/// What a start line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartLine {
    /// None was read yet.
    Unread,
    /// `GET /path HTTP/1.1`
    Request {
        /// The method.
        method: Span,
        /// The request target.
        target: Span,
        /// The version.
        version: Version,
    },
    /// `HTTP/1.1 200 OK`
    Response {
        /// Three digits.
        status: u16,
        /// The version.
        version: Version,
    },
}

/// How far a head was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The head ends behind so many bytes.
    Whole(usize),
    /// The end has not come yet.
    Partial,
    /// This is no head.
    NotHttp,
}

/// All Content-Length fields together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// There is none.
    Absent,
    /// They agree.
    Value(u64),
    /// They contradict each other, or are no numbers.
    Invalid,
}

/// All Transfer-Encoding fields together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// There is none, or only `identity`.
    None,
    /// The last one is `chunked`.
    Chunked,
    /// The last one is another.
    Other,
}

/// The lines of a head.
#[derive(Debug)]
pub struct Lines {
    kind: Kind,
    /// The start line.
    pub start: StartLine,
    /// The header lines, as ranges of the head.
    pub headers: Vec<HeaderSpan>,
    /// What is odd about them.
    pub anomalies: Anomalies,
    length: Length,
    coding: Coding,
    upgrade: bool,
    hosts: u32,
    /// A line without a version may be a request of HTTP/0.9.
    simple_allowed: bool,
    /// Where the line begins that has not ended yet.
    at: usize,
    /// Up to where no LF was found.
    searched: usize,
}

impl Lines {
    pub(super) const fn new(kind: Kind) -> Self {
        Self {
            kind,
            start: StartLine::Unread,
            headers: Vec::new(),
            anomalies: Anomalies::EMPTY,
            length: Length::Absent,
            coding: Coding::None,
            upgrade: false,
            hosts: 0,
            simple_allowed: false,
            at: 0,
            searched: 0,
        }
    }

    pub(super) const fn memory(&self) -> usize {
        self.headers.capacity() * size_of::<HeaderSpan>()
    }

    pub(super) const fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) const fn length(&self) -> Length {
        self.length
    }

    pub(super) const fn coding(&self) -> Coding {
        self.coding
    }

    /// The request asks for another protocol (RFC 9110 §7.8).
    #[must_use]
    pub const fn asks_upgrade(&self) -> bool {
        self.upgrade
    }

    pub(super) const fn has_start(&self) -> bool {
        !matches!(self.start, StartLine::Unread)
    }

    /// Bytes of the lines that ended.
    pub(super) const fn whole_lines(&self) -> usize {
        self.at
    }

    /// The status says that no body follows (RFC 9112 §6.3, item 1).
    pub(super) const fn never_has_body(&self) -> bool {
        matches!(self.start, StartLine::Response { status: 100..=199 | 204 | 304, .. })
            || matches!(self.start, StartLine::Request { version: Version::V09, .. })
    }

    /// A new head begins. Only where one is known to begin, a line without a version is believed.
    pub(super) fn begin(&mut self, in_sequence: bool) {
        self.simple_allowed = in_sequence;
        self.headers.clear();
        self.start = StartLine::Unread;
        self.anomalies = Anomalies::EMPTY;
        (self.length, self.coding, self.upgrade, self.hosts) = (Length::Absent, Coding::None, false, 0);
        (self.at, self.searched) = (0, 0);
    }

    /// Whether bytes at the start of a segment look like the beginning of a message.
    pub(super) fn may_begin(&self, bytes: &[u8]) -> bool {
        match self.kind {
            Kind::Request => begins_request(bytes),
            Kind::Response => sniff(bytes) == Sniffed::Response,
        }
    }

    /// Reads on in a head. `bytes` begins where the head begins and has grown since the last time.
    #[inline]
    pub(super) fn advance(&mut self, bytes: &[u8]) -> Progress {
        loop {
            let Some(found) = bytes.get(self.searched..).and_then(|rest| memchr(b'\n', rest)) else {
                self.searched = bytes.len();
                return self.still_possible(bytes);
            };
            let (from, lf) = (self.at, self.searched + found);
            (self.at, self.searched) = (lf + 1, lf + 1);
            let end = match lf.checked_sub(1).and_then(|before| bytes.get(before)) {
                Some(b'\r') if lf > from => lf - 1,
                _ => {
                    self.anomalies.insert(Anomalies::BARE_LF);
                    lf
                }
            };
            let line = bytes.get(from..end).unwrap_or_default();
            if !self.has_start() {
                if !self.read_start(line) {
                    return Progress::NotHttp;
                }
                if matches!(self.start, StartLine::Request { version: Version::V09, .. }) {
                    return Progress::Whole(lf + 1);
                }
            } else if line.is_empty() {
                return Progress::Whole(lf + 1);
            } else {
                self.read_header(line, from);
            }
        }
    }

    /// A start line that has not ended yet may still be none: long before its end that can be told.
    fn still_possible(&self, bytes: &[u8]) -> Progress {
        let sniffed = if self.has_start() { return Progress::Partial } else { sniff(bytes) };
        let possible = match self.kind {
            Kind::Request => matches!(sniffed, Sniffed::Request | Sniffed::Short),
            Kind::Response => matches!(sniffed, Sniffed::Response | Sniffed::Short),
        };
        if possible { Progress::Partial } else { Progress::NotHttp }
    }

    fn read_start(&mut self, line: &[u8]) -> bool {
        let start = match self.kind {
            Kind::Request => self.request_line(line),
            Kind::Response => status_line(line),
        };
        self.start = start.unwrap_or(StartLine::Unread);
        start.is_some()
    }

    /// RFC 9112 §3: method SP request-target SP HTTP-version.
    fn request_line(&mut self, line: &[u8]) -> Option<StartLine> {
        let method_end = memchr(b' ', line).filter(|end| (1..=METHOD_BYTES_MAX).contains(end))?;
        let (method, rest) = line.split_at_checked(method_end)?;
        if !method.iter().all(|byte| is_token(*byte)) {
            return None;
        }
        let version_at = rest.iter().rposition(|byte| *byte == b' ').unwrap_or(0);
        let version = rest.get(version_at..).map(|tail| version(tail.trim_ascii())).unwrap_or_default();
        let (target_range, version) = match version {
            Some(version) => (1..version_at.max(1), version),
            None if self.simple_allowed && method == b"GET" && version_at == 0 && rest.len() > 1 => {
                (1..rest.len(), Version::V09)
            }
            None => return None,
        };
        let target = rest.get(target_range)?;
        let trimmed = target.trim_ascii();
        if trimmed.is_empty() {
            return None;
        }
        if trimmed.len() != target.len() || memchr(b' ', trimmed).is_some() {
            self.anomalies.insert(Anomalies::INVALID_START_LINE);
        }
        let skipped = target.len() - target.trim_ascii_start().len();
        let from = method_end + 1 + skipped;
        Some(StartLine::Request {
            method: span(0, method_end),
            target: span(from, from + trimmed.len()),
            version,
        })
    }

    #[inline]
    fn read_header(&mut self, line: &[u8], from: usize) {
        if matches!(line.first(), Some(b' ' | b'\t')) {
            self.fold(line, from);
            return;
        }
        let (name_end, value_at) = match memchr(b':', line) {
            Some(colon) => (colon, colon + 1),
            None => {
                self.anomalies.insert(Anomalies::INVALID_HEADER);
                (line.len(), line.len())
            }
        };
        let raw_name = line.get(..name_end).unwrap_or_default();
        let name = raw_name.trim_ascii_end();
        if name.len() != raw_name.len() {
            self.anomalies.insert(Anomalies::SPACE_BEFORE_COLON);
        }
        if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
            self.anomalies.insert(Anomalies::INVALID_HEADER);
        }
        let raw_value = line.get(value_at..).unwrap_or_default();
        let value = raw_value.trim_ascii();
        let value_from = from + value_at + (raw_value.len() - raw_value.trim_ascii_start().len());
        self.note_framing(name, value);
        if self.headers.len() < HEADER_LINES_MAX {
            self.headers.push(HeaderSpan {
                name: span(from, from + name.len()),
                value: span(value_from, value_from + value.len()),
            });
        } else {
            self.anomalies.insert(Anomalies::HEAD_TOO_LONG);
        }
    }

    /// A line that begins with white space continues the value before it (RFC 9112 §5.2).
    fn fold(&mut self, line: &[u8], from: usize) {
        self.anomalies.insert(Anomalies::FOLDED_HEADER);
        match self.headers.last_mut() {
            Some(header) => header.value.end = (from + line.trim_ascii_end().len()) as u32,
            None => self.anomalies.insert(Anomalies::INVALID_HEADER),
        }
    }

    /// The fields that decide where the message ends.
    #[inline]
    fn note_framing(&mut self, name: &[u8], value: &[u8]) {
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => self.hosts += 1,
            7 if name.eq_ignore_ascii_case(b"upgrade") => self.upgrade = true,
            14 if name.eq_ignore_ascii_case(b"content-length") => self.note_length(value),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.note_coding(value),
            _ => {}
        }
    }

    /// RFC 9110 §8.6: digits; a list of equal values counts as one.
    fn note_length(&mut self, value: &[u8]) {
        for part in value.split(|byte| *byte == b',') {
            let part = part.trim_ascii();
            let digits = !part.is_empty() && part.iter().all(u8::is_ascii_digit);
            let number = digits.then(|| decimal(part)).flatten();
            self.length = match (self.length, number) {
                (_, None) => {
                    self.anomalies.insert(Anomalies::INVALID_LENGTH);
                    Length::Invalid
                }
                (Length::Absent, Some(number)) => Length::Value(number),
                (Length::Value(before), Some(number)) if before == number => {
                    self.anomalies.insert(Anomalies::DUPLICATE_LENGTH);
                    Length::Value(number)
                }
                (Length::Value(_), Some(_)) => {
                    self.anomalies.insert(Anomalies::CONFLICTING_LENGTH);
                    Length::Invalid
                }
                (Length::Invalid, Some(_)) => Length::Invalid,
            };
        }
    }

    /// RFC 9112 §6.1: the last coding decides.
    fn note_coding(&mut self, value: &[u8]) {
        if self.coding == Coding::Chunked {
            self.anomalies.insert(Anomalies::ODD_TRANSFER_ENCODING);
        }
        for part in value.split(|byte| *byte == b',') {
            let part = part.trim_ascii();
            self.coding = if part.eq_ignore_ascii_case(b"chunked") {
                Coding::Chunked
            } else if part.eq_ignore_ascii_case(b"identity") {
                self.anomalies.insert(Anomalies::ODD_TRANSFER_ENCODING);
                Coding::None
            } else {
                Coding::Other
            };
        }
        if self.coding == Coding::Other {
            self.anomalies.insert(Anomalies::ODD_TRANSFER_ENCODING);
        }
    }

    /// Looks once over all lines for what no single line shows.
    #[inline]
    pub(super) fn inspect(&mut self, bytes: &[u8]) {
        let (mut cr, mut lf, mut control) = (0_u32, 0_u32, false);
        for byte in bytes {
            cr += u32::from(*byte == b'\r');
            lf += u32::from(*byte == b'\n');
            control |= (*byte < b' ' && !matches!(*byte, b'\r' | b'\n' | b'\t')) || *byte == 0x7f;
        }
        if control {
            self.anomalies.insert(Anomalies::CONTROL_CHARACTER);
        }
        if cr > lf || (cr == lf && self.anomalies.has(Anomalies::BARE_LF)) {
            self.anomalies.insert(Anomalies::BARE_CR);
        }
        let chunked = self.coding != Coding::None;
        if chunked && self.length != Length::Absent {
            self.anomalies.insert(Anomalies::LENGTH_AND_CHUNKED);
        }
        let version = match self.start {
            StartLine::Request { version, .. } | StartLine::Response { version, .. } => version,
            StartLine::Unread => return,
        };
        if chunked && version == Version::V10 {
            self.anomalies.insert(Anomalies::CHUNKED_IN_HTTP10);
        }
        let whole = bytes.ends_with(b"\n\r\n") || bytes.ends_with(b"\n\n");
        let host_missing = self.hosts == 0 && version == Version::V11 && whole;
        if self.kind == Kind::Request && (self.hosts > 1 || host_missing) {
            self.anomalies.insert(Anomalies::HOST_COUNT);
        }
    }
}

/// The longest registered method has 17 characters (`UPDATEREDIRECTREF`); more than this is none.
const METHOD_BYTES_MAX: usize = 32;

/// RFC 9112 §4: HTTP-version SP status-code [ SP reason-phrase ].
fn status_line(line: &[u8]) -> Option<StartLine> {
    let version = version(line.get(..8)?)?;
    let rest = line.get(8..)?.strip_prefix(b" ")?.trim_ascii_start();
    let digits = rest.get(..3).filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
    if !matches!(rest.get(3), None | Some(b' ')) {
        return None;
    }
    let status = decimal(digits)? as u16;
    (100..=999).contains(&status).then_some(StartLine::Response { status, version })
}

/// `HTTP/1.x`; another major version is another protocol.
fn version(text: &[u8]) -> Option<Version> {
    match text.strip_prefix(b"HTTP/")? {
        b"1.1" => Some(Version::V11),
        b"1.0" | b"0.9" => Some(Version::V10),
        [b'1', b'.', b'2'..=b'9'] => Some(Version::V11),
        _ => None,
    }
}

fn decimal(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0_u64, |value, digit| value.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
}

const fn span(start: usize, end: usize) -> Span {
    Span { start: start as u32, end: end as u32 }
}

/// RFC 9110 §5.6.2: the characters of a token.
#[inline]
pub(crate) const fn is_token(byte: u8) -> bool {
    TOKEN[byte as usize]
}

static TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_usize;
    while byte < 256 {
        let b = byte as u8;
        table[byte] = b.is_ascii_alphanumeric()
            || matches!(
                b,
                b'!' | b'#'
                    | b'$'
                    | b'%'
                    | b'&'
                    | b'\''
                    | b'*'
                    | b'+'
                    | b'-'
                    | b'.'
                    | b'^'
                    | b'_'
                    | b'`'
                    | b'|'
                    | b'~'
            );
        byte += 1;
    }
    table
};
