//! Heads, line by line: what a start line and headers say, and what is odd about them.
//!
//! One reader for whole heads and for cut ones, because a head whose end is missing still says all that its whole
//! lines say; and because what a strict reader rejects or mends in silence (a bare LF, a folded line, a space
//! before the colon) is what request smuggling is made of, so it is read *and* named. It resumes at the line where
//! it stopped, so a head that comes byte by byte costs no more than one that comes at once.

mod start;

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
    /// Lines that ended with CR LF.
    crlf: u32,
    /// No byte of the head needs escaping in JSON.
    plain: bool,
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
            crlf: 0,
            plain: false,
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

    /// All bytes of the head are printable ASCII without quotes and backslashes, but for the ends of its lines.
    #[must_use]
    pub const fn is_plain(&self) -> bool {
        self.plain
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
            || (self.headers.is_empty()
                && matches!(self.start, StartLine::Request { version: Version::V09, .. }))
    }

    /// A new head begins. Only where one is known to begin, a line without a version is believed.
    pub(super) fn begin(&mut self, in_sequence: bool) {
        self.simple_allowed = in_sequence;
        self.headers.clear();
        self.start = StartLine::Unread;
        self.anomalies = Anomalies::EMPTY;
        (self.length, self.coding, self.upgrade, self.hosts) = (Length::Absent, Coding::None, false, 0);
        (self.at, self.searched, self.crlf, self.plain) = (0, 0, 0, false);
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
                Some(b'\r') if lf > from => {
                    self.crlf += 1;
                    lf - 1
                }
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
                if self.is_simple(bytes) {
                    return Progress::Whole(lf + 1);
                }
            } else if line.is_empty() {
                return Progress::Whole(lf + 1);
            } else {
                self.read_header(line, from);
            }
        }
    }

    #[inline]
    fn read_header(&mut self, line: &[u8], from: usize) {
        if matches!(line.first(), Some(b' ' | b'\t')) {
            self.fold(line, from);
            return;
        }
        let token = line.iter().position(|byte| !is_token(*byte)).unwrap_or(line.len());
        let (name, value_at) = match line.get(token) {
            Some(b':') if token > 0 => (line.get(..token).unwrap_or_default(), token + 1),
            _ => self.odd_name(line),
        };
        let raw_value = line.get(value_at..).unwrap_or_default();
        let blanks = raw_value.iter().position(|byte| !is_blank(*byte)).unwrap_or(raw_value.len());
        let value = without_blanks(raw_value);
        let value_from = from + value_at + blanks;
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

    /// The name of a line that does not begin with a token and a colon, and where its value begins.
    #[cold]
    fn odd_name<'a>(&mut self, line: &'a [u8]) -> (&'a [u8], usize) {
        let (name_end, value_at) = match memchr(b':', line) {
            Some(colon) => (colon, colon + 1),
            None => {
                self.anomalies.insert(Anomalies::INVALID_HEADER);
                (line.len(), line.len())
            }
        };
        let raw_name = line.get(..name_end).unwrap_or_default();
        let blanks = raw_name.iter().rev().take_while(|byte| is_blank(**byte)).count();
        let name = raw_name.get(..raw_name.len() - blanks).unwrap_or_default();
        if name.len() != raw_name.len() {
            self.anomalies.insert(Anomalies::SPACE_BEFORE_COLON);
        }
        if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
            self.anomalies.insert(Anomalies::INVALID_HEADER);
        }
        (name, value_at)
    }

    /// A line that begins with white space continues the value before it (RFC 9112 §5.2).
    fn fold(&mut self, line: &[u8], from: usize) {
        self.anomalies.insert(Anomalies::FOLDED_HEADER);
        let trailing = line.iter().rev().take_while(|byte| is_blank(**byte)).count();
        match self.headers.last_mut() {
            Some(header) => header.value.end = (from + line.len() - trailing) as u32,
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
            let part = without_blanks(part);
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

    /// RFC 9112 §6.1: the last coding decides. Empty places in the list don't count (RFC 9110 §5.6.1).
    fn note_coding(&mut self, value: &[u8]) {
        if self.coding == Coding::Chunked {
            self.anomalies.insert(Anomalies::ODD_TRANSFER_ENCODING);
        }
        let parts = value.split(|byte| *byte == b',').map(without_blanks).filter(|part| !part.is_empty());
        let mut any = false;
        for part in parts {
            any = true;
            self.coding = if part.eq_ignore_ascii_case(b"chunked") {
                Coding::Chunked
            } else if part.eq_ignore_ascii_case(b"identity") && self.coding == Coding::None {
                self.anomalies.insert(Anomalies::ODD_TRANSFER_ENCODING);
                Coding::None
            } else {
                Coding::Other
            };
        }
        if !any {
            self.coding = Coding::Other;
        }
        if self.coding == Coding::Other {
            self.anomalies.insert(Anomalies::ODD_TRANSFER_ENCODING);
        }
    }

    /// The head is cut behind its whole lines; `next` is the byte that follows them, if it came. The last value may
    /// have been continued on the next line (RFC 9112 §5.2); if that can't be excluded it is not known.
    pub(super) fn end_early(&mut self, next: Option<u8>) {
        if matches!(next, None | Some(b' ' | b'\t')) {
            self.headers.pop();
        }
    }

    /// Looks once over all lines for what no single line shows.
    #[inline]
    pub(super) fn inspect(&mut self, bytes: &[u8]) {
        let (odd, cr) = survey(bytes);
        // a folded value holds ends of lines
        self.plain = odd == 0 && cr == self.crlf && !self.anomalies.has(Anomalies::FOLDED_HEADER);
        if odd & CONTROL != 0 {
            self.anomalies.insert(Anomalies::CONTROL_CHARACTER);
        }
        // every line ends with CR LF, so that any other number of CR tells of one that stands alone
        if cr != self.crlf {
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

/// A control character other than CR, LF and TAB stands in a head.
const CONTROL: u8 = 1;
/// A TAB, a quote, a backslash or a byte beyond ASCII stands in a head.
const ESCAPED: u8 = 2;

/// What stands in a head besides plain characters, and how many CR.
#[inline]
fn survey(bytes: &[u8]) -> (u8, u32) {
    let (mut odd, mut cr) = (0_u8, 0_u32);
    // small sums in bytes let the compiler look at many bytes at once
    for part in bytes.chunks(128) {
        let (mut control, mut escaped, mut returns) = (0_u8, 0_u8, 0_u8);
        for &byte in part {
            let line_end = u8::from(byte == b'\r') | u8::from(byte == b'\n');
            let tab = u8::from(byte == b'\t');
            control |= (u8::from(byte < b' ') & !(line_end | tab)) | u8::from(byte == 0x7f);
            escaped |= tab | u8::from(byte == b'"') | u8::from(byte == b'\\') | (byte >> 7);
            returns += u8::from(byte == b'\r');
        }
        odd |= ((control & 1) * CONTROL) | ((escaped & 1) * ESCAPED);
        cr += u32::from(returns);
    }
    (odd, cr)
}

/// White space around names and values (RFC 9110 §5.6.3); a CR alone counts as a space (RFC 9112 §2.2). A form feed is
/// none, whatever a library may think.
const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r')
}

/// Without white space in front and behind.
#[inline]
fn without_blanks(mut bytes: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = bytes
        && is_blank(*first)
    {
        bytes = rest;
    }
    while let [rest @ .., last] = bytes
        && is_blank(*last)
    {
        bytes = rest;
    }
    bytes
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
