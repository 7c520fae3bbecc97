//! The fields of one header block, as text in one buffer with spans into it.

use crate::call::{Anomalies, HeaderSpan, Span};

/// Pseudo-header fields (RFC 9113 §8.3) apart from the others, which stand in order. A field that hangs on an unknown
/// entry keeps its place.
#[derive(Debug, Default)]
pub struct Fields {
    text: Vec<u8>,
    /// The fields that are no pseudo-headers.
    pub headers: Vec<HeaderSpan>,
    /// `:method`
    pub method: Option<Span>,
    /// `:path`
    pub path: Option<Span>,
    /// `:authority`
    pub authority: Option<Span>,
    /// `:scheme`
    pub scheme: Option<Span>,
    /// `:protocol` (RFC 8441 §4)
    pub protocol: Option<Span>,
    /// `:status`
    pub status: Option<u16>,
    /// A pseudo-header field stands in it.
    pub has_pseudo: bool,
    /// Fields that are not known.
    pub unknown: u32,
    /// What is odd about them.
    pub anomalies: Anomalies,
    /// A byte needs escaping in JSON.
    odd_bytes: bool,
}

impl Fields {
    /// Makes it empty, keeping its memory.
    pub fn clear(&mut self) {
        let (mut text, mut headers) = (std::mem::take(&mut self.text), std::mem::take(&mut self.headers));
        text.clear();
        headers.clear();
        *self = Self { text, headers, ..Self::default() };
    }

    /// The text that the spans are of.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// No byte of it needs escaping in JSON, and no field is unknown.
    #[must_use]
    pub const fn is_plain(&self) -> bool {
        !self.odd_bytes && self.unknown == 0
    }

    /// Bytes of memory beside the struct itself.
    #[must_use]
    pub const fn memory(&self) -> usize {
        self.text.capacity() + self.headers.capacity() * size_of::<HeaderSpan>()
    }

    /// The first field of that name (in lower case).
    #[must_use]
    pub fn value(&self, name: &[u8]) -> Option<&[u8]> {
        let found = self.headers.iter().find(|header| header.name.of(&self.text) == name)?;
        Some(found.value.of(&self.text))
    }

    pub(super) fn push(&mut self, name: &[u8], value: &[u8]) {
        let start = self.begin();
        self.text.extend_from_slice(name);
        let colon = self.colon();
        self.text.extend_from_slice(value);
        self.close(start, colon);
    }

    pub(super) fn push_unknown(&mut self) {
        self.unknown += 1;
        self.headers.push(HeaderSpan::UNKNOWN);
    }

    pub(super) const fn text_mut(&mut self) -> &mut Vec<u8> {
        &mut self.text
    }

    pub(super) const fn begin(&self) -> usize {
        self.text.len()
    }

    /// The name ends here.
    pub(super) fn colon(&mut self) -> usize {
        self.text.push(b':');
        self.text.len() - 1
    }

    pub(super) fn cut(&mut self, start: usize) {
        self.text.truncate(start);
    }

    /// The value ends here: what field is it?
    pub(super) fn close(&mut self, start: usize, colon: usize) -> (&[u8], &[u8]) {
        let end = self.text.len();
        let name = Span { start: start as u32, end: colon as u32 };
        let value = Span { start: colon as u32 + 1, end: end as u32 };
        if name.of(&self.text).first() == Some(&b':') {
            self.pseudo(name, value);
        } else {
            self.headers.push(HeaderSpan { name, value });
            if name.of(&self.text).iter().any(|byte| !is_name_byte(*byte)) || name.start == name.end {
                self.anomalies.insert(Anomalies::INVALID_HEADER);
            }
        }
        let field = self.text.get(start..).unwrap_or_default();
        self.odd_bytes |= field.iter().fold(false, |odd, byte| odd | needs_care(*byte));
        (name.of(&self.text), value.of(&self.text))
    }

    fn pseudo(&mut self, name: Span, value: Span) {
        if self.headers.iter().any(|header| header.name.is_known()) {
            // RFC 9113 §8.3: they stand before all others
            self.anomalies.insert(Anomalies::INVALID_HEADER);
        }
        let mut known = true;
        let twice = match name.of(&self.text) {
            b":method" => again(&mut self.method, value),
            b":path" => again(&mut self.path, value),
            b":authority" => again(&mut self.authority, value),
            b":scheme" => again(&mut self.scheme, value),
            b":protocol" => again(&mut self.protocol, value),
            b":status" => match status(value.of(&self.text)) {
                Some(status) => again(&mut self.status, status),
                None => {
                    known = false;
                    self.status.is_some()
                }
            },
            _ => {
                known = false;
                false
            }
        };
        if twice || !known {
            self.anomalies.insert(Anomalies::INVALID_START_LINE);
        }
        self.has_pseudo |= known;
    }
}

/// Keeps the first value; whether there was one.
fn again<T>(slot: &mut Option<T>, value: T) -> bool {
    let again = slot.is_some();
    slot.get_or_insert(value);
    again
}

/// Three digits (RFC 9110 §15).
fn status(value: &[u8]) -> Option<u16> {
    match value {
        [a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9'] => {
            Some(u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0'))
        }
        _ => None,
    }
}

/// Token characters (RFC 9110 §5.6.2) but capitals, which HTTP/2 has not (RFC 9113 §8.2.1).
const fn is_name_byte(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'!' | b'#'..=b'\'' | b'*' | b'+' | b'^' | b'`' | b'|' | b'~')
}

const fn needs_care(byte: u8) -> bool {
    byte < 0x20 || byte > 0x7e || byte == b'"' || byte == b'\\'
}
