//! Start lines: what the first line of a head says, also where it is odd (RFC 9112 §3 and §4).

use memchr::memchr;

use super::{Kind, Lines, Progress, StartLine, Version, decimal, is_blank, is_token, span, without_blanks};
use crate::call::Anomalies;
use crate::http::sniff::{Sniffed, sniff};

/// The longest registered method has 17 characters (`UPDATEREDIRECTREF`); more than this is none.
const METHOD_BYTES_MAX: usize = 32;

impl Lines {
    /// A start line that has not ended yet may still be none: long before its end that can be told.
    pub(super) fn still_possible(&self, bytes: &[u8]) -> Progress {
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

    pub(super) fn read_start(&mut self, line: &[u8]) -> bool {
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
    pub(super) fn is_simple(&mut self, bytes: &[u8]) -> bool {
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
}

/// A word and something printable: a request line of a method that is not known may begin so.
fn is_command(bytes: &[u8]) -> bool {
    let word = bytes.iter().take(METHOD_BYTES_MAX + 1).take_while(|byte| is_token(**byte)).count();
    let rest = bytes.get(word..).unwrap_or_default();
    (1..=METHOD_BYTES_MAX).contains(&word)
        && rest.first().is_none_or(|byte| *byte == b' ')
        && rest.iter().all(|byte| *byte >= b' ' || matches!(byte, b'\t' | b'\r'))
}

fn has_prefix(bytes: &[u8], prefix: &[u8]) -> bool {
    bytes.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}
