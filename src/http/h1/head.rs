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

    /// A start line that has not ended yet may still be none: long before its end that can be told.
    fn still_possible(&self, bytes: &[u8]) -> Progress {
        if self.has_start() {
            return Progress::Partial;
        }
        let begins = |prefix: &[u8]| {
            let length = bytes.len().min(prefix.len());
            has_prefix(bytes, prefix.get(..length).unwrap_or_default())
        };
        let possible = match (self.kind, sniff(bytes)) {
            (Kind::Request, Sniffed::Request | Sniffed::Short) => true,
            (Kind::Request, Sniffed::Unknown) => self.simple_allowed && is_command(bytes),
            (Kind::Request, _) => false,
            (Kind::Response, Sniffed::Response) => true,
            (Kind::Response, _) => begins(b"HTTP/") || begins(b"ICY "),
        };
        if possible { Progress::Partial } else { Progress::NotHttp }
    }

    fn read_start(&mut self, line: &[u8]) -> bool {
        let start = match self.kind {
            Kind::Request => self.request_line(line),
            Kind::Response => self.status_line(line),
        };
        self.start = start.unwrap_or(StartLine::Unread);
        start.is_some()
    }

    /// RFC 9112 §3: method SP request-target SP HTTP-version. A line that is not so still says what it says, and that
    /// it is odd: servers answer it.
    fn request_line(&mut self, line: &[u8]) -> Option<StartLine> {
        let method_end = memchr(b' ', line).filter(|end| (1..=METHOD_BYTES_MAX).contains(end))?;
        let (method, rest) = line.split_at_checked(method_end)?;
        // RFC 9113 §3.4: the preface of HTTP/2 is no request
        if !method.iter().all(|byte| is_token(*byte)) || method == b"PRI" {
            return None;
        }
        let trailing = rest.len() - rest.trim_ascii_end().len();
        let rest = rest.trim_ascii_end();
        let version_at = rest.iter().rposition(|byte| *byte == b' ').filter(|at| *at > 0);
        let told = version_at.and_then(|at| self.version(rest.get(at + 1..)?).map(|version| (at, version)));
        let (target_end, version) = match told {
            Some(told) => told,
            None if self.may_lack_version(method, rest.get(1..)?) => (rest.len(), Version::V09),
            None => return None,
        };
        let target = rest.get(1..target_end)?;
        let trimmed = target.trim_ascii();
        if trimmed.is_empty() {
            return None;
        }
        if trailing > 0 || trimmed.len() != target.len() || memchr(b' ', trimmed).is_some() {
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

    /// RFC 1945 §4.1, Simple-Request: a method and a target. Believed only where a message is known to begin, and of
    /// a target that only HTTP has: other protocols have commands of that form.
    fn may_lack_version(&self, method: &[u8], target: &[u8]) -> bool {
        self.simple_allowed
            && method.len() >= 3
            && method.iter().all(|byte| byte.is_ascii_uppercase() || matches!(byte, b'_' | b'-'))
            && memchr(b' ', target).is_none()
            && (target.starts_with(b"/") || has_prefix(target, b"http://") || has_prefix(target, b"HTTP/"))
    }

    /// Nothing follows a line without a version: only a GET is whole then. What follows it are header lines, and the
    /// line is that of a later version which lacks its last part.
    fn is_simple(&mut self, bytes: &[u8]) -> bool {
        let StartLine::Request { method, version: Version::V09, .. } = self.start else { return false };
        let alone = bytes.len() == self.at && method.of(bytes) == b"GET";
        if !alone {
            self.anomalies.insert(Anomalies::INVALID_START_LINE);
        }
        alone
    }

    /// RFC 9112 §4: HTTP-version SP status-code [ SP reason-phrase ]. `ICY` is what SHOUTcast says for HTTP/1.0.
    fn status_line(&mut self, line: &[u8]) -> Option<StartLine> {
        let end = line.iter().position(|byte| is_blank(*byte)).unwrap_or(line.len());
        let (name, rest) = line.split_at_checked(end)?;
        let version = if name == b"ICY" {
            self.anomalies.insert(Anomalies::INVALID_START_LINE);
            Version::V10
        } else {
            self.version(name)?
        };
        let told = without_blanks(rest);
        let digits = told.get(..3).filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
        if told.get(3).is_some_and(|byte| !is_blank(*byte)) {
            return None;
        }
        let status = decimal(digits)? as u16;
        let blanks = rest.iter().take_while(|byte| is_blank(**byte)).count();
        if status < 100 || blanks != 1 || rest.first() != Some(&b' ') {
            self.anomalies.insert(Anomalies::INVALID_START_LINE);
        }
        Some(StartLine::Response { status, version })
    }

    /// `HTTP/1.x`. What is spelt in another way is read as the highest version that is known (RFC 9110 §2.5).
    fn version(&mut self, text: &[u8]) -> Option<Version> {
        match text.strip_prefix(b"HTTP/") {
            Some(b"1.1") => return Some(Version::V11),
            Some(b"1.0" | b"0.9") => return Some(Version::V10),
            Some([b'1', b'.', b'2'..=b'9']) => return Some(Version::V11),
            _ => {}
        }
        if !has_prefix(text, b"HTTP/") {
            return None;
        }
        self.anomalies.insert(Anomalies::INVALID_START_LINE);
        let number = text.get(5..).unwrap_or_default();
        let old = number.starts_with(b"1.0") || number.starts_with(b"0");
        Some(if old { Version::V10 } else { Version::V11 })
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

/// The longest registered method has 17 characters (`UPDATEREDIRECTREF`); more than this is none.
const METHOD_BYTES_MAX: usize = 32;

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

fn has_prefix(bytes: &[u8], prefix: &[u8]) -> bool {
    bytes.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// A word and something printable: a request line of a method that is not known may begin so.
fn is_command(bytes: &[u8]) -> bool {
    let word = bytes.iter().take(METHOD_BYTES_MAX + 1).take_while(|byte| is_token(**byte)).count();
    let rest = bytes.get(word..).unwrap_or_default();
    (1..=METHOD_BYTES_MAX).contains(&word)
        && rest.first().is_none_or(|byte| *byte == b' ')
        && rest.iter().all(|byte| *byte >= b' ' || matches!(byte, b'\t' | b'\r'))
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
